from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.columns import TextColumn
from linkage.text_arrays import Texts, one_array, places_among, texts_at

words = st.lists(
    st.one_of(st.text(max_size=4), st.text("aà\x00b", max_size=20).map(lambda t: "AAAAAAAA" + t)), max_size=25
)


def read(texts: Texts) -> list[str]:
    """Each text, decoded alone."""
    whole = texts.data.tobytes()
    return [
        whole[a:b].decode()
        for a, b in zip(texts.offsets[:-1].tolist(), texts.offsets[1:].tolist(), strict=True)
    ]


@settings(deadline=None)
@given(words, words)
def test_texts__are_the_same_from_every_kind_of_column(one: list[str], two: list[str]) -> None:
    whole = one + two
    chunks = pa.chunked_array([pa.array(one, pa.string()), pa.array(two, pa.string())])
    for given_ in (whole, pl.Series(whole, dtype=pl.String), pa.array(whole, pa.string()), chunks):
        texts = Texts.of(given_)
        assert len(texts) == len(whole)
        assert read(texts) == whole
        assert texts.arrow().to_pylist() == whole
        assert texts.series().to_list() == whole
        low, high = min(1, len(whole)), max(min(1, len(whole)), len(whole) - 1)
        assert read(texts.slice(low, high).packed()) == whole[low:high]
    assert read(Texts.join([Texts.of(one), Texts.of(two).slice(0, len(two))])) == whole


def test_texts__of_nulls_are_empty_and_null_again() -> None:
    texts = Texts.of(pl.Series(["a", None, "", "b"]))
    assert read(texts) == ["a", "", "", "b"]
    assert texts.arrow(np.array([True, False, True, True])).to_pylist() == ["a", None, "", "b"]


def test_texts__of_nulls_that_have_bytes_are_empty() -> None:
    """A file may hold bytes under a null; what stands beside a slice is not looked at."""
    whole = pa.array(["ab", "cd", "ef", "gh"], pa.large_string()).buffers()
    held = pa.LargeStringArray.from_buffers(4, whole[1], whole[2], pa.py_buffer(b"\x0d"))
    assert held.to_pylist() == ["ab", None, "ef", "gh"]
    for start, stop in ((0, 4), (1, 3), (1, 2), (2, 4)):
        wanted = [text or "" for text in held.slice(start, stop - start).to_pylist()]
        assert read(Texts.of(held.slice(start, stop - start))) == wanted
    assert read(Texts.of(pa.nulls(3))) == [""] * 3


@settings(deadline=None)
@given(words, st.data())
def test_take__gives_texts_in_any_order(values: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(-1, len(values) - 1), max_size=30))
    found = Texts.of(["before", *values]).slice(1, len(values) + 1).take(np.array(rows, np.int64))
    assert read(found) == ["" if row < 0 else values[row] for row in rows]


@settings(deadline=None, max_examples=300)
@given(words)
def test_order__is_that_of_the_bytes(values: list[str]) -> None:
    found = Texts.of(values).order().tolist()
    assert found == sorted(range(len(values)), key=lambda row: values[row].encode())
    order, ordered = Texts.of(values).sorted()
    assert order.tolist() == found
    assert read(ordered) == sorted(values, key=str.encode)


def test_order__of_many_numbers_and_of_what_is_sorted() -> None:
    values = [f"VN-{number * 7919 % 100_003:09d}" for number in range(5000)]
    assert [values[row] for row in Texts.of(values).order()] == sorted(values)
    order, ordered = Texts.of(["one more", *values]).slice(1, 5001).sorted()
    assert order.tolist() == Texts.of(values).order().tolist()
    assert read(ordered) == sorted(values)
    assert Texts.of(sorted(values)).order().tolist() == list(range(5000))


@settings(deadline=None)
@given(words, words)
def test_places_among__count_the_cuts_that_are_not_after(values: list[str], cuts: list[str]) -> None:
    cuts = sorted(cuts, key=str.encode)
    found = places_among(Texts.of(values), Texts.of(cuts)).tolist()
    assert found == [sum(cut.encode() <= value.encode() for cut in cuts) for value in values]


@settings(deadline=None)
@given(st.lists(words, min_size=1, max_size=4), st.data())
def test_texts_at__are_those_of_all_pieces(pieces: list[list[str]], data: st.DataObject) -> None:
    held = [Texts.of(piece) for piece in pieces]
    starts = np.cumsum([0, *map(len, pieces)])
    column = TextColumn(starts, [lambda own=own: (own.offsets, own.data) for own in held])
    whole = [text for piece in pieces for text in piece]
    rows = data.draw(st.lists(st.integers(-1, len(whole) - 1), max_size=30))
    found = texts_at(column, np.array(rows, np.int64))
    assert read(found) == ["" if row < 0 else whole[row] for row in rows]


@settings(deadline=None)
@given(st.lists(st.lists(st.one_of(st.none(), st.text("aế ", max_size=4)), max_size=5), max_size=4))
def test_one_array__holds_the_chunks_in_their_order(chunks: list[list[str | None]]) -> None:
    held = pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())
    found = one_array(held)
    assert found.type == pa.large_string()
    assert found.to_pylist() == [text for chunk in chunks for text in chunk]


def test_one_array__of_large_strings_is_not_copied() -> None:
    held = pa.array(["a", None, "bc"], pa.large_string())
    found = one_array(pa.chunked_array([held]))
    assert [b and b.address for b in found.buffers()] == [b and b.address for b in held.buffers()]
