from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.posterior import STATES, STRAY, Candidates, Posterior, Prior
from linkage.rehearsal import (
    BANDS,
    Played,
    Rehearsal,
    band_of,
    conclude,
    corrected,
    nothing,
    play,
)
from linkage.scored import Scored
from tests.linkage.test_decide import NAME, NUMBER, PROGRAMME, REGISTER, WEIGHTS, model

#: One record: source, identifier state, and its pairs (blind bits, number level, name level), the best first.
Record = tuple[int, int, list[tuple[float, str, str]]]


def nation(seed: int, count: int) -> list[Record]:
    """Records linked by their number, some with strangers that fit as well, and others without a number."""
    rng = random.Random(seed)
    out: list[Record] = []
    for _ in range(count):
        source = rng.choice([1, 2])
        if rng.random() < 0.3:
            out.append((source, rng.choice([0, 0, 1, 3, 4]), []))
            continue
        own = rng.choice([30.0, 25.0, 14.0, 9.0])
        pairs = [(own, "same", rng.choice(["same", "same", "same", "other"]))]
        for _ in range(rng.choice([0, 0, 1, 3])):
            # Some strangers fit exactly as well, some better than the person.
            blind = rng.choice([own, rng.uniform(-5, 12), rng.uniform(8, 30)])
            pairs.append((blind, "different", rng.choice(["same", "other"])))
        out.append((source, 2, pairs))
    return out


PRIOR = Prior(
    np.array([0.9, 0.97, 0.9]),
    np.array([[1.0] * 5, [1.0, 30.0, 0.01, 20.0, 0.02], [1.0, 9.0, 0.1, 7.0, 0.1]]),
    np.full((3, 5), 0.004),
    3,
)


def played(records: list[Record], p_best: float = 1.0, sampled: list[bool] | None = None) -> Played:
    """What the records show as one range."""
    rows = [(i, *pair) for i, (_, _, pairs) in enumerate(records) for pair in pairs]
    scored = Scored(
        np.array([1000 + r[0] for r in rows], np.uint32),
        np.arange(len(rows), dtype=np.uint32),
        np.array([NUMBER[r[2]] * 3 + NAME[r[3]] for r in rows], np.uint32),
        np.zeros(len(rows), np.uint8),
        np.full(len(rows), 50 * 1024, np.int32),
        np.array([round(r[1] * 1024) for r in rows], np.int32),
    )
    candidates = Candidates.of(
        np.array([r[0] for r in rows], np.int64), scored.weight, len(records), REGISTER
    )
    first = np.full(len(records), -1)
    for at in reversed(range(len(rows))):
        first[rows[at][0]] = at
    zero = np.zeros(len(records))
    return play(
        scored,
        candidates,
        Posterior(first, first, np.where(first >= 0, p_best, 0.0), zero, zero, zero),
        np.array([r[0] for r in records], np.int64),
        np.array([r[1] for r in records], np.int64),
        np.ones(len(records), bool) if sampled is None else np.array(sampled, bool),
        PROGRAMME,
        model(),
        WEIGHTS,
        PRIOR,
        3,
    )


def states_of(records: list[Record]) -> np.ndarray:
    out = np.zeros((3, len(STATES)))
    for source, state, _ in records:
        out[source, state] += 1
    return out


def run(records: list[Record], p_best: float = 1.0, least: int = 1) -> Rehearsal:
    return conclude(played(records, p_best), states_of(records), PRIOR, least_actors=least)


