"""The plan of a run, before anything is spent: what it will read, pair, refine and cost."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

import linkage
from jobs import machine
from jobs.coding import code_here
from jobs.fingerprints import fingerprints
from jobs.plan_record import spoken
from jobs.project import LoadedProject, check_plan, load_project
from jobs.readers import read_source
from jobs.record_files import write_records
from jobs.sampling import SampledFile, guess_rows, sample_file
from jobs.source_files import SourceFile, open_source
from jobs.store import make_folder, write_json
from jobs.workload import forecast_work, stages_of
from jobs.workspace import SourceInfo, Workspace, slice_of
from linkage import costs
from linkage.block import MOST_PAIRS
from linkage.forecast import Lost, RuleForecast, Sample, forecast_rules
from linkage.frequency import Holders, neighbours
from linkage.ingest import Intake

#: Rows sampled of the register, and of all agencies together.
SAMPLE = 150_000

#: Of a small agency at least so many rows.
LEAST = 20_000

#: Identifiers that one thread probes at once for others one slip away.
_PROBED = 20_000

#: Rows of the sample that are standardised at once.
_PART = 50_000

#: Codes of rows refused because their key comes again, which a sample cannot count.
_REPEATS = ("repeated_key", "superseded", "repeated_key_tie")

#: Warnings of a plan: code and text, see docs/plan.md.
WARNINGS: Mapping[str, str] = {
    "W-PLAN-001": "the disk of the run's folder has {free}, and the run wants about {wanted}",
    "W-PLAN-002": "this machine has {free} of memory left, and the run wants about {wanted}",
    "W-PLAN-003": "of {name} only the beginning was read: how the rest is may differ",
    "W-PLAN-004": "the pairs of the rule {name} are known to {error} % only; plan with a larger --sample",
    "W-PLAN-005": "refinement gives up {pairs} pairs of the rule {name}: its largest blocks stay too large",
    "W-PLAN-006": "{name}: {share} % of the rows are refused in the sample",
}


@dataclass
class Taken:
    """What the sample says of one source.

    rows, accepted : of the whole source, estimated;  rate : share of its rows in the sample
    refused        : rows of the whole source by code, estimated
    repeated       : rows of the sample whose key comes again in it
    stretch        : int64[sampled records], the stretch each was read in, from 0
    """

    info: SourceInfo
    bytes: int
    files: int
    rows: float = 0.0
    accepted: float = 0.0
    rate: float = 1.0
    read: int = 0
    exact: bool = False
    how: str = "whole"
    refused: dict[str, float] = field(default_factory=dict)
    repeated: int = 0
    records: pa.Table | None = None
    stretch: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def make_plan(
    project: Path,
    *,
    sample: int = SAMPLE,
    threads: int = 1,
    model: Path | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """The plan of a run, ready for JSON.

    sample : rows read of the register, and of the agencies together
    folder : where the run's folder will lie, for its disk; by default the project's

    Raises what :func:`jobs.project.load_project` and the readers raise.
    """
    began = time.perf_counter()
    loaded = load_project(project)
    check_plan(loaded)
    prints = fingerprints(loaded, model)
    base = (folder or loaded.base).resolve()
    speed = machine.measure_speed()
    with tempfile.TemporaryDirectory(prefix="linkage-plan-") as place:
        work = Path(place)
        write_json(work / "settings.json", {"project": str(loaded.path), "model": None})
        space = Workspace(work)
        taken = _sample_sources(space, loaded, sample, threads)
        _standardise(space, taken, threads)
        speed = max(speed, machine.measure_speed())
        space = Workspace(work)
        rules, lost = _forecast(space, taken, threads)
        trained = model is None and loaded.model_file is None
        accepted = {t.info.name: t.accepted for t in taken}
        drivers = forecast_work(space, accepted, rules, trained=trained)
    speed = max(speed, machine.measure_speed())
    stages = stages_of(loaded)
    spent = costs.seconds(drivers, min(threads, machine.processors()), speed)
    if not trained:
        spent.pop("train")
    spent = {name: value for name, value in spent.items() if name in (*stages, "between")}
    needs = {
        "peak_memory": int(costs.MEMORY.of(drivers)),
        "disk": costs.disk(drivers, stages),
    }
    there = machine.describe(base, speed)
    total = sum(spent.values())
    plan: dict[str, Any] = {
        "schema": 1,
        "plan_id": "",
        "project": loaded.project.name,
        "code_version": linkage.__version__,
        "made": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "fingerprints": prints,
        "threads": threads,
        "sample": {"wanted": sample, "read": sum(t.read for t in taken)},
        "sources": {t.info.name: _source_record(t) for t in taken},
        "rows": round(sum(t.rows for t in taken)),
        "accepted": round(sum(t.accepted for t in taken)),
        "rules": [_rule_record(rule, found) for rule, found in zip(space.rules, rules, strict=True)],
        "pairs": round(drivers["compared"]),
        "refinement": _lost_record(lost),
        "drivers": {name: float(f"{value:.6g}") for name, value in drivers.items()},
        "stages": {name: round(value, 3) for name, value in spent.items()},
        "seconds": round(total, 3),
        **needs,
        "machine": there,
        "warnings": [],
    }
    plan["warnings"] = _warnings(plan, taken, there)
    plan["fits"] = not any(w["code"] in ("W-PLAN-001", "W-PLAN-002") for w in plan["warnings"])
    digest = hashlib.blake2b(
        msgspec.json.encode({k: v for k, v in plan.items() if k not in ("plan_id", "made")}), digest_size=16
    )
    plan["plan_id"] = digest.hexdigest()
    plan["planned_in"] = round(time.perf_counter() - began, 3)
    return plan


def _sample_sources(space: Workspace, loaded: LoadedProject, sample: int, threads: int) -> list[Taken]:
    taken = [
        Taken(s, sum(f.size for f in loaded.files[s.name]), len(loaded.files[s.name])) for s in space.sources
    ]
    files = [open_source([f.path for f in loaded.files[t.info.name]], t.info.contract) for t in taken]
    guessed = [guess_rows(opened) for opened in files]
    agencies = max(1, sum(g for g, t in zip(guessed, taken, strict=True) if t.info.role != "register"))
    for source, rows in zip(taken, guessed, strict=True):
        if source.info.role == "register":
            source.rate = sample / max(1, rows)
        else:
            source.rate = max(sample / agencies, min(sample, LEAST) / max(1, rows))
        if source.rate > 0.8:
            source.rate = 1.0
    folder = make_folder(space.work / "sample")
    calls = [
        (source, opened, f"{number}-{opened.file}")
        for number, source in enumerate(taken)
        for opened in files[number]
    ]

    def read(call: tuple[Taken, SourceFile, str]) -> tuple[SampledFile, list[Intake]]:
        source, opened, place = call
        copied = sample_file(opened, source.info.contract, source.rate, place, folder)
        return copied, read_source([copied.path], source.info.contract)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        done = list(pool.map(read, calls))
    for source in taken:
        mine = [d for call, d in zip(calls, done, strict=True) if call[0] is source]
        _gather(source, mine)
    return taken


def _gather(source: Taken, files: Sequence[tuple[SampledFile, list[Intake]]]) -> None:
    """Put the files' samples together."""
    tables, stretches = [], []
    first = 0
    inside = 0
    for copied, intakes in files:
        for intake in intakes:
            tables.append(intake.records.drop_columns(["line"]))
            line = intake.records.column("line").to_numpy()
            stretches.append(first + np.maximum(np.searchsorted(copied.starts, line, side="right") - 1, 0))
            source.read += intake.rows_in
            source.rows += intake.rows_in / copied.rate
            for code, count in intake.refused().items():
                if code in _REPEATS and copied.rate < 1.0:
                    source.repeated += count
                else:
                    source.refused[code] = source.refused.get(code, 0.0) + count / copied.rate
            inside += intake.records.num_rows
        first += copied.starts.shape[0]
    hows = {copied.how for copied, _ in files}
    source.how = "beginning" if "beginning" in hows else "spread" if "spread" in hows else "whole"
    source.exact = source.how == "whole" or source.info.contract.format in ("parquet", "arrow")
    source.rows = float(round(source.rows))
    source.accepted = float(round(source.rows - sum(source.refused.values())))
    source.records = pa.concat_tables(tables)
    source.stretch = np.concatenate(stretches)
    known = source.how != "whole" and inside > 0
    source.rate = min(1.0, inside / max(1.0, source.accepted)) if known else 1.0


