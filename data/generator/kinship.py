"""Families over four generations: who is whose parent, spouse and sibling, when they are born and when they
die.

A founding couple has children by the fertility of the wife's cohort; children grown up marry people from
outside, whose own parents are only names, and have children in turn. Twins share a birth day; days heap on
1 January, more among the old. The numbers are tuned so that the living have the age pyramid of 2024 within
a few per cent.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from data.generator import dates
from data.generator.places import Places

#: Last day on which somebody is born, and the day from which the register holds people: who died before it,
#: or never existed as a partner, is a relative outside of every source.
LAST_BIRTH = dates.day("2026-10-31")
REGISTER_START = dates.day("2021-07-01")
EXTRACT = dates.day("2026-11-20")
#: Share of birth dates on 1 January beyond chance, by first birth year of the band.
HEAPS = ((1890, 0.055), (1945, 0.035), (1960, 0.020), (1975, 0.008), (1990, 0.002))
TWIN_BIRTHS = 0.011
#: Share of couples of which only the mother is known.
NO_FATHER = 0.03
#: Persons of the register for each founding couple, a little below what is measured.
PERSONS_A_COUPLE = 15.6

_FOUNDING_YEARS = np.array([1905, 1920, 1935, 1950, 1962, 1975, 1988, 2002])
_FOUNDING_SHARES = np.array([0.02, 0.08, 0.22, 0.36, 0.17, 0.08, 0.07])
_CHILDREN_YEARS = np.array([1900, 1935, 1945, 1955, 1965, 1975, 1985])
_CHILDREN = np.array([4.8, 4.4, 3.4, 2.6, 2.2, 2.05, 2.0])
_MARRIED_AGES = np.array([0, 20, 25, 30, 35])
_MARRIED = np.array([0.0, 0.20, 0.52, 0.78, 0.90])


@dataclass
class Kin:
    """One array entry a person. Relatives are indices into the same arrays, -1 where there is none.

    ``household`` indexes ``home_province``, the province each household lives in.
    """

    sex: NDArray[np.int8]  # 0 male, 1 female
    birth: NDArray[np.int32]  # date code
    death: NDArray[np.int32]  # date code, possibly in the future
    style: NDArray[np.int8]
    born_in: NDArray[np.int8]  # province of birth registration
    father: NDArray[np.int32]
    mother: NDArray[np.int32]
    spouse: NDArray[np.int32]
    elder: NDArray[np.int32]  # the sibling born before
    twin: NDArray[np.bool_]  # of the elder sibling
    household: NDArray[np.int32]
    absent: NDArray[np.bool_]  # a partner who never existed
    home_province: NDArray[np.int8]

    def present(self) -> NDArray[np.int64]:
        """Who can be in a register: alive on its first day or born later."""
        return np.flatnonzero(~self.absent & (self.death >= REGISTER_START))


def heaped(rng: np.random.Generator, birth: NDArray[np.int32]) -> NDArray[np.int32]:
    """The dates, a share of them by age moved to 1 January of their year."""
    year = dates.YEAR[birth]
    share = np.array([heap for _, heap in HEAPS])[
        np.searchsorted(np.array([first for first, _ in HEAPS]), year, side="right") - 1
    ]
    return np.where(rng.random(len(birth)) < share, dates.first_of_year(year), birth).astype(np.int32)


def lifetimes(rng: np.random.Generator, count: int) -> NDArray[np.int32]:
    """Days lived, by Gompertz' law with a mean near 76 years and 1.2 % lost in infancy."""
    slope, start = 0.0975, 3.0e-5
    years = np.log1p(-np.log(1 - rng.random(count)) * slope / start) / slope
    infant = rng.random(count) < 0.012
    return np.where(infant, rng.integers(0, 700, count), years * 365.25).astype(np.int32)


def families(rng: np.random.Generator, places: Places, wanted: int) -> Kin:
    """Families that hold at least ``wanted`` people who can be in a register."""
    kin = _wave(rng, places, int(wanted / PERSONS_A_COUPLE * 1.02) + 2)
    held = len(kin.present())
    while held < wanted:
        kin = _joined(kin, _wave(rng, places, int((wanted - held) / PERSONS_A_COUPLE * 1.1) + 4))
        held = len(kin.present())
    return kin


