from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.config import Decision
from linkage.decisions import CONFLICT, INELIGIBLE, LINK, NEW, REVIEW
from linkage.model import Weights
from linkage.resolve import (
    group_open,
    open_rows,
    order_duplicates,
    pair_probability,
    person_groups,
    survivors,
)
from linkage.scored import Scored

#: Rows of the agencies begin here.
FIRST = 100

#: Pattern 0 may link, pattern 1 never.
WEIGHTS = Weights(
    np.zeros(2, np.int32),
    np.zeros(2, np.int32),
    np.full(2, -1, np.int8),
    np.zeros(2, np.uint8),
    np.array([True, False]),
    np.zeros(2, np.int8),
)


@dataclass
class Decisions:
    """What resolution looks at of the decisions."""

    person: np.ndarray
    p_link: np.ndarray
    decision: np.ndarray


def decisions(rows: list[tuple[int, float, int]]) -> Decisions:
    return Decisions(
        np.array([r[0] for r in rows], np.int64),
        np.array([r[1] for r in rows], np.float64),
        np.array([r[2] for r in rows], np.uint8),
    )


def scored(pairs: list[tuple[int, int, float]], patterns: list[int] | None = None) -> Scored:
    """Pairs of agency rows (counted from 0) with their bits."""
    return Scored(
        np.array([FIRST + a for a, _, _ in pairs], np.uint32),
        np.array([FIRST + b for _, b, _ in pairs], np.uint32),
        np.array(patterns or [0] * len(pairs), np.uint32),
        np.zeros(len(pairs), np.uint8),
        np.array([round(bits * 1024) for _, _, bits in pairs], np.int32),
        np.zeros(len(pairs), np.int32),
    )


rows_of_people = st.lists(
    st.tuples(
        st.integers(-1, 4),
        st.sampled_from([0.2, 0.5, 0.9, 1.0]),
        st.sampled_from([LINK, REVIEW]),
        st.integers(1, 2),
        st.integers(0, 1),
    ),
    max_size=20,
)


@settings(deadline=None)
@given(rows_of_people, st.booleans())
def test_person_groups__are_records_of_one_source_role_and_person(
    rows: list[tuple[int, float, int, int, int]], one_in_two: bool
) -> None:
    wants_one = np.array([False, True, one_in_two])
    found = person_groups(
        decisions([r[:3] for r in rows]),
        FIRST,
        np.array([r[3] for r in rows], np.int64),
        np.array([r[4] for r in rows], np.int64),
        wants_one,
    )
    groups: dict[tuple[int, int, int], list[int]] = {}
    for row, (person, probability, _, source, role) in enumerate(rows):
        if person >= 0 and probability >= 0.5 and wants_one[source]:
            groups.setdefault((source, role, person), []).append(FIRST + row)
    by_group: dict[int, list[int]] = {}
    for group, row in found.tolist():
        by_group.setdefault(group, []).append(row)
    assert sorted(by_group.values()) == sorted(g for g in groups.values() if len(g) > 1)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), max_size=15), st.randoms())
def test_survivors__are_the_first_by_rank_of_each_group(group: list[int], rng: random.Random) -> None:
    group = sorted(group)
    rank = list(range(len(group)))
    rng.shuffle(rank)
    groups = np.array([[g, 50 + i] for i, g in enumerate(group)], np.int64).reshape(-1, 2)
    absorbed, survivor = survivors(groups, np.array(rank, np.int64))
    wanted = set()
    for own in set(group):
        members = [i for i, g in enumerate(group) if g == own]
        stays = min(members, key=lambda i: rank[i])
        wanted |= {(50 + i, 50 + stays) for i in members if i != stays}
    assert set(zip(absorbed.tolist(), survivor.tolist(), strict=True)) == wanted
    assert len(absorbed) == len(wanted)


