"""Tasks that settle the records that their identifier decides, but not where a rival comes near: a register
person so much like the one who settles that the record may be of either.

    alike/<start>.arrays         keys of a register range by partition, with their rows
    sharing/<partition>.arrays   pairs of rows that share a key, either way round, by group of register ranges
                                 (a stretch of partitions, by its first)
    rivals/<group>.arrays        rivals of a group's rows, in order, and rows of crowds
    settled/<start>.arrays       which records of an agency range are settled
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.judgements import judged_records
from jobs.shuffle import partition_of, read_shuffled, write_shuffled
from jobs.store import open_arrays, read_arrays, write_arrays
from jobs.tasks_match import LEAST_TASKS, load_scored, scoring_of, weights_of
from jobs.workspace import Workspace, slice_of
from kernels.partition import sort_by_key
from linkage.match import PAIRS, match_pairs
from linkage.scored import Scored
from linkage.settle import (
    LOST,
    alike_keys,
    distinct,
    listed,
    rehearsed,
    rivals_of,
    sample_share,
    settled_records,
    sharing,
)

#: Register ranges whose rivals are listed together: a file that several ranges read is opened once.
RANGES_TOGETHER = 4

#: Columns of which the keys are made; without all of them nobody has a rival.
KEYED = ("full_name", "birth_date")


def has_keys(space: Workspace) -> bool:
    """Whether keys can be made: some source brings each of their columns."""
    return all(column in space.coded.arrays for column in KEYED)


def wants_rivals(space: Workspace) -> bool:
    """Whether records are settled, so that rivals of register persons are looked for."""
    settling = bool(space.identifier_rules) and bool(space.settling.any()) and has_keys(space)
    return settling and sample_share(space.layout["rows"] - space.layout["n_register"]) < 1.0


def key_rivals(work: str, start: int, stop: int) -> dict[str, Any]:
    """Keys of a register range, by partition."""
    space = Workspace.open(work)
    bits = space.layout["bits"]
    coded = slice_of(space.coded, start, stop, (*KEYED, "commune"))
    made = alike_keys(coded, space.meaning)
    rows = np.tile(np.arange(start, stop, dtype=np.uint32), len(made))
    keys = np.concatenate(made)
    some = keys != 0
    keys, rows = keys[some], rows[some]
    write_shuffled(
        space.range_file("alike", start), partition_of(keys, bits), 1 << bits, keys=keys, rows=rows
    )
    return {"rows_in": stop - start}


def rival_groups(space: Workspace) -> int:
    """How many groups of :data:`RANGES_TOGETHER` register ranges there are."""
    return -(-len(space.ranges(register=True)) // RANGES_TOGETHER)


def rival_stretches(space: Workspace) -> list[range]:
    """Partitions in stretches in which rivals are found: a task each, whose file every group opens."""
    return space.stretches(LEAST_TASKS)


def find_rivals(work: str, first: int, stop: int) -> dict[str, Any]:
    """Pairs of rows that share a key of some partitions, by the group of either; a row of a crowd is paired
    with itself.
    """
    space = Workspace.open(work)
    files = [open_arrays(space.range_file("alike", start)) for start, _ in space.ranges(register=True)]
    found: list[tuple[np.ndarray, np.ndarray]] = []
    rows_in = 0
    for partition in range(first, stop):
        held = read_shuffled(files, partition, ("keys", "rows"))
        keys, own = np.array(held["keys"]), np.array(held["rows"])
        sort_by_key(keys, own)  # a fifth of a comparison sort's time; what is sorted is sorted again at once
        left, right, crowded = sharing(keys, own)
        found += [(left, right), (right, left), (crowded, crowded)]
        rows_in += keys.shape[0]
    rows, rivals = (np.concatenate(side) for side in zip(*found, strict=True))
    write_shuffled(
        space.path("sharing", f"{first:05d}.arrays"),
        space.range_of(rows, register=True) // np.uint16(RANGES_TOGETHER),
        rival_groups(space),
        rows=rows,
        rivals=rivals,
    )
    return {"rows_in": rows_in, "rows_out": int(rows.shape[0])}


def list_rivals(work: str, group: int) -> dict[str, Any]:
    """The rivals of a group's rows, each once, in order."""
    space = Workspace.open(work)
    files = [space.path("sharing", f"{some.start:05d}.arrays") for some in rival_stretches(space)]
    held = read_shuffled(files, group, ("rows", "rivals"))
    pairs = distinct(held["rows"].astype(np.uint64) << np.uint64(32) | held["rivals"])
    rows, rivals = (pairs >> np.uint64(32)).astype(np.uint32), pairs.astype(np.uint32)
    own = rows == rivals
    write_arrays(
        space.path("rivals", f"{group:05d}.arrays"), rows=rows[~own], rivals=rivals[~own], crowded=rows[own]
    )
    return {"rows_in": int(held["rows"].shape[0]), "rows_out": int(rows.shape[0])}


