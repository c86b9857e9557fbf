"""Texts cut at spaces into words, each distinct word numbered once.

What a word means is worked out once for each distinct word; a column of names then is rows of word numbers.
The distinct words stand in an open hash table with their bytes beside it, so that nothing of a text is kept
but its words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading, writing
from kernels._jit import inline, jit, word_at
from kernels._lanes import lowest
from kernels.keys import combine64, mix64

#: Words of a row.
WORDS = 8

#: Stands for the number of words of a row that is no words with single spaces between, or more than WORDS.
IRREGULAR = 255

_SPACE = 32

#: Eight bytes: spaces, ones, highest bits, all bits. Of a difference from _SPACES that has a zero byte,
#: ``(d - _ONES) & ~d & _HIGHS`` has its lowest bit in the first one (Warren, Hacker's Delight, 6-1).
_SPACES, _ONES = np.uint64(0x2020202020202020), np.uint64(0x0101010101010101)
_HIGHS, _ALL = np.uint64(0x8080808080808080), np.uint64(0xFFFFFFFFFFFFFFFF)

#: What the length of a word is multiplied by before it goes into the word's hash.
_LENGTHS = np.uint64(0x9E3779B97F4A7C15)


@inline
def _eight(data: NDArray[np.uint8], at: int, stop: int) -> np.uint64:
    """The bytes from ``at`` on, the first the lowest, eight at most; spaces from ``stop`` on."""
    left = stop - at
    if at + 8 <= data.shape[0]:
        word = word_at(data, at)
    else:
        word = np.uint64(0)
        for k in range(min(8, left)):
            word |= np.uint64(data[at + k]) << np.uint64(8 * k)
    if left < 8:
        kept = _ALL >> np.uint64(64 - 8 * left)
        word = (word & kept) | (_SPACES & ~kept)
    return word


@jit
def _rehash(hashes: NDArray[np.uint64], used: int, slots: NDArray[np.uint32]) -> None:
    mask = slots.shape[0] - 1
    for word in range(1, used + 1):
        slot = np.int64(hashes[word] & np.uint64(mask))
        while slots[slot] != 0:
            slot = (slot + 1) & mask
        slots[slot] = word


@jit
def _cut(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    held: NDArray[np.bool_],
    first: int,
    secret: np.uint64,
    slots: NDArray[np.uint32],
    hashes: NDArray[np.uint64],
    starts: NDArray[np.int64],
    letters: NDArray[np.uint8],
    used: int,
    rows: NDArray[np.uint32],
    counts: NDArray[np.uint8],
) -> tuple[int, int]:
    """Rows from ``first`` on, until the table might not hold another one: ``(rows done, words used)``."""
    mask = slots.shape[0] - 1
    state_of_none = mix64(secret)
    for row in range(first, counts.shape[0]):
        for place in range(WORDS):
            rows[row, place] = 0
        at = offsets[row]
        stop = offsets[row + 1]
        if at == stop or (held.shape[0] != 0 and not held[row]):
            counts[row] = 0
            continue
        if 2 * (used + WORDS) > slots.shape[0] or starts[used + 1] + stop - at > letters.shape[0]:
            return row, used
        count = 0
        while True:
            begin = at
            state = state_of_none
            while at < stop:
                chunk = _eight(data, at, stop)
                differing = chunk ^ _SPACES
                spaces = (differing - _ONES) & ~differing & _HIGHS
                if spaces == np.uint64(0):
                    state = combine64(state, chunk)
                    at += 8
                    if at < stop and data[at] == _SPACE:
                        break
                    continue
                letters_left = lowest(np.int64(spaces)) >> 3
                if letters_left != 0:
                    state = combine64(state, chunk & (_ALL >> np.uint64(64 - 8 * letters_left)))
                    at += letters_left
                break
            length = at - begin
            if length == 0 or count == WORDS:
                count = IRREGULAR
                break
            state ^= np.uint64(length) * _LENGTHS
            slot = np.int64(state & np.uint64(mask))
            while True:
                word = np.int64(slots[slot])
                if word == 0:
                    used += 1
                    word = np.int64(used)
                    slots[slot] = word
                    hashes[word] = state
                    to = starts[word]
                    for k in range(length):
                        letters[to + k] = data[begin + k]
                    starts[word + 1] = to + length
                    break
                if hashes[word] == state and starts[word + 1] - starts[word] == length:
                    if length <= 8:  # of one length such words have one hash only if they are the same
                        break
                    same = True
                    own = starts[word]
                    for k in range(length):
                        same &= letters[own + k] == data[begin + k]
                    if same:
                        break
                slot = (slot + 1) & mask
            rows[row, count] = word
            count += 1
            if at == stop:
                break
            at += 1
        if count == IRREGULAR:
            for place in range(WORDS):
                rows[row, place] = 0
        counts[row] = count
    return counts.shape[0], used


class WordTable:
    """Distinct words by number, from 1, in the order of their arrival; 0 is no word.

    ``secret`` keys the hash, so that who does not know it cannot build a file whose words collide.
    """

    def __init__(self, secret: int) -> None:
        self._secret = np.uint64(secret)
        self._slots = np.zeros(1 << 12, np.uint32)
        self._hashes = np.zeros(1 << 11, np.uint64)
        self._starts = np.zeros((1 << 11) + 2, np.int64)
        self._letters = np.zeros(1 << 15, np.uint8)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def texts(self, first: int = 0) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Offsets int64[w + 1] and bytes of the words after number ``first``."""
        offsets = self._starts[first + 1 : self._used + 2]
        data = self._letters[offsets[0] : offsets[-1]]
        return offsets - offsets[0], data

    def cut(
        self, offsets: NDArray[np.int64], data: NDArray[np.uint8], held: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """Word numbers uint32[n, WORDS] of n texts, 0 from a text's end on, and how many words uint8[n].

        Text i is ``data[offsets[i]:offsets[i + 1]]``; it has no words where ``held`` (bool[n]) is false. Of
        an IRREGULAR text all numbers are 0. Raises ValueError for other shapes and types and for offsets
        beyond the data.
        """
        at = reading(offsets, np.int64, "offsets")
        bytes_ = reading(data, np.uint8, "data")
        if at.shape[0] == 0 or at[0] < 0 or at[-1] > bytes_.shape[0]:
            raise ValueError(
                f"The offsets end at {at[-1] if at.shape[0] else 'nothing'}."
                f" Wanted: n + 1 offsets within {bytes_.shape[0]} bytes. Pass the column's own."
            )
        n = at.shape[0] - 1
        valid = reading(np.zeros(0, np.bool_) if held is None else held, np.bool_, "held")
        if held is not None and valid.shape[0] != n:
            raise ValueError(
                f"held is of {valid.shape[0]} rows. Wanted: one a text, {n}. Pass the column's own."
            )
        rows, counts = np.empty((n, WORDS), np.uint32), np.empty(n, np.uint8)
        done = 0
        while True:
            done, self._used = map(
                int,
                _cut(
                    at, bytes_, valid, done, self._secret, self._slots, self._hashes, self._starts,
                    self._letters, self._used, rows, counts,
                ),
            )  # fmt: skip
            if done == n:
                return rows, counts
            self._grow(int(at[done + 1] - at[done]))

    def _grow(self, length: int) -> None:
        if 2 * (self._used + WORDS) > self._slots.shape[0]:
            self._slots = np.zeros(2 * self._slots.shape[0], np.uint32)
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
            self._starts = np.concatenate([self._starts, np.zeros(self._starts.shape[0] - 2, np.int64)])
            _rehash(self._hashes, self._used, self._slots)
        if self._starts[self._used + 1] + length > self._letters.shape[0]:
            more = max(self._letters.shape[0], length)
            self._letters = np.concatenate([self._letters, np.zeros(more, np.uint8)])


@jit
def _gather_bits(rows: NDArray[np.uint32], bits: NDArray[np.uint32], out: NDArray[np.uint32]) -> None:
    for row in range(out.shape[0]):
        every = np.uint32(0)
        for place in range(rows.shape[1]):
            every |= bits[rows[row, place]]
        out[row] = every


@jit
def _place_bits(
    rows: NDArray[np.uint32],
    counts: NDArray[np.uint8],
    bits: NDArray[np.uint32],
    first: NDArray[np.uint32],
    second: NDArray[np.uint32],
    last: NDArray[np.uint32],
) -> None:
    for row in range(counts.shape[0]):
        count = np.int64(counts[row])
        if count == 0 or count > rows.shape[1]:
            first[row] = 0
            second[row] = 0
            last[row] = 0
            continue
        first[row] = bits[rows[row, 0]]
        second[row] = bits[rows[row, 1 if count > 1 else 0]]
        last[row] = bits[rows[row, count - 1]]


def word_bits(
    rows: NDArray[np.uint32], counts: NDArray[np.uint8], bits: NDArray[np.uint32]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]:
    """Bits of rows of words, uint32[n] each: of all words together, of the first, the second and the last.

    ``bits`` is uint32[w + 1], 0 of no word. The second of a single word is that word; a row without words has
    none. Raises ValueError for other shapes and types; word numbers are not checked.
    """
    held = reading(rows, np.uint32, "rows", columns=WORDS)
    count = reading(counts, np.uint8, "counts")
    of = reading(bits, np.uint32, "bits")
    n = held.shape[0]
    every, first, second, last = (np.empty(n, np.uint32) for _ in range(4))
    if count.shape[0] != n:
        raise ValueError(f"counts is of {count.shape[0]} rows. Wanted: one a row, {n}. Pass the rows' own.")
    _gather_bits(held, of, every)
    _place_bits(held, count, of, first, second, last)
    return every, first, second, last


@jit
def _count_words(rows: NDArray[np.uint32], out: NDArray[np.int64]) -> None:
    for row in range(rows.shape[0]):
        for place in range(rows.shape[1]):
            out[rows[row, place]] += 1


def count_words(rows: NDArray[np.uint32], out: NDArray[np.int64]) -> None:
    """Add how often each number stands in ``rows`` (uint32[n, WORDS]) to ``out`` (int64[w + 1]).

    ``out[0]`` counts the empty places. Raises ValueError for other shapes and types and for a number beyond
    ``out``.
    """
    held = reading(rows, np.uint32, "rows", columns=WORDS)
    most = int(held.max(initial=0))
    if most >= out.shape[0]:
        raise ValueError(f"The rows hold word {most}. Wanted: below {out.shape[0]}. Pass a longer out.")
    _count_words(held, writing(out, np.int64, out.shape[0]))


@jit
def _renumber(rows: NDArray[np.uint32], numbers: NDArray[np.uint32]) -> None:
    for row in range(rows.shape[0]):
        for place in range(rows.shape[1]):
            word = rows[row, place]
            if word == 0:
                break
            rows[row, place] = numbers[word]


def renumber(rows: NDArray[np.uint32], numbers: NDArray[np.uint32]) -> None:
    """Replace each number of ``rows`` by what ``numbers`` (uint32[w + 1]) says of it.

    ``rows`` is uint32[n, WORDS], 0 from a text's end on. Raises ValueError for other shapes and types; the
    numbers are not checked.
    """
    if rows.ndim != 2 or rows.shape[1] != WORDS or not rows.flags.c_contiguous or not rows.flags.writeable:
        raise ValueError(
            f"rows is {rows.dtype}{list(rows.shape)}. Wanted: a writable contiguous uint32[n, {WORDS}]."
            " Pass the rows of a table of words."
        )
    _renumber(rows, reading(numbers, np.uint32, "numbers"))


#: Bytes of a text that :func:`number_short_texts` takes, and slots looked at for one.
_SHORT, _PROBES = 7, 64


@jit
def _number_short(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    held: NDArray[np.bool_],
    keys: NDArray[np.uint64],
    slots: NDArray[np.int32],
    firsts: NDArray[np.int64],
    index: NDArray[np.int64],
) -> int:
    mask = np.uint64(slots.shape[0] - 1)
    used = 0
    for row in range(index.shape[0]):
        if held.shape[0] != 0 and not held[row]:
            index[row] = -1
            continue
        start, stop = offsets[row], offsets[row + 1]
        if stop - start > _SHORT:
            return -1
        key = np.uint64(stop - start)
        for at in range(start, stop):
            key = (key << np.uint64(8)) | np.uint64(data[at])
        slot = mix64(key) & mask
        probes = 0
        while slots[slot] >= 0 and keys[slots[slot]] != key:
            slot = (slot + np.uint64(1)) & mask
            probes += 1
            if probes == _PROBES:
                return -1
        if slots[slot] < 0:
            if used == keys.shape[0]:
                return -1
            slots[slot] = used
            keys[used] = key
            firsts[used] = row
            used += 1
        index[row] = slots[slot]
    return used


def number_short_texts(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    held: NDArray[np.bool_] | None,
    most: int = 1 << 14,
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Which distinct text each of n texts is, int64[n], and where each distinct one came first, int64[d].

    Distinct texts are numbered from 0 in the order of their arrival; -1 where ``held`` (bool[n]) is false.
    None where a text is longer than seven bytes, where there are more than ``most`` distinct ones, or where
    somebody has built texts that collide. Raises ValueError for other shapes and types.
    """
    at = reading(offsets, np.int64, "offsets")
    bytes_ = reading(data, np.uint8, "data")
    if at.shape[0] == 0 or at[0] < 0 or at[-1] > bytes_.shape[0]:
        raise ValueError(
            f"The offsets end at {at[-1] if at.shape[0] else 'nothing'}."
            f" Wanted: n + 1 offsets within {bytes_.shape[0]} bytes. Pass the column's own."
        )
    valid = reading(np.zeros(0, np.bool_) if held is None else held, np.bool_, "held")
    if held is not None and valid.shape[0] != at.shape[0] - 1:
        raise ValueError(
            f"held is of {valid.shape[0]} rows. Wanted: one a text, {at.shape[0] - 1}. Pass the column's own."
        )
    index = np.empty(at.shape[0] - 1, np.int64)
    keys, firsts = np.empty(most, np.uint64), np.empty(most, np.int64)
    slots = np.full(1 << (2 * most - 1).bit_length(), -1, np.int32)
    used = int(_number_short(at, bytes_, valid, keys, slots, firsts, index))
    return None if used < 0 else (index, firsts[:used])
