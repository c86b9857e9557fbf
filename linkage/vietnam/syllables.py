"""The Vietnamese (Kinh) syllable: letters, tones, spelling rules and the place of the tone mark.

A syllable is onset + rime; a rime is written with the twelve vowels and a coda. The tone mark sits on one
vowel of the rime, and two schools place it differently in the open rimes oa, oe and uy (hòa, hoà). The
canonical spelling here is the older school's (hòa, khỏe, thủy), which registers print most; any other place
of the mark is accepted and moved.

Texts are lower case and NFC unless said otherwise. Letters with their own marks (ă â ê ô ơ ư đ) are letters
of the alphabet; "toneless" text keeps them.
"""

from __future__ import annotations

import unicodedata
from functools import cache

TONES = "\u0300\u0301\u0303\u0309\u0323"
"""Combining marks of the tones 1..5: huyền, sắc, ngã, hỏi, nặng; tone 0 (ngang) has none."""

VOWELS = "aăâeêioôơuưy"
"""The twelve vowel letters, toneless."""

MARKED_VOWELS = "ăâêôơư"
"""Vowel letters with a mark of their own: the tone goes on them."""

_ACUTE, _DOT_BELOW = 2, 5

TONED: dict[tuple[str, int], str] = {
    (vowel, tone): unicodedata.normalize("NFC", vowel + (TONES[tone - 1] if tone else ""))
    for vowel in VOWELS
    for tone in range(6)
}
"""(toneless vowel, tone 0..5) to the precomposed letter."""

UNTONED: dict[str, tuple[str, int]] = {letter: pair for pair, letter in TONED.items()}
"""Precomposed vowel letter to (toneless vowel, tone)."""

ONSETS = (*"ngh ng nh th tr ch ph kh gh gi qu b c d đ g h k l m n p r s t v x".split(), "")
"""Written onsets, longest first; the last one is the empty onset."""

_ONSETS_BY_LETTER = {
    letter: tuple(onset for onset in ONSETS if onset[:1] in (letter, ""))
    for letter in {onset[:1] for onset in ONSETS}
}

RIMES = frozenset(
    """
    a ac ach ai am an ang anh ao ap at au ay ăc ăm ăn ăng ăp ăt âc âm ân âng âp ât âu ây
    e ec em en eng eo ep et ê êch êm ên ênh êp êt êu
    i ia ich im in inh ip it iu iêc iêm iên iêng iêp iêt iêu
    o oc oi om on ong op ot ooc oong ô ôc ôi ôm ôn ông ôp ôt ơ ơi ơm ơn ơp ơt
    u ua uc ui um un ung up ut uôc uôi uôm uôn uông uôt
    ư ưa ưc ưi ưm ưn ưng ưt ưu ươc ươi ươm ươn ương ươp ươt ươu
    y yêm yên yêng yêt yêu
    oa oac oach oai oam oan oang oanh oao oap oat oay oăc oăm oăn oăng oăp oăt oe oen oeo oet
    uâc uân uâng uât uây uê uêch uên uênh uêt uêu uơ uy uya uych uyn uynh uyp uyt uyu uyên uyêt
    """.split()
)
"""Rimes as written after an onset other than gi and qu, toneless."""

_AFTER_QU = frozenset(
    """
    a ac ach ai an ang anh ao at au ay ăc ăm ăn ăng ăp ăt ân âng ât ây e ec en eng eo et ê êch ên ênh êt êu
    i ich in inh it iu iên iêt ôc ơ ơi ơn ơt y ych yn ynh yt yu yên yêt
    """.split()
)
_AFTER_GI = frozenset(rime for rime in RIMES if rime[0] not in "iy") | frozenset(
    "êc êm ên êng êp êt êu".split()
)
_AFTER_G = frozenset("i in im ip it ich inh".split())
_STOPS = ("c", "ch", "p", "t")
_ASCII_EXTRA = str.maketrans({"đ": "d", "ð": "d", "ɖ": "d", "ƀ": "b", "ɓ": "b", "ł": "l", "ø": "o", "ı": "i"})


def ascii_letters(text: str) -> str:
    """Lower-case text without any mark: đ becomes d; characters that have no ASCII letter are left out."""
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text).translate(_ASCII_EXTRA)
    return "".join(character for character in decomposed if character.isascii())


