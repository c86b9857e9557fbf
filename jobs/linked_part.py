"""The linked records of one part of an agency beside their persons, and the grounds that hold for them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.agreements import held_by, linked, read_agreement, read_doubtful, read_older
from jobs.store import read_array
from jobs.workspace import Workspace, frame
from linkage.agreement import (
    DIFFERENT,
    EARLIER,
    EQUAL,
    HELD_EMPTY,
    LESS,
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

#: Digits of the personal number.
_PERSONAL_DIGITS = 12


class LinkedPart:
    """The linked records of one part of a source, their persons, and what is held of both."""

    def __init__(self, space: Workspace, source: int, part: int) -> None:
        self.space = space
        self.source, self.part = source, part
        self.info = space.sources[source]
        self.register = space.sources[0]
        start, count = next((a, n) for s, p, a, n in space.layout["parts"] if (s, p) == (source, part))
        every = linked(space)
        cut = slice(*np.searchsorted(every.rows, (start, start + count)))
        self.rows, self.persons, self.confidence = every.rows[cut], every.persons[cut], every.confidence[cut]
        self.place = self.rows - start
        self.own = self.rows - space.layout["n_register"]
        self.records = space.records(source, part)

    def __len__(self) -> int:
        return int(self.place.shape[0])

    def held(self, column: str) -> np.ndarray:
        """Codes of the records."""
        return np.asarray(self.space.coded.arrays[column][self.rows])

    def theirs(self, column: str) -> np.ndarray:
        """Codes of their persons."""
        return np.asarray(self.space.coded.arrays[column][self.persons])

    def texts(self, standard: str, at: np.ndarray) -> pl.Series:
        """Texts that some of the records submitted."""
        return _taken(self.records, standard, self.place[at])

    def blank(self, standard: str) -> np.ndarray:
        """Whether nothing stands in the records' own column of a field: bool[k]."""
        return np.asarray(self.records.column(standard).is_null().to_numpy()[self.place])

    def register_texts(self, standard: str, at: np.ndarray) -> pl.Series:
        """Texts that the register submitted for some of the records' persons."""
        persons = self.persons[at]
        pieces, places = [], []
        for source, part, start, count in self.space.layout["parts"]:
            mine = np.flatnonzero((persons >= start) & (persons < start + count)) if source == 0 else ()
            if len(mine):
                pieces.append(_taken(self.space.records(0, part), standard, persons[mine] - start))
                places.append(mine)
        if not pieces:
            return pl.Series(standard, [], dtype=pl.String)
        order = np.argsort(np.concatenate(places))
        return pl.concat(pieces).gather(pl.Series(order.astype(np.uint32)))

    def person_ids(self, at: np.ndarray) -> list[str]:
        """The register's keys of some of the records' persons."""
        return self.register_texts("record_id", at).to_list()

    def side(self, theirs: bool) -> Person:
        """Sex, birth date and what the number says, of the records or their persons."""
        n = len(self)
        arrays = self.space.coded.arrays
        rows = self.persons if theirs else self.rows

        def column(name: str, kind: type) -> np.ndarray:
            return np.asarray(arrays[name][rows]) if name in arrays else np.zeros(n, kind)

        year = (self.register if theirs else self.info).extract_date.year
        sex, born = self.space.pack.holders(column("personal_number", np.int64), year)
        return Person(column("sex", np.uint8), column("birth_date", np.int32), NumberSays(sex, born))


def _taken(records: pa.Table, standard: str, rows: np.ndarray) -> pl.Series:
    """Texts of a column of records at some rows; no more than these are copied."""
    return frame(records.select([standard]).take(pa.array(rows)))[standard].cast(pl.String)


def relations_of(rows: LinkedPart, standard: str, *, bare: bool = False) -> Relations:
    """One field of the records against their persons, with the grounds that hold for it.

    bare : the source writes these names without diacritics, which then make no difference

    A number that was found in another of the record's columns does not stand in its own: a field whose own
    cell is blank is empty, whatever else is known of it.
    """
    space = rows.space
    whole = read_agreement(space, standard)
    relation = np.asarray(whole.relation[rows.own])
    grounds = {}
    if bare:
        relation = _bare_relation(rows, standard, relation)
    elif space.kinds[standard] == "identifier":
        blank = rows.blank(standard) & np.isin(relation, (EQUAL, EARLIER, DIFFERENT))
        grounds["contradicted"] = blank & (relation == DIFFERENT)
        relation = np.where(blank, HELD_EMPTY, relation).astype(np.uint8)
    return Relations(
        relation,
        np.asarray(whole.for_register[rows.own]),
        np.asarray(whole.for_held[rows.own]),
        np.asarray(whole.against[rows.own]),
        read_doubtful(space, standard, rows.persons),
        {**_grounds(rows, standard, relation, bare), **grounds},
    )


