from __future__ import annotations

import itertools
import math
import random
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.posterior import (
    MODEL_ERROR,
    STATES,
    STRAY,
    Candidates,
    Tally,
    exact_sums,
    false_links_interval,
    find_prior,
    posterior_of,
    power_of_two,
    sorted_pairs,
    state_terms,
)

LOST, NEAR = 0.005, 0.3


def exact_power(weight: int) -> float:
    """2 ** (weight / 1024) to the nearest float, by way of sixty digits."""
    with localcontext() as context:
        context.prec = 60
        return float(Decimal(2) ** (Decimal(weight) / 1024))


@given(st.lists(st.integers(-(1 << 19), 1 << 19), min_size=1, max_size=30))
@settings(deadline=None)
def test_power_of_two__is_exact_to_the_last_place(weights: list[int]) -> None:
    assert power_of_two(np.array(weights, np.int32)).tolist() == [exact_power(w) for w in weights]


def test_power_of_two__of_whole_bits_is_whole() -> None:
    bits = np.arange(-60, 61)
    assert power_of_two((bits * 1024).astype(np.int32)).tolist() == [
        float(Fraction(2) ** int(b)) for b in bits
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3)), max_size=40), st.randoms())
def test_exact_sums__do_not_depend_on_the_order(rows: list[tuple[float, int]], rng: random.Random) -> None:
    def sums(of: list[tuple[float, int]]) -> list[int]:
        return exact_sums(np.array([v for v, _ in of]), np.array([g for _, g in of], np.int64), 4).tolist()

    mixed = list(rows)
    rng.shuffle(mixed)
    assert sums(rows) == sums(mixed)
    for group, found in enumerate(sums(rows)):
        assert found / 2**40 == pytest.approx(sum(v for v, g in rows if g == group), abs=1e-10)


Records = list[tuple[int, int, list[int]]]

#: How far behind the best candidate of a record none counts any more: a millionth of its odds.
FAR_OFF = 20 * 1024


def generated(seed: int, count: int = 400) -> Records:
    """Records (source, state, weights of their pairs in 1/1024 bit), most of them with a clear candidate."""
    rng = random.Random(seed)
    out: Records = []
    for _ in range(count):
        source = rng.choice([1, 1, 2])
        kind = rng.random()
        if kind < 0.05:
            out.append((source, rng.choice([0, 1, 1, 3]), []))
        elif kind < 0.15:
            out.append((source, rng.choice([0, 1, 2]), [rng.randint(-5000, 15_000) for _ in range(3)]))
        else:
            best = rng.randint(15_000, 40_000)
            others = [rng.randint(-5000, best) for _ in range(rng.choice([0, 0, 1, 4]))]
            out.append((source, rng.choice([0, 2, 2, 2, 2, 4]), [best, *others]))
    return out


