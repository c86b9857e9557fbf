"""Tasks that put the records of each source in the order of their ids (:mod:`jobs.ordering`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.ordering import partition_file
from jobs.shuffle import read_shuffled, write_shuffled
from jobs.store import open_arrays, write_arrays
from jobs.workspace import Workspace
from linkage.text_arrays import Texts, places_among

#: Ids sampled from a part for each partition of its source.
_SAMPLES = 64


def _part(space: Workspace, source: int, part: int) -> tuple[int, int]:
    """First row of a part, and the row after its last."""
    return next((at, at + n) for s, p, at, n in space.layout["parts"] if (s, p) == (source, part))


def _ids(space: Workspace, start: int, stop: int) -> Texts:
    return Texts.of(space.ids.arrow(start, stop))


def _sample_file(space: Workspace, source: int, part: int) -> Any:
    return space.path("order", f"shuffled-sample-{source:02d}-{part:05d}.arrays")


def sample_ids(work: str, source: int, part: int) -> dict[str, Any]:
    """Take some ids of a part, evenly from its rows."""
    space = Workspace.open(work)
    start, stop = _part(space, source, part)
    ids = _ids(space, start, stop)
    chosen = ids.take(np.linspace(0, stop - start - 1, min(stop - start, 64 * _SAMPLES)).astype(np.int64))
    write_arrays(_sample_file(space, source, part), offsets=chosen.offsets, bytes=chosen.data)
    return {"rows_in": stop - start}


def _splitters(space: Workspace, source: int, partitions: int) -> Texts:
    """Ids that part a source's records evenly: one fewer than its partitions."""
    held = [
        open_arrays(_sample_file(space, s, p)) for s, p, _, n in space.layout["parts"] if s == source and n
    ]
    sampled = Texts.join(Texts(h["offsets"], h["bytes"]) for h in held)
    places = np.arange(1, partitions) * len(sampled) // partitions
    return sampled.take(sampled.order()[places])


def part_ids(work: str, source: int, part: int, partitions: int) -> dict[str, Any]:
    """Write the rows of a part, and their ids, by the partition that they are sorted in."""
    space = Workspace.open(work)
    start, stop = _part(space, source, part)
    ids = _ids(space, start, stop)
    partition = places_among(ids, _splitters(space, source, partitions))
    order = np.argsort(partition, kind="stable")
    lengths = np.diff(ids.offsets)[order].astype(np.uint32)
    place = space.path("order", f"shuffled-{source:02d}-{part:05d}.arrays")
    rows = np.arange(start, stop, dtype=np.uint32)
    write_shuffled(place, partition, partitions, rows=rows)
    bounds = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    begins = bounds[np.searchsorted(partition[order], np.arange(partitions + 1))]
    write_arrays(
        space.path("order", f"shuffled-ids-{source:02d}-{part:05d}.arrays"),
        lengths=lengths,
        bytes=ids.take(order).data,
        begins=begins,
    )
    return {"rows_in": stop - start}


def _gathered(space: Workspace, source: int, partition: int, partitions: int) -> tuple[np.ndarray, Texts]:
    """Rows, rising, and ids of one partition of a source, as they stand in its parts."""
    parts = [(s, p, at, n) for s, p, at, n in space.layout["parts"] if s == source and n]
    if partitions == 1:
        rows = np.concatenate([np.arange(at, at + n, dtype=np.uint32) for _, _, at, n in parts])
        return rows, Texts.join(_ids(space, at, at + n) for _, _, at, n in parts)
    stems = [f"{s:02d}-{p:05d}.arrays" for s, p, _, _ in parts]
    files = [space.path("order", f"shuffled-{stem}") for stem in stems]
    rows = read_shuffled(files, partition, ["rows"])["rows"]
    found = []
    for stem, file in zip(stems, files, strict=True):
        low, high = (int(v) for v in open_arrays(file)["starts"][partition : partition + 2])
        held = open_arrays(space.path("order", f"shuffled-ids-{stem}"))
        begin, end = (int(v) for v in held["begins"][partition : partition + 2])
        offsets = np.concatenate([[0], np.cumsum(held.cut("lengths", low, high), dtype=np.int64)])
        found.append(Texts(offsets, held.cut("bytes", begin, end)))
    return rows, Texts.join(found)


def sort_ids(work: str, number: int, source: int, partition: int, partitions: int) -> dict[str, Any]:
    """Sort one partition of a source: the ``number``-th of all."""
    space = Workspace.open(work)
    rows, ids = _gathered(space, source, partition, partitions)
    order, ids = ids.sorted()
    # Rows come rising: where each went is their order.
    by_row = np.empty(rows.shape[0], np.uint32)
    by_row[order] = np.arange(rows.shape[0], dtype=np.uint32)
    bounds = np.array([*(a for a, _ in space.ranges()), space.layout["rows"]], np.int64)
    write_arrays(
        partition_file(space, number),
        rows=np.take(rows, order),
        offsets=ids.offsets if ids.data.shape[0] >> 32 else ids.offsets.astype(np.uint32),
        bytes=ids.data,
        by_row=by_row,
        starts=np.searchsorted(rows, bounds),
    )
    return {"rows_out": rows.shape[0]}
