"""The stage that trains: patterns counted in samples, the model fitted, what the rules lose measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jobs.cuts import spread
from jobs.executor import Call
from jobs.intake import Tasks
from jobs.store import read_bytes, write_bytes
from jobs.tasks_train import FITTED, sampled_partitions, shares_of
from jobs.workspace import Workspace
from linkage.model import Model, identify
from linkage.train import parts_to_count

#: Chunks that the random pairs are counted in; in the first of them all parts, then those with rare levels.
RANDOM_CHUNKS = 8
RANDOM_WHOLE = 2

#: Passes over all rows that a round of training is worth by its time: what is sampled, the random pairs, the
#: pairs of the rules with the rest of the random ones, what follows.
_SAMPLED = 1
_DRAWN = 1
_COUNTED = 6
_RATED = 1

#: Agency records, about, whose matches are looked for without their identifier.
LOST_RECORDS = 50_000

#: Matches below which what the rules lose is not measured.
LOST_LEAST = 1_000


def rows_passed(space: Workspace) -> int:
    """Rows that all rounds of ``train`` pass, by what they take; a model that is given leaves the last."""
    return int(space.layout["rows"]) * (_RATED if _given(space) else _SAMPLED + _DRAWN + _COUNTED + _RATED)


def train_model(stages: Tasks, space: Workspace, block: dict[str, Any]) -> dict[str, Any]:
    """Train the run's model, or take the one that is given.

    block : facts of blocking, pairs by rule
    """
    work = str(space.work)
    rows = int(space.layout["rows"])
    agencies = space.ranges(register=False)
    given = _given(space)
    rate: list[Call] = [("jobs.tasks_train:rate_repeats", (work, a, b)) for a, b in agencies]
    rated = spread(_RATED * rows, len(rate))
    if given is not None:
        write_bytes(space.work / "model.json", Path(given).read_bytes())
        stages.tasks("train", rate, rated)
        return {"reused": True} | _lost(stages, space)
    plan = space.training
    shares = shares_of(space, block["rules"], block["probed"])
    ranges = space.ranges()
    taken = stages.tasks(
        "train",
        [("jobs.tasks_train:take_sample", (work, a, b)) for a, b in ranges],
        [_SAMPLED * (b - a) for a, b in ranges],
    )
    drawn = stages.tasks(
        "train",
        [("jobs.tasks_train:count_random", (work, c, RANDOM_CHUNKS)) for c in range(RANDOM_WHOLE)],
        spread(_DRAWN * rows, RANDOM_WHOLE),
    )
    levels = [np.sum(part, axis=0).tolist() for part in zip(*(d["levels"] for d in drawn), strict=True)]
    places = parts_to_count(space.programme, levels)
    calls: list[Call] = [
        ("jobs.tasks_train:count_random", (work, c, RANDOM_CHUNKS, places))
        for c in range(RANDOM_WHOLE, RANDOM_CHUNKS)
    ]
    for rule, share in shares["rules"].items():
        if space.rules[rule].near:
            calls += [("jobs.tasks_train:count_probe", (work, rule, a, share)) for a, _ in agencies]
        else:
            pairs = share * block["rules"][space.rules[rule].name]["pairs"]
            calls += [
                ("jobs.tasks_train:count_rule", (work, rule, a, b, share))
                for a, b in sampled_partitions(space, rule, share, pairs)
            ]
    for rule, share in shares["register"].items():
        pairs = share * block["rules"][space.rules[rule].name]["register_pairs"]
        calls += [
            ("jobs.tasks_train:count_register", (work, rule, a, b, share))
            for a, b in sampled_partitions(space, rule, share, pairs)
        ]
    counted = stages.tasks("train", calls, spread(_COUNTED * rows, len(calls)))
    written = {kind: {str(r): share for r, share in own.items()} for kind, own in shares.items()}
    own = [t["present"] for t in taken if t["present"]]
    present = [sum(counts) for counts in zip(*own, strict=True)] if own else [0] * len(space.programme.parts)
    sample = sum(t["sampled"] for t in taken)
    files = [c["file"] for c in counted if "file" in c]
    fitted = stages.tasks(
        "train", [("jobs.tasks_train:fit_model", (work, RANDOM_CHUNKS, files, written, sample, present))]
    )[0]
    # The driver alone writes the model: a task that was thought lost may still end and write what it made.
    write_bytes(space.work / "model.json", read_bytes(space.path("train", FITTED)))
    stages.tasks("train", rate, rated)
    facts = _lost(stages, space)
    _tell_lost(space, facts)
    # Rules for relatives find no candidates.
    stages.free("train", *(f"blocks/{r:02d}-*" for r, rule in enumerate(space.rules) if rule.relatives))
    n_agency = max(1, space.layout["rows"] - space.layout["n_register"])
    share = min(1.0, plan.sample / n_agency)
    return facts | fitted | {"pairs": sum(c["pairs"] for c in (*drawn, *counted)), "sample_share": share}


def _given(space: Workspace) -> str | None:
    """The file of the model that the run is given, None where it trains its own."""
    given = space.settings.get("model")
    if given is None and space.loaded.model_file is not None:
        return str(space.loaded.model_file.path)
    return None if given is None else str(given)


def _lost(stages: Tasks, space: Workspace) -> dict[str, Any]:
    """Measure on the first identifier's matches what the rules lose, by the model that is there."""
    groups = [r for _, r in space.training.groups if not space.rules[r].near]
    if not groups:
        return {}
    n_agency = max(1, space.layout["rows"] - space.layout["n_register"])
    share = min(1.0, LOST_RECORDS / n_agency)
    measured = stages.tasks(
        "train",
        [
            ("jobs.tasks_lost:measure_lost", (str(space.work), groups[0], a, b, share))
            for a, b in sampled_partitions(space, groups[0], share)
        ],
    )
    matches, lost = sum(m["matches"] for m in measured), sum(m["lost"] for m in measured)
    return {"lost_of": matches, "lost": lost, "parted": sum(m["parted"] for m in measured)}


def _tell_lost(space: Workspace, facts: dict[str, Any]) -> None:
    """Tell the run's own model what the rules lose; a given one stays as it is."""
    matches = facts.get("lost_of", 0)
    if matches >= LOST_LEAST:
        path = space.work / "model.json"
        model = Model.from_json(read_bytes(path))
        told = (facts["lost"] + 0.5) / (matches + 1.0)
        write_bytes(path, identify(msgspec.structs.replace(model, lost=told)).to_json())
