"""Tasks that publish what people act on: pairs for a clerk to judge, and records to be merged."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.artefact_writer import join_pieces, write_piece
from jobs.clerk_pages import table_page
from jobs.constraints import review_ids
from jobs.ordering import ranks
from jobs.store import aside, open_arrays, write_arrays
from jobs.tasks_artefacts import piece_file, source_of, texts_at
from jobs.tasks_decide import load_decided
from jobs.tasks_publish import gathered_file, resolved
from jobs.tasks_train import read_model
from jobs.workspace import Workspace
from linkage import tables
from linkage.artefacts import (
    arrow_text,
    coded_text,
    framed_ids,
    id_array,
    numbers,
    pattern_texts,
    reason_column,
)
from linkage.decisions import CONFLICT, DECISIONS, REVIEW
from linkage.model import STEP
from linkage.posterior import power_of_two
from linkage.reasons import BIT, reason_lists, texts

#: Pairs for review that are made at once: with what both records submitted they take about 300 MB.
REVIEW_ROWS = 1 << 18

_ASKED = ("rank", "left", "right", "decision", "reasons", "pattern", "weight", "probability")


def gather_review(work: str, start: int, stop: int) -> dict[str, Any]:
    """Gather a range's pairs that a clerk is to judge: the best of a record, and of a conflict the next."""
    space = Workspace.open(work)
    decided, _ = load_decided(space, start, stop)
    scored = decided.scored
    n_pairs = scored.left.shape[0]
    asked = np.flatnonzero(np.isin(decided.decision, (REVIEW, CONFLICT)) & (decided.pair >= 0))
    best = decided.pair[asked]
    following = np.minimum(best + 1, max(0, n_pairs - 1))
    also = (best + 1 < n_pairs) & (decided.decision[asked] == CONFLICT)
    if n_pairs:
        also &= scored.left[following] == asked + start
    pair = np.concatenate([best, following[also]])
    rows = np.concatenate([asked, asked[also]])
    picked = scored.where(pair)
    lead = power_of_two(picked.weight - decided.weight[rows])
    write_arrays(
        gathered_file(space, "review", start),
        rank=ranks(space, start, stop)[rows],
        left=(rows + start).astype(np.uint32),
        right=picked.right,
        decision=decided.decision[rows],
        reasons=decided.reasons[rows],
        pattern=picked.pattern,
        weight=picked.weight,
        probability=decided.p_link[rows] * lead,
    )
    return {"rows_in": stop - start, "rows_out": int(rows.shape[0])}


def publish_review(work: str, out: str) -> dict[str, Any]:
    """``review.parquet`` and ``review.csv``: pairs for a clerk to judge."""
    space = Workspace.open(work)
    files = [open_arrays(gathered_file(space, "review", a)) for a, _ in space.ranges(register=False)]
    empty = np.zeros(0, np.uint32)
    held = {name: np.concatenate([empty, *(f[name] for f in files)]) for name in _ASKED}
    keys = texts_at(space, held["right"].astype(np.uint32))
    place = np.empty(len(keys), np.int64)
    place[keys.order()] = np.arange(len(keys))
    by = np.lexsort((place, held["rank"]))
    held = {name: values[by] for name, values in held.items()}
    pieces: list[Path] = []
    with contextlib.ExitStack() as stack:
        page = stack.enter_context(aside(Path(out) / "review.csv"))
        for start in range(0, max(1, by.shape[0]), REVIEW_ROWS):
            table = _review(space, {n: v[start : start + REVIEW_ROWS] for n, v in held.items()})
            page.write(table_page(table, header=start == 0))
            pieces.append(piece_file(space, "review", len(pieces)))
            write_piece(pieces[-1], table)
    return {"rows_out": join_pieces(Path(out) / "review.parquet", pieces).rows}


