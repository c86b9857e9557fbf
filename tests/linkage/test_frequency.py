from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.coded import Coded, Meaning
from linkage.frequency import (
    GROUP_PRIOR,
    Holders,
    NameCounts,
    ValueCounts,
    count_bearers,
    frequency_terms,
    group_sizes,
    groups,
    held_and_repeated,
    known_keys,
    look_up_bearers,
    name_keys,
    neighbours,
)
from tests.kernels import twins
from tests.linkage import small

values = st.lists(st.integers(0, 6), max_size=30)


@settings(deadline=None)
@given(values, st.lists(st.integers(0, 9), max_size=10))
def test_value_counts__are_a_counter_without_zeros(found: list[int], asked: list[int]) -> None:
    known = Counter(v for v in found if v)
    counts = ValueCounts.of(np.array(found, np.uint64))
    assert dict(zip(counts.keys.tolist(), counts.counts.tolist(), strict=True)) == known
    assert counts.keys.tolist() == sorted(known)
    assert counts.look_up(np.array(asked, np.uint64)).tolist() == [known[v] for v in asked]


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=5))
def test_value_counts__merge_to_those_of_all(parts: list[list[int]]) -> None:
    merged = ValueCounts.merge([ValueCounts.of(np.array(p, np.uint64)) for p in parts])
    whole = ValueCounts.of(np.array([v for p in parts for v in p], np.uint64))
    assert np.array_equal(merged.keys, whole.keys)
    assert np.array_equal(merged.counts, whole.counts)


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), max_size=12))
def test_chance_agreement__is_that_of_two_different_records(found: list[int]) -> None:
    n = len(found)
    same = sum(found[a] == found[b] for a in range(n) for b in range(n) if a != b)
    wanted = same / (n * (n - 1)) if n > 1 else 0.0
    assert ValueCounts.of(np.array(found, np.uint64)).chance_agreement(n) == pytest.approx(wanted)


def test_unseen__is_what_good_and_turing_say_within_bounds() -> None:
    def unseen(once: int, twice: int) -> float:
        counts = np.array([1] * once + [2] * twice + [9])
        return ValueCounts(np.arange(1, counts.size + 1, dtype=np.uint64), counts).unseen()

    assert unseen(10, 2) == pytest.approx(0.4)
    assert unseen(100, 1) == pytest.approx(0.1)
    assert unseen(2, 50) == pytest.approx(1.0)
    assert unseen(0, 3) == pytest.approx(0.5)


def twin_terms(person: small.Person, register: list[small.Person], left_out: int) -> list[int]:
    """-log2 of the chance that a stranger of one sex and decade bears the name, by looking at everybody."""

    def group(p: small.Person) -> tuple[object, ...] | None:
        return (p["sex"], p["birth_date"][0] // 10) if p.get("sex") and p.get("birth_date") else None

    out = []
    for form in ("", "ascii", "ends"):
        every = [small.name_values(p.get("full_name") or [], form) for p in register]
        bearers = Counter(next(iter(v)) for v in every if v)
        once = sum(c == 1 for c in bearers.values())
        twice = sum(c == 2 for c in bearers.values())
        unseen = min(1.0, max(0.1, 2 * twice / once)) if once else 0.5
        own = small.name_values(person.get("full_name") or [], form)
        mine = group(person)
        all_bearers = sum(v == own for v in every) if own else 0
        peers = [v for v, p in zip(every, register, strict=True) if mine is not None and group(p) == mine]
        here = max(sum(v == own for v in peers) - left_out, 0) if own else 0
        one_sex = [p for p in register if group(p) is not None and p["sex"] == person.get("sex")]
        everywhere = (max(all_bearers - left_out, 0) + unseen) / (len(one_sex) or len(register))
        chance = (here + GROUP_PRIOR * everywhere) / (len(peers) + GROUP_PRIOR)
        out.append(round(-math.log2(min(max(chance, everywhere), 1.0)) * 1024))
    return out


@pytest.mark.parametrize("left_out", [1, 2])
def test_frequency_terms__equal_looking_at_everybody(left_out: int) -> None:
    rng = random.Random(4)
    people = [small.random_person(rng) for _ in range(300)]
    for person in people:
        if person["birth_date"]:
            person["birth_date"] = (rng.choice([1955, 1979, 1980, 1989, 2020]), *person["birth_date"][1:])
    register, agency = people[:200], people[200:]
    coded, meaning = small.coded_nation(register, [agency])
    found = terms(coded, meaning, 200, left_out)
    wanted = [twin_terms(person, register, left_out) for person in people]
    assert np.abs(found - np.array(wanted)).max() <= 1
    assert (found >= 0).all()
    assert len({tuple(row) for row in wanted}) > 30


def terms(coded: Coded, meaning: Meaning, register: int, left_out: int) -> np.ndarray:
    """Terms of everybody by the register's table of names."""
    keys = name_keys(coded.arrays["full_name"], meaning.tokens)
    group = groups(coded.arrays["sex"], coded.arrays["birth_date"])
    bearers, unseen = {}, {}
    for form in keys:
        own, known, table = count_bearers(keys[form][:register], group[:register])
        bearers[form] = look_up_bearers(table, keys[form], group)
        unseen[form] = known.unseen()
        assert np.array_equal(bearers[form].all[:register], own.all)
        assert np.array_equal(bearers[form].here[:register], own.here)
    return frequency_terms(
        bearers, coded.arrays["sex"], group, group_sizes(group[:register]), unseen, register, left_out
    )


def test_frequency_terms__say_that_a_rare_name_is_rarer() -> None:
    register = [{"full_name": ["Trần", "Lan"], "sex": "F", "birth_date": (1985, 1, 1)}] * 50
    register = [*register, {"full_name": ["Trần", "Minh"], "sex": "F", "birth_date": (1985, 1, 1)}]
    coded, meaning = small.coded_nation(register)
    found = terms(coded, meaning, 51, 1)
    assert (found[50] > found[0] + 4 * 1024).all()


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), max_size=25), st.integers(1, 3))
def test_count_bearers__add_up_over_any_cut_by_key(found: list[int], cut: int) -> None:
    keys = np.array(found, np.uint64)
    group = np.arange(len(found)).astype(np.uint8) % 3
    whole, known, _ = count_bearers(keys, group)
    parts = [np.flatnonzero(keys % np.uint64(cut) == np.uint64(p)) for p in range(cut)]
    done = [count_bearers(keys[p], group[p]) for p in parts]
    assert NameCounts.merge([d[1] for d in done]) == known
    for rows, (own, _, _) in zip(parts, done, strict=True):
        assert own.all.tolist() == whole.all[rows].tolist()
        assert own.here.tolist() == whole.here[rows].tolist()
    counts = ValueCounts.of(keys)
    assert known.unseen() == counts.unseen()
    assert known.chance_agreement(len(found)) == pytest.approx(counts.chance_agreement(len(found)))


