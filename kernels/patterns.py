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
    one = np.uint64(1)
    for i in range(n):
        pattern = np.int64(0)
        for part in range(radix.shape[0]):
            stack = np.uint64(0)
            for at in range(part_starts[part], part_starts[part + 1]):
                operation = programme[at, 0]
                slot = programme[at, 1]
                operand = programme[at, 2]
                if operation == BITS_ANY:
                    stack <<= one
                    if bits[slot, i] & np.uint32(operand):
                        stack |= one
                elif operation == TAKE_LEVEL:
                    if stack & one:
                        pattern += operand * radix[part]
                        break
                    stack = np.uint64(0)
                elif operation == AND:
                    top = stack & one
                    stack >>= one
                    if not top:
                        stack &= ~one
                elif operation == OR:
                    top = stack & one
                    stack >>= one
                    stack |= top
                elif operation == NOT:
                    stack ^= one
                elif operation == AT_LEAST:
                    stack <<= one
                    if numbers[slot, i] >= operand:
                        stack |= one
                elif operation == AT_MOST:
                    stack <<= one
                    if numbers[slot, i] <= operand:
                        stack |= one
                else:
                    stack = (stack << one) | one
        out[i] = np.uint32(pattern)


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
