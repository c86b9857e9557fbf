"""The scorecard: each measure is the count that its definition says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage import tables
from linkage.agreement import RELATIONS
from linkage.scorecard import (
    AIMS,
    MEASURES,
    FieldCounts,
    SourceCounts,
    as_columns,
    scorecard,
    scorecard_text,
)


def relations(**by_name):
    return np.array([by_name.get(name, 0) for name in RELATIONS], np.int64)


NAME = FieldCounts(
    filled=990,
    repaired=20,
    readable=985,
    relations=relations(
        nothing=40,
        equal=900,
        held_empty=5,
        register_empty=3,
        less=30,
        more=2,
        earlier=8,
        different=10,
        unreadable=2,
    ),
)
TAX = SourceCounts(
    rows=1010, accepted=1000, fields={"full_name": NAME, "commune": NAME, "note": FieldCounts(100, 0)},
    linked=960, false_links=0.048, duplicates=15, dead_unmarked=4, days_behind=3,
)  # fmt: skip
REGISTER = SourceCounts(rows=5000, accepted=5000, fields={"full_name": FieldCounts(5000, 1, 4999)})


@pytest.fixture(scope="module")
def rows():
    return scorecard({"tax": TAX, "register": REGISTER})


def figure(rows, measure, field=None, source="tax"):
    (row,) = [r for r in rows if (r.source, r.measure, r.field) == (source, measure, field)]
    return row


@pytest.mark.parametrize(
    ("measure", "field", "part", "whole"),
    [
        ("equal", "full_name", 900, 950),
        ("current", "full_name", 942, 950),
        ("current", "commune", 932, 950),
        ("filled", "full_name", 990, 1000),
        ("readable", "full_name", 985, 990),
        ("as_declared", "full_name", 970, 990),
        ("filled", "note", 100, 1000),
        ("linked", None, 960, 1000),
        ("accepted", None, 1000, 1010),
        ("single", None, 985, 1000),
        ("dead_marked", None, 956, 960),
    ],
)
def test_measure__is_so_many_of_so_many(rows, measure, field, part, whole):
    row = figure(rows, measure, field)
    assert (row.part, row.whole, row.share) == (part, whole, part / whole)
    assert row.aim == MEASURES[measure].aim


def test_links_right__is_the_expected_share(rows):
    row = figure(rows, "links_right")
    assert (row.part, row.whole) == (960, 960)
    assert row.share == pytest.approx(1 - 0.048 / 960, abs=1e-12)


def test_days_behind__is_a_number_and_no_share(rows):
    row = figure(rows, "days_behind")
    assert (row.part, row.whole, row.share) == (3, 0, None)


def test_fields__that_are_not_compared_or_read_have_no_such_row(rows):
    assert {r.measure for r in rows if r.field == "note"} == {"filled", "as_declared"}
    of_register = {(r.field, r.measure) for r in rows if r.source == "register"}
    assert of_register == {
        (None, "accepted"), ("full_name", "filled"), ("full_name", "readable"), ("full_name", "as_declared")
    }  # fmt: skip


def test_rows__fit_the_declared_table_and_are_sorted_as_it_says(rows):
    declared = tables.SCORECARD
    columns = as_columns(rows)
    table = declared.check(pa.table({n: pa.array(columns[n], c.type) for n, c in declared.columns.items()}))
    assert table.num_rows == len(rows)
    keys = [(r.source, r.aim, r.field is not None, r.field or "", r.measure) for r in rows]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_text__tells_all_figures_and_every_definition_in_both_languages(rows):
    text = scorecard_text(rows, ["register", "tax"])
    vietnamese, english = text.split("SCORECARD")
    for measure in MEASURES.values():
        place = (english, vietnamese)
        for page, said in zip(place, measure.definition, strict=True):
            assert " ".join(said.split()) in " ".join(page.split())
        assert AIMS[measure.aim][1] in vietnamese
    assert "94,74 %" in vietnamese
    assert "94.74 %" in english
    assert "956 / 960" in english
    assert vietnamese.index("\nregister\n") < vietnamese.index("\ntax\n")


def test_nothing__is_measured_of_nothing():
    empty = SourceCounts(0, 0, {"sex": FieldCounts(0, 0, 0, relations())}, linked=0)
    rows = scorecard({"tax": empty})
    assert all(r.share is None and r.part == 0 and r.whole == 0 for r in rows)
    assert "sex" in scorecard_text(rows, ["tax"])


@given(st.lists(st.integers(0, 10**6), min_size=len(RELATIONS), max_size=len(RELATIONS)))
def test_shares__are_shares_and_stale_is_never_equal(counts):
    held = FieldCounts(10**7, 10**6, 10**6, np.array(counts, np.int64))
    rows = scorecard({"tax": SourceCounts(10**7, 10**7, {"phone": held, "commune": held}, linked=10**7)})
    by = {(r.measure, r.field): r for r in rows}
    told = dict(zip(RELATIONS, counts, strict=True))
    compared = sum(told[n] for n in ("equal", "less", "more", "earlier", "different"))
    for field in ("phone", "commune"):
        equal, current = by["equal", field], by["current", field]
        assert equal.part == told["equal"]
        assert equal.whole == current.whole == compared
        assert equal.part <= current.part <= compared
    assert by["current", "phone"].part == compared - told["earlier"]
    assert by["current", "commune"].part == compared - told["earlier"] - told["different"]
    assert all(r.share is None or 0 <= r.share <= 1 for r in rows)
