"""Tasks that score candidate pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.tasks import read_blocks
from jobs.tasks_train import read_model
from jobs.workspace import Workspace, read_arrays, write_arrays
from linkage.match import Scoring, floor_of, match_blocks, match_pairs
from linkage.model import Weights, weigh
from linkage.scored import Scored


def scoring_of(space: Workspace) -> Scoring:
    """Weight tables and floor of the run's model; made once a process."""

    def load() -> Scoring:
        model = read_model(space)
        return Scoring(weigh(model, space.programme), floor_of(model.register))

    return space.fresh("scoring", ("model.json",), load)


def save_scored(space: Workspace, name: str, scored: Scored) -> None:
    """Write scored pairs."""
    write_arrays(space.path("pairs", name), **{f: getattr(scored, f) for f in Scored.__dataclass_fields__})


def load_scored(space: Workspace) -> Scored:
    """All scored pairs of the run."""
    parts = [read_arrays(p) for p in sorted((space.work / "pairs").glob("*.npz"))]
    return Scored.concatenate([Scored(**p) for p in parts])


def weights_of(space: Workspace) -> Weights:
    """The weight tables."""
    return scoring_of(space).weights


def match_partition(work: str, rule: int, partition: int) -> dict[str, Any]:
    """Score the agency-register pairs that one partition of a rule owns."""
    space = Workspace.open(work)
    blocks = read_blocks(space, rule, partition)
    scored, counts = match_blocks(
        space.coded,
        space.meaning,
        space.programme,
        space.blocking,
        rule,
        blocks,
        scoring_of(space),
        space.gathered,
    )
    save_scored(space, f"{rule:02d}-{partition:05d}.npz", scored)
    return counts


def match_probe(work: str, rule: int, start: int) -> dict[str, Any]:
    """Score the probed pairs of one range that no ordinary rule owns."""
    space = Workspace.open(work)
    held = read_arrays(space.path("probe", f"{rule:02d}-{start:012d}.npz"))
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
    save_scored(space, f"{rule:02d}-{start:012d}.npz", scored)
    return counts
