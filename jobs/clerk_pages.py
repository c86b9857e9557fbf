"""Pages for the clerks of a source: refused rows, values to be looked at, pairs to judge, for a spreadsheet.

UTF-8 with a byte order mark, commas, lines ended by CR LF. What a spreadsheet would run or change has an
apostrophe in front (:func:`linkage.spreadsheet.guard`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.store import AsideFile, aside, checked, damaged, make_folder, write_bytes, write_parquet
from jobs.workspace import frame
from linkage.queries import QUERIES
from linkage.receipt import REFUSALS
from linkage.spreadsheet import guard

#: Characters of a refused row that its page shows: a spreadsheet's cell holds 32,767.
SHOWN = 32_000

_BOM = b"\xef\xbb\xbf"


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
    write_bytes(path.with_suffix(".csv"), _page(page), page.height)
    return rejects.num_rows


def write_queries(out: Path, sources: Sequence[str]) -> int:
    """``queries/<source>.csv`` of every source, from the published ``queries.parquet``; how many rows.

    A row group of it is held at a time; its rows are sorted by source.
    """
    folder, path = make_folder(out / "queries"), checked(out / "queries.parquet")
    columns = ["source", "record_id", "line", "field", "code"]
    try:
        held = pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as fault:
        raise damaged(path, fault) from None
    with held:
        for source in sources:
            with aside(folder / f"{source}.csv") as page:
                _query_page(page, held, columns, source)
        return int(held.metadata.num_rows)


def _query_page(page: AsideFile, held: pq.ParquetFile, columns: list[str], source: str) -> None:
    first = True
    for number in range(held.num_row_groups):
        told = held.metadata.row_group(number).column(0).statistics
        if not first and told is not None and not told.min <= source <= told.max:
            continue
        rows = frame(held.read_row_group(number, columns)).with_columns(
            pl.col("source", "record_id", "field", "code").cast(pl.String)
        )
        mine = rows.filter(pl.col("source") == source)
        page.write(_page(mine.select("record_id", "line", "field", "code", *_texts(QUERIES)), header=first))
        first = False


def _texts(of: Mapping[str, tuple[str, str]]) -> list[pl.Expr]:
    """The texts of a code, ``en`` and ``vi``."""
    code = pl.col("code").cast(pl.String)
    return [
        code.replace_strict({c: texts[n] for c, texts in of.items()}, return_dtype=pl.String).alias(language)
        for n, language in enumerate(("en", "vi"))
    ]


def _page(page: pl.DataFrame, *, header: bool = True) -> bytes:
    texts = [guard(pl.col(c).cast(pl.String)) if t != pl.Int64 else pl.col(c) for c, t in page.schema.items()]
    out = io.BytesIO()
    page.select(texts).write_csv(out, include_bom=header, include_header=header, line_terminator="\r\n")
    return out.getvalue()


def table_page(table: pa.Table, *, header: bool = True) -> bytes:
    """A table as a page: ids as :func:`jobs.answers.review_text` writes them, numbers to six digits, lists
    joined by blanks, texts guarded (:mod:`linkage.spreadsheet`), nothing for nothing.
    """
    page = frame(table)
    shown = page.select(_shown(page[name]) for name in page.columns)
    out = io.BytesIO()
    shown.write_csv(out, include_bom=header, include_header=header, line_terminator="\r\n")
    return out.getvalue()


def _shown(values: pl.Series) -> pl.Series:
    """A column's values as a page shows them: texts, null for nothing."""
    kind = values.dtype
    if kind == pl.Binary:
        return ("r" + values.bin.encode("hex")).alias(values.name)
    if kind.is_float():
        distinct = values.unique()
        texts = pl.Series(
            [None if v is None else f"{v or 0.0:.6g}" for v in distinct.to_list()], dtype=pl.String
        )
        return values.replace_strict(distinct, texts, return_dtype=pl.String)
    texts = values.cast(pl.String) if not isinstance(kind, pl.List) else _joined(values)
    guarded = texts.to_frame().select(guard(pl.col(values.name))).to_series()
    # Polars writes an empty text as two quotes.
    return guarded.replace("", None)


def _joined(values: pl.Series) -> pl.Series:
    return values.cast(pl.List(pl.String)).list.join(" ")
