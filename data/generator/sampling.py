"""Which persons stand in an agency's extract, twice or unregistered among them, and whose numbers go wrong
how.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.generator import dates
from data.generator.coverage import DEAD, Demand, held_shares
from data.generator.layouts import Layout
from data.generator.numbers import can_have_neighbour, neighbour
from data.generator.people import People
from data.generator.places import Places
from data.generator.rates import AgencyRates, Rates

#: What became of the number of a record.
RIGHT, MISSING, MISTYPED, LIVING, OLD, RELATIVE, CLERK, CANCELLED = range(8)
#: Chance that a mistyped number keeps its first six digits and length: what can hit a person of the same
#: cell.
_SLIP_IN_LAST_SIX = 0.45


@dataclass
class Sample:
    """The rows of one extract in file order."""

    person: NDArray[np.int64]
    first: NDArray[np.int64]  # row of the person's first record, of the rows that are second ones; else -1
    number: NDArray[np.int8]  # what became of the number


def sample(
    rng: np.random.Generator,
    people: People,
    places: Places,
    layout: Layout,
    rates: AgencyRates,
    demand: Demand,
) -> Sample:
    """The rows of one agency, and what becomes of each number but for hits on living persons."""
    source = layout.source
    chance = held_shares(source, people.age, people.year)
    chance *= np.where(people.death == dates.NO_DAY, 1.0, DEAD)
    if layout.province:
        chance[places.prefix[places.home_province[people.home]] != int(layout.province)] = 0
    inside = np.flatnonzero(people.registered & (rng.random(people.count) < chance))
    outsiders = np.flatnonzero(~people.registered & (chance > 0 if layout.province else True))
    found = demand.held(
        rng, source, people.age[outsiders], people.year[outsiders], len(inside) * demand.odds[source]
    )
    once = np.concatenate([inside, outsiders[found]])
    if layout.many:
        edges = np.cumsum(layout.records[:-1])
        once = np.repeat(once, 1 + np.searchsorted(edges, rng.random(len(once)), side="right"))
    # Where a person has several records by right, none of them is a second one.
    second = 0.0 if layout.many else rates.second_record
    twice = np.flatnonzero(rng.random(len(once)) < second / (1 - second))
    order = rng.permutation(len(once) + len(twice))
    where = np.empty_like(order)
    where[order] = np.arange(len(order))
    person = np.concatenate([once, once[twice]])[order]
    first = np.full(len(order), -1, np.int64)
    first[where[len(once) :]] = where[twice]
    return Sample(person, first, _numbers(rng, people, person, rates))


def _numbers(
    rng: np.random.Generator, people: People, person: NDArray[np.int64], rates: AgencyRates
) -> NDArray[np.int8]:
    rows = len(person)
    kinds = (MISSING, MISTYPED, RELATIVE, CLERK)
    edges = np.cumsum(
        [rates.number_missing, rates.number_mistyped, rates.relative_number, rates.clerk_number]
    )
    kind = np.array([*kinds, RIGHT], np.int8)[np.searchsorted(edges, rng.random(rows), side="right")]
    # Only some have an old number: theirs is used more often, so that the rate is one of all records.
    able = np.flatnonzero((kind == RIGHT) & (people.old_number[person] > 0))
    chance = min(1.0, rates.old_number * rows / max(1, len(able)))
    kind[able[rng.random(len(able)) < chance]] = OLD
    able = np.flatnonzero((kind == RIGHT) & (people.cancelled[person] > 0))
    kind[able[rng.random(len(able)) < rates.cancelled_number]] = CANCELLED
    return kind


def hit_living(
    rng: np.random.Generator,
    people: People,
    samples: dict[str, Sample],
    rates: Rates,
    clerks: NDArray[np.int64],
    population: int,
) -> None:
    """Turn a share of the mistyped numbers into the number of another living person of the register.

    That person, of the same first six digits, is given the number one digit off: ``people.number`` changes.
    In a large population slips hit living persons by themselves; so many fewer are planted. The clerks keep
    their numbers.
    """
    order = np.argsort(people.cell, kind="stable")
    cells = people.cell[order]
    suited = people.registered & (people.death == dates.NO_DAY) & (people.cancelled == 0)
    suited[people.twice] = False
    suited[np.isin(people.number, clerks)] = False
    by_chance = _crowding(cells) * population / 1e6 * _SLIP_IN_LAST_SIX
    mates: dict[int, int] = {}
    taken: set[int] = set()
    for source, drawn in samples.items():
        mistyped = np.flatnonzero(drawn.number == MISTYPED)
        wanted = rng.binomial(len(mistyped), max(0.0, rates.agency(source).mistyped_living - by_chance))
        rows = mistyped[can_have_neighbour(people.number[drawn.person[mistyped]])]
        rng.shuffle(rows)
        for row in rows.tolist():
            if wanted == 0:
                break
            person = int(drawn.person[row])
            if person in taken:
                continue
            if person not in mates:
                start, end = np.searchsorted(cells, [people.cell[person], people.cell[person] + 1])
                others = [
                    int(other)
                    for other in order[start:end]
                    if suited[other]
                    and other != person
                    and int(other) not in taken
                    and int(other) not in mates
                ]
                if not others:
                    continue
                mate = others[int(rng.integers(len(others)))]
                mates[person] = mate
                taken.add(mate)
                people.number[mate] = neighbour(people.number[person : person + 1])[0]
            drawn.number[row] = LIVING
            wanted -= 1


def _crowding(sorted_cells: NDArray[np.int32]) -> float:
    """The chance that two people share their first six digits."""
    if len(sorted_cells) == 0:
        return 0.0
    ends = np.flatnonzero(np.concatenate([sorted_cells[1:] != sorted_cells[:-1], [True]]))
    lengths = np.diff(np.concatenate([[-1], ends])).astype(float)
    # A person makes no pair with himself: without the correction a small chunk would look crowded.
    return float((lengths * (lengths - 1)).sum()) / len(sorted_cells) ** 2
