from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import keys
from kernels._jit import jit
from tests.kernels import twins

words = st.integers(0, (1 << 64) - 1)
digit_strings = st.text("0123456789", min_size=1, max_size=16)

#: First 128-bit outputs of the reference implementation (vectors.h): key 00..0f, messages empty, 00, 00 01.
REFERENCE = (
    "a3817f04ba25a8e66df67214c7550293",
    "da87c1d86b99af44347659119b22fc45",
    "8177228da4a45dc7fca38bdef60affe4",
    "9c70b60c5267a94e5f33b6b02985ed51",
)


@jit
def _mixed(values, out):
    for i in range(values.shape[0]):
        out[i] = keys.mix64(values[i])


def mix64(values: list[int]) -> list[int]:
    out = np.zeros(len(values), np.uint64)
    _mixed(np.array(values, np.uint64), out)
    return out.tolist()


def packed(texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    return offsets, np.frombuffer(b"".join(texts), np.uint8)


def siphash(key: bytes, texts: list[bytes]) -> list[bytes]:
    out = np.zeros((len(texts), 2), np.uint64)
    k0, k1 = np.frombuffer(key, "<u8")
    keys.siphash128(*packed(texts), k0, k1, out)
    return [row.astype("<u8").tobytes() for row in out]


def hashed(texts: list[bytes], secret: int) -> list[int]:
    out = np.zeros(len(texts), np.uint64)
    keys.hash_bytes(*packed(texts), np.uint64(secret), out)
    return out.tolist()


def folded(start: list[int], codes: list[int], missing: int = 0) -> list[int]:
    out = np.array(start, np.uint64)
    keys.fold_column(np.array(codes, np.uint64), np.uint64(missing), out)
    return out.tolist()


def test_mix64__is_the_finaliser_of_splitmix() -> None:
    # Outputs of the published generator for the seed 1234567.
    assert twins.splitmix64_stream(1234567, 3) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]
    rng = random.Random(1)
    values = [0, 1, twins.WORD, *(rng.getrandbits(64) for _ in range(2000))]
    assert mix64(values) == [twins.splitmix64(v) for v in values]


def test_siphash__equals_the_reference_vectors_and_the_twin() -> None:
    key = bytes(range(16))
    messages = [bytes(range(n)) for n in range(len(REFERENCE))]
    assert [twins.siphash128(key, m).hex() for m in messages] == list(REFERENCE)
    assert [h.hex() for h in siphash(key, messages)] == list(REFERENCE)


@settings(deadline=None, max_examples=50)
@given(st.binary(min_size=16, max_size=16), st.lists(st.binary(max_size=40), max_size=6))
def test_siphash__equals_its_twin(key: bytes, texts: list[bytes]) -> None:
    texts = [*texts, bytes(200), bytes(300)]
    assert siphash(key, texts) == [twins.siphash128(key, t) for t in texts]


def test_start_keys__depend_on_the_secret_alone() -> None:
    out = np.zeros(5, np.uint64)
    keys.start_keys(np.uint64(9), out)
    first = out.copy()
    keys.start_keys(np.uint64(10), out)
    assert len(set(first.tolist())) == 1
    assert first[0] != out[0]


@settings(deadline=None)
@given(st.lists(st.tuples(words, st.integers(0, 3)), min_size=1, max_size=20), st.integers(0, 3))
def test_fold_column__has_no_key_exactly_where_something_is_missing(
    rows: list[tuple[int, int]], missing: int
) -> None:
    start, codes = [k for k, _ in rows], [c for _, c in rows]
    out = folded(start, codes, missing)
    for before, code, after in zip(start, codes, out, strict=True):
        assert (after == 0) == (before == 0 or code == missing)
        if after:
            assert after == folded([before], [code], missing)[0]


def test_fold_column__never_turns_a_key_into_none() -> None:
    # The state that the code 5 takes to zero: mix64 sends only zero to zero, so the sum must vanish.
    factor, golden = 0xD6E8FEB86659FD93, 0x9E3779B97F4A7C15
    state = (-(5 + golden) * pow(factor, -1, 1 << 64)) % (1 << 64)
    assert folded([state], [5]) == [1]


def test_fold_column__tells_columns_and_their_order_apart() -> None:
    rng = random.Random(2)
    seen = {}
    for _ in range(3000):
        row = (rng.randrange(1, 40), rng.randrange(1, 40), rng.randrange(1, 40))
        key = [77]
        for code in row:
            key = folded(key, [code])
        assert seen.setdefault(key[0], row) == row


@settings(deadline=None)
@given(st.lists(st.binary(max_size=24), max_size=12), words)
def test_hash_bytes__is_a_function_of_the_text_and_the_secret(texts: list[bytes], secret: int) -> None:
    whole = hashed([*texts, b"\x00", b"", b"\x00\x00"], secret)
    assert whole == [hashed([t], secret)[0] for t in [*texts, b"\x00", b"", b"\x00\x00"]]
    assert len(set(whole)) == len({*texts, b"\x00", b"", b"\x00\x00"})
    assert whole != hashed([*texts, b"\x00", b"", b"\x00\x00"], secret ^ 1)


@jit
def all_neighbours(code, out):
    return keys.identifier_neighbours(code, out)


def neighbours(digits: str) -> list[int]:
    out = np.zeros(512, np.int64)
    n = all_neighbours(np.int64(twins.identifier_code(digits)), out)
    return out[:n].tolist()


@settings(deadline=None)
@given(digit_strings)
def test_identifier_neighbours__are_all_numbers_one_slip_away(digits: str) -> None:
    found = neighbours(digits)
    assert set(found) == {twins.identifier_code(text) for text in twins.one_slip_away(digits)}


@pytest.mark.parametrize("digits", ["", "0", "9", "00", "001085000123", "0" * 16, "9" * 16, "9" * 15])
def test_identifier_neighbours__of_edges(digits: str) -> None:
    assert set(neighbours(digits)) == {twins.identifier_code(text) for text in twins.one_slip_away(digits)}


@settings(deadline=None)
@given(
    st.lists(words | st.integers(0, 9) | st.integers(twins.WORD - 9, twins.WORD), unique=True, max_size=25),
    st.lists(words | st.integers(0, 9), max_size=10),
    st.integers(0, 6),
)
def test_look_up_keys__finds_what_a_dictionary_finds(held: list[int], others: list[int], bits: int) -> None:
    table = {key: place + 100 for place, key in enumerate(sorted(held))}
    starts = np.full((1 << bits) + 1, -1, np.int64)
    ordered = np.array(sorted(held), np.uint64)
    keys.index_keys(ordered, bits, starts)
    assert starts.tolist() == [sum(key >> (64 - bits) < b for key in held) for b in range((1 << bits) + 1)]
    asked = [*held, *others]
    out = np.full(len(asked), -1, np.int64)
    values = np.array(list(table.values()), np.int64)
    keys.look_up_keys(ordered, values, bits, starts, np.array(asked, np.uint64), out)
    assert out.tolist() == [table.get(key, 0) for key in asked]
