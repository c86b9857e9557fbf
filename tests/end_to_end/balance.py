"""Whether a run accounts for every row, line and byte of its inputs: counted anew, with none of our code.

:func:`assert_balanced` is called by every test of whole runs.
"""

from __future__ import annotations

import gzip
import json
import tomllib
from collections import Counter
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

DECISIONS = ("link", "review", "new", "conflict", "ineligible")


def assert_balanced(folder):
    """Receipts, rejects, feeds and decisions of a finished run balance to the row for every source."""
    folder = Path(folder)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    project = Path(run["project_file"])
    declared = tomllib.loads(project.read_text(encoding="utf-8"))
    names = [s["name"] for s in declared["source"]]
    assert sorted(p.name for p in (folder / "receipts").iterdir()) == sorted(
        f"{n}.{ending}" for n in names for ending in ("json", "txt")
    )
    entities = _by_source(folder / "entities.parquet", ["record_id"])
    decisions = _by_source(folder / "decisions.parquet", ["record_id", "decision"])
    orders = _by_source(_placed(folder, "duplicates.parquet"), ["survivor_record_id", "absorbed_record_id"])
    assert set(entities) | set(decisions) | set(orders) <= set(names)
    for source in declared["source"]:
        name = source["name"]
        receipt = json.loads((folder / "receipts" / f"{name}.json").read_text(encoding="utf-8"))
        files = _files(project.parent, source["files"])
        contract = tomllib.loads((project.parent / source["contract"]).read_text(encoding="utf-8"))
        rejects = _rejects(folder / "rejects" / f"{name}.parquet")
        _assert_rows(receipt, rejects, run["sources"][name])
        _assert_text(receipt, rejects, files, contract)
        _assert_page(folder / "receipts" / f"{name}.txt", receipt)
        if receipt["outcome"] != "taken":
            assert name not in entities
            assert name not in decisions
            continue
        held = entities.get(name, pl.DataFrame({"record_id": []}, schema={"record_id": pl.String}))
        assert held.height == receipt["rows"]["accepted"], name
        if source["role"] == "register":
            assert receipt["decisions"] is None
            assert name not in decisions
            continue
        _assert_decisions(receipt, decisions.get(name), held)
        _assert_feed(folder, name, receipt, held, decisions.get(name), orders.get(name))


def _placed(folder, name):
    """A guarded artefact, in its place or withheld, never in both."""
    places = [p for p in (folder / name, folder / "withheld" / name) if p.exists()]
    assert len(places) <= 1, places
    return places[0] if places else folder / name


def _by_source(path, columns):
    table = pl.read_parquet(path, columns=["source", *columns]).with_columns(pl.col("source").cast(pl.String))
    return {key[0]: part.drop("source") for key, part in table.partition_by("source", as_dict=True).items()}


def _files(base, patterns):
    found = {
        p
        for pattern in patterns
        for p in ([base / pattern] if (base / pattern).exists() else base.glob(pattern))
    }
    return sorted(found, key=lambda p: (p.name, str(p)))


def _rejects(path):
    if not path.exists():
        return pl.DataFrame(schema={"file": pl.Int32, "line": pl.Int64, "code": pl.String, "row": pl.String})
    held = pl.read_parquet(path).with_columns(pl.col("code").cast(pl.String))
    assert not held.select("file", "line").is_duplicated().any(), path.name
    return held


def _assert_rows(receipt, rejects, stated):
    rows = receipt["rows"]
    assert rows["read"] == rows["accepted"] + rows["refused"]
    assert rows["refused"] == rejects.height
    told = {r["code"]: r["rows"] for r in receipt["refused"]}
    assert told == dict(Counter(rejects["code"].to_list()))
    assert (stated["rows"], stated["accepted"], stated["refused"]) == (rows["read"], rows["accepted"], told)
    for refused in receipt["refused"]:
        lines = rejects.filter(pl.col("code") == refused["code"])["line"]
        assert refused["line"] in lines


def _assert_text(receipt, rejects, files, contract):
    assert [f["name"] for f in receipt["files"]] == [p.name for p in files]
    assert [f["bytes"] for f in receipt["files"]] == [p.stat().st_size for p in files]
    kind = contract.get("format", "csv")
    if kind == "parquet":
        assert receipt["rows"]["read"] == sum(pq.read_metadata(p).num_rows for p in files)
        assert receipt["lines"] is None
    if kind != "csv" or receipt["lines"] is None:
        return
    lines, size = receipt["lines"], receipt["bytes"]
    for part in (lines, size):
        assert part["total"] == part["header"] + part["blank"] + part["accepted"] + part["refused"]
    texts = [_text(path.read_bytes()) for path in files]
    plain = contract.get("encoding", "utf-8").lower() in ("utf-8", "auto") and None not in texts
    if not plain:
        return
    assert size["total"] == sum(map(len, texts))
    assert lines["total"] == sum(map(_lines, texts))
    assert lines["refused"] == sum(_lines(row.encode()) for row in rejects["row"].to_list())


def _text(data):
    """The bytes of a file without its packing; None if they are no UTF-8."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        data = pa.input_stream(pa.BufferReader(data), compression="zstd").read()
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return data


def _lines(data):
    """Physical lines: ended by LF, by CR LF, or by a CR alone; the last needs no end."""
    ends = data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
    return ends + (not data.endswith((b"\n", b"\r")) and data != b"")


def _assert_page(path, receipt):
    page = path.read_bytes().decode("utf-8")
    assert "\r" not in page
    for number in receipt["rows"].values():
        assert f"{number:,}" in page
        assert f"{number:,}".replace(",", ".") in page
    for refused in receipt["refused"]:
        assert page.count(f"[{refused['code']}]") == 2


def _assert_decisions(receipt, decisions, held):
    counted = dict.fromkeys(DECISIONS, 0)
    if decisions is not None:
        counted |= Counter(decisions["decision"].cast(pl.String).to_list())
        assert sorted(decisions["record_id"].to_list()) == sorted(held["record_id"].to_list())
    assert receipt["decisions"] == counted
    assert sum(counted.values()) == receipt["rows"]["accepted"]


def _assert_feed(folder, name, receipt, held, decisions, orders):
    known = set(held["record_id"].to_list())
    merged = [] if orders is None else orders["absorbed_record_id"].to_list()
    assert receipt["duplicates"] == len(merged) == len(set(merged))
    assert set(merged) <= known
    feed = _placed(folder, "feeds") / name
    if not feed.exists():
        assert receipt["corrections"] == []
        return
    corrections = pl.read_parquet(feed / "corrections.parquet")
    ordered = _placed(folder, "orders") / name
    merge_orders = pl.read_parquet(ordered / "merge_orders.parquet")
    assert sorted(merge_orders["absorbed_record_id"].to_list()) == sorted(merged)
    texts = [corrections[c].cast(pl.String).to_list() for c in ("field", "kind", "action")]
    told = {(c["field"], c["kind"], c["action"]): c["rows"] for c in receipt["corrections"]}
    assert told == dict(Counter(zip(*texts, strict=True)))
    assert not corrections.select("record_id", "field").is_duplicated().any()
    linked = set()
    if decisions is not None:
        linked = set(decisions.filter(pl.col("decision").cast(pl.String) == "link")["record_id"].to_list())
    assert set(corrections["record_id"].to_list()) <= linked
    manifest = json.loads((feed / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["rows"]["corrections"] == corrections.height
    asked = json.loads((ordered / "manifest.json").read_text(encoding="utf-8"))
    assert asked["rows"]["merge_orders"] == merge_orders.height
