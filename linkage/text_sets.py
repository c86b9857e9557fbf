"""The distinct texts of plain text columns: numbered by keyed hash, merged a stretch at a time, and packed.

Columns of addresses or employers may have nearly as many distinct texts as a nation has records: nothing
here wants more of them in memory than a stretch of their hashes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kernels._door import reading
from kernels.keys import hash_bytes
from kernels.packed import CODE_POINTS
from kernels.partition import sort_by_key
from kernels.texts import number_texts
from linkage.text_arrays import Texts

#: Bytes that are decoded at once, or one text: each takes twelve more meanwhile.
_CHUNK = 1 << 20


@dataclass(frozen=True)
class TextSet:
    """Distinct texts by rising hash: ``hashes`` uint64[d], and the texts in that order."""

    hashes: np.ndarray
    texts: Texts

    def __len__(self) -> int:
        return len(self.texts)


def hash_texts(texts: Texts, secret: int) -> np.ndarray:
    """Keyed hash of each text: uint64[n]."""
    out = np.empty(len(texts), np.uint64)
    hash_bytes(*texts.arrays(), np.uint64(secret), out)
    return out


def distinct_texts(texts: Texts, secret: int) -> tuple[np.ndarray, TextSet]:
    """Number of each text among the distinct ones, from 0: uint32[n]; and these, by their keyed hash."""
    return _numbered(hash_texts(texts, secret), texts)


def merge_texts(sets: Sequence[TextSet]) -> tuple[list[np.ndarray], TextSet]:
    """The texts of several sets as one: of each set its texts' numbers in that, uint32[d]; and the one.

    The numbers are the same for any cut of the same texts into sets, but for different texts of one hash,
    which are numbered as they come.
    """
    if not sets:
        return [], TextSet(np.zeros(0, np.uint64), Texts(np.zeros(1, np.int64), np.zeros(0, np.uint8)))
    ids, merged = _numbered(np.concatenate([s.hashes for s in sets]), Texts.join(s.texts for s in sets))
    return np.split(ids, np.cumsum([len(s) for s in sets])[:-1]), merged


def _numbered(hashes: np.ndarray, texts: Texts) -> tuple[np.ndarray, TextSet]:
    keys, order = np.array(hashes, np.uint64), np.arange(len(texts), dtype=np.uint32)
    sort_by_key(keys, order)
    ids, firsts = np.empty(len(texts), np.uint32), np.empty(len(texts), np.uint32)
    used = number_texts(
        reading(keys, np.uint64, "hashes"), reading(order, np.uint32, "order"), *texts.arrays(), ids, firsts
    )
    chosen = firsts[:used].astype(np.int64)
    return ids, TextSet(hashes[chosen], texts.take(chosen))


def _code_points(texts: Texts) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Lengths in characters (int64), and the code points of all (uint32), of some texts after another."""
    first = 0
    while first < len(texts):
        beyond = np.searchsorted(texts.offsets, texts.offsets[first] + _CHUNK, "right")
        last = max(first + 1, int(beyond) - 1)
        held, first = texts.slice(first, last).packed(), last
        begun = np.concatenate([np.zeros(1, np.int64), np.cumsum((held.data & 0xC0) != 0x80)])
        points = held.data.tobytes().decode("utf-8").encode("utf-32-le")
        yield np.diff(begun[held.offsets]), np.frombuffer(points, "<u4")


def letters_of(texts: Texts) -> tuple[np.ndarray, int]:
    """Distinct characters of some texts, as rising code points (int64); and how many characters they have."""
    seen, count = np.zeros(CODE_POINTS, np.bool_), 0
    for _, points in _code_points(texts):
        seen[points] = True
        count += points.shape[0]
    return np.flatnonzero(seen), count


def pack_texts(texts: Texts, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths in characters (int64[n]), and codes of all characters, of the type of ``table``.

    table : the code of every code point, see :func:`kernels.packed.code_table`
    """
    lengths, codes = [np.zeros(0, np.int64)], [np.zeros(0, table.dtype)]
    for some, points in _code_points(texts):
        lengths.append(some)
        codes.append(np.take(table, points))
    return np.concatenate(lengths), np.concatenate(codes)
