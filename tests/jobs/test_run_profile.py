"""The profile of a run adds up what its journal says."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobs.cli_profile import profile
from jobs.files import SUMS, make_folder
from jobs.finished_run import write_run
from jobs.journal import Journal
from jobs.run_profile import profile_run, profile_text
from jobs.store import commit_stage
from linkage.errors import ConfigError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has ended its first stage and is at its second."""
    folder = make_folder(tmp_path / "run")
    make_folder(folder / "work" / SUMS)
    journal = Journal(folder / "journal.jsonl")
    for part, (stage, task, seconds, rows, pairs) in enumerate(
        [
            ("block", "make_keys", 1.0, 100, 0),
            ("block", "make_keys", 3.0, 300, 0),
            ("block", "make_blocks", 4.5, 50, 900),
            ("match", "match_partitions", 0.5, 0, 70),
        ]
    ):
        journal.write(
            stage=stage, task=task, round=0, part=part, parts=4, seconds=seconds, peak_memory=10**6,
            bytes_out=5000, rows_in=rows, pairs=pairs,
        )  # fmt: skip
    commit_stage(make_folder(folder / "work" / "stages" / "block"), figures={"seconds": 4.25})
    make_folder(folder / "work" / "stages" / "match")
    return folder


def test_profile__adds_up_tasks_by_stage_and_kind(run: Path):
    held = profile_run(run)
    block, match = held["stages"]
    assert not held["finished"]
    assert (block["name"], block["wall"], block["seconds"], block["busy"]) == ("block", 4.25, 8.5, 2.0)
    assert (match["name"], match["wall"], match["busy"]) == ("match", None, None)
    assert [(t["name"], t["count"], t["seconds"], t["slowest"]) for t in block["tasks"]] == [
        ("make_blocks", 1, 4.5, 4.5),
        ("make_keys", 2, 4.0, 3.0),
    ]
    assert block["tasks"][1]["rows"] == 400
    assert (block["pairs"], block["bytes_out"], block["count"]) == (900, 15000, 3)


def test_text__has_a_line_for_each_and_rates_of_one_processor(run: Path):
    lines = profile_text(profile_run(run)).splitlines()
    cells = {line.split()[0]: line.split()[1:] for line in lines[1:6]}
    assert list(cells) == ["block", "make_blocks", "make_keys", "match", "match_partitions"]
    assert cells["make_keys"] == ["2", "4.0", "3.00", "100", "10", "kB", "1.0", "MB"]
    assert cells["make_blocks"][3:5] == ["11", "200"]
    assert "not finished" in lines[-1]


def test_text__of_a_finished_run_has_the_time_of_all_stages(run: Path):
    stages = [{"stage": "block", "seconds": 4.25}, {"stage": "match", "seconds": 0.5}]
    write_run(run, {"exit_code": 0, "stages": stages})
    lines = profile_text(profile_run(run)).splitlines()
    assert lines[-1].split() == ["together", "4.8"]


def test_command__prints_text_or_json(run: Path):
    told = CliRunner().invoke(profile, [str(run)])
    assert told.exit_code == 0
    assert told.output.rstrip("\n") == profile_text(profile_run(run))
    held = json.loads(CliRunner().invoke(profile, [str(run), "--json"]).output)
    assert held["stages"] == profile_run(run)["stages"]


def test_folder__without_a_journal_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"E-PROFILE-001: The folder .* holds no journal"):
        profile_run(tmp_path)


@pytest.mark.parametrize(
    "line", ["1", "[]", "null", '{"stage": "block"}', '{"stage": [], "seconds": 1}', "{"]
)
def test_profile__passes_over_a_line_that_is_no_tasks(run: Path, line: str):
    before = profile_run(run)
    with (run / "journal.jsonl").open("a") as stream:
        stream.write(f"{line}\n")
    assert profile_run(run) == before


def test_profile__counts_a_task_once_though_it_was_noted_twice(run: Path):
    """The task was journalled, and killed before it was remembered: it was done again."""
    before = profile_run(run)
    Journal(run / "journal.jsonl").write(
        stage="block", task="make_blocks", round=0, part=2, parts=4, seconds=4.0, peak_memory=10**6,
        bytes_out=5000, rows_in=50, pairs=900,
    )  # fmt: skip
    block, _ = profile_run(run)["stages"]
    assert block["count"] == before["stages"][0]["count"]
    assert block["seconds"] == 8.0
    assert [task["name"] for task in block["tasks"]] == ["make_blocks", "make_keys"]
