"""Slow twins of the kernels on columns of strings and names: arguments in, answer out, row by row.

A twin looks at arrays only, and calls nothing it judges. Its answer is made of lists, numbers and texts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.kernels import twins

Arguments = tuple[Any, ...]
_GOLDEN = 0x9E3779B97F4A7C15


def texts_of(packed: Any) -> list[str]:
    """The strings of a packed column."""
    letters = "\0" + "".join(map(chr, packed.alphabet.tolist()))
    units = packed.codes.tolist()
    at = packed.offsets.tolist()
    return ["".join(letters[u] for u in units[a:b]) for a, b in itertools.pairwise(at)]


def _string_pairs(given: Arguments) -> list[tuple[str, str]]:
    left, right = texts_of(given[0]), texts_of(given[1])
    return [(left[i], right[j]) for i, j in zip(given[2].tolist(), given[3].tolist(), strict=True)]


def distances(metric: Callable[[str, str], int]) -> Callable[[Arguments], list[int]]:
    """Distances of strings, one more than the cutoff where they exceed it."""
    return lambda given: [min(metric(a, b), given[4] + 1) for a, b in _string_pairs(given)]


def similarities(metric: Callable[[str, str], float]) -> Callable[[Arguments], list[float]]:
    """Similarities of strings, 0.0 where they are below the cutoff."""

    def answer(given: Arguments) -> list[float]:
        values = [metric(a, b) for a, b in _string_pairs(given)]
        return [value if value >= given[4] else 0.0 for value in values]

    return answer


def byte_texts(offsets: Any, data: Any) -> list[bytes]:
    """The byte strings of two buffers."""
    whole = data.tobytes()
    return [whole[a:b] for a, b in itertools.pairwise(offsets.tolist())]


class FormToken(NamedTuple):
    """A token as the twins of names want it, from its forms."""

    text: int
    plain: int
    letters: str
    phonetic: int
    marked: bool
    single: bool


def tokens_of(forms: Any) -> list[FormToken]:
    """All tokens of a vocabulary."""
    letters = [text.decode() for text in byte_texts(forms.char_offsets, forms.chars)]
    columns = (forms.plain.tolist(), letters, forms.phonetic.tolist(), forms.marked, forms.single)
    return [
        FormToken(i, p, t, s, bool(m), bool(n))
        for i, (p, t, s, m, n) in enumerate(zip(*columns, strict=True))
    ]


Spelt = list[FormToken]


def names_of(table: Any, known: Sequence[FormToken]) -> list[Spelt]:
    return [[known[token] for token in row if token] for row in table.tolist()]


def _name_pairs(given: Arguments) -> list[tuple[Spelt, Spelt]]:
    known = tokens_of(given[4])
    left, right = names_of(given[0], known), names_of(given[1], known)
    return [(left[i], right[j]) for i, j in zip(given[2].tolist(), given[3].tolist(), strict=True)]


def facts_of_names(given: Arguments) -> list[set[str]]:
    return [twins.name_facts(a, b) for a, b in _name_pairs(given)]


def overlaps(given: Arguments) -> list[int]:
    return [int(twins.overlap(a, b) * 255 + 0.5) for a, b in _name_pairs(given)]


def name_distances(given: Arguments) -> list[int]:
    most = given[6] + 1
    return [
        min(twins.osa(twins.spelt(a), twins.spelt(b)), most) if a and b else 255
        for a, b in _name_pairs(given)
    ]


def name_similarities(given: Arguments) -> list[float]:
    return [
        twins.jaro_winkler(twins.spelt(a), twins.spelt(b)) if a and b else -1.0 for a, b in _name_pairs(given)
    ]


def masks(given: Arguments) -> list[int]:
    table, letters, lengths, longest, _ = given
    out = []
    for row in table.tolist():
        tokens = [token for token in row if token]
        held = 0
        for token in tokens:
            held |= int(letters[token])
        length = sum(min(int(lengths[token]), longest) for token in tokens) + max(0, len(tokens) - 1)
        out.append(held | (length << 32))
    return out


def near(given: Arguments) -> list[bool]:
    held, left, right, bits, settled, cutoff, _ = given
    out = []
    for i, j, known in zip(left.tolist(), right.tolist(), bits.tolist(), strict=True):
        a, b = int(held[i]), int(held[j])
        own, other = a & 0xFFFFFFFF & ~b, b & 0xFFFFFFFF & ~a
        far = abs((a >> 32) - (b >> 32)) > cutoff or max(own.bit_count(), other.bit_count()) > cutoff
        out.append(not known & settled and not far)
    return out


def combined(state: int, word: int) -> int:
    """A word taken into a keyed hash."""
    return twins.splitmix64((state * 0xD6E8FEB86659FD93 + word + _GOLDEN) & twins.WORD)


def start_of_keys(secret: int) -> int:
    """What every key begins with."""
    return twins.splitmix64(secret ^ _GOLDEN)


def _folded(state: int, word: int) -> int:
    return 0 if not state or not word else combined(state, word) or 1


def hashes_of_names(given: Arguments) -> list[int]:
    """Parts: 0 whole, 1 given, 2 surname, 3 middle, 4 a set."""
    table, words, part, _ = given
    out = []
    for row in table.tolist():
        own = [int(words[token]) for token in row if token]
        if not own:
            out.append(0)
        elif part == 1:
            out.append(own[-1])
        elif part == 2:
            out.append(own[0] if len(own) > 1 else 0)
        elif part == 4:
            out.append(_folded(start_of_keys(7), sum(own) & twins.WORD))
        else:
            key = 1
            for word in own if part == 0 else own[1:-1]:
                key = _folded(key, word)
            out.append(key)
    return out


def _is_wide(row: list[int]) -> bool:
    return any(row[4:]) or max(row) >= 0xFFFF


def narrowed(rows: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Rows of eight as rows of four, those that do not fit kept apart and numbered."""
    narrow, wide = [], []
    for row in rows:
        if _is_wide(row):
            narrow.append([0xFFFF, len(wide) & 0xFFFF, len(wide) >> 16, 0])
            wide.append(row)
        else:
            narrow.append(row[:4])
    return narrow, wide


def widened(narrow: list[list[int]], wide: list[list[int]]) -> list[list[int]]:
    """The rows of eight again."""
    return [wide[row[1] | row[2] << 16] if row[0] == 0xFFFF else [*row, 0, 0, 0, 0] for row in narrow]


def widened_rows(given: Arguments) -> list[list[int]]:
    whole = widened(given[0].tolist(), given[1].tolist())
    return [whole[row] for row in given[2].tolist()] if len(given) > 2 else whole


def recoded(given: Arguments) -> tuple[list[list[int]], list[list[int]]]:
    table = given[2].tolist()
    return narrowed(
        [[table[token] for token in row] for row in widened(given[0].tolist(), given[1].tolist())]
    )
