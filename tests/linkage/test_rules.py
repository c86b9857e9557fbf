from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from linkage import rules
from linkage.config import Blocking
from linkage.errors import ConfigError
from linkage.rules import (
    Rule,
    base_keys,
    compile_rules,
    effective_keys,
    key_head,
    parse_key_part,
    refine_keys,
)
from tests.linkage import small

SINGLE = [
    "personal_number",
    "personal_number.any",
    "phone",
    "birth_date",
    "birth_date.year",
    "birth_date.month",
    "birth_date.day_month",
    "birth_date.year_month",
    "sex",
    "commune.any",
    "commune",
    "commune.province",
    "school",
    *(f"full_name{form and '.'}{form}" for form in rules.FORMS["name"]),
]
JOINT = [
    ["full_name.given.ascii", "birth_date"],
    ["birth_date.year", "sex", "commune.any"],
    ["personal_number.any", "sex"],
    ["commune.any", "full_name.set", "phone"],
]


def rule(on: list[str], refine: tuple[str, ...] = ()) -> Rule:
    return compile_rules([Blocking(name="rule", on=tuple(on), refine=refine)], small.KINDS)[0]


def people(seed: int, count: int) -> list[small.Person]:
    rng = random.Random(seed)
    return [small.random_person(rng) for _ in range(count)]


def joint_values(person: small.Person, parts: tuple[rules.KeyPart, ...]) -> set[tuple[object, ...]]:
    return set(itertools.product(*(small.key_values(person, p.column, p.form) for p in parts)))


@pytest.mark.parametrize("on", [[text] for text in SINGLE] + JOINT, ids=" ".join)
def test_base_keys__meet_where_the_values_meet(on: list[str]) -> None:
    nation = people(1, 70)
    coded, meaning = small.coded_nation(nation)
    compiled = rule(on)
    keys = base_keys(coded, meaning, compiled, 99)
    wanted = [joint_values(person, compiled.on) for person in nation]
    assert any(wanted[a] & wanted[b] for a in range(70) for b in range(a))
    for a in range(70):
        own = {k for k in keys[a].tolist() if k}
        assert len(own) == sum(k != 0 for k in keys[a].tolist()) == len(wanted[a])
        for b in range(a):
            assert len(own & {k for k in keys[b].tolist() if k}) == len(wanted[a] & wanted[b])


def test_base_keys__are_secret_and_do_not_depend_on_other_rows() -> None:
    nation = people(2, 30)
    coded, meaning = small.coded_nation(nation)
    compiled = rule(["full_name.set", "birth_date.year"])
    whole = base_keys(coded, meaning, compiled, 5)
    some = np.array([20, 3, 7])
    assert np.array_equal(base_keys(coded.take(some), meaning, compiled, 5), whole[some])
    other = base_keys(coded, meaning, compiled, 6)
    assert (whole != 0).any()
    assert not (set(whole.ravel().tolist()) & set(other.ravel().tolist()) - {0})


def test_refine_keys__joins_columns_until_the_key_is_cold_and_gives_up_what_stays_hot() -> None:
    nation = [
        {"birth_date": (1980, 1, 1), "sex": sex, "commune": commune}
        for sex, commune in [("M", 0), ("M", 4), ("F", 0), (None, 0), ("M", None)]
    ] + [{"birth_date": (1990, 1, 1), "sex": "M"}]
    coded, meaning = small.coded_nation(nation)
    compiled = rule(["birth_date.year"], ("sex", "commune.province"))
    base = base_keys(coded, meaning, compiled, 5)
    one = refine_keys(coded, meaning, compiled, base, np.unique(base[:1]))
    # 1980 is split by sex, who has none falls out, 1990 stays as it was.
    assert one[0] == one[1] == one[4] != 0
    assert one[2] not in (one[0], 0)
    assert one[3] == 0
    assert one[5] == base[5]
    two = refine_keys(coded, meaning, compiled, base, np.unique([base[0, 0], one[0, 0]]))
    assert two[0] != 0 != two[1]
    assert two[0] != two[1]
    assert two[4] == 0
    assert two[2] == one[2]
    up = refine_keys(coded, meaning, compiled, base, np.unique([base[0, 0], one[0, 0], two[0, 0]]))
    assert up[0] == 0
    assert up[1] == two[1]
    assert np.array_equal(base, base_keys(coded, meaning, compiled, 5))


