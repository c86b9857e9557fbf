"""Writing text in the encodings of before Unicode: TCVN3 (ABC), VNI-Windows and the code page 1258.

Sources: TCVN 5712:1993, third table (VN3); the VNI-Windows character set of VNI Software; Microsoft code page
1258. What an encoding cannot say is written the way files of those years have it:

- TCVN3 has no toned capitals. They stand as the code of the small letter; fonts named with an H at the end
  showed it as a capital.
- VNI-Windows and code page 1258 write many letters as two characters, the second one the mark.
- A letter that an encoding lacks (ŭ of Gia Rai and Ba Na) loses its mark.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from data.generator.spelling import fold

#: Encodings a text file can be written in.
ENCODINGS = ("utf-8", "utf-16", "cp1258", "tcvn3", "vni")
#: Those that hold Vietnamese letters only.
LEGACY = ("cp1258", "tcvn3", "vni")
#: A byte, or for UTF-16 a pair, that no text of the encoding holds.
BAD_BYTES = {"utf-8": b"\xff", "utf-16": b"\x00\xd8", "cp1258": b"\x8a", "tcvn3": b"\x81", "vni": b"\x81"}

_TONES = {"": "", "f": "\u0300", "s": "\u0301", "r": "\u0309", "x": "\u0303", "j": "\u0323"}
_VOWELS = "aăâeêioôơuưy"
#: Codes of the toned small letters of TCVN3 in the order of the tones f r x s j (huyền, hỏi, ngã, sắc, nặng).
_TCVN3_TONED = {
    "a": "b5 b6 b7 b8 b9", "ă": "bb bc bd be c6", "â": "c7 c8 c9 ca cb", "e": "cc ce cf d0 d1",
    "ê": "d2 d3 d4 d5 d6", "i": "d7 d8 dc dd de", "o": "df e1 e2 e3 e4", "ô": "e5 e6 e7 e8 e9",
    "ơ": "ea eb ec ed ee", "u": "ef f1 f2 f3 f4", "ư": "f5 f6 f7 f8 f9", "y": "fa fb fc fd fe",
}  # fmt: skip
_TCVN3_PLAIN = {"ă": 0xA8, "â": 0xA9, "ê": 0xAA, "ô": 0xAB, "ơ": 0xAC, "ư": 0xAD, "đ": 0xAE}
_TCVN3_CAPITAL = {"Ă": 0xA1, "Â": 0xA2, "Ê": 0xA3, "Ô": 0xA4, "Ơ": 0xA5, "Ư": 0xA6, "Đ": 0xA7}
#: The second byte of VNI's small letters; the capital's is 0x20 lower. Level, f, r, x, s, j.
_VNI_SECOND = {
    "": {"f": 0xF8, "r": 0xFB, "x": 0xF5, "s": 0xF9, "j": 0xEF},
    "^": {"": 0xE2, "f": 0xE0, "r": 0xE5, "x": 0xE3, "s": 0xE1, "j": 0xE4},
    "(": {"": 0xEA, "f": 0xE8, "r": 0xFA, "x": 0xFC, "s": 0xE9, "j": 0xEB},
}
_VNI_SINGLE = {
    "đ": 0xF1, "ơ": 0xF4, "ư": 0xF6, "ì": 0xEC, "ỉ": 0xE6, "ĩ": 0xF3, "í": 0xED, "ị": 0xF2, "ỵ": 0xEE,
}  # fmt: skip
_VNI_BASE = {"a": "a", "ă": "a(", "â": "a^", "e": "e", "ê": "e^", "o": "o", "ô": "o^", "u": "u", "y": "y"}


def encode(text: str, encoding: str) -> bytes:
    """The bytes of a text of NFC characters, without a byte order mark."""
    if encoding == "utf-8":
        return text.encode()
    if encoding == "utf-16":
        return text.encode("utf-16-le")
    return sayable(text, encoding).translate(_table(encoding)).encode("latin-1")


def byte_order_mark(encoding: str) -> bytes:
    """What a file of the encoding begins with."""
    return b"\xff\xfe" if encoding == "utf-16" else b""


def sayable(text: str, encoding: str) -> str:
    """The text with every letter that the encoding lacks as its base letter, or ``?`` where it has none."""
    if encoding not in LEGACY or text.isascii():
        return text
    known = _table(encoding)
    lacking = {ord(sign): _base(sign) for sign in set(text) if sign > "\x7f" and ord(sign) not in known}
    return text.translate(lacking) if lacking else text


def mojibake(text: str) -> str:
    """A text in TCVN3 read as Latin-1: 'Nguyễn' to 'NguyÔn'."""
    return sayable(text, "tcvn3").translate(_table("tcvn3"))


def _base(sign: str) -> str:
    flat = fold(sign)
    return flat if flat.isascii() else "?"


@cache
def _table(encoding: str) -> dict[int, str]:
    """Every Vietnamese letter that is not ASCII to its bytes, as characters of the same codes."""
    found: dict[str, bytes] = {}
    for plain in (*_VOWELS, "đ"):
        for tone, mark in _TONES.items():
            if (plain == "đ" and tone) or (plain.isascii() and not tone):
                continue
            small = unicodedata.normalize("NFC", plain + mark)
            for letter in (small, small.upper()):
                found[letter] = {"tcvn3": _tcvn3, "vni": _vni, "cp1258": _cp1258}[encoding](
                    plain, tone, letter
                )
    return {ord(letter): code.decode("latin-1") for letter, code in found.items()}


def _tcvn3(plain: str, tone: str, letter: str) -> bytes:
    if tone:
        return bytes([int(_TCVN3_TONED[plain].split()["frxsj".index(tone)], 16)])
    return bytes([(_TCVN3_CAPITAL if letter in _TCVN3_CAPITAL else _TCVN3_PLAIN)[letter]])


def _vni(plain: str, tone: str, letter: str) -> bytes:
    small = letter.lower()
    capital = 0x20 if letter != small else 0
    if small in _VNI_SINGLE:
        return bytes([_VNI_SINGLE[small] - capital])
    if plain in _VNI_SINGLE:
        return bytes([_VNI_SINGLE[plain] - capital, _VNI_SECOND[""][tone] - capital])
    base, mark = _VNI_BASE[plain][0], _VNI_BASE[plain][1:]
    return bytes([ord(base) - capital, _VNI_SECOND[mark][tone] - capital])


def _cp1258(plain: str, tone: str, letter: str) -> bytes:
    whole = unicodedata.normalize("NFC", letter)
    # The code page has some toned letters as one code; keyboards of the time sent the mark by itself.
    body = unicodedata.normalize("NFC", plain if whole == whole.lower() else plain.upper())
    return (body + _TONES[tone]).encode("cp1258")
