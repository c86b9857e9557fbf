"""What treating correlated fields is worth: three models of the same pairs, with the record's posterior.

    python -m benchmarks.experiments.decision nation --out runs

Reconciles the nation (unless it is there), then scores and decides its pairs again with the model altered:

    independent  number, sex, birth, name and the rest as independent evidence: between two who share an
                 identifier, agreement of the other fields counts what it does between strangers
    grouped      agreement of the other fields counts by what pairs that share the identifier and are no
                 match show; still without what the register's own pairs teach
    full         with the correction learned from the register's own pairs: the model as trained

each without and with the rehearsal that corrects the probabilities of records without a number. Tells what
each expected of its links, and of the largest set with a mean probability of 0.9999, and what is true.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np

from benchmarks.experiments.training import persons, workspace
from jobs.deciding import decide_records
from jobs.executor import Call, ThreadExecutor
from jobs.matching import match_records
from jobs.store import make_folder, stage_manifest, write_bytes
from jobs.tasks_decide import load_outcomes
from jobs.workspace import Workspace
from linkage.acceptance import accept_in_order
from linkage.decisions import CONFLICT, LINK, REVIEW
from linkage.model import Model, identify
from linkage.posterior import false_links_interval
from linkage.rehearsal import nothing

VARIANTS = ("independent", "grouped", "full")
DEMANDED = 0.9999
BANDS = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1.1)
HEAD = ("model", "links", "false", "expected", "99 % interval", "holds", "precision", "recall", "left open")
#: Of a work folder: what scoring makes anew, and what belongs to one run.
OWN = (
    *("repeats", "pairs", "settled", "decided", "weighed", "tally", "rehearsed", "judged", "contests"),
    *("resolved", "artefacts", "stages", "model.json", "lock"),
)


def altered(model: Model, variant: str) -> Model:
    """The model as a variant has it."""
    if variant == "full":
        return model
    if variant == "independent":
        parts = [
            msgspec.structs.replace(
                part, levels=[msgspec.structs.replace(level, chance={}) for level in part.levels]
            )
            for part in model.parts
        ]
        model = msgspec.structs.replace(model, parts=parts)
    return identify(msgspec.structs.replace(model, corrections=[]))


def twin(space: Workspace, folder: Path) -> Path:
    """A work folder with the same files, linked, up to where scoring begins."""
    for here, folders, files in os.walk(space.work):
        place = folder / Path(here).relative_to(space.work)
        make_folder(place)
        if Path(here) == space.work:
            folders[:] = [name for name in folders if name not in OWN]
        for name in files:
            if Path(here) == space.work and name in OWN:
                continue
            if not (place / name).exists():
                os.link(Path(here) / name, place / name)
    return folder


class Here:
    """Runs a stage's tasks on threads of this process, every one of them."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def tasks(
        self, stage: str, calls: Sequence[Call], rows: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Results of the calls in their order."""
        executor = ThreadExecutor(self.threads)
        try:
            return [done.result for done in executor.map(calls)]
        finally:
            executor.close()

    def free(self, *places: Path | str) -> None:
        """Nothing is removed."""

    def drop(self, *patterns: str) -> None:
        """Nothing is removed."""


def score(space: Workspace, model: Model, folder: Path, threads: int) -> str:
    """Score all pairs by the model, in a work folder of their own."""
    work = twin(space, make_folder(folder) / "work")
    write_bytes(work / "model.json", model.to_json())
    here = Here(threads)
    agencies = space.ranges(register=False)
    here.tasks("train", [("jobs.tasks_train:rate_repeats", (str(work), a, b)) for a, b in agencies])
    blocked = stage_manifest(space.work / "stages" / "block")
    assert blocked is not None
    match_records(here, Workspace.open(str(work)), blocked["facts"])
    return str(work)


@contextlib.contextmanager
def rehearsal(wanted: bool) -> Iterator[None]:
    """Whether decisions are rehearsed."""
    if wanted:
        yield
    else:
        with mock.patch("jobs.tasks_decide.conclude", return_value=nothing()):
            yield


def measure(work: str, person: np.ndarray, threads: int, *, rehearsed: bool) -> dict[str, Any]:
    """Decide, and compare with the truth."""
    space = Workspace.open(work)
    with rehearsal(rehearsed):
        facts = decide_records(Here(threads), space)
    decision, found, p_link = load_outcomes(space)
    first = space.layout["n_register"]
    true = person[first:]
    right = (found >= 0) & (person[np.maximum(found, 0)] == true)
    known = np.isin(true, person[:first])
    linked = decision == LINK
    estimates = facts["estimates"].values()
    expected = sum(e["expected"] for e in estimates)
    low, high = false_links_interval(expected, max(e.get("relative_variance", 0.0) for e in estimates))
    named = np.flatnonzero(found >= 0)
    chosen = named[accept_in_order(p_link[named], np.asarray(space.coded.order[first:])[named], DEMANDED)]
    in_set = float((1 - p_link[chosen]).sum())
    set_low, set_high = false_links_interval(in_set)
    return {
        "links": {
            "links": int(linked.sum()),
            "false": int((linked & ~right).sum()),
            "expected": expected,
            "low": low,
            "high": high,
            "recall": float((linked & right).sum() / known.sum()),
            "open": float(np.isin(decision, (REVIEW, CONFLICT)).mean()),
        },
        "set": {
            "links": int(chosen.shape[0]),
            "false": int((~right[chosen]).sum()),
            "expected": in_set,
            "low": set_low,
            "high": set_high,
        },
        "bands": [
            {
                "from": a,
                "to": min(b, 1.0),
                "records": int(inside.sum()),
                "expected": float((1 - p_link[named][inside]).sum()),
                "false": int((~right[named][inside]).sum()),
            }
            for a, b in itertools.pairwise(BANDS)
            for inside in [(p_link[named] >= a) & (p_link[named] < b)]
        ],
    }


def row(name: str, one: dict[str, Any]) -> str:
    """One line of a table."""
    holds = "yes" if one["low"] <= one["false"] <= one["high"] else "**no**"
    cells = [
        name,
        f"{one['links']:,}",
        f"{one['false']:,}",
        f"{one['expected']:,.1f}",
        f"{one['low']:,.0f} to {one['high']:,.0f}",
        holds,
        f"{1 - one['false'] / max(one['links'], 1):.6f}",
        f"{one['recall']:.5f}" if "recall" in one else "",
        f"{100 * one['open']:.3f} %" if "open" in one else "",
    ]
    return "| " + " | ".join(cells) + " |"


def table(head: tuple[str, ...], rows: list[str]) -> str:
    """A Markdown table."""
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *rows])


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("nations", type=Path, nargs="+", help="folders that 'linkage generate' made")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    for nation in given.nations:
        folder, space = workspace(nation, given.out, given.threads)
        person = persons(space, nation / "truth")
        trained = Model.from_json((folder / "model.json").read_bytes())
        found: dict[str, dict[str, Any]] = {}
        for variant in VARIANTS:
            own = given.out / f"{nation.name}-{variant}-again"
            work = score(space, altered(trained, variant), own, given.threads)
            for rehearsed in (False, True):
                name = f"{variant}, rehearsed" if rehearsed else variant
                found[name] = measure(work, person, given.threads, rehearsed=rehearsed)
        (given.out / f"{nation.name}-decision.json").write_text(json.dumps(found, indent=1))
        print(f"\n{nation.name}: the links\n")
        print(table(HEAD, [row(name, one["links"]) for name, one in found.items()]))
        print(f"\n{nation.name}: the largest set with a mean probability of {DEMANDED}\n")
        print(table(HEAD, [row(name, one["set"]) for name, one in found.items()]))
        print(f"\n{nation.name}: named persons by probability: expected wrong / wrong\n")
        lines = []
        for bands in zip(*(one["bands"] for one in found.values()), strict=True):
            cells = [f"{b['expected']:,.1f} / {b['false']:,}" for b in bands]
            lines.append(f"| {bands[0]['from']:g} to {bands[0]['to']:g} | " + " | ".join(cells) + " |")
        print(table(("probability", *found), lines), flush=True)


if __name__ == "__main__":
    main()
