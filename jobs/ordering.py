"""The stage that orders records as artefacts have them, by (name of their source, record_id), out of core.

Sources follow one another by name; a source of many records is parted at splitters, sampled from its ids, and
each partition sorted by itself. Any splitters, and any number of partitions, give the same order.

``order/{k:05d}``: the k-th partition of all: ``rows`` uint32[n], global rows in order; ``offsets`` and
``bytes``, their ids; ``by_row`` uint32[n], places in ``rows`` by rising row, and ``starts``
int64[ranges + 1], where in ``by_row`` the rows of each range of the run begin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from jobs.cuts import spread
from jobs.executor import Call
from jobs.record_files import ids_path
from jobs.store import damaged, open_arrays, write_arrays
from jobs.workspace import Workspace
from linkage.text_arrays import Texts

STAGE = "order"

#: Records of a partition, and most partitions of a source: 2**19 records with ids of 20 bytes take about
#: 60 MB while they are sorted.
PARTITION_ROWS = 1 << 19
MOST_PARTITIONS = 4096

#: Records of the sources that are sorted together: until they are, their ids lie there twice.
SORTED_ROWS = 1 << 24

#: Records of a piece of every artefact: the rows of one row group come from these, whatever the cut of a run.
CHUNK_ROWS = 1 << 18

#: Bytes that sorting takes for each record of a partition beside its id.
_SORT_BYTES = 80


class Runs(Protocol):
    """Runs the tasks of a stage and removes what only they needed."""

    def tasks(
        self, stage: str, calls: list[Call], rows: list[int] | None = None, memory: int = 0
    ) -> list[dict[str, Any]]:
        """Results of the calls in their order."""

    def drop(self, *patterns: str) -> None:
        """Remove files that only finished tasks have read."""


def partitions_of(rows: int) -> int:
    """Partitions that a source of ``rows`` records is sorted in."""
    return min(MOST_PARTITIONS, math.ceil(rows / PARTITION_ROWS))


def order_records(stages: Runs, space: Workspace) -> dict[str, Any]:
    """Sort the records of all sources into ``order/``, some sources at a time; gives how many there are."""
    work, memory = str(space.work), _memory(space)
    sizes = _sizes(space)
    by_name = sorted(range(len(space.sources)), key=lambda number: space.sources[number].name)
    wanted = [(number, partitions_of(int(sizes[number]))) for number in by_name]
    firsts = np.cumsum([0, *(partitions for _, partitions in wanted)]).tolist()
    counts: list[int] = []
    for places in _groups([int(sizes[number]) for number in by_name]):
        own = [wanted[place] for place in places]
        many = {number: partitions for number, partitions in own if partitions > 1}
        parts = [(s, p, rows) for s, p, _, rows in space.layout["parts"] if s in many and rows]
        if parts:
            passed = [rows for *_, rows in parts]
            stages.tasks(STAGE, [("jobs.tasks_order:sample_ids", (work, s, p)) for s, p, _ in parts], passed)
            calls: list[Call] = [("jobs.tasks_order:part_ids", (work, s, p, many[s])) for s, p, _ in parts]
            stages.tasks(STAGE, calls, passed, memory=memory)
        calls = [
            ("jobs.tasks_order:sort_ids", (work, firsts[place] + partition, number, partition, partitions))
            for place, (number, partitions) in zip(places, own, strict=True)
            for partition in range(partitions)
        ]
        passed = [
            n
            for place, (_, k) in zip(places, own, strict=True)
            for n in spread(int(sizes[by_name[place]]), k)
        ]
        counts += [result["rows_out"] for result in stages.tasks(STAGE, calls, passed, memory=memory)]
        stages.drop("order/shuffled-*")
    write_arrays(
        space.path("order", "index.arrays"),
        starts=np.cumsum([0, *counts]).astype(np.int64),
        source=np.repeat([n for n, _ in wanted], [k for _, k in wanted]).astype(np.uint8),
    )
    return {"rows_out": sum(counts)}


def rows_passed(space: Workspace) -> int:
    """Rows that all rounds pass: those of a source that is parted are sampled, parted and sorted."""
    return sum(int(rows) * (3 if partitions_of(int(rows)) > 1 else 1) for rows in _sizes(space))


def _sizes(space: Workspace) -> np.ndarray:
    """Records of each source: int64[sources]."""
    sizes = np.zeros(len(space.sources), np.int64)
    for source, _, _, rows in space.layout["parts"]:
        sizes[source] += rows
    return sizes


def _groups(sizes: list[int]) -> list[list[int]]:
    """Places of consecutive sources that are sorted together: few records, or one source."""
    out: list[list[int]] = [[]]
    rows = 0
    for place, size in enumerate(sizes):
        if out[-1] and rows + size > SORTED_ROWS:
            out.append([])
            rows = 0
        out[-1].append(place)
        rows += size
    return out


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as fault:
        raise damaged(path, fault) from None


def _memory(space: Workspace) -> int:
    """Bytes that sorting one partition takes."""
    parts = [p for p in space.layout["parts"] if p[3]]
    if not parts:
        return 0
    sizes = [_bytes(ids_path(space.work / "intake", s, p)) / n for s, p, _, n in parts]
    return int(PARTITION_ROWS * (_SORT_BYTES + 3 * max(sizes)))


def partition_file(space: Workspace, number: int) -> Path:
    """Where a partition of the order lies."""
    return space.path("order", f"{number:05d}.arrays")


@dataclass(frozen=True)
class Stretch:
    """Consecutive records of the order: source uint8[n], global rows uint32[n], their ids."""

    source: np.ndarray
    rows: np.ndarray
    ids: Texts


def stretch(space: Workspace, start: int, stop: int) -> Stretch:
    """Records ``start`` to ``stop`` of the order."""
    index = open_arrays(space.path("order", "index.arrays"))
    starts, of = index["starts"], index["source"]
    source, rows, ids = [np.zeros(0, np.uint8)], [np.zeros(0, np.uint32)], []
    for number in range(of.shape[0]):
        low = max(0, start - int(starts[number]))
        high = min(stop, int(starts[number + 1])) - int(starts[number])
        if high <= low:
            continue
        held = open_arrays(partition_file(space, number))
        rows.append(held.cut("rows", low, high))
        source.append(np.full(high - low, of[number], np.uint8))
        offsets = held.cut("offsets", low, high + 1).astype(np.int64)
        data = held.cut("bytes", int(offsets[0]), int(offsets[-1]))
        ids.append(Texts(offsets - offsets[0], data))
    return Stretch(np.concatenate(source), np.concatenate(rows), Texts.join(ids))


def ranks(space: Workspace, start: int, stop: int) -> np.ndarray:
    """Place in the order of artefacts of each row of a range of the run: uint32[stop - start]."""
    number = next(i for i, (a, b) in enumerate(space.ranges()) if (a, b) == (start, stop))
    index = open_arrays(space.path("order", "index.arrays"))
    held_sources = {s for s, _, a, n in space.layout["parts"] if a < stop and a + n > start}
    out = np.empty(stop - start, np.uint32)
    for k in range(index["source"].shape[0]):
        if int(index["source"][k]) not in held_sources:
            continue
        held = open_arrays(partition_file(space, k))
        low, high = (int(v) for v in held.cut("starts", number, number + 2))
        places = held.cut("by_row", low, high)
        out[held["rows"][places].astype(np.int64) - start] = places + np.uint32(index["starts"][k])
    return out