def split_tone(text: str) -> tuple[str, int] | None:
    """(toneless text, tone 0..5) of one token; None where it bears more than one tone mark."""
    tone = 0
    letters = []
    for character in text:
        letter, mark = UNTONED.get(character, (character, 0))
        if mark:
            if tone:
                return None
            tone = mark
        letters.append(letter)
    return "".join(letters), tone


def without_tones(text: str) -> str:
    """The text with every tone mark removed and the letters' own marks kept."""
    return "".join(UNTONED.get(character, (character, 0))[0] for character in text)


def _onset_allows(onset: str, rime: str) -> bool:
    first = rime[0]
    if onset == "qu":
        return rime in _AFTER_QU
    if onset == "gi":
        return rime in _AFTER_GI
    if rime not in RIMES:
        return False
    if onset in ("c", "ng"):
        return first not in "eêiy"
    if onset == "g":
        return rime in _AFTER_G or first not in "eêiy"
    if onset in ("gh", "ngh"):
        return first in "eêi"
    if onset == "k":
        return first in "eêi" or rime == "y"
    if rime.startswith("yê"):
        return onset == ""
    return not (onset == "" and rime.startswith("iê"))


def split_syllable(toneless: str) -> tuple[str, str] | None:
    """(onset, rime) of a well-spelt toneless syllable, else None."""
    for onset in _ONSETS_BY_LETTER.get(toneless[:1], ("",)):
        if toneless.startswith(onset):
            rime = toneless[len(onset) :]
            if rime and _onset_allows(onset, rime):
                return onset, rime
    return None


def is_syllable(toneless: str, tone: int) -> bool:
    """Whether this can be a Kinh syllable: spelling of onset and rime, and a stop coda with sắc or nặng
    only.
    """
    parts = split_syllable(toneless)
    if parts is None:
        return False
    return not parts[1].endswith(_STOPS) or tone in (_ACUTE, _DOT_BELOW)


def _tone_position(rime: str) -> int:
    marked = [i for i, letter in enumerate(rime) if letter in MARKED_VOWELS]
    if marked:
        return marked[-1]
    vowels = sum(letter in VOWELS for letter in rime)
    if vowels == 1:
        return 0
    if vowels < len(rime):
        return vowels - 1
    return 0 if vowels == 2 else 1


def place_tone(onset: str, rime: str, tone: int) -> str:
    """The syllable with its tone mark where the older school puts it."""
    if tone == 0:
        return onset + rime
    at = _tone_position(rime)
    return onset + rime[:at] + TONED[rime[at], tone] + rime[at + 1 :]


@cache
def _well_spelt() -> tuple[tuple[str, str], ...]:
    """Onset and rime of every toneless syllable."""
    return tuple(
        (onset, rime)
        for onset in ONSETS
        for rime in RIMES | _AFTER_QU | _AFTER_GI
        if _onset_allows(onset, rime) and split_syllable(onset + rime) == (onset, rime)
    )


@cache
def ascii_syllables() -> frozenset[str]:
    """Every well-spelt syllable without marks and tones (about two thousand)."""
    return frozenset(ascii_letters(onset + rime) for onset, rime in _well_spelt())


@cache
def canonical_syllables() -> dict[str, str]:
    """Every toned spelling of every syllable, the mark on any vowel of its rime, to the canonical
    spelling.
    """
    spellings: dict[str, str] = {}
    for onset, rime in _well_spelt():
        whole = onset + rime
        vowels = [
            (whole[:at], letter, whole[at + 1 :]) for at, letter in enumerate(whole) if letter in VOWELS
        ]
        at = len(onset) + _tone_position(rime)
        before_tone, bearer, after_tone = whole[:at], whole[at], whole[at + 1 :]
        for tone in (_ACUTE, _DOT_BELOW) if rime.endswith(_STOPS) else range(6):
            canonical = before_tone + TONED[bearer, tone] + after_tone
            spellings[canonical] = canonical
            if tone:
                for before, letter, after in vowels:
                    spellings[before + TONED[letter, tone] + after] = canonical
    return spellings
