"""A command run to its end: seconds, processor seconds, and the most memory its processes held together.

Memory is the sum of the proportional set sizes (``/proc/<pid>/smaps_rollup``, proc(5)): a page that two
processes share counts half in each. ``held`` is what is theirs alone to give back (anonymous pages and shared
memory); ``mapped`` counts the pages of files beside it, which the kernel drops when it needs room. Processes
that begin a session of their own are not seen.

To read these sizes stops a process while its pages are walked: ten times a second that took 5 % of a run of
six seconds. So they are read seldom, and what a single process holds is read from its status in between.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Seconds between samples of what a single process holds.
INTERVAL = 0.1

#: Seconds between samples of proportional sizes, and how many times as long as one takes.
SIZES_INTERVAL, SIZES_TIMES = 0.5, 50


@dataclass(frozen=True)
class Measured:
    """``seconds`` on the clock, ``processor`` seconds of all processors; bytes."""

    seconds: float
    processor: float
    held: int
    mapped: int
    code: int
    errors: str


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command in a session of its own, its output dropped but for the end of what it says of errors.

    Python keeps the bytecode of modules, as an installed program has it, whatever our environment says.
    """
    began = time.perf_counter()
    kept = {"PYTHONDONTWRITEBYTECODE": ""}
    process = subprocess.Popen(
        command, env={**os.environ, **kept, **(environment or {})}, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, start_new_session=True, text=True, errors="replace",
    )  # fmt: skip
    peak, ended = [0, 0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, ended), daemon=True)
    watcher.start()
    told: list[str] = []
    reader = threading.Thread(target=_read, args=(process, told), daemon=True)
    reader.start()
    try:
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:  # it would work on behind whoever was interrupted
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        ended.set()
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    watcher.join()
    return Measured(
        round(seconds, 3), round(used.ru_utime + used.ru_stime, 3), peak[0], max(peak),
        process.returncode, "".join(told)[-2000:],
    )  # fmt: skip


def _read(process: subprocess.Popen[str], told: list[str]) -> None:
    assert process.stderr is not None
    with process.stderr as stream:
        told.append(stream.read())


def _watch(session: int, peak: list[int], ended: threading.Event) -> None:
    after = 0.0
    while not ended.wait(INTERVAL):
        processes = processes_of(session)
        began = time.perf_counter()
        if began >= after:
            held, mapped = memory_of(processes)
            took = time.perf_counter() - began
            after = began + max(SIZES_INTERVAL, SIZES_TIMES * took)
            peak[0], peak[1] = max(peak[0], held), max(peak[1], mapped)
        elif len(processes) == 1:
            peak[0] = max(peak[0], held_alone(processes[0]))


def processes_of(session: int) -> list[Path]:
    """The folders under ``/proc`` of a session's processes."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError, ValueError):  # it has just ended
            # The name stands in brackets and may hold blanks; the session is the fourth field behind it.
            if int((process / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                found.append(process)
    return found


def memory_of(processes: Sequence[Path]) -> tuple[int, int]:
    """Bytes that processes hold now, without and with mapped files; one that has just ended holds none."""
    held = mapped = 0
    for process in processes:
        with contextlib.suppress(OSError):
            sizes = sizes_in((process / "smaps_rollup").read_text())
            held += sizes.get("Pss_Anon", 0) + sizes.get("Pss_Shmem", 0)
            mapped += sizes.get("Pss", 0)
    return held, mapped


def held_alone(process: Path) -> int:
    """Bytes that a process which shares none of them holds now, without mapped files."""
    with contextlib.suppress(OSError):
        sizes = sizes_in((process / "status").read_text())
        return sizes.get("RssAnon", 0) + sizes.get("RssShmem", 0)
    return 0


def sizes_in(text: str) -> dict[str, int]:
    """Bytes by name of the lines ``Name:   123 kB``."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        size = rest.split()
        if len(size) == 2 and size[1] == "kB":
            found[name] = int(size[0]) * 1024
    return found
