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
    "far": 7.7e5, "cells": 2.1e7, "plain": 0.0, "loose": 2.1e7, "round": 2.2e6, "fed": 1.2e6,
    "keys": 1.9e7, "at_once": 1.9e7, "pairs": 1.5e7, "sampled": 2.6e5, "random": 1e7, "trained": 5e6,
    "compared": 5e6, "spooled": 0.0, "long": 0.0, "texts": 0.0,
}  # fmt: skip


def test_drivers__of_every_cost_are_known():
    assert set(MILLION) == set(costs.DRIVERS)
    for cost in (costs.MEMORY, costs.ARTEFACTS, *costs.DISK.values(), *costs.SECONDS.values()):
        assert set(cost.coefficients) <= set(costs.DRIVERS)
        assert all(value >= 0 for value in cost.coefficients.values())
    for names in (*(n for n, _ in costs.SHAPES.values()), *costs.LYING.values()):
        assert set(names) <= set(costs.DRIVERS)


def test_costs__are_foreseen_for_every_stage_of_a_run():
    names = {s.name for s in STAGES}
    assert set(costs.SECONDS) == names | {"between"}
    assert set(costs.SHAPES) == set(costs.LYING) == set(costs.DISK) == names


def test_disk__is_that_of_the_fullest_stage_the_run_has_and_more_than_what_stays():
    names = [s.name for s in STAGES]
    lies = {name: cost.of(MILLION) for name, cost in costs.DISK.items()}
    whole = costs.disk(MILLION, names)
    assert whole["fullest"] == int(costs.MARGIN * max(lies.values()))
    assert whole["artefacts"] == int(costs.MARGIN * costs.ARTEFACTS.of(MILLION))
    fullest = max(lies, key=lambda name: lies[name])
    less = costs.disk(MILLION, [name for name in names if name != fullest])["fullest"]
    assert whole["artefacts"] < less < whole["fullest"]


def test_disk__of_files_that_are_written_out_first_is_full_in_that_stage_only():
    names = [s.name for s in STAGES]
    lies = {name: cost.of(MILLION) for name, cost in costs.DISK.items()}
    room = max(lies.values()) - lies[costs.SPOOLING]
    assert room > 1e6  # other stages are fuller
    for more in (0.0, room - 1e6, room + 1e6):
        found = costs.disk(MILLION | {"spooled": more}, names)
        assert found["fullest"] == int(costs.MARGIN * max(*lies.values(), lies[costs.SPOOLING] + more))
        assert found["artefacts"] == costs.disk(MILLION, names)["artefacts"]


def test_disk__of_a_large_run_is_spared():
    """Of a hundred times the records, which lie packed small and are worked through bit by bit."""
    large = {name: 100 * value for name, value in MILLION.items()}
    large |= {"one": 1.0, "loose": 0.0, "round": 4e6, "fed": 0.0, "at_once": 2.3e8, "corrected": 0.0}
    small = MILLION | {"corrected": 0.0}
    linking = [s.name for s in STAGES if s.name not in ("correct", "cases", "feeds")]
    assert costs.disk(large, linking)["fullest"] < 75 * costs.disk(small, linking)["fullest"]


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
