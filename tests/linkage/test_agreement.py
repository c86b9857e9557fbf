"""Relations of records to their persons, held against a slow reading of the same rules on words."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.agreement import (
    DIFFERENT,
    EARLIER,
    EQUAL,
    HELD_EMPTY,
    LESS,
    NOTHING,
    REGISTER_EMPTY,
    RELATIONS,
    UNREADABLE,
    relate,
    relate_names,
    value_keys,
    without_marks,
)
from tests.linkage.small import coded_nation, token_of

WORDS = ["nguyễn", "nguyen", "nguyên", "thị", "thi", "t", "ng", "n", "ý", "y", "an", "ân", "anh", "hoa"]


def related(coded, meaning, field, rows, persons, told, older=None):
    """The relation of rows of coded records to other rows."""
    arrays = coded.arrays
    more = {}
    if f"{field}.alias" in arrays:
        more["earlier"] = arrays[f"{field}.alias"][persons]
    if older is not None and "old_number" in arrays:
        more |= {"older": older, "before": arrays["old_number"][persons]}
    return relate(meaning, field, arrays[field][rows], arrays[field][persons], told, **more)


def one(field, mine, theirs, told=True, older=None, kinds=None):
    coded, meaning = coded_nation([theirs], [[mine]], kinds)
    rows, persons = np.array([1]), np.array([0])
    code = related(
        coded,
        meaning,
        field,
        rows,
        persons,
        np.array([told]),
        None if older is None else np.array([older], np.int64),
    )
    return RELATIONS[int(code[0])]


def name(mine, theirs):
    return one("full_name", {"full_name": mine.split()}, {"full_name": theirs.split()})


def stands_in_full(a, b):
    left, right = token_of(a), token_of(b)
    return a == b or (left.letters == right.letters and not left.marked)


def stands(a, b):
    left, right = token_of(a), token_of(b)
    short = left.single and not left.marked and len(left.letters) <= 3
    return stands_in_full(a, b) or (short and right.letters.startswith(left.letters))


def slow_fits(less, whole):
    if len(less) > len(whole) or (len(less) > 1) != (len(whole) > 1):
        return False
    if not (stands_in_full(less[0], whole[0]) or stands_in_full(less[-1], whole[-1])):
        return False
    if not (stands(less[0], whole[0]) and stands(less[-1], whole[-1])):
        return False
    middles = list(range(1, len(whole) - 1))
    return any(
        all(stands(a, whole[b]) for a, b in zip(less[1:-1], chosen, strict=True))
        for chosen in itertools.combinations(middles, max(0, len(less) - 2))
    )


def slow_name(mine, theirs):
    if mine == theirs:
        return "equal"
    if slow_fits(mine, theirs):
        return "less"
    return "more" if slow_fits(theirs, mine) else "different"


NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)


@settings(max_examples=80, deadline=None)
@given(NAMES, NAMES)
def test_names__are_related_as_by_the_slow_reading(mine, theirs):
    assert name(" ".join(mine), " ".join(theirs)) == slow_name(mine, theirs)


@settings(max_examples=80, deadline=None)
@given(NAMES, st.data())
def test_names__that_lost_something_are_less(whole, data):
    kept = [
        word if data.draw(st.booleans()) else token_of(word).letters
        for at, word in enumerate(whole)
        if at in (0, len(whole) - 1) or data.draw(st.booleans())
    ]
    assert name(" ".join(kept), " ".join(whole)) == ("equal" if kept == whole else "less")


@pytest.mark.parametrize(
    ("mine", "theirs", "relation"),
    [
        ("nguyen thi hoa", "nguyễn thị hoa", "less"),
        ("nguyễn thị hoa", "nguyen thi hoa", "more"),
        ("nguyên thị hoa", "nguyễn thị hoa", "different"),
        ("nguyễn hoa", "nguyễn thị hoa", "less"),
        ("n t hoa", "nguyễn thị hoa", "less"),
        ("n t h", "nguyễn thị hoa", "different"),
        ("hoa", "nguyễn hoa", "different"),
        ("hoa nguyễn", "nguyễn hoa", "different"),
        ("nguyễn anh hoa", "nguyễn thị hoa", "different"),
        ("ý hoa", "yen hoa", "different"),
    ],
)
def test_names__by_example(mine, theirs, relation):
    assert name(mine, theirs) == relation


def bare_name(mine, theirs):
    coded, meaning = coded_nation([{"full_name": theirs}], [[{"full_name": mine}]])
    stands, forms = without_marks(meaning.tokens.forms)
    names = stands[coded.arrays["full_name"]]
    return RELATIONS[int(relate_names(names[1:], names[:1], forms)[0])]


@settings(max_examples=80, deadline=None)
@given(NAMES, NAMES)
def test_names_without_marks__are_related_as_if_they_were_written_so(mine, theirs):
    plain = [[token_of(word).letters for word in words] for words in (mine, theirs)]
    assert bare_name(mine, theirs) == slow_name(*plain)


@pytest.mark.parametrize(
    ("mine", "theirs", "relation"),
    [
        ("mai van tuan", "mai văn tuấn", "equal"),
        ("m van tuan", "mai văn tuấn", "less"),
        ("phan kha", "phan hoài khả", "less"),
        ("phan hoai kha", "phan khả", "more"),
        ("tuan mai van", "mai văn tuấn", "different"),
    ],
)
def test_names_without_marks__by_example(mine, theirs, relation):
    assert bare_name(mine.split(), theirs.split()) == relation


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.integers(1980, 1982), st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.integers(1980, 1982), st.integers(0, 2), st.integers(0, 2)),
)
def test_dates__say_less_where_parts_are_unknown(mine, theirs):
    mine, theirs = (d if d[1] else (d[0], 0, 0) for d in (mine, theirs))
    found = one("birth_date", {"birth_date": mine}, {"birth_date": theirs})
    known = [part for part in mine if part], [part for part in theirs if part]
    if mine == theirs:
        assert found == "equal"
    elif known[1][: len(known[0])] == known[0]:
        assert found == "less"
    elif known[0][: len(known[1])] == known[1]:
        assert found == "more"
    else:
        assert found == "different"


@pytest.mark.parametrize(
    ("field", "value", "other"),
    [
        ("personal_number", "001190000001", "001190000002"),
        ("full_name", ["an"], ["anh"]),
        ("birth_date", (1980, 1, 2), (1990, 1, 2)),
        ("sex", "M", "F"),
        ("commune", 0, 4),
        ("phone", "0912345678", "0912345679"),
        ("school", "a", "b"),
    ],
)
def test_every_kind__tells_nothing_empty_equal_and_different(field, value, other):
    some, none = {field: value}, {field: None}
    assert one(field, none, none, told=False) == RELATIONS[NOTHING]
    assert one(field, none, some, told=False) == RELATIONS[HELD_EMPTY]
    assert one(field, none, some, told=True) == RELATIONS[UNREADABLE]
    assert one(field, some, none) == RELATIONS[REGISTER_EMPTY]
    assert one(field, some, some) == RELATIONS[EQUAL]
    assert one(field, some, {field: other}) == RELATIONS[DIFFERENT]


def test_units__are_equal_where_one_unit_can_be_meant_by_both():
    assert one("commune", {"commune": 1}, {"commune": 2}) == RELATIONS[EQUAL]
    assert one("commune", {"commune": 0}, {"commune": 2}) == RELATIONS[DIFFERENT]


def test_identifiers__that_were_cancelled_are_earlier():
    person = {"personal_number": "001190000002", "aliases": ["001190000001"]}
    assert one("personal_number", {"personal_number": "001190000001"}, person) == RELATIONS[EARLIER]
    assert one("personal_number", {"personal_number": "001190000003"}, person) == RELATIONS[DIFFERENT]


def test_identifiers__of_nine_digits_are_earlier_unless_the_person_had_another():
    nine = (9 << 56) | 123456789
    person = {"personal_number": "001190000002", "old_number": "123456789"}
    mine = {"personal_number": None}
    assert one("personal_number", mine, person, older=nine) == RELATIONS[EARLIER]
    assert one("personal_number", mine, {**person, "old_number": None}, older=nine) == RELATIONS[EARLIER]
    assert one("personal_number", mine, {**person, "old_number": "987654321"}, older=nine) == "different"
    assert one("personal_number", mine, person, older=0) == RELATIONS[UNREADABLE]


def test_relation__of_persons_by_number_is_that_of_the_same_persons_row_by_row():
    register = [{"full_name": ["nguyễn", w]} for w in WORDS]
    agency = [{"full_name": ["nguyen", w]} for w in WORDS] + [{"full_name": None}]
    coded, meaning = coded_nation(register, [agency])
    rows = np.repeat(np.arange(len(WORDS), len(coded)), len(WORDS))
    persons = np.tile(np.arange(len(WORDS), dtype=np.uint32), len(WORDS) + 1)
    told = np.arange(rows.size) % 2 == 0
    by_row = related(coded, meaning, "full_name", rows, persons, told)
    names = coded.arrays["full_name"]
    by_number = relate(meaning, "full_name", names[rows], names[: len(WORDS)], told, person=persons)
    assert by_number.tolist() == by_row.tolist()
    assert {LESS, DIFFERENT, UNREADABLE, HELD_EMPTY} <= set(by_row.tolist())


@pytest.mark.parametrize("field", ["full_name", "birth_date", "sex", "commune", "personal_number", "phone"])
def test_relation__of_no_records_is_nothing(field: str):
    """A stretch of the register may have nobody whom a record is linked to."""
    coded, meaning = coded_nation([{}, {}], [[{}]])
    values = coded.arrays[field]
    more = {"earlier": np.zeros((2, 1), np.int64)} if field == "personal_number" else {}
    nobody = np.zeros(0, np.uint32)
    assert relate(meaning, field, values[:0], values[:2], np.zeros(0, bool), person=nobody, **more).size == 0


def test_relation__looks_for_an_older_number_in_the_row_of_the_person():
    old = 9 << 56 | 123456789
    number = "001085012345"
    register = [{"personal_number": number, "old_number": o} for o in ("123456789", "987654321")]
    agency = [{"personal_number": None, "old_number": None}] * 2
    coded, meaning = coded_nation(register, [agency])
    held, theirs = coded.arrays["personal_number"][2:4], coded.arrays["personal_number"][:2]
    relation = relate(
        meaning,
        "personal_number",
        held,
        theirs,
        np.ones(2, bool),
        person=np.array([1, 0], np.uint32),
        earlier=np.zeros((2, 1), np.int64),
        older=np.array([old, old]),
        before=coded.arrays["old_number"][:2],
    )
    assert [RELATIONS[code] for code in relation.tolist()] == ["different", "earlier"]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from([None, ["an"], ["an", "hoa"], ["hoa", "an"]]), min_size=2, max_size=6))
def test_value_keys__are_equal_for_equal_values_only(names):
    coded, meaning = coded_nation([{"full_name": n} for n in names])
    keys = value_keys(meaning, "full_name", coded.arrays["full_name"])
    for (a, x), (b, y) in itertools.combinations(zip(names, keys, strict=True), 2):
        assert (x == y) == (a == b)
    assert [k == 0 for k in keys] == [n is None for n in names]


def test_value_keys__of_units_tell_a_first_set_from_none():
    coded, meaning = coded_nation([{"commune": 0}, {"commune": None}])
    assert value_keys(meaning, "commune", coded.arrays["commune"][:2]).tolist() == [1, 0]
