"""Hot keys: whose blocks were refined or given up, how large these are, and what is left of their pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Hot:
    """Hot keys of a rule, or those that one partition shows.

    keys     : uint64[h], sorted;  parent : uint64[h], the key without its last refining column, 0 for a key
               before refinement;  depth : uint8[h], refining columns in the key
    registers, agencies : int64[h], records of the block; of a block among equals all are the register's
    row      : uint32[h], of the block's register records the one with the least keyed hash of source and id
    left_of  : uint64[p], keys that were refined;  left : int64[p], pairs of blocks that came of each at once
               and are hot no more, seen here
    """

    keys: np.ndarray
    parent: np.ndarray
    depth: np.ndarray
    registers: np.ndarray
    agencies: np.ndarray
    row: np.ndarray
    left_of: np.ndarray
    left: np.ndarray

    @property
    def pairs(self) -> np.ndarray:
        """Pairs of each block, int64[h]: of register with agency records, and of register records."""
        return pairs_of(self.registers, self.agencies)

    @staticmethod
    def join(parts: Sequence[Hot]) -> Hot:
        """The keys of several partitions, each of which is in one of them; the pairs left are summed."""
        whole = {f: np.concatenate([t, *(getattr(p, f) for p in parts)]) for f, t in _NONE.items()}
        left_of, left = summed(whole.pop("left_of"), whole.pop("left"))
        order = np.argsort(whole["keys"], kind="stable")
        return Hot(**{f: column[order] for f, column in whole.items()}, left_of=left_of, left=left)

    def left_together(self) -> np.ndarray:
        """Pairs of each block that still stand in one block when all is refined, int64[h].

        Wants all keys of the rule, and all that was seen left of them.
        """
        out = np.zeros(self.keys.shape[0], np.int64)
        np.add.at(out, np.searchsorted(self.keys, self.left_of), self.left)
        for depth in range(int(self.depth.max(initial=0)), 0, -1):
            some = self.depth == depth
            np.add.at(out, np.searchsorted(self.keys, self.parent[some]), out[some])
        return out


_NONE = {
    "keys": np.zeros(0, np.uint64),
    "parent": np.zeros(0, np.uint64),
    "depth": np.zeros(0, np.uint8),
    "registers": np.zeros(0, np.int64),
    "agencies": np.zeros(0, np.int64),
    "row": np.zeros(0, np.uint32),
    "left_of": np.zeros(0, np.uint64),
    "left": np.zeros(0, np.int64),
}


def pairs_of(registers: np.ndarray, agencies: np.ndarray) -> np.ndarray:
    """Pairs of blocks with so many records, int64: register with agency, and register with register."""
    held = registers.astype(np.int64)
    return held * agencies + held * (held - 1) // 2


def summed(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct keys, sorted, and the sum of each one's values, int64."""
    distinct, place = np.unique(keys, return_inverse=True)
    out = np.zeros(distinct.shape[0], np.int64)
    np.add.at(out, place, values)
    return distinct, out


def least_rows(
    places: np.ndarray, rows: np.ndarray, order: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of each of ``n`` places the row whose ``order`` is least: uint32[n], and that order, uint64[n].

    places : int[k], rows : uint32[k], order : uint64[k].  A place that nobody has: row 0, the greatest order
    """
    least = np.full(n, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(least, places, order)
    found = np.zeros(n, np.uint32)
    best = np.flatnonzero(order == least[places])[::-1]  # of equals the first is written last
    found[places[best]] = rows[best]
    return found, least