def pairs_with_rivals(space: Workspace, left: np.ndarray, right: np.ndarray) -> tuple[Scored, np.ndarray]:
    """The scored pairs of records with the rivals of their persons, and which of the pairs given are with one
    of a crowd: bool[n].

    left, right : uint32[n], agency and register rows
    """
    order = np.argsort(right, kind="stable")
    ordered = right[order]
    records, others = [left[:0]], [right[:0]]
    crowded = np.zeros(right.shape[0], bool)
    step = RANGES_TOGETHER * space.layout["range_rows"]
    for group in range(rival_groups(space)) if has_keys(space) else ():
        low, high = np.searchsorted(ordered, [group * step, (group + 1) * step])
        if low == high:
            continue
        held = read_arrays(space.path("rivals", f"{group:05d}.arrays"))
        places, rivals = rivals_of(ordered[low:high], held["rows"], held["rivals"])
        records.append(left[order[low + places]])
        others.append(rivals)
        crowded[order[low:high]] = listed(ordered[low:high], held["crowded"])
    own, other = (np.concatenate(rows).astype(np.int64) for rows in (records, others))
    scored = [
        match_pairs(
            space.coded,
            space.meaning,
            space.programme,
            space.blocking.none(),
            0,
            own[at : at + PAIRS],
            other[at : at + PAIRS],
            scoring_of(space),
            space.gathered,
            owned=False,
            keep_all=True,
        )[0]
        for at in range(0, own.shape[0], PAIRS)
    ]
    return Scored.concatenate(scored), crowded


def settle_range(work: str, start: int, stop: int) -> dict[str, Any]:
    """Settle the records of an agency range whose identifier decides them."""
    space = Workspace.open(work)
    n_agency = space.layout["rows"] - space.layout["n_register"]
    sample = rehearsed(np.asarray(space.coded.order[start:stop]), n_agency)
    scored = load_scored(space, start, space.identifier_rules)
    # Whom an answer is about, all of their candidates count.
    sample |= judged_records(space, start, stop)
    # The weight of a pair falls short of its pattern's where several records of an agency bring the number.
    barred = weights_of(space).total[scored.pattern] - scored.weight > LOST
    good = np.flatnonzero(
        space.settling[scored.pattern] & ~barred & ~sample[scored.left.astype(np.int64) - start]
    )
    rivals, crowded = pairs_with_rivals(space, scored.left[good], scored.right[good])
    barred[good[crowded]] = True
    barred = np.append(barred, np.zeros(rivals.left.shape[0], bool))
    settled = settled_records(
        Scored.concatenate([scored, rivals]), space.settling, start, stop, sample, barred
    )
    write_arrays(space.range_file("settled", start), settled=settled.astype(np.uint8))
    return {"settled": int(settled.sum()), "pairs": int(rivals.left.shape[0]), "rows_in": stop - start}


def settled_range(space: Workspace, start: int, stop: int) -> np.ndarray:
    """Which records of an agency range are settled: bool[n]; none of a run that settles nobody."""
    if not (space.work / "settled").is_dir():
        return np.zeros(stop - start, bool)
    return read_arrays(space.range_file("settled", start))["settled"] == 1
