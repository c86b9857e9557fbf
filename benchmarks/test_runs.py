"""Whole runs as a user starts them, on two threads: seconds, memory, every stage, and how right they are.

Each round is a process of its own, so that start-up counts and the peak of memory is that run's. Stages are
taken from the run's own record. The largest size is slow: ``make bench ARGS="-m 'slow or not slow'"``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import kernel_cache
from jobs.evaluation import evaluate_run

ROOT = Path(__file__).resolve().parents[1]

SIZES = [
    pytest.param(10_000, 3, id="10k"),
    pytest.param(50_000, 3, id="50k"),
    pytest.param(200_000, 2, id="200k"),
    pytest.param(1_000_000, 2, id="1M", marks=pytest.mark.slow),
]


def reconcile(project, out):
    """Run a project in a process of its own; its record."""
    command = ["run", str(project), "--out", str(out), "--threads", "2", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return json.loads((out / "run.json").read_text())


def share(part):
    return part["value"]


@pytest.mark.benchmark(group="whole run")
@pytest.mark.parametrize(("people", "rounds"), SIZES)
def test_run(benchmark, compiled, nation_of, tmp_path, people, rounds):
    nation, out, held = nation_of(people), tmp_path / "run", []
    kernel_cache.seal()
    benchmark.pedantic(
        lambda: held.append(reconcile(nation / "project.toml", out)),
        setup=lambda: shutil.rmtree(out, ignore_errors=True),
        rounds=rounds,
    )
    for field in ("totals", "decisions", "duplicates", "model_id", "blocking", "estimates"):
        assert all(one[field] == held[0][field] for one in held), field
    figures = evaluate_run(out, nation / "truth")
    overall = figures["overall"]
    link, new = overall["link"], overall["new"]
    duplicates = figures["duplicates"]["all"]
    wrong = link["precision"]["of"] - link["precision"]["count"]
    assert wrong <= max(2, 1e-4 * link["precision"]["of"])
    assert share(link["recall"]) >= 0.98
    assert share(duplicates["precision"]) >= 0.995
    assert share(duplicates["recall"]) >= 0.93
    assert share(overall["review"]) <= 0.015
    best = min(held, key=lambda one: one["seconds"])
    benchmark.extra_info |= {
        "people": people,
        "records": best["totals"]["accepted"],
        "pairs": best["totals"]["pairs"],
        "peak MiB": round(best["peak_memory"] / 2**20),
        "link precision": share(link["precision"]),
        "link recall": share(link["recall"]),
        "new precision": share(new["precision"]),
        "new recall": share(new["recall"]),
        "duplicate precision": share(duplicates["precision"]),
        "duplicate recall": share(duplicates["recall"]),
        "review": share(overall["review"]),
        "stages": {s["stage"]: s["seconds"] for s in best["stages"]},
    }


@pytest.mark.benchmark(group="finished run")
def test_finished_run__is_given_again(benchmark, compiled, nation_of, tmp_path):
    """What a nightly job pays to learn that nothing has changed."""
    nation, out = nation_of(10_000), tmp_path / "run"
    first = reconcile(nation / "project.toml", out)
    again = benchmark.pedantic(lambda: reconcile(nation / "project.toml", out), rounds=3)
    assert again == first
