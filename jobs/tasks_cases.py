"""Tasks that open register cases: fields that agencies hold against the register, and suspected doubles."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from jobs.agreements import HARMLESS, linked, read_agreement, relate_field
from jobs.store import read_arrays, read_table, write_arrays
from jobs.workspace import Workspace, frame
from linkage.agreement import DIFFERENT, EQUAL, value_keys
from linkage.cases import (
    AGAINST,
    CASE_MIN,
    OTHER,
    SPELT,
    UNHEARD,
    FieldCases,
    Holdings,
    Voices,
    bearing,
    field_rates,
    judge_field,
    judge_numbers,
    judge_repaired,
    manners,
    manners_of_others,
    opened,
    voices_of,
)
from linkage.correct import STATUS_FIELDS
from linkage.evidence import number_says
from linkage.policy import AUTHORITY, ONLY_CONFIRMED

#: Repairs of a name's text that read it as keystrokes or bytes of another writing: what they read was meant.
TRANSCRIPTIONS = ("telex", "vni", "tcvn3", "vni_windows", "viqr", "utf8_twice", "digits", "lost_letter")

#: The repair that puts words in their usual order. Names in an unusual one are real: it needs two agencies.
WORD_ORDER = "order"


def case_fields(space: Workspace) -> tuple[str, ...]:
    """Standard fields in which cases may be opened: the register's, held by an agency as well."""
    register = space.loaded.project.register
    if register is None:
        return ()
    authority = {**AUTHORITY, **space.loaded.project.authority}
    theirs = space.loaded.contracts[register.name].by_standard()
    held = {f for s in space.sources[1:] for f in s.contract.by_standard()}
    return tuple(
        sorted(
            f
            for f in theirs
            if f in held
            and f in space.kinds
            and f in space.coded.arrays
            and f in authority
            and authority[f].holder == "register"
            and authority[f].cases
            and f not in ONLY_CONFIRMED
        )
    )


def _by_person(space: Workspace) -> dict[str, np.ndarray]:
    """Linked records by person and source, the best linked first; kept for all fields."""

    def load() -> dict[str, np.ndarray]:
        links = linked(space)
        source = np.asarray(space.coded.source)[links.rows]
        key = links.persons << 8 | source
        order = np.argsort(key)
        key = key[order]
        # Few persons have several records in one source: only those are put in order among themselves.
        again = np.flatnonzero(key[1:] == key[:-1])
        again = np.unique(np.concatenate([again, again + 1]))
        mine = order[again]
        ties = np.asarray(space.coded.order)[links.rows[mine]]
        order[again] = mine[np.lexsort((ties, -links.confidence[mine], key[again]))]
        return {
            "row": links.rows[order],
            "person": links.persons[order],
            "p_link": links.confidence[order],
            "source": source[order],
        }

    return space.fresh("links by person", ("decided",), load)


def _number_facts(space: Workspace) -> tuple[np.ndarray, np.ndarray]:
    """Sex (uint8) and birth year (int16) in the numbers of the register's persons; 0 nothing."""

    def load() -> tuple[np.ndarray, np.ndarray]:
        first = space.layout["n_register"]
        if "personal_number" not in space.coded.arrays:
            return np.zeros(first, np.uint8), np.zeros(first, np.int16)
        codes = space.coded.arrays["personal_number"]
        year = space.sources[0].extract_date.year
        parts = [space.pack.holders(np.asarray(codes[a:b]), year) for a, b in space.ranges(register=True)]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    return space.fresh("number facts", ("columns",), load)


def _contradicted(space: Workspace, standard: str, persons: np.ndarray) -> np.ndarray:
    """Whether the own number of register persons (rows) contradicts what the register holds: bool[k]."""
    sex, year = _number_facts(space)
    if standard == "sex":
        told, value = sex[persons], np.asarray(space.coded.arrays[standard][persons])
    elif standard == "birth_date":
        told, value = year[persons], np.asarray(space.coded.arrays[standard][persons]) >> 9
    else:
        return np.zeros(persons.shape[0], bool)
    return (told != 0) & (value != 0) & (told != value)


