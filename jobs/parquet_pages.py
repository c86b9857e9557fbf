"""Column chunks of Parquet artefacts, encoded one by one: what tables have in common is encoded once.

Three kinds of columns are most of what is published, and are written here; the others by Arrow:

    ids         as they are: hashes have nothing to compress
    texts       DELTA_LENGTH_BYTE_ARRAY, compressed: lengths apart from the bytes, which then compress better
                and in half the time of texts with their lengths between them
    one text    a dictionary of it, and how often it comes

See ``Encodings.md`` and ``parquet.thrift`` of the Parquet format for the pages and their headers.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.parquet_footer import PAGES, Struct, field_of, write_footer
from kernels.texts import delta_lengths, lengths_room, rising

#: Rows of a page of texts, and of ids: pages of about 1 MB.
_TEXT_ROWS = 1 << 17
_ID_ROWS = 1 << 16

#: Longest text that stands in the statistics.
_TOLD = 200

_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_BYTE_ARRAY, _FIXED = 6, 7
_PLAIN, _RLE, _DELTA_LENGTH, _BY_DICTIONARY = 0, 3, 6, 8
_NOT_PACKED, _ZSTD = 0, 6
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2


@dataclass(frozen=True)
class Chunk:
    """The pages of a column's rows, uint8[k].

    meta : their metadata, with offsets from the first page and without a path;  below : the path of what is
    encoded under the column's name
    """

    pages: np.ndarray
    meta: Struct
    below: tuple[bytes, ...] = ()

    @property
    def unpacked(self) -> int:
        """Bytes of the pages before they were compressed."""
        return int(field_of(self.meta, 6))

    def column(self, name: bytes, at: int) -> Struct:
        """The column chunk of a footer, when its pages begin at byte ``at`` of the file."""
        path = [name, *self.below]
        meta: Struct = [(f, k, v + at if f in PAGES else v) for f, k, v in self.meta]
        meta = sorted([*meta, (3, _LIST, (_BINARY, path))], key=lambda field: field[0])
        return [(2, _I64, 0), (3, _STRUCT, meta)]


def encode(array: pa.Array) -> Chunk | None:
    """The chunk of a column that may have nulls and is of one of the three kinds; None for any other."""
    kind, rows = array.type, len(array)
    if rows == 0:
        return None
    if pa.types.is_fixed_size_binary(kind) and not array.null_count:
        return _ids(array)
    if pa.types.is_large_string(kind):
        return _texts(array)
    if pa.types.is_dictionary(kind) and not array.null_count and pa.types.is_large_string(kind.value_type):
        codes = array.indices.to_numpy()
        if codes.min() == codes.max():
            return _one_text(array.dictionary[int(codes[0])].as_py().encode(), rows)
    return None


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _levels(known: np.ndarray | int) -> bytes:
    """Which rows of a page (bool[n]; or their number, if all) have a value: RLE, behind its length."""
    if isinstance(known, np.ndarray) and not known.all():
        bits = np.packbits(known, bitorder="little").tobytes()
        body = _varint(len(bits) << 1 | 1) + bits
    else:
        body = _varint((known if isinstance(known, int) else known.shape[0]) << 1) + b"\1"
    return struct.pack("<I", len(body)) + body


def _header(kind: int, size: int, packed: bytes, values: int, encoding: int) -> bytes:
    check = zlib.crc32(packed)
    own: Struct = [(1, _I32, values), (2, _I32, encoding)]
    if kind == _DATA_PAGE:
        own += [(3, _I32, _RLE), (4, _I32, _RLE)]
    return write_footer(
        [
            (1, _I32, kind),
            (2, _I32, size),
            (3, _I32, len(packed)),
            (4, _I32, check - (1 << 32) if check >> 31 else check),
            (5 if kind == _DATA_PAGE else 7, _STRUCT, own),
        ]
    )


class _Pages:
    """Pages one after another."""

    def __init__(self, *, packed: bool) -> None:
        self.codec = pa.Codec("zstd") if packed else None
        self.parts: list[bytes] = []
        self.size = self.unpacked = 0
        self.counts: dict[tuple[int, int], int] = {}

    def add(self, kind: int, body: bytes, values: int, encoding: int) -> None:
        """A page of ``values`` rows."""
        packed = body if self.codec is None else self.codec.compress(body, asbytes=True)
        header = _header(kind, len(body), packed, values, encoding)
        self.parts += [header, packed]
        self.size += len(header) + len(packed)
        self.unpacked += len(header) + len(body)
        self.counts[kind, encoding] = self.counts.get((kind, encoding), 0) + 1

    def chunk(self, physical: int, rows: int, data_page: int, statistics: Struct) -> Chunk:
        """All of them; the pages of data begin at byte ``data_page``, behind a dictionary if not at once."""
        encodings = sorted({_RLE, *(encoding for _, encoding in self.counts)})
        told: list[Struct] = [
            [(1, _I32, kind), (2, _I32, encoding), (3, _I32, count)]
            for (kind, encoding), count in self.counts.items()
        ]
        meta: Struct = [
            (1, _I32, physical),
            (2, _LIST, (_I32, encodings)),
            (4, _I32, _NOT_PACKED if self.codec is None else _ZSTD),
            (5, _I64, rows),
            (6, _I64, self.unpacked),
            (7, _I64, self.size),
            (9, _I64, data_page),
            *([(11, _I64, 0)] if data_page else []),
            (12, _STRUCT, statistics),
            (13, _LIST, (_STRUCT, told)),
        ]
        return Chunk(np.frombuffer(b"".join(self.parts), np.uint8), meta)


def _ids(array: pa.FixedSizeBinaryArray) -> Chunk:
    width, rows = array.type.byte_width, len(array)
    data = memoryview(array.buffers()[1])[array.offset * width : (array.offset + rows) * width]
    pages = _Pages(packed=False)
    for start in range(0, rows, _ID_ROWS):
        held = min(_ID_ROWS, rows - start)
        pages.add(_DATA_PAGE, _levels(held) + data[start * width : (start + held) * width], held, _PLAIN)
    # Least and greatest of hashes tell nothing.
    return pages.chunk(_FIXED, rows, 0, [(3, _I64, 0)])


def _texts(array: pa.LargeStringArray) -> Chunk | None:
    rows = len(array)
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + rows + 1]
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)
    # Whoever owns them, of one kind for the compiled code.
    offsets.flags.writeable = data.flags.writeable = False
    known = np.ones(rows, np.bool_)
    if array.null_count:
        known[:] = array.is_valid()
        if np.diff(offsets)[~known].any():  # bytes under a null
            return None
    pages = _Pages(packed=True)
    for start in range(0, rows, _TEXT_ROWS):
        stop = min(rows, start + _TEXT_ROWS)
        there, own = known[start:stop], offsets[start : stop + 1]
        lengths = np.empty(lengths_room(stop - start), np.uint8)
        size = delta_lengths(own, there, lengths)
        body = b"".join((_levels(there), lengths[:size].data, data[own[0] : own[-1]].data))
        pages.add(_DATA_PAGE, body, stop - start, _DELTA_LENGTH)
    told: Struct = [(3, _I64, array.null_count)]
    # Least and greatest of what is in no order tell nothing either: all of a row group's are alike.
    if not array.null_count and rising(offsets, data):
        first, last = (data[offsets[i] : offsets[i + 1]].tobytes() for i in (0, rows - 1))
        told += _bounds(last, first)
    return pages.chunk(_BYTE_ARRAY, rows, 0, told)


def _bounds(greatest: bytes, least: bytes) -> Struct:
    if max(len(greatest), len(least)) > _TOLD:
        return []
    return [(5, _BINARY, greatest), (6, _BINARY, least), (7, 1, True), (8, 1, True)]


def _one_text(text: bytes, rows: int) -> Chunk:
    pages = _Pages(packed=False)
    pages.add(_DICTIONARY_PAGE, struct.pack("<I", len(text)) + text, 1, _PLAIN)
    at = pages.size
    # Numbers of one bit, a run of the first.
    pages.add(_DATA_PAGE, _levels(rows) + b"\1" + _varint(rows << 1) + b"\0", rows, _BY_DICTIONARY)
    return pages.chunk(_BYTE_ARRAY, rows, at, [(3, _I64, 0), *_bounds(text, text)])
