"""Runs that are killed at random until they end: the soak behind the promise that the result is the same.

    python -m tests.end_to_end.killing NATION --kills 200 --engine threads --seed 1

kills the process group of ``linkage run`` with SIGKILL at random times, gives the same command again, and
compares every artefact of every run that ended with those of one that nobody disturbed. Exit code 0 if all
are equal.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.finished_run import read_run
from tests.end_to_end.runs import command, environment

#: Of an attempt that is not killed; nothing that hangs may hang for ever.
PATIENCE = 3600.0


@dataclass
class Soak:
    """What a soak met: how many kills, in which stages, attempts in all, tasks that two attempts did."""

    kills: int = 0
    attempts: int = 0
    stages: dict[str, int] = field(default_factory=dict)


def digests_of(folder: Path) -> dict[str, str]:
    """Digest of every published artefact of a finished run; figures of its time and machine are not of these.

    Receipts and manifests name no time; the model's own file is among them.
    """
    run = read_run(folder)
    assert run is not None
    return {name: held["digest"] for name, held in run["artefacts"].items()}


def under_way(folder: Path) -> str:
    """The stage that a run is at: the first without a manifest that has begun; else what ended last."""
    places = sorted((folder / "work" / "stages").glob("*"), key=lambda place: place.stat().st_mtime_ns)
    open_ = [place.name for place in places if not (place / "manifest.json").exists()]
    return open_[-1] if open_ else places[-1].name if places else "start"


def attempt(arguments: Sequence[Any], seconds: float | None, **settings: str) -> int | None:
    """Run the program in a process group of its own; its exit code, None if it was killed after so long."""
    process = subprocess.Popen(
        command(*arguments), env=environment(**settings), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True, text=True,
    )  # fmt: skip
    try:
        _, messages = process.communicate(timeout=PATIENCE if seconds is None else seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if seconds is None:
            raise
        return None
    if process.returncode not in (0, 1, 3):
        sys.stderr.write(messages)
    return process.returncode


def soak(
    nation: Path,
    out: Path,
    *,
    kills: int,
    seconds: float,
    seed: int,
    engine: str = "threads",
    told: Callable[[str], None] = lambda _line: None,
    ended: Callable[[Path], None] = lambda _folder: None,
) -> Soak:
    """Kill a run of ``nation`` so many times, then let it end; raises AssertionError if it does not.

    seconds : that a whole run takes; an attempt is killed after a random share of it. A run that ends before
    all its kills is begun anew in an empty folder, so that the last one is a run that was killed.
    ended   : is called with the folder of every run that ended
    """
    chance = random.Random(seed)
    met = Soak()
    arguments = ("run", nation, "--out", out, "--engine", engine)
    while met.kills < kills:
        # Half of the attempts are short, so that kills crowd where a resumed run begins.
        limit = chance.uniform(0.3, 1.0) * seconds * chance.choice((0.25, 1.0))
        code = attempt(arguments, limit)
        met.attempts += 1
        if code is None:
            met.kills += 1
            stage = under_way(out)
            met.stages[stage] = met.stages.get(stage, 0) + 1
            told(f"kill {met.kills} after {limit:.1f} s in {stage}")
            continue
        assert code == 0, f"attempt {met.attempts} ended with {code}"
        told(f"attempt {met.attempts} ended the run")
        ended(out)
        if met.kills < kills:
            shutil.rmtree(out)
    code = attempt(arguments, None)
    met.attempts += 1
    assert code == 0, f"the last attempt ended with {code}"
    assert not (out / "work").exists()
    ended(out)
    return met


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """The soak as a command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("nation", type=Path, help="folder of a project.toml")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--engine", choices=["threads", "ray"], default="threads")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", type=Path, help="where the runs' folders lie; removed at the end")
    given = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="linkage-soak-", dir=given.place))
    try:
        began = time.monotonic()
        assert attempt(("run", given.nation, "--out", place / "whole", "--engine", given.engine), None) == 0
        seconds = time.monotonic() - began
        whole = digests_of(place / "whole")
        others: set[str] = set()

        def compare(folder: Path) -> None:
            found = digests_of(folder)
            others.update(name for name in whole.keys() | found.keys() if whole.get(name) != found.get(name))

        met = soak(
            given.nation, place / "killed", kills=given.kills, seconds=seconds, seed=given.seed,
            engine=given.engine, told=_say, ended=compare,
        )  # fmt: skip
        told = {"seconds": round(seconds, 1), **vars(met), "artefacts": len(whole), "other": sorted(others)}
        _say(json.dumps(told))
        return 1 if others else 0
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
