"""Tasks that close a run: what was found of each source is counted, and told to its agency."""

from __future__ import annotations

import datetime
import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from jobs.gates import feeds_path, orders_path, write_receipt
from jobs.policies import policy_record, register_version
from jobs.project import LoadedProject
from jobs.store import (
    make_folder,
    read_array,
    read_parquet,
    read_table,
    write_bytes,
    write_parquet,
)
from jobs.tasks_decide import load_outcomes
from jobs.workspace import Workspace, frame
from linkage import tables
from linkage.agreement import NOTHING, RELATIONS
from linkage.contract import Contract
from linkage.decisions import CONFLICT, LINK, REVIEW
from linkage.gates import REPLACED
from linkage.queries import QUERIES
from linkage.receipt import Correction, Facts, Outcome, Query, Refused, Text, receipt
from linkage.scorecard import FieldCounts, SourceCounts, as_columns, scorecard, scorecard_text

#: Kinds of the physical text of a source, in the order of :class:`linkage.receipt.Text`.
_TEXT = ("header", "blank", "accepted", "refused", "total")

#: A repair that reads a value as what stands in another field: the value could be read.
_READ_ELSEWHERE = "old_number_in_its_place"


def count_source(work: str, out: str, number: int) -> dict[str, Any]:
    """What was found of one source, in numbers that its receipt, its gates and the scorecard need.

    ``fields`` (filled, repaired, readable, relations by field), ``corrections`` (field, kind, action, rows;
    None in a run that makes none), ``queries`` (field, code, rows, line), ``duplicates``, ``paired``
    (undecided records that have a candidate), ``dead_unmarked`` (None where the register holds no dates of
    death), ``cases`` of the register by kind (None in a run without corrections).
    """
    space = Workspace.open(work)
    info = space.sources[number]
    agency = info.role == "agency"
    corrected = space.loaded.project.corrections.make
    found: dict[str, Any] = {
        "fields": _fields(space, number),
        "queries": _queries(Path(out), info.name),
        "corrections": [] if corrected else None,
        "duplicates": 0,
        "paired": None,
        "dead_unmarked": None,
        "cases": None if agency or not corrected else _cases(Path(out)),
    }
    if agency:
        if corrected:
            found["corrections"] = _corrections(Path(out), info.name)
        orders = _texts_of(orders_path(Path(out)), ["source"])["source"]
        found["duplicates"] = int((orders == info.name).sum())
        found["dead_unmarked"] = _dead_unmarked(space, number)
        found["paired"] = _paired(space, number)
    return found


def _parts(space: Workspace, number: int) -> list[tuple[int, int, int]]:
    """Part, first row and rows of a source's parts that hold any."""
    return [(p, start, rows) for s, p, start, rows in space.layout["parts"] if s == number and rows]


def _fields(space: Workspace, number: int) -> dict[str, dict[str, Any]]:
    contract = space.sources[number].contract
    repairs = _part_tables(space, number, "repairs", ("row", "field", "kind"))
    repaired = _counts(repairs.unique(["part", "row", "field"]).select("field"))
    elsewhere = _counts(repairs.filter(pl.col("kind") == _READ_ELSEWHERE).select("field"))
    found = {}
    for standard in _standards(contract):
        filled = readable = 0
        coded = space.coded.arrays.get(standard)
        for part, start, rows in _parts(space, number):
            column = space.records(number, part).column(standard)
            filled += rows - column.null_count
            if coded is not None:
                has = _has(np.asarray(coded[start : start + rows]), space.kinds[standard])
                readable += int((has & _filled(space, number, part, standard)).sum())
        found[standard] = {
            "filled": filled,
            "repaired": min(filled, repaired.get((standard,), 0)),
            "readable": None if coded is None else min(filled, readable + elsewhere.get((standard,), 0)),
            "relations": _relations(space, number, standard),
        }
    return found


def _standards(contract: Contract) -> Sequence[str]:
    return list(contract.by_standard())


