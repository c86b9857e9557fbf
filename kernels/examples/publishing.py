"""Texts put in order and framed, rows put in their places, and components joined edge by edge."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.components import join_in_order
from kernels.examples._form import Example, mapped
from kernels.examples.text import name_texts
from kernels.parquet import delta_lengths, front_code, lengths_room, pack_numbers, packed_room
from kernels.places import order_by_place
from kernels.texts import (
    copy_texts,
    copy_to_places,
    hash_framed,
    lengths_at,
    mark_letters,
    number_texts,
    places_among,
    rising,
    shared_prefix,
    spell_words,
    words_of,
)

Texts = tuple[NDArray[np.int64], NDArray[np.uint8]]


def _packed(texts: list[bytes]) -> Texts:
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    return mapped(offsets), np.frombuffer(b"".join(texts), np.uint8)


def _own(n: int) -> Texts:
    offsets, data = name_texts(n)
    return mapped(offsets), mapped(data)


@functools.lru_cache(maxsize=2)
def _ids(n: int) -> Texts:
    """Record ids with a common beginning, in order."""
    return _packed([b"2026-%09d" % (3 * row) for row in range(n)])


def _kept_ids(n: int) -> Texts:
    offsets, data = _ids(n)
    return mapped(offsets), mapped(data)


def _chosen(n: int) -> NDArray[np.int64]:
    return np.random.default_rng(31).integers(0, n, n)


def _words(n: int) -> tuple[Any, ...]:
    ranks = np.random.default_rng(36).integers(1, 256, 256).astype(np.uint8)
    return *_own(n), mapped(np.arange(n)), 3, ranks, 8, np.empty(n, np.uint64)


def _marked(n: int) -> tuple[Any, ...]:
    return *_own(n), 3, np.zeros(256, np.bool_)


def _spelt(n: int) -> tuple[Any, ...]:
    """Ids of ten digits behind a letter."""
    digits = np.random.default_rng(37).integers(1, 11, (n, 10)).astype(np.uint64)
    words = np.zeros(n, np.uint64)
    for place in range(16):
        words = (words << np.uint64(4)) | (digits[:, place] if place < 10 else np.uint64(0))
    letters = np.zeros(256, np.uint8)
    letters[1:11] = np.frombuffer(b"0123456789", np.uint8)
    return words, 4, letters, np.array([80], np.uint8), np.empty(n + 1, np.int64), np.empty(11 * n, np.uint8)


def _among(n: int) -> tuple[Any, ...]:
    cuts = [b"%c" % letter for letter in b"BDGKLMNPRTVX"]
    return *_own(n), *_packed(cuts), np.empty(n, np.uint16)


def _numbered(n: int) -> tuple[Any, ...]:
    """Addresses, of which most come again; one in fifty has the hash of another text."""
    rng = np.random.default_rng(39)
    kinds = rng.integers(0, max(1, n), n) // 3
    offsets, data = _packed(
        [b"S\xe1\xbb\x91 %d, ng\xc3\xb5 %d" % (kind % 997, kind) for kind in kinds.tolist()]
    )
    # A product by an odd number: other kinds have other hashes, but for these.
    hashes = (kinds - (kinds % 50 == 1)).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    order = np.argsort(hashes, kind="stable").astype(np.uint32)
    return mapped(hashes[order]), mapped(order), offsets, data, np.empty(n, np.uint32), np.empty(n, np.uint32)


def _lengths(n: int) -> tuple[Any, ...]:
    rows = _chosen(n)
    rows[::50] = -1
    return _own(n)[0], mapped(rows), np.empty(n + 1, np.int64)


def _copied(n: int) -> tuple[Any, ...]:
    offsets, rows, out_offsets = _lengths(n)
    lengths_at(offsets, rows, out_offsets)
    return offsets, _own(n)[1], rows, out_offsets, np.zeros(int(out_offsets[-1]), np.uint8)


def _placed(n: int) -> tuple[Any, ...]:
    offsets, data = name_texts(n)
    rows, places = _chosen(n), np.random.default_rng(32).permutation(n)
    at_places = np.empty(n, np.int64)
    at_places[places] = rows
    out_offsets = np.empty(n + 1, np.int64)
    lengths_at(mapped(offsets), mapped(at_places), out_offsets)
    out = np.zeros(int(out_offsets[-1]), np.uint8)
    return mapped(offsets), mapped(data), rows, places, out_offsets, out


def _framed(n: int) -> tuple[Any, ...]:
    frames = np.random.default_rng(33).integers(0, 4, (n, 3))
    texts = (*_packed([b"{", b"name", b"|", b"}"]), frames, *_own(n), *_ids(n))
    return *texts, np.uint64(7), np.uint64(8), np.empty((n, 2), np.uint64)


def _places(n: int) -> tuple[Any, ...]:
    taken = max(1, n // 2)
    place = np.random.default_rng(34).integers(0, taken, n).astype(np.uint32)
    return place, np.empty(taken + 1, np.int64), np.empty(n, np.int64)


def _deltas(n: int) -> tuple[Any, ...]:
    """Lengths of names, of which every seventh is not there."""
    offsets, _ = _own(n)
    return mapped(offsets), np.arange(n) % 7 > 0, np.zeros(lengths_room(n), np.uint8)


def _bits(n: int) -> tuple[Any, ...]:
    values = np.random.default_rng(38).integers(0, 1 << 11, n).astype(np.int32)
    return values, 11, np.empty(packed_room(n, 11), np.uint8)


def _fronts(n: int) -> tuple[Any, ...]:
    offsets, data = _kept_ids(n)
    return (
        offsets,
        data,
        100,
        *(np.empty(n + 1, np.int64) for _ in range(2)),
        np.empty(data.shape[0], np.uint8),
    )


def _edges(n: int) -> tuple[Any, ...]:
    """As many edges as records, of which a third are of sources that want one record a component."""
    rng = np.random.default_rng(35)
    left, source = rng.integers(0, n, n), rng.integers(0, 3, n)
    right = np.minimum(left + rng.integers(0, 4, n), n - 1)
    wants_one = np.array([1, 0, 0], np.uint8)
    return left, right, source, wants_one, np.empty(n, np.int64), np.empty(n, np.uint8)


EXAMPLES = (
    Example(words_of, _words, "text"),
    Example(mark_letters, _marked, "text", consumed=(3,)),
    Example(spell_words, _spelt, "text"),
    Example(shared_prefix, _ids, "text"),
    Example(rising, _ids, "text"),
    Example(rising, _kept_ids, "text", "mapped texts"),
    Example(places_among, _among, "text"),
    Example(number_texts, _numbered, "text"),
    Example(lengths_at, _lengths, "text"),
    Example(copy_texts, _copied, "text"),
    Example(copy_to_places, _placed, "text"),
    Example(delta_lengths, _deltas, "text"),
    Example(pack_numbers, _bits, "number"),
    Example(front_code, _fronts, "text"),
    Example(hash_framed, _framed, "row"),
    Example(order_by_place, _places, "row"),
    Example(join_in_order, _edges, "edge"),
)
