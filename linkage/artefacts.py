"""Columns of the tables a run publishes: content ids, readable patterns, values at rows; no text is copied.

Text that repeats (sources, rules, patterns, decisions) is dictionary-encoded from end to end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from kernels.keys import siphash128
from linkage.levels import Programme

#: Fixed keys of content ids: they must be the same for everybody, for ever.
_ID_KEYS = (np.uint64(0x6C696E6B61676531), np.uint64(0x656E746974792D31))

_UNIT = "\x1f"


def content_ids(texts: pl.Series) -> np.ndarray:
    """128-bit ids of texts (no nulls): SipHash-2-4-128 under a public key, uint8[n, 16]."""
    array = texts.to_arrow().cast(pa.large_string())
    n = len(array)
    out = np.zeros((n, 2), np.uint64)
    if n:
        offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + n + 1]
        data = np.frombuffer(array.buffers()[2] or b"", np.uint8)
        siphash128(offsets, data, *_ID_KEYS, out)
    return out.astype("<u8", copy=False).view(np.uint8).reshape(n, 16)


def id_array(ids: np.ndarray) -> pa.FixedSizeBinaryArray:
    """Ids, uint8[n, 16], as an Arrow column."""
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), ids.shape[0], [None, pa.py_buffer(np.ascontiguousarray(ids))]
    )


def joined(*columns: pl.Series | str) -> pl.Series:
    """Columns as one text a row, parts apart by a control character that no field may hold; null as empty."""
    names: list[pl.Expr] = []
    values = {}
    for number, column in enumerate(columns):
        if isinstance(column, str):
            names.append(pl.lit(column))
        else:
            values[f"c{number}"] = column
            names.append(pl.col(f"c{number}").cast(pl.String).fill_null(""))
    return pl.DataFrame(values).select(pl.concat_str(names, separator=_UNIT).alias("joined"))["joined"]


def person_entity_ids(person_ids: pl.Series) -> np.ndarray:
    """Entity ids of register persons, uint8[n, 16]."""
    return content_ids(joined("person", person_ids))


def record_entity_ids(sources: pl.Series, record_ids: pl.Series) -> np.ndarray:
    """Entity ids named by their smallest member, uint8[n, 16]."""
    return content_ids(joined("record", sources, record_ids))


def coded_text(codes: np.ndarray, texts: Sequence[str]) -> pa.DictionaryArray:
    """Texts by their number, dictionary-encoded; null where the number is negative.

    Every text is in the dictionary once: Parquet writers make its page as long as the entries they are given,
    and what is left behind the distinct ones is memory as it was.
    """
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    chosen = np.where(codes >= 0, codes, 0)
    if len(places) < len(texts):
        chosen = np.array([places[text] for text in texts], np.int32)[chosen]
    indices = pa.array(chosen.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(places), pa.large_string()))


def pattern_texts(
    patterns: np.ndarray, programme: Programme, known: np.ndarray | None = None
) -> pa.DictionaryArray:
    """Readable patterns, ``number=same sex=same ...``; null where ``known`` (bool[n]) is False."""
    distinct, inverse = np.unique(patterns, return_inverse=True)
    levels = programme.levels_of(distinct) if distinct.size else np.zeros((0, len(programme.parts)), np.int64)
    texts = [
        " ".join(f"{p.name}={p.levels[int(v)].name}" for p, v in zip(programme.parts, row, strict=True))
        for row in levels
    ]
    codes = inverse.ravel().astype(np.int64)
    return coded_text(codes if known is None else np.where(known, codes, -1), texts)


def text_at(values: pl.Series, rows: np.ndarray) -> pl.Series:
    """Texts at rows, null where the row is negative."""
    if len(values) == 0:
        return pl.Series(values.name, [None] * len(rows), dtype=pl.String)
    taken = values.gather(pl.Series(np.where(rows >= 0, rows, 0).astype(np.uint32)))
    if (rows >= 0).all():
        return taken
    return pl.DataFrame({"v": taken, "ok": rows >= 0}).select(pl.when("ok").then("v").alias("v"))["v"]


def arrow_text(values: pl.Series) -> pa.Array:
    """A Polars text column as Arrow large_string."""
    return values.to_arrow().cast(pa.large_string())


def numbers(values: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
    """A numeric column, null where ``known`` (bool[n]) is False."""
    return pa.array(values) if known is None else pa.array(values, mask=~known)
