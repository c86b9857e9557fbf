"""The linked records of one part of an agency beside their persons, and the grounds that hold for them."""

from __future__ import annotations

import functools

import numpy as np
import polars as pl

from jobs.agreements import Agreement, held_by, read_agreements, read_bearers
from jobs.linked_records import links_of, older_file, taken, valid
from jobs.register_texts import texts_of_persons
from jobs.store import open_arrays
from jobs.workspace import Workspace
from linkage.agreement import (
    DIFFERENT,
    EARLIER,
    EQUAL,
    HELD_EMPTY,
    LESS,
    MORE,
    relate_dates,
    relate_names,
    without_marks,
)
from linkage.correct import EXACT_FIELDS, Relations, Structure
from linkage.grounds import (
    Bearers,
    NumberSays,
    Person,
    abbreviated,
    birth_grounds,
    commoner_held,
    number_grounds,
    rare_spelling,
    sex_grounds,
    spelling_grounds,
)
from linkage.text_arrays import Texts

#: Digits of the personal number.
_PERSONAL_DIGITS = 12


class LinkedPart:
    """The linked records of one part of a source, their persons, and what is held of both.

    A place ``at`` (int64[n]) is one among the linked records.
    """

    def __init__(self, space: Workspace, source: int, part: int, fields: tuple[str, ...]) -> None:
        """``fields`` : those whose texts are asked for."""
        self.space = space
        self.source, self.part = source, part
        self.info = space.sources[source]
        self.register = space.sources[0]
        self.start, self.count = next(
            (a, n) for s, p, a, n in space.layout["parts"] if (s, p) == (source, part)
        )
        links = links_of(space, self.start, self.start + self.count)
        self.rows, self.persons, self.confidence = links.rows, links.persons, links.confidence
        self.place = self.rows - self.start
        self.agreements = read_agreements(space, source, part, self.rows)
        self.records = space.records(source, part, list(fields))
        self._arrays = space.coded.arrays
        self.forms = space.meaning.tokens.forms

    def __len__(self) -> int:
        return int(self.place.shape[0])

    def __contains__(self, column: str) -> bool:
        return column in self._arrays

    def held(self, column: str, at: np.ndarray) -> np.ndarray:
        """Codes of some of the records."""
        return np.asarray(self._arrays[column][self.rows[at]])

    def theirs(self, column: str, at: np.ndarray) -> np.ndarray:
        """Codes of some of the records' persons."""
        return np.asarray(self._arrays[column][self.persons[at]])

    def of_person(self, column: str, persons: np.ndarray) -> np.ndarray:
        """Codes of register persons (int64[n], global rows)."""
        return np.asarray(self._arrays[column][persons])

    def texts(self, standard: str, at: np.ndarray) -> pl.Series:
        """Texts that some of the records submitted."""
        return taken(self.records, standard, self.place[at])

    def submitted(self, standard: str) -> Texts:
        """Texts that all records of the part submitted, linked or not."""
        return Texts.of(self.records.column(standard))

    def blank(self, standard: str) -> np.ndarray:
        """Whether nothing stands in the records' own column of a field: bool[k]."""
        return ~valid(self.records, standard)[self.place]

    def register_texts(self, standard: str, at: np.ndarray) -> pl.Series:
        """Texts that the register submitted for some of the records' persons."""
        return texts_of_persons(self.space, standard, self.persons[at])

    def person_ids(self, at: np.ndarray) -> list[str]:
        """The register's keys of some of the records' persons."""
        return self.space.ids.take(self.persons[at]).to_list()

    @functools.cached_property
    def older(self) -> np.ndarray:
        """Old numbers that stand in the place of the personal number, int64[k]; 0 for none."""
        out = np.zeros(len(self), np.int64)
        held = open_arrays(older_file(self.space, self.source, self.part))
        out[np.searchsorted(self.rows, held["row"].astype(np.int64))] = held["code"]
        return out

    def side(self, at: np.ndarray, *, theirs: bool) -> Person:
        """Sex, birth date and what the number says, of some of the records or of their persons."""
        of = self.theirs if theirs else self.held

        def column(name: str, kind: type) -> np.ndarray:
            return of(name, at) if name in self else np.zeros(at.shape[0], kind)

        year = (self.register if theirs else self.info).extract_date.year
        sex, born = self.space.pack.holders(column("personal_number", np.int64), year)
        return Person(column("sex", np.uint8), column("birth_date", np.int32), NumberSays(sex, born))


