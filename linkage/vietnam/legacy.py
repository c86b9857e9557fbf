"""Names whose letters went through the wrong encoding: TCVN3, VNI or UTF-8 read as Latin-1, and VIQR.

Such a value is well-formed text of wrong letters (`NguyÔn ThÞ`, `Nguyeãn Thò`, `Nguyá»…n`, `Nguye^~n Thi.`).
It is decoded value by value, and only where the outcome leaves no doubt: every word that comes out is a
well-spelt syllable, not every word before was one, and no other encoding gives another such text.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from linkage.vietnam.encodings import decode_vietnamese
from linkage.vietnam.syllables import canonical_syllables

_VIQR_SURE = re.compile(r"[aeo]\^|a\(|[ou]\+|[aeiouy][`~]|[aeiouy]['?.](?=[a-z])", re.IGNORECASE)
_VIQR_TONE = re.compile(r"[aeiouy]['?.]", re.IGNORECASE)
_BYTES_OF_UTF8 = re.compile("[\u00c3-\u00c6]|\u00e1[\u00ba\u00bb]")
_ABBREVIATION = re.compile(r"^(?:[a-zđ]|ng|th|tr|ph|kh)\.?$")
_SIGN = re.compile(r"[^\w\s']")
_SPLIT = re.compile(r"[\s.,]+")

KINDS = ("tcvn3", "vni_windows", "viqr", "utf8_twice")
"""What a value can turn out to have been."""

CONFIDENCE = 0.95
"""Of a value decoded under the conditions of the module."""


def may_be_legacy(text: str) -> bool:
    """Whether a text could be the misread one: cheap, and true of many that are not.

    Small letters alone, with no sign between them, are taken as they are: so a canonical name stays itself.
    """
    if text == text.lower() and _SIGN.search(text) is None:
        return False
    if text.isascii():
        return _VIQR_SURE.search(text) is not None or len(_VIQR_TONE.findall(text)) > 1
    return max(text) <= "\u00ff" or _BYTES_OF_UTF8.search(text) is not None


def _utf8(text: str) -> str:
    raw = bytearray()
    for character in text:
        try:
            raw += character.encode("cp1252")
        except UnicodeEncodeError:
            if character > "\u00ff":
                return text
            raw.append(ord(character))
    return raw.decode("utf-8", "replace")


def _words(text: str) -> list[str]:
    return [word for word in _SPLIT.split(unicodedata.normalize("NFC", text).lower()) if word]


def _all_syllables(words: list[str]) -> bool:
    known = canonical_syllables()
    return any(word in known for word in words) and all(
        word in known or _ABBREVIATION.match(word) for word in words
    )


@lru_cache(maxsize=1 << 16)
def _reads(word: str, encoding: str) -> bool:
    """Whether a word of Latin-1, read in an encoding, is of syllables and abbreviations alone."""
    known = canonical_syllables()
    # ASCII is the same in both encodings.
    reading = word if word.isascii() else decode_vietnamese(word.encode("latin-1"), encoding)
    return all(part in known or _ABBREVIATION.match(part) for part in _words(reading))


def misreadings(word: str) -> tuple[bool, bool, bool]:
    """Whether a word of Latin-1 can have been TCVN3, can have been VNI, and bears a trace of UTF-8.

    :func:`decode_legacy` leaves a text of Latin-1 that is not all ASCII alone, unless all of its words can
    have been TCVN3, or all of them VNI, or one bears such a trace.
    """
    tcvn3 = _reads(word, "tcvn3")
    if word.isascii():  # which is the same in both
        return tcvn3, tcvn3, False
    return tcvn3, _reads(word, "vni"), _BYTES_OF_UTF8.search(word) is not None


def decode_legacy(text: str) -> tuple[str, str] | None:
    """(text as it was meant, kind), or None.

    The conditions are those of the module; names of the highland peoples (`Y Ñuk`, `H'Bia`) are left alone.
    """
    if not may_be_legacy(text):
        return None
    words = _words(text)
    if not words or words[0] in ("y", "a", "h", "k") or words[0][:2] in ("h'", "k'") or _all_syllables(words):
        return None
    readings = {}
    if text.isascii():
        readings["viqr"] = decode_vietnamese(text.encode(), "viqr")
    elif max(text) > "\u00ff" or _BYTES_OF_UTF8.search(text):
        readings["utf8_twice"] = _utf8(text)
    if not text.isascii() and max(text) <= "\u00ff":
        held = text.encode("latin-1")
        # No encoding looks beyond a space: a word that it makes nothing of rules it out for the text.
        for kind, encoding in (("tcvn3", "tcvn3"), ("vni_windows", "vni")):
            if all(_reads(word, encoding) for word in text.split(" ")):
                readings[kind] = decode_vietnamese(held, encoding)
    found: dict[str, str] = {}
    for kind, reading in readings.items():
        if reading != text and not reading.isascii() and _all_syllables(_words(reading)):
            found.setdefault(unicodedata.normalize("NFC", reading), kind)
    if len(found) != 1:
        return None
    return next(iter(found.items()))
