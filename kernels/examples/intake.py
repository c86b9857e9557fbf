"""Rows as they come in: words of names, numbers and dates that need no second look, clean cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import screens
from kernels.cell_text import as_they_are, gather_clean, has_control
from kernels.delimited import scan
from kernels.examples._form import Example
from kernels.examples.text import QUOTE, file_lines, name_texts, scan_arguments
from kernels.words import WordTable, count_words, number_short_texts, renumber, word_bits

_RUNS = np.array([1111, 123456, 654321, 1234567890, 111111111111, 123456789012], np.int64)


def _digits(n: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Numbers of nine, ten and twelve digits, some of them rows of equal or counting digits."""
    rng = np.random.default_rng(21)
    length = rng.choice([12, 12, 12, 10, 10, 9, 4], n).astype(np.uint8)
    value = rng.integers(0, 10**12, n)
    value = np.where(rng.random(n) < 0.3, value % 10**9 + 3 * 10**8, value)
    value = np.where(rng.random(n) < 0.05, _RUNS[rng.integers(0, 6, n)], value)
    return value % 10 ** length.astype(np.int64), length


def _personal(n: int) -> tuple[Any, ...]:
    provinces = np.zeros(1000, np.bool_)
    provinces[1:700:2] = True
    return *_digits(n), provinces, _RUNS, 2026, True


def _tens(n: int) -> tuple[Any, ...]:
    return *_digits(n), _RUNS, True


def _codes(n: int) -> tuple[Any, ...]:
    value, length = _digits(n)
    return (length.astype(np.int64) << 56) | value, 2026


def _dates(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(22)
    parts = zip(
        rng.integers(0, 33, n).tolist(),
        rng.integers(0, 14, n).tolist(),
        rng.integers(1840, 2030, n).tolist(),
        strict=True,
    )
    texts = [f"{d:02d}/{m:02d}/{y}".encode() if d else f"{y}".encode() for d, m, y in parts]
    offsets = np.cumsum([0, *map(len, texts)])
    data = np.frombuffer(b"".join(texts), np.uint8)
    places = [screens.DAY, ord("/"), screens.MONTH, ord("/"), screens.YEAR]
    form = (places, [2, 0, 2, 0, 4], [2, 0, 2, 0, 4])
    return offsets, data, *(np.array(part, np.uint8) for part in form), 1850, 2026 * 512 + 11 * 32 + 20


def _words(n: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8], int]:
    table = WordTable(5)
    # So many words that the table grows.
    held = [b"%d" % word for word in range(2100)]
    table.cut(np.cumsum([0, *map(len, held)]), np.frombuffer(b"".join(held), np.uint8))
    rows, counts = table.cut(*name_texts(n))
    return rows, counts, len(table)


def _bits(n: int) -> tuple[Any, ...]:
    rows, counts, words = _words(n)
    bits = np.random.default_rng(23).integers(0, 1 << 14, words + 1).astype(np.uint32)
    bits[0] = 0
    return rows, counts, bits


def _count(n: int) -> tuple[Any, ...]:
    rows, _, words = _words(n)
    return rows, np.zeros(words + 1, np.int64)


def _renumbered(n: int) -> tuple[Any, ...]:
    rows, _, words = _words(n)
    return rows, np.random.default_rng(24).permutation(words + 1).astype(np.uint32)


def _short(n: int) -> tuple[Any, ...]:
    """Codes of communes."""
    codes = np.random.default_rng(25).integers(0, 10_000, n).tolist()
    data = np.frombuffer(b"".join(b"%05d" % code for code in codes), np.uint8)
    return np.arange(n + 1) * 5, data, None


def _gather(n: int) -> tuple[Any, ...]:
    arguments = scan_arguments(n)
    scan(*arguments)
    begin, end, doubled = (table[3, :n].copy() for table in arguments[-3:])
    out = (np.empty(n + 1, np.int64), np.empty(int((end - begin).sum()) + 1, np.uint8), np.empty(n, np.uint8))
    return arguments[0], begin, end, doubled, QUOTE, False, *out


def _as_they_are(n: int) -> tuple[Any, ...]:
    offsets, data = name_texts(n)
    offsets = offsets.copy()
    offsets.flags.writeable = False
    return data, offsets, np.zeros(0, np.bool_), False, np.empty(n, np.uint8)


EXAMPLES = (
    Example(screens.personal_numbers, _personal, "number"),
    Example(screens.tens_and_twelves, _tens, "number"),
    Example(screens.mobiles, _digits, "number"),
    Example(screens.holders, _codes, "number"),
    Example(screens.dates, _dates, "date"),
    Example(word_bits, _bits, "name"),
    Example(count_words, _count, "name", consumed=(1,)),
    Example(renumber, _renumbered, "name", consumed=(0,)),
    Example(number_short_texts, _short, "text"),
    Example(has_control, lambda n: (file_lines(n),), "line"),
    Example(gather_clean, _gather, "cell"),
    Example(as_they_are, _as_they_are, "cell"),
)
