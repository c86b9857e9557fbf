"""Probabilities of records, not of pairs: the best candidate against all others and against none.

For a record of source s in identifier state k, the odds of a register candidate c, of an unregistered person,
and of a person whom blocking lost, stand as ::

    pi_s / N * 2**weight(c) : (1 - pi_s) * P(k | unregistered) / P(k) : pi_s * P(k, lost | registered) / P(k)

A candidate that weighs less than the record's best one by :data:`REACH` or more is none of them: its odds are
less than a millionth of the best one's. So candidates that far off need not be known (:mod:`linkage.settle`).

``pi_s`` iterates to the mean of 1 - P(unregistered). Powers of two come from an exact table, so that the
result does not depend on the machine's mathematics library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kernels.partition import sort_by_key
from linkage.model import STEP

#: Identifier states of an agency record: none at all; one that no register person holds; one that some holds;
#: the same two for records that bring only an old number.
STATES = ("none", "unheld", "held", "old_unheld", "old_held")

#: Share of unregistered people's identifiers that stand on a register person all the same (relatives, slips).
STRAY = 0.002

#: By how much, in 1/1024 bit, a record's best candidate outweighs those that do not count beside it.
REACH = 20 * STEP


def _power_table() -> np.ndarray:
    """2 ** (i / 1024) for i from 0 to 1023: powers of a root with 192 binary places, then rounded once."""
    one = 1 << 192
    root = 2 * one
    for _ in range(STEP.bit_length() - 1):
        root = math.isqrt(root * one)
    powers = [one]
    for _ in range(STEP - 1):
        powers.append(powers[-1] * root // one)
    return np.array([power / one for power in powers])


_POWERS = _power_table()


def power_of_two(weight: np.ndarray) -> np.ndarray:
    """2 ** (weight / 1024) for int32 fixed-point weights, float64, exact to half a unit in the last place."""
    weight = weight.astype(np.int64)
    return np.ldexp(_POWERS[weight & (STEP - 1)], (weight >> 10).astype(np.int32))


@dataclass(frozen=True)
class Prior:
    """Per source: share registered, and per state the two terms without a candidate.

    registered : float64[sources];  unregistered_term, lost_term : float64[sources, 5]
    """

    registered: np.ndarray
    unregistered_term: np.ndarray
    lost_term: np.ndarray
    iterations: int


@dataclass(frozen=True)
class Candidates:
    """Pairs of a range of records, sorted by record, falling weight and tie.

    record : int64[p], sorted;  weight : int32[p];  starts : int64[n + 1], where each record's begin
    odds   : float64[p], 2**weight / N, 0 of a pair that :data:`REACH` leaves out
    total  : float64[n], their sum by record, 0 without any
    """

    record: np.ndarray
    weight: np.ndarray
    starts: np.ndarray
    odds: np.ndarray
    total: np.ndarray

    @staticmethod
    def of(record: np.ndarray, weight: np.ndarray, n_records: int, n_register: int) -> Candidates:
        """From pairs that are sorted already."""
        starts = np.zeros(n_records + 1, np.int64)
        sizes = np.bincount(record, minlength=n_records)
        np.cumsum(sizes, out=starts[1:])
        odds = power_of_two(weight) / n_register
        has = sizes > 0
        best = np.repeat(weight[starts[:-1][has]].astype(np.int64), sizes[has])
        odds[weight <= best - REACH] = 0.0
        total = np.zeros(n_records)
        if has.any():
            total[has] = np.add.reduceat(odds, starts[:-1][has])
        return Candidates(record, weight, starts, odds, total)


@dataclass(frozen=True)
class Posterior:
    """Per record (same order as the records given): best and second candidate and probabilities.

    best, second : int64 index into the pairs, -1 none;  p_best, p_second, p_unregistered, p_lost : float64
    """

    best: np.ndarray
    second: np.ndarray
    p_best: np.ndarray
    p_second: np.ndarray
    p_unregistered: np.ndarray
    p_lost: np.ndarray


@dataclass(frozen=True)
class Tally:
    """Records counted by source, identifier state and total odds: what the prior iterates on.

    keys : int64[k], sorted;  counts : int64[k]. Counts of ranges add up, whatever the ranges. Odds are held
    to seventeen binary digits, which a mean over records does not show.
    """

    keys: np.ndarray
    counts: np.ndarray

    @staticmethod
    def of(source: np.ndarray, state: np.ndarray, total: np.ndarray) -> Tally:
        """Of records with these total odds."""
        kept = np.where(total < _LEAST_ODDS, 0.0, np.minimum(total, _MOST_ODDS))
        digits = np.ascontiguousarray(kept).view(np.int64) >> _DIGITS_CUT
        cell = source.astype(np.int64) * len(STATES) + state
        keys, counts = np.unique((cell << _DIGITS_KEPT) | digits, return_counts=True)
        return Tally(keys, counts.astype(np.int64))

    @staticmethod
    def merge(many: Sequence[Tally]) -> Tally:
        """Sum of several."""
        if not many:
            return Tally(np.zeros(0, np.int64), np.zeros(0, np.int64))
        keys, inverse = np.unique(np.concatenate([t.keys for t in many]), return_inverse=True)
        counts = np.zeros(keys.shape[0], np.int64)
        np.add.at(counts, inverse, np.concatenate([t.counts for t in many]))
        return Tally(keys, counts)

    @property
    def cells(self) -> np.ndarray:
        """Source times states plus state of every key, int64[k]."""
        return self.keys >> _DIGITS_KEPT

    @property
    def totals(self) -> np.ndarray:
        """Total odds of every key, float64[k]: the middle of those that share it."""
        digits = self.keys & ((1 << _DIGITS_KEPT) - 1)
        middle = np.where(digits > 0, (digits << _DIGITS_CUT) | (1 << (_DIGITS_CUT - 1)), 0)
        return middle.astype(np.int64).view(np.float64)

    def states(self, n_sources: int) -> np.ndarray:
        """Records by source and state, float64[sources, 5]."""
        flat = np.zeros(n_sources * len(STATES), np.int64)
        np.add.at(flat, self.cells, self.counts)
        return flat.reshape(n_sources, len(STATES)).astype(np.float64)


#: Of a total's 64 bits so many are kept in a tally, and so many cut off.
_DIGITS_KEPT, _DIGITS_CUT = 28, 36

#: Total odds beyond which nobody is unregistered, and below which nobody is found, by more than 2**-40.
_LEAST_ODDS, _MOST_ODDS = 2.0**-100, 2.0**82


def exact_sums(values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Sums of values in [0, 1] by group, int64[n_groups] in units of 2**-40, whatever the order of the rows.

    Values are rounded to whole units; at most eight million rows at once.
    """
    units = np.rint(values * 2.0**40).astype(np.int64)
    # In two halves, whose sums are whole numbers that a float holds.
    high = np.bincount(group, units >> 20, n_groups).astype(np.int64)
    low = np.bincount(group, units & ((1 << 20) - 1), n_groups).astype(np.int64)
    return (high << 20) + low


