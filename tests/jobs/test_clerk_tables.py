from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.answers import guarded
from jobs.clerk_pages import table_page


def cell(value: Any) -> str:
    """A value as a page shows it."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return f"r{value.hex()}"
    if isinstance(value, float):
        return f"{value or 0.0:.6g}"
    return guarded(" ".join(value) if isinstance(value, list) else str(value))


def slow_page(table: pa.Table, *, header: bool) -> bytes:
    """The twin: value by value, with Python's own writer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if header:
        writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow([cell(v) for v in row.values()])
    return (b"\xef\xbb\xbf" if header else b"") + text.getvalue().encode()


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
special = st.sampled_from(
    ["", " ", "a,b", 'a"b', "a\rb", "a\nb", "=1", "-2", "007", "1E5", "2026-01-01", "\tx"]
)
rows = st.tuples(
    st.binary(min_size=16, max_size=16) | st.none(),
    texts | special | st.none(),
    st.floats(allow_nan=False, allow_infinity=False, width=32) | st.none(),
    st.lists(texts | special, max_size=3) | st.none(),
    st.integers(-5, 5) | st.none(),
    texts | special | st.none(),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(rows, max_size=6), st.booleans())
def test_page__is_what_a_writer_of_single_values_makes(given: list[tuple[Any, ...]], header: bool):
    kinds = [
        pa.binary(16),
        pa.large_string(),
        pa.float64(),
        pa.list_(pa.string()),
        pa.int32(),
        pa.dictionary(pa.int8(), pa.string()),
    ]
    columns = zip(*given, strict=True) if given else [[] for _ in kinds]
    arrays = [pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)]
    table = pa.table(dict(zip("abcdef", arrays, strict=True)))
    assert table_page(table, header=header) == slow_page(table, header=header)


@pytest.mark.parametrize("text", ["=1+1", "+84 912", "-2", "@SUM(A1)", "\tx", "\rx", "'quoted"])
def test_csv__a_text_that_a_spreadsheet_would_run_is_made_harmless(text):
    assert cell(text) == f"'{text}"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12))
def test_csv__what_was_made_harmless_is_undone_by_taking_one_apostrophe_off(text):
    safe = cell(text)
    assert safe[:1] not in ("=", "+", "-", "@", "\t", "\r")
    assert safe.removeprefix("'") == text


def test_csv__opens_in_a_spreadsheet_and_reads_back():
    table = pa.table(
        {
            "record_id_l": ["1", "2"],
            "full_name_l": ['Nguyễn "Tý", A', None],
            "weight": [1.25, -3.0],
            "reasons": [["record_below", "second_candidate"], []],
        }
    )
    made = table_page(table)
    assert made.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(made.decode("utf-8-sig"), newline="")))
    assert rows[0] == table.column_names
    assert rows[1] == ["1", 'Nguyễn "Tý", A', "1.25", "record_below second_candidate"]
    assert rows[2][:2] == ["2", ""]
    assert made == table_page(table.slice(0, 1)) + table_page(table.slice(1), header=False)
