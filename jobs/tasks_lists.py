"""Tasks that publish lists of what was not taken as it came: refused rows and answers, refined blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.clerk_pages import table_page, write_rejects
from jobs.store import make_folder, read_table, write_bytes, write_parquet
from jobs.workspace import Workspace
from linkage import tables
from linkage.artefacts import coded_text, numbers


def publish_answers(work: str, out: str) -> dict[str, Any]:
    """``answers_refused.parquet`` and ``.csv``: answers of judgement files that are not honoured, and why."""
    space = Workspace.open(work)
    table = tables.ANSWERS_REFUSED.check(read_table(space.path("decided", "answers_refused.arrow")))
    write_parquet(Path(out) / "answers_refused.parquet", table)
    write_bytes(Path(out) / "answers_refused.csv", table_page(table), table.num_rows)
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
    columns = {
        "rule": coded_text(np.repeat(np.arange(len(by_name)), sizes), [name for name, _ in by_name]),
        "key": numbers(np.concatenate(keys) if keys else np.zeros(0, np.uint64)),
    }
    table = tables.REFINEMENT.check(pa.table(columns))
    write_parquet(Path(out) / "refinement.parquet", table)
    return {"rows_out": table.num_rows}
