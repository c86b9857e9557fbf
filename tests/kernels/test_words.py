"""Words of texts, against Python's own cutting; numbers are given once, in the order of arrival."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.words import (
    IRREGULAR,
    WORDS,
    WordTable,
    count_words,
    number_short_texts,
    renumber,
    word_bits,
)

words = st.sampled_from(["Nguyễn", "Văn", "An", "a", "ab", "abcdefgh", "abcdefghi", "x" * 30, "é", "\u00a0"])
texts = st.one_of(st.lists(words, max_size=11).map(" ".join), st.text("ab ", max_size=9))


def buffers(values: list[str]) -> tuple[np.ndarray, np.ndarray]:
    held = [value.encode() for value in values]
    return np.cumsum([0, *map(len, held)]), np.frombuffer(b"".join(held), np.uint8)


def twin(values: list[str], numbers: dict[str, int]) -> tuple[list[list[int]], list[int]]:
    """Rows and counts; ``numbers`` grows."""
    rows, counts = [], []
    for value in values:
        parts = value.split(" ") if value else []
        regular = len(parts) <= WORDS and "" not in parts
        for place, part in enumerate(parts):
            if not part or place == WORDS:
                break
            numbers.setdefault(part, len(numbers) + 1)
        row = [numbers[part] for part in parts] if regular else []
        rows.append(row + [0] * (WORDS - len(row)))
        counts.append(len(parts) if regular else IRREGULAR)
    return rows, counts


@settings(deadline=None, max_examples=200)
@given(st.lists(st.lists(texts, max_size=12), max_size=3), st.integers(0, 1 << 63))
def test_cut__equals_its_twin_column_after_column(columns: list[list[str]], secret: int) -> None:
    table, numbers = WordTable(secret), {}
    for column in columns:
        rows, counts = table.cut(*buffers(column))
        assert (rows.tolist(), counts.tolist()) == twin(column, numbers)
    offsets, data = table.texts()
    whole = data.tobytes()
    found = [whole[a:b].decode() for a, b in itertools.pairwise(offsets.tolist())]
    assert found == list(numbers)
    assert len(table) == len(numbers)


def test_cut__of_more_words_than_any_table_begins_with() -> None:
    values = [f"{'w' * (i % 40)}{i} và {i // 2}" for i in range(20_000)]
    table, numbers = WordTable(3), {}
    rows, counts = table.cut(*buffers(values))
    assert (rows.tolist(), counts.tolist()) == twin(values, numbers)
    later = table.texts(19_990)[0]
    assert later.shape[0] == len(numbers) - 19_990 + 1


def test_cut__what_is_not_held_has_no_words() -> None:
    table = WordTable(1)
    rows, counts = table.cut(*buffers(["a b", "c", "d"]), np.array([True, False, True]))
    assert rows[:, :2].tolist() == [[1, 2], [0, 0], [3, 0]]
    assert counts.tolist() == [2, 0, 1]


@pytest.mark.parametrize("held", [np.zeros(2, np.bool_), None])
def test_cut__refuses_columns_that_do_not_fit(held: np.ndarray | None) -> None:
    offsets, data = buffers(["a", "b", "c"])
    if held is None:
        data = data[:-1]
    with pytest.raises(ValueError, match="Wanted"):
        WordTable(1).cut(offsets, data, held)


def test_word_bits__are_of_all_the_first_the_second_and_the_last() -> None:
    rows = np.zeros((4, WORDS), np.uint32)
    rows[0, :3], rows[1, :1] = [1, 2, 3], [2]
    bits = np.array([0, 1, 2, 4], np.uint32)
    found = word_bits(rows, np.array([3, 1, 0, IRREGULAR], np.uint8), bits)
    assert [column.tolist() for column in found] == [[7, 2, 0, 0], [1, 2, 0, 0], [2, 2, 0, 0], [4, 2, 0, 0]]


def test_count_words__adds_to_what_is_there_and_refuses_a_word_beyond() -> None:
    rows = np.zeros((2, WORDS), np.uint32)
    rows[0, :2] = [1, 1]
    out = np.array([0, 5], np.int64)
    count_words(rows, out)
    assert out.tolist() == [14, 7]
    rows[1, 0] = 2
    with pytest.raises(ValueError, match="Wanted"):
        count_words(rows, out)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text("ab\x00é", max_size=4)), max_size=20), st.booleans())
def test_short_texts__are_numbered_by_arrival(values: list[str | None], none: bool) -> None:
    if not none:
        values = [value or "" for value in values]
    held = np.array([value is not None for value in values], np.bool_) if none else None
    offsets, data = buffers([value or "" for value in values])
    found = number_short_texts(offsets, data, held)
    if any(len((value or "").encode()) > 7 for value in values):
        assert found is None
        return
    assert found is not None
    first: dict[str, int] = {}
    for row, value in enumerate(values):
        if value is not None:
            first.setdefault(value, row)
    place = {value: number for number, value in enumerate(first)}
    assert found[0].tolist() == [-1 if value is None else place[value] for value in values]
    assert found[1].tolist() == list(first.values())


def test_short_texts__too_many_or_with_offsets_of_another_column_are_left() -> None:
    offsets, data = buffers([f"{number:04d}" for number in range(100)])
    assert number_short_texts(offsets, data, None, most=99) is None
    assert number_short_texts(offsets, data, None, most=100) is not None
    with pytest.raises(ValueError, match="The offsets end at 400"):
        number_short_texts(offsets, data[:399], None)
    with pytest.raises(ValueError, match="held is of 3 rows"):
        number_short_texts(offsets, data, np.ones(3, np.bool_))


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 5), max_size=WORDS), max_size=6), st.permutations(range(6)))
def test_renumber__replaces_every_word_and_no_empty_place(
    given_: list[list[int]], numbers: list[int]
) -> None:
    rows = np.array([row + [0] * (WORDS - len(row)) for row in given_], np.uint32).reshape(-1, WORDS)
    renumber(rows, np.array(numbers, np.uint32))
    assert rows.tolist() == [[numbers[w] for w in row] + [0] * (WORDS - len(row)) for row in given_]


def test_renumber__wants_rows_that_it_can_write() -> None:
    with pytest.raises(ValueError, match="Wanted: a writable contiguous"):
        renumber(np.zeros((2, 3), np.uint32), np.zeros(1, np.uint32))
