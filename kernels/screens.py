"""Codes of numbers and dates that need no second look; everything else is left for one, as code 0.

A screen never decides what is wrong with a value: it knows the form that nearly every value has. The code of
a number is ``digits << 56 | value``, that of a date ``year * 512 + month * 32 + day``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading, writing
from kernels._jit import inline, jit

#: What stands at a place of a date's form; any other number is the byte that must stand there.
DAY, MONTH, YEAR = 1, 2, 3

_TAX_WEIGHTS = np.array([31, 29, 23, 19, 17, 13, 7, 5, 3], np.int64)


@inline
def _is_run(value: np.int64, runs: NDArray[np.int64]) -> bool:
    """Whether a number below a thousand, or one of the sorted ``runs`` of equal or counting digits."""
    if value < 1000:
        return True
    last = value % 10
    before = value // 10 % 10
    step = (before - last + 10) % 10
    if (value // 100 % 10 - before + 10) % 10 != step or step not in (0, 1, 9):
        return False
    low = 0
    high = runs.shape[0]
    while low < high:
        middle = (low + high) // 2
        if runs[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < runs.shape[0] and runs[low] == value


@jit
def _personal(
    value: NDArray[np.int64],
    length: NDArray[np.uint8],
    provinces: NDArray[np.bool_],
    runs: NDArray[np.int64],
    latest_year: int,
    nine: bool,
    out: NDArray[np.int64],
) -> None:
    for row in range(out.shape[0]):
        number = value[row]
        digits = np.int64(length[row])
        out[row] = 0
        if digits == 12:
            head = number // 1000000
            year = 1900 + head // 100 % 10 // 2 * 100 + head % 100
            if not provinces[head // 1000] or year > latest_year:
                continue
        elif digits != 9 or not nine:
            continue
        if not _is_run(number, runs):
            out[row] = (digits << 56) | number


def personal_numbers(
    value: NDArray[np.int64],
    length: NDArray[np.uint8],
    provinces: NDArray[np.bool_],
    runs: NDArray[np.int64],
    latest_year: int,
    nine: bool,
) -> NDArray[np.int64]:
    """Codes int64[n] of personal numbers whose structure holds: province, year of birth, no row of digits.

    value, length : int64[n] and uint8[n], numbers of at most 16 digits and how many digits write each
    provinces : bool[1000];  runs : int64, sorted, the placeholders (see :func:`linkage.vietnam.numbers`)
    nine : whether nine digits, of which nothing is known, count too
    Raises ValueError for other shapes and types.
    """
    number, digits = _numbers(value, length)
    known = reading(provinces, np.bool_, "provinces")
    if known.shape[0] != 1000:
        raise ValueError(f"provinces has {known.shape[0]} entries. Wanted: 1000, one a code. Pass all.")
    out = np.empty(number.shape[0], np.int64)
    _personal(number, digits, known, reading(runs, np.int64, "runs"), latest_year, nine, out)
    return out


def _numbers(
    value: NDArray[np.int64], length: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    number, digits = reading(value, np.int64, "value"), reading(length, np.uint8, "length")
    if number.shape != digits.shape:
        raise ValueError(
            f"{number.shape[0]} numbers have {digits.shape[0]} lengths. Wanted: one each. Pass both columns."
        )
    return number, digits


@jit
def _of_length(
    value: NDArray[np.int64],
    length: NDArray[np.uint8],
    runs: NDArray[np.int64],
    checked: bool,
    out: NDArray[np.int64],
) -> None:
    for row in range(out.shape[0]):
        number = value[row]
        digits = np.int64(length[row])
        out[row] = 0
        if digits not in (10, 12) or _is_run(number, runs):
            continue
        if checked and digits == 10:
            rest = number // 10
            total = np.int64(0)
            for place in range(9):
                total += rest % 10 * _TAX_WEIGHTS[8 - place]
                rest //= 10
            total %= 11
            if total == 0 or 10 - total != number % 10:
                continue
        out[row] = (digits << 56) | number


def tens_and_twelves(
    value: NDArray[np.int64], length: NDArray[np.uint8], runs: NDArray[np.int64], checked: bool
) -> NDArray[np.int64]:
    """Codes int64[n] of numbers of ten or twelve digits that are no row of digits.

    ``checked`` asks for a tax code's check digit of those of ten (weights 31 to 3, ten less the sum modulo
    11). Arguments, and what is raised, as of :func:`personal_numbers`.
    """
    number, digits = _numbers(value, length)
    out = np.empty(number.shape[0], np.int64)
    _of_length(number, digits, reading(runs, np.int64, "runs"), checked, out)
    return out


@jit
def _mobiles(value: NDArray[np.int64], length: NDArray[np.uint8], out: NDArray[np.int64]) -> None:
    for row in range(out.shape[0]):
        number = value[row]
        out[row] = 0
        if length[row] != 10:
            continue
        start = number // 100000000
        if start not in (3, 5, 7, 8, 9):
            continue
        odd = False
        for eight in (number % 100000000, number // 10 % 100000000):
            odd |= eight % 11111111 == 0 or eight in (12345678, 87654321)
        if not odd:
            out[row] = (np.int64(10) << 56) | number


def mobiles(value: NDArray[np.int64], length: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Codes int64[n] of mobile numbers of ten digits that begin with 03, 05, 07, 08 or 09.

    Not of those that hold 12345678, 87654321 or eight equal digits behind the first digit or the second.
    Arguments, and what is raised, as of :func:`personal_numbers`.
    """
    number, digits = _numbers(value, length)
    out = np.empty(number.shape[0], np.int64)
    _mobiles(number, digits, out)
    return out


