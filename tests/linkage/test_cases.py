from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage import agreement
from linkage.cases import (
    AGAINST,
    ALONE,
    CASE_MIN,
    CONFIRMS,
    FULLER,
    OTHER,
    REORDERED,
    SILENT,
    SPELT,
    SWAPPED,
    UNHEARD,
    FieldCases,
    FieldRates,
    Holdings,
    Tally,
    Voices,
    bearing,
    field_rates,
    hear,
    judge_field,
    judge_numbers,
    judge_repaired,
    manners,
    manners_of_others,
    opened,
)
from tests.linkage import small

#: person, source, p_link, manner, value, theirs, says, contradicted, spelling
Record = tuple[int, int, float, int, int, int, int, bool, float]

RATES = FieldRates(0.001, np.full(256, 0.02), 0.05, 0.0005)


def holdings(records: list[Record]) -> Holdings:
    """The records as the engine is given them: by person and source, the best linked first."""
    rows = sorted(range(len(records)), key=lambda i: (records[i][0], records[i][1], -records[i][2]))
    kinds = (np.int64, np.uint8, np.float64, np.uint8, np.uint64, np.uint64, np.int8, bool, np.float64)
    person, source, p_link, manner, value, theirs, says, contradicted, spelling = (
        np.array([records[i][c] for i in rows], kind) for c, kind in enumerate(kinds)
    )
    return Holdings(
        person, source, np.array(rows, np.int64), p_link, manner, value, theirs, says, contradicted, spelling
    )


def voices_of(records: list[Record]) -> Voices:
    """All voices, on whomever."""
    return hear(holdings(records))[0]


def tally(records: list[Record], sources: int = 256) -> Tally:
    return hear(holdings(records), sources=sources)[1]


def record(
    person: int,
    source: int,
    manner: int,
    value: int = 0,
    *,
    theirs: int = 1,
    p_link: float = 1.0,
    says: int = 0,
    contradicted: bool = False,
    spelling: float = 0.0,
) -> Record:
    return (person, source, p_link, manner, value, theirs, says, contradicted, spelling)


def slow_voices(records: list[Record]) -> dict[tuple[int, int], tuple[int, int, int]]:
    """(person, source) -> manner, value, records; sources that contradict themselves left out."""
    said = defaultdict(list)
    for r in records:
        said[r[0], r[1]].append(r)
    return {key: (rs[0][3], rs[0][4], len(rs)) for key, rs in said.items() if len({r[4] for r in rs}) == 1}


def manner_and_value(draw) -> tuple[int, int]:
    manner = draw(st.sampled_from([CONFIRMS, OTHER, SPELT]))
    return manner, 0 if manner == CONFIRMS else draw(st.integers(2, 4)) + 10 * manner


@st.composite
def many_records(draw) -> list[Record]:
    out = []
    for _ in range(draw(st.integers(0, 25))):
        manner, value = manner_and_value(draw)
        person = draw(st.integers(0, 5))
        # The number takes one side of a person's value, whoever holds it.
        out.append(
            record(person, draw(st.integers(1, 4)), manner, value, theirs=person % 2 + 1,
                   p_link=draw(st.sampled_from([0.99, 0.995, 1.0])), contradicted=person == 3)
        )  # fmt: skip
    return out


@settings(deadline=None)
@given(many_records())
def test_voices_of__one_for_each_source_that_does_not_contradict_itself(records: list[Record]) -> None:
    voices = voices_of(records)
    said = voices.said
    got = {
        (int(p), int(s)): (int(m), int(v), int(n))
        for p, s, m, v, n in zip(
            said.person, said.source, said.manner, said.value, voices.records, strict=True
        )
    }
    assert got == slow_voices(records)