def _standardise(space: Workspace, taken: Sequence[Taken], threads: int) -> None:
    """Make the coded columns of the sample by the tasks of a run, in the plan's own work folder."""
    make_folder(space.work / "intake")
    wanted = {c for r in space.rules for c in r.columns}
    wanted |= {c for c, kind in space.kinds.items() if kind in ("name", "date")}
    # An old number may stand where the personal one is wanted.
    wanted |= {"record_id"} | ({"personal_number"} if "old_number" in wanted else set())
    parts, at = [], 0
    for number, source in enumerate(taken):
        assert source.records is not None
        n = source.records.num_rows
        kept = [c for c in source.records.column_names if c in wanted]
        for part, start in enumerate(range(0, max(1, n), _PART)):
            piece = source.records.slice(start, _PART).select(kept)
            write_records(space.work / "intake", number, part, piece)
            parts.append([number, part, at, piece.num_rows])
            at += piece.num_rows
    registers = taken[0].records.num_rows if taken[0].records is not None else 0
    layout = {"parts": parts, "rows": at, "n_register": registers, "range_rows": max(1, at), "bits": 0}
    write_json(space.work / "layout.json", layout)
    Workspace.open.cache_clear()
    try:
        with ThreadPoolExecutor(max(1, threads)) as pool:
            code_here(Workspace.open(str(space.work)), pool.map)
    finally:
        Workspace.open.cache_clear()


