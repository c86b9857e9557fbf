import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.vietnam.phones import MIGRATED, standardise_phones


def one(value):
    return standardise_phones(pl.Series([value], dtype=pl.String)).row(0, named=True)


TABLE_OF_2018 = """
0120 070 0121 079 0122 077 0126 076 0128 078 0123 083 0124 084 0125 085 0127 081 0129 082
0162 032 0163 033 0164 034 0165 035 0166 036 0167 037 0168 038 0169 039 0186 056 0188 058 0199 059
""".split()


def test_migration__is_the_table_of_2018():
    assert dict(zip(TABLE_OF_2018[::2], TABLE_OF_2018[1::2], strict=True)) == MIGRATED


@pytest.mark.parametrize(("old", "new"), sorted(MIGRATED.items()))
def test_phones__eleven_digits_become_ten(old, new):
    for text in (f"{old}5550137", f"{old[1:]}5550137", f"+84{old[1:]}5550137"):
        assert one(text) == {
            "digits": int(f"{new}5550137"),
            "length": 10,
            "issue": None,
            "repair": "migrated",
        }


@pytest.mark.parametrize(
    ("value", "repair"),
    [
        ("0912345670", None),
        ("0912 345 670", None),
        ("0912.345.670", None),
        ("(0912) 345-670", None),
        ("0912345670 / 0987000111", None),
        ("０９１２３４５６７０", None),
        ("+84912345670", "country_code"),
        ("84912345670", "country_code"),
        ("0084 912 345 670", "country_code"),
        ("+84(0)912345670", "country_code"),
        ("912345670", "leading_zero"),
        ("912345670.0", "leading_zero"),
    ],
)
def test_phones__spellings_of_one_number(value, repair):
    assert one(value) == {"digits": 912_345_670, "length": 10, "issue": None, "repair": repair}


def test_phones__landlines_have_eleven_digits():
    for value in ("02438123456", "2438123456", "+84 24 3812 3456", "024 3812 3456"):
        got = one(value)
        assert (got["digits"], got["length"], got["issue"]) == (2_438_123_456, 11, None)


@pytest.mark.parametrize(
    ("value", "issue", "kept"),
    [
        ("0000000000", "placeholder", False),
        ("0123456789", "placeholder", False),
        ("0987654321", "placeholder", False),
        ("0999999999", "placeholder", False),
        ("113", "unreadable", False),
        ("abc", "unreadable", False),
        ("-", "unreadable", False),
        ("+1 650 253 0000", "foreign", True),
        ("0612345670", "malformed", True),
        ("09123456701", "malformed", True),
    ],
)
def test_phones__issues(value, issue, kept):
    got = one(value)
    assert got["issue"] == issue
    assert (got["digits"] is not None) == (got["length"] > 0) == kept


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from("35789"),
    st.text("0123456789", min_size=8, max_size=8),
    st.sampled_from(["0", "+84", "84", "0084", ""]),
)
def test_phones__a_mobile_number_reads_the_same_however_it_starts(first, rest, start):
    assert one(start + first + rest)["digits"] == one("0" + first + rest)["digits"]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text("0123456789+ .-/()O", max_size=16), min_size=1, max_size=20))
def test_phones__are_a_fixed_point(values):
    first = standardise_phones(pl.Series(values, dtype=pl.String))
    good = first.filter(pl.col("issue").is_null())
    written = good.select(
        pl.col("digits").cast(pl.String).str.zfill(pl.col("length").cast(pl.Int64))
    ).to_series()
    again = standardise_phones(written)
    assert again.select("digits", "length", "issue").equals(good.select("digits", "length", "issue"))
    assert again["repair"].null_count() == len(again)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text("0123456789", min_size=1, max_size=16)
        | st.from_regex("0[35789][0-9]{8}", fullmatch=True)
        | st.sampled_from(
            ["0312345678", "0912345678", "0333333333", "0999999990", "0871234567", "01688888888"]
        ),
        min_size=1,
        max_size=40,
    )
)
def test_phones__read_as_integers_are_the_same(values):
    held = (np.array([int(v) for v in values], np.int64), np.array([len(v) for v in values], np.uint8))
    both = standardise_phones(pl.Series(["+84 912 000 111"]), held)
    assert both.equals(standardise_phones(pl.Series([*values, "+84 912 000 111"])))
