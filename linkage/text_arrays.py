"""Columns of texts as the compiled code takes them: offsets and bytes, not copied where Arrow has them so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from kernels import texts as kernel
from kernels._door import reading
from kernels.partition import partition_order, sort_by_key
from linkage.columns import TextColumn


def one_array(column: pa.ChunkedArray) -> pa.LargeStringArray:
    """A column of text as one array; the column's own, without a copy, where it is one of large strings."""
    chunks = [chunk.cast(pa.large_string()) for chunk in column.chunks]
    if len(chunks) == 1:
        return chunks[0]
    return pa.concat_arrays(chunks) if chunks else pa.array([], pa.large_string())


@dataclass(frozen=True)
class _Spelling:
    """How texts become numbers that sort as they do, see :func:`kernels.texts.words_of`.

    depth : bytes that all begin with;  bits : of a number for each byte;  ranks : uint8[256];
    letters : uint8[256], the bytes by rank
    """

    depth: int
    bits: int
    ranks: np.ndarray
    letters: np.ndarray

    @property
    def fits(self) -> int:
        """Bytes that a number holds."""
        return 64 // self.bits


@dataclass(frozen=True)
class Texts:
    """Texts without nulls: offsets int64[n + 1] into UTF-8 bytes uint8[k]; the first need not be 0."""

    offsets: np.ndarray
    data: np.ndarray

    def __len__(self) -> int:
        return int(self.offsets.shape[0]) - 1

    @staticmethod
    def of(values: pl.Series | pa.Array | pa.ChunkedArray | Sequence[str]) -> Texts:
        """The texts of a column; a null counts as empty."""
        if isinstance(values, pl.Series):
            values = values.to_arrow()
        if isinstance(values, pa.ChunkedArray):
            chunks = [c for c in values.chunks if len(c)]
            if len(chunks) != 1:
                return Texts.join([Texts.of(c) for c in chunks])
            values = chunks[0]
        if not isinstance(values, pa.Array):
            values = pa.array(list(values), pa.large_string())
        if not pa.types.is_large_string(values.type):
            values = values.cast(pa.large_string())
        if values.null_count and _bytes_under_nulls(values):
            values = values.fill_null("")
        n = len(values)
        if n == 0:
            return Texts(np.zeros(1, np.int64), np.zeros(0, np.uint8))
        offsets = np.frombuffer(values.buffers()[1], np.int64)[values.offset : values.offset + n + 1]
        return Texts(offsets, np.frombuffer(values.buffers()[2] or b"", np.uint8))

    @staticmethod
    def join(many: Iterable[Texts]) -> Texts:
        """All of them, one after another."""
        offsets, data, at = [np.zeros(1, np.int64)], [], 0
        for texts in many:
            begin, end = int(texts.offsets[0]), int(texts.offsets[-1])
            offsets.append(texts.offsets[1:] + (at - begin))
            data.append(texts.data[begin:end])
            at += end - begin
        return Texts(np.concatenate(offsets), np.concatenate(data) if data else np.zeros(0, np.uint8))

    def slice(self, start: int, stop: int) -> Texts:
        """Consecutive texts, without a copy."""
        return Texts(self.offsets[start : stop + 1], self.data)

    def packed(self) -> Texts:
        """The same with offsets from 0 and no byte beside them."""
        begin, end = int(self.offsets[0]), int(self.offsets[-1])
        return (
            self
            if begin == 0 and end == self.data.shape[0]
            else Texts(self.offsets - begin, self.data[begin:end])
        )

    def take(self, rows: np.ndarray) -> Texts:
        """The texts at ``rows``, in that order; empty where a row is -1."""
        chosen = reading(rows, np.int64, "rows")
        offsets = np.empty(chosen.shape[0] + 1, np.int64)
        own, held = self.arrays()
        kernel.lengths_at(own, chosen, offsets)
        data = np.empty(int(offsets[-1]), np.uint8)
        kernel.copy_texts(own, held, chosen, offsets, data)
        return Texts(offsets, data)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Offsets and bytes as kernels take them."""
        return reading(self.offsets, np.int64, "offsets"), reading(self.data, np.uint8, "data")

    def order(self) -> np.ndarray:
        """Places of the texts in the order of their bytes, int64[n]; equal ones as they stand."""
        if kernel.rising(*self.arrays()):
            return np.arange(len(self), dtype=np.int64)
        return self._order(self._spelling())[0]

    def sorted(self) -> tuple[np.ndarray, Texts]:
        """What :meth:`order` gives, and the texts in that order."""
        if kernel.rising(*self.arrays()):
            return np.arange(len(self), dtype=np.int64), self.packed()
        spelling = self._spelling()
        order, words = self._order(spelling)
        depth, longest = spelling.depth, int(np.diff(self.offsets).max())
        if longest - depth > spelling.fits:
            return order, self.take(order)
        # A number holds all that tells the texts apart: they are written from these, in the order of memory.
        begin = int(self.offsets[0])
        offsets = np.empty(len(self) + 1, np.int64)
        data = np.empty(int(self.offsets[-1]) - begin, np.uint8)
        first = np.array(self.data[begin : begin + depth])
        kernel.spell_words(words, spelling.bits, spelling.letters, first, offsets, data)
        return order, Texts(offsets, data)

    def _spelling(self) -> _Spelling:
        offsets, data = self.arrays()
        depth = int(kernel.shared_prefix(offsets, data))
        seen = np.zeros(256, np.bool_)
        kernel.mark_letters(offsets, data, depth, seen)
        # At most 243 different bytes stand in UTF-8, so that eight bits do.
        bits = max(1, int(np.count_nonzero(seen)).bit_length())
        ranks = np.cumsum(seen).astype(np.uint8)
        letters = np.zeros(256, np.uint8)
        letters[ranks[seen]] = np.flatnonzero(seen)
        return _Spelling(depth, bits, ranks, letters)

    def _order(self, spelling: _Spelling) -> tuple[np.ndarray, np.ndarray]:
        """The order, and the first number of each text in that order."""
        n, depth, bits, ranks = len(self), spelling.depth, spelling.bits, spelling.ranks
        offsets, data = self.arrays()
        longest = int(np.diff(offsets).max())
        held, places = np.empty(n, np.uint64), np.arange(n, dtype=np.uint32)
        kernel.words_of(offsets, data, reading(np.arange(n), np.int64, "rows"), depth, ranks, bits, held)
        sort_by_key(held, places)
        order = places.astype(np.int64)
        same = held[1:] == held[:-1]
        tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
        groups = np.cumsum(np.insert(~same, 0, True))[tied]
        while tied.size:
            depth += spelling.fits
            if depth >= longest:
                break
            rows = order[tied]
            words = np.empty(rows.shape[0], np.uint64)
            kernel.words_of(offsets, data, reading(rows, np.int64, "rows"), depth, ranks, bits, words)
            by = np.lexsort((rows, words, groups))
            order[tied] = rows[by]
            words, groups = words[by], groups[by]
            again = (words[1:] == words[:-1]) & (groups[1:] == groups[:-1])
            still = np.append(again, False) | np.insert(again, 0, False)
            tied = tied[still]
            groups = np.cumsum(np.insert(~again, 0, True))[still]
        return order, held

    def arrow(self, known: np.ndarray | None = None) -> pa.LargeStringArray:
        """As an Arrow column, null where ``known`` (bool[n]) is False: such a text must be empty."""
        mask = None
        if known is not None and not known.all():
            mask = pa.py_buffer(np.packbits(known, bitorder="little"))
        offsets = np.ascontiguousarray(self.offsets)
        return pa.LargeStringArray.from_buffers(
            len(self), pa.py_buffer(offsets), pa.py_buffer(self.data), mask
        )

    def series(self) -> pl.Series:
        """As a Polars column."""
        return pl.Series("", pl.from_arrow(self.arrow()), dtype=pl.String)


def _bytes_under_nulls(values: pa.LargeStringArray) -> bool:
    """Whether a null of a column has bytes of its own: hardly anybody leaves any, and looking is a tenth of
    filling nulls.
    """
    valid, held, _ = values.buffers()
    stop = values.offset + len(values)
    known = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little", count=stop)[values.offset :]
    offsets = np.frombuffer(held, np.int64)[values.offset : stop + 1]
    return bool(((offsets[1:] != offsets[:-1]) & (known == 0)).any())


def places_among(texts: Texts, cuts: Texts) -> np.ndarray:
    """How many of ``cuts`` (sorted, at most 65,535) do not stand after each text: uint16[n]."""
    out = np.empty(len(texts), np.uint16)
    kernel.places_among(*texts.arrays(), *cuts.arrays(), out)
    return out


def texts_at(column: TextColumn, rows: np.ndarray) -> Texts:
    """Texts of a column at ``rows``, in any order; empty where a row is negative."""
    rows = np.asarray(rows, np.int64)
    pieces = column.starts.shape[0] - 1
    # Rows without a text are parted off behind the last piece.
    piece = np.searchsorted(column.starts, rows, "right") - 1
    piece[piece < 0] = pieces
    starts, order = np.empty(pieces + 2, np.int64), np.empty(rows.shape[0], np.uint32)
    partition_order(piece.astype(np.uint16), starts, order)
    lengths = np.zeros(rows.shape[0] + 1, np.int64)
    found = []
    for number in np.flatnonzero(starts[1:-1] > starts[:-2]).tolist():
        places = order[starts[number] : starts[number + 1]].astype(np.int64)
        held = Texts.of(column.piece(number))
        own = rows[places] - int(column.starts[number])
        lengths[1:][places] = held.offsets[own + 1] - held.offsets[own]
        found.append((held, own, places))
    offsets = np.cumsum(lengths)
    data = np.empty(int(offsets[-1]), np.uint8)
    for held, own, places in found:
        kernel.copy_to_places(*held.arrays(), own, places, offsets, data)
    return Texts(offsets, data)
