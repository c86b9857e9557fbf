"""Walking the blocks of a rule: every candidate pair once, in batches, never as one list."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading
from kernels._jit import jit


@jit
def _walk_blocks(
    starts: NDArray[np.int64],
    members: NDArray[np.int64],
    n_register: NDArray[np.int32],
    block_keys: NDArray[np.uint64],
    mode: int,
    position: NDArray[np.int64],
    keys: NDArray[np.uint64],
    widths: NDArray[np.int64],
    rule: int,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> int:
    n = 0
    block = position[0]
    a = position[1]
    b = position[2]
    blocks = starts.shape[0] - 1
    while block < blocks:
        begin = starts[block]
        size = starts[block + 1] - begin
        registers = n_register[block]
        if mode == 0:
            first_stop, second_start, second_stop = registers, registers, size
        elif mode == 1:
            first_stop, second_start, second_stop = registers, 0, registers
        else:
            first_stop, second_start, second_stop = size, 0, size
        while a < first_stop:
            if mode != 0 and b <= a:
                b = a + 1
            elif b < second_start:
                b = second_start
            one = members[begin + a]
            while b < second_stop:
                if n == left.shape[0]:
                    position[0] = block
                    position[1] = a
                    position[2] = b
                    return n
                other = members[begin + b]
                b += 1
                owned = False
                for earlier in range(rule):
                    for x in range(widths[earlier], widths[earlier + 1]):
                        key = keys[one, x]
                        if key == 0:
                            break
                        for y in range(widths[earlier], widths[earlier + 1]):
                            if keys[other, y] == key:
                                owned = True
                    if owned:
                        break
                if owned:
                    continue
                if widths[rule + 1] - widths[rule] > 1:
                    smallest = block_keys[block]
                    for x in range(widths[rule], widths[rule + 1]):
                        key = keys[one, x]
                        if key != 0 and key < smallest:
                            for y in range(widths[rule], widths[rule + 1]):
                                if keys[other, y] == key:
                                    smallest = key
                    if smallest != block_keys[block]:
                        continue
                if mode == 0:
                    left[n] = other
                    right[n] = one
                else:
                    left[n] = one
                    right[n] = other
                n += 1
            a += 1
            b = 0
        block += 1
        a = 0
        b = 0
    position[0] = block
    position[1] = 0
    position[2] = 0
    return n


def walk_blocks(
    starts: NDArray[np.int64],
    members: NDArray[np.int64],
    n_register: NDArray[np.int32],
    block_keys: NDArray[np.uint64],
    mode: int,
    position: NDArray[np.int64],
    keys: NDArray[np.uint64],
    widths: NDArray[np.int64],
    rule: int,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> int:
    """Fill a batch with the next pairs of the blocks that belong to ``rule``; returns how many.

    starts     : int64[blocks + 1], where each block begins in ``members``
    members    : int64[k], local rows; the register's rows come first in every block
    n_register : int32[blocks], how many of a block's members are register rows
    block_keys : uint64[blocks], the effective key of each block
    mode       : 0 agency with register, 1 register with register, 2 every member with every other
    position   : int64[3], block, and the two places in it; the walk goes on from there and leaves it where it
                 stops
    keys       : uint64[rows, sum of widths], the effective keys of every rule, zeros last
    widths     : int64[rules + 1], where each rule's columns begin in ``keys``
    rule       : which rule these blocks are of; a pair that shares a key of an earlier rule is left out, and
                 of several shared keys of this rule only the smallest counts
    left, right: int64[batch], filled; ``left`` is the agency's row (mode 0), or the earlier member
    """
    return int(
        _walk_blocks(
            reading(starts, np.int64, "starts"),
            members,
            reading(n_register, np.int32, "n_register"),
            reading(block_keys, np.uint64, "block_keys"),
            mode,
            position,
            keys,
            widths,
            rule,
            left,
            right,
        )
    )


@jit
def owned_pairs(
    keys: NDArray[np.uint64],
    widths: NDArray[np.int64],
    rules: int,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> None:
    """Whether each pair shares a key of any of the first ``rules`` rules.

    keys, widths as in :func:`walk_blocks`; left, right : int64[n]; out : uint8[n]
    """
    for i in range(left.shape[0]):
        one = left[i]
        other = right[i]
        owned = np.uint8(0)
        for rule in range(rules):
            for x in range(widths[rule], widths[rule + 1]):
                key = keys[one, x]
                if key == 0:
                    break
                for y in range(widths[rule], widths[rule + 1]):
                    if keys[other, y] == key:
                        owned = np.uint8(1)
            if owned:
                break
        out[i] = owned


@jit
def narrow_pairs(
    rows: int,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    held: NDArray[np.int64],
    out_left: NDArray[np.int64],
    out_right: NDArray[np.int64],
) -> int:
    """Pairs as places among only those of ``rows`` rows that some pair has; returns how many these are.

    The pairs come in the order of their right row, of one row as they were. Right rows are the register's, by
    far the more: what is read of them is then read in order, and the few left rows stay in the cache. In the
    order of the left rows, matching 22 million records took a fourteenth longer.

    left, right         : int64[n], below ``rows``
    held                : int64[rows], filled from the front with the rows that some pair has, rising
    out_left, out_right : int64[n], not the same arrays as ``left`` and ``right``
    """
    starts = np.zeros(rows, np.int32)
    place = np.zeros(rows, np.int32)
    for i in range(right.shape[0]):
        starts[right[i]] += 1
        place[left[i]] = 1
    count = 0
    at = 0
    for row in range(rows):
        size = starts[row]
        starts[row] = at
        at += size
        if size or place[row]:
            held[count] = row
            place[row] = count
            count += 1
    for i in range(right.shape[0]):
        to = starts[right[i]]
        starts[right[i]] = to + 1
        out_left[to] = place[left[i]]
        out_right[to] = place[right[i]]
    return count


@jit
def count_block_pairs(
    starts: NDArray[np.int64], n_register: NDArray[np.int32], out: NDArray[np.int64]
) -> None:
    """Pairs of each block before ownership: agency with register, and register with register.

    starts : int64[blocks + 1], n_register : int32[blocks], out : int64[blocks, 2]
    """
    for block in range(starts.shape[0] - 1):
        registers = np.int64(n_register[block])
        others = starts[block + 1] - starts[block] - registers
        out[block, 0] = registers * others
        out[block, 1] = registers * (registers - 1) // 2


@jit
def unsettled_blocks(
    starts: NDArray[np.int64],
    members: NDArray[np.uint32],
    n_register: NDArray[np.int32],
    settled: NDArray[np.uint8],
    first: int,
    out: NDArray[np.uint32],
    out_starts: NDArray[np.int64],
    kept: NDArray[np.int64],
) -> int:
    """Blocks without their settled agency records; returns how many have any left.

    starts     : int64[blocks + 1], where each block begins in ``members``
    members    : uint32[k], rows; the register's come first in every block, ``n_register`` of them
    settled    : uint8, a bit for each row from ``first`` on, the lowest bit of a byte first
    out        : uint32[k], filled with the members of the blocks that are kept
    out_starts : int64[blocks + 1], where they begin;  kept : int64[blocks], which they are
    """
    n = 0
    at = np.int64(0)
    out_starts[0] = 0
    for block in range(starts.shape[0] - 1):
        middle = starts[block] + n_register[block]
        end = at + n_register[block]
        for place in range(middle, starts[block + 1]):
            row = np.int64(members[place]) - first
            if (settled[row >> 3] >> np.uint8(row & 7)) & np.uint8(1) == 0:
                out[end] = members[place]
                end += 1
        if end == at + n_register[block]:
            continue
        for place in range(starts[block], middle):
            out[at] = members[place]
            at += 1
        at = end
        kept[n] = block
        n += 1
        out_starts[n] = at
    return n


@jit
def set_relations(
    left_sets: NDArray[np.int32],
    right_sets: NDArray[np.int32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    offsets: NDArray[np.int64],
    members: NDArray[np.int32],
    provinces: NDArray[np.int32],
    out: NDArray[np.uint32],
) -> None:
    """How the sets of possible units of each pair relate.

    left_sets, right_sets : int32[n], set numbers, -1 for none
    left, right           : int64[p], rows of the pairs
    offsets, members      : int64[sets + 1], int32[k], the sorted members of each set
    provinces             : int32[sets], the province of all members, -1 if they differ
    out                   : uint32[p], bits: 1 none on a side, 2 the same set, 4 a unit in common,
                            8 one province
    """
    for i in range(left.shape[0]):
        a = left_sets[left[i]]
        b = right_sets[right[i]]
        if a < 0 or b < 0:
            out[i] = 1
            continue
        if a == b:
            out[i] = 2 | 4 | (8 if provinces[a] >= 0 else 0)
            continue
        bits = 0
        x = offsets[a]
        y = offsets[b]
        while x < offsets[a + 1] and y < offsets[b + 1]:
            if members[x] == members[y]:
                bits |= 4
                break
            if members[x] < members[y]:
                x += 1
            else:
                y += 1
        if provinces[a] >= 0 and provinces[a] == provinces[b]:
            bits |= 8
        out[i] = bits


@jit
def code_relations(
    left_codes: NDArray[Any],
    right_codes: NDArray[Any],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    out: NDArray[np.uint32],
) -> None:
    """Whether two plain codes (zero for none) are equal: bits 1 none on a side, 2 equal."""
    for i in range(left.shape[0]):
        a = left_codes[left[i]]
        b = right_codes[right[i]]
        if a == 0 or b == 0:
            out[i] = 1
        elif a == b:
            out[i] = 2
        else:
            out[i] = 0


@jit
def alias_relations(
    codes: NDArray[np.int64],
    aliases: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    bit: np.uint32,
    out: NDArray[np.uint32],
) -> None:
    """Set ``bit`` in ``out`` where one record's identifier is an earlier identifier of the other.

    codes : int64[n];  aliases : int64[n, k], zero for none;  left, right : int64[p]
    out   : uint32[p], in place
    """
    for i in range(left.shape[0]):
        a = left[i]
        b = right[i]
        for k in range(aliases.shape[1]):
            if (codes[a] != 0 and codes[a] == aliases[b, k]) or (codes[b] != 0 and codes[b] == aliases[a, k]):
                out[i] |= bit


@jit
def held_bits(
    held: NDArray[np.uint8], left: NDArray[np.int64], bit: np.uint32, out: NDArray[np.uint32]
) -> None:
    """Set ``bit`` in ``out`` where the left record's flag (uint8[n]) is not zero, in place."""
    for i in range(left.shape[0]):
        if held[left[i]]:
            out[i] |= bit
