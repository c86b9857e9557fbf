from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import tokens
from kernels._jit import jit
from kernels.tokens import TokenForms, name_bits, token_overlap_pairs
from tests.kernels import twins
from tests.kernels.twins import Token

Name = tuple[Token, ...]

ABBREVIATIONS = [Token(text, single=True) for text in "N Ng T Th Đ H Y V".split()]
WORDS = [Token(text) for text in dict.fromkeys([*twins.SURNAMES, *twins.MIDDLES, *twins.GIVEN])]
OTHERS = [
    Token(text)
    for text in "Nguyển Nguyen Thi Tho Thọ Tran Trần Chang Thuy Thuý Dung Giung Hoa Hòa Hoá Long Lông".split()
]
LONG = [Token("Krông" * 9), Token("Krong" * 7)]
VOCABULARY = list(dict.fromkeys([*WORDS, *OTHERS, *ABBREVIATIONS, *LONG]))
# A handful of tokens whose forms coincide: reorderings, omissions and folds happen by themselves.
FEW = [
    Token("Nguyễn"),
    Token("Nguyen"),
    Token("Nguyển"),
    Token("Thị"),
    Token("Thi"),
    Token("Ng", single=True),
    Token("T", single=True),
]

names_of_few = st.lists(st.sampled_from(FEW), max_size=8).map(tuple)
names_of_all = st.lists(st.sampled_from(VOCABULARY), max_size=8).map(tuple)
any_name = names_of_few | names_of_all


def vocabulary() -> tuple[dict[Token, int], TokenForms]:
    ids = {token: k + 1 for k, token in enumerate(VOCABULARY)}

    def numbered(forms: list[str]) -> np.ndarray:
        order = {form: k for k, form in enumerate(dict.fromkeys(["", *forms]))}
        return np.array([0] + [order[form] for form in forms], np.uint32)

    letters = [token.letters for token in VOCABULARY]
    forms = TokenForms(
        ascii=numbered(letters),
        plain=numbered([token.plain for token in VOCABULARY]),
        phonetic=numbered([token.phonetic for token in VOCABULARY]),
        initial=np.array([0] + [ord(text[0]) for text in letters], np.uint32),
        marked=np.array([0] + [token.marked for token in VOCABULARY], np.uint8),
        single=np.array([0] + [token.single for token in VOCABULARY], np.uint8),
        char_offsets=np.cumsum([0, 0] + [len(text) for text in letters]),
        chars=np.frombuffer("".join(letters).encode("ascii"), np.uint8),
    )
    return ids, forms


IDS, FORMS = vocabulary()


def rows_of(names: Sequence[Name]) -> np.ndarray:
    table = np.zeros((len(names), tokens.TOKENS), np.uint32)
    for row, name in zip(table, names, strict=True):
        row[: len(name)] = [IDS[token] for token in name]
    table.flags.writeable = False
    return table


def named(bits: int) -> set[str]:
    found = {name for name, bit in tokens.BITS.items() if bits & bit}
    assert sum(tokens.BITS[name] for name in found) == bits
    return found


def facts(pairs: Sequence[tuple[Name, Name]]) -> list[set[str]]:
    out = np.zeros(len(pairs), np.uint32)
    rows = np.arange(len(pairs))
    name_bits(rows_of([a for a, _ in pairs]), rows_of([b for _, b in pairs]), rows, rows, FORMS, out)
    return [named(int(bits)) for bits in out]


def name(text: str) -> Name:
    known = {token.text: token for token in VOCABULARY}
    return tuple(known[word] for word in text.split())


def changed(rng: random.Random, of: Name) -> Name:
    """A name as another clerk may have written it."""
    new = list(of)
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(new))
        kind = rng.randrange(6)
        if kind == 0 and len(new) > 1:
            del new[at]
        elif kind == 1:
            new[at] = rng.choice(VOCABULARY)
        elif kind == 2:
            rng.shuffle(new)
        elif kind == 3:
            new = [next((t for t in VOCABULARY if t.text == token.letters.title()), token) for token in new]
        elif kind == 4 and len(new) < 8:
            new.insert(at, rng.choice(VOCABULARY))
        else:
            new[at] = next((t for t in ABBREVIATIONS if new[at].letters.startswith(t.letters)), new[at])
    return tuple(new)


def generated(count: int) -> list[tuple[Name, Name]]:
    rng = random.Random(6)
    names = [tuple(rng.choices(VOCABULARY, k=rng.choice((1, 2, 3, 3, 3, 4, 4, 5, 8)))) for _ in range(count)]
    return [(a, rng.choice(names) if rng.random() < 0.2 else changed(rng, a)) for a in names]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(any_name, any_name), max_size=20))
def test_bits__equal_the_twin_on_any_names(pairs: list[tuple[Name, Name]]) -> None:
    found = facts(pairs)
    assert found == [twins.name_facts(a, b) for a, b in pairs]
    assert facts([(b, a) for a, b in pairs]) == found


def test_bits__equal_the_twin_on_damaged_names() -> None:
    pairs = generated(6_000)
    found = facts(pairs)
    assert found == [twins.name_facts(a, b) for a, b in pairs]
    assert facts([(b, a) for a, b in pairs]) == found
    assert set().union(*found) == set(tokens.BITS) - {"null"}


