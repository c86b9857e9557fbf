from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.partition import partition_rows
from linkage.block import MOST_PAIRS, plan_blocks
from linkage.coded import Coded, Meaning
from linkage.config import Blocking
from linkage.match import (
    AGENCY_REGISTER,
    REGISTER_REGISTER,
    RuleKeys,
    owned_batches,
)
from linkage.rules import Rule, base_keys, compile_rules
from linkage.scored import Blocks
from tests.linkage import small

SECRET = 4711
NO_HEAT = np.zeros(0, np.uint64)


def compiled(*rules: tuple[list[str], list[str]]) -> tuple[Rule, ...]:
    written = [
        Blocking(name=f"rule{i}", on=tuple(on), refine=tuple(refine)) for i, (on, refine) in enumerate(rules)
    ]
    return compile_rules(written, small.KINDS)


def blocks_of(
    coded: Coded,
    meaning: Meaning,
    rule: Rule,
    candidates: int,
    *,
    bits: int = 0,
    shuffle: random.Random | None = None,
    among: bool = False,
    most: int = MOST_PAIRS,
) -> list[Blocks]:
    """The blocks of all partitions of a rule, of rows in any order."""
    keys = base_keys(coded, meaning, rule, SECRET)
    rows = np.repeat(np.arange(len(coded), dtype=np.uint32), keys.shape[1])
    flat = keys.ravel().copy()
    if shuffle is not None:
        order = list(range(len(flat)))
        shuffle.shuffle(order)
        flat, rows = flat[order], rows[order]
    starts = np.zeros((1 << bits) + 1, np.int64)
    cut_keys, places = np.zeros_like(flat), np.zeros_like(rows)
    partition_rows(flat[:, None], 0, bits, starts, cut_keys, places)
    cut_rows = rows[places]
    return [
        plan_blocks(
            cut_keys[a:b],
            cut_rows[a:b],
            coded.take,
            meaning,
            rule,
            coded.n_register,
            candidates,
            among=among,
            most=most,
        )
        for a, b in itertools.pairwise(starts)
    ]


def as_sets(parts: list[Blocks]) -> dict[int, tuple[int, ...]]:
    out = {}
    for blocks in parts:
        for i, key in enumerate(blocks.keys.tolist()):
            members = blocks.members[blocks.starts[i] : blocks.starts[i + 1]].tolist()
            assert members == sorted(members)
            assert key not in out
            out[key] = tuple(members)
    return out


@dataclass
class Twin:
    """Blocks as sets of rows, refined by plain values; and what became of the pairs."""

    blocks: list[tuple[int, ...]]
    pairs: int = 0
    register_pairs: int = 0
    refined: int = 0
    given_up: int = 0
    hot: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    """Of each hot block: refining columns in its key, register records, others, the register's record of the
    least order, pairs, and how many of these stand together in the blocks that came of it.
    """


def twin_blocks(
    people: list[small.Person],
    registers: int,
    rule: Rule,
    candidates: int,
    among: bool = False,
    kinds: dict[str, str] | None = None,
    most: int = MOST_PAIRS,
) -> Twin:
    out = Twin([])

    def meets(rows: list[int]) -> tuple[int, int]:
        both = [(a, b) for a in rows for b in rows if a < b]
        if among:
            return 0, len(both)
        return (
            sum(a < registers <= b for a, b in both),
            sum(b < registers for _, b in both),
        )

    def split(rows: list[int], depth: int) -> int:
        counted = len(rows) if among else sum(row < registers for row in rows)
        mixed, inside = meets(rows)
        if counted <= candidates and mixed <= most:
            if mixed + inside:
                out.blocks.append(tuple(sorted(rows)))
                out.pairs += mixed
                out.register_pairs += inside
            return mixed + inside
        held = rows if among else [row for row in rows if row < registers]
        row = min(held, key=lambda one: small.word_hash(f"order {one}"))
        known = (depth, len(held), len(rows) - len(held), row, mixed + inside)
        if depth == len(rule.refine):
            out.given_up += mixed + inside
            out.hot.append((*known, 0))
            return 0
        part = rule.refine[depth]
        finer: dict[object, list[int]] = {}
        for row in rows:
            for value in small.key_values(people[row], part.column, part.form, kinds):
                finer.setdefault(value, []).append(row)
        stay = [row for own in finer.values() for row in own]
        out.given_up += mixed + inside - sum(meets(stay))
        out.refined += sum(meets(stay)) - sum(sum(meets(own)) for own in finer.values())
        left = sum(split(own, depth + 1) for own in finer.values())
        out.hot.append((*known, left))
        return left

    base: dict[object, list[int]] = {}
    for row, person in enumerate(people):
        values: list[tuple[object, ...]] = [()]
        for part in rule.on:
            own = small.key_values(person, part.column, part.form, kinds)
            values = [(*value, one) for value in values for one in own]
        for value in values:
            base.setdefault(value, []).append(row)
    for rows in base.values():
        split(rows, 0)
    return out


