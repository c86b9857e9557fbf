"""Linked records: of every part of an agency, put beside the range of the register that their persons are in.

    linked/{source}-{part}.arrays         by range of the register: row, person, confidence, told, repaired
    linked/{source}-{part}.older.arrays   by range of the register: row, code

``told`` and ``repaired`` have a bit for every related field.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.policies import rights
from jobs.shuffle import write_shuffled
from jobs.store import read_table
from jobs.tasks_decide import load_outcomes
from jobs.workspace import Workspace, frame
from kernels._door import reading
from kernels.relations import find_marked
from linkage.decisions import LINK
from linkage.render import distinct_texts, in_capitals, read_digits
from linkage.text_arrays import Texts

#: Repairs that say the same in another way; after any other, a register value is no template.
HARMLESS: frozenset[str] = frozenset(
    {"tone_placement", "look_alike", "unpadded", "separators", "country_code", "migrated", "lost_zero"}
)


@dataclass(frozen=True)
class Links:
    """Linked agency records in order: rows, persons int64[k] (global), confidence float64[k], a posterior."""

    rows: np.ndarray
    persons: np.ndarray
    confidence: np.ndarray


def corrected_fields(space: Workspace, source: str) -> tuple[str, ...]:
    """Standard fields that the engine corrects for an agency, in the order of its contract."""
    return tuple(f for f in rights(space.loaded, source).fields if f in space.kinds)


def agency_parts(space: Workspace) -> list[tuple[int, int, int, int]]:
    """Source, part, first row and rows of the agencies' parts that hold any, by row."""
    first = space.layout["n_register"]
    return [(s, p, a, n) for s, p, a, n in space.layout["parts"] if a >= first and n]


def register_parts(space: Workspace, start: int, stop: int) -> list[tuple[int, int, int]]:
    """Part, first row and rows of the register's parts that hold any of rows ``start`` to ``stop``."""
    stop = min(stop, space.layout["n_register"])
    return [(p, a, n) for s, p, a, n in space.layout["parts"] if n and a < stop and a + n > start]


def overlapping(space: Workspace, start: int, stop: int) -> list[tuple[int, int]]:
    """The run's ranges of agency rows that hold any of rows ``start`` to ``stop``."""
    return [(a, b) for a, b in space.ranges(register=False) if a < stop and b > start]


def links_of(space: Workspace, start: int, stop: int) -> Links:
    """The records decided ``link`` among consecutive agency rows."""
    rows, persons, confidence = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for first, last in overlapping(space, start, stop):
        low, high = max(start, first), min(stop, last)
        decision, person, p_link = load_outcomes(space, first, last)
        own = np.flatnonzero(decision[low - first : high - first] == LINK) + low
        rows.append(own)
        persons.append(person[own - first])
        confidence.append(p_link[own - first])
    return Links(np.concatenate(rows), np.concatenate(persons), np.concatenate(confidence))


def linked_file(space: Workspace, source: int, part: int) -> Path:
    """What :func:`gather_linked` wrote of a part."""
    return space.part_file("linked", source, part)


def older_file(space: Workspace, source: int, part: int) -> Path:
    """Old numbers that :func:`gather_linked` found in the place of personal numbers."""
    return space.path("linked", f"{source:02d}-{part:05d}.older.arrays")


def repairs_of(space: Workspace, source: int, part: int, first: int) -> pl.DataFrame:
    """Repairs in substance of a part: ``row`` (global), ``field``, ``kind``, ``confidence``."""
    path = space.path("standard", f"{source:02d}-{part:05d}.repairs.arrow")
    held = frame(read_table(path, ["row", "field", "kind", "confidence"]))
    return held.select(
        row=pl.col("row").cast(pl.Int64) + first,
        field=pl.col("field").cast(pl.String),
        kind=pl.col("kind").cast(pl.String),
        confidence=pl.col("confidence").cast(pl.Float64),
    ).filter(~pl.col("kind").is_in(list(HARMLESS)))


