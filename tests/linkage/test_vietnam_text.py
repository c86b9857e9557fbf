"""Plain text by the pack of Vietnam: NFC, lower case, single blanks."""

from __future__ import annotations

import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from data import reference
from linkage.packs import Pack, pack_of

#: Letters with their marks apart, other scripts, blanks of several kinds, signs whose NFC is another.
LETTERS = "aBĐệễờỨ \t\u00a0\u3000\u0301\u0323\u031b\u212b\u1e9b\u1f71가\u1100\u1161𠀋Σß"
NAMES = ("provinces", "communes_before", "communes_after", "commune_changes")
texts = st.text(LETTERS, max_size=12) | st.text(max_size=12) | st.none()


@pytest.fixture(scope="module")
def pack() -> Pack:
    return pack_of(("vietnam",), {name: getattr(reference, name)() for name in NAMES})


def in_full(values: pl.Series) -> pl.Series:
    """Every step done to every text."""
    return values.str.normalize("NFC").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


@settings(deadline=None)
@given(st.lists(texts, max_size=20))
def test_text__is_every_step_done_to_every_text(pack: Pack, held: list[str | None]) -> None:
    values = pl.Series("address", held, pl.String)
    assert_series_equal(pack.text(values), in_full(values))
    assert values.to_list() == held, "the values that were given stay as they were"


@settings(deadline=None)
@given(st.lists(st.text(LETTERS.replace("Σ", ""), max_size=12), max_size=20))
def test_text__is_as_python_has_it(pack: Pack, held: list[str]) -> None:
    found = pack.text(pl.Series(held, dtype=pl.String))
    assert found.to_list() == [" ".join(unicodedata.normalize("NFC", t).lower().split()) for t in held]


def test_composed_latin__is_nfc_as_it_stands() -> None:
    letters = [chr(c) for c in (*range(0x300), *range(0x1E00, 0x1F00))]
    assert all(unicodedata.normalize("NFC", a) == a for a in letters)
    pairs = [a + b for a in letters for b in letters]
    assert all(unicodedata.is_normalized("NFC", pair) for pair in pairs)
