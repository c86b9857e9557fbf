"""A cheap test before a distance of names: which letters they are made of, and how long they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline, jit


@jit
def letter_masks(
    tok: NDArray[np.uint32],
    token_masks: NDArray[np.uint32],
    lengths: NDArray[np.int64],
    longest: int,
    out: NDArray[np.uint64],
) -> None:
    """Letters and length of each name.

    tok     : uint32[n, k], token rows;  token_masks : uint32[v], a bit for each letter of a token
    lengths : int64[v], letters of a token;  longest : letters of a token that count
    out     : uint64[n], the letters that occur (low 32 bits) and the length with spaces (above)
    """
    for i in range(tok.shape[0]):
        mask = np.uint64(0)
        length = np.int64(0)
        for k in range(tok.shape[1]):
            token = tok[i, k]
            if token == 0:
                break
            mask |= np.uint64(token_masks[token])
            length += min(lengths[token], longest) + (1 if k else 0)
        out[i] = mask | (np.uint64(length) << np.uint64(32))


@inline
def _letters(mask: np.uint64) -> int:
    count = 0
    while mask:
        mask &= mask - np.uint64(1)
        count += 1
    return count


@jit
def may_be_near(
    masks: NDArray[np.uint64],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    bits: NDArray[np.uint32],
    settled: int,
    cutoff: int,
    out: NDArray[np.bool_],
) -> None:
    """Whether each pair's names can be within ``cutoff`` edits: False only where they certainly are not.

    One edit changes the length by at most one, and takes away or brings in at most one kind of letter.

    masks : uint64[n], see :func:`letter_masks`
    bits  : uint32[k], a pair with any bit of ``settled`` is not asked for
    out   : bool[k]
    """
    low = np.uint64(0xFFFFFFFF)
    for k in range(out.shape[0]):
        if bits[k] & np.uint32(settled):
            out[k] = False
            continue
        a = masks[left_index[k]]
        b = masks[right_index[k]]
        difference = np.int64(a >> np.uint64(32)) - np.int64(b >> np.uint64(32))
        near: bool | np.bool_ = -cutoff <= difference <= cutoff
        if near:
            x = a & low
            y = b & low
            near = _letters(x & ~y) <= cutoff and _letters(y & ~x) <= cutoff
        out[k] = near
