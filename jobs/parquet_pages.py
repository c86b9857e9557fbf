"""Column chunks of Parquet artefacts, encoded one by one: what tables have in common is encoded once.

    ids         as they are: hashes have nothing to compress
    texts       in order: DELTA_BYTE_ARRAY, what each has not in common with the one before; a third less than
                whole texts, in a quarter of the time. Else DELTA_LENGTH_BYTE_ARRAY: lengths apart from
                the bytes, which then compress better and in half the time of texts with their lengths between
    one text    a dictionary of it, and how often it comes
    few texts   a dictionary, and their numbers in as few bits as they need, in lists too
    numbers     weights and probabilities come again and again: a dictionary, compressed a third less than
                they are; as they are where most differ
    truths      a bit each

All but ids are compressed. Any other column is encoded by Arrow. See ``Encodings.md`` and ``parquet.thrift``
of the Parquet format for the pages and their headers.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.containers import Buffer
from jobs.parquet_footer import PACKED, PAGES, Struct, field_of, write_footer
from kernels._door import reading
from kernels.parquet import delta_lengths, front_code, lengths_room, pack_numbers, packed_bytes, packed_room

#: Rows of a page of texts, and of ids: pages of about 1 MB.
_TEXT_ROWS = 1 << 17
_ID_ROWS = 1 << 16

#: Longest text that stands in the statistics.
_TOLD = 200

#: Most numbers that a dictionary holds, and their share of the rows: more are written as they are.
_MOST_NUMBERS, _SHARE = 1 << 16, 0.5

#: Entries of a dictionary that are looked for one by one: eight take a fifth of the time of counting all.
_FEW = 8

_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_BOOLEAN, _INT32, _INT64, _DOUBLE, _BYTE_ARRAY, _FIXED = 0, 1, 2, 5, 6, 7
_PLAIN, _RLE, _DELTA_LENGTH, _DELTA, _BY_DICTIONARY = 0, 3, 6, 7, 8
_NOT_PACKED, _ZSTD = 0, 6
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2

_PHYSICAL = {pa.int32(): _INT32, pa.int64(): _INT64, pa.float64(): _DOUBLE}


@dataclass(frozen=True)
class Chunk:
    """The pages of a column's rows, in pieces that follow one another.

    meta : their metadata, with offsets from the first page and without a path;  below : the path of what is
    encoded under the column's name
    """

    pages: Sequence[Buffer]
    meta: Struct
    below: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the pages."""
        return int(field_of(self.meta, PACKED))

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
    """The chunk of a column that may have nulls and is of one of these kinds; None for any other."""
    kind = array.type
    if len(array) and pa.types.is_large_string(kind):
        return _texts(array)
    if array.null_count == len(array):
        return None
    if pa.types.is_fixed_size_binary(kind):
        return None if array.null_count else _ids(array)
    if _is_coded(kind):
        return _coded(array)
    if pa.types.is_boolean(kind):
        return _truths(array)
    if kind in _PHYSICAL:
        return _numbers(array)
    if pa.types.is_large_list(kind) and _is_coded(kind.value_type):
        return _lists(array)
    return None


def _is_coded(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_dictionary(kind)
        and pa.types.is_large_string(kind.value_type)
        and kind.index_type.bit_width == 32
    )


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _bits(numbers: np.ndarray, width: int) -> bytes:
    """Numbers of ``width`` bits as one bit-packed run."""
    out = np.empty(packed_room(numbers.shape[0], width), np.uint8)
    pack_numbers(numbers, width, out)
    size = packed_bytes(numbers.shape[0], width)
    return _varint(size // width << 1 | 1) + out[:size].tobytes()


def _known(array: pa.Array) -> np.ndarray | None:
    """Which rows have a value: bool[n]; None for all."""
    return array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None


def _behind_length(body: bytes) -> bytes:
    return struct.pack("<I", len(body)) + body


def _levels(known: np.ndarray | int) -> bytes:
    """Which rows of a page (bool[n]; or their number, if all) have a value: RLE, behind its length."""
    if isinstance(known, np.ndarray) and not known.all():
        bits = np.packbits(known, bitorder="little").tobytes()
        return _behind_length(_varint(len(bits) << 1 | 1) + bits)
    return _behind_length(_varint((known if isinstance(known, int) else known.shape[0]) << 1) + b"\1")


def _header(kind: int, size: int, packed: Sequence[Buffer], values: int, encoding: int) -> bytes:
    check = 0
    for part in packed:
        check = zlib.crc32(part, check)
    own: Struct = [(1, _I32, values), (2, _I32, encoding)]
    if kind == _DATA_PAGE:
        own += [(3, _I32, _RLE), (4, _I32, _RLE)]
    return write_footer(
        [
            (1, _I32, kind),
            (2, _I32, size),
            (3, _I32, sum(map(len, packed))),
            (4, _I32, check - (1 << 32) if check >> 31 else check),
            (5 if kind == _DATA_PAGE else 7, _STRUCT, own),
        ]
    )


class _Pages:
    """Pages one after another."""

    def __init__(self, *, packed: bool) -> None:
        self.codec = pa.Codec("zstd") if packed else None
        self.parts: list[Buffer] = []
        self.size = self.unpacked = 0
        self.counts: dict[tuple[int, int], int] = {}

    def add(self, kind: int, body: Sequence[Buffer], values: int, encoding: int) -> None:
        """A page of ``values`` rows: pieces that follow one another."""
        size = sum(map(len, body))
        packed = body if self.codec is None else [self.codec.compress(b"".join(body), asbytes=True)]
        header = _header(kind, size, packed, values, encoding)
        self.parts += [header, *packed]
        self.size += len(header) + sum(map(len, packed))
        self.unpacked += len(header) + size
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
            *([(12, _STRUCT, statistics)] if statistics else []),
            (13, _LIST, (_STRUCT, told)),
        ]
        return Chunk(self.parts, meta)


