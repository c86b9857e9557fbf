"""Tasks that correct: from linked records and the register to each agency's corrections, part by part.

corrections/{source}-{part}.arrow   a part's corrections, in the order of their feed
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.linked_part import LinkedPart, exact_records, relation_of, relations_at, structure_at
from jobs.linked_records import corrected_fields, valid
from jobs.pieces import by_place, ranks_of
from jobs.policies import alias_table, rights
from jobs.store import read_table, write_table
from jobs.workspace import Workspace, frame
from linkage.agreement import EARLIER, LESS, NOTHING, RELATIONS
from linkage.correct import (
    ACTION_NAMES,
    FILL,
    FORMAT,
    SILENT,
    STATUS,
    Proposals,
    kinds_of,
    propose,
    travel_together,
)
from linkage.known_units import KnownUnits
from linkage.policy import Rights
from linkage.render import (
    NATIONAL_NUMBERS,
    Habit,
    Writer,
    distinct_texts,
    identifier_texts,
    read_digits,
)
from linkage.words import Words
from linkage.writable import fit_to_encoding, same_words


def correct_part(work: str, source: int, part: int, habits: Mapping[str, Sequence[bool]]) -> dict[str, Any]:
    """Corrections of one part of an agency, as a table that feeds are made of.

    habits : field -> capitals, without diacritics (:class:`linkage.render.Habit`)

    Gives ``relations``: field -> records by relation, in the order of :data:`linkage.agreement.RELATIONS`.
    """
    space = Workspace.open(work)
    fields = corrected_fields(space, space.sources[source].name)
    rows = LinkedPart(space, source, part, fields)
    allowed = rights(space.loaded, rows.info.name)
    encoding = space.layout["read_as"][rows.info.name][part][0]
    exact = exact_records(rows)
    held = rows.info.contract.by_standard()
    counts = {f: _counted(rows, rows.agreements[f].relation) for f in space.related if f in held}
    proposals: dict[str, Proposals] = {}
    pieces: dict[str, tuple[np.ndarray, dict[str, pa.Array]]] = {}
    for standard in fields:
        habit = Habit(*habits.get(standard, (False, False)))
        relation, contradicted = relation_of(rows, standard, bare=habit.plain)
        if habit.plain:
            counts[standard] = _counted(rows, relation)
        writer = _writer(rows, standard, habit, encoding)
        at = _candidates(rows, standard, writer, relation, allowed)
        relations = relations_at(rows, standard, relation, contradicted, at, bare=habit.plain)
        made = propose(standard, relations, allowed, rows.confidence[at], exact[at])
        if writer.kind == "date" and not writer.writes_days:
            made.drop(np.flatnonzero((made.kind == FILL) & (relations.relation == LESS)))
        at, made, values = _values(rows, standard, writer, at, made, encoding)
        pieces[standard] = (at, values)
        proposals[standard] = _spread(made, at, len(rows))
    groups = travel_together(proposals, allowed, structure_at(rows, _moved(proposals, len(rows))))
    whole = _whole(rows, fields, proposals, groups, pieces)
    write_table(space.path("corrections", f"{source:02d}-{part:05d}.arrow"), whole)
    return {"rows_in": len(rows), "rows_out": whole.num_rows, "relations": counts}


def _counted(rows: LinkedPart, relation: np.ndarray) -> list[int]:
    counts = [int(np.count_nonzero(relation == number)) for number in range(len(RELATIONS))]
    counts[NOTHING] += rows.count - len(rows)
    return counts


def _writer(rows: LinkedPart, standard: str, habit: Habit, encoding: str) -> Writer:
    return Writer(
        rows.info.contract.by_standard()[standard],
        rows.space.kinds[standard],
        rows.info.extract_date,
        rows.space.pack,
        words_of(rows.space),
        habit,
        rows.register.contract.by_standard()[standard],
        rows.register.extract_date,
        cased=encoding != "tcvn3",
        units=units_of(rows.space),
        secret=rows.space.secret,
    )


def units_of(space: Workspace) -> KnownUnits:
    """The pack's units, with what was read of them, kept for all parts."""
    found: KnownUnits = space.fresh("units", ("settings.json",), lambda: KnownUnits(space.pack))
    return found


