"""Columns of which only some rows have a value: a bit a row, and the values of the rows whose bit is set.

How many bits are set before each word of 64 is kept beside them: a row's value is found by looking at one
word. In sorted numbers of these rows it is found in as many steps as their number has bits, each of which
waits for memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading
from kernels._jit import inline, jit

_WORD = 64


@inline
def _bits_set(word: np.uint64) -> np.int64:
    """How many bits of a word are set (Warren, Hacker's Delight, 5-1)."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@jit
def _take_held(
    bits: NDArray[np.uint64],
    before: NDArray[np.uint32],
    values: NDArray[np.int64],
    rows: NDArray[np.int64],
    out: NDArray[np.int64],
) -> bool:
    width = values.shape[1]
    for to in range(rows.shape[0]):
        row = rows[to]
        number = row >> 6
        if row < 0 or number >= bits.shape[0]:
            return False
        word = bits[number]
        bit = np.uint64(1) << np.uint64(row & 63)
        if word & bit == np.uint64(0):
            for place in range(width):
                out[to, place] = 0
            continue
        at = np.int64(before[number]) + _bits_set(word & (bit - np.uint64(1)))
        if at >= values.shape[0]:
            return False
        for place in range(width):
            out[to, place] = values[at, place]
    return True


def mark_held(held: NDArray[np.bool_]) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """The rows that have a value, bool[n], as words of 64 bits, the first row the lowest: uint64[n / 64,
    rounded up], and how many are set before each word, uint32 of as many.
    """
    words = -(-held.shape[0] // _WORD)
    padded = np.zeros(words * _WORD, np.bool_)
    padded[: held.shape[0]] = held
    bits = np.packbits(padded, bitorder="little").view("<u8").astype(np.uint64)
    ends = np.cumsum(np.bitwise_count(bits), dtype=np.int64)
    return bits, np.concatenate([np.zeros(min(words, 1), np.int64), ends[:-1]]).astype(np.uint32)


def take_held(
    bits: NDArray[np.uint64],
    before: NDArray[np.uint32],
    values: NDArray[np.int64],
    rows: NDArray[np.integer],
    out: NDArray[np.int64],
) -> None:
    """The values at ``rows`` (in any order), zeros where a row has none.

    bits, before : see :func:`mark_held`;  values : int64[k] or int64[k, m], of the rows whose bit is set
    out          : int64[rows] or int64[rows, m], contiguous, filled

    Raises ValueError for other shapes and types, and for a row that is not there.
    """
    at = reading(rows, np.int64, "rows")
    if out.dtype != np.int64 or out.shape != (*at.shape, *values.shape[1:]) or not out.flags.c_contiguous:
        raise ValueError(
            f"out is {out.dtype}{list(out.shape)}. Wanted: a contiguous int64 with a row for each of "
            f"{at.shape[0]}, as wide as the values. Allocate it so."
        )
    width = values.shape[1] if values.ndim == 2 else 1
    table = reading(values.reshape(-1, width), np.int64, "values", columns=width)
    marks = reading(bits, np.uint64, "bits")
    if not _take_held(marks, reading(before, np.uint32, "before"), table, at, out.reshape(-1, width)):
        raise ValueError(
            f"A row is not among {marks.shape[0] * _WORD}, or its value not among {table.shape[0]}. "
            "Wanted: rows of the column, with the bits it was written with. Pass both of one part."
        )
