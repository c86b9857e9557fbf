from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import identifiers
from kernels._jit import jit
from tests.kernels import twins

digits = st.text("0123456789", max_size=16) | st.text("01", max_size=13)


def code(text: str) -> int:
    return len(text) << 56 | int(text) if text else 0


def names(bits: int) -> set[str]:
    found = {name for name, bit in identifiers.BITS.items() if bits & bit}
    assert sum(identifiers.BITS[name] for name in found) == bits
    return found


def facts(pairs: list[tuple[str, str]]) -> list[set[str]]:
    left = np.array([code(a) for a, _ in pairs], np.int64)
    right = np.array([code(b) for _, b in pairs], np.int64)
    left.flags.writeable = False
    rows = np.arange(len(pairs))
    out = np.zeros(len(pairs), np.uint32)
    identifiers.identifier_bits_pairs(left, right, rows, rows, out)
    return [names(int(bits)) for bits in out]


def slips(text: str) -> list[str]:
    """Everything one slip makes of a number."""
    places = range(len(text))
    changed = [text[:k] + d + text[k + 1 :] for k in places for d in "0123456789"]
    dropped = [text[:k] + text[k + 1 :] for k in places]
    doubled = [text[: k + 1] + text[k:] for k in places]
    added = [text[:k] + d + text[k:] for k in range(len(text) + 1) for d in "059"]
    swapped = [text[:k] + text[k + 1] + text[k] + text[k + 2 :] for k in places[:-1]]
    return changed + dropped + doubled + added + swapped + [text[2:], text[3:], "00" + text[:14]]


@settings(deadline=None)
@given(st.lists(st.tuples(digits, digits), max_size=30))
def test_bits__equal_the_twin_on_any_numbers(pairs: list[tuple[str, str]]) -> None:
    assert facts(pairs) == [twins.identifier_facts(a, b) for a, b in pairs]


@pytest.mark.parametrize(
    "number", ["001085000123", "079199990009", "100000000000", "000000000000", "271450001", "7", "10"]
)
def test_bits__equal_the_twin_on_every_slip(number: str) -> None:
    pairs = [(number, other) for other in slips(number)]
    found = facts(pairs)
    assert found == [twins.identifier_facts(a, b) for a, b in pairs]
    assert facts([(b, a) for a, b in pairs]) == found


def test_bits__equal_the_twin_on_two_slips_and_strangers() -> None:
    rng = random.Random(4)
    numbers = ["".join(rng.choices("0123456789", k=rng.choice((9, 10, 12, 12)))) for _ in range(300)]
    pairs = [(a, rng.choice(slips(rng.choice(slips(a))))) for a in numbers for _ in range(20)]
    pairs += list(itertools.pairwise(numbers)) + [(a, a[:6] + b[6:]) for a, b in itertools.pairwise(numbers)]
    found = facts(pairs)
    assert found == [twins.identifier_facts(a, b) for a, b in pairs]
    assert facts([(b, a) for a, b in pairs]) == found
    assert set().union(*found) == set(identifiers.BITS) - {"null"}


def test_bits__know_the_cases_by_name() -> None:
    number = "001085000123"
    assert facts(
        [
            (number, number),
            (number, ""),
            ("", ""),
            (number, "1085000123"),
            (number, "01085000123"),
            (number, "001085000124"),
            (number, "001185000123"),
            (number, "001085000132"),
            (number, "0010850001233"),
            (number, "079199000123"),
            (number, "079199000555"),
        ]
    ) == [
        {"exact"},
        {"null"},
        {"null"},
        {"lost_zero"},
        {"lost_zero", "one_edit"},
        {"one_digit", "same_head"},
        {"one_digit", "same_tail"},
        {"adjacent_swap", "same_head"},
        {"one_edit"},
        {"different", "same_tail"},
        {"different"},
    ]


def test_scalar_form__serves_other_kernels() -> None:
    @jit
    def one(a: int, b: int) -> np.uint32:
        return identifiers.identifier_bits(a, b)

    assert names(int(one(code("123"), code("132")))) == {"adjacent_swap"}


def test_pairs__refuse_other_types() -> None:
    rows = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="uint32"):
        identifiers.identifier_bits_pairs(rows, rows, rows, rows, np.zeros(1, np.uint8))
    with pytest.raises(ValueError, match="left has the shape"):
        identifiers.identifier_bits_pairs(rows[:, None], rows, rows, rows, np.zeros(1, np.uint32))


def read(texts: list[str]) -> list[tuple[int, int]]:
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    data = np.frombuffer(b"".join(encoded), np.uint8)
    value, length = np.full(len(texts), 7, np.int64), np.full(len(texts), 7, np.uint8)
    identifiers.read_digits(offsets, data, value, length)
    return list(zip(value.tolist(), length.tolist(), strict=True))


@settings(deadline=None)
@given(st.lists(st.text("0123456789", max_size=18) | st.text("019 Aé٣", max_size=5), max_size=30))
def test_read_digits__equals_python(texts: list[str]) -> None:
    plain = [
        text if text.isascii() and text.isdigit() and len(text) <= identifiers.LONGEST else ""
        for text in texts
    ]
    assert read(texts) == [(int(text or 0), len(text)) for text in plain]


def test_read_digits__of_a_slice_and_of_nothing() -> None:
    data = np.frombuffer(b"12345", np.uint8)
    value, length = np.zeros(1, np.int64), np.zeros(1, np.uint8)
    identifiers.read_digits(np.array([2, 4]), data, value, length)
    assert (value[0], length[0]) == (34, 2)
    assert read([]) == []


@pytest.mark.parametrize("offsets", [[], [0, 9], [-1, 2]])
def test_read_digits__refuses_offsets_beyond_the_data(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="Wanted"):
        identifiers.read_digits(
            np.array(offsets, np.int64), np.zeros(5, np.uint8), np.zeros(1, np.int64), np.zeros(1, np.uint8)
        )