def slow_rates(records: list[Record], against: int) -> tuple[float, dict[int, float], float, float]:
    """The rates by counting every person and every pair of sources."""
    voices = slow_voices(records)
    theirs = {r[0]: r[5] for r in records}
    marked = {r[0] for r in records if r[7]}
    heard = {k: v for k, v in voices.items() if v[0] in (against, CONFIRMS, SILENT)}
    share = {}
    for source in range(256):
        mine = [v for (_, s), v in heard.items() if s == source]
        share[source] = (sum(v[0] == against for v in mine) + 0.5) / (len(mine) + 1)
    opposed = [(theirs[p], v[1]) for (p, _), v in voices.items() if v[0] == against]
    met = same = 0
    for i, one in enumerate(opposed):
        for other in opposed[:i]:
            met += one[0] == other[0]
            same += one == other
    same_slip = (same + 1) / (met + 2)
    pairs = [(a, b) for a in heard for b in heard if a[0] == b[0] and a[1] < b[1]]
    agreed = sum(heard[a][0] == against and heard[a][1] == heard[b][1] for a, b in pairs)
    wrong, slip = 0.0, dict(share)
    for _ in range(20 if pairs else 0):
        slip = {s: max(share[s] - wrong, 0.1 * share[s]) for s in share}
        chance = sum(slip[a[1]] * slip[b[1]] for a, b in pairs) * same_slip
        right = sum((1 - slip[a[1]]) * (1 - slip[b[1]]) for a, b in pairs)
        wrong = min(0.5, max(0.0, agreed - chance) / right)
    kept = [p for (p, _), v in voices.items() if v[0] == CONFIRMS]
    number = (sum(p in marked for p in kept) + 0.5) / (len(kept) + 1)
    return wrong, slip, same_slip, number


@settings(deadline=None)
@given(many_records(), st.sampled_from([OTHER, SPELT]))
def test_field_rates__as_counted_by_hand(records: list[Record], against: int) -> None:
    found = field_rates(voices_of(records), against)
    wrong, slip, same_slip, number = slow_rates(records, against)
    assert found.wrong == pytest.approx(wrong)
    assert found.slip.tolist() == pytest.approx([slip[s] for s in range(256)])
    assert found.same_slip == pytest.approx(same_slip)
    assert found.number == pytest.approx(number)


@settings(deadline=None)
@given(many_records(), many_records(), st.sampled_from([OTHER, SPELT]))
def test_field_rates__of_telling_voices_and_the_tally_of_parts(
    records: list[Record], others: list[Record], against: int
) -> None:
    """A nation cut by person: tallies add up, and voices that are against nothing are not needed."""
    others = [(r[0] + 10, *r[1:]) for r in others]
    whole = voices_of(records + others)
    few, _ = hear(holdings(records + others), also=np.zeros(len(records + others), bool))
    counted = Tally.total([tally(of, 7) for of in (records, others)])
    found, wanted = field_rates(few, against, counted), field_rates(whole, against)
    assert (found.wrong, found.same_slip, found.number) == (wanted.wrong, wanted.same_slip, wanted.number)
    assert found.slip.tolist() == wanted.slip.tolist()
    assert judge_numbers(counted) == judge_numbers(tally(records + others))
    rest = judge_field(few, against, RATES)
    assert rest.confidence.tolist() == judge_field(whole, against, RATES).confidence.tolist()


def slow_judgement(records: list[Record], against: int, rates: FieldRates) -> dict[tuple[int, int], float]:
    """(person, value) -> confidence, by one product of odds a source."""
    voices = slow_voices(records)
    best: dict[tuple[int, int], float] = defaultdict(float)
    for r in records:
        best[r[0], r[1]] = max(best[r[0], r[1]], r[2])
    out = {}
    for person, value in {(p, v[1]) for (p, _), v in voices.items() if v[0] == against}:
        odds = rates.wrong / (1 - rates.wrong) * rates.same_slip
        links = []
        for (p, source), (manner, held, _) in voices.items():
            if p != person:
                continue
            strength = (1 - rates.slip[source]) / (rates.slip[source] * rates.same_slip)
            if manner == against and held == value:
                odds *= strength
                links.append(best[p, source])
            elif manner == CONFIRMS:
                odds /= strength
        links.sort(reverse=True)
        out[person, value] = odds / (1 + odds) * math.prod(links[:2])
    return out


