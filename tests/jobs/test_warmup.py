"""The warm-up: every kernel is in the cache after it, with the types that runs use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.kernel_table import ROWS
from jobs import warmup
from kernels.examples import EXAMPLES

ROOT = Path(__file__).resolve().parents[2]

#: Names the kernels compiled, not loaded, while a nation is reconciled.
RUN = """
import json, sys
from pathlib import Path
from jobs import kernel_cache
kernel_cache.prepare()
from numba.core.dispatcher import Dispatcher
from data.generator import generate
from jobs.run import run_project

compiled = []
saved = Dispatcher.compile

def compile_or_load(self, signature):
    before = sum(self.stats.cache_misses.values())
    out = saved(self, signature)
    if sum(self.stats.cache_misses.values()) > before and self.py_func.__module__.startswith("kernels."):
        compiled.append(f"{self.py_func.__module__}.{self.py_func.__name__}")
    return out

Dispatcher.compile = compile_or_load
folder = Path(sys.argv[1])
generate(folder / "nation", 2_000, seed=1)
run_project(folder / "nation" / "project.toml", folder / "run", threads=1)
print(json.dumps(sorted(set(compiled))))
"""


def test_halves__are_every_example_once(monkeypatch):
    called = []
    monkeypatch.setattr(warmup, "EXAMPLES", [_Silent(example, called) for example in EXAMPLES])
    warmup.call_kernels(second=False)
    first = list(called)
    warmup.call_kernels(second=True)
    assert first
    assert len(called) > len(first)
    assert sorted(called) == sorted(row.example.name for row in ROWS)


class _Silent:
    """An example that notes its call."""

    def __init__(self, example, called):
        self.name, self.called, self.make = example.name, called, example.make

    def call(self, _arguments):
        self.called.append(self.name)


@pytest.mark.parametrize("processes", [1, 2])
def test_compile_all__calls_both_halves(monkeypatch, processes):
    halves, started = [], []
    monkeypatch.setattr(warmup, "processors", lambda: processes)
    monkeypatch.setattr(warmup, "call_kernels", lambda *, second: halves.append(second))
    monkeypatch.setattr(warmup.subprocess, "Popen", lambda *rest, **_: started.append(rest) or _Helper())
    warmup.compile_all()
    assert halves == [False, True]
    assert len(started) == processes - 1


class _Helper:
    """A process that has not ended when it should have."""

    def __init__(self):
        self.killed = False

    def wait(self, patience=None):
        if not self.killed:
            raise subprocess.TimeoutExpired("helper", patience)

    def kill(self):
        self.killed = True


@pytest.mark.slow
def test_compile_all__leaves_a_run_nothing_to_compile(tmp_path):
    environment = {
        **os.environ,
        "LINKAGE_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("NUMBA_CACHE_DIR", None)
    subprocess.run(
        [sys.executable, "-m", "jobs.cli", "warmup"], env=environment, check=True, capture_output=True
    )
    files = sorted(p for p in (tmp_path / "cache").rglob("*.nbc"))
    assert len(files) > 50
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
