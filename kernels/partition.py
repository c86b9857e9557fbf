"""Radix partition and radix sort of 64-bit keys with their row numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._jit import jit
from kernels.keys import NO_KEY


@jit
def partition_rows(
    keys: NDArray[np.uint64],
    rows: NDArray[np.uint32],
    bits: int,
    counts: NDArray[np.int64],
    out_keys: NDArray[np.uint64],
    out_rows: NDArray[np.uint32],
) -> None:
    """Stable partition by the top ``bits`` of the key; records without a key are left out.

    keys     : uint64[n], ``NO_KEY`` for none
    rows     : uint32[n]
    counts   : int64[2**bits + 1], filled with the offsets of the partitions
    out_keys, out_rows : uint64[n], uint32[n]; only the first ``counts[-1]`` are filled
    """
    shift = np.uint64(64 - bits)
    parts = counts.shape[0] - 1
    for p in range(parts + 1):
        counts[p] = 0
    for i in range(keys.shape[0]):
        if keys[i] != NO_KEY:
            counts[(np.int64(keys[i] >> shift) if bits else 0) + 1] += 1
    for p in range(parts):
        counts[p + 1] += counts[p]
    at = counts[:-1].copy()
    for i in range(keys.shape[0]):
        if keys[i] != NO_KEY:
            part = np.int64(keys[i] >> shift) if bits else 0
            out_keys[at[part]] = keys[i]
            out_rows[at[part]] = rows[i]
            at[part] += 1


@jit
def sort_by_key(keys: NDArray[np.uint64], rows: NDArray[np.uint32]) -> None:
    """Stable least-significant-digit radix sort, in place, by key; rows follow.

    keys : uint64[n], rows : uint32[n]. Passes in which all keys share a byte are skipped.
    """
    n = keys.shape[0]
    if n < 2:
        return
    histogram = np.zeros((4, 65536), np.int64)
    for i in range(n):
        key = keys[i]
        for b in range(4):
            histogram[b, (key >> np.uint64(16 * b)) & np.uint64(0xFFFF)] += 1
    other_keys = np.empty_like(keys)
    other_rows = np.empty_like(rows)
    source_keys, source_rows, target_keys, target_rows = keys, rows, other_keys, other_rows
    flipped = False
    for b in range(4):
        shift = np.uint64(16 * b)
        if histogram[b, (source_keys[0] >> shift) & np.uint64(0xFFFF)] == n:
            continue
        total = 0
        for v in range(65536):
            count = histogram[b, v]
            histogram[b, v] = total
            total += count
        for i in range(n):
            v = (source_keys[i] >> shift) & np.uint64(0xFFFF)
            at = histogram[b, v]
            target_keys[at] = source_keys[i]
            target_rows[at] = source_rows[i]
            histogram[b, v] = at + 1
        source_keys, target_keys = target_keys, source_keys
        source_rows, target_rows = target_rows, source_rows
        flipped = not flipped
    if flipped:
        keys[:] = source_keys
        rows[:] = source_rows


@jit
def run_starts(keys: NDArray[np.uint64], out: NDArray[np.int64]) -> int:
    """Starts of the runs of equal keys in sorted ``keys``; returns their number.

    out : int64[at least runs + 1]; ``out[runs]`` is ``len(keys)``.
    """
    n = 0
    for i in range(keys.shape[0]):
        if i == 0 or keys[i] != keys[i - 1]:
            out[n] = i
            n += 1
    out[n] = keys.shape[0]
    return n
