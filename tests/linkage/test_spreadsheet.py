"""Cells that a spreadsheet may open, and what a reader gets back."""

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.spreadsheet import DECLARATION, ESCAPE, escape, guard, unescape

DANGEROUS = "=+-@\t\r'"
TEXTS = st.lists(
    st.one_of(
        st.none(),
        st.text(st.characters(codec="utf-8"), max_size=8),
        st.builds(lambda a, b: a + b, st.sampled_from(DANGEROUS), st.text(DANGEROUS + "a1", max_size=4)),
    ),
    max_size=12,
)


@settings(max_examples=120, deadline=None)
@given(TEXTS)
def test_escaping__is_undone_exactly_and_leaves_no_formula(texts):
    frame = pl.DataFrame({"cell": pl.Series(texts, dtype=pl.String)})
    safe = frame.select(escape(pl.col("cell")))
    assert safe.select(unescape(pl.col("cell")))["cell"].to_list() == texts
    for text, cell in zip(texts, safe["cell"].to_list(), strict=True):
        assert cell == (ESCAPE + text if text and text[0] in DANGEROUS else text)


CHANGED = ("007", "123456789012", "1e5", "12.5E-3", "001079000001", "00")
KEPT = ("0", "12345678901", "1.5", "0a", "a0", "12 345", "1e", "A1234567890123", "0123\nx", "Nguyễn")


@pytest.mark.parametrize(("cells", "mark"), [(CHANGED, ESCAPE), (KEPT, "")])
def test_guard__marks_the_digits_that_a_spreadsheet_would_change(cells, mark):
    held = pl.DataFrame({"cell": cells}).select(guard(pl.col("cell")))["cell"].to_list()
    assert held == [mark + cell for cell in cells]


def changed(text: str) -> bool:
    """The rule spelt out: an escape for formulas, leading zeros, twelve digits and more, exponents."""
    if text[:1] in (*DANGEROUS, "\n") and text:
        return True
    mantissa, e, power = re.sub("E", "e", text).partition("e")
    digits = set("0123456789")
    if not e:
        plain = bool(text) and set(text) <= digits
        return plain and (len(text) >= 12 or (text[0] == "0" and len(text) > 1))
    whole, dot, rest = mantissa.partition(".")
    power = power[1:] if power[:1] in ("+", "-") else power
    pieces = [whole, power, *([rest] if dot else [])]
    return all(piece and set(piece) <= digits for piece in pieces)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("0123456789eE.+-=@'\n\tạ ", max_size=14), max_size=12))
def test_guard__is_the_rule_spelt_out_and_is_undone(texts):
    frame = pl.DataFrame({"cell": pl.Series(texts, dtype=pl.String)})
    safe = frame.select(guard(pl.col("cell")))
    assert safe["cell"].to_list() == [ESCAPE + t if changed(t) else t for t in texts]
    assert safe.select(unescape(pl.col("cell")))["cell"].to_list() == texts


def test_declaration__says_what_is_done():
    assert DECLARATION["prefix"] == "'"
    assert "".join(DECLARATION["before"]) == DANGEROUS
