"""Records of persons who are counted together, and names as text from their words and against them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.examples._form import Example, mapped
from kernels.votes import count_pairs, count_votes, group_rows
from kernels.written import digits_read, name_bytes, name_lengths, names_read

#: Words of the names, and manners of the voices.
_WORDS = tuple(w.encode() for w in ("Nguyễn", "Văn", "Thị", "An", "H'Lan", "Minh", "Ngọc"))
_MANNERS = 9
_SOURCES = 5


@functools.lru_cache(maxsize=2)
def _persons(n: int) -> NDArray[np.uint32]:
    """Two records a person on average; one has very many."""
    persons = np.random.default_rng(41).integers(0, max(1, n // 2), n).astype(np.uint32)
    persons[: n // 4 : 50] = 0
    return persons


def _group(n: int) -> tuple[Any, ...]:
    persons = max(1, n // 2)
    return mapped(_persons(n)), np.empty(persons + 1, np.int64), np.empty(n, np.uint32)


def _grouped(n: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    order = np.argsort(_persons(n), kind="stable").astype(np.uint32)
    sizes = np.bincount(_persons(n), minlength=max(1, n // 2))
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), order


def _votes(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(42)
    starts, order = _grouped(n)
    source = rng.integers(0, _SOURCES, n).astype(np.uint8)
    value = rng.integers(0, 4, n).astype(np.uint64)
    given = (starts, order, source, value, value == 1, value == 2)
    return *map(mapped, given), *(np.empty(n, np.uint8) for _ in range(3))


def _voices(n: int) -> tuple[Any, ...]:
    """Three voices a person, of three sources, most of them for the register."""
    rng = np.random.default_rng(43)
    starts = np.append(np.arange(0, n, 3), n).astype(np.int64)
    place = (np.arange(n) % 3).astype(np.uint8)
    manner = np.where(rng.random(n) < 0.7, 1, rng.integers(1, _MANNERS, n)).astype(np.uint8)
    given = (starts, place, manner, rng.integers(0, 3, n).astype(np.uint64))
    shared = 1 << 1 | 1 << 8
    pairs, agreed = np.zeros((_MANNERS, 3, 3), np.int64), np.zeros(_MANNERS, np.int64)
    return *(mapped(one) for one in given), shared, pairs, agreed


@functools.lru_cache(maxsize=2)
def _names(n: int) -> NDArray[np.uint32]:
    rng = np.random.default_rng(44)
    names = rng.integers(1, len(_WORDS) + 1, (n, 8)).astype(np.uint32)
    names[np.arange(8) >= rng.integers(0, 6, n)[:, None]] = 0
    return names


def _spelling(words: tuple[bytes, ...]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    offsets = np.cumsum([0, 0, *map(len, words)]).astype(np.int64)
    return mapped(offsets), mapped(np.frombuffer(b"".join(words), np.uint8))


def _spellings() -> tuple[NDArray[Any], ...]:
    return *_spelling(_WORDS), *_spelling(tuple(word.decode().upper().encode() for word in _WORDS))


def _second(n: int) -> NDArray[np.bool_]:
    return np.random.default_rng(45).random(n) < 0.3


def _lengths(n: int) -> tuple[Any, ...]:
    offsets, _, other, _ = _spellings()
    return mapped(_names(n)), mapped(_second(n)), offsets, other, np.empty(n + 1, np.int64)


def _bytes(n: int) -> tuple[Any, ...]:
    given = _lengths(n)
    name_lengths(*given)
    return *given[:2], *_spellings(), np.empty(int(given[-1][-1]), np.uint8)


def _read(n: int) -> tuple[Any, ...]:
    """Texts of the names, one in ten of them another letter."""
    given, lengths = _bytes(n), _lengths(n)
    name_lengths(*lengths)
    name_bytes(*given)
    text = given[-1].copy()
    text[np.random.default_rng(46).random(text.shape[0]) < 0.01] = 46
    return mapped(lengths[-1]), mapped(text), given[0], *_spellings(), np.empty(n, np.bool_)


def _digits(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(47)
    values = rng.integers(0, 10**9, n)
    digits = np.where(rng.random(n) < 0.9, 12, 9)
    texts = [b"%0*d" % (size, value) for size, value in zip(digits.tolist(), values.tolist(), strict=True)]
    texts = [t[:-1] + b"x" if row % 20 == 0 else t for row, t in enumerate(texts)]
    starts = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    data = np.frombuffer(b"".join(texts), np.uint8)
    return mapped(starts), mapped(data), mapped(digits << 56 | values), np.empty(n, np.bool_)


EXAMPLES = (
    Example(group_rows, _group, "record"),
    Example(count_votes, _votes, "record"),
    Example(count_pairs, _voices, "voice", consumed=(5, 6)),
    Example(name_lengths, _lengths, "name"),
    Example(name_bytes, _bytes, "name"),
    Example(names_read, _read, "name"),
    Example(digits_read, _digits, "text"),
)
