"""A small nation, generated and reconciled once for all tests of whole runs; kernels compiled beforehand."""

from __future__ import annotations

import pytest

from data.generator import generate
from jobs import kernel_cache
from jobs.progress import Progress
from tests.end_to_end.runs import digests, run

PEOPLE = 3_000


@pytest.fixture(scope="session", autouse=True)
def compiled():
    """Every kernel compiled and listed, so that neither subprocesses nor Ray's workers compile them."""
    kernel_cache.warmup(Progress())


@pytest.fixture(scope="session")
def nation(tmp_path_factory, compiled):
    folder = tmp_path_factory.mktemp("inputs") / "nation"
    generate(folder, PEOPLE, seed=5)
    return folder


@pytest.fixture(scope="session")
def finished(nation, tmp_path_factory):
    """The folder of a run of the nation on two threads."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    run(nation, folder)
    return folder


@pytest.fixture(scope="session")
def decided(finished):
    """Digests of what that run decided."""
    return digests(finished)