def run(
    records: Records,
    n_register: int,
    fixed: dict[int, float] | None = None,
    shuffle: int = 0,
    rounds: int = 25,
):
    pairs = [
        (record, weight, (record * 7919 + place) % 1009)
        for record, (_, _, weights) in enumerate(records)
        for place, weight in enumerate(weights)
    ]
    random.Random(shuffle).shuffle(pairs)
    record, weight = np.array([p[0] for p in pairs], np.int64), np.array([p[1] for p in pairs], np.int32)
    ties = np.array([p[2] for p in pairs], np.uint64)
    source, state = np.array([r[0] for r in records], np.int64), np.array([r[1] for r in records], np.int64)
    order = sorted_pairs(record, weight, lambda places: ties[places])
    candidates = Candidates.of(record[order], weight[order], len(records), n_register)
    tallies = [
        Tally.of(source[a:b], state[a:b], candidates.total[a:b])
        for a, b in itertools.pairwise([0, len(records) // 3, len(records)])
    ]
    prior = find_prior(
        Tally.merge(tallies), n_sources=3, lost=LOST, near_share=NEAR, fixed=fixed or {}, rounds=rounds
    )
    posterior = posterior_of(candidates, source, state, prior)
    return posterior, prior, [pairs[i] for i in order]


def twin(records: Records, n_register: int, rounds: int = 500):
    """Posteriors (of each pair, of none, of the lost) by the formula, the share registered iterated."""
    sources = sorted({source for source, _, _ in records})
    registered = dict.fromkeys(sources, 0.99)

    def terms(source: int) -> tuple[list[float], list[float]]:
        states = [state for s, state, _ in records if s == source]
        unregistered, lost = [1.0] * 5, [LOST] * 5
        for unheld, held, near in ((1, 2, NEAR), (3, 4, 0.0)):
            n_unheld, n_held = states.count(unheld), states.count(held)
            share = min(max((n_unheld + 0.5) / (n_unheld + n_held + 1), 1e-6), 1 - 1e-6)
            pi = registered[source]
            # Of the registered's numbers so many are unheld: what is left of the share without strangers.
            own = min(max((share - (1 - pi) * (1 - STRAY)) / pi, 1e-4), 1.0)
            unregistered[unheld], unregistered[held] = (1 - STRAY) / share, STRAY / (1 - share)
            lost[unheld], lost[held] = own * (1 - near) * LOST / share, STRAY * LOST / (1 - share)
        return unregistered, lost

    results = []
    for _ in range(rounds):
        by_source = {s: terms(s) for s in sources}
        results = []
        for source, state, weights in records:
            pi = registered[source]
            counting = [w if w > max(weights) - FAR_OFF else -math.inf for w in weights]
            odds = [pi / n_register * 2.0 ** (w / 1024) for w in counting]
            none = (1 - pi) * by_source[source][0][state]
            lost = pi * by_source[source][1][state]
            whole = sum(odds) + none + lost
            results.append(([o / whole for o in odds], none / whole, lost / whole))
        moved = 0.0
        for s in sources:
            mine = [r[1] for r, record in zip(results, records, strict=True) if record[0] == s]
            fresh = min(max(1 - sum(mine) / len(mine), 1e-6), 1 - 1e-6)
            moved = max(moved, abs(fresh - registered[s]))
            registered[s] = fresh
        if moved < 1e-12:
            break
    return results, registered


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_estimate__equals_the_formula(seed: int) -> None:
    records = generated(seed)
    posterior, prior, pairs = run(records, 50_000, rounds=400)
    wanted, registered = twin(records, 50_000)
    for source in (1, 2):
        assert prior.registered[source] == pytest.approx(registered[source], abs=1e-6)
    for record, (odds, none, lost) in enumerate(wanted):
        ranked = sorted(odds, reverse=True)
        assert posterior.p_unregistered[record] == pytest.approx(none, rel=1e-3, abs=1e-9)
        assert posterior.p_lost[record] == pytest.approx(lost, rel=1e-3, abs=1e-9)
        assert posterior.p_best[record] == pytest.approx(ranked[0] if ranked else 0, rel=1e-4, abs=1e-9)
        assert posterior.p_second[record] == pytest.approx(
            ranked[1] if len(ranked) > 1 else 0, rel=1e-3, abs=1e-9
        )
        weights = sorted(records[record][2], reverse=True)
        best, second = posterior.best[record], posterior.second[record]
        assert (best >= 0, second >= 0) == (len(weights) > 0, len(weights) > 1)
        if best >= 0:
            assert pairs[best][:2] == (record, weights[0])
        if second >= 0:
            assert pairs[second][:2] == (record, weights[1])


@settings(deadline=None)
@given(
    st.integers(-30_000, 60_000),
    st.lists(st.integers(FAR_OFF, 90_000), max_size=60),
)
def test_candidates__far_behind_the_best_change_no_probability(best: int, behind: list[int]) -> None:
    """Whether they are known or not, to the last bit: who is settled need not have them compared."""
    others: Records = [(1, 2, [30_000]), (2, 1, [9_000, 8_000])]
    one, prior, _ = run([*others, (1, 2, [best])], 50_000)
    two, same_prior, _ = run([*others, (1, 2, [best, *(best - far for far in behind)])], 50_000)
    for name in ("p_best", "p_second", "p_unregistered", "p_lost"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    assert np.array_equal(prior.registered, same_prior.registered)


def test_candidates__that_come_nearer_count() -> None:
    alone, _, _ = run([(1, 2, [30_000])], 50_000)
    beside, _, _ = run([(1, 2, [30_000, 30_000 - FAR_OFF + 1])], 50_000)
    beyond, _, _ = run([(1, 2, [30_000, 30_000 - FAR_OFF])], 50_000)
    assert beside.p_best[0] < beyond.p_best[0] == alone.p_best[0]
    assert beside.p_second[0] > beyond.p_second[0] == 0.0


def test_estimate__probabilities_of_a_record_sum_to_one() -> None:
    # At most two candidates each, so that best, second, none and lost are everything.
    records = [(s, state, weights[:2]) for s, state, weights in generated(4)]
    posterior, _, _ = run(records, 50_000)
    total = posterior.p_best + posterior.p_second + posterior.p_unregistered + posterior.p_lost
    assert total == pytest.approx(np.ones(len(records)), abs=1e-12)


def test_estimate__does_not_depend_on_the_order_of_pairs() -> None:
    records = [*generated(5), (1, 2, [9000, 9000, 9000]), (2, 0, [9000, 9000])]
    one, first_prior, pairs = run(records, 50_000)
    two, second_prior, others = run(records, 50_000, shuffle=9)
    assert pairs == others
    for name in ("best", "second", "p_best", "p_second", "p_unregistered", "p_lost"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    assert np.array_equal(first_prior.registered, second_prior.registered)


def test_estimate__ties_go_by_the_order_given() -> None:
    posterior, _, pairs = run([(1, 0, [8000, 8000, 8000])], 100)
    best, second = pairs[posterior.best[0]], pairs[posterior.second[0]]
    ties = sorted(p[2] for p in pairs)
    assert [best[2], second[2]] == ties[:2]


def test_estimate__finds_the_share_registered() -> None:
    rng = random.Random(6)
    records: Records = []
    for _ in range(5000):
        if rng.random() < 0.9:
            records.append((1, 2, [40_000]))
        else:
            records.append((1, 1, []))
    _, prior, _ = run(records, 100_000)
    truly = sum(bool(w) for _, _, w in records) / len(records)
    assert prior.registered[1] == pytest.approx(truly, abs=0.003)
    assert prior.iterations < 25


def test_estimate__keeps_a_share_that_is_given() -> None:
    records = generated(7)
    _, free_prior, _ = run(records, 50_000)
    _, prior, _ = run(records, 50_000, fixed={1: 0.5})
    assert prior.registered[1] == 0.5
    assert prior.registered[2] == free_prior.registered[2]
    assert free_prior.registered[1] > 0.8


def test_estimate__of_nothing() -> None:
    posterior, _, _ = run([], 100)
    assert posterior.best.shape == (0,)
    posterior, _, _ = run([(1, 0, []), (2, 1, [])], 100)
    assert posterior.best.tolist() == posterior.second.tolist() == [-1, -1]
    assert posterior.p_best.tolist() == [0, 0]
    assert posterior.p_unregistered + posterior.p_lost == pytest.approx(np.ones(2))


def test_state_terms__an_unheld_number_speaks_for_the_unregistered() -> None:
    counts = np.array([[0.0] * 5, [0.0, 20.0, 980.0, 0.0, 0.0]])
    unregistered, lost = state_terms(np.array([1.0, 0.99]), counts, LOST, NEAR)
    at = {name: i for i, name in enumerate(STATES)}
    assert unregistered[1, at["unheld"]] > 40
    assert unregistered[1, at["held"]] < 0.01
    assert unregistered[1, at["none"]] == 1.0
    assert lost[1, at["none"]] == LOST
    assert lost[1, at["held"]] < LOST


def test_false_links_interval__is_narrow_and_holds_what_is_expected() -> None:
    expected = np.concatenate([np.arange(0, 30, 0.01), np.arange(30, 2000.5, 0.5)])
    bounds = [false_links_interval(float(e)) for e in expected]
    low, high = (np.array([b[side] for b in bounds]) for side in (0, 1))
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) >= 0).all()
    assert (low <= expected).all()
    assert (expected <= high).all()
    assert (low >= 0).all()
    # What the product promises of the interval's width.
    broken = expected[high > 3 * low + 20]
    assert broken.size == 0, broken[:5]


@pytest.mark.parametrize("expected", [0.5, 3.0, 12.0, 80.0, 700.0])
@pytest.mark.parametrize("relative_variance", [0.0, 0.04])
def test_false_links_interval__holds_a_count_of_uncertain_mean(
    expected: float, relative_variance: float
) -> None:
    low, high = false_links_interval(expected, relative_variance)
    rng = np.random.default_rng(1)
    spread = MODEL_ERROR**2 + relative_variance
    counts = rng.poisson(rng.gamma(1 / spread, expected * spread, 200_000))
    assert ((counts >= low) & (counts <= high)).mean() > 0.988
    if relative_variance:
        narrow = false_links_interval(expected)
        assert low <= narrow[0]
        assert high >= narrow[1]
