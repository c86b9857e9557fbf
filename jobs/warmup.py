"""Compiles every kernel once, on a small nation of its own, so that no run pays for it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from data.generator import generate

#: People of the nation that is reconciled to compile the kernels: enough to meet every one of them.
PEOPLE = 2_000


def compile_all() -> None:
    """Generate and reconcile a small nation in a private temporary folder, which is removed again."""
    from jobs.run import run_project

    with tempfile.TemporaryDirectory(prefix="linkage-") as folder:
        nation = Path(folder) / "nation"
        generate(nation, PEOPLE, seed=1)
        run_project(nation / "project.toml", Path(folder) / "run", threads=1)
