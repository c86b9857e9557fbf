"""Tasks that publish what standardisation says of values: repairs with what became of them, and queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from jobs import ordering
from jobs.artefact_writer import write_piece
from jobs.clerk_pages import write_queries
from jobs.ordering import Stretch, stretch
from jobs.record_files import read_lines
from jobs.store import open_arrays, read_table, write_table
from jobs.tasks_artefacts import piece_file, ranges_of
from jobs.tasks_decide import load_outcomes
from jobs.tasks_publish import chunk_places, gathered_file
from jobs.workspace import Workspace, frame
from linkage import tables
from linkage.artefacts import coded_text, numbers
from linkage.coded import UnitSets
from linkage.decisions import LINK
from linkage.name_keys import name_codes
from linkage.queries import QUERY_COLUMNS, numbers_of_many
from linkage.repairs import OPEN, OUTCOMES, REPAIRS, outcomes

#: What is gathered of a value, beside where its record is published.
_REPAIR = {"field": pl.String, "kind": pl.String, "confidence": pl.Float32, "outcome": pl.UInt8}
_QUERY = {"field": pl.String, "code": pl.String, "line": pl.Int64}
_WHERE = {"chunk": pl.UInt16, "place": pl.UInt32}


def gather_values(work: str, start: int, stop: int) -> dict[str, Any]:
    """Gather the repairs and the queries of a range, by the piece of the order that their records are in."""
    space = Workspace.open(work)
    chunk, place = chunk_places(space, start, stop)
    repairs = _of_range(space, "repairs", REPAIRS, start, stop)
    repairs = repairs.with_columns(outcome=pl.Series(_outcomes(space, repairs, start, stop)))
    queries = pl.concat([_of_range(space, "queries", QUERY_COLUMNS, start, stop), *_many(space, start)])
    queries = queries.with_columns(line=pl.Series(_lines(space, queries["row"].to_numpy()), dtype=pl.Int64))
    for name, held, columns in (("repairs", repairs, _REPAIR), ("queries", queries, _QUERY)):
        at = held["row"].to_numpy() - start
        placed = held.with_columns(chunk=pl.Series(chunk[at]), place=pl.Series(place[at]))
        table = placed.sort("chunk", maintain_order=True).select(*_WHERE, *columns)
        write_table(gathered_file(space, name, start), table.to_arrow())
    return {"rows_in": stop - start}


def _of_range(space: Workspace, name: str, columns: dict[str, Any], start: int, stop: int) -> pl.DataFrame:
    """What the parts list of a range's records, rows counted through all of them."""
    pieces = [pl.DataFrame(schema={**columns, "row": pl.Int64})]
    for source, part, first, rows in space.layout["parts"]:
        if not rows or first >= stop or first + rows <= start:
            continue
        held = frame(read_table(space.path("standard", f"{source:02d}-{part:05d}.{name}.arrow")))
        typed = held.select(pl.col(column).cast(kind) for column, kind in columns.items())
        typed = typed.with_columns(pl.col("row").cast(pl.Int64) + first)
        pieces.append(typed.filter(pl.col("row").is_between(start, stop, closed="left")))
    return pl.concat(pieces)


def _many(space: Workspace, start: int) -> list[pl.DataFrame]:
    """Queries of numbers that many records of their source bear."""
    if start < space.layout["n_register"]:
        return []
    side = open_arrays(space.range_file("side", start))
    found = []
    for name in sorted(n for n in side if n.endswith(".repeats")):
        rows = np.flatnonzero(numbers_of_many(side[name])) + start
        held = pl.DataFrame({"row": rows}, schema={"row": pl.Int64})
        field = name.removesuffix(".repeats")
        found.append(held.with_columns(field=pl.lit(field), code=pl.lit("number_of_many")))
    return [held.select(*QUERY_COLUMNS) for held in found]


