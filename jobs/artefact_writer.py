"""Parquet artefacts made in pieces: row groups encoded by many tasks, one file in the end.

A piece is a container with the pages of its row groups and the footer that describes them. To join pieces
their pages are copied as they are, and the footer is written anew: the file is, byte for byte, the one that a
single writer makes of the same row groups.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs import parquet_footer as footers
from jobs.store import Entry, aside, damaged, open_arrays, write_arrays

#: Most rows of a row group.
ROW_GROUP = 1 << 18

_MAGIC = b"PAR1"
_CHUNK = 8 << 20


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
    sink = pa.BufferOutputStream()
    pq.write_table(table.combine_chunks(), sink, row_group_size=ROW_GROUP, **parquet_options(table.schema))
    data = np.frombuffer(sink.getvalue(), np.uint8)
    (length,) = struct.unpack("<I", data[-8:-4].tobytes())
    end = data.shape[0] - 8 - length
    rows = np.array([table.num_rows], np.int64)
    return write_arrays(path, rows=rows, pages=data[4:end], footer=data[end:-8])


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
            pages = held["pages"]
            for start in range(0, pages.shape[0], _CHUNK):
                out.write(pages[start : start + _CHUNK].data)
        changed = {footers.ROWS: rows, footers.ROW_GROUPS: (12, groups)}
        whole = footers.write_footer([(f, k, changed.get(f, v)) for f, k, v in first])
        out.write(whole + struct.pack("<I", len(whole)) + _MAGIC)
    return Entry(path.name, out.size, out.digest(), rows)
