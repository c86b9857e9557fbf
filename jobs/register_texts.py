"""The register's own texts of a few fields, to be fetched by person: each distinct text of a part once.

texts/{part}.{field}.arrays   codes uint32[n] (0 none), offsets int64[texts + 1], bytes
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.linked_records import corrected_fields
from jobs.store import open_arrays, write_arrays
from jobs.workspace import Workspace, frame
from linkage.render import NATIONAL_NUMBERS, distinct_texts


def copied_fields(space: Workspace) -> tuple[str, ...]:
    """Related fields that are corrected by the register's text, as no code says it all."""
    agencies = [s.name for s in space.sources if s.role == "agency"]
    wanted = {f for name in agencies for f in corrected_fields(space, name)}
    return tuple(
        f
        for f in space.related
        if f in wanted and f not in NATIONAL_NUMBERS and space.kinds[f] in ("unit", "text", "identifier")
    )


def keep_texts(work: str, part: int) -> dict[str, Any]:
    """Keep the texts of a part of the register that corrections may need."""
    space = Workspace.open(work)
    fields = copied_fields(space)
    records = space.records(0, part, list(fields))
    for field in fields:
        distinct, index = distinct_texts(frame(records.select([field]))[field].cast(pl.String))
        texts = distinct.to_arrow().cast(pa.large_string())
        held = texts.buffers()
        offsets = np.frombuffer(held[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
        data = np.frombuffer(held[2] or b"", np.uint8)[int(offsets[0]) : int(offsets[-1])]
        write_arrays(
            space.path("texts", f"{part:05d}.{field}.arrays"),
            codes=(index + 1).astype(np.uint32),
            offsets=offsets - offsets[0],
            bytes=data,
        )
    return {"rows_in": records.num_rows}


def texts_of_persons(space: Workspace, field: str, persons: np.ndarray) -> pl.Series:
    """The register's texts of persons (global rows, any order), null for none."""
    out = pl.Series(field, [None], dtype=pl.String).new_from_index(0, persons.shape[0])
    pieces, places = [], []
    for source, part, start, count in space.layout["parts"]:
        mine = np.flatnonzero((persons >= start) & (persons < start + count)) if source == 0 and count else ()
        if len(mine):
            pieces.append(_texts(space, field, part, persons[mine] - start))
            places.append(mine)
    if not pieces:
        return out
    order = np.argsort(np.concatenate(places))
    return pl.concat(pieces).gather(pl.Series(order.astype(np.uint32)))


def _texts(space: Workspace, field: str, part: int, rows: np.ndarray) -> pl.Series:
    held = open_arrays(space.path("texts", f"{part:05d}.{field}.arrays"))
    offsets = held["offsets"]
    texts = pa.LargeStringArray.from_buffers(
        offsets.shape[0] - 1, pa.py_buffer(offsets), pa.py_buffer(held["bytes"])
    )
    codes = held["codes"][rows].astype(np.int64) - 1
    return pl.Series(field, pl.from_arrow(texts.take(pa.array(codes, mask=codes < 0)))).cast(pl.String)