def test_order_duplicates__demands_the_direct_comparison() -> None:
    # Both records are surely the same person's; what they say of one another decides.
    sure = decisions([(7, 1.0, LINK)] * 6)
    pairs = scored([(1, 0, 30.0), (3, 2, -1.0), (5, 4, 30.0)], [0, 0, 1])
    source = np.ones(6, np.int64)
    found = order_duplicates(
        pairs, sure, WEIGHTS, source, np.arange(6, dtype=np.uint64), FIRST, [Decision()] * 2
    )
    assert found.accepted.tolist() == [True, False, False]
    assert found.absorbed.tolist() == [FIRST + 1, FIRST + 3, FIRST + 5]
    assert found.survivor.tolist() == [FIRST, FIRST + 2, FIRST + 4]
    assert found.probability.tolist() == [1.0] * 3
    assert found.weight.tolist() == pairs.weight.tolist()


def test_order_duplicates__keeps_its_own_precision_by_source() -> None:
    p_link = [1.0, 1.0, 1.0, 0.997, 1.0, 0.98, 1.0, 0.997]
    rows = decisions([(7, p, LINK) for p in p_link])
    source = np.array([1, 1, 1, 1, 1, 1, 2, 2])
    pairs = scored([(1, 0, 30.0), (3, 2, 30.0), (5, 4, 30.0), (7, 6, 30.0)])
    order = np.arange(8, dtype=np.uint64)

    def accepted(precision: float) -> list[bool]:
        settings_ = [Decision(duplicates=precision)] * 3
        return order_duplicates(pairs, rows, WEIGHTS, source, order, FIRST, settings_).accepted.tolist()

    # Source 1: 1.0 and 0.997 have the mean 0.9985; 0.98 is too little for any. Source 2: 0.997 alone.
    assert accepted(0.9) == [True, True, False, True]
    assert accepted(0.998) == [True, True, False, False]
    assert accepted(0.999) == [True, False, False, False]


def test_order_duplicates__of_unlinked_records_go_by_the_pair() -> None:
    nobody = decisions([(-1, 0.0, NEW)] * 4)
    pairs = scored([(1, 0, 30.0), (3, 2, 30.0)])
    found = order_duplicates(
        pairs, nobody, WEIGHTS, np.ones(4, np.int64), np.arange(4, dtype=np.uint64), FIRST, [Decision()] * 2,
        np.array([0.9999, 0.5]),
    )  # fmt: skip
    assert found.accepted.tolist() == [True, False]


def test_open_rows__have_nobody_decided() -> None:
    rows = decisions([(1, 1.0, d) for d in (LINK, REVIEW, NEW, CONFLICT, INELIGIBLE)])
    assert open_rows(rows, FIRST).tolist() == [FIRST + 1, FIRST + 2, FIRST + 3]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(-4, 30)).filter(lambda t: t[0] < t[1]),
        max_size=12,
        unique_by=lambda t: t[:2],
    ),
    st.integers(6, 1000),
)
def test_pair_probability__is_the_more_doubtful_view(pairs: list[tuple[int, int, int]], n_open: int) -> None:
    found = pair_probability(scored([(a, b, float(bits)) for a, b, bits in pairs]), n_open)
    odds = {(a, b): 2.0**bits * 0.5 / n_open for a, b, bits in pairs}
    for (a, b), p in zip(odds, found.tolist(), strict=True):
        views = [odds[a, b] / (1 + sum(o for pair, o in odds.items() if record in pair)) for record in (a, b)]
        assert p == pytest.approx(min(views))


def grouped(
    pairs: list[tuple[int, int, float]],
    source: list[int],
    allowed: list[bool] | None = None,
    probability: list[float] | None = None,
    patterns: list[int] | None = None,
    ties: list[int] | None = None,
) -> tuple[list[set[int]], list[tuple[int, int, bool, str]]]:
    roots, edges = group_open(
        scored(pairs, patterns),
        np.array(probability or [1.0] * len(pairs)),
        WEIGHTS,
        np.array(source),
        FIRST,
        [False, True, True, False],
        np.array(allowed or [True] * len(source)),
        np.array(ties or range(len(source)), np.uint64),
    )
    entities: dict[int, set[int]] = {}
    for row, root in roots.items():
        entities.setdefault(root, set()).add(row - FIRST)
        assert root in roots
        assert root <= row
    return sorted(entities.values(), key=min), edges


