"""Columns in pieces: what a nation's column is on disk, read by rows as if it were one array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from kernels.partition import partition_order


class Piece(Protocol):
    """Consecutive rows of a column, where they are no mapped array."""

    def __getitem__(self, rows: slice) -> np.ndarray:
        """The values of a slice."""

    def fill(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Put the values at given places (int64, in any order) into ``out``."""


class Column:
    """A column of ``starts[-1]`` rows in pieces that are opened when they are first read.

    starts : int64[pieces + 1], the first row of each piece;  opened : per piece a callable that gives it, or
    None where no row has a value;  dtype, width : of a row (``()`` or ``(k,)``)
    missing : what rows without a value hold
    """

    def __init__(
        self,
        starts: np.ndarray,
        opened: Sequence[Callable[[], np.ndarray | Piece | None] | None],
        dtype: np.dtype,
        width: tuple[int, ...] = (),
        missing: int = 0,
    ) -> None:
        self.starts = np.asarray(starts, np.int64)
        self._open = list(opened)
        self._held: list[np.ndarray | Piece | None] = [None] * len(self._open)
        self.dtype = np.dtype(dtype)
        self.width = width
        self.missing = missing

    @staticmethod
    def of(values: np.ndarray, missing: int = 0) -> Column:
        """One piece in memory."""
        starts = np.array([0, values.shape[0]])
        return Column(starts, [lambda: values], values.dtype, values.shape[1:], missing)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and the width of a row."""
        return (int(self.starts[-1]), *self.width)

    @property
    def ndim(self) -> int:
        """1, or 2 for rows of several values."""
        return 1 + len(self.width)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def _piece(self, number: int) -> np.ndarray | Piece | None:
        opener = self._open[number]
        if opener is None:
            return None
        held = self._held[number]
        if held is None:
            held = self._held[number] = opener()
        return held

    def _empty(self, rows: int) -> np.ndarray:
        return np.full((rows, *self.width), self.missing, self.dtype)

    def __getitem__(self, rows: slice | np.ndarray | tuple[slice | np.ndarray, int]) -> np.ndarray:
        if isinstance(rows, tuple):
            return np.ascontiguousarray(self[rows[0]][:, rows[1]])
        if not isinstance(rows, slice):
            return self.take(rows)
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self.take(np.arange(start, stop, step))
        if stop <= start:
            return self._empty(0)
        first = int(np.searchsorted(self.starts, start, "right")) - 1
        last = int(np.searchsorted(self.starts, stop, "left")) - 1
        found = []
        for number in range(first, last + 1):
            at = int(self.starts[number])
            low, high = max(start - at, 0), min(stop, int(self.starts[number + 1])) - at
            piece = self._piece(number)
            found.append(self._empty(high - low) if piece is None else piece[low:high])
        return found[0] if len(found) == 1 else np.concatenate(found)

    def take(self, rows: np.ndarray | Split) -> np.ndarray:
        """The values at ``rows`` (integers, any order; or :class:`Split` for these pieces), contiguous."""
        split = rows if isinstance(rows, Split) else Split(rows, self.starts)
        out = np.empty((split.n, *self.width), self.dtype)
        for number, at, low, high in split.pieces:
            if split.order is None:
                self._fill(number, at, out[low:high])
            else:
                values = np.empty((high - low, *self.width), self.dtype)
                self._fill(number, at, values)
                out[split.order[low:high]] = values
        return out

    def _fill(self, number: int, at: np.ndarray, out: np.ndarray) -> None:
        piece = self._piece(number)
        if piece is None:
            out[...] = self.missing
        elif isinstance(piece, np.ndarray):
            np.take(piece, at, axis=0, out=out, mode="clip")
        else:
            piece.fill(at, out)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)


class Split:
    """Rows parted by the pieces they are of, once for all columns in the same pieces.

    rows : integers in any order, or bool[n];  starts : int64[pieces + 1]
    """

    def __init__(self, rows: np.ndarray, starts: np.ndarray) -> None:
        rows = np.asarray(rows)
        if rows.dtype == np.bool_:
            rows = np.flatnonzero(rows)
        self.n = int(rows.shape[0])
        self.order: np.ndarray | None = None
        self.pieces: list[tuple[int, np.ndarray, int, int]] = []
        if self.n == 0:
            return
        wanted = rows.astype(np.int64)
        if starts.shape[0] == 2:
            self.pieces = [(0, wanted - int(starts[0]), 0, self.n)]
            return
        if bool((wanted[1:] >= wanted[:-1]).all()):
            bounds = np.searchsorted(wanted, starts)
        else:  # by piece only: sorting the rows took three times what their values are then read faster
            piece = np.searchsorted(starts, wanted, "right") - 1
            if int(piece.min()) < 0 or int(piece.max()) > starts.shape[0] - 2:
                raise IndexError(
                    f"Rows {wanted.min()} to {wanted.max()} were asked for. Wanted: rows from {starts[0]} to "
                    f"below {starts[-1]}. Ask for rows of these pieces."
                )
            bounds, self.order = np.empty(starts.shape[0], np.int64), np.empty(self.n, np.uint32)
            partition_order(piece.astype(np.uint16), bounds, self.order)
            wanted = wanted[self.order]
        for number in np.flatnonzero(bounds[1:] > bounds[:-1]).tolist():
            low, high = int(bounds[number]), int(bounds[number + 1])
            self.pieces.append((number, wanted[low:high] - int(starts[number]), low, high))


class TextColumn:
    """A column of texts in pieces, each int64 offsets [n + 1] and UTF-8 bytes, mapped from disk."""

    def __init__(
        self, starts: np.ndarray, opened: Sequence[Callable[[], tuple[np.ndarray, np.ndarray]]]
    ) -> None:
        self.starts = np.asarray(starts, np.int64)
        self._open = list(opened)
        self._held: list[pa.LargeStringArray | None] = [None] * len(self._open)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def piece(self, number: int) -> pa.LargeStringArray:
        """The texts of one piece, without a copy."""
        held = self._held[number]
        if held is None:
            offsets, data = self._open[number]()
            held = self._held[number] = pa.LargeStringArray.from_buffers(
                offsets.shape[0] - 1, pa.py_buffer(offsets), pa.py_buffer(data)
            )
        return held

    def arrow(self, start: int, stop: int) -> pa.ChunkedArray:
        """The texts of consecutive rows, without a copy."""
        found = []
        for number in range(len(self._open)):
            at, end = int(self.starts[number]), int(self.starts[number + 1])
            low, high = max(start, at), min(stop, end)
            if low < high:
                found.append(self.piece(number).slice(low - at, high - low))
        return pa.chunked_array(found, pa.large_string())

    def __getitem__(self, rows: slice) -> pl.Series:
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(
                f"A text column was sliced with a step of {step}. Wanted: consecutive rows. Use take()."
            )
        return pl.Series("record_id", pl.from_arrow(self.arrow(start, max(start, stop))), dtype=pl.String)

    def take(self, rows: np.ndarray) -> pl.Series:
        """The texts at ``rows`` (integers, any order); null where a row is negative."""
        rows = np.asarray(rows, np.int64)
        known = rows >= 0
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        bounds = np.searchsorted(ordered, self.starts)
        found = [pa.nulls(int(bounds[0]), pa.large_string())]
        for number in range(len(self._open)):
            low, high = int(bounds[number]), int(bounds[number + 1])
            if low < high:
                at = pa.array(ordered[low:high] - int(self.starts[number]))
                found.append(self.piece(number).take(at))
        joined = pa.chunked_array(found, pa.large_string())
        whole = pl.Series("record_id", pl.from_arrow(joined), dtype=pl.String)
        if bool(known.all()) and bool((order[1:] > order[:-1]).all()):
            return whole
        place = np.empty(rows.shape[0], np.uint32)
        place[order] = np.arange(rows.shape[0], dtype=np.uint32)
        return whole.gather(pl.Series(place))
