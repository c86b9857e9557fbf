"""Delimited text (RFC 4180): records found and their cells located, byte by byte.

A record is never half understood. One with the wrong number of fields, with text after a closing quote,
or longer than the limits is refused at its first physical line alone and the walk goes on at the next
line, so that a stray quote costs one line and not the rest of the file. Where a record begins depends on
nothing but where the one before it ended: a file may be cut at any record and read in pieces.

A quote is special only as the first byte of a field; inside a quoted field two quotes are one. There may be
no quote at all. A physical line ends with LF, CR LF or CR. A line of no bytes is blank and no record. What
stands in the cells is for :mod:`kernels.cell_text`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline, inner, jit

#: What became of a record.
GOOD, FIELD_COUNT, STRAY_QUOTE, UNCLOSED_QUOTE, TOO_LONG = 0, 1, 2, 3, 4
#: Not of a record: the line is blank; the buffer ends before the record does.
BLANK, MORE = 8, 9

_LF, _CR = 10, 13


@inline
def _line_end(buf: NDArray[Any], pos: int, size: int) -> int:
    """First index from ``pos`` that holds LF or CR, else ``size``."""
    while pos < size and buf[pos] != _LF and buf[pos] != _CR:
        pos += 1
    return pos


@inline
def _after_line(buf: NDArray[Any], pos: int, size: int) -> int:
    """Index of the line after the LF, CR LF or CR that stands at ``pos``."""
    if buf[pos] == _CR and pos + 1 < size and buf[pos + 1] == _LF:
        return pos + 2
    return pos + 1


@inner
def _record(
    buf: NDArray[Any],
    pos: int,
    size: int,
    final: bool,
    delimiter: int,
    quote: int,
    width: int,
    most_lines: int,
    most_bytes: int,
    wanted: NDArray[Any],
    row: int | np.int64,
    begin: NDArray[Any],
    end: NDArray[Any],
    doubled: NDArray[Any],
) -> tuple[int, int, int, int]:
    """Walk one record from ``pos``, a line's beginning; see :func:`scan` for the arguments.

    Returns ``(status, where its text ends, where the next line begins, physical lines)``.
    """
    limit = pos + most_bytes
    first_end = -1
    status = GOOD
    lines = 1
    fields = 0
    at = pos
    if at < size and (buf[at] == _LF or buf[at] == _CR):
        if buf[at] == _CR and at + 1 >= size and not final:
            return MORE, at, at, 0
        return BLANK, at, _after_line(buf, at, size), 1
    while True:
        has_double = False
        if at < size and buf[at] == quote:
            start = at + 1
            stop = start
            while True:
                if stop > limit:
                    status = TOO_LONG
                    break
                if stop >= size:
                    if not final:
                        return MORE, pos, pos, 0
                    status = UNCLOSED_QUOTE
                    break
                byte = buf[stop]
                if byte == quote:
                    if stop + 1 >= size and not final:
                        return MORE, pos, pos, 0
                    if stop + 1 < size and buf[stop + 1] == quote:
                        has_double = True
                        stop += 2
                        continue
                    break
                if byte in (_LF, _CR):
                    if byte == _CR and stop + 1 >= size and not final:
                        return MORE, pos, pos, 0
                    if first_end < 0:
                        first_end = stop
                    lines += 1
                    if lines > most_lines:
                        status = TOO_LONG
                        break
                    stop = _after_line(buf, stop, size)
                    continue
                stop += 1
            if status != GOOD:
                break
            at = stop + 1
            if at >= size and not final:
                return MORE, pos, pos, 0
            if at < size and buf[at] != delimiter and buf[at] != _LF and buf[at] != _CR:
                status = STRAY_QUOTE
                break
        else:
            start = at
            while at < size and buf[at] != delimiter and buf[at] != _LF and buf[at] != _CR:
                at += 1
            stop = at
            if at > limit:
                status = TOO_LONG
                break
            if at >= size and not final:
                return MORE, pos, pos, 0
        if fields < wanted.shape[0]:
            column = wanted[fields]
            if column >= 0:
                begin[column, row] = start
                end[column, row] = stop
                doubled[column, row] = has_double
        fields += 1
        if at >= size or buf[at] != delimiter:
            break
        at += 1
    if status == GOOD:
        if at - pos > most_bytes:
            status = TOO_LONG
        elif fields != width:
            status = FIELD_COUNT
    if status == GOOD:
        if at >= size:
            return GOOD, size, size, lines
        if buf[at] == _CR and at + 1 >= size and not final:
            return MORE, pos, pos, 0
        return GOOD, at, _after_line(buf, at, size), lines
    if first_end < 0:
        first_end = _line_end(buf, pos, size)
    if first_end >= size:
        if not final:
            return MORE, pos, pos, 0
        return status, size, size, 1
    if buf[first_end] == _CR and first_end + 1 >= size and not final:
        return MORE, pos, pos, 0
    return status, first_end, _after_line(buf, first_end, size), 1


@jit
def count_lines(buf: NDArray[Any], stop: int) -> int:
    """Physical lines in ``buf[:stop]``: its line ends (LF, CR LF, CR), and one more for text after the last.

    Bytes after ``stop`` are not looked at.
    """
    if stop == 0:
        return 0
    count = 0
    for i in range(stop - 1):
        count += (buf[i] == _LF) | ((buf[i] == _CR) & (buf[i + 1] != _LF))
    return count + 1


@jit
def scan(
    buf: NDArray[Any],
    stop: int,
    final: bool,
    delimiter: int,
    quote: int,
    width: int,
    most_lines: int,
    most_bytes: int,
    wanted: NDArray[Any],
    line: int,
    status: NDArray[Any],
    row_begin: NDArray[Any],
    row_end: NDArray[Any],
    row_line: NDArray[Any],
    row_lines: NDArray[Any],
    row_bytes: NDArray[Any],
    begin: NDArray[Any],
    end: NDArray[Any],
    doubled: NDArray[Any],
) -> tuple[int, int, int, int, int]:
    """Walk the records that begin in ``buf[:stop]``, the first of them at 0.

    buf        : uint8[size], size < 2**31; bytes after ``stop`` are looked at only to finish a record
    final      : whether the buffer ends where the file does
    delimiter  : byte between fields;  quote : byte around a field, -1 for none
    width      : fields a record must have
    most_lines, most_bytes : a longer record is refused
    wanted     : int64[width], the output column of each field, -1 where it is not wanted
    line       : number of the first physical line
    status     : uint8[n] out, n at least the physical lines there are; GOOD to TOO_LONG
    row_begin, row_end : int32[n] out, the record's bytes without its line end (if refused: its first line)
    row_line   : int64[n] out, its first physical line
    row_lines  : int32[n] out, its physical lines;  row_bytes : int32[n] out, its bytes with the last line end
    begin, end : int32[k, n] out, the bytes of each wanted field without its quotes (of GOOD records)
    doubled    : bool[k, n] out, whether the field holds doubled quotes

    Returns ``(records, blank lines, their bytes, where the next line begins, its number)``; stops early,
    before ``stop``, at a record that the buffer does not hold whole.
    """
    size = buf.shape[0]
    pos = 0
    row = 0
    blank = 0
    blank_bytes = 0
    while pos < stop:
        what, text_end, following, lines = _record(
            buf, pos, size, final, delimiter, quote, width, most_lines, most_bytes, wanted, row, begin, end,
            doubled,
        )  # fmt: skip
        if what == MORE:
            break
        if what == BLANK:
            blank += 1
            blank_bytes += following - pos
        else:
            status[row] = what
            row_begin[row] = pos
            row_end[row] = text_end
            row_line[row] = line
            row_lines[row] = lines
            row_bytes[row] = following - pos
            row += 1
        pos = following
        line += lines
    return row, blank, blank_bytes, pos, line


@jit
def walk(
    buf: NDArray[Any],
    final: bool,
    delimiter: int,
    quote: int,
    width: int,
    most_lines: int,
    most_bytes: int,
    line: int,
    targets: NDArray[Any],
    cut: NDArray[Any],
    cut_line: NDArray[Any],
) -> tuple[int, int, int]:
    """Where a file can be cut: the first line that begins at or after each target.

    targets : int64[t], ascending offsets into ``buf``;  cut, cut_line : int64[t] out, filled for the
    targets reached. Other arguments as in :func:`scan`.
    Returns ``(targets reached, where the next line begins, its number)``.
    """
    size = buf.shape[0]
    wanted = np.empty(0, np.int64)
    none = np.empty((0, 0), np.int32)
    flags = np.empty((0, 0), np.bool_)
    pos = 0
    done = 0
    while True:
        while done < targets.shape[0] and pos >= targets[done]:
            cut[done] = pos
            cut_line[done] = line
            done += 1
        if pos >= size:
            break
        what, _, following, lines = _record(
            buf, pos, size, final, delimiter, quote, width, most_lines, most_bytes, wanted, np.int64(0), none,
            none, flags,
        )  # fmt: skip
        if what == MORE:
            break
        pos = following
        line += lines
    return done, pos, line
