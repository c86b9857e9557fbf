from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.evidence import EVIDENCE, Votes, seats_of, texts, votes

#: A record: person, source, value, whether it equals the register.
Record = tuple[int, int, int, bool]

RECORDS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3), st.booleans()), max_size=25
)


def count(records: list[Record]) -> Votes:
    return votes(
        np.array([r[0] for r in records], np.int64),
        np.array([r[1] for r in records], np.uint8),
        np.array([r[2] for r in records], np.uint64),
        np.array([r[3] for r in records], bool),
        np.array([contrary(r) for r in records], bool),
    )


def contrary(record: Record) -> bool:
    return not record[3] and record[2] > 1


def slow_votes(records: list[Record]) -> list[tuple[int, int, int]]:
    """Every record against every other; what is no value of its own contradicts."""
    out = []
    for person, source, value, _ in records:
        others = [r for r in records if r[0] == person and r[1] != source]
        out.append(
            (
                len({r[1] for r in others if r[3]}),
                len({r[1] for r in others if value != 0 and r[2] == value}),
                len({r[1] for r in others if contrary(r)}),
            )
        )
    return out


@settings(deadline=None)
@given(RECORDS)
def test_votes__as_every_record_against_every_other(records: list[Record]) -> None:
    fast = count(records)
    told = zip(fast.for_register.tolist(), fast.for_held.tolist(), fast.against.tolist(), strict=True)
    assert list(told) == slow_votes(records)
    assert fast.for_register.dtype == fast.for_held.dtype == fast.against.dtype == np.uint8


def test_votes__of_a_person_with_very_many_records() -> None:
    records = [(p, s % 5, v, v == 3) for p in (0, 7) for s in range(40) for v in (0, 1, 3, s % 4)]
    fast = count(records)
    told = zip(fast.for_register.tolist(), fast.for_held.tolist(), fast.against.tolist(), strict=True)
    assert list(told) == slow_votes(records)


@settings(deadline=None)
@given(RECORDS, st.randoms(use_true_random=False))
def test_votes__whatever_the_order_of_records(records: list[Record], chance) -> None:
    place = list(range(len(records)))
    chance.shuffle(place)
    straight, mixed = count(records), count([records[p] for p in place])
    assert mixed.for_register.tolist() == [straight.for_register[p] for p in place]
    assert mixed.for_held.tolist() == [straight.for_held[p] for p in place]


@settings(deadline=None)
@given(RECORDS)
def test_votes__a_source_that_says_it_twice_is_one_source(records: list[Record]) -> None:
    once, twice = count(records), count(records + records)
    assert twice.for_register[: len(records)].tolist() == once.for_register.tolist()
    assert twice.for_held[: len(records)].tolist() == once.for_held.tolist()


def test_votes__large_keys_and_many_sources() -> None:
    big = 2**31
    records = [(big, s, 2**63 + 5, s % 2 == 0) for s in range(256)]
    found = count(records)
    assert set(found.for_held.tolist()) == {255}
    assert found.for_register.tolist() == [127 if s % 2 == 0 else 128 for s in range(256)]


@settings(deadline=None)
@given(RECORDS)
def test_votes__seats_made_once_change_nothing(records: list[Record]) -> None:
    person = np.array([r[0] for r in records], np.int64)
    source = np.array([r[1] for r in records], np.uint8)
    value = np.array([r[2] for r in records], np.uint64)
    agrees = np.array([r[3] for r in records], bool)
    shared = votes(person, source, value, agrees, seats=seats_of(person))
    assert shared.for_held.tolist() == count(records).for_held.tolist()
    assert shared.for_register.tolist() == count(records).for_register.tolist()


def test_votes__no_records() -> None:
    assert count([]).for_register.shape == (0,)


def test_votes__unlinked_or_unequal_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="without a person"):
        count([(-1, 1, 1, True)])
    with pytest.raises(ValueError, match="one row a record"):
        votes(np.zeros(2, np.int64), np.zeros(1, np.uint8), np.zeros(2, np.uint64), np.zeros(2, bool))


def test_texts__every_code_speaks_both_languages() -> None:
    for code, (english, vietnamese) in EVIDENCE.items():
        assert code == code.lower()
        assert english.endswith(".")
        assert vietnamese.endswith(".")
        assert texts([code]) == [english]
        assert texts([code], "vi") == [vietnamese]
