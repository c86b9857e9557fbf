"""Days as integers, and their texts by look-up.

A date code is the number of days since 1 January 1890; codes from ``DAYS`` on are years of which no day is
known.
"""

from __future__ import annotations

import datetime
import re
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

FIRST_YEAR = 1890
LAST_YEAR = 2030
_EPOCH = np.datetime64(f"{FIRST_YEAR}-01-01")
_EPOCH_ORDINAL = datetime.date(FIRST_YEAR, 1, 1).toordinal()
DAYS = int((np.datetime64(f"{LAST_YEAR + 1}-01-01") - _EPOCH).astype(int))
#: Days from 1 January 1970 back to the first of ours: what turns a code into an Arrow date.
UNIX_OFFSET = int((_EPOCH - np.datetime64("1970-01-01")).astype(int))
#: A code that stands for no date.
NO_DAY = -1

_ALL = _EPOCH + np.arange(DAYS)
_MONTHS = _ALL.astype("datetime64[M]")
#: Year, month and day of every code below ``DAYS``.
YEAR: NDArray[np.int16] = (_ALL.astype("datetime64[Y]").astype(np.int64) + 1970).astype(np.int16)
MONTH: NDArray[np.int8] = (_MONTHS.astype(np.int64) % 12 + 1).astype(np.int8)
DAY: NDArray[np.int8] = ((_ALL - _MONTHS).astype(np.int64) + 1).astype(np.int8)
_PARTS = re.compile("yyyy|mm?|dd?")
_LAYOUTS = {"yyyy": "{y:04d}", "mm": "{m:02d}", "dd": "{d:02d}", "m": "{m}", "d": "{d}"}
_YEAR_STARTS = np.flatnonzero((MONTH == 1) & (DAY == 1)).astype(np.int32)


def day(text: str) -> int:
    """The code of an ISO date."""
    return int((np.datetime64(text) - _EPOCH).astype(int))


def first_of_year(years: NDArray[np.integer]) -> NDArray[np.int32]:
    """The code of 1 January of each year."""
    found: NDArray[np.int32] = _YEAR_STARTS[years - FIRST_YEAR]
    return found


def year_code(years: NDArray[np.integer]) -> NDArray[np.int32]:
    """The code of a date of which only the year is known."""
    return years.astype(np.int32) + (DAYS - FIRST_YEAR)


def code_of(year: int, month: int, day_of_month: int) -> int | None:
    """The code of a calendar date, or None where there is no such day."""
    try:
        return datetime.date(year, month, day_of_month).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None


@cache
def texts(pattern: str) -> pa.Array:
    """The text of every code: ``pattern`` holds yyyy, mm and dd, or m and d without leading zeros."""
    layout = _PARTS.sub(lambda part: _LAYOUTS[part.group()], pattern)
    full = [
        layout.format(y=year, m=month, d=day_of_month)
        for year, month, day_of_month in zip(YEAR.tolist(), MONTH.tolist(), DAY.tolist(), strict=True)
    ]
    return pa.array(full + [f"{year:04d}" for year in range(FIRST_YEAR, LAST_YEAR + 1)], pa.string())


def arrow(codes: NDArray[np.integer]) -> pa.Array:
    """Codes below ``DAYS`` as Arrow dates; ``NO_DAY`` as null."""
    values = (codes + UNIX_OFFSET).astype(np.int32)
    return pa.array(values, pa.date32(), mask=codes == NO_DAY)
