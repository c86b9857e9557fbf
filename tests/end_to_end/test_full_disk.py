"""A full disk ends a run clearly and leaves nothing half-written; with room again the run goes on."""

from __future__ import annotations

import contextlib
import errno
import gzip
import json
import os
import random
import resource
import subprocess
from pathlib import Path

import pytest

from data.generator import generate
from jobs import files, stages
from jobs.planning import make_plan
from jobs.progress import Progress
from jobs.project import load_project
from jobs.room import check_room, wanted_room
from jobs.run import run_project
from jobs.workspace import Workspace
from linkage.errors import LinkageError
from tests.end_to_end.killing import digests_of
from tests.end_to_end.runs import call, command, copy_nation, environment

SEED = int(os.environ.get("LINKAGE_SEED", "1"))


@pytest.fixture(scope="module")
def small(tmp_path_factory, compiled):
    """A small nation, and the digests of what is made of it."""
    folder = tmp_path_factory.mktemp("small")
    generate(folder / "nation", 400, seed=5)
    go(folder / "nation", folder / "run")
    return folder / "nation", digests_of(folder / "run")


def go(nation: Path, out: Path) -> None:
    Workspace.open.cache_clear()
    run_project(nation / "project.toml", out, threads=2)


def left(out: Path) -> set[str]:
    """What a user would take for a result, and what was not finished."""
    made = {p.name for p in out.iterdir()} - {"work", "journal.jsonl", "metrics.prom"}
    return made | {p.name for p in out.rglob("*.tmp-*")}


def stopped_by_a_write(nation: Path, out: Path, stop: int, number: int) -> bool:
    """Run until the ``stop``-th writing finds no room, nor any after it; whether the run came so far."""
    count, write = 0, files.AsideFile.write

    def full(self, data):
        nonlocal count
        count += 1
        if count >= stop:
            raise OSError(number, os.strerror(number))
        return write(self, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files.AsideFile, "write", full)
        try:
            go(nation, out)
        except LinkageError as fault:
            refused = fault
        else:
            return False
    assert (refused.code, refused.exit_code) == ("E-DISK-001", 5)
    assert left(out) == set()
    return True


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_write_that_finds_no_room__anywhere_ends_clearly_and_the_run_goes_on(small, tmp_path, number):
    nation, whole = small
    chance = random.Random(f"{SEED} {number}")
    for stop in (1, chance.randrange(2, 60), chance.randrange(60, 600)):
        stopped_by_a_write(nation, tmp_path / "run", stop, number)
    go(nation, tmp_path / "run")
    assert digests_of(tmp_path / "run") == whole


@pytest.mark.slow
def test_every_nth_write__may_find_no_room(small, tmp_path):
    """The run gets a little farther every time, until it has room enough."""
    nation, whole = small
    stops = 0
    while stopped_by_a_write(nation, tmp_path / "run", 20 + 3 * stops, errno.ENOSPC):
        stops += 1
    assert stops > 10
    assert digests_of(tmp_path / "run") == whole


