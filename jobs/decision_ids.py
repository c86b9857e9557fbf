"""Ids of the published decisions, for what is made of them later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.workspace import Workspace
from linkage.errors import IntegrityError
from linkage.text_arrays import Texts


def decision_ids(
    space: Workspace, out: Path, source: int, rank: np.ndarray, record_id: pa.Array | pl.Series
) -> np.ndarray:
    """Ids of the published decisions on records of one agency, uint8[n, 16].

    rank : places of the records (their keys: ``record_id``) in the order of all, sorted. Decisions are in
    that order, without the register; only the row groups that hold these records are read.

    Raises IntegrityError ``E-INTEGRITY-003`` if the published decisions are on other records.
    """
    if not rank.shape[0]:
        return np.zeros((0, 16), np.uint8)
    register, name = space.sources[0], space.sources[source].name
    before = space.layout["n_register"] if register.role == "register" and register.name < name else 0
    place = rank.astype(np.int64) - before
    with pq.ParquetFile(out / "decisions.parquet", page_checksum_verification=True) as held:
        sizes = [held.metadata.row_group(g).num_rows for g in range(held.metadata.num_row_groups)]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        first, last = (int(v) for v in np.searchsorted(starts, (place[0], place[-1]), side="right") - 1)
        groups = list(range(first, min(last + 1, len(sizes))))
        found = held.read_row_groups(groups, columns=["decision_id", "record_id"])
    place -= starts[first]
    published = Texts.of(found.column("record_id"))
    if place[-1] >= len(published) or not _same(published.take(place), Texts.of(record_id)):
        raise IntegrityError(
            "E-INTEGRITY-003",
            f"The published decisions of '{name}' are not in the order of its records;",
            "a row for every record, by record_id, was wanted.",
            "Report this as a defect.",
        )
    ids = found.column("decision_id").combine_chunks()
    flat = np.frombuffer(ids.buffers()[1], np.uint8).reshape(-1, 16)[ids.offset : ids.offset + len(ids)]
    return np.asarray(flat[place])


def _same(one: Texts, other: Texts) -> bool:
    one, other = one.packed(), other.packed()
    return np.array_equal(one.offsets, other.offsets) and np.array_equal(one.data, other.data)
