"""The most memory that this process has held: what ``--memory`` bounds, mapped files apart.

Pages of files that are only mapped are the system's to take back, so that a run's own figure of the maximum
resident set (``getrusage``) grows with the machine's memory: 14.9 GB where 1.9 were held.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from pathlib import Path

_STATUS = Path("/proc/self/status")

#: Seconds between two looks. One takes 40 microseconds.
INTERVAL = 0.05

_lock = threading.Lock()
_most = 0
_watched = 0  # the process that a watcher runs in: a fork has none
_rest = threading.Event()


def watch() -> None:
    """Look from now on at what this process holds, every :data:`INTERVAL`; more calls do nothing more."""
    global _watched, _rest
    with _lock:
        if _watched == os.getpid():
            return
        _watched, _rest = os.getpid(), threading.Event()
        watcher = threading.Thread(target=_watch, args=(_rest,), name="linkage-memory", daemon=True)
    watcher.start()


def rest() -> None:
    """Look no more, until :func:`watch` is called again: a process with a thread left takes longer to end."""
    global _watched  # noqa: PLW0603
    with _lock:
        _watched = 0
        _rest.set()


def _watch(resting: threading.Event) -> None:
    while not resting.wait(INTERVAL):
        peak_memory()


def peak_memory() -> int:
    """The most that this process was seen to hold, now included, in bytes: private and shared memory without
    mapped files (``RssAnon`` and ``RssShmem``, proc(5)). Elsewhere than on Linux the maximum resident set.
    """
    global _most  # noqa: PLW0603
    held = _held()
    with _lock:
        _most = max(_most, held)
        return _most


def _held() -> int:
    try:
        text = _STATUS.read_text(encoding="ascii", errors="replace")
    except OSError:
        text = ""
    sizes = [int(line.split()[1]) for line in text.splitlines() if line.startswith(("RssAnon:", "RssShmem:"))]
    if sizes:
        return sum(sizes) << 10
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
