"""Tasks that decide, resolve and publish: from scored pairs to the artefacts of a run."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from jobs.store import make_folder, read_table, write_bytes, write_parquet
from jobs.tasks_match import load_scored, scoring_of, weights_of
from jobs.tasks_train import read_model
from jobs.workspace import Workspace, frame, read_arrays, write_arrays
from linkage import resolve
from linkage.artefacts import (
    content_ids,
    joined,
    pattern_texts,
    person_entity_ids,
    picked,
    record_entity_ids,
    sorted_table,
)
from linkage.block import base_keys, plan_blocks
from linkage.coded import Coded
from linkage.decide import CONFLICT, DECISIONS, LINK, NEW, REVIEW, Decided, Subjects, calibration, decide
from linkage.match import EVERY, Blocking, Scored, Scoring, match_blocks, match_pairs
from linkage.model import STEP
from linkage.posterior import Prior, power_of_two
from linkage.reasons import BIT, reason_lists

#: Best pairs of a record that are published.
PAIRS_KEPT = 5

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


def decide_all(work: str) -> dict[str, Any]:
    """Decide every agency record."""
    space = Workspace.open(work)
    project = space.loaded.project
    scored = load_scored(space)
    subjects = subjects_of(space)
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
        project.decision,
        n_sources=len(names),
        fixed=fixed,
    )
    fields = (
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
    write_arrays(
        space.path("decided", "decided.npz"),
        **{f: getattr(decided, f) for f in fields},
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
        "by_source": {
            names[s]: {
                name: int(((decided.decision == i) & (subjects.source == s)).sum())
                for i, name in enumerate(DECISIONS)
            }
            for s in range(len(names))
            if space.sources[s].role == "agency"
        },
    }


def load_decided(space: Workspace) -> tuple[Decided, np.ndarray]:
    """The decisions as :func:`decide_all` left them, and the records' identifier states."""
    held = read_arrays(space.path("decided", "decided.npz"))
    scored = Scored(**{f: held[f"scored.{f}"] for f in Scored.__dataclass_fields__})
    prior = Prior(held["registered"], held["unregistered_term"], held["lost_term"], 0)
    names = (
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
    return Decided(scored=scored, prior=prior, estimates=[], **{n: held[n] for n in names}), held["state"]


def _among(space: Workspace, rows: np.ndarray) -> Scored:
    """Scored pairs of agency records among themselves, under all ordinary rules."""
    if rows.shape[0] < 2:
        return Scored.concatenate([])
    order = np.sort(rows).astype(np.uint32)
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
    blocking = Blocking(rules, [p.hot for p in plans], all_keys)
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


def _roles(space: Workspace, source: np.ndarray, rows: np.ndarray) -> np.ndarray:
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
    role = _roles(space, source, np.arange(source.shape[0]))
    settings = space.loaded.project.decision
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
    linked = resolve.order_duplicates(
        compared, decided, weights, source, order, first, settings, len(space.sources)
    )

    open_ = resolve.open_rows(decided, first)
    pairs = _among(space, open_)
    probability = resolve.pair_probability(pairs, open_.shape[0])
    fresh = decided.decision == NEW
    roots, edges = resolve.group_open(pairs, probability, weights, source, first, list(wants_one), fresh)
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
    unlinked = resolve.order_duplicates(
        inside, decided, weights, source, order, first, settings, len(space.sources), p_inside
    )
    both = {
        name: np.concatenate([getattr(linked, name), getattr(unlinked, name)])
        for name in resolve.Duplicates.__dataclass_fields__
    }
    taken: set[int] = set()
    keep = np.zeros(both["absorbed"].shape[0], bool)
    for at in np.lexsort((both["survivor"], both["absorbed"], -both["probability"])):
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


def publish_entities(work: str, out: str) -> dict[str, Any]:
    """``entities.parquet`` and ``links.parquet``."""
    space = Workspace.open(work)
    decided, _ = load_decided(space)
    held = read_arrays(space.path("resolved", "resolved.npz"))
    first, n = space.layout["n_register"], space.layout["rows"]
    ids = record_ids(space)
    sources = source_names(space)
    linked = decided.decision == LINK
    owner = np.concatenate([np.arange(first), np.where(linked, decided.person, -1)]).astype(np.int64)
    anchor = np.arange(n)
    anchor[held["rows"]] = held["roots"]
    smallest = _smallest_members(ids, sources, held["rows"], held["roots"])
    for root, row in smallest.items():
        anchor[anchor == root] = row
    dup_a, dup_s = held["absorbed"][held["keep"]], held["survivor"][held["keep"]]
    for a, s in zip(dup_a.tolist(), dup_s.tolist(), strict=True):
        if (
            owner[a] < 0
            and owner[s] < 0
            and decided.decision[a - first] == NEW
            and decided.decision[s - first] == NEW
        ):
            anchor[a] = anchor[s]
    persons = np.asarray(person_entity_ids(ids.slice(0, first)).buffers()[1])
    alone = record_entity_ids(
        sources.gather(pl.Series(anchor.astype(np.uint32))), ids.gather(pl.Series(anchor.astype(np.uint32)))
    )
    person_bytes = (
        np.frombuffer(persons, np.uint8)[: first * 16].reshape(-1, 16)
        if first
        else np.zeros((1, 16), np.uint8)
    )
    record_bytes = np.frombuffer(alone.buffers()[1], np.uint8)[: n * 16].reshape(-1, 16)
    entity = np.where((owner >= 0)[:, None], person_bytes[np.maximum(owner, 0)], record_bytes)
    entity_array = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), n, [None, pa.py_buffer(np.ascontiguousarray(entity).tobytes())]
    )
    make_folder(space.work / "resolved")
    write_arrays(space.path("resolved", "entity.npz"), entity=np.ascontiguousarray(entity))
    table = sorted_table(
        {"source": sources, "record_id": ids, "entity_id": entity_array}, ("source", "record_id")
    )
    write_parquet(Path(out) / "entities.parquet", table)

    rows = np.flatnonzero(linked) + first
    left = np.concatenate([rows, held["edge_left"]])
    right = np.concatenate([decided.person[linked], held["edge_right"]])
    kept = np.concatenate([np.ones(rows.shape[0], bool), held["edge_kept"]])
    reason = ["link"] * rows.shape[0] + [
        "unknown_person" if k else "one_record_a_person" for k in held["edge_kept"]
    ]
    contradicted = np.flatnonzero((decided.decision == CONFLICT) & (decided.person >= 0))
    left = np.concatenate([left, contradicted + first])
    right = np.concatenate([right, decided.person[contradicted]])
    kept = np.concatenate([kept, np.zeros(contradicted.shape[0], bool)])
    reason += ["conflict"] * contradicted.shape[0]
    edges = sorted_table(
        {
            "entity_id": entity_array.take(pa.array(left)),
            "source_l": picked(sources, left).alias("source_l"),
            "record_id_l": picked(ids, left).alias("record_id_l"),
            "source_r": picked(sources, right).alias("source_r"),
            "record_id_r": picked(ids, right).alias("record_id_r"),
            "kept": pa.array(kept),
            "reason": pl.Series("reason", reason, dtype=pl.String),
        },
        ("source_l", "record_id_l", "source_r", "record_id_r"),
    )
    write_parquet(Path(out) / "links.parquet", edges)
    return {"rows_out": n}


