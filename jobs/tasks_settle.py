"""Tasks that settle the records that their identifier decides, but not where a rival comes near: a register
person so much like the one who settles that the record may be of either.

    alike/<start>.arrays         keys of a range by partition, with their rows: of all of a register range, of
                                 an agency range those of records that a pair with a slip may settle
    sharing/<partition>.arrays   pairs of rows with register rows that share a key, by group of ranges
    rivals/<group>.arrays        rivals of a group's rows, in order, and rows of crowds
    settled/<start>.arrays       which records of an agency range are settled
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.judgements import judged_records
from jobs.shuffle import partition_of, read_shuffled, write_shuffled
from jobs.store import read_arrays, write_arrays
from jobs.tasks_match import load_scored, scoring_of, weights_of
from jobs.tasks_train import read_model
from jobs.workspace import Workspace, slice_of
from kernels.partition import sort_by_key
from linkage.coded import Coded
from linkage.match import PAIRS, match_pairs
from linkage.model import STEP
from linkage.scored import Scored
from linkage.settle import (
    CLEAR,
    LOST,
    alike_keys,
    brought,
    listed,
    meeting,
    rehearsed,
    rivals_of,
    settled_records,
    several_communes,
    sharing,
)

#: Register ranges whose rivals are listed together: a file that several ranges read is opened once.
RANGES_TOGETHER = 4

#: Columns of which the keys are made; without all of them nobody has a rival.
KEYED = ("full_name", "birth_date")


def has_keys(space: Workspace) -> bool:
    """Whether keys can be made: some source brings each of their columns."""
    return all(column in space.coded.arrays for column in KEYED)


def key_rivals(work: str, start: int, stop: int) -> dict[str, Any]:
    """Keys of a register range, by partition."""
    space = Workspace.open(work)
    coded = slice_of(space.coded, start, stop, (*KEYED, "commune"))
    _write_keys(space, start, coded, np.arange(start, stop, dtype=np.uint32))
    return {"rows_in": stop - start}


def key_slips(work: str, start: int, stop: int) -> dict[str, Any]:
    """Keys of the records of an agency range that a pair with a slip may settle, by partition."""
    space = Workspace.open(work)
    scored = load_scored(space, start, space.identifier_rules)
    able = settling_pairs(space, scored, start, stop) & space.slipping[scored.pattern]
    rows = np.unique(scored.left[able])
    _write_keys(space, start, space.coded.take(rows.astype(np.int64), (*KEYED, "commune"), marks=False), rows)
    return {"rows_in": stop - start, "rows_out": int(rows.shape[0])}


def _write_keys(space: Workspace, start: int, coded: Coded, rows: np.ndarray) -> None:
    """Write the keys of rows, by partition."""
    bits = space.layout["bits"]
    made = alike_keys(coded, space.meaning)
    keys, rows = np.concatenate(made), np.tile(rows, len(made))
    some = keys != 0
    keys, rows = keys[some], rows[some]
    write_shuffled(
        space.range_file("alike", start), partition_of(keys, bits), 1 << bits, keys=keys, rows=rows
    )


def settling_pairs(space: Workspace, scored: Scored, start: int, stop: int) -> np.ndarray:
    """Pairs of an agency range that may settle their record, as far as the pair itself tells: bool[pairs].

    scored : all pairs that an identifier found
    """
    n_agency = space.layout["rows"] - space.layout["n_register"]
    barred = rehearsed(np.asarray(space.coded.order[start:stop]), n_agency)
    # Whom an answer is about, all of their candidates count.
    barred |= judged_records(space, start, stop)
    # The weight of a pair falls short of its pattern's where several records of an agency bring the number.
    able = space.settling[scored.pattern] & (weights_of(space).total[scored.pattern] - scored.weight <= LOST)
    able &= ~barred[scored.left.astype(np.int64) - start]
    slipped = np.flatnonzero(able & space.slipping[scored.pattern])
    if slipped.size:
        # What has slipped is believed only where the rest outweighs nobody at all as clearly as any rival.
        clear = scored.weight[slipped] >= np.log2(max(2, read_model(space).register)) * STEP + CLEAR
        lacks = space.slip_lacks
        rows = scored.left[slipped].astype(np.int64)
        records = space.coded.take(rows, [*{"commune", *lacks}], marks=False)
        clear &= ~several_communes(records, space.meaning) & has_keys(space)
        # What the person lacks but the record brings may be another's.
        for column in lacks.keys() & records.arrays.keys():
            clear &= ~(brought(records, space.meaning, column) & lacks[column][scored.pattern[slipped]])
        able[slipped[~clear]] = False
    return able


def _register_groups(space: Workspace) -> int:
    """How many groups of register ranges there are, which stand before those of agency ranges."""
    return -(-len(space.ranges(register=True)) // RANGES_TOGETHER)


def rival_groups(space: Workspace) -> int:
    """How many groups of :data:`RANGES_TOGETHER` ranges have rivals: of register ranges, and then of agency
    ranges if a pair with a slip may settle.
    """
    agencies = len(space.ranges(register=False)) if space.slipping.any() else 0
    return _register_groups(space) + -(-agencies // RANGES_TOGETHER)


def find_rivals(work: str, partition: int) -> dict[str, Any]:
    """Pairs of rows that share a key of one partition, by the group of either; a row of a crowd is paired
    with itself.
    """
    space = Workspace.open(work)
    keys, register = _keyed(space, partition, register=True)
    left, right, crowded = sharing(keys, register)
    rows = np.concatenate([left, right, crowded])
    rivals = np.concatenate([right, left, crowded])
    groups = space.range_of(rows, register=True) // np.uint16(RANGES_TOGETHER)
    if space.slipping.any():
        records, others, many = meeting(keys, register, *_keyed(space, partition, register=False))
        records, others = np.concatenate([records, many]), np.concatenate([others, many])
        group = space.range_of(records, register=False) // np.uint16(RANGES_TOGETHER)
        groups = np.concatenate([groups, group + np.uint16(_register_groups(space))])
        rows, rivals = np.concatenate([rows, records]), np.concatenate([rivals, others])
    write_shuffled(
        space.path("sharing", f"{partition:05d}.arrays"),
        groups,
        rival_groups(space),
        rows=rows,
        rivals=rivals,
    )
    return {"rows_in": int(register.shape[0]), "rows_out": int(rows.shape[0])}


def _keyed(space: Workspace, partition: int, *, register: bool) -> tuple[np.ndarray, np.ndarray]:
    """The keys of a partition in order, and their rows, of the register or of the agencies."""
    files = [space.range_file("alike", start) for start, _ in space.ranges(register=register)]
    held = read_shuffled(files, partition, ("keys", "rows"))
    keys, rows = np.array(held["keys"]), np.array(held["rows"])
    # In a fifth of the time of a comparison sort; and what is sorted already is looked up in a third.
    sort_by_key(keys, rows)
    return keys, rows


def list_rivals(work: str, group: int) -> dict[str, Any]:
    """The rivals of a group's rows, each once, in order."""
    space = Workspace.open(work)
    files = [space.path("sharing", f"{p:05d}.arrays") for p in range(1 << space.layout["bits"])]
    held = read_shuffled(files, group, ("rows", "rivals"))
    pairs = np.unique(held["rows"].astype(np.uint64) << np.uint64(32) | held["rivals"])
    rows, rivals = (pairs >> np.uint64(32)).astype(np.uint32), pairs.astype(np.uint32)
    own = rows == rivals
    write_arrays(
        space.path("rivals", f"{group:05d}.arrays"), rows=rows[~own], rivals=rivals[~own], crowded=rows[own]
    )
    return {"rows_in": int(held["rows"].shape[0]), "rows_out": int(rows.shape[0])}


