"""Union-find under a promise: components that may not hold two records of certain sources."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline, jit

#: What became of an edge.
WITHIN, JOINED, CUT = range(3)


@inline
def _root(roots: NDArray[np.int64], node: int) -> int:
    while roots[node] != node:
        roots[node] = roots[roots[node]]
        node = roots[node]
    return node


@jit
def join_in_order(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    source: NDArray[np.int64],
    wants_one: NDArray[np.uint8],
    roots: NDArray[np.int64],
    outcome: NDArray[np.uint8],
) -> None:
    """Take edges in their order; each joins two components unless both hold a source that wants one record.

    Two lone records of one source may be joined by their own edge.

    left, right : int64[k], nodes;  source : int64[n];  wants_one : uint8[sources]
    roots : int64[n], filled with the least node of each one's component
    outcome : uint8[k], ``WITHIN`` (one component already), ``JOINED`` or ``CUT``
    """
    n = roots.shape[0]
    words = (wants_one.shape[0] + 63) // 64
    held = np.zeros((n, words), np.uint64)
    size = np.ones(n, np.int64)
    for node in range(n):
        roots[node] = node
        if wants_one[source[node]]:
            held[node, source[node] // 64] = np.uint64(1) << np.uint64(source[node] % 64)
    for k in range(left.shape[0]):
        a, b = _root(roots, left[k]), _root(roots, right[k])
        if a == b:
            outcome[k] = WITHIN
            continue
        clash = False
        for w in range(words):
            clash |= (held[a, w] & held[b, w]) != np.uint64(0)
        lone = size[a] == 1 and size[b] == 1 and source[left[k]] == source[right[k]]
        if clash and not lone:
            outcome[k] = CUT
            continue
        low, high = min(a, b), max(a, b)
        roots[high] = low
        size[low] += size[high]
        for w in range(words):
            held[low, w] |= held[high, w]
        outcome[k] = JOINED
    for node in range(n):
        roots[node] = _root(roots, node)
