"""A model that is saved, fixed in part, or did not converge."""

from __future__ import annotations

import json

import pytest

from jobs.journal import read_journal
from linkage.errors import ConfigError
from tests.end_to_end.runs import call, copy_nation, digests, run


def extend(nation, text):
    project = nation / "project.toml"
    project.write_text(project.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_saved_model__decides_alike_without_training(nation, finished, decided, tmp_path):
    run(nation, tmp_path / "run", model=finished / "model.json")
    assert digests(tmp_path / "run") == decided
    trained = [line for line in read_journal(tmp_path / "run" / "journal.jsonl") if line["stage"] == "train"]
    assert sum("pairs" in line for line in trained) == 0


def test_saved_model__named_in_the_project_file_decides_alike(nation, finished, decided, tmp_path):
    other = copy_nation(nation, tmp_path / "nation")
    (other / "model.json").write_bytes((finished / "model.json").read_bytes())
    extend(other, '\n[model]\nfile = "model.json"\n')
    run(other, tmp_path / "run")
    assert digests(tmp_path / "run") == decided


def test_saved_model__that_is_none_is_refused(nation, tmp_path):
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ConfigError, match="E-MODEL-001"):
        run(nation, tmp_path / "run", model=tmp_path / "model.json")


COMPARISONS = """
[[comparison]]
name = "number"
columns = ["personal_number"]
levels = [
  { name = "null", when = "null" },
  { name = "same", when = "exact", m = 0.91, u = 0.0001 },
  { name = "different", when = "always" },
]

[[comparison]]
name = "full_name"
columns = ["full_name"]
levels = [
  { name = "null", when = "null" },
  { name = "exact", when = "exact" },
  { name = "near", when = "unaccented or osa <= 1", m = 0.125 },
  { name = "different", when = "always", u = 0.75 },
]

[[comparison]]
name = "birth"
columns = ["birth_date"]
levels = [
  { name = "null", when = "null" },
  { name = "same", when = "exact" },
  { name = "year", when = "year_equal" },
  { name = "different", when = "always" },
]
"""


def test_fixed_parameters__stay_as_the_project_file_gives_them(nation, tmp_path):
    other = copy_nation(nation, tmp_path / "nation")
    extend(other, COMPARISONS)
    run(other, tmp_path / "run")
    parts = {p["name"]: p for p in json.loads((tmp_path / "run" / "model.json").read_text())["parts"]}
    number, name = ({v["name"]: v for v in parts[p]["levels"]} for p in ("number", "full_name"))
    assert number["same"]["m"] == 0.91
    assert number["same"]["u"] == 0.0001
    assert name["near"]["m"] == 0.125
    assert name["different"]["u"] == 0.75
    assert {number["same"]["m_from"], number["same"]["u_from"], name["near"]["m_from"]} == {"fixed"}
    assert name["exact"]["m_from"] != "fixed"


def test_model__that_did_not_converge_says_so_everywhere(nation, tmp_path):
    other = copy_nation(nation, tmp_path / "nation")
    extend(other, "\n[training]\nmax_iterations = 1\n")
    done = call("run", other, "--out", tmp_path / "run")
    assert "did not converge" in done.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["converged"] is False
    assert [g["holds"] for g in record["gates"] if g["name"] == "converged"] == [False]
    assert record["withheld"] is True
    assert any("did not converge" in w for w in record["warnings"])
    model = json.loads((tmp_path / "run" / "model.json").read_text())
    assert model["converged"] is False
    assert not all(rule["converged"] for rule in model["training"])
    assert done.returncode == record["exit_code"]


NAME_AND_BIRTH = """
[[blocking]]
name = "name"
on = ["full_name.ascii"]

[[blocking]]
name = "birth"
on = ["birth_date"]

[[blocking]]
name = "exactly"
on = ["full_name.set", "birth_date"]

[[comparison]]
name = "full_name"
columns = ["full_name"]
levels = [ { name = "exact", when = "exact" }, { name = "near", when = "jaro_winkler >= 0.92" } ]

[[comparison]]
name = "birth_date"
columns = ["birth_date"]
levels = [ { name = "same", when = "exact" }, { name = "year", when = "year_equal" } ]
"""


@pytest.mark.parametrize("rules", ["all", "exactly"])
def test_rule__that_reads_columns_of_every_comparison_trains_nothing_and_ends_no_run(nation, tmp_path, rules):
    other = copy_nation(nation, tmp_path / "nation")
    written = NAME_AND_BIRTH
    if rules == "exactly":  # then nothing can be learned
        name, birth = (written.index(f'[[blocking]]\nname = "{rule}"') for rule in ("name", "exactly"))
        written = written[:name] + written[birth:]
    extend(other, written)
    assert call("run", other, "--out", tmp_path / "run").returncode in (0, 1)
    model = json.loads((tmp_path / "run" / "model.json").read_text())
    assert any("'exactly' trains nothing" in warning for warning in model["warnings"])
    assert [t["rule"] for t in model["training"]] == (["name", "birth"] if rules == "all" else [])
    assert model["converged"] or rules == "exactly" or "did not converge" in str(model["warnings"])
    gates = {g["name"]: g["holds"] for g in json.loads((tmp_path / "run" / "run.json").read_text())["gates"]}
    assert gates["converged"] == model["converged"]
    if rules == "exactly":
        assert not model["converged"]
