"""What stands between a caller's arrays and a kernel: shapes and types, settled once.

Numba compiles a kernel anew for each type it meets, and a read-only array is another type than a writable
one. Every input therefore goes in as a read-only, contiguous view of the one type the kernel states: one
specialisation, whatever the caller holds (arrays out of a shared object store are read-only).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def reading(values: ArrayLike, dtype: Any, name: str, columns: int | None = None) -> NDArray[Any]:
    """``values`` as a read-only contiguous array of ``dtype``, without a copy where it is one already.

    ``columns`` asks for a table of that many columns, else one dimension is wanted. Raises ValueError for
    another shape, and where a value does not survive the conversion's kind (floats are not indices).
    """
    given = np.asarray(values)
    wanted = 1 if columns is None else 2
    if given.ndim != wanted or (columns is not None and given.shape[1] != columns):
        shape = "one dimension" if columns is None else f"a table of {columns} columns"
        raise ValueError(f"{name} has the shape {given.shape}. Wanted: {shape}. Reshape it before the call.")
    if given.dtype != dtype and given.size and not np.can_cast(given.dtype, dtype, "same_kind"):
        raise ValueError(
            f"{name} holds {given.dtype}. Wanted: {np.dtype(dtype)}. Convert it before the call."
        )
    view = np.ascontiguousarray(given, dtype=dtype).view()
    view.flags.writeable = False
    return view


def writing(out: NDArray[Any], dtype: Any, length: int, name: str = "out") -> NDArray[Any]:
    """``out`` itself, once it is a writable contiguous array of ``dtype`` and ``length``; else ValueError."""
    fits = out.dtype == dtype and out.shape == (length,) and out.flags.c_contiguous and out.flags.writeable
    if not fits:
        raise ValueError(
            f"{name} is {out.dtype}{list(out.shape)}. Wanted: a writable contiguous "
            f"{np.dtype(dtype)}[{length}]. Allocate it so."
        )
    return out


def same_length(left_index: NDArray[Any], right_index: NDArray[Any]) -> int:
    """The number of pairs; ValueError where the two index arrays disagree."""
    if left_index.shape != right_index.shape:
        raise ValueError(
            f"The pairs have {left_index.shape[0]} left and {right_index.shape[0]} right rows. "
            "Wanted: as many of each. Pass the two sides of the same pairs."
        )
    return int(left_index.shape[0])
