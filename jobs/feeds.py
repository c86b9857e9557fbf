"""Feeds: what an agency gets to correct its records by, as files with a manifest of digests."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.policies import policy_record, register_version, rights
from jobs.store import (
    Entry,
    file_digest,
    make_folder,
    read_parquet,
    read_table,
    write_bytes,
    write_json,
    write_parquet,
)
from jobs.tasks_correct import corrected_fields
from jobs.store import read_arrays
from jobs.workspace import Workspace, frame
from linkage import tables
from linkage.artefacts import arrow_text, coded_text, content_ids, id_array, joined, text_at
from linkage.basis import basis_texts
from linkage.correct import ACTION_NAMES, APPLY, FORMAT, KIND_NAMES, STATUS
from linkage.spreadsheet import DECLARATION, escape, unescape

#: Folders of corrections and of merge orders in a run's folder, with a folder for each source.
FEEDS = "feeds"
ORDERS = "orders"
MANIFEST = "manifest.json"

#: Sequence number of a feed until runs remember earlier nights.
SEQUENCE = 1


def publish_feed(work: str, out: str, source: int, run_id: str) -> dict[str, Any]:
    """Write one agency's corrections and merge orders; an agency without any gets empty ones.

    Gives counts of corrections by kind, action and field, and of records by field that an ``apply`` changes.
    """
    space = Workspace.open(work)
    name = space.sources[source].name
    corrections = tables.CORRECTIONS.check(_corrections(space, out, source))
    orders = tables.MERGE_ORDERS.check(_orders(out, name))
    counts = _counts(corrections)
    held = rights(space.loaded, name)
    columns = space.sources[source].contract.by_standard()
    fields = {
        f: {"column": columns[f].column, "holder": held.authority[f].holder}
        for f in corrected_fields(space, name)
    }
    stamp = _stamp(space, source, run_id)
    survivor = space.sources[source].contract.survivor
    for place, table_name, table, counted, more in (
        (FEEDS, "corrections", corrections, counts, {"fields": fields}),
        (ORDERS, "merge_orders", orders, {}, {"survivor": survivor}),
    ):
        folder = make_folder(Path(out) / place / name)
        files = _both(folder, table_name, table)
        escaped = {"files": [f["name"] for f in files if f["name"].endswith(".csv")], **DECLARATION}
        write_json(
            folder / MANIFEST,
            {
                **stamp,
                "rows": {table_name: table.num_rows, **counted},
                **more,
                "escaping": escaped,
                "files": files,
            },
        )
    return {
        "rows_out": corrections.num_rows,
        "orders": orders.num_rows,
        **counts,
        "applied": _applied(corrections),
    }


def _stamp(space: Workspace, source: int, run_id: str) -> dict[str, Any]:
    """What every manifest of a source says: whose run it is, and what allowed it."""
    info = space.sources[source]
    policy = space.loaded.policies.get(info.name)
    return {
        "schema": 1,
        "source": info.name,
        "run_id": run_id,
        "sequence": SEQUENCE,
        "extract_date": info.extract_date.isoformat(),
        "key": info.contract.key,
        "register_version": _version(space),
        "policy_id": policy_record(space.loaded, info.name)["policy_id"],
        "purpose": policy.purpose if policy is not None else None,
        "legal_basis": policy.legal_basis if policy is not None else None,
        "contract": file_digest(space.loaded.base / _contract_path(space, info.name)),
        **_written(space, source),
    }


def _written(space: Workspace, source: int) -> dict[str, Any]:
    """How the source's extract is written, as it was read, and how its cells are held against ``held_value``.

    What is found of text files is None of others, and where several files of a source differ.
    """
    info = space.sources[source]
    read = space.layout["read_as"].get(info.name, []) if info.contract.format == "csv" else []
    columns = [sorted({part[place] for part in read}) for place in range(3)]
    encodings = columns[0]
    if "tcvn3" in encodings:
        compare = "case_insensitive"
    else:
        compare = "text" if {"cp1258", "vni", "viqr"}.intersection(encodings) else "bytes"
    said = [found[0] if len(found) == 1 else None for found in columns]
    return {
        "format": info.contract.format,
        **dict(zip(("encoding", "delimiter", "quote"), said, strict=True)),
        "compare": compare,
    }


def _version(space: Workspace) -> str:
    """Day and digest of the register's extract, kept by the process."""
    found: str = space.fresh("register_version", ("settings.json",), lambda: register_version(space.loaded))
    return found


def _contract_path(space: Workspace, source: str) -> str:
    return next(s.contract for s in space.loaded.project.sources if s.name == source)


