"""Register cases about a field: agencies, and the number itself, speak against the register's value.

A case is an opinion with its evidence, for the register's clerks to look into; the register stays as it is.
How sure it is follows from rates that the run itself shows, see :func:`field_rates` and
docs/register-cases.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kernels._door import reading
from kernels.tokens import TokenForms
from kernels.votes import hear_voices
from linkage import agreement
from linkage.evidence import starts_of

#: Least probability that the register is wrong for a case to be opened.
CASE_MIN = 0.9

#: Kinds of evidence that must agree: two agencies, or one and the number, a repair, or the spelling.
KINDS_MIN = 2

#: Log odds from which spelling is evidence of its own: the agencies' is a hundred times as common.
SPELLING_MIN = 4.6

#: A share of slips that is learned as a remainder is at least this part of what it is the remainder of.
LEAST_PART = 0.1

#: How a record's value stands to the register's. Not heard: it says nothing for or against it.
UNHEARD = 0
#: It is the register's value.
CONFIRMS = 1
#: Another value.
OTHER = 2
#: Another spelling of the same sounds.
SPELT = 3
#: The same words in another order.
REORDERED = 4
#: Day and month exchanged.
SWAPPED = 5
#: The register's value is a less complete form of it.
FULLER = 6
#: The register holds nothing.
ALONE = 7
#: Neither holds anything: it speaks for nobody, and counts among those who could have spoken.
SILENT = 8

#: The manners of being against the register, each with rates of its own.
AGAINST = (OTHER, SPELT, REORDERED, SWAPPED, FULLER, ALONE)
_IS_AGAINST = np.isin(np.arange(256), AGAINST)

#: Manners, and those of a voice that is not against the register.
_MANNERS = 9
_FAVOURABLE = 1 << CONFIRMS | 1 << SILENT
_TELLING = sum(1 << manner for manner in AGAINST)

#: Sources that there can be.
_SOURCES = 256


@dataclass(frozen=True)
class Holdings:
    """One field of linked records, beside the register's value for their persons: arrays of k records.

    person : int64, register row, not negative;  source : uint8;  row : int64, row of the record
    p_link : float64, posterior of the record's link;  manner : uint8, never ``UNHEARD``
    value, theirs : uint64, keys of the record's value (0 where it is the register's, or none) and of the
        register's (only looked at where the record is against it)
    says : int8, whom the person's own number takes the side of, see :func:`linkage.evidence.number_says`
    contradicted : bool, the person's own number contradicts the register's value
    spelling : float64, log odds that the spelling alone gives to the record's value, see :func:`bearing`
    """

    person: np.ndarray
    source: np.ndarray
    row: np.ndarray
    p_link: np.ndarray
    manner: np.ndarray
    value: np.ndarray
    theirs: np.ndarray
    says: np.ndarray
    contradicted: np.ndarray
    spelling: np.ndarray

    def where(self, mask: np.ndarray) -> Holdings:
        """Those of a mask or an index array."""
        return Holdings(*(getattr(self, f)[mask] for f in Holdings.__dataclass_fields__))


@dataclass(frozen=True)
class Voices:
    """What each source says of a person in one field: ``said``, a record each, and its records int32[v]."""

    said: Holdings
    records: np.ndarray


@dataclass(frozen=True)
class Tally:
    """What rates are learned from, counted over voices; parts of a nation add up. S sources, 9 manners.

    voices : int64[S, 9], voices of each source by manner
    pairs  : int64[9, S, S], persons that two sources speak of: both without being against the register (0),
             one or both of them in a manner of being against it, and the other in the same or in none
    agreed : int64[9], pairs whose two sources hold one value against the register, by manner
    numbers : int64[3], voices on the side of a number that contradicts the register; voices that confirm the
             register against such a number; voices that confirm it
    """

    voices: np.ndarray
    pairs: np.ndarray
    agreed: np.ndarray
    numbers: np.ndarray

    @staticmethod
    def total(tallies: Sequence[Tally]) -> Tally:
        """The sum of one or more."""
        return Tally(*(np.sum([getattr(t, f) for t in tallies], axis=0) for f in Tally.__dataclass_fields__))


@dataclass(frozen=True)
class FieldRates:
    """What a run shows of one field and one manner of being against the register.

    wrong     : share of persons whose register value is wrong in this manner
    slip      : float64[256] by source, share of its records that are wrong so where the register is right
    same_slip : chance that two such records of one true value hold the same wrong value
    number    : share of persons whose own number contradicts their true value
    """

    wrong: float
    slip: np.ndarray
    same_slip: float
    number: float

    def backing(self) -> np.ndarray:
        """By source, float64[256]: log odds that one more source with a value gives to it."""
        return np.log((1.0 - self.slip) / (self.slip * self.same_slip))


@dataclass(frozen=True)
class FieldCases:
    """Values held against the register: arrays of n, by (person, value).

    person, row : int64, register row, and a record that holds the value
    sources, confirmed : int32, sources that hold it, and that hold the register's value
    begin, holders : the sources of case i are ``holders[begin[i]:begin[i] + sources[i]]``, uint8
    records : int32, their records;  says : int8;  manner : uint8;  spelling : float64
    confidence : float64, that it is the true value
    """

    person: np.ndarray
    row: np.ndarray
    sources: np.ndarray
    confirmed: np.ndarray
    begin: np.ndarray
    holders: np.ndarray
    records: np.ndarray
    says: np.ndarray
    manner: np.ndarray
    spelling: np.ndarray
    confidence: np.ndarray

    def where(self, mask: np.ndarray) -> FieldCases:
        """Those of a mask or an index array."""
        by_case = {f: getattr(self, f) for f in FieldCases.__dataclass_fields__ if f != "holders"}
        return FieldCases(holders=self.holders, **{f: v[mask] for f, v in by_case.items()})


def manners(relation: np.ndarray, *, status: bool = False) -> np.ndarray:
    """Manner of records by their relation to the register (uint8[k], :mod:`linkage.agreement`): uint8[k].

    status : the field says whether a person lives, so that what the register lacks counts against it
    """
    table = np.full(256, UNHEARD, np.uint8)
    table[agreement.EQUAL] = CONFIRMS
    table[agreement.DIFFERENT] = OTHER
    table[agreement.MORE] = FULLER
    if status:
        table[agreement.REGISTER_EMPTY] = ALONE
        table[agreement.NOTHING] = SILENT
    return table[relation]


def is_against(manner: np.ndarray) -> np.ndarray:
    """Whether each manner (uint8[k]) is one of :data:`AGAINST`: bool[k]."""
    return _IS_AGAINST[manner]


def manners_of_others(kind: str, held: np.ndarray, theirs: np.ndarray, forms: TokenForms) -> np.ndarray:
    """Manner of records that hold another value than the register, uint8[k]: ``OTHER`` told apart.

    kind : of the field;  held, theirs : coded values of the records and of their persons
    """
    out = np.full(held.shape[0], OTHER, np.uint8)
    if kind == "name":
        plain, other = forms.ascii[held], forms.ascii[theirs]
        spelt = (forms.phonetic[held] == forms.phonetic[theirs]).all(axis=1) | (plain == other).all(axis=1)
        bare = ~(forms.marked[held] != 0).any(axis=1) & (forms.marked[theirs] != 0).any(axis=1)
        reordered = (np.sort(plain, axis=1) == np.sort(other, axis=1)).all(axis=1)
        out[reordered] = np.where(bare, UNHEARD, REORDERED)[reordered]
        out[spelt] = SPELT
    elif kind == "date":
        month, day = (held >> 5) & 15, held & 31
        exchanged = (month == theirs & 31) & (day == (theirs >> 5) & 15) & (held >> 9 == theirs >> 9)
        out[exchanged] = SWAPPED
        out[(day == 0) | (theirs & 31 == 0)] = UNHEARD
    return out


def bearing(held: np.ndarray, theirs: np.ndarray, bearers: np.ndarray) -> np.ndarray:
    """Log odds that bearers of its tokens give to the record's spelling against the register's, float64[k].

    A name that hardly anyone bears is more likely the mistyping of a common one than the other way about:
    the odds are those of the tokens that only one of the two names has, ``bearers + 1/2``, without this
    person's own. They are kept between 1/8, because rare names are real, and 1024.

    held, theirs : uint32[k, 8], names of as many tokens (others: 0);  bearers : int64[v], register persons
        with each token
    """
    only_held = (held != 0) & ~(held[:, :, None] == theirs[:, None, :]).any(axis=2)
    only_theirs = (theirs != 0) & ~(theirs[:, :, None] == held[:, None, :]).any(axis=2)
    pro = np.where(only_held, np.log(bearers[held] + 0.5), 0.0).sum(axis=1)
    con = np.where(only_theirs, np.log(np.maximum(bearers[theirs] - 1, 0) + 0.5), 0.0).sum(axis=1)
    even = only_held.sum(axis=1) == only_theirs.sum(axis=1)
    return np.where(even, np.clip(pro - con, -np.log(8.0), np.log(1024.0)), 0.0)


def hear(
    holdings: Holdings,
    order: np.ndarray | None = None,
    also: np.ndarray | None = None,
    sources: int = _SOURCES,
) -> tuple[Voices, Tally]:
    """One voice for each source of a person, the first of its records; and a count of all voices.

    A source that holds two values for one person contradicts itself and has no voice. Voices on persons whom
    none is against are not kept: of these the count says enough.

    order : int64[m], records by person and source, the best linked first (equally good records of a source
        hold one value, or it has no voice: which of them comes first makes no difference), ``UNHEARD`` ones
        passed over; all of them, as they stand, if it is not given
    also : bool[k], records whose voice is kept with all others on its person; all, if it is not given
    sources : how many there are
    """
    k = holdings.person.shape[0]
    order = np.arange(k) if order is None else order
    also = np.ones(k, bool) if also is None else also
    chosen, records = np.empty(order.shape[0], np.int64), np.empty(order.shape[0], np.int32)
    counts = np.zeros((sources, _MANNERS), np.int64)
    pairs, agreed = np.zeros((_MANNERS, sources, sources), np.int64), np.zeros(_MANNERS, np.int64)
    marks = also.astype(np.uint8)
    if holdings.contradicted.any():
        marks |= (holdings.contradicted & (holdings.says > 0)).view(np.uint8) << np.uint8(1)
        marks |= (holdings.contradicted & (holdings.manner == CONFIRMS)).view(np.uint8) << np.uint8(2)
    marked = np.zeros(8, np.int64)
    found = hear_voices(
        reading(order, np.int64, "order"),
        reading(holdings.person, np.int64, "person"),
        reading(holdings.source, np.uint8, "source"),
        reading(holdings.value, np.uint64, "value"),
        reading(holdings.manner, np.uint8, "manner"),
        reading(marks, np.uint8, "marks"),
        _FAVOURABLE,
        _TELLING,
        counts,
        marked,
        pairs,
        agreed,
        chosen,
        records,
    )
    sided = [int(marked[np.arange(8) >> bit & 1 == 1].sum()) for bit in (1, 2)]
    numbers = np.array([*sided, int(counts[:, CONFIRMS].sum())], np.int64)
    voices = Voices(holdings.where(chosen[:found]), records[:found].copy())
    return voices, Tally(counts, pairs, agreed, numbers)


def field_rates(voices: Voices, against: int, counted: Tally | None = None) -> FieldRates:
    """Learn the rates of one manner of being ``against`` the register from the run's own records.

    counted : of all voices, where ``voices`` are only those that are telling

    ``same_slip``: of different persons with one register value, how many pairs of records that differ from it
    hold the same other value. ``wrong``: of the pairs of sources that hold something for one person, how many
    agree against the register beyond those whom slips alone would let agree. ``slip``: what is left of a
    source's differences. ``number``: how often a number contradicts a value that an agency confirms.
    """
    counted = hear(voices.said)[1] if counted is None else counted
    said = voices.said
    n = counted.voices.shape[0]
    differs, heard_of = np.zeros(_SOURCES, np.int64), np.zeros(_SOURCES, np.int64)
    differs[:n] = counted.voices[:, against]
    heard_of[:n] = counted.voices[:, [against, CONFIRMS, SILENT]].sum(axis=1)
    share = (differs + 0.5) / (heard_of + 1.0)
    opposed = said.manner == against
    same_slip = _same_slip(said.theirs[opposed], said.value[opposed])
    pairs = np.zeros((_SOURCES, _SOURCES), np.int64)
    pairs[:n, :n] = counted.pairs[0] + counted.pairs[against]
    agreed = int(counted.agreed[against])
    wrong, slip = 0.0, share
    if pairs.any():
        for _ in range(20):
            slip = np.maximum(share - wrong, LEAST_PART * share)
            by_chance = float((pairs * np.outer(slip, slip)).sum()) * same_slip
            both_right = float((pairs * np.outer(1.0 - slip, 1.0 - slip)).sum())
            before, wrong = wrong, min(0.5, max(0.0, agreed - by_chance) / both_right)
            if wrong == before:  # nothing would change any more
                break
    number = (float(counted.numbers[1]) + 0.5) / (float(counted.numbers[2]) + 1.0)
    return FieldRates(wrong, slip, same_slip, number)


def judge_field(voices: Voices, against: int, rates: FieldRates) -> FieldCases:
    """Every value that a source holds ``against`` the register, with the probability that it is the true one.

    Odds are ``wrong / (1 - wrong) * same_slip``, times ``(1 - slip) / (slip * same_slip)`` for every source
    that holds the value, divided by the same for every source that holds the register's; the number
    multiplies or divides them by ``(1 - number) / number``, spelling by its own odds. The links of the two
    best linked records must hold as well.
    """
    said = voices.said
    cases, held = _groups(voices, said.manner == against)
    if not held.size:
        return cases
    backing = rates.backing()
    persons, place = np.unique(cases.person, return_inverse=True)
    confirming = np.flatnonzero(said.manner == CONFIRMS)
    at = np.minimum(np.searchsorted(persons, said.person[confirming]), persons.shape[0] - 1)
    known = persons[at] == said.person[confirming]
    at, confirming = at[known], confirming[known]
    denied = np.bincount(at, backing[said.source[confirming]], persons.shape[0])[place]
    confirmed = np.bincount(at, minlength=persons.shape[0])[place].astype(np.int32)
    prior = np.log(rates.same_slip) + (
        np.log(rates.wrong / (1.0 - rates.wrong)) if rates.wrong > 0.0 else -np.inf
    )
    number = cases.says * np.log((1.0 - rates.number) / rates.number)
    total = prior + np.add.reduceat(backing[cases.holders], cases.begin) - denied + number + cases.spelling
    return _told(cases, confirmed, total, said.p_link[held])


def judge_repaired(voices: Voices, doubt: np.ndarray, rates: FieldRates) -> FieldCases:
    """Values that standardisation reads in a mistyped text of the register, and that agencies hold as text.

    Odds are those of the repair, times ``(1 - slip) / (slip * same_slip)`` for every source that holds it.

    doubt : float64[voices], that the register's text is a mistyping of its standard value; 0 where it is
        none, or where the record's text needed a repair of its own
    """
    cases, held = _groups(voices, (voices.said.manner == CONFIRMS) & (doubt > 0.0))
    if not held.size:
        return cases
    sure = np.minimum(doubt[held[cases.begin]], 1.0 - 1e-9)
    total = np.log(sure / (1.0 - sure)) + np.add.reduceat(rates.backing()[cases.holders], cases.begin)
    return _told(cases, cases.confirmed, total, voices.said.p_link[held])


def opened(cases: FieldCases, repaired: np.ndarray | None = None) -> np.ndarray:
    """Which are cases: sure enough, and spoken for by two kinds of evidence at least: bool[n].

    repaired : bool[n], the register's text was read by a repair that is evidence of its own
    """
    kinds = cases.sources + (cases.says > 0) + (cases.spelling >= SPELLING_MIN)
    if repaired is not None:
        kinds = kinds + repaired
    return (cases.confidence >= CASE_MIN) & (kinds >= KINDS_MIN)


def judge_numbers(counted: Tally) -> float:
    """Probability that the register is wrong where a person's number contradicts it and no agency speaks.

    The share of the persons with such a number, and with an agency that holds either side's value, whose
    agency takes the number's side; by Jeffreys' rule, so that few persons prove little.
    """
    for_number, for_register = float(counted.numbers[0]), float(counted.numbers[1])
    return (for_number + 0.5) / (for_number + for_register + 1.0)


def _groups(voices: Voices, chosen: np.ndarray) -> tuple[FieldCases, np.ndarray]:
    """Chosen voices by person and value, without a judgement yet; and their indices in that order."""
    said = voices.said
    held = np.flatnonzero(chosen)
    held = held[np.lexsort((said.source[held], said.value[held], said.person[held]))]
    begin = starts_of(said.person[held], said.value[held])
    sizes = np.diff(np.append(begin, held.shape[0]))
    records = np.bincount(np.repeat(np.arange(sizes.size), sizes), voices.records[held], sizes.size)
    at = held[begin]
    cases = FieldCases(
        person=said.person[at],
        row=said.row[at],
        sources=sizes.astype(np.int32),
        confirmed=np.zeros(at.size, np.int32),
        begin=begin,
        holders=said.source[held],
        records=records.astype(np.int32),
        says=said.says[at],
        manner=said.manner[at],
        spelling=said.spelling[at],
        confidence=np.zeros(at.size),
    )
    return cases, held


def _told(cases: FieldCases, confirmed: np.ndarray, log_odds: np.ndarray, p_link: np.ndarray) -> FieldCases:
    """The cases with their confidence; p_link : float64, of every holder."""
    group = np.repeat(np.arange(cases.begin.shape[0]), cases.sources)
    ordered = p_link[np.lexsort((-p_link, group))]
    second = ordered[np.minimum(cases.begin + 1, ordered.shape[0] - 1)]
    linked = ordered[cases.begin] * np.where(cases.sources > 1, second, 1.0)
    confidence = linked / (1.0 + np.exp(-np.clip(log_odds, -700.0, 700.0)))
    fields = {f: getattr(cases, f) for f in FieldCases.__dataclass_fields__}
    return FieldCases(**fields | {"confirmed": confirmed, "confidence": confidence})


def _same_slip(theirs: np.ndarray, value: np.ndarray) -> float:
    order = np.lexsort((value, theirs))
    theirs, value = theirs[order], value[order]
    return (1.0 + _pairs_within(theirs, value)) / (2.0 + _pairs_within(theirs))


def _pairs_within(*columns: np.ndarray) -> float:
    """Number of pairs of equal rows of sorted columns."""
    starts = starts_of(*columns)
    sizes = np.diff(np.append(starts, columns[0].shape[0])).astype(np.float64)
    return float((sizes * (sizes - 1.0) / 2.0).sum())
