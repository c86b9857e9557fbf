"""A run: walks the stages over their parts, on threads or on Ray, and publishes the artefacts."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jobs.closing import close_run
from jobs.correction import make_corrections
from jobs.executor import Call, Executor, make_executor
from jobs.fingerprints import fingerprints
from jobs.gates import check_acceptance, settle, unaccepted
from jobs.intake import take_in
from jobs.journal import Journal, peak_memory
from jobs.plan_record import compare, folder_bytes, read_plan, refuse_stale
from jobs.progress import Progress
from jobs.project import LoadedProject, check_plan, load_project
from jobs.register_cases import open_cases
from jobs.run_folder import RunFolder
from jobs.run_record import Outcome, run_record
from jobs.store import (
    commit_stage,
    make_folder,
    stage_entries,
    stage_facts,
    write_bytes,
    write_json,
)
from jobs.workspace import Workspace, create_array, slice_of
from linkage.errors import ConfigError
from linkage.model import Model, identify
from linkage.rules import base_keys

#: Rows of a partition of keys; 300 k rows with their columns are about 60 MB.
PARTITION_ROWS = 300_000

#: Chunks that the random pairs of training are counted in.
RANDOM_CHUNKS = 8

#: Register records a record may meet in one block before the block is refined.
BLOCK_CANDIDATES = 50


class _Stages:
    """Runs stages once each, journals their tasks, and keeps their figures."""

    def __init__(self, folder: RunFolder, executor: Executor, journal: Journal, progress: Progress) -> None:
        self.folder = folder
        self.executor = executor
        self.journal = journal
        self.progress = progress
        self.figures: list[dict[str, Any]] = []
        self.peaks: dict[int, int] = {}

    def peak_memory(self) -> int:
        """The most memory that the processes of the run have held, in bytes: the sum of their own peaks."""
        return sum((self.peaks | {os.getpid(): peak_memory()}).values())

    def stage(self, name: str, work: Callable[[], dict[str, Any]], rows: int | None = None) -> dict[str, Any]:
        """Run a stage unless it has happened; gives its facts."""
        place = self.folder.work / "stages" / name
        make_folder(place)
        began = time.perf_counter()
        facts = stage_facts(place)
        if facts is None:
            self.progress.stage(name, rows)
            facts = work()
            commit_stage(place, [], facts)
        else:
            stage_entries(place)
        self.figures.append(
            {
                "stage": name,
                "status": "done",
                "seconds": round(time.perf_counter() - began, 3),
                "peak_memory": self.peak_memory(),
                **{k: facts[k] for k in ("rows_in", "rows_out", "pairs") if k in facts},
            }
        )
        return facts

    def tasks(
        self, stage: str, calls: Sequence[Call], rows: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Results of tasks in order, each journalled."""
        out = []
        for number, done in enumerate(self.executor.map(calls)):
            result = done.result
            self.peaks[done.process] = done.peak_memory
            fields = {
                k: v
                for k, v in result.items()
                if k in ("rows_in", "rows_out", "pairs") and isinstance(v, int)
            }
            self.journal.write(
                stage=stage,
                part=number,
                parts=len(calls),
                engine=self.executor.name,
                status="done",
                process=done.process,
                seconds=round(done.seconds, 4),
                peak_memory=done.peak_memory,
                **fields,
            )
            self.progress.advance(rows[number] if rows is not None else 0)
            out.append(result)
        return out


