"""Corrections for a file without diacritics, and for cells blank beside a column that knows better."""

from __future__ import annotations

import csv

import polars as pl
import pytest

from data.generator import generate
from tests.end_to_end.apply_feed import read_feed
from tests.end_to_end.runs import run


@pytest.fixture(scope="module")
def bank_nation(tmp_path_factory, compiled):
    folder = tmp_path_factory.mktemp("bank") / "nation"
    generate(folder, 6_000, seed=8, sources=("insurance", "tax", "bank"), cards=True)
    return folder


@pytest.fixture(scope="module")
def bank_run(bank_nation, tmp_path_factory):
    out = tmp_path_factory.mktemp("bank") / "run"
    run(bank_nation, out)
    return out


def planted(nation, source, field):
    errors = pl.read_parquet(nation / "truth" / "errors.parquet").with_columns(
        pl.col("error").cast(pl.String)
    )
    return {
        record: error
        for s, record, f, error in errors.select("source", "record_id", "field", "error").rows()
        if (s, f) == (source, field)
    }


def linked(out, source):
    decisions = pl.read_parquet(out / "decisions.parquet").with_columns(
        pl.col("source", "decision").cast(pl.String)
    )
    return set(decisions.filter((pl.col("source") == source) & (pl.col("decision") == "link"))["record_id"])


def test_names_without_diacritics__are_completed_in_the_same_way(bank_nation, bank_run):
    errors = planted(bank_nation, "bank", "full_name")
    rows = {r["record_id"]: r for r in read_feed(bank_run / "feeds" / "bank") if r["field"] == "full_name"}
    shortened = {r for r, e in errors.items() if e in ("abbreviation", "middle_dropped")}
    shortened &= linked(bank_run, "bank")
    assert shortened
    assert {rows[r]["kind"] for r in shortened} == {"fill"}
    assert rows
    assert all(r["proposed_value"].isascii() for r in rows.values() if r["proposed_value"])
    dropped = sum(r not in errors for r in rows)
    assert dropped <= 0.02 * len(linked(bank_run, "bank"))


def test_scorecard__takes_no_diacritics_for_what_the_file_is(bank_run):
    card = pl.read_parquet(bank_run / "scorecard.parquet").with_columns(
        pl.col("source", "field", "measure").cast(pl.String)
    )
    mine = card.filter(
        (pl.col("source") == "bank") & (pl.col("field") == "full_name") & (pl.col("measure") == "equal")
    )
    assert mine["share"].item() > 0.9


def test_blank_number__is_filled_though_the_tax_code_holds_it(bank_nation, bank_run):
    with (bank_nation / "tax.csv").open(encoding="utf-8", newline="") as stream:
        cells = {r["MST"]: r["SO_GIAY_TO"] for r in csv.DictReader(stream, delimiter=";")}
    borrowed = {mst for mst, number in cells.items() if not number.strip() and len(mst) == 12}
    borrowed &= linked(bank_run, "tax")
    rows = {
        r["record_id"]: r
        for r in read_feed(bank_run / "feeds" / "tax")
        if r["field"] == "personal_number" and r["record_id"] in borrowed
    }
    assert borrowed
    assert rows.keys() == borrowed
    assert {r["kind"] for r in rows.values()} == {"fill"}
    assert not any(r["held_standard"] for r in rows.values())
    assert all(r["proposed_value"] == r["record_id"] for r in rows.values() if r["action"] == "apply")
