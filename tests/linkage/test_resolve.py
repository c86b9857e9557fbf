from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage import resolve
from linkage.config import Decision
from linkage.decisions import CONFLICT, INELIGIBLE, LINK, NEW, REVIEW
from linkage.model import Weights
from linkage.resolve import (
    Duplicates,
    Groups,
    anchors_of,
    group_open,
    is_open,
    order_duplicates,
    orders_kept,
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
    st.tuples(st.integers(0, 4), st.integers(1, 2), st.integers(0, 1)), max_size=20, unique=False
)


@settings(deadline=None)
@given(rows_of_people, st.randoms())
def test_person_groups__are_records_of_one_source_role_and_person(
    records: list[tuple[int, int, int]], rng: random.Random
) -> None:
    rows = list(range(FIRST, FIRST + len(records)))
    rng.shuffle(rows)
    found = person_groups(
        np.array([r[0] for r in records], np.int64),
        np.array([r[1] for r in records], np.int64),
        np.array([r[2] for r in records], np.uint64),
        np.array(rows, np.int64),
    )
    groups: dict[tuple[int, int, int], list[int]] = {}
    for row, own in zip(rows, records, strict=True):
        groups.setdefault(own, []).append(row)
    by_group: dict[int, list[int]] = {}
    for group, row in found.tolist():
        by_group.setdefault(group, []).append(row)
    assert sorted(by_group.values()) == sorted(sorted(g) for g in groups.values() if len(g) > 1)


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


def ordered(
    pairs: Scored, probability: list[float], source: list[int], settings_: list[Decision]
) -> Duplicates:
    n = len(source)
    return order_duplicates(
        pairs, np.array(probability), WEIGHTS, np.array(source, int), np.arange(n, dtype=np.uint64), settings_
    )


def test_order_duplicates__demands_the_direct_comparison() -> None:
    # Both records are surely the same person's; what they say of one another decides.
    pairs = scored([(1, 0, 30.0), (3, 2, -1.0), (5, 4, 30.0)], [0, 0, 1])
    found = ordered(pairs, [1.0] * 3, [1] * 3, [Decision()] * 2)
    assert found.accepted.tolist() == [True, False, False]
    assert found.absorbed.tolist() == [FIRST + 1, FIRST + 3, FIRST + 5]
    assert found.survivor.tolist() == [FIRST, FIRST + 2, FIRST + 4]
    assert found.probability.tolist() == [1.0] * 3
    assert found.weight.tolist() == pairs.weight.tolist()


def test_order_duplicates__keeps_its_own_precision_by_source() -> None:
    pairs = scored([(1, 0, 30.0), (3, 2, 30.0), (5, 4, 30.0), (7, 6, 30.0)])

    def accepted(precision: float) -> list[bool]:
        settings_ = [Decision(duplicates=precision)] * 3
        return ordered(pairs, [1.0, 0.997, 0.98, 0.997], [1, 1, 1, 2], settings_).accepted.tolist()

    # Source 1: 1.0 and 0.997 have the mean 0.9985; 0.98 is too little for any. Source 2: 0.997 alone.
    assert accepted(0.9) == [True, True, False, True]
    assert accepted(0.998) == [True, True, False, False]
    assert accepted(0.999) == [True, False, False, False]


def test_order_duplicates__of_unlinked_records_go_by_the_pair() -> None:
    pairs = scored([(1, 0, 30.0), (3, 2, 30.0)])
    found = ordered(pairs, [0.9999, 0.5], [1, 1], [Decision()] * 2)
    assert found.accepted.tolist() == [True, False]


def test_order_duplicates__of_nothing_are_none() -> None:
    found = ordered(scored([]), [], [], [Decision()] * 2)
    assert found.absorbed.shape == found.accepted.shape == (0,)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(5, 9), st.sampled_from([0.9, 1.0]), st.booleans()),
        max_size=12,
        unique_by=lambda t: t[:2],
    )
)
def test_orders_kept__merge_a_record_away_once(orders: list[tuple[int, int, float, bool]]) -> None:
    found = Duplicates(
        np.array([o[0] for o in orders], np.int64),
        np.array([o[1] for o in orders], np.int64),
        np.zeros(len(orders), np.int32),
        np.zeros(len(orders), np.uint32),
        np.array([o[2] for o in orders]),
        np.array([o[3] for o in orders], bool),
    )
    ties = np.array([[o[0] * 7 % 5, o[1] * 3 % 10] for o in orders], np.uint64).reshape(-1, 2)
    taken: set[int] = set()
    wanted = [False] * len(orders)
    for at in sorted(range(len(orders)), key=lambda i: (-orders[i][2], *ties[i].tolist())):
        absorbed, _, _, accepted = orders[at]
        if accepted and absorbed not in taken:
            taken.add(absorbed)
            wanted[at] = True
    assert orders_kept(found, ties).tolist() == wanted


def test_open__records_have_nobody_decided() -> None:
    decisions = np.array([LINK, REVIEW, NEW, CONFLICT, INELIGIBLE], np.uint8)
    assert is_open(decisions).tolist() == [False, True, True, True, False]


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


WANTS_ONE = [False, True, True, False]


