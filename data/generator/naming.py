"""Tables that names are drawn from: phrases by number, and how often each stands for whom.

A name is three phrase numbers in the order they are written (number 0 is no phrase). Drawing is a look-up
in a table of 65,536 numbers per condition, each phrase as often as its weight says: no phrase is rarer than
1 in 65,536.

How often two people share a full name is the product of the three sums of squared shares. The tables are
sharpened (each share raised to a power) until given names within a sex and cohort have the published sum,
and the particle's share among the older women is solved for so that their full names coincide at the
published rate.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.generator import vocabulary
from data.generator.minorities import PEOPLES
from data.generator.places import places, spread
from data.generator.spelling import fold, move_tone

#: Sum of squared shares of given names within a sex and cohort (published samples: 0.009 to 0.012).
GIVEN_COINCIDENCE = 0.0105
#: Full-name coincidence of women born before 1970, most of whom are "Thị" alone.
OLDER_WOMEN_COINCIDENCE = 5e-4
DRAWS = 65536
SEXES = "MF"
#: Ways a name is written: as registered, tone marks the new way, without diacritics.
WRITTEN, TONE_MOVED, FOLDED = 0, 1, 2

Weights = dict[str, float]


@dataclass(frozen=True)
class Naming:
    """The phrases and the tables. Styles: 0 Kinh, then the peoples in order. ``row`` picks a table's row."""

    namesakes: float
    size: int
    title: pa.Array  # 3 * size texts: as written, tones moved, folded; null for phrase 0
    upper: pa.Array  # the same in capitals
    movable: NDArray[np.bool_]
    marked: NDArray[np.bool_]
    first_word: NDArray[np.uint16]  # the phrase's first and last word, as numbers of phrases of one word
    last_word: NDArray[np.uint16]
    surnames: NDArray[np.uint16]  # [3 regions + peoples, DRAWS]
    middles: NDArray[np.uint16]  # [2 sexes * 6 cohorts + peoples * 2, DRAWS]
    givens: NDArray[np.uint16]
    clan_last: NDArray[np.bool_]  # by style

    def surname(
        self, rng: np.random.Generator, style: NDArray[np.int8], region: NDArray[np.int8]
    ) -> NDArray[np.uint16]:
        """A surname for each, by region among the Kinh."""
        row = np.where(style == 0, region, len(vocabulary.REGIONS) + style - 1)
        return self.surnames[row, rng.integers(0, DRAWS, len(row), dtype=np.uint16)]

    def first_names(
        self,
        rng: np.random.Generator,
        style: NDArray[np.int8],
        sex: NDArray[np.int8],
        year: NDArray[np.int16],
        surname: NDArray[np.uint16],
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """Middle and given names: no middle begins with the surname, no given name is the middle's last
        word.
        """
        row = self._row(style, sex, year)
        middle = self.middles[row, rng.integers(0, DRAWS, len(row), dtype=np.uint16)]
        given = self.givens[row, rng.integers(0, DRAWS, len(row), dtype=np.uint16)]
        for _ in range(3):
            again = np.flatnonzero((self.first_word[middle] == surname) & (middle > 0))
            middle[again] = self.middles[row[again], rng.integers(0, DRAWS, len(again), dtype=np.uint16)]
        for _ in range(3):
            again = np.flatnonzero((self.last_word[middle] == given) & (given > 0))
            given[again] = self.givens[row[again], rng.integers(0, DRAWS, len(again), dtype=np.uint16)]
        return middle, given

    def given(
        self,
        rng: np.random.Generator,
        style: NDArray[np.int8],
        sex: NDArray[np.int8],
        year: NDArray[np.int16],
    ) -> NDArray[np.uint16]:
        """Given names alone."""
        row = self._row(style, sex, year)
        return self.givens[row, rng.integers(0, DRAWS, len(row), dtype=np.uint16)]

    def ordered(
        self,
        style: NDArray[np.int8],
        surname: NDArray[np.uint16],
        middle: NDArray[np.uint16],
        given: NDArray[np.uint16],
    ) -> NDArray[np.uint16]:
        """The three phrases as they are written: ``[n, 3]``."""
        last = self.clan_last[style]
        return np.stack(
            [np.where(last, middle, surname), np.where(last, given, middle), np.where(last, surname, given)],
            axis=1,
        )

    @staticmethod
    def _row(style: NDArray[np.int8], sex: NDArray[np.int8], year: NDArray[np.int16]) -> NDArray[np.int64]:
        cohort = cohort_of(year)
        kinh = sex.astype(np.int64) * len(vocabulary.COHORTS) + cohort
        other = 2 * len(vocabulary.COHORTS) + (style.astype(np.int64) - 1) * 2 + sex
        return np.where(style == 0, kinh, other)


def cohort_of(year: NDArray[np.integer]) -> NDArray[np.int64]:
    """The number of the cohort a birth year belongs to (``vocabulary.COHORTS``)."""
    return np.searchsorted(np.array(vocabulary.COHORT_STARTS), year, side="right")


@cache
def naming(namesakes: float = 1.0) -> Naming:
    """The tables, with full names that coincide ``namesakes`` times as often as they do in the nation.

    Raises ValueError for a factor outside 0.1..60, beyond which no vocabulary reaches.
    """
    if not 0.1 <= namesakes <= 60:
        raise ValueError(
            f"namesakes is {namesakes}; wanted 0.1 to 60 times the nation's coincidence of names"
        )
    step = namesakes ** (1 / 3)
    surnames = [_surnames(region) for region in vocabulary.REGIONS]
    middles: list[Weights] = []
    givens: list[Weights] = []
    kinh, surname_sum = _kinh_share_and_surname_sum(surnames)
    for sex in SEXES:
        for cohort in range(len(vocabulary.COHORTS)):
            given = _to_sum(_given(sex, cohort), GIVEN_COINCIDENCE)
            alone = vocabulary.PARTICLE_ALONE[sex][cohort]
            if sex == "F" and cohort < 2:
                wanted = OLDER_WOMEN_COINCIDENCE / (kinh**2 * surname_sum * GIVEN_COINCIDENCE)
                alone = _share_for_sum(cohort, wanted)
            middles.append(_middle(sex, cohort, alone))
            givens.append(given)
    for people in PEOPLES:
        surnames.append(_equal(people.surnames))
        for middle, given_names in (
            (people.male_middle, people.male_given),
            (people.female_middle, people.female_given),
        ):
            middles.append(_equal(middle))
            givens.append(_zipf(given_names, 8.0, 0.8))
    if namesakes != 1:
        surnames = [_to_sum(row, min(0.95, _sum(row) * step)) for row in surnames]
        for at, row in enumerate(middles):
            # What a row of few middle names cannot give (it is nearly all "Thị" already), its given names do.
            middles[at] = _to_sum(row, min(0.95, _sum(row) * step))
            left = namesakes / step / (_sum(middles[at]) / _sum(row))
            givens[at] = _to_sum(givens[at], min(0.95, _sum(givens[at]) * left))
    phrases = [""]
    phrases += sorted(
        {phrase for rows in (surnames, middles, givens) for row in rows for phrase in row} - {""}
    )
    words = sorted({word for phrase in phrases for word in phrase.split(" ")} - set(phrases))
    phrases += words
    number = {phrase: at for at, phrase in enumerate(phrases)}
    titles = [*phrases, *(move_tone(phrase) for phrase in phrases), *(fold(phrase) for phrase in phrases)]
    return Naming(
        namesakes=namesakes,
        size=len(phrases),
        title=pa.array([text or None for text in titles], pa.string()),
        upper=pa.array([text.upper() or None for text in titles], pa.string()),
        movable=np.array([move_tone(phrase) != phrase for phrase in phrases]),
        marked=np.array([fold(phrase) != phrase for phrase in phrases]),
        first_word=np.array([number[phrase.split(" ")[0]] for phrase in phrases], np.uint16),
        last_word=np.array([number[phrase.split(" ")[-1]] for phrase in phrases], np.uint16),
        surnames=_table(surnames, number),
        middles=_table(middles, number),
        givens=_table(givens, number),
        clan_last=np.array([False, *(people.clan_last for people in PEOPLES)]),
    )


def _table(rows: list[Weights], number: dict[str, int]) -> NDArray[np.uint16]:
    table = np.empty((len(rows), DRAWS), np.uint16)
    for at, row in enumerate(rows):
        ids = np.array([number[phrase] for phrase in row], np.uint16)
        table[at] = ids[spread(np.array(list(row.values())), DRAWS)]
    return table


def _phrase(word: str) -> str:
    return unicodedata.normalize("NFC", word.replace("_", " ")).strip()


def _zipf(words: tuple[str, ...] | list[str], offset: float, power: float) -> Weights:
    """Falling weights over the words in order, each word once; they sum to 1."""
    found: Weights = {}
    for rank, word in enumerate(dict.fromkeys(_phrase(word) for word in words)):
        found[word] = (rank + offset) ** -power
    return _shares(found)


def _equal(words: tuple[str, ...]) -> Weights:
    found: Weights = {}
    for word in words:
        found[_phrase(word)] = found.get(_phrase(word), 0.0) + 1.0
    return _shares(found)


def _shares(weights: Weights) -> Weights:
    total = sum(weights.values())
    return {phrase: weight / total for phrase, weight in weights.items()}


def _mixed(*parts: tuple[float, Weights]) -> Weights:
    found: Weights = {}
    for share, weights in parts:
        for phrase, weight in weights.items():
            found[phrase] = found.get(phrase, 0.0) + share * weight
    return _shares({phrase: weight for phrase, weight in found.items() if weight > 0})


def _sum(weights: Weights) -> float:
    return float(sum(share * share for share in weights.values()))


def _to_sum(weights: Weights, wanted: float) -> Weights:
    """The shares raised to the power at which their squares sum to ``wanted``."""
    log = np.log(np.array(list(weights.values())))

    def powered(power: float) -> NDArray[np.float64]:
        raised: NDArray[np.float64] = np.exp(power * (log - log.max()))
        raised /= raised.sum()
        return raised

    power = _solve(lambda at: float(np.sum(powered(at) ** 2)), wanted, 0.01, 12.0)
    return dict(zip(weights, powered(power).tolist(), strict=True))


def _solve(rising: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a rising function takes a value, by bisection; the nearer end where it does not."""
    for _ in range(60):
        middle = (low + high) / 2
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _share_for_sum(cohort: int, wanted: float) -> float:
    """The particle's share among women of a cohort at which the squared shares of their middles sum to
    ``wanted``.
    """
    # Every middle's share is linear in it, so the sum of squares is a quadratic: three points tell it.
    none, half, whole = (_sum(_middle("F", cohort, share)) for share in (0.0, 0.5, 1.0))
    square = 2 * (none + whole - 2 * half)
    linear = whole - none - square
    roots = np.roots([square, linear, none - wanted])
    return float(np.clip(np.max(roots.real), 0.05, 0.95))


def _surnames(region: str) -> Weights:
    common = {_phrase(word): share / 100 for word, share in vocabulary.SURNAMES[region].items()}
    rest = max(0.01, 1 - sum(common.values()))
    rare = [word for word in vocabulary.RARE_SURNAMES if _phrase(word) not in common]
    return _mixed((1 - rest, _shares(common)), (rest, _zipf(rare, 10.0, 0.7)))


def _kinh_share_and_surname_sum(surnames: list[Weights]) -> tuple[float, float]:
    """The Kinh share of the population, and the sum of squared surname shares among all Kinh."""
    where = places()
    kinh = where.weight * (where.style_edges[:, 0])
    by_region = np.bincount(where.region, weights=kinh, minlength=len(surnames))
    mix = _mixed(*zip((by_region / by_region.sum()).tolist(), surnames, strict=True))
    return float(kinh.sum()), _sum(mix)


def _given(sex: str, cohort: int) -> Weights:
    eras = vocabulary.FEMALE_GIVEN if sex == "F" else vocabulary.MALE_GIVEN
    return _mixed(*((mix[cohort], _zipf(eras[era], 6.0, 0.9)) for era, mix in vocabulary.ERA_MIX.items()))


def _middle(sex: str, cohort: int, alone: float) -> Weights:
    """Middle phrases of a sex and cohort, ``alone`` the particle's share among names of one middle word."""
    particle = vocabulary.PARTICLE[sex]
    words = vocabulary.FEMALE_MIDDLE if sex == "F" else vocabulary.MALE_MIDDLE
    none, one, two, three = vocabulary.MIDDLE_WORDS[sex][cohort]
    list_shares = _zipf([word for word in words if word != particle], 3.0, 0.85)
    mothers = _zipf(vocabulary.SURNAME_MIDDLE, 1.0, 0.9)
    first_share = vocabulary.PARTICLE_FIRST[sex][cohort]
    single = _mixed(
        (alone, {particle: 1.0}), ((1 - alone) * 0.96, list_shares), ((1 - alone) * 0.04, mothers)
    )
    first = _mixed(
        (first_share, {particle: 1.0}),
        ((1 - first_share) * 0.8, list_shares),
        ((1 - first_share) * 0.2, mothers),
    )
    pairs = {
        f"{one_word} {other}": share * other_share
        for one_word, share in first.items()
        for other, other_share in list_shares.items()
        if one_word != other
    }
    common = list(list_shares)[:14]
    triples = {
        f"{lead} {one_word} {other}": 1.0
        for lead in (particle, *list(mothers)[:4])
        for one_word in common
        for other in common
        if one_word != other
    }
    return _mixed((none, {"": 1.0}), (one, single), (two, _shares(pairs)), (three, _shares(triples)))
