"""Parquet artefacts: deterministic bytes, checked when read; digests of what a table says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.files import Entry, aside, checked, damaged

_ROW_GROUP = 1 << 18


def write_parquet(path: Path, table: pa.Table, sort_by: Sequence[str] = ()) -> Entry:
    """Write a Parquet artefact: sorted, zstd, in fixed row groups; the same rows give the same bytes."""
    if sort_by:
        table = table.sort_by([(name, "ascending") for name in sort_by])
    table = table.combine_chunks()
    # A list is named by the path of what it holds.
    paths = {f.name: f"{f.name}.list.element" if _is_list(f.type) else f.name for f in table.schema}
    repeated = [paths[f.name] for f in table.schema if pa.types.is_dictionary(f.type) or _is_list(f.type)]
    # Ids are hashes: compressing them, or looking for repeats among them, took a third of the writing.
    codecs = {
        paths[f.name]: "none" if pa.types.is_fixed_size_binary(f.type) else "zstd" for f in table.schema
    }
    with aside(path) as out:
        sink = pa.PythonFile(out, mode="w")
        pq.write_table(
            table,
            sink,
            compression=codecs,
            use_dictionary=repeated,
            row_group_size=_ROW_GROUP,
            write_page_checksum=True,
            store_schema=False,
        )
        sink.flush()
    return Entry(path.name, out.size, out.digest(), table.num_rows)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet artefact, held against its digest where one is kept, its page checksums verified.

    Raises IntegrityError for a damaged one.
    """
    checked(path)
    try:
        wanted = list(columns) if columns is not None else None
        return pq.read_table(path, columns=wanted, page_checksum_verification=True, partitioning=None)
    except (pa.ArrowException, OSError, ValueError) as fault:
        raise damaged(path, fault) from None


def logical_digest(table: pa.Table, sort_by: Sequence[str]) -> str:
    """BLAKE2b-256, in hex, of what a table says: its columns and its rows, sorted.

    The order of rows, of columns and of chunks does not count, nor do the encodings of text (dictionary,
    view, small or large offsets) and of bytes under a null. Rows equal in ``sort_by`` are ordered by the
    other columns, so that ``sort_by`` need not be a key.
    """
    names = sorted(table.column_names)
    plain = pa.table({name: _plain(table.column(name)) for name in names})
    order = [
        *sort_by,
        *(n for n in names if n not in sort_by and not pa.types.is_nested(plain.schema.field(n).type)),
    ]
    if plain.num_rows and order:
        plain = plain.sort_by([(name, "ascending") for name in order])
    digest = hashlib.blake2b(digest_size=32)
    for name in names:
        field = plain.schema.field(name)
        digest.update(f"{name}\x1f{field.type}\x1f{plain.num_rows}\x1e".encode())
        _feed(digest, plain.column(name).combine_chunks())
    return digest.hexdigest()


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(pc.cast(column, kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return column.cast(pa.large_binary())
    if pa.types.is_list(kind):
        return column.cast(pa.large_list(_plain(pa.chunked_array([], kind.value_type)).type))
    if pa.types.is_large_list(kind):
        return column.cast(pa.large_list(_plain(pa.chunked_array([], kind.value_type)).type))
    return column


def _feed(digest: Any, column: pa.Array | pa.ChunkedArray) -> None:
    array = (
        pa.concat_arrays(column.chunks)
        if isinstance(column, pa.ChunkedArray) and column.num_chunks
        else column
    )
    if len(array) == 0:
        return
    kind = array.type
    digest.update(np.packbits(array.is_valid().to_numpy(zero_copy_only=False)).tobytes())
    if pa.types.is_large_list(kind):
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        digest.update(np.asarray(lengths, np.int64).tobytes())
        _feed(digest, pc.list_flatten(array))
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        held = pc.fill_null(array.cast(pa.large_binary()), b"")
        digest.update(np.asarray(pc.binary_length(held), np.int64).tobytes())
        offsets = np.frombuffer(held.buffers()[1], np.int64)[held.offset : held.offset + len(held) + 1]
        if held.buffers()[2] is not None:
            digest.update(memoryview(held.buffers()[2])[int(offsets[0]) : int(offsets[-1])])
    elif pa.types.is_null(kind):
        return
    elif pa.types.is_boolean(kind):
        digest.update(pc.fill_null(array, False).to_numpy(zero_copy_only=False).tobytes())
    else:
        if pa.types.is_temporal(kind):
            array = array.view(pa.int32() if kind.bit_width == 32 else pa.int64())
        # Adding zero makes of minus zero zero.
        digest.update((pc.fill_null(array, 0).to_numpy() + 0).tobytes())
