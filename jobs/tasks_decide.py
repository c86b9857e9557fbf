"""Tasks that decide, resolve and publish: from scored pairs to the artefacts of a run."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import polars as pl

from jobs.constraints import read_constraints
from jobs.policies import decision_settings
from jobs.store import make_folder, read_array, write_table
from jobs.tasks_match import load_scored, scoring_of, weights_of
from jobs.tasks_train import read_model
from jobs.workspace import Workspace, frame, read_arrays, write_arrays
from linkage import resolve
from linkage.artefacts import (
    joined,
)
from linkage.block import plan_blocks
from linkage.coded import Coded
from linkage.config import Decision
from linkage.decide import Subjects, calibration, decide
from linkage.decisions import DECISIONS, NEW, Decided
from linkage.match import EVERY, RuleKeys, Scoring, match_blocks, match_pairs
from linkage.model import STEP
from linkage.posterior import Prior
from linkage.reasons import BIT
from linkage.rehearsal import nothing
from linkage.rules import base_keys
from linkage.scored import Scored

#: Arrays of :class:`linkage.decisions.Decided` that are kept, one value a record.
DECIDED = (
    "decision",
    "person",
    "runner_up",
    "pair",
    "weight",
    "margin",
    "probability",
    "p_link",
    "p_unregistered",
    "reasons",
)

#: Blocks of unlinked records larger than this are refined.
OPEN_CANDIDATES = 200


def subjects_of(space: Workspace) -> Subjects:
    """What is known of every agency record."""
    coded = space.coded
    first, n = coded.n_register, len(coded)

    def column(name: str) -> np.ndarray:
        return (
            np.asarray(coded.arrays[name][first:]) if name in coded.arrays else np.zeros(n - first, np.int64)
        )

    number, old = column("personal_number") != 0, column("old_number") != 0
    held, old_held = column("personal_number.held") != 0, column("old_number.held") != 0
    state = np.where(number, np.where(held, 2, 1), np.where(old, np.where(old_held, 4, 3), 0))
    named = (
        coded.arrays["full_name"][first:, 0] != 0
        if "full_name" in coded.arrays
        else np.zeros(n - first, bool)
    )
    informed = number | old | (named & (column("birth_date") != 0))
    return Subjects(
        np.asarray(coded.source[first:]),
        np.asarray(coded.order[first:]),
        state.astype(np.int64),
        np.asarray(informed),
    )


def settings_of(space: Workspace) -> list[Decision]:
    """The thresholds of every source, by its number."""
    return [decision_settings(space.loaded, s.name) for s in space.sources]


def decide_all(work: str) -> dict[str, Any]:
    """Decide every agency record."""
    space = Workspace.open(work)
    project = space.loaded.project
    scored = load_scored(space)
    subjects = subjects_of(space)
    scored, forced, forbidden, answers = _judged(space, scored, subjects.source.shape[0])
    names = [s.name for s in space.sources]
    fixed = {names.index(name): share for name, share in project.prior.registered.items()}
    decided = decide(
        scored,
        subjects,
        np.asarray(space.coded.order[: space.coded.n_register]),
        space.coded.n_register,
        space.programme,
        read_model(space),
        weights_of(space),
        settings_of(space),
        fixed=fixed,
        forced=forced,
        absent_terms=read_array(space.path("counts", "absent.npy")),
    )
    _tell_forbidden(decided, forbidden, space.coded.n_register)
    write_arrays(
        space.path("decided", "decided.npz"),
        **{f: getattr(decided, f) for f in DECIDED},
        registered=decided.prior.registered,
        unregistered_term=decided.prior.unregistered_term,
        lost_term=decided.prior.lost_term,
        state=subjects.state,
        **{f"scored.{f}": getattr(decided.scored, f) for f in Scored.__dataclass_fields__},
    )
    counts = np.bincount(decided.decision, minlength=len(DECISIONS))
    return {
        "rows_out": int(decided.decision.shape[0]),
        "decisions": {name: int(counts[i]) for i, name in enumerate(DECISIONS)},
        "estimates": {
            names[s]: e for s, e in enumerate(decided.estimates) if space.sources[s].role == "agency"
        },
        "registered": {
            names[s]: float(decided.prior.registered[s])
            for s in range(len(names))
            if space.sources[s].role == "agency"
        },
        "calibration": calibration(decided),
        "answers": answers,
        "rehearsal": {
            "actors": decided.rehearsal.actors,
            "factor": [round(float(v), 4) for v in decided.rehearsal.factor],
            "wrong": [round(float(v), 4) for v in decided.rehearsal.wrong],
            "predicted": [round(float(v), 4) for v in decided.rehearsal.predicted],
        },
        "by_source": {
            names[s]: {
                name: int(((decided.decision == i) & (subjects.source == s)).sum())
                for i, name in enumerate(DECISIONS)
            }
            for s in range(len(names))
            if space.sources[s].role == "agency"
        },
    }


def _judged(space: Workspace, scored: Scored, n: int) -> tuple[Scored, np.ndarray, Scored, dict[str, int]]:
    """Apply confirmed judgements: the pairs without those that must not be; whom each must be, -1 nobody; the
    pairs taken away; and what became of the answers. Writes those that are refused.
    """
    first = space.coded.n_register
    forced = np.full(n, -1, np.int64)
    loaded = space.loaded
    names = pl.Series([s.name for s in space.sources])
    judged = read_constraints(
        [f.path for f in loaded.must_link],
        [f.path for f in loaded.cannot_link],
        lambda: (
            names.gather(pl.Series(np.asarray(space.coded.source).astype(np.uint32))),
            record_ids(space),
        ),
        first,
    )
    make_folder(space.work / "decided")
    write_table(space.path("decided", "answers_refused.arrow"), judged.refused)
    forced[judged.must[:, 0] - first] = judged.must[:, 1]
    if not judged.cannot.size:
        return scored, forced, Scored.concatenate([]), judged.counts()
    banned = judged.cannot[:, 0] * first + judged.cannot[:, 1]
    falls = np.isin(scored.left.astype(np.int64) * first + scored.right.astype(np.int64), banned)
    return scored.where(~falls), forced, scored.where(falls), judged.counts()


def _tell_forbidden(decided: Decided, forbidden: Scored, first: int) -> None:
    """Mark the records whose best candidate, but for a judgement, would have been a forbidden one."""
    if not forbidden.left.size:
        return
    record = forbidden.left.astype(np.int64) - first
    best = np.full(decided.decision.shape[0], np.iinfo(np.int32).min, np.int64)
    np.maximum.at(best, record, forbidden.weight.astype(np.int64))
    stands = (decided.pair >= 0) & (decided.weight > best)
    told = np.isin(np.arange(best.shape[0]), record) & ~stands
    decided.reasons[told] |= np.uint32(BIT["cannot_link"])


def load_decided(space: Workspace) -> tuple[Decided, np.ndarray]:
    """The decisions as :func:`decide_all` left them, and the records' identifier states."""
    held = read_arrays(space.path("decided", "decided.npz"))
    scored = Scored(**{f: held[f"scored.{f}"] for f in Scored.__dataclass_fields__})
    prior = Prior(held["registered"], held["unregistered_term"], held["lost_term"], 0)
    return Decided(
        scored=scored, prior=prior, estimates=[], rehearsal=nothing(), **{n: held[n] for n in DECIDED}
    ), held["state"]


