"""Agreement levels of pairs, their pattern numbers, histograms and weights.

The levels of a comparison are conditions on features of a pair; conditions are compiled to a small
postfix programme that one loop runs over a batch of pairs. Levels in mixed radix give the pattern number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._jit import jit

#: Operations of a programme, one row ``(operation, slot, operand)`` each.
BITS_ANY = 0
AT_LEAST = 1
AT_MOST = 2
AND = 3
OR = 4
NOT = 5
ALWAYS = 6
TAKE_LEVEL = 7


#: Pairs taken together: their conditions stay in the first-level cache, and each operation of a programme is
#: one vector loop over them. A pair at a time, with a branch an operation, took ten times as long.
_CHUNK = 512
#: Most conditions that wait for one another.
_DEPTH = 64


@jit
def assign_patterns(
    programme: NDArray[np.int64],
    part_starts: NDArray[np.int64],
    radix: NDArray[np.int64],
    bits: NDArray[np.uint32],
    numbers: NDArray[np.int32],
    n: int,
    out: NDArray[np.uint32],
) -> None:
    """Pattern numbers of the first ``n`` pairs of a batch.

    programme   : int64[k, 3]. ``BITS_ANY`` pushes whether ``bits[slot]`` has any bit of ``operand``;
                  ``AT_LEAST`` and ``AT_MOST`` compare ``numbers[slot]`` with ``operand``; ``AND`` and ``OR``
                  take two conditions, ``NOT`` one, ``ALWAYS`` pushes true; ``TAKE_LEVEL`` pops a condition
                  and, if it holds, gives the part the level ``operand``. At most 63 conditions deep.
    part_starts : int64[parts + 1], where each part's rows begin; the last level of a part always holds
    radix       : int64[parts], the step in the pattern number of one level of the part
    bits        : uint32[features, >= n]
    numbers     : int32[features, >= n]
    out         : uint32[>= n]
    """
    held = np.zeros((_DEPTH, _CHUNK), np.uint8)
    level_open = np.empty(_CHUNK, np.uint8)
    for first in range(0, n, _CHUNK):
        size = min(_CHUNK, n - first)
        found = out[first : first + size]
        for i in range(size):
            found[i] = 0
        for part in range(radix.shape[0]):
            for i in range(size):
                level_open[i] = 1
            depth = 0
            for at in range(part_starts[part], part_starts[part + 1]):
                operation = programme[at, 0]
                slot = programme[at, 1]
                operand = programme[at, 2]
                top = held[depth - 1]
                if operation == BITS_ANY:
                    asked = np.uint32(operand)
                    given = bits[slot, first : first + size]
                    top = held[depth]
                    for i in range(size):
                        top[i] = np.uint8((given[i] & asked) != np.uint32(0))
                    depth += 1
                elif operation == TAKE_LEVEL:
                    step = np.uint32(operand * radix[part])
                    for i in range(size):
                        taken = top[i] & level_open[i]
                        level_open[i] ^= taken
                        found[i] += np.uint32(taken) * step
                    depth = 0
                elif operation == AND:
                    below = held[depth - 2]
                    for i in range(size):
                        below[i] &= top[i]
                    depth -= 1
                elif operation == OR:
                    below = held[depth - 2]
                    for i in range(size):
                        below[i] |= top[i]
                    depth -= 1
                elif operation == NOT:
                    for i in range(size):
                        top[i] ^= np.uint8(1)
                elif operation == ALWAYS:
                    top = held[depth]
                    for i in range(size):
                        top[i] = 1
                    depth += 1
                else:
                    measured = numbers[slot, first : first + size]
                    least = operand if operation == AT_LEAST else -(1 << 31)
                    most = operand if operation == AT_MOST else (1 << 31) - 1
                    low = np.int32(max(least, -(1 << 31)))
                    high = np.int32(min(most, (1 << 31) - 1))
                    never = least > (1 << 31) - 1 or most < -(1 << 31)
                    top = held[depth]
                    for i in range(size):
                        top[i] = np.uint8((measured[i] >= low) & (measured[i] <= high) & (not never))
                    depth += 1


@jit
def count_patterns(patterns: NDArray[np.uint32], n: int, histogram: NDArray[np.int64]) -> None:
    """Add the first ``n`` patterns to ``histogram`` (int64[number of patterns]), in place."""
    for i in range(n):
        histogram[patterns[i]] += 1


@jit
def score_pairs(
    patterns: NDArray[np.uint32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    weights: NDArray[np.int32],
    asked: NDArray[np.int8],
    blind_weights: NDArray[np.int32],
    blind_asked: NDArray[np.int8],
    repeated: NDArray[np.uint8],
    frequency: NDArray[np.int16],
    repeats: NDArray[np.int32],
    floor: int,
    rows: NDArray[np.uint32],
    at: int,
    out_left: NDArray[np.uint32],
    out_right: NDArray[np.uint32],
    out_pattern: NDArray[np.uint32],
    out_weight: NDArray[np.int32],
    out_blind: NDArray[np.int32],
) -> int:
    """Match weights in fixed point, with the identifier and without, of the pairs one of whose is at least
    ``floor``; returns where the next of them is to stand.

    patterns    : uint32[n];  left, right : int64[n], local rows of the pairs
    weights, blind_weights : int32[patterns], in 1/1024 bit, with and without the identifier
    asked, blind_asked     : int8[patterns], which column of ``frequency`` a pattern asks for, -1 none
    repeated    : uint8[patterns], 1 where ``repeats`` of the left row counts, with the identifier only
    frequency   : int16[rows, columns], what to add for the rarity of the right row's value, in 1/1024 bit
    repeats     : int32[rows], what to add where the left row's identifier is repeated
    rows        : uint32[rows], the global number of every local row
    out_left, out_right, out_pattern, out_weight, out_blind : at least at + n long, filled from ``at`` on
    """
    for i in range(patterns.shape[0]):
        pattern = patterns[i]
        weight = weights[pattern]
        blind = blind_weights[pattern]
        if asked[pattern] >= 0:
            weight += frequency[right[i], asked[pattern]]
        if blind_asked[pattern] >= 0:
            blind += frequency[right[i], blind_asked[pattern]]
        if repeated[pattern]:
            weight += repeats[left[i]]
        if weight >= floor or blind >= floor:
            out_left[at] = rows[left[i]]
            out_right[at] = rows[right[i]]
            out_pattern[at] = pattern
            out_weight[at] = weight
            out_blind[at] = blind
            at += 1
    return at


@jit
def reaching_pairs(
    patterns: NDArray[np.uint32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    empty: NDArray[np.uint8],
    weights: NDArray[np.int32],
    asked: NDArray[np.int8],
    blind_weights: NDArray[np.int32],
    blind_asked: NDArray[np.int8],
    repeated: NDArray[np.uint8],
    frequency: NDArray[np.int16],
    repeats: NDArray[np.int32],
    floor: int,
    places: NDArray[np.uint32],
    at: int,
    out_left: NDArray[np.int64],
    out_right: NDArray[np.int64],
    out_place: NDArray[np.uint32],
) -> int:
    """The pairs that can reach ``floor`` by what some parts of a comparison say of them; returns where the
    next of them is to stand.

    patterns    : uint32[n], of these parts only;  left, right : int64[n], local rows of the pairs
    empty       : uint8[rows], which of the other parts have nothing to compare as this row is the left one
    weights, blind_weights : int32[kinds of ``empty``, patterns], the greatest a pair may yet have, with and
                  without the identifier, before what is asked of ``frequency`` and ``repeats``
    asked, blind_asked, repeated, frequency, repeats, floor : as in :func:`score_pairs`
    places      : uint32[patterns], where each stands among the patterns of all parts
    out_left, out_right, out_place : at least at + n long, filled from ``at`` on
    """
    for i in range(patterns.shape[0]):
        pattern = patterns[i]
        none = empty[left[i]]
        weight = weights[none, pattern]
        blind = blind_weights[none, pattern]
        if asked[pattern] >= 0:
            weight += frequency[right[i], asked[pattern]]
        if blind_asked[pattern] >= 0:
            blind += frequency[right[i], blind_asked[pattern]]
        if repeated[pattern]:
            weight += repeats[left[i]]
        if weight >= floor or blind >= floor:
            out_left[at] = left[i]
            out_right[at] = right[i]
            out_place[at] = places[pattern]
            at += 1
    return at