def run_project(
    project_path: Path,
    out: Path,
    *,
    engine: str = "threads",
    threads: int = 1,
    parts: int | None = None,
    model: Path | None = None,
    address: str | None = None,
    progress: Progress | None = None,
    keep_work: bool = False,
    accept: Sequence[str] = (),
    reason: str | None = None,
    plan: Path | None = None,
) -> Outcome:
    """Reconcile the project's sources into the run folder ``out``.

    Running into a finished folder with the same fingerprint does nothing but release what ``accept`` and
    ``reason`` allow (:func:`jobs.gates.settle`); with another fingerprint ConflictError ``E-RUN-001``.
    Stopped anywhere, the same command goes on where it was. With the ``plan`` that ``linkage plan`` wrote,
    ConflictError ``E-PLAN-001`` if it is not of these inputs; ``run.json`` says how near it came.
    """
    progress = progress or Progress()
    began = time.perf_counter()
    loaded = load_project(project_path)
    check_plan(loaded)
    because = check_acceptance(loaded, accept, reason)
    given = model or (loaded.model_file.path if loaded.model_file else None)
    if given is not None:
        _check_model(given)
    prints = fingerprints(loaded, model)
    planned = None if plan is None else read_plan(plan)
    if planned is not None:
        refuse_stale(planned, prints)
    with RunFolder(out, prints["run"], keep_work=keep_work) as folder:
        if folder.finished is not None:
            return _settled(out, accept, because, progress)
        settings = {
            "run_id": prints["run"][:16],
            "project": str(loaded.path),
            "parts": parts,
            "model": str(model.resolve()) if model else None,
        }
        if (folder.work / "settings.json").exists():
            settings = json.loads((folder.work / "settings.json").read_text())
        else:
            write_json(folder.work / "settings.json", settings)
        Workspace.open.cache_clear()
        executor = make_executor(engine, threads, address)
        stages = _Stages(folder, executor, Journal(folder.journal), progress)
        try:
            facts = _walk(stages, loaded, folder, settings, threads)
        except BaseException:
            executor.close()
            for left in folder.work.rglob("*.tmp-*"):  # of workers that were ended in the middle of a file
                left.unlink(missing_ok=True)
            raise
        executor.close()
        run = run_record(
            loaded,
            prints,
            folder.work,
            facts,
            stages.figures,
            seconds=time.perf_counter() - began,
            memory=stages.peak_memory(),
            engine=engine,
        )
        work, made = folder_bytes(folder.work), folder_bytes(folder.artefacts)
        run["disk"] = {"work": work - made, "artefacts": made}
        if planned is not None:
            run["plan"] = compare(planned, run)
        if not run["converged"]:
            progress.message("warning: the model did not converge; run.json and model.json say where")
        folder.finish(run)
        progress.close()
        Workspace.open.cache_clear()
        return _settled(out, accept, because, progress)


def _settled(out: Path, accept: Sequence[str], reason: str, progress: Progress) -> Outcome:
    """The outcome of the finished run in ``out``, once what was accepted has been released."""
    run = settle(out, accept, reason)
    for left in run.get("left_out", []):
        progress.message(f"left out: source {left['source']}: {left['code']}: {left['message']}")
    for name in unaccepted(run):
        gate = next(g for g in run["gates"] if g["name"] == name)
        progress.message(f"withheld: gate {name} fails. {gate['en']}")
    if run.get("withheld"):
        progress.message(
            "feeds and merge orders lie under withheld/; --accept GATE --reason TEXT releases them"
        )
    return Outcome(int(run["exit_code"]), out, run)


def _check_model(path: Path) -> None:
    """Raise ConfigError ``E-MODEL-001`` if no saved model lies at ``path``."""
    try:
        Model.from_json(path.read_bytes())
    except OSError as fault:
        raise ConfigError(
            "E-MODEL-001",
            f"The model file '{path}' cannot be read: {(fault.strerror or type(fault).__name__).lower()}.",
            "A model.json that a run wrote was wanted.",
            "Take the file from a finished run's folder.",
        ) from None


def _walk(
    stages: _Stages, loaded: LoadedProject, folder: RunFolder, settings: dict[str, Any], threads: int
) -> dict[str, Any]:
    work = str(folder.work)
    space = Workspace.open(work)
    facts: dict[str, Any] = {}
    facts["intake"] = stages.stage(
        "intake", lambda: take_in(stages, loaded, space, folder.artefacts, settings["parts"], threads)
    )
    if not (folder.work / "layout.json").exists() or facts["intake"]["layout"] != space.layout:
        write_json(folder.work / "layout.json", facts["intake"]["layout"])
    layout = facts["intake"]["layout"]
    parts = layout["parts"]
    rows = layout["rows"]
    facts["standardise"] = stages.stage(
        "standardise",
        lambda: _sum(
            stages.tasks(
                "standardise",
                [("jobs.tasks:standardise_part", (work, s, p)) for s, p, _, _ in parts],
                [n for *_, n in parts],
            )
        ),
        rows,
    )
    facts["vocabulary"] = stages.stage(
        "vocabulary", lambda: stages.tasks("vocabulary", [("jobs.tasks:build_vocabulary", (work,))])[0]
    )
    columns = [*space.columns, *space.carried, "@source", "@order"]
    columns += [
        f"{c}.alias"
        for c in (*space.columns, *space.carried)
        if c == "personal_number" and loaded.alias_file is not None
    ]
    facts["columns"] = stages.stage(
        "columns",
        lambda: _sum(stages.tasks("columns", [("jobs.tasks:join_column", (work, c)) for c in columns])),
    )
    facts["frequency"] = stages.stage("frequency", lambda: _frequency(stages, space, work))
    facts["block"] = stages.stage("block", lambda: _block(stages, space, work), rows)
    facts["train"] = stages.stage("train", lambda: _train(stages, space, work, facts["block"]))
    facts["match"] = stages.stage(
        "match", lambda: _match(stages, space, work, facts["block"]), facts["block"]["pairs"]
    )
    facts["decide"] = stages.stage(
        "decide", lambda: stages.tasks("decide", [("jobs.tasks_decide:decide_all", (work,))])[0]
    )
    facts["resolve"] = stages.stage(
        "resolve", lambda: stages.tasks("resolve", [("jobs.tasks_decide:resolve_all", (work,))])[0]
    )
    facts["publish"] = stages.stage("publish", lambda: _publish(stages, space, work, folder))
    facts["correct"] = stages.stage(
        "correct", lambda: make_corrections(stages, space, folder.artefacts, folder.fingerprint[:16])
    )
    facts["cases"] = stages.stage("cases", lambda: open_cases(stages, space, folder.artefacts))
    facts["receipts"] = stages.stage("receipts", lambda: _close(stages, loaded, space, folder, facts))
    return facts


