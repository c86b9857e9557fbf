"""Many short UTF-8 texts in one buffer: compared by their bytes, copied by row, hashed with what frames them.

Texts are int64 offsets [n + 1] and the bytes of all of them. Their order is that of their bytes, a text
before the longer ones that it begins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading
from kernels._jit import inline, inner, jit, put_word, word_at
from kernels.keys import sip_two


@inline
def _word(data: NDArray[np.uint8], begin: int, end: int) -> np.uint64:
    """Up to eight bytes as a number that sorts as they do; zeros behind the last."""
    word = np.uint64(0)
    for i in range(8):
        word <<= np.uint64(8)
        if begin + i < end:
            word |= np.uint64(data[begin + i])
    return word


@inline
def _compared(
    a: NDArray[np.uint8], begin: int, end: int, b: NDArray[np.uint8], other: int, other_end: int
) -> int:
    """Below 0 if the first text stands before the second, 0 if they are equal, else above 0."""
    both = min(end - begin, other_end - other)
    for i in range(both):
        if a[begin + i] != b[other + i]:
            return -1 if a[begin + i] < b[other + i] else 1
    return (end - begin) - (other_end - other)


@jit
def mark_letters(
    offsets: NDArray[np.int64], data: NDArray[np.uint8], depth: int, seen: NDArray[np.bool_]
) -> None:
    """Set ``seen`` (bool[256]) of every byte that stands in some text behind its first ``depth``."""
    for row in range(offsets.shape[0] - 1):
        for at in range(offsets[row] + depth, offsets[row + 1]):
            seen[data[at]] = True


@jit
def words_of(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    rows: NDArray[np.int64],
    depth: int,
    ranks: NDArray[np.uint8],
    bits: int,
    out: NDArray[np.uint64],
) -> None:
    """As many bytes of each text from byte ``depth`` on as fit a number, which sorts as they do.

    rows  : int64[m], which texts;  out : uint64[m]
    ranks : uint8[256], of each byte its place, from 1, among those that occur: below 2**bits
    bits  : of the number for each byte, 1 to 8; 64 // bits bytes fit. The end of a text is 0.
    """
    fits = 64 // bits
    for i in range(rows.shape[0]):
        begin = offsets[rows[i]] + depth
        end = offsets[rows[i] + 1]
        word = np.uint64(0)
        for k in range(fits):
            word <<= np.uint64(bits)
            if begin + k < end:
                word |= np.uint64(ranks[data[begin + k]])
        out[i] = word


@jit
def spell_words(
    words: NDArray[np.uint64],
    bits: int,
    letters: NDArray[np.uint8],
    first: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> None:
    """The texts that begin with ``first`` and go on as :func:`words_of` put them into numbers.

    letters : uint8[256], of each rank its byte;  offsets : int64[n + 1], filled;  out : as long as the texts
    """
    fits = 64 // bits
    mask = np.uint64((1 << bits) - 1)
    at = np.int64(0)
    offsets[0] = 0
    for i in range(words.shape[0]):
        for k in range(first.shape[0]):
            out[at] = first[k]
            at += 1
        word = words[i]
        for k in range(fits):
            rank = (word >> np.uint64(bits * (fits - 1 - k))) & mask
            if rank == 0:
                break
            out[at] = letters[rank]
            at += 1
        offsets[i + 1] = at


@jit
def shared_prefix(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> int:
    """Bytes that all texts begin with."""
    n = offsets.shape[0] - 1
    if n <= 0:
        return 0
    begin = offsets[0]
    shared = offsets[1] - begin
    for row in range(1, n):
        at = offsets[row]
        shared = min(shared, offsets[row + 1] - at)
        for i in range(shared):
            if data[at + i] != data[begin + i]:
                shared = i
                break
    return shared


@jit
def rising(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> bool:
    """Whether no text stands before the one it follows."""
    for row in range(1, offsets.shape[0] - 1):
        if _compared(data, offsets[row - 1], offsets[row], data, offsets[row], offsets[row + 1]) > 0:
            return False
    return True


@jit
def places_among(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    cut_offsets: NDArray[np.int64],
    cut_data: NDArray[np.uint8],
    out: NDArray[np.uint16],
) -> None:
    """How many of the ``cut`` texts, which are sorted, do not stand after each text: uint16[n]."""
    cuts = cut_offsets.shape[0] - 1
    words = np.empty(cuts, np.uint64)
    for c in range(cuts):
        words[c] = _word(cut_data, cut_offsets[c], cut_offsets[c + 1])
    for row in range(offsets.shape[0] - 1):
        begin, end = offsets[row], offsets[row + 1]
        word = _word(data, begin, end)
        low, high = 0, cuts
        while low < high:
            middle = (low + high) // 2
            after = words[middle] > word
            if words[middle] == word:
                after = (
                    _compared(cut_data, cut_offsets[middle], cut_offsets[middle + 1], data, begin, end) > 0
                )
            if after:
                high = middle
            else:
                low = middle + 1
        out[row] = low


@jit
def lengths_at(offsets: NDArray[np.int64], rows: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Offsets of the texts at ``rows`` when they stand one after another: int64[m + 1]; row -1 is no byte."""
    at = np.int64(0)
    out[0] = 0
    for i in range(rows.shape[0]):
        row = rows[i]
        if row >= 0:
            at += offsets[row + 1] - offsets[row]
        out[i + 1] = at


