"""Values of records against those of the persons they are linked to, and tokens counted by their place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._jit import jit


@jit
def relate_values(
    held: NDArray[Any],
    theirs: NDArray[Any],
    person: NDArray[np.uint32],
    told: NDArray[np.bool_],
    missing: int,
    codes: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None:
    """What follows from which side has a value, and from both having the same: out uint8[k].

    held : [k, w], records' values;  theirs : [n, w], persons' values;  person : uint32[k], whose record it is
    told : bool[k], the record submitted a text
    missing : what stands first in a row without a value
    codes : uint8[6], for: equal, different, held side empty, told but not read, register empty, nothing
    """
    for i in range(held.shape[0]):
        row = person[i]
        has, known = held[i, 0] != missing, theirs[row, 0] != missing
        if has and known:
            same = True
            for w in range(held.shape[1]):
                same = same and held[i, w] == theirs[row, w]
            out[i] = codes[0] if same else codes[1]
        elif known:
            out[i] = codes[3] if told[i] else codes[2]
        else:
            out[i] = codes[4] if has or told[i] else codes[5]


@jit
def count_bearers(
    names: NDArray[np.uint32],
    surname: NDArray[np.int64],
    middle: NDArray[np.int64],
    given: NDArray[np.int64],
) -> None:
    """Count names by the tokens that stand first, between and last in them; a single token stands last.

    names : uint32[n, k], 0 behind the last token;  the others, int64[tokens], are added to
    """
    for i in range(names.shape[0]):
        count = 0
        while count < names.shape[1] and names[i, count] != 0:
            count += 1
        if count == 0:
            continue
        given[names[i, count - 1]] += 1
        if count > 1:
            surname[names[i, 0]] += 1
        for place in range(1, count - 1):
            middle[names[i, place]] += 1


@jit
def find_marked(names: NDArray[np.uint32], marked: NDArray[np.bool_], out: NDArray[np.bool_]) -> None:
    """Whether any token of each name is marked: out bool[n]; names uint32[n, k], marked bool[tokens]."""
    for i in range(names.shape[0]):
        found = False
        for place in range(names.shape[1]):
            found |= marked[names[i, place]]
        out[i] = found
