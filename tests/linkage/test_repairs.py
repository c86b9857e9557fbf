from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.name_keys import fold_codes
from linkage.repairs import OUTCOMES, REPAIRS, RepairList, holding, outcomes, words_code

codes = st.integers(0, 3)


def twin(repaired: int, unrepaired: int, register: int, undone: bool, guess: bool) -> str:
    if undone:
        return "undone"
    if register == 0:
        return "open"
    if repaired == register:
        return "open" if unrepaired == register else "explains"
    return "undone" if guess or unrepaired == register else "open"


@settings(deadline=None)
@given(st.lists(st.tuples(codes, codes, codes, st.booleans(), st.booleans()), max_size=30))
def test_outcomes__equal_the_rules_in_words(rows):
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    numbers = [np.array(c, np.int64) for c in columns[:3]]
    flags = [np.array(c, np.bool_) for c in columns[3:]]
    assert [OUTCOMES[o] for o in outcomes(*numbers, *flags)] == [twin(*row) for row in rows]


def test_outcomes__with_another_none_and_another_agreement():
    nearby = lambda a, b: np.abs(a - b) <= 1  # noqa: E731
    found = outcomes(
        np.array([5, 5, 5, 5]), np.array([-1, 6, 9, 0]), np.array([6, 6, -1, 9]),
        np.zeros(4, np.bool_), np.array([True, True, True, True]), none=-1, agree=nearby,
    )  # fmt: skip
    assert [OUTCOMES[o] for o in found] == ["explains", "open", "open", "undone"]


@settings(deadline=None)
@given(st.lists(st.integers(-1, 6), max_size=20), st.lists(st.integers(0, 9), max_size=5))
def test_holding__is_membership(index, values):
    found = holding(np.array(index, np.int64), np.array(values, np.uint32))
    assert found.tolist() == [i in values for i in index]


def test_repair_list__spreads_values_and_marks_what_was_taken_back():
    held = RepairList()
    index = np.array([0, -1, 1, 0], np.int64)
    number = pl.DataFrame(
        {
            "value": [0, 1],
            "kind": ["leading_zero", "separators"],
            "confidence": [0.9, 1.0],
            "unrepaired": [7, 0],
        }
    )
    held.add("number", index, number)
    held.add("name", index, pl.DataFrame({"value": [0], "kind": ["ocr"], "confidence": [0.5]}))
    table = held.table({"number": np.array([True, True, True, False])})
    assert table.schema == REPAIRS
    assert table.select("row", "field", "kind", "unrepaired", "undone").rows() == [
        (0, "name", "ocr", 0, False),
        (0, "number", "leading_zero", 7, True),
        (2, "number", "separators", 0, False),
        (3, "name", "ocr", 0, False),
        (3, "number", "leading_zero", 7, False),
    ]
    assert RepairList().table({}).schema == REPAIRS


names = st.lists(st.text("abcĐÁ'1.", min_size=1, max_size=4), max_size=11).map(" ".join)


@settings(deadline=None)
@given(st.lists(names, max_size=8))
def test_words_code__folds_the_words_one_by_one(texts):
    def hash_of(words):
        return np.array([sum(map(ord, word)) * 97 for word in words.to_list()], np.uint64)

    expected = []
    for text in texts:
        words = text.lower().split()
        kept = words if len(words) <= 8 else [*words[:7], words[-1]]
        state = np.ones(1, np.uint64)
        for word in kept:
            state = fold_codes(state, hash_of(pl.Series([word])))
        expected.append(int(state.view(np.int64)[0]) if kept else 0)
    assert words_code(pl.Series(texts, dtype=pl.String), hash_of).to_list() == expected