@settings(deadline=None)
@given(any_name)
def test_bits__of_a_name_with_itself_are_all_it_can_hold(one: Name) -> None:
    found = facts([(one, one)])[0]
    if not one:
        assert found == {"null"}
        return
    held = {"exact", "plain", "unaccented", "phonetic", "given", "given_phonetic", "given_exact"}
    if len(one) > 1:
        held |= {"surname", "surname_phonetic", "surname_exact", "all_but_given", "all_but_surname"}
    assert found == (held | {"middle"} if len(one) > 2 else held)


@pytest.mark.parametrize(
    ("left", "right", "holds", "fails"),
    [
        ("Nguyễn Thị Hoa", "Nguyen Thi Hoa", "unaccented bare surname given middle", "exact plain initials"),
        ("Nguyễn Thị Hòa", "Nguyễn Thị Hoá", "plain unaccented surname_exact", "exact bare given_exact"),
        ("Nguyễn Thị Dung", "Nguyển Thị Giung", "phonetic surname given_phonetic", "unaccented given"),
        ("Nguyễn Thị Hoa", "Hoa Nguyễn Thị", "reordered", "unaccented subset given surname middle"),
        (
            "Nguyễn Thị Ngọc Hoa",
            "Nguyễn Hoa",
            "omitted subset surname_exact given_exact",
            "middle initials reordered",
        ),
        ("Nguyễn Thị Ngọc Hoa", "Hoa Thị", "subset", "omitted given surname"),
        ("Nguyễn Thị Ngọc Hoa", "Ng T N Hoa", "initials given_exact", "surname unaccented subset"),
        ("Nguyễn Thị Ngọc Hoa", "Ng N Hoa", "initials given", "omitted"),
        ("Nguyễn Thị Ngọc Hoa", "Ng N T Hoa", "given", "initials"),
        ("Nguyễn Thị Hoa", "N T H", "", "initials"),
        ("Hoa", "Hòa", "unaccented given bare plain", "surname initials exact middle"),
        ("Hoa", "Nguyễn Hoa", "given given_exact", "surname subset omitted initials"),
        ("Nguyễn Thị Hoa", "Trần Thị Hoa", "all_but_surname middle given", "surname all_but_given"),
        ("Nguyễn Thị Hoa", "Nguyễn Thị Lan", "all_but_given middle surname", "given all_but_surname"),
    ],
)
def test_bits__know_the_cases_by_name(left: str, right: str, holds: str, fails: str) -> None:
    found = facts([(name(left), name(right))])[0]
    assert set(holds.split()) <= found
    assert not found & set(fails.split())


@settings(deadline=None)
@given(st.lists(st.tuples(any_name, any_name), max_size=20))
def test_overlap__is_the_index_of_jaccard(pairs: list[tuple[Name, Name]]) -> None:
    out = np.zeros(len(pairs), np.uint8)
    rows = np.arange(len(pairs))
    left, right = rows_of([a for a, _ in pairs]), rows_of([b for _, b in pairs])
    token_overlap_pairs(left, right, rows, rows, FORMS, out)
    assert out.tolist() == [int(twins.overlap(a, b) * 255 + 0.5) for a, b in pairs]
    mirrored = out.copy()
    token_overlap_pairs(right, left, rows, rows, FORMS, mirrored)
    np.testing.assert_array_equal(mirrored, out)


def test_bits__follow_the_rows_they_are_given() -> None:
    table = rows_of([name("Nguyễn Thị Hoa"), (), name("Hoa")])
    out = np.zeros(4, np.uint32)
    name_bits(table, table, np.array([0, 1, 2, 0]), np.array([0, 0, 2, 2]), FORMS, out)
    assert [named(int(bits)) for bits in out][1] == {"null"}
    assert ["exact" in named(int(bits)) for bits in out] == [True, False, True, False]


def test_scalar_form__serves_other_kernels() -> None:
    @jit
    def one(table: np.ndarray, forms: TokenForms) -> np.uint32:
        at = tokens.addresses(forms)
        return tokens.name_bits_of_pair(tokens.row_of(table, 0), tokens.row_of(table, 1), at)

    table = rows_of([name("Nguyễn Thị Hoa"), name("Hoa Nguyễn Thị")])
    assert named(int(one(table, tokens.readable(FORMS)))) == {"reordered"}


def test_names__refuse_what_does_not_fit() -> None:
    table, rows, out = rows_of([name("Hoa")]), np.zeros(1, np.int64), np.zeros(1, np.uint32)
    with pytest.raises(ValueError, match="Wanted: a table of 8 columns"):
        name_bits(table[:, :7], table, rows, rows, FORMS, out)
    with pytest.raises(ValueError, match="one entry a token"):
        name_bits(table, table, rows, rows, FORMS._replace(single=FORMS.single[1:]), out)
    with pytest.raises(ValueError, match="Token 0 is marked"):
        name_bits(table, table, rows, rows, FORMS._replace(marked=np.ones_like(FORMS.marked)), out)
    with pytest.raises(ValueError, match="vocabulary is empty"):
        name_bits(table, table, rows, rows, FORMS._replace(ascii=np.zeros(0, np.uint32)), out)
    with pytest.raises(ValueError, match="uint32"):
        name_bits(table, table, rows, rows, FORMS, out.astype(np.int64))
