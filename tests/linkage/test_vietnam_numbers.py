from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import reference
from linkage.vietnam.numbers import NUMBER_KINDS, PROVINCE_CODES, standardise_numbers

YEAR = 2026


def one(value):
    return standardise_numbers(pl.Series([value], dtype=pl.String), YEAR).row(0, named=True)


def twin(text):
    """(digits, length, kind, province, sex, birth year) of a text of ASCII digits, by the rules in words."""
    value, length = int(text), len(text)
    nothing = (None, 0)

    def runs(digits):
        up = all((int(b) - int(a)) % 10 == 1 for a, b in pairwise(digits))
        down = all((int(a) - int(b)) % 10 == 1 for a, b in pairwise(digits))
        return len(set(digits)) == 1 or (len(digits) >= 6 and (up or down))

    stripped = text.lstrip("0") or "0"
    # a run that begins with zero loses it as an integer
    if length <= 18 and (runs(stripped) or (len(stripped) >= 5 and runs("0" + stripped))):
        return (*nothing, "placeholder", 0, 0, 0)
    if 6 <= length <= 16 and value < 1000:
        return (*nothing, "placeholder", 0, 0, 0)
    if not 6 <= length <= 16:
        return (*nothing, "malformed", 0, 0, 0)

    def structure(twelve):
        province, century = int(twelve[:3]), int(twelve[3])
        year = 1900 + century // 2 * 100 + int(twelve[4:6])
        known = twelve[:3] in set(reference.provinces()["code3"])
        in_time = year <= YEAR
        return (
            province if known else 0,
            (1 + century % 2) if in_time else 0,
            year if in_time else 0,
            known and in_time,
        )

    if length == 12:
        return (value, 12, "personal", *structure(text)[:3])
    if length in (10, 11) and text[0] != "0" and structure(text.zfill(12))[3]:
        return (value, 12, "personal_padded", *structure(text.zfill(12))[:3])
    if length == 9:
        return (value, 9, "old", 0, 0, 0)
    if length == 8 and text[0] != "0":
        return (value, 9, "old_padded", 0, 0, 0)
    return (value, length, "malformed", 0, 0, 0)


digits = st.one_of(
    st.text("0123456789", min_size=1, max_size=18),
    st.builds(
        lambda p, c, y, s: (
            f"{p:03d}{c}{y:02d}{s:06d}".lstrip("0") if s % 3 == 0 else f"{p:03d}{c}{y:02d}{s:06d}"
        ),
        st.sampled_from([*PROVINCE_CODES, 3, 99, 123]),
        st.integers(0, 9),
        st.integers(0, 99),
        st.integers(0, 999_999),
    ),
    st.sampled_from(
        ["123456789012", "0123456789", "987654321", "111111111111", "000000000001", "012345", "543210"]
    ),
).filter(lambda text: text != "")


@settings(max_examples=120, deadline=None)
@given(st.lists(digits, min_size=1, max_size=60))
def test_numbers__agree_with_the_rules_in_words(values):
    frame = standardise_numbers(pl.Series(values), YEAR)
    got = frame.select("digits", "length", "kind", "province", "sex", "birth_year").rows()
    assert got == [twin(value) for value in values]


def test_province_codes__are_those_of_the_reference():
    assert [f"{code:03d}" for code in PROVINCE_CODES] == reference.provinces()["code3"].to_list()


def test_numbers__table_of_columns():
    frame = standardise_numbers(pl.Series([], dtype=pl.String), YEAR)
    assert frame.schema == {
        "digits": pl.Int64,
        "length": pl.UInt8,
        "kind": NUMBER_KINDS,
        "province": pl.UInt16,
        "sex": pl.UInt8,
        "birth_year": pl.Int16,
        "structure_ok": pl.Boolean,
        "repair": pl.String,
        "confidence": pl.Float32,
        "unrepaired": pl.Int64,
    }


@pytest.mark.parametrize(
    ("value", "repair"),
    [
        ("001085000123", None),
        (" 001 085 000 123 ", "separators"),
        ("001.085.000.123", "separators"),
        ("001-085-000123", "separators"),
        ("'001085000123", "separators"),
        ('="001085000123"', "separators"),
        ("００１０８５０００１２３", "separators"),
        ("CCCD: 001085000123", "separators"),
        ("00l085OOO123", "ocr"),
        ("OOIO85000123", "ocr"),
        ("1085000123", "leading_zero"),
        ("1085000123.0", "leading_zero"),
    ],
)
def test_numbers__repairs_lead_to_the_number(value, repair):
    got = one(value)
    assert (got["digits"], got["length"]) == (1_085_000_123, 12)
    assert (got["province"], got["sex"], got["birth_year"], got["structure_ok"]) == (1, 1, 1985, True)
    assert got["repair"] == repair


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("abc", "empty"),
        ("-", "empty"),
        ("không", "empty"),
        ("B1234567", "malformed"),
        ("7.90850E+10", "malformed"),
        ("73519", "malformed"),
    ],
)
def test_numbers__what_is_no_number_has_no_digits(value, kind):
    got = one(value)
    assert (got["digits"], got["length"], got["kind"], got["repair"]) == (None, 0, kind, None)
    assert got["confidence"] == 1


def test_numbers__a_tax_code_is_hardly_a_personal_number():
    # 1085000... with the check digit of a tax code: still read as a padded number, but not trusted
    weights = (31, 29, 23, 19, 17, 13, 7, 5, 3)
    codes = []
    for serial in range(108_500_000, 108_500_400):
        rest = sum(w * int(d) for w, d in zip(weights, str(serial), strict=True)) % 11
        if rest:
            codes.append(f"{serial}{10 - rest}")
    frame = standardise_numbers(pl.Series(codes), YEAR)
    assert set(frame["kind"]) == {"personal_padded"}
    assert frame["confidence"].to_list() == pytest.approx([0.4] * len(codes))
    others = [code[:-1] + str((int(code[-1]) + 1) % 10) for code in codes]
    assert standardise_numbers(pl.Series(others), YEAR)["confidence"].to_list() == pytest.approx(
        [0.7] * len(codes)
    )


def test_numbers__structure_is_evidence_not_a_reject():
    got = one("023085001234")
    assert (got["kind"], got["province"], got["birth_year"], got["structure_ok"]) == (
        "personal",
        0,
        1985,
        False,
    )
    got = one("079399001234")
    assert (got["kind"], got["province"], got["sex"], got["birth_year"]) == ("personal", 79, 0, 0)
    assert one("001226000123")["birth_year"] == 2026
    assert one("001227000123")["birth_year"] == 0
    assert one("271450001")["structure_ok"] is True
    assert one("991450001")["structure_ok"] is False


@settings(max_examples=60, deadline=None)
@given(st.lists(digits.filter(lambda text: len(text) <= 16), min_size=1, max_size=40), digits)
def test_numbers__read_as_integers_are_the_same(values, more):
    held = (np.array([int(v) for v in values], np.int64), np.array([len(v) for v in values], np.uint8))
    both = standardise_numbers(pl.Series([more]), YEAR, held)
    assert both.equals(standardise_numbers(pl.Series([*values, more]), YEAR))


@pytest.mark.parametrize(
    ("value", "unrepaired"),
    [("1085000123", "1085000123"), ("1234567", ""), ("12345679", "12345679"), ("O01085000123", ""),
     ("001 085 000 123", "")],
)  # fmt: skip
def test_numbers__how_a_value_reads_without_its_repair(value, unrepaired):
    assert one(value)["unrepaired"] == (len(unrepaired) << 56 | int(unrepaired) if unrepaired else 0)
