"""Fits the costs that ``linkage plan`` foresees to the records of finished runs, and writes them down.

``python -m benchmarks.experiments.costs seconds RUN...`` reads the ``run.json`` of runs with two threads,
none of them resumed, of at least three sizes, and replaces the seconds in ``linkage/costs.py``: nothing else
should have worked on the machine. ``... disk RUN...`` replaces the bytes, which other work does
not change: of projects with corrections and without, and of large ones, which spare the disk.

Those are costly, so ``... shrunk 100 PROJECT OUT`` runs a small project with the limits from which on the
disk is spared at a hundredth of what they are: its files lie as those of a hundred times as many records do.
It is named ``OUT@100`` among the runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jobs import blocking, correction, counting, intake, publishing
from jobs.planning import make_plan
from jobs.run import run_project
from linkage import costs

TABLE = Path(costs.__file__)

#: Limits on what lies on the disk, in records or bytes: module and name.
LIMITS = (
    (intake, "PLAIN_BYTES"),
    (intake, "FAST_BYTES"),
    (counting, "ALL_AT_ONCE"),
    (blocking, "KEYS_AT_ONCE"),
    (publishing, "ROUND_ROWS"),
    (correction, "JOINED_ROWS"),
)

Run = dict[str, Any]


@contextlib.contextmanager
def limits_shrunk(times: int) -> Iterator[None]:
    """The limits on what lies on the disk are so many times smaller meanwhile."""
    held = [getattr(module, name) for module, name in LIMITS]
    for (module, name), value in zip(LIMITS, held, strict=True):
        setattr(module, name, value // times)
    try:
        yield
    finally:
        for (module, name), value in zip(LIMITS, held, strict=True):
            setattr(module, name, value)


def read_run(named: str) -> Run:
    """The record of a finished run, ``FOLDER`` or ``FOLDER@TIMES``; under ``drivers`` what it had to do."""
    folder, _, times = named.partition("@")
    run: Run = json.loads((Path(folder) / "run.json").read_text())
    with limits_shrunk(int(times or 1)):
        foreseen = make_plan(Path(run["project_file"]), threads=costs.THREADS)["drivers"]
    rules = run["blocking"]["rules"].values()
    trained = next((s["pairs"] for s in run["stages"] if s["stage"] == "train"), 0.0)
    run["drivers"] = foreseen | {
        "pairs": float(sum(r["pairs"] + r["register_pairs"] for r in rules)),
        "trained": max(0.0, trained - foreseen["random"]),
        "compared": float(run["totals"]["pairs"]),
    }
    return run


def fitted(runs: Sequence[Run], names: Sequence[str], spent: Sequence[float]) -> dict[str, float]:
    """Coefficients of a cost by driver, those left out that are nothing to any of the runs."""
    features = np.array([[run["drivers"][name] for name in names] for run in runs])
    found = costs.fit(features, np.maximum(np.array(spent, np.float64), 1e-6))
    share = (features * found / np.maximum(np.array(spent), 1e-6)[:, None]).max(axis=0)
    return {
        name: float(f"{value:.4g}")
        for name, value, most in zip(names, found, share, strict=True)
        if most > 0.002
    }


def by_stage(runs: Sequence[Run], figure: str) -> dict[str, tuple[list[Run], list[float]]]:
    """Of every stage, in the order of stages, the runs that tell a figure of it, and the figures."""
    found: dict[str, tuple[list[Run], list[float]]] = {name: ([], []) for name in costs.SHAPES}
    for run in runs:
        for told in run["stages"]:
            if figure in told:
                found[told["stage"]][0].append(run)
                found[told["stage"]][1].append(told[figure])
    return {name: told for name, told in found.items() if told[0]}


def disk_table(runs: Sequence[Run]) -> str:
    """Bytes by stage as source text."""
    lines = [
        "#: Bytes of the run's folder at the fullest of each stage, its artefacts included.\n",
        "DISK: Mapping[str, Cost] = {\n",
    ]
    for stage, (of, lying) in by_stage(runs, "disk").items():
        lines.append(f'    "{stage}": Cost({text(fitted(of, costs.LYING[stage], lying))}),\n')
    stay = fitted(runs, costs.LYING["receipts"], [r["disk"]["artefacts"] for r in runs])
    return "".join(
        [*lines, "}\n#: Bytes of the artefacts, which stay.\n", f"ARTEFACTS = Cost({text(stay)})\n"]
    )


def seconds_table(runs: Sequence[Run]) -> str:
    """Seconds by stage as source text."""
    lines = [
        "#: Seconds of each stage, and of what lies between them.\n",
        "SECONDS: Mapping[str, Cost] = {\n",
    ]
    for stage, (of, took) in by_stage(runs, "seconds").items():
        names, serial = costs.SHAPES[stage]
        found = text(fitted(of, names, took))
        lines.append(f'    "{stage}": Cost({found}{", serial=True" if serial else ""}),\n')
    between = [r["seconds"] - sum(s["seconds"] for s in r["stages"]) for r in runs]
    found = text(fitted(runs, ("one", "bytes"), between))
    return "".join([*lines, f'    "between": Cost({found}, serial=True),\n', "}\n"])


def text(coefficients: Mapping[str, float]) -> str:
    """Coefficients as source text."""
    return "{" + ", ".join(f'"{name}": {value:.4g}' for name, value in coefficients.items()) + "}"


def main(told: Sequence[str] | None = None) -> None:
    """Fit and write one table, and say how far it is from what it was fitted to; or make a run to fit to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.experiments.costs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="what", required=True)
    for kind in ("seconds", "disk"):
        kinds.add_parser(kind).add_argument("runs", nargs="+", metavar="RUN")
    shrunk = kinds.add_parser("shrunk")
    shrunk.add_argument("times", type=int)
    shrunk.add_argument("project", type=Path)
    shrunk.add_argument("out", type=Path)
    given = parser.parse_args(told)
    if given.what == "shrunk":
        with limits_shrunk(given.times):
            run_project(given.project, given.out, threads=costs.THREADS)
        return
    what, named = given.what, given.runs
    runs = [read_run(name) for name in named]
    table = {"disk": disk_table, "seconds": seconds_table}[what](runs)
    marks = re.compile(rf"(# {what} begin\n).*(# {what} end\n)", re.DOTALL)
    TABLE.write_text(marks.sub(lambda m: m[1] + table + m[2], TABLE.read_text()))
    held: dict[str, Any] = {"Cost": costs.Cost, "Mapping": Mapping}
    exec(table, held)  # noqa: S102 - the text that was made just above
    for name, run in zip(named, runs, strict=True):
        stages = {s["stage"]: s[what] for s in run["stages"] if what in s}
        found = {s: cost.of(run["drivers"]) for s, cost in held[what.upper()].items() if s in stages}
        together = sum if what == "seconds" else max
        ratio = together(found.values()) / together(stages.values())
        worst = max(found, key=lambda s: abs(found[s] - stages[s]))
        print(f"{name}: {ratio:.3f} of what was measured; farthest off {worst}: {found[worst]:.4g}")


if __name__ == "__main__":
    main()
