"""The vocabulary of names: distinct tokens of all parts, their forms and their keyed hashes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from kernels.spelling import TOKEN_CHARACTERS
from kernels.tokens import TokenForms
from linkage.coded import Tokens
from linkage.packs import Pack
from linkage.text_arrays import Texts
from linkage.text_sets import hash_texts

_WAITING = 1 << 20


def hash_text(values: pa.Array | pa.ChunkedArray, secret: int) -> np.ndarray:
    """Keyed hash of texts (no nulls): uint64[n]."""
    return hash_texts(Texts.of(values), secret)


def record_order(record_ids: pa.Array | pa.ChunkedArray, source: str, secret: int) -> np.ndarray:
    """Keyed hash of (source, record_id): the order of samples and ties, uint64[n]."""
    own = hash_text(pa.array([source]), secret)[0]
    return hash_text(record_ids, int(own))


def token_ids(own: pl.Series, merged: pl.Series) -> np.ndarray:
    """Ids, from 1, of ``own`` tokens in the vocabulary ``merged``, with 0 put first: uint32[k + 1].

    A token that the vocabulary lacks is an error of the caller: ValueError.
    """
    table = pl.DataFrame({"token": merged, "id": np.arange(1, len(merged) + 1, dtype=np.uint32)})
    joined = pl.DataFrame({"token": own.cast(pl.String)}).join(
        table, on="token", how="left", maintain_order="left"
    )["id"]
    if joined.null_count():
        raise ValueError(
            f"{joined.null_count()} tokens are not in the vocabulary. Wanted: a vocabulary merged of them, "
            "among others. Merge it anew."
        )
    return np.concatenate([np.zeros(1, np.uint32), joined.to_numpy().astype(np.uint32)])


def merge_vocabularies(parts: Iterable[tuple[pl.Series, np.ndarray]]) -> pl.Series:
    """Distinct tokens of all parts by falling frequency, equal ones by their text; the same for any cut.

    parts : distinct tokens, and int64, how often each stands in its part
    """
    whole = pl.DataFrame(schema={"token": pl.String, "count": pl.Int64})
    waiting: list[pl.DataFrame] = []
    for tokens, counts in parts:
        waiting.append(pl.DataFrame({"token": tokens.cast(pl.String), "count": counts.astype(np.int64)}))
        # Summed now and then: nearly every token of a part is known from those before it.
        if sum(frame.height for frame in waiting) > max(_WAITING, whole.height):
            whole, waiting = _counted([whole, *waiting]), []
    whole = _counted([whole, *waiting])
    return whole.sort("count", "token", descending=[True, False])["token"]


def _counted(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames).group_by("token").agg(pl.col("count").sum())


def tokens_of(vocabulary: pl.Series, locale: Pack, secret: int) -> Tokens:
    """Forms and hashes of a vocabulary's tokens; id 0 has none."""
    forms = locale.token_forms(vocabulary)
    ascii_text = forms["ascii"].fill_null("")
    encoded = ascii_text.to_arrow().cast(pa.large_string())
    offsets = (
        np.frombuffer(encoded.buffers()[1], np.int64)[: len(encoded) + 1]
        if len(encoded)
        else np.zeros(1, np.int64)
    )
    chars = np.frombuffer(encoded.buffers()[2] or b"", np.uint8) if len(encoded) else np.zeros(0, np.uint8)
    lengths = np.diff(offsets)
    initial = np.zeros(lengths.size, np.uint32)
    initial[lengths > 0] = chars[offsets[:-1][lengths > 0]]

    def ids(column: str) -> np.ndarray:
        encoded_form = forms[column].fill_null("").to_arrow().dictionary_encode()
        codes = encoded_form.indices.to_numpy(zero_copy_only=False).astype(np.uint32) + 1
        return np.concatenate([np.zeros(1, np.uint32), codes])

    def hashes(values: pl.Series) -> np.ndarray:
        own = hash_text(values.fill_null("").to_arrow(), secret) if len(values) else np.zeros(0, np.uint64)
        return np.concatenate([np.zeros(1, np.uint64), np.maximum(own, np.uint64(1))])

    def flags(column: str) -> np.ndarray:
        return np.concatenate(
            [np.zeros(1, np.uint8), forms[column].cast(pl.UInt8).to_numpy().astype(np.uint8)]
        )

    return Tokens(
        forms=TokenForms(
            ids("ascii"),
            ids("plain"),
            ids("phonetic"),
            np.concatenate([np.zeros(1, np.uint32), initial]),
            flags("marked"),
            flags("single"),
            np.concatenate([np.zeros(1, np.int64), offsets]),
            np.concatenate([chars, np.zeros(64, np.uint8)]),
        ),
        letters=np.concatenate([np.zeros(1, np.uint32), _letters(offsets, chars)]),
        exact_hash=hashes(vocabulary),
        ascii_hash=hashes(ascii_text),
        phonetic_hash=hashes(forms["phonetic"]),
    )


def _letters(offsets: np.ndarray, chars: np.ndarray) -> np.ndarray:
    """A bit for each letter a to z of each ASCII text's first characters, one more for anything else."""
    lengths = np.minimum(np.diff(offsets), TOKEN_CHARACTERS)
    masks = np.zeros(lengths.size, np.uint32)
    for place in range(int(lengths.max(initial=0))):
        rows = np.flatnonzero(lengths > place)
        letter = chars[offsets[rows] + place].astype(np.int64) - ord("a")
        masks[rows] |= np.left_shift(1, np.where((letter >= 0) & (letter < 26), letter, 26)).astype(np.uint32)
    return masks
