"""The tasks of intake: a source's files cut into parts, parts read, repeated keys settled, rejects written.

    intake/<source>-<part>.records.arrays, .ids.arrays   accepted records, see jobs.record_files
    intake/<source>-<part>.rejects.arrow                refused rows
    intake/<source>-<part>.keys.arrays                  hashes of keys by bucket, until repeats are settled
    intake/<source>-<part>.order.arrow                  what orders repeated keys, where a contract names it
    intake/<source>.fallen-<bucket>.arrays              rows that fall because their key comes again, by part

A part of which rows fall is written anew under a number of its own: no task changes what another one wrote.
What breaks a source's contract as a whole is a result here and no exception: whether the run goes on without
the source is for the driver to say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs import clerk_pages
from jobs.readers import PartSpec, intake_part, plan_parts, refuse_repeats
from jobs.record_files import read_ids, read_records, write_records
from jobs.shuffle import partition_of, read_shuffled, write_shuffled
from jobs.store import checked, make_folder, open_arrays, read_table, write_arrays, write_table
from jobs.workspace import Workspace
from linkage.errors import ContractError
from linkage.ingest import Intake, repeat_candidates, settle_repeats
from linkage.rows import Extent

_PACKING = "lz4"
_FALLS = ("repeated_key", "superseded", "repeated_key_tie")


def _path(space: Workspace, source: int, part: int, kind: str) -> Path:
    return space.path("intake", f"{source:02d}-{part:05d}.{kind}")


def _fallen_path(space: Workspace, source: int, bucket: int) -> Path:
    return space.path("intake", f"{source:02d}.fallen-{bucket:05d}.arrays")


def _spec(space: Workspace, values: dict[str, Any]) -> PartSpec:
    """The part; IntegrityError ``E-INTEGRITY-001`` if it is of a spool file that is not as it was written."""
    if Path(values["path"]).is_relative_to(space.work):
        checked(Path(values["path"]))
    return PartSpec(**{**values, "columns": tuple(values["columns"])})


def plan_source(work: str, source: int, parts: int, least_rows: int, most_rows: int) -> dict[str, Any]:
    """Cut a source's files into parts: ``specs``, or ``broken`` with the error's four parts.

    Files that cannot be read in parts where they lie are spooled into the work folder.
    """
    space = Workspace.open(work)
    info = space.sources[source]
    files = [f.path for f in space.loaded.files[info.name]]
    spool = space.path("spool", f"{source:02d}")
    try:
        specs = plan_parts(
            files, info.contract, parts, spool=spool, least_rows=least_rows, most_rows=most_rows
        )
    except ContractError as fault:
        return {"broken": fault.as_dict()}
    return {"specs": [dataclasses.asdict(spec) for spec in specs]}


def intake(work: str, source: int, spec: dict[str, Any], bits: int, packing: str) -> dict[str, Any]:
    """Read one part of a source and apply its contract; ``broken`` if its file cannot be read.

    bits : the hashes of its keys are kept in 2**bits buckets
    packing : of its records, see :func:`jobs.record_files.write_records`
    """
    space = Workspace.open(work)
    part = spec["part"]
    try:
        taken = intake_part(_spec(space, spec), space.sources[source].contract)
    except ContractError as fault:
        return {"broken": fault.as_dict()}
    _write(space, source, part, taken, packing)
    hashes = taken.keys.column("key_hash").to_numpy()
    rows = np.arange(hashes.size, dtype=np.uint32)
    write_shuffled(
        _path(space, source, part, "keys.arrays"),
        partition_of(hashes, bits),
        1 << bits,
        hash=hashes,
        row=rows,
    )
    if "order_by" in taken.keys.column_names:
        order = taken.keys.select(["order_by"])
        write_table(_path(space, source, part, "order.arrow"), order, _PACKING)
    return {"part": part, "rows_in": taken.rows_in, "blank": taken.blank, **_counts(taken)}


def _counts(taken: Intake) -> dict[str, Any]:
    return {
        "rows_out": taken.records.num_rows,
        "refused": taken.refused(),
        "text": {kind: [extent.lines, extent.bytes] for kind, extent in taken.text.items()},
    }


def _write(space: Workspace, source: int, part: int, taken: Intake, packing: str) -> None:
    folder = make_folder(space.work / "intake")
    write_records(folder, source, part, taken.records, packing=packing)
    write_table(_path(space, source, part, "rejects.arrow"), taken.rejects, _PACKING)


def find_repeats(work: str, source: int, parts: Sequence[int], bucket: int) -> dict[str, Any]:
    """Rows of a source that fall because a key of one bucket comes again: how many, by part."""
    space = Workspace.open(work)
    contract = space.sources[source].contract
    held = [
        read_shuffled([_path(space, source, part, "keys.arrays")], bucket, ("hash", "row")) for part in parts
    ]
    found = repeat_candidates([keys["hash"] for keys in held])
    tables = []
    for part, keys, places in zip(parts, held, found, strict=True):
        if places.size == 0:
            continue
        rows = np.sort(keys["row"][places]).astype(np.int64)
        columns = {
            "part": pa.array(np.full(rows.size, part, np.int32)),
            "row": pa.array(rows),
            "record_id": read_ids(space.work / "intake", source, part).take(pa.array(rows)),
        }
        if contract.on_repeat == "last" and contract.order_by:
            order = read_table(_path(space, source, part, "order.arrow"))
            columns["order_by"] = order.column("order_by").take(pa.array(rows))
        tables.append(pa.table(columns))
    if not tables:
        return {"fallen": []}
    fallen = settle_repeats(pa.concat_tables(tables), contract)
    if fallen.num_rows == 0:
        return {"fallen": []}
    own = fallen.column("part").to_numpy()
    kinds = [_FALLS.index(code) for code in fallen.column("code").to_pylist()]
    write_arrays(
        _fallen_path(space, source, bucket),
        row=fallen.column("row").to_numpy(),
        code=np.array(kinds, np.uint8),
        starts=np.searchsorted(own, np.arange(max(parts) + 2)),
    )
    numbers, counts = np.unique(own, return_counts=True)
    return {"fallen": [list(pair) for pair in zip(numbers.tolist(), counts.tolist(), strict=True)]}


def _fallen(space: Workspace, source: int, part: int, buckets: Sequence[int]) -> pa.Table:
    """The rows of one part that fall by any of the buckets: part, row, code."""
    rows, kinds = [], []
    for bucket in buckets:
        held = open_arrays(_fallen_path(space, source, bucket))
        start, stop = (int(place) for place in held["starts"][part : part + 2])
        rows.append(held.cut("row", start, stop))
        kinds.append(held.cut("code", start, stop))
    row = np.concatenate(rows)
    codes = pa.array([_FALLS[kind] for kind in np.concatenate(kinds).tolist()], pa.large_string())
    return pa.table(
        {"part": pa.array(np.full(row.size, part, np.int32)), "row": pa.array(row), "code": codes}
    )


def drop_fallen(
    work: str,
    source: int,
    spec: dict[str, Any],
    result: dict[str, Any],
    buckets: Sequence[int],
    part: int,
    packing: str,
) -> dict[str, Any]:
    """Write a part of which rows fall anew, under the number ``part``; gives its final counts.

    result : what :func:`intake` gave of it;  buckets : those of whose keys some rows of it fall
    """
    space = Workspace.open(work)
    old = spec["part"]
    records = read_records(space.work / "intake", source, old)
    rejects = read_table(_path(space, source, old, "rejects.arrow"))
    text = {kind: Extent(*extent) for kind, extent in result["text"].items()}
    nothing = pa.table({"key_hash": pa.array(np.zeros(records.num_rows, np.uint64))})
    taken = Intake(records, rejects, nothing, result["rows_in"], result["blank"], text)
    fallen = _fallen(space, source, old, buckets)
    kept = refuse_repeats(_spec(space, spec), space.sources[source].contract, taken, fallen)
    _write(space, source, part, kept, packing)
    return {**result, **_counts(kept), "part": part}


def write_rejects(work: str, source: int, parts: list[int], path: str) -> dict[str, Any]:
    """The refused rows of a source as one Parquet file, and the CSV beside it."""
    space = Workspace.open(work)
    rejects = pa.concat_tables([read_table(_path(space, source, part, "rejects.arrow")) for part in parts])
    make_folder(Path(path).parent)
    files = [f.path for f in space.loaded.files[space.sources[source].name]]
    return {"rows_out": clerk_pages.write_rejects(Path(path), rejects, files)}
