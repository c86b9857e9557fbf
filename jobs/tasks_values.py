"""Tasks that publish what standardisation says of values: repairs with what became of them, and queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from jobs.clerk_pages import write_queries
from jobs.store import read_array, read_arrays, read_table, write_parquet
from jobs.tasks_decide import load_decided, record_ids
from jobs.tasks_frequency import identifiers_of
from jobs.workspace import Workspace, frame
from linkage import tables
from linkage.artefacts import arrow_text, coded_text, numbers, text_at
from linkage.coded import UnitSets
from linkage.decisions import LINK
from linkage.name_keys import name_codes
from linkage.queries import QUERY_COLUMNS, numbers_of_many
from linkage.repairs import OPEN, OUTCOMES, REPAIRS, outcomes


def publish_repairs(work: str, out: str) -> dict[str, Any]:
    """``repairs.parquet``: every repair of a value, and whether the linked person explains it."""
    space = Workspace.open(work)
    held = _of_parts(space, "repairs", REPAIRS)
    return {"rows_out": _write(space, out, tables.REPAIRS, held, outcome=_outcomes(space, held))}


def publish_queries(work: str, out: str) -> dict[str, Any]:
    """``queries.parquet``: every value that somebody must look at, numbers of many records among them.

    And ``queries/<source>.csv``: those of one source for its clerks.
    """
    space = Workspace.open(work)
    held = pl.concat([_of_parts(space, "queries", QUERY_COLUMNS), *_many(space)])
    line = np.zeros(held.height, np.int64)
    row = held["row"].to_numpy()
    for source, part, start, rows in space.layout["parts"]:
        mine = np.flatnonzero((row >= start) & (row < start + rows))
        if mine.size:
            lines = space.records(source, part).column("line").to_numpy()
            line[mine] = lines[row[mine] - start]
    rows = _write(space, out, tables.QUERIES, held.with_columns(line=pl.Series(line)))
    taken = {source for source, *_ in space.layout["parts"]}
    write_queries(Path(out), [s.name for n, s in enumerate(space.sources) if n in taken])
    return {"rows_out": rows}


def _of_parts(space: Workspace, name: str, columns: dict[str, Any]) -> pl.DataFrame:
    """A list of all parts, rows counted through all of them."""
    pieces = [pl.DataFrame(schema={**columns, "row": pl.Int64})]
    for source, part, start, _ in space.layout["parts"]:
        held = frame(read_table(space.path("standard", f"{source:02d}-{part:05d}.{name}.arrow")))
        typed = held.select(pl.col(column).cast(kind) for column, kind in columns.items())
        pieces.append(typed.with_columns(pl.col("row").cast(pl.Int64) + start))
    return pl.concat(pieces)


def _many(space: Workspace) -> list[pl.DataFrame]:
    """Queries of numbers that many records of their source bear."""
    found = []
    for field in sorted(identifiers_of(space)):
        rows = np.concatenate(
            [
                start + np.flatnonzero(numbers_of_many(held[f"{field}.repeats"]))
                for start, _ in space.ranges(register=False)
                for held in [read_arrays(space.range_file("side", start))]
            ]
            or [np.zeros(0, np.int64)]
        )
        held = pl.DataFrame({"row": rows}, schema={"row": pl.Int64})
        found.append(held.with_columns(field=pl.lit(field), code=pl.lit("number_of_many")))
    return found


def _write(
    space: Workspace, out: str, table: tables.Table, held: pl.DataFrame, **more: npt.NDArray[np.uint8]
) -> int:
    """Write rows of the run as a table of records, in its order; ``more`` are further coded columns."""
    rank = read_arrays(space.path("order", "order.arrays"))["rank"]
    names = [name for name in ("kind", "code") if name in held.columns]
    order = held.select("field", *names).with_columns(
        rank=pl.Series(rank[held["row"].to_numpy()]), place=pl.int_range(held.height)
    )
    by = order.sort("rank", "field", *names)["place"].to_numpy()
    at = held["row"].to_numpy()[by]
    columns: dict[str, Any] = {
        "source": coded_text(
            np.asarray(space.coded.source)[at].astype(np.int64), [s.name for s in space.sources]
        ),
        "record_id": arrow_text(text_at(record_ids(space), at)),
    }
    for name in ("line", "field", *names, "confidence"):
        if name in held.columns:
            values = held[name].gather(pl.Series(by))
            if values.dtype == pl.String:
                columns[name] = values.cast(pl.Categorical).to_arrow()
            else:
                columns[name] = numbers(values.to_numpy())
    for name, codes in more.items():
        columns[name] = coded_text(codes[by].astype(np.int64), list(OUTCOMES))
    checked = table.check(pa.table(columns))
    write_parquet(Path(out) / f"{table.name}.parquet", checked)
    return checked.num_rows


def _outcomes(space: Workspace, held: pl.DataFrame) -> npt.NDArray[np.uint8]:
    """What became of each repair (see :func:`linkage.repairs.outcomes`)."""
    out = np.full(held.height, OPEN, np.uint8)
    first, coded = space.layout["n_register"], space.coded
    decided, _ = load_decided(space)
    owner = np.where(decided.decision == LINK, decided.person, -1)
    row = held["row"].to_numpy()
    undone, guess = held["undone"].to_numpy(), (held["confidence"] < 1).to_numpy()
    unrepaired = held["unrepaired"].to_numpy()
    person = np.full(held.height, -1, np.int64)
    person[row >= first] = owner[row[row >= first] - first]
    for field in held["field"].unique(maintain_order=True).to_list():
        kind = space.kinds.get(field)
        mine = np.flatnonzero((held["field"] == field).to_numpy())
        values = coded.arrays.get(field)
        linked = mine[person[mine] >= 0]
        if values is None or kind is None or kind == "text":
            out[mine] = np.where(undone[mine], OUTCOMES.index("undone"), OPEN)
            continue
        own, theirs = np.asarray(values[row[linked]]), np.asarray(values[person[linked]])
        if kind == "name":
            tokens = space.meaning.tokens
            own, theirs = (name_codes(v, tokens, "ascii").view(np.int64) for v in (own, theirs))
        none = -1 if kind == "unit" else 0
        agree = _overlap(space.meaning.units) if kind == "unit" else np.equal
        out[mine] = np.where(undone[mine], OUTCOMES.index("undone"), OPEN)
        out[linked] = outcomes(
            own.astype(np.int64),
            unrepaired[linked],
            theirs.astype(np.int64),
            undone[linked],
            guess[linked],
            none,
            agree,
        )
    return out


def _overlap(units: UnitSets) -> Any:
    """Whether two sets of units have a member in common, by their numbers."""

    def agree(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        pairs, places = np.unique(np.stack([left, right], axis=1), axis=0, return_inverse=True)
        members = [
            [set(units.members[units.offsets[u] : units.offsets[u + 1]].tolist()) for u in pair]
            for pair in pairs.tolist()
        ]
        met = np.array([bool(a & b) for a, b in members], np.bool_)
        return met[places.reshape(-1)]

    return agree
