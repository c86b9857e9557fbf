"""Slow twins of the kernels that rows meet when they come in: arguments in, answer out.

A twin looks at arrays only, and calls nothing it judges. Its answer is made of lists, numbers and texts.
"""

from __future__ import annotations

import calendar
import itertools
import re
from collections import Counter

from tests.kernels.name_twins import Arguments, byte_texts


def _written(given: Arguments) -> list[str]:
    """Numbers as they were written, with their leading zeros."""
    return [f"{v:0{n}d}" for v, n in zip(given[0].tolist(), given[1].tolist(), strict=True)]


def _code(text: str) -> int:
    return (len(text) << 56) | int(text)


def _a_run(text: str, runs: list[int]) -> bool:
    return int(text) < 1000 or int(text) in runs


def personal_codes(given: Arguments) -> list[int]:
    provinces, runs, latest, nine = given[2].tolist(), given[3].tolist(), given[4], given[5]
    out = []
    for text in _written(given):
        fine = len(text) == 9 and nine
        if len(text) == 12:
            year = 1900 + int(text[3]) // 2 * 100 + int(text[4:6])
            fine = provinces[int(text[:3])] and year <= latest
        out.append(_code(text) if fine and not _a_run(text, runs) else 0)
    return out


def checked_codes(given: Arguments) -> list[int]:
    out = []
    for text in _written(given):
        fine = len(text) in (10, 12) and not _a_run(text, given[2].tolist())
        if fine and len(text) == 10 and given[3]:
            weights = (31, 29, 23, 19, 17, 13, 7, 5, 3)
            rest = sum(int(d) * w for d, w in zip(text, weights, strict=False)) % 11
            fine = rest > 0 and 10 - rest == int(text[9])
        out.append(_code(text) if fine else 0)
    return out


def mobile_codes(given: Arguments) -> list[int]:
    placeholder = "^.?.?(?:12345678|87654321|" + "|".join(str(d) * 8 for d in range(10)) + ")"
    fine = (re.match("0[35789].{8}$", t) and not re.match(placeholder, t) for t in _written(given))
    return [_code(text) if held else 0 for text, held in zip(_written(given), fine, strict=True)]


def holders(given: Arguments) -> tuple[list[int], list[int]]:
    sexes, years = [], []
    for code in given[0].tolist():
        length, value = code >> 56, code & ((1 << 56) - 1)
        text = f"{value:0{length}d}" if length else ""
        year = 1900 + int(text[3]) // 2 * 100 + int(text[4:6]) if length == 12 else 0
        says = 0 < year <= given[1]
        sexes.append(1 + int(text[3]) % 2 if says else 0)
        years.append(year if says else 0)
    return sexes, years


def date_codes(given: Arguments) -> list[int]:
    offsets, data, places, least, most, earliest, latest = given
    pattern = ""
    for place, low, high in zip(places.tolist(), least.tolist(), most.tolist(), strict=True):
        group = {1: "d", 2: "m", 3: "y"}.get(place)
        pattern += f"(?P<{group}>[0-9]{{{low},{high}}})" if group else re.escape(chr(place))
    out = []
    for text in byte_texts(offsets, data):
        found = re.fullmatch(pattern, text.decode("utf-8", "replace"), re.ASCII)
        code = 0
        if found:
            year, month, day = (int(found[part]) for part in "ymd")
            longest = 31
            if 1 <= month <= 12:
                longest = 29 if month == 2 and calendar.isleap(year) else calendar.mdays[month]
            possible = month <= 12 and day <= longest and (month > 0 or day == 0)
            code = year * 512 + month * 32 + day
            code = code if possible and year >= earliest and code <= latest else 0
        out.append(code)
    return out


def bits_of_words(given: Arguments) -> tuple[list[int], ...]:
    out = []
    for row, count in zip(given[0].tolist(), given[1].tolist(), strict=True):
        held = [int(given[2][word]) for word in row[:count]] if count <= 8 else []
        every = 0
        for bits in held:
            every |= bits
        places = (held[0], held[min(1, len(held) - 1)], held[-1]) if held else (0, 0, 0)
        out.append((every, *places))
    return tuple(list(column) for column in zip(*out, strict=True))


def word_counts(given: Arguments) -> list[int]:
    counted = Counter(itertools.chain.from_iterable(given[0].tolist()))
    return [counted[word] for word in range(given[1].shape[0])]


def renumbered(given: Arguments) -> list[list[int]]:
    numbers = [0, *given[1].tolist()[1:]]
    return [[numbers[word] for word in row] for row in given[0].tolist()]


def numbered(given: Arguments) -> tuple[list[int], list[int]]:
    texts = byte_texts(given[0], given[1])
    first: dict[bytes, int] = {}
    for row, text in enumerate(texts):
        first.setdefault(text, row)
    place = {text: number for number, text in enumerate(first)}
    return [place[text] for text in texts], list(first.values())


def controls(given: Arguments) -> tuple[bool, int]:
    text = given[0].tobytes().decode("utf-8")
    found = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", text)
    return found is not None, len(given[0].tobytes())


def plain_cells(given: Arguments) -> tuple[bool, list[int]]:
    """All texts begin with a letter here, so they are what they are; 1 is a cell without anything."""
    return True, [0 if text else 1 for text in byte_texts(given[1], given[0])]
