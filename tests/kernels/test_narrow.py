from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.narrow import OVERFLOW, narrow_names, recode_names, widen

ids = st.one_of(st.integers(1, 9), st.sampled_from([65_533, 65_534, 65_535, 65_536, 1 << 20, (1 << 32) - 1]))
names = st.lists(ids, max_size=8).map(lambda name: [*name, *[0] * (8 - len(name))])
few = st.lists(st.integers(1, 4), max_size=8).map(lambda name: [*name, *[0] * (8 - len(name))])
some_names = st.lists(names, max_size=40)


def table(rows: list[list[int]]) -> np.ndarray:
    return np.array(rows, np.uint32).reshape(-1, 8)


def twin(rows: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    narrow, wide = [], []
    for row in rows:
        if max(row) < 65_535 and not any(row[4:]):
            narrow.append(row[:4])
        else:
            narrow.append([65_535, len(wide) % 65_536, len(wide) // 65_536, 0])
            wide.append(row)
    return narrow, wide


@settings(deadline=None)
@given(some_names)
def test_narrow_names__equals_its_twin_and_widens_back(rows: list[list[int]]) -> None:
    narrow, wide = narrow_names(table(rows))
    assert (narrow.dtype, wide.dtype) == (np.uint16, np.uint32)
    assert (narrow.tolist(), wide.tolist()) == twin(rows)
    assert widen(narrow, wide).tolist() == rows


@settings(deadline=None)
@given(some_names.filter(bool), st.data())
def test_widen__takes_any_rows_and_any_stretch(rows: list[list[int]], data: st.DataObject) -> None:
    narrow, wide = narrow_names(table(rows))
    at = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20))
    assert widen(narrow, wide, np.array(at, np.uint32)).tolist() == [rows[i] for i in at]
    start = data.draw(st.integers(0, len(rows)))
    assert widen(narrow[start:], wide).tolist() == rows[start:]


def test_narrow_names__number_many_of_the_overflow() -> None:
    rows = np.zeros((70_000, 8), np.uint32)
    rows[:, 0] = np.arange(70_000) + OVERFLOW
    narrow, wide = narrow_names(rows)
    assert narrow[-1].tolist() == [OVERFLOW, 69_999 - 65_536, 1, 0]
    assert np.array_equal(widen(narrow, wide), rows)


@settings(deadline=None)
@given(st.lists(few, max_size=30), st.lists(ids, min_size=4, max_size=4))
def test_recode_names__is_widening_looking_up_and_narrowing(rows: list[list[int]], new: list[int]) -> None:
    by = [0, *new]
    narrow, wide = recode_names(*narrow_names(table(rows)), np.array(by, np.uint32))
    assert (narrow.tolist(), wide.tolist()) == twin([[by[i] for i in row] for row in rows])


def test_recode_names__the_overflow_may_grow_beyond_all_room() -> None:
    rows = np.zeros((3000, 8), np.uint32)
    rows[:, 0] = np.arange(3000) % 5 + 1
    by = np.array([0, 70_001, 70_002, 70_003, 70_004, 70_005], np.uint32)
    narrow, wide = recode_names(*narrow_names(rows), by)
    assert wide.shape == (3000, 8)
    assert np.array_equal(widen(narrow, wide), by[rows])


@pytest.mark.parametrize(
    "call",
    [
        lambda n, w: widen(n, w[:0]),
        lambda n, w: widen(n, w, np.array([2])),
        lambda n, w: widen(n, w, np.array([-1])),
        lambda n, w: widen(n.astype(np.uint32)[:, :3], w),
        lambda n, w: recode_names(n, w, np.array([0, 1], np.uint32)),
        lambda n, w: recode_names(n, w, np.arange(1, 70_002, dtype=np.uint32)),
    ],
)
def test_widen_and_recode__refuse_what_is_not_there(call) -> None:
    narrow, wide = narrow_names(table([[1, 2, 0, 0, 0, 0, 0, 0], [70_000, 1, 0, 0, 0, 0, 0, 0]]))
    with pytest.raises(ValueError, match="Wanted"):
        call(narrow, wide)
