"""Tasks that score candidate pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jobs.store import open_arrays, read_arrays, write_arrays
from jobs.tasks_block import read_blocks
from jobs.tasks_train import read_model
from jobs.workspace import Workspace
from kernels.partition import partition_order
from linkage.match import Scoring, floor_of, match_blocks, match_pairs, without
from linkage.model import Weights, weigh
from linkage.reach import screen_of
from linkage.scored import Scored

#: Tasks a rule that are wanted at least: what each writes, every range of agency records opens.
LEAST_TASKS = 32

#: Of a scored pair, in a row of 32-bit numbers; its rule is in the name of the file.
_HELD = ("left", "right", "pattern", "weight", "blind")


def scoring_of(space: Workspace) -> Scoring:
    """Weight tables and floor of the run's model; made once a process."""

    def load() -> Scoring:
        model = read_model(space)
        return Scoring(weigh(model, space.programme), floor_of(model.register))

    return space.fresh("scoring", ("model.json",), load)


def screening_of(space: Workspace) -> Scoring:
    """The same with the screen of these weights; made once a process that matches."""

    def load() -> Scoring:
        scoring = scoring_of(space)
        return replace(scoring, screen=screen_of(space.programme, scoring.weights, space.meaning.kinds))

    return space.fresh("screening", ("model.json",), load)


def weights_of(space: Workspace) -> Weights:
    """The weight tables."""
    return scoring_of(space).weights


def save_scored(space: Workspace, name: str, scored: Scored) -> None:
    """Write scored pairs of a rule by the range of their agency record, with where each range's begin.

    name : see :func:`scored_name`.  A pair is a row of its file, so that what a range has of it is read in
    one piece.
    """
    edges = np.array([start for start, _ in space.ranges(register=False)], scored.left.dtype)
    left = scored.left
    if bool((left[1:] >= left[:-1]).all()):
        starts = np.append(np.searchsorted(left, edges), left.shape[0]).astype(np.int64)
    else:
        number = (np.searchsorted(edges, left, "right") - 1).astype(np.uint16)
        starts, order = np.empty(edges.shape[0] + 1, np.int64), np.empty(left.shape[0], np.uint32)
        partition_order(number, starts, order)
        scored = scored.where(order)
    rows = np.empty((left.shape[0], len(_HELD)), np.uint32)
    for place, field in enumerate(_HELD):
        rows[:, place] = getattr(scored, field).view(np.uint32)
    write_arrays(space.path("pairs", name), starts=starts, pairs=rows)


def scored_name(rule: int, start: int) -> str:
    """File of scored pairs of a rule: of a stretch of partitions by its first, of a rule that probes by the
    first row of a range.
    """
    return f"{rule:02d}-{start:012d}.arrays"


def load_scored(space: Workspace, start: int, rules: Sequence[int] | None = None) -> Scored:
    """The scored pairs of the agency range that begins at ``start``, of all rules or of some."""
    number = [a for a, _ in space.ranges(register=False)].index(start)
    found, found_by = [np.zeros((0, len(_HELD)), np.uint32)], [np.zeros(0, np.uint8)]
    wanted = [i for i, rule in enumerate(space.rules) if not rule.relatives] if rules is None else rules
    for rule in sorted(wanted):
        if space.rules[rule].near:
            names = [scored_name(rule, start)]
        else:
            names = [scored_name(rule, some.start) for some in space.stretches(LEAST_TASKS)]
        for name in names:
            held = open_arrays(space.path("pairs", name))
            low, high = (int(v) for v in held["starts"][number : number + 2])
            if high > low:
                found.append(held.cut("pairs", low, high))
                found_by.append(np.full(high - low, rule, np.uint8))
    rows = np.concatenate(found)
    left, right, pattern, weight, blind = (np.ascontiguousarray(column) for column in rows.T)
    return Scored(left, right, pattern, np.concatenate(found_by), weight.view(np.int32), blind.view(np.int32))


def match_partitions(work: str, rule: int, first: int, stop: int) -> dict[str, Any]:
    """Score the agency-register pairs that some partitions of a rule own, of records that are not settled."""
    space = Workspace.open(work)
    settled, scoring = None, scoring_of(space)
    if rule not in space.identifier_rules:  # nearly every pair that an identifier finds is kept
        settled, scoring = settled_bits(space), screening_of(space)
    found, counts = [], {"pairs": 0, "kept": 0}
    for partition in range(first, stop):
        blocks = read_blocks(space, rule, partition)
        if settled is not None:
            blocks = without(blocks, settled, space.layout["n_register"])
        scored, counted = match_blocks(
            space.coded,
            space.meaning,
            space.programme,
            space.blocking,
            rule,
            blocks,
            scoring,
            space.gathered,
        )
        found.append(scored)
        counts = {name: counts[name] + counted[name] for name in counts}
    save_scored(space, scored_name(rule, first), Scored.concatenate(found))
    return counts


def settled_bits(space: Workspace) -> np.ndarray | None:
    """Which agency records need no further candidates, a bit each (222 million: 28 MB), the lowest of a byte
    first; None where nobody says. Made once a process.
    """

    def load() -> np.ndarray | None:
        settled = space.settled
        if settled is None:
            return None
        n, first = space.layout["rows"], space.layout["n_register"]
        out = np.zeros((n - first + 7) // 8, np.uint8)
        step = 1 << 20
        for start in range(first, n, step):
            bits = np.packbits(settled[start : min(n, start + step)], bitorder="little")
            at = (start - first) // 8
            out[at : at + bits.shape[0]] = bits
        return out

    return space.fresh("settled bits", ("settled",), load)


def match_probe(work: str, rule: int, start: int) -> dict[str, Any]:
    """Score the probed pairs of one range that no ordinary rule owns."""
    space = Workspace.open(work)
    held = read_arrays(space.path("probe", f"{rule:02d}-{start:012d}.arrays"))
    scored, counts = match_pairs(
        space.coded,
        space.meaning,
        space.programme,
        space.blocking,
        rule,
        held["left"].astype(np.int64),
        held["right"].astype(np.int64),
        scoring_of(space),
        space.gathered,
    )
    save_scored(space, scored_name(rule, start), scored)
    return counts