def source_names(space: Workspace) -> pl.Series:
    """Source names of all rows in global order."""
    names = pl.Series("source", [s.name for s in space.sources], dtype=pl.String)
    return names.gather(pl.Series(np.asarray(space.coded.source).astype(np.uint32)))


def _smallest_members(
    ids: pl.Series, sources: pl.Series, rows: np.ndarray, roots: np.ndarray
) -> dict[int, int]:
    """Root -> the member that comes first by (source, record_id)."""
    if rows.size == 0:
        return {}
    at = pl.Series(rows.astype(np.uint32))
    table = pl.DataFrame({"source": sources.gather(at), "id": ids.gather(at), "row": rows, "root": roots})
    first = table.sort("source", "id").group_by("root", maintain_order=True).first()
    return dict(zip(first["root"].to_list(), first["row"].to_list(), strict=True))


def policy_id(space: Workspace) -> str:
    """Digest of the decision settings."""
    return hashlib.blake2b(msgspec.json.encode(space.loaded.project.decision), digest_size=16).hexdigest()


def publish_decisions(work: str, out: str) -> dict[str, Any]:
    """``decisions.parquet`` and ``subgroups.parquet``."""
    space = Workspace.open(work)
    decided, state = load_decided(space)
    model = read_model(space)
    first, n = space.layout["n_register"], space.layout["rows"]
    ids = record_ids(space)
    people = ids.slice(0, first)
    own = ids.slice(first)
    sources = source_names(space).slice(first)
    entity = read_arrays(space.path("resolved", "entity.npz"))["entity"][first:]
    has = decided.pair >= 0
    at = np.maximum(decided.pair, 0)
    scored = decided.scored
    empty = scored.left.shape[0] == 0
    pattern = np.zeros(n - first, np.uint32) if empty else scored.pattern[at]
    rule_names = pl.Series("rule", [*(r.name for r in space.rules)], dtype=pl.String)
    rule = picked(rule_names, np.where(has, 0 if empty else scored.rule[at].astype(np.int64), -1)).alias(
        "rule"
    )
    decision = pl.Series("decision", DECISIONS).gather(pl.Series(decided.decision.astype(np.uint32)))
    person = picked(people, decided.person).alias("person_id")
    policy = policy_id(space)
    decision_ids = content_ids(joined(sources, own, decision, person, model.model_id, policy))
    texts = pl.DataFrame({"p": pattern_texts(pattern, space.programme), "ok": has}).select(
        pl.when("ok").then("p")
    )["p"]
    table = sorted_table(
        {
            "decision_id": decision_ids,
            "source": sources,
            "record_id": own,
            "decision": decision,
            "entity_id": pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(16), n - first, [None, pa.py_buffer(np.ascontiguousarray(entity).tobytes())]
            ),
            "person_id": person,
            "runner_up_person_id": picked(people, decided.runner_up).alias("runner_up_person_id"),
            "weight": pa.array(np.where(has, decided.weight / STEP, np.nan), from_pandas=True),
            "margin": pa.array(
                np.where(decided.runner_up >= 0, decided.margin / STEP, np.nan), from_pandas=True
            ),
            "probability": pa.array(decided.probability),
            "rule": rule.cast(pl.Categorical),
            "pattern": texts,
            "reasons": reason_lists(decided.reasons),
            "model_id": pl.Series("model_id", [model.model_id], dtype=pl.String)
            .new_from_index(0, n - first)
            .cast(pl.Categorical),
            "policy_id": pl.Series("policy_id", [policy], dtype=pl.String)
            .new_from_index(0, n - first)
            .cast(pl.Categorical),
            "number_usable": pa.array(state != 0),
        },
        ("source", "record_id"),
    )
    write_parquet(Path(out) / "decisions.parquet", table)
    write_parquet(Path(out) / "subgroups.parquet", _subgroups(space, sources, own, state))
    return {"rows_out": n - first}


