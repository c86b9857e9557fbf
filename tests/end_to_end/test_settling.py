"""Settling changes nothing: a run that scores every candidate of settled records decides alike."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.generator import generate
from jobs.run import run_project
from linkage import settle

#: What settling must not touch; pairs.parquet says more where all candidates are scored.
SAME = ("decisions", "entities", "duplicates", "links")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One nation, reconciled with and without the other candidates of settled records."""
    folder = tmp_path_factory.mktemp("nation")
    generate(folder / "nation", 4_000, seed=9)
    project = folder / "nation" / "project.toml"
    out = folder / "skipped", folder / "scored"
    patch = pytest.MonkeyPatch()
    # Few records are rehearsed, so that the others can be settled.
    patch.setattr(settle, "SAMPLED", 500)
    run_project(project, out[0], threads=2)
    project.write_text(project.read_text() + "\n[settle]\nskip = false\n")
    run_project(project, out[1], threads=2)
    patch.undo()
    return out


def test_settling__scores_fewer_pairs(runs: tuple[Path, Path]) -> None:
    stages = [json.loads((run / "run.json").read_text())["stages"] for run in runs]
    skipped, scored = (next(s["pairs"] for s in each if s["stage"] == "match") for each in stages)
    assert skipped < scored


def test_settling__leaves_decisions_entities_and_duplicates_as_they_are(runs: tuple[Path, Path]) -> None:
    for name in SAME:
        skipped, scored = (pq.read_table(run / f"{name}.parquet") for run in runs)
        assert skipped.num_rows > 0
        assert skipped.equals(scored), name
