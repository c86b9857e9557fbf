from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import pairs
from tests.kernels import twins


@dataclass
class Nation:
    """Rows with sets of keys under several rules; the first ``registers`` rows are the register's."""

    registers: int
    keys: list[list[set[int]]]

    @property
    def rows(self) -> int:
        return len(self.keys[0])

    def key_table(self) -> tuple[np.ndarray, np.ndarray]:
        widths = [max([len(k) for k in rule] + [1]) for rule in self.keys]
        table = np.zeros((self.rows, sum(widths)), np.uint64)
        starts = np.cumsum([0, *widths]).astype(np.int64)
        for rule, at in zip(self.keys, starts, strict=False):
            for row, own in enumerate(rule):
                table[row, at : at + len(own)] = sorted(own, reverse=True)
        return table, starts

    def blocks(self, rule: int, lonely: bool) -> tuple[np.ndarray, ...]:
        members, sizes, registers, block_keys = [], [], [], []
        for key in sorted({k for own in self.keys[rule] for k in own}):
            inside = [row for row in range(self.rows) if key in self.keys[rule][row]]
            if len(inside) > 1 or lonely:
                members += inside
                sizes.append(len(inside))
                registers.append(sum(row < self.registers for row in inside))
                block_keys.append(key)
        return (
            np.cumsum([0, *sizes]).astype(np.int64),
            np.array(members, np.int64),
            np.array(registers, np.int32),
            np.array(block_keys, np.uint64),
        )


def walk(nation: Nation, rule: int, mode: int, batch: int, lonely: bool = False) -> list[tuple[int, int]]:
    starts, members, registers, block_keys = nation.blocks(rule, lonely)
    keys, widths = nation.key_table()
    position = np.zeros(3, np.int64)
    left, right = np.zeros(batch, np.int64), np.zeros(batch, np.int64)
    found = []
    while n := pairs.walk_blocks(
        starts, members, registers, block_keys, mode, position, keys, widths, rule, left, right
    ):
        assert n <= batch
        found += list(zip(left[:n].tolist(), right[:n].tolist(), strict=True))
    return found


@st.composite
def nations(draw: st.DrawFn) -> Nation:
    rows = draw(st.integers(1, 9))
    # Keys of all rules from one small range: the same number under two rules is not the same key.
    one = st.sets(st.integers(1, 4), max_size=1)
    several = st.sets(st.integers(1, 6), max_size=3)
    kinds = draw(st.lists(st.sampled_from([one, several]), min_size=1, max_size=4))
    keys = [draw(st.lists(kind, min_size=rows, max_size=rows)) for kind in kinds]
    return Nation(draw(st.integers(0, rows)), keys)


@settings(deadline=None, max_examples=150)
@given(nations(), st.sampled_from([0, 1, 2]), st.integers(1, 40), st.booleans())
def test_walk_blocks__gives_every_pair_once_to_its_first_rule(
    nation: Nation, mode: int, batch: int, lonely: bool
) -> None:
    wanted = twins.pairs_by_first_rule(nation.keys, set(range(nation.registers)), mode)
    for rule, own in enumerate(wanted):
        found = walk(nation, rule, mode, batch, lonely)
        assert len(found) == len(set(found))
        assert set(found) == own


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_walk_blocks__goes_on_where_a_batch_ended(mode: int) -> None:
    rng = np.random.default_rng(mode)
    keys = [
        [set(rng.integers(1, 30, 3).tolist()) for _ in range(60)],
        [{int(rng.integers(1, 9))} for _ in range(60)],
    ]
    nation = Nation(25, keys)
    whole = [walk(nation, rule, mode, 10_000) for rule in (0, 1)]
    assert [set(found) for found in whole] == twins.pairs_by_first_rule(keys, set(range(25)), mode)
    assert len(whole[1]) > 20
    for batch in (1, 2, 3, 7, len(whole[1]), len(whole[1]) + 1):
        assert [walk(nation, rule, mode, batch) for rule in (0, 1)] == whole


