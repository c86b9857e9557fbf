"""What a process holds at most, mapped files apart."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jobs import held_memory

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import mmap, os, sys, time
from jobs.held_memory import peak_memory, watch
watch()
before = peak_memory()
size = 256 << 20
{what}
print(before, peak_memory())
"""
HELD = """
held = bytearray(os.urandom(1) * size)
time.sleep(0.3)
del held
"""
MAPPED = """
with open(sys.argv[1], "wb") as stream:
    stream.truncate(size)
with open(sys.argv[1], "rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as held:
    sum(held[at] for at in range(0, size, 4096))
    time.sleep(0.3)
"""


def grown(what: str, file: Path) -> int:
    command = [sys.executable, "-c", PROGRAM.format(what=what), str(file)]
    before, after = map(int, subprocess.check_output(command, cwd=ROOT, text=True).split())
    return after - before


def test_peak_memory__is_of_what_was_held_though_it_is_freed(tmp_path) -> None:
    assert 256 << 20 <= grown(HELD, tmp_path / "file") < 320 << 20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells mapped files apart")
def test_peak_memory__leaves_out_mapped_files(tmp_path) -> None:
    assert grown(MAPPED, tmp_path / "file") < 32 << 20


def test_peak_memory__is_the_resident_set_where_the_system_says_nothing_else(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(held_memory, "_STATUS", tmp_path / "none")
    monkeypatch.setattr(held_memory, "_most", 0)
    assert held_memory.peak_memory() > 10 << 20


def test_watching__ends_and_begins_again() -> None:
    def watchers() -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t.name == "linkage-memory"]

    for _ in range(2):
        held_memory.watch()
        held_memory.watch()
        found = watchers()
        assert len(found) == 1
        held_memory.rest()
        found[0].join(5)
        assert not watchers()
