"""Records of persons beside one another: who else says the same, counted by source.

Records come grouped by person: ``order`` uint32[k] of records, ``starts`` int64[g + 1] where each person's
begin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline, inner, jit

#: Records of one person up to which each is held against each; of more, values are sorted first.
_FEW = 48


@jit
def group_rows(person: NDArray[np.uint32], starts: NDArray[np.int64], order: NDArray[np.uint32]) -> None:
    """Group rows by person, those of one in their order: a counting sort.

    person : uint32[k], below ``starts.shape[0] - 1``;  starts : int64[persons + 1];  order : uint32[k]
    """
    starts[:] = 0
    for i in range(person.shape[0]):
        starts[person[i] + 1] += 1
    for p in range(starts.shape[0] - 1):
        starts[p + 1] += starts[p]
    at = starts[:-1].copy()
    for i in range(person.shape[0]):
        order[at[person[i]]] = i
        at[person[i]] += 1


@inline
def _mark(seen: NDArray[np.uint8], bit: np.uint8, source: int) -> int:
    """Note a source once: 1 the first time, 0 afterwards."""
    fresh = 1 if seen[source] & bit == 0 else 0
    seen[source] |= bit
    return fresh


@inner
def _held_by_few(
    rows: NDArray[np.uint32],
    source: NDArray[np.uint8],
    value: NDArray[np.uint64],
    seen: NDArray[np.uint8],
    for_held: NDArray[np.uint8],
) -> None:
    for i in rows:
        if value[i] == 0:
            continue
        count = 0
        for j in rows:
            if value[j] == value[i] and source[j] != source[i]:
                count += _mark(seen, np.uint8(4), source[j])
        for_held[i] = count
        if count:
            for j in rows:
                seen[source[j]] &= 3


@inner
def _sort_by_value(rows: NDArray[np.uint32], value: NDArray[np.uint64]) -> None:
    """Sort rows by their values, in place: Shell's sort, with the gaps of Gonnet and Baeza-Yates (1991).

    Rows of one value come in any order. It is compiled in a tenth of the time of NumPy's sorts.
    """
    gap = rows.shape[0]
    while gap > 1:
        gap = max(1, gap * 5 // 11)
        for i in range(gap, rows.shape[0]):
            row = rows[i]
            at = i
            while at >= gap and value[rows[at - gap]] > value[row]:
                rows[at] = rows[at - gap]
                at -= gap
            rows[at] = row


@inner
def _held_by_many(
    rows: NDArray[np.uint32],
    source: NDArray[np.uint8],
    value: NDArray[np.uint64],
    seen: NDArray[np.uint8],
    for_held: NDArray[np.uint8],
) -> None:
    by = rows.copy()
    _sort_by_value(by, value)
    start = 0
    while start < by.shape[0]:
        held = value[by[start]]
        stop = start
        count = 0
        while stop < by.shape[0] and value[by[stop]] == held:
            count += _mark(seen, np.uint8(4), source[by[stop]])
            stop += 1
        for i in range(start, stop):
            row = by[i]
            seen[source[row]] &= 3
            if held != 0:
                for_held[row] = count - 1
        start = stop


@inline
def _vote_of_two(
    order: NDArray[np.uint32],
    begin: int,
    source: NDArray[np.uint8],
    value: NDArray[np.uint64],
    agrees: NDArray[np.bool_],
    contrary: NDArray[np.bool_],
    for_register: NDArray[np.uint8],
    for_held: NDArray[np.uint8],
    against: NDArray[np.uint8],
) -> None:
    one, other = order[begin], order[begin + 1]
    apart = source[one] != source[other]
    held = np.uint8(apart and value[one] != 0 and value[one] == value[other])
    for_held[one], for_held[other] = held, held
    for_register[one], for_register[other] = apart and agrees[other], apart and agrees[one]
    against[one], against[other] = apart and contrary[other], apart and contrary[one]


@jit
def count_votes(
    starts: NDArray[np.int64],
    order: NDArray[np.uint32],
    source: NDArray[np.uint8],
    value: NDArray[np.uint64],
    agrees: NDArray[np.bool_],
    contrary: NDArray[np.bool_],
    for_register: NDArray[np.uint8],
    for_held: NDArray[np.uint8],
    against: NDArray[np.uint8],
) -> None:
    """Count, for every record, the other sources of its person that agree, hold its value, or are contrary.

    source, value (0 none), agrees, contrary : of k records;  the last three, uint8[k], are filled: sources
    with a record that agrees, with one of the very value, and with one that is contrary, the own one apart.
    """
    seen = np.zeros(256, np.uint8)
    for p in range(starts.shape[0] - 1):
        begin, end = starts[p], starts[p + 1]
        if end - begin == 1:
            only = order[begin]
            for_register[only], for_held[only], against[only] = 0, 0, 0
        if end - begin <= 1:
            continue
        if end - begin == 2:
            _vote_of_two(order, begin, source, value, agrees, contrary, for_register, for_held, against)
            continue
        rows = order[begin:end]
        agreeing, opposing, several = 0, 0, False
        for i in rows:
            if agrees[i]:
                agreeing += _mark(seen, np.uint8(1), source[i])
            if contrary[i]:
                opposing += _mark(seen, np.uint8(2), source[i])
            several |= source[i] != source[rows[0]]
        for i in rows:
            own = seen[source[i]]
            for_register[i] = agreeing - (1 if own & 1 else 0)
            against[i] = opposing - (1 if own & 2 else 0)
            for_held[i] = 0
        for i in rows:
            seen[source[i]] = 0
        if several:
            if rows.shape[0] <= _FEW:
                _held_by_few(rows, source, value, seen, for_held)
            else:
                _held_by_many(rows, source, value, seen, for_held)


@inline
def _count_pairs(
    voices: NDArray[np.int64],
    source: NDArray[np.uint8],
    manner: NDArray[np.uint8],
    value: NDArray[np.uint64],
    shared: int,
    pairs: NDArray[np.int64],
    agreed: NDArray[np.int64],
) -> None:
    for i in range(voices.shape[0]):
        one = voices[i]
        for j in range(i + 1, voices.shape[0]):
            other = voices[j]
            a, b = np.int64(manner[one]), np.int64(manner[other])
            a_shared, b_shared = (shared >> a) & 1, (shared >> b) & 1
            if a_shared and b_shared:
                pairs[0, source[one], source[other]] += 1
            elif a_shared:
                pairs[b, source[one], source[other]] += 1
            elif b_shared:
                pairs[a, source[one], source[other]] += 1
            elif a == b:
                pairs[a, source[one], source[other]] += 1
                if value[one] != 0 and value[one] == value[other]:
                    agreed[a] += 1


@jit
def hear_voices(
    order: NDArray[np.int64],
    person: NDArray[np.int64],
    source: NDArray[np.uint8],
    value: NDArray[np.uint64],
    manner: NDArray[np.uint8],
    marks: NDArray[np.uint8],
    shared: int,
    telling: int,
    counts: NDArray[np.int64],
    marked: NDArray[np.int64],
    pairs: NDArray[np.int64],
    agreed: NDArray[np.int64],
    chosen: NDArray[np.int64],
    records: NDArray[np.int32],
) -> int:
    """Find each source's voice on each person, count all voices, and keep those on telling persons.

    A voice is the first of a source's records of a person that are heard, if all of these have its value.

    order : int64[m], records by person and source
    person, source, value (0 none), manner : of all records; below S sources, below M manners, 0 is not heard
    marks : of all records, below L; an odd one makes the person of a voice telling, as a manner of
        ``telling`` does
    shared, telling : bits of manners; one that is shared may be paired with every other
    counts : int64[S, M], added to: voices by source and manner;  marked : int64[L], added to: voices by mark
    pairs  : int64[M, S, S], added to: pairs of one person's voices, two of shared manners at manner 0, of a
        shared one and another at the other's, of two equal ones at theirs
    agreed : int64[M], added to: pairs of two equal manners, neither shared, that hold one value
    chosen, records : of length m, filled with the voices that are kept and how many records each stands for;
        how many they are
    """
    found, begin, at, tells, who = 0, 0, 0, False, np.int64(-1)
    while at < order.shape[0]:
        first = order[at]
        at += 1
        if manner[first] == 0:
            continue
        if person[first] != who:
            _count_pairs(chosen[begin:found], source, manner, value, shared, pairs, agreed)
            found = found if tells else begin
            begin, tells, who = found, False, person[first]
        size, one = 1, True
        while at < order.shape[0]:
            other = order[at]
            if person[other] != who or source[other] != source[first]:
                break
            if manner[other] != 0:
                size += 1
                one = one and value[other] == value[first]
            at += 1
        if one:
            chosen[found], records[found] = first, size
            found += 1
            counts[source[first], manner[first]] += 1
            marked[marks[first]] += 1
            tells = tells or marks[first] & 1 != 0 or (telling >> np.int64(manner[first])) & 1 != 0
    _count_pairs(chosen[begin:found], source, manner, value, shared, pairs, agreed)
    return found if tells else begin