def _ids(array: pa.FixedSizeBinaryArray) -> Chunk:
    width, rows = array.type.byte_width, len(array)
    data = memoryview(array.buffers()[1])[array.offset * width : (array.offset + rows) * width]
    pages = _Pages(packed=False)
    for start in range(0, rows, _ID_ROWS):
        held = min(_ID_ROWS, rows - start)
        body = _levels(held), data[start * width : (start + held) * width]
        pages.add(_DATA_PAGE, body, held, _PLAIN)
    # Least and greatest of hashes tell nothing.
    return pages.chunk(_FIXED, rows, 0, [(3, _I64, 0)])


def _texts(array: pa.LargeStringArray) -> Chunk | None:
    rows = len(array)
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + rows + 1]
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)
    known = np.ones(rows, np.bool_)
    if array.null_count:
        known[:] = array.is_valid()
        if np.diff(offsets)[~known].any():  # bytes under a null
            return None
    told: Struct = [(3, _I64, array.null_count)]
    shared = None
    if not array.null_count:
        found = (np.empty(rows + 1, np.int64), np.empty(rows + 1, np.int64))
        new = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
        if front_code(offsets, data, _TEXT_ROWS, *found, new):
            # Least and greatest of what is in no order tell nothing: all of a row group's are alike.
            first, last = (data[offsets[i] : offsets[i + 1]].tobytes() for i in (0, rows - 1))
            told += _bounds(last, first)
            shared, offsets, data = *found, new
    pages = _Pages(packed=True)
    for start in range(0, rows, _TEXT_ROWS):
        stop = min(rows, start + _TEXT_ROWS)
        there, begins = known[start:stop], offsets[start : stop + 1]
        body: list[Buffer] = [_levels(there), _lengths(begins, there), data[begins[0] : begins[-1]].data]
        if shared is not None:
            body.insert(1, _lengths(shared[start : stop + 1], there))
        pages.add(_DATA_PAGE, body, stop - start, _DELTA_LENGTH if shared is None else _DELTA)
    return pages.chunk(_BYTE_ARRAY, rows, 0, told)


def _lengths(offsets: np.ndarray, known: np.ndarray) -> memoryview:
    lengths = np.empty(lengths_room(known.shape[0]), np.uint8)
    return lengths[: delta_lengths(reading(offsets, np.int64, "offsets"), known, lengths)].data


def _bounds(greatest: bytes, least: bytes) -> Struct:
    if max(len(greatest), len(least)) > _TOLD:
        return []
    return [(5, _BINARY, greatest), (6, _BINARY, least), (7, 1, True), (8, 1, True)]


def _one_text(text: bytes, rows: int) -> Chunk:
    pages = _Pages(packed=False)
    pages.add(_DICTIONARY_PAGE, [struct.pack("<I", len(text)) + text], 1, _PLAIN)
    at = pages.size
    # Numbers of one bit, a run of the first.
    pages.add(_DATA_PAGE, [_levels(rows) + b"\1" + _varint(rows << 1) + b"\0"], rows, _BY_DICTIONARY)
    return pages.chunk(_BYTE_ARRAY, rows, at, [(3, _I64, 0), *_bounds(text, text)])


def _codes(array: pa.DictionaryArray, known: np.ndarray | None) -> tuple[np.ndarray, list[bytes]]:
    """Numbers of a column's texts, int32[n known], and the texts that it has."""
    codes = _values(array.indices, np.int32, known)
    distinct = len(array.dictionary)
    if distinct <= _FEW:
        used = np.array([(codes == code).any() for code in range(distinct)], np.bool_)
    else:
        used = np.bincount(codes, minlength=distinct) > 0  # in half the time that marking them takes
    texts = [text.encode() for text in array.dictionary.filter(pa.array(used)).to_pylist()]
    return codes if used.all() else (np.cumsum(used, dtype=np.int32) - 1)[codes], texts


def _values(array: pa.Array, dtype: Any, known: np.ndarray | None) -> np.ndarray:
    """Values of the rows that have one."""
    values = np.frombuffer(array.buffers()[1], dtype)[array.offset : array.offset + len(array)]
    return values if known is None else values[known]


