"""Tasks that count what was found of each source, part by part, for receipts, gates and the scorecard.

    counted/{part}.arrays   a bit for every register row: it has a text as its date of death

Texts are counted as they were submitted, values as they were read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.gates import orders_path
from jobs.linked_records import links_of
from jobs.store import checked, damaged, read_arrays, read_parquet, read_table, write_arrays
from jobs.tasks_decide import load_outcomes
from jobs.workspace import Workspace, frame
from linkage.decisions import CONFLICT, REVIEW

#: A repair that reads a value as what stands in another field: the value could be read.
_READ_ELSEWHERE = "old_number_in_its_place"

_DEATH = "death_date"


def count_part(work: str, source: int, part: int) -> dict[str, Any]:
    """What was found of one part of a source.

    ``fields``: field -> records that hold a text, that were repaired, of which the value was read in another
    field, and whose text could be read (None where nothing reads the field). Of an agency also ``paired``:
    undecided records that have a candidate; ``dead_unmarked``: linked records whose person has a date of
    death in the register and that hold none (None where the register holds no dates of death). Of the
    register it keeps who has one, which the agencies' parts need.
    """
    space = Workspace.open(work)
    start, rows = next((a, n) for s, p, a, n in space.layout["parts"] if (s, p) == (source, part))
    standards = list(space.sources[source].contract.by_standard())
    repaired, elsewhere = _repairs(space, source, part)
    present = space.present(source, part, standards)
    coded = space.coded.arrays  # once: looking whether it has changed lists every part
    fields: dict[str, list[int | None]] = {}
    for standard in standards:
        filled = present[standard]
        readable = None
        if standard in coded:
            has = _has(np.asarray(coded[standard][start : start + rows]), space.kinds[standard])
            readable = int((has & filled).sum())
        fields[standard] = [
            int(filled.sum()),
            repaired.get(standard, 0),
            elsewhere.get(standard, 0),
            readable,
        ]
    found: dict[str, Any] = {"rows_in": rows, "fields": fields}
    if space.sources[source].role == "register":
        if _DEATH in standards:
            dead = np.packbits(present[_DEATH], bitorder="little")
            write_arrays(_dead_file(space, part), dead=dead)
        return found
    marked = present.get(_DEATH, np.zeros(rows, bool))
    return found | {
        "paired": _paired(space, start, start + rows),
        "dead_unmarked": _dead_unmarked(space, start, start + rows, marked),
    }


def _has(values: np.ndarray, kind: str) -> np.ndarray:
    """Whether coded values say something: bool[n]."""
    return np.asarray(values[:, 0] != 0 if kind == "name" else values >= 0 if kind == "unit" else values != 0)


def _repairs(space: Workspace, source: int, part: int) -> tuple[dict[str, int], dict[str, int]]:
    """Records of a part with a repair of each field; repairs that read a value in another field."""
    path = space.path("standard", f"{source:02d}-{part:05d}.repairs.arrow")
    held = frame(read_table(path, ["row", "field", "kind"])).with_columns(
        pl.col("field", "kind").cast(pl.String)
    )
    once = held.select("row", "field").unique()
    read = held.filter(pl.col("kind") == _READ_ELSEWHERE)
    return tuple(dict(h.group_by("field").len().iter_rows()) for h in (once, read))  # type: ignore[return-value]


def _paired(space: Workspace, start: int, stop: int) -> int:
    """Records in review or conflict that have a candidate, among consecutive agency rows."""
    count = 0
    for first, last in space.ranges(register=False):
        low, high = max(start, first), min(stop, last)
        if low < high:
            decision, person, _ = (v[low - first : high - first] for v in load_outcomes(space, first, last))
            count += int((np.isin(decision, (REVIEW, CONFLICT)) & (person >= 0)).sum())
    return count


def _dead_file(space: Workspace, part: int) -> Path:
    return space.path("counted", f"{part:05d}.arrays")


def _dead_unmarked(space: Workspace, start: int, stop: int, marked: np.ndarray) -> int | None:
    register = space.sources[0]
    if register.role != "register" or _DEATH not in register.contract.by_standard():
        return None
    links = links_of(space, start, stop)
    persons = links.persons[~marked[links.rows - start]]
    count = 0
    for source, part, first, rows in space.layout["parts"]:
        if source != 0:
            continue
        mine = persons[(persons >= first) & (persons < first + rows)] - first
        if mine.size:
            bits = read_arrays(_dead_file(space, part))["dead"]
            count += int((bits[mine >> 3] >> (mine & 7) & 1).sum())
    return count


def count_published(work: str, out: str) -> dict[str, Any]:
    """What was published of the sources.

    ``queries``: source -> field, code, rows and the first line of each; ``duplicates``: source -> merge
    orders; ``cases``: register cases by kind, None in a run without corrections.
    """
    space, place = Workspace.open(work), Path(out)
    counted = _counted_queries(place / "queries.parquet")
    queries: dict[str, list[dict[str, Any]]] = {}
    for row in counted.iter_rows(named=True):
        queries.setdefault(row.pop("source"), []).append(row)
    return {
        "queries": queries,
        "duplicates": _tally(orders_path(place), "source"),
        "cases": _tally(place / "register_cases.parquet", "kind")
        if space.loaded.project.corrections.make
        else None,
    }


def _counted_queries(path: Path) -> pl.DataFrame:
    """Queries of each source, field and code: how many, and the first line; a row group is held at a time."""
    by = ("source", "field", "code")
    found = []
    checked(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as held:
            for number in range(held.num_row_groups):
                rows = frame(held.read_row_group(number, [*by, "line"])).with_columns(
                    pl.col(by).cast(pl.String)
                )
                found.append(rows.group_by(by).agg(pl.len().alias("rows"), pl.col("line").min()))
    except (pa.ArrowException, OSError) as fault:
        raise damaged(path, fault) from None
    return pl.concat(found).group_by(by).agg(pl.col("rows").sum(), pl.col("line").min()).sort(by)


def _tally(path: Path, column: str) -> dict[str, int]:
    """How often each text of a column comes, sorted; of no file none."""
    if not path.exists():
        return {}
    held = frame(read_parquet(path, [column])).select(pl.col(column).cast(pl.String))
    return dict(held.group_by(column).len().sort(column).iter_rows())
