"""Files of judgements in the dialects that spreadsheet programs write."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.answers import (
    CANNOT,
    KEYS,
    MUST,
    decoded,
    guarded,
    read_answers,
    review_bytes,
    review_text,
    unguarded,
)
from linkage.errors import ContractError

PAIR = bytes(range(16))
HEAD = ["review_id", *KEYS, "answer"]
ROWS = [
    [review_text(PAIR), "tax", "'001", "register", "P-1", "must_link"],
    [review_text(PAIR), "tax", "2", "register", "P-2", ""],
    [review_text(PAIR), "tax", "3", "register", "P-3", "Không"],
]


def table(rows, delimiter=",", quoting=csv.QUOTE_MINIMAL, end="\r\n"):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(rows)
    return out.getvalue()


def read(tmp_path, data, listed=MUST, name="review.csv"):
    path = tmp_path / name
    path.write_bytes(data)
    return read_answers(path, listed)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1258"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_read__gives_the_same_answers_whatever_program_saved_them(
    tmp_path, delimiter, encoding, quoting, end
):
    text = table([HEAD, *ROWS], delimiter, quoting, end)
    found = read(tmp_path, text.encode(encoding))
    assert [(a.answer, a.keys[1], a.line) for a in found.answers] == [(MUST, "001", 2), (CANNOT, "3", 4)]
    assert [a.pair for a in found.answers] == [PAIR, PAIR]
    assert (found.blank, found.speaks) == (1, True)


def test_read__takes_columns_in_any_order_and_passes_over_further_ones(tmp_path):
    rows = [[*reversed(HEAD), "note"], *([*reversed(row), "?"] for row in ROWS)]
    found = read(tmp_path, table(rows).encode())
    assert [a.keys for a in found.answers] == [
        ("tax", "001", "register", "P-1"),
        ("tax", "3", "register", "P-3"),
    ]


def test_read__a_line_that_names_the_delimiter_is_one_of_excel(tmp_path):
    found = read(tmp_path, ("sep=;\r\n" + table([HEAD, *ROWS], ";")).encode())
    assert [(a.answer, a.line) for a in found.answers] == [(MUST, 3), (CANNOT, 5)]


def test_line__is_the_physical_one_though_cells_hold_line_ends(tmp_path):
    rows = [[*HEAD, "note"], [*ROWS[0], "two\nlines"], [*ROWS[2], ""]]
    found = read(tmp_path, table(rows, end="\n").encode())
    assert [a.line for a in found.answers] == [2, 4]


def test_read__without_an_answer_column_every_row_says_what_its_list_says(tmp_path):
    rows = [list(KEYS), ["tax", "1", "register", "P-1"], ["", "", "", ""], ["tax", "2", "register", "P-2"]]
    for listed in (MUST, CANNOT):
        found = read(tmp_path, table(rows).encode(), listed)
        assert [a.answer for a in found.answers] == [listed, listed]
        assert not found.speaks


def test_read__review_ids_alone_are_enough(tmp_path):
    found = read(tmp_path, table([["review_id", "answer"], [PAIR.hex().upper(), "YES"]]).encode())
    assert [(a.answer, a.pair, a.damaged) for a in found.answers] == [(MUST, PAIR, True)]


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("must_link", MUST), ("Must Link", MUST), ("must-link", MUST), (" YES ", MUST), ("y", MUST),
        ("có", MUST), ("Co\u0301", MUST), ("CÓ.", MUST), ("co", MUST), ('"yes"', MUST), ("'yes", MUST),
        ("cannot_link", CANNOT), ("no", CANNOT), ("N", CANNOT), ("KHÔNG", CANNOT), ("khong", CANNOT),
        ("x", ""), ("?", ""), ("maybe", ""), ("1", ""), ("có thể", ""),
    ],
)  # fmt: skip
def test_words__of_an_answer(tmp_path, word, answer):
    found = read(tmp_path, table([HEAD, [*ROWS[0][:5], word]]).encode())
    assert [a.answer for a in found.answers] == [answer]


@pytest.mark.parametrize("key", ["1.23457E+11", "1,23457E+11", "1E+05", "#REF!", "#N/A", ""])
def test_damaged__what_a_spreadsheet_makes_of_a_long_number(tmp_path, key):
    found = read(tmp_path, table([HEAD, ["", "tax", key, "register", "P-1", "no"]]).encode())
    assert [a.damaged for a in found.answers] == [True]


def test_file__without_columns_that_name_records_is_refused(tmp_path):
    for text in ("a,b\r\n1,2\r\n", "", "source_l,record_id_l\r\n", "\r\n\r\n"):
        with pytest.raises(ContractError, match="E-INPUT-012"):
            read(tmp_path, text.encode())


def test_file__with_a_cell_beyond_all_measure_is_refused_by_its_line(tmp_path):
    rows = [HEAD, ROWS[0], [*ROWS[0][:5], "x" * (2 << 20)]]
    with pytest.raises(ContractError, match="E-INPUT-012.*line 3"):
        read(tmp_path, table(rows).encode())


def test_decoded__legacy_text_is_composed():
    assert decoded("không, có".encode("cp1258")) == "không, có"


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30))
def test_guard__is_undone_exactly(text):
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize(
    "text", ["=1+1", "+84", "-1", "@x", "'a", "0123", "012345678901", "123456789012", "1E5"]
)
def test_guard__stands_before_what_a_spreadsheet_would_run_or_change(text):
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["0", "12345", "A-1", "Nguyễn Văn An", "", "01/02/1990"])
def test_guard__leaves_the_rest_alone(text):
    assert guarded(text) == text


@given(st.binary(min_size=16, max_size=16))
def test_review_id__survives_as_text_and_is_no_number(pair):
    text = review_text(pair)
    assert review_bytes(text) == review_bytes(text[1:]) == review_bytes(text.upper()) == pair
    with pytest.raises(ValueError, match="could not convert"):
        float(text)
    assert review_bytes(text[:-1]) is None


def test_answers__a_damaged_parquet_file_is_refused_with_its_code(tmp_path):
    (tmp_path / "answers.parquet").write_bytes(b"PAR1junk")
    with pytest.raises(ContractError) as caught:
        read_answers(tmp_path / "answers.parquet", "must_link")
    assert caught.value.code == "E-INPUT-012"


def test_answers__leave_the_limits_of_the_process_as_they_are(tmp_path):
    """A raised limit let a header of more than 1 MiB pass, cut off, in the next source that was opened."""
    before = csv.field_size_limit()
    (tmp_path / "answers.csv").write_text("review_id,answer\nr1,x\n", encoding="utf-8")
    assert read_answers(tmp_path / "answers.csv", "must_link").answers
    assert csv.field_size_limit() == before
