"""The text of cells that were located in a buffer: copied, trimmed and checked, byte by byte.

A cell of delimited text may hold doubled quotes (:mod:`kernels.delimited`); of another file none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline, jit

#: What became of a cell.
TEXT, EMPTY, BAD_ENCODING, CONTROL = 0, 1, 2, 3

_LF, _CR = 10, 13


@inline
def _sequence(buf: NDArray[Any], at: int | np.int64, stop: int | np.int64) -> int:
    """Bytes of the UTF-8 character (RFC 3629) at ``at``, a byte of 0x80 or more; 0 if it is none."""
    lead = buf[at]
    if lead < 0xC2 or lead > 0xF4:
        return 0
    length = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if at + length > stop:
        return 0
    second = buf[at + 1]
    if second < 0x80 or second > 0xBF:
        return 0
    # Overlong forms, surrogates, and what lies beyond U+10FFFF.
    if (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):
        return 0
    if (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
        return 0
    for ahead in range(at + 2, at + length):
        if buf[ahead] < 0x80 or buf[ahead] > 0xBF:
            return 0
    return length


@inline
def _blank_length(buf: NDArray[Any], at: np.int64, stop: np.int64) -> int:
    """Bytes of the blank character that stands at ``at``, 0 if none does.

    Blank are space, tab, LF, CR, and U+00A0, U+2000 to U+200B, U+202F, U+3000, U+FEFF.
    """
    byte = buf[at]
    if byte in (32, 9, _LF, _CR):
        return 1
    if byte == 0xC2 and at + 1 < stop and buf[at + 1] == 0xA0:
        return 2
    if at + 2 < stop:
        second = buf[at + 1]
        third = buf[at + 2]
        if byte == 0xE2 and second == 0x80 and ((0x80 <= third <= 0x8B) or third == 0xAF):
            return 3
        if byte == 0xE3 and second == 0x80 and third == 0x80:
            return 3
        if byte == 0xEF and second == 0xBB and third == 0xBF:
            return 3
    return 0


@inline
def _trim(buf: NDArray[Any], at: np.int64, stop: np.int64) -> tuple[np.int64, np.int64]:
    """``buf[at:stop]`` without the blank characters at its ends, as (begin, end)."""
    while at < stop:
        length = _blank_length(buf, at, stop)
        if length == 0:
            break
        at += length
    while stop > at:
        if _blank_length(buf, stop - 1, stop) == 1:
            stop -= 1
        elif stop - at >= 2 and _blank_length(buf, stop - 2, stop) == 2:
            stop -= 2
        elif stop - at >= 3 and _blank_length(buf, stop - 3, stop) == 3:
            stop -= 3
        else:
            break
    return at, stop


@jit
def gather(
    buf: NDArray[Any],
    begin: NDArray[Any],
    end: NDArray[Any],
    doubled: NDArray[Any],
    quote: int,
    strip: bool,
    offsets: NDArray[Any],
    data: NDArray[Any],
    state: NDArray[Any],
) -> int:
    """Copy n cells out of ``buf`` and check them.

    begin, end : integers[n], the cell's bytes;  doubled : bool[n], whether two quotes stand for one
    quote      : the byte that is a quote
    strip      : whether blank characters at both ends are left out
    offsets    : int64[n + 1] out;  data : uint8[at least the cells' bytes] out
    state      : uint8[n] out: TEXT; EMPTY (nothing but blanks); BAD_ENCODING (no UTF-8, RFC 3629); CONTROL
                 (U+0000 to U+001F but tab, LF and CR; U+007F to U+009F). A cell that is not TEXT is
                 copied as no bytes.
    Returns the bytes written.
    """
    to = 0
    offsets[0] = 0
    for i in range(state.shape[0]):
        first, last = _trim(buf, np.int64(begin[i]), np.int64(end[i]))
        what = EMPTY if first >= last else TEXT
        if not strip:
            first, last = begin[i], end[i]
        start = to
        if what == TEXT:
            at = first
            while at < last:
                byte = buf[at]
                if byte >= 0x80:
                    length = _sequence(buf, at, last)
                    if length == 0:
                        what = BAD_ENCODING
                        break
                    if byte == 0xC2 and buf[at + 1] < 0xA0:
                        what = CONTROL
                    for ahead in range(at, at + length):
                        data[to] = buf[ahead]
                        to += 1
                    at += length
                    continue
                if byte < 32:
                    if byte not in (9, _LF, _CR):
                        what = CONTROL
                elif byte == 0x7F:
                    what = CONTROL
                data[to] = byte
                to += 1
                at += 1
                if byte == quote and doubled[i] and at < last:
                    at += 1
            if what != TEXT:
                to = start
        state[i] = what
        offsets[i + 1] = to
    return to


@jit
def has_control(buf: NDArray[Any]) -> bool:
    """Whether a control character stands in ``buf`` (uint8[n], text as UTF-8); see :func:`gather`."""
    found = np.uint8(0)
    for i in range(buf.shape[0]):
        byte = buf[i]
        found |= np.uint8(((byte < 32) & (byte != 9) & (byte != _LF) & (byte != _CR)) | (byte == 0x7F))
    for i in range(buf.shape[0] - 1):
        found |= np.uint8((buf[i] == 0xC2) & (buf[i + 1] < 0xA0))
    return found != 0


@inline
def _surely_not_blank(byte: int) -> bool:
    """Whether a first byte cannot begin a blank character."""
    return byte > 32 and byte not in (0xC2, 0xE2, 0xE3, 0xEF)


@jit
def gather_clean(
    buf: NDArray[Any],
    begin: NDArray[Any],
    end: NDArray[Any],
    doubled: NDArray[Any],
    quote: int,
    strip: bool,
    offsets: NDArray[Any],
    data: NDArray[Any],
    state: NDArray[Any],
) -> int:
    """As :func:`gather`, of cells that are known to be UTF-8 without control characters."""
    to = 0
    offsets[0] = 0
    for i in range(state.shape[0]):
        first, last = np.int64(begin[i]), np.int64(end[i])
        what = TEXT
        if strip or first >= last or not _surely_not_blank(buf[first]):
            begins, ends = _trim(buf, first, last)
            if begins >= ends:
                what = EMPTY
                last = first
            elif strip:
                first, last = begins, ends
        if doubled[i]:
            at = first
            while at < last:
                data[to] = buf[at]
                to += 1
                at += 2 if buf[at] == quote and at + 1 < last else 1
        else:
            for k in range(last - first):
                data[to + k] = buf[first + k]
            to += int(last - first)
        state[i] = what
        offsets[i + 1] = to
    return to


@jit
def as_they_are(
    buf: NDArray[Any], offsets: NDArray[Any], held: NDArray[Any], strip: bool, state: NDArray[Any]
) -> bool:
    """Whether the cells ``buf[offsets[i]:offsets[i + 1]]`` are what :func:`gather` would make of them.

    buf   : uint8, of which ``buf[offsets[0]:offsets[n]]`` is UTF-8 without control characters
    held  : bool[n], or of no length where every cell is held;  state : uint8[n] out, TEXT or EMPTY

    False, too, where a look at the ends of the cells does not tell.
    """
    for i in range(state.shape[0]):
        first, last = offsets[i], offsets[i + 1]
        state[i] = EMPTY
        if first == last:
            continue
        if held.shape[0] != 0 and not held[i]:
            return False
        # A byte of 0x80 to 0xBF goes on with a character that began in the cell before.
        if not _surely_not_blank(buf[first]) or 0x80 <= buf[first] < 0xC0:
            return False
        if strip and (buf[last - 1] <= 32 or buf[last - 1] >= 0x80):
            return False
        state[i] = TEXT
    return True