def by_value(cases: FieldCases, voices_value: dict[int, int]) -> dict[tuple[int, int], float]:
    return {
        (int(p), voices_value[int(row)]): float(c)
        for p, row, c in zip(cases.person, cases.row, cases.confidence, strict=True)
    }


@settings(deadline=None)
@given(many_records(), st.sampled_from([OTHER, SPELT]))
def test_judge_field__as_one_product_of_odds_a_source(records: list[Record], against: int) -> None:
    cases = judge_field(voices_of(records), against, RATES)
    value = {i: r[4] for i, r in enumerate(records)}
    want = slow_judgement(records, against, RATES)
    assert by_value(cases, value) == pytest.approx(want)


@settings(deadline=None)
@given(many_records(), st.randoms(use_true_random=False))
def test_judge_field__whatever_the_order_of_records(records: list[Record], chance: random.Random) -> None:
    mixed = list(records)
    chance.shuffle(mixed)

    def told(of: list[Record]) -> dict[tuple[int, int], float]:
        cases = judge_field(voices_of(of), OTHER, RATES)
        return by_value(cases, {i: r[4] for i, r in enumerate(of)})

    assert told(mixed) == told(records)


def confidence(*records: Record, rates: FieldRates = RATES) -> float:
    cases = judge_field(voices_of(list(records)), OTHER, rates)
    assert cases.person.shape == (1,)
    return float(cases.confidence[0])


def test_judge_field__agencies_number_and_spelling_each_count() -> None:
    one = confidence(record(0, 1, OTHER, 9))
    two = confidence(record(0, 1, OTHER, 9), record(0, 2, OTHER, 9))
    assert one < 0.1
    assert two > CASE_MIN
    assert confidence(record(0, 1, OTHER, 9), record(0, 2, OTHER, 9), record(0, 3, CONFIRMS)) < two
    assert confidence(record(0, 1, OTHER, 9, says=1)) > CASE_MIN
    assert confidence(record(0, 1, OTHER, 9, says=-1), record(0, 2, OTHER, 9, says=-1)) < CASE_MIN
    assert confidence(record(0, 1, OTHER, 9, spelling=math.log(1000))) > CASE_MIN
    assert confidence(record(0, 1, OTHER, 9, p_link=0.99), record(0, 2, OTHER, 9, p_link=0.99)) < two


def test_judge_field__records_of_one_source_are_one_voice() -> None:
    once = confidence(record(0, 1, OTHER, 9))
    assert confidence(*[record(0, 1, OTHER, 9)] * 5) == once


def test_judge_field__nothing_learned_opens_nothing() -> None:
    rates = replace(RATES, wrong=0.0)
    assert confidence(record(0, 1, OTHER, 9), record(0, 2, OTHER, 9), rates=rates) < 1e-200


def test_judge_field__no_records() -> None:
    cases = judge_field(voices_of([]), OTHER, RATES)
    assert cases.person.shape == (0,)
    assert not opened(cases).any()
    rates = field_rates(voices_of([]), OTHER)
    assert rates.wrong == 0.0
    assert rates.same_slip == 0.5


def test_opened__a_single_agency_is_never_enough() -> None:
    sure = replace(RATES, wrong=0.4)
    alone = judge_field(voices_of([record(0, 1, OTHER, 9)]), OTHER, sure)
    assert alone.confidence[0] > CASE_MIN
    assert not opened(alone).any()
    backed = judge_field(voices_of([record(0, 1, OTHER, 9, says=1)]), OTHER, sure)
    assert opened(backed).all()


