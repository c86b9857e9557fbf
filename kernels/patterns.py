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
def weigh_pairs(
    patterns: NDArray[np.uint32],
    right: NDArray[np.int64],
    n: int,
    weights: NDArray[np.int32],
    frequency_column: NDArray[np.int8],
    frequency: NDArray[np.int32],
    out: NDArray[np.int32],
) -> None:
    """Match weights of the first ``n`` pairs in fixed point.

    patterns         : uint32[>= n]
    right            : int64[>= n], right rows of the pairs, whose frequency is taken
    weights          : int32[patterns], weight of each pattern in 1/1024 bit
    frequency_column : int8[patterns], which column of ``frequency`` the pattern's levels ask for, -1 none
    frequency        : int32[rows, columns], what to add for the rarity of the row's own value, in 1/1024 bit
    out              : int32[>= n]
    """
    for i in range(n):
        pattern = patterns[i]
        weight = weights[pattern]
        column = frequency_column[pattern]
        if column >= 0:
            weight += frequency[right[i], column]
        out[i] = weight
