"""Tasks that make the large artefacts: rows of one piece of the order, encoded; pieces joined to a file."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs import ordering
from jobs.artefact_writer import join_pieces, write_pieces
from jobs.ordering import Stretch, stretch
from jobs.policies import policy_ids
from jobs.shuffle import read_shuffled
from jobs.tasks_publish import NO_RULE, NOBODY, chunks_of, gathered_file
from jobs.tasks_train import read_model
from jobs.workspace import Workspace
from kernels.places import order_by_place
from linkage import tables, text_arrays
from linkage.artefacts import (
    coded_text,
    decision_ids,
    id_array,
    numbers,
    pattern_texts,
    person_entity_ids,
    reason_column,
    record_entity_ids,
)
from linkage.decisions import CONFLICT, DECISIONS, LINK, rule_texts
from linkage.model import STEP
from linkage.posterior import power_of_two
from linkage.text_arrays import Texts

_BANDS = ("common (5 % or more)", "middle (0.5 to 5 %)", "rare (below 0.5 %)")
_REASONS = ("link", "unknown_person", "one_record_a_person", "conflict")
_RECORDS = (
    "place", "decision", "person", "runner_up", "weight", "margin", "probability", "p_link", "rule",
    "pattern", "reasons", "usable", "anchor", "sex", "decade", "band",
)  # fmt: skip


@dataclass(frozen=True)
class _Chunk:
    """One piece of the order.

    all : its records;  at : int64[m], where its agency records stand among them;  known : what was gathered
    of these, in their order;  entity : uint8[n, 16] of all;  person : texts of the agency records, else empty
    """

    space: Workspace
    number: int
    all: Stretch
    at: np.ndarray
    known: dict[str, np.ndarray]
    person: Texts
    entity: np.ndarray

    @property
    def names(self) -> list[str]:
        return [s.name for s in self.space.sources]

    @property
    def agency(self) -> bool:
        """Whether all its records are an agency's."""
        return self.at.size == len(self.all.ids)

    @functools.cached_property
    def ids(self) -> Texts:
        """Ids of the agency records."""
        return self.all.ids if self.agency else self.all.ids.take(self.at)

    # Columns that several artefacts have; each is encoded once.

    @functools.cached_property
    def source(self) -> pa.DictionaryArray:
        """Sources of the agency records."""
        return coded_text(self.all.source[self.at].astype(np.int64), self.names)

    @functools.cached_property
    def identity(self) -> pa.FixedSizeBinaryArray:
        """Entity ids of the agency records."""
        return id_array(self.entity if self.agency else np.take(self.entity, self.at, axis=0))

    @functools.cached_property
    def usable(self) -> pa.BooleanArray:
        """Whether each agency record holds an identifier that can be compared."""
        return pa.array(self.known["usable"] != 0)


def piece_file(space: Workspace, artefact: str, number: int) -> Path:
    """An encoded piece of an artefact."""
    return space.path("publish", f"{artefact}.{number:05d}.arrays")


def _names(space: Workspace) -> tuple[str, list[str]]:
    """The model's id, and the policies' by source."""

    def load() -> tuple[str, list[str]]:
        by_agency = policy_ids(space.loaded)
        return read_model(space).model_id, [by_agency.get(s.name, "") for s in space.sources]

    return space.fresh("published names", ("model.json", "settings.json"), load)


def _patterns(space: Workspace) -> dict[int, str]:
    """Texts of patterns that this process has met."""
    return space.fresh("pattern texts", ("settings.json",), dict)


def ranges_of(space: Workspace, sources: np.ndarray, *, register: bool | None) -> list[int]:
    """Starts of the ranges (the register's, the agencies' or all) that hold records of some sources."""
    parts = [(at, at + n) for s, _, at, n in space.layout["parts"] if s in sources and n]
    return [a for a, b in space.ranges(register=register) if any(a < stop and b > at for at, stop in parts)]


