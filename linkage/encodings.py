"""Text of any encoding that a contract may declare -> UTF-8, a stretch at a time; and which encoding it is.

What cannot be decoded stays in the text as bytes that are no UTF-8, so that its row is refused and no other.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter

from linkage.vietnam.encodings import decode_vietnamese, encode_vietnamese
from linkage.vietnam.syllables import canonical_syllables

#: Encodings by the name a contract gives them.
ENCODINGS = (
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "cp1252",
    "cp1258",
    "latin-1",
    "tcvn3",
    "vni",
    "viqr",
)

#: Stands for an encoding that is to be found out.
AUTO = "auto"

#: Byte order marks and what they mean.
MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))

_VIETNAMESE = ("tcvn3", "vni", "cp1258", "viqr")
#: Least share of valid syllables among the words with a mark, and least lead over the next encoding.
_LEAST_SHARE, _LEAST_LEAD = 0.6, 0.1
#: Words that VIQR must have marked in a way that plain text never is.
_LEAST_VIQR = 20
_WORDS = 50_000
_LINE_LIMIT = 1 << 20
# Bytes of a sample's beginning, and of its end, whose words are tried as syllables.
_SCORED = 512 << 10
# Two such bytes side by side could be read as a character of UTF-8.
_RUN = re.compile("([\udcc2-\udcf4])(?=[\udc80-\udcbf])")


class Transcoder:
    """Text of one encoding to UTF-8: ``feed`` it in stretches of any size, the last with ``final``.

    Bytes that mean nothing in the encoding come out as bytes that are no UTF-8. A byte order mark is dropped
    unless the text is UTF-8 already.
    """

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self._held = b""
        self._wide: codecs.IncrementalDecoder | None = None

    def feed(self, data: bytes, *, final: bool = False) -> bytes:
        """UTF-8 of what is whole of the text given so far."""
        if self.encoding == "utf-8":
            return data
        if self.encoding.startswith("utf-16"):
            return self._feed_wide(data, final)
        data = self._held + data
        # Letters of several bytes never cross the end of a line.
        cut = len(data) if final else max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
        if not cut and len(data) > _LINE_LIMIT:
            cut = len(data)
        self._held = data[cut:]
        return to_utf8(_decode(data[:cut], self.encoding)) if cut else b""

    def _feed_wide(self, data: bytes, final: bool) -> bytes:
        data = self._held + data
        self._held = b""
        if self._wide is None:
            if len(data) < 4 and not final:
                self._held = data
                return b""
            marked = next((name for mark, name in MARKS[1:] if data.startswith(mark)), None)
            name = self.encoding if self.encoding != "utf-16" else marked or _wide_order(data) or "utf-16-le"
            self._wide = codecs.getincrementaldecoder(name)("surrogatepass")
            data = data[2:] if marked == name else data
        odd = len(data) % 2
        if odd and not final:
            self._held = data[-1:]
        text = self._wide.decode(data[: len(data) - odd])
        if final:
            # A high surrogate may still wait for its other half: U+0000 ends the wait, and is taken off.
            text += self._wide.decode("\0".encode(_wide_name(self._wide)))[:-1]
        return text.encode("utf-8", "surrogatepass") + (b"\xff" if odd and final else b"")


def _wide_name(decoder: codecs.IncrementalDecoder) -> str:
    return "utf-16-be" if "be" in type(decoder).__module__ else "utf-16-le"


def _decode(data: bytes, encoding: str) -> str:
    if encoding in _VIETNAMESE:
        return decode_vietnamese(data, encoding)
    return data.decode(encoding, "surrogateescape")


def writes_all(encoding: str) -> bool:
    """Whether an encoding has every letter that there is."""
    return encoding.startswith("utf-")


def writable(text: str, encoding: str) -> bool:
    """Whether a text (NFC) can be written in an encoding so that it is read back as it is.

    TCVN3 has no capitals with tones: there the text that comes back may differ by case.
    """
    if writes_all(encoding):
        return True
    if encoding in _VIETNAMESE:
        data = encode_vietnamese(text, encoding)
    else:
        try:
            data = text.encode(encoding)
        except UnicodeEncodeError:
            data = None
    if data is None:
        return False
    again = _decode(data, encoding)
    return again == text or (encoding == "tcvn3" and again.casefold() == text.casefold())


def reduced(text: str, encoding: str) -> str:
    """A text (NFC) without the marks that an encoding cannot write: of each letter as few as will do.

    A letter that it cannot write even without marks stays as it is.
    """
    return "".join(
        letter if letter.isascii() or writable(letter, encoding) else _reduced_letter(letter, encoding)
        for letter in text
    )


def _reduced_letter(letter: str, encoding: str) -> str:
    base, *marks = list(unicodedata.normalize("NFD", letter))
    while marks:
        for last in range(len(marks) - 1, -1, -1):
            less = unicodedata.normalize("NFC", base + "".join(marks[:last] + marks[last + 1 :]))
            if writable(less, encoding):
                return less
        marks.pop()
    return {"đ": "d", "Đ": "D"}.get(letter, letter)


def to_utf8(text: str) -> bytes:
    """UTF-8 of text whose surrogates U+DC80 to U+DCFF stand for bytes that are none."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _RUN.sub("\\1\udcff", text).encode("utf-8", "surrogateescape")


