"""Records of persons who are counted together, values as text and against texts, and rows of cells."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.cells import hash_rows, mark_cells, write_rows
from kernels.examples._form import Example, mapped
from kernels.relations import count_bearers, find_marked, relate_values
from kernels.votes import count_votes, group_rows, hear_voices
from kernels.written import dates_read, digits_read, find_case, name_bytes, name_lengths, names_read

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
    """Two records a person on average, most of them for the register, some of them not heard."""
    rng = np.random.default_rng(43)
    person, source = rng.integers(0, max(1, n // 2), n), rng.integers(0, 3, n).astype(np.uint8)
    manner = np.where(rng.random(n) < 0.7, 1, rng.integers(0, _MANNERS, n)).astype(np.uint8)
    marks = np.where(rng.random(n) < 0.9, 0, rng.integers(0, 8, n)).astype(np.uint8)
    order = np.lexsort((source, person))
    given = (order, person, source, rng.integers(0, 2, n).astype(np.uint64), manner, marks)
    shared, telling = 1 << 1 | 1 << 8, 0b11111100
    counts, marked = np.zeros((3, _MANNERS), np.int64), np.zeros(8, np.int64)
    pairs, agreed = np.zeros((_MANNERS, 3, 3), np.int64), np.zeros(_MANNERS, np.int64)
    found = np.empty(n, np.int64), np.empty(n, np.int32)
    return *(mapped(one) for one in given), shared, telling, counts, marked, pairs, agreed, *found


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
    rows = np.arange(n)
    rows[::50] = -1
    out = np.empty(n, np.bool_)
    return mapped(lengths[-1]), mapped(text), mapped(rows), given[0], *_spellings(), out


def _letters(n: int) -> tuple[Any, ...]:
    """Names, three of ten in capitals, and half of them with the letters of ASCII in capitals."""
    lengths, given = _lengths(n), _bytes(n)
    name_lengths(*lengths)
    name_bytes(*given)
    text = given[-1].copy()
    half = text[: int(lengths[-1][n // 2])]
    half[(half >= 0x61) & (half < 0x7B)] -= 32
    return mapped(lengths[-1]), mapped(text), np.empty(n, np.uint8)


def _digits(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(47)
    values = rng.integers(0, 10**9, n)
    digits = np.where(rng.random(n) < 0.9, 12, 9)
    texts = [b"%0*d" % (size, value) for size, value in zip(digits.tolist(), values.tolist(), strict=True)]
    texts = [t[:-1] + b"x" if row % 20 == 0 else t for row, t in enumerate(texts)]
    starts = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    data = np.frombuffer(b"".join(texts), np.uint8)
    codes = digits << 56 | values
    return mapped(starts), mapped(data), mapped(np.arange(n)), mapped(codes), np.empty(n, np.bool_)


def _dates(n: int) -> tuple[Any, ...]:
    """Dates of a form, half of them with two digits to a part, some of another day."""
    rng = np.random.default_rng(48)
    days, months, years = rng.integers(0, 32, n), rng.integers(0, 13, n), rng.integers(1900, 2030, n)
    forms = np.array([b"%d/%d/%d", b"%02d/%02d/%d", b"%d-%d-%d"])[rng.integers(0, 3, n)]
    parts = zip(forms.tolist(), days.tolist(), months.tolist(), years.tolist(), strict=True)
    texts = [form % (day, month, year) for form, day, month, year in parts]
    starts = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    data = np.frombuffer(b"".join(texts), np.uint8)
    codes = ((days + (rng.random(n) < 0.1)) % 32 | months << 5 | years << 9).astype(np.int32)
    form = mapped(np.frombuffer(b"d/m/yyyy", np.uint8))
    return mapped(starts), mapped(data), mapped(np.arange(n)), mapped(codes), form, np.zeros(n, np.bool_)


def _values(kind: type, width: int, missing: int) -> Callable[[int], tuple[Any, ...]]:
    """Records of as many persons, most of which hold the person's value, some of them none."""

    def make(n: int) -> tuple[Any, ...]:
        rng = np.random.default_rng(50)
        theirs: NDArray[Any] = rng.integers(1, 7, (n, width)).astype(kind)
        theirs[rng.random(n) < 0.1] = missing
        person = rng.integers(0, n, n).astype(np.uint32)
        held = theirs[person]
        held[rng.random(n) < 0.1, width - 1] = 3
        held[rng.random(n) < 0.1] = missing
        given = (held, theirs, person, rng.random(n) < 0.5)
        return *map(mapped, given), missing, np.arange(10, 16, dtype=np.uint8), np.empty(n, np.uint8)

    return make


