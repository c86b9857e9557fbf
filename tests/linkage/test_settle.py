from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.outlines import NOBODY
from linkage.errors import ConfigError
from linkage.levels import Level, Part, compile_parts
from linkage.posterior import REACH
from linkage.scored import Scored
from linkage.settle import (
    SAMPLED,
    Proposed,
    proposed_records,
    rehearsed,
    settled_records,
    settling_patterns,
)

PARTS = [
    Part(
        "number",
        ("personal_number",),
        (Level("null", "null"), Level("same", "exact", group="same"), Level("different", "always")),
    ),
    Part("sex", ("sex",), (Level("null", "null"), Level("same", "exact"), Level("different", "always"))),
    Part(
        "name",
        ("full_name",),
        (
            Level("null", "null"),
            Level("exact", "exact"),
            Level("bare", "bare"),
            Level("different", "always"),
        ),
    ),
]
PROGRAMME = compile_parts(PARTS, {"personal_number": "identifier", "sex": "sex", "full_name": "name"})
SETTLING = settling_patterns(PROGRAMME, ("number.same", "sex.same", "name.exact", "name.bare"))


def test_settling_patterns__have_one_of_the_levels_of_every_part_named() -> None:
    wanted = [
        n == 1 and s == 1 and f in (1, 2) for n, s, f in itertools.product(*map(range, PROGRAMME.shape))
    ]
    assert SETTLING.tolist() == wanted
    only_number = settling_patterns(PROGRAMME, ("number.same",))
    assert only_number.reshape(PROGRAMME.shape)[1].all()
    assert only_number.sum() == 12
    assert not settling_patterns(PROGRAMME, ()).any()


def test_settling_patterns__refuse_a_level_that_nobody_has() -> None:
    with pytest.raises(ConfigError, match=r"number\.sane") as caught:
        settling_patterns(PROGRAMME, ("number.sane",))
    assert caught.value.code == "E-CONFIG-053"
    assert "number.same" in caught.value.do


def scored(pairs: list[tuple[int, int]], start: int) -> Scored:
    n = len(pairs)
    return Scored(
        np.array([start + r for r, _ in pairs], np.uint32),
        np.arange(n, dtype=np.uint32),
        np.array([p for _, p in pairs], np.uint32),
        np.zeros(n, np.uint8),
        np.array([REACH * int(SETTLING[p]) for _, p in pairs], np.int32),
        np.zeros(n, np.int32),
    )


cases = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from([0, int(np.flatnonzero(SETTLING)[0]), int(np.flatnonzero(SETTLING)[1])]),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(cases, st.lists(st.booleans(), min_size=10, max_size=10), st.integers(0, 1000))
def test_proposed_records__have_just_one_settling_pair(
    pairs: list[tuple[int, int]], sample: list[bool], start: int
) -> None:
    held = scored(pairs, start)
    found = proposed_records(held, SETTLING, start, start + 10, np.array(sample), 1_000)
    for record in range(10):
        own = [k for k, (r, p) in enumerate(pairs) if r == record and SETTLING[p]]
        assert found.records[record] == (len(own) == 1 and not sample[record])
        if len(own) == 1:
            assert found.own[record] == (held.right[own[0]] if found.records[record] else NOBODY)


def test_rehearsed__is_a_hashed_sample_and_all_of_few_records() -> None:
    rng = np.random.default_rng(3)
    order = rng.integers(0, 2**64, 200_000, np.uint64)
    assert rehearsed(order, SAMPLED).all()
    assert rehearsed(order, 2 * SAMPLED).mean() == pytest.approx(0.5, abs=0.01)
    # A nation's sample is of as many records as a small country's.
    for times in (20, 80, 400):
        assert rehearsed(order, times * SAMPLED).mean() == pytest.approx(1 / times, abs=0.005)
    fewer, more = rehearsed(order, 4 * SAMPLED), rehearsed(order, 2 * SAMPLED)
    assert not (fewer & ~more).any()


def test_proposed_records__have_no_other_that_comes_near_or_contradicts() -> None:
    good, other = int(np.flatnonzero(SETTLING)[0]), 0
    held = scored([(0, good), *[(r, p) for r in range(1, 6) for p in (good, other)]], 0)
    held.weight[:] = 40 * 1024
    held.blind[:] = 30 * 1024
    # Of the second candidates one comes near, one is far off, one fits better by far but for the number, one
    # not so much better, one too little to be anybody.
    held.weight[2::2] = 40 * 1024 - REACH
    held.weight[2] += 1
    held.blind[6], held.blind[8] = 38 * 1024, 38 * 1024 - 1
    held.blind[9:] = -20 * 1024, 12 * 1024
    found = proposed_records(held, SETTLING, 0, 6, np.zeros(6, bool), 1_000)
    assert found.records.tolist() == [True, False, True, False, True, True]
    assert found.least[0].tolist() == [40 * 1024 - REACH, 38 * 1024 - 1]
    # Odds of eight to one against a register of 1,000 are the least that contradict a number.
    assert found.least[5, 1] == int((np.log2(1_000) + 3) * 1024) - 1


def test_settled_records__are_those_proposed_whom_no_pair_exceeds() -> None:
    proposed = Proposed(
        np.array([True, True, True, True, False]),
        np.tile(np.array([100, 200], np.int32), (5, 1)),
        np.zeros(5, np.uint32),
    )
    others = scored([(0, 0), (1, 0), (2, 0), (2, 0), (4, 0)], 7)
    others.weight[:] = [100, 101, 0, 100, 0]
    others.blind[:] = [200, 0, 0, 201, 0]
    assert settled_records(proposed, others, 7).tolist() == [True, False, False, True, False]
