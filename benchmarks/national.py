"""Nations of any size reconciled: time, memory, disk, pairs and accuracy as the number of people grows.

    python -m benchmarks.national --people 1000000 10000000
    python -m benchmarks.national --people 10000000 --engine ray
    python -m benchmarks.national --people 10000000 --memory 2GB
    python -m benchmarks.national --people 100000000 --no-corrections --json national.json
    python -m benchmarks.national --people --json national.json --into benchmarks/README.md   # tables only

Run from the top of the checkout. Each run is a process of its own, as a user starts it, with kernels compiled
beforehand. Nations are generated once a size (register and three agencies, Parquet), a hundred million people
in some ten minutes and 19 GB with their truth. Runs in ``--json`` are added to, so that a table may hold
several calls.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers import measured
from benchmarks.table import put_into
from linkage.pipeline import STAGES

ROOT = Path(__file__).resolve().parents[1]
#: People whose records are judged at most; their truth and decisions take a gigabyte or two.
JUDGED = 2_000_000
#: Artefacts that tell of time and place, or of the run as a whole.
_APART = ("run.json", "journal.jsonl", "metrics.prom")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what was asked for, print the table, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.national", description="Nations of any size.")
    parser.add_argument("--people", type=int, nargs="*", default=[1_000_000], help="sizes; none: only tables")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--engine", choices=("threads", "ray"), default="threads")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="", help="what the run may take, such as 2GB")
    parser.add_argument("--no-corrections", action="store_true", help="only link")
    parser.add_argument("--folder", type=Path, help="where nations are made and kept; by default nowhere")
    parser.add_argument("--json", type=Path, help="file of figures, added to")
    parser.add_argument("--into", type=Path, help="document whose figures are replaced")
    given = parser.parse_args(arguments)
    runs: list[dict[str, Any]] = []
    if given.json and given.json.exists():
        runs = json.loads(given.json.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="linkage-national-") as own:
        folder = given.folder or Path(own)
        _linkage(["warmup"])
        for people in given.people:
            runs.append(_run(folder, people, given))
            if given.json:
                given.json.write_text(json.dumps(runs, indent=1), encoding="utf-8")
    text = tables(runs)
    print(text)
    if given.into:
        held = given.into.read_text(encoding="utf-8")
        given.into.write_text(put_into(held, "national", text), encoding="utf-8")


def _linkage(arguments: Sequence[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout


def _run(folder: Path, people: int, given: argparse.Namespace) -> dict[str, Any]:
    nation = folder / f"{people}-{given.seed}"
    if not (nation / "generated.json").exists():
        print(f"generating {people:,} people", file=sys.stderr, flush=True)
        shutil.rmtree(nation, ignore_errors=True)
        _linkage(
            ["generate", "--people", str(people), "--seed", str(given.seed), "--out", str(nation),
             "--format", "parquet"]
        )  # fmt: skip
    project = nation / "project.toml"
    if given.no_corrections:
        text = project.read_text(encoding="utf-8") + "\n[corrections]\nmake = false\n"
        project = nation / "linking.toml"
        project.write_text(text, encoding="utf-8")
    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "jobs.cli", "run", str(project), "--out", str(out)]
    command += ["--engine", given.engine, "--threads", str(given.threads)]
    command += ["--memory", given.memory] if given.memory else []
    print(f"{people:,} people: {' '.join(command[3:])}", file=sys.stderr, flush=True)
    load = round(os.getloadavg()[0], 1)
    done = measured.run(command, {"PYTHONPATH": str(ROOT)})
    if done.code not in (0, 1):
        raise SystemExit(f"The run ended with exit code {done.code}: {done.errors}")
    took = f"{done.seconds:.1f} s, {done.processor:.1f} s of processors"
    peak = f"{done.held / 2**20:,.0f} MiB, {done.mapped / 2**20:,.0f} with mapped files"
    print(f"{took}, {peak}; judging", file=sys.stderr, flush=True)
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    judged = json.loads(
        _linkage(
            ["evaluate", str(out), "--truth", str(nation / "truth"), "--json",
             "--share", str(min(1.0, JUDGED / people))]
        )
    )  # fmt: skip
    told = {
        "people": people, "date": datetime.now(UTC).date().isoformat(), "load": load,
        "engine": given.engine, "threads": given.threads, "memory": given.memory,
        "corrections": not given.no_corrections, "seconds": done.seconds, "processor": done.processor,
        "held": done.held, "mapped": done.mapped, **figures(record, judged),
    }  # fmt: skip
    shutil.rmtree(out)
    return told


def figures(record: Mapping[str, Any], judged: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's ``run.json`` and its evaluation say that the table wants."""
    rules = record["blocking"]["rules"].values()
    numbered = [
        group["link"]
        for group in judged["subgroups"]
        if group["dimension"] == "number_usable" and group["value"] == "true"
    ]
    link = judged["overall"]["link"]
    parted = judged["losses"]["refinement"]
    digests = sorted(
        (name, made["digest"]) for name, made in record["artefacts"].items() if name not in _APART
    )
    return {
        "records": record["totals"]["accepted"],
        "block_pairs": sum(rule["pairs"] + rule["register_pairs"] for rule in rules),
        "compared": record["totals"]["pairs"],
        "disk": record["disk"],
        "stages": {stage["stage"]: stage["seconds"] for stage in record["stages"]},
        "decisions": record["decisions"],
        "precision": link["precision"]["value"],
        "recall": link["recall"]["value"],
        "numbered_recall": numbered[0]["recall"]["value"] if numbered else None,
        "share": judged["share"],
        "refinement": None if parted is None else parted["value"],
        "digest": hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16],
    }