def _has(values: np.ndarray, kind: str) -> np.ndarray:
    """Whether coded values say something: bool[n]."""
    return values[:, 0] != 0 if kind == "name" else values >= 0 if kind == "unit" else values != 0


def _part_tables(space: Workspace, number: int, name: str, columns: Sequence[str]) -> pl.DataFrame:
    """What standardisation noted of a source's parts, ``part`` in front."""
    pieces = [
        pl.DataFrame(schema={"part": pl.Int64, **{c: pl.Int64 if c == "row" else pl.String for c in columns}})
    ]
    for part, _, _ in _parts(space, number):
        path = space.path("standard", f"{number:02d}-{part:05d}.{name}.arrow")
        if path.exists():
            held = frame(read_table(path)).select(pl.lit(part).alias("part"), *columns)
            pieces.append(held.cast(pieces[0].schema))
    return pl.concat(pieces)


def _counts(held: pl.DataFrame) -> dict[tuple[Any, ...], int]:
    """How often each row comes, sorted."""
    counted = held.group_by(held.columns).len().sort(held.columns)
    return {row[:-1]: row[-1] for row in counted.iter_rows()}


def _queries(out: Path, source: str) -> list[dict[str, Any]]:
    held = frame(read_parquet(out / "queries.parquet", ["source", "line", "field", "code"]))
    held = held.with_columns(pl.col("source", "field", "code").cast(pl.String))
    counted = held.filter(pl.col("source") == source).group_by("field", "code")
    rows = counted.agg(pl.len().alias("rows"), pl.col("line").min()).sort("field", "code")
    return list(rows.iter_rows(named=True))


def _cases(out: Path) -> dict[str, int]:
    path = out / "register_cases.parquet"
    if not path.exists():
        return {}
    return {kind: n for (kind,), n in _counts(_texts_of(path, ["kind"])).items()}