def words_of(space: Workspace) -> Words:
    """The written forms of the vocabulary, kept for all parts."""

    def load() -> Words:
        tokens = frame(read_table(space.path("vocabulary", "tokens.arrow")))["token"].cast(pl.String)
        return Words.of(tokens, space.pack)

    found: Words = space.fresh("words", ("vocabulary",), load)
    return found


def _candidates(
    rows: LinkedPart, standard: str, writer: Writer, relation: np.ndarray, allowed: Rights
) -> np.ndarray:
    """Records that a correction of a field may be for: those whose value is the register's are left out
    unless their text is not written as the source should.
    """
    kind = kinds_of(standard, relation)
    chosen = kind > FORMAT
    if allowed.allowed(standard, "format")[0] != ACTION_NAMES[SILENT]:
        at = np.flatnonzero((kind == FORMAT) & ~rows.agreements[standard].doubtful)
        chosen[_ill_written(rows, standard, writer, at)] = True
    return np.flatnonzero(chosen)


def _ill_written(rows: LinkedPart, standard: str, writer: Writer, at: np.ndarray) -> np.ndarray:
    """Which of some records, all with the register's value, do not write it as the source should."""
    if not writer.judges_texts or not at.size:
        return at[:0]
    at = at[valid(rows.records, standard)[rows.place[at]]]
    at = at[writer.may_be_ill(rows.submitted(standard), rows.place[at], rows.held(standard, at))]
    if not at.size:
        return at
    distinct, index = distinct_texts(rows.texts(standard, at))
    first = np.empty(len(distinct), np.int64)
    first[index[::-1]] = at[::-1]
    wrong, _ = writer.ill_written(distinct, rows.held(standard, first))
    return at[wrong[index]]


def _spread(made: Proposals, at: np.ndarray, n: int) -> Proposals:
    """Proposals for some of ``n`` records as proposals for all of them."""
    kind, action = np.full(n, -1, np.int8), np.full(n, SILENT, np.int8)
    basis = np.zeros(n, np.uint32)
    kind[at], action[at], basis[at] = made.kind, made.action, made.basis
    return Proposals(kind, action, basis)


def _moved(proposals: Mapping[str, Proposals], n: int) -> np.ndarray:
    """Records whose number changes together with what a number says."""
    out = np.zeros(n, bool)
    if "personal_number" in proposals:
        for standard in ("sex", "birth_date"):
            if standard in proposals:
                out |= proposals[standard].kind > FORMAT
        out &= proposals["personal_number"].kind > FORMAT
    return np.flatnonzero(out)


def _values(
    rows: LinkedPart, standard: str, writer: Writer, at: np.ndarray, made: Proposals, encoding: str
) -> tuple[np.ndarray, Proposals, dict[str, pa.Array]]:
    """What is still proposed of a field once it is written, and its held and proposed values.

    What cannot be written is weakened. Where the encoding of the source's file lacks letters of the
    register's value, and the record holds the value but for these, nothing is proposed.
    """
    at, made = at[made.kind >= 0], made.where(made.kind >= 0)
    held = rows.texts(standard, at)
    register = rows.register_texts(standard, at) if writer.copies else held.clear(at.size)
    codes = rows.theirs(standard, at)
    meant, good = writer.proposed(codes, held, register)
    proposed, lost, less = fit_to_encoding(meant, encoding)
    good = good & ~lost
    same = (proposed == held).fill_null(value=False).to_numpy()
    made.weaken(np.flatnonzero(~good), "no_equivalent")
    made.drop(np.flatnonzero(same | (~good & (made.kind == FORMAT))))
    held_codes = rows.held(standard, at)
    held_standard = writer.standard(held_codes, held)
    if lost.any():
        made.drop(np.flatnonzero(same_words(less, held) | same_words(less, held_standard)))
    if standard in NATIONAL_NUMBERS:
        unread = held_codes == 0
        if unread.any():
            distinct, index = distinct_texts(held)
            read = read_digits(rows.space.pack.numbers(distinct, rows.info.extract_date.year))
            digits = identifier_texts(np.append(read, 0)[np.where(unread, index, -1)])
            held_standard = held_standard.fill_null(digits)
    values = {
        "held_value": held,
        "proposed_value": proposed,
        "held_standard": held_standard.zip_with(held.is_not_null(), held.clear(at.size)),
        "proposed_standard": writer.standard(codes, register, theirs=True),
        "effective_date": _effective(rows, standard, made.kind, at),
    }
    # What has no standard form is not told; it still moves the group that it belongs to.
    stays = made.kind >= 0
    chosen = pa.array(stays)
    return (
        at[stays],
        made.where(stays),
        {c: v.to_arrow().cast(SCHEMA.field(c).type).filter(chosen) for c, v in values.items()},
    )


