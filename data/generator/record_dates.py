"""The dates of an extract: births, deaths, and the ways they are written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.generator import dates
from data.generator.columns import take
from data.generator.damage import wrong_date
from data.generator.forms import MIXED_SHARE
from data.generator.rows import Rows


def birth_dates(rows: Rows) -> pa.Array:
    """The birth dates as the file holds them; null where missing."""
    rates = rows.rates
    true = rows.people.birth[rows.person]
    held = true.copy()
    pick = rows.rng.random(rows.count)
    wrong = np.flatnonzero(pick < rates.birth_date_wrong)
    kinds = []
    for row in wrong.tolist():
        held[row], kind = wrong_date(int(true[row]), rows.slips)
        kinds.append(kind)
    edges = np.cumsum([rates.birth_date_wrong, rates.birth_year_only, rates.birth_date_missing])
    year_only = np.flatnonzero((pick >= edges[0]) & (pick < edges[1]))
    held[year_only] = dates.year_code(dates.YEAR[true[year_only]])
    missing = np.flatnonzero((pick >= edges[1]) & (pick < edges[2]))
    held[missing] = dates.NO_DAY
    iso = dates.texts("yyyy-mm-dd")
    for at, error in ((wrong, pa.array(kinds, pa.string())), (year_only, "year_only"), (missing, "missing")):
        rows.errors.plant(at, "birth_date", error, _texts(iso, held[at]), take(iso, true[at]))
    return _written(rows, held)


def deaths(rows: Rows) -> pa.Array:
    """The dates of death that the agency knows, of those the register did not enter too."""
    true = rows.people.death[rows.person]
    dead = np.flatnonzero(true != dates.NO_DAY)
    unknown = dead[rows.stream("deaths").random(len(dead)) < rows.rates.death_unknown]
    iso = dates.texts("yyyy-mm-dd")
    rows.errors.plant(unknown, "death_date", "not_known", None, take(iso, true[unknown]))
    held = true.copy()
    held[unknown] = dates.NO_DAY
    return _written(rows, held)


def _texts(texts: pa.Array, codes: NDArray[np.int32]) -> pa.Array:
    return texts.take(pa.array(codes, mask=codes == dates.NO_DAY))


def _written(rows: Rows, held: NDArray[np.int32]) -> pa.Array:
    """Each date in the layout's format, or a share of the whole ones in any of the mixed formats."""
    formats = rows.form.date_formats(rows.layout)
    if len(formats) == 1:
        return _texts(dates.texts(formats[0]), held)
    every = pa.concat_arrays([dates.texts(form) for form in formats])
    size = len(every) // len(formats)
    rng = rows.stream("date_forms")
    which = rng.integers(1, len(formats), rows.count)
    which[(rng.random(rows.count) >= MIXED_SHARE) | (held >= dates.DAYS)] = 0
    found = held.astype(np.int64) + which * size
    return every.take(pa.array(found, mask=held == dates.NO_DAY))
