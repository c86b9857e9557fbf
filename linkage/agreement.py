"""How a record's value of a field relates to the register's value of the person it is linked to.

The relation has a direction: a record can say less than the register, or more. It is found on coded columns,
the distinct forms of tokens and sets of units, never on text.
"""

from __future__ import annotations

import numpy as np

from kernels._door import reading
from kernels.pairs import set_relations
from kernels.relations import relate_values
from kernels.tokens import TokenForms
from linkage.coded import Meaning
from linkage.name_keys import name_codes

#: Neither holds a value.
NOTHING = 0
#: The same after standardisation; the texts may differ. Of units: one of today's units can be meant by both.
EQUAL = 1
#: The record holds nothing, the register something.
HELD_EMPTY = 2
#: The register holds nothing, the record something.
REGISTER_EMPTY = 3
#: The record's value is a less complete form of the register's: diacritics dropped, middle names left out or
#: abbreviated, a date without its day.
LESS = 4
#: The register's value is a less complete form of the record's.
MORE = 5
#: An earlier value of this person: a cancelled number, or the nine-digit number where the personal number
#: belongs.
EARLIER = 6
#: Another value.
DIFFERENT = 7
#: The record holds a text that cannot be read as this field; the register holds a value.
UNREADABLE = 8

#: The relations by code.
RELATIONS: tuple[str, ...] = (
    "nothing",
    "equal",
    "held_empty",
    "register_empty",
    "less",
    "more",
    "earlier",
    "different",
    "unreadable",
)

#: What :func:`kernels.relations.relate_values` tells apart.
_SIDES = np.array([EQUAL, DIFFERENT, HELD_EMPTY, UNREADABLE, REGISTER_EMPTY, NOTHING], np.uint8)

#: Letters by which an abbreviation can be recognised; none is longer.
_ABBREVIATED = 3


def relate(
    meaning: Meaning,
    field: str,
    held: np.ndarray,
    theirs: np.ndarray,
    told: np.ndarray,
    *,
    person: np.ndarray | None = None,
    earlier: np.ndarray | None = None,
    older: np.ndarray | None = None,
    before: np.ndarray | None = None,
) -> np.ndarray:
    """Relation of a field of records to that of persons: uint8[k], one of :data:`RELATIONS`.

    held    : coded values of k records;  theirs : of register persons
    told    : bool[k], the record submitted a text that is not blank
    person  : uint32[k], the row in ``theirs`` of each record's person; its own where it is not given
    earlier : int64[persons, w], of an identifier: the persons' cancelled ones
    older   : int64[k], of an identifier: a number of an earlier kind that stands in this field's column of
              the record, 0 none; it is looked for in ``before``, int64[persons], the persons' of that kind
    """
    k, kind = held.shape[0], meaning.kinds[field]
    if person is None:
        person = np.arange(k, dtype=np.uint32)
    out = np.empty(k, np.uint8)
    sides = _SIDES.copy()
    if kind == "unit":  # a set of no present unit is not even equal to itself
        sides[0] = DIFFERENT
    missing = -1 if kind == "unit" else 0
    mine, register = (a[:, None] if a.ndim == 1 else a for a in (held, theirs))
    relate_values(
        reading(mine, mine.dtype, "held", mine.shape[1]),
        reading(register, mine.dtype, "theirs", mine.shape[1]),
        reading(person, np.uint32, "person"),
        reading(told, np.bool_, "told"),
        missing,
        sides,
        out,
    )
    rest = np.flatnonzero(out == DIFFERENT)
    of = person[rest]
    if kind == "name":
        out[rest] = relate_names(held[rest], theirs[of], meaning.tokens.forms)
    elif kind == "date":
        out[rest] = relate_dates(held[rest], theirs[of])
    elif kind == "unit":
        out[rest[_overlap(held, theirs, rest, of, meaning)]] = EQUAL
    elif earlier is not None:
        out[rest[(earlier[of] == held[rest, None]).any(axis=1)]] = EARLIER
    if older is not None and before is not None:
        at = np.flatnonzero((older != 0) & (held == missing) & (theirs[person] != missing))
        found = before[person[at]]
        out[at] = np.where((found == older[at]) | (found == 0), EARLIER, DIFFERENT)
    return out


def _overlap(
    held: np.ndarray, theirs: np.ndarray, rows: np.ndarray, persons: np.ndarray, meaning: Meaning
) -> np.ndarray:
    """Whether the sets of units at ``rows`` and at ``persons`` have one of today's in common: bool[r]."""
    units = meaning.units
    bits = np.empty(rows.shape[0], np.uint32)
    set_relations(
        np.ascontiguousarray(held),
        np.ascontiguousarray(theirs),
        rows.astype(np.int64),
        persons.astype(np.int64),
        units.offsets,
        units.members,
        units.province,
        bits,
    )
    return np.asarray((bits & 4) != 0)