def _voices(space: Workspace, standard: str) -> Voices:
    """What every source says of every person in a field."""
    links = _by_person(space)
    if not space.path("agreement", f"{standard}.npy").exists():
        relate_field(str(space.work), standard)
    first = space.layout["n_register"]
    kind = space.kinds[standard]
    holds = np.array([standard in s.contract.by_standard() for s in space.sources])
    relation = np.asarray(read_agreement(space, standard).relation)[links["row"] - first]
    manner = manners(relation, status=standard in STATUS_FIELDS)
    manner[~holds[links["source"]]] = UNHEARD
    values = space.coded.arrays[standard]
    others = np.flatnonzero(manner == OTHER)
    held = np.asarray(values[links["row"][others]])
    theirs = np.asarray(values[links["person"][others]])
    manner[others] = manners_of_others(kind, held, theirs, space.meaning.tokens.forms)
    heard = np.flatnonzero(manner != UNHEARD)
    row, person = links["row"][heard], links["person"][heard]
    manner = manner[heard]
    n = heard.shape[0]
    against = np.flatnonzero(np.isin(manner, AGAINST))
    value, register = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    value[against] = value_keys(space.coded, space.meaning, standard, row[against])
    register[against] = value_keys(space.coded, space.meaning, standard, person[against])
    says, spelling = np.zeros(n, np.int8), np.zeros(n)
    sex, year = _number_facts(space)
    if standard in ("sex", "birth_date"):
        of = person[against]
        mine, own = np.asarray(values[row[against]]), np.asarray(values[of])
        says[against] = number_says(standard, own, mine, sex[of], year[of])
    if kind == "name":
        spelled = against[np.isin(manner[against], (OTHER, SPELT))]
        spelling[spelled] = bearing(
            np.asarray(values[row[spelled]]), np.asarray(values[person[spelled]]), _bearers(space, standard)
        )
    return voices_of(
        Holdings(
            person, links["source"][heard], row, links["p_link"][heard], manner, value, register, says,
            _contradicted(space, standard, person), spelling,
        )
    )  # fmt: skip


def _bearers(space: Workspace, standard: str) -> np.ndarray:
    """Register persons with each name token."""
    values = space.coded.arrays[standard]
    n = space.meaning.tokens.forms.ascii.shape[0]
    counts = np.zeros(n, np.int64)
    for start, stop in space.ranges(register=True):
        counts += np.bincount(np.asarray(values[start:stop]).ravel(), minlength=n)
    return counts


def _repaired(space: Workspace, standard: str) -> tuple[np.ndarray, pl.DataFrame]:
    """Rows whose text of a field was repaired in substance, int64 sorted; and of the register's rows whose
    text is mistyped: ``row`` sorted, ``sure`` of the least sure repair, ``transcribed`` whether any other
    repair than of the order of words says so.
    """
    rows = [np.zeros(0, np.int64)]
    schema = {"row": pl.Int64, "kind": pl.String, "confidence": pl.Float64}
    typed = [pl.DataFrame(schema=schema)]
    first = space.layout["n_register"]
    for source, part, start, count in space.layout["parts"]:
        if not count:
            continue
        repairs = frame(read_table(space.path("standard", f"{source:02d}-{part:05d}.repairs.arrow")))
        found = repairs.filter((pl.col("field") == standard) & ~pl.col("kind").is_in(list(HARMLESS)))
        found = found.select(
            row=pl.col("row").cast(pl.Int64) + start,
            kind=pl.col("kind").cast(pl.String),
            confidence=pl.col("confidence").cast(pl.Float64),
        )
        rows.append(found["row"].to_numpy())
        if start < first:
            typed.append(found.filter(pl.col("kind").is_in([*TRANSCRIPTIONS, WORD_ORDER])))
    register = (
        pl.concat(typed)
        .group_by("row")
        .agg(sure=pl.col("confidence").min(), transcribed=(pl.col("kind") != WORD_ORDER).any())
        .sort("row")
    )
    return np.unique(np.concatenate(rows)), register


