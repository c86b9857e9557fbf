"""What the machine at hand says of itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from jobs import machine


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
