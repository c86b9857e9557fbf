"""Counts of values over the register: how rare a name is, who holds an identifier, how often one repeats."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kernels._door import reading
from kernels.keys import index_keys, look_up_keys
from kernels.partition import sort_by_key
from kernels.probe import probe_neighbours
from kernels.runs import count_repeats, count_runs, find_runs, mark_known
from linkage.coded import Tokens
from linkage.model import FREQUENCIES, STEP
from linkage.name_keys import name_codes

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
        return unseen_bearers(int((self.counts == 1).sum()), int((self.counts == 2).sum()))


def groups(sex: np.ndarray, birth: np.ndarray) -> np.ndarray:
    """Group of sex and decade of birth, uint8[n], 0 where either is unknown."""
    decade = np.clip((birth.astype(np.int64) >> 9) // 10 - 180, 0, 63)
    known = (sex > 0) & (birth > 0)
    return np.where(known, np.minimum(sex, 3).astype(np.int64) * 64 + decade, 0).astype(np.uint8)


def name_keys(names: np.ndarray, tokens: Tokens, forms: Sequence[str] = FREQUENCIES) -> dict[str, np.ndarray]:
    """Keys of names by frequency form."""
    return {form: name_codes(names, tokens, _FORMS[form]) for form in forms}


@dataclass(frozen=True)
class NameCounts:
    """What is known of the register's names in one form, over all of it.

    once, twice : values that one person bears, that two bear
    same        : ordered pairs of different persons that bear one value
    """

    once: int
    twice: int
    same: int

    @staticmethod
    def merge(many: Sequence[NameCounts]) -> NameCounts:
        """Sum of several counts of different values."""
        return NameCounts(sum(c.once for c in many), sum(c.twice for c in many), sum(c.same for c in many))

    def unseen(self) -> float:
        """Good-Turing: expected other bearers of a value that one person bears."""
        return unseen_bearers(self.once, self.twice)

    def chance_agreement(self, n: int) -> float:
        """Chance that two different of ``n`` records agree."""
        return self.same / (float(n) * (n - 1)) if n > 1 else 0.0


def unseen_bearers(once: int, twice: int) -> float:
    """Good-Turing: expected other bearers of a value that one person bears, 0.1 to 1."""
    return float(np.clip(2.0 * twice / once, 0.1, 1.0)) if once else 0.5


@dataclass(frozen=True)
class Bearers:
    """How many register persons bear each record's name, and how many of its own sex and decade.

    all, here : int32[n], ``here`` 0 where sex or birth is unknown
    """

    all: np.ndarray
    here: np.ndarray


def count_bearers(keys: np.ndarray, group: np.ndarray) -> tuple[Bearers, NameCounts, dict[str, np.ndarray]]:
    """Bearers of every key among these persons, who are all that bear any of these keys.

    keys : uint64[n], 0 for no name;  group : uint8[n], see :func:`groups`

    Returns them in the order given, what is known of all these names, and the table of counts: ``keys``
    uint64[k] sorted, ``group`` uint8[k], ``count`` int32[k] for each name and group that occurs.
    """
    n = keys.shape[0]
    ordered, places = np.array(keys, np.uint64), np.arange(n, dtype=np.uint32)
    sort_by_key(ordered, places)
    held = reading(group, np.uint8, "group")
    everywhere, here = np.zeros(n, np.int32), np.zeros(n, np.int32)
    table_keys, table_group = np.empty(n, np.uint64), np.empty(n, np.uint8)
    table_count = np.empty(n, np.int32)
    totals = np.zeros(3, np.int64)
    k = count_runs(ordered, places, held, everywhere, here, table_keys, table_group, table_count, totals)
    table: dict[str, np.ndarray] = {
        "keys": table_keys[:k],
        "group": table_group[:k],
        "count": table_count[:k],
    }
    return Bearers(everywhere, here), NameCounts(*(int(v) for v in totals)), table


def look_up_bearers(table: Mapping[str, np.ndarray], keys: np.ndarray, group: np.ndarray) -> Bearers:
    """Bearers of any names (uint64[n], groups uint8[n]) by a table of :func:`count_bearers`."""
    everywhere, here = np.zeros(keys.shape[0], np.int32), np.zeros(keys.shape[0], np.int32)
    find_runs(table["keys"], table["group"], table["count"], keys, group, everywhere, here)
    return Bearers(everywhere, here)


def group_sizes(group: np.ndarray) -> np.ndarray:
    """Persons of every group, int64[256]; those of group 0 do not count."""
    sizes = np.bincount(group, minlength=256).astype(np.int64)
    sizes[0] = 0
    return sizes


def frequency_terms(
    bearers: Mapping[str, Bearers],
    sex: np.ndarray,
    group: np.ndarray,
    sizes: np.ndarray,
    unseen: Mapping[str, float],
    n_register: int,
    left_out: int = 1,
) -> np.ndarray:
    """-log2 of the chance that a stranger of the sex and decade bears the name, int16[n, 3], in 1/1024 bit.

    bearers : by frequency form;  group : uint8[n];  sizes : see :func:`group_sizes`
    unseen  : by form, see :func:`unseen_bearers`

    ``left_out`` bearers do not count: 1, the person the record is held against; 2, the record's own person
    too. A name that nobody else bears has the chance of one seen once (Good and Turing 1953). The group's own
    count leans on the register's, and no name is taken for rarer in its group than among all of its sex.
    """
    out = np.zeros((sex.shape[0], len(FREQUENCIES)), np.int16)
    size = sizes[group].astype(np.float64)
    people = _people_of_sex(sex, sizes, n_register)
    for column, form in enumerate(FREQUENCIES):
        everywhere = (np.maximum(bearers[form].all - left_out, 0) + unseen[form]) / people
        blended = (np.maximum(bearers[form].here - left_out, 0) + GROUP_PRIOR * everywhere) / (
            size + GROUP_PRIOR
        )
        chance = np.minimum(np.maximum(blended, everywhere), 1.0)
        out[:, column] = np.rint(-np.log2(chance) * STEP).astype(np.int16)
    return out


def _people_of_sex(sex: np.ndarray, sizes: np.ndarray, n_register: int) -> np.ndarray:
    """Register persons of each record's sex (all of them where it is unknown), float64[n], at least 1."""
    of_sex = np.full(4, float(n_register))
    for value in (1, 2):
        counted = int(sizes[value * 64 : value * 64 + 64].sum())
        if counted:
            of_sex[value] = counted
    return np.maximum(of_sex[np.minimum(sex, 3)], 1.0)