def tables(runs: Sequence[Mapping[str, Any]]) -> str:
    """Runs as Markdown: what they took, how right they are, and their stages."""
    took = [
        [
            _name(run), f"{run['records']:,}", f"{run['seconds']:.0f}", f"{run['processor']:.0f}",
            f"{1e6 * run['seconds'] / run['records']:.1f}", f"{run['held'] / 2**20:,.0f}",
            f"{run['mapped'] / 2**20:,.0f}", f"{run['disk']['fullest'] / 1e9:.1f}",
            f"{run['disk']['artefacts'] / 1e9:.1f}", f"{run['block_pairs'] / run['records']:.1f}",
            f"{run['compared'] / run['records']:.2f}", str(run["load"]),
        ]
        for run in runs
    ]  # fmt: skip
    right = [
        [
            _name(run), f"{run['decisions']['link']:,}", _share(run["precision"]), _share(run["recall"]),
            _share(run["numbered_recall"]), _share(run["refinement"]), f"{100 * run['share']:g} %",
            run["digest"],
        ]
        for run in runs
    ]  # fmt: skip
    names = [stage.name for stage in STAGES if any(stage.name in run["stages"] for run in runs)]
    stages = [
        [_name(run), *(f"{run['stages'][n]:.1f}" if n in run["stages"] else "" for n in names)]
        for run in runs
    ]
    return "\n\n".join(
        [
            _table(
                ["people", "records", "seconds", "processor seconds", "microseconds a record", "peak MiB",
                 "with mapped files", "disk GB at its fullest", "GB that stay", "pairs of blocks a record",
                 "pairs compared a record", "load before"],
                took,
            ),
            _table(
                ["people", "links", "precision", "recall", "recall with a usable number",
                 "lost to refinement", "people judged", "digest of all artefacts"],
                right,
            ),
            _table(["seconds of", *names], stages),
        ]
    )  # fmt: skip


def _name(run: Mapping[str, Any]) -> str:
    told = f"{run['people']:,}, {run['engine']} {run['threads']}"
    told += "" if run["corrections"] else ", linking only"
    return f"{told}, --memory {run['memory']}" if run["memory"] else told


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.6f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
