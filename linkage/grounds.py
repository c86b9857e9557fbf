"""Grounds for a correction beyond the register: what numbers say of their holders, who bears a spelling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels._door import reading
from kernels.relations import count_bearers
from kernels.tokens import TokenForms

#: Bearers of the register's token, in its place of the name, that make a spelling common.
COMMON_BEARERS = 50

#: How many times as common another spelling makes one look like a slip.
OUTSHONE = 1_000

#: Single letters that are whole words of a name: vowels, and the highland prefixes H and K.
_WHOLE_LETTERS = np.array([ord(letter) for letter in "aeiouyhk"], np.uint32)


@dataclass(frozen=True)
class NumberSays:
    """What personal numbers say of their holders; 0 is nothing.

    sex : uint8[n], 1 M, 2 F;  year : int16[n], of birth
    """

    sex: np.ndarray
    year: np.ndarray

    def against(self, sex: np.ndarray, birth: np.ndarray) -> np.ndarray:
        """Whether sex (uint8[n]) or birth date (int32[n], code) contradict what the number says: bool[n]."""
        return _differ(self.sex, sex) | _differ(self.year, birth >> 9)

    def agrees(self, sex: np.ndarray, birth: np.ndarray) -> np.ndarray:
        """Whether the birth year is known and the number's, and the sex, where known, is too: bool[n]."""
        return (self.year != 0) & (self.year == birth >> 9) & ~_differ(self.sex, sex)


def _differ(said: np.ndarray, held: np.ndarray) -> np.ndarray:
    return (said != 0) & (held != 0) & (said != held)


@dataclass(frozen=True)
class Person:
    """Sex and birth date of records or persons, and what their numbers say; arrays of n."""

    sex: np.ndarray
    birth: np.ndarray
    says: NumberSays


def number_grounds(record: Person, person: Person, no_number: np.ndarray) -> np.ndarray:
    """Whether the structure of numbers is against the record's number and for the person's: bool[n].

    The held number cannot be one (``no_number``: bool[n]), or contradicts the record's own sex or birth year;
    and the person's number agrees with these.
    """
    wrong = no_number | record.says.against(record.sex, record.birth)
    return wrong & person.says.agrees(record.sex, record.birth)


def sex_grounds(record: Person, person: Person) -> tuple[np.ndarray, np.ndarray]:
    """Whether the person's number says the register's sex and not the record's, and the reverse: bool[n]."""
    said = person.says.sex
    return (
        _differ(said, record.sex) & (said == person.sex),
        _differ(said, person.sex) & (said == record.sex),
    )


def birth_grounds(record: Person, person: Person) -> tuple[np.ndarray, np.ndarray]:
    """Whether the person's number says the register's birth year and not the record's, and the reverse.

    bool[n] each. The number knows nothing of day and month: where these differ too, it is no ground.
    """
    said, mine, theirs = person.says.year, record.birth >> 9, person.birth >> 9
    rest = record.birth & 511 == person.birth & 511
    return _differ(said, mine) & (said == theirs) & rest, _differ(said, theirs) & (said == mine)


@dataclass(frozen=True)
class Bearers:
    """How many register persons bear a token as surname, as given name, and in the middle: int64[v] each."""

    surname: np.ndarray
    middle: np.ndarray
    given: np.ndarray

    @staticmethod
    def of(names: np.ndarray, vocabulary: int) -> Bearers:
        """Counts over the register's names, uint32[n, 8]; ``vocabulary`` tokens, token 0 counts as none."""
        surname, middle, given = (np.zeros(vocabulary, np.int64) for _ in range(3))
        count_bearers(reading(names, np.uint32, "names", names.shape[1]), surname, middle, given)
        return Bearers(surname, middle, given)

    def at(self, place: int, last: np.ndarray, token: np.ndarray) -> np.ndarray:
        """Bearers of tokens (uint32[n]) that stand at a place of their names, ``last`` where bool[n]."""
        first = self.surname if place == 0 else self.middle
        return np.where(last, self.given[token], first[token])

    def commonest(self, forms: np.ndarray) -> Bearers:
        """Of every token the most bearers that any token of its form has there; forms uint32[v]."""

        def most(counts: np.ndarray) -> np.ndarray:
            best = np.zeros(int(forms.max(initial=0)) + 1, np.int64)
            np.maximum.at(best, forms, counts)
            return best[forms]

        return Bearers(most(self.surname), most(self.middle), most(self.given))

    def together(self, forms: np.ndarray) -> Bearers:
        """Of every token the bearers of all tokens of its form; forms uint32[v]."""

        def total(counts: np.ndarray) -> np.ndarray:
            out = np.zeros(int(forms.max(initial=0)) + 1, np.int64)
            np.add.at(out, forms, counts)
            return out[forms]

        return Bearers(total(self.surname), total(self.middle), total(self.given))


