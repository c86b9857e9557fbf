"""Rows as a file holds them: cells of the contract's columns as checked text, before the contract judges.

:class:`RawPart` is what a reader gives and :mod:`linkage.ingest` takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kernels import cell_text as kernel
from linkage.errors import ContractError

#: Blank characters, which make a cell empty and are taken off a key's ends.
BLANK = " \t\n\r\u00a0" + "".join(map(chr, range(0x2000, 0x200C))) + "\u202f\u3000\ufeff"

#: One row for each refused row: file (its number in the source), line (physical line of a CSV file, row
#: number of a Parquet file, from 1), coded reason, column where one is to blame, the row as it came.
REJECTS = pa.schema(
    [
        pa.field("file", pa.int32(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("code", pa.large_string(), nullable=False),
        pa.field("column", pa.large_string()),
        pa.field("row", pa.large_string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Cells:
    """One column of n cells: ``offsets`` int64[n + 1] into ``data`` uint8, ``state`` uint8[n].

    ``state`` is TEXT, EMPTY, BAD_ENCODING or CONTROL of :mod:`kernels.cell_text`; only TEXT has bytes,
    and they are UTF-8.
    """

    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]
    state: NDArray[np.uint8]

    def array(self) -> pa.LargeStringArray:
        """The cells as text, null where they are not TEXT."""
        present = self.state == kernel.TEXT
        absent = int(self.state.size - np.count_nonzero(present))
        bitmap = pa.py_buffer(np.packbits(present, bitorder="little")) if absent else None
        return pa.LargeStringArray.from_buffers(
            self.state.size, pa.py_buffer(self.offsets), pa.py_buffer(self.data), bitmap, absent
        )


@dataclass(frozen=True)
class Extent:
    """So much text: physical lines, and bytes with their line ends.

    A table has a line for each row and no bytes.
    """

    lines: int = 0
    bytes: int = 0

    def __add__(self, other: Extent) -> Extent:
        return Extent(self.lines + other.lines, self.bytes + other.bytes)

    def __sub__(self, other: Extent) -> Extent:
        return Extent(self.lines - other.lines, self.bytes - other.bytes)


@dataclass(frozen=True)
class Spans:
    """Physical lines and bytes of each of n rows, int32[n] each."""

    lines: NDArray[np.int32]
    bytes: NDArray[np.int32]

    def total(self, rows: NDArray[np.integer] | slice = slice(None)) -> Extent:
        """Of the given rows together."""
        return Extent(int(self.lines[rows].sum(dtype=np.int64)), int(self.bytes[rows].sum(dtype=np.int64)))


@dataclass(frozen=True)
class RawPart:
    """The rows of one part of one file.

    file    : the file's number in its source
    line    : int64[n], where each readable row begins
    spans   : how much text each readable row is
    cells   : the contract's columns, each of n cells; the key's cells without blanks at their ends
    refused : REJECTS, the rows whose form is broken;  refused_text : how much text they are
    blank   : blank lines, which are no rows;  blank_text : how much text they are
    whole   : how much text the part is, counted without looking at records
    text    : gives the rows at the given positions as they came
    """

    file: int
    line: NDArray[np.int64]
    spans: Spans
    cells: Mapping[str, Cells]
    refused: pa.Table
    refused_text: Extent
    blank: int
    blank_text: Extent
    whole: Extent
    text: Callable[[NDArray[np.int64]], list[str]]

    @property
    def rows_in(self) -> int:
        """Rows the part holds, readable or not."""
        return int(self.line.size) + int(self.refused.num_rows)


def gather_cells(
    buffer: NDArray[np.uint8],
    begin: NDArray[np.integer],
    end: NDArray[np.integer],
    doubled: NDArray[np.bool_],
    strip: bool,
    quote: int = 34,
    clean: bool = False,
) -> Cells:
    """Copy and check the cells ``buffer[begin[i]:end[i]]``; where ``doubled``, two quotes stand for one.

    ``clean`` says that each cell is known to pass the check (see :func:`is_clean`), and begins and ends
    below 2**31.
    """
    rows = begin.size
    source = _read_only(buffer)
    offsets = np.empty(rows + 1, np.int64)
    data = np.empty(int(np.sum(end, dtype=np.int64) - np.sum(begin, dtype=np.int64)), np.uint8)
    state = np.empty(rows, np.uint8)
    kind, take = (np.int32, kernel.gather_clean) if clean else (np.int64, kernel.gather)
    begin, end = np.ascontiguousarray(begin, kind), np.ascontiguousarray(end, kind)
    used = take(source, begin, end, np.ascontiguousarray(doubled), quote, strip, offsets, data, state)
    return Cells(offsets, data[:used], state)


def _read_only(buffer: NDArray[Any]) -> NDArray[Any]:
    view = buffer.view()
    view.flags.writeable = False
    return view


def is_clean(buffer: NDArray[np.uint8]) -> bool:
    """Whether a text is UTF-8 without control characters: then so is every cell between two ASCII bytes."""
    if kernel.has_control(_read_only(buffer)):
        return False
    ends = pa.py_buffer(np.array([0, buffer.size], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, ends, pa.py_buffer(buffer)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def reject_table(
    file: int, line: NDArray[np.int64], code: Sequence[str], column: Sequence[str | None], row: Sequence[str]
) -> pa.Table:
    """REJECTS of one file."""
    columns = [
        pa.array(np.full(len(line), file, np.int32)),
        pa.array(line),
        pa.array(code, pa.large_string()),
        pa.array(column, pa.large_string()),
        pa.array(row, pa.large_string()),
    ]
    return pa.table(columns, schema=REJECTS)


def as_text(array: pa.Array, column: str) -> pa.Array:
    """``array`` as large_string or large_binary: dates in ISO form, whole numbers in decimal digits.

    Raises ContractError E-INPUT-007, naming ``column``, for a type that has no text form.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return as_text(array.dictionary_decode(), column)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return array.cast(pa.large_binary())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.large_string())
    if (
        pa.types.is_null(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_date(kind)
        or pa.types.is_boolean(kind)
    ):
        return array.cast(pa.large_string())
    if pa.types.is_timestamp(kind):
        return _times_as_text(array)
    if pa.types.is_floating(kind):
        return _floats_as_text(array)
    if pa.types.is_decimal(kind):
        return pa.array([None if v is None else format(v, "f") for v in array.to_pylist()], pa.large_string())
    raise ContractError(
        "E-INPUT-007",
        f"Column '{column}' is of the type {kind},",
        "which has no text form; text, whole numbers, dates, timestamps and decimals have one.",
        "Write the column as text.",
    )


def _times_as_text(array: pa.Array) -> pa.Array:
    import pyarrow.compute as pc  # 0.03 s, which few runs need

    local = array if array.type.tz is None else pc.local_timestamp(array)
    day = pc.floor_temporal(local, unit="day")
    midnight = pc.equal(local, day)
    text = pc.replace_substring_regex(pc.strftime(local, format="%Y-%m-%dT%H:%M:%S"), r"\.0+$", "")
    return pc.if_else(midnight, pc.strftime(day, format="%Y-%m-%d"), text).cast(pa.large_string())


def _floats_as_text(array: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    # A column of whole numbers with gaps often comes as floating point; within 2**53 nothing is lost.
    values = array.cast(pa.float64())
    whole = pc.and_(pc.equal(pc.round(values), values), pc.less(pc.abs(values), 2.0**53))
    digits = pc.if_else(whole, values, None).cast(pa.int64()).cast(pa.large_string())
    return pc.if_else(whole, digits, values.cast(pa.large_string()))


def _arrow_cells(column: pa.ChunkedArray, name: str, strip: bool) -> tuple[Cells, pa.Array]:
    chunks = [as_text(chunk, name).cast(pa.large_binary()) for chunk in column.chunks]
    if len(chunks) == 1:  # joined they would be copied
        text = chunks[0]
    else:
        text = pa.concat_arrays(chunks or [pa.array([], pa.large_binary())])
    rows = len(text)
    _, offset_buffer, data_buffer = text.buffers()
    offsets = (
        np.frombuffer(offset_buffer, np.int64)[text.offset : text.offset + rows + 1]
        if rows
        else np.zeros(1, np.int64)
    )
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    held = text.is_valid().to_numpy(zero_copy_only=False) if text.null_count else np.zeros(0, np.bool_)
    state = np.empty(rows, np.uint8)
    offsets, data = _read_only(offsets), _read_only(data)  # as Arrow's own often are: compiled once for both
    if is_clean(data[offsets[0] : offsets[-1]]) and kernel.as_they_are(data, offsets, held, strip, state):
        return Cells(offsets, data, state), text
    begin, end = offsets[:-1], offsets[1:]
    if text.null_count:
        end = np.where(held, end, begin)
    return gather_cells(data, begin, end, np.zeros(rows, np.bool_), strip), text


def arrow_part(table: pa.Table, file: int, first_line: int, key: str) -> RawPart:
    """The rows of a table; ``first_line`` is the number of its first row, from 1.

    Raises ContractError E-INPUT-007 for a column that has no text form.
    """
    line = np.arange(first_line, first_line + table.num_rows, dtype=np.int64)
    return numbered_part(table, file, line, key)


def numbered_part(table: pa.Table, file: int, line: NDArray[np.int64], key: str, blank: int = 0) -> RawPart:
    """The rows of a table, each with its own line number; ``blank`` lines lie between them."""
    cells: dict[str, Cells] = {}
    texts: dict[str, pa.Array] = {}
    for name in table.column_names:
        cells[name], texts[name] = _arrow_cells(table.column(name), name, name == key)

    def rows(positions: NDArray[np.int64]) -> list[str]:
        picked = {name: array.take(pa.array(positions)).to_pylist() for name, array in texts.items()}
        return [
            json.dumps(
                {name: None if v[i] is None else readable(v[i]) for name, v in picked.items()},
                ensure_ascii=False,
            )
            for i in range(len(positions))
        ]

    spans = Spans(np.ones(line.size, np.int32), np.zeros(line.size, np.int32))
    return RawPart(
        file, line, spans, cells, REJECTS.empty_table(), Extent(), blank, Extent(blank),
        Extent(int(line.size) + blank), rows,
    )  # fmt: skip


def readable(raw: bytes) -> str:
    """Bytes of a row as text; a byte that is no UTF-8 appears as a backslash, x and two hex digits."""
    return raw.decode("utf-8", "backslashreplace")
