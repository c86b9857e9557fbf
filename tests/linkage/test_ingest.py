"""Rows and a contract -> records and rejects; repeated keys over a whole source."""

import datetime as dt
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.contract import Contract, Field
from linkage.errors import ContractError, IntegrityError
from linkage.ingest import (
    REASONS,
    accept,
    balanced,
    drop_repeats,
    repeat_candidates,
    require_columns,
    settle_repeats,
)
from linkage.rows import REJECTS, Extent, Spans, arrow_part

quick = settings(max_examples=200, deadline=None)


def contract(*, required: tuple[str, ...] = (), **rest: Any) -> Contract:
    fields = tuple(Field(column=c, standard=c.lower(), required=c in required) for c in ("NAME", "NOTE"))
    return Contract(schema=1, key="KEY", fields=fields, **rest)


def rows(*given_rows: tuple[str | None, str | None, str | None]) -> pa.Table:
    columns = zip(*given_rows, strict=True)
    return pa.table(
        {n: pa.array(c, pa.string()) for n, c in zip(("KEY", "NAME", "NOTE"), columns, strict=True)}
    )


def test_accept__each_row_is_a_record_or_one_reject_with_the_first_reason():
    table = rows(
        (" a1\t", "Lê Văn A", " x "),
        (None, None, None),
        ("a2", " ", "y"),
        ("a3", "B\x07", "z"),
        ("\u3000", "C", "\x00"),
        ("a4", "D", None),
    )
    intake = accept(arrow_part(table, 3, 1, "KEY"), contract(required=("NAME",)))
    assert intake.records.to_pylist() == [
        {"line": 1, "record_id": "a1", "name": "Lê Văn A", "note": " x "},
        {"line": 6, "record_id": "a4", "name": "D", "note": None},
    ]
    assert [(r["file"], r["line"], r["code"], r["column"]) for r in intake.rejects.to_pylist()] == [
        (3, 2, "missing_key", "KEY"),
        (3, 3, "missing_field", "NAME"),
        (3, 4, "control_character", "NAME"),
        (3, 5, "control_character", "NOTE"),
    ]
    assert intake.rejects.schema == REJECTS
    assert intake.refused() == {"control_character": 2, "missing_field": 1, "missing_key": 1}
    assert intake.rows_in == 6


def test_accept__unreadable_values_refuse_nothing():
    fields = (Field(column="NAME", standard="birth_date", formats=("dd/mm/yyyy",), required=True),)
    agreed = Contract(schema=1, key="KEY", fields=fields)
    intake = accept(arrow_part(rows(("1", "99/99/ab", None)).select(["KEY", "NAME"]), 0, 1, "KEY"), agreed)
    assert intake.records.column("birth_date").to_pylist() == ["99/99/ab"]


def test_accept__the_key_may_also_be_a_field():
    agreed = Contract(schema=1, key="KEY", fields=(Field(column="KEY", standard="person_id"),))
    intake = accept(arrow_part(rows((" 7", None, None)).select(["KEY"]), 0, 1, "KEY"), agreed)
    assert intake.records.to_pylist() == [{"line": 1, "record_id": "7", "person_id": "7"}]


def test_require_columns__speaks_of_one_column_and_of_several():
    with pytest.raises(ContractError, match="lacks column 'NAME';"):
        require_columns(["KEY", "NOTE"], contract())
    with pytest.raises(ContractError, match="lacks columns 'KEY', "):
        require_columns(["OTHER"], contract())


def test_require_columns__names_what_is_missing():
    require_columns(["NOTE", "KEY", "NAME"], contract())
    with pytest.raises(ContractError, match=r"'NAME', 'NOTE'.*Did you mean 'NAMES'"):
        require_columns(["KEY", "NAMES"], contract())


@quick
@given(
    st.lists(st.lists(st.integers(0, 40).map(lambda v: v * 2**58 % 2**64), max_size=30), max_size=5),
    st.sampled_from([1, 5, 1000]),
)
def test_repeat_candidates__are_the_rows_whose_hash_is_not_alone(parts: list[list[int]], bucket: int):
    counted = Counter(value for part in parts for value in part)
    wanted = [[row for row, value in enumerate(part) if counted[value] > 1] for part in parts]
    got = repeat_candidates([np.array(part, np.uint64) for part in parts], bucket)
    assert [rows.tolist() for rows in got] == wanted


def candidates(*members: tuple[str, str | None]) -> pa.Table:
    return pa.table(
        {
            "part": pa.array([i % 2 for i in range(len(members))], pa.int32()),
            "row": pa.array(range(len(members)), pa.int64()),
            "record_id": pa.array([m[0] for m in members], pa.large_string()),
            "order_by": pa.array([m[1] for m in members], pa.large_string()),
        }
    )


def settled(table: pa.Table, agreed: Contract) -> dict[int, str]:
    got = settle_repeats(table, agreed)
    order = list(zip(got.column("part").to_pylist(), got.column("row").to_pylist(), strict=True))
    assert order == sorted(order)
    return dict(zip(got.column("row").to_pylist(), got.column("code").to_pylist(), strict=True))


def test_settle_repeats__reject_refuses_every_row_of_a_repeated_key():
    table = candidates(("a", None), ("b", None), ("a", None), ("c", None), ("a", None)).drop(["order_by"])
    assert settled(table, contract()) == dict.fromkeys((0, 2, 4), "repeated_key")


