"""Pages for the clerks of a source: refused rows, and values to be looked at, for a spreadsheet.

UTF-8 with a byte order mark, commas, lines ended by CR LF. What a spreadsheet would run or change has an
apostrophe in front (:func:`linkage.spreadsheet.guard`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from jobs.store import make_folder, read_parquet, write_bytes, write_parquet
from jobs.workspace import frame
from linkage.queries import QUERIES
from linkage.receipt import REFUSALS
from linkage.spreadsheet import guard

#: Characters of a refused row that its page shows: a spreadsheet's cell holds 32,767.
SHOWN = 32_000


def write_rejects(path: Path, rejects: pa.Table, files: Sequence[Path]) -> int:
    """The refused rows of a source as Parquet at ``path``, and as a page beside it; their number.

    files : the source's files, numbered in ``rejects`` in the order of their names
    """
    write_parquet(path, rejects)
    names = [p.name for p in sorted(files, key=lambda p: (p.name, str(p)))]
    held = frame(rejects).sort("file", "line")
    page = held.select(
        pl.col("file").replace_strict(dict(enumerate(names)), return_dtype=pl.String),
        "line",
        "column",
        "code",
        pl.col("row").str.head(SHOWN),
        *_texts(REFUSALS),
    )
    _write(path.with_suffix(".csv"), page)
    return rejects.num_rows


def write_queries(out: Path, sources: Sequence[str]) -> None:
    """``queries/<source>.csv`` of every source, from the published ``queries.parquet``."""
    columns = ["source", "record_id", "line", "field", "code"]
    held = frame(read_parquet(out / "queries.parquet", columns))
    held = held.with_columns(pl.col("source", "record_id", "field", "code").cast(pl.String))
    folder = make_folder(out / "queries")
    for source in sources:
        mine = held.filter(pl.col("source") == source)
        page = mine.select("record_id", "line", "field", "code", *_texts(QUERIES))
        _write(folder / f"{source}.csv", page)


def _texts(of: Mapping[str, tuple[str, str]]) -> list[pl.Expr]:
    """The texts of a code, ``en`` and ``vi``."""
    code = pl.col("code").cast(pl.String)
    return [
        code.replace_strict({c: texts[n] for c, texts in of.items()}, return_dtype=pl.String).alias(language)
        for n, language in enumerate(("en", "vi"))
    ]


def _write(path: Path, page: pl.DataFrame) -> None:
    texts = [guard(pl.col(c).cast(pl.String)) if t != pl.Int64 else pl.col(c) for c, t in page.schema.items()]
    out = io.BytesIO()
    page.select(texts).write_csv(out, include_bom=True, line_terminator="\r\n")
    write_bytes(path, out.getbuffer(), page.height)  # type: ignore[arg-type]
