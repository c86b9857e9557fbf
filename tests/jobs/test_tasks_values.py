"""Published repairs and queries against the files of the nation, read with other means."""

from __future__ import annotations

import dataclasses
from collections import Counter

import polars as pl
import pytest

from data.generator import generate
from data.generator.rates import Rates
from jobs.run import run_project
from jobs.store import read_table
from jobs.workspace import Workspace, frame
from linkage import tables
from linkage.queries import NUMBER_OF_MANY, QUERIES
from linkage.repairs import OUTCOMES

COLUMNS = {
    "insurance": ("SO_BHXH", "SO_DINH_DANH", "HO_TEN", ","),
    "tax": ("MST", "SO_GIAY_TO", "TEN_NGUOI_NOP_THUE", ";"),
}


@pytest.fixture(scope="module")
def nation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs") / "nation"
    rates = Rates()
    more = {
        name: dataclasses.replace(getattr(rates, name), name_telex=0.1, lost_zero=0.1, clerk_number=0.05)
        for name in COLUMNS
    }
    generate(folder, 800, seed=5, rates=dataclasses.replace(rates, **more), sources=tuple(COLUMNS))
    return folder


@pytest.fixture(scope="module")
def run(nation, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    run_project(nation / "project.toml", out, parts=2, keep_work=True)
    yield out
    Workspace.open.cache_clear()


def read(path):
    return pl.read_parquet(path).with_columns(pl.col(pl.Categorical).cast(pl.String))


def extract(nation, source):
    """Line, number and name of every record by its key; the files of these tests have a line a record."""
    key, number, name, delimiter = COLUMNS[source]
    held = pl.read_csv(nation / f"{source}.csv", separator=delimiter, infer_schema=False)
    return {
        row[key]: (place + 2, row[number], row[name]) for place, row in enumerate(held.iter_rows(named=True))
    }


@pytest.mark.parametrize("name", ["repairs", "queries"])
def test_values__are_all_of_the_parts_in_order(run, name):
    table = {"repairs": tables.REPAIRS, "queries": tables.QUERIES}[name]
    held = read(run / f"{name}.parquet")
    assert held.columns == list(table.columns)
    assert held.equals(held.sort(*table.sorted_by, maintain_order=True))
    space = Workspace.open(str(run / "work"))
    noted = Counter()
    for source, part, _, _ in space.layout["parts"]:
        ids = space.records(source, part).column("record_id").to_pylist()
        rows = frame(read_table(space.path("standard", f"{source:02d}-{part:05d}.{name}.arrow")))
        what = "kind" if name == "repairs" else "code"
        for row, field, code in rows.select("row", "field", what).iter_rows():
            noted[space.sources[source].name, ids[row], field, code] += 1
    published = Counter(
        held.select("source", "record_id", "field", "kind" if name == "repairs" else "code").iter_rows()
    )
    extra = published - noted
    assert not noted - published
    assert {code for *_, code in extra} <= {"number_of_many"}


def test_queries__tell_the_line_and_the_numbers_of_many(nation, run):
    held = read(run / "queries.parquet")
    assert set(held["code"]) <= set(QUERIES)
    many = 0
    for source in COLUMNS:
        records = extract(nation, source)
        mine = held.filter(pl.col("source") == source)
        assert all(records[key][0] == line for key, line in mine.select("record_id", "line").iter_rows())
        # A number that lost its zeros is the same number.
        whole = {key: (number or "").zfill(12) for key, (_, number, _) in records.items()
                 if number and number.isdigit() and len(number) > 9}  # fmt: skip
        counts = Counter(whole.values())
        wanted = {key for key, number in whole.items() if counts[number] >= NUMBER_OF_MANY}
        found = mine.filter((pl.col("code") == "number_of_many") & (pl.col("field") == "personal_number"))
        assert set(found["record_id"]) == wanted
        many += len(wanted)
    assert many > 0


def test_repairs__outcomes_follow_the_linked_person(nation, run):
    people = {r["person_id"]: r for r in pl.read_parquet(nation / "register.parquet").iter_rows(named=True)}
    linked = {
        (source, key): person
        for source, key, decision, person in read(run / "decisions.parquet")
        .select("source", "record_id", "decision", "person_id")
        .iter_rows()
        if decision == "link"
    }
    seen = Counter()
    for source in COLUMNS:
        records = extract(nation, source)
        for repair in read(run / "repairs.parquet").filter(pl.col("source") == source).iter_rows(named=True):
            assert repair["outcome"] in OUTCOMES
            person = people.get(linked.get((source, repair["record_id"])))
            if person is None:
                assert repair["outcome"] in ("open", "undone")
            elif repair["kind"] == "leading_zero" and repair["field"] == "personal_number":
                whole = records[repair["record_id"]][1].zfill(12)
                agrees = whole == person["personal_number"]
                assert repair["outcome"] in (("explains", "undone") if agrees else ("undone", "open"))
                seen["zero", repair["outcome"]] += 1
            elif repair["kind"] == "telex":
                seen["telex", repair["outcome"]] += 1
    assert seen["zero", "explains"] > 20
    assert seen["telex", "explains"] > 20
    assert seen["telex", "explains"] > 10 * seen["telex", "undone"]
