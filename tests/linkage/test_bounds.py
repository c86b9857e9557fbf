"""Bounds of weights: never below a pair's weight, and as close as outlines allow."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.outlines import CODE, STATES, rival_pairs
from linkage.bounds import Bounds, bounds_of
from linkage.compare import Comparer
from linkage.levels import Level, Part, Programme, compile_parts
from linkage.model import Weights
from tests.linkage import small
from tests.linkage.small import Person

PARTS = (
    Part(
        "number",
        ("personal_number", "old_number"),
        (
            Level("null", "personal_number.null and old_number.null"),
            Level("same", "personal_number.exact or personal_number.alias", group="same"),
            Level("old", "old_number.exact", group="old"),
            Level("near", "personal_number.one_digit or personal_number.lost_zero", group="near"),
            Level("swap", "personal_number.adjacent_swap or personal_number.one_edit"),
            Level("different", "not personal_number.null"),
            Level("old_different", "always"),
        ),
    ),
    Part(
        "birth_year",
        ("birth_date", "sex"),
        (
            Level("null", "birth_date.null"),
            Level("same", "birth_date.year_equal and sex.exact"),
            Level("near", "birth_date.year_near or birth_date.year_digit"),
            Level("other", "always"),
        ),
    ),
    Part(
        "birth_day",
        ("birth_date",),
        (
            Level("null", "null or partial"),
            Level("heaped", "day_month_equal and heaped"),
            Level("same", "day_month_equal"),
            Level("swapped", "swapped"),
            Level("digit", "day_month_digit"),
            Level("half", "month_equal or day_equal"),
            Level("different", "not day_month_equal"),
            Level("never", "always"),
        ),
    ),
    Part(
        "name",
        ("full_name",),
        (
            Level("null", "null"),
            Level("exact", "exact", term_frequency="exact"),
            Level("bare", "bare or plain", term_frequency="ascii"),
            Level("reordered", "reordered"),
            Level("slip", "osa <= 1", term_frequency="ends"),
            Level("given", "given_phonetic and not surname"),
            Level("different", "always", link=False),
        ),
    ),
    Part(
        "place",
        ("commune",),
        (
            Level("null", "null"),
            Level("same", "overlap"),
            Level("province", "same_province"),
            Level("different", "always"),
        ),
    ),
    Part(
        "phone",
        ("phone",),
        (
            Level("null", "null"),
            Level("same", "exact"),
            Level("near", "one_digit"),
            Level("other", "always"),
        ),
    ),
    Part(
        "school",
        ("school",),
        (Level("null", "null"), Level("same", "exact"), Level("alike", "osa <= 2"), Level("other", "always")),
    ),
)
PROGRAMME = compile_parts(PARTS, small.KINDS)
FOUND = ("personal_number", "old_number")

NAMES = [("vũ", "hòa"), ("vu", "hoa"), ("hòa", "vũ"), ("vũ", "văn", "hòa"), ("vủ", "hoa"), ("lê", "an"), ()]
DAYS = [
    (1985, 3, 2),
    (1985, 2, 3),
    (1986, 3, 2),
    (1985, 3, 0),
    (1985, 0, 0),
    (2004, 1, 1),
    (1955, 3, 12),
    None,
]
NUMBERS = [
    "001085000001",
    "001085000002",
    "001085000010",
    "01085000001",
    "079204123456",
    "",
    "0123456789012345",
]

people = st.fixed_dictionaries(
    {
        "personal_number": st.sampled_from(NUMBERS),
        "old_number": st.sampled_from(["123456789", "123456788", ""]),
        "full_name": st.sampled_from(NAMES),
        "birth_date": st.sampled_from(DAYS),
        "sex": st.sampled_from(["M", "F", None]),
        "commune": st.sampled_from([*range(6), None]),
        "phone": st.sampled_from(["0912345678", "0912345679", "0387654321", ""]),
        "school": st.sampled_from(["an khe", "an khê", "ba vì", None]),
        "aliases": st.sampled_from([(), (), (NUMBERS[0],)]),
    }
)


def weights_by_chance(programme: Programme, seed: int) -> Weights:
    """Any weights: what they are does not matter to a bound."""
    rng = np.random.default_rng(seed)
    n = programme.n_patterns
    asked = rng.integers(-1, 3, n).astype(np.int8)
    return Weights(
        total=rng.integers(-30_000, 30_000, n).astype(np.int32),
        blind=rng.integers(-30_000, 30_000, n).astype(np.int32),
        frequency=asked,
        repeated=np.zeros(n, np.uint8),
        allowed=rng.random(n) < 0.7,
        group=np.zeros(n, np.int8),
        extra={"blind_frequency": np.roll(asked, 1)},
    )


def rivals(
    bounds: Bounds, words: np.ndarray, agency: int, register: int, least: tuple[int, int]
) -> list[tuple[int, int]]:
    """Pairs of agency records (the first rows) with register ones that exceed the least, all in one block."""
    n = agency + register
    members = np.concatenate([np.arange(agency, n), np.arange(agency)]).astype(np.uint32)
    left, right = np.empty(n * n, np.uint32), np.empty(n * n, np.uint32)
    found = rival_pairs(
        np.array([0, n]),
        members,
        np.array([register], np.int32),
        words[members],
        np.tile(np.array(least, np.int32), (n, 1)),
        np.full(n, n + 1, np.uint32),
        bounds.table,
        bounds.steps,
        np.zeros(2, np.int64),
        left,
        right,
    )
    return list(zip(left[:found].tolist(), right[:found].tolist(), strict=True))


def known_to_identifiers(one: Person, other: Person) -> bool:
    """Whether two people share an identifier, earlier ones included: another rule finds them."""
    numbers = [{p["personal_number"], *p["aliases"]} - {""} for p in (one, other)]
    return bool(numbers[0] & numbers[1]) or one["old_number"] == other["old_number"] != ""


@settings(deadline=None, max_examples=200)
@given(st.lists(people, min_size=2, max_size=6), st.lists(people, min_size=2, max_size=6), st.integers(0, 9))
def test_rival_pairs__leave_out_none_that_weighs_more(
    agency: Sequence[Person], register: Sequence[Person], seed: int
) -> None:
    coded, meaning = small.coded_nation([*agency, *register])
    weights = weights_by_chance(PROGRAMME, seed)
    frequency = np.random.default_rng(seed).integers(-20_000, 32_768, (len(coded), 3)).astype(np.int16)
    coded.arrays["frequency"] = frequency  # type: ignore[index]
    bounds = bounds_of(PROGRAMME, weights, small.KINDS, FOUND)
    words = bounds.outlines(coded, meaning)

    pairs = list(itertools.product(range(len(agency)), range(len(agency), len(coded))))
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    pattern = Comparer(PROGRAMME, meaning, coded).compare(left, right)

    def added(asked: np.ndarray) -> np.ndarray:
        return np.where(asked >= 0, frequency[right, np.maximum(asked, 0)], 0)

    weight = weights.total[pattern] + added(weights.frequency[pattern])
    blind = weights.blind[pattern] + added(weights.extra["blind_frequency"][pattern])
    blind[~weights.allowed[pattern]] = -(1 << 30)
    everyone = [*agency, *register]
    for least in ((-5_000, 1 << 30), (1 << 30, -5_000), (12_000, 20_000)):
        found = set(rivals(bounds, words, len(agency), len(register), least))
        for pair, own, without in zip(pairs, weight.tolist(), blind.tolist(), strict=True):
            if own > least[0] or without > least[1]:
                assert pair in found or known_to_identifiers(*(everyone[row] for row in pair))


@settings(deadline=None)
@given(people, people)
def test_rival_pairs__with_an_equal_number_are_all_there(one: Person, other: Person) -> None:
    coded, meaning = small.coded_nation([one, other])
    bounds = bounds_of(PROGRAMME, weights_by_chance(PROGRAMME, 1), small.KINDS, FOUND)
    found = rivals(bounds, bounds.outlines(coded, meaning), 1, 1, (1 << 30, 1 << 30))
    same = one["personal_number"] == other["personal_number"] != ""
    assert found == ([(0, 1)] if same else [])


PLAIN: Person = {
    "personal_number": NUMBERS[0],
    "full_name": NAMES[0],
    "birth_date": DAYS[0],
    "sex": "M",
    "commune": 0,
    "phone": "0912345678",
    "school": "ba vì",
}


def greatest(changed: Person) -> dict[str, set[str]]:
    """Levels of the patterns that a person with something changed may have with the plain one, by part."""
    coded, meaning = small.coded_nation([PLAIN | {"personal_number": NUMBERS[4]}, PLAIN | changed])
    out = {}
    for number, part in enumerate(PARTS):
        out[part.name] = set()
        for place, level in enumerate(part.levels):
            one = np.zeros(PROGRAMME.shape, np.int32)
            one[tuple(place if k == number else slice(None) for k in range(len(PARTS)))] = 1_000
            flat = np.ascontiguousarray(one).ravel()
            never = np.full(flat.shape[0], -1, np.int8)
            weights = Weights(flat, flat, never, flat, flat >= 0, never, {"blind_frequency": never})
            bounds = bounds_of(PROGRAMME, weights, small.KINDS, FOUND)
            if rivals(bounds, bounds.outlines(coded, meaning), 1, 1, (500, 1 << 30)):
                out[part.name].add(level.name)
    return out


@pytest.mark.parametrize(
    ("changed", "part", "levels"),
    [
        ({}, "number", {"different"}),
        ({"personal_number": "079204123457"}, "number", {"near", "swap", "different"}),
        ({"personal_number": ""}, "number", {"null", "old_different"}),
        ({}, "birth_day", {"heaped", "same"}),
        ({"birth_date": (1985, 3, 3)}, "birth_day", {"digit", "half", "different"}),
        ({"birth_date": (1985, 2, 3)}, "birth_day", {"swapped", "digit", "half", "different"}),
        ({"birth_date": (1985, 0, 0)}, "birth_day", {"null"}),
        ({"birth_date": None}, "birth_year", {"null"}),
        ({"birth_date": (1990, 3, 2)}, "birth_year", {"near", "other"}),
        ({"birth_date": (1990, 3, 2)}, "birth_day", {"heaped", "same"}),
        ({"sex": "F"}, "birth_year", {"near", "other"}),
        ({"full_name": ("lê", "an")}, "name", {"slip", "given", "different"}),
        ({"full_name": ()}, "name", {"null"}),
        ({"commune": 4}, "place", {"different"}),
        ({"commune": 3}, "place", {"null", "same", "province", "different"}),
        ({"phone": "0387654321"}, "phone", {"near", "other"}),
        ({"phone": ""}, "phone", {"null"}),
        ({"school": "an khe"}, "school", {"alike", "other"}),
        ({"school": None}, "school", {"null"}),
    ],
)
def test_bounds__are_over_the_levels_that_outlines_leave(
    changed: Person, part: str, levels: set[str]
) -> None:
    assert greatest(changed)[part] == levels


def test_bounds__of_parts_that_read_too_many_columns_are_looser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a table of all states would be too large, fewer are told apart: bounds rise, and never fall."""
    weights = weights_by_chance(PROGRAMME, 3)
    close = bounds_of(PROGRAMME, weights, small.KINDS, FOUND)
    rose = []
    for entries in (1_000_000, 10_000, 0):
        monkeypatch.setattr("linkage.bounds._ENTRIES", entries)
        loose = bounds_of(PROGRAMME, weights, small.KINDS, FOUND)
        assert (loose.table >= close.table).all()
        rose.append(int((loose.table > close.table).sum()))
    assert rose == sorted(rose)
    assert rose[-1] > 0
    assert (loose.table == loose.table[0]).all(), "no state tells anything"


def test_outlines__name_a_step_that_is_not_below_the_frequency() -> None:
    coded, meaning = small.coded_nation([PLAIN] * 5)
    terms = [(-32_768, -32_768, -32_768), (-1_536, -1, -3), (0, 0, 0), (1, -9, 0), (0, 32_767, 0)]
    coded.arrays["frequency"] = np.array(terms, np.int16)  # type: ignore[index]
    bounds = bounds_of(PROGRAMME, weights_by_chance(PROGRAMME, 1), small.KINDS, FOUND)
    steps = bounds.steps[bounds.outlines(coded, meaning)[:, 2] >> np.uint64(CODE)]
    assert steps.tolist() == [-13_824, 0, 0, 1_536, 33_792]
    assert bounds.table.shape == (3 * STATES, 4)
