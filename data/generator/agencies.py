"""The extract of one agency: its columns, and every error that is planted in them."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.generator import dates, sampling
from data.generator.columns import constant, digit_texts, joined, replaced, take
from data.generator.damage import damaged_name, mistyped_number, wrong_date
from data.generator.layouts import Layout
from data.generator.naming import FOLDED, TONE_MOVED, WRITTEN, Naming
from data.generator.numbers import Serials, mobile_numbers, neighbour, relative_outside
from data.generator.people import People
from data.generator.places import BEFORE, Places
from data.generator.rates import AgencyRates
from data.generator.sampling import Sample
from data.generator.truth import SourceErrors
from data.generator.vocabulary import REGIONS

#: Of the phones given: the person's present one, an earlier one, a relative's, one of an employer or a
#: school.
PHONES = (("present", 0.72), ("earlier", 0.17), ("relative", 0.09), ("shared", 0.02))
_STANDARD_SEXES = pa.array(["M", "F"], pa.string())
#: Networks renumbered in 2018: the two digits of today and the three of before.
_RENUMBERED = {
    70: 120, 79: 121, 77: 122, 76: 126, 78: 128, 83: 123, 84: 124, 85: 125, 81: 127, 82: 129, 32: 162,
    33: 163, 34: 164, 35: 165, 36: 166, 37: 167, 38: 168, 39: 169, 56: 186, 58: 188, 59: 199,
}  # fmt: skip


class Extract:
    """One extract in the making: rows of ``drawn``, errors gathered as columns are made."""

    def __init__(
        self,
        rng: np.random.Generator,
        layout: Layout,
        rates: AgencyRates,
        people: People,
        person_id: pa.Array,
        drawn: Sample,
        naming: Naming,
        places: Places,
        serials: Serials,
        clerks: NDArray[np.int64],
    ) -> None:
        self.rng = rng
        self.slips = random.Random(int(rng.integers(2**62)))
        self.layout = layout
        self.rates = rates
        self.people = people
        self.drawn = drawn
        self.person = drawn.person
        self.rows = len(drawn.person)
        self.naming = naming
        self.places = places
        self.clerks = clerks
        self.record_id = self._keys(serials)
        self.errors = SourceErrors(layout.source, self.record_id, self.person)
        self.person_id = person_id

    def table(self) -> pa.Table:
        """The file's rows, in the layout's columns."""
        second = np.flatnonzero(self.drawn.first >= 0)
        self.errors.plant(
            second, "record", "second_record", take(self.record_id, second),
            take(self.record_id, self.drawn.first[second]),
        )  # fmt: skip
        unregistered = np.flatnonzero(~self.people.registered[self.person])
        self.errors.plant(unregistered, "record", "unregistered", take(self.record_id, unregistered), None)
        columns = {
            "record_id": self.record_id,
            "personal_number": self._numbers(),
            **self._names(),
            "birth_date": self._birth_dates(),
            "sex": self._sexes(),
            "commune": self._communes(),
            "phone": self._phones(),
        }
        return pa.table({column: columns[name] for name, column in self.layout.columns.items()})

    def entities(self) -> pa.Table:
        """Who each row is."""
        return pa.table(
            [constant(self.layout.source, self.rows), self.record_id, take(self.person_id, self.person)],
            names=["source", "record_id", "true_person_id"],
        )

    def _keys(self, serials: Serials) -> pa.Array:
        if self.layout.source == "tax":
            return digit_texts(serials.tax_codes(self.rows), 10)
        # The first two digits are the province the number was given in, which people leave.
        province = self.places.prefix[self.people.born_in[self.person]].astype(np.int64)
        return digit_texts(province * 10**8 + serials.agency_keys(self.layout.source, self.rows), 10)

    def _rows_of(self, kind: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.drawn.number == kind)

    def _numbers(self) -> pa.Array:
        people, kind = self.people, self.drawn.number
        true = people.number[self.person]
        held = true.copy()
        at = self._rows_of(sampling.LIVING)
        held[at] = neighbour(true[at])
        at = self._rows_of(sampling.RELATIVE)
        held[at] = self._relatives(self.person[at])
        at = self._rows_of(sampling.CLERK)
        held[at] = self.clerks[self.rng.integers(0, len(self.clerks), len(at))]
        own = at[held[at] == true[at]]
        if len(own):
            kind[own] = sampling.RIGHT
        at = self._rows_of(sampling.CANCELLED)
        held[at] = people.cancelled[self.person[at]]
        column = digit_texts(held, 12, missing=kind == sampling.MISSING)
        at = self._rows_of(sampling.OLD)
        column = replaced(column, at, digit_texts(people.old_number[self.person[at]], 9))
        at = self._rows_of(sampling.MISTYPED)
        typed = [mistyped_number(text, self.slips) for text in take(column, at).to_pylist()]
        column = replaced(column, at, typed)
        for code, error in (
            (sampling.MISSING, "missing"),
            (sampling.MISTYPED, "mistyped"),
            (sampling.LIVING, "mistyped_living"),
            (sampling.OLD, "old_number"),
            (sampling.RELATIVE, "relative_number"),
            (sampling.CLERK, "clerk_number"),
            (sampling.CANCELLED, "cancelled_number"),
        ):
            at = self._rows_of(code)
            self.errors.plant(at, "personal_number", error, take(column, at), digit_texts(true[at], 12))
        return column

    def _relatives(self, person: NDArray[np.int64]) -> NDArray[np.int64]:
        """A relative's number each: of the family where it is in the sources, else of somebody outside."""
        people = self.people
        found = relative_outside(self.rng, self.places.prefix[people.born_in[person]], people.year[person])
        for at, who in enumerate(person.tolist()):
            young = people.age[who] < 20
            links = (
                (people.mother, people.father, people.elder)
                if young
                else (people.spouse, people.child, people.mother, people.father, people.elder)
            )
            near = [int(link[who]) for link in links if link[who] >= 0 and int(link[who]) != who]
            # A birth year's slice holds few relatives; most of those in question stand outside of it.
            if near and (len(near) > 1 or self.slips.random() < 0.6):
                found[at] = people.number[near[self.slips.randrange(len(near))]]
        return found

    def _names(self) -> dict[str, pa.Array]:
        rng, people, naming, layout = self.rng, self.people, self.naming, self.layout
        phrases = naming.upper if layout.capitals else naming.title
        names = people.name[self.person]
        way = np.zeros(self.rows, np.int64)
        way[rng.random(self.rows) < self.rates.tone_moved] = TONE_MOVED
        way[rng.random(self.rows) < self.rates.diacritics_dropped] = FOLDED
        columns = {"full_name": joined(phrases, names, way * naming.size)}

        damaged = np.flatnonzero(rng.random(self.rows) < self.rates.name_damaged)
        clean = joined(naming.title, names[damaged], way[damaged] * naming.size)
        held, kinds = [], []
        regions = people.region[self.person[damaged]].tolist()
        for text, region in zip(clean.to_pylist(), regions, strict=True):
            wrong, kind = damaged_name(text, REGIONS[region], self.slips)
            held.append(wrong)
            kinds.append(kind)
        shown = [text.upper() for text in held] if layout.capitals else held
        columns["full_name"] = replaced(columns["full_name"], damaged, shown)
        standard = pa.array(held, pa.string())
        self._plant_names("full_name", names, way, damaged, standard)
        self.errors.plant(
            damaged, "full_name", pa.array(kinds, pa.string()), standard, joined(naming.title, names[damaged])
        )
        if layout.parents:
            missing = rng.random(self.rows) >= layout.parents
            for field, all_names in (
                ("father_name", people.father_name),
                ("mother_name", people.mother_name),
            ):
                parents = all_names[self.person]
                absent = missing | ~parents.any(axis=1)
                parents[absent] = 0
                columns[field] = joined(phrases, parents, way * naming.size, absent)
                self._plant_names(field, parents, way, np.zeros(0, np.int64), None)
        return columns

    def _plant_names(
        self,
        field: str,
        names: NDArray[np.uint16],
        way: NDArray[np.int64],
        damaged: NDArray[np.int64],
        damaged_names: pa.Array | None,
    ) -> None:
        naming = self.naming
        for kind, error, possible in (
            (TONE_MOVED, "tone_moved", naming.movable),
            (FOLDED, "diacritics_dropped", naming.marked),
        ):
            at = np.flatnonzero(way == kind)
            at = at[possible[names[at]].any(axis=1)]
            held = joined(naming.title, names[at], kind * naming.size)
            if damaged_names is not None:
                both, in_held, in_damaged = np.intersect1d(
                    at, damaged, assume_unique=True, return_indices=True
                )
                if len(both):
                    held = replaced(held, in_held, take(damaged_names, in_damaged))
            self.errors.plant(at, field, error, held, joined(naming.title, names[at], WRITTEN))

    def _birth_dates(self) -> pa.Array:
        true = self.people.birth[self.person]
        held = true.copy()
        pick = self.rng.random(self.rows)
        wrong = np.flatnonzero(pick < self.rates.birth_date_wrong)
        kinds = []
        for row in wrong.tolist():
            held[row], kind = wrong_date(int(true[row]), self.slips)
            kinds.append(kind)
        year_only = np.flatnonzero(
            (pick >= self.rates.birth_date_wrong)
            & (pick < self.rates.birth_date_wrong + self.rates.birth_year_only)
        )
        held[year_only] = dates.year_code(dates.YEAR[true[year_only]])
        iso = dates.texts("yyyy-mm-dd")
        for at, error in ((wrong, pa.array(kinds, pa.string())), (year_only, "year_only")):
            self.errors.plant(
                at, "birth_date", error, iso.take(pa.array(held[at])), iso.take(pa.array(true[at]))
            )
        return dates.texts(self.layout.date).take(pa.array(held))

    def _sexes(self) -> pa.Array:
        true = self.people.sex[self.person]
        held = true.copy()
        at = np.flatnonzero(self.rng.random(self.rows) < self.rates.sex_wrong)
        held[at] = 1 - held[at]
        self.errors.plant(
            at,
            "sex",
            "wrong",
            _STANDARD_SEXES.take(pa.array(held[at])),
            _STANDARD_SEXES.take(pa.array(true[at])),
        )
        return pa.array(list(self.layout.sex), pa.string()).take(pa.array(held))

    def _communes(self) -> pa.Array:
        home = self.people.home[self.person]
        at = np.flatnonzero(self.rng.random(self.rows) < self.rates.moved)
        held = home.copy()
        held[at] = self.people.former_home[self.person[at]]
        before = self.layout.commune_as_of == BEFORE
        dated = self.places.before_dated if before else self.places.after_dated
        self.errors.plant(
            at, "commune", "moved", take(dated, held[at]), take(self.places.after_dated, home[at])
        )
        return (self.places.before if before else self.places.after).take(pa.array(held))

    def _phones(self) -> pa.Array:
        rng, people = self.rng, self.people
        edges = np.cumsum([share for _, share in PHONES])
        kind = np.searchsorted(edges[:-1], rng.random(self.rows), side="right")
        lines = mobile_numbers(rng, max(1, self.rows // 400))
        true = people.phone[self.person]
        held = np.choose(
            kind,
            [
                true,
                people.earlier_phone[self.person],
                people.relative_phone[self.person],
                lines[rng.integers(0, len(lines), self.rows)],
            ],
        )
        missing = rng.random(self.rows) >= self.layout.phone
        column = digit_texts(held, 10, missing=missing)
        for code, (error, _) in enumerate(PHONES[1:], 1):
            at = np.flatnonzero((kind == code) & ~missing & (held != true))
            self.errors.plant(at, "phone", error, take(column, at), digit_texts(true[at], 10))
        form = rng.random(self.rows)
        low = 0.0
        for name, share in self.layout.phone_forms:
            at = np.flatnonzero((form >= low) & (form < low + share) & ~missing)
            low += share
            column = _reformed(column, at, name, held)
        return column


def _reformed(column: pa.Array, rows: NDArray[np.int64], form: str, phones: NDArray[np.int64]) -> pa.Array:
    """The phones of some rows written another way: +84, in groups, or with the eleven digits of before
    2018.
    """
    if form == "eleven":
        network = np.full(100, 0, np.int64)
        for now, before in _RENUMBERED.items():
            network[now] = before
        rows = rows[network[phones[rows] // 10**7] > 0]
        old = network[phones[rows] // 10**7] * 10**7 + phones[rows] % 10**7
        return replaced(column, rows, digit_texts(old, 11))
    plain = take(column, rows)
    if form == "international":
        text = pc.binary_join_element_wise("+84", pc.utf8_slice_codeunits(plain, 1), "")
    else:
        groups = [pc.utf8_slice_codeunits(plain, start, stop) for start, stop in ((0, 4), (4, 7), (7, 10))]
        text = pc.binary_join_element_wise(*groups, " ")
    return replaced(column, rows, text)