@jit
def _holders(
    codes: NDArray[np.int64], latest_year: int, sex: NDArray[np.uint8], year: NDArray[np.int16]
) -> None:
    for row in range(codes.shape[0]):
        sex[row] = 0
        year[row] = 0
        if codes[row] >> 56 == 12:
            head = (codes[row] & ((1 << 56) - 1)) // 1000000
            century = head // 100 % 10
            born = 1900 + century // 2 * 100 + head % 100
            if born <= latest_year:
                sex[row] = 1 + century % 2
                year[row] = born


def holders(codes: NDArray[np.int64], latest_year: int) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Sex uint8[n] (1 male, 2 female) and year of birth int16[n] that codes of twelve digits say.

    Both 0 where there are no twelve digits or the year is after ``latest_year``. Raises ValueError for other
    shapes and types.
    """
    held = reading(codes, np.int64, "codes")
    sex, year = np.empty(held.shape[0], np.uint8), np.empty(held.shape[0], np.int16)
    _holders(held, latest_year, sex, year)
    return sex, year


@inline
def _days(year: np.int64, month: np.int64) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@jit
def _dates(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    places: NDArray[np.uint8],
    least: NDArray[np.uint8],
    most: NDArray[np.uint8],
    earliest: int,
    latest: int,
    out: NDArray[np.int32],
) -> None:
    for row in range(out.shape[0]):
        at = offsets[row]
        stop = offsets[row + 1]
        out[row] = 0
        year = np.int64(0)
        month = np.int64(0)
        day = np.int64(0)
        fits = True
        for k in range(places.shape[0]):
            place = places[k]
            if place > YEAR:
                if at >= stop or data[at] != place:
                    fits = False
                    break
                at += 1
                continue
            number = np.int64(0)
            digits = 0
            while at < stop and digits < most[k]:
                digit = np.int64(data[at]) - 48
                if digit < 0 or digit > 9:
                    break
                number = number * 10 + digit
                digits += 1
                at += 1
            if digits < least[k]:
                fits = False
                break
            if place == DAY:
                day = number
            elif place == MONTH:
                month = number
            else:
                year = number
        if not fits or at != stop or month > 12 or day > _days(year, month) or (month == 0 and day != 0):
            continue
        code = year * 512 + month * 32 + day
        if year >= earliest and code <= latest:
            out[row] = code


def dates(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    places: NDArray[np.uint8],
    least: NDArray[np.uint8],
    most: NDArray[np.uint8],
    earliest: int,
    latest: int,
) -> NDArray[np.int32]:
    """Codes int32[n] of texts that are exactly days of one form, from year ``earliest`` to code ``latest``.

    Text i is ``data[offsets[i]:offsets[i + 1]]``. places : uint8[k], DAY, MONTH, YEAR, or the byte that must
    stand there; least, most : uint8[k], how many digits a part has. A part is as many digits as there are,
    up to its most. Raises ValueError for other shapes and types and for offsets beyond the data.
    """
    at, held = reading(offsets, np.int64, "offsets"), reading(data, np.uint8, "data")
    if at.shape[0] == 0 or at[0] < 0 or at[-1] > held.shape[0]:
        raise ValueError(
            f"The offsets end at {at[-1] if at.shape[0] else 'nothing'}."
            f" Wanted: n + 1 offsets within {held.shape[0]} bytes. Pass the column's own."
        )
    form = [
        reading(part, np.uint8, name) for part, name in ((places, "places"), (least, "least"), (most, "most"))
    ]
    if len({part.shape[0] for part in form}) != 1:
        raise ValueError(
            f"The form has {[part.shape[0] for part in form]} entries. Wanted: as many of each. Give all."
        )
    out = np.empty(at.shape[0] - 1, np.int32)
    _dates(at, held, form[0], form[1], form[2], earliest, latest, writing(out, np.int32, out.shape[0]))
    return out
