"""The task that publishes verifications: how every record of a list agrees with the register, by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.agreements import read_agreement, relate_field
from jobs.policies import rights
from jobs.store import make_folder, read_arrays, read_parquet, write_bytes, write_parquet
from jobs.tasks_decide import load_decided, record_ids
from jobs.workspace import Workspace
from linkage import tables
from linkage.agreement import DIFFERENT, MORE, value_keys
from linkage.artefacts import arrow_text, coded_text
from linkage.decisions import LINK
from linkage.errors import IntegrityError
from linkage.spreadsheet import escape
from linkage.verify import DISPUTED, Verified, same_initials, texts, verify


def publish_verifications(work: str, out: str) -> dict[str, Any]:
    """``verifications.parquet``, and ``verifications/<source>.csv`` of every source that asks for it.

    Needs the published decisions, whose ids it cites.
    """
    space = Workspace.open(work)
    asked = {s.name for s in space.loaded.project.sources if s.verify}
    order = read_arrays(space.path("order", "order.arrays"))["order"].astype(np.int64)
    source = np.asarray(space.coded.source)
    pieces = []
    counts: dict[str, dict[str, int]] = {}
    for name in sorted(asked):
        number = next(i for i, s in enumerate(space.sources) if s.name == name)
        rows = order[source[order] == number]
        verified = _verified(space, number, rows)
        ids = record_ids(space).gather(pl.Series(rows.astype(np.uint32)))
        held = np.bincount(verified.index, minlength=len(verified.results)).tolist()
        by_result: dict[str, int] = {}
        for code, count in zip(verified.results, held, strict=True):
            by_result[code] = by_result.get(code, 0) + count
        counts[name] = dict(sorted(by_result.items()))
        pieces.append(_table(name, ids, verified, _decision_ids(out, name, ids)))
        page = _page(ids, verified)
        write_bytes(make_folder(Path(out) / "verifications") / f"{name}.csv", page, rows.size)
    whole = pa.concat_tables(pieces) if pieces else _none()
    table = tables.VERIFICATIONS.check(whole)
    write_parquet(Path(out) / "verifications.parquet", table)
    return {"rows_out": table.num_rows, "results": counts}


def _verified(space: Workspace, source: int, rows: np.ndarray) -> Verified:
    """Results of the records ``rows`` (global) of one source, in the fields it may be told about."""
    decided, _ = load_decided(space)
    own = rows - space.layout["n_register"]
    decision = decided.decision[own]
    relations = {}
    for standard in rights(space.loaded, space.sources[source].name).fields:
        if standard not in space.coded.arrays:
            continue
        if not space.path("agreement", f"{standard}.npy").exists():
            relate_field(str(space.work), standard)
        relation = np.asarray(read_agreement(space, standard).relation)[own]
        relations[standard] = np.where(
            _disputed(space, standard, rows, decided.person[own], relation), DISPUTED, relation
        )
    initials = np.zeros(rows.shape[0], bool)
    if "full_name" in relations:
        other = np.flatnonzero((decision == LINK) & (relations["full_name"] == DIFFERENT))
        names = space.coded.arrays["full_name"]
        initials[other] = same_initials(
            np.asarray(names[rows[other]]),
            np.asarray(names[decided.person[own[other]]]),
            np.asarray(space.meaning.tokens.forms.initial),
        )
    return verify(decision, relations, initials)


def _disputed(
    space: Workspace, standard: str, rows: np.ndarray, persons: np.ndarray, relation: np.ndarray
) -> np.ndarray:
    """Whether a register case is open for the very value that a record (global row) holds: bool[n]."""
    out = np.zeros(rows.shape[0], bool)
    path = space.path("cases", f"{standard}.arrays")
    if not path.exists():
        return out
    cases = read_arrays(path)
    chosen = np.flatnonzero((relation == DIFFERENT) | (relation == MORE))
    chosen = chosen[np.isin(persons[chosen], cases["person"])]
    if chosen.size:
        by = np.argsort(cases["person"], kind="stable")
        theirs = cases["person"][by]
        keys = value_keys(space.coded, space.meaning, standard, cases["row"].astype(np.int64)[by])
        held = value_keys(space.coded, space.meaning, standard, rows[chosen])
        begin, end = (np.searchsorted(theirs, persons[chosen], side=s) for s in ("left", "right"))
        for lag in range(int((end - begin).max())):
            at = np.minimum(begin + lag, end - 1)
            out[chosen] |= keys[at] == held
    return out


def _decision_ids(out: str, source: str, ids: pl.Series) -> pa.Array:
    """Ids of the published decisions on a source's records, by record; IntegrityError E-INTEGRITY-003."""
    table = read_parquet(Path(out) / "decisions.parquet", ["source", "record_id", "decision_id"])
    names = pl.Series(pl.from_arrow(table.column("source"))).cast(pl.String)
    mine = (names == source).arg_true().to_arrow()
    chosen = table.take(mine)
    published = pl.Series(pl.from_arrow(chosen.column("record_id"))).cast(pl.String)
    if len(published) != len(ids) or not (published == ids).all():
        raise IntegrityError(
            "E-INTEGRITY-003",
            f"The published decisions of '{source}' are not in the order of its records;",
            "a row for every record, by record_id, was wanted.",
            "Report this as a defect.",
        )
    return chosen.column("decision_id").combine_chunks()


def _lists(values: list[list[str]], index: np.ndarray) -> pa.Array:
    return pl.Series(values, dtype=pl.List(pl.String)).gather(pl.Series(index)).to_arrow()


def _table(source: str, ids: pl.Series, verified: Verified, decisions: pa.Array) -> pa.Table:
    n = len(ids)
    return pa.table(
        {
            "source": coded_text(np.zeros(n, np.int64), [source]),
            "record_id": arrow_text(ids),
            "result": coded_text(verified.index, verified.results),
            "findings": _lists(verified.findings, verified.index),
            "fields": _lists(verified.fields, verified.index),
            "decision_id": decisions,
        }
    )


def _none() -> pa.Table:
    return pa.table({name: pa.array([], c.type) for name, c in tables.VERIFICATIONS.columns.items()})


def _page(ids: pl.Series, verified: Verified) -> bytes:
    """The source's verifications for a spreadsheet: UTF-8 with a byte order mark.

    A key that a spreadsheet would run gets an apostrophe in front.
    """
    frame = pl.DataFrame(
        {
            "result": verified.results,
            "findings": [" ".join(codes) for codes in verified.findings],
            "fields": [" ".join(fields) for fields in verified.fields],
            "vi": [" ".join(texts(codes, "vi")) for codes in verified.findings],
            "en": [" ".join(texts(codes, "en")) for codes in verified.findings],
        },
        schema=dict.fromkeys(("result", "findings", "fields", "vi", "en"), pl.String),
    )
    keys = pl.Series("record_id", ids.cast(pl.String)).to_frame().select(escape(pl.col("record_id")))
    page = pl.concat([keys, frame[verified.index]], how="horizontal")
    text = page.write_csv(include_bom=False, line_terminator="\r\n")
    return b"\xef\xbb\xbf" + text.encode()
