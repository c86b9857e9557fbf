"""Tasks that correct: from linked records and the register to each agency's corrections, part by part."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from jobs.linked_part import LinkedPart, exact_records, relations_of, structure_of
from jobs.policies import alias_table, rights
from jobs.store import make_folder, read_table, write_array, write_table
from jobs.workspace import Workspace, frame
from linkage.agreement import EARLIER, LESS
from linkage.correct import FILL, FORMAT, STATUS, Proposals, propose, travel_together
from linkage.grounds import Bearers
from linkage.render import (
    NATIONAL_NUMBERS,
    Habit,
    Words,
    Writer,
    common_habit,
    distinct_texts,
    identifier_texts,
    in_capitals,
    read_digits,
)
from linkage.writable import fit_to_encoding, same_words


def corrected_fields(space: Workspace, source: str) -> tuple[str, ...]:
    """Standard fields that the engine corrects for an agency, in the order of its contract."""
    return tuple(f for f in rights(space.loaded, source).fields if f in space.kinds)


def tell_register_names(work: str) -> dict[str, int]:
    """Count who of the register bears each token of a name, and where."""
    space = Workspace.open(work)
    names = space.coded.arrays["full_name"][: space.coded.n_register]
    bearers = Bearers.of(np.asarray(names), space.meaning.tokens.forms.ascii.shape[0])
    make_folder(space.work / "agreement")
    write_array(
        space.path("agreement", "@bearers.npy"), np.stack([bearers.surname, bearers.middle, bearers.given])
    )
    return {"rows_in": int(names.shape[0])}


def survey_names(work: str, source: int) -> dict[str, Any]:
    """How a source writes its columns of names: capitals or not, with diacritics or without."""
    space = Workspace.open(work)
    marked = np.asarray(space.meaning.tokens.forms.marked)
    register = space.coded.n_register
    habits: dict[str, list[bool]] = {}
    for standard in corrected_fields(space, space.sources[source].name):
        if space.kinds[standard] != "name":
            continue
        values = space.coded.arrays[standard]
        texts = capitals = unmarked = 0
        for number, part, start, rows in space.layout["parts"]:
            if number != source or not rows:
                continue
            names = np.asarray(values[start : start + rows])
            some = names[:, 0] != 0
            capitals += int(
                in_capitals(frame(space.records(source, part).select([standard]))[standard]).sum()
            )
            texts += int(some.sum())
            unmarked += int((some & ~_marked(names, marked)).sum())
        theirs = np.asarray(values[:register])
        known = int((theirs[:, 0] != 0).sum())
        habit = common_habit(capitals, unmarked, texts, int(_marked(theirs, marked).sum()) / max(1, known))
        habits[standard] = [habit.capitals, habit.plain]
    return {"habits": habits}


def _marked(names: np.ndarray, marked: np.ndarray) -> np.ndarray:
    out = np.zeros(names.shape[0], bool)
    for place in range(names.shape[1]):
        out |= marked[names[:, place]] != 0
    return out


def correct_part(work: str, source: int, part: int, habits: Mapping[str, Sequence[bool]]) -> dict[str, Any]:
    """Corrections of one part of an agency, as a table that feeds are made of."""
    space = Workspace.open(work)
    rows = LinkedPart(space, source, part)
    allowed = rights(space.loaded, rows.info.name)
    fields = corrected_fields(space, rows.info.name)
    contract, register = rows.info.contract.by_standard(), rows.register.contract.by_standard()
    words = _words(space)
    own_way = {f: Habit(*habits.get(f, (False, False))) for f in fields}
    relations = {f: relations_of(rows, f, bare=own_way[f].plain) for f in fields}
    for standard in fields:
        if own_way[standard].plain:
            _keep_relation(rows, standard, relations[standard].relation)
    exact = exact_records(rows)
    encoding = space.layout["read_as"][rows.info.name][part][0]
    proposals: dict[str, Proposals] = {}
    found: dict[str, dict[str, pl.Series]] = {}
    for standard in fields:
        writer = Writer(
            contract[standard],
            space.kinds[standard],
            rows.info.extract_date,
            space.pack,
            words,
            own_way[standard],
            register[standard],
            rows.register.extract_date,
            cased=encoding != "tcvn3",
        )
        made = propose(standard, relations[standard], allowed, rows.confidence, exact)
        _sift(rows, standard, writer, relations[standard].relation, made)
        found[standard] = _values(rows, standard, writer, made, encoding)
        proposals[standard] = made
    groups = travel_together(proposals, allowed, structure_of(rows))
    pieces = [
        _table(rows, f, contract[f].column, proposals[f], found[f], groups[f], relations[f].relation)
        for f in fields
    ]
    whole = pl.concat(pieces) if pieces else _empty()
    make_folder(space.work / "corrections")
    write_table(space.path("corrections", f"{source:02d}-{part:05d}.arrow"), whole.to_arrow())
    return {"rows_in": len(rows), "rows_out": whole.height}


def _keep_relation(rows: LinkedPart, standard: str, relation: np.ndarray) -> None:
    """Keep how names without diacritics relate where these make no difference, for the scorecard."""
    write_array(rows.space.path("agreement", f"{standard}.{rows.source:02d}-{rows.part:05d}.npy"), relation)


def _words(space: Workspace) -> Words:
    """The written forms of the vocabulary, kept for all parts."""

    def load() -> Words:
        tokens = frame(read_table(space.path("vocabulary", "tokens.arrow")))["token"].cast(pl.String)
        return Words.of(tokens, space.pack)

    return space.fresh("words", ("vocabulary",), load)


def _sift(rows: LinkedPart, standard: str, writer: Writer, relation: np.ndarray, made: Proposals) -> None:
    """Drop what needs no correction in the source's own way of writing."""
    at = np.flatnonzero(made.kind == FORMAT)
    if at.size:
        distinct, index = distinct_texts(rows.texts(standard, at))
        first = np.full(len(distinct), -1, np.int64)
        first[index[index >= 0][::-1]] = at[index >= 0][::-1]
        wrong, _ = writer.ill_written(distinct, rows.held(standard)[first])
        made.drop(at[~np.append(wrong, False)[index]])
    if writer.kind == "date" and not writer.writes_days:
        made.drop(np.flatnonzero((made.kind == FILL) & (relation == LESS)))