def _lines(space: Workspace, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The line of its file that each record came from."""
    line = np.zeros(rows.shape[0], np.int64)
    for source, part, first, count in space.layout["parts"]:
        mine = np.flatnonzero((rows >= first) & (rows < first + count))
        if mine.size:
            line[mine] = read_lines(space.work / "intake", source, part, rows[mine] - first)
    return line


def encode_values(work: str, first: int, stop: int) -> dict[str, Any]:
    """Encode the repairs and queries of consecutive pieces of the order, from the ``first`` to ``stop``."""
    space = Workspace.open(work)
    rows, size = space.layout["rows"], ordering.CHUNK_ROWS
    pieces = {n: stretch(space, n * size, min((n + 1) * size, rows)) for n in range(first, stop)}
    sources = np.unique(np.concatenate([held.source for held in pieces.values()]))
    starts = ranges_of(space, sources, register=None)
    outcome = pl.Series(OUTCOMES)
    repairs = _placed(space, "repairs", starts, first, stop, _REPAIR, "kind")
    repairs = repairs.with_columns(outcome=outcome.gather(repairs["outcome"].cast(pl.UInt32)))
    queries = _placed(space, "queries", starts, first, stop, _QUERY, "code")
    for table, held in ((tables.REPAIRS, repairs), (tables.QUERIES, queries)):
        bounds = np.searchsorted(held["chunk"].to_numpy(), np.arange(first, stop + 1)).tolist()
        for number, low, high in zip(pieces, bounds[:-1], bounds[1:], strict=True):
            _encode(space, table, number, pieces[number], held.slice(low, high - low))
    return {"rows_out": sum(held.rows.shape[0] for held in pieces.values())}


def _placed(
    space: Workspace, name: str, starts: list[int], first: int, stop: int, columns: dict[str, Any], kind: str
) -> pl.DataFrame:
    """What was gathered for some pieces of the order, in the order of its artefact."""
    found = [pl.DataFrame(schema={**_WHERE, **columns})]
    for start in starts:
        table = read_table(gathered_file(space, name, start))
        low, high = np.searchsorted(table.column("chunk").to_numpy(), [first, stop])
        if high > low:
            found.append(frame(table.slice(low, high - low)))
    return pl.concat(found).sort("chunk", "place", "field", kind)


def _encode(space: Workspace, table: tables.Table, number: int, order: Stretch, held: pl.DataFrame) -> None:
    at = held["place"].to_numpy().astype(np.int64)
    columns: dict[str, Any] = {
        "source": coded_text(order.source[at].astype(np.int64), [s.name for s in space.sources]),
        "record_id": order.ids.take(at).arrow(),
    }
    for name in table.columns:
        if name in columns:
            continue
        values = held[name]
        if values.dtype == pl.String:
            columns[name] = values.cast(pl.Categorical).to_arrow()
        else:
            columns[name] = numbers(values.to_numpy())
    write_piece(piece_file(space, table.name, number), table.check(pa.table(columns)))


def publish_pages(work: str, out: str) -> dict[str, Any]:
    """``queries/<source>.csv``: the published queries of each source for its clerks."""
    space = Workspace.open(work)
    taken = {source for source, *_ in space.layout["parts"]}
    return {"rows_out": write_queries(Path(out), [s.name for n, s in enumerate(space.sources) if n in taken])}


def _outcomes(space: Workspace, held: pl.DataFrame, start: int, stop: int) -> npt.NDArray[np.uint8]:
    """What became of each repair of a range (see :func:`linkage.repairs.outcomes`)."""
    out = np.full(held.height, OPEN, np.uint8)
    coded = space.coded
    row = held["row"].to_numpy()
    person = np.full(held.height, -1, np.int64)
    if start >= space.layout["n_register"]:
        decision, linked_to, _ = load_outcomes(space, start, stop)
        person = np.where(decision == LINK, linked_to, -1)[row - start]
    undone, guess = held["undone"].to_numpy(), (held["confidence"] < 1).to_numpy()
    unrepaired = held["unrepaired"].to_numpy()
    for field in held["field"].unique(maintain_order=True).to_list():
        kind = space.kinds.get(field)
        mine = np.flatnonzero((held["field"] == field).to_numpy())
        values = coded.arrays.get(field)
        out[mine] = np.where(undone[mine], OUTCOMES.index("undone"), OPEN)
        linked = mine[person[mine] >= 0]
        if values is None or kind is None or kind == "text" or not linked.size:
            continue
        own, theirs = np.asarray(values[row[linked]]), np.asarray(values[person[linked]])
        if kind == "name":
            tokens = space.meaning.tokens
            own, theirs = (name_codes(v, tokens, "ascii").view(np.int64) for v in (own, theirs))
        none = -1 if kind == "unit" else 0
        agree = _overlap(space.meaning.units) if kind == "unit" else np.equal
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