def _gathered(
    space: Workspace, what: str, held: Stretch, chunk: int, names: tuple[str, ...]
) -> dict[str, Any]:
    starts = ranges_of(space, np.unique(held.source), register=False)
    return read_shuffled([gathered_file(space, what, a) for a in starts], chunk, names) if starts else {}


def texts_at(space: Workspace, rows: np.ndarray) -> Texts:
    """Ids of rows, in any order; empty where there is none (:data:`jobs.tasks_publish.NOBODY`)."""
    some = np.flatnonzero(rows != NOBODY)
    if 2 * some.shape[0] > rows.shape[0]:
        return text_arrays.texts_at(space.ids, np.where(rows == NOBODY, np.int64(-1), rows.astype(np.int64)))
    # Of runners-up hardly any is there: finding that no row has a piece took longer than their texts.
    found = text_arrays.texts_at(space.ids, rows[some].astype(np.int64))
    lengths = np.zeros(rows.shape[0] + 1, np.int64)
    lengths[some + 1] = np.diff(found.offsets)
    return Texts(np.cumsum(lengths), found.data)


def source_of(space: Workspace, rows: np.ndarray) -> np.ndarray:
    """The source of each row: int64[n]."""
    parts = [p for p in space.layout["parts"] if p[3]]
    at = np.searchsorted(np.array([p[2] for p in parts], np.int64), rows.astype(np.int64), "right") - 1
    return np.array([p[0] for p in parts], np.int64)[at] if parts else np.zeros(0, np.int64)


def _open(space: Workspace, number: int) -> _Chunk:
    start = number * ordering.CHUNK_ROWS
    held = stretch(space, start, min(start + ordering.CHUNK_ROWS, space.layout["rows"]))
    at = np.flatnonzero(held.rows >= space.layout["n_register"])
    known = _gathered(space, "records", held, number, _RECORDS) if at.size else {}
    if at.size:
        order, _ = _by_place(known["place"])
        known = {name: np.take(values, order) for name, values in known.items()}
    else:
        known = {name: np.zeros(0, np.int64) for name in _RECORDS}
    person = texts_at(space, known["person"].astype(np.uint32))
    return _Chunk(space, number, held, at, known, person, _entities(space, held, at, known, person))


