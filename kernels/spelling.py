"""Distances of whole names, spelt from the letters of their tokens.

A name is written as the ASCII forms of its tokens with one space between them, on a scratch array, so that no
column of spelt names has to be held for a nation. Of a token longer than 31 letters the first 31 count: eight
tokens and their spaces are at most 255 letters.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading, same_length, writing
from kernels._jit import inline, jit
from kernels._lanes import copy_units
from kernels.edit import osa
from kernels.jaro import jaro_winkler
from kernels.tokens import TOKENS, TokenForms, paired, readable

#: Characters of a token that count in distances of whole names; the rest of a longer token is cut off.
TOKEN_CHARACTERS = 31
#: Units of the scratch array that the scalar distances of whole names want.
NAME_SCRATCH = 704
#: What a distance array holds where there was nothing to compare or the pair was not asked for.
NO_DISTANCE = 255
#: What a similarity array holds there.
NO_SIMILARITY = -1.0
#: Greatest cutoff of a distance of whole names.
MAX_CUTOFF = 253

_SPACE = 32
# NumPy's integers: Numba types a constant argument as a type of its own and would compile again for it.
_LEFT = cast("int", np.int64(0))
_RIGHT = cast("int", np.int64(320))


@inline
def spell_name(
    tokens: NDArray[np.uint32], row: int, forms: TokenForms, scratch: NDArray[np.uint8], place: int
) -> int:
    """Write a name's ASCII letters, one space between tokens, from ``place`` on; the place after the last.

    At most 255 letters are written, and up to 32 units after them overwritten.
    """
    start = place
    for k in range(TOKENS):
        token = tokens[row, k]
        if token == 0:
            break
        if place > start:
            scratch[place] = _SPACE
            place += 1
        first = forms.char_offsets[token]
        length = min(forms.char_offsets[token + 1] - first, TOKEN_CHARACTERS)
        copy_units(forms.chars, first, length, scratch, place)
        place += length
    return place


@inline
def name_osa(
    tok_l: NDArray[np.uint32],
    i: int,
    tok_r: NDArray[np.uint32],
    j: int,
    forms: TokenForms,
    cutoff: int,
    scratch: NDArray[np.uint8],
) -> int:
    """OSA distance of two spelt names, ``cutoff + 1`` above it; ``scratch`` is uint8[NAME_SCRATCH]."""
    stop_l = spell_name(tok_l, i, forms, scratch, _LEFT)
    stop_r = spell_name(tok_r, j, forms, scratch, _RIGHT)
    return osa(scratch, _LEFT, stop_l, scratch, _RIGHT, stop_r, cutoff)


@inline
def name_jaro_winkler(
    tok_l: NDArray[np.uint32],
    i: int,
    tok_r: NDArray[np.uint32],
    j: int,
    forms: TokenForms,
    cutoff: float,
    scratch: NDArray[np.uint8],
) -> float:
    """Jaro-Winkler similarity of two spelt names, 0.0 below ``cutoff``; scratch as in :func:`name_osa`."""
    stop_l = spell_name(tok_l, i, forms, scratch, _LEFT)
    stop_r = spell_name(tok_r, j, forms, scratch, _RIGHT)
    return jaro_winkler(scratch, _LEFT, stop_l, scratch, _RIGHT, stop_r, cutoff)


@jit
def _name_osa_pairs(
    tok_l: NDArray[np.uint32],
    tok_r: NDArray[np.uint32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    forms: TokenForms,
    wanted: NDArray[np.bool_],
    cutoff: int,
    out: NDArray[np.uint8],
) -> None:
    scratch = np.zeros(NAME_SCRATCH, np.uint8)
    for k in range(out.shape[0]):
        i = left_index[k]
        j = right_index[k]
        if not wanted[k] or tok_l[i, 0] == 0 or tok_r[j, 0] == 0:
            out[k] = NO_DISTANCE
        else:
            out[k] = name_osa(tok_l, i, tok_r, j, forms, cutoff, scratch)


@jit
def _name_jaro_winkler_pairs(
    tok_l: NDArray[np.uint32],
    tok_r: NDArray[np.uint32],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    forms: TokenForms,
    wanted: NDArray[np.bool_],
    cutoff: float,
    out: NDArray[np.float64],
) -> None:
    scratch = np.zeros(NAME_SCRATCH, np.uint8)
    for k in range(out.shape[0]):
        i = left_index[k]
        j = right_index[k]
        if not wanted[k] or tok_l[i, 0] == 0 or tok_r[j, 0] == 0:
            out[k] = NO_SIMILARITY
        else:
            out[k] = name_jaro_winkler(tok_l, i, tok_r, j, forms, cutoff, scratch)


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
    (0 to 253) is given as ``cutoff + 1``. The other arguments are those of :func:`name_bits`.
    """
    if not 0 <= cutoff <= MAX_CUTOFF:
        raise ValueError(f"The cutoff is {cutoff}. Wanted: 0 to {MAX_CUTOFF}. Pass {MAX_CUTOFF} for none.")
    left, right, li, ri, length = paired(tok_l, tok_r, left_index, right_index)
    asked = reading(wanted, np.bool_, "wanted")
    same_length(li, asked)
    _name_osa_pairs(left, right, li, ri, readable(forms), asked, int(cutoff), writing(out, np.uint8, length))


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
    _name_jaro_winkler_pairs(
        left, right, li, ri, readable(forms), asked, float(cutoff), writing(out, np.float64, length)
    )
