"""Forecasts from a sample, against plain counting of everything."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.config import Blocking
from linkage.forecast import Sample, forecast_rules, hot_chance
from linkage.rules import Rule, compile_rules
from tests.linkage import small

SECRET = 815

#: More pairs than any block here makes.
MOST = 1_000_000


def compiled(*rules: tuple[list[str], list[str]]) -> tuple[Rule, ...]:
    written = [
        Blocking(name=f"rule{i}", on=tuple(on), refine=tuple(refine)) for i, (on, refine) in enumerate(rules)
    ]
    return compile_rules(written, small.KINDS)


def split(part: str) -> tuple[str, str]:
    column, _, form = part.partition(".")
    return column, form


def counted(people, n_register, on, refine, candidates, most=MOST):
    """What becomes of a rule's pairs, by following every block: the slow and obvious way."""
    out = dict.fromkeys(("pairs", "register_pairs", "refined", "given_up", "before", "hot"), 0)
    blocks = defaultdict(list)
    for row, person in enumerate(people):
        for key in itertools.product(*(sorted(small.key_values(person, *split(p))) for p in on)):
            blocks[key].append(row)

    def count(rows):
        registers = sum(row < n_register for row in rows)
        return registers * (len(rows) - registers), registers * (registers - 1) // 2

    def follow(rows, depth):
        cross, inner = count(rows)
        if sum(row < n_register for row in rows) <= candidates and cross <= most:
            out["pairs"] += cross
            out["register_pairs"] += inner
            return
        out["hot"] += 1
        if depth == len(refine):
            out["given_up"] += cross + inner
            return
        column, form = split(refine[depth])
        parts = defaultdict(list)
        for row in rows:
            for value in small.key_values(people[row], column, form):
                parts[value].append(row)
        held = [row for part in parts.values() for row in part]
        out["given_up"] += cross + inner - sum(count(held))
        out["refined"] += sum(count(held)) - sum(sum(count(part)) for part in parts.values())
        for part in parts.values():
            follow(part, depth + 1)

    for rows in blocks.values():
        out["before"] += count(rows)[0]
        follow(rows, 0)
    return out


def whole(coded, meaning):
    sources = int(coded.source.max()) + 1
    return Sample(coded, meaning, np.ones(sources), np.zeros(len(coded), np.int64))


RULES = [
    (["personal_number.any"], []),
    (["full_name.given.ascii"], ["sex", "birth_date.year"]),
    (["birth_date.year", "sex"], ["full_name.surname.ascii", "commune.province"]),
    (["commune.any"], ["birth_date"]),
]


@given(seed=st.integers(0, 10_000), candidates=st.integers(1, 6), most=st.sampled_from([0, 5, 12, 40, MOST]))
@settings(max_examples=40, deadline=None)
def test_forecast__of_everything_is_the_count_itself(seed, candidates, most):
    rng = random.Random(seed)
    register = [small.random_person(rng, 2) for _ in range(30)]
    agencies = [[small.random_person(rng, 2) for _ in range(n)] for n in (25, 10)]
    coded, meaning = small.coded_nation(register, agencies)
    people = [*register, *itertools.chain(*agencies)]
    rules = compiled(*RULES)
    found, _ = forecast_rules(whole(coded, meaning), rules, SECRET, candidates, most)
    for rule, forecast in zip(rules, found, strict=True):
        on, refine = RULES[int(rule.name[-1])]
        want = counted(people, len(register), on, refine, candidates, most)
        assert forecast.pairs == want["pairs"]
        assert forecast.register_pairs == want["register_pairs"]
        assert forecast.refined_pairs == want["refined"]
        assert forecast.given_up_pairs == want["given_up"]
        assert forecast.before == want["before"]
        assert forecast.refined_blocks == want["hot"] == forecast.hot.shape[0]
        assert forecast.error == 0


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_compared__is_every_pair_once_under_the_first_rule_that_brings_it(seed):
    rng = random.Random(seed)
    register = [small.random_person(rng) for _ in range(20)]
    agency = [small.random_person(rng) for _ in range(20)]
    coded, meaning = small.coded_nation(register, [agency])
    rules = compiled(*RULES)
    found, _ = forecast_rules(whole(coded, meaning), rules, SECRET, 1000, MOST)
    want = dict.fromkeys((r.name for r in rules), 0)
    for a, b in itertools.product(register, agency):
        for rule in rules:
            on, _ = RULES[int(rule.name[-1])]
            if all(small.key_values(a, *split(p)) & small.key_values(b, *split(p)) for p in on):
                want[rule.name] += 1
                break
    assert {f.name: f.compared for f in found} == want