def _texts_of(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    return frame(read_parquet(path, columns)).select(pl.col(c).cast(pl.String) for c in columns)


def _corrections(out: Path, source: str) -> list[dict[str, Any]]:
    path = feeds_path(out) / source / "corrections.parquet"
    if not path.exists():
        return []
    return [
        {"field": f, "kind": k, "action": a, "rows": n}
        for (f, k, a), n in _counts(_texts_of(path, ["field", "kind", "action"])).items()
    ]


def _relations(space: Workspace, number: int, standard: str) -> list[int] | None:
    """Linked records of a source by how the field relates to the register's; None if it is not compared.

    In a column of names that the source writes without diacritics these make no difference.
    """
    path = space.path("agreement", f"{standard}.npy")
    if space.sources[number].role == "register" or not path.exists():
        return None
    first = space.layout["n_register"]
    relation = read_array(path)[0]
    counts = np.zeros(len(RELATIONS), np.int64)
    for part, start, rows in _parts(space, number):
        own = relation[start - first : start - first + rows]
        bare = space.path("agreement", f"{standard}.{number:02d}-{part:05d}.npy")
        if bare.exists():  # of its linked records, without diacritics
            linked = read_array(bare)
            own = np.append(linked, np.full(rows - linked.shape[0], NOTHING, np.uint8))
        counts += np.bincount(own, minlength=len(RELATIONS))
    return [int(n) for n in counts]


def _dead_unmarked(space: Workspace, number: int) -> int | None:
    """Linked records whose person has a date of death in the register and that hold none."""
    register = next((n for n, s in enumerate(space.sources) if s.role == "register"), None)
    if register is None or "death_date" not in space.sources[register].contract.by_standard():
        return None
    first = space.layout["n_register"]
    dead = np.zeros(first, bool)
    for part, start, rows in _parts(space, register):
        dead[start : start + rows] = _filled(space, register, part, "death_date")
    decision, person, _ = load_outcomes(space)
    marks = "death_date" in space.sources[number].contract.by_standard()
    count = 0
    for part, start, rows in _parts(space, number):
        own = np.arange(start - first, start - first + rows)
        if marks:
            own = own[~_filled(space, number, part, "death_date")]
        own = own[decision[own] == LINK]
        count += int(dead[person[own]].sum())
    return count


def _paired(space: Workspace, number: int) -> int:
    """Records of a source in review or conflict that have a candidate."""
    first = space.layout["n_register"]
    decision, person, _ = load_outcomes(space)
    open_ = np.isin(decision, (REVIEW, CONFLICT)) & (person >= 0)
    return sum(
        int(open_[start - first : start - first + rows].sum()) for _, start, rows in _parts(space, number)
    )


def _filled(space: Workspace, number: int, part: int, standard: str) -> np.ndarray:
    return np.asarray(pc.is_valid(space.records(number, part).column(standard)).to_numpy())


def write_scorecard(
    work: str, out: str, counts: Mapping[str, Mapping[str, Any]], found: Mapping[str, Any]
) -> dict[str, Any]:
    """``scorecard.parquet`` and ``scorecard.txt``, of every source that took part.

    counts : of :func:`count_source` by source;  found : as :func:`write_source_receipt`
    """
    space = Workspace.open(work)
    register = next((s for s in space.sources if s.role == "register"), None)
    told: dict[str, SourceCounts] = {}
    for info in space.sources:
        if info.name not in counts:
            continue
        taken, held = found["intake"]["sources"][info.name], counts[info.name]
        fields = {
            f: FieldCounts(
                filled=of["filled"],
                repaired=of["repaired"],
                readable=of["readable"],
                relations=None if of["relations"] is None else np.array(of["relations"], np.int64),
            )
            for f, of in held["fields"].items()
        }
        rows = taken["rows"] - sum(taken["refused"].get(code, 0) for code in REPLACED)
        if info.role == "register":
            told[info.name] = SourceCounts(rows, taken["accepted"], fields)
            continue
        behind = (register.extract_date - info.extract_date).days if register is not None else 0
        told[info.name] = SourceCounts(
            rows=rows,
            accepted=taken["accepted"],
            fields=fields,
            linked=found["by_source"][info.name]["link"],
            false_links=found["estimates"][info.name]["expected"],
            duplicates=held["duplicates"],
            dead_unmarked=held["dead_unmarked"],
            days_behind=behind,
        )
    rows_ = scorecard(told)
    declared = tables.SCORECARD
    columns = as_columns(rows_)
    table = declared.check(pa.table({n: pa.array(columns[n], c.type) for n, c in declared.columns.items()}))
    write_parquet(Path(out) / "scorecard.parquet", table)
    write_bytes(Path(out) / "scorecard.txt", scorecard_text(rows_, list(told)).encode())
    return {"rows_out": table.num_rows}


def write_source_receipt(
    work: str, out: str, source: str, counted: Mapping[str, Any] | None, found: Mapping[str, Any]
) -> dict[str, Any]:
    """``receipts/<source>.json`` and ``.txt``.

    counted : of :func:`count_source`; None of a source that was left out
    found   : what the run found: ``run_id``, ``made`` (ISO day), ``intake``, ``by_source`` of the decisions,
              ``gates`` and ``withheld``
    """
    space = Workspace.open(work)
    place = Path(out)
    left_out = found["intake"]["sources"][source].get("left_out")
    agency = next(s for s in space.sources if s.name == source).role == "agency"
    facts = source_facts(
        space.loaded,
        source,
        found,
        rejects=place / "rejects",
        counted=counted,
        decisions=found["by_source"][source] if agency and counted is not None else None,
        outcome="taken" if counted is not None else "left_out",
        why=left_out["why"] if left_out else None,
    )
    write_receipt(make_folder(place / "receipts"), receipt(facts))
    return {"rows_in": facts.read}


def write_stopped_receipt(
    work: str, out: str, source: str, intake: Mapping[str, Any], why: str
) -> dict[str, Any]:
    """The receipt of a source that broke its contract, before it is known whether the run goes on without it.

    intake : facts of the intake: ``sources`` by name;  why : what is wrong, without values
    """
    space = Workspace.open(work)
    place = Path(out)
    found = {
        "run_id": str(space.settings.get("run_id", "")),
        "made": time.strftime("%Y-%m-%d", time.gmtime()),
        "intake": intake,
        "gates": [],
        "withheld": False,
    }
    facts = source_facts(space.loaded, source, found, rejects=place / "rejects", outcome="stopped", why=why)
    write_receipt(make_folder(place / "receipts"), receipt(facts))
    return {"rows_in": facts.read}


def source_facts(
    loaded: LoadedProject,
    source: str,
    found: Mapping[str, Any],
    *,
    rejects: Path,
    counted: Mapping[str, Any] | None = None,
    decisions: Mapping[str, int] | None = None,
    outcome: Outcome = "taken",
    why: str | None = None,
) -> Facts:
    """What a receipt of one source is made of; arguments as :func:`write_source_receipt`."""
    taken = found["intake"]["sources"][source]
    stated = next(s for s in loaded.project.sources if s.name == source)
    agency = stated.role == "agency"
    policy = loaded.policies.get(source)
    withheld = found["withheld"] and counted is not None and agency
    lines, text_bytes = _texts(taken.get("text"))
    held = counted or {"queries": (), "corrections": (), "duplicates": None, "cases": None, "paired": None}
    return Facts(
        run_id=found["run_id"],
        project=loaded.project.name,
        source=source,
        register=not agency,
        made=datetime.date.fromisoformat(found["made"]),
        extract_date=stated.extract_date,
        outcome=outcome,
        files=[
            {"name": f.path.name, "bytes": f.size, "sha256": sha256(f.path)} for f in loaded.files[source]
        ],
        read=taken["rows"],
        accepted=taken["accepted"],
        refused=refused_rows(loaded, source, rejects),
        lines=lines,
        text_bytes=text_bytes,
        bytes_as_sent=taken.get("bytes_as_sent"),
        queries=[Query(**q, en=QUERIES[q["code"]][0], vi=QUERIES[q["code"]][1]) for q in held["queries"]],
        decisions=decisions,
        duplicates=held["duplicates"] if agency else None,
        corrections=None if held["corrections"] is None else [Correction(**c) for c in held["corrections"]],
        cases=held["cases"],
        paired=held["paired"],
        verified=stated.verify and counted is not None and loaded.project.corrections.make,
        withheld=withheld,
        gates=[g for g in found["gates"] if not g["holds"] and g["source"] in (None, source)]
        if withheld
        else (),
        why=why,
        register_version=register_version(loaded),
        policy_id=policy_record(loaded, source)["policy_id"] if agency else "",
        purpose=policy.purpose if policy is not None else None,
        legal_basis=policy.legal_basis if policy is not None else None,
    )


def _texts(held: Mapping[str, list[int]] | None) -> tuple[Text | None, Text | None]:
    """Lines and bytes of a source's text from ``{kind: [lines, bytes]}``; None of a file that is no text."""
    if not held:
        return None, None
    lines, size = ({kind: held[kind][i] for kind in _TEXT} for i in (0, 1))
    return Text(**lines), Text(**size)


def refused_rows(loaded: LoadedProject, source: str, rejects: Path) -> list[Refused]:
    """Refused rows of a source by code, the most frequent first, each with where the first stands.

    rejects : folder of the published rejects
    """
    path = rejects / f"{source}.parquet"
    if not path.exists():
        return []
    columns = ["file", "line", "code", "column"]
    held = frame(read_parquet(path, columns)).with_columns(pl.col("code", "column").cast(pl.String))
    first = (
        held.sort("file", "line")
        .group_by("code", maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col("file", "line", "column").first())
        .sort(["rows", "code"], descending=[True, False])
    )
    files = sorted((f.path for f in loaded.files[source]), key=lambda p: (p.name, str(p)))
    return [
        Refused(row["code"], row["rows"], files[row["file"]].name, row["line"], row["column"])
        for row in first.iter_rows(named=True)
    ]


def sha256(path: Path) -> str:
    """SHA-256 of a file in hex: what the programs of every office can compute, to compare."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