def _among(space: Workspace, rows: np.ndarray) -> Scored:
    """Scored pairs of agency records among themselves, under all ordinary rules."""
    if rows.shape[0] < 2:
        return Scored.concatenate([])
    # By keyed hash, because a comparison may look at its left record only: where a row stands must not count.
    order = rows[np.lexsort((rows, np.asarray(space.coded.order)[rows]))].astype(np.uint32)
    local = space.coded.take(order, space.gathered)
    local = Coded(local.arrays, local.source, local.order, 0)
    place = np.arange(order.shape[0], dtype=np.uint32)
    scoring = Scoring(weights_of(space), int(np.log2(max(2, rows.shape[0]))) * STEP)
    rules = [space.rules[i] for i in space.blocking.owners()]
    plans, all_keys = [], []
    for rule in rules:
        keys = base_keys(local, space.meaning, rule, space.secret)
        all_keys.append(keys)
        flat, owners = keys.ravel(), np.repeat(place, keys.shape[1])
        some = flat != 0

        def coded_of(wanted: np.ndarray, columns: tuple[str, ...]) -> Coded:
            return local.take(wanted, columns)

        plans.append(
            plan_blocks(
                np.ascontiguousarray(flat[some]),
                owners[some],
                coded_of,
                space.meaning,
                rule,
                0,
                OPEN_CANDIDATES,
                among=True,
            )
        )
    blocking = RuleKeys(rules, [p.hot for p in plans], all_keys)
    found = []
    for index, blocks in enumerate(plans):
        scored, _ = match_blocks(
            local,
            space.meaning,
            space.programme,
            blocking,
            index,
            blocks,
            scoring,
            space.gathered,
            EVERY,
        )
        found.append(scored)
    whole = Scored.concatenate(found)
    return Scored(order[whole.left], order[whole.right], whole.pattern, whole.rule, whole.weight, whole.blind)