def spelling_grounds(
    held: np.ndarray, theirs: np.ndarray, bearers: Bearers, like: Bearers, forms: TokenForms
) -> np.ndarray:
    """Whether the names differ only in tokens that nobody bears where the register's are common: bool[k].

    held, theirs : uint32[k, 8], names of as many tokens. Each token counts in its place: as surname, given
    name or between; common is borne by :data:`COMMON_BEARERS` or more. Nobody bears a token without
    diacritics that was typed without them: where it is not the register's so typed, those of its ASCII form
    count (``like``, :meth:`Bearers.together`), and common they must not be.
    """
    n, m = (held != 0).sum(axis=1), (theirs != 0).sum(axis=1)
    good = (n == m) & (n > 1) & (held != theirs).any(axis=1)
    for place in range(held.shape[1]):
        a, b, last = held[:, place], theirs[:, place], place == n - 1
        fits = (bearers.at(place, last, a) == 0) & (bearers.at(place, last, b) >= COMMON_BEARERS)
        fits &= (
            (forms.marked[a] != 0)
            | (forms.ascii[a] == forms.ascii[b])
            | (like.at(place, last, a) < COMMON_BEARERS)
        )
        good &= fits | (a == b)
    return good


def rare_spelling(held: np.ndarray, theirs: np.ndarray, bearers: Bearers, commonest: Bearers) -> np.ndarray:
    """Whether the register's name has a token, not among the record's, that looks like a slip: bool[k].

    held, theirs : uint32[k, 8]. One person alone bears it in its place, or another of its ASCII form
    (``commonest``) is borne there :data:`OUTSHONE` times as often. So is a very rare name.
    """
    m = (theirs != 0).sum(axis=1)
    out = np.zeros(held.shape[0], bool)
    for place in range(theirs.shape[1]):
        token, last = theirs[:, place], place == m - 1
        borne = bearers.at(place, last, token)
        rare = (borne <= 1) | (borne * OUTSHONE <= commonest.at(place, last, token))
        out |= (place < m) & rare & (held != token[:, None]).all(axis=1)
    return out


def abbreviated(names: np.ndarray, forms: TokenForms) -> np.ndarray:
    """Whether names (uint32[k, 8]) have a token that can only abbreviate another: bool[k].

    Up to three letters without a vowel (``single``); a vowel alone, and a highland prefix H or K, are none.
    """
    short = np.asarray(forms.single) != 0
    letters = np.diff(forms.char_offsets)
    short = short & ((letters != 1) | ~np.isin(forms.initial, _WHOLE_LETTERS))
    return np.asarray(short[names].any(axis=1))


def commoner_held(held: np.ndarray, theirs: np.ndarray, bearers: Bearers) -> np.ndarray:
    """Whether names of as many tokens differ in one that is :data:`OUTSHONE` times as common as the
    register's in its place: bool[k]; the register's looks like the slip.
    """
    n, m = (held != 0).sum(axis=1), (theirs != 0).sum(axis=1)
    out = np.zeros(held.shape[0], bool)
    for place in range(held.shape[1]):
        a, b, last = held[:, place], theirs[:, place], place == n - 1
        mine, other = bearers.at(place, last, a), bearers.at(place, last, b)
        out |= (a != b) & (mine > 0) & (other * OUTSHONE <= mine)
    return out & (n == m)
