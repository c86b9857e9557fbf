"""Heavy keys: refined range by range they leave what refining them in one partition leaves."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.keys import fold_column, start_keys
from linkage.block import plan_blocks
from linkage.coded import Coded, Meaning
from linkage.heavy import (
    RUN_ROWS,
    RUNS,
    Heavy,
    Spread,
    Tally,
    heavy_counts,
    heavy_keys,
    register_sample,
    spread_keys,
)
from linkage.hot import Hot
from linkage.rules import Rule, base_keys
from linkage.scored import Blocks
from tests.linkage import small
from tests.linkage.test_block import RULES, SECRET, as_sets, blocks_of, compiled

COUNTED = ("pairs", "register_pairs", "refined_pairs", "given_up_pairs", "blocks")


def blocked(
    coded: Coded, meaning: Meaning, rule: Rule, candidates: int, heavy: Heavy, cuts: list[int], bits: int
) -> tuple[list[Blocks], dict[str, int], Hot]:
    """Blocks of all partitions, counts and hot keys as a run makes them: keys by ranges, heavy ones set
    aside.
    """
    registers = coded.n_register
    tallies = [Tally.none(heavy.keys.size), Tally.none(heavy.keys.size)]
    light: list[tuple[np.ndarray, np.ndarray]] = []
    deep: list[Spread] = []
    edges = sorted({0, registers, len(coded), *(min(c, len(coded)) for c in cuts)})
    for start, stop in itertools.pairwise(edges):
        rows = np.arange(start, stop, dtype=np.uint32)
        table = base_keys(coded.take(rows), meaning, rule, SECRET)
        owners, keys = np.repeat(rows, table.shape[1]), table.ravel()
        keys, owners = keys[keys != 0], owners[keys != 0]
        some = heavy.places(keys) >= 0
        own = start < registers
        spread, tally = spread_keys(keys[some], owners[some], coded.take, meaning, rule, heavy, register=own)
        tallies[int(not own)] = tallies[int(not own)].add(tally)
        deep.append(spread)
        light.append((keys[~some], owners[~some]))
    keys, rows = (np.concatenate([part[i] for part in light]) for i in (0, 1))
    all_deep = Spread(*(np.concatenate([getattr(s, f) for s in deep]) for f in Spread.__dataclass_fields__))
    parts = []
    for partition in range(1 << bits):
        here = (keys >> np.uint64(64 - bits)) == partition if bits else np.ones(keys.shape[0], bool)
        own = (
            all_deep.keys >> np.uint64(64 - bits) == partition if bits else np.ones(len(all_deep.keys), bool)
        )
        mine = Spread(*(getattr(all_deep, f)[own] for f in Spread.__dataclass_fields__))
        parts.append(
            plan_blocks(keys[here], rows[here], coded.take, meaning, rule, registers, candidates, spread=mine)
        )
    early = heavy_counts(heavy, len(rule.refine), *tallies)
    counts = {k: sum(p.counts[k] for p in parts) + early.get(k, 0) for k in COUNTED}
    counts["largest"] = max(early["largest"], *(p.counts["largest"] for p in parts))
    known = Hot(
        heavy.keys,
        heavy.parent,
        heavy.depth,
        tallies[0].records,
        tallies[1].records,
        tallies[0].row,
        np.zeros(0, np.uint64),
        np.zeros(0, np.int64),
    )
    return parts, counts, Hot.join([known, *(p.told for p in parts)])


def bases(parts: list[Blocks]) -> dict[int, int]:
    """Base key of every refined block, by its key."""
    return {
        key: base
        for p in parts
        for key, base in zip(p.keys[len(p.keys) - len(p.base) :].tolist(), p.base.tolist(), strict=True)
    }


@pytest.mark.parametrize("number", range(len(RULES)))
@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10**6),
    st.integers(1, 8),
    st.integers(5, 60),
    st.sampled_from([0.3, 0.7, 1.0]),
    st.lists(st.integers(1, 90), max_size=3),
    st.integers(0, 3),
)
def test_heavy_keys__refined_by_ranges_leave_the_same_blocks_plan_and_counts(
    number: int, seed: int, candidates: int, registers: int, share: float, cuts: list[int], bits: int
) -> None:
    rng = random.Random(seed)
    people = [small.random_person(rng) for _ in range(90)]
    coded, meaning = small.coded_nation(people[:registers], [people[registers:]])
    rule = compiled(RULES[number])[0]
    sample = np.array(sorted(rng.sample(range(registers), int(share * registers))), np.int64)
    heavy = heavy_keys(sample, coded.take, meaning, rule, SECRET, candidates)
    (whole,) = blocks_of(coded, meaning, rule, candidates)
    assert set(heavy.keys.tolist()) <= set(whole.hot.tolist())
    if share == 1.0:
        assert heavy.keys.tolist() == whole.hot.tolist()
    parts, counts, told = blocked(coded, meaning, rule, candidates, heavy, cuts, bits)
    assert as_sets(parts) == as_sets([whole])
    hot = {*heavy.keys.tolist(), *(k for p in parts for k in p.hot.tolist())}
    assert sorted(hot) == whole.hot.tolist()
    assert counts == whole.counts
    for name in Hot.__dataclass_fields__:
        assert np.array_equal(getattr(told, name), getattr(whole.told, name)), name
    first = told.depth == 0
    parted = (told.pairs - told.left_together())[first].sum()
    assert parted == counts["refined_pairs"] + counts["given_up_pairs"]
    assert bases(parts) == bases([whole])
    for part in parts:
        assert (np.diff(part.keys[: len(part.keys) - len(part.base)].astype(object)) > 0).all()


def test_block_of_every_record__leaves_no_partition_with_all_of_it() -> None:
    rng = random.Random(1)
    people = [{**small.random_person(rng), "sex": "M", "phone": f"09{i:08d}"} for i in range(900)]
    coded, meaning = small.coded_nation(people[:400], [people[400:]])
    rule = compiled((["sex"], ["phone", "birth_date.year"]))[0]
    heavy = heavy_keys(np.arange(0, 400, 5), coded.take, meaning, rule, SECRET, 50)
    assert heavy.keys.size == 1
    parts, counts, _ = blocked(coded, meaning, rule, 50, heavy, [100, 300, 700], 3)
    assert counts["largest"] == 900
    assert counts["refined_pairs"] == 400 * 500 + 400 * 399 // 2
    assert counts["pairs"] == counts["given_up_pairs"] == 0
    rows = np.arange(900, dtype=np.uint32)
    keys = base_keys(coded.take(rows), meaning, rule, SECRET)[:, 0]
    spread, _ = spread_keys(keys, rows, coded.take, meaning, rule, heavy, register=True)
    assert np.bincount(spread.keys >> np.uint64(61), minlength=8).max() < 900 / 4
    hopeless = compiled((["sex"], []))[0]
    heavy = heavy_keys(np.arange(400), coded.take, meaning, hopeless, SECRET, 50)
    parts, counts, _ = blocked(coded, meaning, hopeless, 50, heavy, [100, 300, 700], 3)
    assert counts["given_up_pairs"] == 400 * 500 + 400 * 399 // 2
    assert all(p.members.size == 0 for p in parts)


def test_register_sample__is_all_of_few_rows_and_runs_of_many() -> None:
    most = RUNS * RUN_ROWS
    for n in (0, 1, most):
        assert register_sample(n).tolist() == list(range(n))
    for n in (most + 1, 10 * most + 7, 300_000_000):
        rows = register_sample(n)
        assert rows.shape[0] == most
        assert (np.diff(rows) > 0).all()
        assert rows[0] == 0
        assert n - rows[-1] <= n / RUNS + 1


def keys_of_codes(codes: np.ndarray, secret: int) -> np.ndarray:
    keys = np.empty(codes.shape[0], np.uint64)
    start_keys(np.uint64(secret), keys)
    fold_column(codes.astype(np.uint64), np.uint64(0), keys)
    return keys


def fullest(keys: np.ndarray) -> int:
    """Records in the fullest of 256 partitions."""
    return int(np.bincount((keys >> np.uint64(56)).astype(np.int64), minlength=256).max())


@pytest.mark.parametrize("secret", [0, 1, 2**63, SECRET])
@pytest.mark.parametrize("step", [1, 10, 1000, 10**9, 1 << 16, 1 << 32, 1 << 40, 1 << 50])
def test_keys__of_neighbouring_values_spread_over_the_partitions_whatever_the_secret(
    step: int, secret: int
) -> None:
    codes = (np.arange(1, 8193, dtype=np.uint64) * np.uint64(step)) + np.uint64(10 << 56)
    keys = keys_of_codes(codes, secret)
    assert np.unique(keys).size == keys.size
    # 32 a partition are expected; among 256 Poisson counts one above 70 comes once in ten million tries.
    assert fullest(keys) < 70
    assert np.unique(keys >> np.uint64(32)).size > keys.size - 5
    assert np.unique(keys & np.uint64(2**32 - 1)).size > keys.size - 5


def test_keys__of_values_that_meet_under_a_guessed_secret_do_not_meet_under_the_true_one() -> None:
    tried = np.arange(1, 2_000_000, dtype=np.uint64) + np.uint64(10 << 56)
    guessed = keys_of_codes(tried, 12345)
    planted = tried[guessed >> np.uint64(56) == 7]
    assert planted.size > 7_000
    assert fullest(keys_of_codes(planted, 12345)) == planted.size
    assert fullest(keys_of_codes(planted, 12346)) < 75


def test_plan_blocks__tells_keys_apart_that_share_either_half() -> None:
    rng = random.Random(3)
    people = [small.random_person(rng) for _ in range(60)]
    coded, meaning = small.coded_nation(people[:30], [people[30:]])
    halves = [5, 6, 7, 2**32 - 1]
    made = [(a << 32) | b for a in halves for b in halves]
    keys = np.array([made[i % len(made)] for i in range(60)], np.uint64)
    rule = compiled(RULES[1])[0]
    blocks = plan_blocks(keys, np.arange(60, dtype=np.uint32), coded.take, meaning, rule, 30, 50)
    wanted = {key: tuple(np.flatnonzero(keys == np.uint64(key)).tolist()) for key in made}
    assert as_sets([blocks]) == wanted
