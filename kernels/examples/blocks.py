"""Keys of records, sorted and unsorted, their blocks, and numbers one slip apart."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.examples._form import Example, mapped
from kernels.examples.codes import numbers
from kernels.keys import (
    find_among,
    fold_any,
    fold_column,
    index_keys,
    look_up_keys,
    set_codes,
    sort_falling,
    start_keys,
)
from kernels.outlines import (
    CODE,
    NARROW,
    NARROWS,
    NOBODY,
    STATES,
    WIDE,
    WIDES,
    contested_blocks,
    packed_codes,
    rival_pairs,
)
from kernels.pairs import count_block_pairs, narrow_pairs, owned_pairs, unsettled_blocks, walk_blocks
from kernels.partition import partition_order, partition_rows, rank_rows, sort_by_key, split_blocks
from kernels.probe import probe_neighbours
from kernels.runs import count_repeats, count_runs, find_runs, mark_known

#: Records that share a key, on average.
_SHARING = 4


@functools.lru_cache(maxsize=2)
def _keys(n: int) -> NDArray[np.uint64]:
    """Keys as hashes are, each borne by a few records; one record in fifty has none."""
    rng = np.random.default_rng(21)
    held = rng.integers(1, 1 << 63, max(1, n // _SHARING), np.uint64) << np.uint64(1)
    keys = held[rng.integers(0, held.shape[0], n)]
    keys[rng.random(n) < 0.02] = 0
    return keys


def _rows(n: int) -> NDArray[np.uint32]:
    return np.arange(n, dtype=np.uint32)


def _bits(n: int) -> int:
    return max(1, n.bit_length() - 5)


def _sorted_keys(n: int) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    order = np.argsort(_keys(n), kind="stable")
    return _keys(n)[order], order.astype(np.uint32)


def _start(n: int) -> tuple[Any, ...]:
    return np.uint64(9), np.empty(n, np.uint64)


def _fold(n: int) -> tuple[Any, ...]:
    return np.random.default_rng(22).integers(0, 50, n).astype(np.uint64), np.uint64(0), _keys(n).copy()


def _known(n: int) -> NDArray[np.uint64]:
    keys: NDArray[np.uint64] = np.unique(_keys(n))
    return keys


def _index(n: int) -> tuple[Any, ...]:
    keys = np.sort(_keys(n))
    return keys, _bits(n), np.empty((1 << _bits(n)) + 1, np.int64)


def _look_up(n: int) -> tuple[Any, ...]:
    known = _known(n)
    bits = _bits(n)
    starts = np.empty((1 << bits) + 1, np.int64)
    index_keys(known, bits, starts)
    wanted = np.where(np.arange(n) % 3 == 0, _keys(n) + np.uint64(1), _keys(n))
    return known, np.arange(1, known.shape[0] + 1), bits, starts, wanted, np.empty(n, np.int64)


def _partition(n: int) -> tuple[Any, ...]:
    counts = np.empty((1 << 8) + 1, np.int64)
    return _keys(n)[:, None].copy(), 7, 8, counts, np.zeros(n, np.uint64), np.zeros(n, np.uint32)


def _order(n: int) -> tuple[Any, ...]:
    parts = 1 << 8
    partition = (_keys(n) >> np.uint64(56)).astype(np.uint16)
    return partition, np.empty(parts + 1, np.int64), np.empty(n, np.uint32)


def _ranked(n: int) -> tuple[Any, ...]:
    rows = np.random.default_rng(26).integers(0, max(1, n // 2), n).astype(np.uint32)
    return mapped(rows), np.empty(n, np.uint32), np.empty(n, np.int64)


def _ranked_far(n: int) -> tuple[Any, ...]:
    rows = np.random.default_rng(26).integers(0, 1 << 32, n).astype(np.uint32)
    return mapped(rows), np.empty(n, np.uint32), np.empty(n, np.int64)


def _sort(n: int) -> tuple[Any, ...]:
    return _keys(n).copy(), _rows(n)


def _split(among: bool) -> Callable[[int], tuple[Any, ...]]:
    def make(n: int) -> tuple[Any, ...]:
        keys, rows = _sorted_keys(n)
        most = n // 2 + 1
        sizes, registers = np.empty(most, np.int64), np.empty(most, np.int32)
        block_keys, numbers = np.empty(most, np.uint64), np.empty(most, np.int64)
        burning = np.empty((n // 5 + 1, 3), np.int64)
        out = np.empty(n, np.uint32), sizes, registers, block_keys, numbers, burning, np.empty(7, np.int64)
        return keys, rows, n // 2, 4, 20, among, *out

    return make


def _fold_any(n: int) -> tuple[Any, ...]:
    codes = np.random.default_rng(27).integers(0, 4, (n, 3)).astype(np.uint64)
    return _keys(n).copy(), codes, np.empty((n, 3), np.uint64)


def _falling(n: int) -> tuple[Any, ...]:
    return (np.random.default_rng(28).integers(0, 9, (n, 6)).astype(np.uint64),)


def _among(n: int) -> tuple[Any, ...]:
    return mapped(_keys(n)), mapped(_known(n)[::2]), np.empty(n, np.bool_)


def _set_codes(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(29)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 4, 50))]).astype(np.int64)
    members = rng.integers(0, 1_000, int(offsets[-1])).astype(np.int32)
    sets = rng.integers(-1, 50, n).astype(np.int32)
    return mapped(sets), mapped(offsets), mapped(members), np.empty((n, 2), np.uint64)


def _unsettled(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(30)
    registers, agencies = rng.integers(0, 3, n), rng.integers(0, 3, n)
    starts = np.concatenate([[0], np.cumsum(registers + agencies)]).astype(np.int64)
    place = np.arange(starts[-1]) - np.repeat(starts[:-1], registers + agencies)
    of_register = place < np.repeat(registers, registers + agencies)
    members = np.where(of_register, rng.integers(0, n, starts[-1]), rng.integers(n, 2 * n, starts[-1]))
    settled = rng.integers(0, 256, n // 8 + 1).astype(np.uint8)
    out = np.empty(members.shape[0], np.uint32), np.empty(n + 1, np.int64), np.empty(n, np.int64)
    return starts, mapped(members.astype(np.uint32)), registers.astype(np.int32), settled, n, *out


def _outlines(rng: np.random.Generator, codes: NDArray[np.int64]) -> NDArray[np.uint64]:
    words = np.zeros((codes.shape[0], 3), np.uint64)
    for word, (bits, fields) in enumerate(((WIDE, WIDES), (NARROW, NARROWS))):
        for field in range(fields):
            values = rng.choice([0, 1, 1, 1, (1 << bits) - 1], codes.shape[0]).astype(np.uint64)
            words[:, word] |= values << np.uint64((bits + 1) * field)
    steps = rng.integers(0, 32, codes.shape[0]).astype(np.uint64)
    words[:, 2] = packed_codes(codes) | steps << np.uint64(CODE)
    return words


def _rivals(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(34)
    agency, register = numbers(n)
    words = _outlines(rng, np.stack([register, agency], axis=1).ravel())
    members = np.stack([_rows(n), _rows(n) + np.uint32(5 * n)], axis=1).ravel()
    own = np.where(rng.random(2 * n) < 0.3, np.roll(members, 1), np.uint32(0))
    least = rng.integers(-20_000, 60_000, (2 * n, 2)).astype(np.int32)
    table = rng.integers(-60_000, 60_000, (3 * STATES, 4)).astype(np.int32)
    steps = ((np.arange(32) - 9) * 1536).astype(np.int32)
    out = np.zeros(2, np.int64), np.zeros(n, np.uint32), np.zeros(n, np.uint32)
    starts, registers = 2 * np.arange(n + 1), np.ones(n, np.int32)
    return starts, mapped(members), registers, words, least, own, table, steps, *out


def _contested(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(35)
    starts, members, registers, *_ = _unsettled(n)
    own = rng.integers(0, n, n).astype(np.uint32)
    for block in np.flatnonzero(registers == 1)[:200]:
        own[members[starts[block] + 1 : starts[block + 1]] - np.uint32(n)] = members[starts[block]]
    own[rng.random(n) < 0.2] = NOBODY
    out = np.empty(members.shape[0], np.uint32), np.empty(n + 1, np.int64), np.empty(n, np.int32)
    return starts, members, registers, mapped(own), n, *out


def _groups(n: int) -> NDArray[np.uint8]:
    return mapped(np.random.default_rng(23).integers(0, 5, n).astype(np.uint8))


def _counted(n: int) -> tuple[Any, ...]:
    tables = (np.zeros(n, np.uint64), np.zeros(n, np.uint8), np.zeros(n, np.int32))
    columns = (np.zeros(n, np.int32), np.zeros(n, np.int32))
    return (*_sorted_keys(n), _groups(n), *columns, *tables, np.zeros(3, np.int64))


def _found(n: int) -> tuple[Any, ...]:
    arguments = _counted(n)
    rows = int(count_runs(*arguments))
    tables = tuple(mapped(table[:rows]) for table in arguments[5:8])
    return (*tables, _keys(n), _groups(n).copy(), np.empty(n, np.int32), np.empty(n, np.int32))


def _repeats(n: int) -> tuple[Any, ...]:
    return (*_sorted_keys(n), _groups(n), np.zeros(n, np.int32))


def _marked(n: int) -> tuple[Any, ...]:
    keys, places = _sorted_keys(n)
    return mapped(keys[::3].copy()), keys, places, np.zeros(n, np.uint8)


@functools.lru_cache(maxsize=2)
def _blocks(n: int) -> tuple[Any, ...]:
    """About ``n`` pairs or more under the second of two rules: blocks of two to six records."""
    rng = np.random.default_rng(24)
    sizes = rng.integers(2, 7, n + 1)
    registers = np.minimum(rng.integers(1, 3, n + 1), sizes - 1)
    kept = int(np.searchsorted(np.cumsum(registers * (sizes - registers)), 2 * n)) + 1
    sizes, registers = sizes[:kept], registers[:kept]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    members = rng.permutation(starts[-1]).astype(np.int64)
    own = np.arange(1, kept + 1, dtype=np.uint64) * np.uint64(1 << 20)
    keys = np.empty((members.shape[0], 2), np.uint64)
    keys[members, 1] = np.repeat(own, sizes)
    keys[:, 0] = rng.integers(1, 1 << 40, members.shape[0])
    # A third of the blocks share the first rule's key as well.
    shared = np.repeat(rng.random(kept) < 0.33, sizes)
    keys[members[shared], 0] = keys[members[shared], 1]
    return starts, members, registers.astype(np.int32), own, keys, np.array([0, 1, 2], np.int64)


def _walk(mode: int) -> Callable[[int], tuple[Any, ...]]:
    def make(n: int) -> tuple[Any, ...]:
        starts, members, registers, own, keys, widths = _blocks(n)
        position, left, right = np.zeros(3, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
        return starts, members, registers, own, mode, position, keys, widths, 1, left, right

    return make


def _owned(n: int) -> tuple[Any, ...]:
    _, members, _, _, keys, widths = _blocks(n)
    rows = np.arange(n) % (members.shape[0] - 1)
    return keys, widths, 1, members[rows], members[rows + 1], np.empty(n, np.uint8)


def _narrow(n: int) -> tuple[Any, ...]:
    left, right = np.random.default_rng(31).integers(0, 2 * n, (2, n))
    return 2 * n, left, right, np.empty(2 * n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)


def _block_counts(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(25)
    sizes = rng.integers(1, 9, n)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return starts, np.minimum(rng.integers(0, 9, n), sizes).astype(np.int32), np.empty((n, 2), np.int64)


def _probe(n: int) -> tuple[Any, ...]:
    wanted, held = numbers(n)
    order = np.argsort(held, kind="stable")
    order = order[held[order] != 0]
    known = held[order] if order.size else np.array([1 << 56], np.int64)
    base = known[0]
    shift = max(0, int(known[-1] - base).bit_length() - 20)
    edges = base + (np.arange((int(known[-1] - base) >> shift) + 2) << shift)
    index = np.searchsorted(known, edges).astype(np.int64)
    left_out = np.zeros(1, np.int64)
    left, right = np.zeros(16 * n, np.int64), np.zeros(16 * n, np.int64)
    return (
        wanted,
        mapped(known),
        mapped(order.astype(np.uint32)),
        base,
        shift,
        index,
        8,
        left_out,
        left,
        right,
    )


EXAMPLES = (
    Example(start_keys, _start, "record"),
    Example(fold_column, _fold, "record", consumed=(2,)),
    Example(index_keys, _index, "key"),
    Example(look_up_keys, _look_up, "record"),
    Example(partition_rows, _partition, "record"),
    Example(partition_order, _order, "record"),
    Example(rank_rows, _ranked, "record"),
    Example(rank_rows, _ranked_far, "record", "far apart"),
    Example(sort_by_key, _sort, "record", consumed=(0, 1)),
    Example(split_blocks, _split(False), "record"),
    Example(split_blocks, _split(True), "record", "among all"),
    Example(fold_any, _fold_any, "record"),
    Example(sort_falling, _falling, "record", consumed=(0,)),
    Example(find_among, _among, "key"),
    Example(set_codes, _set_codes, "record"),
    Example(unsettled_blocks, _unsettled, "block"),
    Example(contested_blocks, _contested, "block"),
    Example(rival_pairs, _rivals, "pair", consumed=(8,)),
    Example(count_runs, _counted, "key", consumed=(8,)),
    Example(find_runs, _found, "key"),
    Example(count_repeats, _repeats, "key"),
    Example(mark_known, _marked, "key", consumed=(3,)),
    Example(walk_blocks, _walk(0), "pair", "agency with register", consumed=(5,)),
    Example(walk_blocks, _walk(1), "pair", "register with register", consumed=(5,)),
    Example(walk_blocks, _walk(2), "pair", "every pair", consumed=(5,)),
    Example(owned_pairs, _owned, "pair"),
    Example(narrow_pairs, _narrow, "pair"),
    Example(count_block_pairs, _block_counts, "block"),
    Example(probe_neighbours, _probe, "number"),
)
