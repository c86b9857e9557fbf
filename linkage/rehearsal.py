"""A rehearsal: how often a link without the number would have gone wrong, counted where the number is right.

Records that their identifier links beyond doubt play two parts. Hidden from them first is the identifier
alone: a stranger may now fit better than the person. Then the person is taken away too, as if the register
did not hold them: a stranger may now fit well enough. How many would have been linked wrongly, band by band
of the probability they would have been given, against what those probabilities say, corrects the
probabilities of the records that really have no number, or one that nobody holds. Only upward: a rehearsal
never makes a link surer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from linkage.levels import Programme
from linkage.model import STEP, Model, Weights, groups_of
from linkage.posterior import STATES, STRAY, Candidates, Posterior, Prior, exact_sums, power_of_two
from linkage.scored import Scored

#: Bands of 1 - p, from the least sure: 1e-1, 1e-2, ... 1e-7 and below.
BANDS = 8

#: Identifier states that are rehearsed; for the others the identifier itself decides.
REHEARSED = (STATES.index("none"), STATES.index("unheld"), STATES.index("old_unheld"))

#: What an actor plays: a record in an identifier state, its person taken away or not.
ROLES = tuple((state, absent) for state in REHEARSED for absent in (True, False))


@dataclass(frozen=True)
class Rehearsal:
    """What came of it.

    factor : float64[BANDS], by which 1 - p of a band is multiplied, at least 1
    wrong, predicted : float64[BANDS], wrong links counted and predicted, for the records they stand for
    variance : float64[BANDS] of ``wrong``;  actors : records that took part
    """

    factor: np.ndarray
    wrong: np.ndarray
    predicted: np.ndarray
    variance: np.ndarray
    actors: int

    @property
    def relative_variance(self) -> float:
        """Of the number of wrong links, for being counted on a sample."""
        total = float(self.wrong.sum())
        return float(self.variance.sum()) / total**2 if total > 0 else 0.0


def band_of(probability: np.ndarray) -> np.ndarray:
    """Band of each probability, int64: 0 for 1 - p of 0.1 and more, 1 for 0.01 and more, and so on."""
    short = np.maximum(1.0 - probability, 1e-300)
    out = np.zeros(probability.shape[0], np.int64)
    for band in range(1, BANDS):
        out[short < 10.0**-band] = band
    return out


def corrected(probability: np.ndarray, rehearsal: Rehearsal) -> np.ndarray:
    """Probabilities with 1 - p multiplied by the factor of their band."""
    return 1.0 - np.minimum((1.0 - probability) * rehearsal.factor[band_of(probability)], 1.0)


def nothing() -> Rehearsal:
    """No rehearsal: every probability stays."""
    zero = np.zeros(BANDS)
    return Rehearsal(np.ones(BANDS), zero, zero, zero, 0)


@dataclass(frozen=True)
class Played:
    """What the actors of one range, or of several, showed: whole numbers, which add up.

    actors : int64[sources];  said : int64[roles, sources, BANDS], predicted wrong links in units of 2**-40
    wrong : int64[roles, sources, BANDS], links that went wrong; roles: rehearsed states, person absent or not
    """

    actors: np.ndarray
    said: np.ndarray
    wrong: np.ndarray

    @staticmethod
    def none(n_sources: int) -> Played:
        """Nobody played."""
        shape = (2 * len(REHEARSED), n_sources, BANDS)
        return Played(np.zeros(n_sources, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64))

    @staticmethod
    def merge(many: Sequence[Played], n_sources: int) -> Played:
        """Sum of several."""
        out = Played.none(n_sources)
        for one in many:
            out = Played(out.actors + one.actors, out.said + one.said, out.wrong + one.wrong)
        return out


def play(
    scored: Scored,
    candidates: Candidates,
    posterior: Posterior,
    source: np.ndarray,
    state: np.ndarray,
    sampled: np.ndarray,
    programme: Programme,
    model: Model,
    weights: Weights,
    prior: Prior,
    n_sources: int,
    absent_terms: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Played:
    """Let the records of a range act that an exact identifier links with more than 0.999999.

    scored : pairs as in ``candidates``;  source, state : int64[n];  sampled : bool[n], who may act at all
    absent_terms : gives, for register rows, int[k, 3]: what a name's rarity gains when one more bearer is
    left out: with the person taken away, a namesake is the only bearer the register shows
    """
    out = Played.none(n_sources)
    number, groups = groups_of(programme.parts)
    if number < 0 or scored.left.shape[0] == 0 or len(groups) < 2:
        return out
    pair = np.maximum(posterior.best, 0)
    own_group = weights.group[scored.pattern[pair]]
    actor = sampled & (posterior.best >= 0) & (own_group == 1) & (posterior.p_best > 0.999999) & (state == 2)
    at = np.flatnonzero(actor)
    if not at.size:
        return out
    # From here on the actors alone, numbered in order; their pairs stand together, the best first.
    sizes = candidates.starts[at + 1] - candidates.starts[at]
    who = np.repeat(np.arange(at.shape[0]), sizes)
    begins = np.concatenate([[0], np.cumsum(sizes)])
    mine = np.arange(who.shape[0]) + np.repeat(candidates.starts[at] - begins[:-1], sizes)
    own = np.arange(who.shape[0]) == begins[who]
    own_source = source[at]
    allowed = weights.allowed[scored.pattern[mine]]
    blind = scored.blind[mine].astype(np.int64)
    rarer = np.zeros(mine.shape[0], np.int64)
    if absent_terms is not None:
        column = weights.extra["blind_frequency"][scored.pattern[mine]].astype(np.int64)
        same = (column >= 0) & (column == column[begins[who]])
        rarer[same] = absent_terms(scored.right[mine][same])[np.arange(int(same.sum())), column[same]]
    different = _level_weight(model, number, "different")
    pi = prior.registered[own_source]
    cells = n_sources * BANDS
    out.actors[:] = np.bincount(own_source, minlength=n_sources)
    for role, (k, absent) in enumerate(ROLES):
        added = different if k == STATES.index("unheld") else 0
        rest = (1 - pi) * prior.unregistered_term[own_source, k] + pi * prior.lost_term[own_source, k]
        odds = power_of_two(blind + added + (rarer if absent else 0)) / model.register * pi[who]
        playing = np.where(own, 0.0, odds) if absent else odds
        whole = np.add.reduceat(playing, begins[:-1]) + rest
        best = np.maximum.reduceat(np.where(allowed, playing, 0.0), begins[:-1])
        p = best / whole
        false = best > 0
        if not absent:
            false &= np.maximum.reduceat(np.where(allowed & ~own, odds, 0.0), begins[:-1]) == best
        led = best > 0
        cell = own_source * BANDS + band_of(p)
        out.said[role] = exact_sums((1 - p)[led], cell[led], cells).reshape(n_sources, BANDS)
        out.wrong[role] = np.bincount(cell[false], minlength=cells).reshape(n_sources, BANDS)
    return out


def conclude(played: Played, states: np.ndarray, prior: Prior, *, least_actors: int = 2_000) -> Rehearsal:
    """What the actors of all ranges say of the records they stand for; nothing if too few played.

    states : float64[sources, 5], all records by source and state
    """
    actors = int(played.actors.sum())
    if actors < least_actors:
        return nothing()
    per_source = played.actors.astype(np.float64)
    wrong, predicted, variance = np.zeros(BANDS), np.zeros(BANDS), np.zeros(BANDS)
    for role, (k, absent) in enumerate(ROLES):
        stand_for = _stand_for(states, prior.registered, k, absent)
        scale = np.where(per_source > 0, stand_for / np.maximum(per_source, 1.0), 0.0)
        for s in range(per_source.shape[0]):
            predicted += scale[s] * (played.said[role, s] / 2.0**40)
            wrong += scale[s] * played.wrong[role, s]
            variance += scale[s] ** 2 * played.wrong[role, s]
    factor = np.maximum((wrong + 0.5) / (predicted + 0.5), 1.0)
    return Rehearsal(factor, wrong, predicted, variance, actors)


def _stand_for(totals: np.ndarray, registered: np.ndarray, state: int, absent: bool) -> np.ndarray:
    """Real records, by source, that the actors of one part stand for."""
    number = totals[:, 1] + totals[:, 2]
    old = totals[:, 3] + totals[:, 4]
    if absent:
        all_of_kind = {0: totals[:, 0], 1: number * (1 - STRAY), 3: old * (1 - STRAY)}[state]
        return all_of_kind * (1 - registered)
    unregistered = {0: totals[:, 0], 1: number * (1 - STRAY), 3: old * (1 - STRAY)}[state] * (1 - registered)
    return np.maximum(totals[:, state] - unregistered, 0.0)


def _level_weight(model: Model, number: int, name: str) -> int:
    for level in model.parts[number].levels:
        if level.name == name:
            return int(np.rint(np.log2(max(level.m, 1e-12) / level.u) * STEP))
    return 0
