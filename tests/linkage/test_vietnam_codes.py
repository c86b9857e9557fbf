from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import reference
from linkage.vietnam.codes import health_cards, insurance_numbers, passports, tax_codes

YEAR = 2026
COLUMNS = ["code", "personal", "insurance", "issue", "repair", "confidence", "unrepaired"]


def code(digits: str) -> int:
    return len(digits) << 56 | int(digits) if digits else 0


def one(read, value, *more):
    frame = read(pl.Series([value], dtype=pl.String), *more)
    assert frame.columns == COLUMNS
    return frame.row(0, named=True)


def checks(ten: str) -> bool:
    """The check digit, digit by digit."""
    total = sum(int(d) * w for d, w in zip(ten, (31, 29, 23, 19, 17, 13, 7, 5, 3), strict=False))
    rest = 0
    while rest < total:
        rest += 11
    remainder = 11 - (rest - total) if rest != total else 0
    return remainder != 0 and int(ten[9]) == 10 - remainder


def personal(text: str) -> bool:
    provinces = set(reference.provinces()["code3"])
    return text[:3] in provinces and 1900 + int(text[3]) // 2 * 100 + int(text[4:6]) <= YEAR


def placeholder(text: str) -> bool:
    bare = text.lstrip("0")
    counting = "01234567890123456789"
    return int(text) < 1000 or len(set(bare)) == 1 or any(
        len(run) >= 5 and (run in counting or run in counting[::-1]) for run in (bare, "0" + bare)
    )  # fmt: skip


def tax_twin(text: str) -> tuple[int, int, str | None, str | None]:
    """(code, personal, issue, repair) of a text of digits, by the rules in words."""
    n = len(text)
    if placeholder(text):
        return 0, 0, "placeholder_number", None
    if not 6 <= n <= 16:
        return 0, 0, "malformed_number", None
    if n == 12 or (n == 11 and text[0] != "0" and personal("0" + text)):
        whole = text.zfill(12)
        return code(whole), code(whole), None, "leading_zero" if n == 11 else None
    if n == 9 and checks("0" + text):
        return code("0" + text), 0, None, "leading_zero"
    if n == 10:
        return code(text), 0, None if checks(text) else "wrong_check_digit", None
    if n == 13:
        fine = checks(text[:10]) and text[10:] != "000"
        return code(text), 0, None if fine else "wrong_check_digit", None
    return code(text), 0, "malformed_number", None


def with_check(nine: str) -> list[str]:
    return [nine + d for d in "0123456789" if checks(nine + d)]


nines = st.text("0123456789", min_size=9, max_size=9)
tens = nines.map(lambda n: (with_check(n) or [n + "0"])[0])
numbers = st.one_of(
    st.text("0123456789", min_size=1, max_size=18),
    tens,
    tens.map(lambda t: t.lstrip("0") or "0"),
    st.builds(lambda t, s: t + s, tens, st.text("0123456789", min_size=3, max_size=3)),
    st.builds(
        lambda p, c, y, s, cut: f"{p}{c}{y:02d}{s:06d}"[cut:],
        st.sampled_from(reference.provinces()["code3"].to_list()),
        st.integers(0, 3), st.integers(0, 99), st.integers(0, 999_999), st.integers(0, 2),
    ),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=40))
def test_tax_codes__agree_with_the_rules_in_words(values):
    frame = tax_codes(pl.Series(values), YEAR)
    assert frame.select("code", "personal", "issue", "repair").rows() == [tax_twin(v) for v in values]


@pytest.mark.parametrize(
    ("value", "digits", "issue", "repair"),
    [
        ("0100047516", "0100047516", None, None),
        ("0100047516-001", "0100047516001", None, "separators"),
        ("0100047516-000", "0100047516000", "wrong_check_digit", "separators"),
        ("100047516", "0100047516", None, "leading_zero"),
        ("0100047561", "0100047561", "wrong_check_digit", None),
        ("O100047516", "0100047516", None, "ocr"),
        ("001085000123", "001085000123", None, None),
        ("không có", "", "malformed_number", None),
    ],
)
def test_tax_codes__examples(value, digits, issue, repair):
    found = one(tax_codes, value, YEAR)
    assert (found["code"], found["issue"], found["repair"]) == (code(digits), issue, repair)
    assert (found["confidence"] < 1) == (repair in ("leading_zero", "ocr"))


