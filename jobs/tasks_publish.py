"""Tasks that gather what is published, range by range, into the pieces of the order of artefacts.

What is known of a record is written under the piece (:data:`jobs.ordering.CHUNK_ROWS` records of the order)
that it is published in; :mod:`jobs.tasks_artefacts` makes the artefacts, piece by piece.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jobs import ordering
from jobs.ordering import ranks
from jobs.shuffle import write_shuffled
from jobs.store import open_arrays, write_arrays
from jobs.tasks_decide import load_decided
from jobs.tasks_match import scoring_of
from jobs.workspace import Workspace
from linkage.scored import Scored

#: Best pairs of a record that are published.
PAIRS_KEPT = 5

#: Stands for no row.
NOBODY = np.uint32(0xFFFFFFFF)

#: Stands for no rule.
NO_RULE = 255

#: Lower ends of the bands of surnames: their share of the register; a rarer one is of the last band.
_BAND_SHARES = (0.05, 0.005)


def gathered_file(space: Workspace, what: str, start: int) -> Path:
    """What is gathered of a range: ``records``, ``pairs``, ``edges``, ``repairs`` or ``queries``."""
    return space.path("publish", f"{what}-{start:012d}.arrays")


def chunks_of(space: Workspace) -> int:
    """Pieces of the order of artefacts."""
    return max(1, -(-int(space.layout["rows"]) // ordering.CHUNK_ROWS))


def chunk_places(space: Workspace, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Piece of the order that each row of a range is of, uint16[n], and its place there, uint32[n]."""
    rank = ranks(space, start, stop)
    return (rank // ordering.CHUNK_ROWS).astype(np.uint16), (rank % ordering.CHUNK_ROWS).astype(np.uint32)


def resolved(space: Workspace) -> dict[str, np.ndarray]:
    """Groups, their edges, duplicates and anchors, as resolution left them."""
    return dict(open_arrays(space.path("resolved", "resolved.arrays")))


def count_surnames(work: str, start: int, stop: int) -> dict[str, Any]:
    """Count the surnames of a range of the register, by their form without marks."""
    space = Workspace.open(work)
    counts = np.bincount(_surnames(space, start, stop))
    names = np.flatnonzero(counts)
    write_arrays(gathered_file(space, "surnames", start), names=names.astype(np.uint32), counts=counts[names])
    return {"rows_in": stop - start}


def _surnames(space: Workspace, start: int, stop: int) -> np.ndarray:
    forms = np.asarray(space.meaning.tokens.forms.ascii)
    return forms[np.asarray(space.coded.arrays["full_name"][start:stop])[:, 0]]


def _bands(space: Workspace, start: int, stop: int) -> np.ndarray:
    """How common the surname of each record of a range is in the register: 0 to 2, -1 for none."""
    if "full_name" not in space.coded.arrays:
        return np.full(stop - start, -1, np.int8)

    def load() -> np.ndarray:
        held = [open_arrays(gathered_file(space, "surnames", a)) for a, _ in space.ranges(register=True)]
        counts = np.zeros(int(np.max(space.meaning.tokens.forms.ascii, initial=0)) + 1, np.int64)
        for one in held:
            counts[one["names"]] += one["counts"]
        share = counts / max(1, space.layout["n_register"])
        common, middle = _BAND_SHARES
        bands = np.where(share >= common, 0, np.where(share >= middle, 1, 2)).astype(np.int8)
        bands[0] = -1
        return bands

    # Made once a process, by surname: the files are all there before the first range is gathered.
    of_surname: np.ndarray = space.fresh("surnames", ("order/index.arrays",), load)
    return of_surname[_surnames(space, start, stop)]


def gather_range(work: str, start: int, stop: int) -> dict[str, Any]:
    """Gather the decisions, pairs and edges of a range of agency records."""
    space = Workspace.open(work)
    decided, state = load_decided(space, start, stop)
    chunk, place = chunk_places(space, start, stop)
    coded, chunks = space.coded, chunks_of(space)

    def column(name: str) -> np.ndarray:
        if name not in coded.arrays:
            return np.zeros(stop - start, np.int32)
        return np.asarray(coded.arrays[name][start:stop])

    scored = decided.scored
    has = decided.pair >= 0
    at = np.where(has, decided.pair, 0)
    if scored.left.shape[0] == 0:
        rule, pattern = np.full(stop - start, NO_RULE, np.uint8), np.zeros(stop - start, np.uint32)
    else:
        rule = np.where(has, scored.rule[at], NO_RULE).astype(np.uint8)
        pattern = np.where(has, scored.pattern[at], 0).astype(np.uint32)
    birth = column("birth_date")
    decade = np.where(birth > 0, (birth >> 9) // 10 * 10, -1).astype(np.int16)
    write_shuffled(
        gathered_file(space, "records", start),
        chunk,
        chunks,
        place=place,
        decision=decided.decision,
        person=_row(decided.person),
        runner_up=_row(decided.runner_up),
        weight=decided.weight,
        margin=decided.margin,
        probability=decided.probability,
        p_link=decided.p_link,
        rule=rule,
        pattern=pattern,
        reasons=decided.reasons,
        usable=(state != 0).astype(np.uint8),
        anchor=_anchors(space, start, stop),
        sex=column("sex").astype(np.uint8),
        decade=decade,
        band=_bands(space, start, stop),
    )
    chosen = _published(space, scored)
    record = scored.left[chosen].astype(np.int64) - start
    write_shuffled(
        gathered_file(space, "pairs", start),
        chunk[record],
        chunks,
        place=place[record],
        right=scored.right[chosen],
        rule=scored.rule[chosen],
        pattern=scored.pattern[chosen],
        weight=scored.weight[chosen],
    )
    edges = _resolved_rows(space, "edge_left", start, stop, ("edge_right", "edge_kept"))
    left = edges["edge_left"] - start
    write_shuffled(
        gathered_file(space, "edges", start),
        chunk[left],
        chunks,
        place=place[left],
        right=edges["edge_right"].astype(np.uint32),
        kept=edges["edge_kept"].astype(np.uint8),
    )
    return {"rows_in": stop - start}


def _row(rows: np.ndarray) -> np.ndarray:
    return np.where(rows >= 0, rows, NOBODY).astype(np.uint32)


def _published(space: Workspace, scored: Scored) -> np.ndarray:
    """Pairs to publish: the best of each record above the floor. A record's stand together, best first."""
    place = np.arange(scored.left.shape[0]) - np.searchsorted(scored.left, scored.left, side="left")
    return np.flatnonzero((place < PAIRS_KEPT) & (scored.weight >= scoring_of(space).floor))


def _anchors(space: Workspace, start: int, stop: int) -> np.ndarray:
    """Of each record of a range the row whose key names its entity where no person does: uint32."""
    anchor = np.arange(start, stop, dtype=np.uint32)
    held = _resolved_rows(space, "anchor_rows", start, stop, ("anchors",))
    anchor[held["anchor_rows"] - start] = held["anchors"]
    return anchor


def _resolved_rows(
    space: Workspace, rows: str, start: int, stop: int, names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """What resolution left of the rows of a range, by rising ``rows``."""
    held = open_arrays(space.path("resolved", "resolved.arrays"))
    low, high = (int(v) for v in np.searchsorted(held[rows], [start, stop]))
    return {name: held.cut(name, low, high) for name in (rows, *names)}
