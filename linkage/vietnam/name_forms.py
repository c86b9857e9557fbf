"""Other forms of a name token, each coarser than the one before: plain, ASCII, phonetic.

Two tokens with equal plain form have equal ASCII form, and two with equal ASCII form have equal phonetic
form; so the forms can serve as ordered levels of agreement, and a record without diacritics still meets its
own keys.
"""

from __future__ import annotations

import re
from functools import lru_cache

import polars as pl

from linkage.vietnam.name_text import is_abbreviation
from linkage.vietnam.syllables import ascii_letters, without_tones

_PREFIX = re.compile(r"^(?:h(?=[bcdghklmnpqrstvx])|[kr](?=[bcdgklmnpqrstvx]))(?=.*[aeiouy])")
_NOT_LETTER = re.compile(r"[^a-z]")
_ONSET = re.compile(r"^(ngh|ng|nh|th|tr|ch|ph|kh|gh|gi(?=[aeiouy])|qu(?=[aeiouy])|[b-df-hj-np-tv-xz])?(.*)$")
_ONSETS = {
    "tr": "ch",
    "ngh": "ng",
    "gh": "g",
    "ph": "f",
    "c": "k",
    "q": "k",
    "s": "x",
    "n": "l",
    **dict.fromkeys(("d", "gi", "r", "v", "z", "j"), "d"),
}
_RIMES = (
    (re.compile(r"^y(?![aou])"), "i"),
    (re.compile(r"(?<=i)eu$"), "u"),
    (re.compile(r"uou$"), "uu"),
    (re.compile(r"uoi$"), "ui"),
    (re.compile(r"(?<=[iey])nh$"), "n"),
    (re.compile(r"(?<=[iey])ch$"), "t"),
    (re.compile(r"ng$"), "n"),
    (re.compile(r"c(?<!^c)$"), "t"),
)


@lru_cache(maxsize=1 << 16)
def _folded(letters: str) -> str:
    match = _ONSET.match(_PREFIX.sub("", letters))
    assert match is not None
    onset, rime = match[1] or "", match[2]
    if not rime:
        return letters
    for pattern, folded in _RIMES:
        rime = pattern.sub(folded, rime)
    return _ONSETS.get(onset, onset) + rime


def ascii_form(token: str) -> str:
    """a-z only; of a token without any letter that has an ASCII form, its code points in hexadecimal."""
    return _NOT_LETTER.sub("", ascii_letters(token)) or "".join(f"{ord(character):x}" for character in token)


def phonetic(token: str) -> str:
    """The regional folding of one canonical token.

    On the ASCII letters, without a highland prefix before a consonant (h'lan, kbroi): onsets ch/tr, s/x,
    d/đ/gi/r/v and l/n as one; i and y as one where they are the whole vowel or begin the rime; final ng as n
    and c as t; inh, ênh, ich, êch as in, ên, it, êt; iêu as iu, ươu as ưu, uôi as ui. Lone consonants stay
    as they are.
    """
    return _folded(ascii_form(token))


def token_forms(tokens: pl.Series) -> pl.DataFrame:
    """One row a canonical token, in the order given.

    ``token``; ``plain`` (tone dropped, letters' own marks kept); ``ascii`` (see :func:`ascii_form`);
    ``phonetic`` (see :func:`phonetic`); ``marked`` (has any diacritic); ``single`` (one letter, or an
    abbreviation of up to three letters without vowel, such as ng, tr, th, ph); ``initial`` (first character
    of ``ascii``).
    """
    texts = tokens.to_list()
    folded = [ascii_form(text) for text in texts]
    return pl.DataFrame(
        {
            "token": tokens.rename("token"),
            "ascii": pl.Series(folded, dtype=pl.String),
            "plain": pl.Series([without_tones(text) for text in texts], dtype=pl.String),
            "phonetic": pl.Series([phonetic(text) for text in texts], dtype=pl.String),
            "marked": pl.Series([not text.isascii() for text in texts], dtype=pl.Boolean),
            "single": pl.Series([is_abbreviation(letters) for letters in folded], dtype=pl.Boolean),
            "initial": pl.Series([letters[:1] for letters in folded], dtype=pl.String),
        }
    )
