from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import partition

# Few distinct keys, and whole bytes alike: ties and passes that are left out.
some_keys = st.lists(
    st.one_of(
        st.integers(0, (1 << 64) - 1),
        st.sampled_from([0, 1, 1 << 16, 1 << 32, 1 << 48, 1 << 63, (1 << 64) - 1]),
        st.integers(0, 3).map(lambda v: v << 60),
    ),
    max_size=60,
)


def columns(values: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(values, np.uint64), np.arange(100, 100 + len(values), dtype=np.uint32)


@settings(deadline=None)
@given(some_keys)
def test_sort_by_key__is_the_stable_sort(values: list[int]) -> None:
    keys, rows = columns(values)
    order = sorted(range(len(values)), key=lambda i: values[i])
    partition.sort_by_key(keys, rows)
    assert keys.tolist() == [values[i] for i in order]
    assert rows.tolist() == [100 + i for i in order]


def test_sort_by_key__equals_numpy_on_many() -> None:
    rng = np.random.default_rng(5)
    keys = rng.integers(0, 1 << 20, 200_000, np.uint64) << np.uint64(30)
    rows = np.arange(200_000, dtype=np.uint32)
    order = np.argsort(keys, kind="stable")
    wanted = keys[order]
    partition.sort_by_key(keys, rows)
    assert np.array_equal(keys, wanted)
    assert np.array_equal(rows, order)


@settings(deadline=None)
@given(some_keys, st.integers(0, 6), st.integers(1, 3))
def test_partition_rows__are_complete_and_stable(values: list[int], bits: int, width: int) -> None:
    values = values[: len(values) // width * width]
    keys = np.array(values, np.uint64).reshape(-1, width)
    counts = np.full((1 << bits) + 1, -7, np.int64)
    out_keys, out_rows = np.zeros(len(values), np.uint64), np.zeros(len(values), np.uint32)
    partition.partition_rows(keys, 100, bits, counts, out_keys, out_rows)
    wanted: list[list[tuple[int, int]]] = [[] for _ in range(1 << bits)]
    for i, value in enumerate(values):
        if value != 0:
            wanted[value >> (64 - bits) if bits else 0].append((value, 100 + i // width))
    assert counts.tolist() == np.cumsum([0, *map(len, wanted)]).tolist()
    flat = [pair for part in wanted for pair in part]
    assert list(zip(out_keys.tolist(), out_rows.tolist(), strict=True))[: len(flat)] == flat


@pytest.mark.parametrize("n", [0, 1])
def test_sort_by_key__leaves_nothing_and_one_alone(n: int) -> None:
    keys, rows = columns([7] * n)
    partition.sort_by_key(keys, rows)
    assert keys.tolist() == [7] * n
    assert rows.tolist() == [100] * n


@settings(deadline=None)
@given(
    st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n - 1), max_size=50)))
)
def test_partition_order__is_stable_and_complete(case: tuple[int, list[int]]) -> None:
    parts, values = case
    starts, order = np.full(parts + 1, -1, np.int64), np.zeros(len(values), np.uint32)
    partition.partition_order(np.array(values, np.uint16), starts, order)
    assert order.tolist() == sorted(range(len(values)), key=lambda i: values[i])
    assert starts.tolist() == [sum(v < p for v in values) for p in range(parts + 1)]


@pytest.mark.parametrize("hot", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("spread", [1, 1 << 20, 1 << 44])
def test_sort_by_key__holds_for_keys_that_crowd(hot: float, spread: int) -> None:
    """Keys that differ in few low bits, and one key that nearly all have: no bucket is too disordered."""
    rng = np.random.default_rng(8)
    keys = rng.integers(0, 1 << 19, 60_000, np.uint64) * np.uint64(spread)
    keys[rng.random(60_000) < hot] = keys[0]
    keys[::3] = keys[::3][::-1].copy()
    rows = np.arange(60_000, dtype=np.uint32)
    order = np.argsort(keys, kind="stable")
    wanted = keys[order]
    partition.sort_by_key(keys, rows)
    assert np.array_equal(keys, wanted)
    assert np.array_equal(rows, order)


def test_sort_by_key__holds_where_one_bucket_takes_nearly_all() -> None:
    """Two far keys and many near ones in falling order: the insertion gives up, the digits end it."""
    near = np.arange(30_000, dtype=np.uint64)[::-1]
    keys = np.concatenate([near, np.array([1 << 63], np.uint64)])
    rows = np.arange(keys.shape[0], dtype=np.uint32)
    order = np.argsort(keys, kind="stable")
    partition.sort_by_key(keys, rows)
    assert np.array_equal(rows, order)


@settings(deadline=None)
@given(
    st.one_of(
        st.lists(st.one_of(st.integers(0, 5), st.integers(0, (1 << 32) - 1)), max_size=60),
        st.integers(0, (1 << 32) - 400).flatmap(
            lambda low: st.lists(st.integers(low, low + 399), max_size=60)
        ),
    )
)
def test_rank_rows__are_the_distinct_rows_in_order(values: list[int]) -> None:
    distinct, rank = np.zeros(len(values), np.uint32), np.full(len(values), -1, np.int64)
    n = partition.rank_rows(np.array(values, np.uint32), distinct, rank)
    wanted = sorted(set(values))
    assert distinct[:n].tolist() == wanted
    assert rank.tolist() == [wanted.index(v) for v in values]
