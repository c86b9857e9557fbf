"""Parquet artefacts: deterministic bytes, checked when read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
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