def twin(records: list[Record]) -> tuple[list[float], list[float], list[float]]:
    """Wrong links counted, predicted, and the variance, by band: every actor on the stage by itself."""
    wrong, predicted, variance = [0.0] * BANDS, [0.0] * BANDS, [0.0] * BANDS
    different = model().parts[0].levels[3]
    for state in (0, 1, 3):
        more = math.log2(different.m / different.u) if state == 1 else 0.0
        for absent in (True, False):
            for source in (1, 2):
                pi = PRIOR.registered[source]
                actors = [pairs for s, k, pairs in records if s == source and k == 2]
                held = [k for s, k, _ in records if s == source]
                kind = {0: (0,), 1: (1, 2), 3: (3, 4)}[state]
                strangers = sum(k in kind for k in held) * (1 - pi) * (1 if state == 0 else 1 - STRAY)
                real = strangers if absent else max(held.count(state) - strangers, 0.0)
                scale = real / len(actors)
                none = (1 - pi) * PRIOR.unregistered_term[source, state] + pi * PRIOR.lost_term[source, state]
                for pairs in actors:
                    odds = [
                        (pi / REGISTER * 2.0 ** (blind + more), name == "same") for blind, _, name in pairs
                    ]
                    playing = odds[1:] if absent else odds
                    may_link = [o for o, allowed in playing if allowed]
                    if not may_link:
                        continue
                    p = max(may_link) / (sum(o for o, _ in playing) + none)
                    others = [o for o, allowed in odds[1:] if allowed]
                    false = absent or max(others, default=0.0) == max(may_link)
                    band = min(max(math.ceil(-math.log10(max(1 - p, 1e-300))) - 1, 0), BANDS - 1)
                    predicted[band] += scale * (1 - p)
                    wrong[band] += scale * false
                    variance[band] += scale**2 * false
    return wrong, predicted, variance


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rehearse__equals_playing_every_record_by_itself(seed: int) -> None:
    records = nation(seed, 600)
    found = run(records)
    wrong, predicted, variance = twin(records)
    assert found.actors == sum(k == 2 for _, k, _ in records)
    assert found.wrong == pytest.approx(wrong, abs=0.02)
    assert found.predicted == pytest.approx(predicted, abs=0.02)
    assert found.variance == pytest.approx(variance, abs=0.02)
    wanted = [max((w + 0.5) / (p + 0.5), 1.0) for w, p in zip(wrong, predicted, strict=True)]
    assert found.factor == pytest.approx(wanted, rel=0.03)
    assert max(wanted) > 2
    assert found.relative_variance == pytest.approx(sum(variance) / sum(wrong) ** 2, rel=0.01)


def test_rehearse__needs_actors_that_are_beyond_doubt() -> None:
    records = nation(4, 200)
    actors = sum(k == 2 for _, k, _ in records)
    assert run(records, least=actors).actors == actors
    for none in (run(records, least=actors + 1), run(records, p_best=0.9999), run([])):
        assert none.actors == 0
        assert none.factor.tolist() == [1.0] * BANDS
        assert none.relative_variance == 0.0


def test_band_of__is_by_powers_of_ten() -> None:
    short = [1.0, 0.5, 0.11, 0.05, 0.005, 5e-4, 5e-5, 5e-6, 5e-7, 5e-8, 5e-12, 0.0]
    bands = band_of(1.0 - np.array(short)).tolist()
    assert bands == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 7]
    assert len(STATES) == 5


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=20), st.lists(st.floats(1, 50), min_size=BANDS, max_size=BANDS))
def test_corrected__never_makes_a_link_surer(probabilities: list[float], factors: list[float]) -> None:
    before = np.array(probabilities)
    zero = np.zeros(BANDS)
    after = corrected(before, Rehearsal(np.array(factors), zero, zero, zero, 1))
    assert (after <= before + 1e-12).all()
    assert (after >= 0).all()
    for p, q in zip(probabilities, after.tolist(), strict=True):
        assert q == pytest.approx(1 - min(1.0, (1 - p) * factors[band_of(np.array([p]))[0]]), abs=1e-12)
    assert corrected(before, nothing()) == pytest.approx(before, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.lists(st.integers(0, 300), max_size=4), st.randoms(use_true_random=False))
def test_play__of_ranges_adds_up_to_that_of_all(seed: int, cuts: list[int], rng: random.Random) -> None:
    records = nation(seed, 300)
    edges = sorted({0, *cuts, 300})
    parts = [played(records[a:b]) for a, b in itertools.pairwise(edges)]
    rng.shuffle(parts)
    whole, sum_ = played(records), Played.merge(parts, 3)
    for name in ("actors", "said", "wrong"):
        assert np.array_equal(getattr(whole, name), getattr(sum_, name)), name


def test_play__only_the_sampled_act() -> None:
    records = nation(5, 400)
    chosen = [random.Random(i).random() < 0.3 for i in range(400)]
    some = played(records, sampled=chosen)
    alone = played([r for r, one in zip(records, chosen, strict=True) if one])
    for name in ("actors", "said", "wrong"):
        assert np.array_equal(getattr(some, name), getattr(alone, name)), name
    # A third of the actors stand for as many records as all of them.
    all_, third = run(records), conclude(some, states_of(records), PRIOR, least_actors=1)
    assert third.actors < 0.4 * all_.actors
    assert third.wrong.sum() == pytest.approx(all_.wrong.sum(), rel=0.4)
