"""Tasks that decide, range by range: from scored pairs to decisions.

Each task of a range writes one container; what concerns all ranges is merged by a task between them. Under
the work folder:

    decided/prior.arrays, rehearsal.arrays, cuts.arrays   of all ranges
    weighed/<start>.arrays    the range's pairs in order, and the records' identifier states
    tally, rehearsed, contests/<start>.arrays    what the range brings to the merges
    judged/<start>.arrays     the records before acceptance
    decided/<start>.arrays    decision and reasons
"""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from typing import Any

import numpy as np

from jobs.judgements import forbidden_pairs, forced_persons
from jobs.policies import decision_settings
from jobs.store import open_arrays, read_arrays, write_arrays
from jobs.tasks_match import load_scored, weights_of
from jobs.tasks_settle import settled_range
from jobs.tasks_train import read_model
from jobs.workspace import Workspace
from linkage.acceptance import Contest, Cut
from linkage.config import Decision
from linkage.decide import (
    Judged,
    Standards,
    Subjects,
    assemble,
    counted,
    cuts_of,
    decisions_of,
    judge,
    prior_of,
    weigh_up,
)
from linkage.decisions import INELIGIBLE, NEW, Decided
from linkage.posterior import STATES, Candidates, Posterior, Prior, Tally, posterior_of
from linkage.reasons import BIT
from linkage.rehearsal import Played, Rehearsal, conclude, nothing, play
from linkage.scored import Scored
from linkage.settle import rehearsed

_SCORED = tuple(Scored.__dataclass_fields__)

#: Arrays of :class:`linkage.decide.Judged` as they are kept; rows and places fit 32 bits.
_ROWS = ("person", "runner_up", "pair")
_VALUES = ("weight", "margin", "p_link", "p_unregistered", "reasons")
_FLAGS = ("can_link", "can_be_new", "confirmed", "contradicted", "close", "double")

#: Tallied records, at least, that are added up at once: 16 bytes each, and as much again to sort them.
TALLIED = 4_000_000


