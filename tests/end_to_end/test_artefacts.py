"""A run's folder: what is in it, who may read it, and that every row is accounted for."""

from __future__ import annotations

import csv
import json

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.evaluation import evaluate_run
from jobs.journal import read_journal
from linkage.decisions import DECISIONS
from linkage.queries import QUERIES
from linkage.reasons import REASONS
from linkage.tables import ARTEFACTS

SOURCES = ("education", "insurance", "tax")


#: Tables that every agency has one of, and the folder that they are in.
FEEDS = {"corrections": "feeds", "merge_orders": "orders"}


def table(folder, name):
    return pl.read_parquet(folder / f"{name}.parquet")


def places(folder, name):
    """The files of a declared table."""
    if name in FEEDS:
        return [folder / FEEDS[name] / source / f"{name}.parquet" for source in SOURCES]
    return [folder / f"{name}.parquet"]


def test_folder__holds_the_artefacts_and_nothing_else(finished):
    files = {p.relative_to(finished).as_posix() for p in finished.rglob("*") if p.is_file()}
    tables = {p.relative_to(finished).as_posix() for n in ARTEFACTS for p in places(finished, n)}
    sources = (*SOURCES, "register")
    rejects = {f"rejects/{source}.{ending}" for source in sources for ending in ("csv", "parquet")}
    queries = {f"queries/{source}.csv" for source in sources}
    receipts = {f"receipts/{source}.{ending}" for source in sources for ending in ("json", "txt")}
    feeds = {f"{place}/{s}/{t}.csv" for s in SOURCES for t, place in FEEDS.items()}
    feeds |= {f"{place}/{s}/manifest.json" for s in SOURCES for place in FEEDS.values()}
    texts = {"review.csv", "register_cases.csv", "answers_refused.csv", "scorecard.txt"}
    records = {"model.json", "run.json", "journal.jsonl", "metrics.prom"}
    assert files == tables | rejects | queries | receipts | feeds | texts | records


def test_folder__is_its_owners_alone(finished):
    assert finished.stat().st_mode & 0o777 == 0o700
    for path in finished.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path.name


def test_folder__run_record_is_written_last(finished):
    """Only the figures for a monitoring system come later: they say that the run has ended."""
    last = (finished / "run.json").stat().st_mtime_ns
    files = [p for p in finished.rglob("*") if p.is_file() and p.name != "metrics.prom"]
    assert all(p.stat().st_mtime_ns <= last for p in files)


@pytest.mark.parametrize("name", ARTEFACTS)
def test_tables__have_exactly_the_declared_columns(finished, name):
    declared = ARTEFACTS[name]
    for place in places(finished, name):
        assert_declared(declared, pq.read_table(place))


def assert_declared(declared, held):
    names = list(declared.columns)
    assert held.column_names[: len(names)] == names
    assert declared.open or held.column_names == names
    for column, wanted in declared.columns.items():
        kind = held.schema.field(column).type
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        if pa.types.is_large_string(wanted.type):
            assert text, column
        elif pa.types.is_large_list(wanted.type):
            assert lists, column
        elif pa.types.is_fixed_size_binary(wanted.type):
            assert kind in (pa.binary(16), pa.binary()), column
        else:
            assert kind == wanted.type, column
        assert wanted.null or held.column(column).null_count == 0, column


@pytest.mark.parametrize("name", ARTEFACTS)
def test_tables__are_sorted_as_declared(finished, name):
    by = list(ARTEFACTS[name].sorted_by)
    for place in places(finished, name):
        held = pl.read_parquet(place).select(by)
        assert held.equals(held.sort(by))


def test_rows__in_are_accepted_plus_refused(finished, nation):
    run = json.loads((finished / "run.json").read_text())
    accepted = 0
    for name, source in run["sources"].items():
        written = (
            pq.read_metadata(nation / "register.parquet").num_rows
            if name == "register"
            else len((nation / f"{name}.csv").read_text().splitlines()) - 1
        )
        assert source["rows"] == written
        assert source["rows"] == source["accepted"] + sum(source["refused"].values())
        accepted += source["accepted"]
    assert table(finished, "entities").height == accepted
    assert table(finished, "decisions").height == accepted - run["sources"]["register"]["accepted"]


def test_rows__every_record_has_one_entity_and_every_agency_record_one_decision(finished):
    entities, decisions = table(finished, "entities"), table(finished, "decisions")
    assert not entities.select("source", "record_id").is_duplicated().any()
    assert not decisions.select("source", "record_id").is_duplicated().any()
    assert not decisions["decision_id"].is_duplicated().any()
    joined = decisions.join(entities, on=["source", "record_id"], suffix="_of")
    assert joined.height == decisions.height
    assert (joined["entity_id"] == joined["entity_id_of"]).all()


def test_rows__a_linked_record_is_in_its_persons_entity(finished):
    register = table(finished, "entities").filter(pl.col("source") == "register")
    linked = table(finished, "decisions").filter(pl.col("decision") == "link")
    joined = linked.join(register, left_on="person_id", right_on="record_id", suffix="_of")
    assert joined.height == linked.height > 0
    assert (joined["entity_id"] == joined["entity_id_of"]).all()


