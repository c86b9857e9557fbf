"""Columns of which some rows have a value give back what was put into them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.sparse import mark_held, take_held


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0, 0, 0, 5, -(1 << 62)]), max_size=200),
    st.integers(0, 3),
    st.data(),
)
def test_take_held__gives_the_whole_columns_values(
    column: list[int], width: int, data: st.DataObject
) -> None:
    whole = np.array(column, np.int64)
    if width:
        whole = np.stack([whole * (place == 0) for place in range(width)], axis=1)
    held = np.array([value != 0 for value in column], np.bool_)
    bits, before = mark_held(held)
    assert (bits.dtype, before.dtype, bits.shape) == (np.uint64, np.uint32, before.shape)
    assert bits.shape == ((len(column) + 63) // 64,)
    assert before.tolist() == [sum(held[: 64 * word]) for word in range(len(bits))]
    wanted = st.lists(st.integers(0, len(column) - 1), max_size=30) if column else st.just([])
    rows = np.array(data.draw(wanted), np.int64)
    out = np.full((rows.size, *whole.shape[1:]), 7, np.int64)
    values = whole[held]
    values.flags.writeable = False
    take_held(bits, before, values, rows, out)
    assert np.array_equal(out, whole[rows])


@pytest.mark.parametrize("row", [-1, -(1 << 40), 128, 1 << 40])
def test_take_held__of_a_row_that_is_not_there_is_refused(row: int) -> None:
    bits, before = mark_held(np.ones(100, np.bool_))
    with pytest.raises(ValueError, match="A row is not among 128"):
        take_held(bits, before, np.arange(100), np.array([0, row]), np.empty(2, np.int64))


def test_take_held__of_values_that_are_cut_off_is_refused() -> None:
    bits, before = mark_held(np.ones(100, np.bool_))
    with pytest.raises(ValueError, match="its value not among 99"):
        take_held(bits, before, np.arange(99), np.array([99]), np.empty(1, np.int64))


@pytest.mark.parametrize(
    "out",
    [np.empty(3, np.int64), np.empty(2, np.int32), np.empty((2, 1), np.int64), np.empty(4, np.int64)[::2]],
)
def test_take_held__wants_room_for_its_answer(out: np.ndarray) -> None:
    bits, before = mark_held(np.ones(10, np.bool_))
    with pytest.raises(ValueError, match=r"Wanted: a contiguous int64"):
        take_held(bits, before, np.arange(10), np.array([1, 2]), out)
