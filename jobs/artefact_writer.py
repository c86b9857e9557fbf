"""Parquet artefacts made in pieces: row groups encoded by many tasks, one file in the end.

A piece is a container with the pages of its row groups and the footer that describes them. To join pieces
their pages are copied as they are, and the footer is written anew. Most columns are encoded here
(:mod:`jobs.parquet_pages`), the others by Arrow.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs import parquet_footer as footers
from jobs.containers import Buffer
from jobs.parquet_pages import Chunk, encode
from jobs.store import Entry, aside, damaged, open_arrays, write_each

#: Most rows of a row group.
ROW_GROUP = 1 << 18

_MAGIC = b"PAR1"

#: Bytes that are verified, hashed and written while a processor's cache holds them: a block of a container.
_BLOCK = 1 << 20

RowGroup = list[Chunk]
_Identity = tuple[str | int, ...]


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """How every artefact is written: zstd, page checksums; the same rows give the same bytes."""
    # A list is named by the path of what it holds.
    paths = {f.name: f"{f.name}.list.element" if _is_list(f.type) else f.name for f in schema}
    repeated = [paths[f.name] for f in schema if pa.types.is_dictionary(f.type) or _is_list(f.type)]
    # Ids are hashes: compressing them, or looking for repeats among them, took a third of the writing.
    codecs = {paths[f.name]: "none" if pa.types.is_fixed_size_binary(f.type) else "zstd" for f in schema}
    return {
        "compression": codecs,
        "use_dictionary": repeated,
        "write_page_checksum": True,
        "store_schema": False,
    }


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def write_piece(path: Path, table: pa.Table) -> Entry:
    """Encode rows of an artefact, at most ``ROW_GROUP`` a row group, for :func:`join_pieces`."""
    return write_pieces({path: table})[0]


def write_pieces(tables: Mapping[Path, pa.Table]) -> list[Entry]:
    """Encode rows of several artefacts; a column that stands in some of them is encoded once."""
    whole = {path: table.combine_chunks() for path, table in tables.items()}
    groups: dict[Path, list[RowGroup]] = {path: [] for path in whole}
    for rows in sorted({table.num_rows for table in whole.values() if table.num_rows}):
        same = {path: table for path, table in whole.items() if table.num_rows == rows}
        for start in range(0, rows, ROW_GROUP):
            made = _row_groups([t.slice(start, ROW_GROUP) for t in same.values()])
            for path, group in zip(same, made, strict=True):
                groups[path].append(group)
    return [_write(path, table, groups[path]) for path, table in whole.items()]


def _row_groups(tables: Sequence[pa.Table]) -> list[RowGroup]:
    """A row group of each table, all of as many rows."""
    places = [[_identity(column.chunk(0)) for column in table.columns] for table in tables]
    chunks: dict[_Identity, Chunk] = {}
    others: dict[_Identity, pa.Array] = {}
    for table, own in zip(tables, places, strict=True):
        for column, place in zip(table.columns, own, strict=True):
            if place not in chunks and place not in others:
                chunk = encode(column.chunk(0))
                if chunk is None:
                    others[place] = column.chunk(0)
                else:
                    chunks[place] = chunk
    chunks |= zip(others, _by_arrow(list(others.values())), strict=True)
    return [[chunks[place] for place in own] for own in places]


def _identity(array: pa.Array) -> _Identity:
    """What tells the rows of an array, while they are held, from those of any other."""
    held = [b.address if b is not None else 0 for b in array.buffers()]
    nested = array.flatten() if _is_list(array.type) else array
    if pa.types.is_dictionary(nested.type):
        held += [b.address if b is not None else 0 for b in nested.dictionary.buffers()]
    return (str(array.type), array.offset, *held)


def _by_arrow(columns: list[pa.Array]) -> list[Chunk]:
    """The chunks of columns that Arrow encodes."""
    if not columns:
        return []
    data, footer = _written(pa.table(columns, names=[str(n) for n in range(len(columns))]))
    ((_, _, (_, (group,))),) = [held for held in footer if held[0] == footers.ROW_GROUPS]
    found = []
    for column in footers.field_of(group, footers.COLUMNS)[1]:
        told = footers.field_of(column, footers.CHUNK_METADATA)
        starts = [value for field, _, value in told if field in footers.PAGES and value > 0]
        begin, size = min(starts), footers.field_of(told, footers.PACKED)
        # An offset of 0 says that there is nothing.
        meta = [
            (f, k, v - begin if f in footers.PAGES else v)
            for f, k, v in told
            if f != footers.PATH and not (f in footers.PAGES and v == 0)
        ]
        rest = tuple(footers.field_of(told, footers.PATH)[1][1:])
        found.append(Chunk([data[begin : begin + size].data], meta, rest))
    return found


def _written(table: pa.Table) -> tuple[np.ndarray, footers.Struct]:
    """The bytes of a Parquet file as Arrow writes it, and its footer."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=ROW_GROUP, **parquet_options(table.schema))
    data = np.frombuffer(sink.getvalue(), np.uint8)
    (length,) = struct.unpack("<I", data[-8:-4].tobytes())
    return data, footers.read_footer(data[-8 - length : -8].tobytes())


