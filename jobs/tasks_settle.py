"""Tasks that settle the records that their identifier decides, but not where a rival comes near: a candidate
that some rule brings, and whose pair with the record may weigh about as much as the one that settles.

    outlines/<start>.arrays         outlines of a range's records; beside an agency's, what a rival's pair
                                    must exceed
    owners/<start>.arrays, all      whom the records of an agency range, or all, are settled onto if at all
    rivals/<rule>-<first>.arrays    records with their rivals, by range, of a stretch of a rule's partitions
    settled/<start>.arrays          which records of an agency range are settled
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.coded_parts import outline_columns
from jobs.judgements import judged_records
from jobs.shuffle import read_shuffled, write_shuffled
from jobs.store import join_arrays, read_arrays, write_arrays
from jobs.tasks_block import read_blocks
from jobs.tasks_match import LEAST_TASKS, load_scored, scoring_of
from jobs.tasks_train import read_model
from jobs.workspace import Workspace, slice_of
from kernels.outlines import NOBODY
from linkage.bounds import Bounds, bounds_of
from linkage.match import PAIRS, match_pairs
from linkage.rules import base_keys
from linkage.scored import Scored
from linkage.settle import (
    Proposed,
    contested,
    proposed_records,
    rehearsed,
    rivals_in,
    sample_share,
    settled_records,
)


def settles(space: Workspace) -> bool:
    """Whether records can be settled: identifiers are looked at first, and not all records are rehearsed."""
    settling = bool(space.identifier_rules) and bool(space.settling.any())
    return settling and sample_share(space.layout["rows"] - space.layout["n_register"]) < 1.0


def rival_rules(space: Workspace) -> list[int]:
    """The rules whose blocks are searched for rivals: those that find candidates without an identifier."""
    rules = enumerate(space.rules)
    return [i for i, r in rules if i not in space.identifier_rules and not r.near and not r.relatives]


def bounds(space: Workspace) -> Bounds:
    """Bounds of weights by the run's model; made once a process."""

    def found() -> list[str]:
        """Columns that a rule brings together by themselves, earlier identifiers included."""
        parts = [space.rules[i].on[0] for i in space.identifier_rules if len(space.rules[i].on) == 1]
        aliases = [p.column for p in parts if f"{p.column}.alias" in space.coded.arrays]
        return [p.column for p in parts if p.form == "any" or (not p.form and p.column not in aliases)]

    def load() -> Bounds:
        weights = scoring_of(space).weights
        return bounds_of(space.programme, weights, space.meaning.kinds, found())

    return space.fresh("bounds", ("model.json",), load)


def outline_range(work: str, start: int, stop: int) -> dict[str, Any]:
    """Outlines of a range of the register."""
    space = Workspace.open(work)
    write_arrays(space.range_file("outlines", start), words=_outlines(space, start, stop))
    return {"rows_in": stop - start}


def _outlines(space: Workspace, start: int, stop: int) -> np.ndarray:
    own = bounds(space)
    return own.outlines(slice_of(space.coded, start, stop, (*own.columns, "frequency")), space.meaning)


def propose_range(work: str, start: int, stop: int) -> dict[str, Any]:
    """Propose the records of an agency range that one pair settles, if they have no rivals, with outlines."""
    space = Workspace.open(work)
    n_agency = space.layout["rows"] - space.layout["n_register"]
    left_out = rehearsed(np.asarray(space.coded.order[start:stop]), n_agency)
    # Whom an answer is about, all of their candidates count.
    left_out |= judged_records(space, start, stop) | _without_blocks(space, start, stop)
    proposed = proposed_records(
        load_scored(space, start, space.identifier_rules),
        space.settling,
        start,
        stop,
        left_out,
        read_model(space).register,
    )
    words = _outlines(space, start, stop)
    write_arrays(space.range_file("outlines", start), words=words, least=proposed.least)
    write_arrays(space.range_file("owners", start), own=proposed.own)
    return {"rows_in": stop - start, "rows_out": int(proposed.records.sum())}


def join_owners(work: str) -> dict[str, Any]:
    """The register rows that proposed records are settled onto, of all agencies, as one file."""
    space = Workspace.open(work)
    parts = [space.range_file("owners", start) for start, _ in space.ranges(register=False)]
    join_arrays(space.path("owners", "all.arrays"), parts)
    return {}