def sorted_pairs(
    record: np.ndarray, weight: np.ndarray, ties: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Order of pairs by record, falling weight and tie: uint32[p].

    ties : gives uint64[k], the order among equals, of an array of places in the pairs; asked only of those
    that share record and weight with another
    """
    falling = (1 << 31) - 1 - weight.astype(np.int64)
    ranked = ((record << 32) | falling).astype(np.uint64)
    order = np.arange(record.shape[0], dtype=np.uint32)
    sort_by_key(ranked, order)
    same = np.flatnonzero(ranked[1:] == ranked[:-1])
    if not same.size:
        return order
    tied = np.union1d(same, same + 1)
    places = order[tied]
    order[tied] = places[np.lexsort((ties(places), ranked[tied]))]
    return order


def state_terms(
    registered: np.ndarray, counts: np.ndarray, lost: float, near_share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Terms of the unregistered and of the lost, float64[sources, 5] each, before the share registered.

    registered : float64[sources];  counts : float64[sources, 5], records by state
    """
    unregistered = np.ones(counts.shape)
    missed = np.full(counts.shape, lost)
    for unheld, held, near in ((1, 2, near_share), (3, 4, 0.0)):
        both = counts[:, unheld] + counts[:, held]
        share_unheld = np.clip((counts[:, unheld] + 0.5) / (both + 1.0), 1e-6, 1 - 1e-6)
        own_unheld = np.clip((share_unheld - (1 - registered) * (1 - STRAY)) / registered, 1e-4, 1.0)
        unregistered[:, unheld] = (1 - STRAY) / share_unheld
        unregistered[:, held] = STRAY / (1 - share_unheld)
        missed[:, unheld] = own_unheld * (1 - near) * lost / share_unheld
        missed[:, held] = STRAY * lost / (1 - share_unheld)
    return unregistered, missed


def find_prior(
    tally: Tally,
    *,
    n_sources: int,
    lost: float,
    near_share: float,
    fixed: Mapping[int, float],
    rounds: int = 25,
) -> Prior:
    """Share registered of every source, iterated to the mean of 1 - P(unregistered) over all its records.

    fixed : source -> share registered, if given
    """
    counts = tally.states(n_sources)
    cell, total = tally.cells, tally.totals
    source, state = cell // len(STATES), cell % len(STATES)
    registered = np.full(n_sources, 0.99)
    for s, value in fixed.items():
        registered[s] = value
    sizes = np.maximum(counts.sum(axis=1), 1.0)
    done = 0
    while done < rounds:
        done += 1
        unregistered, missed = state_terms(registered, counts, lost, near_share)
        pi = registered[source]
        none = (1 - pi) * unregistered[source, state]
        p_none = none / (pi * total + none + pi * missed[source, state])
        # In two halves, so that whole numbers hold the sum of any number of records.
        units = np.rint(p_none * 2.0**40).astype(np.int64)
        halves = np.zeros((2, n_sources), np.int64)
        np.add.at(halves[0], source, (units >> 20) * tally.counts)
        np.add.at(halves[1], source, (units & ((1 << 20) - 1)) * tally.counts)
        fresh = 1.0 - (halves[0] / 2.0**20 + halves[1] / 2.0**40) / sizes
        fresh = np.clip(fresh, 1e-6, 1 - 1e-6)
        for s, value in fixed.items():
            fresh[s] = value
        moved = float(np.abs(fresh - registered).max(initial=0.0))
        registered = fresh
        if moved < 1e-9:
            break
    return Prior(registered, unregistered, missed, done)


def posterior_of(candidates: Candidates, source: np.ndarray, state: np.ndarray, prior: Prior) -> Posterior:
    """Posterior of every record of a range. source : int64[n];  state : int64[n], index into STATES"""
    starts, total, odds = candidates.starts, candidates.total, candidates.odds
    registered = prior.registered[:, None]
    cell = source * len(STATES) + state
    pi = prior.registered[source]
    none = ((1 - registered) * prior.unregistered_term).ravel()[cell]
    gone = (registered * prior.lost_term).ravel()[cell]
    whole = pi * total + none + gone
    sizes = np.diff(starts)
    first = np.where(sizes > 0, starts[:-1], -1)
    second = np.where(sizes > 1, starts[:-1] + 1, -1)
    padded = np.append(odds, 0.0)
    p_best = np.where(sizes > 0, padded[first] * pi / whole, 0.0)
    p_second = np.where(sizes > 1, padded[second] * pi / whole, 0.0)
    return Posterior(first, second, p_best, p_second, none / whole, gone / whole)


#: Relative error that is granted to an expected number of false links beyond chance.
MODEL_ERROR = 0.15

#: Links of the surest band that go wrong in ways no model foresees.
UNFORESEEN = 1e-6


def false_links_interval(expected: float, relative_variance: float = 0.0) -> tuple[float, float]:
    """99 % interval of the number of false links whose expected number is ``expected`` (0 and more).

    A count whose mean is itself uncertain: gamma quantiles (Wilson and Hilferty 1931) for the variance
    ``expected + expected**2 * (MODEL_ERROR**2 + relative_variance)``.
    """
    z = 2.5758293035489004
    spread = MODEL_ERROR**2 + relative_variance

    def quantile(mean: float, variance: float, side: float) -> float:
        shape = mean * mean / variance
        return mean * max(0.0, 1.0 - 1.0 / (9.0 * shape) + side * z / (3.0 * np.sqrt(shape))) ** 3

    variance = expected + expected**2 * spread
    low = quantile(expected, variance, -1.0) if expected > 0 else 0.0
    high = quantile(expected + 1.0, variance + 1.0, 1.0)
    return float(np.floor(low)), float(np.ceil(high))