def _bare_relation(rows: LinkedPart, standard: str, relation: np.ndarray) -> np.ndarray:
    """The relation of names once neither has diacritics."""
    out = relation.copy()
    mine, theirs = rows.held(standard), rows.theirs(standard)
    at = np.flatnonzero((mine[:, 0] != 0) & (theirs[:, 0] != 0))
    stands, forms = without_marks(rows.space.meaning.tokens.forms)
    out[at] = relate_names(stands[mine[at]], stands[theirs[at]], forms)
    return out


def _grounds(rows: LinkedPart, standard: str, relation: np.ndarray, bare: bool) -> dict[str, np.ndarray]:
    """Grounds beyond the register that hold for a field, by record."""
    space = rows.space
    if standard == "personal_number":
        held = rows.held(standard)
        older = np.asarray(read_older(space)[rows.own])
        short = (held >> 56 != _PERSONAL_DIGITS) & (relation == DIFFERENT)
        earlier = relation == EARLIER
        return {
            "number_structure": number_grounds(rows.side(False), rows.side(True), short),
            "other_holder": _other_holder(rows, held, relation),
            "alias": earlier & (held != 0),
            "old_number": older != 0,
        }
    if standard == "sex":
        ground, contrary = sex_grounds(rows.side(False), rows.side(True))
        return {"number_structure": ground, "number_for_held": contrary}
    if standard == "birth_date":
        ground, contrary = birth_grounds(rows.side(False), rows.side(True))
        return {"number_structure": ground, "number_for_held": contrary}
    if standard == "full_name":
        return _name_grounds(rows, standard, relation, bare)
    return {}


def _name_grounds(rows: LinkedPart, standard: str, relation: np.ndarray, bare: bool) -> dict[str, np.ndarray]:
    forms = rows.space.meaning.tokens.forms
    bearers = Bearers(*read_array(rows.space.path("agreement", "@bearers.npy")))
    like = bearers.together(np.asarray(forms.ascii))
    mine, theirs = rows.held(standard), rows.theirs(standard)
    rare = abbreviated(theirs, forms)
    if bare:
        stands, forms = without_marks(forms)
        mine, theirs, bearers = stands[mine], stands[theirs], like
    spelled = np.zeros(len(rows), bool)
    at = np.flatnonzero(relation == DIFFERENT)
    spelled[at] = spelling_grounds(mine[at], theirs[at], bearers, like, forms)
    rare[at] |= commoner_held(mine[at], theirs[at], bearers)
    at = np.flatnonzero(relation == LESS)
    commonest = bearers.commonest(np.asarray(forms.ascii))
    rare[at] |= rare_spelling(mine[at], theirs[at], bearers, commonest)
    return {"spelling": spelled, "rare_spelling": rare}


def _other_holder(rows: LinkedPart, held: np.ndarray, relation: np.ndarray) -> np.ndarray:
    """Whether the held number is another person's, whose name and birth date the record contradicts."""
    arrays = rows.space.coded.arrays
    out = np.zeros(len(rows), bool)
    if "full_name" not in arrays or "birth_date" not in arrays:
        return out
    at = np.flatnonzero((relation == DIFFERENT) & (held != 0))
    holder = held_by(rows.space, held[at])
    at, holder = at[holder >= 0], holder[holder >= 0]
    mine, names = rows.rows[at], arrays["full_name"]
    own, other = np.asarray(names[mine]), np.asarray(names[holder])
    born, theirs = np.asarray(arrays["birth_date"][mine]), np.asarray(arrays["birth_date"][holder])
    both = (own[:, 0] != 0) & (other[:, 0] != 0) & (born != 0) & (theirs != 0)
    out[at] = (
        both
        & (relate_names(own, other, rows.space.meaning.tokens.forms) == DIFFERENT)
        & (relate_dates(born, theirs) == DIFFERENT)
    )
    return out


def exact_records(rows: LinkedPart) -> np.ndarray:
    """Whether number, full name and birth date of each record are the person's."""
    out = np.ones(len(rows), bool)
    for standard in EXACT_FIELDS:
        if standard not in rows.space.coded.arrays:
            return np.zeros(len(rows), bool)
        out &= np.asarray(read_agreement(rows.space, standard).relation[rows.own]) == EQUAL
    return out


def structure_of(rows: LinkedPart) -> Structure:
    """What the numbers of records and persons say against each other."""
    mine, person = rows.side(False), rows.side(True)

    def against(said: np.ndarray, value: np.ndarray) -> np.ndarray:
        return (said != 0) & (value != 0) & (said != value)

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
