"""Columns of strings as offsets and code units, one byte a character where the column allows it.

A Vietnamese column holds some 150 distinct characters, more than ASCII and fewer than 256: through an
alphabet of its own each character (Unicode code point) takes one byte, and the distances of
:mod:`kernels.edit` and :mod:`kernels.jaro` see characters, never bytes of an encoding. Two columns can be
compared only where they share an alphabet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading
from kernels._jit import jit
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


class _Utf8:
    """A column given as the buffers of an Arrow string array."""

    def __init__(self, offsets: NDArray[Any], data: NDArray[np.uint8]) -> None:
        self.starts = reading(offsets, np.int64, "offsets")
        self.data = reading(data, np.uint8, "data")
        if self.starts.shape[0] == 0:
            raise ValueError(
                "offsets is empty. Wanted: one more offset than strings. Pass Arrow's own buffer."
            )
        if self.starts[0] < 0 or self.starts[-1] > self.data.shape[0] or np.any(np.diff(self.starts) < 0):
            raise ValueError(
                f"offsets do not rise within the {self.data.shape[0]} bytes of data. "
                "Wanted: the offsets of these bytes. Pass both buffers of one array."
            )
        self.offsets = np.zeros(self.starts.shape[0], np.int64)
        self._seen = np.zeros(CODE_POINTS, np.bool_)
        broken = _scan_utf8(self.starts, self.data, self._seen, self.offsets)
        if broken >= 0:
            raise ValueError(f"String {broken} is not UTF-8. Wanted: UTF-8 text. Decode the column properly.")

    def mark(self, seen: NDArray[np.bool_]) -> None:
        seen |= self._seen

    def fill(self, table: NDArray[Any], codes: NDArray[Any]) -> None:
        _fill_utf8(self.starts, self.data, table, codes)


@jit
def _scan_utf8(
    starts: NDArray[np.int64], data: NDArray[np.uint8], seen: NDArray[np.bool_], offsets: NDArray[np.int64]
) -> int:
    """Count the characters before each string and mark those seen; the first broken string, or -1."""
    total = 0
    for row in range(starts.shape[0] - 1):
        offsets[row] = total
        at = starts[row]
        stop = starts[row + 1]
        while at < stop:
            lead = np.int64(data[at])
            if lead < 0x80:
                seen[lead] = True
                at += 1
            else:
                more = 1 if lead < 0xE0 else (2 if lead < 0xF0 else 3)
                if lead < 0xC2 or lead > 0xF4 or at + more >= stop:
                    return row
                point = lead & (0x3F >> more)
                for k in range(1, more + 1):
                    unit = np.int64(data[at + k])
                    if unit & 0xC0 != 0x80:
                        return row
                    point = (point << 6) | (unit & 0x3F)
                if point >= CODE_POINTS:
                    return row
                seen[point] = True
                at += more + 1
            total += 1
    offsets[starts.shape[0] - 1] = total
    return -1


@jit
def _fill_utf8(
    starts: NDArray[np.int64], data: NDArray[np.uint8], table: NDArray[Any], codes: NDArray[Any]
) -> None:
    """Decode the bytes that :func:`_scan_utf8` found sound, through ``table``."""
    done = 0
    at = starts[0]
    stop = starts[starts.shape[0] - 1]
    while at < stop:
        lead = np.int64(data[at])
        if lead < 0x80:
            codes[done] = table[lead]
            at += 1
        else:
            more = 1 if lead < 0xE0 else (2 if lead < 0xF0 else 3)
            point = lead & (0x3F >> more)
            for k in range(1, more + 1):
                point = (point << 6) | (np.int64(data[at + k]) & 0x3F)
            codes[done] = table[point]
            at += more + 1
        done += 1


def _table(points: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.uint32] | None]:
    """The code of every code point, for columns that hold ``points`` and no others; and the alphabet."""
    if points.shape[0] <= LETTERS:
        table = np.zeros(CODE_POINTS, np.uint8)
        table[points] = np.arange(1, points.shape[0] + 1, dtype=np.uint8)
        return table, points.astype(np.uint32)
    wide = np.uint16 if points[-1] < 1 << 16 else np.uint32
    return np.arange(CODE_POINTS, dtype=np.uint32).astype(wide), None


def _packed(columns: list[_Texts] | list[_Utf8], alphabet: NDArray[np.uint32] | None) -> list[PackedStrings]:
    seen = np.zeros(CODE_POINTS, np.bool_)
    for column in columns:
        column.mark(seen)
    points = np.flatnonzero(seen)
    if alphabet is not None:
        given = np.unique(reading(alphabet, np.uint32, "alphabet")).astype(np.int64)
        if not 1 <= given.shape[0] <= LETTERS or given[-1] >= CODE_POINTS:
            raise ValueError(
                f"The alphabet has {given.shape[0]} characters. Wanted: 1 to {LETTERS} code points. "
                "Pack the columns together, which widens the units where it must."
            )
        missing = np.setdiff1d(points, given).shape[0]
        if missing:
            raise ValueError(
                f"{missing} distinct characters of the column are not in the alphabet. Wanted: all of them. "
                "Make the alphabet with alphabet_of from every column that is compared."
            )
        points = given
    table, letters = _table(points)
    packed = []
    for column in columns:
        codes = np.zeros(column.offsets[-1] + PADDING, table.dtype)
        column.fill(table, codes)
        packed.append(PackedStrings(column.offsets, codes, letters))
    return packed


def pack(values: Sequence[str | None], alphabet: NDArray[np.uint32] | None = None) -> PackedStrings:
    """Pack strings; nulls become empty.

    With ``alphabet`` the codes are its own, whatever stands in the column. Raises ValueError where a
    character of the column is not in it.
    """
    return _packed([_Texts(values)], alphabet)[0]


def pack_together(
    left: Sequence[str | None], right: Sequence[str | None]
) -> tuple[PackedStrings, PackedStrings]:
    """Pack two columns that will be compared: one alphabet, or units of one width."""
    first, second = _packed([_Texts(left), _Texts(right)], None)
    return first, second


def pack_arrow(
    offsets: NDArray[Any], data: NDArray[np.uint8], alphabet: NDArray[np.uint32] | None = None
) -> PackedStrings:
    """Pack an Arrow string array from its buffers: ``offsets`` int32 or int64 [n + 1], ``data`` UTF-8 bytes.

    The offsets of a slice need not begin at 0. Nulls have no bytes in well-formed arrays and become empty.
    Raises ValueError for bytes that are not UTF-8, naming the row.
    """
    return _packed([_Utf8(offsets, data)], alphabet)[0]


def alphabet_of(*columns: Iterable[str | None]) -> NDArray[np.uint32] | None:
    """The alphabet that serves all the columns; None where they hold more than 255 distinct characters."""
    letters: set[str] = set()
    for column in columns:
        for value in column:
            if value:
                letters.update(value)
    if not 1 <= len(letters) <= LETTERS:
        return None
    return np.array(sorted(map(ord, letters)), np.uint32)


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
            "Pack them with pack_together, or with one explicit alphabet."
        )
    return (
        reading(left.offsets, np.int64, "left.offsets"),
        reading(left.codes, left.codes.dtype, "left.codes"),
        reading(right.offsets, np.int64, "right.offsets"),
        reading(right.codes, right.codes.dtype, "right.codes"),
    )
