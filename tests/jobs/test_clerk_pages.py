"""Pages of refused rows and of queries: whole, in order, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.clerk_pages import SHOWN, write_queries, write_rejects
from jobs.store import read_parquet, write_parquet
from linkage import tables
from linkage.queries import QUERIES
from linkage.receipt import REFUSALS
from linkage.rows import reject_table


def rows_of(path):
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    reader = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
    return next(reader), list(reader)


@pytest.fixture
def rejects():
    rows = ["=HYPERLINK(1)", '1;"Nguyễn\r\nVăn A', "001079000001", "a" * (SHOWN + 5), "plain, row"]
    codes = ["field_count", "unclosed_quote", "missing_field", "record_too_long", "missing_key"]
    columns = [None, None, "TÊN", None, "KEY"]
    first = reject_table(1, [9, 3], codes[:2], columns[:2], pa.array(rows[:2], pa.large_string()))
    second = reject_table(0, [7, 2, 12], codes[2:], columns[2:], pa.array(rows[2:], pa.large_string()))
    return pa.concat_tables([first, second])


def test_rejects__are_told_by_file_and_line_with_the_row_as_it_came(tmp_path, rejects):
    path = tmp_path / "tax.parquet"
    assert write_rejects(path, rejects, [Path("/in/b.csv"), Path("/in/a.csv")]) == 5
    assert read_parquet(path).to_pylist() == rejects.to_pylist()
    head, rows = rows_of(tmp_path / "tax.csv")
    assert head == ["file", "line", "column", "code", "row", "en", "vi"]
    assert [(r[0], int(r[1]), r[2]) for r in rows] == [
        ("a.csv", 2, ""),
        ("a.csv", 7, "TÊN"),
        ("a.csv", 12, "KEY"),
        ("b.csv", 3, ""),
        ("b.csv", 9, ""),
    ]
    assert [r[4] for r in rows] == [
        "a" * SHOWN,
        "'001079000001",
        "plain, row",
        '1;"Nguyễn\r\nVăn A',
        "'=HYPERLINK(1)",
    ]
    assert all((r[5], r[6]) == REFUSALS[r[3]] for r in rows)


def test_rejects__of_a_source_without_any_are_a_page_with_its_heading(tmp_path, rejects):
    assert write_rejects(tmp_path / "tax.parquet", rejects.slice(0, 0), [Path("a.csv")]) == 0
    assert rows_of(tmp_path / "tax.csv") == (["file", "line", "column", "code", "row", "en", "vi"], [])


def test_queries__stand_in_the_page_of_their_source_with_keys_that_a_spreadsheet_keeps(tmp_path):
    told = [
        ("insurance", "0012", 2, "birth_date", "impossible_date"),
        ("tax", "-5", 9, "sex", "unknown_code"),
        ("tax", "x1", 4, "personal_number", "number_of_many"),
    ]
    columns = {
        n: [row[i] for row in told] for i, n in enumerate(("source", "record_id", "line", "field", "code"))
    }
    write_parquet(tmp_path / "queries.parquet", tables.QUERIES.check(pa.table(columns)))
    write_queries(tmp_path, ["insurance", "tax", "education"])
    head = ["record_id", "line", "field", "code", "en", "vi"]
    pages = {s: rows_of(tmp_path / "queries" / f"{s}.csv") for s in ("insurance", "tax", "education")}
    assert all(page[0] == head for page in pages.values())
    assert pages["education"][1] == []
    assert pages["insurance"][1] == [
        ["'0012", "2", "birth_date", "impossible_date", *QUERIES["impossible_date"]]
    ]
    assert [r[:4] for r in pages["tax"][1]] == [
        ["'-5", "9", "sex", "unknown_code"],
        ["x1", "4", "personal_number", "number_of_many"],
    ]
