"""Levenshtein and optimal string alignment distances, bit-parallel.

Definitions: Levenshtein (1966) counts insertions, deletions and substitutions; OSA counts a swap of two
neighbours as one more kind of step, no place being touched twice. Method: Hyyrö, "A bit-vector algorithm for
computing Levenshtein and Damerau edit distances" (Nordic Journal of Computing 10, 2003), a column of the
table of differences in one machine word, and in several words, block after block, beyond 64 units.

Cutoff, as in RapidFuzz: a distance above ``cutoff`` is returned as ``cutoff + 1``, as soon as it is certain.
``NO_CUTOFF`` asks for the distance itself. Two empty strings are at distance 0.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading, same_length, writing
from kernels._jit import inline, inner, jit
from kernels._lanes import address, after, common_prefix, common_suffix, positions, unit_at, zero_of
from kernels.packed import PackedStrings, compared

#: A cutoff no distance reaches.
NO_CUTOFF = 2**31 - 2

# NumPy's integers here and int() below: Numba types a constant argument as a type of its own and would
# compile the function again for it.
_WITHOUT_SWAPS = cast("int", np.int64(0))
_WITH_SWAPS = cast("int", np.int64(-1))


@inner
def _blocks(pattern: int, room: int, m: int, text: int, n: int, cutoff: int, swaps: int, zero: Any) -> int:
    """The distance for patterns of any length, 64 rows at a time; ``seam`` carries bits from block to block.

    ``seam`` holds for each column the horizontal difference (+1: bit 0, -1: bit 1) at the border row and
    whether a swap may cross it (bit 2). ``swaps`` is -1 where swaps count and 0 where they do not.
    """
    seam = np.ones(n, np.int8)
    distance = m
    for first in range(0, m, 64):
        count = min(64, m - first)
        last = first + count == m
        top = count - 1
        rows = after(pattern, first, zero)
        vp = -1
        vn = 0
        d0 = 0
        before = 0
        for j in range(n):
            carried = seam[j]
            up = carried & 1
            down = (carried >> 1) & 1
            here = positions(rows, room - first, count, unit_at(text, j, zero))
            loose = ~d0 & here
            swap = ((loose << 1) | ((carried >> 2) & 1)) & before & swaps
            x = here | down
            d0 = (((x & vp) + vp) ^ vp) | x | vn | swap
            before = here
            hp = vn | ~(d0 | vp)
            hn = d0 & vp
            seam[j] = ((hp >> 63) & 1) | (((hn >> 63) & 1) << 1) | (((loose >> 63) & 1) << 2)
            if last:
                distance += ((hp >> top) & 1) - ((hn >> top) & 1)
                if distance - (n - 1 - j) > cutoff:
                    return cutoff + 1
            hp = (hp << 1) | up
            hn = (hn << 1) | down
            vp = hn | ~(d0 | hp)
            vn = hp & d0
    return min(distance, cutoff + 1)


@inline
def _distance(
    a: int,
    size_a: int,
    start_a: int,
    n: int,
    b: int,
    size_b: int,
    start_b: int,
    m: int,
    cutoff: int,
    swaps: int,
    zero: Any,
) -> int:
    """The distance of ``n`` units at ``a`` and ``m`` units at ``b``, inside arrays of so many units.

    ``start`` is where the string begins in its array and ``size`` where the array ends.
    """
    if abs(n - m) > cutoff:
        return cutoff + 1
    room_a = size_a - start_a
    room_b = size_b - start_b
    shared = common_prefix(a, room_a, b, room_b, min(n, m), zero)
    end_a = after(a, n, zero)
    end_b = after(b, m, zero)
    last_a = start_a + n
    last_b = start_b + m
    a = after(a, shared, zero)
    b = after(b, shared, zero)
    room_a -= shared
    room_b -= shared
    n -= shared
    m -= shared
    shared = common_suffix(end_a, last_a, end_b, last_b, min(n, m), zero)
    n -= shared
    m -= shared
    if m > n:
        a, b = b, a
        n, m = m, n
        room_b = room_a
    if m == 0:
        return min(n, cutoff + 1)
    if m > 64:
        return _blocks(b, room_b, m, a, n, cutoff, swaps, zero)
    top = m - 1
    distance = m
    vp = -1
    vn = 0
    d0 = 0
    before = 0
    for j in range(n):
        here = positions(b, room_b, m, unit_at(a, j, zero))
        swap = ((~d0 & here) << 1) & before & swaps
        d0 = (((here & vp) + vp) ^ vp) | here | vn | swap
        before = here
        hp = vn | ~(d0 | vp)
        hn = d0 & vp
        distance += ((hp >> top) & 1) - ((hn >> top) & 1)
        if distance - (n - 1 - j) > cutoff:
            return cutoff + 1
        hp = (hp << 1) | 1
        hn = hn << 1
        vp = hn | ~(d0 | hp)
        vn = hp & d0
    return min(distance, cutoff + 1)


@inline
def levenshtein(
    codes_a: NDArray[Any],
    start_a: int,
    stop_a: int,
    codes_b: NDArray[Any],
    start_b: int,
    stop_b: int,
    cutoff: int,
) -> int:
    """Levenshtein distance of ``codes_a[start_a:stop_a]`` and ``codes_b[start_b:stop_b]``.

    The codes are uint8, uint16 or uint32 of one alphabet, both of one type, read-only or not; ``cutoff`` is
    at least 0. Returns the distance, or ``cutoff + 1`` where it is greater.
    """
    return _distance(
        address(codes_a, start_a),
        codes_a.size,
        int(start_a),
        int(stop_a - start_a),
        address(codes_b, start_b),
        codes_b.size,
        int(start_b),
        int(stop_b - start_b),
        int(cutoff),
        _WITHOUT_SWAPS,
        zero_of(codes_a),
    )


@inline
def osa(
    codes_a: NDArray[Any],
    start_a: int,
    stop_a: int,
    codes_b: NDArray[Any],
    start_b: int,
    stop_b: int,
    cutoff: int,
) -> int:
    """Optimal string alignment distance; arguments and cutoff as in :func:`levenshtein`."""
    return _distance(
        address(codes_a, start_a),
        codes_a.size,
        int(start_a),
        int(stop_a - start_a),
        address(codes_b, start_b),
        codes_b.size,
        int(start_b),
        int(stop_b - start_b),
        int(cutoff),
        _WITH_SWAPS,
        zero_of(codes_a),
    )


@jit
def _levenshtein_pairs(
    offsets_l: NDArray[np.int64],
    codes_l: NDArray[Any],
    offsets_r: NDArray[np.int64],
    codes_r: NDArray[Any],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    cutoff: int,
    out: NDArray[np.int32],
) -> None:
    for k in range(out.shape[0]):
        i = left_index[k]
        j = right_index[k]
        out[k] = levenshtein(
            codes_l, offsets_l[i], offsets_l[i + 1], codes_r, offsets_r[j], offsets_r[j + 1], cutoff
        )


@jit
def _osa_pairs(
    offsets_l: NDArray[np.int64],
    codes_l: NDArray[Any],
    offsets_r: NDArray[np.int64],
    codes_r: NDArray[Any],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    cutoff: int,
    out: NDArray[np.int32],
) -> None:
    for k in range(out.shape[0]):
        i = left_index[k]
        j = right_index[k]
        out[k] = osa(codes_l, offsets_l[i], offsets_l[i + 1], codes_r, offsets_r[j], offsets_r[j + 1], cutoff)


def _cutoff(cutoff: int) -> int:
    if not 0 <= cutoff <= NO_CUTOFF:
        raise ValueError(f"The cutoff is {cutoff}. Wanted: 0 to {NO_CUTOFF}. Pass NO_CUTOFF for none.")
    return int(cutoff)


def levenshtein_pairs(
    left: PackedStrings,
    right: PackedStrings,
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    cutoff: int,
    out: NDArray[np.int32],
) -> None:
    """Fill ``out: int32[k]`` with the Levenshtein distance of each pair, ``cutoff + 1`` where it is more.

    ``left_index`` and ``right_index`` are int64[k] rows of the two columns, which share one alphabet; the
    rows are not checked. Raises ValueError for other shapes, types or alphabets and for a negative cutoff.
    """
    columns = compared(left, right)
    li = reading(left_index, np.int64, "left_index")
    ri = reading(right_index, np.int64, "right_index")
    _levenshtein_pairs(*columns, li, ri, _cutoff(cutoff), writing(out, np.int32, same_length(li, ri)))


def osa_pairs(
    left: PackedStrings,
    right: PackedStrings,
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    cutoff: int,
    out: NDArray[np.int32],
) -> None:
    """Like :func:`levenshtein_pairs` for the optimal string alignment distance."""
    columns = compared(left, right)
    li = reading(left_index, np.int64, "left_index")
    ri = reading(right_index, np.int64, "right_index")
    _osa_pairs(*columns, li, ri, _cutoff(cutoff), writing(out, np.int32, same_length(li, ri)))
