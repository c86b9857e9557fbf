"""``linkage evaluate`` judges a run as it was written, by the truth of its own inputs, or says why not."""

from __future__ import annotations

import json
import shutil

import pytest

from data.generator import generate
from jobs.evaluation import evaluate_run
from jobs.run import run_project
from linkage.errors import IntegrityError
from tests.end_to_end.runs import call, copy_nation

#: What a whole evaluation reads of the run.
READ = (
    "decisions.parquet",
    "duplicates.parquet",
    "entities.parquet",
    "pairs.parquet",
    "refinement.parquet",
    "register_cases.parquet",
    "subgroups.parquet",
    "feeds/education/corrections.parquet",
    "feeds/insurance/corrections.parquet",
    "feeds/tax/corrections.parquet",
)


def flip(path, at):
    """Turn one bit of the byte that stands at this share of a file."""
    data = bytearray(path.read_bytes())
    data[int(at * (len(data) - 1))] ^= 1
    path.write_bytes(data)


@pytest.fixture
def held(finished, tmp_path):
    """A copy of the finished run."""
    return shutil.copytree(finished, tmp_path / "run")


def refuse_each(held, truth, places):
    """Every file is refused by its name while one bit of it is another, wherever that is."""
    for place in places:
        path = held / place
        whole = path.read_bytes()
        for at in (0.0, 0.1, 0.5, 0.9, 1.0):
            flip(path, at)
            with pytest.raises(IntegrityError, match="E-INTEGRITY-001") as caught:
                evaluate_run(held, truth)
            assert f"'{path.parent.name}/{path.name}' is damaged" in str(caught.value)
            path.write_bytes(whole)


def test_flipped_bit__ends_an_evaluation_and_its_file_is_named(held, nation):
    """One bit of a column's values gave other figures, and exit code 0."""
    truth = nation / "truth"
    figures = evaluate_run(held, truth)
    refuse_each(held, truth, READ)
    assert evaluate_run(held, truth) == figures
    flip(held / "entities.parquet", 0.5)
    ended = call("evaluate", held, "--truth", truth)
    assert ended.returncode == 6
    assert "E-INTEGRITY-001: 'run/entities.parquet' is damaged" in ended.stderr


def test_flipped_bit__of_what_is_withheld_is_found_too(nation, tmp_path):
    other = copy_nation(nation, tmp_path / "nation")
    project = other / "project.toml"
    project.write_text(project.read_text() + "\n[gates]\ncorrections = 0.1\n")
    assert run_project(project, tmp_path / "run", threads=2).run["withheld"]
    assert evaluate_run(tmp_path / "run", nation / "truth")["feeds"]["applied"]["person"]["of"]
    held = ("duplicates.parquet", "feeds/tax/corrections.parquet")
    refuse_each(tmp_path / "run", nation / "truth", [f"withheld/{name}" for name in held])


def test_files_that_no_evaluation_reads__may_be_gone(held, nation):
    """An agency's feed in CSV that was sent off, or a review list that a clerk has changed."""
    figures = evaluate_run(held, nation / "truth")
    shutil.rmtree(held / "orders")
    (held / "feeds" / "tax" / "corrections.csv").unlink()
    (held / "review.csv").write_text("changed")
    assert evaluate_run(held, nation / "truth") == figures


@pytest.mark.parametrize("people", [300, 3_000])
def test_truth_of_another_nation__is_refused(finished, tmp_path, people):
    """It was a fault of the program (E-INTERNAL-001), or figures of nothing with exit code 0."""
    generate(tmp_path / "other", people, seed=6)
    for share in ("1", "0.2"):
        ended = call("evaluate", finished, "--truth", tmp_path / "other" / "truth", "--share", share)
        assert ended.returncode == 2, ended.stderr
        assert "E-EVALUATE-003" in ended.stderr
        assert "truth of this run's own inputs" in ended.stderr


def test_run_without_agency_records__is_judged(nation, tmp_path):
    other = copy_nation(nation, tmp_path / "nation")
    for name in ("insurance", "tax", "education"):
        path = other / f"{name}.csv"
        path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    run_project(other / "project.toml", tmp_path / "run", threads=2)
    figures = evaluate_run(tmp_path / "run", nation / "truth")
    assert figures["without_truth"] == 0
    assert figures["overall"]["link"]["precision"]["of"] == 0


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"totals": {}}'])
def test_run_json__that_no_run_wrote_is_named_as_damaged(held, nation, text):
    (held / "run.json").write_text(text)
    ended = call("evaluate", held, "--truth", nation / "truth", "--json")
    assert ended.returncode == 6
    assert json.loads(ended.stderr.splitlines()[-1])["error"]["code"] == "E-INTEGRITY-001"
    assert "run/run.json" in ended.stderr
