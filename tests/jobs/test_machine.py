"""What the machine at hand says of itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from jobs import machine

ROOT = Path(__file__).resolve().parents[2]


def test_describe__looks_at_the_disk_of_a_folder_that_is_yet_to_come(tmp_path):
    there = machine.describe(tmp_path / "a" / "b", 1.5)
    assert abs(there["disk_free"] - shutil.disk_usage(tmp_path).free) < 1 << 30
    assert there["processors"] >= 1
    assert there["speed"] == 1.5
    assert there["memory_available"] is None or there["memory_available"] > 1 << 20


def test_memory__is_the_least_of_what_machine_and_container_leave(monkeypatch):
    files = {
        "/proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 4000000 kB\n",
        "/sys/fs/cgroup/memory.max": "1000000\n",
        "/sys/fs/cgroup/memory.current": "400000\n",
    }

    def read(path: Path, *_args: object, **_more: object) -> str:
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(Path, "read_text", read)
    assert machine.describe(Path("/"), 1.0)["memory_available"] == 600_000
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert machine.describe(Path("/"), 1.0)["memory_available"] == 4_096_000_000
    files.clear()
    assert machine.describe(Path("/"), 1.0)["memory_available"] is None


def test_speed__is_a_factor_that_can_be_believed():
    assert 0.05 <= machine.measure_speed(rounds=1) <= 20


def test_freed_memory__stays_for_the_next_array():
    program = """
import resource, sys
import numpy as np
from jobs.machine import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
np.ones(3 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(3 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    kept, given = (
        int(subprocess.check_output([sys.executable, "-c", program, how], env=environment, cwd=ROOT))
        for how in ("kept", "given back")
    )
    assert kept * 3 < given
