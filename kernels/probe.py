"""Probing a sorted list of identifiers for those one slip away from a given one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline, inner, jit
from kernels.keys import identifier_neighbours


@inline
def _first_at_least(codes: NDArray[np.int64], wanted: int, low: int, high: int) -> int:
    while low < high:
        middle = (low + high) >> 1
        if codes[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def _sort(values: NDArray[np.int64], n: int) -> None:
    """Sort the first ``n``, in place: Shell's sort, with the gaps of Gonnet and Baeza-Yates (1991).

    It takes as long as NumPy's for the few hundred there are, and is compiled in a tenth of the time.
    """
    gap = n
    while gap > 1:
        gap = max(1, gap * 5 // 11)
        for i in range(gap, n):
            value = values[i]
            at = i
            while at >= gap and values[at - gap] > value:
                values[at] = values[at - gap]
                at -= gap
            values[at] = value


@jit
def probe_neighbours(
    codes: NDArray[np.int64],
    known: NDArray[np.int64],
    known_rows: NDArray[np.uint32],
    base: np.int64,
    shift: int,
    index: NDArray[np.int64],
    limit: int,
    left_out: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> int:
    """Pairs of records whose identifiers are one slip apart; returns how many, or -1 if they do not fit.

    codes      : int64[n], identifiers to look for, 0 for none
    known      : int64[k] sorted;  known_rows : uint32[k], whose they are
    base, shift, index : int64[buckets + 1], where the codes of each bucket ``(known - base) >> shift`` begin
    limit      : at most so many pairs a code. Its neighbours are taken by rising code, each with all of its
    holders or with none, whatever the order of these
    left_out   : int64[1], pairs beyond the limit
    left, right: int64[m], places in ``codes`` and rows, filled
    """
    neighbours = np.empty(512, np.int64)
    n = 0
    left_out[0] = 0
    for i in range(codes.shape[0]):
        if codes[i] == 0:
            continue
        count = identifier_neighbours(codes[i], neighbours)
        _sort(neighbours, count)
        taken = 0
        for j in range(count):
            code = neighbours[j]
            if j > 0 and code == neighbours[j - 1]:
                continue
            if code == codes[i]:
                continue
            bucket = (code - base) >> shift
            if code < base or bucket >= index.shape[0] - 1:
                continue
            at = _first_at_least(known, code, index[bucket], index[bucket + 1])
            if at == known.shape[0] or known[at] != code:
                continue
            end = _first_at_least(known, code + 1, at, index[bucket + 1])
            if taken + end - at > limit:
                left_out[0] += end - at
                continue
            taken += end - at
            for holder in range(at, end):
                if n == left.shape[0]:
                    return -1
                left[n] = i
                right[n] = known_rows[holder]
                n += 1
    return n