def found_groups(
    pairs: list[tuple[int, int, float]],
    source: list[int],
    allowed: list[bool] | None = None,
    probability: list[float] | None = None,
    patterns: list[int] | None = None,
    ties: list[int] | None = None,
) -> Groups:
    return group_open(
        scored(pairs, patterns),
        np.array(probability or [1.0] * len(pairs)),
        WEIGHTS,
        np.arange(FIRST, FIRST + len(source)),
        np.array(source),
        np.array(allowed or [True] * len(source)),
        np.array(ties or range(len(source)), np.uint64),
        WANTS_ONE,
    )


def grouped(*given_: object, **more: object) -> tuple[list[set[int]], list[tuple[int, int, bool]]]:
    found = found_groups(*given_, **more)  # type: ignore[arg-type]
    entities: dict[int, set[int]] = {}
    assert found.rows.tolist() == sorted(found.rows.tolist())
    for row, root in zip(found.rows.tolist(), found.roots.tolist(), strict=True):
        entities.setdefault(root, set()).add(row - FIRST)
    assert all(root - FIRST == min(own) for root, own in entities.items())
    edges = zip(found.left.tolist(), found.right.tolist(), found.kept.tolist(), strict=True)
    return sorted(entities.values(), key=min), list(edges)


def test_group_open__joins_sources_and_keeps_one_record_a_person() -> None:
    # 0 and 3 are of source 1: the weaker edge that would bring them together is cut.
    entities, edges = grouped([(0, 1, 40.0), (1, 2, 35.0), (2, 3, 30.0)], [1, 2, 3, 1])
    assert entities == [{0, 1, 2}]
    assert edges == [
        (FIRST, FIRST + 1, True),
        (FIRST + 1, FIRST + 2, True),
        (FIRST + 2, FIRST + 3, False),
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
    kept = [(a - FIRST, b - FIRST) for a, b, stays in edges if stays]
    assert sum(len(own) - 1 for own in first) == len(kept)


def slow_groups(
    pairs: list[tuple[int, int, float]], source: list[int], ties: list[int]
) -> tuple[list[set[int]], list[tuple[int, int, bool]]]:
    """Entities as sets that are merged one by one, the strongest pair first."""
    entities = [{row} for row in range(len(source))]
    edges = []
    for a, b, _ in sorted(pairs, key=lambda p: (-p[2], *sorted((ties[p[0]], ties[p[1]])))):
        mine, other = (next(e for e in entities if row in e) for row in (a, b))
        if mine is other:
            continue
        twice = {source[r] for r in mine} & {source[r] for r in other} & {1, 2}
        lone = len(mine) == len(other) == 1 and source[a] == source[b]
        edges.append((FIRST + a, FIRST + b, not twice or lone))
        if edges[-1][2]:
            entities = [e for e in entities if e is not mine and e is not other] + [mine | other]
    return sorted((e for e in entities if len(e) > 1), key=min), edges


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=9), st.data())
def test_group_open__equals_its_slow_twin(source: list[int], data: st.DataObject) -> None:
    n = len(source)
    possible = [(a, b) for a in range(n) for b in range(n) if a < b]
    pairs = data.draw(st.lists(st.sampled_from(possible), unique=True, max_size=16))
    bits = data.draw(st.lists(st.sampled_from([30.0, 31.0]), min_size=len(pairs), max_size=len(pairs)))
    ties = data.draw(st.permutations(range(n)))
    whole = [(a, b, w) for (a, b), w in zip(pairs, bits, strict=True)]
    assert grouped(whole, source, ties=ties) == slow_groups(whole, source, ties)


def test_anchors__are_the_first_of_a_group_and_of_what_absorbs_a_record() -> None:
    groups = found_groups([(0, 1, 40.0), (1, 2, 35.0), (4, 5, 35.0)], [1, 2, 3, 1, 2, 3])
    assert groups.rows.tolist() == [FIRST + i for i in (0, 1, 2, 4, 5)]
    place = np.array([3, 1, 2, 4, 5])
    rows, anchors = anchors_of(groups, place, np.zeros((0, 2), np.int64))
    assert rows.tolist() == [FIRST, FIRST + 2, FIRST + 5]
    assert anchors.tolist() == [FIRST + 1, FIRST + 1, FIRST + 4]
    for merged in ([[7, 8], [8, 0]], [[8, 0], [7, 8]]):
        rows, anchors = anchors_of(groups, place, np.array(merged, np.int64) + FIRST)
        assert rows.tolist() == [FIRST + i for i in (0, 2, 5, 7, 8)]
        assert anchors.tolist() == [FIRST + i for i in (1, 1, 4, 1, 1)]
    none = Groups(*(np.zeros(0, np.int64) for _ in range(5)))
    rows, anchors = anchors_of(none, np.zeros(0, np.int64), np.array([[FIRST + 3, FIRST + 2]]))
    assert (rows.tolist(), anchors.tolist()) == ([FIRST + 3], [FIRST + 2])


def test_orders__each_source_has_its_own_thresholds() -> None:
    pairs = scored([(1, 0, 30.0), (3, 2, 30.0)])
    strict, lenient = Decision(duplicates=0.9999), Decision(duplicates=0.999)
    found = ordered(pairs, [0.9995, 0.9995], [1, 2], [strict, strict, lenient])
    assert found.accepted.tolist() == [False, True]
    assert resolve.GROUP_MIN <= 0.9995
