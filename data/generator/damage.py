"""Slips in single values: names, personal numbers and birth dates. Each function returns another value than
it got.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from data.generator import dates
from data.generator.kinship import EXTRACT
from data.generator.spelling import fold, regional, split_tone, telex, vni, with_tone

#: Shares of the kinds of name damage. A kind that a name does not allow (no middle name to drop, no
#: spelling that its region confuses) gives way to ``typing``.
NAME_SHARES = {
    "typing": 0.34,
    "regional_spelling": 0.22,
    "telex_residue": 0.12,
    "vni_residue": 0.05,
    "abbreviation": 0.10,
    "middle_dropped": 0.12,
    "order_reversed": 0.05,
}
#: Shares of the kinds of mistyped numbers; a lost zero is the dropped digit of a spreadsheet.
NUMBER_SHARES = {"substitution": 0.68, "swap": 0.16, "dropped": 0.08, "lost_zero": 0.03, "doubled": 0.05}
#: Share of wrong dates with day and month swapped, where the day is at most 12 and not the month.
SWAPPED_DATES = 0.4

#: Each kind as often among 100 as its share says.
_NAME_KINDS = [kind for kind, share in NAME_SHARES.items() for _ in range(round(100 * share))]
_NUMBER_KINDS = [kind for kind, share in NUMBER_SHARES.items() for _ in range(round(100 * share))]
_NEIGHBOURS = {
    "a": "sqz", "b": "vnh", "c": "xvd", "d": "sfe", "e": "wrd", "g": "fht", "h": "gjn", "i": "uok",
    "k": "jlm", "l": "ko", "m": "n", "n": "bmh", "o": "ipl", "p": "o", "q": "wa", "r": "etd", "s": "adw",
    "t": "ryg", "u": "yih", "v": "cbg", "x": "zcs", "y": "tuh",
}  # fmt: skip
_LOOK_ALIKE = {
    "0": "68",
    "1": "74",
    "3": "85",
    "5": "63",
    "6": "508",
    "7": "1",
    "8": "36",
    "9": "48",
    "2": "37",
    "4": "19",
}
#: Places in ddmmyyyy where a digit goes wrong, the last ones of each part more often; never the century.
_DATE_PLACES = (0, 1, 1, 1, 2, 3, 3, 6, 6, 7, 7, 7)
_TONE_SLIPS = {"s": "f", "f": "s", "r": "x", "x": "rj", "j": "xr"}


def damaged_name(name: str, region: str, rng: random.Random) -> tuple[str, str]:
    """A damaged name and the kind of damage; ``name`` in words, given name last or not."""
    kind = _NAME_KINDS[int(rng.random() * len(_NAME_KINDS))]
    result = _KINDS[kind](name.split(" "), region, rng)
    if result and result != name:
        return result, kind
    return _typed(name, rng), "typing"


def _regional(words: list[str], region: str, rng: random.Random) -> str:
    places = [at for at, word in enumerate(words) if regional(word, region)]
    if not places:
        return ""
    at = rng.choice(places)
    return _with(words, at, rng.choice(regional(words[at], region)))


def _residue(words: list[str], rng: random.Random, keys: Callable[[str, bool], str]) -> str:
    places = [at for at, word in enumerate(words) if fold(word) != word]
    if not places:
        return ""
    at = rng.choice(places)
    return _with(words, at, keys(words[at], rng.random() < 0.5))


def _abbreviated(words: list[str], rng: random.Random) -> str:
    style = rng.random()
    if len(words) < 3 or style < 0.35:
        short = words[0][:2] if words[0].startswith(("Ng", "Tr", "Ph", "Th")) else words[0][:1]
        return _with(words, 0, short + rng.choice((".", "")))
    if style < 0.8:
        at = rng.randrange(1, len(words) - 1)
        return _with(words, at, words[at][:1] + rng.choice((".", "")))
    return " ".join([*(word[:1] + "." for word in words[:-1]), words[-1]])


def _without_middle(words: list[str], rng: random.Random) -> str:
    if len(words) < 3:
        return ""
    if len(words) > 3 and rng.random() < 0.5:
        at = rng.randrange(1, len(words) - 1)
        return " ".join(words[:at] + words[at + 1 :])
    return f"{words[0]} {words[-1]}"


def _reversed(words: list[str], rng: random.Random) -> str:
    if rng.random() < 0.5:
        return " ".join([words[-1], *words[:-1]])
    return " ".join([*words[1:], words[0]])


_KINDS: dict[str, Callable[[list[str], str, random.Random], str]] = {
    "typing": lambda words, _, rng: _typed(" ".join(words), rng),
    "regional_spelling": _regional,
    "telex_residue": lambda words, _, rng: _residue(words, rng, telex),
    "vni_residue": lambda words, _, rng: _residue(words, rng, vni),
    "abbreviation": lambda words, _, rng: _abbreviated(words, rng),
    "middle_dropped": lambda words, _, rng: _without_middle(words, rng),
    "order_reversed": lambda words, _, rng: _reversed(words, rng),
}


def _typed(name: str, rng: random.Random) -> str:
    """One slip of the fingers in one word."""
    words = name.split(" ")
    for _ in range(20):
        at = int(rng.random() * len(words))
        result = _with(words, at, _slip(words[at], rng))
        if result != name and result.strip():
            return result
    return name + name[-1:].lower()


def _slip(word: str, rng: random.Random) -> str:
    style = rng.random()
    at = int(rng.random() * len(word))
    if style < 0.30:
        near = _NEIGHBOURS.get(fold(word[at]).lower(), "")
        if not near:
            return word
        other = rng.choice(near)
        return word[:at] + (other.upper() if word[at].isupper() else other) + word[at + 1 :]
    if style < 0.50:
        if at + 1 >= len(word):
            return word
        pair = word[at + 1] + word[at]
        return word[:at] + (pair.capitalize() if at == 0 else pair) + word[at + 2 :]
    if style < 0.70:
        shorter = word[:at] + word[at + 1 :]
        return shorter[:1].upper() + shorter[1:] if len(word) > 1 else word
    if style < 0.80:
        return word[: at + 1] + word[at].lower() + word[at + 1 :]
    plain, tone = split_tone(word)
    if not tone:
        return word
    if style < 0.93:
        return with_tone(plain, rng.choice(_TONE_SLIPS[tone]))
    return plain


def _with(words: list[str], at: int, word: str) -> str:
    return " ".join([*words[:at], word, *words[at + 1 :]])


def mistyped_number(number: str, rng: random.Random) -> str:
    """One slip in a number of twelve digits: eleven, twelve or thirteen digits."""
    for _ in range(20):
        kind = _NUMBER_KINDS[int(rng.random() * len(_NUMBER_KINDS))]
        at = int(rng.random() * len(number))
        if kind == "substitution":
            near = _LOOK_ALIKE[number[at]]
            digit = rng.choice(near) if rng.random() < 0.4 else rng.choice("0123456789")
            result = number[:at] + digit + number[at + 1 :]
        elif kind == "swap":
            at = min(at, len(number) - 2)
            result = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
        elif kind == "dropped":
            result = number[:at] + number[at + 1 :]
        elif kind == "lost_zero":
            result = number.lstrip("0")
        else:
            result = number[:at] + number[at] + number[at:]
        if result != number:
            return result
    return number[:-1] + ("0" if number[-1] != "0" else "1")


def wrong_date(code: int, rng: random.Random) -> tuple[int, str]:
    """Another day, by day and month swapped or one digit wrong; with the kind. Never after the extract."""
    year, month, day = int(dates.YEAR[code]), int(dates.MONTH[code]), int(dates.DAY[code])
    if rng.random() < SWAPPED_DATES and day <= 12 and day != month:
        swapped = dates.code_of(year, day, month)
        if swapped is not None and swapped <= EXTRACT:
            return swapped, "day_month_swapped"
    text = f"{day:02d}{month:02d}{year:04d}"
    for _ in range(100):
        at = _DATE_PLACES[int(rng.random() * len(_DATE_PLACES))]
        changed = text[:at] + "0123456789"[int(rng.random() * 10)] + text[at + 1 :]
        other = dates.code_of(int(changed[4:]), int(changed[2:4]), int(changed[:2]))
        if other is not None and other != code and 0 <= other <= EXTRACT:
            return other, "digit"
    return code - 1, "digit"