def _subgroups(space: Workspace, sources: pl.Series, ids: pl.Series, state: np.ndarray) -> pa.Table:
    """Groups that accuracy is told by: sex, decade of birth, how common the surname is, a usable number."""
    coded, first = space.coded, space.layout["n_register"]
    n = len(ids)
    sex = np.asarray(coded.arrays["sex"][first:]) if "sex" in coded.arrays else np.zeros(n, np.uint8)
    birth = (
        np.asarray(coded.arrays["birth_date"][first:])
        if "birth_date" in coded.arrays
        else np.zeros(n, np.int32)
    )
    decade = (birth >> 9) // 10 * 10
    band = np.full(n, -1)
    if "full_name" in coded.arrays:
        surname = np.asarray(space.meaning.tokens.forms.ascii)[coded.arrays["full_name"][:, 0]]
        counts = np.bincount(surname[:first], minlength=int(surname.max(initial=0)) + 1)
        share = counts[surname[first:]] / max(1, first)
        band = np.where(share >= 0.05, 0, np.where(share >= 0.005, 1, 2))
    names = pl.Series("surname_band", ["common (5 % or more)", "middle (0.5 to 5 %)", "rare (below 0.5 %)"])
    return sorted_table(
        {
            "source": sources,
            "record_id": ids,
            "sex": picked(pl.Series("sex", ["M", "F"]), sex.astype(np.int64) - 1),
            "birth_decade": pa.array(np.where(birth > 0, decade, -1).astype(np.int32)),
            "surname_band": picked(names, band),
            "number_usable": pa.array(state != 0),
        },
        ("source", "record_id"),
    )


