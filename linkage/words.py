"""Names as text: the written forms of a run's words, and names of them as texts and against texts."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from kernels._door import reading
from kernels.written import dates_read, digits_read, find_case, name_bytes, name_lengths, names_read
from linkage.coded import NAME_WIDTH
from linkage.packs import Pack
from linkage.text_arrays import Texts


@dataclass(frozen=True)
class Spelling:
    """How words are written, by token id: offsets int64[v + 1] into UTF-8 ``chars``; id 0 is no token."""

    words: pl.Series
    offsets: np.ndarray
    chars: np.ndarray

    @staticmethod
    def of(words: pl.Series) -> Spelling:
        """The spelling of the vocabulary ``words``, whose first has the id 1."""
        offsets, chars = text_buffers(words)
        return Spelling(words, np.concatenate([offsets[:1], offsets]), chars)

    @functools.cached_property
    def capitals(self) -> Spelling:
        """The same words in capitals."""
        return Spelling.of(self.words.str.to_uppercase())

    @functools.cached_property
    def small(self) -> Spelling:
        """The same words in small letters."""
        return Spelling.of(self.words.str.to_lowercase())


@dataclass(frozen=True)
class Words:
    """Tokens of names as they are written. ``plain``: without diacritics."""

    written: Spelling
    plain: Spelling

    @staticmethod
    def of(vocabulary: pl.Series, locale: Pack) -> Words:
        """The written forms of a run's vocabulary."""
        written = locale.written_tokens(vocabulary)
        return Words(Spelling.of(written), Spelling.of(locale.unmarked(written)))


def text_buffers(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Texts (no nulls, or nulls as empty) as int64 offsets [n + 1] and the UTF-8 bytes they point into."""
    array = texts.fill_null("").to_arrow().cast(pa.large_string())
    held = array.buffers()
    offsets = np.frombuffer(held[1], np.int64)[array.offset : array.offset + len(array) + 1]
    return offsets, np.frombuffer(held[2] if held[2] is not None else b"", np.uint8)


def name_texts(names: np.ndarray, spelling: Spelling) -> pl.Series:
    """Names (uint32[n, 8]) as text, tokens with single spaces between; empty for none."""
    return pl.Series("text", name_bytes_of(names, spelling).series(), dtype=pl.String)


def written_names(names: np.ndarray, capitals: np.ndarray, spelling: Spelling) -> pl.Series:
    """Names as text, in capitals where ``capitals`` (bool[n])."""
    return pl.Series("text", name_bytes_of(names, spelling, capitals).series(), dtype=pl.String)


def name_bytes_of(names: np.ndarray, spelling: Spelling, capitals: np.ndarray | None = None) -> Texts:
    """Names (uint32[n, 8]) as UTF-8, in capitals where ``capitals`` (bool[n]; default: none is)."""
    n = names.shape[0]
    capitals = np.zeros(n, bool) if capitals is None else capitals
    held = reading(names, np.uint32, "names", NAME_WIDTH)
    second = reading(capitals, np.bool_, "capitals")
    one, other = _arrays(spelling), _arrays(spelling.capitals if capitals.any() else spelling)
    offsets = np.empty(n + 1, np.int64)
    name_lengths(held, second, one[0], other[0], offsets)
    chars = np.empty(int(offsets[-1]), np.uint8)
    name_bytes(held, second, *one, *other, chars)
    return Texts(offsets, chars)


def _arrays(spelling: Spelling) -> tuple[np.ndarray, np.ndarray]:
    return reading(spelling.offsets, np.int64, "offsets"), reading(spelling.chars, np.uint8, "chars")


def read_as_names(
    texts: Texts, rows: np.ndarray, names: np.ndarray, spelling: Spelling, other: Spelling
) -> np.ndarray:
    """Whether the texts at ``rows`` are the names (uint32[n, 8]) letter for letter: bool[n].

    rows : int64[n], -1 for no text;  spelling, other : a name may be written in either
    """
    out = np.empty(names.shape[0], bool)
    names_read(
        *_given(texts, rows),
        reading(names, np.uint32, "names", NAME_WIDTH),
        *_arrays(spelling),
        *_arrays(other),
        out,
    )
    return out


def case_of(texts: Texts) -> np.ndarray:
    """How each text's letters are written, uint8[n]: see :func:`kernels.written.find_case`."""
    out = np.empty(len(texts), np.uint8)
    find_case(reading(texts.offsets, np.int64, "starts"), reading(texts.data, np.uint8, "text"), out)
    return out


def read_as_digits(texts: Texts, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Whether the texts at ``rows`` are the digits of identifiers (int64[n], codes) only: bool[n]."""
    out = np.empty(codes.shape[0], bool)
    digits_read(*_given(texts, rows), reading(codes, np.int64, "codes"), out)
    return out


def read_as_dates(texts: Texts, rows: np.ndarray, codes: np.ndarray, forms: Sequence[str]) -> np.ndarray:
    """Whether the texts at ``rows`` are dates (int32[n], codes) by one of a contract's formats: bool[n].

    The parts may be padded to two digits where the format asks for one.
    """
    out = np.zeros(codes.shape[0], bool)
    for form in forms:
        letters = np.frombuffer(form.strip().lower().encode(), np.uint8)
        dates_read(*_given(texts, rows), reading(codes, np.int32, "codes"), letters, out)
    return out


def _given(texts: Texts, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        reading(texts.offsets, np.int64, "starts"),
        reading(texts.data, np.uint8, "text"),
        reading(rows, np.int64, "rows"),
    )
