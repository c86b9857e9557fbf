from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from data import reference
from data.generator import generate
from jobs.project import load_project
from jobs.readers import read_source
from linkage.coded import Coded, Meaning
from linkage.levels import Programme, compile_parts
from linkage.match import (
    AGENCY_REGISTER,
    EVERY,
    REGISTER_REGISTER,
    RuleKeys,
    Scoring,
    count_block_patterns,
    count_pairs,
    count_shifted_pairs,
    floor_of,
    match_blocks,
    match_pairs,
    other_rules_find,
)
from linkage.model import Weights
from linkage.packs import pack_of
from linkage.plan import comparison_parts, effective_plan
from linkage.reach import screen_of
from linkage.rules import Rule, compile_rules
from linkage.scored import Scored
from linkage.standardise import read_aliases, standardise
from linkage.vocabulary import merge_vocabularies, token_ids, tokens_of
from tests.linkage import small
from tests.linkage.test_block import SECRET, blocks_of, twin_blocks

#: Register records a record may meet in one block: few, so that blocks are refined.
CANDIDATES = 6
FLOOR = -2_000


@dataclass
class Nation:
    """A small generated nation, standardised: coded, and as plain people."""

    coded: Coded
    meaning: Meaning
    people: list[small.Person]
    programme: Programme
    rules: tuple[Rule, ...]
    kinds: dict[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.coded.arrays)

    @property
    def register(self) -> int:
        return self.coded.n_register


def digits_of(code: int) -> str | None:
    return str(code & ((1 << 56) - 1)).zfill(code >> 56) if code else None


def plain_people(coded: Coded, meaning: Meaning, forms: pl.DataFrame) -> list[small.Person]:
    """Coded records read back, code by code."""
    words = [
        SimpleNamespace(
            text=row["token"],
            letters=row["ascii"],
            plain=row["plain"],
            phonetic=row["phonetic"],
            marked=row["marked"],
            single=row["single"],
        )
        for row in forms.to_dicts()
    ]
    units = meaning.units
    out = []
    for row in range(len(coded)):
        person: small.Person = {}
        for column, kind in meaning.kinds.items():
            value = coded.arrays[column][row]
            if kind in ("identifier", "phone"):
                person[column] = digits_of(int(value))
            elif kind == "date":
                code = int(value)
                person[column] = (code >> 9, (code >> 5) & 15, code & 31) if code else None
            elif kind == "sex":
                person[column] = [None, "M", "F"][int(value)]
            elif kind == "unit":
                begin, end = (int(v) for v in units.offsets[[value, value + 1]])
                members = tuple(units.members[begin:end].tolist())
                person[column] = (members, int(units.province[value])) if value >= 0 else None
            else:
                person[column] = [words[int(t) - 1] for t in value if t] or None
        person["aliases"] = [digits_of(int(a)) for a in coded.arrays["personal_number.alias"][row] if a]
        out.append(person)
    return out


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Nation:
    """Three hundred people of one year with many namesakes, their register and three extracts."""
    folder = tmp_path_factory.mktemp("small") / "nation"
    generate(folder, 300, seed=3, born=1985, namesakes=12)
    loaded = load_project(folder / "project.toml")
    pack = pack_of(
        loaded.project.locale,
        {
            name: getattr(reference, name)()
            for name in ("provinces", "communes_before", "communes_after", "commune_changes")
        },
    )
    brought = {f.standard for c in loaded.contracts.values() for f in c.fields}
    kinds = {c: k for c, k in loaded.project.kinds.items() if c in brought | {"old_number"}}
    sources = sorted(loaded.project.sources, key=lambda s: s.role != "register")
    parts = []
    for source in sources:
        contract = loaded.contracts[source.name]
        (taken,) = read_source([f.path for f in loaded.files[source.name]], contract)
        aliases = None
        if source.role == "register" and loaded.alias_file is not None:
            held = pl.read_parquet(loaded.alias_file.path).to_arrow()
            aliases = read_aliases(held, pack, source.extract_date)
        parts.append(
            standardise(
                taken.records, contract, kinds, source.name, source.extract_date, pack, SECRET, aliases
            )
        )
    vocabulary = merge_vocabularies([(p.tokens, p.counts) for p in parts])
    arrays: dict[str, np.ndarray] = {}
    for column, kind in kinds.items():
        pieces = []
        for part in parts:
            own = part.arrays.get(column)
            if own is None:
                own = small.empty_column(kind, len(part.order))
            elif kind == "name":
                own = token_ids(part.tokens, vocabulary)[own]
            pieces.append(own)
        arrays[column] = np.concatenate(pieces)
    n, first = len(arrays["sex"]), len(parts[0].order)
    arrays["personal_number.alias"] = np.zeros((n, 3), np.int64)
    arrays["personal_number.alias"][:first] = parts[0].arrays["personal_number.alias"]
    rng = np.random.default_rng(1)
    arrays["frequency"] = rng.integers(0, 9000, (n, 3), np.int32)
    arrays["repeats"] = -rng.integers(0, 3000, n, np.int32) * (rng.random(n) < 0.3)
    coded = Coded(
        arrays,
        np.repeat(np.arange(len(parts), dtype=np.uint8), [len(p.order) for p in parts]),
        np.concatenate([p.order for p in parts]),
        first,
    )
    meaning = Meaning(kinds, tokens_of(vocabulary, pack, SECRET), pack.unit_sets())
    people = plain_people(coded, meaning, pack.token_forms(vocabulary))
    for column in ("personal_number", "old_number"):
        held = holding(people[:first], column)
        arrays[f"{column}.held"] = np.array([p[column] in held for p in people], np.uint8)
    held = holding(people[:first], "full_name")
    arrays["full_name.known"] = np.array([name_key(p) in held for p in people], np.uint8)
    plan = effective_plan(loaded.project, pack.defaults, kinds)
    programme = compile_parts(comparison_parts(plan.comparisons), kinds)
    return Nation(coded, meaning, people, programme, compile_rules(plan.blocking, kinds), kinds)


