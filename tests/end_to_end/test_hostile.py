"""A nation in every form agencies send: old encodings, packed files, sheets, rows that no reader takes."""

from __future__ import annotations

import polars as pl
import pytest

from data.generator import DEFAULT, SOURCES, fitting, generate, parse_forms
from tests.end_to_end.runs import run

FORMS = (
    ("encoding", "insurance=tcvn3"), ("encoding", "tax=vni"), ("encoding", "education=utf-16"),
    ("encoding", "vehicles=cp1258"), ("delimiter", "vehicles=semicolon"), ("compress", "insurance=gzip"),
    ("compress", "education=zstd"), ("format", "bank=excel"), ("format", "exam=arrow"),
    ("format", "onestop=parquet"), ("dates", "mixed"), ("declare", "tax=auto"), ("declare", "vehicles=auto"),
)  # fmt: skip
#: Why each kind of broken row is refused.
REASONS = {
    "stray_quote": {"stray_quote", "unclosed_quote", "record_too_long"},
    "short_row": {"field_count"},
    "long_row": {"field_count"},
    "control_character": {"control_character"},
    "bad_byte": {"bad_encoding", "control_character"},
    "missing_key": {"missing_key"},
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, compiled):
    """A hostile nation and the folder of its run."""
    folder = tmp_path_factory.mktemp("hostile")
    forms = parse_forms(FORMS)
    rates = fitting(DEFAULT.hostile(), forms)
    for source in SOURCES:
        rates = rates.replaced(f"{source}.broken_rows", 0.02)
    generate(folder / "nation", 3_000, seed=6, sources=SOURCES, forms=forms, rates=rates, cards=True, files=2)
    run(folder / "nation", folder / "run")
    return folder


def test_refused__are_the_broken_rows_and_nothing_else(hostile):
    errors = pl.read_parquet(hostile / "nation/truth/errors.parquet").filter(pl.col("field") == "row")
    for source in SOURCES:
        planted = {
            (file, int(line)): kind
            for file, line, kind in errors.filter(pl.col("source") == source)
            .select("true_value", "held", "error")
            .iter_rows()
        }
        files = sorted(path.name for path in (hostile / "nation").glob(f"{source}-*"))
        rejects = pl.read_parquet(hostile / f"run/rejects/{source}.parquet")
        told = {
            (files[file], line): code
            for file, line, code in rejects.select("file", "line", "code").iter_rows()
        }
        assert set(told) == set(planted), source
        assert all(told[place] in REASONS[kind] for place, kind in planted.items()), source
    assert set(errors["source"]) >= {"insurance", "tax", "education", "vehicles", "bank"}


def test_records__are_those_of_the_truth(hostile):
    truth = pl.read_parquet(hostile / "nation/truth/entities.parquet").select("source", "record_id")
    entities = pl.read_parquet(hostile / "run/entities.parquet").select("source", "record_id")
    assert sorted(entities.iter_rows()) == sorted(truth.iter_rows())


def test_links__are_of_the_right_person_all_the_same(hostile):
    truth = pl.read_parquet(hostile / "nation/truth/entities.parquet")
    decided = pl.read_parquet(hostile / "run/decisions.parquet").join(truth, on=["source", "record_id"])
    of_persons = decided.filter(pl.col("true_person_id").str.starts_with("P"))
    links = decided.filter(pl.col("decision") == "link")
    assert (links["person_id"] == links["true_person_id"]).all()
    assert links.height > 0.97 * of_persons.height
