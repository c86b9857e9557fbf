"""Tasks that publish: from decisions, pairs and groups to the artefacts of a run."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.answers import guarded, review_text
from jobs.clerk_pages import write_rejects
from jobs.constraints import review_ids
from jobs.policies import policy_ids
from jobs.store import make_folder, read_arrays, read_table, write_arrays, write_bytes, write_parquet
from jobs.tasks_decide import load_decided, record_ids
from jobs.tasks_match import scoring_of
from jobs.tasks_train import read_model
from jobs.workspace import Workspace, submitted
from linkage import tables
from linkage.artefacts import (
    arrow_text,
    coded_text,
    content_ids,
    id_array,
    joined,
    numbers,
    pattern_texts,
    person_entity_ids,
    record_entity_ids,
    text_at,
)
from linkage.decisions import CONFLICT, DECISIONS, LINK, NEW, REVIEW, rule_texts
from linkage.model import STEP
from linkage.posterior import power_of_two
from linkage.reasons import reason_lists, texts

#: Best pairs of a record that are published.
PAIRS_KEPT = 5

_BANDS = ("common (5 % or more)", "middle (0.5 to 5 %)", "rare (below 0.5 %)")


def _write(out: str, table: tables.Table, columns: dict[str, Any]) -> int:
    """Check a table against its declaration and write it."""
    checked = table.check(pa.table(columns))
    write_parquet(Path(out) / f"{table.name}.parquet", checked)
    return checked.num_rows


def _names(space: Workspace) -> list[str]:
    return [s.name for s in space.sources]


def order_records(work: str) -> dict[str, Any]:
    """Place of every record in the order of (source, record_id), which every artefact is in."""
    space = Workspace.open(work)
    ids = record_ids(space)
    source = np.asarray(space.coded.source)
    pieces = []
    for name in sorted(_names(space)):
        rows = np.flatnonzero(source == _names(space).index(name)).astype(np.uint32)
        pieces.append(rows[ids.gather(pl.Series(rows)).arg_sort().to_numpy()])
    order = np.concatenate(pieces) if pieces else np.zeros(0, np.uint32)
    rank = np.empty(order.shape[0], np.uint32)
    rank[order] = np.arange(order.shape[0], dtype=np.uint32)
    write_arrays(space.path("order", "order.arrays"), order=order, rank=rank)
    return {"rows_out": int(order.shape[0])}


def _ordered(space: Workspace) -> tuple[np.ndarray, np.ndarray]:
    held = read_arrays(space.path("order", "order.arrays"))
    return held["order"], held["rank"]


def publish_entities(work: str, out: str) -> dict[str, Any]:
    """``entities.parquet``: every record's entity."""
    space = Workspace.open(work)
    decided, _ = load_decided(space)
    held = read_arrays(space.path("resolved", "resolved.arrays"))
    order, rank = _ordered(space)
    first, n = space.layout["n_register"], space.layout["rows"]
    source = np.asarray(space.coded.source)
    ids = record_ids(space)
    owner = np.concatenate([np.arange(first), np.where(decided.decision == LINK, decided.person, -1)]).astype(
        np.int64
    )
    anchor = _anchors(n, first, decided.decision, held, rank)
    entity = np.empty((n, 16), np.uint8)
    entity[:first] = person_entity_ids(ids.slice(0, first))
    linked = np.flatnonzero(owner[first:] >= 0) + first
    entity[linked] = entity[owner[linked]]
    alone = np.flatnonzero(owner[first:] < 0) + first
    names = pl.Series(_names(space))
    at = anchor[alone]
    entity[alone] = record_entity_ids(names.gather(pl.Series(source[at].astype(np.uint32))), text_at(ids, at))
    write_arrays(space.path("resolved", "entity.arrays"), entity=entity)
    rows = _write(
        out,
        tables.ENTITIES,
        {
            "source": coded_text(source[order].astype(np.int64), _names(space)),
            "record_id": arrow_text(ids.gather(pl.Series(order))),
            "entity_id": id_array(entity[order]),
        },
    )
    return {"rows_out": rows}