def _by_place(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stable order of rows by their place in a piece, and whether each of these shares its place."""
    starts = np.empty(ordering.CHUNK_ROWS + 1, np.int64)
    order = np.empty(place.shape[0], np.int64)
    order_by_place(np.ascontiguousarray(place, np.uint32), starts, order)
    return order, np.repeat(np.diff(starts) > 1, np.diff(starts))


def _entities(
    space: Workspace, held: Stretch, at: np.ndarray, known: dict[str, np.ndarray], person: Texts
) -> np.ndarray:
    """Entity ids: of a person for the register and linked records, else of the record that anchors them."""
    sources = [s.name for s in space.sources]
    n = held.rows.shape[0]
    if at.size in (0, n):
        # Of an agency's records nearly all: choosing the linked ones first would copy their persons' texts.
        entity = person_entity_ids(person if at.size else held.ids)
    else:
        entity = np.empty((n, 16), np.uint8)
        agency = np.zeros(n, bool)
        agency[at] = True
        register = np.flatnonzero(~agency)
        entity[register] = person_entity_ids(held.ids.take(register))
        entity[at] = person_entity_ids(person)
    rest = np.flatnonzero(known["decision"] != LINK) if at.size else at
    own = known["anchor"][rest] == held.rows[at[rest]]
    mine = at[rest[own]]
    entity[mine] = record_entity_ids(sources, held.source[mine], held.ids.take(mine))
    other = known["anchor"][rest[~own]]
    entity[at[rest[~own]]] = record_entity_ids(sources, source_of(space, other), texts_at(space, other))
    return entity


def encode_chunk(work: str, number: int) -> dict[str, Any]:
    """Encode the rows of one piece of the order for every artefact that is made so."""
    space = Workspace.open(work)
    space.let_go()  # the columns have been dropped: a worker of its own may still have them mapped
    chunk = _open(space, number)
    made = {
        "entities": _entity_rows(chunk),
        "decisions": _decision_rows(chunk),
        "pairs": _pair_rows(chunk),
        "links": _link_rows(chunk),
        "subgroups": _subgroup_rows(chunk),
    }
    write_pieces(
        {
            piece_file(space, name, number): tables.ARTEFACTS[name].check(pa.table(columns))
            for name, columns in made.items()
        }
    )
    return {"rows_in": chunk.all.rows.shape[0]}


def _entity_rows(chunk: _Chunk) -> dict[str, Any]:
    source = chunk.source if chunk.agency else coded_text(chunk.all.source.astype(np.int64), chunk.names)
    return {
        "source": source,
        "record_id": chunk.all.ids.arrow(),
        "entity_id": chunk.identity if chunk.agency else id_array(chunk.entity),
    }


def _decision_rows(chunk: _Chunk) -> dict[str, Any]:
    space, known = chunk.space, chunk.known
    model, policies = _names(space)
    ids, source = chunk.ids, chunk.all.source[chunk.at].astype(np.int64)
    decision = known["decision"].astype(np.int64)
    n = source.shape[0]
    identity = decision_ids(chunk.names, DECISIONS, model, policies, source, decision, ids, chunk.person)
    rule, has = _rules(space, known["rule"])
    second = known["runner_up"] != NOBODY
    return {
        "decision_id": id_array(identity),
        "source": chunk.source,
        "record_id": ids.arrow(),
        "decision": coded_text(decision, DECISIONS),
        "entity_id": chunk.identity,
        "person_id": chunk.person.arrow(known["person"] != NOBODY),
        "runner_up_person_id": texts_at(space, known["runner_up"].astype(np.uint32)).arrow(second),
        "weight": numbers(known["weight"] / STEP, has),
        "margin": numbers(known["margin"] / STEP, second),
        "probability": numbers(known["probability"].astype(np.float64)),
        "rule": rule,
        "pattern": pattern_texts(known["pattern"], space.programme, has, _patterns(space)),
        "reasons": reason_column(known["reasons"].astype(np.uint32)),
        "model_id": coded_text(np.zeros(n, np.int64), [model]),
        "policy_id": coded_text(source, policies),
        "number_usable": chunk.usable,
    }


def _rules(space: Workspace, rule: np.ndarray) -> tuple[pa.DictionaryArray, np.ndarray]:
    """Names of rules, and whether there is one: bool[n]."""
    has = rule != NO_RULE
    codes = np.where(has, rule.astype(np.int64), -1)
    return coded_text(*rule_texts(codes, [r.name for r in space.rules])), has


def _pair_rows(chunk: _Chunk) -> dict[str, Any]:
    space = chunk.space
    names = ("place", "right", "rule", "pattern", "weight")
    held = _gathered(space, "pairs", chunk.all, chunk.number, names) if chunk.at.size else {}
    if not held:
        held = {name: np.zeros(0, np.int32) for name in names}
    record = held["place"].astype(np.int64)
    if not chunk.agency:
        record = np.take(_inverse(chunk), record)
    # The texts of most candidates are there already: those of their records' persons.
    others = np.flatnonzero(held["right"] != np.take(chunk.known["person"], record))
    texts = Texts.join([chunk.person, texts_at(space, held["right"][others].astype(np.uint32))])
    right = record.copy()
    right[others] = len(chunk.person) + np.arange(others.shape[0])
    by = _within(held["place"], texts, right)
    if not _is_range(by):
        held = {name: np.take(values, by) for name, values in held.items()}
        record, right = np.take(record, by), np.take(right, by)
    known = chunk.known
    lead = power_of_two(held["weight"] - np.take(known["weight"], record))
    left = held["place"].astype(np.int64)
    rule, _ = _rules(space, held["rule"])
    return {
        "source_l": coded_text(chunk.all.source[left].astype(np.int64), chunk.names),
        "record_id_l": chunk.all.ids.take(left).arrow(),
        "source_r": coded_text(np.zeros(left.shape[0], np.int64), chunk.names),
        "record_id_r": texts.take(right).arrow(),
        "rule": rule,
        "pattern": pattern_texts(held["pattern"], space.programme, made=_patterns(space)),
        "weight": numbers(held["weight"] / STEP),
        "probability": numbers(np.take(known["p_link"], record) * lead),
    }


def _inverse(chunk: _Chunk) -> np.ndarray:
    """Number of the agency record that stands at each place of a piece."""
    out = np.zeros(chunk.all.rows.shape[0], np.int64)
    out[chunk.at] = np.arange(chunk.at.shape[0])
    return out


def _is_range(order: np.ndarray) -> bool:
    return bool((order[1:] > order[:-1]).all())


def _within(place: np.ndarray, texts: Texts, of: np.ndarray, source: np.ndarray | None = None) -> np.ndarray:
    """Order of rows by their place; those of one place by rank of the source, if given, and by text.

    of : int64[n], which of ``texts`` each row has
    """
    order, shared = _by_place(place)
    tied = np.flatnonzero(shared)
    rows = order[tied]
    rank = np.empty(rows.shape[0], np.int64)
    rank[texts.take(of[rows]).order()] = np.arange(rows.shape[0])
    keys = (rank, place[rows]) if source is None else (rank, source[rows], place[rows])
    order[tied] = rows[np.lexsort(keys)]
    return order


def _link_rows(chunk: _Chunk) -> dict[str, Any]:
    """Edges to persons, one a record at most, and those between records nobody of the register is."""
    space, known = chunk.space, chunk.known
    names = ("place", "right", "kept")
    held = _gathered(space, "edges", chunk.all, chunk.number, names) if chunk.at.size else {}
    if not held:
        held = {name: np.zeros(0, np.int64) for name in names}
    cut = (known["decision"] == CONFLICT) & (known["person"] != NOBODY)
    own = np.flatnonzero((known["decision"] == LINK) | cut)
    place = np.concatenate([chunk.at[own], held["place"]]).astype(np.int64)
    right = np.concatenate([known["person"][own], held["right"]]).astype(np.uint32)
    kept = np.concatenate([~cut[own], held["kept"] != 0])
    reason = np.concatenate([np.where(cut[own], 3, 0), np.where(held["kept"] != 0, 1, 2)])
    texts = Texts.join([chunk.person, texts_at(space, held["right"].astype(np.uint32))])
    to = np.concatenate([own, len(chunk.person) + np.arange(held["right"].shape[0])])
    source = source_of(space, right) if held["right"].size else np.zeros(right.shape[0], np.int64)
    by_name = np.argsort(np.argsort(chunk.names, kind="stable"))
    by = _within(place, texts, to, by_name[source])
    place, source = place[by], source[by]
    return {
        "entity_id": id_array(np.take(chunk.entity, place, axis=0)),
        "source_l": coded_text(chunk.all.source[place].astype(np.int64), chunk.names),
        "record_id_l": chunk.all.ids.take(place).arrow(),
        "source_r": coded_text(source, chunk.names),
        "record_id_r": texts.take(to[by]).arrow(),
        "kept": pa.array(kept[by]),
        "reason": coded_text(reason[by].astype(np.int64), _REASONS),
    }


def _subgroup_rows(chunk: _Chunk) -> dict[str, Any]:
    known = chunk.known
    return {
        "source": chunk.source,
        "record_id": chunk.ids.arrow(),
        "sex": coded_text(known["sex"].astype(np.int64) - 1, ("M", "F")),
        "birth_decade": pa.array(known["decade"].astype(np.int32)),
        "surname_band": coded_text(known["band"].astype(np.int64), _BANDS),
        "number_usable": chunk.usable,
    }


def join_artefact(work: str, out: str, name: str) -> dict[str, Any]:
    """One file of an artefact's pieces."""
    space = Workspace.open(work)
    pieces = [piece_file(space, name, number) for number in range(chunks_of(space))]
    return {"rows_out": join_pieces(Path(out) / f"{name}.parquet", pieces).rows}
