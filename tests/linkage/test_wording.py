"""Numbers, shares and days in two languages, and columns that line up."""

from __future__ import annotations

import datetime
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage import wording
from linkage.contract import STANDARD_NAMES


@pytest.mark.parametrize(
    ("number", "english", "vietnamese"),
    [(0, "0", "0"), (999, "999", "999"), (1000, "1,000", "1.000"), (1234567, "1,234,567", "1.234.567")],
)
def test_count__is_grouped_as_the_language_does(number, english, vietnamese):
    assert (wording.count(number, "en"), wording.count(number, "vi")) == (english, vietnamese)


@pytest.mark.parametrize(
    ("value", "english", "vietnamese"),
    [
        (None, "-", "-"), (0.0, "0 %", "0 %"), (1.0, "100 %", "100 %"), (0.125, "12.5 %", "12,5 %"),
        (0.99999, "99.999 %", "99,999 %"), (0.1, "10 %", "10 %"), (1 / 3, "33.3333 %", "33,3333 %"),
    ],
)  # fmt: skip
def test_share__is_a_percentage_without_idle_zeros(value, english, vietnamese):
    assert (wording.share(value, "en"), wording.share(value, "vi")) == (english, vietnamese)


def test_day__is_written_out_in_english_and_by_digits_in_vietnamese():
    day = datetime.date(2026, 3, 5)
    assert (wording.day(day, "en"), wording.day(day, "vi")) == ("5 March 2026", "05/03/2026")


def test_fields__every_standard_one_has_a_name_in_both_languages():
    assert set(STANDARD_NAMES) <= set(wording.FIELDS)
    for english, vietnamese in wording.FIELDS.values():
        assert english != vietnamese
        assert unicodedata.is_normalized("NFC", vietnamese)
    assert wording.field_name("full_name", "vi") == "họ và tên"
    assert wording.field_name("blood_group", "vi") == "blood_group"


cells = st.text(st.characters(codec="utf-8", categories=("L", "Nd", "Mn")), max_size=12)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8))
def test_columns__end_in_one_place(table):
    lines = wording.columns([[a, b, f"{c}x"] for a, b, c in table])
    assert len({wording.width(line) for line in lines}) == 1
    flush = wording.aligned([(a, f"{b}x") for a, b, _ in table])
    assert len({wording.width(line) for line in flush}) == 1


@given(st.text(st.sampled_from("ab ế"), max_size=400))
def test_wrapped__loses_no_word_and_keeps_to_the_page(text):
    lines = wording.wrapped(text, indent=2, hang=2)
    assert " ".join(lines).split() == text.split()
    assert all(len(line) <= wording.PAGE or " " not in line.strip() for line in lines)
