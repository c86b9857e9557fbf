"""Pieces of rows that lie sorted in several files, held against sorting them all at once."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.pieces import cut_sorted, cut_tables, read_piece
from jobs.store import write_table


@settings(max_examples=120, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=40), st.integers(1, 4), st.integers(1, 12))
def test_cuts__give_every_piece_the_rows_of_the_merged_order(keys, files, rows):
    """A key may repeat, but in one file only: here it is the file of its remainder."""
    held = [np.array(sorted(k for k in keys if k % files == f), np.int64) for f in range(files)]
    cuts = cut_sorted(held, rows)
    merged = sorted(keys)
    pieces = [
        sorted(k for a, own in zip(range(files), held, strict=True) for k in own[b[a] : e[a]].tolist())
        for b, e in itertools.pairwise(cuts)
    ]
    assert pieces == [merged[i : i + rows] for i in range(0, max(1, len(merged)), rows)]
    assert cuts[0].tolist() == [0] * files
    assert cuts[-1].tolist() == [len(own) for own in held]


@pytest.mark.parametrize("sizes", [(0,), (3, 0, 2), (5,)])
def test_tables__are_read_back_whole(tmp_path, sizes):
    files, first = [], 0
    for number, size in enumerate(sizes):
        files.append(tmp_path / f"{number}.arrow")
        rank = np.arange(first, first + size, dtype=np.uint32)
        write_table(files[-1], pa.table({"rank": rank, "text": [str(r) for r in rank]}))
        first += size
    pieces, rows = cut_tables(files, tmp_path / "cuts.arrays")
    assert (pieces, rows) == (1, sum(sizes))
    found = read_piece(files, tmp_path / "cuts.arrays", 0)
    assert found.column("text").to_pylist() == [str(r) for r in range(sum(sizes))]
