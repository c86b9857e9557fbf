"""Compiles every kernel once, so that no run pays for it: two processes, which share the kernels out."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from jobs.machine import processors
from kernels.examples import EXAMPLES, Example

#: Units that a kernel is called with to have it compiled.
_FEW = 4
_PATIENCE_SECONDS = 240.0

#: The second process lives for compilation alone: it leaves its garbage, some 100 MB, and does not tidy up.
_HELPER = """
import gc, os
gc.disable()
from jobs.warmup import call_queued
call_queued({queue})
os._exit(0)
"""


def compile_all() -> None:
    """Call every kernel with a few made-up units; nothing is written but the kernel cache.

    Should the second process fail, this one calls them all, and says what is wrong: what has been compiled is
    loaded from the cache.
    """
    if processors() < 2:
        call_kernels()
        return
    root = str(Path(__file__).resolve().parent.parent)
    held = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{held}" if held else root}
    queue, filled = os.pipe()
    os.write(filled, bytes(range(len(groups()))))
    os.close(filled)
    helper = subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-c", _HELPER.format(queue=queue)],
        env=environment,
        pass_fds=(queue,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        call_queued(queue)
        with contextlib.suppress(subprocess.TimeoutExpired):
            helper.wait(_PATIENCE_SECONDS)
    finally:
        os.close(queue)
        done = helper.poll() == 0
        helper.kill()
        helper.wait()
    if not done:
        call_kernels()


def call_queued(queue: int) -> None:
    """Call the kernels of the groups whose numbers ``queue`` holds, a byte each, until it is empty."""
    shared = groups()
    with _collected_rarely():
        while number := os.read(queue, 1):
            for example in shared[number[0]]:
                example.call(example.make(_FEW))


def call_kernels() -> None:
    """Call every kernel with a few units."""
    with _collected_rarely():
        for group in groups():
            for example in group:
                example.call(example.make(_FEW))


def groups() -> list[list[Example]]:
    """The examples by their kernels' module, the longest module first: two processes end at about one time.

    What the kernels of a module have in common is compiled once so, and a kernel's files are written by one
    process alone.
    """
    found: dict[str, list[Example]] = {}
    for example in EXAMPLES:
        found.setdefault(example.kernel.__module__, []).append(example)
    return [found[module] for module in sorted(found, key=_length, reverse=True)]


def _length(module: str) -> tuple[int, str]:
    file = sys.modules[module].__file__
    return (Path(file).stat().st_size if file else 0), module


@contextlib.contextmanager
def _collected_rarely() -> Iterator[None]:
    """Numba's trees are large and live long: looking through them for garbage took an eighth of the time."""
    held = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*held)
