"""Units that are remembered are those that the pack says, asked once."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl

from linkage.known_units import KnownUnits

BEFORE, AFTER = datetime.date(2025, 6, 30), datetime.date(2025, 7, 1)


class Pack:
    """A pack that counts how often it is asked, and knows codes of two digits."""

    def __init__(self):
        self.asked = []

    def units(self, field, texts, day):
        self.asked += texts.to_list()
        units = [int(t) if t.isdigit() else -1 for t in texts]
        issues = [None if len(t) == 2 else "lost_zero" if t.isdigit() else "unknown" for t in texts]
        return pl.DataFrame({"unit": units, "issue": issues}, schema={"unit": pl.Int32, "issue": pl.String})

    def dated_units(self, field, texts, day):
        self.asked += texts.to_list()
        return pl.Series([f"{t}@{day}" if t.isdigit() else None for t in texts], dtype=pl.String)

    def unit_codes(self, field, sets, day):
        self.asked += sets.tolist()
        return pl.Series([f"{s:02d}" if s > 0 else None for s in sets.tolist()], dtype=pl.String)


def texts(*values):
    return pl.Series(list(values), dtype=pl.String)


def test_units__are_read_once_and_given_to_every_row():
    pack = Pack()
    known = KnownUnits(pack)
    for _ in range(2):
        units, wrong = known.read("commune", texts("01", "7", "01", "x"), AFTER)
        assert units.tolist() == [1, 7, 1, -1]
        assert wrong.tolist() == [False, True, False, False]
    assert pack.asked == ["01", "7", "x"]


def test_units__of_another_day_or_field_are_others():
    pack = Pack()
    known = KnownUnits(pack)
    assert known.dated("commune", texts("01", "x"), AFTER).to_list() == ["01@2025-07-01", None]
    assert known.dated("commune", texts("01"), BEFORE).to_list() == ["01@2025-06-30"]
    assert known.dated("province", texts("01"), BEFORE).to_list() == ["01@2025-06-30"]
    assert pack.asked == ["01", "x", "01", "01"]


def test_codes__of_sets_are_asked_once():
    pack = Pack()
    known = KnownUnits(pack)
    for _ in range(2):
        assert known.codes("commune", np.array([3, -1, 3], np.int32), AFTER).to_list() == ["03", None, "03"]
    assert pack.asked == [3, -1]
