"""How linked records relate to their persons, field by field, a range of the register at a time.

    agreement/{start}.arrays   by part of an agency: @row, and a row of four bytes for every related field
    token_bearers/{start}.arrays   who of the range bears each token of a name

All records of a person come together here, whatever their source: what other sources say is counted, and what
cases are made of is kept (:mod:`jobs.voices`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from jobs.linked_records import (
    agency_parts,
    linked_file,
    older_file,
    register_parts,
    repairs_of,
    with_marks,
)
from jobs.shuffle import read_shuffled, write_shuffled
from jobs.store import read_arrays, write_arrays
from jobs.tasks_frequency import identifiers_of
from jobs.voices import Listener
from jobs.workspace import Workspace
from linkage.agreement import DIFFERENT, EQUAL, MORE, NOTHING, relate, value_keys
from linkage.coded import Coded, Meaning
from linkage.columns import Column, Split
from linkage.evidence import Seats, group_persons, votes
from linkage.grounds import Bearers

#: Set beside a relation where the register's text of the field was repaired in substance.
_DOUBTFUL = np.uint8(0x80)

_NUMBER = "personal_number"


@dataclass(frozen=True)
class Agreement:
    """One field of linked records; arrays of k.

    relation     : uint8, see :mod:`linkage.agreement`
    for_register : uint8, other sources whose record of the person equals the register
    for_held     : uint8, other sources whose record of the person holds this record's value
    against      : uint8, other sources whose record contradicts the register or says more
    doubtful     : bool, the register's text was repaired in substance
    """

    relation: np.ndarray
    for_register: np.ndarray
    for_held: np.ndarray
    against: np.ndarray
    doubtful: np.ndarray


@dataclass(frozen=True)
class Gathered:
    """The linked records whose persons are in one range of the register, by person and by row.

    rows, persons : int64[k], global rows;  local : uint32[k], the person's row less the range's first
    source : uint8[k];  confidence : float64[k];  told, repaired : uint8[k, bytes], a bit a related field
    seats : the records by person
    rising, places : int64[k], the rows in their order; uint32[k], where among these each record stands

    By person, so that nothing is looked for all over memory, field by field and count by count.
    """

    rows: np.ndarray
    persons: np.ndarray
    local: np.ndarray
    source: np.ndarray
    confidence: np.ndarray
    told: np.ndarray
    repaired: np.ndarray
    seats: Seats
    rising: np.ndarray
    places: np.ndarray

    def values(self, column: Column, split: Split) -> np.ndarray:
        """A column's values of the records; ``split`` : of :attr:`rising`."""
        return np.take(column.take(split), self.places, axis=0)

    def bit(self, marks: np.ndarray, number: int) -> np.ndarray:
        """The bit of a related field in ``told`` or ``repaired``: bool[k]."""
        return (marks[:, number >> 3] >> (number & 7) & 1).astype(bool)


def gathered(space: Workspace, start: int, stop: int) -> Gathered:
    """The linked records of a range of the register's persons."""
    parts = agency_parts(space)
    number = space.ranges(register=True).index((start, stop))
    files = [linked_file(space, s, p) for s, p, _, _ in parts]
    held = read_shuffled(files, number, ("row", "person", "confidence", "told", "repaired"))
    seats = group_persons(held["person"] - np.uint32(start), stop - start)
    rising, places = held["row"].astype(np.int64), seats.order
    held = {name: np.take(values, places, axis=0) for name, values in held.items()}
    rows, persons = held["row"].astype(np.int64), held["person"].astype(np.int64)
    sources = np.array([s for s, _, _, _ in parts], np.uint8)
    source = sources[np.searchsorted([a for _, _, a, _ in parts], rows, side="right") - 1]
    return Gathered(
        rows,
        persons,
        (persons - start).astype(np.uint32),
        source,
        held["confidence"],
        held["told"],
        held["repaired"],
        Seats(np.arange(rows.shape[0], dtype=np.uint32), seats.starts),
        rising,
        places,
    )


