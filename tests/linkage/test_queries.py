from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.queries import (
    NUMBER_OF_MANY,
    OF_ISSUES,
    OLDEST,
    QUERIES,
    QUERY_COLUMNS,
    QueryList,
    contradictions,
    numbers_of_many,
    query_dates,
)


def test_queries__have_texts_in_both_languages():
    for code, (english, vietnamese) in QUERIES.items():
        assert code.replace("_", "").isalnum()
        assert english.endswith(".")
        assert vietnamese.endswith(".")
        assert english != vietnamese
    assert {code for of in OF_ISSUES.values() for code in of.values()} <= set(QUERIES)


def test_query_list__is_sorted_and_each_row_once():
    held = QueryList()
    held.add("b", "unknown_code", np.array([3, 1, 1]))
    held.add("a", "unknown_code", np.array([False, True, False, True]))
    held.add("a", "impossible_date", np.zeros(4, np.bool_))
    table = held.table()
    assert table.schema == QUERY_COLUMNS
    assert table.rows() == [(r, f, "unknown_code") for r, f in ((1, "a"), (1, "b"), (3, "a"), (3, "b"))]
    assert QueryList().table().schema == QUERY_COLUMNS
    with pytest.raises(KeyError):
        held.add("a", "no_such_query", np.array([1]))


parts = st.tuples(st.integers(1890, 2027), st.integers(0, 12), st.integers(0, 28)).map(
    lambda p: p if p[1] else (p[0], 0, 0)
)
dates = st.none() | parts


def code(date):
    return 0 if date is None else date[0] * 512 + date[1] * 32 + date[2]


def twin(birth, death):
    found = set()
    if birth is None:
        return found
    if death is not None:
        known = 1 + (birth[1] > 0 and death[1] > 0) + (birth[2] > 0 and death[2] > 0)
        if birth[:known] > death[:known]:
            found.add(("death_date", "death_before_birth"))
    if (death[0] if death else 2026) - birth[0] > OLDEST:
        found.add(("birth_date", "age_over_120"))
    return found


@settings(deadline=None)
@given(st.lists(st.tuples(dates, dates), min_size=1, max_size=20))
def test_query_dates__equal_the_rules_in_words(rows):
    held = QueryList()
    births = np.array([code(b) for b, _ in rows], np.int32)
    query_dates(held, births, np.array([code(d) for _, d in rows], np.int32), 2026)
    table = held.table()
    for row, (birth, death) in enumerate(rows):
        mine = table.filter(pl.col("row") == row)
        assert set(mine.select("field", "code").iter_rows()) == twin(birth, death)


def test_query_dates__without_a_column():
    held = QueryList()
    query_dates(held, None, None, 2026)
    query_dates(held, np.array([1900 * 512], np.int32), None, 2026)
    assert held.table()["code"].to_list() == ["age_over_120"]


def test_contradictions__need_both_sides():
    says = (np.array([1, 2, 0, 1], np.uint8), np.array([1985, 1985, 0, 1985], np.int16))
    sex, birth = np.array([1, 1, 1, 0], np.uint8), np.array([1985 * 512, 1986 * 512 + 33, 512, 0], np.int32)
    against_sex, against_year = contradictions(says, sex, birth)
    assert against_sex.tolist() == [False, True, False, False]
    assert against_year.tolist() == [False, True, False, False]
    assert not any(found.any() for found in contradictions(says, None, None))


def test_numbers_of_many__begin_at_the_limit():
    assert numbers_of_many(np.array([0, NUMBER_OF_MANY - 1, NUMBER_OF_MANY])).tolist() == [False, False, True]
