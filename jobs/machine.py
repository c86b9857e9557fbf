"""The machine at hand: how fast its processors are just now, and what memory and disk it has left."""

from __future__ import annotations

import ctypes
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from kernels.keys import hash_bytes
from linkage.costs import YARDSTICK


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure_speed(rounds: int = 7) -> float:
    """Speed of one of this machine's processors: 1 is that of the machine the costs were measured on.

    Hashes and sorts a fixed amount and takes the best of ``rounds``: what else the machine does just now says
    little of what it will do during the run.
    """
    text = np.arange(1 << 20, dtype=np.int64).astype(np.uint8)
    offsets = np.arange(0, text.shape[0] + 1, 16, dtype=np.int64)
    out = np.empty(offsets.shape[0] - 1, np.uint64)
    hash_bytes(offsets[:2], text, np.uint64(0), out[:1])
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        for turn in range(12):
            hash_bytes(offsets, text, np.uint64(turn), out)
            out.sort()
        spent.append(time.perf_counter() - began)
    return float(np.clip(YARDSTICK / min(spent), 0.05, 20.0))


def describe(folder: Path, speed: float) -> dict[str, Any]:
    """Processors, their speed, and bytes left of memory and of the disk on which ``folder`` lies or will."""
    place = next(p for p in (folder, *folder.parents) if p.exists())
    return {
        "processors": processors(),
        "speed": round(speed, 3),
        "disk_free": shutil.disk_usage(place).free,
        "memory_available": _memory(),
    }


def boot() -> str:
    """What tells the times apart that this machine was started; empty where the system does not say it.

    Linux: ``/proc/sys/kernel/random/boot_id``, the same in all containers of a machine.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


#: What glibc is told, by the number and the name of its parameter (mallopt(3)): arrays up to 32 MiB come from
#: the heap, of which 256 MiB stay when they are freed. Else every array's pages are given back and made anew,
#: zeroed by the system: 11 and 19 in a hundred of the system time of two runs of 8.75 million records.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": (-3, 32 << 20), "MALLOC_TRIM_THRESHOLD_": (-1, 256 << 20)}


def keep_freed_memory() -> None:
    """Have this process's allocator keep some of what is freed for what comes next; nothing without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for name, (number, size) in MALLOC.items():
        if mallopt is not None and name not in os.environ:
            mallopt(number, size)


def total_memory() -> int:
    """Bytes of memory of this machine, or of the container that this process is in."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        found += [int(limit)] if limit.isdigit() else []
    except OSError:
        pass
    return min(found)


def _memory() -> int | None:
    """Bytes of memory that can be had now, the limit of a container included; None if nobody says."""
    found: list[int] = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except OSError:
        pass
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        if limit.isdigit():
            found.append(max(0, int(limit) - used))
    except (OSError, ValueError):
        pass
    return min(found) if found else None