def _forecast(space: Workspace, taken: Sequence[Taken], threads: int) -> tuple[list[RuleForecast], Lost]:
    from jobs.blocking import BLOCK_CANDIDATES

    edges = np.cumsum([0, *(int(t.stretch.max(initial=-1)) + 1 for t in taken)])
    stretch = np.concatenate([t.stretch + edges[i] for i, t in enumerate(taken)])
    coded = slice_of(space.coded, 0, len(space.coded), tuple(space.coded.arrays))
    sample = Sample(coded, space.meaning, np.array([t.rate for t in taken]), stretch)
    groups = [r for _, r in space.training.groups if not space.rules[r].near]
    identifier = groups[0] if groups else -1
    with ThreadPoolExecutor(max(1, threads)) as pool:
        rules, lost = forecast_rules(
            sample, space.rules, space.key_secret, BLOCK_CANDIDATES, MOST_PAIRS, identifier, pool.map
        )
        for rule, found in zip(space.rules, rules, strict=True):
            if rule.near:
                _probe(sample, rule.on[0].column, found, pool)
    return rules, lost


def _probe(sample: Sample, column: str, found: RuleForecast, pool: ThreadPoolExecutor) -> None:
    """Estimate the pairs one slip apart whose agency identifier nobody of the register holds."""
    coded = sample.coded
    first = coded.n_register
    values = np.asarray(coded.arrays[column])
    aliases = coded.arrays.get(f"{column}.alias")
    rows = np.arange(first, dtype=np.uint32)
    holders = Holders.of(values[:first], rows, None if aliases is None else np.asarray(aliases[:first]))
    cuts = range(first, max(first + 1, values.shape[0]), _PROBED)
    near = list(
        pool.map(lambda at: neighbours(holders, np.ascontiguousarray(values[at : at + _PROBED])), cuts)
    )
    left = np.concatenate([n[0] + at for at, n in zip(cuts, near, strict=True)])
    right = np.concatenate([n[1] for n in near])
    weight = sample.weight
    # A sampled holder stands for 1 / rate holders: what is left when theirs are taken away has none.
    held = holders.holds(values[first:])[left - first]
    each = weight[left] * weight[right] * np.where(held, 1.0 - 1.0 / float(sample.rate[0]), 1.0)
    found.pairs = found.before = found.compared = max(0.0, float(each.sum()))
    sampled = float(sample.rate.min()) < 1.0
    found.error = float(np.sqrt((each**2).sum())) / max(1.0, found.pairs) if sampled else 0.0


