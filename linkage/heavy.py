"""Heavy keys: block keys that so many records share that a partition of their own would hold them all.

A key that more than ``candidates`` register records of a sample have is hot, whatever the rest of the
register holds. Its records therefore take the refining columns into their keys where keys are made, range by
range, until their key is heavy no more, and lie in the partitions of these deeper keys: no task holds a heavy
block as a whole. What comes of it is what :func:`linkage.block.plan_blocks` makes of the same records in one
partition, whichever of the hot keys the sample shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kernels import keys as key_kernels
from linkage.coded import Coded, Meaning
from linkage.hot import least_rows, pairs_of
from linkage.name_keys import fold_codes
from linkage.rules import Rule, base_keys, part_codes

#: Gives the records of global rows, with some of their columns and their order.
Gather = Callable[[np.ndarray, tuple[str, ...]], Coded]

#: The register's sample is this many runs of so many neighbouring rows: a page of a column is read once.
RUNS, RUN_ROWS = 512, 128


@dataclass(frozen=True)
class Heavy:
    """Heavy keys of a rule: keys uint64[h], sorted; depth uint8[h], the refining columns that each holds;
    parent uint64[h], each without the last of these, 0 for a key before refinement.
    """

    keys: np.ndarray
    depth: np.ndarray
    parent: np.ndarray

    @staticmethod
    def none() -> Heavy:
        """No key at all."""
        return Heavy(np.zeros(0, np.uint64), np.zeros(0, np.uint8), np.zeros(0, np.uint64))

    def places(self, keys: np.ndarray) -> np.ndarray:
        """Place of each key among the heavy ones, int64[n], -1 for others."""
        if not self.keys.size:
            return np.full(keys.shape[0], -1, np.int64)
        at = np.minimum(np.searchsorted(self.keys, keys), self.keys.size - 1)
        return np.where(self.keys[at] == keys, at, -1)


@dataclass(frozen=True)
class Spread:
    """Records of heavy keys, each under the first of its keys that is not heavy.

    keys : uint64[k];  rows : uint32[k];  base : uint64[k], the key before refinement;  parent : uint64[k],
    the key without its last refining column;  depth : uint8[k], refining columns in the key, at least 1
    """

    keys: np.ndarray
    rows: np.ndarray
    base: np.ndarray
    parent: np.ndarray
    depth: np.ndarray

    def at(self, depth: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Keys, rows, base keys and parents of those with so many refining columns."""
        some = self.depth == depth
        return self.keys[some], self.rows[some], self.base[some], self.parent[some]


@dataclass(frozen=True)
class Tally:
    """What was seen of heavy keys while their records were spread.

    records : int64[h], how many have the key;  refinable : int64[h], how many of these have the column that
    refines it;  row : uint32[h], the record with the least order;  order : uint64[h], that order, the
    greatest there is where no record was looked at
    """

    records: np.ndarray
    refinable: np.ndarray
    row: np.ndarray
    order: np.ndarray

    @staticmethod
    def none(h: int) -> Tally:
        """Nothing seen of so many keys."""
        most = np.full(h, np.iinfo(np.uint64).max, np.uint64)
        return Tally(np.zeros(h, np.int64), np.zeros(h, np.int64), np.zeros(h, np.uint32), most)

    def add(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.records + other.records,
            self.refinable + other.refinable,
            np.where(other.order < self.order, other.row, self.row),
            np.minimum(self.order, other.order),
        )


def register_sample(n_register: int) -> np.ndarray:
    """Register rows that are looked at for heavy keys, int64 and rising: runs spread over all of it."""
    if n_register <= RUNS * RUN_ROWS:
        return np.arange(n_register, dtype=np.int64)
    first = np.arange(RUNS, dtype=np.int64) * n_register // RUNS
    return (first[:, None] + np.arange(RUN_ROWS)).ravel()