def all_codes(
    codes: np.ndarray, rows: np.ndarray, aliases: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Identifiers that some row bears now or bore before, and their rows: int64[k], uint32[k]."""
    found, owners = [codes], [rows]
    if aliases is not None:
        for place in range(aliases.shape[1]):
            found.append(aliases[:, place])
            owners.append(rows)
    joined, rows_of = np.concatenate(found), np.concatenate(owners)
    keep = joined != 0
    return np.ascontiguousarray(joined[keep]), np.ascontiguousarray(rows_of[keep])


@dataclass(frozen=True)
class Holders:
    """Identifiers of the register: codes int64[k] sorted, rows uint32[k], whether present or earlier ones."""

    codes: np.ndarray
    rows: np.ndarray

    @staticmethod
    def of(codes: np.ndarray, rows: np.ndarray, aliases: np.ndarray | None) -> Holders:
        """From rows (uint32[n], rising) of the register and their earlier identifiers (int64[n, k])."""
        return Holders.sorted(*all_codes(codes, rows, aliases))

    @staticmethod
    def sorted(codes: np.ndarray, rows: np.ndarray) -> Holders:
        """From codes (int64[n], none of them 0) and their rows, both in any order."""
        by_row = np.argsort(rows, kind="stable")
        ordered, owners = codes[by_row].view(np.uint64).copy(), rows[by_row].astype(np.uint32)
        sort_by_key(ordered, owners)
        return Holders(ordered.view(np.int64), owners)

    def holds(self, codes: np.ndarray) -> np.ndarray:
        """Whether some register person holds each code (int64[n], 0 for none): bool[n]."""
        return known_keys(self.codes.view(np.uint64), codes.view(np.uint64))

    @functools.cached_property
    def buckets(self) -> tuple[np.int64, int, np.ndarray]:
        """The first code, a shift, and where the codes of each bucket ``(code - first) >> shift`` begin and
        the last one's end: int64[buckets + 1], of at most 2**20 buckets. There is at least one code.
        """
        base = self.codes[0]
        spread = int(self.codes[-1] - base)
        shift = max(0, spread.bit_length() - 20)
        edges = base + (np.arange((spread >> shift) + 2, dtype=np.int64) << shift)
        return base, shift, np.searchsorted(self.codes, edges).astype(np.int64)


def neighbours(holders: Holders, codes: np.ndarray, limit: int = 64) -> tuple[np.ndarray, np.ndarray, int]:
    """Pairs (place in ``codes``, register row) of identifiers one slip apart, and how many more there are.

    limit : at most so many pairs a code. An identifier that would exceed it is left out with all who hold it:
    which of them stand first depends on the order of their files.
    """
    if holders.codes.size == 0 or codes.size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), 0
    base, shift, index = holders.buckets
    # As mapped files are: compiled once for both.
    known = reading(holders.codes, np.int64, "codes"), reading(holders.rows, holders.rows.dtype, "rows")
    room = 1 << 16
    left_out = np.zeros(1, np.int64)
    while True:
        left, right = np.empty(room, np.int64), np.empty(room, np.int64)
        n = int(probe_neighbours(codes, *known, base, shift, index, limit, left_out, left, right))
        if n >= 0:
            return left[:n].copy(), right[:n].copy(), int(left_out[0])
        room *= 4


def known_keys(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which of the ``wanted`` keys (uint64[m], any order) are among ``keys`` (uint64[n], sorted): bool[m]."""
    ordered, places = np.array(wanted, np.uint64), np.arange(wanted.shape[0], dtype=np.uint32)
    sort_by_key(ordered, places)
    out = np.zeros(wanted.shape[0], np.uint8)
    mark_known(reading(keys, np.uint64, "keys"), ordered, places, out)
    return out.view(np.bool_)


def held_and_repeated(
    holders: Holders, codes: np.ndarray, source: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether some register person holds each record's identifier, uint8[n]; and how many rows of its own
    source bear it, int32[n]: 0 for none.

    codes : int64[n];  source : uint8[n]. The rows given are all that bear any of these identifiers.
    """
    ordered, places = codes.view(np.uint64).copy(), np.arange(codes.shape[0], dtype=np.uint32)
    sort_by_key(ordered, places)
    held, repeats = np.zeros(codes.shape[0], np.uint8), np.zeros(codes.shape[0], np.int32)
    mark_known(reading(holders.codes.view(np.uint64), np.uint64, "codes"), ordered, places, held)
    count_repeats(ordered, places, reading(source, np.uint8, "source"), repeats)
    return held, repeats
