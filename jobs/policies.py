"""What was allowed to whom in a run: rights by agency, and the fingerprints every decision cites."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.input_digests import as_read
from jobs.project import LoadedProject
from jobs.store import file_digest
from linkage.artefacts import content_ids, joined
from linkage.config import Decision
from linkage.errors import ContractError
from linkage.policy import Rights, Thresholds, rights_of


def rights(loaded: LoadedProject, source: str) -> Rights:
    """What may be corrected for an agency: its policy over the project's authority of the fields."""
    register = loaded.project.register
    theirs = loaded.contracts[register.name].by_standard() if register is not None else {}
    return rights_of(
        loaded.contracts[source].by_standard(),
        theirs,
        loaded.project.authority,
        loaded.policies.get(source),
    )


def decision_settings(loaded: LoadedProject, source: str) -> Decision:
    """The thresholds of one source: the project's, with what its policy says otherwise."""
    own = loaded.policies[source].decision if source in loaded.policies else Thresholds()
    stated = {k: v for k, v in msgspec.structs.asdict(own).items() if v is not None}
    return msgspec.structs.replace(loaded.project.decision, **stated)


def policy_record(loaded: LoadedProject, source: str) -> dict[str, Any]:
    """What a decision on a source's record rests on beside the data: settings, and files with digests.

    ``policy_id``, 32 hex digits, is the digest of everything else in it.
    """
    project = loaded.project
    stated = next(s for s in project.sources if s.name == source)
    files = {}
    if stated.policy is not None:
        files["policy"] = file_digest(loaded.base / stated.policy)
    for name, listed in (("must_link", loaded.must_link), ("cannot_link", loaded.cannot_link)):
        for number, file in enumerate(listed):
            files[f"{name}.{number}"] = file_digest(file.path)
    if loaded.alias_file is not None:
        files["aliases"] = _aliases_digest(*_state(loaded.alias_file.path))
    record = {
        "decision": msgspec.to_builtins(decision_settings(loaded, source)),
        "authority": msgspec.to_builtins(project.authority),
        "gates": msgspec.to_builtins(project.gates),
        "held": list(loaded.contracts[source].by_standard()),
        "corrected": list(rights(loaded, source).fields),
        "files": files,
    }
    digest = hashlib.blake2b(msgspec.json.encode(record, order="sorted"), digest_size=16)
    return {"policy_id": digest.hexdigest(), **record}


def _state(path: Path) -> tuple[str, int, int]:
    """What tells one state of a file from another."""
    held = path.stat()
    return str(path), held.st_size, held.st_mtime_ns


@functools.lru_cache(maxsize=8)
def _aliases_digest(path: str, size: int, time: int) -> str:  # noqa: ARG001
    """Digest of the rows of an alias file in one state, read once a process."""
    return rows_digest(alias_table(Path(path)))


def alias_table(path: Path) -> pl.DataFrame:
    """The register's file of earlier numbers, Parquet or CSV, as texts where it is CSV.

    Raises ContractError ``E-INPUT-021`` if it is no such table.
    """
    with contextlib.suppress(pa.ArrowException, pl.exceptions.PolarsError, OSError):
        if path.suffix == ".parquet":
            table = pl.DataFrame(pl.from_arrow(pq.read_table(path)))
        else:
            table = pl.read_csv(path, infer_schema=False)
        table.cast(pl.String)  # whatever comes is compared as text
        table.select("person_id", "number")
        return table
    raise ContractError(
        "E-INPUT-021",
        f"'{path.name}' cannot be read as a table of earlier numbers;",
        "Parquet or CSV with the columns person_id and number, values with a text form, was wanted.",
        "Mend it, or take alias_file out of the register's contract.",
    )


def rows_digest(table: pl.DataFrame) -> str:
    """Digest of a table's rows in any order, 32 hex digits: the sum of the rows' own, and their number."""
    names = sorted(table.columns)
    rows = (
        content_ids(joined(*(table[name].cast(pl.String) for name in names))) if names else np.zeros((0, 16))
    )
    halves = np.ascontiguousarray(rows, np.uint8).view("<u8").reshape(-1, 2).sum(axis=0, dtype=np.uint64)
    digest = hashlib.blake2b("\x1f".join(names).encode(), digest_size=16)
    digest.update(np.array([*halves, len(table)], "<u8").tobytes())
    return digest.hexdigest()


def policy_ids(loaded: LoadedProject) -> dict[str, str]:
    """``policy_id`` of every agency."""
    return {s.name: policy_record(loaded, s.name)["policy_id"] for s in loaded.project.agencies}


def register_version(loaded: LoadedProject, work: Path) -> str:
    """Day and digest of the register's extract: ``2026-11-20/0123456789abcdef``; empty without one.

    The digest is of its files as the run of the work folder ``work`` read them, whatever became of them
    since.
    """
    register = loaded.project.register
    if register is None:
        return ""
    digest = hashlib.blake2b(digest_size=8)
    for _, held in as_read(work, [file.path for file in loaded.files[register.name]]):
        digest.update(held.encode())
    return f"{register.extract_date.isoformat()}/{digest.hexdigest()}"