def _wide_order(data: bytes) -> str | None:
    """Which of the two orders of UTF-16 this is, by where its zero bytes lie; None for none of them."""
    sample = data[: len(data) - len(data) % 2]
    if not sample:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > 0.3 * half and even <= 0.02 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd <= 0.02 * half:
        return "utf-16-be"
    return None


def detect_encoding(sample: bytes) -> str | None:
    """The encoding of a sample of text, cut at line ends where it is cut; None where it cannot be told.

    A byte order mark or the places of zero bytes tell UTF-16. Whatever is valid UTF-8 is UTF-8, unless words
    are marked as VIQR does and nothing else would. Of the rest, that encoding is taken whose reading makes
    most of the words with a mark valid Vietnamese syllables: six in ten at least, and one in ten more than
    any other. UTF-8 with a few bytes that are none is UTF-8.
    """
    marked = next((name for mark, name in MARKS if sample.startswith(mark)), None)
    wide = marked or _wide_order(sample)
    if wide is not None:
        return wide
    try:
        text = sample.decode()
    except UnicodeDecodeError:
        counted = Counter(sample.decode("utf-8", "surrogateescape"))
        broken = sum(count for letter, count in counted.items() if "\udc80" <= letter <= "\udcff")
        if sum(count for letter, count in counted.items() if letter > "\x7f") - broken >= 4 * broken:
            return "utf-8"
    else:
        return "viqr" if sample.isascii() and _is_viqr(text) else "utf-8"
    shares = sorted(
        ((_share(sample, encoding), encoding) for encoding in ("tcvn3", "vni", "cp1258")), reverse=True
    )
    (best, encoding), (second, _) = shares[:2]
    return encoding if best >= _LEAST_SHARE and best - second >= _LEAST_LEAD else None


# One class repeated, so that no text makes the search slow; which of the words count is asked afterwards.
_TOKEN = re.compile(rb"[A-Za-z\x80-\xff]+")


def _share(sample: bytes, encoding: str) -> float:
    """Share of the words with a mark that are valid syllables if the sample is read so."""
    if len(sample) > 2 * _SCORED:
        sample = sample[:_SCORED] + sample[-_SCORED:]
    counted = Counter(word for word in _TOKEN.findall(sample) if not word.isascii()).most_common(_WORDS)
    valid = canonical_syllables()
    words = [
        (unicodedata.normalize("NFC", _decode(word, encoding)).lower(), count) for word, count in counted
    ]
    whole = sum(count for _, count in words)
    return sum(count for word, count in words if word in valid) / whole if whole else 0.0


_VIQR_WORD = re.compile(r"[A-Za-z][A-Za-z^(+`?~'.]*")
_VIQR_ONLY = frozenset("^+`~")


def _is_viqr(text: str) -> bool:
    """Whether words bear the marks of VIQR that stand in no other word, and nearly all are syllables then."""
    marked = (word for word in _VIQR_WORD.findall(text) if not _VIQR_ONLY.isdisjoint(word))
    counted = Counter(marked).most_common(_WORDS)
    whole = sum(count for _, count in counted)
    if whole < _LEAST_VIQR:
        return False
    valid = canonical_syllables()
    good = sum(count for word, count in counted if decode_vietnamese(word.encode(), "viqr").lower() in valid)
    return good >= 0.9 * whole
