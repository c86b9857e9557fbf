"""Radix partition and radix sort of 64-bit keys with their row numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading
from kernels._jit import inline, inner, jit
from kernels._lanes import bit_count, lowest
from kernels.keys import NO_KEY


@jit
def partition_rows(
    keys: NDArray[np.uint64],
    first: int,
    bits: int,
    counts: NDArray[np.int64],
    out_keys: NDArray[np.uint64],
    out_rows: NDArray[np.uint32],
) -> None:
    """Stable partition of the keys of consecutive rows by their top ``bits``; ``NO_KEY`` is left out.

    keys     : uint64[n, k], the keys of each row, ``NO_KEY`` for none;  first : number of the first row
    counts   : int64[2**bits + 1], filled with the offsets of the partitions
    out_keys, out_rows : uint64 and uint32, each at least n * k long; only the first ``counts[-1]`` are filled
    """
    shift = np.uint64(64 - bits)
    parts = counts.shape[0] - 1
    for p in range(parts + 1):
        counts[p] = 0
    for i in range(keys.shape[0]):
        for a in range(keys.shape[1]):
            key = keys[i, a]
            if key != NO_KEY:
                counts[(np.int64(key >> shift) if bits else 0) + 1] += 1
    for p in range(parts):
        counts[p + 1] += counts[p]
    at = counts[:-1].copy()
    for i in range(keys.shape[0]):
        for a in range(keys.shape[1]):
            key = keys[i, a]
            if key != NO_KEY:
                part = np.int64(key >> shift) if bits else 0
                out_keys[at[part]] = key
                out_rows[at[part]] = first + i
                at[part] += 1


#: Buckets of the first pass: as many open cache lines as the second-level cache holds.
_FIRST_BITS = 11


@inline
def _highest(word: np.uint64) -> int:
    """Number of the highest set bit plus one, 0 for none."""
    n = 0
    while word != np.uint64(0):
        word >>= np.uint64(1)
        n += 1
    return n


@inner
def _insert(keys: NDArray[np.uint64], rows: NDArray[np.uint32], low: int, high: int) -> bool:
    """Stable insertion sort of a stretch, in place; False if it was given up for too much disorder."""
    moves = 64 * (high - low) + 64
    for i in range(low + 1, high):
        key, row = keys[i], rows[i]
        j = i
        while j > low and keys[j - 1] > key:
            keys[j] = keys[j - 1]
            rows[j] = rows[j - 1]
            j -= 1
        keys[j] = key
        rows[j] = row
        moves -= i - j
        if moves < 0:
            return False
    return True


@inner
def _sort_by_digits(
    keys: NDArray[np.uint64],
    rows: NDArray[np.uint32],
    other_keys: NDArray[np.uint64],
    other_rows: NDArray[np.uint32],
) -> None:
    """Stable least-significant-digit radix sort, in place; digits that all keys share are skipped."""
    n = keys.shape[0]
    histogram = np.zeros((4, 65536), np.int64)
    for i in range(n):
        key = keys[i]
        for b in range(4):
            histogram[b, (key >> np.uint64(16 * b)) & np.uint64(0xFFFF)] += 1
    source_keys, source_rows, target_keys, target_rows = keys, rows, other_keys, other_rows
    flipped = False
    for b in range(4):
        shift = np.uint64(16 * b)
        if histogram[b, (source_keys[0] >> shift) & np.uint64(0xFFFF)] == n:
            continue
        total = 0
        for v in range(65536):
            count = histogram[b, v]
            histogram[b, v] = total
            total += count
        for i in range(n):
            v = (source_keys[i] >> shift) & np.uint64(0xFFFF)
            at = histogram[b, v]
            target_keys[at] = source_keys[i]
            target_rows[at] = source_rows[i]
            histogram[b, v] = at + 1
        source_keys, target_keys = target_keys, source_keys
        source_rows, target_rows = target_rows, source_rows
        flipped = not flipped
    if flipped:
        for i in range(n):  # whole arrays assigned at once take two seconds more to compile
            keys[i] = source_keys[i]
            rows[i] = source_rows[i]


@jit
def sort_by_key(keys: NDArray[np.uint64], rows: NDArray[np.uint32]) -> None:
    """Stable radix sort, in place, by key; rows follow.

    keys : uint64[n], rows : uint32[n]. The highest bits in which keys differ part them into buckets that fit
    the first-level cache, their next bits into runs of a few, which insertion ends: hashes are even, so that
    three passes do, two of them in the cache. Buckets that are not even are sorted by all their digits.
    """
    n = keys.shape[0]
    if n < 2:
        return
    differ = np.uint64(0)
    for i in range(n):
        differ |= keys[i] ^ keys[0]
    top = _highest(differ)
    if top == 0:
        return
    bits = max(0, min(top, _FIRST_BITS, _highest(np.uint64(n)) - 4))
    shift = np.uint64(top - bits)
    mask = np.uint64((1 << bits) - 1)
    starts = np.zeros((1 << bits) + 1, np.int64)
    for i in range(n):
        starts[np.int64((keys[i] >> shift) & mask) + 1] += 1
    for b in range(1 << bits):
        starts[b + 1] += starts[b]
    other_keys = np.empty_like(keys)
    other_rows = np.empty_like(rows)
    at = starts[:-1].copy()
    for i in range(n):
        bucket = np.int64((keys[i] >> shift) & mask)
        other_keys[at[bucket]] = keys[i]
        other_rows[at[bucket]] = rows[i]
        at[bucket] += 1
    left = top - bits
    fine = np.zeros(257, np.int64)
    for b in range(1 << bits):
        low, high = starts[b], starts[b + 1]
        size = high - low
        if size == 0:
            continue
        more = max(0, min(left, 8, _highest(np.uint64(size)) - 3))
        finer = np.uint64(left - more)
        finer_mask = np.uint64((1 << more) - 1)
        for v in range((1 << more) + 1):
            fine[v] = 0
        for i in range(low, high):
            fine[np.int64((other_keys[i] >> finer) & finer_mask) + 1] += 1
        for v in range(1 << more):
            fine[v + 1] += fine[v]
        for i in range(low, high):
            run = np.int64((other_keys[i] >> finer) & finer_mask)
            place = low + fine[run]
            keys[place] = other_keys[i]
            rows[place] = other_rows[i]
            fine[run] += 1
        if not _insert(keys, rows, low, high):
            # Every element is still there, those before the stop in order: a stable sort by digits ends it.
            for i in range(low, high):
                keys[i] = other_keys[i]
                rows[i] = other_rows[i]
            _sort_by_digits(keys[low:high], rows[low:high], other_keys[low:high], other_rows[low:high])


@jit
def _rank_sorted(
    keys: NDArray[np.uint64],
    places: NDArray[np.uint32],
    distinct: NDArray[np.uint32],
    rank: NDArray[np.int64],
) -> int:
    count = 0
    for i in range(keys.shape[0]):
        if i == 0 or keys[i] != keys[i - 1]:
            distinct[count] = np.uint32(keys[i])
            count += 1
        rank[places[i]] = count - 1
    return count


@jit
def _rank_marked(
    rows: NDArray[np.uint32],
    low: int,
    words: NDArray[np.int64],
    before: NDArray[np.uint32],
    distinct: NDArray[np.uint32],
    rank: NDArray[np.int64],
) -> int:
    """As :func:`rank_rows`, by a bit for every row from ``low`` on.

    words : zeros;  before : filled with the distinct rows before each word
    """
    for i in range(rows.shape[0]):
        at = np.int64(rows[i]) - low
        words[at >> 6] |= np.int64(1) << (at & 63)
    count = 0
    for w in range(words.shape[0]):
        before[w] = count
        word = words[w]
        while word != 0:
            distinct[count] = np.uint32(low + 64 * w + lowest(word))
            count += 1
            word &= word - 1
    for i in range(rows.shape[0]):
        at = np.int64(rows[i]) - low
        below = words[at >> 6] & ((np.int64(1) << (at & 63)) - 1)
        rank[i] = np.int64(before[at >> 6]) + bit_count(below)
    return count


#: Rows of a span to every row ranked, up to which a bit for each of the span is faster than a sort: at 64 it
#: takes 40 % of the time, at 256 as long.
_SPARSEST = 64


def rank_rows(rows: NDArray[np.uint32], distinct: NDArray[np.uint32], rank: NDArray[np.int64]) -> int:
    """Distinct rows in rising order and the place of every row among them; returns how many there are.

    rows : uint32[n], in any order;  distinct : uint32[n], filled from the front;  rank : int64[n], as given
    """
    if rows.shape[0] == 0:
        return 0
    low = int(rows.min())
    span = int(rows.max()) - low + 1
    if span <= _SPARSEST * rows.shape[0]:
        words = -(-span // 64)
        marks, before = np.zeros(words, np.int64), np.empty(words, np.uint32)
        return int(_rank_marked(reading(rows, np.uint32, "rows"), low, marks, before, distinct, rank))
    keys, places = rows.astype(np.uint64), np.arange(rows.shape[0], dtype=np.uint32)
    sort_by_key(keys, places)
    return int(_rank_sorted(keys, places, distinct, rank))


@jit
def partition_order(
    partition: NDArray[np.uint16], starts: NDArray[np.int64], order: NDArray[np.uint32]
) -> None:
    """Stable order of rows by partition.

    partition : uint16[n], below ``len(starts) - 1``;  starts : int64[partitions + 1], filled with where each
    begins;  order : uint32[n], filled with the rows of the first partition, of the second, and so on
    """
    parts = starts.shape[0] - 1
    for p in range(parts + 1):
        starts[p] = 0
    for i in range(partition.shape[0]):
        starts[partition[i] + 1] += 1
    for p in range(parts):
        starts[p + 1] += starts[p]
    at = starts[:-1].copy()
    for i in range(partition.shape[0]):
        p = partition[i]
        order[at[p]] = i
        at[p] += 1


@jit
def split_blocks(
    keys: NDArray[np.uint64],
    rows: NDArray[np.uint32],
    n_register: int,
    candidates: int,
    most: int,
    among: bool,
    members: NDArray[np.uint32],
    sizes: NDArray[np.int64],
    registers: NDArray[np.int32],
    block_keys: NDArray[np.uint64],
    numbers: NDArray[np.int64],
    burning: NDArray[np.int64],
    totals: NDArray[np.int64],
) -> None:
    """Part the blocks of sorted keys in those that have pairs, those that are too large, and the rest.

    keys : uint64[n] sorted;  rows : uint32[n];  a block's register rows are those below ``n_register``, or
    with ``among`` all of its rows. It is too large with more of them than ``candidates``, or with more than
    ``most`` pairs of a register row with another row. Its pairs are these, and those of register rows.

    members : uint32[n], rows of the blocks that have pairs;  sizes, registers, block_keys, numbers : int64,
    int32, uint64, int64, each at least n // 2 long, of each such block: rows, register rows, key, and its
    number among all blocks
    burning : int64[at least n // (min(candidates, most // candidates) + 1), 3], of each block that is too
    large its number, and where it begins and ends
    totals  : int64[7]: blocks that have pairs, their members, their pairs with other rows, their register
    pairs, blocks that are too large, pairs of all blocks of both kinds, rows of the largest block. All are
    filled, from the front.
    """
    for i in range(7):
        totals[i] = 0
    n = keys.shape[0]
    number = 0
    start = 0
    while start < n:
        stop = start
        held = 0
        while stop < n and keys[stop] == keys[start]:
            if among or rows[stop] < n_register:
                held += 1
            stop += 1
        size = stop - start
        mixed = np.int64(held) * (size - held)
        own = np.int64(held) * (held - 1) // 2
        totals[5] += mixed + own
        totals[6] = max(totals[6], size)
        if held > candidates or mixed > most:
            at = totals[4]
            burning[at, 0] = number
            burning[at, 1] = start
            burning[at, 2] = stop
            totals[4] += 1
        elif mixed + own:
            at = totals[0]
            sizes[at] = size
            registers[at] = held
            block_keys[at] = keys[start]
            numbers[at] = number
            for i in range(start, stop):
                members[totals[1] + i - start] = rows[i]
            totals[0] += 1
            totals[1] += size
            totals[2] += mixed
            totals[3] += own
        number += 1
        start = stop