def _source_record(source: Taken) -> dict[str, Any]:
    return {
        "role": source.info.role,
        "files": source.files,
        "bytes": source.bytes,
        "rows": round(source.rows),
        "rows_exact": source.exact,
        "accepted": round(source.accepted),
        "accepted_share": round(source.accepted / source.rows, 6) if source.rows else 1.0,
        "refused": {code: round(count) for code, count in sorted(source.refused.items())},
        "repeats_in_sample": source.repeated,
        "read": source.read,
        "how": source.how,
    }


def _rule_record(rule: Any, found: RuleForecast) -> dict[str, Any]:
    whole = found.before or 1.0
    return {
        "name": rule.name,
        "on": [str(p) for p in rule.on],
        "refine": [str(p) for p in rule.refine],
        "use": "relatives" if rule.relatives else "candidates",
        "pairs": round(found.pairs),
        "register_pairs": round(found.register_pairs),
        "compared": round(found.compared),
        "error": round(found.error, 4),
        "before_refinement": round(found.before),
        "refined_pairs": round(found.refined_pairs),
        "given_up_pairs": round(found.given_up_pairs),
        "refined_blocks": round(found.refined_blocks),
        "lost": None if found.lost < 0 else round(found.lost, 6),
        "largest": [
            {
                "register": round(b.register),
                "agency": round(b.agency),
                "pairs": round(b.before),
                "share": round(b.before / whole, 6),
                "refined": round(b.refined, 3),
                "pairs_after": round(b.after),
                "given_up": round(b.given_up),
            }
            for b in found.largest
        ],
    }


def _lost_record(lost: Lost) -> dict[str, Any]:
    """Shares of true pairs, and a 95 % interval (Wilson) of what refinement parts."""
    if not lost.pairs:
        return {"seen": 0, "without_identifier_unfound": None, "lost": None, "low": None, "high": None}
    n, z = lost.pairs, 1.959964
    share = lost.parted / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return {
        "seen": n,
        "without_identifier_unfound": round(lost.unfound / n, 6),
        "lost": round(share, 6),
        "low": round(max(0.0, middle - half), 6),
        "high": round(min(1.0, middle + half), 6),
    }


def _warnings(
    plan: Mapping[str, Any], taken: Sequence[Taken], there: Mapping[str, Any]
) -> list[dict[str, str]]:
    out: list[dict[str, str]] = []

    def warn(code: str, **values: Any) -> None:
        out.append({"code": code, "text": WARNINGS[code].format(**values)})

    disk = plan["disk"]["fullest"]
    if there["disk_free"] < disk:
        warn("W-PLAN-001", free=spoken(there["disk_free"]), wanted=spoken(disk))
    free = there["memory_available"]
    if free is not None and free < plan["peak_memory"]:
        warn("W-PLAN-002", free=spoken(free), wanted=spoken(plan["peak_memory"]))
    for source in taken:
        if source.how == "beginning":
            warn("W-PLAN-003", name=source.info.name)
        share = 1 - source.accepted / source.rows if source.rows else 0.0
        if share > 0.05:
            warn("W-PLAN-006", name=source.info.name, share=f"{100 * share:.1f}")
    for rule in plan["rules"]:
        if rule["error"] > 0.125 and rule["pairs"] > 0.02 * max(1, plan["pairs"]):
            warn("W-PLAN-004", name=rule["name"], error=f"{200 * rule['error']:.0f}")
        if rule["given_up_pairs"] > 0.01 * max(1, rule["before_refinement"]):
            warn("W-PLAN-005", name=rule["name"], pairs=f"{rule['given_up_pairs']:,}")
    return out
