"""Rows of cells that are taken from one pool of texts: hashed, and written as comma-separated values.

A pool is int64 offsets [m + 1] into UTF-8 bytes. ``cells`` uint32[c, n] says of c columns and n rows which
text stands in each cell. Text 0 of a pool stands for no value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline, jit, put_word, word_at
from kernels._lanes import address, after, copy_units, zero_of
from kernels.keys import sip_two

#: Bytes of an id.
_ID = 16

#: How a text is written: as it is, between quotes, with an escape before it; both are possible.
_QUOTED = np.uint8(1)
_ESCAPED = np.uint8(2)

_COMMA, _QUOTE, _ESCAPE = np.uint8(0x2C), np.uint8(0x22), np.uint8(0x27)
_RETURN, _FEED, _TAB = np.uint8(0x0D), np.uint8(0x0A), np.uint8(0x09)
_EQUALS, _PLUS, _MINUS, _AT = np.uint8(0x3D), np.uint8(0x2B), np.uint8(0x2D), np.uint8(0x40)


@inline
def _copied(target: int, target_room: int, source: int, room: int, count: int, zero: np.uint8) -> int:
    """Copy ``count`` bytes from an address to another, 32 at a time while both have the room for it.

    What stands behind them at the target may be overwritten.  room, target_room : bytes from the addresses on
    """
    both = min(room, target_room)
    for k in range(0, count, 32):
        copy_units(after(source, k, zero), both - k, min(32, count - k), after(target, k, zero), zero)
    return count


@inline
def _joined(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    cells: NDArray[np.uint32],
    row: int,
    separator: int,
    out: NDArray[np.uint8],
) -> int:
    """What SipHash takes in of one row, its length in the last byte: how many words it is."""
    at: int | np.int64 = 0
    for c in range(cells.shape[0]):
        if c:
            out[at] = separator
            at += 1
        cell = np.int64(cells[c, row])
        begin, end = offsets[cell], offsets[cell + 1]
        if end + 8 <= data.shape[0]:
            for k in range(0, end - begin, 8):  # what is too much is written over
                put_word(out, at + k, word_at(data, begin + k))
        else:
            for k in range(end - begin):
                out[at + k] = data[begin + k]
        at += end - begin
    words = int(at // 8 + 1)
    put_word(out, at, np.uint64(0))
    out[8 * words - 1] = np.uint8(at & 0xFF)
    return words


@jit
def hash_rows(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    cells: NDArray[np.uint32],
    separator: int,
    key0: np.uint64,
    key1: np.uint64,
    out: NDArray[np.uint64],
) -> None:
    """SipHash-2-4-128 of each row's cells with a byte between them; a row is nowhere written down.

    out : uint64[n, 2]
    """
    columns, n = cells.shape
    longest = np.int64(0)
    for text in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[text + 1] - offsets[text])
    room = columns * (longest + 1) + 16
    held, other = np.empty(room, np.uint8), np.empty(room, np.uint8)
    for i in range(0, n, 2):
        j = min(i + 1, n - 1)
        words = _joined(offsets, data, cells, i, separator, held)
        others = _joined(offsets, data, cells, j, separator, other)
        out[i, 0], out[i, 1], out[j, 0], out[j, 1] = sip_two(held, words, other, others, key0, key1)


@jit
def mark_cells(
    offsets: NDArray[np.int64], data: NDArray[np.uint8], marks: NDArray[np.uint8], sizes: NDArray[np.int64]
) -> None:
    """How each text of a pool is written in a cell (RFC 4180), and how many bytes that takes.

    What holds a comma, a quote or an end of line is quoted, and so is an empty text, to be told from no
    value; what a spreadsheet would run gets an apostrophe before it.  marks : uint8[m];  sizes : int64[m]
    """
    marks[0], sizes[0] = 0, 0
    for text in range(1, offsets.shape[0] - 1):
        begin, end = offsets[text], offsets[text + 1]
        quotes, odd = np.int64(0), end == begin
        for k in range(begin, end):
            letter = data[k]
            quotes += letter == _QUOTE
            odd |= (letter == _COMMA) | (letter == _FEED) | (letter == _RETURN)
        mark, size = np.uint8(0), end - begin
        if odd or quotes:
            mark |= _QUOTED
            size += 2 + quotes
        if end > begin:
            first = data[begin]
            if first in (_EQUALS, _PLUS, _MINUS, _AT, _TAB, _RETURN, _ESCAPE):
                mark |= _ESCAPED
                size += 1
        marks[text], sizes[text] = mark, size


@inline
def _hexadecimal(four: np.uint64) -> np.uint64:
    """The eight hexadecimal digits of four bytes, the first byte and the first digit the lowest."""
    spread = (four | four << np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    spread = (spread | spread << np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    nibble = np.uint64(0x000F000F000F000F)
    digits = spread >> np.uint64(4) & nibble | (spread & nibble) << np.uint64(8)
    letters = digits + np.uint64(0x0606060606060606) >> np.uint64(4) & np.uint64(0x0101010101010101)
    # Behind 9 comes a, 39 places later.
    return digits + np.uint64(0x3030303030303030) + letters * np.uint64(39)


@jit
def write_rows(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    marks: NDArray[np.uint8],
    cells: NDArray[np.uint32],
    ids: NDArray[np.uint8],
    columns: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> int:
    """Write rows as comma-separated cells, each row ended by CR LF; how many bytes that were.

    marks : of :func:`mark_cells`;  ids : uint8[m, n, 16], written in hexadecimal
    columns : int64[k], of each written column the number of its ids, or -1 less the number of its cells
    out : uint8, long enough
    """
    zero, texts, size = zero_of(data), address(data, 0), data.shape[0]
    target, room = address(out, 0), out.shape[0]
    flat = ids.reshape(-1)
    at = 0
    for i in range(cells.shape[1]):
        for c in range(columns.shape[0]):
            if c:
                out[at] = _COMMA
                at += 1
            which = columns[c]
            if which >= 0:
                first = (which * ids.shape[1] + i) * _ID
                for k in range(0, _ID, 8):
                    word = word_at(flat, first + k)
                    put_word(out, at, _hexadecimal(word & np.uint64(0xFFFFFFFF)))
                    put_word(out, at + 8, _hexadecimal(word >> np.uint64(32)))
                    at += 16
                continue
            cell = cells[-1 - which, i]
            mark, begin, end = marks[cell], offsets[cell], offsets[cell + 1]
            if mark & _QUOTED:
                out[at] = _QUOTE
                at += 1
            if mark & _ESCAPED:
                out[at] = _ESCAPE
                at += 1
            if mark & _QUOTED:
                for k in range(begin, end):
                    if data[k] == _QUOTE:
                        out[at] = _QUOTE
                        at += 1
                    out[at] = data[k]
                    at += 1
                out[at] = _QUOTE
                at += 1
            else:
                to, text = after(target, at, zero), after(texts, begin, zero)
                at += _copied(to, room - at, text, size - begin, end - begin, zero)
        out[at] = _RETURN
        out[at + 1] = _FEED
        at += 2
    return at
