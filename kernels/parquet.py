"""Encodings of Parquet: numbers in few bits, lengths by their differences, texts in order by what is new.

See ``Encodings.md`` of the Parquet format: the bit-packed runs of RLE, DELTA_BINARY_PACKED, and what
DELTA_BYTE_ARRAY is made of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading
from kernels._jit import inline, jit, put_word, word_at

#: Numbers of a group of a bit-packed run, and bytes that are filled behind the last of them.
_GROUP, _BEHIND = 8, 8


def packed_room(count: int, width: int) -> int:
    """Bytes that :func:`pack_numbers` wants for so many numbers of ``width`` bits."""
    return packed_bytes(count, width) + _BEHIND


def packed_bytes(count: int, width: int) -> int:
    """Bytes of so many numbers of ``width`` bits, in whole groups of eight."""
    return -(-count // _GROUP) * width


@jit
def _pack_numbers(values: NDArray[np.int32], width: int, out: NDArray[np.uint8]) -> None:
    word, filled, at = np.uint64(0), 0, 0
    for i in range(values.shape[0]):
        value = np.uint64(values[i])
        word |= value << np.uint64(filled)
        filled += width
        if filled >= 64:
            put_word(out, at, word)
            at += 8
            filled -= 64
            word = value >> np.uint64(width - filled)
    put_word(out, at, word)
    for k in range(at + 8, out.shape[0]):
        out[k] = np.uint8(0)


def pack_numbers(values: NDArray[np.int32], width: int, out: NDArray[np.uint8]) -> None:
    """Numbers bit by bit, the lowest bit of the first number first, zeros behind the last.

    values : int32[n], from 0 to below 2**width;  width : 1 to 32;  out : uint8, :func:`packed_room` of n
    """
    _pack_numbers(reading(values, np.int32, "values"), width, out)


@inline
def _shared(data: NDArray[np.uint8], a: int, b: int, most: int) -> int:
    """Bytes, at most ``most``, that are the same from ``a`` on as from ``b`` on."""
    k = 0
    while k + 8 <= most:
        differ = word_at(data, a + k) ^ word_at(data, b + k)
        if differ:
            while differ & np.uint64(255) == 0:
                differ >>= np.uint64(8)
                k += 1
            return k
        k += 8
    while k < most and data[a + k] == data[b + k]:
        k += 1
    return k


@jit
def _front_code(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    page: int,
    shared: NDArray[np.int64],
    own: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> bool:
    shared[0] = own[0] = 0
    at: int | np.int64 = 0
    for row in range(offsets.shape[0] - 1):
        begin, end = offsets[row], offsets[row + 1]
        same: int | np.int64 = 0
        if row:
            before = offsets[row - 1]
            both = min(begin - before, end - begin)
            same = _shared(data, before, begin, both)
            if same == both:
                if begin - before > end - begin:
                    return False
            elif data[before + same] > data[begin + same]:
                return False
            if row % page == 0:
                same = 0
        size = end - begin - same
        if size <= 8 and at + 8 <= out.shape[0] and begin + same + 8 <= data.shape[0]:
            put_word(out, at, word_at(data, begin + same))  # what is too much is written over
        else:
            for k in range(size):
                out[at + k] = data[begin + same + k]
        at += size
        shared[row + 1] = shared[row] + same
        own[row + 1] = at
    return True


def front_code(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    page: int,
    shared: NDArray[np.int64],
    own: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> bool:
    """Of texts in order what each does not begin with as the one before; whether they are in order.

    page   : rows from one text that is written whole to the next;  out : uint8, as long as the texts
    shared : int64[n + 1], the sums of how many bytes each text has in common with the one before
    own    : int64[n + 1], where in ``out`` the others of each text begin
    What is filled means nothing where a text stands before the one it follows.
    """
    return bool(
        _front_code(
            reading(offsets, np.int64, "offsets"), reading(data, np.uint8, "data"), page, shared, own, out
        )
    )


#: Lengths of a block of DELTA_BINARY_PACKED and of each of its four parts.
_BLOCK, _PART = 128, 32


def lengths_room(rows: int) -> int:
    """Most bytes that :func:`delta_lengths` fills for so many rows."""
    return 32 + -(-rows // _BLOCK) * (16 + 4 * _BLOCK)


@inline
def _number(out: NDArray[np.uint8], at: int, value: int | np.int64) -> int:
    while value >= 128:
        out[at] = np.uint8(value & 127 | 128)
        value >>= 7
        at += 1
    out[at] = np.uint8(value)
    return at + 1


@inline
def _signed(out: NDArray[np.uint8], at: int, value: int | np.int64) -> int:
    return _number(out, at, 2 * value if value >= 0 else -2 * value - 1)


@jit
def delta_lengths(offsets: NDArray[np.int64], known: NDArray[np.bool_], out: NDArray[np.uint8]) -> int:
    """Lengths of the texts that are ``known`` (bool[n]), by Parquet's DELTA_BINARY_PACKED; bytes filled.

    out : uint8, at least :func:`lengths_room` of n. The lengths are below 2**31.
    """
    n, first = 0, np.int64(0)
    for i in range(known.shape[0]):
        if known[i]:
            if n == 0:
                first = offsets[i + 1] - offsets[i]
            n += 1
    at = _number(out, 0, _BLOCK)
    at = _number(out, at, _BLOCK // _PART)
    at = _number(out, at, n)
    at = _signed(out, at, first)
    deltas = np.empty(_BLOCK, np.int64)
    held, last, started = 0, np.int64(0), False
    left = n - 1
    for i in range(known.shape[0]):
        if not known[i]:
            continue
        length = offsets[i + 1] - offsets[i]
        if started:
            deltas[held] = length - last
            held += 1
        last, started = length, True
        if held == 0 or held < min(left, _BLOCK):
            continue
        least = deltas[0]
        for k in range(held):
            least = min(least, deltas[k])
        at = _signed(out, at, least)
        widths = at
        at += _BLOCK // _PART
        for part in range(_BLOCK // _PART):
            begin, end = part * _PART, min(held, (part + 1) * _PART)
            most = np.int64(0)
            for k in range(begin, end):
                most = max(most, deltas[k] - least)
            width = 0
            while most >> width:
                width += 1
            out[widths + part] = np.uint8(width)
            if begin >= end or width == 0:
                continue
            bits, filled = np.uint64(0), 0
            for k in range(begin, begin + _PART):
                value = np.uint64(deltas[k] - least) if k < end else np.uint64(0)
                bits |= value << np.uint64(filled)
                filled += width
                while filled >= 8:
                    out[at] = np.uint8(bits & np.uint64(255))
                    at += 1
                    bits >>= np.uint64(8)
                    filled -= 8
        left -= held
        held = 0
    return at
