from __future__ import annotations

import random

import numpy as np

from linkage.compare import Comparer
from linkage.levels import Level, Part, compile_parts
from tests.linkage import small


def part(name: str, columns: tuple[str, ...], *conditions: str) -> Part:
    return Part(name, columns, tuple(Level(f"level{i}", when) for i, when in enumerate(conditions)))


#: Every kind of column, measures with and without bits of the same column.
PARTS = [
    part(
        "number",
        ("personal_number", "old_number"),
        "personal_number.null and old_number.null",
        "personal_number.exact",
        "personal_number.alias",
        "old_number.exact",
        "personal_number.one_digit or personal_number.adjacent_swap",
        "not personal_number.null and personal_number.held",
        "always",
    ),
    part(
        "birth", ("birth_date",), "null", "exact", "swapped", "year_equal and not partial", "heaped", "always"
    ),
    part(
        "name",
        ("full_name",),
        "null",
        "exact",
        "bare",
        "reordered",
        "osa <= 1 and known",
        "osa <= 1",
        "initials",
        "given",
        "always",
    ),
    part("sex", ("sex",), "null", "exact", "always"),
    part("unit", ("commune",), "null", "exact", "overlap", "same_province", "always"),
    part("phone", ("phone",), "null", "exact", "one_digit", "always"),
    part("school", ("school",), "null", "exact", "levenshtein <= 1", "jaro >= 0.6", "always"),
]
NAMES_ONLY_MEASURED = [
    part("near", ("full_name",), "jaro_winkler >= 0.9", "osa <= 3", "overlap >= 0.3", "osa >= 6", "always"),
    part("text", ("school",), "osa <= 1", "jaro_winkler >= 0.65", "always"),
]


def nation(seed: int, count: int = 60) -> list[small.Person]:
    rng = random.Random(seed)
    people = [small.random_person(rng) for _ in range(count)]
    for person in people[::3]:
        person["personal_number"] = rng.choice(["001085000123", "034199888777", "079201555666"])
        person["phone"] = rng.choice(["0901234567", "0387654321"])
        person["full_name"] = rng.choices(["Nguyễn", "Nguyên", "Văn", "V", "Minh", "Mihn", "Hằng"], k=3)
    people[1]["school"] = "Nguyễn Huệ"
    people[0]["full_name"], people[-1]["full_name"] = ["Nguyễn", "Văn", "Minh"], ["Nguyễn", "V", "Minh"]
    return people


def levels(parts: list[Part], people: list[small.Person], register: int) -> tuple[list, list]:
    """Levels of all pairs by the comparer in batches, and by plain Python."""
    coded, meaning = small.coded_nation(people[:register], [people[register:]])
    held = {
        column: {p[column] for p in people[:register] if p.get(column)}
        for column in ("personal_number", "old_number", "phone")
    }
    for column, numbers in held.items():
        flags = [bool(p.get(column)) and p[column] in numbers for p in people]
        coded.arrays[f"{column}.held"] = np.array(flags, np.uint8)  # type: ignore[index]
    held["full_name"] = {tuple(p["full_name"]) for p in people[:register] if p.get("full_name")}
    known = [bool(p.get("full_name")) and tuple(p["full_name"]) in held["full_name"] for p in people]
    coded.arrays["full_name.known"] = np.array(known, np.uint8)  # type: ignore[index]
    programme = compile_parts(parts, small.KINDS)
    asked = [(a, b) for a in range(len(people)) for b in range(0, len(people), 2)]
    comparer = Comparer(programme, meaning, coded, batch=1000)
    found = []
    for at in range(0, len(asked), 1000):
        some = np.array(asked[at : at + 1000])
        patterns = comparer.compare(some[:, 0].copy(), some[:, 1].copy())
        found += programme.levels_of(patterns).tolist()
    wanted = []
    for a, b in asked:
        features = small.pair_features(people[a], people[b], held)
        wanted.append(
            [
                next(
                    i
                    for i, level in enumerate(one.levels)
                    if small.condition_holds(level.when, one.columns, features)
                )
                for one in parts
            ]
        )
    return found, wanted


def test_comparer__equals_looking_at_every_pair() -> None:
    found, wanted = levels(PARTS, nation(1), 30)
    assert found == wanted
    for index, one in enumerate(PARTS):
        assert {row[index] for row in wanted} == set(range(len(one.levels))), one.name


def test_comparer__measures_where_no_bit_is_asked_for() -> None:
    found, wanted = levels(NAMES_ONLY_MEASURED, nation(2), 30)
    assert found == wanted
    for index, one in enumerate(NAMES_ONLY_MEASURED):
        assert {row[index] for row in wanted} == set(range(len(one.levels))), one.name


def test_comparer__gives_a_pair_the_same_pattern_in_any_batch() -> None:
    people = nation(3, 40)
    coded, meaning = small.coded_nation(people)
    programme = compile_parts(PARTS, small.KINDS)
    left, right = np.arange(40), np.arange(40)[::-1].copy()
    whole = Comparer(programme, meaning, coded).compare(left, right).copy()
    single = Comparer(programme, meaning, coded, batch=4)
    assert whole.tolist() == [int(single.compare(left[i : i + 1], right[i : i + 1])[0]) for i in range(40)]