def test_judge_repaired__a_mistyped_text_that_agencies_hold_right() -> None:
    voices = voices_of([record(0, 1, CONFIRMS), record(1, 1, CONFIRMS), record(2, 2, OTHER, 5)])
    cases = judge_repaired(voices, np.array([0.95, 0.0, 0.95]), RATES)
    assert cases.person.tolist() == [0]
    strength = 0.98 / (0.02 * 0.05) * 0.95 / 0.05
    assert cases.confidence[0] == pytest.approx(strength / (1 + strength))
    assert opened(cases, repaired=np.array([True])).all()
    assert not opened(cases).any()


def test_judge_numbers__learns_whose_side_agencies_take() -> None:
    agrees = [record(p, 1, OTHER, 9, says=1, contradicted=True) for p in range(30)]
    denies = [record(p, 1, CONFIRMS, contradicted=True) for p in range(30, 60)]
    assert judge_numbers(tally(agrees)) > 0.95
    assert judge_numbers(tally(agrees + denies)) == pytest.approx(0.5)
    assert judge_numbers(tally(agrees[:2])) < CASE_MIN
    assert judge_numbers(tally([])) == 0.5


def nation(
    chance: random.Random, persons: int, wrong: float, slip: float, values: int
) -> tuple[list[Record], dict[int, int]]:
    """Records of three agencies, register values and records wrong by a rate each; and whose are."""
    records, broken = [], {}
    for person in range(persons):
        truth = chance.randrange(values)
        held = truth
        if chance.random() < wrong:
            held = (truth + chance.randrange(1, values)) % values
            broken[person] = truth
        for source in (1, 2, 3):
            if chance.random() < 0.5:
                continue
            told = truth if chance.random() >= slip else (truth + chance.randrange(1, values)) % values
            same = told == held
            records.append(
                record(person, source, CONFIRMS if same else OTHER, 0 if same else told + 1, theirs=held + 1)
            )
    return records, broken


@pytest.mark.parametrize(("values", "slip"), [(2, 0.01), (6, 0.03), (200, 0.05)])
def test_cases__true_as_often_as_they_say_and_most_are_found(values: int, slip: float) -> None:
    records, broken = nation(random.Random(values), 60_000, 0.004, slip, values)
    voices = voices_of(records)
    rates = field_rates(voices, OTHER)
    assert rates.wrong == pytest.approx(len(broken) / 60_000, rel=0.25)
    assert rates.slip[1] == pytest.approx(slip, rel=0.2)
    assert rates.same_slip == pytest.approx(1 / (values - 1), rel=0.25, abs=0.02)
    cases = judge_field(voices, OTHER, rates)
    value = {i: r[4] - 1 for i, r in enumerate(records)}
    true = np.array(
        [broken.get(int(p)) == value[int(r)] for p, r in zip(cases.person, cases.row, strict=True)]
    )
    # Calibrated: as many of all judged values are true as their confidences add up to.
    assert float(cases.confidence.sum()) == pytest.approx(true.sum(), rel=0.25)
    chosen = opened(cases)
    assert true[chosen].mean() >= 0.9
    held = defaultdict(set)
    for i, r in enumerate(records):
        if r[3] == OTHER and broken.get(r[0]) == value[i]:
            held[r[0]].add(r[1])
    findable = {p for p, sources in held.items() if len(sources) >= 2}
    found = {int(p) for p in cases.person[chosen]}
    assert len(findable & found) >= 0.8 * len(findable)


def test_cases__agencies_that_slip_alike_open_none() -> None:
    """With one wrong value to slip to and a faultless register, what agrees is chance."""
    records, _ = nation(random.Random(4), 60_000, 0.0, 0.02, 2)
    voices = voices_of(records)
    cases = judge_field(voices, OTHER, field_rates(voices, OTHER))
    assert (cases.sources > 1).sum() > 5
    assert not opened(cases).any()


