"""Names as texts, held against joining the words one by one."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.coded import NAME_WIDTH
from linkage.text_arrays import Texts
from linkage.words import (
    Spelling,
    name_texts,
    read_as_dates,
    read_as_digits,
    read_as_names,
    text_buffers,
    written_names,
)

WORDS = ["An", "H'Lan", "Hoàng", "Nguyễn", "Ở", "ß", "X", "Thị"]
SPELLING = Spelling.of(pl.Series(WORDS))

NAMES = st.lists(st.lists(st.integers(1, len(WORDS)), max_size=NAME_WIDTH), max_size=12)


def coded(names):
    out = np.zeros((len(names), NAME_WIDTH), np.uint32)
    for row, name in zip(out, names, strict=True):
        row[: len(name)] = name
    return out


def slow(name, capitals):
    text = " ".join(WORDS[token - 1] for token in name)
    return text.upper() if capitals else text


@settings(max_examples=80, deadline=None)
@given(NAMES, st.randoms(use_true_random=False))
def test_texts__are_the_words_with_single_spaces(names, chance):
    capitals = [chance.random() < 0.5 for _ in names]
    wanted = [slow(name, upper) for name, upper in zip(names, capitals, strict=True)]
    assert written_names(coded(names), np.array(capitals, bool), SPELLING).to_list() == wanted
    assert name_texts(coded(names), SPELLING).to_list() == [slow(name, False) for name in names]


@settings(max_examples=80, deadline=None)
@given(NAMES, st.data())
def test_texts__are_read_as_names_where_they_are_theirs_letter_for_letter(names, data):
    texts = [
        data.draw(
            st.sampled_from([slow(n, False), slow(n, True), slow(n, False) + " ", slow(n[:1], False), "an"])
        )
        for n in names
    ]
    wanted = [t in (slow(n, False), slow(n, True)) for t, n in zip(texts, names, strict=True)]
    held = Texts.of(["", *texts])
    rows = np.arange(1, len(texts) + 1)
    read = read_as_names(held, rows, coded(names), SPELLING, SPELLING.capitals)
    assert read.tolist() == wanted
    assert not read_as_names(held, np.full(len(names), -1), coded(names), SPELLING, SPELLING).any()


@pytest.mark.parametrize(
    ("text", "digits", "reads"),
    [
        ("001190000001", "001190000001", True),
        ("01190000001", "001190000001", False),
        ("001190000001 ", "001190000001", False),
        ("00119000000x", "001190000001", False),
        ("001190000002", "001190000001", False),
        ("", "1", False),
        ("123456789", "123456789", True),
    ],
)
def test_texts__are_read_as_digits_where_they_are_nothing_else(text, digits, reads):
    code = len(digits) << 56 | int(digits)
    held = Texts.of([text, ""])
    assert read_as_digits(held, np.array([0, 1, 0]), np.array([code, code, 0])).tolist() == [
        reads,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "forms", "reads"),
    [
        ("05/03/1985", ["dd/mm/yyyy"], True),
        ("5/3/1985", ["dd/mm/yyyy"], False),
        ("5/3/1985", ["d/m/yyyy"], True),
        ("05/03/1985", ["d/m/yyyy"], True),
        ("05/3/1985", ["d/m/yyyy"], False),
        ("19850305", ["dd/mm/yyyy", "yyyymmdd"], True),
        ("19850305 ", ["yyyymmdd"], False),
        ("1985", ["yyyy"], True),
        ("1985030", ["yyyymmdd"], False),
        ("06/03/1985", ["dd/mm/yyyy"], False),
        ("", ["dd/mm/yyyy"], False),
        ("05/03/1985", [], False),
    ],
)
def test_texts__are_read_as_dates_where_a_form_writes_them_so(text, forms, reads):
    code = np.array([1985 << 9 | 3 << 5 | 5], np.int32)
    assert read_as_dates(Texts.of(["x", text]), np.array([1]), code, forms).tolist() == [reads]


def test_buffers__of_a_slice_are_its_own_texts():
    texts = pl.Series(["a", "bc", None, "d"]).slice(1, 3)
    offsets, data = text_buffers(texts)
    assert [bytes(data[a:b]).decode() for a, b in itertools.pairwise(offsets)] == ["bc", "", "d"]