def test_effective_keys__put_rules_side_by_side_with_zeros_last() -> None:
    nation = people(3, 40)
    coded, meaning = small.coded_nation(nation)
    compiled = [rule(["personal_number.any"]), rule(["sex"], ("birth_date.year",)), rule(["commune.any"])]
    keys = [base_keys(coded, meaning, r, 7) for r in compiled]
    hot = [np.zeros(0, np.uint64), np.unique(keys[1][keys[1] != 0])[:1], np.zeros(0, np.uint64)]
    table, widths = effective_keys(coded, meaning, compiled, hot, 7)
    assert widths.tolist() == np.cumsum([0, *(k.shape[1] for k in keys)]).tolist()
    for r, (single, burning) in enumerate(zip(keys, hot, strict=True)):
        known = refine_keys(coded, meaning, compiled[r], single, burning)
        own = table[:, widths[r] : widths[r + 1]]
        for row in range(40):
            values = own[row].tolist()
            assert sorted(values) == sorted(known[row].tolist())
            assert values == sorted(values, reverse=True)


def test_compile_rules__puts_finders_before_relatives_before_probes() -> None:
    written = [
        Blocking(name="near", on=("personal_number.near",)),
        Blocking(name="family", on=("phone",), use="relatives"),
        Blocking(name="first", on=("commune",)),
        Blocking(name="second", on=("sex",)),
    ]
    compiled = compile_rules(written, small.KINDS)
    assert [r.name for r in compiled] == ["first", "second", "family", "near"]
    assert [(r.near, r.relatives) for r in compiled] == [
        (False, False),
        (False, False),
        (False, True),
        (True, False),
    ]
    assert [str(p) for p in compiled[0].on] == ["commune.any"]
    assert rule(["phone", "sex"], ("birth_date.year", "sex")).columns == ("phone", "sex", "birth_date")


@pytest.mark.parametrize(
    ("on", "refine", "code", "words"),
    [
        (["full_nam"], (), "E-CONFIG-030", "Did you mean 'full_name'?"),
        (["full_name.givn"], (), "E-CONFIG-031", "Did you mean 'given'?"),
        (["birth_date.decade"], (), "E-CONFIG-031", "kind date"),
        (["personal_number.any", "commune.any"], (), "E-CONFIG-032", "Split the rule"),
        (["personal_number.near", "sex"], (), "E-CONFIG-032", "stands alone"),
        (["sex"], ("commune",), "E-CONFIG-032", "refine"),
        ([], (), "E-CONFIG-032", "at least one column"),
    ],
)
def test_compile_rules__refuses(on: list[str], refine: tuple[str, ...], code: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        rule(on, refine)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("on", "known", "head"),
    [
        (["full_name.given.ascii", "birth_date"], ["full_name.set", "birth_date.year"], ["birth_date"]),
        (["full_name.given.ascii", "birth_date"], ["birth_date", "sex"], []),
        (["full_name.set", "birth_date.day_month"], ["birth_date"], []),
        (["full_name.set", "birth_date.year"], ["phone"], []),
        (["full_name.set", "birth_date.year", "sex", "phone"], ["sex"], ["birth_date.year", "phone"]),
        (["birth_date", "sex", "commune.any"], ["birth_date.year"], ["birth_date", "sex"]),
        (["sex", "commune.any"], ["phone"], ["sex"]),
        (["sex", "commune.any"], ["sex"], []),
        (["phone"], ["sex"], []),
        (["personal_number.any"], ["sex"], []),
    ],
)
def test_key_head__is_what_few_pairs_agree_on_that_agree_on_the_known(
    on: list[str], known: list[str], head: list[str]
) -> None:
    def rule(parts: list[str]) -> Rule:
        return Rule("rule", tuple(parse_key_part(t, small.KINDS, "rule") for t in parts), ())

    assert list(map(str, key_head(rule(on), rule(known), small.KINDS))) == head


def test_parse_key_part__reads_column_and_form() -> None:
    part = parse_key_part("full_name.given.ascii", small.KINDS, "rule")
    assert (part.column, part.form) == ("full_name", "given.ascii")