def name_key(person: small.Person) -> tuple[str, ...] | None:
    return tuple(word.text for word in person["full_name"]) if person["full_name"] else None


def holding(register: list[small.Person], column: str) -> set[Any]:
    if column == "full_name":
        return {name_key(p) for p in register} - {None}
    now = {p[column] for p in register} - {None}
    return now | {a for p in register for a in p["aliases"]} if column == "personal_number" else now


@pytest.fixture(scope="module")
def weights(nation: Nation) -> Weights:
    """Any weights at all, most of them below the floor; parents ask for nothing."""
    n, shape = nation.programme.n_patterns, nation.programme.shape
    rng = np.random.default_rng(2)
    parents = [part.name in ("father", "mother") for part in nation.programme.parts]

    def asked(low: int, high: int, dtype: type[np.generic]) -> np.ndarray:
        some = rng.integers(low, high, [1 if p else k for p, k in zip(parents, shape, strict=True)])
        return np.broadcast_to(some.astype(dtype), shape).ravel()

    return Weights(
        rng.integers(-9000, 1000, n, np.int32),
        rng.integers(-9000, 1000, n, np.int32),
        asked(-1, 3, np.int8),
        asked(0, 2, np.uint8),
        rng.random(n) < 0.9,
        np.zeros(n, np.int8),
        extra={"blind_frequency": asked(-1, 3, np.int8)},
    )


def pattern_twin(nation: Nation, left: int, right: int) -> int:
    """The pattern of one pair, part by part in plain Python."""
    held = {
        c: holding(nation.people[: nation.register], c)
        for c in ("personal_number", "old_number", "full_name")
    }
    features = small.pair_features(nation.people[left], nation.people[right], held, nation.kinds)
    pattern = 0
    for part in nation.programme.parts:
        level = next(
            i for i, v in enumerate(part.levels) if small.condition_holds(v.when, part.columns, features)
        )
        pattern = pattern * len(part.levels) + level
    return pattern


def scored_twin(nation: Nation, weights: Weights, left: int, right: int) -> tuple[int, int, int]:
    """Pattern, weight and weight without the number of one pair."""
    pattern = pattern_twin(nation, left, right)
    totals = []
    for table, asked in (
        (weights.total, weights.frequency),
        (weights.blind, weights.extra["blind_frequency"]),
    ):
        weight = int(table[pattern])
        if asked[pattern] >= 0:
            weight += int(nation.coded.arrays["frequency"][right, asked[pattern]])
        totals.append(weight)
    if weights.repeated[pattern]:
        totals[0] += int(nation.coded.arrays["repeats"][left])
    return pattern, totals[0], totals[1]


@dataclass
class Matched:
    """What every rule found, beside what its twin says it should have."""

    scored: list[Scored]
    counts: list[dict[str, int]]
    pairs: list[set[tuple[int, int]]]


@pytest.fixture(scope="module")
def ordinary(nation: Nation) -> tuple[Rule, ...]:
    return tuple(r for r in nation.rules if not r.near and not r.relatives)


@pytest.fixture(scope="module")
def blocking(nation: Nation, ordinary: tuple[Rule, ...]) -> RuleKeys:
    plans = [blocks_of(nation.coded, nation.meaning, r, CANDIDATES)[0] for r in ordinary]
    return RuleKeys(ordinary, [p.hot for p in plans], SECRET)


