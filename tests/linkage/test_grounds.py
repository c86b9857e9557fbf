"""Grounds for a correction beyond the register, against a slow reading of the same rules."""

from __future__ import annotations

from collections import Counter
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.tokens import TokenForms
from linkage import grounds
from linkage.grounds import (
    Bearers,
    NumberSays,
    Person,
    abbreviated,
    birth_grounds,
    commoner_held,
    number_grounds,
    rare_spelling,
    sex_grounds,
    spelling_grounds,
)
from tests.linkage.small import tokens_of

quick = settings(max_examples=150, deadline=None)
SEX = st.sampled_from([0, 1, 2])
YEAR = st.sampled_from([0, 1980, 1981])
DAY = st.sampled_from([0, 1, 2])
SIDE = st.tuples(SEX, YEAR, DAY, SEX, YEAR)


def person(side):
    sex, year, day, said_sex, said_year = side
    code = 0 if year == 0 else year * 512 + (32 + day if day else 0)
    return Person(
        np.array([sex], np.uint8),
        np.array([code], np.int32),
        NumberSays(np.array([said_sex], np.uint8), np.array([said_year], np.int16)),
    )


def clash(a, b):
    return bool(a and b and a != b)


@quick
@given(SIDE, SIDE, st.booleans())
def test_number__is_wrong_where_it_contradicts_its_record_and_the_register_does_not(mine, theirs, no_number):
    sex, year, _, said_sex, said_year = mine
    wrong = no_number or clash(said_sex, sex) or clash(said_year, year)
    fits = bool(theirs[4]) and theirs[4] == year and not clash(theirs[3], sex)
    found = number_grounds(person(mine), person(theirs), np.array([no_number]))
    assert found.tolist() == [wrong and fits]


@quick
@given(SIDE, SIDE)
def test_sex__is_told_by_the_persons_number(mine, theirs):
    for_register, for_held = sex_grounds(person(mine), person(theirs))
    assert for_register.tolist() == [clash(theirs[3], mine[0]) and theirs[3] == theirs[0]]
    assert for_held.tolist() == [clash(theirs[3], theirs[0]) and theirs[3] == mine[0]]
    assert not (for_register & for_held).any()


@quick
@given(SIDE, SIDE)
def test_birth__is_told_by_the_persons_number_as_far_as_its_year(mine, theirs):
    for_register, for_held = birth_grounds(person(mine), person(theirs))
    same_day = (mine[2] if mine[1] else 0) == (theirs[2] if theirs[1] else 0)
    assert for_register.tolist() == [clash(theirs[4], mine[1]) and theirs[4] == theirs[1] and same_day]
    assert for_held.tolist() == [clash(theirs[4], theirs[1]) and theirs[4] == mine[1]]


NAMES = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=5), min_size=1, max_size=12)


def rows(names):
    out = np.zeros((len(names), 8), np.uint32)
    for row, name in zip(out, names, strict=True):
        row[: len(name)] = name
    return out


def slow_bearers(names):
    found = Counter()
    for name in names:
        for place, token in enumerate(name):
            last = place == len(name) - 1
            found["given" if last else "surname" if place == 0 else "middle", token] += 1
    return found


def place_of(place, length):
    return "given" if place == length - 1 else "surname" if place == 0 else "middle"


@quick
@given(NAMES)
def test_bearers__count_tokens_by_their_place(names):
    found, slow = Bearers.of(rows(names), 8), slow_bearers(names)
    for kind in ("surname", "middle", "given"):
        assert getattr(found, kind).tolist() == [slow[kind, token] for token in range(8)]


#: Forms of the tokens 0 to 7: 1 to 3 are one but for diacritics, so are 4 and 5; 1, 4 and 7 have none.
FORMS = np.array([0, 1, 1, 1, 2, 2, 3, 4], np.uint32)
MARKED = np.array([0, 0, 1, 1, 0, 1, 1, 0], np.uint8)
HELD = st.lists(st.integers(1, 7), min_size=1, max_size=5)
_NONE = np.zeros(8, np.uint32)
TOKENS = TokenForms(FORMS, _NONE, _NONE, _NONE, MARKED, _NONE, _NONE, _NONE)


def spelling(held, theirs, bearers, forms=TOKENS):
    return spelling_grounds(rows([held]), rows([theirs]), bearers, bearers.together(forms.ascii), forms)


@quick
@given(NAMES)
def test_together__counts_all_of_a_form(names):
    slow = slow_bearers(names)
    found = Bearers.of(rows(names), 8).together(FORMS)
    for kind in ("surname", "middle", "given"):
        assert getattr(found, kind).tolist() == [
            sum(slow[kind, other] for other in range(8) if FORMS[other] == FORMS[token]) for token in range(8)
        ]


