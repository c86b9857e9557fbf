"""A finished run: ``run.json`` under its seal, and the artefacts it names, held against their digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jobs.files import damaged, file_digest, write_json
from linkage.errors import IntegrityError

#: The last file of a run, and the folder of what is withheld until gates are accepted.
RUN = "run.json"
WITHHELD = "withheld"

_SEAL = "seal"
_RECEIPTS = "receipts/"


def write_run(folder: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``run.json`` with its seal, BLAKE2b-128 of what it says; gives what was written."""
    said = json.loads(json.dumps({name: told for name, told in run.items() if name != _SEAL}))
    sealed = {**said, _SEAL: _seal(said)}
    write_json(folder / RUN, sealed)
    return sealed


def read_run(folder: Path, wanted: Collection[str] = ()) -> dict[str, Any] | None:
    """The ``run.json`` of a folder, None if there is none.

    Raises IntegrityError ``E-INTEGRITY-001`` if it is damaged: no JSON, another than was sealed, or without
    what is ``wanted`` of it.
    """
    try:
        held = json.loads((folder / RUN).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError):
        held = None
    if not isinstance(held, dict) or held.pop(_SEAL, None) != _seal(held) or not held.keys() >= set(wanted):
        raise IntegrityError(
            "E-INTEGRITY-001",
            f"'{folder.name}/{RUN}' is damaged;",
            "the file that its run wrote was wanted.",
            "Remove the run's folder and run again.",
        )
    return held


def _seal(said: Mapping[str, Any]) -> str:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def check_artefacts(folder: Path, run: Mapping[str, Any], threads: int) -> None:
    """Hold every artefact of a finished run against its bytes and digest, a gigabyte a second and thread.

    Raises IntegrityError ``E-INTEGRITY-001`` naming the first that is another, or is not there. A release
    that was stopped may have written receipts anew: they are then left out.
    """
    artefacts = run["artefacts"]
    releasing = any(artefact_at(folder, name) != folder / name for name in artefacts)
    names = [name for name in artefacts if not (releasing and name.startswith(_RECEIPTS))]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda name: check_artefact(folder, artefacts, name), names))


def check_artefact(folder: Path, artefacts: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """Hold one of ``artefacts`` of ``run.json`` against what is told of it; raises as
    :func:`check_artefacts`.
    """
    path = artefact_at(folder, name)
    try:
        found = {"bytes": path.stat().st_size, "digest": file_digest(path)}
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as fault:
        raise damaged(path, fault) from None
    if found != artefacts[name]:
        raise damaged(path)


def artefact_at(folder: Path, name: str) -> Path:
    """Where an artefact lies: a release that was stopped has moved files that ``run.json`` still tells as
    withheld.
    """
    moved = folder / name.removeprefix(f"{WITHHELD}/")
    return moved if moved.exists() else folder / name


def released(folder: Path, held: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """``artefacts`` of ``run.json`` once what was withheld lies beside the rest, or is gone.

    Receipts say what is withheld and are written anew: their digests are made again.
    """
    return dict(sorted(_released(folder, held)))


def _released(folder: Path, held: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, told in held.items():
        path = folder / name.removeprefix(f"{WITHHELD}/")
        if not path.exists():
            continue
        new = dict(told)
        if name.startswith(_RECEIPTS):
            new = {"bytes": path.stat().st_size, "digest": file_digest(path)}
        yield path.relative_to(folder).as_posix(), new
