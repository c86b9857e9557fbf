"""Judgements by range: whom a record must be, which pairs must not be, whom any answer is about."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.judgements import forbidden_pairs, forced_persons, judged_records
from jobs.store import write_arrays
from linkage.scored import Scored

FIRST, ROWS = 7, 20


class _Space:
    """Of a workspace what judgements ask for."""

    def __init__(self, folder):
        self.folder = folder
        self.layout = {"n_register": FIRST, "rows": ROWS}

    def path(self, stage, name):
        return self.folder / stage / name


PAIRS = st.lists(
    st.tuples(st.integers(FIRST, ROWS - 1), st.integers(0, FIRST - 1)), max_size=8, unique_by=lambda p: p[0]
)


@settings(deadline=None, max_examples=40)
@given(PAIRS, PAIRS, PAIRS, st.integers(FIRST, ROWS))
def test_judgements__of_two_ranges_are_those_of_all(must, cannot, pairs, cut):
    with tempfile.TemporaryDirectory() as folder:
        space = _Space(Path(folder))
        write_arrays(
            space.path("decided", "judgements.arrays"),
            must=np.array(sorted(must), np.int64).reshape(-1, 2),
            cannot=np.array(sorted(cannot), np.int64).reshape(-1, 2),
        )
        forced = [*forced_persons(space, FIRST, cut), *forced_persons(space, cut, ROWS)]
        assert forced == [dict(must).get(row, -1) for row in range(FIRST, ROWS)]
        judged = [*judged_records(space, FIRST, cut), *judged_records(space, cut, ROWS)]
        assert judged == [row in dict(must) or row in dict(cannot) for row in range(FIRST, ROWS)]
        n = len(pairs)
        scored = Scored(
            np.array([p[0] for p in pairs], np.uint32),
            np.array([p[1] for p in pairs], np.uint32),
            *(np.zeros(n, t) for t in (np.uint32, np.uint8, np.int32, np.int32)),
        )
        assert forbidden_pairs(space, scored).tolist() == [p in cannot for p in pairs]