numbers = st.lists(st.text("01", max_size=4), min_size=1, max_size=12)


@settings(deadline=None)
@given(numbers, numbers, st.lists(st.lists(st.text("01", max_size=4), min_size=2, max_size=2), max_size=12))
def test_holders__are_everybody_with_the_number_now_or_before(
    own: list[str], asked: list[str], earlier: list[list[str]]
) -> None:
    earlier = [*earlier, *([["", ""]] * len(own))][: len(own)]
    codes = np.array([twins.identifier_code(v) for v in own], np.int64)
    aliases = np.array([[twins.identifier_code(v) for v in row] for row in earlier], np.int64)
    rows = np.arange(100, 100 + len(own), dtype=np.uint32)
    holders = Holders.of(codes, rows, aliases)
    wanted = sorted(
        (twins.identifier_code(v), 100 + i)
        for i, person in enumerate(zip(own, earlier, strict=True))
        for v in (person[0], *person[1])
        if v
    )
    assert list(zip(holders.codes.tolist(), holders.rows.tolist(), strict=True)) == wanted
    wanted_codes = np.array([twins.identifier_code(v) for v in asked], np.int64)
    known = {v for person in zip(own, earlier, strict=True) for v in (person[0], *person[1])}
    source = np.zeros(len(asked), np.uint8)
    held, _ = held_and_repeated(holders, wanted_codes, source)
    assert held.tolist() == [bool(v) and v in known for v in asked]
    assert holders.holds(wanted_codes).tolist() == [bool(v) and v in known for v in asked]
    without = Holders.of(codes, rows, None)
    held, _ = held_and_repeated(without, wanted_codes, source)
    assert held.tolist() == [bool(v) and v in own for v in asked]
    left, right, _ = neighbours(holders, wanted_codes)
    near = {
        (i, 100 + row)
        for i, text in enumerate(asked)
        for row, person in enumerate(zip(own, earlier, strict=True))
        for v in (person[0], *person[1])
        if v in twins.one_slip_away(text)
    }
    found = list(zip(left.tolist(), right.tolist(), strict=True))
    assert set(found) == near


@settings(deadline=None)
@given(st.lists(st.integers(1, 2**60), min_size=1, max_size=20))
def test_buckets__say_where_the_codes_of_each_begin(values: list[int]) -> None:
    codes = sorted(values)
    base, shift, starts = Holders(np.array(codes, np.int64), np.zeros(len(codes), np.uint32)).buckets
    assert (base, starts[0], starts[-1]) == (codes[0], 0, len(codes))
    assert len(starts) <= 2**20 + 1
    for bucket in {(code - codes[0]) >> shift for code in codes} | {0, len(starts) - 2}:
        mine = [code for code in codes if (code - codes[0]) >> shift == bucket]
        assert codes[starts[bucket] : starts[bucket + 1]] == mine


def test_neighbours__make_room_for_many() -> None:
    register = np.array([twins.identifier_code(f"0000000000{i:02d}") for i in range(100)], np.int64)
    holders = Holders.of(register, np.arange(100, dtype=np.uint32), None)
    asked = np.full(6000, twins.identifier_code("000000000011"), np.int64)
    left, _, _ = neighbours(holders, asked)
    each = len({f"0000000000{i:02d}" for i in range(100)} & twins.one_slip_away("000000000011"))
    assert each == 18
    assert left.tolist() == [i for i in range(6000) for _ in range(each)]
    limited, _, beyond = neighbours(holders, asked[:3], limit=5)
    assert beyond == 3 * (each - 5)
    assert limited.tolist() == [0] * 5 + [1] * 5 + [2] * 5


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), max_size=30))
def test_repeats__count_within_the_source(rows: list[tuple[int, int]]) -> None:
    known = Counter(rows)
    nobody = Holders.sorted(np.zeros(0, np.int64), np.zeros(0, np.uint32))
    codes, source = np.array([c for c, _ in rows], np.int64), np.array([s for _, s in rows], np.uint8)
    held, out = held_and_repeated(nobody, codes, source)
    assert not held.any()
    assert out.tolist() == [known[row] if row[0] else 0 for row in rows]


@settings(deadline=None)
@given(values, values)
def test_known_keys__are_those_among_the_others(own: list[int], asked: list[int]) -> None:
    found = known_keys(np.array(sorted(own), np.uint64), np.array(asked, np.uint64))
    assert found.tolist() == [key in own for key in asked]
