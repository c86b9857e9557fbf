"""Names as text: tokens with single spaces between, from ids to UTF-8 bytes and against them.

A spelling of a vocabulary is ``offsets`` int64[v + 1] into ``chars`` uint8; id 0 is no token and ends a name.
Of two spellings (as they are written, and in capitals) every name has one of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline, jit, put_word, word_at

_SPACE = np.uint8(32)
_A, _CAPITAL_A = np.uint8(0x61), np.uint8(0x41)
_D, _M, _Y = np.uint8(0x64), np.uint8(0x6D), np.uint8(0x79)


@jit
def name_lengths(
    names: NDArray[np.uint32],
    second: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    other: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    """Where each name's text begins and ends: out int64[n + 1].

    names : uint32[n, k];  second : bool[n], the name is in the second spelling;  offsets, other : of the two
    """
    out[0] = 0
    for i in range(names.shape[0]):
        size = 0
        for place in range(names.shape[1]):
            token = np.int64(names[i, place])
            if token == 0:
                break
            size += 1 if place else 0
            size += other[token + 1] - other[token] if second[i] else offsets[token + 1] - offsets[token]
        out[i + 1] = out[i] + size


@inline
def _put_word(
    offsets: NDArray[np.int64],
    chars: NDArray[np.uint8],
    token: int | np.int64,
    out: NDArray[np.uint8],
    at: int | np.int64,
) -> int | np.int64:
    """A token at a place of a text; where that ends."""
    begin, end = offsets[token], offsets[token + 1]
    if end - begin <= 8 and at + 8 <= out.shape[0] and begin + 8 <= chars.shape[0]:
        put_word(out, at, word_at(chars, begin))  # what is too much is written over
    else:
        for c in range(end - begin):
            out[at + c] = chars[begin + c]
    return at + end - begin


@jit
def name_bytes(
    names: NDArray[np.uint32],
    second: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    chars: NDArray[np.uint8],
    other: NDArray[np.int64],
    others: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None:
    """The names' texts behind one another: out uint8, as long as :func:`name_lengths` says."""
    at: int | np.int64 = 0
    for i in range(names.shape[0]):
        for place in range(names.shape[1]):
            token = np.int64(names[i, place])
            if token == 0:
                break
            if place:
                out[at] = _SPACE
                at += 1
            if second[i]:
                at = _put_word(other, others, token, out, at)
            else:
                at = _put_word(offsets, chars, token, out, at)


@inline
def _reads(
    text: NDArray[np.uint8],
    at: int | np.int64,
    stop: int | np.int64,
    names: NDArray[np.uint32],
    i: int,
    offsets: NDArray[np.int64],
    chars: NDArray[np.uint8],
) -> bool:
    """Whether the text from ``at`` to ``stop`` is a name."""
    for place in range(names.shape[1]):
        token = np.int64(names[i, place])
        if token == 0:
            break
        if place:
            if at >= stop or text[at] != _SPACE:
                return False
            at += 1
        begin, end = offsets[token], offsets[token + 1]
        size = end - begin
        if at + size > stop:
            return False
        if 0 < size <= 8 and at + 8 <= text.shape[0] and begin + 8 <= chars.shape[0]:
            # What two words of eight bytes have behind the token is shifted out.
            if (word_at(text, at) ^ word_at(chars, begin)) << np.uint64(64 - 8 * size):
                return False
            at += size
            continue
        for c in range(begin, end):
            if text[at] != chars[c]:
                return False
            at += 1
    return bool(at == stop)


@jit
def names_read(
    starts: NDArray[np.int64],
    text: NDArray[np.uint8],
    rows: NDArray[np.int64],
    names: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    chars: NDArray[np.uint8],
    other: NDArray[np.int64],
    others: NDArray[np.uint8],
    out: NDArray[np.bool_],
) -> None:
    """Whether the text at each of ``rows`` is its name in either spelling: out bool[n].

    starts : int64[t + 1], where each text begins in ``text``;  rows : int64[n], -1 for no text
    names : uint32[n, k]
    """
    for i in range(names.shape[0]):
        row = rows[i]
        if row < 0:
            out[i] = False
            continue
        begin, end = starts[row], starts[row + 1]
        out[i] = _reads(text, begin, end, names, i, offsets, chars) or _reads(
            text, begin, end, names, i, other, others
        )


#: How a text's letters are written: it has none, capitals only, a small one; or one of another alphabet.
NO_LETTERS, CAPITALS, SMALL, OTHER_LETTERS = range(4)

#: Letters outside ASCII of Vietnamese and its neighbours, of which a capital stands before its small letter:
#: Ă Đ Ĩ Ũ Ơ Ư, and the block from Ạ to ỹ.
_PAIRS = (0x102, 0x110, 0x128, 0x168, 0x1A0, 0x1AF)
_FIRST_PAIR, _LAST_PAIR = 0x1EA0, 0x1EF9


