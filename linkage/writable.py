"""Texts that a source's encoding can hold: what is proposed to a source must be writable in its own file."""

from __future__ import annotations

import unicodedata

import numpy as np
import polars as pl

from linkage.encodings import reduced, writable, writes_all
from linkage.render import distinct_texts


def fit_to_encoding(texts: pl.Series, encoding: str) -> tuple[pl.Series, np.ndarray, pl.Series]:
    """Texts as an encoding can hold them: fitting, lost, less, each of the length of ``texts``.

    fitting : the texts (NFC), null where one cannot be written
    lost    : bool[n], there is a text and it cannot be written
    less    : of what is lost, the text without the marks that the encoding has not; null elsewhere

    Each distinct text is tried once. UTF-8 and UTF-16 hold everything: their texts come back as they are.
    """
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(texts))
    if writes_all(encoding):
        return texts, np.zeros(len(texts), bool), nothing
    distinct, index = distinct_texts(texts)
    composed = [unicodedata.normalize("NFC", text) for text in distinct.to_list()]
    good = [writable(text, encoding) for text in composed]
    fitting = [text if fits else None for text, fits in zip(composed, good, strict=True)]
    less = [None if fits else reduced(text, encoding) for text, fits in zip(composed, good, strict=True)]
    place = np.where(index >= 0, index, len(composed))
    lost = ~np.append(np.array(good, bool), True)[place]
    at = pl.Series(place.astype(np.uint32))
    return (
        pl.Series("text", [*fitting, None], pl.String).gather(at),
        lost,
        pl.Series("text", [*less, None], pl.String).gather(at),
    )


def same_words(one: pl.Series, other: pl.Series) -> np.ndarray:
    """Whether two texts are the same but for case and blanks: bool[n]; null is no text."""
    a, b = (
        t.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars().str.normalize("NFC")
        for t in (one, other)
    )
    return (a == b).fill_null(value=False).to_numpy()