def _bearers(n: int) -> tuple[Any, ...]:
    return mapped(_names(n)), *(np.zeros(len(_WORDS) + 1, np.int64) for _ in range(3))


def _marked(n: int) -> tuple[Any, ...]:
    marked = np.arange(len(_WORDS) + 1) % 3 == 1
    return mapped(_names(n)), mapped(marked), np.empty(n, np.bool_)


@functools.lru_cache(maxsize=2)
def _pool(n: int) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint32]]:
    """Texts of which some need quotes or an escape, and four columns of cells."""
    rng = np.random.default_rng(51)
    some = (b"", b"", b"=1", b'a"b', b"x,y", b"'", b"line\nline", b"-\r", "Nguyễn Thị An".encode(), b"001")
    texts = [*some, *(b"%012d" % number for number in rng.integers(0, 10**12, n).tolist())]
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    data = np.frombuffer(b"".join(texts), np.uint8).copy()
    return offsets, data, rng.integers(0, len(texts), (4, n)).astype(np.uint32)


def _hashed(n: int) -> tuple[Any, ...]:
    return *_pool(n), 31, np.uint64(7), np.uint64(8), np.empty((n, 2), np.uint64)


def _marks(n: int) -> tuple[Any, ...]:
    offsets, data, _ = _pool(n)
    texts = offsets.shape[0] - 1
    return offsets, data, np.empty(texts, np.uint8), np.empty(texts, np.int64)


def _rows(n: int) -> tuple[Any, ...]:
    """Four columns of cells and two of ids."""
    offsets, data, marks, sizes = _marks(n)
    mark_cells(offsets, data, marks, sizes)
    cells = _pool(n)[2]
    ids = np.random.default_rng(52).integers(0, 256, (2, n, 16)).astype(np.uint8)
    columns = np.array([0, -1, -4, 1, -2, -3], np.int64)
    size = int(sizes[cells].sum()) + n * (2 * 32 + len(columns) - 1 + 2)
    return offsets, data, marks, cells, ids, columns, np.empty(size, np.uint8)


EXAMPLES = (
    Example(group_rows, _group, "record"),
    Example(count_votes, _votes, "record"),
    Example(hear_voices, _voices, "record", consumed=(8, 9, 10, 11)),
    Example(name_lengths, _lengths, "name"),
    Example(name_bytes, _bytes, "name"),
    Example(names_read, _read, "name"),
    Example(find_case, _letters, "text"),
    Example(digits_read, _digits, "text"),
    Example(dates_read, _dates, "text"),
    Example(relate_values, _values(np.uint32, 8, 0), "record", "names"),
    Example(relate_values, _values(np.int64, 1, 0), "record", "identifiers"),
    Example(relate_values, _values(np.int32, 1, -1), "record", "units"),
    Example(relate_values, _values(np.uint8, 1, 0), "record", "sexes"),
    Example(count_bearers, _bearers, "name", consumed=(1, 2, 3)),
    Example(find_marked, _marked, "name"),
    Example(hash_rows, _hashed, "row"),
    Example(mark_cells, _marks, "text"),
    Example(write_rows, _rows, "row"),
)
