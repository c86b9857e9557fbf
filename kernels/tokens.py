"""What two names have to do with one another, from the ids of their tokens.

A name is a row of up to eight token ids (uint32, 0 from its end on) into one vocabulary; what is known of a
token stands in :class:`TokenForms`, once for the whole nation. Vietnamese order is surname, middles, given
name: the first token is the surname, the last the given name. A name of one token has a given name only.

The forms become coarser step by step, and the bits rely on it: tokens of one ``plain`` form have one
``ascii`` form. ``phonetic`` is a coarsening of its own. Every bit and measure is symmetric.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading, same_length, writing
from kernels._jit import inline, inner, jit
from kernels._lanes import (
    address,
    bit_count,
    common_prefix,
    differ8,
    equal8,
    equal_forms,
    equal_in_order,
    lowest,
    unit_at,
)

#: Either name has no token; no other bit.
NULL = 1
#: The same tokens in the same order.
EXACT = 2
#: The same in order once tones are dropped (the marks of letters stay).
PLAIN = 4
#: The same in order once all diacritics are dropped.
UNACCENTED = 8
#: UNACCENTED, and one name carries no diacritic at all while the other carries some.
BARE = 16
#: The same in order by the phonetic form.
PHONETIC = 32
#: The same tokens, diacritics dropped, in another order.
REORDERED = 64
#: Both of two tokens or more: the shorter is the longer with middle names left out, diacritics dropped.
OMITTED = 128
#: Both of two tokens or more: the shorter's are all among the longer's, in any order, diacritics dropped.
SUBSET = 256
#: Equal but for abbreviations (and middles left out); first or last token equal in full. See name_bits.
INITIALS = 512
#: The last tokens are equal, diacritics dropped.
GIVEN = 1024
#: The last tokens are equal by the phonetic form.
GIVEN_PHONETIC = 2048
#: The last tokens are the same token.
GIVEN_EXACT = 4096
#: Both of two tokens or more: the first tokens are equal, diacritics dropped.
SURNAME = 8192
#: Both of two tokens or more: the first tokens are equal by the phonetic form.
SURNAME_PHONETIC = 16384
#: Both of two tokens or more: the first tokens are the same token.
SURNAME_EXACT = 32768
#: As many tokens, three or more: all between the first and the last are equal in order, diacritics dropped.
MIDDLE = 65536
#: As many tokens, two or more: all but the last are equal in order, diacritics dropped.
ALL_BUT_GIVEN = 131072
#: As many tokens, two or more: all but the first are equal in order, diacritics dropped.
ALL_BUT_SURNAME = 262144

#: The bits by name, for configuration and reports.
BITS = {
    "null": NULL,
    "exact": EXACT,
    "plain": PLAIN,
    "unaccented": UNACCENTED,
    "bare": BARE,
    "phonetic": PHONETIC,
    "reordered": REORDERED,
    "omitted": OMITTED,
    "subset": SUBSET,
    "initials": INITIALS,
    "given": GIVEN,
    "given_phonetic": GIVEN_PHONETIC,
    "given_exact": GIVEN_EXACT,
    "surname": SURNAME,
    "surname_phonetic": SURNAME_PHONETIC,
    "surname_exact": SURNAME_EXACT,
    "middle": MIDDLE,
    "all_but_given": ALL_BUT_GIVEN,
    "all_but_surname": ALL_BUT_SURNAME,
}

#: Tokens of a row.
TOKENS = 8

# Zeros that carry a type.
_ID = np.uint32(0)
_OFFSET = np.int64(0)
_LETTER = np.uint8(0)
_DIAGONAL = 0x8040201008040201 - (1 << 64)
_EVERY_ROW = 0x0101010101010101
_ONE = EXACT | PLAIN | UNACCENTED | PHONETIC | GIVEN | GIVEN_PHONETIC | GIVEN_EXACT
_TWO = _ONE | SURNAME | SURNAME_PHONETIC | SURNAME_EXACT | ALL_BUT_GIVEN | ALL_BUT_SURNAME


class TokenForms(NamedTuple):
    """What is known of each of ``v`` tokens, in arrays indexed by token id; token 0 is none, all zero.

    ``ascii``, ``plain`` and ``phonetic`` are ids of forms, comparable only within one array. The characters
    of a token's ASCII form are ``chars[char_offsets[id]:char_offsets[id + 1]]``.
    """

    #: uint32[v]: id of the form without diacritics
    ascii: NDArray[np.uint32]
    #: uint32[v]: id of the form without tones
    plain: NDArray[np.uint32]
    #: uint32[v]: id of the form with regional spellings folded
    phonetic: NDArray[np.uint32]
    #: uint32[v]: ASCII code of the first letter of the ASCII form
    initial: NDArray[np.uint32]
    #: uint8[v]: 1 where the token has a diacritic
    marked: NDArray[np.uint8]
    #: uint8[v]: 1 where the token is one letter or a known abbreviation
    single: NDArray[np.uint8]
    #: int64[v + 1]
    char_offsets: NDArray[np.int64]
    #: uint8[k]: ASCII codes
    chars: NDArray[np.uint8]


class FormAddresses(NamedTuple):
    """:class:`TokenForms` inside a kernel: the addresses of its arrays, good as long as the arrays live."""

    ascii: int
    plain: int
    phonetic: int
    initial: int
    marked: int
    single: int
    char_offsets: int
    chars: int
    chars_size: int


@inline
def addresses(forms: TokenForms) -> FormAddresses:
    """The addresses of the forms, which must be an argument of the kernel, so that its caller holds them."""
    return FormAddresses(
        address(forms.ascii, 0),
        address(forms.plain, 0),
        address(forms.phonetic, 0),
        address(forms.initial, 0),
        address(forms.marked, 0),
        address(forms.single, 0),
        address(forms.char_offsets, 0),
        address(forms.chars, 0),
        forms.chars.size,
    )


@inline
def row_of(tokens: NDArray[np.uint32], row: int) -> int:
    """The address of a name in its table; the table must be an argument of the kernel."""
    return address(tokens, row * TOKENS)


@inline
def _id(row: int, place: int) -> int:
    return int(unit_at(row, place, _ID))


@inline
def _first_rows(n: int) -> int:
    """The first ``n`` rows of a matrix of 64 bits, 1 to 8."""
    return (2 << (8 * n - 1)) - 1


@inline
def _count(row: int) -> int:
    return lowest(equal8(row, _ID) | 256)


@inline
def _letters(token: int, forms: FormAddresses) -> tuple[int, int]:
    """Where the letters of a token begin and how many they are."""
    start = unit_at(forms.char_offsets, token, _OFFSET)
    return start, unit_at(forms.char_offsets, token + 1, _OFFSET) - start


@inner
def _alike(a: int, b: int, forms: FormAddresses) -> bool:
    """Whether two tokens are equal without diacritics, or one abbreviates the other."""
    if unit_at(forms.ascii, a, _ID) == unit_at(forms.ascii, b, _ID):
        return True
    if unit_at(forms.initial, a, _ID) != unit_at(forms.initial, b, _ID):
        return False
    start_a, length_a = _letters(a, forms)
    start_b, length_b = _letters(b, forms)
    begins = common_prefix(
        forms.chars + start_a,
        forms.chars_size - start_a,
        forms.chars + start_b,
        forms.chars_size - start_b,
        min(length_a, length_b),
        _LETTER,
    )
    return (begins == length_a and unit_at(forms.single, a, _LETTER) != 0) or (
        begins == length_b and unit_at(forms.single, b, _LETTER) != 0
    )


@inner
def _abbreviated(shorter: int, n: int, longer: int, m: int, forms: FormAddresses) -> bool:
    """First with first, last with last, and the shorter's middles among the longer's in order."""
    if n > m:
        shorter, longer = longer, shorter
        n, m = m, n
    if not _alike(_id(shorter, 0), _id(longer, 0), forms):
        return False
    if not _alike(_id(shorter, n - 1), _id(longer, m - 1), forms):
        return False
    at = 1
    for k in range(1, n - 1):
        while at < m - 1 and not _alike(_id(shorter, k), _id(longer, at), forms):
            at += 1
        if at == m - 1:
            return False
        at += 1
    return True


@inline
def _shared(same: int, n: int, m: int) -> int:
    """Size of the common part of two multisets, ``same`` being the matrix of equality of their members."""
    same &= _first_rows(n) & (((1 << m) - 1) * _EVERY_ROW)
    rows = same | (same >> 4)
    rows |= rows >> 2
    rows |= rows >> 1
    columns = same | (same >> 32)
    columns |= columns >> 16
    columns |= columns >> 8
    pairs = bit_count(same)
    if bit_count(rows & _EVERY_ROW) == pairs and bit_count(columns & 255) == pairs:
        return pairs
    free = 255
    shared = 0
    for k in range(n):
        partners = (same >> (8 * k)) & free
        free ^= partners & -partners
        shared += int(partners != 0)
    return shared


@inline
def _in_order(same: int, n: int, m: int) -> bool:
    """Whether the shorter's inner tokens are found in order among the longer's."""
    if n <= m:
        short, long, inner, last = 8, 1, n - 1, m - 1
    else:
        short, long, inner, last = 1, 8, m - 1, n - 1
    at = 1
    for k in range(1, inner):
        while at < last and (same >> (k * short + at * long)) & 1 == 0:
            at += 1
        at += 1
    return at <= last


@inline
def _any(flags: int, row: int) -> bool:
    """Whether any token of a row is flagged; token 0 never is."""
    found = 0
    for k in range(TOKENS):
        found |= unit_at(flags, _id(row, k), _LETTER)
    return found != 0


@inner
def name_bits_of_pair(left: int, right: int, forms: FormAddresses) -> np.uint32:
    """The bits of two names, given by :func:`row_of`; ``forms`` by :func:`addresses`."""
    n = _count(left)
    m = _count(right)
    if n == 0 or m == 0:
        return np.uint32(NULL)
    if differ8(left, right, _ID) == 0:
        return np.uint32(_ONE if n == 1 else (_TWO if n == 2 else _TWO | MIDDLE))
    same = equal_forms(forms.ascii, left, right)
    sounds = equal_in_order(forms.phonetic, left, right)
    last_l = _id(left, n - 1)
    last_r = _id(right, m - 1)
    two = n > 1 and m > 1
    # Products instead of branches: what differs between two names is beyond any prediction.
    bits = ((same >> (8 * n + m - 9)) & 1) * GIVEN
    bits |= int(last_l == last_r) * GIVEN_EXACT
    same_sound = unit_at(forms.phonetic, last_l, _ID) == unit_at(forms.phonetic, last_r, _ID)
    bits |= int(same_sound) * GIVEN_PHONETIC
    if two:
        bits |= (same & 1) * SURNAME
        bits |= int(_id(left, 0) == _id(right, 0)) * SURNAME_EXACT
        bits |= (sounds & 1) * SURNAME_PHONETIC
    if n == m:
        everyone = (1 << n) - 1
        all_but_last = _first_rows(n - 1) if two else 0
        other = ~same & _DIAGONAL & _first_rows(n)
        bits |= int(sounds & everyone == everyone) * PHONETIC
        if two:
            bits |= int(other & all_but_last == 0) * ALL_BUT_GIVEN
            bits |= int(other & ~1 == 0) * ALL_BUT_SURNAME
            bits |= int((n > 2) & (other & all_but_last & ~1 == 0)) * MIDDLE
        if other == 0:
            plain = equal_in_order(forms.plain, left, right)
            bits |= UNACCENTED
            bits |= int(plain & everyone == everyone) * PLAIN
            bits |= int(_any(forms.marked, left) != _any(forms.marked, right)) * BARE
            return np.uint32(bits)
    if not two:
        return np.uint32(bits)
    if _shared(same, n, m) == min(n, m):
        if n == m:
            bits |= REORDERED
        else:
            bits |= SUBSET
            # All of the shorter are there: in order, or with middles exchanged.
            if bits & SURNAME and bits & GIVEN and _in_order(same, n, m):
                return np.uint32(bits | OMITTED)
    if bits & (SURNAME | GIVEN) and (_any(forms.single, left) or _any(forms.single, right)):
        if _abbreviated(left, n, right, m, forms):
            bits |= INITIALS
    return np.uint32(bits)


@inline
def token_overlap(left: int, right: int, forms: FormAddresses) -> np.uint8:
    """Jaccard's index of the multisets of tokens without diacritics, in 1/255; 0 for an empty name."""
    n = _count(left)
    m = _count(right)
    if n == 0 or m == 0:
        return np.uint8(0)
    shared = _shared(equal_forms(forms.ascii, left, right), n, m)
    union = n + m - shared
    return np.uint8((510 * shared + union) // (2 * union))


@jit
def _name_bits(
    tok_l: NDArray[np.uint32],
    tok_r: NDArray[np.uint32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    forms: TokenForms,
    out: NDArray[np.uint32],
) -> None:
    at = addresses(forms)
    for k in range(out.shape[0]):
        out[k] = name_bits_of_pair(row_of(tok_l, left_index[k]), row_of(tok_r, right_index[k]), at)


@jit
def _token_overlap_pairs(
    tok_l: NDArray[np.uint32],
    tok_r: NDArray[np.uint32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    forms: TokenForms,
    out: NDArray[np.uint8],
) -> None:
    at = addresses(forms)
    for k in range(out.shape[0]):
        out[k] = token_overlap(row_of(tok_l, left_index[k]), row_of(tok_r, right_index[k]), at)


def readable(forms: TokenForms) -> TokenForms:
    """The forms as the kernels take them; ValueError for arrays of other types or lengths."""
    taken = TokenForms(
        reading(forms.ascii, np.uint32, "ascii"),
        reading(forms.plain, np.uint32, "plain"),
        reading(forms.phonetic, np.uint32, "phonetic"),
        reading(forms.initial, np.uint32, "initial"),
        reading(forms.marked, np.uint8, "marked"),
        reading(forms.single, np.uint8, "single"),
        reading(forms.char_offsets, np.int64, "char_offsets"),
        reading(forms.chars, np.uint8, "chars"),
    )
    size = taken.ascii.shape[0]
    lengths = [size] * 6 + [size + 1]
    if size == 0:
        raise ValueError("The vocabulary is empty. Wanted: token 0 at least. Token 0 stands for no token.")
    if [array.shape[0] for array in taken[:7]] != lengths or taken.char_offsets[-1] > taken.chars.shape[0]:
        raise ValueError(
            f"The forms have the lengths {[array.shape[0] for array in taken]}. Wanted: one entry a token in "
            "each, one more in char_offsets, its last within chars. Make them from one vocabulary."
        )
    if taken.marked[:1].any() or taken.single[:1].any():
        raise ValueError("Token 0 is marked or single. Wanted: 0 in both. Token 0 stands for no token.")
    return taken


def paired(
    tok_l: NDArray[np.uint32],
    tok_r: NDArray[np.uint32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64], int]:
    """Two columns of names and the rows of the pairs, read-only, and how many; else ValueError."""
    li = reading(left_index, np.int64, "left_index")
    ri = reading(right_index, np.int64, "right_index")
    left = reading(tok_l, np.uint32, "tok_l", columns=TOKENS)
    right = reading(tok_r, np.uint32, "tok_r", columns=TOKENS)
    return left, right, li, ri, same_length(li, ri)


def name_bits(
    tok_l: NDArray[np.uint32],
    tok_r: NDArray[np.uint32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    forms: TokenForms,
    out: NDArray[np.uint32],
) -> None:
    """Fill ``out: uint32[k]`` with the bits of each pair of names.

    ``tok_l`` and ``tok_r`` are uint32[n, 8] and uint32[m, 8], the indices int64[k] rows of them. Rows and
    token ids are not checked. Raises ValueError for other shapes and types.

    INITIALS: both names have two tokens or more, the first tokens agree, the last tokens agree, the middles
    of the shorter agree in order with middles of the longer, the first or the last pair is equal without
    diacritics, and it takes an abbreviation: neither UNACCENTED nor OMITTED holds. Two tokens agree where
    they are equal without diacritics, or one is ``single`` and its letters begin the other (T with Thi, Ng
    with Nguyen).
    """
    left, right, li, ri, length = paired(tok_l, tok_r, left_index, right_index)
    _name_bits(left, right, li, ri, readable(forms), writing(out, np.uint32, length))


def token_overlap_pairs(
    tok_l: NDArray[np.uint32],
    tok_r: NDArray[np.uint32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    forms: TokenForms,
    out: NDArray[np.uint8],
) -> None:
    """Fill ``out: uint8[k]`` with :func:`token_overlap` of each pair; arguments as in :func:`name_bits`."""
    left, right, li, ri, length = paired(tok_l, tok_r, left_index, right_index)
    _token_overlap_pairs(left, right, li, ri, readable(forms), writing(out, np.uint8, length))