def _anchors(
    n: int, first: int, decision: np.ndarray, held: dict[str, np.ndarray], rank: np.ndarray
) -> np.ndarray:
    """For every record the member that names its entity: the first by (source, record_id) of its group."""
    anchor = np.arange(n)
    rows, roots = held["rows"], held["roots"]
    if rows.size:
        by = np.lexsort((rank[rows], roots))
        starts = np.flatnonzero(np.concatenate([[True], roots[by][1:] != roots[by][:-1]]))
        named = np.repeat(rows[by][starts], np.diff(np.append(starts, rows.size)))
        anchor[rows[by]] = named
    fresh = np.zeros(n, bool)
    fresh[first:] = decision == NEW
    for gone, stays in zip(
        held["absorbed"][held["keep"]].tolist(), held["survivor"][held["keep"]].tolist(), strict=True
    ):
        if fresh[gone] and fresh[stays]:
            anchor[gone] = anchor[stays]
    return anchor


def publish_links(work: str, out: str) -> dict[str, Any]:
    """``links.parquet``: the edges that made entities, and those cut."""
    space = Workspace.open(work)
    decided, _ = load_decided(space)
    held = read_arrays(space.path("resolved", "resolved.arrays"))
    _, rank = _ordered(space)
    first = space.layout["n_register"]
    source = np.asarray(space.coded.source)
    entity = read_arrays(space.path("resolved", "entity.arrays"))["entity"]
    linked = np.flatnonzero(decided.decision == LINK)
    cut = np.flatnonzero((decided.decision == CONFLICT) & (decided.person >= 0))
    left = np.concatenate([linked + first, held["edge_left"], cut + first])
    right = np.concatenate([decided.person[linked], held["edge_right"], decided.person[cut]])
    kept = np.concatenate([np.ones(linked.size, bool), held["edge_kept"], np.zeros(cut.size, bool)])
    reason = np.concatenate(
        [np.zeros(linked.size, np.int64), np.where(held["edge_kept"], 1, 2), np.full(cut.size, 3)]
    )
    by = np.lexsort((rank[right], rank[left]))
    left, right = left[by], right[by]
    ids = record_ids(space)
    rows = _write(
        out,
        tables.LINKS,
        {
            "entity_id": id_array(entity[left]),
            "source_l": coded_text(source[left].astype(np.int64), _names(space)),
            "record_id_l": arrow_text(text_at(ids, left)),
            "source_r": coded_text(source[right].astype(np.int64), _names(space)),
            "record_id_r": arrow_text(text_at(ids, right)),
            "kept": pa.array(kept[by]),
            "reason": coded_text(reason[by], ("link", "unknown_person", "one_record_a_person", "conflict")),
        },
    )
    return {"rows_out": rows}


