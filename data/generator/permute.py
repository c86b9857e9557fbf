"""Keyed permutations of a range of integers, and the counters that feed them.

A serial that is unique over the whole nation is made without any shared state: the ``i``-th item of chunk
``c`` of ``n`` chunks has the serial ``i * n + c``. A keyed permutation of the range then hides order and
chunk. The permutation is a balanced Feistel network over the next even number of bits, walked until it
falls inside the range (Black and Rogaway, *Ciphers with Arbitrary Finite Domains*, 2002). It hides order;
it is no protection.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 4
_GOLDEN = 0x9E3779B97F4A7C15
_MASK64 = (1 << 64) - 1


def mix(value: int) -> int:
    """One 64-bit integer hashed to another (splitmix64, Steele and others 2014)."""
    value = (value + _GOLDEN) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)


def key_of(seed: int, purpose: str) -> int:
    """A 64-bit key for one purpose of one seed."""
    key = mix(seed)
    for byte in purpose.encode():
        key = mix(key ^ byte)
    return key


def permute(
    values: NDArray[np.int64], size: int, key: int, tweak: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Each value of ``0..size-1`` to its image under the permutation of that range named by key and tweak.

    ``tweak``, one a value, selects a permutation of its own for each of its values (a cell). Raises
    ValueError for a value outside the range.
    """
    if len(values) and (values.min() < 0 or values.max() >= size):
        raise ValueError(
            f"serial {int(values.max())} has no place in a range of {size} numbers; wanted fewer people of"
            " one birth year, sex and province; lower the number of people, or generate all birth years"
        )
    half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    keys = [np.uint64(mix(key + turn)) for turn in range(_ROUNDS)]
    tweaks = None if tweak is None else tweak.astype(np.uint64) * np.uint64(_GOLDEN)
    result = _feistel(values.astype(np.uint64), half, keys, tweaks)
    outside = np.flatnonzero(result >= size)
    while len(outside):
        again = _feistel(result[outside], half, keys, None if tweaks is None else tweaks[outside])
        result[outside] = again
        outside = outside[again >= size]
    return result.astype(np.int64)


def _feistel(
    values: NDArray[np.uint64], half: int, keys: list[np.uint64], tweaks: NDArray[np.uint64] | None
) -> NDArray[np.uint64]:
    shift = np.uint64(half)
    mask = np.uint64((1 << half) - 1)
    left = values >> shift
    right = values & mask
    for key in keys:
        hashed = right + key
        if tweaks is not None:
            hashed ^= tweaks
        hashed *= np.uint64(0xBF58476D1CE4E5B9)
        hashed ^= hashed >> np.uint64(32)
        hashed *= np.uint64(0x94D049BB133111EB)
        hashed >>= np.uint64(40)
        hashed ^= left
        hashed &= mask
        left, right = right, hashed
    return (left << shift) | right


def ranks(cells: NDArray[np.int32]) -> NDArray[np.int64]:
    """The rank of each item among the items of its cell, 0 for the first, in the order given."""
    order = np.argsort(cells, kind="stable")
    sorted_cells = cells[order]
    starts = np.flatnonzero(np.concatenate(([True], sorted_cells[1:] != sorted_cells[:-1]))[: len(cells)])
    lengths = np.diff(np.append(starts, len(cells)))
    result = np.empty(len(cells), np.int64)
    result[order] = np.arange(len(cells)) - np.repeat(starts, lengths)
    return result
