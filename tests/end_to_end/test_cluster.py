"""Whole runs on a cluster of several nodes: whatever is lost meanwhile, the same is decided."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import jobs.run
from jobs import kernel_cache, ray_executor
from jobs.executor import run_call
from jobs.journal import read_journal
from jobs.progress import Progress
from jobs.ray_executor import ATTEMPTS, RayExecutor
from linkage.errors import LinkageError
from tests.end_to_end.runs import call, command, copy_nation, digests, environment, run, shuffle
from tests.jobs.nodes import Nodes

pytestmark = [pytest.mark.ray, pytest.mark.slow]

HERE = "tests.end_to_end.test_cluster"


@pytest.fixture(scope="module")
def nodes(compiled):
    kernel_cache.seal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINKAGE_CACHE_DIR", str(kernel_cache.prepare().parent))
        made = Nodes()
        yield made
        made.close()


def strike(mark, how, times, name, *arguments):
    """Ends its worker, or its node too, the first ``times`` times that it is begun; then does a task."""
    marks = sorted(Path(mark).parent.glob(f"{Path(mark).name}-*"))
    if len(marks) < times:
        Path(f"{mark}-{len(marks)}").touch()
        if how == "node":
            os.kill(os.getppid(), signal.SIGKILL)  # a worker's parent is its node's raylet
        os.kill(os.getpid(), signal.SIGKILL)
    return run_call((name, arguments)).result


class Striking(RayExecutor):
    """Has the first task of every stage struck."""

    def __init__(self, stages, marks, how, times, *given, **options):
        super().__init__(*given, **options)
        self.stages, self.marks, self.how, self.times = stages, marks, how, times

    def map(self, calls, **options):
        stage = self.stages[-1]
        if calls and not list(self.marks.glob(f"{stage}-*")):
            name, arguments = calls[0]
            struck = (str(self.marks / stage), self.how, self.times, name, *arguments)
            calls = [(f"{HERE}:strike", struck), *calls[1:]]
        return super().map(calls, **options)


class Refilling(Progress):
    """Notes the stages; at the beginning of each there are two nodes again."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.stages = []

    def stage(self, name, total=None, **_more):
        self.nodes.fill(2)
        self.stages.append(name)


@pytest.fixture
def striking(nodes, tmp_path, monkeypatch):
    """Makes the runs of this process be struck, at most so many times a stage."""

    def begin(how, times=1):
        nodes.fill(2)
        progress = Refilling(nodes)
        marks = tmp_path / "marks"
        marks.mkdir()
        monkeypatch.setattr(ray_executor, "PAUSE", 0.1)
        monkeypatch.setattr(
            jobs.run,
            "make_executor",
            lambda engine, workers, address, **options: Striking(
                progress.stages, marks, how, times, workers, address, **options
            ),
        )
        return progress, marks

    return begin


@pytest.mark.parametrize("how", ["worker", "node"])
def test_loss__of_a_worker_or_a_node_in_every_stage_changes_nothing(
    nodes, striking, how, nation, decided, tmp_path
):
    progress, marks = striking(how)
    run(nation, tmp_path / "run", engine="ray", address=nodes.address, progress=progress)
    assert digests(tmp_path / "run") == decided
    struck = {p.name.rpartition("-")[0] for p in marks.iterdir()}
    assert struck == set(progress.stages)
    assert len(struck) >= 12
    assert any(line.get("attempt", 2) > 1 for line in read_journal(tmp_path / "run" / "journal.jsonl"))


def test_retries__that_are_used_up_leave_a_run_that_goes_on(
    nodes, striking, nation, decided, tmp_path, monkeypatch
):
    progress, _ = striking("worker", ATTEMPTS)
    for _ in range(3):
        with pytest.raises(LinkageError) as caught:
            run(nation, tmp_path / "run", engine="ray", address=nodes.address, progress=progress)
        assert (caught.value.code, caught.value.exit_code) == ("E-RAY-002", 5)
    assert len(set(progress.stages)) == 3
    monkeypatch.undo()
    run(nation, tmp_path / "run", engine="ray", address=nodes.address)
    assert digests(tmp_path / "run") == decided


def test_driver__that_is_killed_goes_on_at_the_same_cluster(nodes, nation, decided, tmp_path):
    nodes.fill(2)
    out = tmp_path / "run"
    given = ("run", nation, "--out", out, "--engine", "ray", "--address", nodes.address)
    for stage in ("standardise", "block", "match"):
        process = subprocess.Popen(
            command(*given), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        until = time.monotonic() + 240
        while not (out / "work" / "stages" / stage / "manifest.json").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.01)
        process.kill()
        process.communicate()
    ended = call(*given)
    assert ended.returncode == 0, ended.stderr
    assert digests(out) == decided
    stages = [line["stage"] for line in read_journal(out / "journal.jsonl") if line["part"] == 0]
    assert stages.count("standardise") == stages.count("vocabulary") == 1


@pytest.mark.parametrize(("number", "parts"), [(1, 4), (2, 64), (3, 4), (3, 64)])
def test_nodes__and_parts_and_the_order_of_rows_change_nothing(
    nodes, nation, decided, number, parts, tmp_path
):
    nodes.remove(3)
    nodes.fill(number)
    other = copy_nation(nation, tmp_path / "nation")
    shuffle(other, 100 * number + parts)
    run(other, tmp_path / "run", engine="ray", address=nodes.address, parts=parts)
    assert digests(tmp_path / "run") == decided


def test_interrupt__of_a_local_ray_leaves_nothing_behind_and_goes_on(
    compiled, nation, decided, tmp_path, monkeypatch
):
    place = Path(tempfile.mkdtemp(prefix="r-"))
    monkeypatch.setenv("TMPDIR", str(place))
    out = tmp_path / "run"
    given = ("run", nation, "--out", out, "--engine", "ray", "--threads", "2")
    process = subprocess.Popen(
        command(*given), env=environment(), start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 240
    while not (out / "work" / "stages" / "block" / "manifest.json").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the whole of its group
    _, messages = process.communicate(timeout=120)
    assert process.returncode in (130, -signal.SIGINT)
    assert messages.strip().splitlines()[-1].startswith("interrupted")
    assert "Traceback" not in messages
    assert not list(out.rglob("*.tmp-*"))
    until = time.monotonic() + 20
    while started_below(place) and time.monotonic() < until:
        time.sleep(0.2)
    assert started_below(place) == []
    assert list(place.glob("lk-*")) == []
    ended = call("run", nation, "--out", out, "--threads", "1")  # on threads what was begun on Ray
    assert ended.returncode == 0, ended.stderr
    assert digests(out) == decided
    shutil.rmtree(place)


def started_below(place):
    """Command lines of the processes that were started with something of a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(place) in line:
                found.append(line)
    return found