def _review(space: Workspace, held: dict[str, np.ndarray]) -> pa.Table:
    left, right = held["left"].astype(np.int64), held["right"].astype(np.int64)
    sources = [s.name for s in space.sources]
    names = pl.Series(sources)
    of_left, of_right = source_of(space, left), source_of(space, right)
    ids_left, ids_right = texts_at(space, left), texts_at(space, right)
    distinct, why = np.unique(held["reasons"].astype(np.uint32), return_inverse=True)
    lists = reason_lists(distinct).to_list()
    columns: dict[str, Any] = {
        "review_id": id_array(
            review_ids(
                names.gather(pl.Series(of_left.astype(np.uint32))),
                ids_left.series(),
                names.gather(pl.Series(of_right.astype(np.uint32))),
                ids_right.series(),
            )
        ),
        "source_l": coded_text(of_left, sources),
        "record_id_l": ids_left.arrow(),
        "source_r": coded_text(of_right, sources),
        "record_id_r": ids_right.arrow(),
        "decision": coded_text(held["decision"].astype(np.int64), DECISIONS),
        "weight": numbers(held["weight"] / STEP),
        "probability": numbers(held["probability"].astype(np.float64)),
        "pattern": pattern_texts(held["pattern"].astype(np.uint32), space.programme),
        "reasons": reason_column(held["reasons"].astype(np.uint32)),
        "answer": coded_text(np.zeros(left.shape[0], np.int64), ("",)),
        "vi": coded_text(why.ravel(), [" ".join(texts(codes, "vi")) for codes in lists]),
        "en": coded_text(why.ravel(), [" ".join(texts(codes, "en")) for codes in lists]),
    }
    fields = list(space.kinds)
    both = submitted(space, fields, np.concatenate([left, right]))
    for field in fields:
        columns[f"{field}_l"] = arrow_text(both[field].head(left.shape[0]))
        columns[f"{field}_r"] = arrow_text(both[field].tail(left.shape[0]))
    return tables.REVIEW.check(pa.table(columns))


def submitted(space: Workspace, fields: list[str], rows: np.ndarray) -> pl.DataFrame:
    """Fields of rows, in any order, as they were submitted; null for nothing. Each part is read once."""
    found = [pl.DataFrame(schema={"place": pl.UInt32, **dict.fromkeys(fields, pl.String)})]
    for source, part, start, count in space.layout["parts"]:
        mine = np.flatnonzero((rows >= start) & (rows < start + count))
        if not mine.size:
            continue
        records = space.records(source, part, fields).take(pa.array(rows[mine] - start))
        held = pl.DataFrame(pl.from_arrow(records)).cast(pl.String) if records.num_columns else pl.DataFrame()
        found.append(held.with_columns(place=pl.Series(mine.astype(np.uint32))))
    return pl.concat(found, how="diagonal").sort("place")


def publish_duplicates(work: str, out: str) -> dict[str, Any]:
    """``duplicates.parquet``: one row a record to be merged."""
    space = Workspace.open(work)
    held = resolved(space)
    kept = np.flatnonzero(held["keep"])
    absorbed, survivor = held["absorbed"][kept], held["survivor"][kept]
    gone, stays = texts_at(space, absorbed), texts_at(space, survivor)
    sources = [s.name for s in space.sources]
    source = source_of(space, absorbed)
    model = read_model(space).model_id
    frames = [*(f"{name}\x1f" for name in sources), "\x1f", f"\x1fmerge\x1f{model}"]
    which = np.empty((kept.shape[0], 3), np.int64)
    which[:, 0], which[:, 1], which[:, 2] = source, len(sources), len(sources) + 1
    place = np.empty(kept.shape[0], np.int64)
    place[gone.order()] = np.arange(kept.shape[0])
    by_name = np.argsort(np.argsort(sources, kind="stable"))
    by = np.lexsort((place, by_name[source]))
    columns = {
        "order_id": id_array(framed_ids(frames, which, stays, gone)[by]),
        "source": coded_text(source[by], sources),
        "survivor_record_id": stays.take(by).arrow(),
        "absorbed_record_id": gone.take(by).arrow(),
        "action": coded_text(np.zeros(kept.shape[0], np.int64), ("merge",)),
        "weight": numbers(held["weight"][kept][by] / STEP),
        "probability": numbers(held["probability"][kept][by]),
        "reasons": reason_column(np.full(kept.shape[0], BIT["evidence_agrees"], np.uint32)),
    }
    table = tables.DUPLICATES.check(pa.table(columns))
    piece = piece_file(space, "duplicates", 0)
    write_piece(piece, table)
    return {"rows_out": join_pieces(Path(out) / "duplicates.parquet", [piece]).rows}