@pytest.fixture(scope="module")
def owned(nation: Nation, ordinary: tuple[Rule, ...]) -> list[set[tuple[int, int]]]:
    """Pairs (agency, register) of every rule that no rule before it has, by plain values."""
    first = nation.register
    taken: set[tuple[int, int]] = set()
    out = []
    for rule in ordinary:
        blocks = twin_blocks(nation.people, first, rule, CANDIDATES, kinds=nation.kinds).blocks
        own = {(b, a) for block in blocks for a in block for b in block if a < first <= b}
        out.append(own - taken)
        taken |= own
    return out


def as_rows(scored: Scored) -> dict[tuple[int, int], tuple[int, int, int]]:
    columns = (scored.left, scored.right, scored.pattern, scored.weight, scored.blind)
    rows = list(zip(*(c.tolist() for c in columns), strict=True))
    out = {(left, right): rest for left, right, *rest in ((r[0], r[1], r[2:]) for r in rows)}
    assert len(out) == len(rows)
    return {pair: tuple(rest[0]) for pair, rest in out.items()}


def test_nation__is_one_that_tests_something(
    nation: Nation, owned: list[set[tuple[int, int]]], blocking: RuleKeys, ordinary: tuple[Rule, ...]
) -> None:
    found = {r.name: len(own) for r, own in zip(ordinary, owned, strict=True)}
    assert sum(found.values()) > 500
    assert sum(count > 0 for count in found.values()) >= 5
    assert sum(hot.size > 0 for hot in blocking.hot) >= 2


@pytest.mark.parametrize("screened", [False, True])
def test_match_blocks__equals_comparing_and_weighing_pair_by_pair(
    nation: Nation,
    weights: Weights,
    blocking: RuleKeys,
    owned: list[set[tuple[int, int]]],
    ordinary: tuple[Rule, ...],
    *,
    screened: bool,
) -> None:
    kept = 0
    screen = screen_of(nation.programme, weights, nation.kinds) if screened else None
    assert (screen is not None) == screened
    for index, rule in enumerate(ordinary):
        (blocks,) = blocks_of(nation.coded, nation.meaning, rule, CANDIDATES)
        scored, counts = match_blocks(
            nation.coded,
            nation.meaning,
            nation.programme,
            blocking,
            index,
            blocks,
            Scoring(weights, FLOOR, screen),
            nation.columns,
        )
        twin = {pair: scored_twin(nation, weights, *pair) for pair in owned[index]}
        wanted = {pair: row for pair, row in twin.items() if max(row[1:]) >= FLOOR}
        assert as_rows(scored) == wanted, rule.name
        assert counts == {"pairs": len(twin), "kept": len(wanted)}
        assert (scored.rule == index).all()
        kept += len(wanted)
    total = sum(map(len, owned))
    assert 0.1 * total < kept < 0.9 * total


def test_match_blocks__by_partition_gives_the_same_pairs(
    nation: Nation, weights: Weights, blocking: RuleKeys
) -> None:
    rule = blocking.rules[0]
    common = (nation.coded, nation.meaning, nation.programme, blocking, 0)
    scoring = Scoring(weights, FLOOR)
    (whole,) = blocks_of(nation.coded, nation.meaning, rule, CANDIDATES)
    wanted, _ = match_blocks(*common, whole, scoring, nation.columns)
    parts = [
        match_blocks(*common, blocks, scoring, nation.columns)[0]
        for blocks in blocks_of(nation.coded, nation.meaning, rule, CANDIDATES, bits=2)
    ]
    assert len([p for p in parts if p.left.size]) > 1
    assert as_rows(Scored.concatenate(parts)) == as_rows(wanted)


def test_match_pairs__leaves_out_what_an_ordinary_rule_finds(
    nation: Nation, weights: Weights, blocking: RuleKeys, owned: list[set[tuple[int, int]]]
) -> None:
    rng = random.Random(4)
    found = sorted(pair for own in owned for pair in own)
    some = rng.sample(found, 60)
    first, n = nation.register, len(nation.people)
    others = [(rng.randrange(first, n), rng.randrange(first)) for _ in range(60)]
    asked = list(dict.fromkeys(some + others))
    left, right = (np.array([p[side] for p in asked], np.int64) for side in (0, 1))

    def run(**options: bool) -> dict[tuple[int, int], tuple[int, int, int]]:
        scored, counts = match_pairs(
            nation.coded, nation.meaning, nation.programme, blocking, 9, left, right,
            Scoring(weights, FLOOR), nation.columns, **options,
        )  # fmt: skip
        assert counts["kept"] == scored.left.shape[0]
        return as_rows(scored)

    twin = {pair: scored_twin(nation, weights, *pair) for pair in asked}
    unfound = {pair for pair in asked if pair not in set(found)}
    assert run() == {p: row for p, row in twin.items() if p in unfound and max(row[1:]) >= FLOOR}
    assert run(owned=False) == {p: row for p, row in twin.items() if max(row[1:]) >= FLOOR}
    assert run(owned=False, keep_all=True) == twin