def gather_linked(work: str, source: int, part: int) -> dict[str, Any]:
    """Put the linked records of a part beside their persons' range, and survey how its names are written.

    Gives ``names``: field -> names in capitals, names without a diacritic, and all of them.
    """
    space = Workspace.open(work)
    start, rows = next((a, n) for s, p, a, n in space.layout["parts"] if (s, p) == (source, part))
    links = links_of(space, start, start + rows)
    place = links.rows - start
    held = space.sources[source].contract.by_standard()
    fields = [f for f in space.related if f in held]
    named = [f for f in corrected_fields(space, space.sources[source].name) if space.kinds[f] == "name"]
    records = space.records(source, part, sorted({*fields, *named}))
    told = np.zeros((links.rows.shape[0], _mark_bytes(space)), np.uint8)
    for field in fields:
        byte, bit = divmod(space.related.index(field), 8)
        told[:, byte] |= valid(records, field)[place].view(np.uint8) << np.uint8(bit)
    ranges = len(space.ranges(register=True))
    write_shuffled(
        linked_file(space, source, part),
        space.range_of(links.persons, register=True),
        ranges,
        row=links.rows.astype(np.uint32),
        person=links.persons.astype(np.uint32),
        confidence=links.confidence,
        told=told,
        repaired=_repaired(space, source, part, start, rows)[place],
    )
    number = "personal_number"
    if number in fields:
        at, codes = _older(space, source, start, links.rows[valid(records, number)[place]], records)
        of = links.persons[np.searchsorted(links.rows, at)]
        write_shuffled(
            older_file(space, source, part),
            space.range_of(of, register=True),
            ranges,
            row=at.astype(np.uint32),
            code=codes,
        )
    return {
        "rows_in": rows,
        "rows_out": int(links.rows.shape[0]),
        "names": {f: _survey(space, start, start + rows, f, records) for f in named},
    }


def valid(records: pa.Table, field: str) -> np.ndarray:
    """Whether each record submitted a text of a field: bool[n]."""
    return np.asarray(records.column(field).is_valid().to_numpy())


def _mark_bytes(space: Workspace) -> int:
    """Bytes of a bit for every related field."""
    return -(-len(space.related) // 8)


def _repaired(space: Workspace, source: int, part: int, start: int, rows: int) -> np.ndarray:
    """Which related fields' texts were repaired in substance, a bit each: uint8[n, bytes]."""
    out = np.zeros((rows, _mark_bytes(space)), np.uint8)
    found = repairs_of(space, source, part, start)
    for (field,), own in found.group_by("field"):
        if field in space.related:
            byte, bit = divmod(space.related.index(field), 8)
            out[own["row"].to_numpy() - start, byte] |= np.uint8(1 << bit)
    return out


def _older(
    space: Workspace, source: int, start: int, rows: np.ndarray, records: pa.Table
) -> tuple[np.ndarray, np.ndarray]:
    """Old numbers that stand in the column of the personal number: rows int64[k] and codes int64[k]."""
    odd = rows[space.coded.arrays["personal_number"].take(rows) == 0]
    texts = taken(records, "personal_number", odd - start)
    distinct, index = distinct_texts(texts)
    found = space.pack.numbers(distinct, space.sources[source].extract_date.year)
    old = found["kind"].cast(pl.String).is_in(["old", "old_padded"]).to_numpy()
    codes = np.append(np.where(old, read_digits(found), 0), 0)[index]
    return odd[codes != 0], codes[codes != 0]


def taken(records: pa.Table, field: str, rows: np.ndarray) -> pl.Series:
    """Texts of a column of records at some rows; no more than these are copied."""
    found = Texts.of(records.column(field)).take(rows).arrow(valid(records, field)[rows])
    return pl.Series(field, pl.from_arrow(found), dtype=pl.String)


def _survey(space: Workspace, start: int, stop: int, field: str, records: pa.Table) -> list[int]:
    """Names in capitals, names without any diacritic, and names, of a part's column."""
    names = space.coded.arrays[field][start:stop]
    some = names[:, 0] != 0
    plain = some & ~with_marks(space, names)
    return [int(in_capitals(Texts.of(records.column(field))).sum()), int(plain.sum()), int(some.sum())]


def with_marks(space: Workspace, names: np.ndarray) -> np.ndarray:
    """Whether any token of names (uint32[n, 8]) has diacritics: bool[n]."""
    marked = np.asarray(space.meaning.tokens.forms.marked) != 0
    out = np.empty(names.shape[0], bool)
    find_marked(reading(names, np.uint32, "names", names.shape[1]), reading(marked, np.bool_, "marked"), out)
    return out
