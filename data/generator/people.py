"""The people of one chunk: families with names, numbers, homes and phones, and who of them the register
holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.generator import dates, kinship
from data.generator.coverage import demand
from data.generator.minorities import PEOPLES
from data.generator.naming import Naming
from data.generator.numbers import Serials, cell, mobile_numbers
from data.generator.places import Places
from data.generator.rates import Rates

#: Share of sons who bear their father's full name.
NAMED_AFTER_FATHER = 0.0015
#: Share of people whose number says another sex or birth year than their own, as some cards do.
STRUCTURE_OFF = 0.0005
#: Share of people whose number was cancelled and re-issued.
REISSUED = 0.003
#: Share of people born before 2004 who ever had a nine-digit number.
HAD_OLD_NUMBER = 0.97
OLD_NUMBER_UNTIL = 2004
REISSUE_REASONS = ("sex_redetermined", "birth_year_corrected", "registration_place_corrected")
_FIRST_REISSUE = dates.day("2017-01-01")
_FIRST_MOVE = dates.day("2018-01-01")
_MATRILINEAL = np.array([False, *(people.name in {"ede", "giarai", "coho"} for people in PEOPLES)])


@dataclass
class People:
    """One array entry a person of the chunk, unregistered ones included; relatives are indices, -1 for
    none.

    Numbers are integers: personal numbers of twelve digits, old numbers of nine (0: never had one), phones
    without the leading zero. ``person`` is the nine-digit surrogate key.
    """

    count: int
    sex: NDArray[np.int8]
    birth: NDArray[np.int32]
    year: NDArray[np.int16]
    age: NDArray[np.int16]  # on the day of the extracts
    death: NDArray[np.int32]  # date code, NO_DAY for the living
    born_in: NDArray[np.int8]
    region: NDArray[np.int8]
    name: NDArray[np.uint16]  # [n, 3] phrases
    father_name: NDArray[np.uint16]  # [n, 3]; zeros where unknown
    mother_name: NDArray[np.uint16]
    father: NDArray[np.int64]
    mother: NDArray[np.int64]
    spouse: NDArray[np.int64]
    elder: NDArray[np.int64]
    child: NDArray[np.int64]
    home: NDArray[np.int32]
    former_home: NDArray[np.int32]
    moved_on: NDArray[np.int32]
    phone: NDArray[np.int64]
    earlier_phone: NDArray[np.int64]
    relative_phone: NDArray[np.int64]
    registered: NDArray[np.bool_]
    person: NDArray[np.int64]
    cell: NDArray[np.int32]
    number: NDArray[np.int64]
    old_number: NDArray[np.int64]
    reissued: NDArray[np.int64]  # persons with a cancelled number
    cancelled: NDArray[np.int64]  # by person, 0 where none
    reissued_on: NDArray[np.int32]  # by entry of ``reissued``
    reissue_reason: NDArray[np.int8]
    twice: NDArray[np.int64]  # persons the register holds twice
    second_person: NDArray[np.int64]  # the surrogate key of the second row
    second_number: NDArray[np.int64]
    twins: int
    named_after_father: int


def people_of(
    rng: np.random.Generator,
    places: Places,
    naming: Naming,
    serials: Serials,
    rates: Rates,
    registered: int,
    born: int | None,
) -> People:
    """``registered`` people of the register, with the unregistered ones that the agencies will hold beside
    them.
    """
    unregistered = demand(rates, born).pool(registered, rng)
    wanted = registered + unregistered
    kin = (
        kinship.families(rng, places, wanted) if born is None else kinship.one_year(rng, places, born, wanted)
    )
    names, father_names, mother_names, after_father = _names(rng, places, naming, kin)
    chosen = kin.present()[:wanted]
    inside = np.full(len(kin.sex) + 1, -1, np.int64)
    inside[chosen] = np.arange(wanted)

    sex, birth = kin.sex[chosen], kin.birth[chosen]
    year = dates.YEAR[birth]
    death = kin.death[chosen].copy()
    death[death > kinship.EXTRACT] = dates.NO_DAY
    age = ((kinship.EXTRACT - birth) / 365.25).astype(np.int16)
    father, mother = inside[kin.father[chosen]], inside[kin.mother[chosen]]
    spouse, elder = inside[kin.spouse[chosen]], inside[kin.elder[chosen]]
    child = np.full(wanted + 1, -1, np.int64)
    child[father] = np.arange(wanted)
    child[mother] = np.arange(wanted)

    home, former_home, moved_on = _homes(rng, places, kin, chosen, age)
    phone, earlier_phone, relative_phone = _phones(rng, age, father, mother, spouse, child[:-1])
    in_register = np.ones(wanted, np.bool_)
    in_register[demand(rates, born).choose(rng, age, unregistered)] = False

    born_in = kin.born_in[chosen]
    prefix = places.prefix[born_in]
    cells = _cells(rng, prefix, sex, year)
    reissued = np.flatnonzero((rng.random(wanted) < REISSUED) & in_register)
    reason = rng.choice(3, len(reissued), p=[0.15, 0.45, 0.40]).astype(np.int8)
    earlier_cells = _earlier_cells(rng, places, prefix[reissued], sex[reissued], year[reissued], reason)
    twice = np.flatnonzero((rng.random(wanted) < rates.register.held_twice) & in_register)
    numbers = serials.personal_numbers(np.concatenate([cells, earlier_cells, cells[twice]]))
    cancelled = np.zeros(wanted, np.int64)
    cancelled[reissued] = numbers[wanted : wanted + len(reissued)]
    keys = serials.person_ids(wanted + len(twice))

    had_old = np.flatnonzero((year < OLD_NUMBER_UNTIL) & (rng.random(wanted) < HAD_OLD_NUMBER))
    old_number = np.zeros(wanted, np.int64)
    old_number[had_old] = serials.old_numbers(_old_prefixes(rng, places, born_in[had_old]))
    return People(
        count=wanted,
        sex=sex,
        birth=birth,
        year=year,
        age=age,
        death=death,
        born_in=born_in,
        region=places.region[born_in],
        name=names[chosen],
        father_name=father_names[chosen],
        mother_name=mother_names[chosen],
        father=father,
        mother=mother,
        spouse=spouse,
        elder=elder,
        child=child[:-1],
        home=home,
        former_home=former_home,
        moved_on=moved_on,
        phone=phone,
        earlier_phone=earlier_phone,
        relative_phone=relative_phone,
        registered=in_register,
        person=keys[:wanted],
        cell=cells,
        number=numbers[:wanted],
        old_number=old_number,
        reissued=reissued,
        cancelled=cancelled,
        reissued_on=rng.integers(
            np.maximum(birth[reissued] + 1, _FIRST_REISSUE), kinship.EXTRACT, dtype=np.int32
        ),
        reissue_reason=reason,
        twice=twice,
        second_person=keys[wanted:],
        second_number=numbers[wanted + len(reissued) :],
        twins=int((kin.twin[chosen] & (elder >= 0)).sum()),
        named_after_father=int(inside[after_father].clip(min=-1).__ge__(0).sum()),
    )


def _names(
    rng: np.random.Generator, places: Places, naming: Naming, kin: kinship.Kin
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.int64]]:
    """Written names of all, of their fathers and mothers, and who is named after his father."""
    count = len(kin.sex)
    year = dates.YEAR[kin.birth]
    region = places.region[kin.born_in]
    # The surname comes from the first ancestor in the line; four generations are two doublings.
    line = np.where(_MATRILINEAL[kin.style] | (kin.father < 0), kin.mother, kin.father)
    line = np.where(line < 0, np.arange(count), line)
    twins = np.flatnonzero(kin.twin & (kin.mother < 0))
    line[twins] = line[kin.elder[twins]]
    line = line[line]
    line = line[line]
    surname = naming.surname(rng, kin.style, region)[line]
    middle, given = naming.first_names(rng, kin.style, kin.sex, year, surname)

    sibling = np.flatnonzero(kin.elder >= 0)
    sibling = sibling[
        (kin.sex[sibling] == kin.sex[kin.elder[sibling]])
        & (kin.style[sibling] == kin.style[kin.elder[sibling]])
    ]
    alike = sibling[rng.random(len(sibling)) < np.where(kin.twin[sibling], 0.6, 0.22)]
    middle[alike] = middle[kin.elder[alike]]
    for _ in range(4):
        same = sibling[given[sibling] == given[kin.elder[sibling]]]
        given[same] = naming.given(rng, kin.style[same], kin.sex[same], year[same])
    sons = np.flatnonzero((kin.sex == 0) & (kin.father >= 0))
    after_father = sons[rng.random(len(sons)) < NAMED_AFTER_FATHER]
    middle[after_father] = middle[kin.father[after_father]]
    given[after_father] = given[kin.father[after_father]]
    names = naming.ordered(kin.style, surname, middle, given)

    parents = []
    for sex, link in ((0, kin.father), (1, kin.mother)):
        parent = np.where(link < 0, 0, link)
        of_parent = names[parent]
        # Those whose parents are outside have parents of a name all the same; twins share them.
        outside = np.flatnonzero((link < 0) & (kin.mother < 0))
        style, born = kin.style[outside], year[outside] - 27
        sexes = np.full(len(outside), sex, np.int8)
        drawn = naming.surname(rng, style, region[outside])
        inherits = _MATRILINEAL[style] == bool(sex)
        theirs = np.where(inherits, surname[outside], drawn)
        of_parent[outside] = naming.ordered(
            style, theirs, *naming.first_names(rng, style, sexes, born, theirs)
        )
        unknown = outside[rng.random(len(outside)) < (0.04 if sex == 0 else 0.01)]
        of_parent[unknown] = 0
        of_parent[twins] = of_parent[kin.elder[twins]]
        if sex == 0:
            of_parent[(link < 0) & (kin.mother >= 0)] = 0
        parents.append(of_parent)
    return names, parents[0], parents[1], after_father


def _homes(
    rng: np.random.Generator,
    places: Places,
    kin: kinship.Kin,
    chosen: NDArray[np.int64],
    age: NDArray[np.int16],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Where each lives, lived before, and since when; children moved with their household."""
    homes = places.homes(rng, kin.home_province)
    household = kin.household[chosen]
    home = homes[household]
    former_province = places.migrated(rng, kin.home_province, 0.3)
    former_of_household = places.homes(rng, former_province)
    own = places.homes(rng, places.migrated(rng, kin.home_province[household], 0.3))
    former = np.where(age < 20, former_of_household[household], own)
    for _ in range(4):
        same = np.flatnonzero(places.after_code[former] == places.after_code[home])
        former[same] = places.homes(rng, places.home_province[home[same]])
    same = np.flatnonzero(places.after_code[former] == places.after_code[home])
    while len(same):
        former[same] = (former[same] + 1) % len(places.after_code)
        same = same[places.after_code[former[same]] == places.after_code[home[same]]]
    moved_on = rng.integers(_FIRST_MOVE, kinship.EXTRACT, len(chosen), dtype=np.int32)
    return home, former, moved_on