def _wave(rng: np.random.Generator, places: Places, couples: int) -> Kin:
    span = rng.choice(len(_FOUNDING_SHARES), couples, p=_FOUNDING_SHARES)
    years = _FOUNDING_YEARS[span] + (rng.random(couples) * np.diff(_FOUNDING_YEARS)[span]).astype(np.int64)
    wife_birth = dates.first_of_year(years) + rng.integers(0, 365, couples, dtype=np.int32)
    husband_birth = _husband_birth(rng, wife_birth)
    province = places.residences(rng, couples)
    style = places.styles(rng.random(couples), province)
    household = np.arange(couples, dtype=np.int32)
    wives = np.arange(couples, dtype=np.int32)
    husbands = wives + couples
    nobody = np.full(2 * couples, -1, np.int32)
    blocks = [
        Kin(
            sex=np.repeat(np.array([1, 0], np.int8), couples),
            birth=heaped(rng, np.concatenate([wife_birth, husband_birth])),
            death=np.zeros(0, np.int32),
            style=np.tile(style, 2),
            born_in=places.migrated(rng, np.tile(province, 2), 0.12),
            father=nobody,
            mother=nobody,
            spouse=np.concatenate([husbands, wives]),
            elder=nobody,
            twin=np.zeros(2 * couples, np.bool_),
            household=np.tile(household, 2),
            absent=np.concatenate([np.zeros(couples, np.bool_), rng.random(couples) < NO_FATHER]),
            home_province=province,
        )
    ]
    couple = _Couples(wives, husbands, wife_birth, style, province, household, blocks[0].absent[couples:])
    persons, households = 2 * couples, couples
    while len(couple.wife):
        couple, block = _next_generation(rng, places, couple, persons, households)
        persons += len(block.sex)
        households += len(block.home_province)
        blocks.append(block)
    kin = Kin(*(np.concatenate([getattr(block, entry.name) for block in blocks]) for entry in fields(Kin)))
    kin.death = kin.birth + lifetimes(rng, persons)
    partner = kin.spouse
    alone = kin.absent[partner] & (partner >= 0)
    partner[alone] = -1
    return kin


@dataclass
class _Couples:
    wife: NDArray[np.int32]
    husband: NDArray[np.int32]
    wife_birth: NDArray[np.int32]
    style: NDArray[np.int8]
    province: NDArray[np.int8]
    household: NDArray[np.int32]
    no_husband: NDArray[np.bool_]


def _husband_birth(rng: np.random.Generator, wife_birth: NDArray[np.int32]) -> NDArray[np.int32]:
    older = rng.normal(2.9, 3.0, len(wife_birth)).clip(-6, 15) * 365.25
    return np.clip(wife_birth - older.astype(np.int32), 0, LAST_BIRTH - 18 * 365).astype(np.int32)


def _next_generation(
    rng: np.random.Generator, places: Places, couple: _Couples, persons: int, households: int
) -> tuple[_Couples, Kin]:
    """The children of the couples, the partners of those who marry, and the couples that makes."""
    year = dates.YEAR[couple.wife_birth]
    children = np.minimum(
        rng.poisson(_CHILDREN[np.searchsorted(_CHILDREN_YEARS, year, side="right") - 1]), 12
    )
    parent = np.repeat(np.arange(len(children)), children)
    place = np.arange(len(parent)) - np.repeat(np.cumsum(children) - children, children)
    twin = (rng.random(len(parent)) < TWIN_BIRTHS) & (place > 0)
    first = (rng.normal(24.3, 3.6, len(parent)).clip(17, 38) + (year[parent] >= 1980) * 1.6) * 365.25
    gap = (1.2 + rng.standard_gamma(2.0, len(parent), dtype=np.float32) * 1.15) * 365.25
    step = np.where(place == 0, first, np.where(twin, 0.0, gap))
    total = np.cumsum(step)
    starts = np.repeat(np.cumsum(children) - children, children)
    days = total - (total - step)[starts]
    born = (couple.wife_birth[parent] + days).astype(np.int64)
    held = (born <= LAST_BIRTH) & (days < 46.0 * 365.25)
    parent, place, twin, born = parent[held], place[held], twin[held], born[held]
    count = len(parent)
    birth = heaped(rng, born.astype(np.int32))
    for _ in range(2):
        at = np.flatnonzero(twin)
        birth[at] = birth[at - 1]
    number = np.arange(persons, persons + count, dtype=np.int32)
    sex = (rng.random(count) >= 0.515).astype(np.int8)
    style = couple.style[parent]
    born_in = couple.province[parent]
    age = (EXTRACT - birth) / 365.25
    married = np.flatnonzero(
        rng.random(count) < _MARRIED[np.searchsorted(_MARRIED_AGES, age, side="right") - 1]
    )
    # Grown children without a partner keep the parents' household, or have one of their own.
    own = rng.random(count) < np.where(age >= 20, 0.3, 0.0)
    own[married] = True
    household = np.where(own, households + np.cumsum(own) - 1, couple.household[parent]).astype(np.int32)
    home_province = places.migrated(rng, born_in[own], 0.14)

    partners = len(married)
    their_sex = (1 - sex[married]).astype(np.int8)
    older = rng.normal(2.9, 3.0, partners).clip(-6, 15) * 365.25
    their_birth = np.where(their_sex == 0, birth[married] - older, birth[married] + older).astype(np.int32)
    their_birth = heaped(rng, np.clip(their_birth, 0, LAST_BIRTH - 18 * 365).astype(np.int32))
    their_born_in = places.migrated(rng, born_in[married], 0.2)
    mixed = rng.random(partners) < 0.12
    their_style = np.where(mixed, places.styles(rng.random(partners), their_born_in), style[married])
    their_number = np.arange(persons + count, persons + count + partners, dtype=np.int32)

    spouse = np.full(count + partners, -1, np.int32)
    spouse[married] = their_number
    spouse[count:] = number[married]
    nobody = np.full(partners, -1, np.int32)
    no_father = couple.no_husband[parent]
    block = Kin(
        sex=np.concatenate([sex, their_sex]),
        birth=np.concatenate([birth, their_birth]),
        death=np.zeros(0, np.int32),
        style=np.concatenate([style, their_style.astype(np.int8)]),
        born_in=np.concatenate([born_in, their_born_in]),
        father=np.concatenate([np.where(no_father, -1, couple.husband[parent]).astype(np.int32), nobody]),
        mother=np.concatenate([couple.wife[parent], nobody]),
        spouse=spouse,
        elder=np.concatenate([np.where(place > 0, number - 1, -1).astype(np.int32), nobody]),
        twin=np.concatenate([twin, np.zeros(partners, np.bool_)]),
        household=np.concatenate([household, household[married]]),
        absent=np.zeros(count + partners, np.bool_),
        home_province=home_province,
    )
    woman = sex[married] == 1
    wives = np.where(woman, number[married], their_number)
    husbands = np.where(woman, their_number, number[married])
    single_mother = woman & (rng.random(partners) < NO_FATHER)
    block.absent[count:] = single_mother
    head_style = np.where(woman, their_style, style[married])
    head_style = np.where(single_mother, style[married], head_style)
    couples = _Couples(
        wife=wives.astype(np.int32),
        husband=husbands.astype(np.int32),
        wife_birth=np.where(woman, birth[married], their_birth).astype(np.int32),
        style=head_style.astype(np.int8),
        province=home_province[household[married] - households],
        household=household[married],
        no_husband=single_mother,
    )
    return couples, block