def publish_pairs(work: str, out: str) -> dict[str, Any]:
    """``pairs.parquet``: the best pairs of each record above the floor."""
    space = Workspace.open(work)
    decided, state = load_decided(space)
    scored = decided.scored
    first = space.layout["n_register"]
    record = scored.left.astype(np.int64) - first
    starts = np.searchsorted(record, record, side="left")
    place = np.arange(record.shape[0]) - starts
    chosen = (place < PAIRS_KEPT) & (scored.weight >= scoring_of(space).floor)
    scored = scored.where(chosen)
    record = record[chosen]
    p_best, w_best = decided.p_link[record], decided.weight[record]
    probability = p_best * power_of_two(scored.weight - w_best)
    ids, sources = record_ids(space), source_names(space)
    rule_names = pl.Series("rule", [r.name for r in space.rules], dtype=pl.String)
    left, right = pl.Series(scored.left), pl.Series(scored.right)
    table = sorted_table(
        {
            "source_l": sources.gather(left).alias("source_l"),
            "record_id_l": ids.gather(left).alias("record_id_l"),
            "source_r": sources.gather(right).alias("source_r"),
            "record_id_r": ids.gather(right).alias("record_id_r"),
            "rule": rule_names.gather(pl.Series(scored.rule.astype(np.uint32))).cast(pl.Categorical),
            "pattern": pattern_texts(scored.pattern, space.programme),
            "weight": pa.array(scored.weight / STEP),
            "probability": pa.array(probability),
        },
        ("source_l", "record_id_l", "record_id_r"),
    )
    write_parquet(Path(out) / "pairs.parquet", table)
    return {"rows_out": table.num_rows}


def publish_duplicates(work: str, out: str) -> dict[str, Any]:
    """``duplicates.parquet``: one row a record to be merged."""
    space = Workspace.open(work)
    held = read_arrays(space.path("resolved", "resolved.npz"))
    keep = held["keep"]
    absorbed, survivor = held["absorbed"][keep], held["survivor"][keep]
    ids, sources = record_ids(space), source_names(space)
    source = picked(sources, absorbed).alias("source")
    gone, stays = (
        picked(ids, absorbed).alias("absorbed_record_id"),
        picked(ids, survivor).alias("survivor_record_id"),
    )
    n = int(keep.sum())
    table = sorted_table(
        {
            "order_id": content_ids(joined(source, stays, gone, "merge", read_model(space).model_id)),
            "source": source,
            "survivor_record_id": stays,
            "absorbed_record_id": gone,
            "action": pl.Series("action", ["merge"] * n, dtype=pl.String),
            "weight": pa.array(held["weight"][keep] / STEP),
            "probability": pa.array(held["probability"][keep]),
            "reasons": pl.Series("reasons", [["evidence_agrees"]] * n, dtype=pl.List(pl.String)),
        },
        ("source", "absorbed_record_id"),
    )
    write_parquet(Path(out) / "duplicates.parquet", table)
    return {"rows_out": n}


