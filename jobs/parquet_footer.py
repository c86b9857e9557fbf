"""The footer of a Parquet file, read and written as it is: Thrift's compact protocol, not interpreted.

A structure is a list of ``(field, type, value)`` in the order of the file, a list ``(type, [value, ...])``.
See the Thrift compact protocol specification, and ``parquet.thrift`` of the Parquet format for the fields.
"""

from __future__ import annotations

import struct
from typing import Any

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)

#: Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData that move with the bytes of a row group.
SCHEMA, ROWS, ROW_GROUPS = 2, 3, 4
COLUMNS, GROUP_OFFSET, ORDINAL = 1, 5, 7
CHUNK_OFFSET, CHUNK_METADATA, OFFSET_INDEX, COLUMN_INDEX = 2, 3, 4, 6
PATH, PACKED = 3, 7
PAGES = (9, 10, 11, 14)

Struct = list[tuple[int, int, Any]]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        value = self.data[self.at]
        self.at += 1
        return value

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def bytes(self, size: int) -> bytes:
        found = self.data[self.at : self.at + size]
        if len(found) != size:
            raise IndexError
        self.at += size
        return found

    def value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _BYTE:
            return self.byte()
        if kind in (_I16, _I32, _I64):
            return self.zigzag()
        if kind == _DOUBLE:
            return struct.unpack("<d", self.bytes(8))[0]
        if kind == _BINARY:
            return self.bytes(self.varint())
        if kind in (_LIST, _SET):
            head = self.byte()
            size, of = head >> 4, head & 15
            size = self.varint() if size == 15 else size
            # In a list a truth value has a byte of its own.
            return of, [self.byte() if of in (_TRUE, _FALSE) else self.value(of) for _ in range(size)]
        if kind == _STRUCT:
            return self.struct()
        raise ValueError(f"type {kind}")

    def struct(self) -> Struct:
        found: Struct = []
        field = 0
        while head := self.byte():
            kind = head & 15
            field = field + (head >> 4) if head >> 4 else self.zigzag()
            found.append((field, kind, self.value(kind)))
        return found


class _Writer:
    def __init__(self) -> None:
        self.data = bytearray()

    def varint(self, value: int) -> None:
        while value >= 0x80:
            self.data.append(value & 0x7F | 0x80)
            value >>= 7
        self.data.append(value)

    def zigzag(self, value: int) -> None:
        self.varint(value << 1 if value >= 0 else (-value << 1) - 1)

    def value(self, kind: int, value: Any) -> None:
        if kind in (_TRUE, _FALSE):
            return
        if kind == _BYTE:
            self.data.append(value)
        elif kind in (_I16, _I32, _I64):
            self.zigzag(value)
        elif kind == _DOUBLE:
            self.data += struct.pack("<d", value)
        elif kind == _BINARY:
            self.varint(len(value))
            self.data += value
        elif kind in (_LIST, _SET):
            of, values = value
            self.data.append(min(len(values), 15) << 4 | of)
            if len(values) >= 15:
                self.varint(len(values))
            for one in values:
                if of in (_TRUE, _FALSE):
                    self.data.append(one)
                else:
                    self.value(of, one)
        else:
            self.struct(value)

    def struct(self, fields: Struct) -> None:
        last = 0
        for field, kind, value in fields:
            if 0 < field - last < 16:
                self.data.append((field - last) << 4 | kind)
            else:
                self.data.append(kind)
                self.zigzag(field)
            self.value(kind, value)
            last = field
        self.data.append(0)


def read_footer(data: bytes) -> Struct:
    """The structure that ``data`` holds. ValueError if it holds none."""
    reader = _Reader(data)
    try:
        found = reader.struct()
    except (IndexError, ValueError) as fault:
        raise _unreadable(f"it breaks at byte {reader.at} ({fault})") from None
    if reader.at != len(data):
        raise _unreadable(f"{len(data) - reader.at} bytes follow it")
    return found


def write_footer(footer: Struct) -> bytes:
    """The bytes of a structure."""
    writer = _Writer()
    writer.struct(footer)
    return bytes(writer.data)


def field_of(structure: Struct, wanted: int) -> Any:
    """The value of a field, None where it is not there."""
    return next((value for field, _, value in structure if field == wanted), None)


def row_group(columns: list[Struct], rows: int, unpacked: int, at: int, packed: int, ordinal: int) -> Struct:
    """A row group: its column chunks, rows, bytes before compression and after, and where it begins."""
    return [
        (COLUMNS, _LIST, (_STRUCT, columns)),
        (2, _I64, unpacked),
        (3, _I64, rows),
        (GROUP_OFFSET, _I64, at),
        (6, _I64, packed),
        (ORDINAL, _I16, ordinal),
    ]


def moved(group: Struct, by: int, ordinal: int) -> Struct:
    """A row group whose bytes lie ``by`` bytes further on, as number ``ordinal`` of its file."""

    def shifted(structure: Struct, fields: tuple[int, ...]) -> Struct:
        # An offset of 0 says that there is nothing.
        return [(f, k, v + by if f in fields and v > 0 else v) for f, k, v in structure]

    def column(chunk: Struct) -> Struct:
        out = []
        for field, kind, value in shifted(chunk, (CHUNK_OFFSET, OFFSET_INDEX, COLUMN_INDEX)):
            out.append((field, kind, shifted(value, PAGES) if field == CHUNK_METADATA else value))
        return out

    found: Struct = []
    for field, kind, value in shifted(group, (GROUP_OFFSET,)):
        if field == COLUMNS:
            found.append((field, kind, (value[0], [column(chunk) for chunk in value[1]])))
        else:
            found.append((field, kind, ordinal if field == ORDINAL else value))
    return found


def _unreadable(what: str) -> ValueError:
    return ValueError(
        f"The footer of a Parquet file cannot be read: {what}. "
        "Wanted: the bytes of one structure in Thrift's compact protocol. Give the whole footer."
    )
