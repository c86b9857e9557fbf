"""The text of a name before it is cut into tokens: spaces, apostrophes, brackets, dots, stray characters."""

from __future__ import annotations

import re
import unicodedata

Repair = tuple[str, float]
"""(kind, confidence 0..1) of one repair."""

PLAIN = r"^(?:[\p{L}--\p{Lm}]|[\p{M}\p{Nd}'])+(?: (?:[\p{L}--\p{Lm}]|[\p{M}\p{Nd}'])+)*$"
"""What needs no cleaning: words of letters, marks, digits and apostrophes with single spaces between; a
modifier letter such as U+02BC is an apostrophe of another kind."""

_APOSTROPHES = "\u2018\u2019\u201b\u02bc\u02b9\u02bb\u2032\u00b4\u0060\uff07"
_SPACES = "\u00a0\u1680\u202f\u205f\u3000\t\n\r\x0b\x0c" + "".join(chr(c) for c in range(0x2000, 0x200B))
_NOTHING = "\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_HYPHENS = "-_\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_QUOTES = '"\u201c\u201d\u201e\u00ab\u00bb'
_UNIFIED = str.maketrans(
    dict.fromkeys(_APOSTROPHES, "'")
    | dict.fromkeys(_SPACES + _HYPHENS, " ")
    | dict.fromkeys(_NOTHING, "")
    | dict.fromkeys(_QUOTES, '"')
    | dict(zip("[]{}\uff08\uff09", "()()()", strict=True))
)
_BRACKETED = re.compile(r"\([^()]*\)?|\"[^\"]*\"?")
_BRACKETS = str.maketrans('()"', "   ")
_COMRADE = re.compile(r"^\s*[đĐdD]/[cC]\b\.?")
_DOTTED = re.compile(r"([^\s.~]+)[.~]")
_VOWEL = re.compile(r"[aeiouy]")
_WORD = re.compile(r"[^\W\d_]")


def _words(text: str) -> int:
    return sum(_WORD.search(word) is not None for word in text.split())


def is_abbreviation(letters: str) -> bool:
    """Whether ASCII lower-case letters can only abbreviate a syllable: one letter, or up to three without
    vowel.
    """
    return len(letters) == 1 or (
        1 < len(letters) <= 3 and letters.isalpha() and _VOWEL.search(letters) is None
    )


def _dotted_abbreviations(text: str) -> bool:
    for part in _DOTTED.findall(text):
        letters = unicodedata.normalize("NFD", part.lower().replace("đ", "d"))
        if is_abbreviation("".join(c for c in letters if c.isascii())):
            return True
    return False


def _without_alias(text: str, repairs: list[Repair]) -> str:
    if "(" in text or '"' in text:
        outside = _BRACKETED.sub(" ", text)
        if _words(outside) >= 2:
            repairs.append(("alias", 0.95))
            text = outside
        text = text.translate(_BRACKETS)
    if "/" in text or ";" in text:
        first, *others = re.split("[/;]", text)
        if _words(first) >= 2 and _words(" ".join(others)):
            repairs.append(("alias", 0.9))
            text = first
    return text


def clean_text(raw: str) -> tuple[str, list[Repair]]:
    """(words separated by single spaces, repairs) of one name as submitted.

    Words keep their case and consist of letters, combining marks, digits and apostrophes. Kinds: ``title``
    (the form of address Đ/c), ``alias`` (a second name in brackets, quotes or after a slash),
    ``abbreviation`` (a dot or tilde after a shortened word), ``lost_letter`` (a question mark or replacement
    character inside a word, left by a broken conversion: removed).
    """
    repairs: list[Repair] = []
    text = unicodedata.normalize("NFC", raw.translate(_UNIFIED))
    text, comrade = _COMRADE.subn("", text)
    if comrade:
        repairs.append(("title", 0.95))
    text = _without_alias(text, repairs)
    if "." in text or "~" in text:
        if _dotted_abbreviations(text):
            repairs.append(("abbreviation", 1.0))
        text = text.replace(".", " ").replace("~", " ")
    if "?" in text or "\ufffd" in text:
        whole = re.sub(r"(?<=\w)[?\ufffd]+|[?\ufffd]+(?=\w)", "", text)
        if whole != text:
            repairs.append(("lost_letter", 0.5))
            text = whole
    text = "".join(c if c in "' " or c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text)
    return " ".join(text.split()), repairs
