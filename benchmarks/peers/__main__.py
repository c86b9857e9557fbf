"""Run the peers and ``linkage run`` in turn on the same files, and say how long, how large and how right.

    make peers                                          # 100,000 people, two rounds
    make peers ARGS="--people 1000000 --rounds 3"
    python -m benchmarks.peers --people 1000000 --json peers.json --into benchmarks/peers/README.md

Run from the top of the checkout with the project's own environment; the peers run in ``.venv-peers``, which
``make peers`` makes from ``requirements/peers.lock``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.peers import material, measured, scoring
from benchmarks.peers.report import tables
from benchmarks.table import put_into

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: What can be run: with training and, as ``+model``, given the model of its own first run.
TOOLS = ("ours", "splink", "join", "ours+model", "splink+model")
#: Thresholds at which all predictions of Splink are judged beside its clusters.
THRESHOLDS = (0.5, 0.9, 0.95, 0.99, 0.999)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and write what was asked for."""
    given = _arguments(arguments)
    results: dict[str, Any] = {"machine": _machine(given), "runs": []}
    given.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for people in given.people:
        files = given.folder / (str(people) if given.namesakes == 1 else f"{people}-{given.namesakes:g}")
        rows = material.generate(files, people, threads=given.threads, namesakes=given.namesakes)
        for name in ("project.toml", "contract.toml"):
            shutil.copyfile(HERE / name, files / name)
        truth = pl.read_parquet(files / "truth.parquet")
        if any(tool.startswith("ours") for tool in given.tools):
            _ours_ready()
        with tempfile.TemporaryDirectory(dir=given.folder) as place:
            models: dict[str, Path] = {}
            for number in range(given.rounds):
                for tool in given.tools:
                    print(f"{people:,} people, round {number + 1}: {tool}", file=sys.stderr, flush=True)
                    out = Path(place) / "out"
                    run = _one(tool, files, out, given, models, Path(place))
                    run |= {"people": people, "namesakes": given.namesakes, "rows": rows, "round": number}
                    if number == 0:
                        run |= _judged(tool, out, truth)
                    results["runs"].append(run)
                    if given.json:  # a later run may fail, and these took long
                        given.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
                    shutil.rmtree(out)
    text = tables(results)
    print(text)
    if given.into:
        given.into.write_text(
            put_into(given.into.read_text(encoding="utf-8"), "figures", text), encoding="utf-8"
        )
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Peers side by side.")
    parser.add_argument("--people", type=int, nargs="+", default=[100_000], help="sizes of the register")
    parser.add_argument(
        "--namesakes", type=float, default=1.0, help="how many times as often full names coincide (0.1 to 60)"
    )
    parser.add_argument("--rounds", type=int, default=2, help="the least time of so many counts")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=["ours", "splink", "join"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--memory", default="", help="DuckDB's memory_limit, such as 18GB; by default its own"
    )
    parser.add_argument("--max-pairs", type=float, default=1e8, help="random pairs of Splink's u")
    parser.add_argument("--folder", type=Path, default=ROOT / ".peers", help="where files are made and kept")
    parser.add_argument("--python", type=Path, default=ROOT / ".venv-peers/bin/python", help="of the peers")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--into", type=Path, help="document whose figures are replaced")
    held = parser.parse_args(arguments)
    if not held.python.exists() and not all(tool.startswith("ours") for tool in held.tools):
        parser.error(f"the peers' environment is not there (--python {held.python}): `make peers` makes it")
    return held


def _machine(given: argparse.Namespace) -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processors": os.cpu_count(),
        "memory": memory,
        "threads": given.threads,
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "max_pairs": given.max_pairs,
        "memory_limit": given.memory,
    }


def _ours_ready() -> None:
    """Kernels compiled before anything is timed."""
    done = measured.run([sys.executable, "-m", "jobs.cli", "warmup"], _own())
    if done.code:
        raise SystemExit(done.errors)


def _own() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT)}


def _one(
    tool: str, files: Path, out: Path, given: argparse.Namespace, models: dict[str, Path], place: Path
) -> dict[str, Any]:
    """One run of one tool: its figures."""
    base, _, trained = tool.partition("+")
    told: Callable[[Path], dict[str, Any]]
    if base == "ours":
        command = [sys.executable, "-m", "jobs.cli", "run", str(files / "project.toml"), "--out", str(out)]
        command += ["--threads", str(given.threads)]
        told, accepted = _told_by_ours, {0, 1}
    else:
        command = [str(given.python), str(HERE / f"{base}_run.py"), str(files), str(out)]
        command += ["--threads", str(given.threads), "--memory", given.memory]
        if base == "splink":
            command += ["--max-pairs", str(given.max_pairs)]
        told, accepted = _told_by_peer, {0}
    if trained:
        if base not in models:
            raise SystemExit(f"{tool} needs a model: name {base} before it among the tools")
        command += ["--model", str(models[base])]
    done = measured.run(command, _own() if base == "ours" else None)
    if done.code not in accepted:
        raise SystemExit(f"{tool} ended with exit code {done.code}: {done.errors}")
    if not trained and base not in models and (out / "model.json").exists():
        models[base] = place / f"{base}.json"
        shutil.copyfile(out / "model.json", models[base])
    return {
        "tool": tool, "seconds": done.seconds, "processor": done.processor, "held": done.held,
        "mapped": done.mapped, **told(out),
    }  # fmt: skip


def _told_by_ours(out: Path) -> dict[str, Any]:
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return {
        "phases": {stage["stage"]: stage["seconds"] for stage in record["stages"]},
        "pairs": record["totals"]["pairs"],
        "decisions": record["decisions"],
    }


def _told_by_peer(out: Path) -> dict[str, Any]:
    figures = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    return {name: figures[name] for name in ("phases", "pairs", "versions") if name in figures}


def _judged(tool: str, out: Path, truth: pl.DataFrame) -> dict[str, Any]:
    """How right it was, and for all predictions of Splink, at several thresholds."""
    base = tool.partition("+")[0]
    judged: dict[str, Any] = {"score": scoring.score(scoring.links_of(base, out), truth).figures()}
    if (out / "predicted.parquet").exists():
        predicted = pl.read_parquet(out / "predicted.parquet")
        judged["best"] = {
            str(threshold): scoring.score(scoring.best_of(predicted, threshold), truth).figures()
            for threshold in THRESHOLDS
        }
    return judged


if __name__ == "__main__":
    sys.exit(main())
