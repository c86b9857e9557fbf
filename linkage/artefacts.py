"""The tables a run publishes, built from decisions and pairs: columns and types as :mod:`linkage.tables` states."""

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


def content_ids(texts: pl.Series) -> pa.FixedSizeBinaryArray:
    """128-bit ids of texts (no nulls): SipHash-2-4-128 under a public key, 16 raw bytes each."""
    array = texts.to_arrow().cast(pa.large_string())
    n = len(array)
    out = np.zeros((n, 2), np.uint64)
    if n:
        offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + n + 1]
        data = np.frombuffer(array.buffers()[2] or b"", np.uint8)
        siphash128(offsets, data, *_ID_KEYS, out)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), n, [None, pa.py_buffer(out.astype("<u8").tobytes())])


def joined(*columns: pl.Series | str) -> pl.Series:
    """Columns as one text a row, parts apart by a control character that no field may hold; null as empty."""
    names = []
    values = {}
    for number, column in enumerate(columns):
        if isinstance(column, str):
            names.append(pl.lit(column))
        else:
            values[f"c{number}"] = column
            names.append(pl.col(f"c{number}").cast(pl.String).fill_null(""))
    return pl.DataFrame(values).select(pl.concat_str(names, separator=_UNIT).alias("joined"))["joined"]


def person_entity_ids(person_ids: pl.Series) -> pa.FixedSizeBinaryArray:
    """Entity ids of register persons."""
    return content_ids(joined("person", person_ids))


def record_entity_ids(sources: pl.Series, record_ids: pl.Series) -> pa.FixedSizeBinaryArray:
    """Entity ids named by their smallest member."""
    return content_ids(joined("record", sources, record_ids))


def pattern_texts(patterns: np.ndarray, programme: Programme) -> pl.Series:
    """Readable patterns, ``number=same sex=same ...``: dictionary-encoded text, one a row."""
    distinct, inverse = np.unique(patterns, return_inverse=True)
    levels = programme.levels_of(distinct) if distinct.size else np.zeros((0, len(programme.parts)), np.int64)
    texts = [
        " ".join(f"{p.name}={p.levels[int(v)].name}" for p, v in zip(programme.parts, row, strict=True)) for row in levels
    ]
    return pl.Series("pattern", texts, dtype=pl.String).gather(inverse.ravel().astype(np.uint32)).cast(pl.Categorical)


def picked(values: pl.Series, rows: np.ndarray) -> pl.Series:
    """Values at rows, null where the row is negative."""
    index = pl.Series(np.where(rows >= 0, rows, 0).astype(np.uint32))
    if len(values) == 0:
        return pl.Series(values.name, [None] * len(rows), dtype=values.dtype)
    taken = values.gather(index)
    return pl.DataFrame({"v": taken, "ok": rows >= 0}).select(pl.when("ok").then("v").alias(values.name))[values.name]


def sorted_table(columns: dict[str, object], by: Sequence[str]) -> pa.Table:
    """An Arrow table of columns (Polars series, Arrow or NumPy arrays) sorted by text keys."""
    arrays = {}
    for name, values in columns.items():
        if isinstance(values, pl.Series):
            array = values.to_arrow()
            arrays[name] = array.cast(pa.large_string()) if pa.types.is_string_view(array.type) else array
        else:
            arrays[name] = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    table = pa.table(arrays)
    order = pl.DataFrame({k: pl.from_arrow(table.column(k)) for k in by}).select(pl.arg_sort_by(list(by)))
    return table.take(order.to_series().to_arrow())
