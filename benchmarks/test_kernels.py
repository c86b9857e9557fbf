"""Every row of the table of kernels, its peers beside it; the compilation of all of them; on one core."""

from __future__ import annotations

import gc
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.kernel_table import ROWS, Row
from benchmarks.limits import measure

ROOT = Path(__file__).resolve().parents[1]

#: Calls every kernel in a fresh process, and says how long that took beside the start of Python and NumPy.
LOADING = """
import time
import numpy
begun = time.perf_counter()
from jobs import kernel_cache
kernel_cache.prepare()
kernel_cache.heal()
from jobs.warmup import call_kernels
call_kernels()
print(time.perf_counter() - begun)
"""


@pytest.fixture(scope="session")
def limits():
    return measure()


def name_of(value):
    return value if isinstance(value, str) else value.example.name


@pytest.fixture(autouse=True)
def tidy():
    """Arguments of a million units are not kept from one benchmark to the next."""
    yield
    gc.collect()


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_kernel(benchmark, compiled, limits, row: Row):
    few = row.example.make(200)
    assert row.call(few) == row.judge.twin(row.copied(few))
    units = row.judge.units
    given = row.example.make(units)
    returned = row.example.call(row.copied(given))
    touched = row.touched(given, returned)
    stream = touched * limits["stream"]
    kind, steps = row.judge.steps(given) if row.judge.steps else ("", 0.0)
    chain = steps * limits[kind] if kind else 0.0
    benchmark.pedantic(row.example.kernel, setup=lambda: (row.copied(given), {}), rounds=7)
    benchmark.extra_info.update(
        {
            "kernel": row.example.name,
            "unit": row.example.unit,
            "units": units,
            "bytes": touched,
            "limit": max(stream, chain),
            "limited by": f"{kind} steps" if chain > stream else "memory",
        }
    )


@pytest.mark.parametrize(("row", "peer"), [(r, p) for r in ROWS for p in r.judge.peers], ids=name_of)
def test_peer(benchmark, row: Row, peer: str):
    asked = row.judge.peers[peer]
    missing = [name for name in asked.needs if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    given = row.example.make(row.judge.units)
    known = row.call(given)
    question = asked.ask(given)
    found = question.read(benchmark.pedantic(question.run, rounds=3))
    if isinstance(known, list) and isinstance(known[0], float):
        assert np.allclose(found, known, rtol=0.0, atol=1e-12)
    else:
        assert found == known
    benchmark.extra_info.update({"peer of": row.example.name, "peer": peer, "units": row.judge.units})


def test_compilation__of_all_kernels_into_an_empty_cache(benchmark, tmp_path_factory):
    def compile_all():
        folder = tmp_path_factory.mktemp("cache")
        environment = {**os.environ, "LINKAGE_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "jobs.cli", "warmup"]
        subprocess.run(command, env=environment, check=True, capture_output=True)

    benchmark.pedantic(compile_all, rounds=1)
    benchmark.group = "compilation"


def test_compilation__loading_all_kernels_from_the_cache(benchmark, compiled):
    """A fresh process each round; its own clock counts, so that the start of Python does not."""

    def load():
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", LOADING], env=environment, check=True, capture_output=True, text=True
        )
        return float(done.stdout)

    seconds = [benchmark.pedantic(load, rounds=1)] + [load() for _ in range(4)]
    benchmark.group = "compilation"
    benchmark.extra_info["seconds in the process"] = min(seconds)
