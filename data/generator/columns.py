"""Arrow text columns from integers, and replacing single values in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def digit_texts(
    values: NDArray[np.int64], width: int, prefix: str = "", missing: NDArray[np.bool_] | None = None
) -> pa.Array:
    """Each value (0..10^width - 1, width at most 18) with leading zeros behind ``prefix``; null where
    missing.
    """
    count = len(values)
    lead = len(prefix)
    text = np.empty((count, lead + width), np.uint8)
    for at, sign in enumerate(prefix.encode()):
        text[:, at] = sign
    place = lead + width
    rest = values
    # 32-bit division takes a third of the time of 64-bit division.
    while place > lead:
        step = min(9, place - lead)
        upper = rest // 10**step
        part = (rest - upper * 10**step).astype(np.uint32)
        for at in range(place - 1, place - step - 1, -1):
            quotient = part // np.uint32(10)
            text[:, at] = part - quotient * np.uint32(10) + np.uint32(48)
            part = quotient
        rest = upper
        place -= step
    offsets = np.arange(count + 1, dtype=np.int32) * (lead + width)
    validity = None
    if missing is not None and missing.any():
        validity = pa.py_buffer(np.packbits(~missing, bitorder="little").tobytes())
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text.reshape(-1)), validity)


def replaced(
    column: pa.Array, rows: NDArray[np.integer], values: Sequence[str | None] | pa.Array
) -> pa.Array:
    """The column with ``values`` at ``rows``; rows in any order, none twice."""
    if len(rows) == 0:
        return column
    if not isinstance(values, pa.Array):
        values = pa.array(values, pa.string())
    order = np.argsort(rows)
    mask = np.zeros(len(column), np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(column, pa.array(mask), values.take(pa.array(order)))


def nulled(column: pa.Array, missing: NDArray[np.bool_]) -> pa.Array:
    """The column with nulls where missing."""
    return pc.if_else(pa.array(missing), pa.scalar(None, column.type), column)


def joined(
    phrases: pa.Array,
    names: NDArray[np.integer],
    offset: NDArray[np.int64] | int = 0,
    missing: NDArray[np.bool_] | None = None,
) -> pa.Array:
    """Full names from three phrase numbers each (``[n, 3]``); null where missing.

    ``offset`` shifts to another way of writing. At least one number of each name that is not missing is
    above 0.
    """
    if missing is not None:
        # Arrow 26 leaves a row of nothing but nulls out of the result altogether.
        names = np.where(missing[:, None], 1, names)
        return nulled(joined(phrases, names, offset), missing)
    parts = [phrases.take(pa.array(names[:, at].astype(np.int32) + offset)) for at in range(3)]
    return pc.binary_join_element_wise(*parts, " ", null_handling="skip")


def take(column: pa.Array, rows: NDArray[np.integer]) -> pa.Array:
    """The values at ``rows``."""
    return column.take(pa.array(rows))


def constant(value: str | None, count: int) -> pa.Array:
    """One text, ``count`` times."""
    return pa.nulls(count, pa.string()) if value is None else pa.repeat(pa.scalar(value, pa.string()), count)
