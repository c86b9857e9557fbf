"""Files of a run: written aside, synced and renamed, so that a file either is whole or is not there.

:mod:`jobs.files` has plain files, :mod:`jobs.containers` those that verify themselves,
:mod:`jobs.artefact_files` what is published; this module has the manifests of stages. A
stage's manifest lists its files with size, digest and rows, and is written last: a stage without one has not
happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobs.artefact_files import logical_digest, read_parquet, write_parquet
from jobs.containers import (
    Arrays,
    join_arrays,
    open_arrays,
    read_arrays,
    read_table,
    write_arrays,
    write_each,
    write_table,
)
from jobs.files import (
    AsideFile,
    Entry,
    aside,
    checked,
    damaged,
    discard,
    file_digest,
    make_folder,
    move,
    read_bytes,
    read_json,
    sync_folder,
    write_bytes,
    write_json,
)

__all__ = [
    "MANIFEST",
    "Arrays",
    "AsideFile",
    "Entry",
    "aside",
    "checked",
    "commit_stage",
    "damaged",
    "discard",
    "file_digest",
    "join_arrays",
    "logical_digest",
    "make_folder",
    "move",
    "open_arrays",
    "read_arrays",
    "read_bytes",
    "read_json",
    "read_parquet",
    "read_table",
    "stage_entries",
    "stage_facts",
    "stage_manifest",
    "sync_folder",
    "verify",
    "write_arrays",
    "write_bytes",
    "write_each",
    "write_json",
    "write_parquet",
    "write_table",
]

MANIFEST = "manifest.json"


def commit_stage(
    folder: Path,
    entries: Sequence[Entry],
    facts: Mapping[str, Any] | None = None,
    *,
    figures: Mapping[str, Any] | None = None,
    freed: Sequence[str] = (),
) -> None:
    """Write a stage's manifest: the stage has happened.

    facts   : further values that it must keep;  figures : what it took;  freed : what is no longer needed
    from then on, as patterns under the work folder
    """
    listed = [asdict(entry) for entry in sorted(entries, key=lambda entry: entry.name)]
    told = {"files": listed, "facts": dict(facts or {}), "figures": dict(figures or {}), "freed": list(freed)}
    write_json(folder / MANIFEST, told)


def stage_facts(folder: Path) -> dict[str, Any] | None:
    """The facts of a stage that has happened, else None."""
    held = stage_manifest(folder)
    return None if held is None else dict(held["facts"])


def stage_entries(folder: Path, *, digests: bool = False) -> list[Entry] | None:
    """The files of a stage that has happened, sorted by name, else None.

    Every file's size is compared with the manifest, and with ``digests`` its digest as well. Raises
    IntegrityError ``E-INTEGRITY-001`` naming the file that is not as it was written.
    """
    held = stage_manifest(folder)
    if held is None:
        return None
    entries = [Entry(**entry) for entry in held["files"]]
    for entry in entries:
        verify(folder, entry, digest=digests)
    return entries


def stage_manifest(folder: Path) -> dict[str, Any] | None:
    """What :func:`commit_stage` wrote of a stage that has happened, else None."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    held = read_json(path)
    if not isinstance(held, dict) or not {"files", "facts", "figures", "freed"} <= held.keys():
        raise damaged(path)
    return held


def verify(folder: Path, entry: Entry, *, digest: bool = True) -> Path:
    """The path of a file that is as its entry says, else IntegrityError ``E-INTEGRITY-001``."""
    path = folder / entry.name
    try:
        same = path.stat().st_size == entry.bytes
        # A container's digest is that of its directory: 32 digits, not 64.
        if same and digest and len(entry.digest) == 32:
            held = open_arrays(path)
            held.verify()
            same = held.digest == entry.digest
        elif same and digest:
            same = file_digest(path) == entry.digest
    except OSError as fault:
        raise damaged(path, fault) from None
    if not same:
        raise damaged(path)
    return path
