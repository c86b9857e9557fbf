"""Tasks that publish lists of what was not taken as it came: refused rows and answers, refined blocks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.clerk_pages import table_page, write_rejects
from jobs.store import make_folder, read_arrays, read_table, write_bytes, write_parquet
from jobs.tasks_block import KNOWN
from jobs.tasks_standardise import vocabulary_of
from jobs.workspace import Workspace
from linkage import tables
from linkage.artefacts import arrow_text, coded_text, numbers
from linkage.key_texts import BETWEEN, KeyTexts


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
    """``refinement.parquet``: which blocks were refined, what they hold, and what that cost."""
    space = Workspace.open(work)
    held = read_arrays(space.path("hot", "known.arrays"))
    named = sorted((rule.name, number) for number, rule in enumerate(space.rules))
    parts = [_refined(space, number, name, held) for name, number in named if held[f"row{number}"].size]
    table = pa.concat_tables(parts).unify_dictionaries().combine_chunks() if parts else _nothing_refined()
    table = tables.REFINEMENT.check(table)
    write_parquet(Path(out) / "refinement.parquet", table)
    return {"rows_out": table.num_rows}


def _nothing_refined() -> pa.Table:
    return pa.table({name: pa.array([], column.type) for name, column in tables.REFINEMENT.columns.items()})


def _refined(space: Workspace, number: int, name: str, held: Mapping[str, np.ndarray]) -> pa.Table:
    """The hot keys of one rule."""
    texts = KeyTexts(space.meaning, space.pack, vocabulary_of(space))
    known = {field: held[f"{field}{number}"] for field in KNOWN}
    rule, keys, depth = space.rules[number], np.asarray(space.blocking.hot[number]), known["depth"]
    columns = (*rule.columns, *(f"{c}.alias" for c in rule.columns))
    coded = space.coded.take(known["row"], columns, marks=False)
    made = [str(p) for p in (*rule.on, *rule.refine)]
    of_depth = [BETWEEN.join(made[: len(rule.on) + d]) for d in range(len(rule.refine) + 1)]
    return pa.table(
        {
            "rule": coded_text(np.zeros(keys.shape[0], np.int64), [name]),
            "key": numbers(keys),
            "columns": coded_text(depth, of_depth),
            "value": arrow_text(texts.values(coded, rule, keys, depth, space.key_secret)),
            "outcome": coded_text((depth == len(rule.refine)).astype(np.int64), ["refined", "given_up"]),
            "register_records": numbers(known["registers"]),
            "agency_records": numbers(known["agencies"]),
            "pairs": numbers(known["pairs"]),
            "pairs_given_up": numbers(known["pairs"] - known["left"]),
        }
    )
