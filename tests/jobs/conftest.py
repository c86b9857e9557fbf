"""A small run whose work folder is kept, for the tests of single tasks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.generator import generate
from jobs.run import run_project
from jobs.workspace import Workspace

#: People of the kept run's nation.
PEOPLE = 600


@pytest.fixture(scope="session")
def kept_nation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a nation of 600 people."""
    folder = tmp_path_factory.mktemp("inputs") / "nation"
    generate(folder, PEOPLE, seed=4)
    return folder


@pytest.fixture(scope="session")
def kept(kept_nation: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The work folder of a run in three parts a source, three ranges and four partitions."""
    out = tmp_path_factory.mktemp("runs") / "run"
    run_project(kept_nation / "project.toml", out, parts=3, keep_work=True)
    yield Workspace(out / "work")
    Workspace.open.cache_clear()