@inline
def _case_of(code: int | np.int64) -> int:
    """Whether a character outside ASCII, below U+10000, is a capital or small letter, where that is known."""
    if 0xC0 <= code < 0xFF and code not in (0xD7, 0xDF, 0xF7):
        return CAPITALS if code < 0xDF else SMALL
    if _FIRST_PAIR <= code <= _LAST_PAIR:
        return SMALL if code & 1 else CAPITALS
    for pair in _PAIRS:
        if code == pair:
            return CAPITALS
        if code == pair + 1:
            return SMALL
    return OTHER_LETTERS


@jit
def find_case(starts: NDArray[np.int64], text: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """How each text's letters are written: out uint8[n]; text i begins at ``starts[i]``, in UTF-8.

    ``SMALL`` if any letter is small, else ``OTHER_LETTERS`` if any character is of neither ASCII nor
    Vietnamese.
    """
    for i in range(out.shape[0]):
        found = NO_LETTERS
        k, stop = starts[i], starts[i + 1]
        while k < stop:
            byte = text[k]
            k += 1
            case = NO_LETTERS
            if byte < 0x80:
                if np.uint8(byte - _A) < 26:
                    case = SMALL
                elif np.uint8(byte - _CAPITAL_A) < 26:
                    case = CAPITALS
            elif byte >= 0xF0:
                case, k = OTHER_LETTERS, k + 3
            elif byte >= 0xE0:
                code = (
                    (np.int64(byte) & 15) << 12 | (np.int64(text[k]) & 63) << 6 | np.int64(text[k + 1]) & 63
                )
                case, k = _case_of(code), k + 2
            else:
                case, k = _case_of((np.int64(byte) & 31) << 6 | np.int64(text[k]) & 63), k + 1
            if case == SMALL:
                found = SMALL
                break
            found = max(found, case)
        out[i] = found


@jit
def digits_read(
    starts: NDArray[np.int64],
    text: NDArray[np.uint8],
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
    out: NDArray[np.bool_],
) -> None:
    """Whether the text at each of ``rows`` is the digits of its identifier and nothing else: out bool[n].

    rows : int64[n];  codes : int64[n], the number of digits (1 to 16) above bit 56, the value below
    """
    for i in range(codes.shape[0]):
        begin, end = starts[rows[i]], starts[rows[i] + 1]
        digits = codes[i] >> 56
        value = np.int64(0)
        good = digits == end - begin and 0 < digits <= 16
        if good:
            for c in range(begin, end):
                digit = np.int64(text[c]) - 48
                good = good and 0 <= digit <= 9
                value = value * 10 + digit
        out[i] = good and value == codes[i] & ((np.int64(1) << 56) - 1)


@inline
def _is_date(
    text: NDArray[np.uint8], begin: int, end: int, code: int, form: NDArray[np.uint8], padded: bool
) -> bool:
    at, place = begin, 0
    while place < form.shape[0]:
        letter = form[place]
        if letter not in (_D, _M, _Y):
            if at >= end or text[at] != letter:
                return False
            at, place = at + 1, place + 1
            continue
        run = 0
        while place < form.shape[0] and form[place] == letter:
            run, place = run + 1, place + 1
        if padded:
            run = max(run, 2)
        value = code & 31 if letter == _D else (code >> 5) & 15 if letter == _M else code >> 9
        digits, rest = 1, value // 10
        while rest > 0:
            digits, rest = digits + 1, rest // 10
        digits = max(digits, run)
        if at + digits > end:
            return False
        for k in range(digits):
            if text[at + digits - 1 - k] != 48 + value % 10:
                return False
            value //= 10
        at += digits
    return at == end


@jit
def dates_read(
    starts: NDArray[np.int64],
    text: NDArray[np.uint8],
    rows: NDArray[np.int64],
    codes: NDArray[np.int32],
    form: NDArray[np.uint8],
    out: NDArray[np.bool_],
) -> None:
    """Note the texts at ``rows`` that are their dates by a form: ``out`` bool[n] is set where they are.

    codes : int32[n], dates (day in 5 bits, month in 4, year above);  form : letters d, m, y, a run of which
    stands for as many digits at least, and what stands between. All parts may be padded to two digits.
    """
    # Padding makes a difference where a part is one letter only.
    single = False
    for k in range(form.shape[0]):
        if form[k] in (_D, _M, _Y):
            before, behind = (
                k > 0 and form[k - 1] == form[k],
                k + 1 < form.shape[0] and form[k + 1] == form[k],
            )
            single = single or not (before or behind)
    for i in range(codes.shape[0]):
        begin, end, code = starts[rows[i]], starts[rows[i] + 1], int(codes[i])
        if _is_date(text, begin, end, code, form, False) or (
            single and _is_date(text, begin, end, code, form, True)
        ):
            out[i] = True
