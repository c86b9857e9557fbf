"""From posterior probabilities to decisions: link, review, new, conflict, ineligible, with their reasons.

Records are decided in ranges, none of which sees the others; what concerns all of a source is merged exactly
between the steps, so that a decision does not depend on the ranges:

1. :func:`weigh_up` sorts a range's pairs; the ranges' tallies give the prior (:mod:`linkage.posterior`);
2. the ranges' actors give the rehearsal (:mod:`linkage.rehearsal`);
3. :func:`judge` gives each record its probabilities, and says who may be linked and who may be new; the
   ranges' contests give the cuts (:mod:`linkage.acceptance`);
4. :func:`decisions_of` decides, :func:`assemble` puts a range together, and :func:`counted` and
   :func:`total_of` tell how it went.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from linkage.acceptance import CERTAINLY_WRONG, Contest, Cut, contest_of, cut_of, doubts
from linkage.config import Decision
from linkage.decisions import (
    CONFLICT,
    DECISIONS,
    INELIGIBLE,
    LINK,
    NEW,
    REVIEW,
    SETTLED,
    Decided,
    contradicting,
)
from linkage.levels import Programme
from linkage.model import STEP, Model, Weights, groups_of
from linkage.posterior import (
    UNFORESEEN,
    Candidates,
    Posterior,
    Prior,
    Tally,
    exact_sums,
    false_links_interval,
    find_prior,
    sorted_pairs,
)
from linkage.reasons import BIT
from linkage.rehearsal import REHEARSED, Rehearsal, corrected
from linkage.scored import Scored

#: Least probability of being unregistered for a single record to be called new. A link demands at least one
#: half, so that no record is up for both.
NEW_RECORD_MIN = 0.97

#: Edges of the bands of :func:`total_of`'s calibration.
CALIBRATION_BANDS = (0.0, 0.99, 0.999, 0.9999, 0.99999, 1.0 + 1e-12)


@dataclass(frozen=True)
class Subjects:
    """What is known of each agency record of a range.

    source : uint8[n];  order : uint64[n];  state : int64[n], see :data:`linkage.posterior.STATES`
    informed : bool[n], has an identifier, or a name and a birth year
    """

    source: np.ndarray
    order: np.ndarray
    state: np.ndarray
    informed: np.ndarray


@dataclass(frozen=True)
class Standards:
    """What every record is judged by.

    thresholds : of every source, by its number
    """

    programme: Programme
    model: Model
    weights: Weights
    thresholds: Sequence[Decision]


@dataclass(frozen=True)
class Judged:
    """Records of a range before acceptance: everything a decision takes from the record itself.

    person, runner_up, pair, weight, margin, p_link, p_unregistered : see :class:`linkage.decisions.Decided`,
    with what confirmed judgements say
    reasons : uint32[n], those that do not depend on what is accepted
    can_link, can_be_new, confirmed, contradicted, close : bool[n]
    double : bool[n], two register persons fit equally
    """

    person: np.ndarray
    runner_up: np.ndarray
    pair: np.ndarray
    weight: np.ndarray
    margin: np.ndarray
    p_link: np.ndarray
    p_unregistered: np.ndarray
    reasons: np.ndarray
    can_link: np.ndarray
    can_be_new: np.ndarray
    confirmed: np.ndarray
    contradicted: np.ndarray
    close: np.ndarray
    double: np.ndarray


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


def prior_of(tally: Tally, standards: Standards, fixed: Mapping[int, float]) -> Prior:
    """The prior of all sources from the merged tally; ``fixed``: source -> share registered, where given."""
    return find_prior(
        tally,
        n_sources=len(standards.thresholds),
        lost=standards.model.lost,
        near_share=near_share(standards.model, standards.programme),
        fixed=fixed,
    )


def weigh_up(
    scored: Scored,
    first: int,
    n: int,
    register: int,
    ties: Callable[[np.ndarray], np.ndarray],
    settled: np.ndarray | None = None,
    settling: np.ndarray | None = None,
) -> tuple[Scored, Candidates]:
    """Pairs of a range in order of record, falling weight and tie, and the records' candidates.

    scored : pairs of the records ``first`` to ``first + n`` (global rows), in any order
    ties : gives the keyed hashes, uint64[k], of register rows
    settled : bool[n], records that one pair settles;  settling : bool[pairs], whether a pair is of the kind
    that settles. Of a settled record only that pair stays, under the rule
    :data:`linkage.decisions.SETTLED`.
    """
    record = scored.left.astype(np.int64) - first
    chosen: np.ndarray | None = None
    if settled is not None and settling is not None and settled.any():
        sure = settled[record]
        rule = np.where(sure, SETTLED, scored.rule).astype(np.uint8)
        scored = Scored(scored.left, scored.right, scored.pattern, rule, scored.weight, scored.blind)
        chosen = np.flatnonzero(settling | ~sure)

    def places(of: np.ndarray) -> np.ndarray:
        return of if chosen is None else chosen[of]

    own, weight = (record, scored.weight) if chosen is None else (record[chosen], scored.weight[chosen])
    order = sorted_pairs(own, weight, lambda tied: ties(scored.right[places(tied)]))
    ordered = scored.where(places(order))
    return ordered, Candidates.of(own[order], ordered.weight, n, register)


def judge(
    scored: Scored,
    candidates: Candidates,
    posterior: Posterior,
    subjects: Subjects,
    standards: Standards,
    rehearsal: Rehearsal,
    forced: np.ndarray | None = None,
) -> tuple[Judged, list[list[Contest]]]:
    """Judge the records of a range by themselves, and say what they bring to the acceptance of every source:
    of links, and of new records.

    scored, candidates : as :func:`weigh_up` gives them
    forced : int64[n], register row that a confirmed judgement links the record to, -1 none
    """
    n = subjects.source.shape[0]
    weights, source = standards.weights, subjects.source.astype(np.int64)
    has = posterior.best >= 0
    two = posterior.second >= 0
    best, second = np.maximum(posterior.best, 0), np.maximum(posterior.second, 0)

    def of(values: np.ndarray, at: np.ndarray, there: np.ndarray, missing: int) -> np.ndarray:
        if not values.size:
            return np.full(n, missing, np.int64)
        return np.where(there, values[at].astype(np.int64), missing)

    weight = of(scored.weight, best, has, 0)
    pattern = of(scored.pattern, best, has, 0)
    person = of(scored.right, best, has, -1)
    runner_up = of(scored.right, second, two, -1)
    margin = weight - of(scored.weight, second, two, 0)
    blind = np.isin(subjects.state, REHEARSED) & (weights.group[pattern] == 0)
    p_best = np.where(blind, corrected(posterior.p_best, rehearsal), posterior.p_best)
    allowed = weights.allowed[pattern]
    contradicted = _contradicted(scored, candidates, posterior, weights, n, standards.model.register)
    reasons = _identifier_reasons(standards.programme, pattern, has, subjects.state)
    reasons |= np.where(has & ~allowed, BIT["given_name_differs"], 0).astype(np.uint32)
    reasons |= np.where(contradicted, BIT["number_against_name"], 0).astype(np.uint32)
    close = has & (posterior.p_second > 0.02 * p_best) & (posterior.p_second > 1e-4)
    double = close & (margin < STEP) & (p_best + posterior.p_second > 0.9)
    can_link = has & allowed & ~contradicted & (p_best >= _record_min(standards.thresholds, source))
    confirmed = np.zeros(n, bool) if forced is None else forced >= 0
    can_be_new = ~contradicted & ~confirmed & (posterior.p_unregistered >= NEW_RECORD_MIN) & subjects.informed
    # A confirmed record takes part by what the evidence says of it: a judgement lends no credit to others.
    brought = _contests(
        subjects, standards.thresholds, can_link, p_best, can_be_new, posterior.p_unregistered
    )
    if forced is not None and confirmed.any():
        runner_up = np.where(confirmed & (runner_up == forced), person, runner_up)
        has = has & (~confirmed | (person == forced))
        person = np.where(confirmed, forced, person)
        p_best = np.where(confirmed, 1.0, p_best)
        reasons = np.where(confirmed, BIT["must_link"], reasons).astype(np.uint32)
    judged = Judged(
        person=person,
        runner_up=runner_up,
        pair=np.where(has, best, -1),
        weight=weight.astype(np.int32),
        margin=margin.astype(np.int32),
        p_link=p_best,
        p_unregistered=posterior.p_unregistered,
        reasons=reasons,
        can_link=can_link,
        can_be_new=can_be_new,
        confirmed=confirmed,
        contradicted=contradicted & ~confirmed,
        close=close,
        double=double,
    )
    return judged, brought


def _record_min(thresholds: Sequence[Decision], source: np.ndarray) -> np.ndarray:
    return np.array([s.record_min for s in thresholds])[source]


def _contests(
    subjects: Subjects,
    thresholds: Sequence[Decision],
    can_link: np.ndarray,
    p_link: np.ndarray,
    can_be_new: np.ndarray,
    p_new: np.ndarray,
) -> list[list[Contest]]:
    out = []
    for s, demands in enumerate(thresholds):
        own = subjects.source == s
        sets = ((own & can_link, p_link, demands.precision), (own & can_be_new, p_new, demands.new))
        out.append([contest_of(doubts(p[some]), subjects.order[some], least) for some, p, least in sets])
    return out


def cuts_of(
    of_ranges: Sequence[Sequence[Sequence[Contest]]], thresholds: Sequence[Decision]
) -> list[list[Cut]]:
    """Where acceptance ends, of links and of new records, by source, from the contests of all ranges."""
    return [
        [
            cut_of([contest[s][0] for contest in of_ranges], demands.precision),
            cut_of([contest[s][1] for contest in of_ranges], demands.new),
        ]
        for s, demands in enumerate(thresholds)
    ]


def decisions_of(
    judged: Judged, subjects: Subjects, thresholds: Sequence[Decision], cuts: Sequence[Sequence[Cut]]
) -> tuple[np.ndarray, np.ndarray]:
    """Decisions (uint8[n]) and all reasons (uint32[n]) of a range, the cuts of all sources being known."""
    n = subjects.source.shape[0]
    accepted, fresh = judged.confirmed.copy(), np.zeros(n, bool)
    linking, unknown = doubts(judged.p_link), doubts(judged.p_unregistered)
    for s, (link, new) in enumerate(cuts):
        own = subjects.source == s
        accepted |= own & judged.can_link & link.accepts(linking, subjects.order)
        fresh |= own & judged.can_be_new & new.accepts(unknown, subjects.order)
    has = judged.pair >= 0
    left = ~accepted & ~judged.contradicted & ~fresh
    poor = left & ~subjects.informed
    tie = left & ~poor & judged.double
    decision = np.full(n, REVIEW, np.uint8)
    decision[accepted] = LINK
    decision[fresh] = NEW
    decision[poor] = INELIGIBLE
    decision[judged.contradicted | tie] = CONFLICT
    open_ = decision == REVIEW
    low = judged.p_link < _record_min(thresholds, subjects.source.astype(np.int64))
    reasons = judged.reasons.copy()
    for where, code in (
        (judged.can_link & ~accepted, "set_below"),
        (accepted, "evidence_agrees"),
        (fresh, "not_in_register"),
        (poor, "too_little"),
        (tie, "register_double"),
        (open_ & judged.close, "second_candidate"),
        (open_ & has & low, "record_below"),
        (open_ & ~has, "candidate_may_be_missed"),
    ):
        reasons[where] |= np.uint32(BIT[code])
    return decision, reasons


def assemble(
    scored: Scored,
    judged: Judged,
    decision: np.ndarray,
    reasons: np.ndarray,
    prior: Prior,
    rehearsal: Rehearsal,
) -> Decided:
    """The decisions of a range, as :func:`decisions_of` made them."""
    nobody = (decision == NEW) | (decision == INELIGIBLE)
    return Decided(
        scored=scored,
        decision=decision,
        person=np.where(nobody, -1, judged.person),
        runner_up=judged.runner_up,
        pair=judged.pair,
        weight=judged.weight,
        margin=judged.margin,
        probability=np.where(decision == NEW, judged.p_unregistered, judged.p_link),
        p_link=judged.p_link,
        p_unregistered=judged.p_unregistered,
        reasons=reasons,
        prior=prior,
        estimates=[],
        rehearsal=rehearsal,
    )


def counted(decided: Decided, source: np.ndarray, n_sources: int) -> dict[str, list[Any]]:
    """What happened in a range, in whole numbers that add up over ranges.

    ``decisions`` : by source, records by decision;  ``wrong`` : by source, expected false links in units of
    2**-40;  ``bands`` : by band of :data:`CALIBRATION_BANDS`, links and expected false ones in 1e-12
    """
    source = source.astype(np.int64)
    cells = source * len(DECISIONS) + decided.decision
    linked = decided.decision == LINK
    p = decided.p_link[linked]
    bands = []
    for low, high in pairwise(CALIBRATION_BANDS):
        inside = p[(p >= low) & (p < high)]
        bands.append([int(inside.shape[0]), int(np.rint((1 - inside) * 1e12).astype(np.int64).sum())])
    return {
        "decisions": np.bincount(cells, minlength=n_sources * len(DECISIONS))
        .reshape(n_sources, len(DECISIONS))
        .tolist(),
        "wrong": exact_sums(1.0 - p, source[linked], n_sources).tolist(),
        "bands": bands,
    }


def total_of(
    ranges: Sequence[Mapping[str, list[Any]]], rehearsal: Rehearsal, n_sources: int
) -> dict[str, list[Any]]:
    """The counts of all ranges together: ``decisions`` by source, ``estimates`` by source (see
    :class:`linkage.decisions.Decided`) and ``calibration``, links by probability band with how many of them
    the model expects to be false.
    """
    doubt = rehearsal.relative_variance
    decisions = np.zeros((n_sources, len(DECISIONS)), np.int64)
    for one in ranges:
        decisions += np.array(one["decisions"], np.int64)
    estimates = []
    for s, row in enumerate(decisions.tolist()):
        wrong = sum(r["wrong"][s] for r in ranges) / CERTAINLY_WRONG + UNFORESEEN * row[LINK]
        low, high = false_links_interval(wrong, doubt)
        estimates.append(
            {"links": row[LINK], "expected": wrong, "relative_variance": doubt, "low": low, "high": high}
        )
    calibration = [
        {
            "from": low,
            "to": min(high, 1.0),
            "links": sum(r["bands"][place][0] for r in ranges),
            "expected_false": sum(r["bands"][place][1] for r in ranges) / 1e12,
        }
        for place, (low, high) in enumerate(pairwise(CALIBRATION_BANDS))
    ]
    return {"decisions": decisions.tolist(), "estimates": estimates, "calibration": calibration}


def _contradicted(
    scored: Scored,
    candidates: Candidates,
    posterior: Posterior,
    weights: Weights,
    n: int,
    n_register: int,
) -> np.ndarray:
    """Records whose identifier names one person while name and birth name another: bool[n]."""
    if scored.left.shape[0] == 0:
        return np.zeros(n, bool)
    strongest = np.full(n, np.iinfo(np.int32).min, np.int64)
    blind = np.where(weights.allowed[scored.pattern], scored.blind, np.iinfo(np.int32).min)
    has = candidates.starts[1:] > candidates.starts[:-1]
    strongest[has] = np.maximum.reduceat(blind, candidates.starts[:-1][has])
    best = np.maximum(posterior.best, 0)
    by_number = (posterior.best >= 0) & (weights.group[scored.pattern[best]] > 0)
    own = scored.blind[best].astype(np.int64)
    return by_number & (strongest >= contradicting(own, n_register))


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