def _roles(space: Workspace, source: np.ndarray) -> np.ndarray:
    """Value of the fields within which a source promises one record a person, as a number, by agency row."""
    first = space.coded.n_register
    out = np.zeros(source.shape[0], np.int64)
    for number, info in enumerate(space.sources):
        if not info.contract.per or info.role == "register":
            continue
        for s, part, start, count in space.layout["parts"]:
            if s != number or not count:
                continue
            records = space.records(s, part)
            texts = joined(*(pl.Series(pl.from_arrow(records.column(c))) for c in info.contract.per))
            out[start - first : start - first + count] = np.array(
                [int.from_bytes(hashlib.blake2b(t.encode(), digest_size=7).digest(), "big") for t in texts],
                np.int64,
            )
    return out


def record_ids(space: Workspace) -> pl.Series:
    """Record ids of all rows in global order."""
    parts = [frame(space.records(s, p))["record_id"].cast(pl.String) for s, p, _, _ in space.layout["parts"]]
    return pl.concat(parts).alias("record_id") if parts else pl.Series("record_id", [], dtype=pl.String)


def resolve_all(work: str) -> dict[str, Any]:
    """Group unknown people and find duplicates inside the agencies."""
    space = Workspace.open(work)
    decided, _ = load_decided(space)
    coded, weights = space.coded, weights_of(space)
    first = coded.n_register
    source = np.asarray(coded.source[first:])
    order = np.asarray(coded.order[first:])
    wants_one = np.array(
        [s.role == "agency" and s.contract.records_per_person == "one" for s in space.sources]
    )
    role = _roles(space, source)
    settings = settings_of(space)
    scoring = scoring_of(space)

    groups = resolve.person_groups(decided, first, source, role, wants_one)
    absorbed, survivor = resolve.survivors(groups, _rank(space, groups))
    compared, _ = match_pairs(
        coded,
        space.meaning,
        space.programme,
        space.blocking.none(),
        255,
        absorbed,
        survivor,
        scoring,
        space.gathered,
        owned=False,
        keep_all=True,
    )
    linked = resolve.order_duplicates(compared, decided, weights, source, order, first, settings)

    open_ = resolve.open_rows(decided, first)
    pairs = _among(space, open_)
    probability = resolve.pair_probability(pairs, open_.shape[0])
    fresh = decided.decision == NEW
    roots, edges = resolve.group_open(
        pairs, probability, weights, source, first, list(wants_one), fresh, order
    )
    same = source[pairs.left.astype(np.int64) - first] == source[pairs.right.astype(np.int64) - first]
    same &= role[pairs.left.astype(np.int64) - first] == role[pairs.right.astype(np.int64) - first]
    same &= wants_one[source[pairs.left.astype(np.int64) - first]] if same.size else same
    ordered = set(zip(linked.absorbed.tolist(), linked.survivor.tolist(), strict=True))
    inside = pairs.where(same)
    left, right = _by_rank(space, inside)
    inside = Scored(left, right, inside.pattern, inside.rule, inside.weight, inside.blind)
    new = np.array(
        [
            (a, b) not in ordered and (b, a) not in ordered
            for a, b in zip(left.tolist(), right.tolist(), strict=True)
        ],
        bool,
    )
    inside, p_inside = inside.where(new), probability[same][new]
    unlinked = resolve.order_duplicates(inside, decided, weights, source, order, first, settings, p_inside)
    both = {
        name: np.concatenate([getattr(linked, name), getattr(unlinked, name)])
        for name in resolve.Duplicates.__dataclass_fields__
    }
    taken: set[int] = set()
    keep = np.zeros(both["absorbed"].shape[0], bool)
    ties = [order[both[side] - first] for side in ("survivor", "absorbed")]
    for at in np.lexsort((*ties, -both["probability"])):
        if both["accepted"][at] and int(both["absorbed"][at]) not in taken:
            keep[at] = True
            taken.add(int(both["absorbed"][at]))
    write_arrays(
        space.path("resolved", "resolved.npz"),
        **both,
        keep=keep,
        rows=np.array(sorted(roots), np.int64),
        roots=np.array([roots[r] for r in sorted(roots)], np.int64),
        edge_left=np.array([e[0] for e in edges], np.int64),
        edge_right=np.array([e[1] for e in edges], np.int64),
        edge_kept=np.array([e[2] for e in edges], bool),
    )
    return {
        "duplicates": int(keep.sum()),
        "grouped": len(roots),
        "open": int(open_.shape[0]),
        "pairs": int(pairs.left.shape[0]),
    }


