"""Columns of strings as offsets and code units, one byte a character where the column allows it.

A Vietnamese column holds some 150 distinct characters, more than ASCII and fewer than 256: through an
alphabet of its own each character (Unicode code point) takes one byte, and the distances of
:mod:`kernels.edit` and :mod:`kernels.jaro` see characters, never bytes of an encoding. Two columns can be
compared only where they share an alphabet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading
from kernels._lanes import PADDING

#: One more than the greatest Unicode code point.
CODE_POINTS = 0x110000
#: Greatest number of distinct characters that fit one byte; byte 0 stands for none.
LETTERS = 255

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class PackedStrings:
    """``n`` strings in two arrays.

    String ``i`` is ``codes[offsets[i]:offsets[i + 1]]``. ``offsets`` is int64[n + 1]. With an ``alphabet``
    (uint32[1..255] code points, rising) ``codes`` is uint8, each the position in the alphabet plus one;
    without one (None) ``codes`` is uint16 or uint32 and holds code points. ``codes`` has 64 zero units behind
    the last string. A null is packed as the empty string: whoever tells them apart keeps the column's mask.
    """

    offsets: NDArray[np.int64]
    codes: NDArray[Any]
    alphabet: NDArray[np.uint32] | None

    def __len__(self) -> int:
        return self.offsets.shape[0] - 1

    def text(self, row: int) -> str:
        """The string of a row, for reports and tests."""
        codes = self.codes[self.offsets[row] : self.offsets[row + 1]]
        points = codes.astype(np.uint32) if self.alphabet is None else self.alphabet[codes - 1]
        return "".join(map(chr, points.tolist()))


class _Texts:
    """A column given as Python strings."""

    def __init__(self, values: Sequence[str | None]) -> None:
        self.values = values
        texts = [value or "" for value in values]
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self.offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(lengths, out=self.offsets[1:])
        self.points = np.empty(self.offsets[-1], np.uint32)
        for first in range(0, len(texts), _CHUNK):
            last = min(first + _CHUNK, len(texts))
            joined = "".join(texts[first:last]).encode("utf-32-le", "surrogatepass")
            self.points[self.offsets[first] : self.offsets[last]] = np.frombuffer(joined, "<u4")

    def mark(self, seen: NDArray[np.bool_]) -> None:
        seen[self.points] = True

    def fill(self, table: NDArray[Any], codes: NDArray[Any]) -> None:
        step = _CHUNK * 16
        for first in range(0, self.points.shape[0], step):
            part = self.points[first : first + step]
            np.take(table, part, out=codes[first : first + part.shape[0]], mode="clip")


def code_table(points: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.uint32] | None]:
    """The code of every code point, for columns that hold ``points`` and no others; and the alphabet.

    points : int64, distinct and rising
    """
    if points.shape[0] <= LETTERS:
        table = np.zeros(CODE_POINTS, np.uint8)
        table[points] = np.arange(1, points.shape[0] + 1, dtype=np.uint8)
        return table, points.astype(np.uint32)
    wide = np.uint16 if points[-1] < 1 << 16 else np.uint32
    return np.arange(CODE_POINTS, dtype=np.uint32).astype(wide), None


def _packed(*columns: _Texts) -> list[PackedStrings]:
    seen = np.zeros(CODE_POINTS, np.bool_)
    for column in columns:
        column.mark(seen)
    table, letters = code_table(np.flatnonzero(seen))
    packed = []
    for column in columns:
        codes = np.zeros(column.offsets[-1] + PADDING, table.dtype)
        column.fill(table, codes)
        packed.append(PackedStrings(column.offsets, codes, letters))
    return packed


def pack(values: Sequence[str | None]) -> PackedStrings:
    """Pack strings; nulls become empty."""
    return _packed(_Texts(values))[0]


def pack_together(
    left: Sequence[str | None], right: Sequence[str | None]
) -> tuple[PackedStrings, PackedStrings]:
    """Pack two columns that will be compared: one alphabet, or units of one width."""
    first, second = _packed(_Texts(left), _Texts(right))
    return first, second


def compared(
    left: PackedStrings, right: PackedStrings
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64], NDArray[Any]]:
    """The four arrays of two columns, read-only; ValueError where they do not share alphabet and width."""
    same = left.codes.dtype == right.codes.dtype and (
        left.alphabet is right.alphabet
        or (
            left.alphabet is not None
            and right.alphabet is not None
            and np.array_equal(left.alphabet, right.alphabet)
        )
    )
    if not same:
        raise ValueError(
            "The two columns were packed with different alphabets. Wanted: one alphabet for both. "
            "Pack them with pack_together."
        )
    return (
        reading(left.offsets, np.int64, "left.offsets"),
        reading(left.codes, left.codes.dtype, "left.codes"),
        reading(right.offsets, np.int64, "right.offsets"),
        reading(right.codes, right.codes.dtype, "right.codes"),
    )
