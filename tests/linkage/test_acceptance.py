from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.acceptance import CERTAINLY_WRONG, accept_in_order, contest_of, cut_of, doubts


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.sampled_from([1.0, 0.99999, 0.9999, 0.999, 0.99, 0.95, 0.6]), max_size=25),
    st.sampled_from([0.9, 0.99, 0.999, 0.9999]),
    st.randoms(),
)
def test_accept_in_order__takes_the_longest_prefix_that_keeps_the_promise(
    probabilities: list[float], demanded: float, rng: random.Random
) -> None:
    tie = list(range(len(probabilities)))
    rng.shuffle(tie)
    found = accept_in_order(np.array(probabilities), np.array(tie, np.uint64), demanded)
    ranked = sorted(range(len(tie)), key=lambda i: (-probabilities[i], tie[i]))
    # Whole numbers of 1e-5, so that nothing is rounded.
    wrong = [round((1 - probabilities[i]) * 100_000) for i in ranked]
    allowed = round((1 - demanded) * 100_000)
    lengths = [k for k in range(len(ranked) + 1) if sum(wrong[:k]) <= allowed * k]
    # Where the mean is the demanded one to the digit, a float may fall either way.
    strictly = [k for k in lengths if sum(wrong[:k]) < allowed * k]
    accepted = int(found.sum())
    assert set(np.flatnonzero(found).tolist()) == set(ranked[:accepted])
    assert accepted in lengths
    assert accepted >= max(strictly, default=0)


def test_accept_in_order__lets_the_certain_carry_the_doubtful() -> None:
    certain = np.array([1.0] * 99 + [0.5])
    tie = np.arange(100, dtype=np.uint64)
    assert accept_in_order(certain, tie, 0.99).all()
    assert accept_in_order(certain, tie, 0.999).sum() == 99
    assert accept_in_order(certain[-1:], tie[:1], 0.9).sum() == 0


def longest(doubt: list[int], order: list[int], allowed: int) -> set[int]:
    """The longest prefix, by doubt and hash, whose doubts stay at or below what is allowed on average.

    Records of one doubt and one hash are taken together or not at all.
    """
    ranked = sorted(range(len(doubt)), key=lambda i: (doubt[i], order[i]))
    best = 0
    for k in range(len(ranked) + 1):
        whole = k in (0, len(ranked)) or (
            (doubt[ranked[k - 1]], order[ranked[k - 1]]) != (doubt[ranked[k]], order[ranked[k]])
        )
        if whole and sum(doubt[i] for i in ranked[:k]) <= allowed * k:
            best = k
    return set(ranked[:best])


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.sampled_from([0.0, 1e-7, 1e-5, 1e-4, 1.5e-4, 1e-3, 0.01, 0.4, 1.0]), st.floats(0, 1)
            ),
            st.one_of(st.integers(0, 6), st.integers(0, 2**64 - 1)),
            st.integers(0, 3),
        ),
        max_size=30,
    ),
    st.sampled_from([0.5, 0.9, 0.99, 0.9999, 0.99999]),
    st.randoms(use_true_random=False),
)
def test_cut__in_any_ranges_is_that_of_sorting_everything(
    rows: list[tuple[float, int, int]], demanded: float, rng: random.Random
) -> None:
    doubt = doubts(1.0 - np.array([r[0] for r in rows]))
    order = np.array([r[1] for r in rows], np.uint64)
    part = np.array([r[2] for r in rows], np.int64)
    contests = [contest_of(doubt[part == p], order[part == p], demanded) for p in range(4)]
    rng.shuffle(contests)
    cut = cut_of(contests, demanded)
    found = set(np.flatnonzero(cut.accepts(doubt, order)).tolist())
    assert found == longest(doubt.tolist(), order.tolist(), round((1 - demanded) * CERTAINLY_WRONG))


@given(st.lists(st.floats(0, 1), max_size=20))
def test_doubts__are_one_minus_p_to_the_nearest_step(probabilities: list[float]) -> None:
    found = doubts(np.array(probabilities)).tolist()
    for p, doubt in zip(probabilities, found, strict=True):
        assert abs(Fraction(doubt, CERTAINLY_WRONG) - (1 - Fraction(p))) <= Fraction(1, 2**41) + Fraction(
            1, 2**53
        )
    assert doubts(np.array([1.0, 0.0])).tolist() == [0, CERTAINLY_WRONG]


def test_cut__of_many_equal_doubts_goes_by_hash() -> None:
    order = np.arange(1000, dtype=np.uint64)[::-1].copy()
    doubt = doubts(np.full(1000, 0.9998))
    sure = contest_of(np.zeros(100, np.int64), np.arange(100, dtype=np.uint64), 0.9999)
    # Each of the hundred sure ones carries one doubtful one.
    cut = cut_of([sure, contest_of(doubt, order, 0.9999)], 0.9999)
    assert np.flatnonzero(cut.accepts(doubt, order)).tolist() in (
        list(range(900, 1000)),
        list(range(901, 1000)),
    )


def test_cut__of_nothing() -> None:
    none = contest_of(np.zeros(0, np.int64), np.zeros(0, np.uint64), 0.99)
    for contests in ([], [none]):
        cut = cut_of(contests, 0.99)
        assert cut.accepts(np.array([0, 5]), np.array([1, 2], np.uint64)).all()
