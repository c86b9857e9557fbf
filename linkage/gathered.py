"""The records that pairs are of: gathered from the columns of a nation, once for all pairs of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kernels.pairs import narrow_pairs
from kernels.partition import rank_rows
from linkage.coded import Coded


@dataclass(frozen=True)
class Gathered:
    """The records that pairs are of, with what has been read of them.

    rows : uint32[n], global rows in rising order;  table : their columns so far
    """

    rows: np.ndarray
    table: Coded

    @staticmethod
    def of(coded: Coded, rows: np.ndarray, columns: Sequence[str]) -> Gathered:
        """Some columns of some rows."""
        return Gathered(rows, coded.take(rows, columns, marks=False))

    def narrowed(self, left: np.ndarray, right: np.ndarray) -> tuple[Gathered, np.ndarray, np.ndarray]:
        """Only the records that some pair has, and the pairs by their right one, as places among these."""
        n = self.rows.shape[0]
        held = np.empty(n, np.int64)
        own, other = np.empty_like(left), np.empty_like(right)
        kept = narrow_pairs(n, left, right, held, own, other)
        if kept == n:
            return self, own, other
        return Gathered(self.rows[held[:kept]], self.table.take(held[:kept], marks=False)), own, other

    def reading(self, coded: Coded, columns: Sequence[str]) -> Gathered:
        """With these columns too; what has been read is not read again."""
        more = [c for c in columns if c not in self.table.arrays]
        read = coded.take(self.rows, more, marks=False)
        return Gathered(self.rows, replace(read, arrays={**self.table.arrays, **read.arrays}))


def side_terms(table: Coded) -> tuple[np.ndarray, np.ndarray]:
    """Frequency terms int16[n, 3] and terms of repeated identifiers int32[n]; 0 where not known."""
    n = len(table)
    frequency = table.arrays.get("frequency", np.zeros((n, 3), np.int16))
    return frequency, table.arrays.get("repeats", np.zeros(n, np.int32))


def local_members(members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows in order, and every member's place among them (int64)."""
    distinct, local = np.empty(members.shape[0], np.uint32), np.empty(members.shape[0], np.int64)
    n = rank_rows(np.ascontiguousarray(members, np.uint32), distinct, local)
    return distinct[:n].copy(), local
