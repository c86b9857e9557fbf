"""Plans: of a nation read whole they are the run itself; saved, they are the plan of these inputs only."""

from __future__ import annotations

import gzip
import json
import random
import shutil

import polars as pl
import pytest

from data.generator import generate
from jobs import planning, sampling
from jobs.cli import invoke
from jobs.plan_record import compare, read_plan, refuse_stale, render
from jobs.planning import make_plan
from jobs.run import run_project
from jobs.store import write_json
from linkage.errors import ConfigError, ConflictError

PEOPLE = 1500


@pytest.fixture(scope="module")
def nation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs") / "nation"
    generate(folder, PEOPLE, seed=6)
    return folder


@pytest.fixture(scope="module")
def plan(nation):
    return make_plan(nation / "project.toml", threads=2)


@pytest.fixture(scope="module")
def saved(plan, tmp_path_factory):
    path = tmp_path_factory.mktemp("plans") / "plan.json"
    write_json(path, plan)
    return path


@pytest.fixture(scope="module")
def run(nation, saved, tmp_path_factory):
    done = run_project(
        nation / "project.toml", tmp_path_factory.mktemp("runs") / "run", threads=2, plan=saved
    )
    return json.loads((done.folder / "run.json").read_text())


@pytest.fixture
def copy(nation, tmp_path):
    return shutil.copytree(nation, tmp_path / "nation")


def test_plan__of_files_read_whole_is_exact(plan, run):
    for name, source in plan["sources"].items():
        assert source["how"] == "whole"
        assert source["rows_exact"]
        assert (source["rows"], source["accepted"]) == (
            run["sources"][name]["rows"],
            run["sources"][name]["accepted"],
        )
    for rule in plan["rules"]:
        if rule["name"] == "near_number":
            assert rule["pairs"] == run["blocking"]["probed_pairs"]
            continue
        truly = run["blocking"]["rules"][rule["name"]]
        for field in ("pairs", "register_pairs", "refined_pairs", "given_up_pairs"):
            assert rule[field] == truly[field], (rule["name"], field)
        assert rule["refined_blocks"] == run["blocking"]["refined_keys"][rule["name"]]
    owned = sum(r["compared"] for r in plan["rules"] if r["name"] != "near_number")
    probed = run["blocking"]["probed_pairs"]
    assert owned <= run["totals"]["pairs"] <= owned + probed


def test_run__says_how_near_its_plan_came(plan, run):
    held = run["plan"]
    assert held["plan_id"] == plan["plan_id"]
    assert held["same_code"] is True
    assert {f["ratio"] for f in held["rows"].values()} == {1.0}
    assert {f["ratio"] for f in held["rules"].values()} <= {1.0, None}
    assert [s["stage"] for s in run["stages"]] == [
        n for n, f in held["stages"].items() if f["actual"] is not None
    ]
    for figure in (held["seconds"], held["peak_memory"], *held["disk"].values()):
        assert figure["ratio"] == pytest.approx(figure["estimated"] / figure["actual"], rel=0.01)
    assert run["disk"]["fullest"] > run["disk"]["artefacts"] > 0
    assert 0.97 <= held["disk"]["fullest"]["ratio"] <= 1.3


