"""Probabilities of records, not of pairs: the best candidate against all others and against none.

For a record of source s in identifier state k, the odds of a register candidate c, of an unregistered person,
and of a person whom blocking lost, stand as ::

    pi_s / N * 2**weight(c) : (1 - pi_s) * P(k | unregistered) / P(k) : pi_s * P(k, lost | registered) / P(k)

``pi_s`` iterates to the mean of 1 - P(unregistered). Powers of two come from an exact table, so that the
result does not depend on the machine's mathematics library.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np

from linkage.model import STEP

#: Identifier states of an agency record: none at all; one that no register person holds; one that some holds;
#: the same two for records that bring only an old number.
STATES = ("none", "unheld", "held", "old_unheld", "old_held")

#: Share of unregistered people's identifiers that stand on a register person all the same (relatives, slips).
STRAY = 0.002


def _power_table() -> np.ndarray:
    with localcontext() as context:
        context.prec = 40
        return np.array([float(Decimal(2) ** (Decimal(i) / STEP)) for i in range(STEP)])


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


def exact_sums(values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Sums of values in [0, 1] by group, float64[n_groups], that do not depend on the order of the rows.

    Values are rounded to 2**-40; sums are exact up to 8 million million rows.
    """
    out = np.zeros(n_groups, np.int64)
    np.add.at(out, group, np.rint(values * 2.0**40).astype(np.int64))
    return out / 2.0**40


def segments(
    pair_record: np.ndarray, weight: np.ndarray, tie: np.ndarray, n_records: int
) -> tuple[np.ndarray, np.ndarray]:
    """Order of pairs by record, falling weight, tie; and where each record's begin, int64[records + 1]."""
    order = np.lexsort((tie, -weight.astype(np.int64), pair_record))
    starts = np.searchsorted(pair_record[order], np.arange(n_records + 1))
    return order, starts.astype(np.int64)


def state_terms(
    registered: np.ndarray,
    source: np.ndarray,
    state: np.ndarray,
    n_sources: int,
    lost: float,
    near_share: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Terms of the unregistered and of the lost, float64[sources, 5] each, before the share registered."""
    counts = np.zeros((n_sources, len(STATES)))
    np.add.at(counts, (source, state), 1.0)
    unregistered = np.ones((n_sources, len(STATES)))
    missed = np.full((n_sources, len(STATES)), lost)
    for unheld, held, near in ((1, 2, near_share), (3, 4, 0.0)):
        both = counts[:, unheld] + counts[:, held]
        share_unheld = np.clip((counts[:, unheld] + 0.5) / (both + 1.0), 1e-6, 1 - 1e-6)
        own_unheld = np.clip((share_unheld - (1 - registered) * (1 - STRAY)) / registered, 1e-4, 1.0)
        unregistered[:, unheld] = (1 - STRAY) / share_unheld
        unregistered[:, held] = STRAY / (1 - share_unheld)
        missed[:, unheld] = own_unheld * (1 - near) * lost / share_unheld
        missed[:, held] = STRAY * lost / (1 - share_unheld)
    return unregistered, missed


def estimate(
    pair_record: np.ndarray,
    weight: np.ndarray,
    tie: np.ndarray,
    source: np.ndarray,
    state: np.ndarray,
    *,
    n_sources: int,
    n_register: int,
    lost: float,
    near_share: float,
    fixed: dict[int, float],
    rounds: int = 25,
) -> tuple[Posterior, Prior, np.ndarray]:
    """Posterior of every record.

    pair_record : int64[p], index of the record;  weight : int32[p]
    tie         : uint64[p], order of equal candidates
    source      : int64[r];  state : int64[r], index into STATES
    fixed       : source -> share registered, if given

    Returns the posterior, the prior, and the order of the pairs by record and falling weight.
    """
    n = source.shape[0]
    order, starts = segments(pair_record, weight, tie, n)
    odds = power_of_two(weight[order]) / n_register
    total = (
        np.add.reduceat(np.append(odds, 0.0), np.minimum(starts[:-1], odds.shape[0])) if n else np.zeros(0)
    )
    has = starts[1:] > starts[:-1]
    total = np.where(has, total, 0.0)
    registered = np.full(n_sources, 0.99)
    for s, value in fixed.items():
        registered[s] = value
    done = 0
    sizes = np.maximum(np.bincount(source, minlength=n_sources), 1)
    while done < rounds:
        done += 1
        unregistered, missed = state_terms(registered, source, state, n_sources, lost, near_share)
        pi = registered[source]
        none = (1 - pi) * unregistered[source, state]
        gone = pi * missed[source, state]
        found = pi * total
        whole = found + none + gone
        p_none = none / whole
        fresh = 1.0 - exact_sums(p_none, source, n_sources) / sizes
        fresh = np.clip(fresh, 1e-6, 1 - 1e-6)
        for s, value in fixed.items():
            fresh[s] = value
        moved = float(np.abs(fresh - registered).max(initial=0.0))
        registered = fresh
        if moved < 1e-9:
            break
    first = np.where(has, starts[:-1], -1)
    two = starts[1:] - starts[:-1] > 1
    second = np.where(two, starts[:-1] + 1, -1)
    padded = np.append(odds, 0.0)
    p_best = np.where(has, padded[first] * pi / whole, 0.0)
    p_second = np.where(two, padded[second] * pi / whole, 0.0)
    prior = Prior(registered, unregistered, missed, done)
    return Posterior(first, second, p_best, p_second, p_none, gone / whole), prior, order


def accept_in_order(probability: np.ndarray, tie: np.ndarray, demanded: float) -> np.ndarray:
    """Which of a set to accept so that the mean stays at or above ``demanded``: the most probable first.

    probability : float64[n];  tie : uint64[n].  Returns bool[n].
    """
    order = np.lexsort((tie, -probability))
    wrong = np.cumsum(1.0 - probability[order])
    allowed = (1.0 - demanded) * np.arange(1, order.shape[0] + 1)
    good = wrong <= allowed
    keep = int(np.flatnonzero(good).max()) + 1 if good.any() else 0
    out = np.zeros(order.shape[0], bool)
    out[order[:keep]] = True
    return out


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
