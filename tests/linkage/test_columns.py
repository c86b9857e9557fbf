from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.columns import Column, TextColumn

pieces = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=6)


def made(found: list[tuple[int, bool]], width: tuple[int, ...]) -> tuple[Column, np.ndarray]:
    starts = np.cumsum([0, *(rows for rows, _ in found)])
    whole = np.arange(int(starts[-1]) * int(np.prod(width)), dtype=np.int32).reshape(-1, *width)
    opened = []
    for (rows, missing), start in zip(found, starts[:-1].tolist(), strict=True):
        piece = whole[start : start + rows].copy()
        opened.append(None if missing else lambda piece=piece: piece)
        if missing:
            whole[start : start + rows] = -7
    return Column(starts, opened, np.dtype(np.int32), width, -7), whole


@settings(deadline=None)
@given(pieces, st.sampled_from([(), (3,)]), st.data())
def test_column__reads_as_the_array_it_is_cut_from(
    found: list[tuple[int, bool]], width: tuple[int, ...], data: st.DataObject
) -> None:
    column, whole = made(found, width)
    assert column.shape == whole.shape
    assert len(column) == whole.shape[0]
    assert np.array_equal(np.asarray(column), whole)
    low, high = sorted(data.draw(st.tuples(*[st.integers(0, len(column))] * 2)))
    assert np.array_equal(column[low:high], whole[low:high])
    assert np.array_equal(column[low:high:2], whole[low:high:2])
    if len(column):
        rows = np.array(data.draw(st.lists(st.integers(0, len(column) - 1), max_size=12)), np.int64)
        assert np.array_equal(column.take(rows), whole[rows])
        assert np.array_equal(column[np.sort(rows).astype(np.uint32)], whole[np.sort(rows)])
        flags = np.zeros(len(column), bool)
        flags[rows] = True
        assert np.array_equal(column[flags], whole[flags])


def test_column__opens_only_what_is_read() -> None:
    opened = []

    def piece(number: int) -> np.ndarray:
        opened.append(number)
        return np.full(10, number)

    column = Column(np.arange(0, 50, 10), [lambda n=n: piece(n) for n in range(4)], np.dtype(np.int64))
    column.take(np.array([12, 35]))
    column.take(np.array([13]))
    assert opened == [1, 3]


def text_column(parts: list[list[str]]) -> TextColumn:
    def piece(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        data = [t.encode() for t in texts]
        offsets = np.cumsum([0, *(len(d) for d in data)]).astype(np.int64)
        return offsets, np.frombuffer(b"".join(data) or b"\0", np.uint8)

    starts = np.cumsum([0, *(len(p) for p in parts)])
    return TextColumn(starts, [lambda p=p: piece(p) for p in parts])


@settings(deadline=None)
@given(st.lists(st.lists(st.text(max_size=4), max_size=5), min_size=1, max_size=4), st.data())
def test_text_column__reads_as_the_texts_it_is_cut_from(parts: list[list[str]], data: st.DataObject) -> None:
    column, whole = text_column(parts), [t for p in parts for t in p]
    assert len(column) == len(whole)
    low, high = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    assert column[low:high].to_list() == whole[low:high]
    rows = data.draw(st.lists(st.integers(-1, len(whole) - 1), max_size=12))
    taken = column.take(np.array(rows, np.int64))
    assert taken.dtype == pl.String
    assert taken.to_list() == [whole[r] if r >= 0 else None for r in rows]


def test_text_column__is_not_read_in_steps() -> None:
    with pytest.raises(ValueError, match="step"):
        text_column([["a", "b"]])[::2]


def test_text_column__gives_arrow_without_a_copy() -> None:
    column = text_column([["a", "bc"], ["d"]])
    assert column.arrow(1, 3).to_pylist() == ["bc", "d"]
    assert column.arrow(1, 3).type == pa.large_string()


def test_column__refuses_rows_that_no_piece_has() -> None:
    column = Column(np.array([0, 2, 4]), [None, None], np.dtype(np.int64), (), 0)
    for rows in ([3, 4, 0], [3, -1, 0]):
        with pytest.raises(IndexError, match="from 0 to below 4"):
            column.take(np.array(rows))
