"""Slow twins of the kernels that count records of persons and write names: arguments in, answer out.

A twin looks at arrays only, and calls nothing it judges. Its answer is made of lists, numbers and texts.
"""

from __future__ import annotations

import itertools
from collections import Counter

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


def paired(given: Arguments) -> tuple[dict[tuple[int, int, int], int], dict[int, int]]:
    starts, place, manner, value = (a.tolist() for a in given[:4])
    pairs: Counter[tuple[int, int, int]] = Counter()
    agreed: Counter[int] = Counter()
    favourable = [m for m in range(16) if given[4] >> m & 1]
    for a, b in itertools.pairwise(starts):
        for i, j in itertools.combinations(range(a, b), 2):
            against = {m for m in (manner[i], manner[j]) if m not in favourable}
            if len(against) == 2:
                continue
            both = manner[i] == manner[j] and bool(against)
            pairs[next(iter(against), 0), place[i], place[j]] += 1
            if both and value[i] and value[i] == value[j]:
                agreed[manner[i]] += 1
    return dict(pairs), dict(agreed)


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


def read_names(given: Arguments) -> list[bool]:
    names = given[2].tolist()
    spelt = [byte_texts(given[3], given[4]), byte_texts(given[5], given[6])]
    either = zip(*(_texts(names, [one] * len(names)) for one in spelt), strict=True)
    return [text in both for text, both in zip(byte_texts(given[0], given[1]), either, strict=True)]


def read_digits(given: Arguments) -> list[bool]:
    codes = given[2].tolist()
    return [
        text == b"%0*d" % (code >> 56, code & (1 << 56) - 1)
        for text, code in zip(byte_texts(given[0], given[1]), codes, strict=True)
    ]
