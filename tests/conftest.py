"""What all tests share: compiled kernels are kept between runs in the folder the program itself uses.

Its name changes with any kernel file, so a test never runs stale code, and it is verified first.
"""

from __future__ import annotations

import os
import signal

import pytest

from jobs import kernel_cache

os.environ.setdefault("POLARS_MAX_THREADS", "2")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# A shell's background jobs ignore Ctrl-C, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
kernel_cache.prepare()
kernel_cache.heal()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """List what was compiled, so that the next run keeps it."""
    kernel_cache.seal()
