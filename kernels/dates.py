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
_SAME_DAY = EXACT | YEAR_EQUAL | DAY_MONTH_EQUAL | MONTH_EQUAL | DAY_EQUAL


@inline
def _differing_digits(x: int, y: int) -> int:
    """In how many of two decimal digits two numbers below 100 differ."""
    return int(x // 10 != y // 10) + int(x % 10 != y % 10)


@inline
def _reversed(x: int) -> int:
    """The two decimal digits of a number below 100 the other way round."""
    return x // 10 + 10 * (x % 10)


@inline
def date_bits(a: int, b: int) -> np.uint32:
    """The bits of one pair of int32 codes."""
    if a == 0 or b == 0:
        return np.uint32(NULL)
    day_month_a = a & 511
    day_month_b = b & 511
    day_a = day_month_a & 31
    day_b = day_month_b & 31
    month_a = day_month_a >> 5
    month_b = day_month_b >> 5
    complete = day_a != 0 and day_b != 0 and month_a != 0 and month_b != 0
    bits = int(_JANUARY_1 in (day_month_a, day_month_b)) * HEAPED
    if a == b and complete:
        return np.uint32(bits | _SAME_DAY)
    # Products instead of branches: what differs between two dates is beyond any prediction.
    year_a = a >> 9
    year_b = b >> 9
    high_a = year_a // 100
    high_b = year_b // 100
    low_a = year_a % 100
    low_b = year_b % 100
    same_high = high_a == high_b
    same_low = low_a == low_b
    year_digits = _differing_digits(high_a, high_b) + _differing_digits(low_a, low_b)
    exchanged = (same_high & (low_a == _reversed(low_b))) | (same_low & (high_a == _reversed(high_b)))
    around = (high_a // 10 == high_b // 10) & (low_a % 10 == low_b % 10)
    exchanged |= around & (high_a % 10 == low_b // 10) & (low_a // 10 == high_b % 10)
    bits |= int(year_digits == 0) * YEAR_EQUAL
    bits |= int(abs(year_a - year_b) == 1) * YEAR_NEAR
    bits |= int((year_digits == 1) | ((year_digits == 2) & exchanged)) * YEAR_DIGIT
    bits |= int((month_a == month_b) & (month_a != 0)) * MONTH_EQUAL
    bits |= int((day_a == day_b) & (day_a != 0)) * DAY_EQUAL
    if not complete:
        return np.uint32(bits | PARTIAL)
    digits = _differing_digits(day_a, day_b) + _differing_digits(month_a, month_b)
    crossed = (day_a == month_b) & (month_a == day_b) & (day_a != month_a)
    bits |= int(digits == 0) * DAY_MONTH_EQUAL
    bits |= int(digits == 1) * DAY_MONTH_DIGIT
    bits |= int(digits + year_digits == 1) * ONE_DIGIT
    bits |= int(crossed & (year_digits == 0)) * SWAPPED
    return np.uint32(bits)


@jit
def _date_bits_pairs(
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    out: NDArray[np.uint32],
) -> None:
    for k in range(out.shape[0]):
        out[k] = date_bits(left[left_index[k]], right[right_index[k]])


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
