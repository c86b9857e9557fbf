"""Names narrow: four tokens of two bytes, and an overflow for the few names that need more.

Token ids are given by falling frequency, so that nearly every id is below 65,535, and few names have more
than four tokens: a name that was eight ids of four bytes takes eight bytes. A name that does not fit has
``OVERFLOW`` in its first place and its number in the overflow in the next two, the lower half first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading
from kernels._jit import inline, jit
from kernels.tokens import TOKENS

#: Tokens of a narrow name.
NARROW = 4

#: Stands in the first place of a name that does not fit; no id of a narrow name is as high.
OVERFLOW = 0xFFFF


@inline
def _fits(names: NDArray[np.uint32], row: int) -> bool:
    over = np.uint32(0)
    for place in range(NARROW):
        over |= np.uint32(names[row, place] >= OVERFLOW)
    for place in range(NARROW, TOKENS):
        over |= names[row, place]
    return over == 0


@jit
def _count_wide(names: NDArray[np.uint32]) -> int:
    count = 0
    for row in range(names.shape[0]):
        count += not _fits(names, row)
    return count


@inline
def _put_number(narrow: NDArray[np.uint16], row: int, number: int) -> None:
    narrow[row, 0] = OVERFLOW
    narrow[row, 1] = number & 0xFFFF
    narrow[row, 2] = number >> 16
    narrow[row, 3] = 0


@inline
def _number(narrow: NDArray[np.uint16], row: int) -> int:
    return int(narrow[row, 1]) | (int(narrow[row, 2]) << 16)


@jit
def _narrow(names: NDArray[np.uint32], narrow: NDArray[np.uint16], wide: NDArray[np.uint32]) -> None:
    number = 0
    for row in range(names.shape[0]):
        if _fits(names, row):
            for place in range(NARROW):
                narrow[row, place] = names[row, place]
        else:
            for place in range(TOKENS):
                wide[number, place] = names[row, place]
            _put_number(narrow, row, number)
            number += 1


@inline
def _widen_row(
    narrow: NDArray[np.uint16], wide: NDArray[np.uint32], row: int, out: NDArray[np.uint32], to: int
) -> bool:
    if narrow[row, 0] != OVERFLOW:
        for place in range(NARROW):
            out[to, place] = narrow[row, place]
        for place in range(NARROW, TOKENS):
            out[to, place] = 0
        return True
    number = _number(narrow, row)
    if number >= wide.shape[0]:
        return False
    for place in range(TOKENS):
        out[to, place] = wide[number, place]
    return True


@jit
def _widen(narrow: NDArray[np.uint16], wide: NDArray[np.uint32], out: NDArray[np.uint32]) -> bool:
    sound = True
    for row in range(narrow.shape[0]):
        sound &= _widen_row(narrow, wide, row, out, row)
    return sound


@jit
def _widen_rows(
    narrow: NDArray[np.uint16], wide: NDArray[np.uint32], rows: NDArray[np.int64], out: NDArray[np.uint32]
) -> bool:
    sound = True
    for to in range(rows.shape[0]):
        row = rows[to]
        if row < 0 or row >= narrow.shape[0]:
            return False
        sound &= _widen_row(narrow, wide, row, out, to)
    return sound


@jit
def _recode(
    narrow: NDArray[np.uint16],
    wide: NDArray[np.uint32],
    table: NDArray[np.uint32],
    out: NDArray[np.uint16],
    out_wide: NDArray[np.uint32],
) -> int:
    """Recode into the given overflow; returns how many rows it takes, or -1 for an id beyond the table."""
    number = 0
    row_of_ids = np.zeros((1, TOKENS), np.uint32)
    for row in range(narrow.shape[0]):
        if not _widen_row(narrow, wide, row, row_of_ids, 0):
            return -1
        for place in range(TOKENS):
            held = row_of_ids[0, place]
            if held >= table.shape[0]:
                return -1
            row_of_ids[0, place] = table[held]
        if _fits(row_of_ids, 0):
            for place in range(NARROW):
                out[row, place] = row_of_ids[0, place]
            continue
        if number < out_wide.shape[0]:
            for place in range(TOKENS):
                out_wide[number, place] = row_of_ids[0, place]
            _put_number(out, row, number)
        number += 1
    return number


def narrow_names(names: NDArray[np.uint32]) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """Names uint32[n, 8] as narrow ones uint16[n, 4] and their overflow uint32[k, 8], in the order of rows.

    Raises ValueError for other shapes and types.
    """
    held = reading(names, np.uint32, "names", columns=TOKENS)
    narrow = np.empty((held.shape[0], NARROW), np.uint16)
    wide = np.empty((int(_count_wide(held)), TOKENS), np.uint32)
    _narrow(held, narrow, wide)
    return narrow, wide


def widen(
    narrow: NDArray[np.uint16],
    wide: NDArray[np.uint32],
    rows: NDArray[np.integer] | None = None,
    out: NDArray[np.uint32] | None = None,
) -> NDArray[np.uint32]:
    """The names uint32[n, 8] again: all of ``narrow`` (uint16[n, 4]), or its ``rows`` in their order.

    ``wide`` is the whole overflow, also where ``narrow`` is a stretch of the rows it was made with; ``out``
    is filled where it is given. Raises ValueError for other shapes and types, for a row or a number of the
    overflow that is not there.
    """
    held = reading(narrow, np.uint16, "narrow", columns=NARROW)
    over = reading(wide, np.uint32, "wide", columns=TOKENS)
    at = None if rows is None else reading(rows, np.int64, "rows")
    n = held.shape[0] if at is None else at.shape[0]
    if out is None:
        out = np.empty((n, TOKENS), np.uint32)
    elif out.dtype != np.uint32 or out.shape != (n, TOKENS) or not out.flags.c_contiguous:
        raise ValueError(
            f"out is {out.dtype}{list(out.shape)}. Wanted: a contiguous uint32[{n}, {TOKENS}]. "
            "Allocate it so."
        )
    sound = _widen(held, over, out) if at is None else _widen_rows(held, over, at, out)
    if not sound:
        raise ValueError(
            f"A row of {held.shape[0]} names or of their overflow of {over.shape[0]} is not there. "
            "Wanted: rows of the column, with the overflow it was written with. Pass both of one part."
        )
    return out


def recode_names(
    narrow: NDArray[np.uint16], wide: NDArray[np.uint32], table: NDArray[np.uint32]
) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """Narrow names with every id ``i`` replaced by ``table[i]`` (uint32[v]; ``table[0]`` is 0), narrow again.

    Raises ValueError for other shapes and types and for an id beyond the table.
    """
    held = reading(narrow, np.uint16, "narrow", columns=NARROW)
    over = reading(wide, np.uint32, "wide", columns=TOKENS)
    by = reading(table, np.uint32, "table")
    out = np.empty((held.shape[0], NARROW), np.uint16)
    # Ids rise or fall a little from one vocabulary to the other: mostly the overflow is no larger.
    new = np.empty((over.shape[0] + 1024, TOKENS), np.uint32)
    count = int(_recode(held, over, by, out, new))
    if count > new.shape[0]:
        new = np.empty((count, TOKENS), np.uint32)
        count = int(_recode(held, over, by, out, new))
    if count < 0 or (by.shape[0] and by[0] != 0):
        raise ValueError(
            f"The table of {by.shape[0]} ids does not hold every id of the names, or gives none another id. "
            "Wanted: an id for each of the vocabulary, 0 for 0. Make it of the names' own vocabulary."
        )
    return out, new[:count].copy()
