"""The experiments still run against the code they try."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.experiments import costs as costs_experiment
from benchmarks.experiments import decision, growth, training
from data.generator import generate
from jobs import blocking
from jobs.planning import make_plan
from jobs.run import run_project
from linkage import costs
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


def test_costs__tables_are_fitted_to_finished_runs_and_replace_themselves(tmp_path, monkeypatch, capsys):
    generate(tmp_path / "nation", 500, seed=2)
    project, run = tmp_path / "nation" / "project.toml", tmp_path / "run"
    run_project(project, run, threads=2)
    shrunk = tmp_path / "shrunk"
    costs_experiment.main(["shrunk", "1000000", str(project), str(shrunk)])
    table = tmp_path / "costs.py"
    table.write_text(costs_experiment.TABLE.read_text())
    monkeypatch.setattr(costs_experiment, "TABLE", table)
    before = table.read_text()
    costs_experiment.main(["disk", str(run), f"{shrunk}@1000000"])
    costs_experiment.main(["seconds", str(run)])
    held: dict = {}
    exec(table.read_text(), held)  # noqa: S102 - the product's own module, its tables replaced
    assert before.split("# disk begin")[0] == table.read_text().split("# disk begin")[0]
    assert set(held["DISK"]) == set(costs.DISK)
    assert set(held["SECONDS"]) == set(costs.SECONDS)
    record = json.loads((run / "run.json").read_text())
    drivers = costs_experiment.read_run(str(run))["drivers"]
    found = max(cost.of(drivers) for cost in held["DISK"].values())
    assert found == pytest.approx(record["disk"]["fullest"], rel=0.1)
    told = capsys.readouterr().out
    assert [line.split(":")[0] for line in told.splitlines()] == [str(run), f"{shrunk}@1000000", str(run)]


def test_costs__a_run_with_smaller_limits_lies_like_a_large_one(tmp_path):
    generate(tmp_path, 500, seed=2)
    before = blocking.KEYS_AT_ONCE
    small = foreseen(tmp_path)
    with costs_experiment.limits_shrunk(1_000_000):
        large = foreseen(tmp_path)
    assert before == blocking.KEYS_AT_ONCE
    assert small["plain"] == small["cells"] > large["plain"] == large["loose"] == 0
    assert small["at_once"] == small["keys"] == large["keys"] > 2 * large["at_once"] > 0
    assert small["fed"] == small["corrected"] > large["fed"] > 0
    assert small["round"] == small["rows"] > large["round"] > 0


def foreseen(folder):
    return make_plan(folder / "project.toml")["drivers"]
