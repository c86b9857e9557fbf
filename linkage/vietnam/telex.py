"""Residue of the Telex and VNI keyboards: `Nguyeenx`, `Ddoox`, `Nguye6n4`, recomposed to what was meant.

A keystroke that the input program should have swallowed stands in the text: a tone key (Telex s f r x j, VNI
1 to 5), a doubled vowel or dd, a w, or VNI's 6 to 9. The composer replays the keys on the letters, with the
freedom that the programs give (a key may come later than its vowel: `Tranaf`), and keeps what comes out only
if exactly one well-spelt Kinh syllable does. Letters of the text that are already composed stay (`Nguyênx`),
and a key pressed again changes nothing (`Thijj`, `Ddddoox`): the programs let it cancel the mark, but then
nothing would have been left to repair.
"""

from __future__ import annotations

import re

from linkage.vietnam.syllables import UNTONED, VOWELS, is_syllable, place_tone, split_syllable

_TELEX_TONES = {"z": 0, "f": 1, "s": 2, "x": 3, "r": 4, "j": 5}
_VNI_TONES = {"0": 0, "2": 1, "1": 2, "4": 3, "3": 4, "5": 5}
_CIRCUMFLEX = {"a": "â", "e": "ê", "o": "ô"}
_HORN = {"o": "ơ", "u": "ư"}
_VNI_MARKED = {"6": "âêô", "7": "ơư", "8": "ă"}
_MAX_LETTERS = 12

_ANY_VOWEL = "".join(UNTONED)
_TELEX_RESIDUE = re.compile(rf"[fjwz]|aa|ee|oo|^d.*d|[{_ANY_VOWEL}][^\W\d_]*[srx](?![{_ANY_VOWEL}])")
_VNI_RESIDUE = re.compile(r"^[^\W\d_]+\d")


def looks_like_telex(token: str) -> bool:
    """Whether a lower-case token bears what no Kinh syllable has and a Telex key would leave.

    A w before a vowel at the front (`Wơi`, `Wen`) is a letter of the highland peoples.
    """
    return (
        token.isalpha()
        and len(token) >= 3
        and _TELEX_RESIDUE.search(token) is not None
        and not (token[0] == "w" and token[1] in UNTONED)
    )


def looks_like_vni(token: str) -> bool:
    """Whether a lower-case token has digits after at least one letter, as VNI keys would leave them.

    Two characters are too few to tell from a number behind a name, but for `y1`.
    """
    return (len(token) >= 3 or token[:1] == "y") and token.isalnum() and _VNI_RESIDUE.match(token) is not None


def _start(token: str) -> list[tuple[str, int]]:
    return [UNTONED.get(character, (character, 0)) for character in token]


def _marked_at(letters: str, at: int, letter: str) -> str:
    return letters[:at] + letter + letters[at + 1 :]


def _circumflex(letters: str, vowel: str) -> str | None:
    at = letters.rfind(vowel)
    return _marked_at(letters, at, _CIRCUMFLEX[vowel]) if at >= 0 else None


def _horn(letters: str) -> list[str]:
    """What a horn key can make of the letters: ươ of uo (before a coda), or any one u or o (thuở)."""
    singles = [_marked_at(letters, at, _HORN[letter]) for at, letter in enumerate(letters) if letter in _HORN]
    both = letters.rfind("uo")
    return singles if both < 0 else [letters[:both] + "ươ" + letters[both + 2 :], *singles]


def _breve(letters: str) -> list[str]:
    return [_marked_at(letters, at, "ă") for at, letter in enumerate(letters) if letter == "a"]


def _telex_steps(letters: str, tone: int | None, key: str, following: str) -> list[tuple[str, int | None]]:
    """What typing ``key`` after ``letters`` can give; the literal letter is one of them unless it ends a
    pair.
    """
    has_vowel = any(letter in VOWELS for letter in letters)
    if key in _TELEX_TONES and has_vowel and (key not in "rs" or following not in VOWELS):
        return [(letters, _TELEX_TONES[key])]
    if key == "w":
        if not has_vowel:
            return [(letters + "ư", tone)]
        again = [letters] if any(letter in "ăơư" for letter in letters) else []
        return [(changed, tone) for changed in (*_horn(letters), *_breve(letters), *again)]
    steps: list[tuple[str, int | None]] = [(letters + key, tone)]
    if key == "d" and letters[:1] in ("d", "đ"):
        steps = [("đ" + letters[1:], tone)]
    elif key in _CIRCUMFLEX and letters.endswith(_CIRCUMFLEX[key]):
        steps = [(letters, tone)]
    elif key in _CIRCUMFLEX and (changed := _circumflex(letters, key)) is not None:
        steps = [(changed, tone)] if letters.endswith(key) else [(changed, tone), *steps]
    return steps


def _vni_steps(letters: str, tone: int | None, key: str) -> list[tuple[str, int | None]]:
    if key in _VNI_TONES:
        return [(letters, _VNI_TONES[key])] if any(letter in VOWELS for letter in letters) else []
    again = [(letters, tone)] if any(letter in letters for letter in _VNI_MARKED.get(key, "")) else []
    if key == "6":
        changes = [changed for vowel in "aeo" if (changed := _circumflex(letters, vowel)) is not None]
        return [(changed, tone) for changed in changes] + again
    if key == "7":
        return [(changed, tone) for changed in _horn(letters)] + again
    if key == "8":
        return [(changed, tone) for changed in _breve(letters)] + again
    if key == "9":
        return [("đ" + letters[1:], tone)] if letters[:1] in ("d", "đ") else []
    return [(letters + key, tone)]


def _only_syllable(states: set[tuple[str, int | None]]) -> str | None:
    found = set()
    for letters, tone in states:
        if is_syllable(letters, tone or 0):
            parts = split_syllable(letters)
            assert parts is not None
            found.add(place_tone(*parts, tone or 0))
    return found.pop() if len(found) == 1 else None


def _compose(token: str, telex: bool) -> str | None:
    if len(token) > _MAX_LETTERS:
        return None
    typed = _start(token)
    states: set[tuple[str, int | None]] = {("", None)}
    for i, (key, mark) in enumerate(typed):
        following = typed[i + 1][0] if i + 1 < len(typed) else "-"
        after: set[tuple[str, int | None]] = set()
        for letters, tone in states:
            if telex:
                steps = _telex_steps(letters, tone, key, following)
            else:
                steps = _vni_steps(letters, tone, key)
            for changed, pressed in steps:
                after.add((changed, mark or pressed))
        states = after
    return _only_syllable(states)


def compose_telex(token: str) -> str | None:
    """The one syllable that these lower-case NFC letters spell when typed in Telex, else None.

    Of several readings none is chosen. The keys s and r before a vowel stay letters (`Rosa`, `Maria`).
    """
    return _compose(token, telex=True)


def compose_vni(token: str) -> str | None:
    """The one syllable that these lower-case NFC letters and digits spell when typed in VNI, else None."""
    return _compose(token, telex=False)
