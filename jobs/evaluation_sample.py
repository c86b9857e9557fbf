"""The people whose records an evaluation judges: all of them, or a share that is drawn by a hash.

Files are read in a stream, and only the records of those people are kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from jobs.files import damaged
from kernels.keys import hash_bytes
from linkage.text_arrays import Texts

#: Key of the hash that draws people.
_SECRET = 0x6C696E6B616765


@dataclass(frozen=True)
class Sample:
    """Records to judge.

    share : of the people;  truth : source, record_id, true_person_id of their records, texts
    """

    share: float
    truth: pl.DataFrame

    def read(
        self,
        path: Path,
        columns: Sequence[str],
        by: tuple[str, str] = ("source", "record_id"),
        source: str = "",
    ) -> pl.DataFrame:
        """Columns of a Parquet file, as texts where they are categories; rows of the sampled records only.

        by : columns with the source and the id of the record that a row is about;  source : of all rows of a
             file that has no column of it
        Raises IntegrityError as :func:`whole` does.
        """
        rows = _texts(pl.scan_parquet(path).select(columns))
        if self.share < 1:
            records = self.truth.lazy()
            if source:
                records = records.filter(pl.col("source") == source)
                rows = rows.join(records, left_on=by[1], right_on="record_id", how="semi")
            else:
                rows = rows.join(records, left_on=by, right_on=["source", "record_id"], how="semi")
        with whole(path):
            return rows.collect(engine="streaming")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[None]:
    """IntegrityError ``E-INTEGRITY-001`` where the Parquet file that is read here is damaged or missing."""
    try:
        yield
    except (pl.exceptions.PolarsError, FileNotFoundError) as fault:
        raise damaged(path, fault) from None


def read_sample(path: Path, share: float) -> Sample:
    """The records of a share of the people.

    path : Parquet file with source, record_id and true_person_id;  share : above 0, at most 1
    """
    rows = _texts(pl.scan_parquet(path).select("source", "record_id", "true_person_id"))
    if share < 1:
        drawn = pl.col("true_person_id").map_batches(
            lambda ids: _drawn(ids, share), return_dtype=pl.Boolean, is_elementwise=True
        )
        rows = rows.filter(pl.col("true_person_id").is_not_null() & drawn)
    with whole(path):
        return Sample(share, rows.collect(engine="streaming"))


def all_strangers(records: Path, truth: Path) -> bool:
    """Whether a file has records (source, record_id) and the truth knows none of them, drawn or not.

    Raises IntegrityError as :func:`whole` does.
    """
    named = ["source", "record_id"]
    texts = [pl.col(name).cast(pl.String) for name in named]
    rows, known = (pl.scan_parquet(path).select(texts) for path in (records, truth))
    with whole(records):
        if rows.head(1).collect().is_empty():
            return False
        return rows.join(known, on=named, how="semi").head(1).collect(engine="streaming").is_empty()


def _drawn(ids: pl.Series, share: float) -> pl.Series:
    """Whether each id is drawn: a hash of its text lies in the lowest part of all, as large as ``share``."""
    texts = Texts.of(ids.fill_null(""))
    out = np.empty(len(ids), np.uint64)
    hash_bytes(texts.offsets, texts.data, np.uint64(_SECRET), out)
    return pl.Series(out < np.uint64(share * 2.0**64))


def _texts(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col(pl.Categorical).cast(pl.String))
