"""Vietnamese text of before Unicode: TCVN3 (ABC), VNI-Windows, VIQR and Windows-1258 to Unicode.

TCVN3 is TCVN 5712:1993 as the .VnTime fonts use it: one byte a letter, capitals with a tone do not exist, a
second font shows the small letters as capitals. VNI-Windows writes a letter and a byte for its marks. VIQR is
RFC 1456. Everything decoded is NFC.

A byte that is none of the encoding becomes the surrogate U+DC00 + byte, as Python's ``surrogateescape``.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Mapping

_TONES = "\u0300\u0309\u0303\u0301\u0323"
"""Huyền, hỏi, ngã, sắc, nặng: the order in which the tables of this module list them."""


def _toned(letter: str) -> str:
    """The five toned forms of a letter, in the order of ``_TONES``."""
    return "".join(unicodedata.normalize("NFC", letter + tone) for tone in _TONES)


def _escaped(byte: int) -> str:
    return chr(0xDC00 + byte)


def _charmap(high: Mapping[int, str]) -> str:
    """A table for ``codecs.charmap_decode``: ASCII, then ``high``; bytes that mean nothing escaped."""
    return "".join(chr(b) if b < 0x80 else high.get(b, _escaped(b)) for b in range(256))


def _of_python(name: str) -> dict[int, str]:
    found = {b: bytes([b]).decode(name, "ignore") for b in range(0x80, 0x100)}
    return {b: letter for b, letter in found.items() if letter}


# TCVN 5712:1993, positions A0 to FF; the bytes of each toned group in the order of _TONES.
_TCVN_LETTERS = dict(zip(range(0xA1, 0xAF), "ĂÂÊÔƠƯĐăâêôơưđ", strict=True))
_TCVN_TONED = {
    "a": (0xB5, 0xB6, 0xB7, 0xB8, 0xB9),
    "ă": (0xBB, 0xBC, 0xBD, 0xBE, 0xC6),
    "â": (0xC7, 0xC8, 0xC9, 0xCA, 0xCB),
    "e": (0xCC, 0xCE, 0xCF, 0xD0, 0xD1),
    "ê": (0xD2, 0xD3, 0xD4, 0xD5, 0xD6),
    "i": (0xD7, 0xD8, 0xDC, 0xDD, 0xDE),
    "o": (0xDF, 0xE1, 0xE2, 0xE3, 0xE4),
    "ô": (0xE5, 0xE6, 0xE7, 0xE8, 0xE9),
    "ơ": (0xEA, 0xEB, 0xEC, 0xED, 0xEE),
    "u": (0xEF, 0xF1, 0xF2, 0xF3, 0xF4),
    "ư": (0xF5, 0xF6, 0xF7, 0xF8, 0xF9),
    "y": (0xFA, 0xFB, 0xFC, 0xFD, 0xFE),
}
_TCVN3 = _charmap(
    {0xA0: "\u00a0"}
    | _TCVN_LETTERS
    | {
        byte: letter
        for base, row in _TCVN_TONED.items()
        for byte, letter in zip(row, _toned(base), strict=True)
    }
)
_CP1258 = _charmap(_of_python("cp1258"))

# VNI-Windows: marks that follow their letter, in the order of _TONES; each also as a capital.
_VNI_PLAIN, _VNI_CIRCUMFLEX, _VNI_BREVE = "øûõùï", "àåãáä", "èúüéë"
_VNI_ALONE = dict(zip("ôöñíìæóòî", "ơưđíìỉĩịỵ", strict=True))


def _vni() -> dict[str, str]:
    """VNI text, read as Windows-1252, to letters: pairs and single letters, both cases."""
    marked = {letter: (letter, _VNI_PLAIN) for letter in "aeouy"} | {
        "ô": ("ơ", _VNI_PLAIN),
        "ö": ("ư", _VNI_PLAIN),
    }
    small = {
        letter + mark: toned
        for letter, (means, marks) in marked.items()
        for mark, toned in zip(marks, _toned(means), strict=True)
    }
    for letter, bare in zip("aeo", "âêô", strict=True):
        small |= {letter + m: t for m, t in zip("â" + _VNI_CIRCUMFLEX, bare + _toned(bare), strict=True)}
    small |= {"a" + m: t for m, t in zip("ê" + _VNI_BREVE, "ă" + _toned("ă"), strict=True)}
    table = dict(_VNI_ALONE) | {k.upper(): v.upper() for k, v in _VNI_ALONE.items()}
    for (letter, mark), toned in ((tuple(pair), toned) for pair, toned in small.items()):
        for written in (mark, mark.upper()):
            table[letter + written] = toned
            table[letter.upper() + written] = toned.upper()
    return table


_VNI = _vni()
_VNI_BYTES = _charmap(_of_python("cp1252") | {b: chr(b) for b in range(0xC0, 0x100)})
_VNI_MARKS = "â" + _VNI_CIRCUMFLEX + "ê" + _VNI_BREVE + _VNI_PLAIN
# Marks are no letters of their own, so a pair never takes the letter that begins the next one.
_VNI_PAIR = re.compile(f"[aeouyAEOUYôÔöÖ][{_VNI_MARKS}{_VNI_MARKS.upper()}]|[\u00c0-\u00ff]")


def _vni_letter(found: re.Match[str]) -> str:
    written = found[0]
    letter = _VNI.get(written)
    if letter is None:  # a letter with a mark that it never bears, or a mark by itself
        letter = "".join(_VNI.get(c) or (c if c.isascii() else _escaped(ord(c))) for c in written)
    return letter


_VIQR_MARK = {"^": "\u0302", "(": "\u0306", "+": "\u031b"}
_VIQR_TONE = {"`": "\u0300", "?": "\u0309", "~": "\u0303", "'": "\u0301", ".": "\u0323"}
_VIQR = re.compile(
    r"\\(.)|([dD])[dD]"
    r"|(?:([aA])([\^(]?)|([eE])(\^?)|([oO])([\^+]?)|([uU])(\+?)|([iIyY])())([`?~'.]?)",
    re.DOTALL,
)


def _viqr_letter(found: re.Match[str]) -> str:
    if found[1] is not None:
        return found[1]
    if found[2] is not None:
        return "đ" if found[2] == "d" else "Đ"
    letter, mark = next((found[i], found[i + 1]) for i in (3, 5, 7, 9, 11) if found[i] is not None)
    tone = found[13]
    if not mark and not tone:
        return letter
    return unicodedata.normalize("NFC", letter + _VIQR_MARK.get(mark, "") + _VIQR_TONE.get(tone, ""))


def decode_vietnamese(data: bytes, encoding: str) -> str:
    """Text of ``data`` in one of ``tcvn3``, ``vni``, ``viqr``, ``cp1258``, not cut within a line."""
    if encoding == "tcvn3":
        return recase(_mapped(data, _TCVN3))
    if encoding == "cp1258":
        return unicodedata.normalize("NFC", _mapped(data, _CP1258))
    if encoding == "vni":
        text = _mapped(data, _VNI_BYTES)
        return _VNI_PAIR.sub(_vni_letter, text)
    return _VIQR.sub(_viqr_letter, data.decode("ascii", "surrogateescape"))


def encode_vietnamese(text: str, encoding: str) -> bytes | None:
    """Bytes of ``tcvn3``, ``vni``, ``viqr`` or ``cp1258`` that show a text in NFC; None if a letter has none.

    The reverse of :func:`decode_vietnamese` but for capitals with tones in TCVN3, which are written as the
    small letters that its font of capitals shows so.
    """
    if encoding == "viqr":
        return _viqr_bytes(text)
    found = [_WRITTEN[encoding].get(letter) for letter in text]
    return None if None in found else b"".join(found)  # type: ignore[arg-type]


def _mapped(data: bytes, table: str) -> str:
    return codecs.charmap_decode(data, "strict", table)[0]


def _bytes_of(table: str) -> dict[str, bytes]:
    """Letter -> its byte, of a table of 256; the first of several."""
    out: dict[str, bytes] = {}
    for byte, letter in enumerate(table):
        if not 0xDC80 <= ord(letter) <= 0xDCFF:
            out.setdefault(letter, bytes([byte]))
    return out


def _tcvn3_bytes() -> dict[str, bytes]:
    own = _bytes_of(_TCVN3)
    capitals = {letter.upper(): byte for letter, byte in own.items() if not letter.isascii()}
    return capitals | own


def _cp1258_bytes() -> dict[str, bytes]:
    """Letters with a byte of their own, and those written as a letter and its tone."""
    own = _bytes_of(_CP1258)
    toned = {
        unicodedata.normalize("NFC", letter + tone): byte + own[tone]
        for letter, byte in own.items()
        for tone in _TONES
        if letter.isalpha()
    }
    return {letter: byte for letter, byte in toned.items() if len(letter) == 1} | own


def _vni_bytes() -> dict[str, bytes]:
    """Letters as pairs whose mark has the case of its letter; of ASCII and signs the byte itself."""
    byte = _bytes_of(_VNI_BYTES)
    out = {letter: raw for letter, raw in byte.items() if not "\u00c0" <= letter <= "\u00ff"}
    # Of several ways the shortest: a letter that has a byte of its own is written by it.
    for written, letter in sorted(_VNI.items(), key=lambda pair: -len(pair[0])):
        if written in (written.lower(), written.upper()):
            out[letter] = b"".join(byte[c] for c in written)
    return out


_WRITTEN = {"tcvn3": _tcvn3_bytes(), "cp1258": _cp1258_bytes(), "vni": _vni_bytes()}
_VIQR_SIGN = {mark: sign for sign, mark in (_VIQR_MARK | _VIQR_TONE).items()}
_VIQR_SIGNS = frozenset("\\").union(_VIQR_SIGN.values())


def _viqr_bytes(text: str) -> bytes | None:
    """VIQR; a sign behind a letter that could bear it, and a second d, have a backslash before them."""
    out: list[str] = []
    before = ""
    for letter in text:
        if letter in "đĐ":
            out.append("dd" if letter == "đ" else "DD")
        elif letter.isascii():
            bears = before != "" and unicodedata.normalize("NFD", before)[0] in "aeiouyAEIOUY"
            protected = letter == "\\" or (letter in _VIQR_SIGNS and bears)
            protected |= letter in "dD" and before in ("d", "D")
            out.append("\\" + letter if protected else letter)
        else:
            base, *marks = list(unicodedata.normalize("NFD", letter))
            signs = [_VIQR_SIGN.get(mark, "") for mark in sorted(marks, key=_TONES.__contains__)]
            written = base + "".join(signs)
            if not written.isascii() or "" in signs or _VIQR.sub(_viqr_letter, written) != letter:
                return None
            out.append(written)
        before = letter
    return "".join(out).encode("ascii")


# The small letters that TCVN3 has no capital of.
_CASELESS = frozenset(letter for base in _TCVN_TONED for letter in _toned(base))
_CELL = re.compile(r'[^,;\t|"\r\n]+')
_WORD = re.compile(r"[^\W\d_]+")
# A line without one of these has nothing to be changed: most lines are passed over by one search.
_SUSPECT = re.compile(rf"(?<![^\W\d_])[{''.join(sorted(_CASELESS))}]|[^\W\d_][A-ZĂÂÊÔƠƯĐ]")


def recase(text: str) -> str:
    """Text from TCVN3 with capitals where that encoding has none, as far as the letters around tell.

    Letters that have no capital there tell nothing. A word with a capital behind its first letter, and no
    small letter that tells, is all capitals; so is every word of a cell that holds such a word and no small
    letter that tells. Where every other word of a cell begins with a capital, a word whose first letter tells
    nothing gets one: "Nguyễn Thị ánh". A cell without a telling capital stays as it is.
    """
    return "\n".join(
        _CELL.sub(_recase_cell, line) if _SUSPECT.search(line) else line for line in text.split("\n")
    )


def _recase_cell(found: re.Match[str]) -> str:
    cell = found[0]
    if cell.isascii():
        return cell
    words = _WORD.findall(cell)
    shouting = [_shouts(word) for word in words]
    shouted = any(shouting) and not any(c.islower() and c not in _CASELESS for word in words for c in word)
    firsts = [w[0] for w in words if w[0] not in _CASELESS]
    titled = bool(firsts) and all(first.isupper() for first in firsts)

    def word(match: re.Match[str]) -> str:
        own = match[0]
        if shouted or _shouts(own):
            return own.upper()
        return own[0].upper() + own[1:] if titled and own[0] in _CASELESS else own

    return _WORD.sub(word, cell)


def _shouts(word: str) -> bool:
    """Whether the letters that tell make it a word of capitals, one of them behind its first letter."""
    return any(c.isupper() for c in word[1:]) and all(c.isupper() or c in _CASELESS for c in word)
