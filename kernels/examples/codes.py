"""Numbers, dates, units and plain codes of pairs of records, and the levels and weights of their patterns."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.dates import date_bits_pairs
from kernels.examples._form import Example, mapped
from kernels.identifiers import identifier_bits_pairs, read_digits
from kernels.pairs import alias_relations, code_relations, held_bits, set_relations
from kernels.patterns import (
    ALWAYS,
    AND,
    AT_LEAST,
    AT_MOST,
    BITS_ANY,
    NOT,
    OR,
    TAKE_LEVEL,
    assign_patterns,
    count_patterns,
    reaching_pairs,
    score_pairs,
)
from kernels.sparse import mark_held, take_held

_DIGITS = 12


@functools.lru_cache(maxsize=2)
def numbers(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes of ``n`` personal numbers, and of the same with slips, of others, or none."""
    rng = np.random.default_rng(12)

    def some() -> NDArray[np.int64]:
        province, century = rng.integers(1, 97, n), rng.integers(0, 4, n)
        return ((province * 10 + century) * 100 + rng.integers(0, 100, n)) * 10**6 + rng.integers(0, 10**6, n)

    left, other = some(), some()
    luck = rng.random(n)
    power = 10 ** rng.integers(0, _DIGITS - 1, n)
    digit, above = left // power % 10, left // (power * 10) % 10
    changed = left + ((digit + rng.integers(1, 10, n)) % 10 - digit) * power
    swapped = left + (above - digit) * power + (digit - above) * power * 10
    dropped = left // (power * 10) * power + left % power
    right = np.select(
        [luck < 0.3, luck < 0.5, luck < 0.6, luck < 0.65], [left, changed, swapped, dropped], other
    )
    length = np.where((luck >= 0.6) & (luck < 0.65), _DIGITS - 1, _DIGITS)
    length = np.where((luck >= 0.65) & (luck < 0.68), 9, length)
    right = np.where(length == 9, right % 10**9, right)
    none = luck > 0.97
    left_code = np.where(luck > 0.99, 0, (np.int64(_DIGITS) << 56) | left)
    return left_code, np.where(none, 0, (length << 56) | right)


def _number_pairs(n: int) -> tuple[Any, ...]:
    rows = np.arange(n)
    return (*numbers(n), rows, rows, np.empty(n, np.uint32))


def _digits(n: int) -> tuple[Any, ...]:
    texts = [b"%012d" % (code & ((1 << 56) - 1)) if code else b"" for code in numbers(n)[0].tolist()]
    texts[::97] = [b"12 345" for _ in texts[::97]]
    offsets = np.cumsum([0, *map(len, texts)])
    return offsets, np.frombuffer(b"".join(texts), np.uint8), np.empty(n, np.int64), np.empty(n, np.uint8)