def test_cases__deaths_that_two_agencies_hold_and_the_register_lacks() -> None:
    """An agency without a date says nothing against one that has it."""
    chance = random.Random(8)
    records, dead = [], {}
    for person in range(30_000):
        died = chance.randrange(1, 4_000) if chance.random() < 0.005 else 0
        dead[person] = died
        for source in (1, 2):
            told = died if chance.random() < 0.6 else 0
            if chance.random() < 0.001:
                told = chance.randrange(1, 4_000)
            records.append(record(person, source, ALONE if told else SILENT, told, theirs=0))
    voices = voices_of(records)
    rates = field_rates(voices, ALONE)
    assert rates.wrong == pytest.approx(0.005 * 0.6**2, rel=0.4)
    assert rates.same_slip < 0.01
    cases = judge_field(voices, ALONE, rates)
    chosen = opened(cases)
    value = {i: r[4] for i, r in enumerate(records)}
    true = [
        dead[int(p)] == value[int(r)] for p, r in zip(cases.person[chosen], cases.row[chosen], strict=True)
    ]
    both = sum(records[i][4] == records[i + 1][4] == dead[i // 2] != 0 for i in range(0, len(records), 2))
    assert len(true) >= 0.9 * both > 30
    assert all(true)


def test_manners__less_complete_values_never_speak() -> None:
    relation = np.arange(len(agreement.RELATIONS), dtype=np.uint8)
    spoken = {agreement.RELATIONS[i]: int(m) for i, m in enumerate(manners(relation)) if m != UNHEARD}
    assert spoken == {"equal": CONFIRMS, "different": OTHER, "more": FULLER}
    status = manners(relation, status=True)
    assert status[agreement.REGISTER_EMPTY] == ALONE
    assert status[agreement.NOTHING] == SILENT
    assert {ALONE, FULLER, OTHER} <= set(AGAINST)


@pytest.mark.parametrize(
    ("held", "theirs", "manner"),
    [
        ((1980, 3, 4), (1980, 4, 3), SWAPPED),
        ((1980, 3, 4), (1981, 4, 3), OTHER),
        ((1980, 3, 4), (1980, 3, 5), OTHER),
        ((1980, 0, 0), (1981, 4, 3), UNHEARD),
        ((1980, 3, 4), (1981, 0, 0), UNHEARD),
    ],
)
def test_manners_of_others__dates(held, theirs, manner: int) -> None:
    codes = [np.array([small.date_code(d)], np.int32) for d in (held, theirs)]
    forms = small.tokens_of(["a"]).forms
    assert manners_of_others("date", *codes, forms).tolist() == [manner]


@pytest.mark.parametrize(
    ("held", "theirs", "manner"),
    [
        ("nguyễn văn lan", "nguyện văn lan", SPELT),
        ("nguyễn văn hùng", "nguyễn hùng văn", REORDERED),
        ("nguyen van hung", "nguyễn hùng văn", UNHEARD),
        ("nguyễn văn hùng", "nguyễn văn dũng", OTHER),
        ("nguyễn văn tháng", "nguyễn văn thắng", SPELT),
    ],
)
def test_manners_of_others__names(held: str, theirs: str, manner: int) -> None:
    words = sorted({*held.split(), *theirs.split()})
    rows = np.zeros((2, 8), np.uint32)
    for row, name in enumerate((held, theirs)):
        for place, word in enumerate(name.split()):
            rows[row, place] = words.index(word) + 1
    assert manners_of_others("name", rows[:1], rows[1:], small.tokens_of(words).forms).tolist() == [manner]


def test_bearing__rare_against_common() -> None:
    bearers = np.array([0, 100_000, 1, 2_000, 2_500])

    def odds(held: list[int], theirs: list[int]) -> float:
        rows = [np.array([n + [0] * (8 - len(n))], np.uint32) for n in (held, theirs)]
        return float(bearing(*rows, bearers)[0])

    assert odds([1, 3], [1, 2]) == pytest.approx(math.log(1024))
    assert odds([1, 2], [1, 3]) == pytest.approx(-math.log(8))
    assert odds([1, 3], [1, 4]) == pytest.approx(math.log(2000.5 / 2499.5))
    assert odds([1, 3], [3, 1]) == 0.0
    assert odds([1, 3, 4], [1, 4]) == 0.0
