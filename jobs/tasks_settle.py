"""Tasks that settle the records that their identifier decides, but not onto rivals: register persons so much
alike that a record may be of either.

    alike/<start>.arrays         keys of a register range by partition, with their rows
    rivals/<partition>.arrays    rows of such persons, in order
    settled/<start>.arrays       which records of an agency range are settled
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.judgements import judged_records
from jobs.shuffle import partition_of, read_shuffled, write_shuffled
from jobs.store import open_arrays, read_arrays, write_arrays
from jobs.tasks_match import load_scored, scoring_of, weights_of
from jobs.tasks_train import read_model
from jobs.workspace import Workspace, slice_of
from linkage.match import PAIRS, match_pairs
from linkage.settle import (
    Doubling,
    doubling_patterns,
    listed,
    namesake_keys,
    rehearsed,
    rivals_among,
    settled_records,
    sharing,
    twin_keys,
)

#: Columns of which the keys are made; without all of them nobody has a rival.
KEYED = ("full_name", "birth_date")


def has_keys(space: Workspace) -> bool:
    """Whether keys can be made: some source brings each of their columns."""
    return all(column in space.coded.arrays for column in KEYED)


def key_rivals(work: str, start: int, stop: int) -> dict[str, Any]:
    """Keys of a register range, by partition."""
    space = Workspace.open(work)
    bits = space.layout["bits"]
    coded = slice_of(space.coded, start, stop, (*KEYED, "commune"))
    # The last bit of a key tells its kind.
    made = [namesake_keys(coded, space.meaning) & ~np.uint64(1)]
    if "commune" in coded.arrays:
        keys = twin_keys(coded, space.meaning)
        made.append(np.where(keys != 0, keys | np.uint64(1), np.uint64(0)))
    rows = np.tile(np.arange(start, stop, dtype=np.uint32), len(made))
    keys = np.concatenate(made)
    some = keys != 0
    keys, rows = keys[some], rows[some]
    write_shuffled(
        space.range_file("alike", start), partition_of(keys, bits), 1 << bits, keys=keys, rows=rows
    )
    return {"rows_in": stop - start}


def find_rivals(work: str, partition: int) -> dict[str, Any]:
    """The rivals among those who share a key of one partition: each pair is compared either way round."""
    space = Workspace.open(work)
    files = [space.range_file("alike", start) for start, _ in space.ranges(register=True)]
    held = read_shuffled(files, partition, ("keys", "rows"))
    found, pairs = [np.zeros(0, np.uint32)], 0
    for twins in (False, True):
        some = held["keys"] & np.uint64(1) == np.uint64(twins)
        left, right, crowded = sharing(held["keys"][some], held["rows"][some])
        found.append(crowded)
        pairs += left.shape[0]
        for at in range(0, left.shape[0], PAIRS):
            one, other = left[at : at + PAIRS], right[at : at + PAIRS]
            both = np.concatenate([one, other]), np.concatenate([other, one])
            found.append(_alike(space, _doubling(space, twins), *both))
    rows = np.unique(np.concatenate(found)).astype(np.uint32)
    write_arrays(space.path("rivals", f"{partition:05d}.arrays"), rows=rows)
    return {"rows_in": int(held["rows"].shape[0]), "pairs": pairs, "rivals": int(rows.shape[0])}


def _doubling(space: Workspace, twins: bool) -> Doubling:
    """See :func:`linkage.settle.doubling_patterns`; made once a process."""
    return space.fresh(
        f"doubling {twins}",
        ("model.json",),
        lambda: doubling_patterns(space.programme, read_model(space), space.settling_levels, twins=twins),
    )


def _alike(space: Workspace, doubling: Doubling, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Rows of the register's pairs that have a rival."""
    scored, _ = match_pairs(
        space.coded,
        space.meaning,
        space.programme,
        space.blocking.none(),
        0,
        left.astype(np.int64),
        right.astype(np.int64),
        scoring_of(space),
        space.gathered,
        owned=False,
        keep_all=True,
    )
    return rivals_among(doubling, scored, space.coded, space.meaning)


def rivals_of(space: Workspace) -> np.ndarray:
    """Rows of all rivals, uint32 in order; four bytes for each of the few. Made once a process."""

    def load() -> np.ndarray:
        held = [open_arrays(path)["rows"] for path in sorted((space.work / "rivals").glob("*.arrays"))]
        return np.sort(np.concatenate([np.zeros(0, np.uint32), *held]))

    return space.fresh("rivals", ("rivals",), load)


def settle_range(work: str, start: int, stop: int) -> dict[str, Any]:
    """Settle the records of an agency range whose identifier decides them."""
    space = Workspace.open(work)
    n_agency = space.layout["rows"] - space.layout["n_register"]
    sample = rehearsed(np.asarray(space.coded.order[start:stop]), n_agency)
    scored = load_scored(space, start, space.identifier_rules)
    # Whom an answer is about, all of their candidates count.
    sample |= judged_records(space, start, stop)
    # The weight of a pair falls short of its pattern's where several records of an agency bring the number.
    barred = scored.weight < weights_of(space).total[scored.pattern]
    barred |= listed(scored.right, rivals_of(space))
    settled = settled_records(scored, space.settling, start, stop, sample, barred)
    write_arrays(space.range_file("settled", start), settled=settled.astype(np.uint8))
    return {"settled": int(settled.sum()), "rows_in": stop - start}


def settled_range(space: Workspace, start: int, stop: int) -> np.ndarray:
    """Which records of an agency range are settled: bool[n]."""
    path = space.range_file("settled", start)
    return read_arrays(path)["settled"] == 1 if path.exists() else np.zeros(stop - start, bool)
