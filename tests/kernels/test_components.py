from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.components import CUT, JOINED, WITHIN, join_in_order

#: Sources beyond the 64 of one word, some of which promise one record a person.
SOURCES = [0, 1, 63, 64, 130]
WANTS = np.zeros(131, np.uint8)
WANTS[[1, 64, 130]] = 1


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(SOURCES), min_size=1, max_size=9), st.data())
def test_components__equal_sets_that_are_merged_one_by_one(source: list[int], data: st.DataObject) -> None:
    node = st.integers(0, len(source) - 1)
    edges = data.draw(st.lists(st.tuples(node, node), max_size=20))
    roots, outcome = np.empty(len(source), np.int64), np.empty(len(edges), np.uint8)
    left, right = (np.array([e[side] for e in edges], np.int64) for side in (0, 1))
    join_in_order(left, right, np.array(source, np.int64), WANTS, roots, outcome)
    sets, wanted = [{i} for i in range(len(source))], []
    for a, b in edges:
        mine, other = (next(s for s in sets if i in s) for i in (a, b))
        twice = {source[i] for i in mine} & {source[i] for i in other} & {1, 64, 130}
        lone = len(mine) == len(other) == 1 and source[a] == source[b]
        if mine is other:
            wanted.append(WITHIN)
        elif twice and not lone:
            wanted.append(CUT)
        else:
            wanted.append(JOINED)
            sets = [s for s in sets if s is not mine and s is not other] + [mine | other]
    assert outcome.tolist() == wanted
    assert roots.tolist() == [min(next(s for s in sets if i in s)) for i in range(len(source))]