def test_plan__keeps_nothing_behind_and_changes_nothing(nation, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = sorted(p.name for p in nation.rglob("*"))
    make_plan(nation / "project.toml")
    assert list(tmp_path.iterdir()) == []
    assert sorted(p.name for p in nation.rglob("*")) == before


def test_plan__is_the_same_again_but_for_the_machine(nation, plan):
    again = make_plan(nation / "project.toml", threads=2)
    for name in ("sources", "rules", "pairs", "refinement", "drivers", "peak_memory", "disk"):
        assert again[name] == plan[name], name


def test_plan__holds_no_value_of_anybody(nation, plan):
    text = json.dumps(plan, ensure_ascii=False) + render(plan)
    people = pl.read_parquet(nation / "register.parquet")
    for column, kind in people.schema.items():
        if kind == pl.String:
            values = {v for v in people[column].drop_nulls() if len(v) > 5}
            assert not [v for v in values if v in text], column


def test_sample__of_a_part_is_near(nation, plan, monkeypatch):
    monkeypatch.setattr(planning, "LEAST", 400)
    part = make_plan(nation / "project.toml", sample=700, threads=1)
    assert part["sample"]["read"] < 0.75 * plan["sample"]["read"]
    assert part["rows"] == pytest.approx(plan["rows"], rel=0.05)
    assert part["pairs"] == pytest.approx(plan["pairs"], rel=0.25)
    whole = {r["name"]: r["pairs"] for r in plan["rules"]}
    for rule in part["rules"]:
        if whole[rule["name"]] > 500:
            assert rule["error"] > 0
            assert rule["pairs"] == pytest.approx(whole[rule["name"]], rel=0.1 + 4 * rule["error"])


def test_plan__of_a_compressed_file_says_that_it_saw_the_beginning_only(copy, monkeypatch):
    monkeypatch.setattr(sampling, "PACKED_WHOLE", 1 << 19)
    head = (copy / "tax.csv").read_bytes().splitlines(keepends=True)[0]
    rng = random.Random(1)
    rows = [f"{rng.getrandbits(120):036d}{',' * head.count(b',')}\n".encode() for _ in range(60_000)]
    (copy / "tax.csv").write_bytes(gzip.compress(b"".join([head, *rows]), 1))
    made = make_plan(copy / "project.toml", sample=1_000)
    assert made["sources"]["tax"]["how"] == "beginning"
    assert not made["sources"]["tax"]["rows_exact"]
    assert made["sources"]["tax"]["rows"] == pytest.approx(60_000, rel=0.3)
    assert "W-PLAN-003" in [w["code"] for w in made["warnings"]]


def test_plan__of_an_agency_without_rows_and_of_one_whose_rows_all_fall(copy, plan):
    for name in ("tax", "education"):
        lines = (copy / f"{name}.csv").read_bytes().splitlines(keepends=True)
        rows = [] if name == "tax" else [b"," * lines[0].count(b",") + b"\r\n"] * 60_000
        (copy / f"{name}.csv").write_bytes(b"".join([lines[0], *rows]))
    made = make_plan(copy / "project.toml", sample=1_000)
    assert made["sources"]["tax"]["rows"] == made["sources"]["tax"]["accepted"] == 0
    assert made["sources"]["education"]["accepted"] == 0
    assert made["sources"]["education"]["rows"] == pytest.approx(60_000, rel=0.02)
    assert "W-PLAN-006" in [w["code"] for w in made["warnings"]]
    assert 0 < made["pairs"] < plan["pairs"]


def test_render__fits_a_page_of_a_hundred_columns(plan):
    text = render(plan)
    assert max(len(line) for line in text.splitlines()) <= 100
    for heading in ("Sources", "Pairs by rule", "What refinement gives up", "Time, memory and disk"):
        assert f"\n{heading}" in text
    assert "It fits this machine." in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("tax.csv", "the inputs"),
        ("project.toml", "the configuration"),
        ("contracts/tax.toml", "the configuration"),
    ],
)
def test_stale__plan_is_refused_with_exit_code_4(copy, saved, tmp_path, change, said, capfd):
    path = copy / change
    path.write_text(path.read_text() + ("\n" if change.endswith("csv") else "\n# later\n"))
    with pytest.raises(ConflictError, match=f"E-PLAN-001.*{said}"):
        run_project(copy / "project.toml", tmp_path / "run", plan=saved)
    if change == "tax.csv":
        assert invoke(["run", str(copy), "--out", str(tmp_path / "run"), "--plan", str(saved)]) == 4
        assert "E-PLAN-001" in capfd.readouterr().err
    assert not (tmp_path / "run" / "run.json").exists()


def test_stale__a_model_that_the_plan_did_not_know():
    prints = {"config": "a", "inputs": "b", "model": ""}
    plan = {"fingerprints": prints}
    refuse_stale(plan, {**prints, "code": "other"})
    with pytest.raises(ConflictError, match="the model"):
        refuse_stale(plan, {**prints, "model": "c"})


@pytest.mark.parametrize("held", ["", "{}", "[1]", '{"schema": 2}'])
def test_read__a_file_that_holds_no_plan_is_refused(held, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(held)
    with pytest.raises(ConfigError, match="E-PLAN-002"):
        read_plan(path)
    with pytest.raises(ConfigError, match="E-PLAN-002"):
        read_plan(tmp_path / "absent.json")


def test_command__writes_the_plan_and_says_it_in_json(nation, plan, tmp_path, capfd):
    out = tmp_path / "plans" / "plan.json"
    assert invoke(["plan", str(nation), "--out", str(out), "--json", "--threads", "2"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["command"] == "plan"
    assert read_plan(out)["rules"] == said["rules"] == plan["rules"]
    assert out.stat().st_mode & 0o777 == 0o600
    assert invoke(["plan", str(nation)]) == 0
    assert "Pairs by rule" in capfd.readouterr().out


def test_warnings__of_a_machine_that_is_too_small(nation, monkeypatch):
    monkeypatch.setattr(
        planning.machine, "describe", lambda *_: {"disk_free": 1, "memory_available": 1, "speed": 1}
    )
    small = make_plan(nation / "project.toml")
    assert [w["code"] for w in small["warnings"]][:2] == ["W-PLAN-001", "W-PLAN-002"]
    assert small["fits"] is False
    assert "does NOT fit" in render(small)


def test_compare__of_a_stage_that_only_one_side_knows(plan, run):
    other = {**plan, "stages": {"intake": 1.0, "gone": 2.0}}
    figures = compare(other, run)["stages"]
    assert figures["gone"] == {"estimated": 2.0, "actual": None, "ratio": None}
    assert figures["match"]["estimated"] is None
    assert figures["match"]["ratio"] is None
