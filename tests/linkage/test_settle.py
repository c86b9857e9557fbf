from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.errors import ConfigError
from linkage.levels import Level, Part, compile_parts
from linkage.scored import Scored
from linkage.settle import (
    CLEAR,
    CROWD,
    SAMPLED,
    alike_keys,
    distinct,
    listed,
    namesake_keys,
    neighbour_keys,
    rehearsed,
    rivals_of,
    settled_records,
    settling_patterns,
    sharing,
    twin_keys,
)
from tests.linkage import small

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
        np.array([CLEAR * int(SETTLING[p]) for _, p in pairs], np.int32),
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
    found = settled_records(held, SETTLING, start, start + 10, np.array(sample), np.zeros(len(pairs), bool))
    for record in range(10):
        own = [p for r, p in pairs if r == record and SETTLING[p]]
        assert found[record] == (len(own) == 1 and not sample[record])


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


def test_settled_records__are_none_whose_pair_is_barred_or_has_another_near() -> None:
    good, other = int(np.flatnonzero(SETTLING)[0]), 0
    held = scored(
        [(0, good), (1, good), (2, good), (2, other), (3, good), (3, other), (4, good), (4, other)], 0
    )
    held.weight[:] = 40 * 1024
    held.blind[:] = 10 * 1024
    # Of the second candidates one comes near, one is far off, and one fits better but for the number.
    held.weight[[3, 5, 7]] = [40 * 1024 - CLEAR + 1, 40 * 1024 - CLEAR, 0]
    held.blind[7] += 1
    barred = np.arange(8) == 1
    found = settled_records(held, SETTLING, 0, 6, np.zeros(6, bool), barred)
    assert found.tolist() == [True, False, False, True, False, False]


@given(
    st.lists(st.integers(0, 50), max_size=20, unique=True),
    st.lists(st.integers(0, 50), min_size=1, max_size=9),
)
def test_listed__is_membership(ordered: list[int], values: list[int]) -> None:
    found = listed(np.array(values, np.uint32), np.array(sorted(ordered), np.uint32))
    assert found.tolist() == [v in ordered for v in values]


@given(st.lists(st.integers(0, 9) | st.integers(2**64 - 9, 2**64 - 1), max_size=30))
def test_distinct__is_each_value_once_in_order(values: list[int]) -> None:
    assert distinct(np.array(values, np.uint64)).tolist() == sorted(set(values))


@given(st.lists(st.integers(1, 6), max_size=30))
def test_sharing__gives_every_two_rows_of_a_key_once(keys: list[int]) -> None:
    rows = np.arange(len(keys), dtype=np.uint32) * 3
    left, right, crowded = sharing(np.array(keys, np.uint64), rows)
    want = {(3 * a, 3 * b) for a, b in itertools.combinations(range(len(keys)), 2) if keys[a] == keys[b]}
    assert {(min(p), max(p)) for p in zip(left.tolist(), right.tolist(), strict=True)} == want
    assert left.shape[0] == len(want)
    assert not crowded.size


def test_sharing__gives_the_rows_of_a_crowd_without_their_pairs() -> None:
    keys = np.array([7] * (CROWD + 1) + [8] * CROWD, np.uint64)
    left, right, crowded = sharing(keys, np.arange(keys.size))
    assert sorted(crowded.tolist()) == list(range(CROWD + 1))
    assert left.shape[0] == CROWD * (CROWD - 1) // 2
    assert min(left.min(), right.min()) == CROWD + 1


def test_alike_keys__of_each_kind_never_meet_those_of_the_other() -> None:
    day = (1985, 3, 2)
    coded, meaning = small.coded_nation(
        [{"full_name": ("vũ", "hòa"), "birth_date": day, "commune": 1}, {"full_name": ("vũ", "hòa")}]
    )
    made = np.array(alike_keys(coded, meaning))
    assert (made & np.uint64(3)).tolist() == [[1, 0], [2, 0], [3, 0]]
    del coded.arrays["commune"]
    assert np.array_equal(alike_keys(coded, meaning), made[:1])


def test_keys__are_of_names_in_any_writing_and_of_surnames_in_a_commune() -> None:
    day = (1985, 3, 2)
    people: list[small.Person] = [
        {"full_name": ("vũ", "hòa"), "birth_date": day, "commune": 1},
        {"full_name": ("hoa", "vu"), "birth_date": day, "commune": 1},
        {"full_name": ("vủ", "hải"), "birth_date": day, "commune": 1},
        {"full_name": ("vũ", "hòa"), "birth_date": (1985, 3, 3), "commune": 2},
        {"full_name": ("vũ", "hòa"), "birth_date": (1985, 3, 0), "commune": 1},
        {"full_name": (), "birth_date": day, "commune": 1},
        {"full_name": ("vũ", "hòa"), "commune": 1},
        {"full_name": ("vũ", "hòa"), "birth_date": day},
    ]
    coded, meaning = small.coded_nation(people)
    names, twins = namesake_keys(coded, meaning), twin_keys(coded, meaning)
    near = neighbour_keys(coded, meaning)
    assert near[0] == near[1] == near[4]
    assert len({0, *near[[0, 2, 3]].tolist()}) == 4
    assert near[5:].tolist() == [0, 0, 0]
    assert names[0] == names[1] == names[7]
    assert twins[0] == twins[2]
    assert twins[7] == 0
    for keys, others in ((names, [0, 2, 3]), (twins, [0, 1, 3])):
        assert keys[4:7].tolist() == [0, 0, 0]
        assert len({*keys[others].tolist(), 0}) == 4


@given(
    st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30),
    st.lists(st.integers(0, 9), max_size=12),
)
def test_rivals_of__are_all_of_each_person(pairs: set[tuple[int, int]], persons: list[int]) -> None:
    rows, rivals = (np.array([p[k] for p in sorted(pairs)], np.uint32) for k in (0, 1))
    places, found = rivals_of(np.array(persons, np.uint32), rows, rivals)
    want = [(n, other) for n, person in enumerate(persons) for one, other in sorted(pairs) if one == person]
    assert list(zip(places.tolist(), found.tolist(), strict=True)) == want