def _phones(
    rng: np.random.Generator,
    age: NDArray[np.int16],
    father: NDArray[np.int64],
    mother: NDArray[np.int64],
    spouse: NDArray[np.int64],
    child: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The phone each gives, one used earlier, and one of a relative; families share them."""
    count = len(age)
    own = mobile_numbers(rng, count)
    former = mobile_numbers(rng, count)
    pick = rng.random(count)
    parent = np.where((mother >= 0) & ((pick < 0.55) | (father < 0)), mother, father)
    other_parent = np.where(parent == mother, father, mother)
    grown = np.where((age > 68) & (child >= 0), child, spouse)
    source = np.where(age < 16, parent, grown)
    has_own = np.where(age < 10, 0.0, np.where(age < 16, 0.15, np.where(age > 68, 0.6, 0.88)))
    borrowed = (rng.random(count) >= has_own) & (source >= 0)
    phone = np.where(borrowed, own[source], own)
    earlier = np.where((age < 16) & (other_parent >= 0) & (pick < 0.8), own[other_parent], former)
    near = np.where(
        age < 16, other_parent, np.where(spouse >= 0, spouse, np.where(child >= 0, child, parent))
    )
    relative = np.where(near >= 0, own[near], former)
    return phone, earlier, relative


def _cells(
    rng: np.random.Generator, prefix: NDArray[np.int32], sex: NDArray[np.int8], year: NDArray[np.int16]
) -> NDArray[np.int32]:
    cells = cell(prefix, sex, year)
    off = np.flatnonzero(rng.random(len(cells)) < STRUCTURE_OFF)
    wrong_sex = rng.random(len(off)) < 0.3
    shifted = np.clip(year[off] + rng.choice(np.array([-10, -2, -1, 1, 2]), len(off)), 1900, 2026)
    cells[off] = np.where(
        wrong_sex, cell(prefix[off], 1 - sex[off], year[off]), cell(prefix[off], sex[off], shifted)
    )
    return cells


def _earlier_cells(
    rng: np.random.Generator,
    places: Places,
    prefix: NDArray[np.int32],
    sex: NDArray[np.int8],
    year: NDArray[np.int16],
    reason: NDArray[np.int8],
) -> NDArray[np.int32]:
    """The beginnings of the numbers that were cancelled, by why they were."""
    count = len(prefix)
    corrected = np.clip(year + rng.choice(np.array([-3, -2, -1, 1, 2, 3]), count), 1900, 2026)
    elsewhere = places.prefix[places.residences(rng, count)]
    return np.where(
        reason == 0,
        cell(prefix, 1 - sex, year),
        np.where(reason == 1, cell(prefix, sex, corrected), cell(elsewhere, sex, year)),
    ).astype(np.int32)


def _old_prefixes(rng: np.random.Generator, places: Places, province: NDArray[np.int8]) -> NDArray[np.int32]:
    width = max(len(found) for found in places.old_prefixes)
    table = np.stack([np.resize(found, width) for found in places.old_prefixes])
    return table[province, rng.integers(0, width, len(province))]