def _by_number(codes: np.ndarray, distinct: int) -> list[Buffer]:
    """Numbers of values in a dictionary, behind how many bits each has."""
    width = max(1, (distinct - 1).bit_length())
    return [bytes([width]), _bits(codes, width)]


def _coded(array: pa.DictionaryArray) -> Chunk:
    rows, known = len(array), _known(array)
    codes, texts = _codes(array, known)
    if len(texts) == 1 and known is None:
        return _one_text(texts[0], rows)
    pages = _Pages(packed=True)
    pages.add(_DICTIONARY_PAGE, _plain(texts), len(texts), _PLAIN)
    at = pages.size
    body: list[Buffer] = [_levels(rows if known is None else known), *_by_number(codes, len(texts))]
    pages.add(_DATA_PAGE, body, rows, _BY_DICTIONARY)
    return pages.chunk(_BYTE_ARRAY, rows, at, [(3, _I64, array.null_count), *_bounds(max(texts), min(texts))])


def _plain(texts: Sequence[bytes]) -> list[Buffer]:
    return [part for text in texts for part in (struct.pack("<I", len(text)), text)]


def _numbers(array: pa.Array) -> Chunk:
    rows, known, kind = len(array), _known(array), _PHYSICAL[array.type]
    values = _values(array, array.type.to_pandas_dtype(), known)
    # By their bits: zeros of both signs are two.
    found = pa.array(values.view(f"i{values.itemsize}")).dictionary_encode()
    distinct = found.dictionary.to_numpy().view(values.dtype)
    told: Struct = [(3, _I64, array.null_count)]
    least, greatest = distinct.min(), distinct.max()
    if not np.isnan(least):
        # As the format wants it: of zero the other sign may be there too.
        least, greatest = (least or -abs(least)), (greatest or abs(greatest))
        told += _bounds(greatest.tobytes(), least.tobytes())
    pages = _Pages(packed=True)
    if distinct.shape[0] > min(_MOST_NUMBERS, _SHARE * values.shape[0]):
        sizes = np.concatenate([[0], np.cumsum(known)]) if known is not None else np.arange(rows + 1)
        for start in range(0, rows, _TEXT_ROWS):
            stop = min(rows, start + _TEXT_ROWS)
            body: list[Buffer] = [
                _levels(stop - start if known is None else known[start:stop]),
                values[sizes[start] : sizes[stop]].view(np.uint8).data,
            ]
            pages.add(_DATA_PAGE, body, stop - start, _PLAIN)
        return pages.chunk(kind, rows, 0, told)
    pages.add(_DICTIONARY_PAGE, [distinct.view(np.uint8).data], distinct.shape[0], _PLAIN)
    at = pages.size
    codes = found.indices.to_numpy()
    body = [_levels(rows if known is None else known), *_by_number(codes, distinct.shape[0])]
    pages.add(_DATA_PAGE, body, rows, _BY_DICTIONARY)
    return pages.chunk(kind, rows, at, told)


def _truths(array: pa.BooleanArray) -> Chunk:
    rows, known = len(array), _known(array)
    held = array if known is None else array.drop_null()
    values = held.to_numpy(zero_copy_only=False)
    pages = _Pages(packed=True)
    body: list[Buffer] = [
        _levels(rows if known is None else known),
        np.packbits(values, bitorder="little").data,
    ]
    pages.add(_DATA_PAGE, body, rows, _PLAIN)
    greatest, least = (bytes([bool(value)]) for value in (values.any(), values.all()))
    return pages.chunk(_BOOLEAN, rows, 0, [(3, _I64, array.null_count), *_bounds(greatest, least)])


def _lists(array: pa.LargeListArray) -> Chunk | None:
    """Lists, none of them null, of coded texts, none of them null."""
    rows = len(array)
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + rows + 1]
    held = array.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
    if array.null_count or held.null_count or not len(held):
        return None
    codes, texts = _codes(held, None)
    # One entry a text, and one for an empty list.
    empty = offsets[1:] == offsets[:-1]
    begins = offsets[:-1] - offsets[0] + np.cumsum(empty) - empty
    entries = codes.shape[0] + int(np.count_nonzero(empty))
    follows = np.ones(entries, np.bool_)
    follows[begins] = False
    bits = np.packbits(follows, bitorder="little").tobytes()
    repeated = _behind_length(_varint(len(bits) << 1 | 1) + bits)
    # 3: there is a text, 1: the list has none.
    there = _varint(entries << 1) + b"\3"
    if empty.any():
        levels = np.full(entries, 3, np.int32)
        levels[begins[empty]] = 1
        there = _bits(levels, 2)
    pages = _Pages(packed=True)
    pages.add(_DICTIONARY_PAGE, _plain(texts), len(texts), _PLAIN)
    at = pages.size
    body: list[Buffer] = [repeated, _behind_length(there), *_by_number(codes, len(texts))]
    pages.add(_DATA_PAGE, body, entries, _BY_DICTIONARY)
    meta = pages.chunk(_BYTE_ARRAY, entries, at, []).meta
    return Chunk(pages.parts, meta, (b"list", b"element"))