@quick
@given(NAMES, HELD, st.data())
def test_spelling__is_a_ground_where_nobody_bears_the_held_token_and_many_the_other(names, held, data):
    theirs = data.draw(st.sampled_from(names))
    slow = slow_bearers(names)

    def nobodys(where, a, b):
        borne = [slow[where, other] for other in range(8) if FORMS[other] == FORMS[a]]
        return slow[where, a] == 0 and (bool(MARKED[a]) or FORMS[a] == FORMS[b] or sum(borne) < 2)

    wrong = [(p, a, b) for p, (a, b) in enumerate(zip(held, theirs, strict=False)) if a != b]
    expected = (
        len(held) == len(theirs) > 1
        and bool(wrong)
        and all(
            nobodys(place_of(p, len(held)), a, b) and slow[place_of(p, len(held)), b] >= 2
            for p, a, b in wrong
        )
    )
    with mock.patch.object(grounds, "COMMON_BEARERS", 2):
        found = spelling(held, theirs, Bearers.of(rows(names), 8))
    assert found.tolist() == [expected]


def test_spelling__holds_for_a_slip_in_a_common_surname():
    names = [[1, 2, 3]] * grounds.COMMON_BEARERS + [[4, 2, 3]] * 3
    bearers = Bearers.of(rows(names), 8)
    assert spelling([5, 2, 3], [1, 2, 3], bearers).tolist() == [True]
    assert spelling([4, 2, 3], [1, 2, 3], bearers).tolist() == [False]
    assert spelling([5, 2, 3], [4, 2, 3], bearers).tolist() == [False]
    assert spelling([1, 2, 3], [1, 2, 3], bearers).tolist() == [False]


def test_spelling__of_a_name_typed_without_diacritics_is_not_nobodys():
    words = ["dieu", "diệu", "le", "lê", "tam", "tan", "tâm", "tân", "tinj"]
    forms = tokens_of(words).forms
    ids = {word: place for place, word in enumerate(words, 1)}
    people = [["lê", "diệu", given] for given in ("tâm", "tân")] * grounds.COMMON_BEARERS
    bearers = Bearers.of(rows([[ids[word] for word in person] for person in people]), len(words) + 1)
    theirs = [ids[word] for word in ("lê", "diệu", "tân")]
    for given_name, expected in (("tam", False), ("tinj", True)):
        held = [ids[word] for word in ("le", "dieu", given_name)]
        assert spelling(held, theirs, bearers, forms).tolist() == [expected]


def test_abbreviated__is_a_letter_that_is_no_word():
    words = ["an", "h", "k", "lê", "n", "t", "y", "đ"]
    forms = tokens_of(words).forms
    names = [["lê", "t", "an"], ["n", "an"], ["đ", "an"], ["y", "an"], ["h", "an"], ["k", "an"], ["lê", "an"]]
    found = abbreviated(rows([[words.index(w) + 1 for w in name] for name in names]), forms)
    assert found.tolist() == [True, True, True, False, False, False, False]


@quick
@given(NAMES, HELD, st.data())
def test_rare_spelling__is_one_bearers_or_outshone_by_its_like(names, held, data):
    theirs = data.draw(st.sampled_from(names))
    slow = slow_bearers(names)

    def rare(place, token):
        where = place_of(place, len(theirs))
        like = max(slow[where, t] for t in range(8) if FORMS[t] == FORMS[token])
        return slow[where, token] <= 1 or slow[where, token] * 3 <= like

    expected = any(token not in held and rare(place, token) for place, token in enumerate(theirs))
    bearers = Bearers.of(rows(names), 8)
    with mock.patch.object(grounds, "OUTSHONE", 3):
        found = rare_spelling(rows([held]), rows([theirs]), bearers, bearers.commonest(FORMS))
    assert found.tolist() == [expected]


@quick
@given(NAMES, HELD, st.data())
def test_commoner_held__is_where_the_records_token_outshines_the_registers(names, held, data):
    theirs = data.draw(st.sampled_from(names))
    slow = slow_bearers(names)
    places = [(place_of(p, len(held)), a, b) for p, (a, b) in enumerate(zip(held, theirs, strict=False))]
    expected = len(held) == len(theirs) and any(
        a != b and slow[where, a] > 0 and slow[where, b] * 2 <= slow[where, a] for where, a, b in places
    )
    with mock.patch.object(grounds, "OUTSHONE", 2):
        found = commoner_held(rows([held]), rows([theirs]), Bearers.of(rows(names), 8))
    assert found.tolist() == [expected]