def _rank(space: Workspace, groups: np.ndarray) -> np.ndarray:
    """Place of every grouped row by its source's survivor rule: the smallest stays."""
    return _ranks(space, groups[:, 1] if groups.size else np.zeros(0, np.int64))


def _ranks(space: Workspace, rows: np.ndarray) -> np.ndarray:
    if rows.size == 0:
        return np.zeros(0, np.int64)
    source = np.asarray(space.coded.source)[rows]
    ids = record_ids(space).gather(pl.Series(rows.astype(np.uint32)))
    by_key = ids.rank("dense").to_numpy().astype(np.int64)
    rank = by_key.copy()
    for number, info in enumerate(space.sources):
        mine = source == number
        if info.contract.survivor == "highest_key":
            rank[mine] = -by_key[mine]
        elif info.contract.survivor == "most_complete" and mine.any():
            filled = np.zeros(rows.shape[0], np.int64)
            for column in space.columns:
                values = np.asarray(space.coded.arrays[column][rows])
                kind = space.kinds[column]
                filled += (
                    (values[:, 0] != 0)
                    if kind == "name"
                    else (values >= 0)
                    if kind == "unit"
                    else (values != 0)
                )
            rank[mine] = (-filled * (int(by_key.max()) + 1) + by_key)[mine]
    return rank


def _by_rank(space: Workspace, pairs: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Absorbed and surviving side of each pair."""
    left, right = pairs.left.astype(np.int64), pairs.right.astype(np.int64)
    rank = _ranks(space, np.concatenate([left, right]))
    stays = rank[: left.shape[0]] < rank[left.shape[0] :]
    return np.where(stays, right, left), np.where(stays, left, right)