def relate_range(work: str, start: int, stop: int) -> dict[str, int]:
    """Relate every field of the records linked to a range of the register, and count what others say."""
    space = Workspace.open(work)
    links = gathered(space, start, stop)
    repairs = pl.concat(
        [repairs_of(space, 0, p, a) for p, a, _ in register_parts(space, start, stop)]
    ).filter(pl.col("row").is_between(start, stop - 1))
    older = _older(space, links, start, stop)
    coded, meaning = space.coded, space.meaning
    repaired = {field: own for (field,), own in repairs.group_by("field")}
    listener = Listener(space, coded, meaning, links, start, stop)
    split = Split(links.rising, coded.order.starts)
    packed: dict[str, np.ndarray] = {}
    for number, field in enumerate(space.related):
        theirs = coded.arrays[field][start:stop]
        held = links.values(coded.arrays[field], split)
        told = links.bit(links.told, number)
        more = _earlier(coded, field, older, start, stop)
        relation = relate(meaning, field, held, theirs, told, person=links.local, **more)
        keys = _keys(meaning, field, held, relation)
        contrary = (relation == DIFFERENT) | (relation == MORE)
        said = votes(links.local, links.source, keys, relation == EQUAL, contrary, links.seats)
        doubtful = np.zeros(stop - start, np.uint8)
        mended = repaired.get(field, repairs.clear())
        doubtful[mended["row"].to_numpy() - start] = _DOUBTFUL
        packed[field] = np.stack(
            [relation | doubtful[links.local], said.for_register, said.for_held, said.against], axis=1
        )
        listener.keep(field, relation, held, theirs, mended)
    _write(space, start, links, packed)
    _count_bearers(space, coded, start, stop)
    return {"rows_in": stop - start, "rows_out": int(links.rows.shape[0])}


def _write(space: Workspace, start: int, links: Gathered, packed: dict[str, np.ndarray]) -> None:
    parts = agency_parts(space)
    part = np.searchsorted([a for _, _, a, _ in parts], links.rows, side="right") - 1
    rows = links.rows.astype(np.uint32)
    path = space.range_file("agreement", start)
    write_shuffled(path, part.astype(np.uint16), len(parts), **{"@row": rows}, **packed)


def _older(space: Workspace, links: Gathered, start: int, stop: int) -> np.ndarray:
    """Old numbers in the place of personal numbers, int64[k]; 0 for none."""
    out = np.zeros(links.rising.shape[0], np.int64)
    if _NUMBER in space.related:
        parts = agency_parts(space)
        files = [older_file(space, s, p) for s, p, _, _ in parts if _NUMBER in _held(space, s)]
        number = space.ranges(register=True).index((start, stop))
        found = read_shuffled(files, number, ("row", "code")) if files else {"row": out[:0], "code": out[:0]}
        out[np.searchsorted(links.rising, found["row"].astype(np.int64))] = found["code"]
    return out[links.places]


def _held(space: Workspace, source: int) -> dict[str, Any]:
    return dict(space.sources[source].contract.by_standard())


def _earlier(coded: Coded, field: str, older: np.ndarray, start: int, stop: int) -> dict[str, np.ndarray]:
    """Of a field of a range's persons and records, the earlier values that :func:`relate` asks for."""
    arrays = coded.arrays
    more: dict[str, np.ndarray] = {}
    if f"{field}.alias" in arrays:
        more["earlier"] = arrays[f"{field}.alias"][start:stop]
    if field == _NUMBER and "old_number" in arrays:
        more |= {"older": older, "before": arrays["old_number"][start:stop]}
    return more


def _keys(meaning: Meaning, field: str, held: np.ndarray, relation: np.ndarray) -> np.ndarray:
    """A key of each record's value among those of one person, uint64[k]; 0 none.

    Of names, those that equal the register's are one value: only the others' words are hashed.
    """
    if meaning.kinds[field] != "name":
        return value_keys(meaning, field, held)
    keys = np.zeros(held.shape[0], np.uint64)
    keys[relation == EQUAL] = 1
    others = np.flatnonzero((relation != EQUAL) & (relation != NOTHING) & (held[:, 0] != 0))
    keys[others] = value_keys(meaning, field, held[others])
    return keys


