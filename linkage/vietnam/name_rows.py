"""Names row by row: words numbered by a kernel, each distinct word looked at once, doubtful names told apart.

Most names are well-written syllables in the usual order, and say nothing that a single word does not tell.
For these a row of word numbers is all there is to do. Every other name is *doubtful* and is for
:func:`linkage.vietnam.names.parse_names`, which sees the same words in the same way.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from kernels.words import IRREGULAR, WordTable, count_words, word_bits
from linkage.vietnam import name_whole as whole
from linkage.vietnam.legacy import misreadings
from linkage.vietnam.name_tokens import canonical_word
from linkage.vietnam.name_words import NEWBORN_STARTS, SAINTS, SURNAMES, TITLES
from linkage.vietnam.syllables import canonical_syllables

# What a word is, beside the bits of linkage.vietnam.name_whole (1 to 16).
_DOUBTFUL, _NOT_LATIN_1, _HIGH, _NO_SYLLABLE = 32, 64, 128, 256
_ADDRESS, _STRONG, _FIRST_ONLY, _NEVER_GIVEN, _SURNAME = 512, 1024, 2048, 4096, 8192
_NOT_TCVN3, _NOT_VNI, _TRACE_OF_UTF8 = 16384, 32768, 65536

_MISREAD_UTF8 = "\u00e1\u00ba"
_ADDRESSES = (
    TITLES
    | {"cb"}
    | {start for start, _ in NEWBORN_STARTS}
    | SAINTS
    | whole.RELIGIOUS_FIRSTS
)  # fmt: skip
_PLACES = (
    (_ADDRESSES, _ADDRESS),
    (whole.EVERY_STRONG, _STRONG),
    (whole.FIRST_ONLY, _FIRST_ONLY),
    (frozenset({whole.NEVER_GIVEN}), _NEVER_GIVEN),
    (SURNAMES, _SURNAME),
)


def _is_plain(raw: str) -> bool:
    """Whether a word is of letters, marks, digits and apostrophes alone (``name_text.PLAIN``)."""
    for character in raw:
        kind = unicodedata.category(character)
        if not (character == "'" or kind == "Nd" or kind[0] == "M" or (kind[0] == "L" and kind != "Lm")):
            return False
    return True


@lru_cache(maxsize=1 << 17)
def _facts(raw: bytes) -> tuple[int, str]:
    """Bits of a written word, and its token where it is one."""
    text = raw.decode("utf-8")
    bits = _DOUBTFUL if _MISREAD_UTF8 in text else 0
    highest = max(text)
    bits |= (_NOT_LATIN_1 if highest > "\u00ff" else 0) | (_HIGH if highest > "\u007f" else 0)
    if highest <= "\u00ff":
        tcvn3, vni, utf8 = misreadings(text)
        bits |= (0 if tcvn3 else _NOT_TCVN3) | (0 if vni else _NOT_VNI) | (_TRACE_OF_UTF8 if utf8 else 0)
    if text.lower() not in canonical_syllables():
        bits |= _NO_SYLLABLE
        if not _is_plain(text):
            return bits | _DOUBTFUL, ""
    word = canonical_word(text)
    bits |= whole.flags_of(word)
    if word.repairs or len(word.tokens) != 1:
        return bits | _DOUBTFUL, ""
    token = word.tokens[0]
    for listed, bit in _PLACES:
        if token in listed:
            bits |= bit
    return bits, token


class NameReader:
    """Reads the name columns of one part: words met in one column are known in the next."""

    def __init__(self, secret: int) -> None:
        self._words = WordTable(secret)
        self._bits = np.zeros(1, np.uint32)
        self._tokens = [""]
        self._counts = np.zeros(1, np.int64)

    def read(
        self, offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], held: npt.NDArray[np.bool_] | None
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
        """Word numbers uint32[n, 8] of a column of texts (see ``WordTable.cut``), and which are doubtful.

        The rows of doubtful names are empty. Every other name has one token a word and no repair.
        """
        rows, counts = self._words.cut(offsets, data, held)
        self._learn()
        every, first, second, last = word_bits(rows, counts, self._bits)

        def have(bits: npt.NDArray[np.uint32], wanted: int) -> npt.NDArray[np.bool_]:
            return (bits & np.uint32(wanted)) != 0

        doubtful = (counts == IRREGULAR) | have(every, _DOUBTFUL | whole.JOIN | whole.ALIAS | whole.TYPED)
        # All letters of Latin-1, some not of ASCII, and a word that is none: it may be of another encoding,
        # if there is one that each of its words can be of.
        misread = (every & np.uint32(_NOT_LATIN_1 | _HIGH | _NO_SYLLABLE)) == np.uint32(_HIGH | _NO_SYLLABLE)
        none = np.uint32(_NOT_TCVN3 | _NOT_VNI)
        doubtful |= misread & ((every & (none | np.uint32(_TRACE_OF_UTF8))) != none)
        doubtful |= have(first, _ADDRESS) & (counts >= 3)
        doubtful |= have(last, _STRONG) & ~have(first, _FIRST_ONLY) & (counts >= 2)
        turned = have(second, _STRONG) & (counts >= 3)
        doubtful |= turned & (have(last, _NEVER_GIVEN) | ~have(first, _SURNAME))
        rows[doubtful] = 0
        count_words(rows, self._counts)
        return rows, doubtful

    def _learn(self) -> None:
        known = len(self._tokens) - 1
        offsets, data = self._words.texts(known)
        if offsets.size == 1:
            return
        held = data.tobytes()
        cuts = offsets.tolist()
        facts = [_facts(held[start:stop]) for start, stop in pairwise(cuts)]
        self._bits = np.concatenate([self._bits, np.array([bits for bits, _ in facts], np.uint32)])
        self._tokens += [token for _, token in facts]
        self._counts = np.concatenate([self._counts, np.zeros(len(facts), np.int64)])

    def tokens(self) -> tuple[pl.Series, npt.NDArray[np.int64]]:
        """Token of every word, from number 0 on (null of no word and of one in no row), and how often it
        stands in the rows that were given.
        """
        used = self._counts > 0
        used[0] = False
        texts = pa.array(self._tokens, pa.large_string(), mask=~used)
        return pl.Series("token", texts), np.where(used, self._counts, 0)
