"""Tasks that publish what people act on: pairs for a clerk to judge, and records to be merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs import ordering
from jobs.artefact_writer import join_pieces, write_piece
from jobs.clerk_pages import table_page
from jobs.constraints import review_ids
from jobs.ordering import ranks
from jobs.shuffle import write_shuffled
from jobs.store import aside, open_arrays, read_bytes, read_table, write_arrays, write_bytes, write_table
from jobs.tasks_artefacts import piece_file, source_of, texts_at
from jobs.tasks_decide import load_decided
from jobs.tasks_publish import chunks_of, gathered_file, resolved
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

#: Pairs for review that a task makes: with what both records submitted they take about 40 MB.
REVIEW_ROWS = 1 << 15

#: Characters of a value that a clerk is shown; one that is cut ends with three dots.
SHOWN = 400

#: Of what was submitted: the record's row. A field's name begins with a letter.
_ROW = "@row"

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
    rank = ranks(space, start, stop)[rows]
    write_shuffled(
        gathered_file(space, "review", start),
        (rank // ordering.CHUNK_ROWS).astype(np.uint16),
        chunks_of(space),
        rank=rank,
        left=(rows + start).astype(np.uint32),
        right=picked.right,
        decision=decided.decision[rows],
        reasons=decided.reasons[rows],
        pattern=picked.pattern,
        weight=picked.weight,
        probability=decided.p_link[rows] * lead,
    )
    return {"rows_in": stop - start, "rows_out": int(rows.shape[0])}


def plan_review(work: str) -> dict[str, Any]:
    """Plan how the pairs for review are published, :data:`REVIEW_ROWS` or fewer by a task.

    Gives ``rows_out``, how many pairs there are; ``slices``, of each the arguments of :func:`encode_review`;
    ``parts``, source and part of whom any pair asks, for :func:`gather_submitted`. Holds 16 bytes a pair.
    """
    space = Workspace.open(work)
    chunks = chunks_of(space)
    counts, asked = np.zeros(chunks, np.int64), [np.zeros(0, np.uint32)]
    for start, _ in space.ranges(register=False):
        held = open_arrays(gathered_file(space, "review", start))
        counts += np.diff(held["starts"])
        asked.append(np.unique(np.concatenate([held["left"], held["right"].astype(np.uint32)])))
    rows = np.unique(np.concatenate(asked))
    write_arrays(_asked_file(space), rows=rows)
    slices: list[list[int]] = []
    sums = np.concatenate([[0], np.cumsum(counts)])
    first = 0
    while first < chunks:
        stop = max(first + 1, int(np.searchsorted(sums, sums[first] + REVIEW_ROWS, "right")) - 1)
        for low in range(0, int(sums[stop] - sums[first]), REVIEW_ROWS):
            slices.append([first, stop, low, len(slices)])
        first = stop
    parts = [
        [s, p]
        for s, p, start, count in space.layout["parts"]
        if np.diff(np.searchsorted(rows, [start, start + count]))[0]
    ]
    return {"rows_out": int(sums[-1]), "slices": slices or [[0, chunks, 0, 0]], "parts": parts}


def gather_submitted(work: str, source: int, part: int) -> dict[str, Any]:
    """Gather what the records of a part submitted that any pair for review asks for."""
    space = Workspace.open(work)
    start, count = next((a, n) for s, p, a, n in space.layout["parts"] if (s, p) == (source, part))
    rows = open_arrays(_asked_file(space))["rows"]
    low, high = np.searchsorted(rows, [start, start + count])
    own = rows[low:high]
    held = space.records(source, part, list(space.kinds)).take(pa.array(own.astype(np.int64) - start))
    columns = {name: arrow_text(_shown(pl.Series(held.column(name)))) for name in held.column_names}
    write_table(_submitted_file(space, source, part), pa.table({_ROW: pa.array(own), **columns}))
    return {"rows_in": count, "rows_out": int(high - low)}


def _shown(values: pl.Series) -> pl.Series:
    """Texts as a clerk is shown them."""
    values = values.cast(pl.String)
    long = (values.str.len_chars() > SHOWN).fill_null(False)
    return (values.str.head(SHOWN - 1) + "…").zip_with(long, values) if long.any() else values


def encode_review(work: str, first: int, stop: int, low: int, number: int) -> dict[str, Any]:
    """Encode pairs for a clerk to judge, as piece ``number`` of ``review.parquet`` and of ``review.csv``.

    They are of the records in pieces ``first`` to ``stop`` of the order, of these from pair ``low`` on,
    :data:`REVIEW_ROWS` at most.
    """
    space = Workspace.open(work)
    found: dict[str, list[np.ndarray]] = {name: [np.zeros(0, np.uint32)] for name in _ASKED}
    for start, _ in space.ranges(register=False):
        file = open_arrays(gathered_file(space, "review", start))
        begin, end = (int(v) for v in file["starts"][[first, stop]])
        for name in _ASKED if end > begin else ():
            found[name].append(file.cut(name, begin, end))
    held = {name: np.concatenate(values) for name, values in found.items()}
    keys = texts_at(space, held["right"].astype(np.uint32))
    place = np.empty(len(keys), np.int64)
    place[keys.order()] = np.arange(len(keys))
    by = np.lexsort((place, held["rank"]))[low : low + REVIEW_ROWS]
    table = _review(space, {name: values[by] for name, values in held.items()})
    write_bytes(_page_file(space, number), table_page(table, header=number == 0))
    write_piece(piece_file(space, "review", number), table)
    return {"rows_out": table.num_rows}


def join_review(work: str, out: str, pieces: int) -> dict[str, Any]:
    """``review.parquet`` and ``review.csv``: pairs for a clerk to judge."""
    space = Workspace.open(work)
    with aside(Path(out) / "review.csv") as page:
        for number in range(pieces):
            page.write(read_bytes(_page_file(space, number)))
    files = [piece_file(space, "review", number) for number in range(pieces)]
    return {"rows_out": join_pieces(Path(out) / "review.parquet", files).rows}


def _asked_file(space: Workspace) -> Path:
    return space.path("publish", "asked.arrays")


def _submitted_file(space: Workspace, source: int, part: int) -> Path:
    return space.path("publish", f"submitted-{source:02d}-{part:05d}.arrow")


def _page_file(space: Workspace, number: int) -> Path:
    return space.path("publish", f"review.{number:05d}.csv")


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
    """Fields of rows, in any order, as they were submitted; null for nothing."""
    found = [pl.DataFrame(schema={"place": pl.UInt32, **dict.fromkeys(fields, pl.String)})]
    for source, part, start, count in space.layout["parts"]:
        mine = np.flatnonzero((rows >= start) & (rows < start + count))
        if not mine.size:
            continue
        gathered = read_table(_submitted_file(space, source, part))
        at = np.searchsorted(gathered.column(_ROW).to_numpy(), rows[mine])
        held = pl.DataFrame(pl.from_arrow(gathered.drop_columns(_ROW).take(pa.array(at))))
        found.append(held.cast(pl.String).with_columns(place=pl.Series(mine.astype(np.uint32))))
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
