"""The experiments still run against the code they try."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.experiments import decision, growth, training
from linkage.model import Correction, LevelModel, Model, PartModel


def test_growth__names_coincide_as_asked():
    for coincidence in (0.0096, 0.045, 0.125):
        shares = growth.frequencies(2000, coincidence)
        assert shares.sum() == pytest.approx(1.0)
        assert (shares**2).sum() == pytest.approx(coincidence, rel=1e-6)


def test_growth__counts_hold_together():
    found = growth.measure(8_000)
    assert found["true"] == 80 * int(100 * 1.22)
    for rule in found["rules"].values():
        assert rule["pairs"] <= rule["pairs_all"]
        assert rule["pairs_dropped"] <= rule["pairs"]
        assert rule["kept"] + rule["given_up"] <= rule["shared"] <= found["true"]
    assert found["kept_by_some_rule"] <= found["keyed_by_some_rule"] <= found["true"]


def test_training__true_pairs_are_all_of_them():
    """A person with two register rows counts twice."""
    person = np.array([7, 8, 7, 9, 7, 8, 5])
    left, right = training.true_pairs(person, 4)
    assert sorted(zip(left.tolist(), right.tolist(), strict=True)) == [(4, 0), (4, 2), (5, 1)]


def test_training__errors_are_of_levels_seen_often_enough():
    truth, estimate = np.array([0, 0.5, 0.25, 0.25]), np.array([0, 0.25, 0.5, 0.25])
    seen = np.array([1000, 100, 100, 10])
    assert training.errors(estimate, truth, seen).tolist() == [1.0, 1.0]
    assert training.errors(estimate, truth, seen, without=[1]).tolist() == [1.0]


def test_decision__variants_leave_out_what_they_say():
    level = LevelModel(name="same", when="exact", m=0.9, u=0.1, chance={"same": 0.5})
    model = Model(
        register=10,
        parts=[PartModel(name="sex", columns=["sex"], levels=[level])],
        corrections=[Correction(levels=[1], bits=2.0, pairs=9)],
        mean_frequency={},
        lost=0.01,
        training=[],
        converged=True,
        warnings=[],
    )
    assert decision.altered(model, "full") is model
    grouped, independent = decision.altered(model, "grouped"), decision.altered(model, "independent")
    assert (grouped.corrections, grouped.parts[0].levels[0].chance) == ([], {"same": 0.5})
    assert (independent.corrections, independent.parts[0].levels[0].chance) == ([], {})
    assert len({m.model_id for m in (model, grouped, independent)}) == 3
