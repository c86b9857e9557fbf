"""One word of a name to its canonical tokens."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from linkage.vietnam.name_text import Repair
from linkage.vietnam.syllables import ascii_letters, ascii_syllables, canonical_syllables
from linkage.vietnam.telex import compose_telex, compose_vni, looks_like_telex, looks_like_vni

_LATIN_LOOK_ALIKES = str.maketrans(
    {"ð": "đ", "Ð": "Đ", "ɖ": "đ", "Ɖ": "Đ", "ƌ": "đ", "Ƌ": "Đ"}
    | {0xFF21 + i: chr(0x41 + i) for i in range(26)}
    | {0xFF41 + i: chr(0x61 + i) for i in range(26)}
    | {0xFF10 + i: chr(0x30 + i) for i in range(10)}
)
_CYRILLIC_LOOK_ALIKES = str.maketrans("аеорсухіјкмнтвАЕОРСУХІЈКМНТВ", "aeopcyxijkmntbAEOPCYXIJKMHTB")
_GREEK_LOOK_ALIKES = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονυικα", "ABEZHIKMNOPTYXovuika")
_FOREIGN = (
    (re.compile("[\u0400-\u04ff]"), _CYRILLIC_LOOK_ALIKES),
    (re.compile("[\u0370-\u03ff]"), _GREEK_LOOK_ALIKES),
)
_STROKE = re.compile("([dD])\u0335")
_PREFIX_LETTERS = ("h", "k", "r")
_DIGITS = re.compile(r"\d+")


class Word(NamedTuple):
    """What one written word means."""

    tokens: tuple[str, ...]
    """Canonical tokens: usually one, none for junk, two where a space was missing."""
    as_typed: tuple[str, ...]
    """The tokens without any keyboard repair, for peoples whose spelling uses such letters."""
    repairs: tuple[Repair, ...]
    """Repairs behind ``tokens``."""
    repairs_as_typed: tuple[Repair, ...]
    """Repairs behind ``as_typed``."""


_NOTHING = Word((), (), (), ())


def _same(tokens: tuple[str, ...], repairs: tuple[Repair, ...]) -> Word:
    return Word(tokens, tokens, repairs, repairs)


def _unified(raw: str) -> tuple[str, tuple[Repair, ...]]:
    if raw.isascii():
        return raw, ()
    text = raw.translate(_LATIN_LOOK_ALIKES)
    text = _STROKE.sub(lambda match: "Đ" if match[1] == "D" else "đ", text)
    for letters, look_alikes in _FOREIGN:
        if letters.search(text):
            latin = text.translate(look_alikes)
            text = text if letters.search(latin) else latin
    repairs: tuple[Repair, ...] = () if text == raw else (("look_alike", 1.0),)
    return unicodedata.normalize("NFC", text), repairs


def _lower(text: str) -> str:
    """Lower case and NFC, only letters, digits and apostrophes; a fixed point of itself."""
    while True:
        lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
        kept = (
            lowered
            if lowered.isalpha()
            else "".join(c for c in lowered if c == "'" or c.isalpha() or "0" <= c <= "9")
        )
        if kept == text:
            return kept
        text = kept


def _camel_parts(text: str, lowered: str) -> tuple[str, ...] | None:
    """The words of a text written without spaces (`NguyễnVăn`), where each is a syllable and the whole is
    not.
    """
    if text[1:].islower():
        return None
    starts = [0, *(i for i in range(1, len(text)) if text[i].isupper() and text[i - 1].islower()), len(text)]
    parts = [text[start:end] for start, end in pairwise(starts)]
    if len(parts) < 2 or ascii_letters(lowered) in ascii_syllables():
        return None
    lower_parts = tuple(_lower(part) for part in parts)
    return lower_parts if all(ascii_letters(part) in ascii_syllables() for part in lower_parts) else None


def _prefixed(text: str, lowered: str) -> Word | None:
    """`HLan`, `KBrôi`, `YBhin`: a highland prefix written together with a capitalised name."""
    if len(text) < 3 or text[0] not in "HKY" or not text[1].isupper() or not text[2].islower():
        return None
    if ascii_letters(lowered) in ascii_syllables() or "'" in lowered or not lowered.isalpha():
        return None
    if text[0] == "Y":
        return _behind_y(lowered[1:])
    rest = canonical_syllables().get(lowered[1:], lowered[1:])
    return _same((f"{lowered[0]}'{rest}",), (("prefix", 0.95),))


def _behind_y(lowered: str) -> Word:
    """Y and the name written together with it, which may be keyboard residue in a name of other peoples."""
    rest, split = _plain(lowered), ("prefix", 0.95)
    return Word(
        ("y", *rest.tokens), ("y", *rest.as_typed), (split, *rest.repairs), (split, *rest.repairs_as_typed)
    )


def _with_apostrophe(lowered: str) -> Word:
    parts = [part for part in (_DIGITS.sub("", part) for part in lowered.split("'")) if part]
    if not parts:
        return _NOTHING
    syllables = canonical_syllables()
    parts = [syllables.get(part, part) for part in parts]
    if len(parts) == 1:
        if parts[0] in _PREFIX_LETTERS and lowered[0] != "'":
            return _same((parts[0] + "'",), ())
        return _plain(parts[0])
    if parts[0] == "y" and len(parts) == 2:
        return _behind_y(parts[1])
    return _same(("'".join(parts),), ())


def _plain(lowered: str) -> Word:
    canonical = canonical_syllables().get(lowered)
    if canonical is not None:
        return _same((canonical,), () if canonical == lowered else (("tone_placement", 1.0),))
    if not lowered.isalpha():
        return _with_digits(lowered)
    composed = compose_telex(lowered) if looks_like_telex(lowered) else None
    if composed is None:
        return _same((lowered,), ())
    doubtful = composed.isalpha() and not re.search("[fjwzsrx]", lowered[1:])
    return Word((composed,), (lowered,), (("telex", 0.8 if doubtful else 0.95),), ())


def _with_digits(lowered: str) -> Word:
    letters = _DIGITS.sub("", lowered)
    if not letters:
        return _same((), (("digits", 0.9),))
    rest = _plain(_lower(letters))
    composed = compose_vni(lowered) if looks_like_vni(lowered) else None
    dropped: Repair = ("digits", 0.9)
    as_typed = (*rest.repairs_as_typed, dropped)
    if composed is not None:
        return Word((composed,), rest.as_typed, (("vni", 0.95),), as_typed)
    return Word(rest.tokens, rest.as_typed, (*rest.repairs, dropped), as_typed)


@lru_cache(maxsize=1 << 16)
def canonical_word(raw: str) -> Word:
    """The canonical tokens of one written word (no spaces), and what was repaired.

    Kinds: ``look_alike`` (letters of other alphabets, ð for đ), ``tone_placement``, ``telex``, ``vni``,
    ``digits`` (removed), ``prefix`` (H', K', Y written together), ``spacing`` (a missing space).
    """
    syllable = canonical_syllables().get(raw.lower())
    if syllable is not None:
        return _plain(raw.lower())
    text, unified = _unified(raw)
    lowered = _lower(text)
    if not lowered:
        return _NOTHING
    word = _prefixed(text, lowered)
    if word is None:
        parts = _camel_parts(text, lowered)
        if parts is not None:
            known = canonical_syllables()
            word = _same(tuple(known.get(part, part) for part in parts), (("spacing", 0.9),))
        elif "'" in lowered:
            word = _with_apostrophe(lowered)
        else:
            word = _plain(lowered)
    if not unified:
        return word
    return Word(word.tokens, word.as_typed, (*word.repairs, *unified), (*word.repairs_as_typed, *unified))
