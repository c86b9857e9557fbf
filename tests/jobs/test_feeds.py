"""Feeds as files: what a spreadsheet's reader gets back, feeds of agencies that get little or nothing."""

from __future__ import annotations

import json
import shutil

import polars as pl
import pytest

from data.generator import generate
from jobs import feeds
from jobs.run import run_project
from linkage import tables


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A small nation whose tax office sent a header only, and whose schools may receive birth dates only."""
    folder = tmp_path_factory.mktemp("feeds") / "nation"
    generate(folder, 1_500, seed=3)
    tax = folder / "tax.csv"
    tax.write_text(tax.read_text(encoding="utf-8").splitlines(keepends=True)[0], encoding="utf-8")
    policy = folder / "policies" / "education.toml"
    policy.write_text(
        'schema = 1\npurpose = "Enrolment"\nlegal_basis = "Decree 1"\nreceive = ["birth_date"]\n',
        encoding="utf-8",
    )
    out = tmp_path_factory.mktemp("feeds") / "run"
    run_project(folder / "project.toml", out, threads=2)
    yield out
    shutil.rmtree(folder)


def feed_of(run, source):
    place = run / "feeds" / source
    if not place.exists():
        place = run / "withheld" / "feeds" / source
    return place, json.loads((place / "manifest.json").read_text(encoding="utf-8"))


def test_feed__of_an_agency_without_records_is_empty_and_whole(released):
    place, manifest = feed_of(released, "tax")
    assert manifest["rows"]["corrections"] == 0
    orders = json.loads((place.parents[1] / "orders" / "tax" / "manifest.json").read_text(encoding="utf-8"))
    assert orders["rows"] == {"merge_orders": 0}
    table = pl.read_parquet(place / "corrections.parquet")
    assert table.columns == list(tables.CORRECTIONS.columns)
    assert table.height == 0
    assert feeds.read_csv_feed(place / "corrections.csv").columns == table.columns
    assert {f["name"] for f in manifest["files"]} == {p.name for p in place.iterdir()} - {"manifest.json"}


def test_feed__holds_only_what_the_agency_may_receive_and_says_what_for(released):
    place, manifest = feed_of(released, "education")
    table = pl.read_parquet(place / "corrections.parquet")
    assert set(table["field"].cast(pl.String)) <= {"birth_date"}
    assert list(manifest["fields"]) == ["birth_date"]
    assert (manifest["purpose"], manifest["legal_basis"]) == ("Enrolment", "Decree 1")
    assert set(table["policy_id"].cast(pl.String)) <= {manifest["policy_id"]}


def test_feed__cites_the_decisions_of_its_run(released):
    decisions = pl.read_parquet(released / "decisions.parquet").with_columns(
        pl.col("source", "decision").cast(pl.String)
    )
    place, manifest = feed_of(released, "insurance")
    table = pl.read_parquet(place / "corrections.parquet")
    mine = decisions.filter((pl.col("source") == "insurance") & (pl.col("decision") == "link"))
    joined = table.join(mine, on=["record_id", "decision_id"], how="inner")
    assert joined.height == table.height > 0
    assert joined.filter(pl.col("confidence") < 0.5).height == 0
    run = json.loads((released / "run.json").read_text(encoding="utf-8"))
    assert set(table["register_version"].cast(pl.String)) == {manifest["register_version"]}
    assert manifest["run_id"] in json.dumps(run)
