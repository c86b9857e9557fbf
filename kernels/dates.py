"""What two dates have to do with one another, as bits.

A date is the int32 code ``year * 512 + month * 32 + day``, month and day 0 where they are not known, 0
standing for none; the year is 1 to 9999. "Complete" below means that month and day are known. Digits are
those of the eight-digit text ddmmyyyy, the order in which Vietnamese forms are filled. All bits are symmetric
facts and can stand together.

Only 1 January counts as heaped. It is the day that forms tell clerks to enter, and that systems put, where
only the year of a birth is known; among the old it is several times as frequent as other days. The middle
and the end of a year (15 June, 30 June, 31 December) are heaped in some files only, and a bit for them would
take weight from every true birth on these days.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading, same_length, writing
from kernels._jit import inline, jit

#: Either side has no date; no other bit.
NULL = 1
#: Both complete and the same day.
EXACT = 2
#: Both complete, the year equal, day and month exchanged and not the same.
SWAPPED = 4
#: Both complete, exactly one of the eight digits is another.
ONE_DIGIT = 8
#: The year is equal.
YEAR_EQUAL = 16
#: The years are neighbours.
YEAR_NEAR = 32
#: Exactly one digit of the year is another, or two different neighbouring digits of it changed places.
YEAR_DIGIT = 64
#: Both complete, day and month are equal, whatever the year.
DAY_MONTH_EQUAL = 128
#: Both months known and equal.
MONTH_EQUAL = 256
#: Both days known and equal.
DAY_EQUAL = 512
#: Either side lacks its month or day.
PARTIAL = 1024
#: Either side is a 1 January.
HEAPED = 2048
#: Both complete, exactly one of the four digits of day and month is another, whatever the year.
DAY_MONTH_DIGIT = 4096

#: The bits by name, for configuration and reports.
BITS = {
    "null": NULL,
    "exact": EXACT,
    "swapped": SWAPPED,
    "one_digit": ONE_DIGIT,
    "year_equal": YEAR_EQUAL,
    "year_near": YEAR_NEAR,
    "year_digit": YEAR_DIGIT,
    "day_month_equal": DAY_MONTH_EQUAL,
    "month_equal": MONTH_EQUAL,
    "day_equal": DAY_EQUAL,
    "partial": PARTIAL,
    "heaped": HEAPED,
    "day_month_digit": DAY_MONTH_DIGIT,
}

_JANUARY_1 = 1 * 32 + 1


#: Pairs that are taken together: their codes stay in the first-level cache.
_CHUNK = 512


@inline
def _tens(x: int) -> int:
    """The tens of a number below 100."""
    return (x * 205) >> 11


@inline
def date_bits(a: int, b: int) -> np.uint32:
    """The bits of one pair of int32 codes.

    Without a branch and without a division, so that the compiler makes one vector loop of many pairs: five
    times as fast.
    """
    day_month_a = a & 511
    day_month_b = b & 511
    day_a = day_month_a & 31
    day_b = day_month_b & 31
    month_a = day_month_a >> 5
    month_b = day_month_b >> 5
    complete = (day_a != 0) & (day_b != 0) & (month_a != 0) & (month_b != 0)
    year_a = (a >> 9) & 0x3FFF
    year_b = (b >> 9) & 0x3FFF
    # A year's hundreds, for all below 10,000, and its four digits.
    high_a = (year_a * 5243) >> 19
    high_b = (year_b * 5243) >> 19
    low_a = year_a - 100 * high_a
    low_b = year_b - 100 * high_b
    a1, a3 = _tens(high_a), _tens(low_a)
    b1, b3 = _tens(high_b), _tens(low_b)
    a2, a4 = high_a - 10 * a1, low_a - 10 * a3
    b2, b4 = high_b - 10 * b1, low_b - 10 * b3
    year_digits = int(a1 != b1) + int(a2 != b2) + int(a3 != b3) + int(a4 != b4)
    exchanged = (high_a == high_b) & (a3 == b4) & (a4 == b3)
    exchanged |= (low_a == low_b) & (a1 == b2) & (a2 == b1)
    exchanged |= (a1 == b1) & (a4 == b4) & (a2 == b3) & (a3 == b2)
    day_tens_a, day_tens_b = _tens(day_a), _tens(day_b)
    month_tens_a, month_tens_b = _tens(month_a), _tens(month_b)
    digits = int(day_tens_a != day_tens_b) + int(month_tens_a != month_tens_b)
    digits += int(day_a - 10 * day_tens_a != day_b - 10 * day_tens_b)
    digits += int(month_a - 10 * month_tens_a != month_b - 10 * month_tens_b)
    crossed = (day_a == month_b) & (month_a == day_b) & (day_a != month_a)
    later = year_a - year_b
    bits = int((day_month_a == _JANUARY_1) | (day_month_b == _JANUARY_1)) * HEAPED
    bits |= int(year_digits == 0) * YEAR_EQUAL
    bits |= int((later == 1) | (later == -1)) * YEAR_NEAR
    bits |= int((year_digits == 1) | ((year_digits == 2) & exchanged)) * YEAR_DIGIT
    bits |= int((month_a == month_b) & (month_a != 0)) * MONTH_EQUAL
    bits |= int((day_a == day_b) & (day_a != 0)) * DAY_EQUAL
    whole = int(a == b) * EXACT
    whole |= int(digits == 0) * DAY_MONTH_EQUAL
    whole |= int(digits == 1) * DAY_MONTH_DIGIT
    whole |= int(digits + year_digits == 1) * ONE_DIGIT
    whole |= int(crossed & (year_digits == 0)) * SWAPPED
    bits |= int(complete) * whole | int(not complete) * PARTIAL
    none = int((a == 0) | (b == 0))
    return np.uint32((1 - none) * bits + none * NULL)


@jit
def _date_bits_pairs(
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    out: NDArray[np.uint32],
) -> None:
    ours = np.empty(_CHUNK, np.int64)
    theirs = np.empty(_CHUNK, np.int64)
    for first in range(0, out.shape[0], _CHUNK):
        size = min(_CHUNK, out.shape[0] - first)
        for k in range(size):
            ours[k] = left[left_index[first + k]]
            theirs[k] = right[right_index[first + k]]
        for k in range(size):
            out[first + k] = date_bits(ours[k], theirs[k])


def date_bits_pairs(
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    out: NDArray[np.uint32],
) -> None:
    """Fill ``out: uint32[k]`` with the bits of the pairs ``left[left_index], right[right_index]``.

    ``left`` and ``right`` are int32 codes, the indices int64. The rows are not checked. Raises ValueError for
    other shapes and types.
    """
    li = reading(left_index, np.int64, "left_index")
    ri = reading(right_index, np.int64, "right_index")
    _date_bits_pairs(
        reading(left, np.int32, "left"),
        reading(right, np.int32, "right"),
        li,
        ri,
        writing(out, np.uint32, same_length(li, ri)),
    )
