"""Tasks that open register cases: fields that agencies hold against the register, and numbers of their own.

cases/{field}.arrays   the cases of a field;   cases/@numbers.arrays   of numbers alone
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.agreements import read_bearers
from jobs.store import read_arrays, write_arrays
from jobs.tasks_cases_publish import tell_field_cases
from jobs.voices import NUMBERED, FieldVoices, case_fields, read_voices
from jobs.workspace import Workspace
from linkage.cases import (
    AGAINST,
    CASE_MIN,
    CONFIRMS,
    OTHER,
    SPELT,
    FieldCases,
    bearing,
    field_rates,
    judge_field,
    judge_numbers,
    judge_repaired,
    opened,
)

#: Rows whose names are held against each other at once.
_BATCH = 1 << 18


def open_field_cases(work: str, standard: str) -> dict[str, Any]:
    """Cases of one field: what agencies, its number and its spelling say against the register."""
    space = Workspace.open(work)

    def spelling(rows: np.ndarray, persons: np.ndarray, manner: np.ndarray) -> np.ndarray:
        return _spelling(space, standard, rows, persons, manner)

    held = read_voices(space, standard, spelling)
    pieces: list[FieldCases] = []
    facts: dict[str, Any] = {}
    rates = {manner: field_rates(held.voices, manner, held.counted) for manner in AGAINST}
    for manner in AGAINST:
        cases = judge_field(held.voices, manner, rates[manner])
        pieces.append(cases.where(opened(cases)))
        if rates[manner].wrong > 0.0:
            facts[str(manner)] = {"wrong": rates[manner].wrong, "same_slip": rates[manner].same_slip}
    repaired = pieces[0].where(np.zeros(pieces[0].person.shape[0], bool))
    if space.kinds[standard] == "name" and held.mistyped.size:
        said = held.voices.said
        at = np.minimum(np.searchsorted(held.mistyped, said.person), held.mistyped.shape[0] - 1)
        mistyped = (held.mistyped[at] == said.person) & (said.manner == CONFIRMS) & ~held.repaired
        cases = judge_repaired(held.voices, np.where(mistyped, held.sure[at], 0.0), rates[OTHER])
        counts = held.transcribed[np.searchsorted(held.mistyped, cases.person)]
        repaired = cases.where(opened(cases, repaired=counts))
    _save(space, standard, [*pieces, repaired], held)
    tell_field_cases(space, standard)
    return {
        "rows_in": int(held.counted.voices.sum()),
        "rows_out": sum(p.person.shape[0] for p in pieces) + int(repaired.person.shape[0]),
        "rates": facts,
    }


def _spelling(
    space: Workspace, standard: str, rows: np.ndarray, persons: np.ndarray, manner: np.ndarray
) -> np.ndarray:
    """What the spelling of a name says for records against their persons: float64[v]."""
    out = np.zeros(rows.shape[0])
    if space.kinds[standard] != "name":
        return out
    of = read_bearers(space, standard)
    bearers = of.surname + of.middle + of.given
    values = space.coded.arrays[standard]
    spelled = np.flatnonzero(np.isin(manner, (OTHER, SPELT)))
    for begin in range(0, spelled.shape[0], _BATCH):
        at = spelled[begin : begin + _BATCH]
        out[at] = bearing(np.asarray(values[rows[at]]), np.asarray(values[persons[at]]), bearers)
    return out


def _save(space: Workspace, standard: str, pieces: list[FieldCases], held: FieldVoices) -> None:
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
        number=np.array([judge_numbers(held.counted)]),
        contradicted=held.contradicted,
        unheard=~held.heard,
    )


def open_number_cases(work: str) -> dict[str, Any]:
    """Numbers that contradict their holder, where that alone makes the register wrong surely enough.

    One field contradicted: that field. Both: the number, if both together are more than chance.
    """
    space = Workspace.open(work)
    persons, fields, sure = [], [], []
    first = space.layout["n_register"]
    held = {f: read_arrays(space.path("cases", f"{f}.arrays")) for f in NUMBERED if f in case_fields(space)}
    marks = {f: of["contradicted"].astype(np.int64) for f, of in held.items()}
    both = np.zeros(0, np.int64)
    if len(marks) == 2:
        sex, birth = marks.values()
        both = np.intersect1d(sex, birth)
        expected = float(sex.size) * float(birth.size) / max(1, first)
        seen = float(both.size)
        confidence = max(0.0, (seen - expected) / (seen + 1.0))
        if confidence >= CASE_MIN:
            persons.append(both)
            fields.append(np.full(int(seen), -1))
            sure.append(np.full(int(seen), confidence))
    for number, (standard, of) in enumerate(held.items()):
        confidence = float(of["number"][0])
        if confidence < CASE_MIN:
            continue
        found = np.setdiff1d(marks[standard][of["unheard"]], both)
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
