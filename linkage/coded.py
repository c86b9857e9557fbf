"""Coded records: the fixed-width columns the compiled code works on, and what their codes mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kernels.packed import PackedStrings
from kernels.tokens import TokenForms
from linkage.columns import Column, Split

#: Tokens kept of a name; a longer name keeps its first seven and its last.
NAME_WIDTH = 8

#: Array type of each kind of column.
DTYPES: dict[str, np.dtype] = {
    "identifier": np.dtype(np.int64),
    "phone": np.dtype(np.int64),
    "date": np.dtype(np.int32),
    "sex": np.dtype(np.uint8),
    "unit": np.dtype(np.int32),
    "name": np.dtype(np.uint32),
    "text": np.dtype(np.uint32),
}


@dataclass(frozen=True)
class Tokens:
    """The vocabulary of name tokens; id 0 stands for no token.

    forms : see :class:`kernels.tokens.TokenForms`
    letters : uint32[v], a bit for each letter a to z of the ASCII form, one more for anything else
    exact_hash, ascii_hash, phonetic_hash : uint64[v], keyed hashes of the forms' text, for block keys;
        0 for id 0
    """

    forms: TokenForms
    letters: np.ndarray
    exact_hash: np.ndarray
    ascii_hash: np.ndarray
    phonetic_hash: np.ndarray


@dataclass(frozen=True)
class UnitSets:
    """Sets of administrative units: offsets int64[s + 1], sorted members int32[k], province int32[s].

    The province is -1 where the members of a set are of several.
    """

    offsets: np.ndarray
    members: np.ndarray
    province: np.ndarray


@dataclass(frozen=True)
class PackedTexts:
    """Distinct texts of a column: their packed characters, keyed hashes uint64[t + 1]; code 0 is none."""

    strings: PackedStrings
    hashes: np.ndarray


@dataclass(frozen=True)
class Meaning:
    """What the codes of coded records mean, the same for every part of a run."""

    kinds: Mapping[str, str]
    tokens: Tokens
    units: UnitSets
    texts: Mapping[str, PackedTexts] = field(default_factory=dict)


@dataclass(frozen=True)
class Coded:
    """Coded records of one or more parts.

    arrays     : column -> array, or :class:`linkage.columns.Column`, of DTYPES[kind]; names are [n, 8];
                 beside a column ``c`` may stand ``c.alias`` (int64[n, k], earlier identifiers) and
                 ``c.held`` (see :mod:`linkage.frequency`)
    source     : uint8[n], number of the source; the register is 0
    order      : uint64[n], keyed hash of (source, record_id): samples and ties go by it, never by rows
    n_register : how many rows are the register's; they come first
    """

    arrays: Mapping[str, Any]
    source: Any
    order: Any
    n_register: int

    def __len__(self) -> int:
        return int(self.source.shape[0])

    def take(self, rows: np.ndarray, columns: Sequence[str] | None = None, *, marks: bool = True) -> Coded:
        """The given rows, in that order; register rows must come first for ``n_register`` to mean a thing.

        Without ``marks`` nobody asks for the rows' source and order, which are then not read: zeros.
        """
        wanted = self.arrays if columns is None else {c: self.arrays[c] for c in columns if c in self.arrays}
        splits: dict[bytes, Split] = {}

        def taken(values: np.ndarray | Column) -> np.ndarray:
            if isinstance(values, Column):
                key = values.starts.tobytes()
                if key not in splits:
                    splits[key] = Split(rows, values.starts)
                return values.take(splits[key])
            return np.ascontiguousarray(np.take(values, rows, axis=0))

        return Coded(
            arrays={name: taken(values) for name, values in wanted.items()},
            source=taken(self.source) if marks else np.zeros(rows.shape[0], np.uint8),
            order=taken(self.order) if marks else np.zeros(0, np.uint64),
            n_register=int((rows < self.n_register).sum()),
        )