@functools.lru_cache(maxsize=32)
def _of_no_rows(schema: pa.Schema) -> tuple[np.ndarray, footers.Struct]:
    """A file of no rows has one empty row group, as a single writer leaves it."""
    return _written(schema.empty_table())


def _write(path: Path, table: pa.Table, groups: Sequence[RowGroup]) -> Entry:
    _, footer = _of_no_rows(table.schema)
    pages: list[Buffer] = []
    told: list[footers.Struct] = []
    at, left = len(_MAGIC), table.num_rows
    for group in groups:
        columns, begin, unpacked = [], at, 0
        for name, chunk in zip(table.column_names, group, strict=True):
            columns.append(chunk.column(name.encode(), at))
            pages += chunk.pages
            at += chunk.size
            unpacked += chunk.unpacked
        rows = min(left, ROW_GROUP)
        left -= rows
        told.append(footers.row_group(columns, rows, unpacked, begin, at - begin, len(told)))
    if told:
        changed = {footers.ROWS: table.num_rows, footers.ROW_GROUPS: (12, told)}
        footer = [(f, k, changed.get(f, v)) for f, k, v in footer]
    return write_each(
        path,
        [
            ("rows", np.array([table.num_rows], np.int64)),
            ("pages", pages),
            ("footer", [footers.write_footer(footer)]),
        ],
    )


def join_pieces(path: Path, pieces: Sequence[Path]) -> Entry:
    """One Parquet file of the row groups of all pieces (at least one), in order; empty ones leave none.

    Raises IntegrityError ``E-INTEGRITY-001`` for a damaged piece, or one of other columns than the first.
    """
    chosen, rows = [], 0
    for piece in pieces:
        held = open_arrays(piece)
        own = int(held["rows"][0])
        if own:
            chosen.append(piece)
        rows += own
    # A file without rows has one empty row group, as a single writer leaves it.
    chosen = chosen or list(pieces[:1])
    groups: list[Any] = []
    first: footers.Struct = []
    with aside(path) as out:
        out.write(_MAGIC)
        for piece in chosen:
            held = open_arrays(piece)
            try:
                footer = footers.read_footer(held["footer"].tobytes())
            except ValueError as fault:
                raise damaged(piece, fault) from None
            first = first or footer
            if footers.field_of(footer, footers.SCHEMA) != footers.field_of(first, footers.SCHEMA):
                raise damaged(piece)
            by = out.size - len(_MAGIC)
            for group in footers.field_of(footer, footers.ROW_GROUPS)[1]:
                groups.append(footers.moved(group, by, len(groups)))
            for start in range(0, held.shape("pages")[0], _BLOCK):
                out.write(held.cut("pages", start, start + _BLOCK).data)
        changed = {footers.ROWS: rows, footers.ROW_GROUPS: (12, groups)}
        whole = footers.write_footer([(f, k, changed.get(f, v)) for f, k, v in first])
        out.write(whole + struct.pack("<I", len(whole)) + _MAGIC)
    return Entry(path.name, out.size, out.digest(), rows)