def test_disk_that_fills_in_the_middle__is_told_with_its_stage(small, tmp_path):
    """A disk of its own, small and really full: from the stage ``match`` on there is no room."""
    nation, whole = small
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a disk of its own can be mounted by root only")
    try:
        begin, write = stages.Stages._begin, files.AsideFile.write
        from_here = False

        def full_from_match(self, reach):
            nonlocal from_here
            begin(self, reach)
            from_here = from_here or reach.name == "match"

        def into_a_full_disk(self, data):
            """Files that are removed beside the run give room back: it is taken before every writing."""
            if from_here:
                found = os.statvfs(disk)
                with contextlib.suppress(OSError), (disk / "ballast").open("ab") as stream:
                    os.posix_fallocate(stream.fileno(), stream.tell(), found.f_bavail * found.f_frsize)
            return write(self, data)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stages.Stages, "_begin", full_from_match)
            patch.setattr(files.AsideFile, "write", into_a_full_disk)
            with pytest.raises(LinkageError) as caught:
                go(nation, disk / "run")
        assert (caught.value.code, caught.value.exit_code) == ("E-DISK-001", 5)
        assert caught.value.what.startswith("stage match: There is no room on the disk: ")
        assert "the whole run wants about " in caught.value.wanted
        assert left(disk / "run") == set()
        (disk / "ballast").unlink()
        go(nation, disk / "run")
        assert digests_of(disk / "run") == whole
        journal = [
            json.loads(line)["stage"] for line in (disk / "run" / "journal.jsonl").read_text().splitlines()
        ]
        assert journal.count("standardise") == len({"register", "insurance", "tax", "education"})
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_disk_too_small_from_the_start__is_refused_before_anything_is_done(small, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _path: _Usage(100, 99, 1))
    with pytest.raises(
        LinkageError, match=r"E-DISK-002: The run wants about .* on the disk of 'run'; 1 B are free"
    ):
        go(small[0], tmp_path / "run")
    monkeypatch.undo()
    go(small[0], tmp_path / "run")
    assert digests_of(tmp_path / "run") == small[1]


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """A nation of twenty thousand people."""
    folder = tmp_path_factory.mktemp("larger")
    generate(folder, 20_000, seed=1)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["one large and constant", "many"])
def test_packed_file_with_columns_that_nobody_reads__is_foreseen(larger, tmp_path, monkeypatch, columns):
    """Of a packed file of 23 MB that unpacks to 1.3 GB a third of what the run took was foreseen, and of one
    with sixty columns that no contract names four times as much, so that a run that fitted was refused.
    """
    chance = random.Random(f"{SEED}")
    head, *rows = (larger / "insurance.csv").read_bytes().splitlines()
    if columns == "many":
        names = b"".join(b",c%d" % n for n in range(60))
        more = [b"".join(b",%d" % chance.randrange(10**6) for _ in range(60)) for _ in rows]
    else:
        names, more = b",note", [b"," + b"x" * 5000] * len(rows)
    text = b"\n".join([head + names, *map(bytes.__add__, rows, more)]) + b"\n"
    nation = copy_nation(larger, tmp_path / "nation")
    (nation / "insurance.csv").unlink()
    (nation / "insurance.csv.gz").write_bytes(gzip.compress(text))
    project = (nation / "project.toml").read_text()
    (nation / "project.toml").write_text(project.replace("insurance.csv", "insurance.csv.gz"))
    wanted = wanted_room(load_project(nation / "project.toml"))
    planned = make_plan(nation / "project.toml", threads=2)["disk"]["fullest"]
    go(nation, tmp_path / "run")
    took = json.loads((tmp_path / "run" / "run.json").read_text())["disk"]["fullest"]
    assert wanted / 1.5 < took < 1.5 * wanted
    assert planned / 1.5 < took < 1.5 * planned
    if columns != "many":
        assert took > len(text) > 2 * wanted_room(load_project(larger / "project.toml"))
    # With as much room as it takes it is not refused.
    monkeypatch.setattr("shutil.disk_usage", lambda _path: _Usage(took, 0, took))
    check_room(tmp_path / "other", wanted, 0, Progress())


class _Usage:
    def __init__(self, total: int, used: int, free: int) -> None:
        self.total, self.used, self.free = total, used, free


def test_command__ends_with_code_5_one_clear_error_and_no_trace(small, tmp_path):
    """The program itself, in a process whose files may not grow beyond 64 kB."""
    nation, whole = small
    out = tmp_path / "run"
    ended = subprocess.run(
        command("run", nation, "--out", out),
        env=environment(), capture_output=True, text=True, timeout=300, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, 64 << 10)),
    )  # fmt: skip
    assert ended.returncode == 5, ended.stderr
    assert "Traceback" not in ended.stderr
    first = ended.stderr[ended.stderr.index("error ") :].splitlines()
    assert first[0].startswith("error E-DISK-001: stage ")
    assert "same command" in first[-1]
    assert left(out) == set()
    again = call("run", nation, "--out", out)
    assert again.returncode == 0, again.stderr
    assert digests_of(out) == whole