def relate_dates(held: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """EQUAL, LESS, MORE or DIFFERENT of date codes (int32[k], none of them 0): uint8[k]."""
    out = np.full(held.shape[0], DIFFERENT, np.uint8)
    out[_date_fits(theirs, held)] = MORE
    out[_date_fits(held, theirs)] = LESS
    out[held == theirs] = EQUAL
    return out


def _date_fits(less: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Whether a date without its day, or without day and month, leaves room for the other."""
    month = (less >> 5) & 15
    year_only = (month == 0) & (less >> 9 == whole >> 9)
    return (less & 31 == 0) & (year_only | (less >> 5 == whole >> 5))


def relate_names(held: np.ndarray, theirs: np.ndarray, forms: TokenForms) -> np.ndarray:
    """EQUAL, LESS, MORE or DIFFERENT of names (uint32[k, 8], none of them empty): uint8[k]."""
    out = np.full(held.shape[0], DIFFERENT, np.uint8)
    same = (held == theirs).all(axis=1)
    out[same] = EQUAL
    rest = np.flatnonzero(~same)
    if rest.size:
        out[rest[name_fits(theirs[rest], held[rest], forms)]] = MORE
        out[rest[name_fits(held[rest], theirs[rest], forms)]] = LESS
    return out


def without_marks(forms: TokenForms) -> tuple[np.ndarray, TokenForms]:
    """Of every token the one that stands for its ASCII form, uint32[v], and forms in which none has marks.

    Names of such tokens, related by such forms, differ only where they do without diacritics.
    """
    order = np.lexsort((np.asarray(forms.marked) != 0, forms.ascii))
    ascii_ = np.asarray(forms.ascii)[order]
    first = np.append(True, ascii_[1:] != ascii_[:-1])
    stands = np.empty(order.shape[0], np.uint32)
    stands[order] = order[first][np.cumsum(first) - 1]
    return stands, forms._replace(marked=np.zeros_like(forms.marked))


def name_fits(less: np.ndarray, whole: np.ndarray, forms: TokenForms) -> np.ndarray:
    """Whether each name of ``less`` is the one of ``whole`` with something left out: bool[k].

    Surname stands for surname, given name for given name, and the middles for middles of the other in order,
    others left out. A token stands for another where it is the same, the same without any of the other's
    diacritics, or (``single``) plain letters that begin it; surname or given name must be more than
    abbreviated.
    A name of one token stands for one of one token only. Names that differ in diacritics both have, or in
    letters, do not fit.
    """
    n, m = (less != 0).sum(axis=1), (whole != 0).sum(axis=1)
    k = less.shape[0]
    every = np.arange(k)
    first_full = _stands_in_full(less[:, 0], whole[:, 0], forms)
    last_less, last_whole = less[every, n - 1], whole[every, m - 1]
    last_full = _stands_in_full(last_less, last_whole, forms)
    fits = (n <= m) & ((n > 1) == (m > 1)) & (first_full | last_full)
    fits &= first_full | _abbreviates(less[:, 0], whole[:, 0], forms)
    fits &= last_full | _abbreviates(last_less, last_whole, forms)
    at = np.ones(k, np.int64)
    for place in range(1, whole.shape[1] - 1):
        open_ = np.flatnonzero(fits & (place < m - 1) & (at < n - 1))
        if not open_.size:
            break
        a, b = less[open_, at[open_]], whole[open_, place]
        at[open_] += _stands_in_full(a, b, forms) | _abbreviates(a, b, forms)
    return fits & (at >= n - 1)


def _stands_in_full(a: np.ndarray, b: np.ndarray, forms: TokenForms) -> np.ndarray:
    return (a == b) | ((forms.ascii[a] == forms.ascii[b]) & (forms.marked[a] == 0))


def _abbreviates(a: np.ndarray, b: np.ndarray, forms: TokenForms) -> np.ndarray:
    plain = (forms.single[a] != 0) & (forms.marked[a] == 0)
    single = np.flatnonzero(plain & (forms.initial[a] == forms.initial[b]))
    out = np.zeros(a.shape[0], bool)
    start, other = forms.char_offsets[a[single]], forms.char_offsets[b[single]]
    length = forms.char_offsets[a[single].astype(np.int64) + 1] - start
    fits = length <= forms.char_offsets[b[single].astype(np.int64) + 1] - other
    for letter in range(1, _ABBREVIATED):
        inside = letter < length
        fits &= ~inside | (forms.chars[start + letter] == forms.chars[other + letter])
    out[single] = fits & (length <= _ABBREVIATED)
    return out


def value_keys(meaning: Meaning, field: str, values: np.ndarray) -> np.ndarray:
    """A key of the standard value that coded ``values`` of a field stand for, uint64[k], 0 none.

    Equal values have equal keys: names by the hash of their tokens, everything else by its code. Two sets of
    units are equal where all their members are.
    """
    kind = meaning.kinds[field]
    if kind == "name":
        return name_codes(np.ascontiguousarray(values), meaning.tokens, "")
    return (values + 1 if kind == "unit" else values).astype(np.uint64)