def pairs_with_rivals(
    space: Workspace, left: np.ndarray, right: np.ndarray, slipped: np.ndarray
) -> tuple[Scored, np.ndarray]:
    """The scored pairs of records with the rivals of their persons, and with their own where the pair has
    slipped; and which of the pairs given are with one of a crowd: bool[n].

    left, right : uint32[n], agency rows of one range and register rows;  slipped : bool[n]
    """
    order = np.argsort(right, kind="stable")
    ordered = right[order]
    records, others = [left[:0]], [right[:0]]
    crowded = np.zeros(right.shape[0], bool)
    step = RANGES_TOGETHER * space.layout["range_rows"]
    for group in range(_register_groups(space)) if has_keys(space) else ():
        low, high = np.searchsorted(ordered, [group * step, (group + 1) * step])
        if low == high:
            continue
        held = _rivals(space, group)
        places, rivals = rivals_of(ordered[low:high], held["rows"], held["rivals"])
        records.append(left[order[low + places]])
        others.append(rivals)
        crowded[order[low:high]] = listed(ordered[low:high], held["crowded"])
    own = np.flatnonzero(slipped)
    if own.size:
        number = int(space.range_of(left[own[:1]], register=False)[0])
        held = _rivals(space, _register_groups(space) + number // RANGES_TOGETHER)
        places, rivals = rivals_of(left[own], held["rows"], held["rivals"])
        another = rivals != right[own[places]]
        records.append(left[own[places[another]]])
        others.append(rivals[another])
        crowded[own] |= listed(left[own], held["crowded"])
    return _scored_pairs(space, np.concatenate(records), np.concatenate(others)), crowded


def _rivals(space: Workspace, group: int) -> dict[str, np.ndarray]:
    return read_arrays(space.path("rivals", f"{group:05d}.arrays"))


def _scored_pairs(space: Workspace, records: np.ndarray, others: np.ndarray) -> Scored:
    """The scored pairs of records with register rows, each once."""
    pairs = np.unique(records.astype(np.uint64) << np.uint64(32) | others)
    own, other = (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
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
    return Scored.concatenate(scored)


def settle_range(work: str, start: int, stop: int) -> dict[str, Any]:
    """Settle the records of an agency range whose identifier decides them."""
    space = Workspace.open(work)
    scored = load_scored(space, start, space.identifier_rules)
    able = settling_pairs(space, scored, start, stop)
    good = np.flatnonzero(able)
    slipped = space.slipping[scored.pattern[good]]
    rivals, crowded = pairs_with_rivals(space, scored.left[good], scored.right[good], slipped)
    able[good[crowded]] = False
    barred = np.append(~able, np.zeros(rivals.left.shape[0], bool))
    settled = settled_records(Scored.concatenate([scored, rivals]), space.settling, start, stop, barred)
    write_arrays(space.range_file("settled", start), settled=settled.astype(np.uint8))
    return {"settled": int(settled.sum()), "pairs": int(rivals.left.shape[0]), "rows_in": stop - start}


def settled_range(space: Workspace, start: int, stop: int) -> np.ndarray:
    """Which records of an agency range are settled: bool[n]; none of a run that settles nobody."""
    if not (space.work / "settled").is_dir():
        return np.zeros(stop - start, bool)
    return read_arrays(space.range_file("settled", start))["settled"] == 1