def test_group_open__joins_sources_and_keeps_one_record_a_person() -> None:
    # 0 and 3 are of source 1: the weaker edge that would bring them together is cut.
    entities, edges = grouped([(0, 1, 40.0), (1, 2, 35.0), (2, 3, 30.0)], [1, 2, 3, 1])
    assert entities == [{0, 1, 2}]
    assert edges == [
        (FIRST, FIRST + 1, True, "unknown_person"),
        (FIRST + 1, FIRST + 2, True, "unknown_person"),
        (FIRST + 2, FIRST + 3, False, "one_record_a_person"),
    ]
    # Source 3 promises nothing.
    assert grouped([(0, 1, 40.0), (1, 2, 35.0)], [3, 1, 3])[0] == [{0, 1, 2}]


def test_group_open__takes_duplicates_only_where_both_were_compared() -> None:
    assert grouped([(0, 1, 40.0)], [1, 1])[0] == [{0, 1}]
    assert grouped([(0, 1, 40.0), (1, 2, 30.0)], [1, 2, 1])[0] == [{0, 1}]
    assert grouped([(0, 1, 40.0), (0, 2, 30.0)], [1, 1, 1])[0] == [{0, 1}]


def test_group_open__leaves_out_what_is_doubtful_forbidden_or_settled() -> None:
    assert grouped([(0, 1, 40.0)], [1, 2], probability=[0.98]) == ([], [])
    assert grouped([(0, 1, 40.0)], [1, 2], patterns=[1]) == ([], [])
    assert grouped([(0, 1, 40.0)], [1, 2], allowed=[True, False]) == ([], [])
    assert grouped([], [1, 2]) == ([], [])


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(1, 3), min_size=2, max_size=8), st.data())
def test_group_open__does_not_depend_on_where_a_record_stands(source: list[int], data: st.DataObject) -> None:
    n = len(source)
    possible = [(a, b) for a in range(n) for b in range(n) if a < b]
    pairs = data.draw(st.lists(st.sampled_from(possible), unique=True, max_size=12))
    bits = data.draw(st.lists(st.sampled_from([30.0, 31.0]), min_size=len(pairs), max_size=len(pairs)))
    place = data.draw(st.permutations(range(n)))
    ties = list(range(n))
    whole = [(a, b, w) for (a, b), w in zip(pairs, bits, strict=True)]
    first, edges = grouped(whole, source, ties=ties)
    moved = [(*sorted((place[a], place[b])), w) for a, b, w in whole]
    data.draw(st.randoms()).shuffle(moved)
    there_source, there_ties = [0] * n, [0] * n
    for row in range(n):
        there_source[place[row]], there_ties[place[row]] = source[row], ties[row]
    second, _ = grouped(moved, there_source, ties=there_ties)
    assert sorted(sorted(place[row] for row in own) for own in first) == sorted(map(sorted, second))
    # At most one record of a promising source each, save for two that were compared directly.
    for own in first:
        for promising in (1, 2):
            inside = [row for row in own if source[row] == promising]
            assert len(inside) <= 2
            assert len(inside) < 2 or tuple(sorted(inside)) in pairs
    kept = [(a - FIRST, b - FIRST) for a, b, stays, _ in edges if stays]
    assert sum(len(own) - 1 for own in first) == len(kept)


def test_orders__each_source_has_its_own_thresholds() -> None:
    rows = decisions([(7, p, LINK) for p in (0.9995, 1.0, 0.9995, 1.0)])
    source = np.array([1, 1, 2, 2])
    pairs = scored([(1, 0, 30.0), (3, 2, 30.0)])
    strict, lenient = Decision(duplicates=0.9999), Decision(duplicates=0.999)
    order = np.arange(4, dtype=np.uint64)
    found = order_duplicates(pairs, rows, WEIGHTS, source, order, FIRST, [strict, strict, lenient])
    assert found.accepted.tolist() == [False, True]
