"""What a run has to do: what is declared and what a forecast says."""

from __future__ import annotations

import types

import pytest

from data.generator import generate
from jobs import workload
from jobs.foreseen import Foreseen
from jobs.foreseen_texts import ForeseenTexts
from jobs.project import load_project
from linkage import costs
from linkage.forecast import RuleForecast
from linkage.pipeline import STAGES
from linkage.settle import SAMPLED


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nation")
    generate(folder, 200, seed=4)
    return load_project(folder / "project.toml")


def space(*, identifiers=(0,), settles=True, near=()):
    """As much of a workspace as is asked for: two rules by numbers, one by names."""
    return types.SimpleNamespace(
        identifier_rules=identifiers,
        settling=types.SimpleNamespace(any=lambda: settles),
        rules=[types.SimpleNamespace(near=n in near) for n in range(3)],
        training=types.SimpleNamespace(rules=(0, 2), groups=((0, 1),), sample=250_000),
    )


def found(*compared, pairs=None):
    return [RuleForecast("r", compared=c, pairs=p) for c, p in zip(compared, pairs or compared, strict=True)]


def test_declared__counts_what_the_contracts_say(loaded):
    rows = {"register": 6e6, "insurance": 3e6, "tax": 1e6, "education": 0.0}
    work = workload.declared_work(loaded, rows, 12)
    assert set(work) == set(costs.DRIVERS)
    fields = {name: len(contract.fields) for name, contract in loaded.contracts.items()}
    assert (work["rows"], work["register"], work["agency"]) == (1e7, 6e6, 4e6)
    assert work["corrected"] == 4e6
    assert work["fed"] == 3e6  # more than are joined at once, so one source
    assert work["cells"] == work["plain"] == sum(rows[name] * n for name, n in fields.items())
    assert work["loose"] == 0
    assert work["far"] == pytest.approx(1e7)  # one power of ten above a million
    assert work["round"] < work["rows"]
    # Of 10 million records the keys of 12 rules lie on the disk at once, of 100 million not.
    assert work["at_once"] == work["keys"]
    more = workload.declared_work(loaded, {name: 10 * n for name, n in rows.items()}, 12)
    assert more["at_once"] < more["keys"] == 10 * work["keys"]
    assert workload.stages_of(loaded) == tuple(s.name for s in STAGES)


def test_declared__of_no_records_is_next_to_nothing(loaded):
    work = workload.declared_work(loaded, dict.fromkeys(loaded.contracts, 0.0), 0)
    assert {name for name, value in work.items() if value} == {"one", "bytes"}


@pytest.mark.parametrize(("files", "looked_at"), [(1, 1), (16, 16), (17, 9), (40, 14)])
def test_long_texts__are_those_of_all_files_by_some_of_them(loaded, monkeypatch, files, looked_at):
    seen = []

    def foreseen(path, contract, columns, records):
        seen.append(columns)
        return ForeseenTexts(2.0 * records, 1.0 * records)

    monkeypatch.setattr(workload, "brought_kinds", lambda *_: {"full_name": "text"})
    monkeypatch.setattr(workload, "foresee_texts", foreseen)
    many = types.SimpleNamespace(
        project=loaded.project,
        contracts=loaded.contracts,
        files={name: held[:1] * files for name, held in loaded.files.items()},
    )
    told = {name: [Foreseen(50 + n, 1) for n in range(files)] for name in many.files}
    rows = dict.fromkeys(many.files, 1e6)
    found = workload.foresee_long(many, told, rows)
    assert found.long == pytest.approx(2 * sum(rows.values()), rel=1e-4)
    assert found.distinct == pytest.approx(sum(rows.values()), rel=1e-4)
    assert len(seen) == looked_at * len(rows)
    assert all(len(columns) == 1 for columns in seen)
    assert workload.foresee_long(many, told, dict.fromkeys(many.files, 0.0)) == ForeseenTexts(0.0, 0.0)


def test_compared__are_all_pairs_of_a_small_run():
    rules = found(90.0, 0.0, 300.0)
    assert workload.compared_pairs(space(), 100.0, rules) == 390.0


def test_compared__of_a_large_run_are_few_of_settled_records():
    agency = 100.0 * SAMPLED
    rules = found(0.88 * agency, 0.0, 10 * agency)
    some = workload.compared_pairs(space(), agency, rules)
    assert 0.88 * agency + 0.15 * 10 * agency < some < 0.88 * agency + 0.30 * 10 * agency
    # The fewer the identifiers find, the more are compared; never more than there are.
    fewer = found(0.5 * agency, 0.0, 10 * agency)
    assert some < workload.compared_pairs(space(), agency, fewer) < 10.5 * agency
    assert workload.compared_pairs(space(), agency, found(0.0, 0.0, agency)) == pytest.approx(agency)
    # An estimate that finds more than all leaves some.
    all_ = workload.compared_pairs(space(), agency, found(1.2 * agency, 0.0, 10 * agency))
    assert all_ > 1.2 * agency + 0.1 * 10 * agency


@pytest.mark.parametrize("given", [{"identifiers": ()}, {"settles": False}])
def test_compared__are_all_where_nothing_settles(given):
    agency = 100.0 * SAMPLED
    rules = found(agency, 0.0, 5 * agency)
    assert workload.compared_pairs(space(**given), agency, rules) == 6 * agency


def test_trained__pairs_of_a_rule_are_no_more_than_training_takes():
    few = workload.trained_pairs(space(), 1000.0, found(10.0, 20.0, 30.0))
    assert few == 60.0
    many = workload.trained_pairs(space(), 1e8, found(1e10, 1e10, 1e10))
    assert many == 3e6
    slips = workload.trained_pairs(space(near=(1,)), 1e8, found(1e10, 1e10, 1e10))
    assert slips == 2.25e6