def _without_blocks(space: Workspace, start: int, stop: int) -> np.ndarray:
    """Records with an identifier that so many bear that its block was given up: bool[n]. Who else bears it is
    not known.
    """
    out = np.zeros(stop - start, bool)
    for rule in space.identifier_rules:
        hot = space.blocking.hot[rule]
        if hot.size:
            columns = [name for c in space.rules[rule].columns for name in (c, f"{c}.alias")]
            coded = slice_of(space.coded, start, stop, columns)
            keys = base_keys(coded, space.meaning, space.rules[rule], space.key_secret)
            out |= np.isin(keys, hot).any(axis=1)
    return out


def find_rivals(work: str, rule: int, first: int, stop: int) -> dict[str, Any]:
    """Pairs of proposed records with their rivals in some partitions of a rule."""
    space = Workspace.open(work)
    n_register = space.layout["n_register"]
    columns = space.fresh("outlines", ("outlines",), lambda: outline_columns(space))
    own = space.fresh("owners", ("owners",), lambda: read_arrays(space.path("owners", "all.arrays"))["own"])
    left, right = [np.zeros(0, np.uint32)], [np.zeros(0, np.uint32)]

    def outlines(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        persons = np.full(rows.shape[0], NOBODY)
        agency = rows >= n_register
        persons[agency] = own[rows[agency] - n_register]
        return columns["words"].take(rows), columns["least"].take(rows), persons

    members = 0
    for partition in range(first, stop):
        blocks = read_blocks(space, rule, partition)
        members += int(blocks.members.shape[0])
        blocks = contested(blocks, own, n_register)
        for records, rivals in rivals_in(blocks, outlines, bounds(space)):
            left.append(records)
            right.append(rivals)
    found = np.concatenate(left)
    write_shuffled(
        space.path("rivals", f"{rule:02d}-{first:05d}.arrays"),
        space.range_of(found, register=False),
        len(space.ranges(register=False)),
        left=found,
        right=np.concatenate(right),
    )
    return {"rows_in": members, "rows_out": int(found.shape[0])}


def _rivals(space: Workspace, start: int, proposed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of a range's proposed records with their rivals, each once: two arrays of global rows."""
    number = [a for a, _ in space.ranges(register=False)].index(start)
    files = [
        space.path("rivals", f"{rule:02d}-{some.start:05d}.arrays")
        for rule in rival_rules(space)
        for some in space.stretches(LEAST_TASKS)
    ]
    found = read_shuffled(files, number, ("left", "right"))
    left, right = [found["left"]], [found["right"]]
    for rule in (i for i, r in enumerate(space.rules) if r.near):
        probed = read_arrays(space.path("probe", f"{rule:02d}-{start:012d}.arrays"))
        mine = proposed[probed["left"].astype(np.int64) - start]
        left.append(probed["left"][mine])
        right.append(probed["right"][mine])
    both = np.unique(np.concatenate(left).astype(np.uint64) << np.uint64(32) | np.concatenate(right))
    return (both >> np.uint64(32)).astype(np.int64), (both & np.uint64(0xFFFFFFFF)).astype(np.int64)


def settle_range(work: str, start: int, stop: int) -> dict[str, Any]:
    """Settle the proposed records of an agency range that outweigh all of their rivals."""
    space = Workspace.open(work)
    own = read_arrays(space.range_file("owners", start))["own"]
    proposed = Proposed(own != NOBODY, read_arrays(space.range_file("outlines", start))["least"], own)
    left, right = _rivals(space, start, proposed.records)
    rivals = [
        match_pairs(
            space.coded,
            space.meaning,
            space.programme,
            space.blocking.none(),
            0,
            left[at : at + PAIRS],
            right[at : at + PAIRS],
            scoring_of(space),
            space.gathered,
            owned=False,
            keep_all=True,
        )[0]
        for at in range(0, left.shape[0], PAIRS)
    ]
    settled = settled_records(proposed, Scored.concatenate(rivals), start)
    write_arrays(space.range_file("settled", start), settled=settled.astype(np.uint8))
    return {"settled": int(settled.sum()), "pairs": int(left.shape[0]), "rows_in": stop - start}


def settled_range(space: Workspace, start: int, stop: int) -> np.ndarray:
    """Which records of an agency range are settled: bool[n]; none of a run that settles nobody."""
    if not (space.work / "settled").is_dir():
        return np.zeros(stop - start, bool)
    return read_arrays(space.range_file("settled", start))["settled"] == 1