def read_agreements(space: Workspace, source: int, part: int, rows: np.ndarray) -> dict[str, Agreement]:
    """How the linked records of a part (their global rows, in order) relate to their persons, by field."""
    parts = agency_parts(space)
    number = next(n for n, (s, p, _, _) in enumerate(parts) if (s, p) == (source, part))
    files = [space.range_file("agreement", a) for a, _ in space.ranges(register=True)]
    held = read_shuffled(files, number, ("@row", *space.related))
    at = _places(held["@row"], rows)
    out = {}
    values = np.empty(rows.shape[0], np.uint32)
    for field in space.related:
        values[at] = np.ascontiguousarray(held[field]).reshape(-1).view(np.uint32)
        columns = np.ascontiguousarray(values.view(np.uint8).reshape(-1, 4).T)
        relation = columns[0]
        out[field] = Agreement(
            relation & ~_DOUBTFUL, columns[1], columns[2], columns[3], (relation & _DOUBTFUL) != 0
        )
    return out


def _places(related: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Places among ``rows``, which rise, of the same rows in another order: int64[k]."""
    first = int(rows[0]) if rows.size else 0
    place = np.full(int(rows[-1]) + 1 - first if rows.size else 0, -1, np.int64)
    place[rows - first] = np.arange(rows.shape[0])
    at = related.astype(np.int64) - first
    same = at.shape[0] == rows.shape[0] and bool(((at >= 0) & (at < place.shape[0])).all())
    if same:
        at = place[at]
        same = bool((at >= 0).all()) and bool((np.bincount(at, minlength=1) <= 1).all())
    if not same:
        raise ValueError(
            f"{rows.shape[0]} linked records were asked for; {related.shape[0]}, or others, had been "
            "related. Relate the records of the same decisions."
        )
    return at


def _count_bearers(space: Workspace, coded: Coded, start: int, stop: int) -> None:
    """Who of a range of the register bears each token of a name; how many names have diacritics."""
    vocabulary = space.meaning.tokens.forms.ascii.shape[0]
    found: dict[str, np.ndarray] = {}
    for field in space.related:
        if space.kinds[field] != "name":
            continue
        names = coded.arrays[field][start:stop]
        places = Bearers.of(names, vocabulary)
        counted = {"surname": places.surname, "middle": places.middle, "given": places.given}
        for place, counts in counted.items():
            some = np.flatnonzero(counts)
            found[f"{field}.{place}.tokens"] = some.astype(np.uint32)
            found[f"{field}.{place}"] = counts[some].astype(np.uint32)
        known = names[:, 0] != 0
        found[f"{field}.known"] = np.array([known.sum(), (known & with_marks(space, names)).sum()], np.int64)
    write_arrays(space.range_file("token_bearers", start), **found)


def merge_bearers(work: str) -> dict[str, Any]:
    """Add up the ranges' bearers. ``known``: field -> the register's names, those with diacritics."""
    space = Workspace.open(work)
    vocabulary = space.meaning.tokens.forms.ascii.shape[0]
    parts = [read_arrays(space.range_file("token_bearers", a)) for a, _ in space.ranges(register=True)]
    whole: dict[str, np.ndarray] = {}
    known: dict[str, list[int]] = {}
    for field in space.related:
        if space.kinds[field] != "name":
            continue
        for place in ("surname", "middle", "given"):
            counts = np.zeros(vocabulary, np.int64)
            for part in parts:
                counts[part[f"{field}.{place}.tokens"]] += part[f"{field}.{place}"]
            whole[f"{field}.{place}"] = counts
        known[field] = np.sum([part[f"{field}.known"] for part in parts], axis=0).tolist()
    write_arrays(space.path("token_bearers", "all.arrays"), **whole)
    return {"known": known}


def read_bearers(space: Workspace, field: str) -> Bearers:
    """The register persons that bear each token, of :func:`merge_bearers`."""
    held = read_arrays(space.path("token_bearers", "all.arrays"))
    return Bearers(*(held[f"{field}.{place}"] for place in ("surname", "middle", "given")))


def held_by(space: Workspace, codes: np.ndarray) -> np.ndarray:
    """The one register person that bears each personal number (int64[k]), -1 for none or several."""
    if _NUMBER not in identifiers_of(space):  # the project does not match by it
        return np.full(codes.shape[0], -1, np.int64)
    held = read_arrays(space.path("holders", f"{_NUMBER}.arrays"))
    all_codes, rows = held["codes"], held["rows"]
    at = np.searchsorted(all_codes, codes, side="left")
    end = np.searchsorted(all_codes, codes, side="right")
    one = (codes != 0) & (end - at == 1)
    if not rows.size:
        return np.full(codes.shape[0], -1, np.int64)
    return np.where(one, rows[np.minimum(at, rows.size - 1)].astype(np.int64), -1)