def open_field_cases(work: str, standard: str) -> dict[str, Any]:
    """Cases of one field: what agencies, its number and its spelling say against the register."""
    space = Workspace.open(work)
    voices = _voices(space, standard)
    pieces: list[FieldCases] = []
    facts: dict[str, Any] = {}
    rates = {manner: field_rates(voices, manner) for manner in AGAINST}
    for manner in AGAINST:
        cases = judge_field(voices, manner, rates[manner])
        pieces.append(cases.where(opened(cases)))
        if rates[manner].wrong > 0.0:
            facts[str(manner)] = {"wrong": rates[manner].wrong, "same_slip": rates[manner].same_slip}
    repaired = pieces[0].where(np.zeros(pieces[0].person.shape[0], bool))
    if space.kinds[standard] == "name":
        rows, register = _repaired(space, standard)
        held = register["row"].to_numpy()
        said = voices.said
        at = np.minimum(np.searchsorted(held, said.person), max(0, held.shape[0] - 1))
        if held.size:
            mistyped = (held[at] == said.person) & ~np.isin(said.row, rows)
            sure = register["sure"].to_numpy()
            cases = judge_repaired(voices, np.where(mistyped, sure[at], 0.0), rates[OTHER])
            counts = register["transcribed"].to_numpy()[np.searchsorted(held, cases.person)]
            repaired = cases.where(opened(cases, repaired=counts))
    _save(space, standard, [*pieces, repaired])
    if standard in ("sex", "birth_date"):
        write_arrays(
            space.path("cases", f"{standard}.number.arrays"), confidence=np.array([judge_numbers(voices)])
        )
    return {
        "rows_in": int(voices.said.person.shape[0]),
        "rows_out": sum(p.person.shape[0] for p in pieces) + int(repaired.person.shape[0]),
        "rates": facts,
    }


def _save(space: Workspace, standard: str, pieces: list[FieldCases]) -> None:
    """Write the cases of a field: each with its sources as a row of bits, 32 bytes for 256 sources."""
    holders = []
    for cases in pieces:
        bits = np.zeros((cases.person.shape[0], 256), bool)
        for case, (begin, count) in enumerate(zip(cases.begin.tolist(), cases.sources.tolist(), strict=True)):
            bits[case, cases.holders[begin : begin + count]] = True
        holders.append(np.packbits(bits, axis=1))
    kept = ("person", "row", "sources", "confirmed", "records", "says", "manner", "spelling", "confidence")
    last = len(pieces) - 1
    write_arrays(
        space.path("cases", f"{standard}.arrays"),
        **{f: np.concatenate([getattr(c, f) for c in pieces]) for f in kept},
        holders=np.concatenate(holders),
        repaired=np.concatenate([np.full(c.person.shape[0], i == last) for i, c in enumerate(pieces)]),
    )


def open_number_cases(work: str) -> dict[str, Any]:
    """Numbers that contradict their holder, where that alone makes the register wrong surely enough.

    One field contradicted: that field. Both: the number, if both together are more than chance.
    """
    space = Workspace.open(work)
    persons, fields, sure = [], [], []
    first = space.layout["n_register"]
    rows = np.arange(first)
    marks = {
        f: _contradicted(space, f, rows)
        for f in ("sex", "birth_date")
        if f in space.coded.arrays and space.path("cases", f"{f}.number.arrays").exists()
    }
    both = np.zeros(first, bool)
    if len(marks) == 2:
        both = marks["sex"] & marks["birth_date"]
        expected = float(marks["sex"].sum()) * float(marks["birth_date"].sum()) / max(1, first)
        seen = float(both.sum())
        confidence = max(0.0, (seen - expected) / (seen + 1.0))
        if confidence >= CASE_MIN:
            persons.append(np.flatnonzero(both))
            fields.append(np.full(int(seen), -1))
            sure.append(np.full(int(seen), confidence))
    for number, (standard, mark) in enumerate(marks.items()):
        confidence = float(read_arrays(space.path("cases", f"{standard}.number.arrays"))["confidence"][0])
        if confidence < CASE_MIN:
            continue
        links = _by_person(space)
        relation = np.asarray(read_agreement(space, standard).relation)[links["row"] - first]
        heard = np.unique(links["person"][np.isin(relation, (EQUAL, DIFFERENT))])
        found = np.setdiff1d(np.flatnonzero(mark & ~both), heard)
        persons.append(found)
        fields.append(np.full(found.size, number))
        sure.append(np.full(found.size, confidence))
    none = np.zeros(0, np.int64)
    write_arrays(
        space.path("cases", "@numbers.arrays"),
        person=np.concatenate([none, *persons]),
        field=np.concatenate([none, *fields]),
        confidence=np.concatenate([np.zeros(0), *sure]),
    )
    return {"rows_in": first, "rows_out": int(sum(p.size for p in persons))}