def _whole(
    rows: LinkedPart,
    fields: Sequence[str],
    proposals: Mapping[str, Proposals],
    groups: Mapping[str, np.ndarray],
    pieces: Mapping[str, tuple[np.ndarray, dict[str, pa.Array]]],
) -> pa.Table:
    """The corrections of all fields, by place in the source's order and by field."""
    rank = ranks_of(rows.space, rows.start, rows.start + rows.count)
    numbers = {f: n for n, f in enumerate(sorted(fields))}
    found: dict[str, list[pa.Array]] = {column: [] for column in SCHEMA.names}
    for standard in fields:
        at, values = pieces[standard]
        stated = values["proposed_standard"].is_valid()
        at, values = (
            at[stated.to_numpy(zero_copy_only=False)],
            {c: v.filter(stated) for c, v in values.items()},
        )
        made = proposals[standard]
        told = {
            "row": rows.rows[at].astype(np.uint32),
            "rank": rank[rows.place[at]],
            "field": np.full(at.size, numbers[standard], np.uint8),
            "kind": made.kind[at],
            "action": made.action[at],
            "basis": made.basis[at],
            "group": groups[standard][at],
            "confidence": rows.confidence[at],
        }
        for column, values_of in ({c: pa.array(v) for c, v in told.items()} | values).items():
            found[column].append(values_of)
    whole = pa.table({c: pa.chunked_array(found[c], SCHEMA.field(c).type) for c in SCHEMA.names})
    return by_place(whole)


#: A part's corrections.
SCHEMA = pa.schema(
    {
        "row": pa.uint32(),
        "rank": pa.uint32(),
        "field": pa.uint8(),
        "held_value": pa.large_string(),
        "proposed_value": pa.large_string(),
        "held_standard": pa.large_string(),
        "proposed_standard": pa.large_string(),
        "kind": pa.int8(),
        "action": pa.int8(),
        "basis": pa.uint32(),
        "group": pa.int32(),
        "confidence": pa.float64(),
        "effective_date": pa.date32(),
    }
)


def _effective(rows: LinkedPart, standard: str, kind: np.ndarray, at: np.ndarray) -> pl.Series:
    """Day from which each proposed value holds: of a death its day, of a number the end of the one before."""
    none = pl.Series("effective_date", [None], dtype=pl.Date).new_from_index(0, at.size)
    places, days = np.zeros(0, np.int64), []
    if standard == "personal_number" and rows.space.loaded.alias_file is not None:
        held = rows.held(standard, at)
        relation = relation_of(rows, standard)[0][at]
        places = np.flatnonzero((relation == EARLIER) & (held != 0))
        if places.size:
            ends, persons = _alias_ends(rows.space), rows.person_ids(at[places])
            days = [ends.get(key) for key in zip(persons, held[places].tolist(), strict=True)]
    elif (kind == STATUS).any():
        codes = rows.theirs(standard, at)
        places = np.flatnonzero((kind == STATUS) & (codes & 31 != 0))
        days = [datetime.date(code >> 9, (code >> 5) & 15, code & 31) for code in codes[places].tolist()]
    return none.scatter(places, pl.Series(days, dtype=pl.Date)) if places.size else none


Ends = dict[tuple[str, int], datetime.date | None]


def _alias_ends(space: Workspace) -> Ends:
    """(person, code of an earlier number) -> the day it ended, of the register's alias file; kept."""
    found: Ends = space.fresh("alias ends", ("settings.json",), lambda: _read_alias_ends(space))
    return found


def _read_alias_ends(space: Workspace) -> Ends:
    assert space.loaded.alias_file is not None
    table = alias_table(space.loaded.alias_file.path)
    if "valid_to" not in table.columns:
        return {}
    numbers = table["number"].cast(pl.String)
    distinct, index = distinct_texts(numbers)
    read = read_digits(space.pack.numbers(distinct, space.sources[0].extract_date.year))
    codes = np.append(read, 0)[index]
    ends = table["valid_to"].cast(pl.String).str.slice(0, 10).str.to_date(strict=False)
    return dict(
        zip(zip(table["person_id"].cast(pl.String), codes.tolist(), strict=True), ends.to_list(), strict=True)
    )
