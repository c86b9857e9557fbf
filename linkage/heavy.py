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
from linkage.name_keys import fold_codes
from linkage.rules import Rule, base_keys, part_codes

#: Gives the records of global rows, with some of their columns.
Gather = Callable[[np.ndarray, tuple[str, ...]], Coded]

#: The register's sample is this many runs of so many neighbouring rows: a page of a column is read once.
RUNS, RUN_ROWS = 512, 128


@dataclass(frozen=True)
class Heavy:
    """Heavy keys of a rule: keys uint64[h], sorted; depth uint8[h], the refining columns that each holds."""

    keys: np.ndarray
    depth: np.ndarray

    @staticmethod
    def none() -> Heavy:
        """No key at all."""
        return Heavy(np.zeros(0, np.uint64), np.zeros(0, np.uint8))

    def places(self, keys: np.ndarray) -> np.ndarray:
        """Place of each key among the heavy ones, int64[n], -1 for others."""
        if not self.keys.size:
            return np.full(keys.shape[0], -1, np.int64)
        at = np.minimum(np.searchsorted(self.keys, keys), self.keys.size - 1)
        return np.where(self.keys[at] == keys, at, -1)


@dataclass(frozen=True)
class Spread:
    """Records of heavy keys, each under the first of its keys that is not heavy.

    keys : uint64[k];  rows : uint32[k];  base : uint64[k], the key before refinement;  depth : uint8[k],
    refining columns in the key, at least 1
    """

    keys: np.ndarray
    rows: np.ndarray
    base: np.ndarray
    depth: np.ndarray

    def at(self, depth: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Keys, rows and base keys of those with so many refining columns."""
        some = self.depth == depth
        return self.keys[some], self.rows[some], self.base[some]


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
    found: list[np.ndarray] = []
    for depth in range(len(rule.refine) + 1):
        some = keys != key_kernels.NO_KEY
        keys, rows = keys[some], rows[some]
        ordered = np.sort(keys)
        here = np.unique(
            ordered[candidates:][ordered[candidates:] == ordered[: max(0, ordered.size - candidates)]]
        )
        found.append(here)
        if depth == len(rule.refine) or not here.size:
            break
        some = here[np.minimum(np.searchsorted(here, keys), here.size - 1)] == keys
        keys, rows = keys[some], rows[some]
        part = rule.refine[depth]
        keys = fold_codes(keys, part_codes(gather(rows, (part.column,)), meaning, part))
    depths = np.repeat(np.arange(len(found)), [f.size for f in found]).astype(np.uint8)
    whole = np.concatenate(found)
    order = np.argsort(whole)
    return Heavy(whole[order], depths[order])


def spread_keys(
    keys: np.ndarray, rows: np.ndarray, gather: Gather, meaning: Meaning, rule: Rule, heavy: Heavy
) -> tuple[Spread, np.ndarray]:
    """Refine records of heavy keys as far as their keys are heavy; who lacks a refining column falls away,
    and so does who is still heavy after the last.

    keys : uint64[n], base keys, all of them heavy;  rows : uint32[n], global rows

    Returns the records, and int64[heavy, 2]: how many have each heavy key, and how many of these have the
    column that refines it.
    """
    tally = np.zeros((heavy.keys.shape[0], 2), np.int64)
    base = keys
    done: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    for depth in range(len(rule.refine) + 1):
        place = heavy.places(keys)
        light = place < 0
        if light.any():
            here = np.full(int(light.sum()), depth, np.uint8)
            done.append((keys[light], rows[light], base[light], here))
        keys, rows, base, place = keys[~light], rows[~light], base[~light], place[~light]
        tally[:, 0] += np.bincount(place, minlength=tally.shape[0])
        if depth == len(rule.refine) or not keys.size:
            break
        part = rule.refine[depth]
        keys = fold_codes(keys, part_codes(gather(rows, (part.column,)), meaning, part))
        kept = keys != key_kernels.NO_KEY
        tally[:, 1] += np.bincount(place[kept], minlength=tally.shape[0])
        keys, rows, base = keys[kept], rows[kept], base[kept]
    types = (np.uint64, np.uint32, np.uint64, np.uint8)
    return Spread(
        *(np.concatenate([np.zeros(0, t), *(d[i] for d in done)]) for i, t in enumerate(types))
    ), tally


def heavy_counts(heavy: Heavy, last: int, registers: np.ndarray, agencies: np.ndarray) -> dict[str, int]:
    """What refining heavy keys early did to pairs, named as by :func:`linkage.block.plan_blocks`: with the
    counts of all partitions it makes those of a refinement inside them.

    last : refining columns of the rule;  registers, agencies : int64[heavy, 2], see :func:`spread_keys`
    """
    pairs = registers * agencies + registers * (registers - 1) // 2
    ended, deeper = heavy.depth == last, heavy.depth > 0
    sizes = (registers + agencies)[~deeper, 0]
    return {
        "refined_pairs": int(pairs[~ended, 1].sum() - pairs[deeper, 0].sum()),
        "given_up_pairs": int(pairs[ended, 0].sum() + (pairs[~ended, 0] - pairs[~ended, 1]).sum()),
        "largest": int(sizes.max(initial=0)),
    }
