from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.doubles import (
    BLOCK_MOST,
    double_weights,
    judge_doubles,
    namesake_keys,
    oriented,
    pairs_of,
    shared_evidence,
)
from linkage.model import STEP
from linkage.scored import Scored
from tests.linkage import small
from tests.linkage.small import Person

#: Pattern 0 has no number alike, pattern 1 has.
GROUP = np.array([0, 1], np.int8)


def scored(bits: list[float], blind: list[float] | None = None, patterns: list[int] | None = None) -> Scored:
    n = len(bits)
    return Scored(
        np.arange(n, dtype=np.uint32),
        np.arange(n, 2 * n, dtype=np.uint32),
        np.array(patterns or [0] * n, np.uint32),
        np.zeros(n, np.uint8),
        np.array([int(b * STEP) for b in bits], np.int32),
        np.array([int(b * STEP) for b in (blind or bits)], np.int32),
    )


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=30))
def test_pairs_of__every_two_with_one_key(keys: list[tuple[int, int]]) -> None:
    rows = np.arange(len(keys), dtype=np.int64) * 3
    left, right, large = pairs_of(
        np.array([k for k, _ in keys], np.uint64), np.array([n for _, n in keys], np.uint64), rows
    )
    want = {(3 * a, 3 * b) for a, b in combinations(range(len(keys)), 2) if keys[a][0] == keys[b][0] != 0}
    assert {(min(p), max(p)) for p in zip(left.tolist(), right.tolist(), strict=True)} == want
    assert left.shape[0] == len(want)
    assert large == 0


def test_pairs_of__a_large_block_is_cut_and_a_larger_one_given_up() -> None:
    n = BLOCK_MOST + 1
    keys = np.full(2 * n, 7, np.uint64)
    narrow = np.concatenate([np.arange(n) // 2 + 1, np.full(n, 1_000)]).astype(np.uint64)
    left, right, given_up = pairs_of(keys, narrow, np.arange(2 * n))
    assert given_up == 1
    assert {(min(p), max(p)) for p in zip(left.tolist(), right.tolist(), strict=True)} == {
        (a, a + 1) for a in range(0, n - 1, 2)
    }


def test_pairs_of__pairs_stay_few_whatever_the_block() -> None:
    keys = np.ones(100_000, np.uint64)
    left, _, given_up = pairs_of(keys, np.zeros_like(keys), np.arange(100_000))
    assert left.shape[0] == 0
    assert given_up == 0


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20), st.randoms(use_true_random=False)
)
def test_oriented__each_pair_once_whatever_its_order(
    pairs: list[tuple[int, int]], chance: random.Random
) -> None:
    order = np.array([50, 20, 90, 10, 70, 30, 60], np.uint64)

    def told(of: list[tuple[int, int]]) -> list[tuple[int, int]]:
        one, other = (np.array([p[side] for p in of], np.int64) for side in (0, 1))
        return list(
            zip(*(side.tolist() for side in oriented(one, other, order[one], order[other])), strict=True)
        )

    mixed = [p if chance.random() < 0.5 else (p[1], p[0]) for p in pairs]
    chance.shuffle(mixed)
    want = sorted(
        {tuple(sorted(p, key=lambda row: order[row])) for p in pairs if p[0] != p[1]},
        key=lambda p: (order[p[0]], order[p[1]]),
    )
    assert told(pairs) == told(mixed) == want


def test_double_weights__a_number_of_its_own_counts_for_nothing() -> None:
    pairs = scored([20.0, 50.0, 30.0], [30.0, 30.0, 40.0], [0, 1, 1])
    assert double_weights(pairs, GROUP).tolist() == [30.0, 50.0, 40.0]


def test_judge_doubles__as_many_as_there_are() -> None:
    """A hundred doubles among two thousand namesakes of a million: all found, and their number learned."""
    chance = random.Random(1)
    bits = [chance.gauss(60.0, 5.0) for _ in range(100)] + [chance.gauss(18.0, 3.0) for _ in range(2_000)]
    doubles = judge_doubles(scored(bits), GROUP, 1_000_000)
    assert (doubles.probability[:100] > 0.99).all()
    assert (doubles.probability[100:] < 0.9).all()
    assert doubles.probability.sum() == pytest.approx(100, rel=0.05)


def test_judge_doubles__none_where_there_are_none() -> None:
    chance = random.Random(2)
    bits = [chance.gauss(18.0, 3.0) for _ in range(2_000)]
    assert judge_doubles(scored(bits), GROUP, 1_000_000).probability.max() < 0.5


def test_judge_doubles__the_larger_the_register_the_more_must_agree() -> None:
    pair = scored([36.0])
    small_town, nation = (judge_doubles(pair, GROUP, n).probability[0] for n in (10_000, 100_000_000))
    assert nation < small_town


def test_judge_doubles__no_pairs() -> None:
    assert judge_doubles(scored([]), GROUP, 1_000).probability.shape == (0,)


TWICE: list[Person] = [
    {"personal_number": "001080000001", "old_number": "012345678", "full_name": ["tran", "thi", "lan"],
     "birth_date": (1980, 5, 6), "sex": "F", "commune": 0, "phone": "0912345678"},
    {"personal_number": "001080000002", "old_number": "012345678", "full_name": ["tran", "thi", "lan"],
     "birth_date": (1980, 5, 6), "sex": "F", "commune": 0, "phone": None},
    {"personal_number": "001080000003", "old_number": None, "full_name": ["tran", "thi", "lan"],
     "birth_date": (1980, 5, 0), "sex": "F", "commune": 4, "phone": None},
    {"personal_number": "001080000004", "old_number": None, "full_name": ["tran", "lan", "thi"],
     "birth_date": (1980, 5, 6), "sex": "F", "commune": None, "phone": None},
]  # fmt: skip


def test_namesake_keys__exact_name_sex_and_whole_day() -> None:
    coded, meaning = small.coded_nation(TWICE)
    keys, narrow = namesake_keys(coded, meaning)
    assert keys[0] == keys[1] != 0
    assert keys[2] == 0
    assert keys[3] != keys[0]
    assert narrow[0] == narrow[1] != keys[0]
    assert narrow[3] == 0


def test_shared_evidence__what_two_persons_have_in_common() -> None:
    coded, _ = small.coded_nation(TWICE)
    one, other = np.array([0, 0]), np.array([1, 2])
    shared = shared_evidence(coded, one, other, np.array([True, False]))
    told = [{code for code, mark in shared.items() if mark[i]} for i in range(2)]
    assert told[0] == {"name_same", "birth_date_same", "commune_same", "old_number_same", "number_near"}
    assert told[1] == {"name_same"}


def test_shared_evidence__an_earlier_number_of_the_other() -> None:
    people: list[Person] = [
        {"personal_number": "001080000001", "aliases": ["001080000002"]},
        {"personal_number": "001080000002"},
        {"personal_number": "001080000003"},
    ]
    coded, _ = small.coded_nation(people)
    one, other = np.array([0, 1, 0]), np.array([1, 0, 2])
    assert shared_evidence(coded, one, other, np.zeros(3, bool))["number_earlier"].tolist() == [
        True, True, False,
    ]  # fmt: skip
