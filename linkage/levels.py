"""Conditions of comparison levels, from their text to the programme that :mod:`kernels.patterns` runs.

A condition is written over features: ``exact``, ``full_name.given and not sex.exact``,
``jaro_winkler >= 0.92``. Yes/no features are bits that a kernel finds for a pair in one look; measured
features (similarities, distances) are computed once a pair, never once a threshold.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

import kernels.dates
import kernels.identifiers
import kernels.tokens
from kernels import patterns
from linkage.errors import ConfigError, did_you_mean

#: Measured features by kind of column, with the factor of their fixed-point form.
MEASURES: dict[str, dict[str, int]] = {
    "name": {"osa": 1, "jaro_winkler": 10_000, "overlap": 255},
    "text": {"osa": 1, "levenshtein": 1, "jaro": 10_000, "jaro_winkler": 10_000},
}

#: An identifier of the register record was once the other's present one (alias file).
ALIAS = 1 << 16
#: The agency record's identifier is held by some register record.
HELD = 1 << 17

#: Some register person bears the agency record's name exactly as it stands.
KNOWN = 1 << 28

_NAME_BITS = (
    "EXACT PLAIN UNACCENTED BARE PHONETIC REORDERED OMITTED SUBSET INITIALS GIVEN GIVEN_PHONETIC GIVEN_EXACT "
    "SURNAME SURNAME_PHONETIC SURNAME_EXACT MIDDLE ALL_BUT_GIVEN ALL_BUT_SURNAME"
).split()
_DATE_BITS = (
    "EXACT SWAPPED ONE_DIGIT YEAR_EQUAL YEAR_NEAR YEAR_DIGIT DAY_MONTH_EQUAL MONTH_EQUAL DAY_EQUAL PARTIAL "
    "HEAPED DAY_MONTH_DIGIT"
).split()
_IDENTIFIER_BITS = ("EXACT ONE_DIGIT ADJACENT_SWAP ONE_EDIT LOST_ZERO SAME_TAIL SAME_HEAD DIFFERENT").split()

#: Yes/no features by kind of column: name in a condition -> bit.
BITS: dict[str, dict[str, int]] = {
    "name": {n.lower(): int(getattr(kernels.tokens, n)) for n in _NAME_BITS}
    | {"null": int(kernels.tokens.NULL), "known": KNOWN},
    "date": {n.lower(): int(getattr(kernels.dates, n)) for n in _DATE_BITS}
    | {"null": int(kernels.dates.NULL)},
    "identifier": {n.lower(): int(getattr(kernels.identifiers, n)) for n in _IDENTIFIER_BITS}
    | {"null": int(kernels.identifiers.NULL), "alias": ALIAS, "held": HELD},
    "unit": {"null": 1, "exact": 2, "overlap": 4, "same_province": 8},
    "sex": {"null": 1, "exact": 2},
    "text": {"null": 1, "exact": 2},
}
BITS["phone"] = BITS["identifier"]


@dataclass(frozen=True)
class Level:
    """One agreement level of a part of a comparison.

    ``m`` and ``u`` fix a probability (None: estimated). ``term_frequency`` names the frequency the level's
    weight is adjusted by (``exact``, ``ascii``, ``ends``: of a name; ``repeats``: of an identifier), or None.
    ``link`` False: agreement no better than this never makes a link, whatever else agrees. ``group``: the
    level is agreement on a near-unique identifier, where chance agreement comes from errors and not from
    coincidence; levels of one group are trained within that agreement.
    """

    name: str
    when: str
    m: float | None = None
    u: float | None = None
    term_frequency: str | None = None
    link: bool = True
    group: str = ""


@dataclass(frozen=True)
class Part:
    """One dimension of a comparison: its levels in order, ``null`` first, a catch-all last."""

    name: str
    columns: tuple[str, ...]
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Programme:
    """Compiled levels of all parts, and the features they ask for.

    ``bit_columns``: columns whose bits are slots 0, 1, ...; ``measures``: (column, measure) of the numeric
    slots; ``code``, ``part_starts``, ``radix``: see :func:`kernels.patterns.assign_patterns`;
    ``n_patterns``: product of the numbers of levels.
    """

    parts: tuple[Part, ...]
    bit_columns: tuple[str, ...]
    measures: tuple[tuple[str, str], ...]
    code: np.ndarray
    part_starts: np.ndarray
    radix: np.ndarray
    n_patterns: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of levels of each part; patterns are C-ordered over it."""
        return tuple(len(p.levels) for p in self.parts)

    def levels_of(self, patterns_: np.ndarray) -> np.ndarray:
        """Levels, int64[n, parts], of n pattern numbers."""
        if not self.parts:
            return np.zeros((patterns_.shape[0], 0), np.int64)
        return np.stack(np.unravel_index(patterns_.astype(np.int64), self.shape), axis=1)


