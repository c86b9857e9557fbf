"""Names of places as people write them: a component of an address to type and key.

Components are what commas part: `P. Trúc Bạch`, `Q.1`, `TX Sơn Tây`, `Đắk Lắk`. A key is the name's letters
and digits run together: with diacritics, the tone mark in one place, and without any, with common other
spellings unified. Types are single signs: ``P`` phường, ``X`` xã, ``T`` thị trấn, ``K`` đặc khu; ``q``
quận, ``h`` huyện, ``x`` thị xã, ``c`` thành phố; ``t`` tỉnh; empty where none is written.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from linkage.vietnam.syllables import ascii_letters, canonical_syllables

COMMUNE_TYPES = frozenset("PXTK")
DISTRICT_TYPES = frozenset("qhxc")

_WORDS = {
    "phường": "P",
    "xã": "X",
    "thị trấn": "T",
    "đặc khu": "K",
    "quận": "q",
    "huyện": "h",
    "thị xã": "x",
    "thành phố": "c",
    "tỉnh": "t",
}
_ASCII_WORDS = {ascii_letters(word): sign for word, sign in _WORDS.items()}
_SHORT = {
    "p": "P",
    "f": "P",
    "x": "X",
    "tt": "T",
    "đk": "K",
    "q": "q",
    "h": "h",
    "tx": "x",
    "tp": "c",
    "t": "t",
}
_WHOLE = re.compile(rf"^({'|'.join(_WORDS)})\s+(.+)$")
_ASCII_WHOLE = re.compile(rf"^({'|'.join(_ASCII_WORDS)})\s+(.+)$")
_SHORTENED = re.compile(r"^(tt|tx|tp|đk|t\.\s*t|t\.\s*x|t\.\s*p|p|f|x|q|h|t)(?:\s*\.\s*|\s+|(?=\d))(.+)$")
_NO_KEY = re.compile(r"[^\w]|_")
_VARIANTS = (
    (re.compile(r"\bd[ăa]c\b"), "dak"),
    (re.compile(r"\b(dak|krong|ea) ?lac\b"), r"\1 lak"),
    (re.compile(r"\b(h|k|l|m|s|t|v|qu)y\b"), r"\1i"),
    (re.compile(r"\b0+(?=\d)"), ""),
)


class Place(NamedTuple):
    """One reading of a component."""

    type: str
    """See the module."""
    marked: str
    """Key with diacritics; empty where the component has none."""
    key: str
    """Key without diacritics."""


@lru_cache(maxsize=1 << 15)
def name_keys(name: str) -> tuple[str, str]:
    """(key with diacritics, key without) of a name in lower case, NFC, without its type."""
    known = canonical_syllables()
    words = [known.get(word, word) for word in re.sub(r"[-–'’ʼ.]", " ", name).split()]
    plain = ascii_letters(" ".join(words))
    for pattern, other in _VARIANTS:
        plain = pattern.sub(other, plain)
    marked = _NO_KEY.sub("", re.sub(r"\b0+(?=\d)", "", " ".join(words)))
    return marked, _NO_KEY.sub("", plain)


def read_place(component: str) -> tuple[Place, ...]:
    """Readings of a component (lower case, NFC, no comma), the likeliest first.

    A type written out with its diacritics is one. What is shortened or bare (`phuong thinh`, `tt huế`) can be
    the beginning of the name as well, and both readings are given.
    """
    text = component.strip(" .")

    def place(sign: str, name: str) -> Place:
        marked, key = name_keys(name)
        return Place(sign, "" if name.isascii() else marked, key)

    readings: list[Place] = []
    short = _SHORTENED.match(text)
    whole = _WHOLE.match(text)
    if whole is not None:
        readings.append(place(_WORDS[whole[1]], whole[2]))
    elif short is not None:
        sign = _SHORT[re.sub(r"[\s.]", "", short[1])]
        readings.append(place(sign, short[2]))
    # Types without diacritics before a name with them are rare, but people do write Phuong Trúc Bạch.
    bare = _ASCII_WHOLE.match(text)
    if bare is not None and whole is None:
        readings.append(place(_ASCII_WORDS[bare[1]], bare[2]))
    if whole is None:
        readings.append(place("", text))
    return tuple(reading for reading in readings if reading.key)