@settings(deadline=None)
@given(nations(), st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=10), st.integers(0, 4))
def test_owned_pairs__are_those_that_share_a_key(
    nation: Nation, asked: list[tuple[int, int]], rules: int
) -> None:
    rules = min(rules, len(nation.keys))
    asked = [(a % nation.rows, b % nation.rows) for a, b in asked]
    keys, widths = nation.key_table()
    out = np.full(len(asked), 9, np.uint8)
    left, right = (np.array([p[side] for p in asked], np.int64) for side in (0, 1))
    pairs.owned_pairs(keys, widths, rules, left, right, out)
    assert out.tolist() == [any(rule[a] & rule[b] for rule in nation.keys[:rules]) for a, b in asked]


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20), st.integers(12, 20))
@settings(deadline=None)
def test_narrow_pairs__are_the_same_pairs_by_their_right_row(asked: list[tuple[int, int]], rows: int) -> None:
    left, right = (np.array([p[side] for p in asked], np.int64) for side in (0, 1))
    held, own, other = np.full(rows, -1, np.int64), np.empty_like(left), np.empty_like(right)
    n = pairs.narrow_pairs(rows, left, right, held, own, other)
    assert held[:n].tolist() == sorted({row for pair in asked for row in pair})
    found = list(zip(held[own].tolist(), held[other].tolist(), strict=True))
    assert found == sorted(asked, key=lambda pair: pair[1])


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=8))
@settings(deadline=None)
def test_count_block_pairs__counts_what_a_walk_gives(blocks: list[tuple[int, int]]) -> None:
    starts = np.cumsum([0, *(a + b for a, b in blocks)]).astype(np.int64)
    out = np.zeros((len(blocks), 2), np.int64)
    pairs.count_block_pairs(starts, np.array([a for a, _ in blocks], np.int32), out)
    for (registers, others), found in zip(blocks, out.tolist(), strict=True):
        ids = range(registers)
        assert found == [
            sum(1 for _ in ids for _ in range(others)),
            sum(1 for a in ids for b in ids if a < b),
        ]


units = st.sets(st.integers(1, 6), min_size=1, max_size=3)


@settings(deadline=None)
@given(st.lists(units, min_size=1, max_size=5, unique_by=frozenset), st.data())
def test_set_relations__are_those_of_sets(sets: list[set[int]], data: st.DataObject) -> None:
    # Units 1 to 3 lie in the province 1, the others in the province 2.
    of_province = [{1 if unit <= 3 else 2 for unit in own} for own in sets]
    numbers = st.integers(-1, len(sets) - 1)
    left_sets, right_sets = (data.draw(st.lists(numbers, min_size=1, max_size=6)) for _ in range(2))
    asked = [(a, b) for a in range(len(left_sets)) for b in range(len(right_sets))]
    out = np.full(len(asked), 99, np.uint32)
    pairs.set_relations(
        np.array(left_sets, np.int32),
        np.array(right_sets, np.int32),
        np.array([a for a, _ in asked]),
        np.array([b for _, b in asked]),
        np.cumsum([0, *map(len, sets)]).astype(np.int64),
        np.array([unit for own in sets for unit in sorted(own)], np.int32),
        np.array([min(p) if len(p) == 1 else -1 for p in of_province], np.int32),
        out,
    )
    for (a, b), bits in zip(asked, out.tolist(), strict=True):
        x, y = left_sets[a], right_sets[b]
        if x < 0 or y < 0:
            assert bits == 1
            continue
        known = 2 * (sets[x] == sets[y]) + 4 * bool(sets[x] & sets[y])
        known += 8 * (len(of_province[x]) == 1 and of_province[x] == of_province[y])
        assert bits == known


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=6), st.lists(st.integers(0, 2), min_size=1, max_size=6)
)
@settings(deadline=None)
def test_code_relations__are_null_equal_or_nothing(left_codes: list[int], right_codes: list[int]) -> None:
    asked = [(a, b) for a in range(len(left_codes)) for b in range(len(right_codes))]
    out = np.full(len(asked), 99, np.uint32)
    columns = (np.array([p[side] for p in asked]) for side in (0, 1))
    pairs.code_relations(np.array(left_codes, np.uint8), np.array(right_codes, np.uint8), *columns, out)
    known = [
        1 if not (left_codes[a] and right_codes[b]) else 2 * (left_codes[a] == right_codes[b])
        for a, b in asked
    ]
    assert out.tolist() == known


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(0, 3), min_size=2, max_size=2)), min_size=2)
)
def test_alias_relations__set_their_bit_both_ways_round(people: list[tuple[int, list[int]]]) -> None:
    codes = np.array([code for code, _ in people], np.int64)
    aliases = np.array([earlier for _, earlier in people], np.int64)
    asked = [(a, b) for a in range(len(people)) for b in range(len(people))]
    out = np.full(len(asked), 5, np.uint32)
    columns = (np.array([p[side] for p in asked]) for side in (0, 1))
    pairs.alias_relations(codes, aliases, *columns, np.uint32(64), out)
    for (a, b), bits in zip(asked, out.tolist(), strict=True):
        own, other = people[a], people[b]
        meets = (own[0] and own[0] in other[1]) or (other[0] and other[0] in own[1])
        assert bits == 5 + (64 if meets else 0)


def test_held_bits__look_at_the_left_record() -> None:
    out = np.array([1, 2, 3, 4], np.uint32)
    pairs.held_bits(np.array([0, 1, 7], np.uint8), np.array([0, 1, 2, 1]), np.uint32(8), out)
    assert out.tolist() == [1, 2 + 8, 3 + 8, 4 + 8]
