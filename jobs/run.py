"""A run, on threads or on Ray: its folder, what it is made of, intake, and how it ends.

The stages after intake are those of :mod:`jobs.walk`. It is imported while files are read, and tables that
standardisation needs are made meanwhile: three tenths of a second of one thread's time.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobs import input_digests
from jobs.attempts import other_cut
from jobs.cuts import LEAST_SHARE, PROCESS, cut_of, share_of, workers_within
from jobs.executor import make_executor
from jobs.fingerprints import changed_meanwhile, fingerprints, input_files, input_sums
from jobs.finished_run import RUN, check_finished, read_run, unaccepted
from jobs.gates import check_acceptance, settle
from jobs.held_memory import rest
from jobs.intake import input_bytes, take_in
from jobs.journal import Journal
from jobs.machine import keep_freed_memory, total_memory
from jobs.plan_record import compare, folder_bytes, read_plan, refuse_stale
from jobs.progress import Progress
from jobs.project import LoadedProject, check_plan, load_project
from jobs.room import check_room, wanted_room
from jobs.run_folder import RunFolder
from jobs.run_record import TOLD, Outcome, run_record
from jobs.stages import Stages
from jobs.store import read_json, write_json
from jobs.workspace import Workspace
from linkage.errors import ConfigError, IntegrityError
from linkage.model import Model

#: Small files that every task reads.
BROADCAST = ("settings.json", "layout.json", "keys.json", "names.json", "model.json", "vocabulary", "plan")


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
    memory: int | None = None,
) -> Outcome:
    """Reconcile the project's sources into the run folder ``out``.

    Running into a finished folder with the same fingerprint does nothing but hold its artefacts against their
    digests (IntegrityError ``E-INTEGRITY-001``) and release what ``accept`` and ``reason`` allow
    (:func:`jobs.gates.settle`); with another fingerprint ConflictError ``E-RUN-001``.
    Stopped anywhere, the same command goes on where it was. With the ``plan`` that ``linkage plan`` wrote,
    ConflictError ``E-PLAN-001`` if it is not of these inputs; ``run.json`` says how near it came.
    """
    progress = progress or Progress()
    began = time.perf_counter()
    out = out.resolve()  # workers elsewhere have a current folder of their own
    loaded = load_project(project_path)
    check_plan(loaded)
    because = check_acceptance(loaded, accept, reason)
    given = model or (loaded.model_file.path if loaded.model_file else None)
    if given is not None:
        _check_model(given)
    if not (out / RUN).exists():
        input_digests.recall(out / "work")
    threading.Thread(target=_import_rest, name="linkage-import").start()
    sums = input_sums(loaded)
    prints = fingerprints(loaded, model, sums)
    planned = None if plan is None else read_plan(plan)
    if planned is not None:
        refuse_stale(planned, prints)
    synced = address is not None
    with RunFolder(out, prints["run"], prints=prints, keep_work=keep_work, synced=synced) as folder:
        if folder.finished is not None:
            check_finished(out, threads)
            return _settled(out, accept, because, progress)
        if folder.restarted:
            progress.message(
                "the machine was started anew since this run was stopped, or it is another one: "
                "what was not synced to the disk is given up, and the run begins anew"
            )
        most = memory or total_memory() * 3 // 4
        threads = _workers(memory, most, threads, engine, progress)
        share = share_of(most, threads, processes=engine == "ray")
        wanted = wanted_room(loaded, share)
        check_room(out, wanted, folder_bytes(out), progress, resumed=folder.resumed)
        asked = {"memory": most, "threads": threads, "engine": engine, "parts": parts}
        settings: dict[str, Any] = {
            "run_id": prints["run"][:16],
            "project": str(loaded.path),
            "parts": parts,
            "model": str(model.resolve()) if model else None,
            "config": prints["config"],
            "share": share,
            "asked": asked,
        }
        room = threads * share
        if (folder.work / "settings.json").exists():
            # The same project and model may lie elsewhere than an earlier attempt found them.
            here = {name: settings[name] for name in ("project", "model", "config")}
            held = read_json(folder.work / "settings.json")
            settings = held | here
            if settings != held:
                write_json(folder.work / "settings.json", settings)
            if (told := other_cut(settings["asked"], asked)) is not None:
                progress.message(told)
        else:
            write_json(folder.work / "settings.json", settings)
        input_digests.remember(folder.work, input_files(loaded))
        Workspace.open.cache_clear()
        need = int(settings["share"])
        executor = make_executor(engine, threads, address, memory=room, work=folder.work)
        executor.broadcast(*(folder.work / place for place in BROADCAST))
        stages = Stages(folder, executor, Journal(folder.journal), progress, began=began)
        stages.need = need
        stages.wanted = wanted
        keep_freed_memory()
        gc.freeze()  # what the imports left is not looked through again and again: 0.1 s each time
        try:
            facts = _walk(stages, loaded, folder, settings, threads, sums)
        except BaseException:
            executor.close()
            stages.attempts.note(stages.peak_memory(), now=True)
            stages.close()
            for left in folder.work.rglob("*.tmp-*"):  # of workers that were ended in the middle of a file
                left.unlink(missing_ok=True)
            raise
        finally:
            gc.unfreeze()
            rest()
        executor.close()
        run = run_record(
            loaded,
            prints,
            folder.work,
            facts,
            stages.figures,
            attempts=stages.attempts.figures(),
            engine=engine,
        )
        stages.published()
        run["disk"] = {"fullest": stages.disk(), "artefacts": folder_bytes(folder.artefacts)}
        if planned is not None:
            run["plan"] = compare(planned, run)
        if not run["converged"]:
            progress.message("warning: the model did not converge; run.json and model.json say where")
        Workspace.open.cache_clear()  # a file that is still mapped cannot be removed everywhere
        folder.finish(run)
        stages.finished(run)
        progress.close()
        return _settled(out, accept, because, progress)


def _settled(out: Path, accept: Sequence[str], reason: str, progress: Progress) -> Outcome:
    """The outcome of the finished run in ``out``, once what was accepted has been released."""
    read_run(out, TOLD)
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


def _workers(memory: int | None, most: int, threads: int, engine: str, progress: Progress) -> int:
    """How many of ``threads`` tasks run at once, so that they keep to ``most`` bytes.

    Raises ConfigError ``E-SYSTEM-003`` if less ``memory`` was asked for than one task takes.
    """
    processes = engine == "ray"
    workers = workers_within(most, threads, processes=processes)
    if workers == 0 and memory is not None:
        least = PROCESS * (2 if processes else 1) + LEAST_SHARE
        raise ConfigError(
            "E-SYSTEM-003",
            f"--memory is {memory >> 20:,} MiB.",
            f"At least {least >> 20:,} MiB are wanted: what a process holds, and one task.",
            "Give it more, or leave it out.",
        )
    if workers < threads:
        progress.message(f"{workers or 1} of {threads} tasks run at once: the memory suffices for no more")
    return max(1, workers)


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


@contextlib.contextmanager
def _refusing_changed(
    folder: RunFolder, loaded: LoadedProject, sums: Sequence[str], after: int = 0
) -> Iterator[None]:
    """Raise IntegrityError ``E-INPUT-009`` if an input that was read in here is not as its digest was taken.

    Nothing that was made of it may be kept: the same command begins anew. ``after`` : the first of
    :func:`jobs.fingerprints.input_files` that was
    """
    try:
        yield
        for path, before, now in zip(
            input_files(loaded)[after:], sums[after:], input_sums(loaded, after), strict=True
        ):
            if before != now:
                raise changed_meanwhile(path.name)
    except IntegrityError as fault:
        if fault.code == "E-INPUT-009":
            (folder.work / RUN).unlink(missing_ok=True)
        raise


def _walk(
    stages: Stages,
    loaded: LoadedProject,
    folder: RunFolder,
    settings: dict[str, Any],
    threads: int,
    sums: Sequence[str],
) -> dict[str, Any]:
    space = Workspace.open(str(folder.work))
    threading.Thread(target=_prepare, args=(space,), name="linkage-prepare", daemon=True).start()
    facts: dict[str, Any] = {}

    def take() -> dict[str, Any]:
        with _refusing_changed(folder, loaded, sums):
            return take_in(stages, loaded, space, folder.artefacts, settings["parts"], threads)

    facts["intake"] = stages.stage("intake", take, input_bytes(loaded), what="bytes")
    layout = _lay_out(facts["intake"]["layout"], folder, settings, threads)
    from jobs.walk import walk_on

    gc.freeze()  # what was imported and prepared meanwhile: seven looks through it took 0.1 s of a run of 6 s
    extracts = sum(len(files) for files in loaded.files.values())
    # What the other files say is read where it is wanted: constraints, former communes, a model.
    with _refusing_changed(folder, loaded, sums, after=extracts):
        return walk_on(stages, loaded, space, folder, layout, facts)


def _import_rest() -> None:
    """Import what the stages after intake are made of; what is wrong with it shows where it is needed."""
    with contextlib.suppress(Exception):
        import pyarrow.compute  # noqa: F401 - most of what Arrow's arrays can do needs it

        import jobs.walk  # noqa: F401


def _prepare(space: Workspace) -> None:
    """Make what standardisation waits for while files are read; what is wrong shows there."""
    with contextlib.suppress(Exception):
        import jobs.walk  # noqa: F401 - the thread that imports it comes first

        space.pack.prepare()


def _lay_out(
    layout: dict[str, Any], folder: RunFolder, settings: dict[str, Any], threads: int
) -> dict[str, Any]:
    """The layout with the run's cuts, which stay what they were when a run goes on with other memory."""
    path = folder.work / "layout.json"
    if path.exists():
        held: dict[str, Any] = read_json(path)
        cuts = {k: held[k] for k in ("range_rows", "bits")}
        if layout | cuts == held:
            return held
    else:
        cuts = cut_of(layout["rows"], settings["share"], settings["parts"], threads)
    write_json(path, layout | cuts)
    return layout | cuts
