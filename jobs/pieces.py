"""Rows that lie sorted in several files, cut into pieces of one order, each made by a task of its own.

A piece has as many rows as a row group of an artefact, so that the joined artefact is the same whatever files
the rows lay in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from jobs.artefact_writer import ROW_GROUP
from jobs.linked_records import overlapping
from jobs.ordering import ranks
from jobs.store import open_arrays, read_table, write_arrays
from jobs.workspace import Workspace
from kernels.partition import sort_by_key

#: Rows of a piece: those of a row group of a published Parquet file.
PIECE_ROWS = ROW_GROUP

#: Column that tables are sorted by: a place in the order of all records.
RANK = "rank"


def ranks_of(space: Workspace, start: int, stop: int) -> np.ndarray:
    """Places of consecutive agency rows in the order of all records: uint32[stop - start]."""
    out = np.empty(stop - start, np.uint32)
    for first, last in overlapping(space, start, stop):
        low, high = max(start, first), min(stop, last)
        out[low - start : high - start] = ranks(space, first, last)[low - first : high - first]
    return out


def cut_sorted(keys: Sequence[np.ndarray], rows: int = PIECE_ROWS) -> np.ndarray:
    """Where pieces of ``rows`` rows of the merged order begin in each array: int64[pieces + 1, arrays].

    keys : sorted arrays; a key may repeat, but in one of them only. There is one piece at least.
    """
    lengths = np.array([k.shape[0] for k in keys], np.int64)
    places = np.arange(rows, int(lengths.sum()), rows)
    cuts = np.zeros((places.shape[0] + 2, lengths.shape[0]), np.int64)
    cuts[-1] = lengths
    if places.size:
        at = _keys_at([k for k in keys if k.shape[0]], places)
        left = np.stack([np.searchsorted(k, at.astype(k.dtype), side="left") for k in keys], axis=1)
        right = np.stack([np.searchsorted(k, at.astype(k.dtype), side="right") for k in keys], axis=1)
        beyond = places - left.sum(axis=1)
        cuts[1:-1] = left + np.where(right > left, beyond[:, None], 0)
    return cuts


def _keys_at(keys: Sequence[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Keys that stand at ``places`` (int64[p]) of the merged order of sorted arrays, none empty: int64[p].

    Found by halving, so that nothing is merged: a source may have more rows than fit into memory.
    """
    low = np.full(places.shape[0], min(int(k[0]) for k in keys), np.int64)
    high = np.full(places.shape[0], max(int(k[-1]) for k in keys), np.int64)
    while (low < high).any():
        middle = low + (high - low) // 2
        upto = np.sum([np.searchsorted(k, middle.astype(k.dtype), side="right") for k in keys], axis=0)
        reached = upto > places
        high = np.where(reached, middle, high)
        low = np.where(reached, low, middle + 1)
    return low


def by_place(table: pa.Table) -> pa.Table:
    """A table in the order of its columns :data:`RANK` and ``field`` (below 256), in one chunk."""
    table = table.combine_chunks()
    key = table.column(RANK).to_numpy().astype(np.uint64) << np.uint64(8)
    key |= table.column("field").to_numpy().astype(np.uint64)
    if (key[1:] >= key[:-1]).all():
        return table
    order = np.arange(key.shape[0], dtype=np.uint32)
    sort_by_key(key, order)
    places = pa.array(order)
    # Column by column: of chunked columns, as of a table, Arrow takes at half the speed.
    taken = [column.chunk(0).take(places) for column in table.columns]
    return pa.Table.from_arrays(taken, schema=table.schema)


def cut_tables(files: Sequence[Path], to: Path) -> tuple[int, int]:
    """Cut tables that are sorted by :data:`RANK`; how many pieces and rows there are."""
    keys = [read_table(path, [RANK]).column(0).combine_chunks().to_numpy() for path in files]
    cuts = cut_sorted(keys)
    write_arrays(to, cuts=cuts)
    return cuts.shape[0] - 1, int(cuts[-1].sum())


def read_piece(files: Sequence[Path], cuts: Path, piece: int) -> pa.Table:
    """The rows of one piece, in the order of the files, not yet of the piece."""
    held = open_arrays(cuts)["cuts"]
    begin, end = held[piece], held[piece + 1]
    tables = [
        read_table(path).slice(int(a), int(b - a))
        for path, a, b in zip(files, begin, end, strict=True)
        if b > a or path is files[0]
    ]
    return pa.concat_tables(tables)
