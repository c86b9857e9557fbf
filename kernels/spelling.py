"""Distances of whole names, spelt from the letters of their tokens.

A name is written as the ASCII forms of its tokens with one space between them, on a scratch array, so that no
column of spelt names has to be held for a nation. Of a token longer than 31 letters the first 31 count: eight
tokens and their spaces are at most 255 letters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading, same_length, writing
from kernels._jit import inline, jit
from kernels._lanes import address, copy_units, put_unit, unit_at
from kernels.edit import osa
from kernels.jaro import jaro_winkler
from kernels.tokens import TOKENS, FormAddresses, TokenForms, addresses, paired, readable, row_of

#: Characters of a token that count in distances of whole names; the rest of a longer token is cut off.
TOKEN_CHARACTERS = 31
#: What a distance array holds where there was nothing to compare or the pair was not asked for.
NO_DISTANCE = 255
#: What a similarity array holds there.
NO_SIMILARITY = -1.0
#: Greatest cutoff of a distance of whole names.
MAX_CUTOFF = 253
#: Units of the scratch array that holds the two names of a pair.
NAME_SCRATCH = 704
#: Where the left and the right name begin in it, each with room before and after for reading whole vectors.
LEFT = 32
RIGHT = 352

_ID = np.uint32(0)
_OFFSET = np.int64(0)
_LETTER = np.uint8(0)
_SPACE = np.uint8(32)


@inline
def spell_name(row: int, forms: FormAddresses, place: int) -> int:
    """Write a name from address ``place`` on and return its length.

    ``row`` is :func:`kernels.tokens.row_of` a name. At most 255 letters are written, and up to 32 units after
    them overwritten.
    """
    length = 0
    for k in range(TOKENS):
        token = unit_at(row, k, _ID)
        if token == 0:
            break
        if length > 0:
            put_unit(place, length, _SPACE)
            length += 1
        start = unit_at(forms.char_offsets, token, _OFFSET)
        letters = min(unit_at(forms.char_offsets, token + 1, _OFFSET) - start, TOKEN_CHARACTERS)
        copy_units(forms.chars + start, forms.chars_size - start, letters, place + length, _LETTER)
        length += letters
    return length


@inline
def name_osa(left: int, right: int, forms: FormAddresses, cutoff: int, scratch: NDArray[np.uint8]) -> int:
    """OSA distance of two names, ``cutoff + 1`` above it; ``scratch`` is uint8[NAME_SCRATCH], an argument.

    The names are given by :func:`kernels.tokens.row_of`, ``forms`` by :func:`kernels.tokens.addresses`.
    """
    n = spell_name(left, forms, address(scratch, LEFT))
    m = spell_name(right, forms, address(scratch, RIGHT))
    return osa(scratch, LEFT, LEFT + n, scratch, RIGHT, RIGHT + m, cutoff)


@inline
def name_jaro_winkler(
    left: int, right: int, forms: FormAddresses, cutoff: float, scratch: NDArray[np.uint8]
) -> float:
    """Jaro-Winkler similarity of two names, 0.0 below ``cutoff``; arguments as in :func:`name_osa`."""
    n = spell_name(left, forms, address(scratch, LEFT))
    m = spell_name(right, forms, address(scratch, RIGHT))
    return jaro_winkler(scratch, LEFT, LEFT + n, scratch, RIGHT, RIGHT + m, cutoff)


@jit
def _name_osa_pairs(
    tok_l: NDArray[np.uint32],
    tok_r: NDArray[np.uint32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    forms: TokenForms,
    wanted: NDArray[np.bool_],
    cutoff: int,
    scratch: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None:
    at = addresses(forms)
    for k in range(out.shape[0]):
        left = row_of(tok_l, left_index[k])
        right = row_of(tok_r, right_index[k])
        if wanted[k] and unit_at(left, 0, _ID) != 0 and unit_at(right, 0, _ID) != 0:
            out[k] = name_osa(left, right, at, cutoff, scratch)
        else:
            out[k] = NO_DISTANCE


@jit
def _name_jaro_winkler_pairs(
    tok_l: NDArray[np.uint32],
    tok_r: NDArray[np.uint32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    forms: TokenForms,
    wanted: NDArray[np.bool_],
    cutoff: float,
    scratch: NDArray[np.uint8],
    out: NDArray[np.float64],
) -> None:
    at = addresses(forms)
    for k in range(out.shape[0]):
        left = row_of(tok_l, left_index[k])
        right = row_of(tok_r, right_index[k])
        if wanted[k] and unit_at(left, 0, _ID) != 0 and unit_at(right, 0, _ID) != 0:
            out[k] = name_jaro_winkler(left, right, at, cutoff, scratch)
        else:
            out[k] = NO_SIMILARITY


def name_osa_pairs(
    tok_l: NDArray[np.uint32],
    tok_r: NDArray[np.uint32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    forms: TokenForms,
    wanted: NDArray[np.bool_],
    cutoff: int,
    out: NDArray[np.uint8],
) -> None:
    """Fill ``out: uint8[k]`` with the OSA distance of the names as written without diacritics.

    One space stands between tokens; of a token longer than 31 letters the first 31 count. ``wanted`` is
    bool[k]: elsewhere, and where a name is empty, ``out`` gets NO_DISTANCE (255). A distance above ``cutoff``
    (0 to 253) is given as ``cutoff + 1``. The other arguments are those of :func:`kernels.tokens.name_bits`.
    """
    if not 0 <= cutoff <= MAX_CUTOFF:
        raise ValueError(f"The cutoff is {cutoff}. Wanted: 0 to {MAX_CUTOFF}. Pass {MAX_CUTOFF} for none.")
    left, right, li, ri, length = paired(tok_l, tok_r, left_index, right_index)
    asked = reading(wanted, np.bool_, "wanted")
    same_length(li, asked)
    scratch = np.zeros(NAME_SCRATCH, np.uint8)
    filled = writing(out, np.uint8, length)
    _name_osa_pairs(left, right, li, ri, readable(forms), asked, int(cutoff), scratch, filled)


def name_jaro_winkler_pairs(
    tok_l: NDArray[np.uint32],
    tok_r: NDArray[np.uint32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    forms: TokenForms,
    wanted: NDArray[np.bool_],
    cutoff: float,
    out: NDArray[np.float64],
) -> None:
    """Fill ``out: float64[k]`` with the Jaro-Winkler similarity of the names as written without diacritics.

    As :func:`name_osa_pairs`, but pairs not wanted or with an empty name get NO_SIMILARITY (-1.0), and a
    similarity below ``cutoff`` is given as 0.0.
    """
    left, right, li, ri, length = paired(tok_l, tok_r, left_index, right_index)
    asked = reading(wanted, np.bool_, "wanted")
    same_length(li, asked)
    scratch = np.zeros(NAME_SCRATCH, np.uint8)
    filled = writing(out, np.float64, length)
    _name_jaro_winkler_pairs(left, right, li, ri, readable(forms), asked, float(cutoff), scratch, filled)
