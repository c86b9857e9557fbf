"""Which of a set to accept so that the mean probability stays at or above what is demanded, exactly.

Records are taken by falling probability, those of one probability by keyed hash, as long as the mean keeps
the promise. Doubts (1 - p) are whole numbers, so that the set may be cut into any ranges: a range brings the
sum over its sure records, which are accepted in any case, and its doubtful records one by one. The answer is
that of sorting everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: A doubt of one: doubts are 1 - p in units of 2**-40.
CERTAINLY_WRONG = 1 << 40


def doubts(probability: np.ndarray) -> np.ndarray:
    """1 - p of probabilities in [0, 1], int64[n], in units of 2**-40."""
    return np.rint((1.0 - probability) * float(CERTAINLY_WRONG)).astype(np.int64)


@dataclass(frozen=True)
class Contest:
    """What one range of a set brings to its acceptance.

    credit : by how much the doubts of the sure records (at most what is demanded) stay below it, in all
    doubt  : int64[k], of the others;  order : uint64[k], their keyed hashes
    """

    credit: int
    doubt: np.ndarray
    order: np.ndarray


@dataclass(frozen=True)
class Cut:
    """Where acceptance ends: doubts below ``doubt``, and of that doubt itself hashes up to ``order``."""

    doubt: int
    order: int

    def accepts(self, doubt: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Which records of these doubts and hashes are accepted: bool[n]."""
        return (doubt < self.doubt) | ((doubt == self.doubt) & (order <= np.uint64(self.order)))


def contest_of(doubt: np.ndarray, order: np.ndarray, demanded: float) -> Contest:
    """What records of these doubts (int64[n]) and hashes (uint64[n]) bring; at most four million at once."""
    allowed = _allowed(demanded)
    sure = doubt <= allowed
    return Contest(int((allowed - doubt[sure]).sum()), doubt[~sure], order[~sure])


def cut_of(contests: Sequence[Contest], demanded: float) -> Cut:
    """Where to stop so that the most records are accepted and their mean probability is what is demanded.

    contests : of all ranges of the set, made with the same ``demanded``, in any order
    """
    allowed = _allowed(demanded)
    credit = sum(c.credit for c in contests)
    doubt = np.concatenate([np.zeros(0, np.int64), *(c.doubt for c in contests)])
    # Doubts above what is demanded only use credit up: once it is gone, no later record brings any back.
    steps, counts = np.unique(doubt, return_counts=True)
    for step, count in zip(steps.tolist(), counts.tolist(), strict=True):
        needed = (step - allowed) * count
        if needed > credit:
            room = credit // (step - allowed)
            tied = np.concatenate([c.order[c.doubt == step] for c in contests])
            return _within(step, tied, room)
        credit -= needed
    return Cut(CERTAINLY_WRONG + 1, 0)


def _allowed(demanded: float) -> int:
    return round((1.0 - demanded) * CERTAINLY_WRONG)


def _within(doubt: int, order: np.ndarray, room: int) -> Cut:
    """Cut among records of one doubt of whom ``room``, fewer than all, can be accepted."""
    ranked = np.sort(order)
    while room > 0 and ranked[room - 1] == ranked[room]:
        room -= 1
    return Cut(doubt, int(ranked[room - 1])) if room else Cut(doubt - 1, (1 << 64) - 1)


def accept_in_order(probability: np.ndarray, tie: np.ndarray, demanded: float) -> np.ndarray:
    """Which of a whole set to accept: see :func:`cut_of`. probability : float64[n]; tie : uint64[n]."""
    doubt = doubts(probability)
    return cut_of([contest_of(doubt, tie, demanded)], demanded).accepts(doubt, tie)