RULES = [
    (["birth_date.year"], ["sex", "full_name.given.ascii", "commune.province"]),
    (["sex"], []),
    (["personal_number.any"], ["sex"]),
    (["commune.any", "sex"], ["birth_date.year", "phone"]),
]


@pytest.mark.parametrize("among", [False, True])
@pytest.mark.parametrize("number", range(len(RULES)))
@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 60), st.sampled_from([3, 20, MOST_PAIRS]))
def test_plan_blocks__equals_its_twin(
    number: int, among: bool, seed: int, candidates: int, registers: int, most: int
) -> None:
    rng = random.Random(seed)
    people = [small.random_person(rng) for _ in range(60)]
    coded, meaning = small.coded_nation(people[:registers], [people[registers:]])
    rule = compiled(RULES[number])[0]
    wanted = twin_blocks(people, registers, rule, candidates, among, most=most)
    (found,) = blocks_of(coded, meaning, rule, candidates, among=among, most=most)
    assert sorted(as_sets([found]).values()) == sorted(wanted.blocks)
    held = [sum(m < registers for m in own) for own in as_sets([found]).values()]
    assert found.n_register.tolist() == ([len(own) for own in as_sets([found]).values()] if among else held)
    assert max(found.n_register.tolist(), default=0) <= candidates
    told = found.told
    assert found.hot.tolist() == told.keys.tolist() == sorted(set(found.hot.tolist()))
    known = (told.depth, told.registers, told.agencies, told.row, told.pairs, told.left_together())
    assert sorted(zip(*(column.tolist() for column in known), strict=True)) == sorted(wanted.hot)
    counts = found.counts
    assert (counts["pairs"], counts["register_pairs"]) == (wanted.pairs, wanted.register_pairs)
    assert (counts["refined_pairs"], counts["given_up_pairs"]) == (wanted.refined, wanted.given_up)
    assert counts["blocks"] == len(wanted.blocks)


@pytest.mark.parametrize("number", range(len(RULES)))
def test_plan_blocks__accounts_for_every_pair_of_the_blocks_before_refinement(number: int) -> None:
    rng = random.Random(number)
    people = [small.random_person(rng) for _ in range(300)]
    coded, meaning = small.coded_nation(people[:120], [people[120:]])
    rule = compiled(RULES[number])[0]
    sums = {}
    for candidates in (3, 10, 1000):
        (found,) = blocks_of(coded, meaning, rule, candidates)
        sums[candidates] = sum(
            found.counts[k] for k in ("pairs", "register_pairs", "refined_pairs", "given_up_pairs")
        )
        assert (found.hot.size > 0) == (candidates < 1000)
    assert len(set(sums.values())) == 1


def test_plan_blocks__does_not_depend_on_the_order_or_the_cut() -> None:
    rng = random.Random(5)
    people = [small.random_person(rng) for _ in range(200)]
    coded, meaning = small.coded_nation(people[:80], [people[80:]])
    for rule, most in itertools.product(compiled(*RULES), (30, MOST_PAIRS)):
        (whole,) = blocks_of(coded, meaning, rule, 5, most=most)
        (mixed,) = blocks_of(coded, meaning, rule, 5, shuffle=rng, most=most)
        for name in ("members", "starts", "n_register", "keys", "hot"):
            assert np.array_equal(getattr(whole, name), getattr(mixed, name)), name
        assert whole.counts == mixed.counts
        parts = blocks_of(coded, meaning, rule, 5, bits=3, shuffle=rng, most=most)
        assert as_sets(parts) == as_sets([whole])
        assert sorted(k for p in parts for k in p.hot.tolist()) == whole.hot.tolist()
        for name in ("pairs", "register_pairs", "refined_pairs", "given_up_pairs", "blocks"):
            assert sum(p.counts[name] for p in parts) == whole.counts[name]
        assert max(p.counts["largest"] for p in parts) == whole.counts["largest"]