class _Compiler:
    def __init__(self, kinds: dict[str, str]) -> None:
        self.kinds = kinds
        self.bit_columns: list[str] = []
        self.measures: list[tuple[str, str]] = []

    def slot(self, column: str) -> int:
        if column not in self.bit_columns:
            self.bit_columns.append(column)
        return self.bit_columns.index(column)

    def measure(self, column: str, name: str) -> int:
        if (column, name) not in self.measures:
            self.measures.append((column, name))
        return self.measures.index((column, name))

    def resolve(self, node: ast.expr, columns: Sequence[str], text: str) -> tuple[str, str]:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            column, feature = node.value.id, node.attr
        elif isinstance(node, ast.Name):
            if len(columns) != 1:
                raise ConfigError(
                    "E-CONFIG-041",
                    f"The condition '{text}' says '{node.id}' without its column.",
                    "A comparison of several columns names the column of every feature.",
                    f"Write for example '{columns[0]}.{node.id}'.",
                )
            column, feature = columns[0], node.id
        else:
            raise _not_understood(text)
        if column not in columns:
            raise ConfigError(
                "E-CONFIG-042",
                f"The condition '{text}' uses the column '{column}'.",
                f"Only the comparison's own columns can be used: {', '.join(columns)}.",
                f"Add the column to 'columns'.{did_you_mean(column, columns)}",
            )
        if column not in self.kinds:
            raise ConfigError(
                "E-CONFIG-043",
                f"The comparison uses the column '{column}', which no source declares.",
                f"Known columns: {', '.join(sorted(self.kinds))}.",
                f"Declare it in a contract, or correct it.{did_you_mean(column, self.kinds)}",
            )
        return column, feature

    def condition(self, node: ast.expr, columns: Sequence[str], text: str) -> list[tuple[int, int, int]]:
        if isinstance(node, ast.BoolOp):
            out = self.condition(node.values[0], columns, text)
            joined = patterns.AND if isinstance(node.op, ast.And) else patterns.OR
            for value in node.values[1:]:
                out += [*self.condition(value, columns, text), (joined, 0, 0)]
            return out
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return [*self.condition(node.operand, columns, text), (patterns.NOT, 0, 0)]
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self.threshold(node, columns, text)
        if isinstance(node, ast.Name | ast.Attribute):
            if isinstance(node, ast.Name) and node.id == "always":
                return [(patterns.ALWAYS, 0, 0)]
            column, feature = self.resolve(node, columns, text)
            known = BITS[self.kinds[column]]
            if feature not in known:
                raise _unknown_feature(text, column, self.kinds[column], feature)
            return [(patterns.BITS_ANY, self.slot(column), known[feature])]
        raise _not_understood(text)

    def threshold(self, node: ast.Compare, columns: Sequence[str], text: str) -> list[tuple[int, int, int]]:
        column, feature = self.resolve(node.left, columns, text)
        measures = MEASURES.get(self.kinds[column], {})
        if feature not in measures:
            raise _unknown_feature(text, column, self.kinds[column], feature)
        bound = node.comparators[0]
        if not isinstance(bound, ast.Constant) or not isinstance(bound.value, int | float):
            raise _not_understood(text)
        slot = self.measure(column, feature)
        scaled = float(bound.value) * measures[feature]
        operator = node.ops[0]
        if isinstance(operator, ast.GtE):
            return [(patterns.AT_LEAST, slot, int(np.ceil(scaled - 1e-9)))]
        if isinstance(operator, ast.LtE):
            return [(patterns.AT_MOST, slot, int(np.floor(scaled + 1e-9)))]
        raise _not_understood(text)


def _not_understood(text: str) -> ConfigError:
    return ConfigError(
        "E-CONFIG-040",
        f"The condition '{text}' is not understood.",
        "A condition is features joined by and, or, not, with >= or <= for measured ones.",
        "Example: 'exact', 'given and not surname', 'jaro_winkler >= 0.92'.",
    )


def _unknown_feature(text: str, column: str, kind: str, feature: str) -> ConfigError:
    known = [*BITS[kind], *MEASURES.get(kind, {})]
    return ConfigError(
        "E-CONFIG-044",
        f"The condition '{text}' asks '{feature}' of the column '{column}'.",
        f"A column of kind {kind} has: {', '.join(known)}.",
        f"Correct the feature's name.{did_you_mean(feature, known)}",
    )


#: CPython 3.11 counts the depth of a tree for all threads together: two at once may raise SystemError.
_parsing = threading.Lock()


def _parsed(text: str) -> ast.expr:
    with _parsing:
        return ast.parse(text, mode="eval").body


def compile_parts(parts: Iterable[Part], kinds: dict[str, str]) -> Programme:
    """Compile the levels of ``parts``; ``kinds`` gives the kind of each column.

    Raises ConfigError E-CONFIG-040 to -046 for a condition that cannot be understood.
    """
    parts = tuple(parts)
    compiler = _Compiler(kinds)
    code: list[tuple[int, int, int]] = []
    starts = [0]
    for number, part in enumerate(parts):
        for index, level in enumerate(part.levels):
            try:
                tree = _parsed(level.when)
            except SyntaxError as error:
                raise _not_understood(level.when) from error
            code += compiler.condition(tree, part.columns, level.when)
            code.append((patterns.TAKE_LEVEL, number, index))
        starts.append(len(code))
        if part.levels[-1].when != "always":
            raise ConfigError(
                "E-CONFIG-045",
                f"The last level of '{part.name}' has the condition '{part.levels[-1].when}'.",
                "The last level of a comparison takes every pair that is left.",
                'Add a level with when = "always".',
            )
    shape = [len(p.levels) for p in parts]
    n_patterns = int(np.prod(shape, dtype=np.int64))
    if n_patterns > 1 << 26:
        raise ConfigError(
            "E-CONFIG-046",
            f"The comparisons have {n_patterns:,} patterns in all.",
            f"At most {1 << 26:,} can be held.",
            "Merge levels, or leave out a comparison.",
        )
    radix = np.ones(len(parts), np.int64)
    for i in range(len(parts) - 2, -1, -1):
        radix[i] = radix[i + 1] * shape[i + 1]
    return Programme(
        parts=parts,
        bit_columns=tuple(compiler.bit_columns),
        measures=tuple(compiler.measures),
        code=np.array(code, np.int64).reshape(-1, 3),
        part_starts=np.array(starts, np.int64),
        radix=radix,
        n_patterns=n_patterns,
    )
