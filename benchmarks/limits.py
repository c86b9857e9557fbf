"""What one core of this machine can do at most, measured: to which kernels' times are compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._jit import jit

#: Far more than any cache holds, and steps enough to outlast a clock's tick.
_WORDS, _STEPS, _ROUNDS = 1 << 23, 4_000_000, 7


@jit
def _stream(source: NDArray[np.int64], target: NDArray[np.int64]) -> None:
    """Every word read once, every word written once."""
    for i in range(source.shape[0]):
        target[i] = source[i] + 1


@jit
def _edit_steps(here: NDArray[np.int64], steps: int) -> int:
    """Hyyrö's recurrence with swaps, its letters found beforehand: each step waits for the one before."""
    vp, vn, d0, before, distance = -1, 0, 0, 0, 0
    for j in range(steps):
        found = here[j & 63]
        swap = ((~d0 & found) << 1) & before
        d0 = (((found & vp) + vp) ^ vp) | found | vn | swap
        before = found
        hp = vn | ~(d0 | vp)
        hn = d0 & vp
        distance += ((hp >> 9) & 1) - ((hn >> 9) & 1)
        hp = (hp << 1) | 1
        hn = hn << 1
        vp = hn | ~(d0 | hp)
        vn = hp & d0
    return distance


@jit
def _jaro_steps(here: NDArray[np.int64], steps: int) -> int:
    """Jaro's choice of the first free partner, the letters found beforehand: a place is free or taken."""
    taken, matches = 0, 0
    for j in range(steps):
        free = here[j & 63] & ~taken
        taken |= free & -free
        matches += free != 0
    return matches


def _least(call: Callable[[], Any]) -> float:
    """Seconds of the fastest of several calls, after one that compiles."""
    call()
    best = float("inf")
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begun)
    return best


def measure() -> dict[str, float]:
    """Nanoseconds of a streamed byte (``stream``) and of a step of each kind (``edit``, ``jaro``)."""
    source, target = np.ones(_WORDS, np.int64), np.zeros(_WORDS, np.int64)
    here = np.random.default_rng(1).integers(0, 1 << 14, 64) & np.random.default_rng(2).integers(
        0, 1 << 14, 64
    )
    return {
        "stream": _least(lambda: _stream(source, target)) * 1e9 / (source.nbytes + target.nbytes),
        "edit": _least(lambda: _edit_steps(here, _STEPS)) * 1e9 / _STEPS,
        "jaro": _least(lambda: _jaro_steps(here, _STEPS)) * 1e9 / _STEPS,
    }
