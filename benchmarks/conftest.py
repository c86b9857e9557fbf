"""What all benchmarks share: compiled kernels, and nations that are generated once a session."""

from __future__ import annotations

import os

import pytest

from jobs import kernel_cache

os.environ.setdefault("POLARS_MAX_THREADS", "2")
kernel_cache.prepare()
kernel_cache.heal()

SEED = 1

#: What others were doing when the session began: figures from a busy machine are worth little.
LOAD = os.getloadavg()[0]


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["load"] = LOAD


def pytest_sessionfinish(session: pytest.Session) -> None:
    """List what was compiled, so that the next session keeps it."""
    kernel_cache.seal()


@pytest.fixture(scope="session")
def compiled():
    """Every kernel compiled before anything is timed."""
    from jobs.progress import Progress

    kernel_cache.warmup(Progress())


@pytest.fixture(scope="session")
def nation_of(tmp_path_factory):
    """Nations by their number of people."""
    from jobs.generation import generate_nation

    made = {}

    def make(people):
        if people not in made:
            made[people] = tmp_path_factory.mktemp("nations") / f"n{people}"
            generate_nation(made[people], people, seed=SEED, threads=2)
        return made[people]

    return make