def _joined(one: Kin, other: Kin) -> Kin:
    persons, households = len(one.sex), len(one.home_province)
    for name in ("father", "mother", "spouse", "elder"):
        links = getattr(other, name)
        links[links >= 0] += persons
    other.household += households
    return Kin(
        *(np.concatenate([getattr(one, entry.name), getattr(other, entry.name)]) for entry in fields(Kin))
    )


def one_year(rng: np.random.Generator, places: Places, year: int, count: int) -> Kin:
    """Everyone born in one year: twins and couples of one age among them, all other relatives outside."""
    first = int(dates.first_of_year(np.array([year]))[0])
    last = min(int(dates.first_of_year(np.array([year + 1]))[0]), LAST_BIRTH + 1)
    birth = heaped(rng, rng.integers(first, last, count, dtype=np.int32))
    sex = (rng.random(count) >= 0.515).astype(np.int8)
    born_in = places.residences(rng, count)
    style = places.styles(rng.random(count), born_in)
    home = places.migrated(rng, born_in, 0.25)
    household = np.arange(count, dtype=np.int32)
    elder = np.full(count, -1, np.int32)
    twin = np.zeros(count, np.bool_)
    # A pair of twins is two people of 2 * 1.1 % / (1 + 1.1 %).
    at = np.flatnonzero(rng.random(count // 2) < 2 * TWIN_BIRTHS / (1 + TWIN_BIRTHS)) * 2
    elder[at + 1] = at
    twin[at + 1] = True
    birth[at + 1] = birth[at]
    born_in[at + 1] = born_in[at]
    style[at + 1] = style[at]
    spouse = np.full(count, -1, np.int32)
    age = (EXTRACT - first) / 365.25
    married = 0.10 * float(_MARRIED[np.searchsorted(_MARRIED_AGES, age, side="right") - 1])
    for offset, sexes in ((0, (0, 1)), (0, (1, 0))):
        head = (
            np.flatnonzero(
                (sex[offset : count - 1 : 2] == sexes[0])
                & (sex[offset + 1 : count : 2] == sexes[1])
                & (rng.random(len(sex[offset + 1 : count : 2])) < married)
            )
            * 2
            + offset
        )
        head = head[~twin[head + 1]]
        spouse[head] = head + 1
        spouse[head + 1] = head
        household[head + 1] = household[head]
    nobody = np.full(count, -1, np.int32)
    life = lifetimes(rng, count)
    # Who belongs to the slice was alive when the register began.
    alive = np.maximum(birth, REGISTER_START)
    death = np.where(birth + life < alive, alive + rng.integers(0, 40 * 365, count), birth + life)
    return Kin(
        sex=sex, birth=birth, death=death.astype(np.int32), style=style, born_in=born_in, father=nobody,
        mother=nobody.copy(), spouse=spouse, elder=elder, twin=twin, household=household,
        absent=np.zeros(count, np.bool_), home_province=home,
    )  # fmt: skip
