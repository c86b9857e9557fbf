"""The register of one chunk: its rows, its errors, and the numbers it has cancelled."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.generator import dates
from data.generator.columns import digit_texts, joined, replaced, take
from data.generator.damage import damaged_name, wrong_date
from data.generator.kinship import EXTRACT, REGISTER_START
from data.generator.layouts import REGISTER_COLUMNS, REGISTER_SEX
from data.generator.naming import Naming
from data.generator.people import HAD_OLD_NUMBER, REISSUE_REASONS, People
from data.generator.places import Places
from data.generator.rates import RegisterRates
from data.generator.truth import SourceErrors
from data.generator.vocabulary import REGIONS

#: Shares of the register's rows with a value: of the old number among those born before 2004, of phone and
#: parents.
OLD_NUMBER, PHONE, PARENTS = 0.90, 0.70, 0.80
ALIAS = pa.schema(
    [
        ("person_id", pa.string()),
        ("number", pa.string()),
        ("valid_from", pa.date32()),
        ("valid_to", pa.date32()),
        ("reason", pa.string()),
    ]
)
_SEXES = pa.array(list(REGISTER_SEX), pa.string())
_STANDARD_SEXES = pa.array(["M", "F"], pa.string())


def person_ids(people: People) -> pa.Array:
    """The surrogate keys as text: nine digits behind P in the register, behind U outside of it."""
    inside = digit_texts(people.person, 9, "P")
    outside = np.flatnonzero(~people.registered)
    return replaced(inside, outside, digit_texts(people.person[outside], 9, "U"))


def register_rows(
    rng: np.random.Generator,
    people: People,
    person_id: pa.Array,
    naming: Naming,
    places: Places,
    rates: RegisterRates,
) -> tuple[pa.Table, SourceErrors]:
    """The register's table and its errors; who is dead without an entry is marked dead in ``people``."""
    first = np.flatnonzero(people.registered)
    person = np.concatenate([first, people.twice])
    second = np.repeat([False, True], [len(first), len(people.twice)])
    number = np.concatenate([people.number[first], people.second_number])
    key = np.concatenate([people.person[first], people.second_person])
    order = rng.permutation(len(person))
    person, second, number, key = person[order], second[order], number[order], key[order]
    rows = len(person)
    record_id = digit_texts(key, 9, "P")
    errors = SourceErrors("register", record_id, person)
    slips = random.Random(int(rng.integers(2**62)))

    name = joined(naming.title, people.name[person])
    at = np.flatnonzero(rng.random(rows) < rates.name_wrong)
    true_name = take(name, at)
    held, kinds = [], []
    for text, region in zip(true_name.to_pylist(), people.region[person[at]].tolist(), strict=True):
        wrong, kind = damaged_name(text, REGIONS[region], slips)
        held.append(wrong)
        kinds.append(kind)
    wrong_names = pa.array(held, pa.string())
    name = replaced(name, at, wrong_names)
    errors.plant(at, "full_name", pa.array(kinds, pa.string()), wrong_names, true_name)

    birth = people.birth[person].copy()
    at = np.flatnonzero(rng.random(rows) < rates.birth_date_wrong)
    kinds = []
    iso = dates.texts("yyyy-mm-dd")
    true_birth = iso.take(pa.array(birth[at]))
    for row in at.tolist():
        birth[row], kind = wrong_date(int(birth[row]), slips)
        kinds.append(kind)
    errors.plant(at, "birth_date", pa.array(kinds, pa.string()), iso.take(pa.array(birth[at])), true_birth)

    sex = people.sex[person].copy()
    at = np.flatnonzero(rng.random(rows) < rates.sex_wrong)
    sex[at] = 1 - sex[at]
    errors.plant(
        at,
        "sex",
        "wrong",
        _STANDARD_SEXES.take(pa.array(sex[at])),
        _STANDARD_SEXES.take(pa.array(1 - sex[at])),
    )

    death = people.death[person]
    living = np.flatnonzero((death == dates.NO_DAY) & ~second)
    chance = min(1.0, rates.death_not_entered * rows / max(1, len(living)))
    at = living[rng.random(len(living)) < chance]
    begin = np.maximum(people.birth[person[at]] + 1, REGISTER_START)
    died = rng.integers(begin, np.maximum(begin + 1, EXTRACT), dtype=np.int32)
    people.death[person[at]] = died
    errors.plant(at, "death_date", "not_entered", None, iso.take(pa.array(died)))

    at = np.flatnonzero(second)
    person_of = take(person_id, person[at])
    errors.plant(at, "record", "held_twice", take(record_id, at), person_of)

    old = people.old_number[person]
    phone = people.phone[person]
    no_parents = rng.random(rows) >= PARENTS
    columns = {
        "person_id": record_id,
        "personal_number": digit_texts(number, 12),
        "old_number": digit_texts(
            old, 9, missing=(old == 0) | (rng.random(rows) >= OLD_NUMBER / HAD_OLD_NUMBER)
        ),
        "full_name": name,
        "birth_date": dates.arrow(birth),
        "sex": _SEXES.take(pa.array(sex)),
        "birth_province": places.province_gso.take(pa.array(people.born_in[person])),
        "commune": places.after.take(pa.array(people.home[person])),
        "phone": digit_texts(phone, 10, missing=rng.random(rows) >= PHONE),
        "father_name": _parents(naming, people.father_name[person], no_parents),
        "mother_name": _parents(naming, people.mother_name[person], no_parents),
        "death_date": dates.arrow(death),
    }
    return pa.table({name: columns[name] for name in REGISTER_COLUMNS}), errors


def _parents(naming: Naming, names: NDArray[np.uint16], missing: NDArray[np.bool_]) -> pa.Array:
    return joined(naming.title, names, missing=missing | ~names.any(axis=1))


def alias_rows(rng: np.random.Generator, people: People, person_id: pa.Array) -> pa.Table:
    """The cancelled numbers of registered persons; ``valid_to`` is the day the present number was given."""
    order = rng.permutation(len(people.reissued))
    person = people.reissued[order]
    return pa.table(
        [
            take(person_id, person),
            digit_texts(people.cancelled[person], 12),
            dates.arrow(people.birth[person]),
            dates.arrow(people.reissued_on[order]),
            pa.array(REISSUE_REASONS, pa.string()).take(pa.array(people.reissue_reason[order])),
        ],
        schema=ALIAS,
    )
