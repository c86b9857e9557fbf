"""Reference tables of Vietnam: provinces and communes before and after 1 July 2025.

Small CSV files packaged beside this module; every code is text, leading zeros kept. The columns, the sources
and the state of each table are in ``README.md`` of this folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import polars as pl

_TEXT = pl.String()
_PROVINCES: Mapping[str, pl.DataType] = {
    "code3": _TEXT,
    "name": _TEXT,
    "gso": _TEXT,
    "new_gso": _TEXT,
    "new_name": _TEXT,
    "region": _TEXT,
    "old_prefixes": _TEXT,
    "weight": pl.Float64(),
}
_COMMUNES_BEFORE: Mapping[str, pl.DataType] = {
    "code": _TEXT,
    "name": _TEXT,
    "province_gso": _TEXT,
    "district": _TEXT,
}
_COMMUNES_AFTER: Mapping[str, pl.DataType] = {"code": _TEXT, "name": _TEXT, "province_gso": _TEXT}
_COMMUNE_CHANGES: Mapping[str, pl.DataType] = {"old_code": _TEXT, "new_code": _TEXT, "whole": pl.Boolean()}


def _read(file: str, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    content = resources.files(__package__).joinpath(file).read_bytes()
    frame = pl.read_csv(content, schema_overrides=dict(columns))
    if frame.columns != list(columns):
        raise ValueError(
            f"reference table {file} has columns {frame.columns};"
            f" wanted {list(columns)}; reinstall the package"
        )
    return frame


@cache
def provinces() -> pl.DataFrame:
    """The 63 provinces until 30 June 2025, sorted by ``code3``.

    ``code3`` first three digits of a personal number ('001'); ``name``; ``gso`` two-digit statistical code
    ('01'); ``new_gso`` and ``new_name`` the one of 34 provinces that took it over on 1 July 2025; ``region``
    north, central or south; ``old_prefixes`` the leading digits of nine-digit numbers issued there, separated
    by spaces; ``weight`` its share of the population in 2019 (0..1, sums to 1 within rounding, approximate).
    """
    return _read("provinces.csv", _PROVINCES)


@cache
def communes_before() -> pl.DataFrame:
    """The 10,035 communes until 30 June 2025: ``code`` (five digits), ``name``, ``province_gso``,
    ``district``.
    """
    return _read("communes_before_2025_07.csv", _COMMUNES_BEFORE)


@cache
def communes_after() -> pl.DataFrame:
    """The 3,321 communes from 1 July 2025: ``code`` (five digits), ``name``, ``province_gso`` (one of 34)."""
    return _read("communes_from_2025_07.csv", _COMMUNES_AFTER)


@cache
def commune_changes() -> pl.DataFrame:
    """Which new communes took over each old one: ``old_code``, ``new_code``, ``whole``.

    ``whole`` is true where all of the old commune went to that new one (then it has a single row), false for
    each of the two to five new communes that share it.
    """
    return _read("commune_changes_2025_07.csv", _COMMUNE_CHANGES)