def nation_of_days(people: int, days: int, rng: random.Random, uneven: float = 1):
    """A register and an agency that hold the same people, both sorted by the day of birth."""
    born = sorted(int(days * rng.random() ** uneven) for _ in range(people))
    persons = [
        {"birth_date": (1950 + d // 336, d // 28 % 12 + 1, d % 28 + 1), "sex": rng.choice("MF")} for d in born
    ]
    return persons, [p for p in persons if rng.random() < 0.8]


def sampled(register, agency, rate, stretch, rng):
    """Stretches of both files, each placed at random inside its own share of the file."""
    picked, marks = [], []
    for side, people in enumerate((register, agency)):
        count = int(len(people) * rate / stretch)
        share = len(people) / count
        rows = []
        for number in range(count):
            begin = int(number * share + rng.random() * (share - stretch))
            rows += range(begin, begin + stretch)
            marks += [number + side * count] * stretch
        picked.append([people[row] for row in rows])
    return picked, np.array(marks, np.int64)


def forecasts(register, agency, rate, stretch, candidates, rng, times=30):
    """What samples of a nation say of the rule 'born on one day', refined by sex."""
    rules = compiled((["birth_date"], ["sex"]))
    found = []
    for _ in range(times):
        (some, others), marks = sampled(register, agency, rate, stretch, rng)
        coded, meaning = small.coded_nation(some, [others])
        rates = np.array([len(some) / len(register), len(others) / len(agency)])
        found.append(
            forecast_rules(Sample(coded, meaning, rates, marks), rules, SECRET, candidates, MOST)[0][0]
        )
    return counted([*register, *agency], len(register), ["birth_date"], ["sex"], candidates), found


@pytest.fixture(scope="module")
def in_order():
    """Files sorted by what the rule blocks on, read in stretches longer than any block."""
    rng = random.Random(7)
    register, agency = nation_of_days(6000, 2400, rng)
    return forecasts(register, agency, 0.3, 36, 10_000, rng)


@pytest.fixture(scope="module")
def at_random():
    """Files in no order, whose fuller days are refined."""
    rng = random.Random(8)
    register, agency = nation_of_days(6000, 500, rng, uneven=2)
    rng.shuffle(register)
    rng.shuffle(agency)
    return forecasts(register, agency, 0.4, 6, 20, rng)


def test_pairs__are_right_on_average_though_files_are_sorted_by_the_key(in_order):
    want, found = in_order
    pairs = np.array([f.pairs for f in found])
    spread = pairs.std() / pairs.mean()
    assert abs(pairs.mean() / want["pairs"] - 1) < 4 * spread / np.sqrt(len(found))
    assert 0 < spread < 0.3


def test_register_pairs__of_neighbours_in_the_file_are_not_counted_several_times(in_order):
    want, found = in_order
    estimated = np.mean([f.register_pairs for f in found])
    assert 0.8 < estimated / want["register_pairs"] < 1.2


def test_refinement__is_foreseen_from_a_sample_that_shows_a_part_of_each_block(at_random):
    want, found = at_random
    assert want["hot"] > 20
    assert np.mean([f.before for f in found]) == pytest.approx(want["before"], rel=0.05)
    for name in ("pairs", "refined_pairs", "given_up_pairs"):
        estimated = np.mean([getattr(f, name) for f in found])
        assert estimated == pytest.approx(
            want[name if name == "pairs" else name.removesuffix("_pairs")], rel=0.2
        ), name


@pytest.mark.parametrize("nation", ["in_order", "at_random"])
def test_error__is_about_as_large_as_the_estimates_differ(nation, request):
    _, found = request.getfixturevalue(nation)
    before = np.array([f.before for f in found])
    stated = np.mean([f.error for f in found])
    assert 0.4 < stated / (before.std() / before.mean()) < 2.5


def test_hot_chance__is_certain_when_everything_is_seen():
    seen = np.array([0, 1, 50, 51, 400])
    assert hot_chance(seen, np.ones(5), 1.0, 50, np.full(5, 1e6)).tolist() == [0, 0, 0, 1, 1]
    assert hot_chance(seen, np.ones(5), 1.0, 50, np.array([0.0, 0, 50, 60, 3])).tolist() == [0, 1, 0, 1, 1]


@pytest.mark.parametrize("rate", [0.5, 0.2, 0.05])
def test_hot_chance__says_as_many_pairs_hot_as_there_are(rate):
    rng = np.random.default_rng(3)
    size = np.concatenate([rng.integers(1, 12, 60_000), rng.integers(20, 200, 2_000)])
    seen = rng.binomial(size, rate)
    agency = rng.binomial(size, 0.5)
    weight = seen / rate * agency
    chance = hot_chance(seen, weight, rate, 50, np.full(size.shape, 1e6))
    truly = float((size * agency)[size > 50].sum() / (size * agency).sum())
    assert float((chance * weight).sum() / weight.sum()) == pytest.approx(truly, abs=0.1 + 0.02 / rate * 0.1)
    assert ((chance >= 0) & (chance <= 1)).all()


@pytest.mark.parametrize("rate", [0.5, 0.2, 0.05])
def test_hot_chance__knows_blocks_that_few_of_the_register_and_many_others_are_in(rate):
    """What a block may hold falls with the records of agencies that each of it meets."""
    rng = np.random.default_rng(4)
    size = rng.integers(1, 40, 40_000)
    agency = np.where(rng.random(size.shape) < 0.1, 100_000, 100)
    seen = rng.binomial(size, rate)
    weight = seen / rate * agency
    chance = hot_chance(seen, weight, rate, 50, 1_000_000 // agency)
    hot = size * agency > 1_000_000
    truly = float((size * agency)[hot].sum() / (size * agency).sum())
    assert 0.5 < truly < 0.99
    assert float((chance * weight).sum() / weight.sum()) == pytest.approx(truly, abs=0.06)
    assert chance[agency == 100].max() < 0.2


def test_hot_chance__rises_with_what_was_seen():
    rng = np.random.default_rng(5)
    size = np.concatenate([rng.integers(1, 20, 20_000), rng.integers(30, 150, 1_000)])
    seen = rng.binomial(size, 0.2)
    chance = hot_chance(seen, seen * 5.0, 0.2, 50, np.full(size.shape, 1e6))
    by_seen = [chance[seen == k].max() for k in np.unique(seen)]
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(by_seen))
    assert by_seen[0] < 0.01
    assert by_seen[-1] == 1.0


def couple(number, given, year, sex="M"):
    return {"personal_number": number, "full_name": ["Lê", given], "birth_date": (year, 2, 3), "sex": sex}


def test_lost__counts_true_pairs_that_refinement_parts():
    numbers = [f"0{n:011d}" for n in range(1, 13)]
    register = [couple(n, "Lan", 1980) for n in numbers]
    # Ten agree in everything, one has another sex, one has another name and year of birth.
    agency = [couple(n, "Lan", 1980) for n in numbers[:10]]
    agency += [couple(numbers[10], "Lan", 1980, "F"), couple(numbers[11], "Chi", 1991)]
    coded, meaning = small.coded_nation(register, [agency])
    rules = compiled((["personal_number"], []), (["full_name.given.ascii", "birth_date"], ["sex"]))
    found, lost = forecast_rules(whole(coded, meaning), rules, SECRET, 11, MOST, identifier=0)
    # The twelve of one name and day are refined by sex: twelve remain together, and are given up.
    assert found[1].given_up_pairs == 12 * 10 + 12 * 11 // 2
    assert (lost.pairs, lost.unfound, lost.parted) == (11, 0, 11)
    assert found[1].lost == 1.0
    found, lost = forecast_rules(whole(coded, meaning), rules, SECRET, 12, MOST, identifier=0)
    assert (lost.pairs, lost.unfound, lost.parted) == (11, 0, 0)
    assert found[0].lost == -1.0


def test_lost__is_only_of_records_that_agree_beyond_the_number():
    register = [couple("012345678901", "Lan", 1980)]
    agency = [couple("012345678901", "Chi", 1991)]
    coded, meaning = small.coded_nation(register, [agency])
    rules = compiled((["personal_number"], []), (["full_name.given.ascii"], []))
    _, lost = forecast_rules(whole(coded, meaning), rules, SECRET, 10, MOST, identifier=0)
    assert lost.pairs == 0


def test_largest__are_told_by_size_and_what_becomes_of_them():
    register = [couple(f"0{n:011d}", "Lan", 1980, "MF"[n % 2]) for n in range(10)]
    agency = [couple(f"0{n:011d}", "Lan", 1980, "MF"[n % 2]) for n in range(8)]
    coded, meaning = small.coded_nation(register, [agency])
    rules = compiled((["full_name.given.ascii"], ["sex"]))
    block = forecast_rules(whole(coded, meaning), rules, SECRET, 5, MOST)[0][0].largest[0]
    assert (block.register, block.agency, block.before) == (10, 8, 80)
    assert (block.after, block.given_up, block.refined) == (40, 0, 1)


def test_forecast__of_no_records_is_nothing():
    coded, meaning = small.coded_nation([], [[]])
    sample = Sample(coded, meaning, np.ones(2), np.zeros(0, np.int64))
    found, lost = forecast_rules(sample, compiled(*RULES), SECRET, 5, MOST, identifier=0)
    assert sum(f.pairs + f.compared + f.refined_blocks for f in found) == 0
    assert lost.pairs == 0
