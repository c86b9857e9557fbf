"""Costs of a run: linear in what it has to do, never below zero, and fitted from finished runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage import costs
from linkage.costs import Cost, fit, seconds
from linkage.pipeline import STAGES

NOTHING = dict.fromkeys(costs.DRIVERS, 0.0)
MILLION = {
    "one": 1.0, "bytes": 1.5e8, "rows": 2.2e6, "register": 1e6, "agency": 1.2e6, "corrected": 1.2e6,
    "keys": 4e7, "pairs": 1.5e7, "random": 1e7, "trained": 5e6, "compared": 5e6,
}  # fmt: skip


def test_drivers__of_every_cost_are_known():
    for cost in (costs.MEMORY, costs.FULLEST, costs.ARTEFACTS, *costs.SECONDS.values()):
        assert set(cost.coefficients) <= set(costs.DRIVERS)
        assert all(value >= 0 for value in cost.coefficients.values())
    for names, _ in costs.SHAPES.values():
        assert set(names) <= set(costs.DRIVERS)


def test_seconds__are_foreseen_for_every_stage_of_a_run():
    assert {s.name for s in STAGES} <= set(costs.SECONDS)
    assert {s.name for s in STAGES} <= set(costs.SHAPES)


def test_seconds__rise_with_work_and_fall_with_speed():
    once = seconds(MILLION, 2, 1.0)
    twice = seconds({name: 2 * value for name, value in MILLION.items()}, 2, 1.0)
    fast = seconds(MILLION, 2, 2.0)
    for stage, value in once.items():
        assert twice[stage] == pytest.approx(2 * value)
        assert fast[stage] == pytest.approx(value / 2)
    assert sum(once.values()) > 0
    assert sum(seconds(NOTHING, 2, 1.0).values()) == 0


def test_seconds__of_a_stage_that_one_task_does_gain_nothing_from_threads():
    narrow, wide = seconds(MILLION, 2, 1.0), seconds(MILLION, 8, 1.0)
    for stage, cost in costs.SECONDS.items():
        assert wide[stage] == pytest.approx(narrow[stage] if cost.serial else narrow[stage] / 4)


def test_cost__is_the_sum_of_its_parts():
    assert Cost({"one": 3.0, "rows": 0.5}).of({**NOTHING, "one": 1.0, "rows": 10.0}) == 8.0


@given(st.lists(st.floats(1e-9, 1e3), min_size=3, max_size=3), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_fit__finds_the_function_that_made_the_costs(true, seed):
    rng = np.random.default_rng(seed)
    features = rng.uniform(0.1, 1, (12, 3)) * [1, 1e6, 1e8]
    spent = features @ np.array(true)
    found = fit(features, spent)
    assert (found >= 0).all()
    assert features @ found == pytest.approx(spent, rel=0.02)


def test_fit__gives_no_coefficient_below_zero_though_that_would_fit_better():
    features = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 4.0]])
    found = fit(features, np.array([3.0, 2.0, 1.0]))
    assert (found >= 0).all()
    assert found[1] < 0.05