def publish_decisions(work: str, out: str) -> dict[str, Any]:
    """``decisions.parquet``: one row an agency record."""
    space = Workspace.open(work)
    decided, state = load_decided(space)
    model = read_model(space)
    order, _ = _ordered(space)
    first = space.layout["n_register"]
    rows = order[order >= first].astype(np.int64)
    own = rows - first
    ids = record_ids(space)
    source = np.asarray(space.coded.source)[rows]
    entity = read_arrays(space.path("resolved", "entity.arrays"))["entity"][rows]
    pair = decided.pair[own]
    has = pair >= 0
    scored = decided.scored
    at = np.where(has, pair, 0)
    empty = scored.left.shape[0] == 0
    pattern = np.zeros(own.shape[0], np.uint32) if empty else scored.pattern[at]
    rule = np.full(own.shape[0], -1) if empty else np.where(has, scored.rule[at].astype(np.int64), -1)
    record_id = text_at(ids, rows)
    person = text_at(ids, decided.person[own])
    names = pl.Series(_names(space))
    ids_by_agency = policy_ids(space.loaded)
    policies = [ids_by_agency.get(name, "") for name in _names(space)]
    decision = decided.decision[own].astype(np.int64)
    words = pl.Series(DECISIONS).gather(pl.Series(decision.astype(np.uint32)))
    identity = content_ids(
        joined(
            names.gather(pl.Series(source.astype(np.uint32))),
            record_id,
            words,
            person,
            model.model_id,
            pl.Series(policies).gather(pl.Series(source.astype(np.uint32))),
        )
    )
    second = decided.runner_up[own]
    n = _write(
        out,
        tables.DECISIONS,
        {
            "decision_id": id_array(identity),
            "source": coded_text(source.astype(np.int64), _names(space)),
            "record_id": arrow_text(record_id),
            "decision": coded_text(decision, DECISIONS),
            "entity_id": id_array(entity),
            "person_id": arrow_text(person),
            "runner_up_person_id": arrow_text(text_at(ids, second)),
            "weight": numbers(decided.weight[own] / STEP, has),
            "margin": numbers(decided.margin[own] / STEP, second >= 0),
            "probability": numbers(decided.probability[own]),
            "rule": coded_text(*rule_texts(rule, [r.name for r in space.rules])),
            "pattern": pattern_texts(pattern, space.programme, has),
            "reasons": reason_lists(decided.reasons[own]).to_arrow(),
            "model_id": coded_text(np.zeros(own.shape[0], np.int64), [model.model_id]),
            "policy_id": coded_text(source.astype(np.int64), policies),
            "number_usable": pa.array(state[own] != 0),
        },
    )
    return {"rows_out": n}


