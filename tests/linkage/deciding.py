"""Deciding in memory, range by range, as a run does with files in between."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from linkage.decide import (
    Standards,
    Subjects,
    assemble,
    counted,
    cuts_of,
    decisions_of,
    judge,
    prior_of,
    total_of,
    weigh_up,
)
from linkage.decisions import Decided
from linkage.posterior import Tally, posterior_of
from linkage.rehearsal import Played, Rehearsal, conclude, play
from linkage.scored import Scored


def decide(
    scored: Scored,
    subjects: Subjects,
    register_order: np.ndarray,
    first: int,
    standards: Standards,
    *,
    fixed: dict[int, float] | None = None,
    forced: np.ndarray | None = None,
    settled: np.ndarray | None = None,
    settling: np.ndarray | None = None,
    ranges: Sequence[int] = (),
    rehearsal: Rehearsal | None = None,
) -> tuple[Decided, dict[str, list]]:
    """Decide all records, cut at the places of ``ranges``: the decisions of all, and what was counted."""
    n, n_sources = subjects.source.shape[0], len(standards.thresholds)
    edges = [0, *sorted(c for c in ranges if 0 < c < n), n]
    record = scored.left.astype(np.int64) - first
    own, weighed = [], []
    for a, b in itertools.pairwise(edges):
        here = (record >= a) & (record < b)
        mine = scored.where(here)
        part = Subjects(*(getattr(subjects, f.name)[a:b] for f in fields(Subjects)))
        own.append((a, b, part))
        sure = None if settled is None else settled[a:b]
        ties = register_order.__getitem__
        of_kind = None if settling is None else settling[here]
        weighed.append(weigh_up(mine, first + a, b - a, standards.model.register, ties, sure, of_kind))
    tally = Tally.merge(
        [
            Tally.of(part.source, part.state, c.total)
            for (_, _, part), (_, c) in zip(own, weighed, strict=True)
        ]
    )
    prior = prior_of(tally, standards, fixed or {})
    posteriors, played = [], []
    for (_, _, part), (pairs, candidates) in zip(own, weighed, strict=True):
        posteriors.append(posterior_of(candidates, part.source.astype(np.int64), part.state, prior))
        played.append(
            play(
                pairs, candidates, posteriors[-1], part.source.astype(np.int64), part.state,
                np.ones(part.source.shape[0], bool), standards.programme, standards.model,
                standards.weights, prior, n_sources,
            )
        )  # fmt: skip
    if rehearsal is None:
        rehearsal = conclude(Played.merge(played, n_sources), tally.states(n_sources), prior)
    judged, brought = [], []
    for (a, b, part), (pairs, candidates), posterior in zip(own, weighed, posteriors, strict=True):
        some = None if forced is None else forced[a:b]
        one, contest = judge(pairs, candidates, posterior, part, standards, rehearsal, some)
        judged.append(one)
        brought.append(contest)
    cuts = cuts_of(brought, standards.thresholds)
    parts, counts = [], []
    for (_, _, part), (pairs, _), one in zip(own, weighed, judged, strict=True):
        decision, reasons = decisions_of(one, part, standards.thresholds, cuts)
        parts.append(assemble(pairs, one, decision, reasons, prior, rehearsal))
        counts.append(counted(parts[-1], part.source, n_sources))
    return joined(parts), total_of(counts, rehearsal, n_sources)


def joined(parts: Sequence[Decided]) -> Decided:
    """The decisions of consecutive ranges as those of one."""
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
    return replace(parts[0], scored=Scored.concatenate([p.scored for p in parts]), **arrays)