def publish_review(work: str, out: str) -> dict[str, Any]:
    """``review.parquet`` and ``review.csv``: pairs for a clerk to judge."""
    space = Workspace.open(work)
    decided, _ = load_decided(space)
    first = space.layout["n_register"]
    asked = np.flatnonzero(np.isin(decided.decision, (REVIEW, CONFLICT)) & (decided.pair >= 0))
    scored = decided.scored
    best = decided.pair[asked]
    second = best + 1
    n_pairs = scored.left.shape[0]
    also = (decided.decision[asked] == CONFLICT) & (second < n_pairs)
    also &= (
        np.where(second < n_pairs, scored.left[np.minimum(second, max(0, n_pairs - 1))], 0) == asked + first
        if n_pairs
        else False
    )
    pair = np.concatenate([best, second[also]])
    rows = np.concatenate([asked, asked[also]])
    ids, sources = record_ids(space), source_names(space)
    left, right = rows + first, scored.right[pair].astype(np.int64) if n_pairs else np.zeros(0, np.int64)
    probability = (
        decided.p_link[rows] * power_of_two(scored.weight[pair] - decided.weight[rows])
        if n_pairs
        else np.zeros(0)
    )
    columns: dict[str, Any] = {
        "source_l": picked(sources, left).alias("source_l"),
        "record_id_l": picked(ids, left).alias("record_id_l"),
        "source_r": picked(sources, right).alias("source_r"),
        "record_id_r": picked(ids, right).alias("record_id_r"),
        "decision": pl.Series("decision", DECISIONS).gather(
            pl.Series(decided.decision[rows].astype(np.uint32))
        ),
        "weight": pa.array(scored.weight[pair] / STEP),
        "probability": pa.array(probability),
        "pattern": pattern_texts(scored.pattern[pair], space.programme)
        if n_pairs
        else pl.Series("pattern", [], dtype=pl.String),
        "reasons": reason_lists(decided.reasons[rows]),
    }
    fields = [c for c in space.kinds if c != "birth_province"]
    for field in fields:
        columns[f"{field}_l"] = _submitted(space, field, left)
        columns[f"{field}_r"] = _submitted(space, field, right)
    columns["answer"] = pl.Series("answer", [""] * len(rows), dtype=pl.String)
    table = sorted_table(columns, ("source_l", "record_id_l", "record_id_r"))
    write_parquet(Path(out) / "review.parquet", table)
    write_bytes(Path(out) / "review.csv", _csv(table), table.num_rows)
    return {"rows_out": table.num_rows}


def _submitted(space: Workspace, field: str, rows: np.ndarray) -> pl.Series:
    """A field of the given rows as it was submitted."""
    out: list[str | None] = [None] * rows.shape[0]
    for source, part, start, count in space.layout["parts"]:
        mine = np.flatnonzero((rows >= start) & (rows < start + count))
        if not mine.size:
            continue
        records = space.records(source, part)
        if field not in records.column_names:
            continue
        texts = records.column(field).take(pa.array(rows[mine] - start)).to_pylist()
        for place, text in zip(mine.tolist(), texts, strict=True):
            out[place] = text
    return pl.Series(field, out, dtype=pl.String)


def _csv(table: pa.Table) -> bytes:
    """UTF-8 with a byte order mark; a text that a spreadsheet would run gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow([_safe(" ".join(v) if isinstance(v, list) else v) for v in row.values()])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _safe(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "'") else text


def publish_repairs(work: str, out: str) -> dict[str, Any]:
    """``repairs.parquet``: every repair of standardisation, by record; and the rejects of every source."""
    space = Workspace.open(work)
    tables = []
    for source, part, _, _ in space.layout["parts"]:
        repairs = frame(read_table(space.path("standard", f"{source:02d}-{part:05d}.repairs.arrow")))
        if repairs.height:
            ids = frame(space.records(source, part))["record_id"].cast(pl.String).gather(repairs["row"])
            tables.append(
                repairs.select(
                    source=pl.lit(space.sources[source].name),
                    record_id=ids,
                    field="field",
                    kind="kind",
                    confidence="confidence",
                )
            )
    whole = (
        pl.concat(tables).sort("source", "record_id", "field", "kind")
        if tables
        else pl.DataFrame(
            schema={
                "source": pl.String,
                "record_id": pl.String,
                "field": pl.String,
                "kind": pl.String,
                "confidence": pl.Float32,
            }
        )
    )
    write_parquet(Path(out) / "repairs.parquet", whole.to_arrow())
    folder = make_folder(Path(out) / "rejects")
    for number, info in enumerate(space.sources):
        parts = [
            read_table(space.path("intake", f"{s:02d}-{p:05d}.rejects.arrow"))
            for s, p, _, _ in space.layout["parts"]
            if s == number
        ]
        if parts:
            write_parquet(folder / f"{info.name}.parquet", pa.concat_tables(parts))
    return {"rows_out": whole.height}


#: For reading reason bits elsewhere.
REASON_BITS = BIT
