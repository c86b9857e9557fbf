"""A rehearsal: how often a link without the number would have gone wrong, counted where the number is right.

Records that their identifier links beyond doubt play two parts. Hidden from them first is the identifier
alone: a stranger may now fit better than the person. Then the person is taken away too, as if the register
did not hold them: a stranger may now fit well enough. How many would have been linked wrongly, band by band
of the probability they would have been given, against what those probabilities say, corrects the
probabilities of the records that really have no number, or one that nobody holds. Only upward: a rehearsal
never makes a link surer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linkage.levels import Programme
from linkage.model import STEP, Model, Weights, groups_of
from linkage.posterior import STATES, STRAY, Posterior, Prior, exact_sums, power_of_two
from linkage.scored import Scored

#: Bands of 1 - p, from the least sure: 1e-1, 1e-2, ... 1e-7 and below.
BANDS = 8

#: Identifier states that are rehearsed; for the others the identifier itself decides.
REHEARSED = (STATES.index("none"), STATES.index("unheld"), STATES.index("old_unheld"))


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


def rehearse(
    scored: Scored,
    posterior: Posterior,
    record: np.ndarray,
    source: np.ndarray,
    state: np.ndarray,
    programme: Programme,
    model: Model,
    weights: Weights,
    prior: Prior,
    n_sources: int,
    absent_terms: np.ndarray | None = None,
    *,
    least_actors: int = 2_000,
) -> Rehearsal:
    """Rehearse on the records linked by an exact identifier with more than 0.999999.

    scored : pairs sorted by record and falling weight;  record : int64[pairs];  source, state : int64[n]
    absent_terms : int32[register, 3], what a name's rarity gains when one more bearer is left out: with the
    person taken away, a namesake is the only bearer the register shows
    """
    number, groups = groups_of(programme.parts)
    if number < 0 or scored.left.shape[0] == 0 or len(groups) < 2:
        return nothing()
    pair = np.maximum(posterior.best, 0)
    own_group = weights.group[scored.pattern[pair]]
    actor = (posterior.best >= 0) & (own_group == 1) & (posterior.p_best > 0.999999) & (state == 2)
    actors = int(actor.sum())
    if actors < least_actors:
        return nothing()
    mine = np.flatnonzero(actor[record])
    who = record[mine]
    own = mine == posterior.best[who]
    allowed = weights.allowed[scored.pattern[mine]]
    blind = scored.blind[mine].astype(np.int64)
    rarer = np.zeros(mine.shape[0], np.int64)
    if absent_terms is not None:
        column = weights.extra["blind_frequency"][scored.pattern[mine]].astype(np.int64)
        same = (column >= 0) & (column == column[np.searchsorted(who, who)])
        rarer[same] = absent_terms[scored.right[mine][same], column[same]]
    different = _level_weight(model, number, "different")
    n = source.shape[0]
    totals = np.zeros((n_sources, len(STATES)))
    np.add.at(totals, (source, state), 1.0)
    pi = prior.registered
    per_source = np.bincount(source[actor], minlength=n_sources).astype(np.float64)
    wrong, predicted, variance = np.zeros(BANDS), np.zeros(BANDS), np.zeros(BANDS)
    cells = n_sources * BANDS
    for k in REHEARSED:
        added = different if k == STATES.index("unheld") else 0
        rest = (1 - pi[source]) * prior.unregistered_term[source, k] + pi[source] * prior.lost_term[source, k]
        for absent in (True, False):
            stand_for = _stand_for(totals, pi, k, absent)
            scale = np.where(per_source > 0, stand_for / np.maximum(per_source, 1.0), 0.0)
            held = ~own if absent else np.ones(own.shape[0], bool)
            weight_k = blind + added + (rarer if absent else 0)
            odds = power_of_two(weight_k) / model.register * pi[source[who]]
            total = np.zeros(n)
            np.add.at(total, who[held], odds[held])
            whole = total + rest
            best = np.zeros(n)
            np.maximum.at(best, who[held & allowed], odds[held & allowed])
            if absent:
                p = best / whole
                false = best > 0
            else:
                stranger = np.zeros(n)
                np.maximum.at(stranger, who[allowed & ~own], odds[allowed & ~own])
                p = best / whole
                false = (stranger == best) & (best > 0)
            at = np.flatnonzero(actor & (best > 0))
            cell = source[at] * BANDS + band_of(p[at])
            said = exact_sums(1 - p[at], cell, cells).reshape(n_sources, BANDS)
            bad = at[false[at]]
            seen = np.bincount(source[bad] * BANDS + band_of(p[bad]), minlength=cells).reshape(
                n_sources, BANDS
            )
            predicted += scale @ said
            wrong += scale @ seen
            variance += (scale**2) @ seen
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
