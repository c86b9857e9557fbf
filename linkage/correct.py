"""Corrections: of linked records and what the register holds of their persons, what is proposed, and how.

A correction says what it expects to find, what should stand there, and how sure it is meant: ``apply``,
``confirm`` or ``investigate``. Both sides can be wrong: a value that the record does not merely lack is
replaced only on grounds beyond the register.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from linkage.agreement import DIFFERENT, EARLIER, EQUAL, HELD_EMPTY, LESS, UNREADABLE
from linkage.basis import BIT
from linkage.policy import ACTIONS, KINDS, ONLY_CONFIRMED, CorrectionKind, Rights

#: Kinds and actions by number, the strongest action first.
KIND_NAMES: tuple[CorrectionKind, ...] = tuple(KINDS)
FORMAT, FILL, UPDATE, FIX, STATUS = range(5)
APPLY, CONFIRM, INVESTIGATE, SILENT = range(4)
ACTION_NAMES = ACTIONS

#: Fields that say that the person has died.
STATUS_FIELDS: frozenset[str] = frozenset({"death_date"})

#: Fields that must all be the person's for a death to be applied.
EXACT_FIELDS: tuple[str, ...] = ("personal_number", "full_name", "birth_date")

#: Fields of which the personal number says something, and itself.
_STRUCTURED: frozenset[str] = frozenset({"personal_number", "old_number", "birth_date", "sex"})

#: Grounds beyond the register on which a contradicted value is replaced.
GROUNDS: tuple[str, ...] = ("agency", "number_structure", "other_holder", "spelling", "unreadable")


@dataclass(frozen=True)
class Relations:
    """One field of k linked records against their persons.

    relation     : uint8[k], see :mod:`linkage.agreement`
    for_register : uint8[k], other sources whose record of the person equals the register
    for_held     : uint8[k], other sources whose record holds this record's value
    against      : uint8[k], other sources whose record contradicts the register, or knows more
    doubtful     : bool[k], the register's text had to be repaired in substance
    grounds      : code of :data:`linkage.basis.BASIS` -> bool[k], grounds that hold for a record; and
                   ``contradicted``: another column of the record holds another value of an empty field
    """

    relation: np.ndarray
    for_register: np.ndarray
    for_held: np.ndarray
    against: np.ndarray
    doubtful: np.ndarray
    grounds: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass
class Proposals:
    """What is proposed for one field, by record.

    kind : int8[k], -1 nothing;  action : int8[k];  basis : uint32[k], bits of :mod:`linkage.basis`
    """

    kind: np.ndarray
    action: np.ndarray
    basis: np.ndarray

    def drop(self, rows: np.ndarray) -> None:
        """Propose nothing for some rows."""
        self.kind[rows] = -1
        self.action[rows] = SILENT

    def where(self, mask: np.ndarray) -> Proposals:
        """Those of a mask (bool), on their own."""
        return Proposals(self.kind[mask], self.action[mask], self.basis[mask])

    def weaken(self, rows: np.ndarray, code: str) -> None:
        """Only ask to confirm some rows, and say why."""
        self.action[rows] = np.maximum(self.action[rows], CONFIRM)
        self.basis[rows] |= np.uint32(BIT[code])


def kinds_of(standard: str, relation: np.ndarray) -> np.ndarray:
    """Kind of correction that a relation asks for, int8[k], -1 none.

    ``format`` is what EQUAL can ask for: whether the text is ill written is found elsewhere.
    """
    table = np.full(256, -1, np.int8)
    table[EQUAL] = FORMAT
    table[[HELD_EMPTY, LESS]] = FILL
    table[EARLIER] = UPDATE
    table[[DIFFERENT, UNREADABLE]] = FIX
    if standard in ONLY_CONFIRMED:  # a home that differs was the person's once
        table[DIFFERENT] = UPDATE
    if standard in STATUS_FIELDS:
        table[HELD_EMPTY] = STATUS
    return table[relation]


def propose(
    standard: str, relations: Relations, rights: Rights, confidence: np.ndarray, exact: np.ndarray
) -> Proposals:
    """Kind, action and basis for one field of k linked records.

    confidence : float64[k], posterior of each link
    exact      : bool[k], number, full name and birth date of the record are each the person's

    ``apply`` wants, beside what the policy allows and the posterior it demands: of ``fix``, grounds beyond
    the register; of ``fill`` and ``status``, that other agencies do not contradict the register more often
    than they hold its value; of a name, that the register's spelling does not look like a slip or an
    abbreviation itself; of an empty field, that no other column of the record holds another value of it; of
    ``status``, an exact record; and a register value that could be read as it stands. Where another agency
    holds the very value of the record, or the person's number says it, a ``fix`` is to be investigated.
    """
    kind = kinds_of(standard, relations.relation)
    relation = relations.relation
    cap = np.full(kind.shape[0], APPLY, np.int8)
    basis = np.full(kind.shape[0], BIT["register"], np.uint32)

    def note(where: np.ndarray, code: str) -> None:
        basis[where] |= np.uint32(BIT[code])

    fix = kind == FIX
    stands = np.zeros(kind.shape[0], bool)
    grounds = {
        **relations.grounds,
        "agency": relations.for_register > 0,
        "unreadable": relation == UNREADABLE,
    }
    for code in GROUNDS:
        if code in grounds:
            note(fix & grounds[code], code)
            stands |= grounds[code]
    cap[fix & ~stands] = CONFIRM
    held_elsewhere = relations.for_held > 0
    if "number_for_held" in relations.grounds:
        note(fix & relations.grounds["number_for_held"], "number_for_held")
        cap[fix & relations.grounds["number_for_held"]] = INVESTIGATE
    cap[fix & held_elsewhere] = INVESTIGATE
    for code in ("alias", "old_number"):
        if code in relations.grounds:
            note((kind >= 0) & relations.grounds[code], code)
    fill = kind == FILL
    contradicted = (fill | (kind == STATUS)) & (relations.against > relations.for_register)
    cap[contradicted] = np.maximum(cap[contradicted], CONFIRM)
    if "contradicted" in relations.grounds:  # by a number in another of the record's own columns
        cap[fill & relations.grounds["contradicted"]] = CONFIRM
    if "rare_spelling" in relations.grounds:
        rare = (fill | fix) & relations.grounds["rare_spelling"]
        cap[rare] = np.maximum(cap[rare], CONFIRM)
        note(rare, "rare_spelling")
    note(contradicted | (fix & held_elsewhere), "agency_against")
    note(~fix & (kind > FORMAT) & (relations.for_register > 0), "agency")
    note(fill & (relation == LESS), "incomplete")
    if standard in STATUS_FIELDS:
        cap[(kind != FORMAT) & ~exact] = CONFIRM
        cap[fix] = np.maximum(cap[fix], CONFIRM)
        note((kind == STATUS) & exact, "exact_person")
    doubtful = relations.doubtful & (kind >= 0)
    kind[doubtful & (kind == FORMAT)] = -1
    doubtful &= kind >= 0
    cap[doubtful] = np.maximum(cap[doubtful], CONFIRM)
    note(doubtful, "register_repaired")

    action = np.full(kind.shape[0], SILENT, np.int8)
    for number, name in enumerate(KIND_NAMES):
        mine = kind == number
        if not mine.any():
            continue
        allowed, precision = rights.allowed(standard, name)
        strongest = ACTION_NAMES.index(allowed)
        unsure = np.where((confidence < precision) & (cap == APPLY), CONFIRM, cap)
        action[mine] = np.maximum(unsure, strongest)[mine]
    kind[action == SILENT] = -1
    return Proposals(kind, action, basis)


@dataclass(frozen=True)
class Structure:
    """What the numbers of records and persons say, against what is held; each bool[k].

    number_against_held  : field -> the person's number contradicts what the record holds of the field
    held_against_person  : field -> the record's number contradicts what the register holds of the field
    """

    number_against_held: Mapping[str, np.ndarray]
    held_against_person: Mapping[str, np.ndarray]


def travel_together(
    proposals: Mapping[str, Proposals], rights: Rights, structure: Structure
) -> dict[str, np.ndarray]:
    """Group of every correction, and the weakest action of a group for all of it, in place.

    Returns field -> int32[k]: the number of the group of the authority matrix that the correction travels
    with, -1 alone. Sex and birth date travel with the personal number where either of the two corrections
    without the other would leave the record contradicting its number; the old number travels alone. Fields
    of a group that has any other field always travel together. A ``format`` changes no value: it is alone.
    """
    names: dict[str, list[str]] = {}
    for standard in proposals:
        group = rights.authority[standard].group
        if group is not None:
            names.setdefault(group, []).append(standard)
    out = {standard: np.full(p.kind.shape[0], -1, np.int32) for standard, p in proposals.items()}
    for number, fields in enumerate(names.values()):
        changed = {f: proposals[f].kind > FORMAT for f in fields}
        if set(fields) <= _STRUCTURED:
            if "personal_number" not in fields:
                continue
            moved = np.zeros(changed["personal_number"].shape[0], bool)
            for f in ("sex", "birth_date"):
                if f not in fields:
                    continue
                bound = changed["personal_number"] & changed[f]
                bound &= structure.number_against_held[f] | structure.held_against_person[f]
                out[f][bound] = number
                moved |= bound
            out["personal_number"][moved] = number
        else:
            several = np.sum([changed[f] for f in fields], axis=0) > 1
            for f in fields:
                out[f][several & changed[f]] = number
        _weakest(proposals, [f for f in fields if (out[f] == number).any()], out, number)
    return out


def _weakest(
    proposals: Mapping[str, Proposals], fields: Sequence[str], groups: Mapping[str, np.ndarray], number: int
) -> None:
    if not fields:
        return
    members = [groups[f] == number for f in fields]
    weakest = np.max(
        [np.where(m, proposals[f].action, APPLY) for f, m in zip(fields, members, strict=True)], axis=0
    )
    for f, m in zip(fields, members, strict=True):
        proposals[f].action[m] = weakest[m]
