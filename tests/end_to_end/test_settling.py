"""Settling changes nothing: a run that scores every candidate of settled records decides alike, and so does
one that settles nobody.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from data.generator import generate
from jobs import workspace
from jobs.run import run_project
from jobs.workspace import Workspace
from linkage import settle
from linkage.levels import Programme

#: Artefacts that skipping must not touch; pairs.parquet says more where all candidates are scored.
SAME = ("decisions", "entities", "duplicates", "links", "register_cases", "repairs", "subgroups")

#: What no way of settling may touch.
DECIDED = ("decision", "person_id", "entity_id")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One nation, reconciled without the other candidates of settled records, with them, and with nobody
    settled.
    """
    folder = tmp_path_factory.mktemp("nation")
    generate(folder / "nation", 4_000, seed=9)
    project = folder / "nation" / "project.toml"
    scored = project.with_name("scored.toml")
    scored.write_text(project.read_text() + "\n[settle]\nskip = false\n")

    def nobody(programme: Programme, _: object) -> np.ndarray:
        return np.zeros(programme.n_patterns, bool)

    out = {name: folder / name for name in ("skipped", "scored", "nobody")}
    with pytest.MonkeyPatch.context() as patch:
        # Few records are rehearsed, so that the others can be settled.
        patch.setattr(settle, "SAMPLED", 500)
        run_project(project, out["skipped"], threads=2)
        run_project(scored, out["scored"], threads=2)
        patch.setattr(workspace, "settling_patterns", nobody)
        run_project(project, out["nobody"], threads=2)
    Workspace.open.cache_clear()
    return out


def decisions(run: Path) -> pl.DataFrame:
    """The decisions of a run, by record."""
    return pl.read_parquet(run / "decisions.parquet").sort("source", "record_id")


def test_settling__scores_fewer_pairs(runs: dict[str, Path]) -> None:
    compared = {}
    for name, run in runs.items():
        stages = json.loads((run / "run.json").read_text())["stages"]
        compared[name] = next(s["pairs"] for s in stages if s["stage"] == "match")
    assert compared["skipped"] < compared["scored"] == compared["nobody"]


def test_settled__are_most_of_the_links_and_only_links(runs: dict[str, Path]) -> None:
    held = decisions(runs["skipped"])
    settled = held.filter(pl.col("rule") == "settled")
    assert settled.height > held.height / 2
    assert settled["decision"].unique().to_list() == ["link"]
    assert not (decisions(runs["nobody"])["rule"] == "settled").any()


def test_settled__carry_a_rule_of_their_own_and_no_second_candidate(runs: dict[str, Path]) -> None:
    settled = decisions(runs["skipped"]).filter(pl.col("rule") == "settled")
    assert settled["runner_up_person_id"].null_count() == settled.height
    assert settled["margin"].null_count() == settled.height
    # The one pair against nobody: beyond 53 bits of odds the nearest number to it is 1.
    assert settled["probability"].min() > 0.999
    assert settled["probability"].max() <= 1.0
    pairs = pl.read_parquet(runs["skipped"] / "pairs.parquet").rename(
        {"source_l": "source", "record_id_l": "record_id"}
    )
    own = pairs.join(settled, on=["source", "record_id"], how="semi")
    assert own.height == settled.height
    assert own["rule"].unique().to_list() == ["settled"]


@pytest.mark.parametrize("name", SAME)
def test_skipping__leaves_every_artefact_as_it_is(name: str, runs: dict[str, Path]) -> None:
    skipped, scored = (pq.read_table(runs[run] / f"{name}.parquet") for run in ("skipped", "scored"))
    assert skipped.num_rows > 0
    assert skipped.equals(scored)


def test_settling__decides_every_record_as_a_run_that_settles_nobody(runs: dict[str, Path]) -> None:
    """The records themselves, compared with all of their candidates: nobody is decided otherwise."""
    settled, nobody = (
        decisions(runs[run]).select("source", "record_id", *DECIDED) for run in ("skipped", "nobody")
    )
    assert settled.height > 4_000
    assert settled.equals(nobody)
    for name in ("entities", "duplicates"):
        tables = [pq.read_table(runs[run] / f"{name}.parquet") for run in ("skipped", "nobody")]
        assert tables[0].num_rows > 0
        entity = [t.select([c for c in t.column_names if c not in ("probability", "weight")]) for t in tables]
        assert entity[0].equals(entity[1]), name