@settings(max_examples=60, deadline=None)
@given(nines.filter(lambda n: len(set(n)) > 3), st.integers(0, 9), st.integers(1, 9))
def test_tax_codes__see_every_wrong_digit(nine, place, change):
    for ten in with_check(nine):
        digit = str((int(ten[place]) + change) % 10)
        wrong = ten[:place] + digit + ten[place + 1 :]
        if not placeholder(wrong):
            assert one(tax_codes, wrong, YEAR)["issue"] == "wrong_check_digit"


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def card_code(card: str) -> int:
    return code(f"{LETTERS.index(card[0]) * 26 + LETTERS.index(card[1]):03d}{card[2:]}")


@pytest.mark.parametrize(
    ("value", "card", "insurance", "issue", "repair"),
    [
        ("DN4790109856784", "DN4790109856784", "0109856784", None, None),
        ("dn 4 79 01 0985 6784", "DN4790109856784", "0109856784", None, "separators"),
        ("DN479O1O9856784", "DN4790109856784", "0109856784", None, "ocr"),
        ("DN4990109856784", "DN4990109856784", "0109856784", "unknown_province", None),
        ("DN6790109856784", "", "", "malformed_number", None),
        ("DN4790000000000", "", "", "placeholder_number", None),
        ("0109856784", "", "0109856784", None, None),
        ("109856784", "", "0109856784", None, "leading_zero"),
        ("x", "", "", "malformed_number", None),
    ],
)
def test_health_cards__end_in_the_insurance_number(value, card, insurance, issue, repair):
    found = one(health_cards, value, YEAR)
    assert found["insurance"] == code(insurance)
    assert found["code"] == (card_code(card) if card else code(insurance))
    assert (found["issue"], found["repair"]) == (issue, repair)
    other = one(insurance_numbers, value, YEAR)
    assert other["insurance"] == other["code"] == code(insurance)
    if card:
        assert other["repair"] == "card"


@settings(max_examples=80, deadline=None)
@given(st.lists(st.from_regex("[A-Z]{2}[1-5][0-9]{12}", fullmatch=True), min_size=1, max_size=20))
def test_health_cards__have_codes_of_their_own(cards):
    found = health_cards(pl.Series(cards), YEAR)
    for card, held in zip(cards, found.iter_rows(named=True), strict=True):
        if placeholder(card[5:]):
            assert (held["code"], held["issue"]) == (0, "placeholder_number")
        else:
            assert (held["code"], held["insurance"]) == (card_code(card), code(card[5:]))
            assert held["code"] >> 56 == 16


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text("0123456789", min_size=1, max_size=16), min_size=1, max_size=30))
def test_codes__read_as_integers_are_the_same(values):
    held = (np.array([int(v) for v in values], np.int64), np.array([len(v) for v in values], np.uint8))
    for read in (tax_codes, insurance_numbers, health_cards):
        both = read(pl.Series(["DN4790109856784"]), YEAR, held)
        assert both.equals(read(pl.Series([*values, "DN4790109856784"]), YEAR))
    assert passports(pl.Series(["B1234068"]), held)["code"].to_list() == [0] * len(values) + [
        code("011234068")
    ]


@pytest.mark.parametrize(
    ("value", "digits", "issue", "repair"),
    [
        ("B1234068", "011234068", None, None),
        ("b 123 4068", "011234068", None, "separators"),
        ("C12340O8", "021234008", None, "ocr"),
        ("C1234567", "", "placeholder_number", None),
        ("12345678", "", "malformed_number", None),
        ("12A34567", "", "malformed_number", None),
    ],
)
def test_passports__are_a_letter_and_seven_digits(value, digits, issue, repair):
    found = one(passports, value)
    assert (found["code"], found["issue"], found["repair"]) == (code(digits), issue, repair)


@pytest.mark.parametrize("value", ["G61234068", "AB1234068", "e 123-45678", "ABC123456"])
def test_passports__of_other_countries_are_told_apart(value):
    found = one(passports, value)
    assert (found["code"] >> 56, found["code"] & ((1 << 56) - 1)) == (
        16, int("".join(c for c in value if c.isalnum()), 36),
    )  # fmt: skip
    assert found["issue"] is None


def test_codes__of_nothing():
    for read in (tax_codes, insurance_numbers, health_cards):
        assert read(pl.Series([], dtype=pl.String), YEAR).height == 0
    assert passports(pl.Series([], dtype=pl.String)).columns == COLUMNS
