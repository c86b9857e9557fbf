"""Feeds: what an agency gets to correct its records by, as files with a manifest of digests.

A feed is in the order of its records' keys. Its corrections lie sorted in a file for each part of the source:
they are cut into pieces, each made by a task, and joined: all rows by one task, and all text by another.

    feeds/{source}.cuts.arrays                       where the pieces begin in the parts' files
    feeds/{source}-{piece}.rows.arrays, .text.arrays the pieces, as Parquet and as CSV
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.artefact_writer import join_pieces, write_piece
from jobs.decision_ids import decision_ids
from jobs.linked_records import corrected_fields
from jobs.pieces import by_place, cut_tables, read_piece
from jobs.policies import policy_record, rights
from jobs.store import (
    Entry,
    aside,
    file_digest,
    make_folder,
    open_arrays,
    read_parquet,
    write_arrays,
    write_json,
    write_parquet,
)
from jobs.workspace import Workspace, frame
from linkage import tables
from linkage.artefacts import coded_text, id_array
from linkage.basis import basis_texts
from linkage.cells import csv_bytes, row_ids
from linkage.correct import ACTION_NAMES, APPLY, FORMAT, KIND_NAMES, STATUS
from linkage.spreadsheet import DECLARATION, unescape
from linkage.text_arrays import texts_at

#: Folders of corrections and of merge orders in a run's folder, with a folder for each source.
FEEDS = "feeds"
ORDERS = "orders"
MANIFEST = "manifest.json"

#: Sequence number of a feed until runs remember earlier nights.
SEQUENCE = 1

#: Corrections by field, kind and action, and their number.
Counts = Sequence[tuple[str, str, str, int]]


def correction_files(space: Workspace, source: int) -> list[Path]:
    """A source's corrections as :func:`jobs.tasks_correct.correct_part` wrote them, part by part."""
    return [
        space.path("corrections", f"{s:02d}-{p:05d}.arrow")
        for s, p, _, n in space.layout["parts"]
        if s == source and n
    ]


def cut_feed(work: str, source: int) -> dict[str, Any]:
    """Cut a source's corrections into pieces of its feed; ``pieces`` is how many."""
    space = Workspace.open(work)
    pieces, rows = cut_tables(correction_files(space, source), _cuts(space, source))
    return {"rows_in": rows, "pieces": pieces}


def _cuts(space: Workspace, source: int) -> Path:
    return space.path("feeds", f"{source:02d}.cuts.arrays")


def _piece(space: Workspace, source: int, piece: int, kind: str) -> Path:
    return space.path("feeds", f"{source:02d}-{piece:05d}.{kind}.arrays")


def make_piece(work: str, out: str, source: int, piece: int, version: str) -> dict[str, Any]:
    """Make one piece of a feed; ``counts``: its corrections by field, kind and action.

    version : the register's, see :func:`jobs.policies.register_version`
    """
    space = Workspace.open(work)
    held = by_place(read_piece(correction_files(space, source), _cuts(space, source), piece))
    table = tables.CORRECTIONS.check(_corrections(space, Path(out), source, held, version))
    write_piece(_piece(space, source, piece, "rows"), table)
    write_arrays(_piece(space, source, piece, "text"), text=csv_bytes(table, header=piece == 0))
    return {"rows_out": table.num_rows, "counts": _counts(space, source, held)}


def _numbers(held: pa.Table, column: str) -> np.ndarray:
    return held.column(column).to_numpy().astype(np.int64)


def join_rows(work: str, out: str, source: int, pieces: int) -> dict[str, Any]:
    """Join the pieces of a feed (at least one) as Parquet; ``file``: what the manifest says of it."""
    space = Workspace.open(work)
    folder = make_folder(Path(out) / FEEDS / space.sources[source].name)
    path = folder / "corrections.parquet"
    entry = join_pieces(path, [_piece(space, source, p, "rows") for p in range(pieces)])
    return {"rows_out": entry.rows, "file": _told(entry, _sha256(path))}


