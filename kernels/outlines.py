"""What the outlines of two records say of the greatest weight that the two can have as a pair.

An outline is three words of a record, small enough to be looked at for every candidate pair. The first word
has four fields of 15 bits, each with a free bit above it, the second six fields of 9 bits, the third an
identifier (:mod:`kernels.identifiers`) and, above its 59 bits, which of 32 steps the record's name adds to a
weight. A field is 0 where the record has nothing to compare. Fields that differ are of values that differ; of
others, values may differ too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading
from kernels._jit import inline, jit
from kernels.identifiers import ADJACENT_SWAP, LOST_ZERO, ONE_DIGIT, ONE_EDIT, identifier_bits

#: Bits of a field of the first and of the second word, without the free one, and how many fields either has.
WIDE, NARROW = 15, 9
WIDES, NARROWS = 4, 6

#: Bits of the third word that are the identifier's digits, and those with their number above it.
DIGITS, CODE = 54, 59

#: What two identifiers can be that are not equal.
NONE, NEAR, FAR = 0, 1, 2

#: In place of a register row: there is none.
NOBODY = np.uint32((1 << 32) - 1)

#: Entries of a table of bounds for each of NONE, NEAR and FAR: every field is missing, like or unlike.
STATES = 3 ** (WIDES + NARROWS)

_SLIPS = ONE_DIGIT | ADJACENT_SWAP | ONE_EDIT | LOST_ZERO


def _spread(value: int, bits: int, fields: int) -> np.uint64:
    return np.uint64(sum(value << (bits + 1) * k for k in range(fields)))


_FULL_1, _TOP_1 = _spread((1 << WIDE) - 1, WIDE, WIDES), _spread(1 << WIDE, WIDE, WIDES)
_FULL_2, _TOP_2 = _spread((1 << NARROW) - 1, NARROW, NARROWS), _spread(1 << NARROW, NARROW, NARROWS)
_CODE = np.uint64((1 << CODE) - 1)
_VALUE = (1 << DIGITS) - 1
_CODE_BITS = np.uint64(CODE)

# A product that brings the free bits of all fields side by side to the top of a word.
_JOIN_1 = np.uint64(sum(1 << (64 - WIDES - WIDE * k) for k in range(WIDES)))
_JOIN_2 = np.uint64(sum(1 << (64 - NARROWS - NARROW * k) for k in range(NARROWS)))
_WIDE, _NARROW = np.uint64(WIDE), np.uint64(NARROW)
_FROM_1, _FROM_2 = np.uint64(64 - WIDES), np.uint64(64 - NARROWS)


def packed_codes(codes: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Codes of identifiers (:mod:`kernels.identifiers`) in the bits that the third word has for them."""
    packed = (codes & _VALUE) | (codes >> 56) << DIGITS
    return packed.astype(np.uint64)


def field_states(fields: int, step: int) -> NDArray[np.int32]:
    """Sums over ``fields`` fields of ``step * 3**field`` times 0, 1 or 2: missing, like or unlike.

    int32[4**fields], by the bits of unlike fields, and above these the bits of missing ones.
    """
    index = np.arange(1 << 2 * fields)
    out = np.zeros(index.shape[0], np.int32)
    for k in range(fields):
        unlike, missing = index >> k & 1, index >> fields + k & 1
        out += (step * 3**k * (1 - missing) * (1 + unlike)).astype(np.int32)
    return out


_STATES_1, _STATES_2 = field_states(WIDES, 1), field_states(NARROWS, 3**WIDES)


@jit
def contested_blocks(
    starts: NDArray[np.int64],
    members: NDArray[np.uint32],
    n_register: NDArray[np.int32],
    own: NDArray[np.uint32],
    first: int,
    out: NDArray[np.uint32],
    out_starts: NDArray[np.int64],
    out_register: NDArray[np.int32],
) -> int:
    """Blocks with only those agency records that meet a register record other than their own; returns how
    many have any.

    starts, members, n_register : as in :func:`rival_pairs`
    own        : uint32[agency rows], of each row from ``first`` on its own register row, :data:`NOBODY` of
                 one that is left out
    out        : uint32[k], filled with the members of the blocks that are kept
    out_starts : int64[blocks + 1], where they begin;  out_register : int32[blocks]
    """
    n = 0
    at = np.int64(0)
    out_starts[0] = 0
    for block in range(starts.shape[0] - 1):
        begin = starts[block]
        middle = begin + n_register[block]
        end = at + n_register[block]
        for place in range(middle, starts[block + 1]):
            person = own[np.int64(members[place]) - first]
            if person == NOBODY or n_register[block] == 0:
                continue
            if n_register[block] > 1 or members[begin] != person:
                out[end] = members[place]
                end += 1
        if end == at + n_register[block]:
            continue
        for place in range(begin, middle):
            out[at] = members[place]
            at += 1
        at = end
        out_register[n] = n_register[block]
        n += 1
        out_starts[n] = at
    return n


