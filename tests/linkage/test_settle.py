from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.errors import ConfigError
from linkage.levels import Level, Part, compile_parts
from linkage.scored import Scored
from linkage.settle import SAMPLED, SAMPLED_MOST, rehearsed, settled_records, settling_patterns

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
        np.zeros(n, np.int32),
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
def test_settled_records__have_just_one_settling_pair(
    pairs: list[tuple[int, int]], sample: list[bool], start: int
) -> None:
    held = scored(pairs, start)
    found = settled_records(held, SETTLING, start, start + 10, np.array(sample))
    for record in range(10):
        own = [p for r, p in pairs if r == record and SETTLING[p]]
        assert found[record] == (len(own) == 1 and not sample[record])


def test_rehearsed__is_a_hashed_sample_and_all_of_few_records() -> None:
    rng = np.random.default_rng(3)
    order = rng.integers(0, 2**64, 200_000, np.uint64)
    assert rehearsed(order, SAMPLED).all()
    assert rehearsed(order, 2 * SAMPLED).mean() == pytest.approx(0.5, abs=0.01)
    assert rehearsed(order, 40 * SAMPLED).mean() == pytest.approx(0.05, abs=0.005)
    # A nation's share is of as many records as a small country's.
    for times in (80, 200, 400):
        wanted = SAMPLED_MOST / (times * SAMPLED)
        assert rehearsed(order, times * SAMPLED).mean() == pytest.approx(wanted, abs=0.001)
    fewer, more = rehearsed(order, 4 * SAMPLED), rehearsed(order, 2 * SAMPLED)
    assert not (fewer & ~more).any()
