"""What a generated nation holds: its records, every planted thing, and how often names coincide."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from data.generator.chunk import Piece, Plan
from data.generator.naming import GIVEN_COINCIDENCE, OLDER_WOMEN_COINCIDENCE, SEXES
from data.generator.vocabulary import COHORTS

#: Names that coincidences are counted on; more would only take memory.
SAMPLE = 600_000


@dataclass(frozen=True)
class Report:
    """Counts and coincidences of one generated nation.

    ``records`` by source; ``planted`` the number of errors by ``source.field.error``; ``population`` counts
    of the register. ``coincidences`` has one entry a sex and cohort: people counted, and the probability
    that two of them share the full name, and the given name. ``expected`` are the published figures the
    vocabularies are tuned to, ``namesakes`` times as high.
    """

    people: int
    seed: int
    born: int | None
    namesakes: float
    records: dict[str, int]
    population: dict[str, int]
    planted: dict[str, int]
    coincidences: list[dict[str, float | int | str]]
    surname_coincidence: float
    expected: dict[str, float]
    rates: dict[str, dict[str, float]]

    def json(self) -> str:
        """The report as JSON text."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"


class Summary:
    """Gathers the pieces of a nation into its report."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._records: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._names: list[NDArray[np.int64]] = []
        self._givens: list[NDArray[np.int64]] = []
        self._groups: list[NDArray[np.int64]] = []
        self._each = max(1000, SAMPLE // plan.chunks)
        self._held = 0

    def add(self, piece: Piece) -> None:
        """One chunk's counts and names."""
        for total, part in ((self._records, piece.records), (self._counts, piece.counts)):
            for name, count in part.items():
                total[name] = total.get(name, 0) + count
        if self._held < SAMPLE:
            # Copies: a view would keep the chunk's arrays alive.
            self._names.append(piece.names[: self._each].copy())
            self._givens.append(piece.givens[: self._each].copy())
            self._groups.append(piece.groups[: self._each].copy())
            self._held += len(self._names[-1])

    def report(self) -> Report:
        """The report of all pieces added."""
        plan = self.plan
        names, givens = np.concatenate(self._names), np.concatenate(self._givens)
        groups = np.concatenate(self._groups)
        coincidences: list[dict[str, float | int | str]] = []
        for group in np.unique(groups).tolist():
            at = groups == group
            coincidences.append(
                {
                    "sex": SEXES[group // len(COHORTS)],
                    "cohort": COHORTS[group % len(COHORTS)],
                    "people": int(at.sum()),
                    "full_name": coincidence(names[at]),
                    "given_name": coincidence(givens[at]),
                }
            )
        population = {
            name.removeprefix("people."): count
            for name, count in self._counts.items()
            if name.startswith("people.")
        }
        planted = {
            name: count for name, count in sorted(self._counts.items()) if not name.startswith("people.")
        }
        return Report(
            people=plan.people,
            seed=plan.seed,
            born=plan.born,
            namesakes=plan.namesakes,
            records=self._records,
            population=population,
            planted=planted,
            coincidences=coincidences,
            surname_coincidence=coincidence(names >> 32),
            expected={
                "full_name_of_women_born_before_1970": OLDER_WOMEN_COINCIDENCE * plan.namesakes,
                "given_name": GIVEN_COINCIDENCE * plan.namesakes ** (1 / 3),
            },
            rates=asdict(plan.rates),
        )


def coincidence(values: NDArray[np.int64]) -> float:
    """The probability that two different entries are equal; 0 for fewer than two."""
    count = len(values)
    if count < 2:
        return 0.0
    found = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float((found * (found - 1)).sum() / (count * (count - 1)))
