"""One flipped bit, a lost end or a lost file in the work folder is found and named, or is of no account."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
from pathlib import Path

import pytest

from data.generator import generate
from jobs import removal, stages
from jobs.run import run_project
from jobs.workspace import Workspace
from linkage.errors import IntegrityError
from tests.end_to_end.killing import digests_of

#: Stages after which a run is stopped here.
STOPS = ("intake", "columns", "block", "match", "decide", "receipts")

#: Damages of the ordinary suite, after each of two stages.
SOME = 5

SEED = int(os.environ.get("LINKAGE_SEED", "1"))


class Stopped(BaseException):
    """The run was stopped on purpose."""


def run_until(nation: Path, out: Path, last: str | None) -> None:
    """Run to the end, or until a stage has happened."""
    whole = stages.Stages.stage

    def stage(self, name, *rest, **options):
        facts = whole(self, name, *rest, **options)
        if name == last:
            raise Stopped
        return facts

    Workspace.open.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages.Stages, "stage", stage)
        with contextlib.suppress(Stopped):
            run_project(nation / "project.toml", out, threads=2)


@pytest.fixture(scope="module")
def small(tmp_path_factory, compiled):
    """A nation small enough to be run dozens of times, with the digests of its artefacts."""
    folder = tmp_path_factory.mktemp("small")
    generate(folder / "nation", 400, seed=5)
    run_until(folder / "nation", folder / "run", None)
    return folder / "nation", digests_of(folder / "run")


@pytest.fixture(scope="module")
def stopped(small, tmp_path_factory):
    """Runs stopped after each stage, made when they are asked for."""
    made: dict[str, Path] = {}

    def after(stage: str) -> Path:
        if stage not in made:
            made[stage] = tmp_path_factory.mktemp(stage) / "run"
            run_until(small[0], made[stage], stage)
        return made[stage]

    return after


def files_of(run: Path) -> list[str]:
    """Every file of the work folder, by its name there."""
    found = (p for p in (run / "work").rglob("*") if p.is_file() and p.name != "lock" and p.stat().st_size)
    return sorted(p.relative_to(run).as_posix() for p in found)


def flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut(path: Path, chance: random.Random) -> None:
    size = path.stat().st_size
    os.truncate(path, chance.randrange(size))


def lose(path: Path, _chance: random.Random) -> None:
    path.unlink()


HARMS = {"flip": flip, "cut": cut, "lose": lose}


def judge(small, run: Path, place: Path, name: str, harm: str) -> str:
    """Harm one file of a copy of a stopped run, and give it to the same command again.

    It must end the run as if nothing had been, since nothing reads that file any more (or it could be
    done again), or refuse with exit code 6 and name the file.
    """
    nation, whole = small
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(run, place)
    HARMS[harm](place / name, random.Random(f"{SEED} {name} {harm}"))
    refused: IntegrityError | None = None
    try:
        run_until(nation, place, None)
    except IntegrityError as fault:
        refused = fault
    if refused is not None:
        assert refused.exit_code == 6, name
        assert f"/{Path(name).name}'" in refused.what, f"{name}: {refused}"
        return "refused"
    assert digests_of(place) == whole, f"{harm} of {name} was not found"
    return "unread"


def test_a_stopped_run__leaves_nothing_that_still_removes_files(small, tmp_path, monkeypatch):
    gone = removal.shutil.rmtree

    def slow(path, *, ignore_errors):
        time.sleep(0.2)
        gone(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(removal.shutil, "rmtree", slow)
    run_until(small[0], tmp_path / "run", "block")
    assert (tmp_path / "run" / "work" / "layout.json").exists()
    assert not (tmp_path / "run" / "work" / removal.REMOVED).exists()


@pytest.mark.parametrize("stage", ["columns", "match"])
def test_damage__is_found_and_named_or_of_no_account(small, stopped, tmp_path, stage):
    run = stopped(stage)
    chance = random.Random(f"{SEED} {stage}")
    names = [n for n in files_of(run) if "/sums/" not in n]
    for name in chance.sample(names, SOME):
        judge(small, run, tmp_path / "run", name, chance.choice(sorted(HARMS)))


@pytest.mark.parametrize(
    "name", ["settings.json", "layout.json", "run.json", "stages/block/manifest.json", "sums/settings.json"]
)
def test_damage__of_what_a_resumed_run_reads_first_is_found(small, stopped, tmp_path, name):
    run = stopped("match")
    for harm in ("flip", "cut"):
        assert judge(small, run, tmp_path / "run", f"work/{name}", harm) == "refused"


@pytest.mark.slow
@pytest.mark.parametrize("stage", STOPS)
@pytest.mark.parametrize("harm", sorted(HARMS))
def test_damage__of_any_file_is_found_and_named_or_of_no_account(small, stopped, tmp_path, stage, harm):
    run = stopped(stage)
    ends = [judge(small, run, tmp_path / "run", name, harm) for name in files_of(run)]
    assert "refused" in ends
