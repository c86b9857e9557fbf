"""Counts of values over the register: how rare a name is, who holds an identifier, how often one repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kernels.keys import index_keys, look_up_keys
from kernels.probe import index_codes, probe_neighbours
from linkage.coded import Tokens
from linkage.model import FREQUENCIES, STEP
from linkage.name_keys import fold_codes, name_codes

#: Persons of a (sex, decade of birth) group whose weight the whole register's share of a name has beside it.
GROUP_PRIOR = 2_000.0

_FORMS = {"exact": "", "ascii": "ascii", "ends": "ends"}


@dataclass(frozen=True)
class ValueCounts:
    """Distinct keys and how often each stands: keys uint64[k] sorted, counts int64[k]."""

    keys: np.ndarray
    counts: np.ndarray

    @staticmethod
    def of(keys: np.ndarray) -> ValueCounts:
        """Counts of keys, zeros left out."""
        distinct, counts = np.unique(keys[keys != 0], return_counts=True)
        return ValueCounts(distinct, counts.astype(np.int64))

    @staticmethod
    def merge(many: Sequence[ValueCounts]) -> ValueCounts:
        """Sum of several counts."""
        keys, inverse = np.unique(np.concatenate([m.keys for m in many]), return_inverse=True)
        counts = np.zeros(keys.shape[0], np.int64)
        np.add.at(counts, inverse, np.concatenate([m.counts for m in many]))
        return ValueCounts(keys, counts)

    def look_up(self, keys: np.ndarray) -> np.ndarray:
        """Count of each key, 0 where unknown: int64[n]."""
        bits = max(1, int(self.keys.size).bit_length() - 1)
        starts = np.empty((1 << bits) + 1, np.int64)
        index_keys(self.keys, bits, starts)
        out = np.empty(keys.shape[0], np.int64)
        look_up_keys(self.keys, self.counts, bits, starts, keys, out)
        return out

    def chance_agreement(self, n: int) -> float:
        """Chance that two different of ``n`` records agree."""
        if n < 2:
            return 0.0
        return float((self.counts * (self.counts - 1)).sum() / (float(n) * (n - 1)))

    def unseen(self) -> float:
        """Good-Turing: expected other bearers of a value that one person bears."""
        once, twice = int((self.counts == 1).sum()), int((self.counts == 2).sum())
        return float(np.clip(2.0 * twice / once, 0.1, 1.0)) if once else 0.5


def groups(sex: np.ndarray, birth: np.ndarray) -> np.ndarray:
    """Group of sex and decade of birth, uint64[n], 0 where either is unknown."""
    decade = np.clip((birth.astype(np.int64) >> 9) // 10 - 180, 0, 63)
    known = (sex > 0) & (birth > 0)
    return np.where(known, sex.astype(np.int64) * 64 + decade, 0).astype(np.uint64)


def name_keys(names: np.ndarray, tokens: Tokens) -> dict[str, np.ndarray]:
    """Keys of names by frequency form."""
    return {form: name_codes(names, tokens, code) for form, code in _FORMS.items()}


def count_names(
    names: np.ndarray, sex: np.ndarray, birth: np.ndarray, tokens: Tokens
) -> tuple[dict[str, ValueCounts], dict[str, ValueCounts], ValueCounts]:
    """Register counts of one part: by form, by form and group, and of the groups."""
    keys = name_keys(names, tokens)
    group = groups(sex, birth)
    whole = {form: ValueCounts.of(k) for form, k in keys.items()}
    grouped = {form: ValueCounts.of(fold_codes(k, group)) for form, k in keys.items()}
    return whole, grouped, ValueCounts.of(group)


def frequency_terms(
    names: np.ndarray,
    sex: np.ndarray,
    birth: np.ndarray,
    tokens: Tokens,
    whole: Mapping[str, ValueCounts],
    grouped: Mapping[str, ValueCounts],
    group_sizes: ValueCounts,
    n_register: int,
    left_out: int = 1,
) -> np.ndarray:
    """-log2 of the chance that a stranger of the sex and decade bears the name, int32[n, 3], in 1/1024 bit.

    ``left_out`` bearers do not count: 1, the person the record is held against; 2, the record's own person
    too. A name that nobody else bears has the chance of one seen once (Good and Turing 1953). The group's own
    count leans on the register's, and no name is taken for rarer in its group than among all of its sex.
    """
    out = np.zeros((names.shape[0], len(FREQUENCIES)), np.int32)
    keys = name_keys(names, tokens)
    group = groups(sex, birth)
    size = group_sizes.look_up(group).astype(np.float64)
    people = _people_of_sex(sex, group_sizes, n_register)
    for column, form in enumerate(FREQUENCIES):
        bearers = whole[form].look_up(keys[form])
        everywhere = (np.maximum(bearers - left_out, 0) + whole[form].unseen()) / people
        here = np.where(group != 0, grouped[form].look_up(fold_codes(keys[form], group)), 0)
        blended = (np.maximum(here - left_out, 0) + GROUP_PRIOR * everywhere) / (size + GROUP_PRIOR)
        chance = np.minimum(np.maximum(blended, everywhere), 1.0)
        out[:, column] = np.rint(-np.log2(chance) * STEP).astype(np.int32)
    return out


def _people_of_sex(sex: np.ndarray, group_sizes: ValueCounts, n_register: int) -> np.ndarray:
    """Register persons of each record's sex (all of them where it is unknown), float64[n], at least 1."""
    of_sex = np.full(4, float(n_register))
    for value in (1, 2):
        counted = int(group_sizes.counts[(group_sizes.keys // 64) == value].sum())
        if counted:
            of_sex[value] = counted
    return np.maximum(of_sex[np.minimum(sex, 3)], 1.0)


def known_names(names: np.ndarray, tokens: Tokens, whole: Mapping[str, ValueCounts]) -> np.ndarray:
    """Whether some register person bears the name exactly: uint8[n]."""
    return (whole["exact"].look_up(name_codes(names, tokens, "")) > 0).astype(np.uint8)


@dataclass(frozen=True)
class Holders:
    """Identifiers of the register: codes int64[k] sorted, rows uint32[k], whether present or earlier ones."""

    codes: np.ndarray
    rows: np.ndarray

    @staticmethod
    def of(codes: np.ndarray, rows: np.ndarray, aliases: np.ndarray | None) -> Holders:
        """From the register's column and its earlier identifiers (int64[n, k])."""
        all_codes, all_rows = [codes], [rows]
        if aliases is not None:
            for place in range(aliases.shape[1]):
                all_codes.append(aliases[:, place])
                all_rows.append(rows)
        joined, owners = np.concatenate(all_codes), np.concatenate(all_rows)
        keep = joined != 0
        order = np.lexsort((owners[keep], joined[keep]))
        return Holders(np.ascontiguousarray(joined[keep][order]), np.ascontiguousarray(owners[keep][order]))

    def holds(self, codes: np.ndarray) -> np.ndarray:
        """Whether some register person holds each code: bool[n]."""
        if self.codes.size == 0:
            return np.zeros(codes.shape[0], bool)
        at = np.minimum(np.searchsorted(self.codes, codes), self.codes.size - 1)
        return (self.codes[at] == codes) & (codes != 0)


def neighbours(holders: Holders, codes: np.ndarray, limit: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (place in ``codes``, register row) of identifiers one slip apart; at most ``limit`` a code."""
    if holders.codes.size == 0 or codes.size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    base = np.int64(holders.codes[0])
    spread = int(holders.codes[-1] - base)
    shift = max(0, spread.bit_length() - 20)
    index = np.empty((spread >> shift) + 2, np.int64)
    index_codes(holders.codes - base, shift, index)
    room = 1 << 16
    while True:
        left, right = np.empty(room, np.int64), np.empty(room, np.int64)
        n = int(probe_neighbours(codes, holders.codes, holders.rows, base, shift, index, limit, left, right))
        if n >= 0:
            return left[:n].copy(), right[:n].copy()
        room *= 4


def repeats_of(codes: np.ndarray, source: np.ndarray) -> np.ndarray:
    """How many rows of its own source bear each record's identifier: int32[n], 0 for none."""
    out = np.zeros(codes.shape[0], np.int32)
    for s in np.unique(source):
        mine = np.flatnonzero((source == s) & (codes != 0))
        _, inverse, counts = np.unique(codes[mine], return_inverse=True, return_counts=True)
        out[mine] = counts[inverse]
    return out
