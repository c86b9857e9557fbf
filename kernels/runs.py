"""Counting in sorted keys: runs of equal values, who of them is of one kind, and which are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._jit import jit
from kernels.keys import NO_KEY


@jit
def count_runs(
    keys: NDArray[np.uint64],
    places: NDArray[np.uint32],
    group: NDArray[np.uint8],
    everywhere: NDArray[np.int32],
    here: NDArray[np.int32],
    table_keys: NDArray[np.uint64],
    table_group: NDArray[np.uint8],
    table_count: NDArray[np.int32],
    totals: NDArray[np.int64],
) -> int:
    """Count the bearers of every key, of all groups and of each bearer's own; returns rows of the table.

    keys       : uint64[n] sorted, ``NO_KEY`` for none;  places : uint32[n], where each key's bearer stands
    group      : uint8[n], by place;  0 is no group
    everywhere, here : int32[n], by place, filled for all that have a key; ``here`` only for those of a group
    table_*    : at least n long, filled from the front: key, group and count of all that occur, in order
    totals     : int64[3], added to: keys that occur once, twice, and ordered pairs that share one
    """
    n = keys.shape[0]
    counters = np.zeros(256, np.int32)
    rows = 0
    start = 0
    while start < n:
        stop = start + 1
        while stop < n and keys[stop] == keys[start]:
            stop += 1
        size = stop - start
        if keys[start] != NO_KEY:
            if size == 1:
                totals[0] += 1
            elif size == 2:
                totals[1] += 1
            totals[2] += np.int64(size) * (size - 1)
            low, high = 255, 0
            for i in range(start, stop):
                g = group[places[i]]
                counters[g] += 1
                low = min(low, g)
                high = max(high, g)
            for i in range(start, stop):
                place = places[i]
                everywhere[place] = size
                here[place] = counters[group[place]] if group[place] != 0 else 0
            for g in range(low, high + 1):
                if counters[g]:
                    table_keys[rows] = keys[start]
                    table_group[rows] = g
                    table_count[rows] = counters[g]
                    rows += 1
                    counters[g] = 0
        start = stop
    return rows


@jit
def find_runs(
    table_keys: NDArray[np.uint64],
    table_group: NDArray[np.uint8],
    table_count: NDArray[np.int32],
    keys: NDArray[np.uint64],
    group: NDArray[np.uint8],
    everywhere: NDArray[np.int32],
    here: NDArray[np.int32],
) -> None:
    """Look up what :func:`count_runs` counted: for keys uint64[m] with groups uint8[m], int32[m] each."""
    for i in range(keys.shape[0]):
        everywhere[i] = 0
        here[i] = 0
        key = keys[i]
        if key == NO_KEY:
            continue
        low, high = 0, table_keys.shape[0]
        while low < high:
            middle = (low + high) // 2
            if table_keys[middle] < key:
                low = middle + 1
            else:
                high = middle
        while low < table_keys.shape[0] and table_keys[low] == key:
            everywhere[i] += table_count[low]
            if table_group[low] == group[i] and group[i] != 0:
                here[i] = table_count[low]
            low += 1


@jit
def count_repeats(
    keys: NDArray[np.uint64], places: NDArray[np.uint32], kind: NDArray[np.uint8], out: NDArray[np.int32]
) -> None:
    """How many of each key's bearers are of one kind with each of them.

    keys : uint64[n] sorted, 0 for none (left as it is);  places : uint32[n];  kind : uint8[n], by place
    out  : int32[n], by place
    """
    n = keys.shape[0]
    counters = np.zeros(256, np.int32)
    start = 0
    while start < n:
        stop = start + 1
        while stop < n and keys[stop] == keys[start]:
            stop += 1
        if keys[start] != 0:
            for i in range(start, stop):
                counters[kind[places[i]]] += 1
            for i in range(start, stop):
                out[places[i]] = counters[kind[places[i]]]
            for i in range(start, stop):
                counters[kind[places[i]]] = 0
        start = stop


@jit
def mark_known(
    keys: NDArray[np.uint64],
    wanted: NDArray[np.uint64],
    places: NDArray[np.uint32],
    out: NDArray[np.uint8],
) -> None:
    """Set ``out`` to 1 at the place of every wanted key that is among ``keys``.

    keys : uint64[n] sorted;  wanted : uint64[m] sorted;  places : uint32[m];  out : uint8[m], by place
    """
    at = 0
    for i in range(wanted.shape[0]):
        while at < keys.shape[0] and keys[at] < wanted[i]:
            at += 1
        if at == keys.shape[0]:
            return
        if keys[at] == wanted[i]:
            out[places[i]] = 1