@pytest.mark.parametrize("number", range(len(RULES)))
def test_plan_blocks__knows_the_keys_of_refined_blocks_before_refinement(number: int) -> None:
    rng = random.Random(number)
    people = [small.random_person(rng) for _ in range(300)]
    coded, meaning = small.coded_nation(people[:120], [people[120:]])
    rule = compiled(RULES[number])[0]
    (found,) = blocks_of(coded, meaning, rule, 3)
    before = base_keys(coded, meaning, rule, SECRET)
    plain = found.keys.shape[0] - found.base.shape[0]
    assert (found.base.shape[0] > 0) == bool(rule.refine)
    assert (np.diff(found.keys[:plain].astype(object)) > 0).all()
    base = [*found.keys[:plain].tolist(), *found.base.tolist()]
    for i, key in enumerate(base):
        for row in found.members[found.starts[i] : found.starts[i + 1]].tolist():
            assert key in before[row].tolist()
    assert set(found.base.tolist()) <= set(found.hot.tolist())


def test_plan_blocks__takes_nothing() -> None:
    coded, meaning = small.coded_nation([{"sex": "M"}])
    blocks = plan_blocks(NO_HEAT, np.zeros(0, np.uint32), coded.take, meaning, compiled(RULES[0])[0], 1, 5)
    assert blocks.members.size == blocks.keys.size == blocks.hot.size == 0
    assert blocks.starts.tolist() == [0]


def walked(
    coded: Coded,
    meaning: Meaning,
    rules: tuple[Rule, ...],
    candidates: int,
    mode: int = AGENCY_REGISTER,
    batch: int = 1_000,
) -> list[list[tuple[int, int]]]:
    """Pairs of every rule, found as a run finds them: planned, refined, walked, each in its first rule."""
    plans = [blocks_of(coded, meaning, rule, candidates)[0] for rule in rules]
    blocking = RuleKeys(rules, [p.hot for p in plans], SECRET)
    out = []
    for index, blocks in enumerate(plans):
        own = []
        for found, left, right in owned_batches(coded, meaning, blocking, index, blocks, mode, batch=batch):
            rows = found.rows
            assert (rows[1:] > rows[:-1]).all()
            assert np.array_equal(np.unique([left, right]), np.arange(rows.shape[0]))
            own += list(zip(rows[left].tolist(), rows[right].tolist(), strict=True))
        out.append(own)
    return out


def test_planted_pair__with_a_hot_key_and_a_cold_one_is_compared_exactly_once() -> None:
    # Everybody is born on one day, so the first rule is hot; the planted pair's sexes differ, so refinement
    # separates it there; its telephone is its own, so the second rule must compare it.
    crowd = [{"birth_date": (1980, 1, 1), "sex": "MF"[i % 2], "phone": f"09{i:08d}"} for i in range(40)]
    planted = {"birth_date": (1980, 1, 1), "phone": "0999999999"}
    register = [*crowd[:20], {**planted, "sex": "M"}]
    agency = [*crowd[20:], {**planted, "sex": "F"}]
    coded, meaning = small.coded_nation(register, [agency])
    pair = (41, 20)
    assert register[20]["phone"] == agency[20]["phone"]
    rules = compiled((["birth_date"], ["sex"]), (["phone"], []))

    cold = walked(coded, meaning, rules, 1000)
    assert [own.count(pair) for own in cold] == [1, 0]
    hot = walked(coded, meaning, rules, 15)
    assert [own.count(pair) for own in hot] == [0, 1]
    # Refinement stays: the crowd is still compared under the first rule, and nobody twice.
    assert hot[0]
    given_up = walked(coded, meaning, rules, 5)
    assert [own.count(pair) for own in given_up] == [0, 1]
    assert given_up[0] == []
    without_sex = {**planted, "sex": None}
    coded, meaning = small.coded_nation([*crowd[:20], without_sex], [[*crowd[20:], without_sex]])
    assert [own.count(pair) for own in walked(coded, meaning, rules, 15)] == [0, 1]


@pytest.mark.parametrize("mode", [AGENCY_REGISTER, REGISTER_REGISTER])
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_walked_pairs__are_each_in_the_first_rule_whose_refined_block_holds_both(
    mode: int, seed: int, candidates: int
) -> None:
    rng = random.Random(seed)
    people = [small.random_person(rng) for _ in range(45)]
    coded, meaning = small.coded_nation(people[:25], [people[25:]])
    rules = compiled(*(RULES[i] for i in rng.sample(range(len(RULES)), 3)))
    taken: set[tuple[int, int]] = set()
    for rule, found in zip(rules, walked(coded, meaning, rules, candidates, mode), strict=True):
        together = {
            (b, a) if mode == AGENCY_REGISTER else (a, b)
            for block in twin_blocks(people, 25, rule, candidates).blocks
            for a in block
            for b in block
            if a < b and a < 25 and (b >= 25) == (mode == AGENCY_REGISTER)
        }
        assert len(found) == len(set(found))
        assert set(found) == together - taken
        taken |= together
