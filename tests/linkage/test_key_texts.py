"""Values of block keys as text, against the values of plain people."""

from __future__ import annotations

import random
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from linkage.key_texts import BETWEEN, KeyTexts
from linkage.name_keys import fold_codes
from linkage.packs import Pack
from linkage.rules import base_keys, part_codes
from linkage.vietnam.written import unmarked
from tests.linkage import small
from tests.linkage.test_block import SECRET, compiled

RULES = [
    (["personal_number.any"], ["sex", "birth_date.month"]),
    (["old_number", "birth_date"], ["full_name"]),
    (["full_name.set", "birth_date.day_month"], ["sex", "commune.province"]),
    (["sex", "commune.any"], ["full_name.given.ascii", "full_name.middle.ascii"]),
    (["full_name.surname", "full_name.given"], ["birth_date.year_month", "birth_date.year"]),
    (["full_name.surname.phonetic"], ["full_name.ascii", "phone"]),
    (["school"], ["phone"]),
]


class Writing:
    """Of a pack what writes."""

    @staticmethod
    def written_tokens(tokens: pl.Series) -> pl.Series:
        return tokens

    @staticmethod
    def unmarked(texts: pl.Series) -> pl.Series:
        return pl.Series([unmarked(text) for text in texts], dtype=pl.String)

    @staticmethod
    def member_codes(members: np.ndarray, *, provinces: bool = False) -> pl.Series:
        return pl.Series([f"{'province' if provinces else 'unit'} {m}" for m in members], dtype=pl.String)


def texts_of(person: small.Person, column: str, form: str) -> set[str]:
    """What a form of a column may be told as."""
    kind = small.KINDS[column]
    values = small.key_values(person, column, form)
    words = person.get(column) or []
    out: set[str] = set()
    for value in values:
        if kind == "date":
            numbers = value if isinstance(value, tuple) else (value,)
            pieces = [f"{n:02d}" for n in (numbers[::-1] if form == "day_month" else numbers)]
            out.add(("--" if form in ("month", "day_month") else "") + "-".join(pieces))
        elif kind == "unit":
            out.add(f"{'province' if form == 'province' else 'unit'} {value}")
        elif kind == "name":
            part = form.partition(".")[0]
            some = {"given": words[-1:], "surname": words[:1], "middle": words[1:-1]}.get(part, words)
            plain = [w if form in ("", "given", "surname") else unmarked(w) for w in some]
            out.add(" ".join(sorted(plain) if form == "set" else plain))
        else:
            out.add(value)
    return out


@pytest.mark.parametrize("number", range(len(RULES)))
def test_values__are_those_that_the_records_hold(number: int) -> None:
    rng = random.Random(number)
    people = [small.random_person(rng) for _ in range(150)]
    coded, meaning = small.coded_nation(people)
    rule = compiled(RULES[number])[0]
    words = sorted({w for p in people for w in p["full_name"] or ()})
    locale = cast("Pack", Writing())
    texts = KeyTexts(meaning, locale, pl.Series(words))
    keys = base_keys(coded, meaning, rule, SECRET)
    told: dict[int, str] = {}
    for depth in range(len(rule.refine) + 1):
        if depth:
            part = rule.refine[depth - 1]
            codes = np.repeat(part_codes(coded, meaning, part), keys.shape[1])
            keys = fold_codes(keys.ravel(), codes).reshape(keys.shape)
        rows, column = np.nonzero(keys)
        some = keys[rows, column]
        of_depth = np.full(rows.shape[0], depth, np.uint8)
        held = coded.take(rows, marks=False)
        values = texts.values(held, rule, some, of_depth, SECRET).to_list()
        assert len(values) > 20
        for row, key, value in zip(rows.tolist(), some.tolist(), values, strict=True):
            elements = value.split(BETWEEN)
            wanted = (*rule.on, *rule.refine[:depth])
            for element, part in zip(elements, wanted, strict=True):
                assert element in texts_of(people[row], part.column, part.form), str(part)
            if not any("phonetic" in part.form for part in wanted):
                assert told.setdefault(key, value) == value
    assert len(set(told.values())) == len(told)


def test_values__of_keys_that_a_record_has_not_are_not_told() -> None:
    people: list[dict[str, Any]] = [{"sex": "M", "phone": "0912345678"}, {"sex": "F"}]
    coded, meaning = small.coded_nation(people)
    rule = compiled((["sex"], ["phone"]))[0]
    texts = KeyTexts(meaning, cast("Pack", Writing()), pl.Series([], dtype=pl.String))
    keys = base_keys(coded, meaning, rule, SECRET)[:, 0]
    values = texts.values(coded.take(np.array([0, 1])), rule, keys[::-1], np.zeros(2, np.uint8), SECRET)
    assert values.to_list() == [None, None]
    deep = fold_codes(keys[:1], part_codes(coded.take(np.array([0])), meaning, rule.refine[0]))
    values = texts.values(
        coded.take(np.array([0, 0]), marks=False),
        rule,
        np.array([keys[0], deep[0]], np.uint64),
        np.array([0, 1], np.uint8),
        SECRET,
    )
    assert values.to_list() == ["M", "M | 0912345678"]
