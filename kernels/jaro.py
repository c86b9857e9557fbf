"""Jaro and Jaro-Winkler similarities, bit-parallel up to 64 units.

Definitions: Jaro (1989) and Winkler (1990), as RapidFuzz computes them, to the last bit: the same operations
in the same order. Characters match within ``max(n, m) // 2 - 1`` places, each taking the first free partner;
transpositions are halved downwards. Winkler's bonus is 0.1 for each of up to four common first characters
and is given above 0.7. Two empty strings are alike (1.0), an empty and another one are not (0.0).

Cutoff: the value is the one without a cutoff, or 0.0 where that is below ``cutoff``; 0.0 asks for all.
RapidFuzz means the same, but rounds its cutoff to single precision and can lose a Jaro-Winkler value that
equals the cutoff (3.14 gives 0.0 for an exact 0.92 at a cutoff of 0.92); here a tie always stays.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading, same_length, writing
from kernels._jit import inline, inner, jit
from kernels._lanes import address, after, bit_count, common_prefix, lowest, positions, unit_at, zero_of
from kernels.packed import PackedStrings, compared

PREFIX_WEIGHT = 0.1
BONUS_ABOVE = 0.7

# The Jaro value that a Jaro-Winkler cutoff asks for is rounded; nothing that close below it is dropped before
# the last comparison, so that a value equal to the cutoff is never lost.
_SLACK = 1e-9

# NumPy's integers here, int() and float() below: Numba types a constant argument as a type of its own and
# would compile the function again for it.
_NO_PREFIX = cast("int", np.int64(0))
_PREFIX = cast("int", np.int64(4))


@inline
def _value(n: int, m: int, common: int, swapped: int) -> float:
    return (common / n + common / m + (common - swapped) / common) / 3.0


@inline
def _most(n: int, m: int, common: int) -> float:
    """The value without transpositions, which no other can exceed."""
    return (common / n + common / m + 1.0) / 3.0


@inner
def _any_length(a: int, n: int, b: int, m: int, bound: int, zero: Any) -> tuple[int, int]:
    """Matching characters and out-of-order characters (twice the transpositions), for any length."""
    taken_a = np.zeros(n, np.bool_)
    taken_b = np.zeros(m, np.bool_)
    common = 0
    for i in range(n):
        unit = unit_at(a, i, zero)
        for j in range(max(0, i - bound), min(i + bound + 1, m)):
            if not taken_b[j] and unit == unit_at(b, j, zero):
                taken_a[i] = True
                taken_b[j] = True
                common += 1
                break
    moved = 0
    j = 0
    for i in range(n):
        if taken_a[i]:
            while not taken_b[j]:
                j += 1
            moved += unit_at(a, i, zero) != unit_at(b, j, zero)
            j += 1
    return common, moved


@inline
def _jaro(
    a: int, room_a: int, n: int, b: int, room_b: int, m: int, cutoff: float, winkler: int, zero: Any
) -> float:
    """Jaro's similarity of ``n`` and ``m`` units, with Winkler's bonus for ``winkler`` first characters."""
    if n == 0 or m == 0 or cutoff > 1.0:
        return 1.0 if n == m and cutoff <= 1.0 else 0.0
    shorter = min(n, m)
    prefix = common_prefix(a, room_a, b, room_b, shorter, zero)
    bonus = min(prefix, winkler) * PREFIX_WEIGHT
    below = cutoff
    if winkler > 0 and cutoff > BONUS_ABOVE:
        below = max(BONUS_ABOVE, (bonus - cutoff) / (bonus - 1.0)) - _SLACK
    if _most(n, m, shorter) < below:
        return 0.0
    # A single character has no window: two of them are equal or have nothing in common.
    bound = max(max(n, m) // 2 - 1, 0)
    common = prefix
    moved = 0
    # Nothing beyond the shorter string's reach can match, and equal first characters match one another.
    rest_a = min(n, m + bound) - prefix
    rest_b = min(m, n + bound) - prefix
    a = after(a, prefix, zero)
    b = after(b, prefix, zero)
    if rest_a > 64 or rest_b > 64:
        found, moved = _any_length(a, rest_a, b, rest_b, bound, zero)
        common += found
    elif rest_a > 0 and rest_b > 0:
        reach = (2 << min(bound, 63)) - 1
        taken_a = 0
        taken_b = 0
        for j in range(rest_b):
            free = positions(a, room_a - prefix, rest_a, unit_at(b, j, zero)) & reach & ~taken_a
            taken_a |= free & -free
            taken_b |= int(free != 0) << j
            reach = (reach << 1) | int(j < bound)
        common += bit_count(taken_a)
        if common == 0 or _most(n, m, common) < below:
            return 0.0
        while taken_a != 0:
            moved += unit_at(a, lowest(taken_a), zero) != unit_at(b, lowest(taken_b), zero)
            taken_a &= taken_a - 1
            taken_b &= taken_b - 1
    if common == 0:
        return 0.0
    similarity = _value(n, m, common, moved // 2)
    if similarity > BONUS_ABOVE:
        similarity = min(similarity + bonus * (1.0 - similarity), 1.0)
    return similarity if similarity >= cutoff else 0.0


@inline
def jaro(
    codes_a: NDArray[Any],
    start_a: int,
    stop_a: int,
    codes_b: NDArray[Any],
    start_b: int,
    stop_b: int,
    cutoff: float,
) -> float:
    """Jaro similarity of ``codes_a[start_a:stop_a]`` and ``codes_b[start_b:stop_b]``, 0.0 to 1.0.

    The codes are uint8, uint16 or uint32 of one alphabet, both of one type, read-only or not.
    Returns 0.0 where the similarity is below ``cutoff``.
    """
    return _jaro(
        address(codes_a, start_a),
        codes_a.size - start_a,
        int(stop_a - start_a),
        address(codes_b, start_b),
        codes_b.size - start_b,
        int(stop_b - start_b),
        float(cutoff),
        _NO_PREFIX,
        zero_of(codes_a),
    )


@inline
def jaro_winkler(
    codes_a: NDArray[Any],
    start_a: int,
    stop_a: int,
    codes_b: NDArray[Any],
    start_b: int,
    stop_b: int,
    cutoff: float,
) -> float:
    """Jaro-Winkler similarity, prefix weight 0.1; arguments and cutoff as in :func:`jaro`."""
    return _jaro(
        address(codes_a, start_a),
        codes_a.size - start_a,
        int(stop_a - start_a),
        address(codes_b, start_b),
        codes_b.size - start_b,
        int(stop_b - start_b),
        float(cutoff),
        _PREFIX,
        zero_of(codes_a),
    )


@jit
def _jaro_pairs(
    offsets_l: NDArray[np.int64],
    codes_l: NDArray[Any],
    offsets_r: NDArray[np.int64],
    codes_r: NDArray[Any],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    cutoff: float,
    out: NDArray[np.float64],
) -> None:
    for k in range(out.shape[0]):
        i = left_index[k]
        j = right_index[k]
        out[k] = jaro(
            codes_l, offsets_l[i], offsets_l[i + 1], codes_r, offsets_r[j], offsets_r[j + 1], cutoff
        )


@jit
def _jaro_winkler_pairs(
    offsets_l: NDArray[np.int64],
    codes_l: NDArray[Any],
    offsets_r: NDArray[np.int64],
    codes_r: NDArray[Any],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    cutoff: float,
    out: NDArray[np.float64],
) -> None:
    for k in range(out.shape[0]):
        i = left_index[k]
        j = right_index[k]
        out[k] = jaro_winkler(
            codes_l, offsets_l[i], offsets_l[i + 1], codes_r, offsets_r[j], offsets_r[j + 1], cutoff
        )


def jaro_pairs(
    left: PackedStrings,
    right: PackedStrings,
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    cutoff: float,
    out: NDArray[np.float64],
) -> None:
    """Fill ``out: float64[k]`` with the Jaro similarity of each pair, 0.0 where it is below ``cutoff``.

    ``left_index`` and ``right_index`` are int64[k] rows of the two columns, which share one alphabet; the
    rows are not checked. Raises ValueError for other shapes, types or alphabets.
    """
    columns = compared(left, right)
    li = reading(left_index, np.int64, "left_index")
    ri = reading(right_index, np.int64, "right_index")
    _jaro_pairs(*columns, li, ri, float(cutoff), writing(out, np.float64, same_length(li, ri)))


def jaro_winkler_pairs(
    left: PackedStrings,
    right: PackedStrings,
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    cutoff: float,
    out: NDArray[np.float64],
) -> None:
    """Like :func:`jaro_pairs` for the Jaro-Winkler similarity."""
    columns = compared(left, right)
    li = reading(left_index, np.int64, "left_index")
    ri = reading(right_index, np.int64, "right_index")
    _jaro_winkler_pairs(*columns, li, ri, float(cutoff), writing(out, np.float64, same_length(li, ri)))
