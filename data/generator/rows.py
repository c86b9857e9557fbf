"""The rows of one extract in the making: who stands in them, and what their columns are made from."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.generator.forms import Form
from data.generator.layouts import Layout
from data.generator.naming import Naming
from data.generator.numbers import Serials
from data.generator.people import People
from data.generator.places import Places
from data.generator.rates import AgencyRates
from data.generator.record_keys import record_keys
from data.generator.sampling import Sample
from data.generator.truth import SourceErrors

#: What a generator of its own is for; each keeps its place.
PURPOSES = (
    "size", "keys", "cards", "lost_zero", "residue", "deaths", "date_forms", "addresses", "birth_province",
    "foreigners", "broken",
)  # fmt: skip


@dataclass(frozen=True)
class Material:
    """What all extracts of a chunk are made from."""

    people: People
    person_id: pa.Array  # by person
    naming: Naming
    places: Places
    serials: Serials
    cards: bool  # whether the columns of ``layouts.CARDS`` are there


class Rows:
    """One extract: a row an entry of ``person``; errors are gathered as columns are made.

    ``rng`` and ``slips`` are drawn from in a fixed order by the columns every extract has. Everything else
    has a generator of its own, so that an option changes no other column.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        streams: Callable[[int], np.random.Generator],
        layout: Layout,
        form: Form,
        rates: AgencyRates,
        material: Material,
        drawn: Sample,
        clerks: NDArray[np.int64],
    ) -> None:
        self.rng = rng
        self.slips = random.Random(int(rng.integers(2**62)))
        self._streams = streams
        self.layout = layout
        self.form = form
        self.rates = rates
        self.material = material
        self.people = material.people
        self.naming = material.naming
        self.places = material.places
        self.drawn = drawn
        self.person: NDArray[np.int64] = drawn.person
        self.count = len(drawn.person)
        self.clerks = clerks
        size = self.stream("size")
        foreign = layout.foreigners / (1 - layout.foreigners) * self.count
        self.foreigners = int(foreign + size.random())
        self.broken = int((self.count + self.foreigners) * rates.broken_rows + size.random())
        every = self.count + self.foreigners + self.broken
        keys = record_keys(material, layout, drawn, every, self.stream("keys"))
        self.record_id = keys.slice(0, self.count)
        self.foreign_id = keys.slice(self.count, self.foreigners)
        self.broken_id = keys.slice(self.count + self.foreigners)
        self.errors = SourceErrors(layout.source, self.record_id, self.person)
        #: How each name is written, see ``naming``.
        self.way: NDArray[np.int64] = np.zeros(self.count, np.int64)
        #: Rows that a spreadsheet saved.
        self.zeroless = np.zeros(0, np.int64)

    def stream(self, purpose: str) -> np.random.Generator:
        """The generator of one of ``PURPOSES``, from its beginning."""
        return self._streams(PURPOSES.index(purpose))
