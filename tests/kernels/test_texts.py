from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import texts
from tests.kernels import twins

values = st.lists(st.binary(max_size=12), min_size=1, max_size=12)
rows = st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), max_size=10)


def packed(many: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Behind a byte that belongs to none of them."""
    offsets = np.cumsum([1, *map(len, many)]).astype(np.int64)
    return offsets, np.frombuffer(b"?" + b"".join(many), np.uint8)


@settings(deadline=None)
@given(st.lists(st.text("abcdefghij", max_size=20), min_size=1, max_size=12), st.integers(0, 14))
def test_words__sort_as_their_bytes_do_and_spell_them(many: list[str], depth: int) -> None:
    own = [text.encode() for text in many]
    seen = np.zeros(256, np.bool_)
    texts.mark_letters(*packed(own), depth, seen)
    assert {chr(byte) for byte in np.flatnonzero(seen)} == {
        letter for text in many for letter in text[depth:]
    }
    ranks = np.cumsum(seen).astype(np.uint8)
    bits = max(1, int(seen.sum()).bit_length())
    fits = 64 // bits
    out = np.empty(len(own), np.uint64)
    texts.words_of(*packed(own), np.arange(len(own)), depth, ranks, bits, out)
    parts = [text[depth : depth + fits] for text in own]
    assert np.argsort(out, kind="stable").tolist() == sorted(range(len(own)), key=parts.__getitem__)
    letters = np.zeros(256, np.uint8)
    letters[ranks[seen]] = np.flatnonzero(seen)
    wanted = [b"id-" + part for part in parts]
    offsets, spelt = np.empty(len(own) + 1, np.int64), np.empty(sum(map(len, wanted)), np.uint8)
    texts.spell_words(out, bits, letters, np.frombuffer(b"id-", np.uint8), offsets, spelt)
    assert spelt.tobytes() == b"".join(wanted)
    assert np.diff(offsets).tolist() == [len(text) for text in wanted]


@settings(deadline=None)
@given(st.binary(max_size=5), values)
def test_shared_prefix__is_what_all_begin_with(first: bytes, many: list[bytes]) -> None:
    many = [first + v for v in many]
    found = texts.shared_prefix(*packed(many))
    wanted = max(k for k in range(min(map(len, many)) + 1) if len({v[:k] for v in many}) == 1)
    assert found == wanted
    assert texts.shared_prefix(*packed([])) == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=18)), max_size=20), st.data())
def test_number_texts__of_any_order_of_the_same_texts(
    many: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    """Hashes of which many texts have the same; a text has but one."""
    of_text = {text: np.uint64(value) << np.uint64(62) for value, text in many}
    rows = data.draw(st.permutations([text for _, text in many]))
    hashes = np.array([of_text[text] for text in rows], np.uint64)
    order = np.argsort(hashes, kind="stable").astype(np.uint32)
    ids, firsts = np.empty(len(rows), np.uint32), np.empty(len(rows), np.uint32)
    used = texts.number_texts(hashes[order], order, *packed(rows), ids, firsts)
    assert used == len(of_text)
    numbers = dict(zip(rows, ids.tolist(), strict=True))
    assert sorted(numbers.values()) == list(range(used))
    assert [numbers[text] for text in rows] == ids.tolist()
    assert [rows.index(rows[row]) for row in firsts[:used]] == firsts[:used].tolist()
    assert np.array_equal(np.sort(hashes[firsts[:used]]), hashes[firsts[:used]])
    assert [numbers[rows[row]] for row in firsts[:used]] == list(range(used))


@settings(deadline=None)
@given(values, st.booleans())
def test_rising__says_whether_texts_are_in_order(many: list[bytes], in_order: bool) -> None:
    many = sorted(many) if in_order else many
    assert texts.rising(*packed(many)) == (many == sorted(many))


@settings(deadline=None)
@given(rows, st.lists(st.binary(max_size=9), min_size=1, max_size=4), st.data())
def test_hash_framed__is_siphash_of_the_whole(
    given_: list[tuple[bytes, bytes]], frames: list[bytes], data: st.DataObject
) -> None:
    chosen = [data.draw(st.lists(st.integers(0, len(frames) - 1), min_size=3, max_size=3)) for _ in given_]
    key = bytes(range(16))
    keys = [np.uint64(int.from_bytes(key[i : i + 8], "little")) for i in (0, 8)]
    out = np.zeros((len(given_), 2), np.uint64)
    texts.hash_framed(
        *packed(frames),
        np.array(chosen, np.int64).reshape(-1, 3),
        *packed([a for a, _ in given_]),
        *packed([b for _, b in given_]),
        *keys,
        out,
    )
    wanted = [
        twins.siphash128(key, frames[f] + a + frames[g] + b + frames[h])
        for (a, b), (f, g, h) in zip(given_, chosen, strict=True)
    ]
    assert [row.tobytes() for row in out] == wanted


@settings(deadline=None)
@given(values, st.data())
def test_copy__puts_texts_where_they_are_wanted(many: list[bytes], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(-1, len(many) - 1), max_size=15))
    offsets = np.empty(len(chosen) + 1, np.int64)
    texts.lengths_at(packed(many)[0], np.array(chosen, np.int64), offsets)
    wanted = [b"" if row < 0 else many[row] for row in chosen]
    assert offsets.tolist() == [sum(map(len, wanted[:i])) for i in range(len(wanted) + 1)]
    out = np.empty(int(offsets[-1]), np.uint8)
    texts.copy_texts(*packed(many), np.array(chosen, np.int64), offsets, out)
    assert out.tobytes() == b"".join(wanted)
    out[:] = 0
    places = data.draw(st.permutations([i for i, row in enumerate(chosen) if row >= 0]))
    rows = np.array([chosen[i] for i in places], np.int64)
    texts.copy_to_places(*packed(many), rows, np.array(places, np.int64), offsets, out)
    assert out.tobytes() == b"".join(wanted)
