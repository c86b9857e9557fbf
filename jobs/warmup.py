"""Compiles every kernel once, so that no run pays for it: two processes, each with half of the kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jobs.machine import processors
from kernels.examples import EXAMPLES, Example

#: Units that a kernel is called with to have it compiled.
_FEW = 4
#: Whose kernels the second process compiles; the other half takes about as long.
_SECOND = ("corrections", "names", "publishing", "strings")
_PATIENCE_SECONDS = 240.0


def compile_all() -> None:
    """Call every kernel with a few made-up units; nothing is written but the kernel cache.

    What another process has compiled is loaded from the cache. Should the second process fail, this one
    compiles its half as well, and says what is wrong.
    """
    if processors() < 2:
        call_kernels(second=False)
        call_kernels(second=True)
        return
    root = str(Path(__file__).resolve().parent.parent)
    held = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{held}" if held else root}
    program = "from jobs.warmup import call_kernels; call_kernels(second=True)"
    helper = subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-c", program],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        call_kernels(second=False)
        helper.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        helper.kill()
        helper.wait()
    call_kernels(second=True)


def call_kernels(*, second: bool) -> None:
    """Call the kernels of one half, each with a few units."""
    for example in EXAMPLES:
        if _of_second(example) == second:
            example.call(example.make(_FEW))


def _of_second(example: Example) -> bool:
    return example.make.__module__.rpartition(".")[2] in _SECOND