def heavy_keys(
    rows: np.ndarray, gather: Gather, meaning: Meaning, rule: Rule, secret: int, candidates: int
) -> Heavy:
    """The rule's keys, refined ones too, that more than ``candidates`` of these register rows share."""
    columns = {p.column for p in rule.on}
    keys = base_keys(gather(rows, (*columns, *(f"{c}.alias" for c in columns))), meaning, rule, secret)
    rows = np.repeat(rows, keys.shape[1])
    keys = np.ascontiguousarray(keys.ravel())
    parents = np.zeros_like(keys)
    found: list[np.ndarray] = []
    found_parents: list[np.ndarray] = []
    for depth in range(len(rule.refine) + 1):
        some = keys != key_kernels.NO_KEY
        keys, rows, parents = keys[some], rows[some], parents[some]
        ordered = np.sort(keys)
        here = np.unique(
            ordered[candidates:][ordered[candidates:] == ordered[: max(0, ordered.size - candidates)]]
        )
        found.append(here)
        if here.size:
            place = np.minimum(np.searchsorted(here, keys), here.size - 1)
            some = here[place] == keys
            keys, rows = keys[some], rows[some]
            found_parents.append(np.zeros(here.size, np.uint64))
            found_parents[-1][place[some]] = parents[some]
        if depth == len(rule.refine) or not here.size:
            break
        part, parents = rule.refine[depth], keys
        keys = fold_codes(keys, part_codes(gather(rows, (part.column,)), meaning, part))
    depths = np.repeat(np.arange(len(found)), [f.size for f in found]).astype(np.uint8)
    whole = np.concatenate(found)
    order = np.argsort(whole)
    return Heavy(whole[order], depths[order], np.concatenate([np.zeros(0, np.uint64), *found_parents])[order])


def spread_keys(
    keys: np.ndarray,
    rows: np.ndarray,
    gather: Gather,
    meaning: Meaning,
    rule: Rule,
    heavy: Heavy,
    *,
    register: bool,
) -> tuple[Spread, Tally]:
    """Refine records of heavy keys as far as their keys are heavy; who lacks a refining column falls away,
    and so does who is still heavy after the last.

    keys : uint64[n], base keys, all of them heavy;  rows : uint32[n], global rows
    register : whether these are register records, of which one stands for each key
    """
    h = heavy.keys.shape[0]
    records, refinable = np.zeros(h, np.int64), np.zeros(h, np.int64)
    least = np.zeros(h, np.uint32), np.full(h, np.iinfo(np.uint64).max, np.uint64)
    base, parent = keys, np.zeros_like(keys)
    order = gather(rows, ()).order if register else np.zeros(rows.shape[0], np.uint64)
    done: list[tuple[np.ndarray, ...]] = []
    for depth in range(len(rule.refine) + 1):
        place = heavy.places(keys)
        light = place < 0
        if light.any():
            here = np.full(int(light.sum()), depth, np.uint8)
            done.append((keys[light], rows[light], base[light], parent[light], here))
        hot = ~light
        keys, rows, base, place, order = keys[hot], rows[hot], base[hot], place[hot], order[hot]
        records += np.bincount(place, minlength=h)
        if register:
            seen = least_rows(place, rows, order, h)
            nearer = seen[1] < least[1]
            least = np.where(nearer, seen[0], least[0]), np.minimum(seen[1], least[1])
        if depth == len(rule.refine) or not keys.size:
            break
        part, parent = rule.refine[depth], keys
        keys = fold_codes(keys, part_codes(gather(rows, (part.column,)), meaning, part))
        kept = keys != key_kernels.NO_KEY
        refinable += np.bincount(place[kept], minlength=h)
        keys, rows, base, parent, order = keys[kept], rows[kept], base[kept], parent[kept], order[kept]
    types = (np.uint64, np.uint32, np.uint64, np.uint64, np.uint8)
    return Spread(
        *(np.concatenate([np.zeros(0, t), *(d[i] for d in done)]) for i, t in enumerate(types))
    ), Tally(records, refinable, *least)


def heavy_counts(heavy: Heavy, last: int, registers: Tally, agencies: Tally) -> dict[str, int]:
    """What refining heavy keys early did to pairs, named as by :func:`linkage.block.plan_blocks`: with the
    counts of all partitions it makes those of a refinement inside them.

    last : refining columns of the rule
    """
    pairs = pairs_of(registers.records, agencies.records)
    entering = pairs_of(registers.refinable, agencies.refinable)
    ended, deeper = heavy.depth == last, heavy.depth > 0
    sizes = (registers.records + agencies.records)[~deeper]
    return {
        "refined_pairs": int(entering[~ended].sum() - pairs[deeper].sum()),
        "given_up_pairs": int(pairs[ended].sum() + (pairs[~ended] - entering[~ended]).sum()),
        "largest": int(sizes.max(initial=0)),
    }
