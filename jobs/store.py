"""Files of a run: written aside and renamed, so that a file either is whole or is not there.

:mod:`jobs.files` has plain files, :mod:`jobs.containers` those that verify themselves,
:mod:`jobs.artefact_files` what is published; this module has the manifests of stages. A
stage's manifest keeps what it found and took, and is written last: a stage without one has not happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.artefact_files import read_parquet, write_parquet
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
    sync,
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
    "make_folder",
    "move",
    "open_arrays",
    "read_arrays",
    "read_bytes",
    "read_json",
    "read_parquet",
    "read_table",
    "stage_manifest",
    "sync",
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
    facts: Mapping[str, Any] | None = None,
    *,
    figures: Mapping[str, Any] | None = None,
    freed: Sequence[str] = (),
) -> None:
    """Write a stage's manifest: the stage has happened.

    facts   : what it found;  figures : what it took;  freed : what is no longer needed from then on, as
    patterns under the work folder
    """
    told = {"facts": dict(facts or {}), "figures": dict(figures or {}), "freed": list(freed)}
    write_json(folder / MANIFEST, told)


def stage_manifest(folder: Path) -> dict[str, Any] | None:
    """What :func:`commit_stage` wrote of a stage that has happened, else None."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    held = read_json(path)
    if not isinstance(held, dict) or not {"facts", "figures", "freed"} <= held.keys():
        raise damaged(path)
    return held
