"""Digests of what a table says, whatever its order, chunks and encodings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


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
