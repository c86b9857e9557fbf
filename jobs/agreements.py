"""How linked records relate to their persons, field by field, as a run keeps it between its tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow.compute as pc

from jobs.store import make_folder, read_array, read_arrays, read_table, write_array
from jobs.tasks_decide import load_outcomes
from jobs.workspace import Workspace, frame
from linkage.agreement import DIFFERENT, EQUAL, MORE, NOTHING, relate, value_keys
from linkage.decisions import LINK
from linkage.evidence import Seats, seats_of, votes
from linkage.render import distinct_texts, read_digits

#: Repairs that say the same in another way; after any other, a register value is no template.
HARMLESS: frozenset[str] = frozenset(
    {"tone_placement", "look_alike", "unpadded", "separators", "country_code", "migrated", "lost_zero"}
)


@dataclass(frozen=True)
class Agreement:
    """One field of every agency record, by agency row (global row less the register's).

    relation     : uint8[n], see :mod:`linkage.agreement`; NOTHING for a record that is not linked
    for_register : uint8[n], other sources whose record of the person equals the register
    for_held     : uint8[n], other sources whose record of the person holds this record's value
    against      : uint8[n], other sources whose record contradicts the register or says more
    """

    relation: np.ndarray
    for_register: np.ndarray
    for_held: np.ndarray
    against: np.ndarray


@dataclass(frozen=True)
class Linked:
    """Linked agency records.

    rows, persons : int64[k], global rows;  confidence : float64[k], posterior of each link
    source : uint8[k];  seats : the records by person and source
    """

    rows: np.ndarray
    persons: np.ndarray
    confidence: np.ndarray
    source: np.ndarray
    seats: Seats


def linked(space: Workspace) -> Linked:
    """The records decided ``link``, in order; kept by the process."""
    found: Linked = space.fresh("linked", ("decided", "layout.json"), lambda: _read_linked(space))
    return found


def _read_linked(space: Workspace) -> Linked:
    decision, person, probability = load_outcomes(space)
    own = np.flatnonzero(decision == LINK)
    persons, confidence = person[own], probability[own]
    rows = own + space.layout["n_register"]
    source = np.asarray(space.coded.source)[rows]
    return Linked(rows, persons, confidence, source, seats_of(persons, source))


def told(space: Workspace, standard: str) -> np.ndarray:
    """Whether each agency record submitted a text of a field: bool[n], by agency row."""
    first = space.layout["n_register"]
    out = np.zeros(space.layout["rows"] - first, bool)
    for source, part, start, rows in space.layout["parts"]:
        if source == 0 and space.sources[0].role == "register":
            continue
        if rows and standard in space.sources[source].contract.by_standard():
            column = space.records(source, part).column(standard)
            out[start - first : start - first + rows] = pc.is_valid(column).to_numpy()
    return out


def older_numbers(space: Workspace, standard: str, submitted: np.ndarray) -> np.ndarray:
    """Old numbers that stand in the column of the personal number, int64[n] by agency row; 0 for none."""
    first = space.layout["n_register"]
    out = np.zeros(submitted.shape[0], np.int64)
    values = space.coded.arrays[standard]
    for source, part, start, rows in space.layout["parts"]:
        if start < first or not rows:
            continue
        cut = slice(start - first, start - first + rows)
        odd = np.flatnonzero(submitted[cut] & (np.asarray(values[start : start + rows]) == 0))
        if odd.size:
            texts = frame(space.records(source, part).select([standard]))[standard].gather(pl.Series(odd))
            out[start - first + odd] = _older(space, source, texts)
    return out


def _older(space: Workspace, source: int, texts: pl.Series) -> np.ndarray:
    distinct, index = distinct_texts(texts.cast(pl.String))
    found = space.pack.numbers(distinct, space.sources[source].extract_date.year)
    old = found["kind"].cast(pl.String).is_in(["old", "old_padded"]).to_numpy()
    codes = np.append(np.where(old, read_digits(found), 0), 0)
    return np.asarray(codes[index])


def relate_field(work: str, standard: str) -> dict[str, int]:
    """Relate one field of every linked record to its person, and count what other agencies say."""
    space = Workspace.open(work)
    first, n = space.layout["n_register"], space.layout["rows"]
    links = linked(space)
    own = links.rows - first
    submitted = told(space, standard)
    older = older_numbers(space, standard, submitted) if standard == "personal_number" else None
    relation = relate(
        space.coded,
        space.meaning,
        standard,
        links.rows,
        links.persons,
        submitted[own],
        None if older is None else older[own],
    )
    keys = value_keys(space.coded, space.meaning, standard, links.rows)
    who = (links.persons, links.source)
    said = votes(*who, keys, relation == EQUAL, links.seats)
    contrary = (relation == DIFFERENT) | (relation == MORE)
    against = votes(*who, np.zeros_like(keys), contrary, links.seats)
    whole = np.zeros((4, n - first), np.uint8)
    whole[0] = NOTHING
    for row, values in enumerate((relation, said.for_register, said.for_held, against.for_register)):
        whole[row, own] = values
    make_folder(space.work / "agreement")
    write_array(space.path("agreement", f"{standard}.npy"), whole)
    write_array(space.path("agreement", f"{standard}.doubtful.npy"), _doubtful(space, standard))
    if older is not None:
        write_array(space.path("agreement", f"{standard}.older.npy"), older)
    return {"rows_in": int(own.shape[0]), "rows_out": int(own.shape[0])}


def _doubtful(space: Workspace, standard: str) -> np.ndarray:
    """Register rows whose text of a field was repaired in substance, int64, sorted."""
    rows = [np.zeros(0, np.int64)]
    for source, part, start, count in space.layout["parts"]:
        if source == 0 and space.sources[0].role == "register" and count:
            repairs = frame(read_table(space.path("standard", f"{source:02d}-{part:05d}.repairs.arrow")))
            found = repairs.filter((pl.col("field") == standard) & ~pl.col("kind").is_in(list(HARMLESS)))
            rows.append(found["row"].to_numpy().astype(np.int64) + start)
    return np.unique(np.concatenate(rows))


def read_agreement(space: Workspace, standard: str) -> Agreement:
    """What :func:`relate_field` found."""
    return Agreement(*read_array(space.path("agreement", f"{standard}.npy")))


def read_doubtful(space: Workspace, standard: str, persons: np.ndarray) -> np.ndarray:
    """Whether the register's text of each person was repaired in substance: bool[k]."""
    rows = read_array(space.path("agreement", f"{standard}.doubtful.npy"))
    return np.isin(persons, rows)


def read_older(space: Workspace) -> np.ndarray:
    """Old numbers in the place of personal numbers, int64[n] by agency row."""
    return read_array(space.path("agreement", "personal_number.older.npy"))


def held_by(space: Workspace, codes: np.ndarray) -> np.ndarray:
    """The one register person that bears each personal number (int64[k]), -1 for none or several."""
    if not space.path("holders", "personal_number.arrays").exists():  # the project does not match by it
        return np.full(codes.shape[0], -1, np.int64)
    held = read_arrays(space.path("holders", "personal_number.arrays"))
    all_codes, rows = held["codes"], held["rows"].astype(np.int64)
    at = np.searchsorted(all_codes, codes, side="left")
    end = np.searchsorted(all_codes, codes, side="right")
    one = (codes != 0) & (end - at == 1)
    return np.where(one, rows[np.minimum(at, max(0, rows.size - 1))] if rows.size else -1, -1)
