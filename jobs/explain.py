"""Why true pairs were never compared: the few records are read again and their block keys made anew."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from jobs.coding import code_here
from jobs.finished_run import read_run
from jobs.intake import MOST_ROWS
from jobs.readers import PART_BYTES, find_repeats, intake_part, plan_parts
from jobs.record_files import write_records
from jobs.store import make_folder, read_parquet, write_json
from jobs.workspace import Workspace, slice_of
from kernels.identifiers import ADJACENT_SWAP, ONE_DIGIT, ONE_EDIT, identifier_bits_pairs
from linkage.contract import Contract
from linkage.rules import base_keys, refine_keys


def explain_lost(run: Path, project: Path, pairs: pl.DataFrame) -> pl.DataFrame:
    """Add ``stage`` to true pairs (source, record_id, person_id) that are not among a run's pairs.

    ``blocking``: no rule brings the two records together; ``refinement``: one did, until its blocks were
    refined; ``floor``: they were compared, and came below the floor or behind five better ones. Reads the
    project's files, save those of sources that the run left out: their pairs are lost in ``blocking``.
    """
    if pairs.is_empty():
        return pairs.with_columns(stage=pl.lit(None, dtype=pl.String))
    held = pl.DataFrame(pl.from_arrow(read_parquet(run / "refinement.parquet")))
    with tempfile.TemporaryDirectory(prefix="linkage-") as folder:
        work = Path(folder)
        write_json(work / "settings.json", {"project": str(project)})
        space = Workspace(work)
        record = read_run(run, ("blocking", "left_out")) or {}
        left_out = {entry["source"] for entry in record.get("left_out", [])}
        write_json(work / "keys.json", {"secret": int(record["blocking"]["key"], 16)})
        rows = _take_in(space, pairs, left_out)
        Workspace.open.cache_clear()
        code_here(Workspace.open(folder))
        space = Workspace(work)
        stages = _stages(space, held, rows)
        Workspace.open.cache_clear()
    return pairs.with_columns(stage=pl.Series(stages, dtype=pl.String))


def _take_in(space: Workspace, pairs: pl.DataFrame, left_out: Collection[str]) -> np.ndarray:
    """Write the wanted records as a run's intake; rows int64[pairs, 2] (agency, register; -1 absent)."""
    make_folder(space.work / "intake")
    parts, at = [], 0
    places: dict[tuple[int, str], int] = {}
    for number, info in enumerate(space.sources):
        if info.name in left_out:
            continue
        if info.role == "register":
            wanted = pairs["person_id"].unique().sort()
        else:
            wanted = pairs.filter(pl.col("source") == info.name)["record_id"].unique().sort()
        files = [f.path for f in space.loaded.files[info.name]]
        ids = pa.array(wanted.to_list(), pa.large_string())
        kept = read_some(files, info.contract, ids)
        write_records(space.work / "intake", number, 0, kept)
        for place, record_id in enumerate(kept.column("record_id").to_pylist()):
            places[number, record_id] = at + place
        parts.append([number, 0, at, kept.num_rows])
        at += kept.num_rows
    layout: dict[str, Any] = {"parts": parts, "rows": at, "n_register": parts[0][3]}
    layout |= {"range_rows": max(1, at), "bits": 0}
    write_json(space.work / "layout.json", layout)
    numbers = {info.name: number for number, info in enumerate(space.sources)}
    rows = [
        (places.get((numbers.get(source, -1), record_id), -1), places.get((0, person_id), -1))
        for source, record_id, person_id in pairs.select("source", "record_id", "person_id").iter_rows()
    ]
    return np.array(rows, np.int64).reshape(-1, 2)


def read_some(files: Sequence[Path], contract: Contract, ids: pa.Array) -> pa.Table:
    """The accepted records of some ids, as intake takes them; one part of a source is in memory at a time."""
    chosen = []
    with tempfile.TemporaryDirectory(prefix="linkage-") as folder:
        for spec in plan_parts(files, contract, 1, PART_BYTES, Path(folder), most_rows=MOST_ROWS):
            taken = intake_part(spec, contract)
            wanted = pc.is_in(taken.records.column("record_id"), value_set=ids)
            records, keys = taken.records.filter(wanted), taken.keys.filter(wanted)
            chosen.append(dataclasses.replace(taken, records=records, keys=keys))
    fallen = find_repeats(chosen, contract)
    kept = []
    for part, taken in enumerate(chosen):
        stays = np.ones(taken.records.num_rows, bool)
        stays[fallen.filter(pc.equal(fallen.column("part"), part)).column("row").to_numpy()] = False
        kept.append(taken.records.filter(pa.array(stays)))
    return pa.concat_tables(kept)


def _stages(space: Workspace, held: pl.DataFrame, rows: np.ndarray) -> Sequence[str]:
    known = np.flatnonzero((rows >= 0).all(axis=1))
    left, right = rows[known, 0], rows[known, 1]
    together = np.zeros(rows.shape[0], bool)
    before = np.zeros(rows.shape[0], bool)
    coded, meaning = slice_of(space.coded, 0, len(space.coded), tuple(space.coded.arrays)), space.meaning
    for rule in space.rules:
        if rule.relatives:
            continue
        if rule.near:
            values = np.asarray(coded.arrays[rule.on[0].column])
            bits = np.empty(known.size, np.uint32)
            identifier_bits_pairs(values, values, left, right, bits)
            together[known] |= (bits & np.uint32(ONE_DIGIT | ADJACENT_SWAP | ONE_EDIT)) != 0
            continue
        hot = np.sort(held.filter(pl.col("rule").cast(pl.String) == rule.name)["key"].to_numpy())
        keys = base_keys(coded, meaning, rule, space.key_secret)
        before[known] |= _share(keys, left, right)
        together[known] |= _share(refine_keys(coded, meaning, rule, keys, hot), left, right)
    return [
        "floor" if t else "refinement" if b else "blocking" for t, b in zip(together, before, strict=True)
    ]


def _share(keys: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    equal = (keys[left][:, :, None] == keys[right][:, None, :]) & (keys[left][:, :, None] != 0)
    return np.asarray(equal.any(axis=(1, 2)))