def test_rows__an_entity_holds_at_most_one_register_person(finished):
    register = table(finished, "entities").filter(pl.col("source") == "register")
    assert not register["entity_id"].is_duplicated().any()


def test_decisions__are_the_known_ones_with_known_reasons(finished):
    decisions = table(finished, "decisions")
    assert set(decisions["decision"]) <= set(DECISIONS)
    assert set(decisions["reasons"].explode()) <= set(REASONS)
    assert decisions["reasons"].list.len().min() > 0
    assert decisions["probability"].is_between(0, 1).all()
    named = decisions.filter(pl.col("decision").is_in(["new", "ineligible"]))
    assert named["person_id"].null_count() == named.height


def test_pairs__hold_at_most_five_a_record_and_every_link(finished):
    pairs, decisions = table(finished, "pairs"), table(finished, "decisions")
    assert pairs.group_by("source_l", "record_id_l").len()["len"].max() <= 5
    linked = decisions.filter(pl.col("decision") == "link").select("source", "record_id", "person_id")
    held = pairs.select(source="source_l", record_id="record_id_l", person_id="record_id_r")
    assert linked.join(held, on=["source", "record_id", "person_id"], how="anti").height == 0


def test_duplicates__are_of_one_entity_and_name_each_record_once(finished):
    orders = table(finished, "duplicates")
    assert orders.height > 0
    assert not orders.select("source", "absorbed_record_id").is_duplicated().any()
    entities = table(finished, "entities")
    sides = [
        orders.join(
            entities, left_on=["source", side], right_on=["source", "record_id"], maintain_order="left"
        )["entity_id"]
        for side in ("survivor_record_id", "absorbed_record_id")
    ]
    assert (sides[0] == sides[1]).all()


def test_review__as_csv_says_what_the_table_says(finished):
    review = table(finished, "review")
    with (finished / "review.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == review.height
    assert [r["record_id_l"] for r in rows] == review["record_id_l"].to_list()
    assert list(rows[0])[:5] == ["review_id", "answer", "vi", "en", "source_l"]
    for row in rows:
        for language, place in (("en", 0), ("vi", 1)):
            assert row[language] == " ".join(REASONS[code][place] for code in row["reasons"].split())


def test_queries__as_csv_say_what_the_table_says_with_texts(finished):
    whole = table(finished, "queries").with_columns(pl.col("source", "field", "code").cast(pl.String))
    for source in (*SOURCES, "register"):
        raw = (finished / "queries" / f"{source}.csv").read_bytes()
        assert raw.startswith(b"\xef\xbb\xbf")
        assert raw.count(b"\r\n") == raw.count(b"\n")
        rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
        mine = whole.filter(pl.col("source") == source)
        told = [(r["record_id"].removeprefix("'"), int(r["line"]), r["field"], r["code"]) for r in rows]
        assert told == list(mine.select("record_id", "line", "field", "code").iter_rows())
        assert all((r["en"], r["vi"]) == QUERIES[r["code"]] for r in rows)
    assert whole.height > 0


def test_run_record__counts_what_the_tables_hold(finished):
    run = json.loads((finished / "run.json").read_text())
    decisions = table(finished, "decisions")
    counted = dict(decisions.group_by("decision").len().iter_rows())
    assert {k: v for k, v in run["decisions"].items() if v} == counted
    for source, by in run["by_source"].items():
        mine = dict(decisions.filter(pl.col("source") == source).group_by("decision").len().iter_rows())
        assert {k: v for k, v in by.items() if v} == mine
    assert run["duplicates"] == table(finished, "duplicates").height
    assert run["model_id"] == json.loads((finished / "model.json").read_text())["model_id"]
    assert [s["stage"] for s in run["stages"]] == list(dict.fromkeys(s["stage"] for s in run["stages"]))
    assert run["peak_memory"] > 50 * 2**20


def test_journal__names_every_stage_and_no_person(finished, nation):
    journal = read_journal(finished / "journal.jsonl")
    stages = {s["stage"] for s in json.loads((finished / "run.json").read_text())["stages"]}
    assert {line["stage"] for line in journal} == stages
    text = (finished / "journal.jsonl").read_text() + (finished / "run.json").read_text()
    register = pl.read_parquet(nation / "register.parquet").head(200)
    for name in register["full_name"].to_list() + register["personal_number"].drop_nulls().to_list():
        assert name not in text


def test_decisions__are_right(finished, nation):
    figures = evaluate_run(finished, nation / "truth")
    link = figures["overall"]["link"]
    assert link["precision"]["value"] >= 0.999
    assert link["recall"]["value"] >= 0.97
    assert figures["duplicates"]["all"]["precision"]["value"] >= 0.98
    assert figures["duplicates"]["all"]["recall"]["value"] >= 0.9
