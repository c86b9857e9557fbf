"""What two identifiers have to do with one another, as bits.

An identifier of 1 to 16 digits is the int64 code ``length << 56 | value``, 0 standing for none. Vietnamese
personal numbers have twelve digits and no check digit: three for the province of birth registration, one for
century and sex, two for the year of birth, six at random (Decree 137/2015, article 13). A slip is therefore
never visible in the number itself, and what the kinds of slip are worth is left to the model.

The bits are facts and can stand together: a leading zero lost is also one digit dropped. All are symmetric.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading, same_length, writing
from kernels._jit import inline, jit

#: Either side has no identifier; no other bit.
NULL = 1
#: Both are the same digits; no other bit.
EXACT = 2
#: As many digits, exactly one of them another.
ONE_DIGIT = 4
#: As many digits, two different neighbours changed places.
ADJACENT_SWAP = 8
#: One digit more on one side, which when dropped gives the other; a doubled digit is such a case.
ONE_EDIT = 16
#: The same number with leading zeros lost, as spreadsheets do: equal value, another length.
LOST_ZERO = 32
#: Both of twelve digits, the last six equal, the first six not.
SAME_TAIL = 64
#: Both of twelve digits, the first six (province, century and sex, year) equal, the last six not.
SAME_HEAD = 128
#: None of EXACT, ONE_DIGIT, ADJACENT_SWAP, ONE_EDIT, LOST_ZERO: no single slip leads from one to the other.
DIFFERENT = 256

#: The bits by name, for configuration and reports.
BITS = {
    "null": NULL,
    "exact": EXACT,
    "one_digit": ONE_DIGIT,
    "adjacent_swap": ADJACENT_SWAP,
    "one_edit": ONE_EDIT,
    "lost_zero": LOST_ZERO,
    "same_tail": SAME_TAIL,
    "same_head": SAME_HEAD,
    "different": DIFFERENT,
}

#: Most digits of an identifier.
LONGEST = 16

_VALUE = (1 << 56) - 1
_SIX = 1_000_000
_POWERS = np.array([10**k for k in range(18)], np.int64)


@inline
def _same_length(x: int, y: int) -> int:
    """Two different values written with as many digits.

    One changed digit makes the difference a digit times a power of ten, two swapped neighbours nine times a
    digit times one; the power is that of the lower place concerned, and the digits above must be equal.
    """
    rest = abs(x - y)
    place = 0
    while rest % 10 == 0:
        rest //= 10
        place += 1
    if rest <= 9 and x // _POWERS[place + 1] == y // _POWERS[place + 1]:
        return ONE_DIGIT
    if rest <= 81 and rest % 9 == 0:
        x //= _POWERS[place]
        y //= _POWERS[place]
        if x // 100 == y // 100 and (x // 10) % 10 == y % 10 and x % 10 == (y // 10) % 10:
            return ADJACENT_SWAP
    return 0


@inline
def _one_longer(longer: int, shorter: int, length: int) -> int:
    """Two values of ``length + 1`` and ``length`` digits: drop the digit above the last ones that agree."""
    place = length
    rest = abs(longer - shorter)
    if rest != 0:
        place = 0
        while rest % 10 == 0 and place < length:
            rest //= 10
            place += 1
    return ONE_EDIT if longer // _POWERS[place + 1] == shorter // _POWERS[place] else 0


@inline
def identifier_bits(a: int, b: int) -> np.uint32:
    """The bits of one pair of int64 codes."""
    if a == 0 or b == 0:
        return np.uint32(NULL)
    if a == b:
        return np.uint32(EXACT)
    x = a & _VALUE
    y = b & _VALUE
    n = a >> 56
    m = b >> 56
    bits = 0
    if n == m:
        bits = _same_length(x, y)
        if n == 12:
            head_x = x // _SIX
            head_y = y // _SIX
            if head_x == head_y:
                bits |= SAME_HEAD
            elif x - head_x * _SIX == y - head_y * _SIX:
                bits |= SAME_TAIL
    else:
        if x == y:
            bits = LOST_ZERO
        if n == m + 1:
            bits |= _one_longer(x, y, m)
        elif m == n + 1:
            bits |= _one_longer(y, x, n)
    if bits & (ONE_DIGIT | ADJACENT_SWAP | ONE_EDIT | LOST_ZERO) == 0:
        bits |= DIFFERENT
    return np.uint32(bits)


@jit
def _read_digits(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    value: NDArray[np.int64],
    length: NDArray[np.uint8],
) -> None:
    for row in range(value.shape[0]):
        start = offsets[row]
        stop = offsets[row + 1]
        number = np.int64(0)
        digits = np.uint8(0)
        if 0 < stop - start <= LONGEST:
            digits = np.uint8(stop - start)
            for at in range(start, stop):
                digit = np.int64(data[at]) - 48
                if digit < 0 or digit > 9:
                    number = np.int64(0)
                    digits = np.uint8(0)
                    break
                number = number * 10 + digit
        value[row] = number
        length[row] = digits


def read_digits(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    value: NDArray[np.int64],
    length: NDArray[np.uint8],
) -> None:
    """Fill ``value`` and ``length`` (n) with the number and how many digits write it, leading zeros counted.

    Row i is the text ``data[offsets[i]:offsets[i + 1]]``; ``offsets`` is int64[n + 1] and rises. A text that
    is not 1 to 16 ASCII digits gives 0 and 0. Raises ValueError for other shapes and types and for offsets
    beyond the data.
    """
    at = reading(offsets, np.int64, "offsets")
    held = reading(data, np.uint8, "data")
    if at.shape[0] == 0 or at[0] < 0 or at[-1] > held.shape[0]:
        raise ValueError(
            f"The offsets end at {at[-1] if at.shape[0] else 'nothing'}."
            f" Wanted: n + 1 offsets within {held.shape[0]} bytes. Pass the column's own."
        )
    rows = at.shape[0] - 1
    _read_digits(at, held, writing(value, np.int64, rows), writing(length, np.uint8, rows))


@jit
def _identifier_bits_pairs(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    out: NDArray[np.uint32],
) -> None:
    for k in range(out.shape[0]):
        out[k] = identifier_bits(left[left_index[k]], right[right_index[k]])


def identifier_bits_pairs(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    left_index: NDArray[np.int64],
    right_index: NDArray[np.int64],
    out: NDArray[np.uint32],
) -> None:
    """Fill ``out: uint32[k]`` with the bits of the pairs ``left[left_index], right[right_index]``.

    All are int64 but ``out``. The rows are not checked. Raises ValueError for other shapes and types.
    """
    li = reading(left_index, np.int64, "left_index")
    ri = reading(right_index, np.int64, "right_index")
    _identifier_bits_pairs(
        reading(left, np.int64, "left"),
        reading(right, np.int64, "right"),
        li,
        ri,
        writing(out, np.uint32, same_length(li, ri)),
    )
