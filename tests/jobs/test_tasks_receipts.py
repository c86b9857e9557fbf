"""What is counted of a source for its receipt, against counts by plain loops over the files themselves."""

from __future__ import annotations

import csv
import json
import tomllib
from collections import Counter

import polars as pl
import pytest

from data.generator import generate
from jobs.project import load_project
from jobs.run import run_project
from jobs.store import stage_manifest
from jobs.tasks_receipts import refused_rows
from jobs.workspace import Workspace
from linkage.agreement import RELATIONS

PEOPLE = 1500


@pytest.fixture(scope="module")
def nation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs") / "nation"
    generate(folder, PEOPLE, seed=4)
    return folder


@pytest.fixture(scope="module")
def kept(nation, tmp_path_factory):
    """A finished run with its work folder."""
    out = tmp_path_factory.mktemp("runs") / "run"
    run_project(nation / "project.toml", out, threads=2, parts=3, keep_work=True)
    Workspace.open.cache_clear()
    return out


@pytest.fixture(scope="module")
def counts(kept):
    return stage_manifest(kept / "work" / "stages" / "receipts")["facts"]["counts"]


def rows_of(nation, source):
    """The rows of an agency's file by standard field, and the contract's key."""
    contract = tomllib.loads((nation / "contracts" / f"{source}.toml").read_text(encoding="utf-8"))
    names = {f["column"]: f["standard"] for f in contract["field"]} | {contract["key"]: "record_id"}
    with (nation / f"{source}.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter=contract.get("delimiter", ",")):
            yield {names[c]: v.strip() for c, v in row.items() if c in names}


@pytest.mark.parametrize("source", ["insurance", "tax", "education"])
def test_filled__is_the_number_of_cells_that_are_not_blank(nation, counts, source):
    rows = list(rows_of(nation, source))
    for standard, counted in counts[source]["fields"].items():
        assert counted["filled"] == sum(bool(row[standard]) for row in rows), standard
        assert 0 <= counted["repaired"] <= counted["filled"]
        assert counted["readable"] is None or 0 <= counted["readable"] <= counted["filled"]


@pytest.mark.parametrize("source", ["insurance", "tax", "education"])
def test_relations__are_of_every_record(nation, counts, source):
    rows = sum(1 for _ in rows_of(nation, source))
    compared = [c["relations"] for c in counts[source]["fields"].values() if c["relations"] is not None]
    assert len(compared) >= 4
    for relations in compared:
        assert len(relations) == len(RELATIONS)
        assert sum(relations) == rows
    name = counts[source]["fields"]["full_name"]["relations"]
    assert name[RELATIONS.index("equal")] > rows / 4


@pytest.mark.parametrize("source", ["insurance", "tax", "education"])
def test_dead_unmarked__are_records_of_dead_persons_without_a_date(nation, kept, counts, source):
    register = pl.read_parquet(nation / "register.parquet").cast(pl.String)
    dead = set(register.filter(pl.col("death_date").fill_null("") != "")["person_id"].to_list())
    held = {row["record_id"]: row for row in rows_of(nation, source)}
    decisions = pl.read_parquet(kept / "decisions.parquet").filter(
        (pl.col("source") == source) & (pl.col("decision") == "link")
    )
    wanted = sum(
        person in dead and not held[record].get("death_date")
        for record, person in decisions.select("record_id", "person_id").iter_rows()
    )
    assert counts[source]["dead_unmarked"] == wanted
    assert wanted > 0 or source == "education"  # pupils do not die much


@pytest.mark.parametrize("source", ["insurance", "tax", "education"])
def test_corrections__are_those_of_the_feed(kept, counts, source):
    feed = pl.read_parquet(kept / "feeds" / source / "corrections.parquet").with_columns(
        pl.col("field", "kind", "action").cast(pl.String)
    )
    wanted = Counter(feed.select("field", "kind", "action").iter_rows())
    assert {(c["field"], c["kind"], c["action"]): c["rows"] for c in counts[source]["corrections"]} == wanted
    orders = pl.read_parquet(kept / "duplicates.parquet").filter(pl.col("source") == source)
    assert counts[source]["duplicates"] == orders.height


def test_queries__are_counted_by_field_and_code_with_the_first_line(kept, counts):
    queries = pl.read_parquet(kept / "queries.parquet").with_columns(
        pl.col("source", "field", "code").cast(pl.String)
    )
    assert queries.height > 0
    for source, counted in counts.items():
        mine = list(queries.filter(pl.col("source") == source).select("field", "code", "line").iter_rows())
        wanted = {
            (f, c, min(line for g, d, line in mine if (g, d) == (f, c)), n)
            for (f, c), n in Counter((f, c) for f, c, _ in mine).items()
        }
        assert {(q["field"], q["code"], q["line"], q["rows"]) for q in counted["queries"]} == wanted


def test_register__has_no_links_of_its_own(counts):
    held = counts["register"]
    assert held["corrections"] == []
    assert held["dead_unmarked"] is None
    assert all(f["relations"] is None for f in held["fields"].values())
    assert isinstance(held["cases"], dict)


def test_counts__can_be_sent_to_another_process(counts):
    assert json.loads(json.dumps(counts)) == counts


def test_refused_rows__are_told_by_code_with_the_first_line_of_the_first_file(nation, tmp_path):
    held = pl.DataFrame(
        {
            "file": [1, 0, 0, 0], "line": [2, 9, 30, 4], "code": ["a", "a", "a", "b"],
            "column": [None, "X", None, None], "row": ["r"] * 4,
        }
    )  # fmt: skip
    held.write_parquet(tmp_path / "tax.parquet")
    loaded = load_project(nation / "project.toml")
    two = (*loaded.files["tax"], *loaded.files["insurance"])
    loaded.files["tax"] = two
    found = refused_rows(loaded, "tax", tmp_path)
    # In the order of file names, insurance.csv is the first.
    assert [(r.code, r.rows, r.file, r.line, r.column) for r in found] == [
        ("a", 3, "insurance.csv", 9, "X"),
        ("b", 1, "insurance.csv", 4, None),
    ]
    assert refused_rows(loaded, "education", tmp_path) == []
