"""Confirmed judgements: pairs that must, and pairs that must not, be one person, read from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from linkage.errors import ContractError

#: Columns of a constraint file; an ``answer`` column, as in ``review.csv``, says which rows count.
COLUMNS = ("source_l", "record_id_l", "source_r", "record_id_r")


@dataclass(frozen=True)
class Constraints:
    """Judgements on agency records and register persons, as global rows.

    must : int64[k, 2], cannot : int64[m, 2], (agency row, register row)
    ignored : rows of the files that name no record of this run, or no agency record with a register person
    """

    must: np.ndarray
    cannot: np.ndarray
    ignored: int


def read_constraints(
    must_link: tuple[Path, ...],
    cannot_link: tuple[Path, ...],
    sources: pl.Series,
    record_ids: pl.Series,
    n_register: int,
) -> Constraints:
    """Read the files and find the rows of the records they name.

    sources, record_ids : of all records in global order, the register's first.  Raises ContractError
    E-INPUT-012 for a file without the columns it needs.
    """
    if not must_link and not cannot_link:
        none = np.zeros((0, 2), np.int64)
        return Constraints(none, none, 0)
    index = pl.DataFrame({"source": sources, "record_id": record_ids}).with_row_index("row")
    must, missed = _rows(must_link, "must_link", index, n_register)
    cannot, unseen = _rows(cannot_link, "cannot_link", index, n_register)
    return Constraints(must, cannot, missed + unseen)


def _rows(
    paths: tuple[Path, ...], answer: str, index: pl.DataFrame, n_register: int
) -> tuple[np.ndarray, int]:
    tables = [_read(path, answer) for path in paths]
    if not tables:
        return np.zeros((0, 2), np.int64), 0
    whole = pl.concat(tables).unique().sort(*COLUMNS)
    found = whole
    for side in ("l", "r"):
        named = index.rename(
            {"source": f"source_{side}", "record_id": f"record_id_{side}", "row": f"row_{side}"}
        )
        found = found.join(
            named, on=[f"source_{side}", f"record_id_{side}"], how="inner", maintain_order="left"
        )
    rows = found.select("row_l", "row_r").to_numpy().astype(np.int64)
    rows = np.where((rows[:, :1] < n_register) & (rows[:, 1:] >= n_register), rows[:, ::-1], rows)
    fitting = (rows[:, 0] >= n_register) & (rows[:, 1] < n_register)
    return rows[fitting], whole.height - int(fitting.sum())


def _read(path: Path, answer: str) -> pl.DataFrame:
    if path.suffix == ".parquet":
        table = pl.DataFrame(pl.from_arrow(pq.read_table(path)))
    else:
        table = pl.read_csv(path, infer_schema=False, encoding="utf8")
    table = table.rename({c: c.lstrip("\ufeff") for c in table.columns})
    missing = [c for c in COLUMNS if c not in table.columns]
    if missing:
        raise ContractError(
            "E-INPUT-012",
            f"'{path.name}' lacks the column {', '.join(missing)};",
            f"a file of judgements has the columns {', '.join(COLUMNS)}, and may have 'answer'.",
            "Take review.csv of a run with its answers, or write these columns.",
        )
    if "answer" in table.columns:
        table = table.filter(pl.col("answer").cast(pl.String).str.strip_chars().str.to_lowercase() == answer)
    return table.select(pl.col(c).cast(pl.String).str.strip_prefix("'") for c in COLUMNS).drop_nulls()
