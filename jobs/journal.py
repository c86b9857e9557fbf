"""The journal of a run: one line of JSON for each task, of allow-listed fields only.

No field can hold a value of a person's record: names of stages and codes match a narrow pattern, all else
is a number.
"""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import re
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

_WORDS = frozenset({"stage", "task", "engine", "status"})
_NUMBERS = frozenset(
    {
        "round", "part", "parts", "attempt", "node", "process", "seconds", "rows_in", "rows_out", "pairs",
        "bytes_out", "peak_memory",
    }
)  # fmt: skip
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Journal:
    """Appends lines to a file; safe for threads, and a line is written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def write(self, **fields: Any) -> None:
        """Append one line; ``at`` (UTC, to the second) is added. ValueError for anything not listed."""
        for name, value in fields.items():
            _check(name, value)
        at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = (json.dumps({"at": at, **fields}) + "\n").encode()
        with self._lock:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                before = os.fstat(handle).st_size
                try:
                    whole = os.write(handle, line) == len(line)
                except OSError:
                    os.ftruncate(handle, before)
                    raise
                if not whole:  # a disk takes what it has room for, and says so at the next writing only
                    os.ftruncate(handle, before)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(handle)


def _check(name: str, value: Any) -> None:
    if name in _WORDS and isinstance(value, str) and _WORD.fullmatch(value):
        return
    if name in _NUMBERS and isinstance(value, int | float) and not isinstance(value, bool):
        return
    raise ValueError(
        f"The journal was given '{name}' as {type(value).__name__}. Wanted: "
        f"{', '.join(sorted(_WORDS))} as a short word, {', '.join(sorted(_NUMBERS))} as a number. "
        "Leave it out, or list it."
    )


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The lines of a journal, in order; one that was cut off by a crash, or is no task's, is left out."""
    if not path.exists():
        return []
    held: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines():
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict):
                for name in told.keys() - {"at"}:
                    _check(name, told[name])
                held.append(told)
    return held
