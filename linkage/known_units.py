"""Administrative units read and written by a locale pack, each distinct text once a process.

A nation's records hold some ten thousand distinct codes, and every part of every source holds most of them.
"""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl

from linkage.packs import Pack

#: What the pack says of a text: its set of units (-1 none), and whether it is written as the list does not.
_Read = dict[str, tuple[int, bool]]


class KnownUnits:
    """Remembers what a pack said of texts and sets, by field and day of the list."""

    def __init__(self, locale: Pack) -> None:
        self._locale = locale
        self._read: dict[tuple[str, datetime.date], _Read] = {}
        self._dated: dict[tuple[str, datetime.date], dict[str, str | None]] = {}
        self._codes: dict[tuple[str, datetime.date], dict[int, str | None]] = {}

    def read(self, field: str, texts: pl.Series, day: datetime.date) -> tuple[np.ndarray, np.ndarray]:
        """Sets of units that texts (no nulls) mean, int32[n], -1 for none; and whether they are ill written.

        Ill written is a code that lost its zeros, or of the list of another era.
        """
        known = self._read.setdefault((field, day), {})
        values = texts.to_list()
        fresh = [v for v in dict.fromkeys(values) if v not in known]
        if fresh:
            found = self._locale.units(field, pl.Series(fresh, dtype=pl.String), day)
            wrong = found["issue"].is_in(["lost_zero", "other_era"]).fill_null(value=False)
            said = zip(found["unit"].to_list(), wrong.to_list(), strict=True)
            known.update(zip(fresh, said, strict=True))
        held = [known[v] for v in values]
        return np.array([unit for unit, _ in held], np.int32), np.array([wrong for _, wrong in held], bool)

    def dated(self, field: str, texts: pl.Series, day: datetime.date) -> pl.Series:
        """``code@day`` of codes (no nulls), null for none; see :meth:`linkage.packs.Pack.dated_units`."""
        known = self._dated.setdefault((field, day), {})
        values = texts.to_list()
        fresh = [v for v in dict.fromkeys(values) if v not in known]
        if fresh:
            found = self._locale.dated_units(field, pl.Series(fresh, dtype=pl.String), day)
            known.update(zip(fresh, found.to_list(), strict=True))
        return pl.Series("unit", [known[v] for v in values], pl.String)

    def codes(self, field: str, sets: np.ndarray, day: datetime.date) -> pl.Series:
        """The only code of a day's list for each set of units, null for none or several."""
        known = self._codes.setdefault((field, day), {})
        values = sets.tolist()
        fresh = [v for v in dict.fromkeys(values) if v not in known]
        if fresh:
            found = self._locale.unit_codes(field, np.array(fresh, sets.dtype), day)
            known.update(zip(fresh, found.to_list(), strict=True))
        return pl.Series("code", [known[v] for v in values], pl.String)