def _sum(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for result in results:
        for key, value in result.items():
            if isinstance(value, int):
                out[key] = out.get(key, 0) + value
    return out


def _frequency(stages: _Stages, space: Workspace, work: str) -> dict[str, Any]:
    held = [c for c in space.columns if space.kinds[c] == "identifier"]
    calls: list[Call] = [("jobs.tasks_publish:order_records", (work,))]
    calls += [("jobs.tasks:find_holders", (work, c)) for c in held]
    calls += [("jobs.tasks:count_register_names", (work, a, b)) for a, b in space.ranges(register=True)]
    stages.tasks("frequency", calls)
    stages.tasks("frequency", [("jobs.tasks:merge_counts", (work,))])
    ranges = [*space.ranges(register=True), *space.ranges(register=False)]
    stages.tasks("frequency", [("jobs.tasks:rate_names", (work, a, b)) for a, b in ranges])
    stages.tasks("frequency", [("jobs.tasks:join_terms", (work,))])
    return {}


def _block(stages: _Stages, space: Workspace, work: str) -> dict[str, Any]:
    n = space.layout["rows"]
    bits = max(0, math.ceil(math.log2(max(1.0, n / PARTITION_ROWS))))
    partitions = 1 << bits
    ranges = space.ranges()
    for index, rule in enumerate(space.rules):
        if not rule.near:
            width = base_keys(slice_of(space.coded, 0, 0, space.gathered), space.meaning, rule, 0).shape[1]
            create_array(space.path("columns", f"@keys{index}.npy"), (n, width), np.uint64)
    stages.tasks(
        "block", [("jobs.tasks:make_keys", (work, a, b, bits)) for a, b in ranges], [b - a for a, b in ranges]
    )
    ordinary = [i for i, r in enumerate(space.rules) if not r.near]
    results = stages.tasks(
        "block",
        [
            ("jobs.tasks:make_blocks", (work, r, p, BLOCK_CANDIDATES))
            for r in ordinary
            for p in range(partitions)
        ],
    )
    by_rule: dict[str, dict[str, int]] = {}
    for number, result in enumerate(results):
        name = space.rules[ordinary[number // partitions]].name
        total = by_rule.setdefault(name, {})
        for key, value in result["counts"].items():
            total[key] = max(total.get(key, 0), value) if key == "largest" else total.get(key, 0) + value
    refined = stages.tasks("block", [("jobs.tasks:merge_plan", (work, partitions))])[0]["refined"]
    near = [i for i, r in enumerate(space.rules) if r.near]
    calls: list[Call] = [
        ("jobs.tasks:probe_identifiers", (work, r, a, b))
        for r in near
        for a, b in space.ranges(register=False)
    ]
    probed = stages.tasks("block", calls)
    finding = {space.rules[i].name for i in ordinary if not space.rules[i].relatives}
    pairs = sum(v["pairs"] for k, v in by_rule.items() if k in finding) + sum(p["pairs"] for p in probed)
    return {
        "partitions": partitions,
        "rules": by_rule,
        "refined": refined,
        "probed": sum(p["pairs"] for p in probed),
        "pairs": pairs,
        "register_pairs": sum(v["register_pairs"] for v in by_rule.values()),
        "rows_in": n,
    }


def _train(stages: _Stages, space: Workspace, work: str, block: dict[str, Any]) -> dict[str, Any]:
    from jobs.tasks_train import REGISTER_PAIRS

    partitions = block["partitions"]
    plan = space.training
    first, n = space.layout["n_register"], space.layout["rows"]
    share = min(1.0, plan.sample / max(1, n - first))
    settings = json.loads((space.work / "settings.json").read_text()) | {"sample_share": share}
    write_json(space.work / "settings.json", settings)
    given = settings.get("model") or (str(space.loaded.model_file.path) if space.loaded.model_file else None)
    facts: dict[str, Any] = {"sample_share": share}
    if given is not None:
        write_bytes(space.work / "model.json", Path(given).read_bytes())
        facts["reused"] = True
        stages.tasks("train", [("jobs.tasks_train:rate_repeats", (work,))])
        return facts
    register_share = min(1.0, REGISTER_PAIRS / max(1, block["register_pairs"]))
    calls: list[Call] = [
        ("jobs.tasks_train:count_random", (work, c, RANDOM_CHUNKS)) for c in range(RANDOM_CHUNKS)
    ]
    wanted = dict.fromkeys([*plan.rules, *(r for _, r in plan.groups)])
    for rule in wanted:
        if space.rules[rule].near:
            calls += [
                ("jobs.tasks_train:count_probe", (work, rule, a)) for a, _ in space.ranges(register=False)
            ]
        else:
            calls += [("jobs.tasks_train:count_rule", (work, rule, p, share)) for p in range(partitions)]
    ordinary = [i for i, r in enumerate(space.rules) if not r.near]
    calls += [
        ("jobs.tasks_train:count_register", (work, r, p, register_share))
        for r in ordinary
        for p in range(partitions)
    ]
    counted = stages.tasks("train", calls)
    fitted = stages.tasks(
        "train", [("jobs.tasks_train:fit_model", (work, partitions, RANDOM_CHUNKS, register_share))]
    )[0]
    stages.tasks("train", [("jobs.tasks_train:rate_repeats", (work,))])
    groups = [r for _, r in plan.groups if not space.rules[r].near]
    if groups:
        lost_share = min(1.0, 50_000 / max(1, n - first))
        measured = stages.tasks(
            "train",
            [("jobs.tasks_train:measure_lost", (work, groups[0], p, lost_share)) for p in range(partitions)],
        )
        matches, lost = sum(m["matches"] for m in measured), sum(m["lost"] for m in measured)
        facts |= {"lost_of": matches, "lost": lost}
        if matches >= 1000:
            path = space.work / "model.json"
            model = Model.from_json(path.read_bytes())
            share_lost = (lost + 0.5) / (matches + 1.0)
            write_bytes(path, identify(msgspec.structs.replace(model, lost=share_lost)).to_json())
    return facts | fitted | {"pairs": sum(c["pairs"] for c in counted)}


def _match(stages: _Stages, space: Workspace, work: str, block: dict[str, Any]) -> dict[str, Any]:
    partitions = block["partitions"]
    calls: list[Call] = []
    for index, rule in enumerate(space.rules):
        if rule.relatives:
            continue
        if rule.near:
            calls += [
                ("jobs.tasks_match:match_probe", (work, index, a)) for a, _ in space.ranges(register=False)
            ]
        else:
            calls += [("jobs.tasks_match:match_partition", (work, index, p)) for p in range(partitions)]
    results = stages.tasks("match", calls)
    return {"pairs": sum(r["pairs"] for r in results), "kept": sum(r["kept"] for r in results)}


def _publish(stages: _Stages, space: Workspace, work: str, folder: RunFolder) -> dict[str, Any]:
    out = str(make_folder(folder.artefacts))
    stages.tasks("publish", [("jobs.tasks_publish:publish_entities", (work, out))])
    names: tuple[str, ...] = ("decisions", "pairs", "links", "subgroups", "rejects", "duplicates", "review")
    names += ("answers", "refinement")
    calls: list[Call] = [(f"jobs.tasks_publish:publish_{n}", (work, out)) for n in names]
    calls += [(f"jobs.tasks_values:publish_{n}", (work, out)) for n in ("repairs", "queries")]
    results = stages.tasks("publish", calls)
    write_bytes(folder.artefacts / "model.json", (space.work / "model.json").read_bytes())
    return {"review_pairs": results[names.index("review")]["rows_out"]}


def _close(
    stages: _Stages, loaded: LoadedProject, space: Workspace, folder: RunFolder, facts: dict[str, Any]
) -> dict[str, Any]:
    model = Model.from_json((space.work / "model.json").read_bytes())
    run_id = folder.fingerprint[:16]
    return close_run(stages, loaded, space, folder.artefacts, facts, run_id=run_id, converged=model.converged)
