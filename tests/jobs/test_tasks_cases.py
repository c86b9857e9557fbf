"""Lists of names in the columns of register cases."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.tasks_cases_publish import _named

NAMES = ["tax", "insurance", "education"]


@pytest.mark.parametrize("ordered", [False, True])
@given(rows=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=12))
def test_named__lists_what_is_marked_row_by_row(ordered: bool, rows: list[list[bool]]):
    marks = np.array(rows, np.bool_).reshape(-1, 3)
    wanted = [[name for name, marked in zip(NAMES, row, strict=True) if marked] for row in rows]
    made = _named(marks, NAMES, ordered=ordered)
    assert made.dtype == pl.List(pl.String)
    assert made.to_list() == [sorted(own) if ordered else own for own in wanted]


@pytest.mark.parametrize("rows", [0, 2])
def test_named__of_no_names_are_empty_lists(rows: int):
    assert _named(np.zeros((rows, 0), np.bool_), []).to_list() == [[]] * rows
