"""Standard values back to text: names as written, codes of units."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date

import polars as pl

from linkage.vietnam.name_words import CLANS
from linkage.vietnam.units import PROVINCE_MEMBER, REFORM, UnitTable

_LAST_DAY_BEFORE = date(2025, 6, 30)
_STROKED = str.maketrans("đĐ", "dD")


def written_token(token: str) -> str:
    """A canonical token with its capitals: the first letter, and the one behind a highland prefix (H'Lan).

    The names of clans are one word: R'ô, R'com.
    """
    if token in CLANS:
        return token[:1].upper() + token[1:]
    return "'".join(part[:1].upper() + part[1:] for part in token.split("'"))


def unmarked(text: str) -> str:
    """A text without diacritics, đ as d."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", bare.translate(_STROKED))


def _codes(table: UnitTable, field: str, day: date) -> Mapping[str, int]:
    if field.endswith("province"):
        names = table.provinces_old if day < REFORM else table.provinces_new
        return {code: unit for code, unit in names.items() if len(code) == 2 and code.isdigit()}
    return table.communes_old if day < REFORM else table.communes_new


def unit_codes(table: UnitTable, field: str, sets: Iterable[int], as_of: date) -> list[str | None]:
    """The code that means a set and no other does, in the list in force on ``as_of``; None without one."""
    found: dict[int, str | None] = {}
    for code, unit in _codes(table, field, as_of).items():
        found[unit] = None if unit in found else code
    return [found.get(unit) for unit in sets]


def member_codes(members: Iterable[int], *, provinces: bool = False) -> list[str]:
    """Codes of members of sets (see :class:`UnitTable`), or of the present provinces that hold them."""
    if provinces:
        return [f"{member:02d}" for member in members]
    return [
        f"{member:05d}" if member < PROVINCE_MEMBER else f"{member - PROVINCE_MEMBER:02d}"
        for member in members
    ]


def dated_units(table: UnitTable, field: str, values: pl.Series, as_of: date) -> list[str | None]:
    """``code@day`` of codes as submitted (text, no nulls); None for what is no code.

    The code has its zeros, the day is the list's; a code of the other era has that era's last or first day.
    """
    read = table.provinces(values, as_of) if field.endswith("province") else table.communes(values, as_of)
    other = REFORM if as_of < REFORM else _LAST_DAY_BEFORE
    width = 2 if field.endswith("province") else 5
    out: list[str | None] = []
    lists: dict[date, dict[int, list[str]]] = {}
    for text, unit, issue in zip(values.to_list(), read["unit"], read["issue"], strict=True):
        if unit < 0:
            out.append(None)
            continue
        day = other if issue == "other_era" else as_of
        if day not in lists:
            means: dict[int, list[str]] = {}
            for code, number in _codes(table, field, day).items():
                means.setdefault(number, []).append(code)
            lists[day] = means
        code = "".join(c for c in text.split(".")[0].split(",")[0] if c.isdigit()).zfill(width)
        known = lists[day].get(unit, [])
        found = code if code in known else (known[0] if len(known) == 1 else None)
        out.append(None if found is None else f"{found}@{day.isoformat()}")
    return out
