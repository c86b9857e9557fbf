from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import patterns

#: A condition as a tree: a leaf (operation, slot, operand), ("not", x), ("and", x, y), ("or", x, y).
Tree = tuple

leaves = st.one_of(
    st.tuples(st.just("any"), st.integers(0, 2), st.sampled_from([1, 2, 3, 1 << 31])),
    st.tuples(st.just("least"), st.integers(0, 1), st.integers(-2, 3)),
    st.tuples(st.just("most"), st.integers(0, 1), st.integers(-2, 3)),
    st.just(("always",)),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    ),
    max_leaves=8,
)
#: Parts of levels; the last level of a part always holds.
programmes = st.lists(
    st.lists(trees, max_size=3).map(lambda own: [*own, ("always",)]), min_size=1, max_size=4
)

Features = tuple[list[int], list[int]]


def holds(tree: Tree, features: Features) -> bool:
    bits, numbers = features
    if tree[0] == "any":
        return bool(bits[tree[1]] & tree[2])
    if tree[0] == "least":
        return numbers[tree[1]] >= tree[2]
    if tree[0] == "most":
        return numbers[tree[1]] <= tree[2]
    if tree[0] == "not":
        return not holds(tree[1], features)
    if tree[0] == "and":
        return holds(tree[1], features) and holds(tree[2], features)
    return tree[0] == "always" or holds(tree[1], features) or holds(tree[2], features)


def postfix(tree: Tree) -> list[tuple[int, int, int]]:
    if tree[0] == "not":
        return [*postfix(tree[1]), (patterns.NOT, 0, 0)]
    if tree[0] in ("and", "or"):
        joined = patterns.AND if tree[0] == "and" else patterns.OR
        return [*postfix(tree[1]), *postfix(tree[2]), (joined, 0, 0)]
    if tree[0] == "always":
        return [(patterns.ALWAYS, 0, 0)]
    leaf = {"any": patterns.BITS_ANY, "least": patterns.AT_LEAST, "most": patterns.AT_MOST}[tree[0]]
    return [(leaf, tree[1], tree[2])]


@settings(deadline=None, max_examples=200)
@given(
    programmes,
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 3) | st.just(1 << 31), min_size=3, max_size=3),
            st.lists(st.integers(-3, 4), min_size=2, max_size=2),
        ),
        min_size=1,
        max_size=12,
    ),
)
def test_assign_patterns__gives_each_part_its_first_level_that_holds(
    programme: list[list[Tree]], pairs: list[Features]
) -> None:
    code, starts = [], [0]
    for number, part in enumerate(programme):
        for level, tree in enumerate(part):
            code += [*postfix(tree), (patterns.TAKE_LEVEL, number, level)]
        starts.append(len(code))
    shape = [len(part) for part in programme]
    radix = [int(np.prod(shape[i + 1 :], dtype=np.int64)) for i in range(len(shape))]
    out = np.full(len(pairs) + 1, 77, np.uint32)
    patterns.assign_patterns(
        np.array(code, np.int64),
        np.array(starts, np.int64),
        np.array(radix, np.int64),
        np.array([bits for bits, _ in pairs] + [[0, 0, 0]], np.uint32).T.copy(),
        np.array([numbers for _, numbers in pairs] + [[0, 0]], np.int32).T.copy(),
        len(pairs),
        out,
    )
    for features, pattern in zip(pairs, out.tolist(), strict=False):
        levels = [next(i for i, tree in enumerate(part) if holds(tree, features)) for part in programme]
        assert pattern == sum(level * step for level, step in zip(levels, radix, strict=True))
    assert out[-1] == 77


@given(st.lists(st.integers(0, 4), max_size=20), st.integers(0, 20))
@settings(deadline=None)
def test_count_patterns__adds_the_first_n(found: list[int], n: int) -> None:
    n = min(n, len(found))
    histogram = np.array([10, 0, 0, 0, 5], np.int64)
    patterns.count_patterns(np.array(found, np.uint32), n, histogram)
    assert histogram.tolist() == [[10, 0, 0, 0, 5][v] + found[:n].count(v) for v in range(5)]


