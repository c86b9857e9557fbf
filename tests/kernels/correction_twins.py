"""Slow twins of the kernels that count records of persons and write values: arguments in, answer out.

A twin looks at arrays only, and calls nothing it judges. Its answer is made of lists, numbers and texts.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter

from tests.kernels import twins
from tests.kernels.name_twins import Arguments, byte_texts


def grouped(given: Arguments) -> tuple[list[int], list[int]]:
    person, persons = given[0].tolist(), given[1].shape[0] - 1
    order = sorted(range(len(person)), key=lambda row: person[row])
    counts = Counter(person)
    return [0, *itertools.accumulate(counts[p] for p in range(persons))], order


def voted(given: Arguments) -> list[tuple[int, int, int]]:
    starts, order, source, value, agrees, contrary = (a.tolist() for a in given[:6])
    out = [(0, 0, 0)] * len(source)
    for a, b in itertools.pairwise(starts):
        rows = order[a:b]
        # Every other record by its source and what it says: a source counts once.
        agreeing = {source[j] for j in rows if agrees[j]}
        opposing = {source[j] for j in rows if contrary[j]}
        holding: dict[int, set[int]] = {}
        for j in rows:
            holding.setdefault(value[j], set()).add(source[j])
        for i in rows:
            held = holding[value[i]] if value[i] else set()
            out[i] = tuple(len(who - {source[i]}) for who in (agreeing, held, opposing))
    return out


def heard(given: Arguments) -> tuple[list[tuple[int, int]], list[list[int]], list[int], Counter, Counter]:
    order, person, source, value, manner, marks = (a.tolist() for a in given[:6])
    shared, telling = ([m for m in range(16) if bits >> m & 1] for bits in given[6:8])
    sources, manners = given[8].shape
    by_person: dict[int, dict[int, list[int]]] = {}
    for row in order:
        if manner[row]:
            by_person.setdefault(person[row], {}).setdefault(source[row], []).append(row)
    kept: list[tuple[int, int]] = []
    counts, marked = Counter(), Counter()
    pairs: Counter[tuple[int, int, int]] = Counter()
    agreed: Counter[int] = Counter()
    for said in by_person.values():
        voices = [(rows[0], len(rows)) for rows in said.values() if len({value[row] for row in rows}) == 1]
        first = [row for row, _ in voices]
        counts.update((source[row], manner[row]) for row in first)
        marked.update(marks[row] for row in first)
        if any(manner[row] in telling or marks[row] % 2 for row in first):
            kept += voices
        for one, other in itertools.combinations(first, 2):
            against = {m for m in (manner[one], manner[other]) if m not in shared}
            if len(against) == 2:
                continue
            pairs[next(iter(against), 0), source[one], source[other]] += 1
            if against and manner[one] == manner[other] and value[one] and value[one] == value[other]:
                agreed[manner[one]] += 1
    table = [[counts[s, m] for m in range(manners)] for s in range(sources)]
    return kept, table, [marked[mark] for mark in range(given[9].shape[0])], pairs, agreed


def _texts(names: Arguments, words: list[list[bytes]]) -> list[bytes]:
    return [
        b" ".join(spelt[token] for token in itertools.takewhile(bool, name))
        for name, spelt in zip(names, words, strict=True)
    ]


def name_offsets(given: Arguments) -> list[int]:
    names, second = given[0].tolist(), given[1].tolist()
    sizes = [[b - a for a, b in itertools.pairwise(offsets.tolist())] for offsets in given[2:4]]
    spelt = [[b"x" * size for size in one] for one in sizes]
    texts = _texts(names, [spelt[which] for which in second])
    return [0, *itertools.accumulate(map(len, texts))]


def name_text(given: Arguments) -> bytes:
    spelt = [byte_texts(given[2], given[3]), byte_texts(given[4], given[5])]
    return b"".join(_texts(given[0].tolist(), [spelt[which] for which in given[1].tolist()]))


def _at_rows(given: Arguments) -> list[bytes | None]:
    texts = byte_texts(given[0], given[1])
    return [texts[row] if row >= 0 else None for row in given[2].tolist()]


def read_names(given: Arguments) -> list[bool]:
    names = given[3].tolist()
    spelt = [byte_texts(given[4], given[5]), byte_texts(given[6], given[7])]
    either = zip(*(_texts(names, [one] * len(names)) for one in spelt), strict=True)
    return [text in both for text, both in zip(_at_rows(given), either, strict=True)]


def cases(given: Arguments) -> list[int]:
    """0 no letters, 1 capitals, 2 a small letter; 3 a character of neither ASCII nor Vietnamese."""
    known = "ĂĐĨŨƠƯ" + "".join(map(chr, [*range(0xC0, 0xD7), *range(0xD8, 0xDF), *range(0x1EA0, 0x1EFA, 2)]))
    out = []
    for text in byte_texts(given[0], given[1]):
        letters = [c for c in text.decode() if c.isalpha() or not c.isascii()]
        if any(c in known.lower() or (c.isascii() and c.islower()) for c in letters):
            out.append(2)
        elif any(c not in known and not c.isascii() for c in letters):
            out.append(3)
        else:
            out.append(1 if letters else 0)
    return out


def read_digits(given: Arguments) -> list[bool]:
    codes = given[3].tolist()
    return [
        text == b"%0*d" % (code >> 56, code & (1 << 56) - 1)
        for text, code in zip(_at_rows(given), codes, strict=True)
    ]


def read_dates(given: Arguments) -> list[bool]:
    """Every run of a letter is its part in at least so many digits, or all of them in two at least."""
    runs = re.findall(b"d+|m+|y+|[^dmy]+", given[4].tobytes())
    out = []
    for text, code in zip(_at_rows(given), given[3].tolist(), strict=True):
        part = {b"d": code & 31, b"m": code >> 5 & 15, b"y": code >> 9}
        written = {
            b"".join(b"%0*d" % (max(least, len(r)), part[r[:1]]) if r[:1] in part else r for r in runs)
            for least in (1, 2)
        }
        out.append(text in written)
    return out


def related(given: Arguments) -> list[int]:
    held, theirs = given[0].tolist(), given[1].tolist()
    missing, codes = given[4], given[5].tolist()
    out = []
    for mine, person, told in zip(held, given[2].tolist(), given[3].tolist(), strict=True):
        has, known = mine[0] != missing, theirs[person][0] != missing
        if known:
            empty = codes[3] if told else codes[2]
            out.append((codes[0] if mine == theirs[person] else codes[1]) if has else empty)
        else:
            out.append(codes[4] if has or told else codes[5])
    return out


def borne(given: Arguments) -> list[list[int]]:
    tokens = given[1].shape[0]
    names = [list(itertools.takewhile(bool, name)) for name in given[0].tolist()]
    places = (
        Counter(name[0] for name in names if len(name) > 1),
        Counter(token for name in names for token in name[1:-1]),
        Counter(name[-1] for name in names if name),
    )
    return [[counted[token] for token in range(tokens)] for counted in places]


def with_marks(given: Arguments) -> list[bool]:
    marked = {token for token, mark in enumerate(given[1].tolist()) if mark}
    return [bool(marked.intersection(name)) for name in given[0].tolist()]


def _cells(given: Arguments, at: int) -> list[tuple[int, ...]]:
    return list(zip(*given[at].tolist(), strict=True))


def hashed(given: Arguments) -> list[bytes]:
    texts, between = byte_texts(given[0], given[1]), bytes([given[3]])
    key = int(given[4]).to_bytes(8, "little") + int(given[5]).to_bytes(8, "little")
    return [twins.siphash128(key, between.join(texts[c] for c in row)) for row in _cells(given, 2)]


def _cell(text: bytes) -> bytes:
    shown = b"'" + text if text[:1] and text[:1] in b"=+-@\t\r'" else text
    quoted = not text or any(letter in shown for letter in b',"\r\n')
    return b'"' + shown.replace(b'"', b'""') + b'"' if quoted else shown


def marked_cells(given: Arguments) -> list[tuple[bool, bool, int]]:
    """Whether a text is quoted, whether something stands before it, how long it gets; the first is none."""
    none, *texts = byte_texts(given[0], given[1])
    assert none == b""
    cells = [(text, _cell(text)) for text in texts]
    written = [(c.startswith(b'"'), c.strip(b'"').startswith(b"'"), len(c)) for _, c in cells]
    return [(False, False, 0), *written]


def rows_as_csv(given: Arguments) -> bytes:
    none, *texts = byte_texts(given[0], given[1])
    shown = [none, *map(_cell, texts)]
    lines = []
    for row, cells in enumerate(_cells(given, 3)):
        of_ids = [given[4][number, row].tobytes().hex().encode() for number in range(given[4].shape[0])]
        line = [of_ids[c] if c >= 0 else shown[cells[-1 - c]] for c in given[5].tolist()]
        lines.append(b",".join(line) + b"\r\n")
    return b"".join(lines)
