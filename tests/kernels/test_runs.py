from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.runs import count_repeats, count_runs, find_runs

people = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=40)


def ordered(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = np.argsort(keys, kind="stable").astype(np.uint32)
    return keys[places], places


def counted(
    people: list[tuple[int, int]],
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...], list[int]]:
    n = len(people)
    keys = np.array([k for k, _ in people], np.uint64)
    group = np.array([g for _, g in people], np.uint8)
    everywhere, here = np.zeros(n, np.int32), np.zeros(n, np.int32)
    table = np.zeros(n, np.uint64), np.zeros(n, np.uint8), np.zeros(n, np.int32)
    totals = np.zeros(3, np.int64)
    rows = count_runs(*ordered(keys), group, everywhere, here, *table, totals)
    return everywhere, here, tuple(t[:rows] for t in table), totals.tolist()


@settings(deadline=None)
@given(people)
def test_count_runs__equal_counting_everybody(found: list[tuple[int, int]]) -> None:
    everywhere, here, table, totals = counted(found)
    bearers = Counter(k for k, _ in found if k)
    of_group = Counter((k, g) for k, g in found if k)
    assert everywhere.tolist() == [bearers[k] for k, _ in found]
    assert here.tolist() == [of_group[k, g] if g else 0 for k, g in found]
    assert totals == [
        sum(c == 1 for c in bearers.values()),
        sum(c == 2 for c in bearers.values()),
        sum(c * (c - 1) for c in bearers.values()),
    ]
    assert list(zip(*(t.tolist() for t in table), strict=True)) == [
        (k, g, of_group[k, g]) for k, g in sorted(of_group)
    ]


@settings(deadline=None)
@given(people, people)
def test_find_runs__equal_what_was_counted(
    found: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    _, _, table, _ = counted(found)
    everywhere, here = np.full(len(asked), 9, np.int32), np.full(len(asked), 9, np.int32)
    keys, group = np.array([k for k, _ in asked], np.uint64), np.array([g for _, g in asked], np.uint8)
    find_runs(*table, keys, group, everywhere, here)
    bearers = Counter(k for k, _ in found if k)
    of_group = Counter((k, g) for k, g in found if k)
    assert everywhere.tolist() == [bearers[k] for k, _ in asked]
    assert here.tolist() == [of_group[k, g] if g and k else 0 for k, g in asked]


@settings(deadline=None)
@given(people)
def test_count_repeats__count_those_of_one_kind(found: list[tuple[int, int]]) -> None:
    out = np.zeros(len(found), np.int32)
    kind = np.array([g for _, g in found], np.uint8)
    count_repeats(*ordered(np.array([k for k, _ in found], np.uint64)), kind, out)
    known = Counter(found)
    assert out.tolist() == [known[row] if row[0] else 0 for row in found]