def _date_pairs(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(13)

    def some() -> tuple[NDArray[np.int64], ...]:
        return rng.integers(1940, 2020, n), rng.integers(1, 13, n), rng.integers(1, 29, n)

    (year, month, day), (other_year, other_month, other_day) = some(), some()
    luck = rng.random(n)
    left = year * 512 + month * 32 + day
    right = np.select(
        [luck < 0.4, luck < 0.5, luck < 0.6, luck < 0.7, luck < 0.75],
        [
            left,
            other_year * 512 + month * 32 + day,
            year * 512 + month * 32 + other_day,
            year * 512 + np.minimum(day, 12) * 32 + month,
            year * 512,
        ],
        other_year * 512 + other_month * 32 + other_day,
    )
    right[luck > 0.98] = 0
    rows = np.arange(n)
    return left.astype(np.int32), right.astype(np.int32), rows, rows, np.empty(n, np.uint32)


def _unit_pairs(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(14)
    sets = 4000
    sizes = rng.choice([1, 2, 3], sets, p=[0.8, 0.15, 0.05])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    members = np.sort(rng.integers(0, 3400, offsets[-1]))
    firsts, lasts = members[offsets[:-1]], members[offsets[1:] - 1]
    provinces = np.where(firsts // 100 == lasts // 100, firsts // 100, -1)
    left = rng.integers(-1, sets, n)
    right = np.where(rng.random(n) < 0.5, left, np.clip(left + rng.integers(-3, 4, n), 0, sets - 1))
    rows = np.arange(n)
    columns = (left.astype(np.int32), right.astype(np.int32), rows, rows)
    sets_of = (offsets.astype(np.int64), members.astype(np.int32), provinces.astype(np.int32))
    return (*columns, *sets_of, np.empty(n, np.uint32))


def _mapped_unit_pairs(n: int) -> tuple[Any, ...]:
    left, right, *others = _unit_pairs(n)
    return (left, mapped(right), *others)


def _code_pairs(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(15)
    left, right = (rng.integers(0, 3, n).astype(np.uint8) for _ in range(2))
    rows = np.arange(n)
    return left, right, rows, rows, np.empty(n, np.uint32)


def _alias_pairs(n: int) -> tuple[Any, ...]:
    codes, others = numbers(n)
    rng = np.random.default_rng(16)
    aliases = np.zeros((n, 2), np.int64)
    known = np.flatnonzero(rng.random(n) < 0.05)
    aliases[known, 0] = others[known]
    rows = np.arange(n)
    return codes, aliases, rows, (rows + 1) % n, np.uint32(1 << 30), np.zeros(n, np.uint32)


def _held(n: int) -> tuple[Any, ...]:
    held = np.random.default_rng(17).integers(0, 2, n).astype(np.uint8)
    return held, np.arange(n), np.uint32(1 << 31), np.zeros(n, np.uint32)


#: Seven parts: a number, a name with a distance, a date, a sex, a place, a phone and one more name.
_PARTS: tuple[tuple[tuple[tuple[int, int, int], ...], ...], ...] = (
    (((BITS_ANY, 0, 1),), ((BITS_ANY, 0, 2),), ((BITS_ANY, 0, 4 | 8 | 16),)),
    (
        ((BITS_ANY, 1, 1),),
        ((BITS_ANY, 1, 2),),
        ((BITS_ANY, 1, 8), (BITS_ANY, 1, 16), (NOT, 0, 0), (AND, 0, 0)),
        ((AT_MOST, 0, 1), (BITS_ANY, 1, 64), (OR, 0, 0)),
        ((AT_LEAST, 1, 128),),
    ),
    (((BITS_ANY, 2, 1),), ((BITS_ANY, 2, 2),), ((BITS_ANY, 2, 4 | 8),), ((BITS_ANY, 2, 16),)),
    (((BITS_ANY, 3, 1),), ((BITS_ANY, 3, 2),)),
    (((BITS_ANY, 4, 1),), ((BITS_ANY, 4, 2 | 4),), ((BITS_ANY, 4, 8),)),
    (((BITS_ANY, 5, 1),), ((BITS_ANY, 5, 2),)),
    (((BITS_ANY, 6, 1),), ((BITS_ANY, 6, 2),), ((BITS_ANY, 6, 1024),)),
)


def _levels(n: int) -> tuple[Any, ...]:
    code: list[tuple[int, int, int]] = []
    starts, sizes = [0], []
    for part, levels in enumerate(_PARTS):
        for level, condition in enumerate((*levels, ((ALWAYS, 0, 0),))):
            code += [*condition, (TAKE_LEVEL, part, level)]
        starts.append(len(code))
        sizes.append(len(levels) + 1)
    radix = [int(np.prod(sizes[part + 1 :])) for part in range(len(sizes))]
    rng = np.random.default_rng(18)
    bits = (1 << rng.integers(0, 12, (len(_PARTS), n))).astype(np.uint32)
    measured = rng.integers(0, 256, (2, n)).astype(np.int32)
    programme = (np.array(code, np.int64), np.array(starts, np.int64), np.array(radix, np.int64))
    return (*programme, bits, measured, n, np.empty(n, np.uint32))


_PATTERNS = 20_000


def _patterns(n: int) -> NDArray[np.uint32]:
    """Patterns as uneven as those of candidate pairs."""
    return (_PATTERNS * np.random.default_rng(19).random(n) ** 6).astype(np.uint32)


def _histogram(n: int) -> tuple[Any, ...]:
    return _patterns(n), n, np.zeros(_PATTERNS, np.int64)


def _scores(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(20)
    tables: list[Any] = []
    for _ in range(2):
        tables.append(rng.integers(-(1 << 15), 1 << 15, _PATTERNS).astype(np.int32))
        tables.append(rng.integers(-1, 2, _PATTERNS).astype(np.int8))
    repeated = (rng.random(_PATTERNS) < 0.1).astype(np.uint8)
    frequency = rng.integers(0, 1 << 14, (n, 2)).astype(np.int16)
    repeats = -rng.integers(0, 1 << 14, n).astype(np.int32)
    rows = np.arange(5, n + 5, dtype=np.uint32)
    found = [np.zeros(n, dtype) for dtype in (np.uint32, np.uint32, np.uint32, np.int32, np.int32)]
    pairs = _patterns(n), np.arange(n), rng.permutation(n)
    return (*pairs, *tables, repeated, frequency, repeats, 1 << 14, rows, 0, *found)


def _reaching(n: int) -> tuple[Any, ...]:
    patterns, left, right, weights, asked, blind, blind_asked, *others = _scores(n)[:10]
    floor, empty = 1 << 14, (np.arange(n) % 3 == 0).astype(np.uint8)
    tables = [np.stack([table, table - (1 << 12)]) for table in (weights, blind)]
    places = np.arange(_PATTERNS, dtype=np.uint32) * np.uint32(16)
    found = [np.zeros(n, dtype) for dtype in (np.int64, np.int64, np.uint32)]
    asks = tables[0], asked, tables[1], blind_asked, *others
    return (patterns, left, right, empty, *asks, floor, places, 0, *found)


def _few(n: int) -> tuple[Any, ...]:
    """Rows of a column of ``n`` of which three in ten have a number."""
    rng = np.random.default_rng(21)
    held = rng.random(n) < 0.3
    bits, before = mark_held(held)
    values = np.arange(1, int(held.sum()) + 1) << 20
    return bits, before, values, np.sort(rng.integers(0, n, n)), np.empty(n, np.int64)


EXAMPLES = (
    Example(identifier_bits_pairs, _number_pairs, "pair"),
    Example(read_digits, _digits, "text"),
    Example(date_bits_pairs, _date_pairs, "pair"),
    Example(set_relations, _unit_pairs, "pair", "gathered columns"),
    Example(set_relations, _mapped_unit_pairs, "pair", "a mapped column"),
    Example(code_relations, _code_pairs, "pair"),
    Example(alias_relations, _alias_pairs, "pair", consumed=(5,)),
    Example(held_bits, _held, "pair", consumed=(3,)),
    Example(take_held, _few, "row"),
    Example(assign_patterns, _levels, "pair"),
    Example(count_patterns, _histogram, "pair", consumed=(2,)),
    Example(score_pairs, _scores, "pair"),
    Example(reaching_pairs, _reaching, "pair"),
)