def publish_subgroups(work: str, out: str) -> dict[str, Any]:
    """``subgroups.parquet``: sex, decade of birth, how common the surname is, a usable number."""
    space = Workspace.open(work)
    _, state = load_decided(space)
    order, _ = _ordered(space)
    coded, first = space.coded, space.layout["n_register"]
    rows = order[order >= first].astype(np.int64)
    n = rows.shape[0]
    sex = (
        np.asarray(coded.arrays["sex"])[rows].astype(np.int64)
        if "sex" in coded.arrays
        else np.zeros(n, np.int64)
    )
    birth = (
        np.asarray(coded.arrays["birth_date"])[rows]
        if "birth_date" in coded.arrays
        else np.zeros(n, np.int32)
    )
    band = np.full(n, -1)
    if "full_name" in coded.arrays:
        surname = np.asarray(space.meaning.tokens.forms.ascii)[np.asarray(coded.arrays["full_name"][:, 0])]
        counts = np.bincount(surname[:first], minlength=int(surname.max(initial=0)) + 1)
        share = counts[surname[rows]] / max(1, first)
        band = np.where(surname[rows] == 0, -1, np.where(share >= 0.05, 0, np.where(share >= 0.005, 1, 2)))
    source = np.asarray(coded.source)[rows]
    written = _write(
        out,
        tables.SUBGROUPS,
        {
            "source": coded_text(source.astype(np.int64), _names(space)),
            "record_id": arrow_text(text_at(record_ids(space), rows)),
            "sex": coded_text(sex - 1, ("M", "F")),
            "birth_decade": pa.array(np.where(birth > 0, (birth >> 9) // 10 * 10, -1).astype(np.int32)),
            "surname_band": coded_text(band, _BANDS),
            "number_usable": pa.array(state[rows - first] != 0),
        },
    )
    return {"rows_out": written}


def publish_pairs(work: str, out: str) -> dict[str, Any]:
    """``pairs.parquet``: the best pairs of each record above the floor."""
    space = Workspace.open(work)
    decided, _ = load_decided(space)
    _, rank = _ordered(space)
    scored = decided.scored
    first = space.layout["n_register"]
    record = scored.left.astype(np.int64) - first
    place = np.arange(record.shape[0]) - np.searchsorted(record, record, side="left")
    chosen = np.flatnonzero((place < PAIRS_KEPT) & (scored.weight >= scoring_of(space).floor))
    chosen = chosen[np.lexsort((rank[scored.right[chosen]], rank[scored.left[chosen]]))]
    scored = scored.where(chosen)
    record = record[chosen]
    probability = decided.p_link[record] * power_of_two(scored.weight - decided.weight[record])
    ids = record_ids(space)
    left, right = scored.left.astype(np.int64), scored.right.astype(np.int64)
    source = np.asarray(space.coded.source)
    rows = _write(
        out,
        tables.PAIRS,
        {
            "source_l": coded_text(source[left].astype(np.int64), _names(space)),
            "record_id_l": arrow_text(text_at(ids, left)),
            "source_r": coded_text(source[right].astype(np.int64), _names(space)),
            "record_id_r": arrow_text(text_at(ids, right)),
            "rule": coded_text(*rule_texts(scored.rule.astype(np.int64), [r.name for r in space.rules])),
            "pattern": pattern_texts(scored.pattern, space.programme),
            "weight": numbers(scored.weight / STEP),
            "probability": numbers(probability),
        },
    )
    return {"rows_out": rows}


def publish_duplicates(work: str, out: str) -> dict[str, Any]:
    """``duplicates.parquet``: one row a record to be merged."""
    space = Workspace.open(work)
    held = read_arrays(space.path("resolved", "resolved.arrays"))
    _, rank = _ordered(space)
    kept = np.flatnonzero(held["keep"])
    kept = kept[np.argsort(rank[held["absorbed"][kept]], kind="stable")]
    absorbed, survivor = held["absorbed"][kept], held["survivor"][kept]
    ids = record_ids(space)
    source = np.asarray(space.coded.source)[absorbed]
    gone, stays = text_at(ids, absorbed), text_at(ids, survivor)
    names = pl.Series(_names(space)).gather(pl.Series(source.astype(np.uint32)))
    n = kept.shape[0]
    rows = _write(
        out,
        tables.DUPLICATES,
        {
            "order_id": id_array(
                content_ids(joined(names, stays, gone, "merge", read_model(space).model_id))
            ),
            "source": coded_text(source.astype(np.int64), _names(space)),
            "survivor_record_id": arrow_text(stays),
            "absorbed_record_id": arrow_text(gone),
            "action": coded_text(np.zeros(n, np.int64), ("merge",)),
            "weight": numbers(held["weight"][kept] / STEP),
            "probability": numbers(held["probability"][kept]),
            "reasons": pl.Series([["evidence_agrees"]] * n, dtype=pl.List(pl.String)).to_arrow(),
        },
    )
    return {"rows_out": rows}


def publish_review(work: str, out: str) -> dict[str, Any]:
    """``review.parquet`` and ``review.csv``: pairs for a clerk to judge."""
    space = Workspace.open(work)
    decided, _ = load_decided(space)
    _, rank = _ordered(space)
    first = space.layout["n_register"]
    asked = np.flatnonzero(np.isin(decided.decision, (REVIEW, CONFLICT)) & (decided.pair >= 0))
    scored = decided.scored
    n_pairs = scored.left.shape[0]
    best = decided.pair[asked]
    next_one = np.minimum(best + 1, max(0, n_pairs - 1))
    also = (best + 1 < n_pairs) & (decided.decision[asked] == CONFLICT)
    if n_pairs:
        also &= scored.left[next_one] == asked + first
    pair = np.concatenate([best, next_one[also]])
    rows = np.concatenate([asked, asked[also]])
    right = scored.right[pair].astype(np.int64) if n_pairs else np.zeros(0, np.int64)
    by = np.lexsort((rank[right], rank[rows + first]))
    pair, rows, right = pair[by], rows[by], right[by]
    left = rows + first
    picked = scored.where(pair)
    probability = decided.p_link[rows] * power_of_two(picked.weight - decided.weight[rows])
    ids = record_ids(space)
    source = np.asarray(space.coded.source)
    names = pl.Series(_names(space))
    distinct, why = np.unique(decided.reasons[rows], return_inverse=True)
    lists = reason_lists(distinct).to_list()
    columns: dict[str, Any] = {
        "review_id": id_array(
            review_ids(
                names.gather(pl.Series(source[left].astype(np.uint32))),
                text_at(ids, left),
                names.gather(pl.Series(source[right].astype(np.uint32))),
                text_at(ids, right),
            )
        ),
        "source_l": coded_text(source[left].astype(np.int64), _names(space)),
        "record_id_l": arrow_text(text_at(ids, left)),
        "source_r": coded_text(source[right].astype(np.int64), _names(space)),
        "record_id_r": arrow_text(text_at(ids, right)),
        "decision": coded_text(decided.decision[rows].astype(np.int64), DECISIONS),
        "weight": numbers(picked.weight / STEP),
        "probability": numbers(probability),
        "pattern": pattern_texts(picked.pattern, space.programme),
        "reasons": reason_lists(decided.reasons[rows]).to_arrow(),
        "answer": coded_text(np.zeros(rows.shape[0], np.int64), ("",)),
        "vi": coded_text(why.ravel(), [" ".join(texts(codes, "vi")) for codes in lists]),
        "en": coded_text(why.ravel(), [" ".join(texts(codes, "en")) for codes in lists]),
    }
    for field in space.kinds:
        columns[f"{field}_l"] = arrow_text(submitted(space, field, left))
        columns[f"{field}_r"] = arrow_text(submitted(space, field, right))
    table = tables.REVIEW.check(pa.table(columns))
    write_parquet(Path(out) / "review.parquet", table)
    write_bytes(Path(out) / "review.csv", _csv(table), table.num_rows)
    return {"rows_out": table.num_rows}


def _csv(table: pa.Table) -> bytes:
    """UTF-8 with a byte order mark and CRLF; texts guarded from spreadsheets, see :mod:`jobs.answers`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow([_safe(v) for v in row.values()])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _safe(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return review_text(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return guarded(" ".join(value) if isinstance(value, list) else str(value))


def publish_answers(work: str, out: str) -> dict[str, Any]:
    """``answers_refused.parquet`` and ``.csv``: answers of judgement files that are not honoured, and why."""
    space = Workspace.open(work)
    table = tables.ANSWERS_REFUSED.check(read_table(space.path("decided", "answers_refused.arrow")))
    write_parquet(Path(out) / "answers_refused.parquet", table)
    write_bytes(Path(out) / "answers_refused.csv", _csv(table), table.num_rows)
    return {"rows_out": table.num_rows}


def publish_rejects(work: str, out: str) -> dict[str, Any]:
    """``rejects/<source>.parquet`` and ``.csv``: every refused row."""
    space = Workspace.open(work)
    written = 0
    folder = make_folder(Path(out) / "rejects")
    for number, info in enumerate(space.sources):
        parts = [
            read_table(space.path("intake", f"{s:02d}-{p:05d}.rejects.arrow"))
            for s, p, _, _ in space.layout["parts"]
            if s == number
        ]
        if parts:
            files = [f.path for f in space.loaded.files[info.name]]
            written += write_rejects(folder / f"{info.name}.parquet", pa.concat_tables(parts), files)
    return {"rows_out": written}


def publish_refinement(work: str, out: str) -> dict[str, Any]:
    """``refinement.parquet``: which blocks were refined, so that a later look can tell what that cost."""
    space = Workspace.open(work)
    by_name = sorted((rule.name, number) for number, rule in enumerate(space.rules))
    sizes = [space.blocking.hot[number].shape[0] for _, number in by_name]
    keys = [np.asarray(space.blocking.hot[number]) for _, number in by_name]
    rows = _write(
        out,
        tables.REFINEMENT,
        {
            "rule": coded_text(np.repeat(np.arange(len(by_name)), sizes), [name for name, _ in by_name]),
            "key": numbers(np.concatenate(keys) if keys else np.zeros(0, np.uint64)),
        },
    )
    return {"rows_out": rows}
