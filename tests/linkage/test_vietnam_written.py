"""Standard values of the Vietnamese pack as text."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import reference
from linkage.vietnam.names import parse_names
from linkage.vietnam.units import UnitTable
from linkage.vietnam.written import dated_units, unit_codes, unmarked, written_token

BEFORE, AFTER = date(2025, 6, 30), date(2025, 7, 1)


@pytest.fixture(scope="module")
def table():
    return UnitTable.from_reference(
        reference.provinces(),
        reference.communes_before(),
        reference.communes_after(),
        reference.commune_changes(),
    )


@pytest.mark.parametrize(
    ("token", "written"),
    [
        ("nguyễn", "Nguyễn"),
        ("đỗ", "Đỗ"),
        ("h'lan", "H'Lan"),
        ("k'đức", "K'Đức"),
        ("r'ô", "R'ô"),
        ("r'com", "R'com"),
        ("kđăm", "Kđăm"),
        ("y", "Y"),
    ],
)
def test_token__is_written_with_its_capitals(token, written):
    assert written_token(token) == written
    assert parse_names(pl.Series([f"{written} {written} An"])).texts().to_list() == [f"{token} {token} an"]


def test_unmarked__drops_every_diacritic():
    assert unmarked("Đặng Thị Thủy Ước") == "Dang Thi Thuy Uoc"


@settings(max_examples=60, deadline=None)
@given(st.text("aăâđeêioôơuưyAĂÂĐEÊ", max_size=8))
def test_unmarked__is_ascii_of_the_same_length(text):
    assert unmarked(text).isascii()
    assert len(unmarked(text)) == len(text)
    assert unmarked(unmarked(text)) == unmarked(text)


@pytest.mark.parametrize("day", [BEFORE, AFTER])
@pytest.mark.parametrize("field", ["commune", "birth_province"])
def test_unit_codes__are_those_that_alone_mean_their_set(table, field, day):
    if field == "commune":
        codes = (reference.communes_before() if day == BEFORE else reference.communes_after())["code"]
        read = table.communes(codes, day)
    else:
        column = "gso" if day == BEFORE else "new_gso"
        codes = reference.provinces()[column].unique().sort()
        read = table.provinces(codes, day)
    means = read.with_columns(code=codes).group_by("unit").agg("code")
    wanted = {unit: held[0] if len(held) == 1 else None for unit, held in means.rows()}
    assert unit_codes(table, field, list(wanted), day) == list(wanted.values())
    assert unit_codes(table, field, [-1], day) == [None]


def test_dated_units__say_code_and_day_of_the_list_that_was_meant(table):
    old_only = min(set(table.communes_old) - set(table.communes_new))
    new_only = min(set(table.communes_new) - set(table.communes_old))
    texts = pl.Series(["00004", "4", " 4.0", old_only, new_only, "99999", "không rõ"])
    assert dated_units(table, "commune", texts, AFTER)[:3] == ["00004@2025-07-01"] * 3
    assert dated_units(table, "commune", texts, AFTER)[3:] == [
        f"{old_only}@2025-06-30",
        f"{new_only}@2025-07-01",
        None,
        None,
    ]
    assert dated_units(table, "commune", texts, BEFORE)[3:5] == [
        f"{old_only}@2025-06-30",
        f"{new_only}@2025-07-01",
    ]


def test_dated_units__of_provinces_may_come_as_names(table):
    texts = pl.Series(["Hà Nội", "01", "001", "1"])
    assert dated_units(table, "birth_province", texts, BEFORE) == ["01@2025-06-30"] * 4
