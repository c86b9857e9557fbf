"""From posterior probabilities to decisions: link, review, new, conflict, ineligible, with their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from linkage.config import Decision
from linkage.decisions import CONFLICT, INELIGIBLE, LINK, NEW, REVIEW, Decided
from linkage.levels import Programme
from linkage.model import STEP, Model, Weights, groups_of
from linkage.posterior import (
    UNFORESEEN,
    Posterior,
    accept_in_order,
    estimate,
    exact_sums,
    false_links_interval,
)
from linkage.reasons import BIT
from linkage.rehearsal import REHEARSED, corrected, rehearse
from linkage.scored import Scored

#: Bits by which another person's name and birth must fit better than those of the number's holder to be a
#: conflict.
CONTRADICTION_BITS = 8.0

#: Least probability of being unregistered for a single record to be called new.
NEW_RECORD_MIN = 0.97


@dataclass(frozen=True)
class Subjects:
    """What is known of each agency record, rows of the agencies in global order.

    source : uint8[n];  order : uint64[n];  state : int64[n], see :data:`linkage.posterior.STATES`
    informed : bool[n], has an identifier, or a name and a birth year
    """

    source: np.ndarray
    order: np.ndarray
    state: np.ndarray
    informed: np.ndarray


def near_share(model: Model, programme: Programme) -> float:
    """Share of matches with a wrong, unheld number that are one slip from the right one."""
    number, _ = groups_of(programme.parts)
    if number < 0:
        return 0.0
    levels = programme.parts[number].levels
    near = sum(
        v.m for v, level in zip(model.parts[number].levels, levels, strict=True) if level.group == "near"
    )
    other = sum(
        v.m for v, level in zip(model.parts[number].levels, levels, strict=True) if level.name == "different"
    )
    return near / (near + other) if near + other > 0 else 0.0


def decide(
    scored: Scored,
    subjects: Subjects,
    register_order: np.ndarray,
    first_agency_row: int,
    programme: Programme,
    model: Model,
    weights: Weights,
    settings: Sequence[Decision],
    *,
    fixed: dict[int, float],
    forced: np.ndarray | None = None,
    absent_terms: np.ndarray | None = None,
) -> Decided:
    """Decide every agency record.

    scored : pairs agency with register;  register_order : uint64[register], ties
    first_agency_row : global row of the first agency record;  fixed : source -> share registered, where given
    settings : thresholds of every source, by its number
    forced : int64[n], global register row that a confirmed judgement links the record to, -1 none
    absent_terms : see :func:`linkage.rehearsal.rehearse`
    """
    n = subjects.source.shape[0]
    n_sources = len(settings)
    record = scored.left.astype(np.int64) - first_agency_row
    posterior, prior, order = estimate(
        record,
        scored.weight,
        register_order[scored.right],
        subjects.source.astype(np.int64),
        subjects.state,
        n_sources=n_sources,
        n_register=model.register,
        lost=model.lost,
        near_share=near_share(model, programme),
        fixed=fixed,
    )
    scored = scored.where(order)
    record = record[order]
    source = subjects.source.astype(np.int64)
    rehearsal = rehearse(
        scored,
        posterior,
        record,
        source,
        subjects.state,
        programme,
        model,
        weights,
        prior,
        n_sources,
        absent_terms,
    )
    has = posterior.best >= 0
    best = np.maximum(posterior.best, 0)
    second = posterior.second
    empty = scored.left.shape[0] == 0

    def of_best(values: np.ndarray, missing: float) -> np.ndarray:
        return np.full(n, missing) if empty else np.where(has, values[best], missing)

    weight = of_best(scored.weight, 0).astype(np.int32)
    pattern = of_best(scored.pattern, 0).astype(np.int64)
    person = of_best(scored.right.astype(np.int64), -1).astype(np.int64)
    runner_up = (
        np.where(second >= 0, scored.right[np.maximum(second, 0)].astype(np.int64), -1)
        if not empty
        else np.full(n, -1)
    )
    margin = (
        np.where(second >= 0, weight - scored.weight[np.maximum(second, 0)], weight) if not empty else weight
    )
    blind = np.isin(subjects.state, REHEARSED) & (weights.group[pattern] == 0)
    p_best = np.where(blind, corrected(posterior.p_best, rehearsal), posterior.p_best)
    allowed = weights.allowed[pattern]
    contradicted = _contradicted(scored, record, posterior, weights, n, model.register)
    reasons = _identifier_reasons(programme, pattern, has, subjects.state)

    reasons |= np.where(has & ~allowed, BIT["given_name_differs"], 0).astype(np.uint32)
    reasons |= np.where(contradicted, BIT["number_against_name"], 0).astype(np.uint32)
    close = has & (posterior.p_second > 0.02 * p_best) & (posterior.p_second > 1e-4)
    decision = np.full(n, REVIEW, np.uint8)
    record_min = np.array([s.record_min for s in settings])[source]
    candidate = has & allowed & ~contradicted & (p_best >= record_min)
    accepted = np.zeros(n, bool)
    for s in range(n_sources):
        mine = np.flatnonzero(candidate & (subjects.source == s))
        accepted[mine] = accept_in_order(p_best[mine], subjects.order[mine], settings[s].precision)
    confirmed = np.zeros(n, bool) if forced is None else forced >= 0
    if forced is not None and confirmed.any():
        same = confirmed & (person == forced)
        runner_up = np.where(confirmed & (runner_up == forced), person, runner_up)
        person = np.where(confirmed, forced, person)
        has = has & (~confirmed | same)
        p_best = np.where(confirmed, 1.0, p_best)
        contradicted = contradicted & ~confirmed
        accepted |= confirmed
        reasons = np.where(confirmed, BIT["must_link"], reasons).astype(np.uint32)
    decision[accepted] = LINK
    reasons |= np.where(candidate & ~accepted, BIT["set_below"], 0).astype(np.uint32)
    reasons |= np.where(accepted, BIT["evidence_agrees"], 0).astype(np.uint32)

    open_ = ~accepted & ~contradicted
    hopeful = open_ & (posterior.p_unregistered >= NEW_RECORD_MIN) & subjects.informed
    fresh = np.zeros(n, bool)
    for s in range(n_sources):
        mine = np.flatnonzero(hopeful & (subjects.source == s))
        fresh[mine] = accept_in_order(posterior.p_unregistered[mine], subjects.order[mine], settings[s].new)
    decision[fresh] = NEW
    reasons |= np.where(fresh, BIT["not_in_register"], 0).astype(np.uint32)

    poor = open_ & ~fresh & ~subjects.informed
    decision[poor] = INELIGIBLE
    reasons |= np.where(poor, BIT["too_little"], 0).astype(np.uint32)
    tie = open_ & ~fresh & ~poor & close & (margin < STEP) & (p_best + posterior.p_second > 0.9)
    decision[contradicted | tie] = CONFLICT
    reasons |= np.where(tie, BIT["register_double"], 0).astype(np.uint32)
    left_open = decision == REVIEW
    reasons |= np.where(left_open & close, BIT["second_candidate"], 0).astype(np.uint32)
    reasons |= np.where(left_open & has & (p_best < record_min), BIT["record_below"], 0).astype(np.uint32)
    reasons |= np.where(left_open & ~has, BIT["candidate_may_be_missed"], 0).astype(np.uint32)

    probability = np.where(decision == NEW, posterior.p_unregistered, p_best)
    estimates = []
    links = np.bincount(source[accepted], minlength=n_sources)
    wrong = exact_sums(np.where(accepted, 1.0 - p_best, 0.0), source, n_sources) + UNFORESEEN * links
    doubt = rehearsal.relative_variance
    for s in range(n_sources):
        low, high = false_links_interval(float(wrong[s]), doubt)
        estimates.append(
            {
                "links": int(links[s]),
                "expected": float(wrong[s]),
                "relative_variance": doubt,
                "low": low,
                "high": high,
            }
        )
    kept_person = np.where((decision == NEW) | (decision == INELIGIBLE), -1, person)
    return Decided(
        scored=scored,
        decision=decision,
        person=kept_person,
        runner_up=runner_up,
        pair=np.where(has, best, -1),
        weight=weight,
        margin=margin.astype(np.int32),
        probability=probability,
        p_link=p_best,
        p_unregistered=posterior.p_unregistered,
        reasons=reasons,
        prior=prior,
        estimates=estimates,
        rehearsal=rehearsal,
    )


def _contradicted(
    scored: Scored, record: np.ndarray, posterior: Posterior, weights: Weights, n: int, n_register: int
) -> np.ndarray:
    """Records whose identifier names one person while name and birth name another: bool[n]."""
    if scored.left.shape[0] == 0:
        return np.zeros(n, bool)
    strongest = np.full(n, np.iinfo(np.int32).min, np.int64)
    np.maximum.at(
        strongest, record, np.where(weights.allowed[scored.pattern], scored.blind, np.iinfo(np.int32).min)
    )
    best = np.maximum(posterior.best, 0)
    by_number = (posterior.best >= 0) & (weights.group[scored.pattern[best]] > 0)
    own = scored.blind[best].astype(np.int64)
    likely = strongest >= int((np.log2(max(2, n_register)) + 3) * STEP)
    return by_number & likely & (strongest >= own + int(CONTRADICTION_BITS * STEP))


def _identifier_reasons(
    programme: Programme, pattern: np.ndarray, has: np.ndarray, state: np.ndarray
) -> np.ndarray:
    """How the number compares with the best candidate's; without one, whether there is none to compare."""
    number, _ = groups_of(programme.parts)
    out = np.zeros(pattern.shape[0], np.uint32)
    if number < 0:
        return out
    names = {
        "null": "number_absent",
        "same": "number_same",
        "alias": "number_earlier",
        "old": "old_number_same",
        "near": "number_near",
    }
    of_level = np.array(
        [BIT[names.get(level.name, "number_different")] for level in programme.parts[number].levels],
        np.uint32,
    )
    step = int(programme.radix[number])
    level = (pattern // step) % len(programme.parts[number].levels)
    without = np.where(state == 0, BIT["number_absent"], 0)
    return np.where(has, of_level[level], without).astype(np.uint32)


def calibration(
    decided: Decided, bands: Sequence[float] = (0.99, 0.999, 0.9999, 0.99999)
) -> list[dict[str, float]]:
    """Links by probability band: how many, and how many of them the model expects to be false."""
    linked = decided.p_link[decided.decision == LINK]
    edges = [0.0, *bands, 1.0 + 1e-12]
    out = []
    for low, high in pairwise(edges):
        inside = linked[(linked >= low) & (linked < high)]
        out.append(
            {
                "from": low,
                "to": min(high, 1.0),
                "links": int(inside.shape[0]),
                "expected_false": float(np.rint((1 - inside) * 1e12).sum() / 1e12),
            }
        )
    return out
