"""The tasks of intake: a source's files cut into parts, parts read, repeated keys settled, rejects written.

What breaks a source's contract as a whole is a result here and no exception: whether the run goes on without
the source is for the driver to say.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs import clerk_pages
from jobs.readers import PartSpec, find_repeats, intake_part, plan_parts, refuse_repeats
from jobs.store import make_folder, read_table, write_table
from jobs.workspace import Workspace
from linkage.errors import ContractError
from linkage.ingest import Intake
from linkage.rows import Extent


def _paths(space: Workspace, source: int, part: int) -> tuple[Path, Path, Path]:
    stem = f"{source:02d}-{part:05d}"
    return tuple(space.path("intake", f"{stem}.{kind}.arrow") for kind in ("records", "rejects", "keys"))  # type: ignore[return-value]


def _spec(values: dict[str, Any]) -> PartSpec:
    return PartSpec(**{**values, "columns": tuple(values["columns"])})


def plan_source(work: str, source: int, parts: int) -> dict[str, Any]:
    """Cut a source's files into parts: ``specs``, or ``broken`` with the error's four parts.

    Files that cannot be read in parts where they lie are spooled into the work folder.
    """
    space = Workspace.open(work)
    info = space.sources[source]
    files = [f.path for f in space.loaded.files[info.name]]
    try:
        specs = plan_parts(files, info.contract, parts, spool=space.path("spool", f"{source:02d}"))
    except ContractError as fault:
        return {"broken": fault.as_dict()}
    return {"specs": [dataclasses.asdict(spec) for spec in specs]}


def intake(work: str, source: int, spec: dict[str, Any]) -> dict[str, Any]:
    """Read one part of a source and apply its contract; ``broken`` if its file cannot be read."""
    space = Workspace.open(work)
    try:
        taken = intake_part(_spec(spec), space.sources[source].contract)
    except ContractError as fault:
        return {"broken": fault.as_dict()}
    _write(space, source, spec["part"], taken)
    return {"rows_in": taken.rows_in, "blank": taken.blank, **_counts(taken)}


def _counts(taken: Intake) -> dict[str, Any]:
    return {
        "rows_out": taken.records.num_rows,
        "refused": taken.refused(),
        "text": {kind: [extent.lines, extent.bytes] for kind, extent in taken.text.items()},
    }


def _write(space: Workspace, source: int, part: int, taken: Intake) -> None:
    make_folder(space.work / "intake")
    tables = (taken.records, taken.rejects, taken.keys)
    for path, table in zip(_paths(space, source, part), tables, strict=True):
        write_table(path, table)


def settle_repeats(
    work: str, source: int, specs: list[dict[str, Any]], results: list[dict[str, Any]]
) -> dict[str, Any]:
    """Refuse what falls because its key comes again anywhere in the source; gives the parts' final counts."""
    space = Workspace.open(work)
    contract = space.sources[source].contract
    intakes = []
    for spec, result in zip(specs, results, strict=True):
        records, rejects, keys = (read_table(p) for p in _paths(space, source, spec["part"]))
        text = {kind: Extent(*extent) for kind, extent in result["text"].items()}
        intakes.append(Intake(records, rejects, keys, result["rows_in"], result["blank"], text))
    fallen = find_repeats(intakes, contract)
    touched = set(fallen.column("part").to_pylist()) if fallen.num_rows else set()
    out = []
    for spec, taken, result in zip(specs, intakes, results, strict=True):
        settled = result
        if spec["part"] in touched:
            kept = refuse_repeats(_spec(spec), contract, taken, fallen)
            _write(space, source, spec["part"], kept)
            settled = {**result, **_counts(kept)}
        out.append(settled)
    return {"parts": out}


def write_rejects(work: str, source: int, parts: list[int], path: str) -> dict[str, Any]:
    """The refused rows of a source as one Parquet file, and the CSV beside it."""
    space = Workspace.open(work)
    rejects = pa.concat_tables([read_table(_paths(space, source, part)[1]) for part in parts])
    make_folder(Path(path).parent)
    files = [f.path for f in space.loaded.files[space.sources[source].name]]
    return {"rows_out": clerk_pages.write_rejects(Path(path), rejects, files)}