_numbers = st.lists(st.integers(-(2**20), 2**20), min_size=4, max_size=4)
_columns = st.lists(st.integers(-1, 1), min_size=4, max_size=4)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), max_size=12),
    st.tuples(_numbers, _columns, _numbers, _columns),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.integers(-(2**20), 2**20),
    st.integers(0, 3),
)
@settings(deadline=None)
def test_score_pairs__keeps_the_pairs_one_of_whose_weights_reaches_the_floor(
    pairs: list[tuple[int, int, int]],
    tables: tuple[list[int], list[int], list[int], list[int]],
    repeated: list[bool],
    floor: int,
    at: int,
) -> None:
    frequency, repeats, rows = [[1, 20], [300, 4000], [-500, 30_000]], [0, -70, -4000], [10, 20, 40]
    total, asked, blind, blind_asked = tables
    out = [np.full(len(pairs) + at + 1, 77, t) for t in (np.uint32, np.uint32, np.uint32, np.int32, np.int32)]
    end = patterns.score_pairs(
        np.array([p[0] for p in pairs], np.uint32),
        np.array([p[1] for p in pairs], np.int64),
        np.array([p[2] for p in pairs], np.int64),
        np.array(total, np.int32),
        np.array(asked, np.int8),
        np.array(blind, np.int32),
        np.array(blind_asked, np.int8),
        np.array(repeated, np.uint8),
        np.array(frequency, np.int16),
        np.array(repeats, np.int32),
        floor,
        np.array(rows, np.uint32),
        at,
        *out,
    )
    known = []
    for pattern, left, right in pairs:
        own = total[pattern] + (frequency[right][asked[pattern]] if asked[pattern] >= 0 else 0)
        own += repeats[left] if repeated[pattern] else 0
        without = blind[pattern] + (
            frequency[right][blind_asked[pattern]] if blind_asked[pattern] >= 0 else 0
        )
        if max(own, without) >= floor:
            known.append((rows[left], rows[right], pattern, own, without))
    assert end == at + len(known)
    assert list(zip(*(column[at:end].tolist() for column in out), strict=True)) == known
    for column in out:
        assert set(column[:at].tolist()) | set(column[end:].tolist()) == {77}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), max_size=12),
    st.tuples(st.tuples(_numbers, _numbers), _columns, st.tuples(_numbers, _numbers), _columns),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.lists(st.integers(0, 1), min_size=3, max_size=3),
    st.integers(-(2**20), 2**20),
    st.integers(0, 3),
)
@settings(deadline=None)
def test_reaching_pairs__keeps_the_pairs_that_may_reach_the_floor(
    pairs: list[tuple[int, int, int]],
    tables: tuple[tuple[list[int], list[int]], list[int], tuple[list[int], list[int]], list[int]],
    repeated: list[bool],
    empty: list[int],
    floor: int,
    at: int,
) -> None:
    frequency, repeats, places = [[1, 20], [300, 4000], [-500, 30_000]], [0, -70, -4000], [9, 8, 70, 6]
    total, asked, blind, blind_asked = tables
    out = [np.full(len(pairs) + at + 1, 77, t) for t in (np.int64, np.int64, np.uint32)]
    end = patterns.reaching_pairs(
        np.array([p[0] for p in pairs], np.uint32),
        np.array([p[1] for p in pairs], np.int64),
        np.array([p[2] for p in pairs], np.int64),
        np.array(empty, np.uint8),
        np.array(total, np.int32),
        np.array(asked, np.int8),
        np.array(blind, np.int32),
        np.array(blind_asked, np.int8),
        np.array(repeated, np.uint8),
        np.array(frequency, np.int16),
        np.array(repeats, np.int32),
        floor,
        np.array(places, np.uint32),
        at,
        *out,
    )
    wanted = []
    for pattern, left, right in pairs:
        own = total[empty[left]][pattern] + (frequency[right][asked[pattern]] if asked[pattern] >= 0 else 0)
        own += repeats[left] if repeated[pattern] else 0
        without = blind[empty[left]][pattern] + (
            frequency[right][blind_asked[pattern]] if blind_asked[pattern] >= 0 else 0
        )
        if max(own, without) >= floor:
            wanted.append((left, right, places[pattern]))
    assert end == at + len(wanted)
    assert list(zip(*(column[at:end].tolist() for column in out), strict=True)) == wanted
    for column in out:
        assert set(column[:at].tolist()) | set(column[end:].tolist()) <= {77}
