from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.clerk_pages import cell, table_page


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