@pytest.mark.parametrize("mode", [AGENCY_REGISTER, REGISTER_REGISTER, EVERY])
def test_count_block_patterns__counts_all_pairs_or_the_rules_own(
    nation: Nation, blocking: RuleKeys, owned: list[set[tuple[int, int]]], mode: int
) -> None:
    index, first = [r.name for r in blocking.rules].index("name_year"), nation.register
    rule = blocking.rules[index]
    (blocks,) = blocks_of(nation.coded, nation.meaning, rule, CANDIDATES)

    def counted(only_own: bool) -> Counter[int]:
        found = count_block_patterns(
            nation.coded, nation.meaning, nation.programme, blocking, index, blocks, nation.columns, mode,
            owned=only_own,
        )  # fmt: skip
        return Counter(dict(zip(found.patterns.tolist(), found.counts.tolist(), strict=True)))

    together = [
        (b, a) if mode == AGENCY_REGISTER else (a, b)
        for block in twin_blocks(nation.people, first, rule, CANDIDATES, kinds=nation.kinds).blocks
        for a in block
        for b in block
        if a < b and (mode == EVERY or (a < first and (b >= first) == (mode == AGENCY_REGISTER)))
    ]
    assert len(together) > 20
    assert counted(only_own=False) == Counter(pattern_twin(nation, *pair) for pair in together)
    if mode == AGENCY_REGISTER:
        assert counted(only_own=True) == Counter(pattern_twin(nation, *pair) for pair in owned[index])


def test_count_pairs__counts_the_patterns_of_given_pairs(nation: Nation) -> None:
    rng = random.Random(5)
    first, n = nation.register, len(nation.people)
    pairs = [(rng.randrange(first, n), rng.randrange(first)) for _ in range(80)]
    left, right = (np.array([p[side] for p in pairs], np.int64) for side in (0, 1))
    found = count_pairs(nation.coded, nation.meaning, nation.programme, left, right, nation.columns)
    wanted = Counter(pattern_twin(nation, *pair) for pair in pairs)
    assert dict(zip(found.patterns.tolist(), found.counts.tolist(), strict=True)) == wanted
    assert found.patterns.tolist() == sorted(wanted)


def test_count_shifted_pairs__counts_every_record_with_the_one_so_many_places_on(nation: Nation) -> None:
    first = nation.register
    left, right = np.arange(first + 5, first + 35), np.arange(30)[::-1].copy()
    shifts = [0, 7, 29]
    table = nation.coded.take(np.concatenate([left, right]), nation.columns)
    found = count_shifted_pairs(table, nation.meaning, nation.programme, 30, shifts)
    wanted = Counter(
        pattern_twin(nation, int(left[i]), int(right[(i + shift) % 30]))
        for shift in shifts
        for i in range(30)
    )
    assert dict(zip(found.patterns.tolist(), found.counts.tolist(), strict=True)) == wanted


def test_other_rules_find__looks_at_rules_without_the_columns(
    nation: Nation, blocking: RuleKeys, ordinary: tuple[Rule, ...]
) -> None:
    first, n = nation.register, len(nation.people)
    rng = random.Random(6)
    by_number = {
        (b, a)
        for block in twin_blocks(nation.people, first, ordinary[0], CANDIDATES, kinds=nation.kinds).blocks
        for a in block
        for b in block
        if a < first <= b
    }
    asked = sorted(by_number)[:80] + [(rng.randrange(first, n), rng.randrange(first)) for _ in range(40)]
    left, right = (np.array([p[side] for p in asked], np.int64) for side in (0, 1))
    without = ("personal_number", "old_number")
    found = other_rules_find(nation.coded, nation.meaning, blocking, left, right, without)
    wanted: set[tuple[int, int]] = set()
    for rule in ordinary:
        if not set(rule.columns) & set(without):
            for block in twin_blocks(nation.people, first, rule, CANDIDATES, kinds=nation.kinds).blocks:
                wanted |= {(b, a) for a in block for b in block if a < first <= b}
    assert found.tolist() == [pair in wanted for pair in asked]
    assert 0 < sum(found) < len(asked)


def test_floor_of__is_what_cannot_matter_against_the_whole_register() -> None:
    assert floor_of(1 << 20) == 6 * 1024
    assert floor_of(1 << 20, 20) == 0
    assert floor_of(0) == -13 * 1024
