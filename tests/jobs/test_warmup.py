"""The warm-up: every kernel is in the cache after it, with the types that runs use."""

from __future__ import annotations

import gc
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


class _Silent:
    """An example that notes its call."""

    def __init__(self, example, called):
        self.kernel, self.name, self.called, self.make = example.kernel, example.name, called, example.make

    def call(self, _arguments):
        self.called.append(self.name)


@pytest.fixture
def called(monkeypatch):
    """The names of the examples called, instead of the calls."""
    names = []
    monkeypatch.setattr(warmup, "EXAMPLES", [_Silent(example, names) for example in EXAMPLES])
    return names


class _Helper:
    """The second process: it takes what it is to take of the queue, and ends with a code or not at all."""

    def __init__(self, takes, code):
        self.takes, self.code, self.killed = takes, code, False

    def __call__(self, *_command, pass_fds, **_rest):
        os.read(pass_fds[0], self.takes)
        return self

    def wait(self, patience=None):
        if self.code is None and not self.killed:
            raise subprocess.TimeoutExpired("helper", patience)

    def poll(self):
        return self.code

    def kill(self):
        self.killed = True


ALL = sorted(row.example.name for row in ROWS)


def test_groups__are_every_example_once_and_a_module_s_together():
    groups = warmup.groups()
    assert sorted(example.name for group in groups for example in group) == ALL
    modules = [{example.kernel.__module__ for example in group} for group in groups]
    assert all(len(held) == 1 for held in modules)
    assert len(set().union(*modules)) == len(groups)


def test_compile_all__in_one_process_where_there_is_one_processor(monkeypatch, called):
    monkeypatch.setattr(warmup, "processors", lambda: 1)
    monkeypatch.setattr(warmup.subprocess, "Popen", None)
    warmup.compile_all()
    assert sorted(called) == ALL


def test_compile_all__leaves_to_the_second_process_what_it_takes(monkeypatch, called):
    helper = _Helper(takes=3, code=0)
    monkeypatch.setattr(warmup, "processors", lambda: 2)
    monkeypatch.setattr(warmup.subprocess, "Popen", helper)
    theirs = [example.name for group in warmup.groups()[:3] for example in group]
    warmup.compile_all()
    assert sorted(called + theirs) == ALL
    assert gc.get_threshold() != (100_000, 50, 100)


@pytest.mark.parametrize("code", [1, None])
def test_compile_all__calls_what_a_failed_process_took(monkeypatch, called, code):
    helper = _Helper(takes=3, code=code)
    monkeypatch.setattr(warmup, "processors", lambda: 2)
    monkeypatch.setattr(warmup.subprocess, "Popen", helper)
    warmup.compile_all()
    assert sorted(set(called)) == ALL
    assert helper.killed


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
