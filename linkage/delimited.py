"""Delimited text in memory -> rows: the header, the places where a file can be cut, the cells.

The rules are those of :mod:`kernels.delimited`. Bytes come in; where they come from is the caller's matter.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels import delimited as kernel
from linkage.errors import ContractError, IntegrityError
from linkage.rows import BLANK, Extent, RawPart, Spans, gather_cells, is_clean, readable, reject_table

#: A record of more physical lines, or of more bytes, is refused.
MOST_LINES = 64
MOST_BYTES = 1 << 20
#: Bytes after a part that its reader must see, so that a part's end changes no record's fate.
LOOK_AHEAD = MOST_BYTES + 4

#: Delimiters that may be found out, in the order in which they are tried.
DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x1f")
_SPOKEN = ("','", "';'", "a tab", "'|'", "'^'", "'~'", "U+001F")
#: Stands for the quote of text that has none.
NO_QUOTE = "none"

_BOM = b"\xef\xbb\xbf"
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_CODES = {
    kernel.FIELD_COUNT: "field_count",
    kernel.STRAY_QUOTE: "stray_quote",
    kernel.UNCLOSED_QUOTE: "unclosed_quote",
    kernel.TOO_LONG: "record_too_long",
}


@dataclass(frozen=True)
class Header:
    """Column names, the offset and the number of the line after them."""

    names: tuple[str, ...]
    body: int
    line: int


def read_header(start: bytes, delimiter: str, quote: str = '"') -> Header:
    """The header in the first bytes of a text (at least ``MOST_BYTES`` of them, or all there are), in UTF-8.

    Blank lines before it are passed over, a byte order mark is dropped, names lose blanks at their ends.
    Raises ContractError: E-INPUT-003 no header, E-INPUT-004 a name twice, E-INPUT-005 not UTF-8.
    """
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in start[:4]:
        raise ContractError(
            "E-INPUT-005",
            "The file begins like UTF-16 or a binary file;",
            "text in the declared encoding was wanted.",
            "Save it as UTF-8, or declare its format and encoding in the contract.",
        )
    form = {"quotechar": quote} if quote != NO_QUOTE else {"quoting": csv.QUOTE_NONE}
    skipped = len(_BOM) if start.startswith(_BOM) else 0
    text = ""
    held = 0
    for number, found in enumerate(_LINE.finditer(start, skipped, skipped + MOST_BYTES), 1):
        if not text and not found.group().strip(b"\r\n"):
            continue
        if found.end() < len(start) and not found.group().endswith((b"\r", b"\n")):
            raise ContractError(
                "E-INPUT-003",
                f"Line {number} of the file, in its header, is longer than {MOST_BYTES >> 20} MiB;",
                "column names apart by the delimiter were wanted.",
                "Look at the file there: it may be no text.",
            )
        try:
            text += found.group().decode("utf-8")
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, **form)
            names = next(reader)
        except UnicodeDecodeError:
            raise ContractError(
                "E-INPUT-005",
                f"Line {number} of the file, in its header, is not text in its encoding;",
                "the encoding of the contract was wanted.",
                "Save the file as UTF-8, or declare its encoding in the contract.",
            ) from None
        except csv.Error:
            held += 1
            if held == MOST_LINES:
                break
            continue
        stripped = tuple(name.strip(BLANK) for name in names)
        refuse_doubles(stripped)
        return Header(stripped, found.end(), number + 1)
    if text:
        raise ContractError(
            "E-INPUT-003",
            "The file's first line cannot be read as a header: a quote is out of place;",
            "column names apart by the delimiter were wanted.",
            "Mend the header.",
        )
    raise ContractError(
        "E-INPUT-003",
        "The file is empty;",
        "a header line with the column names was wanted.",
        "Send the file again, with its header even if it holds no row.",
    )


def find_delimiter(start: bytes, wanted: Sequence[str], quote: str = '"') -> str:
    """The delimiter of a text that begins with ``start``, told by its header.

    It is the one at which the header falls into all the ``wanted`` columns; of several such, the one at which
    the most records of ``start`` have as many fields as the header. If no delimiter gives all of them, it is
    the one that gives the most. Raises ContractError: E-INPUT-013 if that is none or more than one, and what
    :func:`read_header` raises.
    """
    headers: dict[str, Header] = {}
    faults: list[ContractError] = []
    for delimiter in DELIMITERS:
        if delimiter == quote:
            continue
        try:
            headers[delimiter] = read_header(start, delimiter, quote)
        except ContractError as fault:
            faults.append(fault)
    if not headers:
        raise faults[0]
    hits = {d: len(set(wanted) & set(header.names)) for d, header in headers.items()}
    most = max(hits.values())
    best = [d for d, count in hits.items() if count == most and most]
    if len(best) > 1:
        several = [d for d in best if len(headers[d].names) > 1]
        if not several:
            return best[0]
        shares = {d: _even_records(start, d, quote, headers[d]) for d in several}
        best = [d for d in several if shares[d] == max(shares.values())]
    if len(best) == 1:
        return best[0]
    raise ContractError(
        "E-INPUT-013",
        "The file's delimiter cannot be told from its header;",
        f"a header with the contract's columns was wanted, apart by one of {', '.join(_SPOKEN)}.",
        "Declare the delimiter in the contract, or mend the file's header.",
    )


def _even_records(start: bytes, delimiter: str, quote: str, header: Header) -> float:
    """Share of the records of ``start`` that have as many fields as the header."""
    buffer = np.frombuffer(start, np.uint8)[header.body :]
    part = parse(buffer, buffer.size, True, delimiter, header.names, [], "", 0, 1, quote)
    return part.line.size / part.rows_in if part.rows_in else 1.0


def quote_byte(quote: str) -> int:
    """The quote as the kernels want it: its byte, -1 for none."""
    return -1 if quote == NO_QUOTE else ord(quote)


def refuse_doubles(names: Sequence[str]) -> None:
    """Raise ContractError E-INPUT-004 if a column name that is not empty comes twice.

    It says which columns, not their name: of a file without a header that would be a value of its first row.
    """
    seen: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if name and name in seen:
            raise ContractError(
                "E-INPUT-004",
                f"Columns {seen[name]} and {place} of the header have the same name;",
                "each column once was wanted.",
                "Rename or drop one of the two; if the first line is a row of data, put a header above it.",
            )
        seen[name] = place


def cut_points(
    window: bytes,
    final: bool,
    delimiter: str,
    width: int,
    line: int,
    targets: NDArray[np.int64],
    quote: str = '"',
) -> tuple[list[tuple[int, int]], int, int]:
    """Walk a window of a file that begins with a record; say where it can be cut.

    targets : int64[t], ascending offsets into the window
    Returns ``([(offset, line number)] of the first record at or after each target reached, where the walk
    stopped, the number of the line there)``. The walk stops before a record that the window does not hold
    whole; with ``final`` it ends with the window.
    """
    mark = quote_byte(quote)
    breaks = b"\r" not in window or window.count(b"\r") == window.count(b"\r\n")
    plain = breaks and (mark < 0 or quote.encode() not in window)
    if plain and not (window.endswith(b"\r") and not final):
        return _plain_cuts(window, final, line, targets)
    buffer = np.frombuffer(window, np.uint8)
    cut = np.empty(targets.size, np.int64)
    cut_line = np.empty(targets.size, np.int64)
    done, stopped, line = kernel.walk(
        buffer, final, ord(delimiter), mark, width, MOST_LINES, MOST_BYTES, line, targets, cut, cut_line
    )
    return list(zip(cut[:done].tolist(), cut_line[:done].tolist(), strict=True)), int(stopped), int(line)


def _line_feeds(window: bytes, start: int, stop: int) -> int:
    # A vector comparison counts short lines about ten times as fast as bytes.count.
    return int(np.count_nonzero(np.frombuffer(window, np.uint8, stop - start, start) == ord("\n")))


def _plain_cuts(
    window: bytes, final: bool, line: int, targets: NDArray[np.int64]
) -> tuple[list[tuple[int, int]], int, int]:
    """Without a quote every line is a record; lines are found and counted at the speed of memory."""
    cuts: list[tuple[int, int]] = []
    pos = 0
    for target in targets.tolist():
        if target > pos:
            found = window.find(b"\n", target - 1)
            if found < 0:
                break
            line += _line_feeds(window, pos, found + 1)
            pos = found + 1
        cuts.append((pos, line))
    last = window.rfind(b"\n") + 1
    if last > pos:
        line += _line_feeds(window, pos, last)
        pos = last
    if final and pos < len(window):
        pos, line = len(window), line + 1
    if final:
        cuts += [(pos, line)] * int(np.count_nonzero(targets[len(cuts) :] <= pos))
    return cuts, pos, line


def _last_ascii(buffer: NDArray[np.uint8]) -> int:
    """One after the last ASCII byte of the buffer, which may end within a character."""
    size = int(buffer.size)
    for end in range(size, max(0, size - 4), -1):
        if buffer[end - 1] < 0x80:
            return end
    return size


def parse(
    buffer: NDArray[np.uint8],
    stop: int,
    final: bool,
    delimiter: str,
    names: Sequence[str],
    wanted: Sequence[str],
    key: str,
    file: int,
    line: int,
    quote: str = '"',
) -> RawPart:
    """The records that begin in ``buffer[:stop]``, the first of them at 0 on physical line ``line``.

    buffer : uint8, the part and at least ``LOOK_AHEAD`` bytes after it, or all there are (``final``)
    names  : the header;  wanted : the columns to take;  key : the one whose cells lose blanks at their ends
    Rejects are coded ``field_count``, ``stray_quote``, ``unclosed_quote`` or ``record_too_long``.
    """
    fields = np.full(len(names), -1, np.int64)
    for position, name in enumerate(wanted):
        fields[list(names).index(name)] = position
    lines = int(kernel.count_lines(buffer, stop))
    most = lines + 1
    status = np.empty(most, np.uint8)
    row_begin, row_end = np.empty(most, np.int32), np.empty(most, np.int32)
    row_line = np.empty(most, np.int64)
    row_lines, row_bytes = np.empty(most, np.int32), np.empty(most, np.int32)
    begin, end = np.empty((len(wanted), most), np.int32), np.empty((len(wanted), most), np.int32)
    doubled = np.empty((len(wanted), most), np.bool_)
    mark = quote_byte(quote)
    rows, blank, blank_bytes, stopped, _ = kernel.scan(
        buffer, stop, final, ord(delimiter), mark, len(names), MOST_LINES, MOST_BYTES, fields, line,
        status, row_begin, row_end, row_line, row_lines, row_bytes, begin, end, doubled,
    )  # fmt: skip
    if stopped != stop:
        raise IntegrityError(
            "E-INPUT-009",
            f"A part of the file that should end at a line's end does not, near line {line + rows}:",
            "the file changed while it was being read.",
            "Leave the files alone during a run, and run again.",
        )
    good = np.flatnonzero(status[:rows] == kernel.GOOD)
    bad = np.flatnonzero(status[:rows] != kernel.GOOD)
    chosen: NDArray[np.int64] | slice = slice(0, rows) if bad.size == 0 else good
    clean = is_clean(buffer if final else buffer[: _last_ascii(buffer)])
    cells = {
        name: gather_cells(
            buffer, begin[i, chosen], end[i, chosen], doubled[i, chosen], name == key, mark, clean
        )
        for i, name in enumerate(wanted)
    }

    def text(records: NDArray[np.int64]) -> list[str]:
        return [readable(buffer[row_begin[i] : row_end[i]].tobytes()) for i in records]

    refused = reject_table(
        file, row_line[bad], [_CODES[int(s)] for s in status[bad]], [None] * bad.size, text(bad)
    )
    begins, ends = row_begin[:rows][chosen].copy(), row_end[:rows][chosen].copy()

    def good_text(positions: NDArray[np.int64]) -> list[str]:
        return [readable(buffer[begins[i] : ends[i]].tobytes()) for i in positions]

    spans = Spans(row_lines[:rows], row_bytes[:rows])
    return RawPart(
        file,
        row_line[:rows][chosen].copy(),
        Spans(row_lines[:rows][chosen].copy(), row_bytes[:rows][chosen].copy()),
        cells,
        refused,
        spans.total(bad),
        int(blank),
        Extent(int(blank), int(blank_bytes)),
        Extent(lines, stop),
        good_text,
    )