@inline
def _joined_1(bits: np.uint64) -> np.uint64:
    return ((bits >> _WIDE) * _JOIN_1) >> _FROM_1


@inline
def _joined_2(bits: np.uint64) -> np.uint64:
    return ((bits >> _NARROW) * _JOIN_2) >> _FROM_2


@inline
def _code_of(third: np.uint64) -> int:
    packed = np.int64(third & _CODE)
    return int((packed & _VALUE) | (packed >> DIGITS) << 56)


@jit
def _rival_pairs(
    starts: NDArray[np.int64],
    members: NDArray[np.uint32],
    n_register: NDArray[np.int32],
    words: NDArray[np.uint64],
    least: NDArray[np.int32],
    own: NDArray[np.uint32],
    states_1: NDArray[np.int32],
    states_2: NDArray[np.int32],
    table: NDArray[np.int32],
    steps: NDArray[np.int32],
    position: NDArray[np.int64],
    left: NDArray[np.uint32],
    right: NDArray[np.uint32],
) -> int:
    n = 0
    block = position[0]
    place = position[1]
    while block < starts.shape[0] - 1:
        begin = starts[block]
        middle = begin + n_register[block]
        if place < middle:
            place = middle
        while place < starts[block + 1]:
            if n + middle - begin > left.shape[0]:
                position[0] = block
                position[1] = place
                return n
            one = place
            place += 1
            a_1 = words[one, 0]
            a_2 = words[one, 1]
            code_a = _code_of(words[one, 2])
            there_1 = a_1 + _FULL_1
            there_2 = a_2 + _FULL_2
            weight_least = least[one, 0]
            blind_least = least[one, 1]
            person = own[one]
            for other in range(begin, middle):
                if members[other] == person:
                    continue
                b_1 = words[other, 0]
                b_2 = words[other, 1]
                both_1 = there_1 & (b_1 + _FULL_1) & _TOP_1
                both_2 = there_2 & (b_2 + _FULL_2) & _TOP_2
                unlike_1 = ((a_1 ^ b_1) + _FULL_1) & both_1
                unlike_2 = ((a_2 ^ b_2) + _FULL_2) & both_2
                index = states_1[_joined_1(unlike_1) | _joined_1(_TOP_1 ^ both_1) << np.uint64(WIDES)]
                index += states_2[_joined_2(unlike_2) | _joined_2(_TOP_2 ^ both_2) << np.uint64(NARROWS)]
                third = words[other, 2]
                code_b = _code_of(third)
                near = True
                if code_a == 0 or code_b == 0:
                    kind = NONE
                elif code_a == code_b:
                    kind = -1
                elif identifier_bits(code_a, code_b) & np.uint32(_SLIPS):
                    kind = NEAR
                else:
                    kind = FAR
                if kind >= 0:
                    entry = np.int64(index) + kind * STATES
                    term = steps[third >> _CODE_BITS]
                    near = (
                        table[entry, 0] > weight_least
                        or table[entry, 1] + term > weight_least
                        or table[entry, 2] > blind_least
                        or table[entry, 3] + term > blind_least
                    )
                if near:
                    left[n] = members[one]
                    right[n] = members[other]
                    n += 1
        block += 1
        place = 0
    position[0] = block
    position[1] = 0
    return n


def rival_pairs(
    starts: NDArray[np.int64],
    members: NDArray[np.uint32],
    n_register: NDArray[np.int32],
    words: NDArray[np.uint64],
    least: NDArray[np.int32],
    own: NDArray[np.uint32],
    table: NDArray[np.int32],
    steps: NDArray[np.int32],
    position: NDArray[np.int64],
    left: NDArray[np.uint32],
    right: NDArray[np.uint32],
) -> int:
    """The next pairs of agency and register records, of those in blocks, that can weigh more than the
    record's least, or whose identifiers are equal; returns how many, 0 at the end.

    starts     : int64[blocks + 1], where each block begins in ``members``
    members    : uint32[k], rows; the register's come first in every block, ``n_register`` of them
    words      : uint64[k, 3], outlines of the members
    least      : int32[k, 2], of an agency's record, what a pair's weight, and its weight without the
                 identifier, must exceed;  own : uint32[k], the register row that is left out
    table      : int32[3 * STATES, 4], the greatest weights by what the identifiers are and the states of the
                 fields: where nothing is added for the name, where something is; both without the identifier
    steps      : int32[32], what is added for the register record's name
    position   : int64[2], block, and the place in ``members``; the walk goes on from there
    left, right: uint32[n], filled; n is at least the greatest of ``n_register``
    """
    return int(
        _rival_pairs(
            reading(starts, np.int64, "starts"),
            reading(members, np.uint32, "members"),
            reading(n_register, np.int32, "n_register"),
            words,
            least,
            own,
            _STATES_1,
            _STATES_2,
            table,
            steps,
            position,
            left,
            right,
        )
    )