def relation_of(rows: LinkedPart, standard: str, *, bare: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """How a field of the records relates to their persons': uint8[k]; bool[k], an empty cell is contradicted.

    bare : the source writes these names without diacritics, which then make no difference

    A number that was found in another of the record's columns does not stand in its own: a field whose own
    cell is blank is empty, whatever else is known of it.
    """
    relation = rows.agreements[standard].relation
    contradicted = np.zeros(len(rows), bool)
    if bare:
        at = np.flatnonzero(np.isin(relation, (LESS, MORE, DIFFERENT)))
        stands, forms = without_marks(rows.forms)
        relation = relation.copy()
        relation[at] = relate_names(stands[rows.held(standard, at)], stands[rows.theirs(standard, at)], forms)
    elif rows.space.kinds[standard] == "identifier":
        blank = rows.blank(standard) & np.isin(relation, (EQUAL, EARLIER, DIFFERENT))
        contradicted = blank & (relation == DIFFERENT)
        relation = np.where(blank, HELD_EMPTY, relation).astype(np.uint8)
    return relation, contradicted


def relations_at(
    rows: LinkedPart,
    standard: str,
    relation: np.ndarray,
    contradicted: np.ndarray,
    at: np.ndarray,
    *,
    bare: bool,
) -> Relations:
    """One field of some of the records against their persons, with the grounds that hold for it.

    relation, contradicted : of :func:`relation_of`
    """
    whole: Agreement = rows.agreements[standard]
    grounds = _grounds(rows, standard, relation[at], at, bare=bare)
    if rows.space.kinds[standard] == "identifier":
        grounds["contradicted"] = contradicted[at]
    return Relations(
        relation[at],
        whole.for_register[at],
        whole.for_held[at],
        whole.against[at],
        whole.doubtful[at],
        grounds,
    )


def _grounds(
    rows: LinkedPart, standard: str, relation: np.ndarray, at: np.ndarray, *, bare: bool
) -> dict[str, np.ndarray]:
    """Grounds beyond the register that hold for a field, by record."""
    if standard == "personal_number":
        held = rows.held(standard, at)
        older = rows.older[at]
        short = (held >> 56 != _PERSONAL_DIGITS) & (relation == DIFFERENT)
        earlier = relation == EARLIER
        return {
            "number_structure": number_grounds(
                rows.side(at, theirs=False), rows.side(at, theirs=True), short
            ),
            "other_holder": _other_holder(rows, held, relation, at),
            "alias": earlier & (held != 0),
            "old_number": older != 0,
        }
    if standard == "sex":
        ground, contrary = sex_grounds(rows.side(at, theirs=False), rows.side(at, theirs=True))
        return {"number_structure": ground, "number_for_held": contrary}
    if standard == "birth_date":
        ground, contrary = birth_grounds(rows.side(at, theirs=False), rows.side(at, theirs=True))
        return {"number_structure": ground, "number_for_held": contrary}
    if standard == "full_name":
        return _name_grounds(rows, standard, relation, at, bare=bare)
    return {}


def _name_grounds(
    rows: LinkedPart, standard: str, relation: np.ndarray, at: np.ndarray, *, bare: bool
) -> dict[str, np.ndarray]:
    forms = rows.forms
    bearers = read_bearers(rows.space, standard)
    like = bearers.together(np.asarray(forms.ascii))
    mine, theirs = rows.held(standard, at), rows.theirs(standard, at)
    rare = abbreviated(theirs, forms)
    if bare:
        stands, forms = without_marks(forms)
        mine, theirs, bearers = stands[mine], stands[theirs], like
    spelled = np.zeros(at.shape[0], bool)
    other = np.flatnonzero(relation == DIFFERENT)
    spelled[other] = spelling_grounds(mine[other], theirs[other], bearers, like, forms)
    rare[other] |= commoner_held(mine[other], theirs[other], bearers)
    less = np.flatnonzero(relation == LESS)
    commonest: Bearers = bearers.commonest(np.asarray(forms.ascii))
    rare[less] |= rare_spelling(mine[less], theirs[less], bearers, commonest)
    return {"spelling": spelled, "rare_spelling": rare}


def _other_holder(rows: LinkedPart, held: np.ndarray, relation: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Whether the held number is another person's, whose name and birth date the record contradicts."""
    out = np.zeros(at.shape[0], bool)
    if "full_name" not in rows or "birth_date" not in rows:
        return out
    place = np.flatnonzero((relation == DIFFERENT) & (held != 0))
    holder = held_by(rows.space, held[place])
    place, holder = place[holder >= 0], holder[holder >= 0]
    own, other = rows.held("full_name", at[place]), rows.of_person("full_name", holder)
    born, theirs = rows.held("birth_date", at[place]), rows.of_person("birth_date", holder)
    both = (own[:, 0] != 0) & (other[:, 0] != 0) & (born != 0) & (theirs != 0)
    out[place] = (
        both & (relate_names(own, other, rows.forms) == DIFFERENT) & (relate_dates(born, theirs) == DIFFERENT)
    )
    return out


def exact_records(rows: LinkedPart) -> np.ndarray:
    """Whether number, full name and birth date of each record are the person's."""
    out = np.ones(len(rows), bool)
    for standard in EXACT_FIELDS:
        if standard not in rows.agreements:
            return np.zeros(len(rows), bool)
        out &= rows.agreements[standard].relation == EQUAL
    return out


def structure_at(rows: LinkedPart, at: np.ndarray) -> Structure:
    """What the numbers of some records and of their persons say against each other; of all others nothing."""
    mine, person = rows.side(at, theirs=False), rows.side(at, theirs=True)

    def against(said: np.ndarray, value: np.ndarray) -> np.ndarray:
        out = np.zeros(len(rows), bool)
        out[at] = (said != 0) & (value != 0) & (said != value)
        return out

    return Structure(
        {
            "sex": against(person.says.sex, mine.sex),
            "birth_date": against(person.says.year, mine.birth >> 9),
        },
        {
            "sex": against(mine.says.sex, person.sex),
            "birth_date": against(mine.says.year, person.birth >> 9),
        },
    )