def _corrections(space: Workspace, out: str, source: int) -> pa.Table:
    parts = [
        frame(read_table(space.path("corrections", f"{s:02d}-{p:05d}.arrow")))
        for s, p, _, n in space.layout["parts"]
        if s == source and n
    ]
    name = space.sources[source].name
    if not parts:
        return pa.table({c: pa.array([], column.type) for c, column in tables.CORRECTIONS.columns.items()})
    order = read_arrays(space.path("order", "order.arrays"))
    whole = pl.concat(parts)
    rows = whole["row"].to_numpy()
    whole = whole.with_columns(rank=pl.Series(order["rank"][rows])).sort("rank", "field")
    rows = whole["row"].to_numpy()
    first, n = space.layout["n_register"], whole.height
    kinds, actions = whole["kind"].to_numpy().astype(np.int64), whole["action"].to_numpy().astype(np.int64)
    record_id = text_at(_record_ids(space, source), rows - _first_row(space, source))
    kind = pl.Series(KIND_NAMES).gather(pl.Series(kinds.astype(np.uint32)))
    action = pl.Series(ACTION_NAMES).gather(pl.Series(actions.astype(np.uint32)))
    ids = content_ids(
        joined(
            name,
            record_id,
            whole["field"],
            whole["held_value"],
            whole["proposed_value"],
            whole["proposed_standard"],
            kind,
            action,
        )
    )
    group = whole["group"].to_numpy()
    together = np.flatnonzero(group >= 0)
    groups = ids.copy()
    if together.size:
        at = pl.Series(together.astype(np.uint32))
        number = pl.Series(group[together]).cast(pl.String)
        groups[together] = content_ids(joined("group", name, record_id.gather(at), number))
    policy = policy_record(space.loaded, name)["policy_id"]

    def same(text: str) -> pa.DictionaryArray:
        return coded_text(np.zeros(n, np.int64), [text])

    return pa.table(
        {
            "correction_id": id_array(ids),
            "sequence": pa.array(np.full(n, SEQUENCE, np.int64)),
            "group_id": id_array(groups),
            "record_id": arrow_text(record_id),
            "field": whole["field"].cast(pl.Categorical).to_arrow(),
            "column": whole["column"].cast(pl.Categorical).to_arrow(),
            **{
                c: arrow_text(whole[c])
                for c in ("held_value", "proposed_value", "held_standard", "proposed_standard")
            },
            "kind": coded_text(kinds, KIND_NAMES),
            "action": coded_text(actions, ACTION_NAMES),
            "basis": basis_texts(whole["basis"].to_numpy()),
            "decision_id": id_array(_decision_ids(space, out, order["order"])[rows - first]),
            "policy_id": same(policy),
            "confidence": pa.array(whole["confidence"].to_numpy()),
            "effective_date": whole["effective_date"].to_arrow(),
            "register_version": same(_version(space)),
        }
    )


def _decision_ids(space: Workspace, out: str, order: np.ndarray) -> np.ndarray:
    """Decision ids by agency row, uint8[n, 16]; the published decisions are in the order of artefacts."""
    first = space.layout["n_register"]
    published = read_parquet(Path(out) / "decisions.parquet", ["decision_id"]).column(0).combine_chunks()
    flat = np.frombuffer(published.buffers()[1], np.uint8).reshape(-1, 16)
    flat = flat[published.offset : published.offset + len(published)]
    ids = np.empty_like(flat)
    ids[order[order >= first].astype(np.int64) - first] = flat
    return ids


def _first_row(space: Workspace, source: int) -> int:
    return min(a for s, _, a, n in space.layout["parts"] if s == source)


def _record_ids(space: Workspace, source: int) -> pl.Series:
    parts = [
        frame(space.records(s, p).select(["record_id"]))["record_id"].cast(pl.String)
        for s, p, _, _ in space.layout["parts"]
        if s == source
    ]
    return pl.concat(parts)


def _orders(out: str, source: str) -> pa.Table:
    """The merge orders of one source, of the run's duplicates."""
    whole = frame(read_parquet(Path(out) / "duplicates.parquet"))
    return whole.filter(pl.col("source") == source).drop("source").sort("absorbed_record_id").to_arrow()


def _both(folder: Path, name: str, table: pa.Table) -> list[dict[str, Any]]:
    """A table as Parquet and as CSV, and what the manifest says of both."""
    entries = [write_parquet(folder / f"{name}.parquet", table), _write_csv(folder / f"{name}.csv", table)]
    return [
        {
            "name": e.name,
            "rows": e.rows,
            "bytes": e.bytes,
            "sha256": _sha256(folder / e.name),
            "blake2b": e.digest,
        }
        for e in entries
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_csv(path: Path, table: pa.Table) -> Entry:
    """UTF-8 with a byte order mark, quoted where needed; ids in hexadecimal, lists joined by blanks."""
    shown = []
    for column, kind in frame(table.slice(0, 0)).schema.items():
        cell = pl.col(column)
        if kind == pl.Binary:
            shown.append(cell.bin.encode("hex"))
        elif isinstance(kind, pl.List):
            shown.append(escape(cell.list.join(" ")))
        elif kind in (pl.String, pl.Categorical):
            shown.append(escape(cell.cast(pl.String)))
        else:
            shown.append(cell)
    out = io.BytesIO()
    frame(table).select(shown).write_csv(out, include_bom=True, line_terminator="\r\n")
    return write_bytes(path, out.getbuffer(), table.num_rows)  # type: ignore[arg-type]


def read_csv_feed(path: Path) -> pl.DataFrame:
    """A feed's CSV as texts, its escaping undone; an empty cell is null."""
    return pl.read_csv(path, infer_schema=False).with_columns(unescape(pl.all()))


def _counts(corrections: pa.Table) -> dict[str, Any]:
    held = frame(corrections.select(["kind", "action", "field"])).with_columns(pl.all().cast(pl.String))
    return {f"by_{column}": _tally(held[column]) for column in ("kind", "action", "field")}


def _tally(values: pl.Series) -> dict[str, int]:
    return dict(sorted(values.value_counts().rows()))


def _applied(corrections: pa.Table) -> dict[str, Any]:
    """Records by field that an ``apply`` changes, ``formats`` apart, and those that a death is applied to."""
    held = frame(corrections.select(["kind", "action", "field"])).with_columns(pl.all().cast(pl.String))
    held = held.filter(pl.col("action") == ACTION_NAMES[APPLY])
    written = pl.col("kind") == KIND_NAMES[FORMAT]
    return {
        "fields": _tally(held.filter(~written)["field"]),
        "formats": _tally(held.filter(written)["field"]),
        "deaths": int((held["kind"] == KIND_NAMES[STATUS]).sum()),
    }
