"""SHA-256 of the files that a run reads: each file is read once for it, several at a time.

A run's fingerprint is made of them before it begins, and receipts say them after it. Between the two they are
remembered with the state of their file, in the process and beside the run for other processes and for a run
that goes on; a file that has been touched since is read again, but for receipts, which say what the run read.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jobs.store import read_json, write_json

#: Name of the file beside a run's settings.
NAME = "inputs.json"

#: Path, bytes, times of its content and of its entry, number. Whoever writes to a file can set the first time
#: back, the second one not.
_State = tuple[str, int, int, int, int]
_known: dict[_State, str] = {}
_lock = threading.Lock()


def _state(path: Path) -> _State:
    held = path.stat()
    return str(path.resolve()), held.st_size, held.st_mtime_ns, held.st_ctime_ns, held.st_ino


def sha256(path: Path) -> str:
    """SHA-256 of a file in hex, as it is or as it was when it last was in this state."""
    state = _state(path)
    held = _known.get(state)
    if held is None:
        with path.open("rb") as stream:
            held = hashlib.file_digest(stream, "sha256").hexdigest()
        # Of a file that was written to meanwhile nothing is remembered.
        if _state(path) == state:
            with _lock:
                _known[state] = held
    return held


def sha256_of_all(paths: Sequence[Path]) -> list[str]:
    """SHA-256 of files in their order, as many at a time as there are processors."""
    with ThreadPoolExecutor(max(1, min(len(paths), os.cpu_count() or 1))) as pool:
        return list(pool.map(sha256, paths))


def remember(folder: Path, paths: Sequence[Path]) -> None:
    """Write what is known of the files into a run's work folder."""
    states = [_state(path) for path in paths]
    write_json(folder / NAME, [[*state, _known[state]] for state in states if state in _known])


def recall(folder: Path) -> None:
    """Take what :func:`remember` wrote into ``folder``, if it did; IntegrityError for a damaged file."""
    if not (folder / NAME).exists():
        return
    held = {tuple(state): digest for *state, digest in read_json(folder / NAME)}
    with _lock:
        _known.update(held)


def as_read(folder: Path, paths: Sequence[Path]) -> list[tuple[int, str]]:
    """Bytes and SHA-256 of files as :func:`remember` wrote them into ``folder``, whatever became of them
    since; of one that it did not know, as it is.
    """
    known = {}
    if (folder / NAME).exists():
        known = {path: (size, digest) for path, size, *_, digest in read_json(folder / NAME)}
    return [known.get(str(path.resolve())) or (path.stat().st_size, sha256(path)) for path in paths]
