"""Compilation: kernels that call kernels, and those that make arrays, compiled and out of the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import TypingError

from kernels._jit import inner, jit

ROOT = Path(__file__).resolve().parents[2]

KERNELS = """
import numpy as np
from kernels._jit import inner, jit

@inner
def doubled(x):
    return max(2 * x, 0)

@jit
def add_up(values):
    total = 0
    for value in values:
        total += doubled(value)
    return total

@jit
def halves(values):
    made = np.zeros(2, np.int64)
    made[0] = add_up(values)
    held = np.empty(2, np.int64)
    held[:] = made
    return held
"""

RUN = """
import json, sys
import numpy as np
import made

values = np.arange(4)
called = {name: getattr(made, name) for name in sys.argv[1:]}
out = [np.asarray(kernel(values)).tolist() for kernel in called.values()]
held = sys.getrefcount(values)
assert out == [np.asarray(kernel(values)).tolist() for kernel in called.values()]
hits = [sum(kernel.stats.cache_hits.values()) for kernel in called.values()]
print(json.dumps([out, hits, sys.getrefcount(values) - held]))
"""


def _run(folder, names):
    """What the kernels return, how many of each come out of the cache, references to their argument left."""
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, *names],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("order", [("halves", "add_up"), ("add_up", "halves")])
def test_jit__kernel_calls_kernel(tmp_path, order):
    (tmp_path / "made.py").write_text(KERNELS)
    wanted = {"halves": [12, 0], "add_up": 12}
    compiled, _, counted = _run(tmp_path, order)
    assert dict(zip(order, compiled, strict=True)) == wanted
    assert counted == 0
    assert _run(tmp_path, order) == [compiled, [1, 1], 0]
    for file in (tmp_path / "cache").rglob("made.halves*"):  # what it calls is loaded while it is compiled
        file.unlink()
    again, hits, counted = _run(tmp_path, order)
    assert (again, counted) == (compiled, 0)
    assert dict(zip(order, hits, strict=True)) == {"halves": 0, "add_up": 1}


@inner
def _latter(values):
    return values[1:].copy()


@jit
def _count_latter(values):
    return _latter(values).shape[0]


@jit
def _count_up(n):
    return np.arange(n)[n - 1]


@pytest.mark.parametrize(
    ("kernel", "given", "reason"),
    [(_count_latter, np.zeros(3), "never let go of"), (_count_up, 3, "No implementation .*arange")],
)
def test_jit__refuses_arrays_that_nobody_would_count(kernel, given, reason):
    with pytest.raises(TypingError, match=reason):
        kernel(given)