def join_text(work: str, out: str, source: int, pieces: int, rows: int) -> dict[str, Any]:
    """Join the pieces of a feed (at least one; of so many ``rows``) as CSV; as :func:`join_rows`."""
    space = Workspace.open(work)
    path = make_folder(Path(out) / FEEDS / space.sources[source].name) / "corrections.csv"
    digest = hashlib.sha256()
    with aside(path) as stream:
        for piece in range(pieces):
            text = open_arrays(_piece(space, source, piece, "text"))["text"]
            digest.update(text.data)
            stream.write(text.data)
    entry = Entry(path.name, stream.size, stream.digest(), rows)
    return {"rows_out": rows, "file": _told(entry, digest.hexdigest())}


def publish_feed(
    work: str,
    out: str,
    source: int,
    run_id: str,
    version: str,
    counts: Sequence[Counts],
    files: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Publish one agency's corrections and merge orders; an agency without any gets empty ones.

    counts : of the pieces of its feed, none where nothing of it is corrected
    files : the feed's, of :func:`join_rows` and :func:`join_text`; none where there are no pieces

    Gives counts of corrections by kind, action and field, and of records by field that an ``apply`` changes.
    """
    space = Workspace.open(work)
    name = space.sources[source].name
    found = [(f, k, a, int(n)) for piece in counts for f, k, a, n in piece]
    told = {
        f"by_{column}": _tally(found, place) for place, column in ((1, "kind"), (2, "action"), (0, "field"))
    }
    orders = tables.MERGE_ORDERS.check(_orders(out, name))
    held = rights(space.loaded, name)
    columns = space.sources[source].contract.by_standard()
    fields = {
        f: {"column": columns[f].column, "holder": held.authority[f].holder}
        for f in corrected_fields(space, name)
    }
    stamp = _stamp(space, source, run_id, version)
    survivor = space.sources[source].contract.survivor
    folder = make_folder(Path(out) / FEEDS / name)
    rows = sum(n for *_, n in found)
    made = files or _both(folder, "corrections", _nothing())
    _manifest(folder, stamp, {"corrections": rows, **told}, {"fields": fields}, made)
    folder = make_folder(Path(out) / ORDERS / name)
    made = _both(folder, "merge_orders", orders)
    _manifest(folder, stamp, {"merge_orders": orders.num_rows}, {"survivor": survivor}, made)
    return {"rows_out": rows, "orders": orders.num_rows, **told, "applied": _applied(found)}


def _manifest(
    folder: Path,
    stamp: Mapping[str, Any],
    rows: Mapping[str, Any],
    more: Mapping[str, Any],
    files: Sequence[Mapping[str, Any]],
) -> None:
    escaped = {"files": [f["name"] for f in files if f["name"].endswith(".csv")], **DECLARATION}
    write_json(folder / MANIFEST, {**stamp, "rows": rows, **more, "escaping": escaped, "files": files})


def _nothing() -> pa.Table:
    """The corrections of a source without any."""
    none = {c: pa.array([], column.type) for c, column in tables.CORRECTIONS.columns.items()}
    return tables.CORRECTIONS.check(pa.table(none))


def _told(entry: Entry, sha256: str) -> dict[str, Any]:
    return {
        "name": entry.name,
        "rows": entry.rows,
        "bytes": entry.bytes,
        "sha256": sha256,
        "blake2b": entry.digest,
    }


def _stamp(space: Workspace, source: int, run_id: str, version: str) -> dict[str, Any]:
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
        "register_version": version,
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


def _contract_path(space: Workspace, source: str) -> str:
    return next(s.contract for s in space.loaded.project.sources if s.name == source)


def _corrections(space: Workspace, out: Path, source: int, held: pa.Table, version: str) -> pa.Table:
    """The corrections of a piece as they are published."""
    name = space.sources[source].name
    columns = space.sources[source].contract.by_standard()
    fields = sorted(corrected_fields(space, name))
    n = held.num_rows
    number = _numbers(held, "field")
    record_id = texts_at(space.ids, _numbers(held, "row")).arrow()
    texts = {
        c: _chunk(held, c) for c in ("held_value", "proposed_value", "held_standard", "proposed_standard")
    }
    words = {
        "field": coded_text(number, fields),
        "kind": coded_text(_numbers(held, "kind"), KIND_NAMES),
        "action": coded_text(_numbers(held, "action"), ACTION_NAMES),
    }
    ids = row_ids(
        [
            name,
            record_id,
            words["field"],
            texts["held_value"],
            texts["proposed_value"],
            texts["proposed_standard"],
            words["kind"],
            words["action"],
        ],
        n,
    )
    group = _numbers(held, "group")
    together = np.flatnonzero(group >= 0)
    groups = ids.copy()
    if together.size:
        of = coded_text(group[together], [str(number) for number in range(int(group.max()) + 1)])
        groups[together] = row_ids(["group", name, record_id.take(pa.array(together)), of], together.size)
    policy = policy_record(space.loaded, name)["policy_id"]
    rank = _numbers(held, "rank")

    def same(text: str) -> pa.DictionaryArray:
        return coded_text(np.zeros(n, np.int64), [text])

    return pa.table(
        {
            "correction_id": id_array(ids),
            "sequence": pa.array(np.full(n, SEQUENCE, np.int64)),
            "group_id": id_array(groups),
            "record_id": record_id,
            "field": words["field"],
            "column": coded_text(number, [columns[f].column for f in fields]),
            **texts,
            "kind": words["kind"],
            "action": words["action"],
            "basis": basis_texts(_numbers(held, "basis").astype(np.uint32)),
            "decision_id": id_array(decision_ids(space, out, source, rank, record_id)),
            "policy_id": same(policy),
            "confidence": _chunk(held, "confidence"),
            "effective_date": _chunk(held, "effective_date"),
            "register_version": same(version),
        }
    )


def _chunk(held: pa.Table, column: str) -> pa.Array:
    whole = held.column(column)
    return whole.chunk(0) if whole.num_chunks else pa.array([], whole.type)


def _orders(out: str, source: str) -> pa.Table:
    """The merge orders of one source, of the run's duplicates."""
    whole = frame(read_parquet(Path(out) / "duplicates.parquet"))
    return whole.filter(pl.col("source") == source).drop("source").sort("absorbed_record_id").to_arrow()


def _both(folder: Path, name: str, table: pa.Table) -> list[dict[str, Any]]:
    """A table as Parquet and as CSV, and what the manifest says of both."""
    path = folder / f"{name}.csv"
    with aside(path) as stream:
        stream.write(csv_bytes(table, header=True).data)
    text = Entry(path.name, stream.size, stream.digest(), table.num_rows)
    entries = [write_parquet(folder / f"{name}.parquet", table), text]
    return [_told(entry, _sha256(folder / entry.name)) for entry in entries]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_csv_feed(path: Path) -> pl.DataFrame:
    """A feed's CSV as texts, its escaping undone; an empty cell is null."""
    return pl.read_csv(path, infer_schema=False).with_columns(unescape(pl.all()))


def _counts(space: Workspace, source: int, held: pa.Table) -> list[list[Any]]:
    """Corrections by field, kind and action, and their number, sorted."""
    fields = sorted(corrected_fields(space, space.sources[source].name))
    shape = (len(fields), len(KIND_NAMES), len(ACTION_NAMES))
    of = tuple(_numbers(held, column) for column in ("field", "kind", "action"))
    counts = np.bincount(np.ravel_multi_index(of, shape), minlength=int(np.prod(shape))).reshape(shape)
    return [
        [fields[f], KIND_NAMES[k], ACTION_NAMES[a], int(counts[f, k, a])]
        for f, k, a in np.argwhere(counts).tolist()
    ]


def _tally(found: Iterable[tuple[str, str, str, int]], place: int) -> dict[str, int]:
    out: dict[str, int] = {}
    for row in found:
        out[str(row[place])] = out.get(str(row[place]), 0) + row[3]
    return dict(sorted(out.items()))


def _applied(found: Counts) -> dict[str, Any]:
    """Records by field that an ``apply`` changes, ``formats`` apart, and those that a death is applied to."""
    applied = [row for row in found if row[2] == ACTION_NAMES[APPLY]]
    return {
        "fields": _tally([row for row in applied if row[1] != KIND_NAMES[FORMAT]], 0),
        "formats": _tally([row for row in applied if row[1] == KIND_NAMES[FORMAT]], 0),
        "deaths": sum(n for _, kind, _, n in applied if kind == KIND_NAMES[STATUS]),
    }
