"""Dates as submitted to integer codes: the formats a contract names, a strict calendar, partial dates.

A date is ``year * 512 + month * 32 + day`` with month and day 0 where they are not known, so that codes sort
like dates and a year alone sorts before its January; 0 is no date.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from kernels import screens
from linkage.errors import ConfigError

EARLIEST_YEAR = 1850
"""No living or recently dead person was born before it."""

_LETTERS = {"d": "day", "m": "month", "y": "year"}
_PLACES = {"day": screens.DAY, "month": screens.MONTH, "year": screens.YEAR}
_RUN = re.compile(r"d+|m+|y+|[^dmy]")
_TIME = r"[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?$"
_FULL_WIDTH = {chr(0xFF10 + digit): str(digit) for digit in range(10)}
_ISO = "yyyy-mm-dd"


@dataclass(frozen=True)
class _Format:
    pattern: str
    """Regular expression with the groups day, month, year that the format has."""
    parts: frozenset[str]
    """Which of day, month, year it has."""
    widths: dict[str, int]
    """Digits of each part as the format writes it."""
    compact: int
    """Digits of the whole where it has no separators and begins with day or month, else 0."""


def encode_date(year: int, month: int = 0, day: int = 0) -> int:
    """The code of a date; month and day 0 where unknown."""
    return year * 512 + month * 32 + day


@lru_cache(maxsize=256)
def _compiled(text: str) -> _Format:
    runs = _RUN.findall(text.strip().lower())
    fields = [run for run in runs if run[0] in _LETTERS]
    widths = {_LETTERS[run[0]]: len(run) for run in fields}
    separated = all(first[0] not in _LETTERS or second[0] not in _LETTERS for first, second in pairwise(runs))
    wrong = (
        len(widths) != len(fields)
        or widths.get("year") != 4
        or any(widths.get(part, 2) > 2 for part in ("day", "month"))
        or ("day" in widths and "month" not in widths)
        or any(run.isalnum() and run[0] not in _LETTERS for run in runs)
        or (not separated and any(widths.get(part, 2) == 1 for part in ("day", "month")))
    )
    if wrong:
        raise ConfigError(
            "E-DATE-001",
            f"The date format '{text}' cannot be read.",
            "A format has yyyy, and may have mm (or m) and dd (or d), each once, with any separators;"
            " single letters need separators.",
            "Write for instance dd/mm/yyyy, d/m/yyyy, yyyymmdd, mm/yyyy or yyyy.",
        )
    pattern = ""
    for run in runs:
        if run[0] == "y":
            pattern += f"(?P<year>[0-9]{{{len(run)}}})"
        elif run[0] in _LETTERS:
            pattern += f"(?P<{_LETTERS[run[0]]}>[0-9]{{{'1,2' if separated else '2'}}})"
        else:
            pattern += rf"\s*{re.escape(run)}\s*" if run != " " else r"\s+"
    compact = sum(widths.values()) if not separated and runs[0][0] in "dm" else 0
    return _Format(f"^{pattern}$", frozenset(widths), widths, compact)


def _attempt(texts: pl.Series, form: _Format, latest: date) -> pl.DataFrame:
    """``code``, ``issue`` and ``repair`` of texts read by one format; all null where it does not match."""
    text = pl.col("text")
    short = pl.lit(form.compact > 0) & text.str.contains(f"^[0-9]{{{max(form.compact - 1, 0)}}}$")
    frame = texts.to_frame("text").with_columns(short=short)
    padded = pl.when(pl.col("short")).then(pl.lit("0") + text).otherwise(text)
    frame = frame.with_columns(found=padded.str.extract_groups(form.pattern))
    field = pl.col("found").struct.field
    year = field("year").cast(pl.Int32, strict=False)
    nothing = pl.lit(0, dtype=pl.Int32)
    month = field("month").cast(pl.Int32, strict=False) if "month" in form.parts else nothing
    day = field("day").cast(pl.Int32, strict=False) if "day" in form.parts else nothing
    last = encode_date(latest.year, latest.month, latest.day)
    unpadded = pl.lit(value=False)
    for part in ("day", "month"):
        if form.widths.get(part) == 2:
            unpadded = unpadded | (field(part).str.len_bytes() == 1)
    frame = frame.select(
        "short", year=year, month=month, day=day, matched=field("year").is_not_null(), unpadded=unpadded
    )
    leap = (pl.col("year") % 4 == 0) & ((pl.col("year") % 100 != 0) | (pl.col("year") % 400 == 0))
    days = (
        pl.when(pl.col("month") == 2)
        .then(28 + leap.cast(pl.Int32))
        .when(pl.col("month").is_in([4, 6, 9, 11]))
        .then(30)
        .otherwise(31)
    )
    possible = (
        (pl.col("month") <= 12) & (pl.col("day") <= days) & ((pl.col("month") > 0) | (pl.col("day") == 0))
    )
    code = pl.col("year") * 512 + pl.col("month") * 32 + pl.col("day")
    issue = (
        pl.when(~possible)
        .then(pl.lit("invalid"))
        .when(pl.col("year") < EARLIEST_YEAR)
        .then(pl.lit("out_of_range"))
        .when(code > last)
        .then(pl.lit("after_extract"))
    )
    repair = (
        pl.when(pl.col("short")).then(pl.lit("lost_zero")).when(pl.col("unpadded")).then(pl.lit("unpadded"))
    )
    matched = pl.col("matched")
    return frame.with_columns(code=code, issue=issue).select(
        code=pl.when(matched & pl.col("issue").is_null()).then(pl.col("code")).cast(pl.Int32),
        issue=pl.when(matched).then(pl.col("issue")),
        repair=pl.when(matched).then(repair),
    )


def settled_dates(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], formats: Sequence[str], latest: date
) -> npt.NDArray[np.int32]:
    """Codes int32[n] of texts that are days of the first format exactly as it writes them; 0 of the others.

    Text i is ``data[offsets[i]:offsets[i + 1]]``. Such a text has the same code, no issue and no repair by
    :func:`parse_dates`. Raises ConfigError (``E-DATE-001``).
    """
    text = next(iter([*formats, _ISO])).strip().lower()
    form, runs = _compiled(text), _RUN.findall(text)
    # Without a part, with a colon or in other letters, what is cleaned off a text first could be of the form.
    if form.parts != frozenset(_LETTERS.values()) or not text.isascii() or ":" in text:
        return np.zeros(offsets.shape[0] - 1, np.int32)
    places, least, most = [], [], []
    for run in runs:
        part = _LETTERS.get(run[0])
        places.append(_PLACES[part] if part else ord(run))
        least.append(len(run) if part else 0)
        most.append((4 if part == "year" else 2) if part else 0)
    last = encode_date(latest.year, latest.month, latest.day)
    return screens.dates(
        offsets,
        data,
        np.array(places, np.uint8),
        np.array(least, np.uint8),
        np.array(most, np.uint8),
        EARLIEST_YEAR,
        last,
    )


def parse_dates(values: pl.Series, formats: Sequence[str], latest: date) -> pl.DataFrame:
    """Read distinct dates (text, no nulls) by the formats in turn; ISO ``yyyy-mm-dd`` is always tried last.

    One row a value, in the order given: ``code`` Int32 (see the module; 0 where there is an issue);
    ``issue``: null, ``unreadable``, ``invalid`` (no such day), ``out_of_range`` (before 1850) or
    ``after_extract`` (after ``latest``); ``repair``: null, ``spreadsheet`` (a trailing .0), ``lost_zero``
    (ddmmyyyy with seven digits) or ``unpadded`` (one digit where the format has two).

    Formats consist of d or dd, m or mm, yyyy and separators. A month and day of zero mean that only the year
    is known, a day of zero that only year and month are. A time of day after the date is left out.
    Raises ConfigError (``E-DATE-001``).
    """
    forms = [_compiled(text) for text in dict.fromkeys([*formats, _ISO])]
    cleaned = values.to_frame("raw").select(
        text=pl.col("raw").str.replace_many(_FULL_WIDTH).str.strip_chars().str.replace(_TIME, "")
    )
    cleaned = cleaned.select(
        text=pl.col("text").str.replace(r"^([0-9]+)[.,]0$", "${1}"),
        floated=pl.col("text").str.contains(r"^[0-9]+[.,]0$"),
    )
    texts = cleaned["text"]
    code = pl.zeros(len(values), dtype=pl.Int32, eager=True)
    issue = pl.Series([None], dtype=pl.String).new_from_index(0, len(values))
    repair = issue.clone()
    left = pl.int_range(len(values), dtype=pl.UInt32, eager=True)
    for form in forms:
        if left.is_empty():
            break
        found = _attempt(texts.gather(left), form, latest)
        read = found["code"].is_not_null()
        at = left.filter(read)
        code = code.scatter(at, found["code"].filter(read))
        repair = repair.scatter(at, found["repair"].filter(read))
        wrong = found["issue"].is_not_null() & issue.gather(left).is_null()
        issue = issue.scatter(left.filter(wrong), found["issue"].filter(wrong))
        issue = issue.scatter(at, pl.Series([None], dtype=pl.String).new_from_index(0, len(at)))
        left = left.filter(~read)
    return pl.DataFrame(
        {"code": code, "issue": issue, "repair": repair, "floated": cleaned["floated"]}
    ).select(
        "code",
        issue=pl.when((pl.col("code") == 0) & pl.col("issue").is_null())
        .then(pl.lit("unreadable"))
        .otherwise(pl.col("issue")),
        repair=pl.when((pl.col("code") > 0) & pl.col("floated"))
        .then(pl.lit("spreadsheet"))
        .otherwise(pl.col("repair")),
    )
