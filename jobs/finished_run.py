"""A finished run: ``run.json`` under its seal, and the artefacts it names, held against their digests."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jobs.files import damaged, file_digest, write_json
from linkage.errors import IntegrityError
from linkage.gates import failing

#: The last file of a run, and the folder of what is withheld until gates are accepted.
RUN = "run.json"
WITHHELD = "withheld"

_SEAL = "seal"
_RECEIPTS = "receipts/"

#: What a release writes anew, and what it removes.
_REWRITTEN = (_RECEIPTS, f"{WITHHELD}/reasons.")


def write_run(folder: Path, run: Mapping[str, Any]) -> None:
    """Write ``run.json`` with its seal, BLAKE2b-128 of what it says."""
    said = json.loads(json.dumps({name: told for name, told in run.items() if name != _SEAL}))
    write_json(folder / RUN, {**said, _SEAL: _seal(said)})


def read_run(folder: Path, wanted: Collection[str] = ()) -> dict[str, Any] | None:
    """The ``run.json`` of a folder, None if there is none.

    Raises IntegrityError ``E-INTEGRITY-001`` if it is damaged: no JSON, another than was sealed, or without
    what is ``wanted`` of it.
    """
    sealed = False
    try:
        held = json.loads((folder / RUN).read_bytes())
        sealed = isinstance(held, dict) and held.pop(_SEAL, None) == _seal(held)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError):
        held = {}
    if not sealed or not held.keys() >= set(wanted):
        raise IntegrityError(
            "E-INTEGRITY-001",
            f"'{folder.name}/{RUN}' is damaged;",
            "the file that its run wrote was wanted.",
            "Remove the run's folder and run again.",
        )
    return dict(held)


def _seal(said: Mapping[str, Any]) -> str:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def check_finished(folder: Path, threads: int) -> None:
    """Hold every artefact of a finished run against its bytes and digest, some 0.8 GB a second and thread.

    Raises IntegrityError ``E-INTEGRITY-001`` naming the first that is another, or is not there. Pages that
    people open and write into are left out: CSV files that are no agency's feed, all of which have a Parquet
    file beside them; and, where a release was stopped, what it may have written anew or removed. Nothing is
    released meanwhile.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a copy on a file system without locks
            fcntl.flock(handle, fcntl.LOCK_SH)
        run = read_run(folder, ("artefacts",)) or {"artefacts": {}}
        artefacts = run["artefacts"]
        begun = run.get("withheld") and not unaccepted(run)  # a release, and it was stopped
        names = [n for n in artefacts if not _page(n) and not (begun and n.startswith(_REWRITTEN))]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda name: check_artefact(folder, artefacts, name), names))
    finally:
        os.close(handle)


def _page(name: str) -> bool:
    return name.endswith(".csv") and not name.removeprefix(f"{WITHHELD}/").startswith(("feeds/", "orders/"))


def unaccepted(run: Mapping[str, Any]) -> list[str]:
    """Names of the failing gates of a finished run that nobody has accepted."""
    done = {entry["gate"] for entry in run.get("accepted", [])}
    return [name for name in failing(run.get("gates", [])) if name not in done]


def check_artefact(folder: Path, artefacts: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """Hold one of ``artefacts`` of ``run.json`` against what is told of it; raises as
    :func:`check_finished`.
    """
    path = artefact_at(folder, name)
    try:
        found = _told_of(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as fault:
        raise damaged(path, fault) from None
    if found != artefacts[name]:
        raise damaged(path)


def _told_of(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "digest": file_digest(path)}


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
    found = {}
    for name, told in held.items():
        path = folder / name.removeprefix(f"{WITHHELD}/")
        if path.exists():
            new = _told_of(path) if name.startswith(_RECEIPTS) else dict(told)
            found[path.relative_to(folder).as_posix()] = new
    return dict(sorted(found.items()))
