"""How Vietnamese syllables are spelt: tones, folding, Telex and VNI keystrokes, regional confusions.

Written for the generator alone. The software that will be judged on these names has its own tables.
"""

from __future__ import annotations

import unicodedata
from functools import cache

_TONES = {"\u0301": "s", "\u0300": "f", "\u0309": "r", "\u0303": "x", "\u0323": "j"}
_TONE_MARK = {key: mark for mark, key in _TONES.items()}
_VNI_TONE = {"s": "1", "f": "2", "r": "3", "x": "4", "j": "5"}
_TELEX_LETTER = {"â": "aa", "ê": "ee", "ô": "oo", "ă": "aw", "ơ": "ow", "ư": "uw", "đ": "dd"}
_VNI_LETTER = {"â": "a6", "ê": "e6", "ô": "o6", "ă": "a8", "ơ": "o7", "ư": "u7", "đ": "d9"}
_VIQR_MARK = {
    "\u0302": "^", "\u0306": "(", "\u031b": "+", "\u0301": "'", "\u0300": "`", "\u0309": "?", "\u0303": "~",
    "\u0323": ".",
}  # fmt: skip
_OPEN = {"oa": 0, "oe": 0, "uy": 0}


@cache
def fold(text: str) -> str:
    """Without any diacritic: Đ to D, the letters' marks and the tones dropped."""
    flat = text.replace("đ", "d").replace("Đ", "D")
    return "".join(sign for sign in unicodedata.normalize("NFD", flat) if not unicodedata.combining(sign))


@cache
def split_tone(syllable: str) -> tuple[str, str]:
    """The syllable without its tone, and the Telex key of the tone ('' for level)."""
    tone = ""
    rest = []
    vowel = False
    for sign in unicodedata.normalize("NFD", syllable):
        if not unicodedata.combining(sign):
            vowel = sign in "aeiouyAEIOUY"
        # The tilde of ñ, a letter of Ê Đê, is no tone.
        if sign in _TONES and vowel:
            tone = _TONES[sign]
        else:
            rest.append(sign)
    return unicodedata.normalize("NFC", "".join(rest)), tone


def with_tone(syllable: str, tone: str) -> str:
    """A toneless syllable with the tone of a Telex key, placed by the old rule ('òa', 'úy')."""
    if not tone:
        return syllable
    at = _tone_place(syllable)
    if at < 0:
        return syllable
    marked = unicodedata.normalize("NFC", syllable[at] + _TONE_MARK[tone])
    return syllable[:at] + marked + syllable[at + 1 :]


def _tone_place(syllable: str) -> int:
    low = syllable.lower()
    start = 0
    if low.startswith("qu") or (low.startswith("gi") and len(low) > 2 and low[2] in "aăâeêoôơuưy"):
        start = 2
    vowels = [at for at in range(start, len(low)) if fold(low[at]) in "aeiouy"]
    if not vowels:
        vowels = [at for at in range(len(low)) if fold(low[at]) in "aeiouy"]
        if not vowels:
            return -1
    marked = [at for at in vowels if low[at] in "ăâêôơư"]
    if marked:
        return marked[-1]
    closed = vowels[-1] < len(low) - 1
    if len(vowels) == 1:
        return vowels[0]
    if closed:
        return vowels[-1]
    return vowels[1] if len(vowels) > 2 else vowels[0]


@cache
def move_tone(text: str) -> str:
    """The tone mark of open oa, oe, uy the new way ('hòa' to 'hoà'); the same text where there is none."""
    return " ".join(_move_tone(word) for word in text.split(" "))


def _move_tone(word: str) -> str:
    plain, tone = split_tone(word)
    low = plain.lower()
    if not tone or low[-2:] not in _OPEN or low.startswith("qu"):
        return word
    last = unicodedata.normalize("NFC", plain[-1] + _TONE_MARK[tone])
    return plain[:-1] + last