def _values(
    rows: LinkedPart, standard: str, writer: Writer, made: Proposals, encoding: str
) -> dict[str, pl.Series]:
    """Held and proposed values of a field, by row of what is proposed; what cannot be written is weakened.

    Where the encoding of the source's file lacks letters of the register's value, and the record holds the
    value but for these, nothing is proposed.
    """
    at = np.flatnonzero(made.kind >= 0)
    held = rows.texts(standard, at)
    register = rows.register_texts(standard, at) if writer.copies else held.clear(at.size)
    codes = rows.theirs(standard)[at]
    meant, good = writer.proposed(codes, held, register)
    proposed, lost, less = fit_to_encoding(meant, encoding)
    good = good & ~lost
    same = (proposed == held).fill_null(value=False).to_numpy()
    made.weaken(at[~good], "no_equivalent")
    made.drop(at[same | (~good & (made.kind[at] == FORMAT))])
    held_codes = rows.held(standard)[at]
    held_standard = writer.standard(held_codes, held)
    if lost.any():
        made.drop(at[same_words(less, held) | same_words(less, held_standard)])
    stays = made.kind[at] >= 0
    if standard in NATIONAL_NUMBERS:
        lost = held_codes == 0
        if lost.any():
            distinct, index = distinct_texts(held)
            read = read_digits(rows.space.pack.numbers(distinct, rows.info.extract_date.year))
            digits = identifier_texts(np.append(read, 0)[np.where(lost, index, -1)])
            held_standard = held_standard.fill_null(digits)
    keep = pl.Series(stays)
    return {
        "held_value": held.filter(keep),
        "proposed_value": proposed.filter(keep),
        "held_standard": held_standard.zip_with(held.is_not_null(), held.clear(at.size)).filter(keep),
        "proposed_standard": writer.standard(codes, register, theirs=True).filter(keep),
    }


def _table(
    rows: LinkedPart,
    standard: str,
    column: str,
    made: Proposals,
    values: Mapping[str, pl.Series],
    group: np.ndarray,
    relation: np.ndarray,
) -> pl.DataFrame:
    at = np.flatnonzero(made.kind >= 0)
    n = at.size
    return pl.DataFrame(
        {
            "row": rows.rows[at],
            "field": pl.Series([standard], dtype=pl.String).new_from_index(0, n),
            "column": pl.Series([column], dtype=pl.String).new_from_index(0, n),
            **values,
            "kind": made.kind[at],
            "action": made.action[at],
            "basis": made.basis[at],
            "group": group[at],
            "confidence": rows.confidence[at],
            "effective_date": _effective(rows, standard, made.kind[at], at, relation),
        },
        schema=_SCHEMA,
    ).filter(pl.col("proposed_standard").is_not_null())


_SCHEMA: dict[str, Any] = {
    "row": pl.Int64,
    "field": pl.String,
    "column": pl.String,
    "held_value": pl.String,
    "proposed_value": pl.String,
    "held_standard": pl.String,
    "proposed_standard": pl.String,
    "kind": pl.Int8,
    "action": pl.Int8,
    "basis": pl.UInt32,
    "group": pl.Int32,
    "confidence": pl.Float64,
    "effective_date": pl.Date,
}


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema=_SCHEMA)


def _effective(
    rows: LinkedPart, standard: str, kind: np.ndarray, at: np.ndarray, relation: np.ndarray
) -> pl.Series:
    """Day from which each proposed value holds: of a death its day, of a number the end of the one before."""
    days: list[datetime.date | None] = [None] * at.size
    if standard == "personal_number" and rows.space.loaded.alias_file is not None:
        held = rows.held(standard)[at]
        found = np.flatnonzero((relation[at] == EARLIER) & (held != 0))
        ends = _alias_ends(rows.space) if found.size else {}
        persons = rows.person_ids(at[found]) if found.size else []
        for place, person in zip(found.tolist(), persons, strict=True):
            days[place] = ends.get((person, int(held[place])))
    elif (kind == STATUS).any():
        codes = rows.theirs(standard)[at]
        for place in np.flatnonzero((kind == STATUS) & (codes & 31 != 0)).tolist():
            code = int(codes[place])
            days[place] = datetime.date(code >> 9, (code >> 5) & 15, code & 31)
    return pl.Series("effective_date", days, dtype=pl.Date)


def _alias_ends(space: Workspace) -> dict[tuple[str, int], datetime.date | None]:
    """(person, code of an earlier number) -> the day it ended, of the register's alias file."""
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