def states_of(space: Workspace, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Identifier state of every record of an agency range, uint8[n] (:data:`linkage.posterior.STATES`), and
    whether it holds enough to tell one person from another, bool[n].
    """
    arrays = space.coded.arrays

    def has(name: str) -> np.ndarray:
        return np.asarray(arrays[name][start:stop]) != 0 if name in arrays else np.zeros(stop - start, bool)

    number, old = has("personal_number"), has("old_number")
    held, old_held = has("personal_number.held"), has("old_number.held")
    state = np.where(number, np.where(held, 2, 1), np.where(old, np.where(old_held, 4, 3), 0))
    named = has("full_name")[:, 0] if "full_name" in arrays else np.zeros(stop - start, bool)
    return state.astype(np.uint8), number | old | (named & has("birth_date"))


def settings_of(space: Workspace) -> list[Decision]:
    """The thresholds of every source, by its number."""
    return [decision_settings(space.loaded, s.name) for s in space.sources]


def _standards(space: Workspace) -> Standards:
    return Standards(space.programme, read_model(space), weights_of(space), settings_of(space))


def weigh_range(work: str, start: int, stop: int) -> dict[str, Any]:
    """Sort the pairs of a range, without those that must not be, and tally its records for the prior."""
    space = Workspace.open(work)
    model = read_model(space)
    scored = load_scored(space, start)
    falls = forbidden_pairs(space, scored)
    forbidden = scored.where(falls)
    if forbidden.left.size:
        scored = scored.where(~falls)
    of_identifier = np.isin(np.arange(256), space.identifier_rules)
    settling = space.settling[scored.pattern] & of_identifier[scored.rule]
    scored, candidates = weigh_up(
        scored,
        start,
        stop - start,
        model.register,
        lambda rows: space.coded.order[rows.astype(np.int64)],
        settled_range(space, start, stop),
        settling,
    )
    state, informed = states_of(space, start, stop)
    tally = Tally.of(np.asarray(space.coded.source[start:stop]), state, candidates.total)
    write_arrays(
        space.range_file("weighed", start),
        **{f: getattr(scored, f) for f in _SCORED},
        state=state,
        informed=informed,
        forbidden=forbidden.left,
        forbidden_weight=forbidden.weight,
    )
    write_arrays(space.range_file("tally", start), keys=tally.keys, counts=tally.counts)
    return {"rows_in": stop - start, "pairs": int(scored.left.shape[0])}


def _weighed(space: Workspace, start: int, stop: int) -> tuple[Scored, Subjects]:
    held = read_arrays(space.range_file("weighed", start))
    subjects = Subjects(
        np.asarray(space.coded.source[start:stop]),
        np.asarray(space.coded.order[start:stop]),
        held["state"].astype(np.int64),
        held["informed"],
    )
    return Scored(**{f: held[f] for f in _SCORED}), subjects


def _candidates(space: Workspace, scored: Scored, start: int, stop: int) -> Candidates:
    record = scored.left.astype(np.int64) - start
    return Candidates.of(record, scored.weight, stop - start, read_model(space).register)


def _posterior(space: Workspace, start: int, stop: int) -> tuple[Scored, Subjects, Candidates, Posterior]:
    scored, subjects = _weighed(space, start, stop)
    candidates = _candidates(space, scored, start, stop)
    source = subjects.source.astype(np.int64)
    return scored, subjects, candidates, posterior_of(candidates, source, subjects.state, read_prior(space))


def find_prior(work: str) -> dict[str, Any]:
    """Share registered of every source, from the tallies of all ranges; and how many records bring no
    identifier that a register person holds.
    """
    space = Workspace.open(work)
    waiting = [Tally.merge([])]
    for start, _ in space.ranges(register=False):
        held = read_arrays(space.range_file("tally", start))
        waiting.append(Tally(held["keys"], held["counts"]))
        if sum(t.keys.shape[0] for t in waiting) > TALLIED:
            waiting = [Tally.merge(waiting)]
    tally = Tally.merge(waiting)
    names = [s.name for s in space.sources]
    fixed = {names.index(n): share for n, share in space.loaded.project.prior.registered.items()}
    prior = prior_of(tally, _standards(space), fixed)
    write_arrays(
        space.path("decided", "prior.arrays"),
        registered=prior.registered,
        unregistered_term=prior.unregistered_term,
        lost_term=prior.lost_term,
        states=tally.states(len(names)),
    )
    states = tally.states(len(names))[:, [STATES.index(k) for k in ("none", "unheld", "old_unheld")]]
    return {
        "registered": {n: float(prior.registered[s]) for s, n in enumerate(names)},
        "without_holder": int(states.sum()),
    }


def read_prior(space: Workspace) -> Prior:
    """What :func:`find_prior` found."""
    held = read_arrays(space.path("decided", "prior.arrays"))
    return Prior(held["registered"], held["unregistered_term"], held["lost_term"], 0)


def rehearse_range(work: str, start: int, stop: int) -> dict[str, Any]:
    """Let the sampled records of a range act in the rehearsal."""
    space = Workspace.open(work)
    scored, subjects, candidates, posterior = _posterior(space, start, stop)
    standards = _standards(space)
    n_agency = space.layout["rows"] - space.layout["n_register"]
    absent = space.coded.arrays.get("absent")
    played = play(
        scored,
        candidates,
        posterior,
        subjects.source.astype(np.int64),
        subjects.state,
        rehearsed(subjects.order, n_agency),
        standards.programme,
        standards.model,
        standards.weights,
        read_prior(space),
        len(space.sources),
        None if absent is None else lambda rows: absent[rows.astype(np.int64)].astype(np.int64),
    )
    write_arrays(
        space.range_file("rehearsed", start), actors=played.actors, said=played.said, wrong=played.wrong
    )
    return {"rows_in": stop - start}


def conclude_rehearsal(work: str) -> dict[str, Any]:
    """What the actors of all ranges say."""
    space = Workspace.open(work)
    played = Played.none(len(space.sources))
    for start, _ in space.ranges(register=False):
        held = read_arrays(space.range_file("rehearsed", start))
        own = Played(held["actors"], held["said"], held["wrong"])
        played = Played.merge([played, own], len(space.sources))
    states = read_arrays(space.path("decided", "prior.arrays"))["states"]
    found = conclude(played, states, read_prior(space))
    write_arrays(
        space.path("decided", "rehearsal.arrays"),
        factor=found.factor,
        wrong=found.wrong,
        predicted=found.predicted,
        variance=found.variance,
        actors=np.array([found.actors]),
    )
    return {
        "actors": found.actors,
        "factor": [round(float(v), 4) for v in found.factor],
        "wrong": [round(float(v), 4) for v in found.wrong],
        "predicted": [round(float(v), 4) for v in found.predicted],
    }


def read_rehearsal(space: Workspace) -> Rehearsal:
    """What :func:`conclude_rehearsal` concluded."""
    held = read_arrays(space.path("decided", "rehearsal.arrays"))
    return Rehearsal(
        held["factor"], held["wrong"], held["predicted"], held["variance"], int(held["actors"][0])
    )


def judge_range(work: str, start: int, stop: int) -> dict[str, Any]:
    """Judge the records of a range by themselves, and bring what they bring to the acceptance."""
    space = Workspace.open(work)
    scored, subjects, candidates, posterior = _posterior(space, start, stop)
    judged, brought = judge(
        scored,
        candidates,
        posterior,
        subjects,
        _standards(space),
        read_rehearsal(space),
        forced_persons(space, start, stop),
    )
    flags = np.zeros(stop - start, np.uint8)
    for bit, name in enumerate(_FLAGS):
        flags |= getattr(judged, name).astype(np.uint8) << np.uint8(bit)
    write_arrays(
        space.range_file("judged", start),
        **{f: getattr(judged, f).astype(np.int32) for f in _ROWS},
        **{f: getattr(judged, f) for f in _VALUES},
        flags=flags,
    )
    sets = [contest for of_source in brought for contest in of_source]
    write_arrays(
        space.range_file("contests", start),
        credit=np.array([c.credit for c in sets], np.int64),
        sizes=np.array([c.doubt.shape[0] for c in sets], np.int64),
        doubt=np.concatenate([c.doubt for c in sets]),
        order=np.concatenate([c.order for c in sets]),
    )
    return {"rows_in": stop - start}


def _judged(space: Workspace, start: int) -> Judged:
    held = read_arrays(space.range_file("judged", start))
    flags = {name: (held["flags"] >> np.uint8(bit)) & 1 == 1 for bit, name in enumerate(_FLAGS)}
    rows = {f: held[f].astype(np.int64) for f in _ROWS}
    return Judged(**rows, **{f: held[f] for f in _VALUES}, **flags)


def place_cuts(work: str) -> dict[str, Any]:
    """Where acceptance ends in every source, of links and of new records."""
    space = Workspace.open(work)
    thresholds = settings_of(space)
    brought = []
    for start, _ in space.ranges(register=False):
        held = read_arrays(space.range_file("contests", start))
        edges = np.concatenate([[0], np.cumsum(held["sizes"])])
        sets = [
            Contest(int(held["credit"][i]), held["doubt"][a:b], held["order"][a:b])
            for i, (a, b) in enumerate(itertools.pairwise(edges))
        ]
        brought.append([sets[2 * s : 2 * s + 2] for s in range(len(thresholds))])
    cuts = cuts_of(brought, thresholds)
    write_arrays(
        space.path("decided", "cuts.arrays"),
        doubt=np.array([[c.doubt for c in of_source] for of_source in cuts], np.int64),
        order=np.array([[c.order for c in of_source] for of_source in cuts], np.uint64),
    )
    return {}


def decide_range(work: str, start: int, stop: int) -> dict[str, Any]:
    """Decide the records of a range; gives what was counted (:func:`linkage.decide.counted`)."""
    space = Workspace.open(work)
    held = read_arrays(space.path("decided", "cuts.arrays"))
    cuts = [
        [Cut(int(d), int(o)) for d, o in zip(doubts, orders, strict=True)]
        for doubts, orders in zip(held["doubt"], held["order"], strict=True)
    ]
    scored, subjects = _weighed(space, start, stop)
    judged = _judged(space, start)
    decision, reasons = decisions_of(judged, subjects, settings_of(space), cuts)
    _tell_forbidden(space, start, judged, reasons)
    write_arrays(space.range_file("decided", start), decision=decision, reasons=reasons)
    decided = assemble(scored, judged, decision, reasons, read_prior(space), nothing())
    return {"rows_out": stop - start} | counted(decided, subjects.source, len(space.sources))


def _tell_forbidden(space: Workspace, start: int, judged: Judged, reasons: np.ndarray) -> None:
    """Mark the records whose best candidate, but for a judgement, would have been a forbidden one."""
    held = read_arrays(space.range_file("weighed", start))
    if not held["forbidden"].size:
        return
    record = held["forbidden"].astype(np.int64) - start
    best = np.full(reasons.shape[0], np.iinfo(np.int32).min, np.int64)
    np.maximum.at(best, record, held["forbidden_weight"].astype(np.int64))
    stands = (judged.pair >= 0) & (judged.weight > best)
    told = np.isin(np.arange(best.shape[0]), record) & ~stands
    reasons[told] |= np.uint32(BIT["cannot_link"])


def load_decided(
    space: Workspace, start: int | None = None, stop: int | None = None
) -> tuple[Decided, np.ndarray]:
    """The decisions of an agency range, or of all, with the pairs they rest on, and the records' identifier
    states. ``pair`` counts within the pairs given.
    """
    if start is None or stop is None:
        parts = [load_decided(space, a, b) for a, b in space.ranges(register=False)]
        return _joined([d for d, _ in parts]), np.concatenate([s for _, s in parts])
    scored, subjects = _weighed(space, start, stop)
    held = read_arrays(space.range_file("decided", start))
    decided = assemble(
        scored, _judged(space, start), held["decision"], held["reasons"], read_prior(space), nothing()
    )
    return decided, subjects.state


def load_outcomes(
    space: Workspace, start: int | None = None, stop: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decision (uint8), person (int64) and probability of the link of an agency range, or of all."""
    if start is None or stop is None:
        parts = [load_outcomes(space, a, b) for a, b in space.ranges(register=False)]
        decision, person, p_link = (np.concatenate(c) for c in zip(*parts, strict=True))
        return decision, person, p_link
    held, judged = (
        open_arrays(space.range_file("decided", start)),
        open_arrays(space.range_file("judged", start)),
    )
    decision = held["decision"]
    nobody = (decision == NEW) | (decision == INELIGIBLE)
    return decision, np.where(nobody, -1, judged["person"].astype(np.int64)), judged["p_link"]


def _joined(parts: list[Decided]) -> Decided:
    shift = np.cumsum([0, *(p.scored.left.shape[0] for p in parts[:-1])])
    moved = [
        replace(p, pair=np.where(p.pair >= 0, p.pair + more, -1))
        for p, more in zip(parts, shift, strict=True)
    ]
    arrays = {
        f.name: np.concatenate([getattr(p, f.name) for p in moved])
        for f in fields(Decided)
        if isinstance(getattr(parts[0], f.name), np.ndarray)
    }
    scored = Scored.concatenate([p.scored for p in parts])
    return replace(parts[0], scored=scored, **arrays)  # type: ignore[arg-type]
