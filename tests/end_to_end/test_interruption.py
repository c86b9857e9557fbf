"""A run that is stopped leaves nothing half-done, and the same command ends it."""

from __future__ import annotations

import collections
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from jobs.finished_run import read_run
from jobs.journal import read_journal
from tests.end_to_end.killing import digests_of, soak
from tests.end_to_end.runs import call, command, copy_nation, digests, environment

FIRST_STAGES = ("intake", "standardise", "block")


def stop_after(stage, how, nation, out):
    """Start a run, send it a signal once a stage has ended, and give how it ended."""
    process = subprocess.Popen(
        command("run", nation, "--out", out),
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not (out / "work" / "stages" / stage / "manifest.json").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(how)
    _, messages = process.communicate(timeout=120)
    return process.returncode, messages


def artefacts(out):
    return {p.name for p in out.iterdir()} - {"work", "journal.jsonl", "metrics.prom"}


@pytest.fixture(scope="module")
def interrupted(nation, tmp_path_factory):
    """A run that Ctrl-C stopped while it trained: its folder, its code, its messages, what was left."""
    out = tmp_path_factory.mktemp("interrupted") / "run"
    code, messages = stop_after("block", signal.SIGINT, nation, out)
    return out, code, messages, artefacts(out), [p.name for p in out.rglob("*.tmp-*")]


@pytest.fixture(scope="module")
def resumed(interrupted, nation):
    """The same command again."""
    return call("run", nation, "--out", interrupted[0], "--json", PYTHONHASHSEED="7")


def test_interrupt__ends_with_its_own_code_and_one_line(interrupted):
    _, code, messages, *_ = interrupted
    # A shell says 130 to both: Python itself dies of the signal where it came in the middle of an import.
    assert code in (130, -signal.SIGINT)
    assert "Traceback" not in messages
    assert messages.strip().splitlines()[-1].startswith("interrupted")


def test_interrupt__leaves_no_artefact_and_no_half_written_file(interrupted):
    *_, left, aside = interrupted
    assert left == set()
    assert aside == []


def test_same_command__ends_it_with_the_same_decisions(interrupted, resumed, decided):
    assert resumed.returncode == 0, resumed.stderr
    assert digests(interrupted[0]) == decided
    assert not (interrupted[0] / "work").exists()


def test_same_command__does_not_repeat_what_had_ended(interrupted, resumed):
    journal = read_journal(interrupted[0] / "journal.jsonl")
    for stage in FIRST_STAGES:
        tasks = [(line["stage"], line["part"], line["parts"]) for line in journal if line["stage"] == stage]
        processes = {line["process"] for line in journal if line["stage"] == stage}
        assert tasks
        assert len(processes) == 1


def test_finished_run__is_kept_and_its_code_given_again(interrupted, resumed, nation):
    out = interrupted[0]
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    again = call("run", nation, "--out", out, "--json")
    assert again.returncode == resumed.returncode
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    assert json.loads(again.stdout)["run_id"] == json.loads(resumed.stdout)["run_id"]


def test_finished_run__of_another_input_is_refused(interrupted, resumed, nation, tmp_path):
    out = interrupted[0]
    other = copy_nation(nation, tmp_path / "nation")
    tax = other / "tax.csv"
    tax.write_text("".join(tax.read_text().splitlines(keepends=True)[:-1]))
    refused = call("run", other, "--out", out, "--json")
    assert refused.returncode == 4
    assert json.loads(refused.stderr.splitlines()[-1])["error"]["code"] == "E-RUN-001"


def test_kill__leaves_no_artefact_and_the_same_command_ends_it(nation, decided, tmp_path):
    code, _ = stop_after("train", signal.SIGKILL, nation, tmp_path / "run")
    assert code == -signal.SIGKILL
    assert artefacts(tmp_path / "run") == set()
    again = call("run", nation, "--out", tmp_path / "run", "--threads", "1")
    assert again.returncode == 0, again.stderr
    assert digests(tmp_path / "run") == decided


#: Kills of the random test; a soak sets more.
KILLS = int(os.environ.get("LINKAGE_KILLS", "4"))


@pytest.mark.parametrize("engine", ["threads", pytest.param("ray", marks=pytest.mark.slow)])
def test_kills_at_random__leave_no_trace_in_the_result(nation, finished, tmp_path, engine):
    out = tmp_path / "run"
    whole = read_run(finished)["seconds"] + (8.0 if engine == "ray" else 1.5)
    met = soak(
        nation, out, kills=KILLS, seconds=whole, seed=int(os.environ.get("LINKAGE_SEED", "1")), engine=engine
    )
    assert met.kills == KILLS
    assert digests_of(out) == digests_of(finished)


def test_kill__repeats_no_task_that_was_finished(nation, tmp_path):
    out = tmp_path / "run"
    for stage in ("standardise", "train"):
        code, _ = stop_after(stage, signal.SIGKILL, nation, out)
        assert code == -signal.SIGKILL
    assert call("run", nation, "--out", out).returncode == 0
    done = collections.Counter(
        (line["stage"], line["round"], line["part"]) for line in read_journal(out / "journal.jsonl")
    )
    assert max(done.values()) == 1
    assert len({stage for stage, *_ in done}) == len(read_run(out)["stages"])


@pytest.mark.ray
@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("under_way", ["standardise", "the start of Ray"])
def test_signal__ends_a_run_on_ray_with_its_own_code(nation, tmp_path, how, code, under_way):
    """Ray's own answers to SIGTERM were the codes 15, 1 and -15, its stacks, and daemons that were killed."""
    out = tmp_path / "run"
    place = Path(tempfile.mkdtemp(prefix="t-"))  # the paths of Ray's sockets have at most 107 bytes
    process = subprocess.Popen(
        command("run", nation, "--out", out, "--engine", "ray", "--threads", "2"),
        env=environment(TMPDIR=str(place)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 120

    def there():
        if under_way == "standardise":
            return (out / "work" / "stages" / "intake" / "manifest.json").exists()
        return any(place.glob("lk-*/r/session_*/sockets"))

    while not there():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(how)
    printed, messages = process.communicate(timeout=60)
    assert process.returncode == code
    assert printed == ""
    assert messages.splitlines()[-1].endswith("nothing is half-written, the same command goes on")
    assert "received" not in messages
    place.rmdir()  # nothing is left in it