@inline
def _copy(data: NDArray[np.uint8], begin: int, out: NDArray[np.uint8], to: int, size: int) -> None:
    """Bytes of one text, by words, the last of which overlaps the one before: a loop over bytes misses its
    end with every other text, and waits for memory each time: 150 ns a text at random places, not 30.
    """
    if size < 8:
        for k in range(size):
            out[to + k] = data[begin + k]
        return
    for k in range(0, size - 8, 8):
        put_word(out, to + k, word_at(data, begin + k))
    put_word(out, to + size - 8, word_at(data, begin + size - 8))


@jit
def copy_texts(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    rows: NDArray[np.int64],
    out_offsets: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> None:
    """The texts at ``rows``, one after another, at ``out_offsets`` (see :func:`lengths_at`)."""
    for i in range(rows.shape[0]):
        row = rows[i]
        if row < 0:
            continue
        to = out_offsets[i]
        _copy(data, offsets[row], out, to, out_offsets[i + 1] - to)


@jit
def copy_to_places(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
    out_offsets: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> None:
    """The text at each of ``rows`` to the place of ``out_offsets`` that ``places`` tells for it."""
    for i in range(rows.shape[0]):
        begin = offsets[rows[i]]
        _copy(data, begin, out, out_offsets[places[i]], offsets[rows[i] + 1] - begin)


@inline
def _are_equal(data: NDArray[np.uint8], begin: int, other: int, size: int) -> bool:
    """Whether two stretches of one size hold the same bytes, by words as :func:`_copy` does."""
    if size < 8:
        for k in range(size):
            if data[begin + k] != data[other + k]:
                return False
        return True
    for k in range(0, size - 8, 8):
        if word_at(data, begin + k) != word_at(data, other + k):
            return False
    return bool(word_at(data, begin + size - 8) == word_at(data, other + size - 8))


@jit
def number_texts(
    hashes: NDArray[np.uint64],
    order: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    ids: NDArray[np.uint32],
    firsts: NDArray[np.uint32],
) -> int:
    """Number distinct texts from 0 by rising hash, those of one hash as they come first; gives how many.

    hashes : uint64[n], of the texts at ``order`` (uint32[n], rows), rising: equal texts have one hash, and
    texts of one hash are held against one another by their bytes
    ids    : uint32[n], set to the number of each row's text
    firsts : uint32[n], of which the beginning is set to the first row of each number in the order given
    """
    used = np.int64(0)
    begin = used
    for i in range(order.shape[0]):
        if i == 0 or hashes[i] != hashes[i - 1]:
            begin = used
        row = order[i]
        at = offsets[row]
        size = offsets[row + 1] - at
        number = begin
        while number < used:
            first = firsts[number]
            if offsets[first + 1] - offsets[first] == size and _are_equal(data, at, offsets[first], size):
                break
            number += 1
        if number == used:
            firsts[used] = row
            used += 1
        ids[row] = number
    return int(used)


@inner
def _longest(offsets: NDArray[np.int64]) -> int:
    longest: int | np.int64 = 0
    for row in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return int(longest)


@inline
def _append(
    offsets: NDArray[np.int64], data: NDArray[np.uint8], row: int | np.int64, out: NDArray[np.uint8], at: int
) -> int:
    size = offsets[row + 1] - offsets[row]
    _copy(data, offsets[row], out, at, size)
    return at + size


@inline
def _written(
    frame_offsets: NDArray[np.int64],
    frame_data: NDArray[np.uint8],
    frames: NDArray[np.int64],
    a_offsets: NDArray[np.int64],
    a_data: NDArray[np.uint8],
    b_offsets: NDArray[np.int64],
    b_data: NDArray[np.uint8],
    row: int,
    out: NDArray[np.uint8],
) -> int:
    """What of one row SipHash takes in, its length in the last byte: how many words it is."""
    at = _append(frame_offsets, frame_data, frames[row, 0], out, 0)
    at = _append(a_offsets, a_data, row, out, at)
    at = _append(frame_offsets, frame_data, frames[row, 1], out, at)
    at = _append(b_offsets, b_data, row, out, at)
    at = _append(frame_offsets, frame_data, frames[row, 2], out, at)
    words = at // 8 + 1
    put_word(out, at, np.uint64(0))
    out[8 * words - 1] = np.uint8(at & 0xFF)
    return words


@jit
def _hash_framed(
    frame_offsets: NDArray[np.int64],
    frame_data: NDArray[np.uint8],
    frames: NDArray[np.int64],
    a_offsets: NDArray[np.int64],
    a_data: NDArray[np.uint8],
    b_offsets: NDArray[np.int64],
    b_data: NDArray[np.uint8],
    key0: np.uint64,
    key1: np.uint64,
    out: NDArray[np.uint64],
) -> None:
    room = 3 * _longest(frame_offsets) + _longest(a_offsets) + _longest(b_offsets) + 16
    held, other = np.empty(room, np.uint8), np.empty(room, np.uint8)
    n = frames.shape[0]
    for i in range(0, n, 2):
        j = min(i + 1, n - 1)
        words = _written(frame_offsets, frame_data, frames, a_offsets, a_data, b_offsets, b_data, i, held)
        others = _written(frame_offsets, frame_data, frames, a_offsets, a_data, b_offsets, b_data, j, other)
        out[i, 0], out[i, 1], out[j, 0], out[j, 1] = sip_two(held, words, other, others, key0, key1)


def hash_framed(
    frame_offsets: NDArray[np.int64],
    frame_data: NDArray[np.uint8],
    frames: NDArray[np.int64],
    a_offsets: NDArray[np.int64],
    a_data: NDArray[np.uint8],
    b_offsets: NDArray[np.int64],
    b_data: NDArray[np.uint8],
    key0: np.uint64,
    key1: np.uint64,
    out: NDArray[np.uint64],
) -> None:
    """SipHash-2-4-128 of *frame, text, frame, text, frame* for each row, which is nowhere written down whole.

    frames : int64[n, 3], which of the frame texts stand before, between and after
    a, b   : n texts each;  out : uint64[n, 2]
    """
    _hash_framed(
        reading(frame_offsets, np.int64, "frame_offsets"),
        reading(frame_data, np.uint8, "frame_data"),
        reading(frames, np.int64, "frames", columns=3),
        reading(a_offsets, np.int64, "a_offsets"),
        reading(a_data, np.uint8, "a_data"),
        reading(b_offsets, np.int64, "b_offsets"),
        reading(b_data, np.uint8, "b_data"),
        key0,
        key1,
        out,
    )
