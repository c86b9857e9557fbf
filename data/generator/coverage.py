"""Whom each agency holds: by age or birth year, and the people outside of the register among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.generator.layouts import DEFAULT_SOURCES, LAYOUTS
from data.generator.rates import Rates

#: The national files: the register and its unregistered people are made for them, whatever is written.
AGENCIES = DEFAULT_SOURCES
#: Share of the living that an agency holds: first age of each band and the share. At 41 the national files
#: have 0.80, 0.50 and 0.03; over the whole population about 0.68, 0.28 and 0.26, their sizes of 2022. The
#: shares of the further sources are chosen small; that of ``onestop`` is one of its province.
BANDS: dict[str, tuple[tuple[int, float], ...]] = {
    "insurance": ((0, 0.48), (6, 0.54), (18, 0.60), (23, 0.78), (35, 0.80), (55, 0.74), (62, 0.60)),
    "tax": ((0, 0.0), (18, 0.15), (21, 0.34), (25, 0.46), (35, 0.50), (46, 0.42), (56, 0.30), (62, 0.08)),
    "education": ((0, 0.03), (3, 0.82), (6, 0.99), (15, 0.93), (18, 0.55), (22, 0.15), (24, 0.03), (61, 0.0)),
    "vehicles": ((0, 0.0), (18, 0.08), (25, 0.14), (45, 0.12), (65, 0.04)),
    "bank": ((0, 0.0), (15, 0.08), (18, 0.18), (25, 0.20), (50, 0.14), (70, 0.06)),
    "onestop": ((0, 0.02), (1, 0.03), (18, 0.09), (70, 0.04)),
}  # fmt: skip
#: Share of the living by birth year, of the candidates of the exam of June 2026.
YEARS: dict[str, dict[int, float]] = {"exam": {2006: 0.03, 2007: 0.08, 2008: 0.85}}
#: How much less often the dead are still held.
DEAD = 0.3
#: Shares of a whole population, to size the pool of the unregistered before anybody's age is known.
_TYPICAL = {
    "insurance": 0.68, "tax": 0.28, "education": 0.26, "vehicles": 0.12, "bank": 0.12, "onestop": 0.008,
    "exam": 0.013,
}  # fmt: skip
_AGES = 130


def shares(source: str) -> NDArray[np.float64]:
    """The share an agency holds, by age 0..129; 0 where birth years say it."""
    if source not in BANDS:
        return np.zeros(_AGES)
    ages = np.arange(_AGES)
    first = np.array([age for age, _ in BANDS[source]])
    share = np.array([share for _, share in BANDS[source]])
    return share[np.searchsorted(first, ages, side="right") - 1]


def held_shares(source: str, age: NDArray[np.int16], year: NDArray[np.int16]) -> NDArray[np.float64]:
    """The share an agency holds of people of each age and birth year."""
    if source in BANDS:
        return shares(source)[age.clip(0, _AGES - 1)]
    found = np.zeros(len(year))
    for born, share in YEARS[source].items():
        found[year == born] = share
    return found


@dataclass(frozen=True)
class Demand:
    """What the agencies need of unregistered people."""

    odds: dict[str, float]  # unregistered first records for each registered one, by source
    typical: dict[str, float]  # share of the population each source holds

    def pool(self, registered: int, rng: np.random.Generator) -> int:
        """How many unregistered people to make for so many registered: half as many again as the national
        files need.
        """
        needed = sum(self.odds[source] * self.typical[source] for source in AGENCIES)
        return int(1.5 * needed * registered + rng.random())

    def choose(self, rng: np.random.Generator, age: NDArray[np.int16], count: int) -> NDArray[np.int64]:
        """Which ``count`` people are unregistered: those the national files hold rather than others."""
        if count == 0:
            return np.zeros(0, np.int64)
        order = rng.standard_exponential(len(age)) / self._weight(age)
        return np.sort(np.argpartition(order, count - 1)[:count])

    def held(
        self,
        rng: np.random.Generator,
        source: str,
        age: NDArray[np.int16],
        year: NDArray[np.int16],
        records: float,
    ) -> NDArray[np.bool_]:
        """Which of the unregistered, by age and birth year, the source holds: ``records`` of them on
        average, or as many as there are.
        """
        share = held_shares(source, age, year)
        return rng.random(len(age)) < _scaled_to(share / self._weight(age), records)

    def _weight(self, age: NDArray[np.int16]) -> NDArray[np.float64]:
        at = age.clip(0, _AGES - 1)
        found: NDArray[np.float64] = np.maximum.reduce(
            [shares(source)[at] * self.odds[source] for source in AGENCIES]
        )
        return found.clip(min=1e-12)


def _scaled_to(chance: NDArray[np.float64], total: float) -> NDArray[np.float64]:
    """Chances in proportion to those given, at most 1, that sum to ``total`` where they can."""
    result = np.zeros_like(chance)
    open_ = chance > 0
    left = float(total)
    for _ in range(20):
        weight = chance[open_].sum()
        if left <= 0 or weight <= 0:
            break
        scaled = chance[open_] * (left / weight)
        at = np.flatnonzero(open_)
        full = scaled >= 1
        result[at] = np.minimum(scaled, 1)
        if not full.any():
            break
        open_[at[full]] = False
        left = float(total) - result[~open_].sum()
    return result


def demand(rates: Rates, born: int | None) -> Demand:
    """What the agencies need, at these rates, of a whole population or of one birth year."""
    odds = {}
    typical = dict(_TYPICAL)
    for layout in LAYOUTS:
        source = layout.source
        rate = rates.agency(source)
        odds[source] = rate.unregistered / (1 - rate.unregistered)
        if born is not None:
            at = np.array([max(0, min(2026 - born, _AGES - 1))], np.int16)
            typical[source] = float(held_shares(source, at, np.array([born], np.int16))[0])
    return Demand(odds, typical)
