"""Tasks that close a run: what was found of each source is counted, and told to its agency."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.gates import write_receipt
from jobs.input_digests import as_read
from jobs.policies import policy_record, register_version
from jobs.project import LoadedProject
from jobs.store import (
    make_folder,
    read_parquet,
    write_bytes,
    write_parquet,
)
from jobs.workspace import Workspace, frame
from linkage import tables
from linkage.gates import REPLACED
from linkage.queries import QUERIES
from linkage.receipt import Correction, Facts, Outcome, Query, Refused, Text, receipt
from linkage.scorecard import FieldCounts, SourceCounts, as_columns, scorecard, scorecard_text

#: Kinds of the physical text of a source, in the order of :class:`linkage.receipt.Text`.
_TEXT = ("header", "blank", "accepted", "refused", "total")


def write_scorecard(
    work: str, out: str, counts: Mapping[str, Mapping[str, Any]], found: Mapping[str, Any]
) -> dict[str, Any]:
    """``scorecard.parquet`` and ``scorecard.txt``, of every source that took part.

    counts : of :func:`jobs.source_counts.count_sources`;  found : as :func:`write_source_receipt`
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

    counted : of :func:`jobs.source_counts.count_sources`, this source's; None of one that was left out
    found   : what the run found: ``run_id``, ``made`` (ISO day), ``intake``, ``by_source`` of the decisions,
              ``gates``, ``withheld`` and ``register_version``
    """
    space = Workspace.open(work)
    place = Path(out)
    left_out = found["intake"]["sources"][source].get("left_out")
    agency = next(s for s in space.sources if s.name == source).role == "agency"
    facts = source_facts(
        space,
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
        "register_version": register_version(space.loaded, space.work),
    }
    facts = source_facts(space, source, found, rejects=place / "rejects", outcome="stopped", why=why)
    write_receipt(make_folder(place / "receipts"), receipt(facts))
    return {"rows_in": facts.read}


def source_facts(
    space: Workspace,
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
    loaded = space.loaded
    taken = found["intake"]["sources"][source]
    stated = next(s for s in loaded.project.sources if s.name == source)
    agency = stated.role == "agency"
    policy = loaded.policies.get(source)
    withheld = found["withheld"] and counted is not None and agency
    paths = [file.path for file in loaded.files[source]]
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
            {"name": path.name, "bytes": size, "sha256": digest}
            for path, (size, digest) in zip(paths, as_read(space.work, paths), strict=True)
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
        register_version=found["register_version"],
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
