"""Confirmed judgements of a run: read once, asked for by range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jobs.constraints import Records, read_constraints
from jobs.store import read_arrays, write_arrays, write_table
from jobs.workspace import Workspace
from linkage.scored import Scored


def read_judgements(work: str) -> dict[str, Any]:
    """Read the project's answers, find the records they name, and write those that are refused."""
    space = Workspace.open(work)
    loaded = space.loaded

    def records() -> Iterator[Records]:
        for source, _, start, rows in space.layout["parts"]:
            yield start, space.sources[source].name, space.ids[start : start + rows]

    judged = read_constraints(
        [f.path for f in loaded.must_link],
        [f.path for f in loaded.cannot_link],
        records,
        space.layout["n_register"],
    )
    write_table(space.path("decided", "answers_refused.arrow"), judged.refused)
    write_arrays(space.path("decided", "judgements.arrays"), must=judged.must, cannot=judged.cannot)
    return judged.counts()


def forced_persons(space: Workspace, start: int, stop: int) -> np.ndarray:
    """Register row that each record of an agency range must be, int64[n]; -1 where nobody said."""
    must = read_arrays(space.path("decided", "judgements.arrays"))["must"]
    out = np.full(stop - start, -1, np.int64)
    own = must[(must[:, 0] >= start) & (must[:, 0] < stop)]
    out[own[:, 0] - start] = own[:, 1]
    return out


def forbidden_pairs(space: Workspace, scored: Scored) -> np.ndarray:
    """Which pairs must not be one person: bool[pairs]."""
    cannot = read_arrays(space.path("decided", "judgements.arrays"))["cannot"]
    if not cannot.size:
        return np.zeros(scored.left.shape[0], bool)
    first = space.layout["n_register"]
    banned = cannot[:, 0] * first + cannot[:, 1]
    return np.isin(scored.left.astype(np.int64) * first + scored.right.astype(np.int64), banned)


def judged_records(space: Workspace, start: int, stop: int) -> np.ndarray:
    """Which records of an agency range some answer is about: bool[n]."""
    held = read_arrays(space.path("decided", "judgements.arrays"))
    rows = np.concatenate([held["must"][:, 0], held["cannot"][:, 0]])
    out = np.zeros(stop - start, bool)
    out[rows[(rows >= start) & (rows < stop)] - start] = True
    return out