def telex(syllable: str, partly: bool) -> str:
    """The keystrokes of Telex left standing: 'Nguyeenx', or only the tone's, 'Nguyênx'."""
    plain, tone = split_tone(syllable)
    return (plain if partly else _keys(plain, _TELEX_LETTER)) + tone


def vni(syllable: str, partly: bool) -> str:
    """The keystrokes of VNI left standing: 'Nguye6n4', or only the tone's, 'Nguyên4'."""
    plain, tone = split_tone(syllable)
    return (plain if partly else _keys(plain, _VNI_LETTER)) + _VNI_TONE.get(tone, "")


def viqr(syllable: str) -> str:
    """The syllable in VIQR (RFC 1456): 'Nguye^~n'."""
    found = []
    for letter in syllable.replace("đ", "dd").replace("Đ", "DD"):
        base, *marks = (*unicodedata.normalize("NFD", letter),)
        # The letter's own mark stands before the tone's.
        marks.sort(key=lambda mark: mark in _TONES)
        found += [base, *(_VIQR_MARK.get(mark, mark) for mark in marks)]
    return "".join(found)


def _keys(text: str, letters: dict[str, str]) -> str:
    return "".join(
        (letters[sign.lower()].capitalize() if sign.isupper() else letters[sign])
        if sign.lower() in letters
        else sign
        for sign in text
    )


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    found = (entry.split(">") for entry in text.split())
    return tuple((old, new) for old, new in found)


#: How a region's speakers write one onset for another, and one rime for another.
_ONSETS = {
    "north": _pairs("ch>tr tr>ch s>x x>s d>gi gi>d r>d l>n n>l"),
    "central": _pairs("v>d d>v"),
    "south": _pairs("v>d d>v gi>d"),
}
_RIMES = {
    "north": _pairs("iêu>iu ươu>ưu uôi>ui"),
    "central": _pairs("n>ng ng>n t>c c>t iêu>iu"),
    "south": _pairs("inh>in ênh>ên ich>it êch>êt n>ng ng>n t>c c>t iêu>iu ươu>ưu uôi>ui"),
}
#: What they write for a tone, by Telex keys.
_TONE_MERGERS: dict[str, dict[str, str]] = {
    "north": {},
    "central": {"x": "j", "r": "x"},
    "south": {"x": "r", "r": "x"},
}
_BACK = "aăâoôơuưe"


@cache
def regional(syllable: str, region: str) -> tuple[str, ...]:
    """Every spelling of a syllable that speakers of a region confuse it with; none for most in the North."""
    found: list[str] = []
    plain, tone = split_tone(syllable)
    low = plain.lower()
    for old, new in _ONSETS[region]:
        if _onset(low) == old:
            rest = low[len(old) :]
            onset = new[:-1] if new == "gi" and fold(rest[:1]) == "i" else new
            found.append(with_tone(_cased(onset + rest, syllable), tone))
    for old, new in _RIMES[region]:
        if not low.endswith(old) or len(low) <= len(old):
            continue
        before = low[-len(old) - 1]
        if old in {"n", "ng", "t", "c"} and before not in _BACK:
            continue
        if old == "n" and low.endswith("nn"):
            continue
        if (old == "n" and low.endswith("ng")) or (old == "c" and low.endswith("ch")):
            continue
        found.append(with_tone(_cased(low[: -len(old)] + new, syllable), tone))
    swaps = _TONE_MERGERS[region]
    if tone in swaps:
        found.append(with_tone(plain, swaps[tone]))
    if low.endswith("y") and len(low) > 1 and fold(low[-2]) not in "aeuo":
        found.append(with_tone(plain[:-1] + "i", tone))
    return tuple(dict.fromkeys(spelling for spelling in found if spelling != syllable))


def _onset(low: str) -> str:
    for onset in ("ngh", "ch", "tr", "gi", "ng", "nh", "kh", "gh", "ph", "th", "qu"):
        if low.startswith(onset):
            return onset
    return low[:1]


def _cased(low: str, like: str) -> str:
    return low[:1].upper() + low[1:] if like[:1].isupper() else low