@pytest.mark.parametrize(
    ("values", "stays"),
    [
        (["9", "10", "8"], 1),
        (["2024-01-02", "2024-01-10", "2023-12-31"], 1),
        (["b", "a", None], 0),
        ([None, "a"], 1),
        (["10", "9", "x"], 2),
        (["+5", "-7", "05x"], 2),
        (["7", "07", "3"], None),
        (["same", "same"], None),
        ([None, None], None),
        (["1" * 5000, "2"], 1),
    ],
)
def test_settle_repeats__last_keeps_the_greatest(values: list[str | None], stays: int | None):
    got = settled(candidates(*(("k", v) for v in values)), contract(on_repeat="last", order_by="NOTE"))
    if stays is None:
        assert got == dict.fromkeys(range(len(values)), "repeated_key_tie")
    else:
        assert got == {i: "superseded" for i in range(len(values)) if i != stays}


orders = st.one_of(
    st.none(),
    st.integers(-20, 20).map(str),
    st.integers(0, 9).map("{:+d}".format),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from([" 7", "7 ", "007", "x", "é", "Z", "\U0001f600", "\uffff", "1" * 101]),
)


def greatest(values: list[str | None]) -> dict[int, str]:
    """What falls of one key's rows, by Python's own numbers and texts."""
    present = [value.strip() for value in values if value is not None]
    numbers = all(re.fullmatch("[+-]?[0-9]{1,100}", value) for value in present)
    ranks = [(0, 0, "") if v is None else ((1, int(v), "") if numbers else (1, 0, v)) for v in values]
    best = max(ranks)
    if ranks.count(best) > 1:
        return dict.fromkeys(range(len(values)), "repeated_key_tie")
    return {i: "superseded" for i, rank in enumerate(ranks) if rank != best}


@quick
@given(st.lists(st.lists(orders, min_size=1, max_size=4), min_size=1, max_size=6))
def test_settle_repeats__of_many_keys_is_that_of_each(keys: list[list[str | None]]):
    table = candidates(*((f"k{n}", value) for n, values in enumerate(keys) for value in values))
    wanted: dict[int, str] = {}
    at = 0
    for values in keys:
        if len(values) > 1:
            wanted |= {at + i: code for i, code in greatest(values).items()}
        at += len(values)
    assert settled(table, contract(on_repeat="last", order_by="NOTE")) == wanted


@quick
@given(
    st.lists(st.dates(dt.date(1900, 1, 1), dt.date(2030, 1, 1)), min_size=2, max_size=6, unique=True),
    st.sampled_from(
        [("dd/mm/yyyy", "%d/%m/%Y"), ("d/m/yyyy", "%d/%m/%Y"), ("yyyymmdd", "%Y%m%d"), ("yyyy-mm-dd", "%F")]
    ),
)
def test_settle_repeats__dates_are_ordered_as_dates(days: list[dt.date], form: tuple[str, str]):
    field = Field(column="WHEN", standard="death_date", formats=("yyyy", form[0]))
    agreed = Contract(schema=1, key="KEY", on_repeat="last", order_by="WHEN", fields=(field,))
    texts = [day.strftime(form[1]) for day in days]
    got = settled(candidates(*(("k", text) for text in texts), ("k", "never"), ("k", None)), agreed)
    latest = days.index(max(days))
    assert got == {i: "superseded" for i in range(len(days) + 2) if i != latest}


def test_drop_repeats__moves_rows_with_their_text_and_keeps_the_balance():
    agreed = contract(on_repeat="last", order_by="NOTE")
    raw = arrow_part(rows(("a", "A", "1"), (None, "B", "2"), ("a", "C", "3")), 0, 11, "KEY")
    intake = accept(raw, agreed)
    assert intake.keys.column("order_by").to_pylist() == ["1", "3"]
    dropped = drop_repeats(
        intake, 0, {0: "superseded"}, ["the row"], Spans(raw.spans.lines[:1], raw.spans.bytes[:1]), "KEY"
    )
    assert dropped.records.column("name").to_pylist() == ["C"]
    assert dropped.keys.num_rows == 1
    assert [(r["line"], r["code"]) for r in dropped.rejects.to_pylist()] == [
        (11, "superseded"),
        (12, "missing_key"),
    ]
    assert dropped.rejects.column("row")[0].as_py() == "the row"
    assert dropped.text == {
        "accepted": Extent(1, 0),
        "refused": Extent(2, 0),
        "blank": Extent(),
        "whole": Extent(3, 0),
    }


def test_balanced__a_row_a_line_or_a_byte_too_many_is_an_integrity_error():
    intake = accept(arrow_part(rows(("a", "A", "1"), (None, "B", "2")), 0, 1, "KEY"), contract())
    assert balanced(intake) is intake
    for wrong in (
        replace(intake, rows_in=3),
        replace(intake, text={**intake.text, "whole": Extent(3, 0)}),
        replace(intake, text={**intake.text, "blank": Extent(0, 1)}),
    ):
        with pytest.raises(IntegrityError, match="E-INTEGRITY-002"):
            balanced(wrong)


def test_reasons__every_code_has_a_text():
    assert all(code == code.lower() and text for code, text in REASONS.items())
