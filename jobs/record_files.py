"""Accepted records on disk: their ids, mapped as they are, and their fields as submitted, compressed.

    <source>-<part>.ids.arrays      offsets int64[n + 1] and bytes uint8[k] of the record ids
    <source>-<part>.records.arrow   line and fields, a compressed stream each, read one by one

What would be written twice is stored once: a field that is the key too is read from the ids, and of the line
numbers only how far they run ahead of the rows is written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.store import open_arrays, read_table, write_arrays, write_table

# Entries of a table's schema: all columns in their order, and those that are the record id.
_ORDER, _SAME = b"columns", b"record_id"

#: How the fields are packed.
PACKING = "lz4"


def records_path(folder: Path, source: int, part: int) -> Path:
    """Where the fields of a part lie."""
    return folder / f"{source:02d}-{part:05d}.records.arrow"


def ids_path(folder: Path, source: int, part: int) -> Path:
    """Where the record ids of a part lie."""
    return folder / f"{source:02d}-{part:05d}.ids.arrays"


def write_records(folder: Path, source: int, part: int, records: pa.Table) -> None:
    """Write the records of a part: ``line`` int64, ``record_id`` text without nulls, fields of text."""
    held = pc.cast(records.column("record_id"), pa.large_string())
    ids = pa.concat_arrays(held.chunks) if held.num_chunks else pa.array([], pa.large_string())
    offsets, data = _buffers(ids)
    write_arrays(ids_path(folder, source, part), offsets=offsets, bytes=data)
    fields = [n for n in records.column_names if n not in ("line", "record_id")]
    same = [n for n in fields if records.column(n).equals(pa.chunked_array([ids]))]
    kept = records.select([n for n in records.column_names if n not in ("record_id", *same)])
    if "line" in kept.column_names:
        ahead = kept.column("line").to_numpy() - np.arange(kept.num_rows)
        kept = kept.set_column(kept.column_names.index("line"), "line", pa.array(ahead))
    kept = kept.replace_schema_metadata({_ORDER: json.dumps(records.column_names), _SAME: json.dumps(same)})
    write_table(records_path(folder, source, part), kept, PACKING)


def _buffers(ids: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    n = len(ids)
    if n == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, offset_buffer, data_buffer = ids.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[ids.offset : ids.offset + n + 1]
    data = np.frombuffer(data_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], data


def read_ids(folder: Path, source: int, part: int) -> pa.LargeStringArray:
    """The record ids of a part, mapped. Raises IntegrityError."""
    held = open_arrays(ids_path(folder, source, part))
    offsets = held["offsets"]
    return pa.LargeStringArray.from_buffers(
        offsets.shape[0] - 1, pa.py_buffer(offsets), pa.py_buffer(held["bytes"])
    )


def read_records(folder: Path, source: int, part: int, columns: Sequence[str] | None = None) -> pa.Table:
    """The records of a part as they were written, or only ``columns`` of them: no other is decoded.

    Fields that the part does not have are left out. Raises IntegrityError.
    """
    path = records_path(folder, source, part)
    told = read_table(path, [])
    names: list[str] = json.loads(told.schema.metadata[_ORDER])
    of_ids: list[str] = ["record_id", *json.loads(told.schema.metadata[_SAME])]
    wanted = names if columns is None else [n for n in columns if n in names]
    held = read_table(path, [n for n in wanted if n not in of_ids])
    ids = read_ids(folder, source, part) if set(wanted) & set(of_ids) else None
    out = {n: ids if n in of_ids else held.column(n) for n in wanted}
    if "line" in out:
        out["line"] = pa.array(out["line"].to_numpy() + np.arange(held.num_rows))
    return pa.table(out)
