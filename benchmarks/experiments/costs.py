"""Fits the costs that ``linkage plan`` foresees to the records of finished runs, and writes them down.

``python -m benchmarks.experiments.costs RUN...`` reads the ``run.json`` of runs with two threads, none of
them resumed, of at least three sizes (100,000, 300,000 and a million people take five minutes together), and
replaces the table between the marks in ``linkage/costs.py``. Nothing else should work on the machine.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jobs.planning import make_plan, random_pairs
from jobs.project import load_project
from linkage import costs

TABLE = Path(costs.__file__)
MARKS = re.compile(r"(# fitted begin\n).*(# fitted end\n)", re.DOTALL)


def drivers(run: Mapping[str, Any]) -> dict[str, float]:
    """What a finished run had to do, in the quantities that costs are linear in."""
    sources = run["sources"]
    rows = sum(s["accepted"] for s in sources.values())
    register = sources[run["register"]]["accepted"]
    project = Path(run["project_file"])
    loaded = load_project(project)
    rules = run["blocking"]["rules"]
    trained = next(s["pairs"] for s in run["stages"] if s["stage"] == "train")
    random = random_pairs(register, rows - register)
    return {
        "one": 1.0,
        "bytes": float(sum(f.size for files in loaded.files.values() for f in files)),
        "rows": float(rows),
        "register": float(register),
        "agency": float(rows - register),
        "corrected": float(rows - register) if loaded.project.corrections.make else 0.0,
        "keys": float(rows * key_columns(project)),
        "pairs": float(sum(r["pairs"] + r["register_pairs"] for r in rules.values())),
        "random": random,
        "trained": max(0.0, trained - random),
        "compared": float(run["totals"]["pairs"]),
    }


def key_columns(project: Path) -> int:
    """Keys of a record under all ordinary rules, aliases and sets of units counted at their width."""
    plan = make_plan(project, sample=2_000)["drivers"]
    return round(plan["keys"] / plan["rows"])


def fitted(runs: Sequence[Mapping[str, Any]]) -> str:
    """The table as source text."""
    done = [drivers(run) for run in runs]

    def cost(
        names: Sequence[str], spent: Sequence[float], of: Sequence[int] = range(len(runs))
    ) -> dict[str, float]:
        features = np.array([[done[number][name] for name in names] for number in of])
        found = costs.fit(features, np.maximum(np.array(spent, np.float64), 1e-6))
        largest = (features * found).max(axis=0)
        whole = max(spent)
        kept = zip(names, found, largest, strict=True)
        return {name: float(f"{value:.4g}") for name, value, most in kept if most > 0.001 * whole}

    lines = [
        "#: Bytes. Memory is that of one process with its threads; disk is that of the run's folder at its\n",
        "#: fullest, its artefacts included, and of the artefacts that stay.\n",
    ]
    spent = {
        "MEMORY": [r["peak_memory"] for r in runs],
        "FULLEST": [r["disk"]["fullest"] for r in runs],
        "ARTEFACTS": [r["disk"]["artefacts"] for r in runs],
    }
    shape = ("one", "rows", "corrected")
    lines += [f"{name} = Cost({text(cost(shape, values))})\n" for name, values in spent.items()]
    lines.append("#: Seconds.\nSECONDS: Mapping[str, Cost] = {\n")
    took: dict[str, list[tuple[int, float]]] = {}  # of each stage, which runs had it, and for how long
    for number, run in enumerate(runs):
        for told in run["stages"]:
            took.setdefault(told["stage"], []).append((number, told["seconds"]))
    for stage in sorted(took, key=lambda name: list(costs.SHAPES).index(name)):
        names, serial = costs.SHAPES[stage]
        of, spent_there = zip(*took[stage], strict=True)
        lines.append(
            f'    "{stage}": Cost({text(cost(names, spent_there, of))}{", serial=True" if serial else ""}),\n'
        )
    between = [r["seconds"] - sum(s["seconds"] for s in r["stages"]) for r in runs]
    lines.append(f'    "between": Cost({text(cost(("one", "bytes"), between))}, serial=True),\n')
    return "".join([*lines, "}\n"])


def text(coefficients: Mapping[str, float]) -> str:
    """Coefficients as source text."""
    return "{" + ", ".join(f'"{name}": {value:.4g}' for name, value in coefficients.items()) + "}"


def main(folders: Sequence[str]) -> None:
    """Fit, write, and say how far the fit is from what it was fitted to."""
    runs = [json.loads((Path(folder) / "run.json").read_text()) for folder in folders]
    table = fitted(runs)
    TABLE.write_text(MARKS.sub(lambda m: m[1] + table + m[2], TABLE.read_text()))
    held: dict[str, Any] = {"Cost": costs.Cost, "Mapping": Mapping}
    exec(table, held)  # noqa: S102 - the text that was made just above
    for folder, run in zip(folders, runs, strict=True):
        mine = drivers(run)
        whole = sum(c.of(mine) for c in held["SECONDS"].values())
        off = math.log2(whole / run["seconds"])
        print(f"{folder}: {run['seconds']:.1f} s, fitted {whole:.1f} s ({off:+.2f} powers of two)")


if __name__ == "__main__":
    main(sys.argv[1:])
