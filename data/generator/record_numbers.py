"""The personal numbers of an extract: right ones, and every way in which they go wrong."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.generator import sampling
from data.generator.columns import digit_texts, replaced, take
from data.generator.damage import mistyped_number
from data.generator.numbers import neighbour, relative_outside
from data.generator.rows import Rows


def personal_numbers(rows: Rows) -> pa.Array:
    """Twelve digits each, or what is held instead; null where missing."""
    people, kind = rows.people, rows.drawn.number
    true = people.number[rows.person]
    held = true.copy()
    at = _rows_of(rows, sampling.LIVING)
    held[at] = neighbour(true[at])
    at = _rows_of(rows, sampling.RELATIVE)
    held[at] = _relatives(rows, rows.person[at])
    at = _rows_of(rows, sampling.CLERK)
    held[at] = rows.clerks[rows.rng.integers(0, len(rows.clerks), len(at))]
    own = at[held[at] == true[at]]
    if len(own):
        kind[own] = sampling.RIGHT
    at = _rows_of(rows, sampling.CANCELLED)
    held[at] = people.cancelled[rows.person[at]]
    column = digit_texts(held, 12, missing=kind == sampling.MISSING)
    at = _rows_of(rows, sampling.OLD)
    column = replaced(column, at, digit_texts(people.old_number[rows.person[at]], 9))
    at = _rows_of(rows, sampling.MISTYPED)
    typed = [mistyped_number(text, rows.slips) for text in take(column, at).to_pylist()]
    column = replaced(column, at, typed)
    column = _without_zeros(rows, column)
    for code, error in (
        (sampling.MISSING, "missing"),
        (sampling.MISTYPED, "mistyped"),
        (sampling.LIVING, "mistyped_living"),
        (sampling.OLD, "old_number"),
        (sampling.RELATIVE, "relative_number"),
        (sampling.CLERK, "clerk_number"),
        (sampling.CANCELLED, "cancelled_number"),
    ):
        at = _rows_of(rows, code)
        rows.errors.plant(at, "personal_number", error, take(column, at), digit_texts(true[at], 12))
    return column


def _rows_of(rows: Rows, kind: int) -> NDArray[np.int64]:
    return np.flatnonzero(rows.drawn.number == kind)


def _without_zeros(rows: Rows, column: pa.Array) -> pa.Array:
    """The numbers with those that a spreadsheet saved cut short; every personal number begins with 0."""
    right = _rows_of(rows, sampling.RIGHT)
    if rows.rates.lost_zero == 0 or len(right) == 0:
        return column
    chance = min(1.0, rows.rates.lost_zero * rows.count / len(right))
    at = right[rows.stream("lost_zero").random(len(right)) < chance]
    true = take(column, at)
    held = pc.utf8_ltrim(true, characters="0")
    rows.errors.plant(at, "personal_number", "lost_zero", held, true)
    rows.zeroless = at
    return replaced(column, at, held)


def _relatives(rows: Rows, person: NDArray[np.int64]) -> NDArray[np.int64]:
    """A relative's number each: of the family where it is in the sources, else of somebody outside."""
    people = rows.people
    found = relative_outside(rows.rng, rows.places.prefix[people.born_in[person]], people.year[person])
    for at, who in enumerate(person.tolist()):
        young = people.age[who] < 20
        links = (
            (people.mother, people.father, people.elder)
            if young
            else (people.spouse, people.child, people.mother, people.father, people.elder)
        )
        near = [int(link[who]) for link in links if link[who] >= 0 and int(link[who]) != who]
        # A birth year's slice holds few relatives; most of those in question stand outside of it.
        if near and (len(near) > 1 or rows.slips.random() < 0.6):
            found[at] = people.number[near[rows.slips.randrange(len(near))]]
    return found
