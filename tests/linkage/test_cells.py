"""Rows of cells: CSV held against Polars and against what a reader gets back, ids against joined texts."""

from __future__ import annotations

import datetime
import io

import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.feeds import read_csv_feed
from linkage.artefacts import content_ids, joined
from linkage.cells import csv_bytes, row_ids
from linkage.spreadsheet import escape

CELLS = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=10),
    st.sampled_from(
        ["=1+1", "'", "''", "+84 9", "-", "@x", "\t", "\r", '"', 'a"b', "a,b", "a\nb", "\r\nx", " "]
    ),
)
NUMBERS = st.one_of(
    st.none(), st.floats(allow_nan=False), st.sampled_from([0.1, 1.0, 1e-7, 1e16, -0.0, -2.5])
)
DAYS = st.one_of(st.none(), st.dates(datetime.date(1850, 1, 1), datetime.date(2100, 1, 1)))
ROWS = st.lists(st.tuples(CELLS, CELLS, NUMBERS, st.integers(-5, 5), DAYS), max_size=8)


def table_of(rows: list[tuple[object, ...]]) -> pa.Table:
    one, two, floats, numbers, days = ([row[c] for row in rows] for c in range(5))
    return pa.table({
        "id": pa.array([bytes([17 * i] * 16) for i in range(len(rows))], pa.binary(16)),
        "one": pa.array(one, pa.large_string()),
        "two": pa.array(two, pa.large_string()).dictionary_encode(),
        "float, value": pa.array(floats, pa.float64()),
        "number": pa.array(numbers, pa.int64()),
        "day": pa.array(days, pa.date32()),
        "codes": pa.array([["x", "y"]] * len(rows), pa.large_list(pa.large_string())),
    })  # fmt: skip


def by_polars(table: pa.Table, *, header: bool) -> bytes:
    """The same by expressions over whole columns."""
    texts = ("one", "two")
    shown = pl.DataFrame(table).select(
        pl.col("id").bin.encode("hex"),
        *(escape(pl.col(c).cast(pl.String)) for c in texts),
        "float, value",
        "number",
        "day",
        escape(pl.col("codes").list.join(" ")),
    )
    out = io.BytesIO()
    shown.write_csv(out, include_bom=header, include_header=header, line_terminator="\r\n")
    return out.getvalue()


@settings(max_examples=80, deadline=None)
@given(ROWS, st.booleans())
def test_csv__is_what_polars_writes_byte_for_byte(rows, header):
    table = table_of(rows)
    assert bytes(csv_bytes(table, header=header)) == by_polars(table, header=header)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_csv__gives_back_every_cell_that_is_not_empty(tmp_path, rows):
    table = table_of([(a, b, 0.5, 1, None) for a, b in rows])
    pieces = [csv_bytes(table.slice(0, 2), header=True), csv_bytes(table.slice(2), header=False)]
    assert b"".join(map(bytes, pieces)) == bytes(csv_bytes(table, header=True))
    (tmp_path / "feed.csv").write_bytes(b"".join(map(bytes, pieces)))
    read = read_csv_feed(tmp_path / "feed.csv")
    assert read["one"].to_list() == [a for a, _ in rows]
    assert read["two"].to_list() == [b for _, b in rows]
    assert read["id"].to_list() == [bytes([17 * i] * 16).hex() for i in range(len(rows))]
    assert set(read["codes"]) == {"x y"}


def test_csv__tells_an_empty_text_from_none():
    table = pa.table({"a": pa.array(["", None], pa.large_string()), "b": pa.array(["x", "y"])})
    assert bytes(csv_bytes(table, header=False)) == b'"",x\r\n,y\r\n'


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=6))
def test_row_ids__are_those_of_the_joined_texts(rows):
    one, two = (pa.array([row[c] for row in rows], pa.large_string()) for c in range(2))
    found = row_ids(["tax", one, two.dictionary_encode()], len(rows))
    texts = joined("tax", *(pl.Series([row[c] for row in rows], dtype=pl.String) for c in range(2)))
    assert np.array_equal(found, content_ids(texts))
