"""Cells that a spreadsheet may open, and what a reader gets back."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.spreadsheet import DECLARATION, ESCAPE, escape, unescape

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


def test_declaration__says_what_is_done():
    assert DECLARATION["prefix"] == "'"
    assert "".join(DECLARATION["before"]) == DANGEROUS
