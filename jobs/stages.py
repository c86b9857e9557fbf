"""Stages of a run: each happens once, its tasks too, and what they took is kept.

    work/stages/<stage>/tasks.jsonl     finished tasks, while the stage is under way and after it
    work/stages/<stage>/manifest.json   the stage has happened: its facts, its figures, what it freed

A stage may ask for tasks several times. What is freed is removed once the stage's manifest stands, unless the
work is kept.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import linkage
from jobs.attempts import Attempts
from jobs.executor import Call, Done, Executor
from jobs.files import disk_full, sync
from jobs.held_memory import peak_memory, watch
from jobs.journal import Journal
from jobs.metrics import Metrics, Sample, run_samples, stage_samples
from jobs.plan_record import folder_bytes
from jobs.progress import Progress, Reach, size
from jobs.removal import Removal
from jobs.run_folder import RunFolder
from jobs.store import MANIFEST, commit_stage, damaged, make_folder, stage_manifest
from jobs.task_log import NAME, TaskLog
from jobs.workspace import Workspace
from linkage.errors import LinkageError

_COUNTS = ("rows_in", "rows_out", "pairs")


class Stages:
    """Runs stages once each, remembers and journals their tasks, and keeps their figures.

    ``figures`` : of the stages so far, see ``stages`` of ``run.json``;  ``wanted`` : bytes of disk that the
    whole run is thought to want, None if nobody has said it;  ``attempts`` : this one of the run, and those
    before it

    began : when this attempt did (:func:`time.perf_counter`), now if it is not given
    """

    def __init__(
        self,
        folder: RunFolder,
        executor: Executor,
        journal: Journal,
        progress: Progress,
        *,
        began: float | None = None,
    ) -> None:
        watch()
        self.folder = folder
        self.executor = executor
        self.journal = journal
        self.progress = progress
        self.figures: list[dict[str, Any]] = []
        self.peaks: dict[tuple[int, int], int] = {}
        info = {
            "run_id": folder.fingerprint[:16],
            "engine": executor.name,
            "version": linkage.__version__,
        }
        self.wanted: int | None = None
        self.need = 0
        ago = 0.0 if began is None else time.perf_counter() - began
        self.metrics = Metrics(folder.path, info, ago=ago)
        self.attempts = Attempts(folder.work, began=began)
        self._logs: dict[str, TaskLog] = {}
        self._freed: list[str] = []
        self._reached: set[str] = set()
        self._reach = Reach("")
        self._passed = 0
        self._whole = 1
        self._task_seconds = 0.0
        self._fullest = 0
        self._began = time.perf_counter()
        self._syncs = ThreadPoolExecutor(max_workers=1, thread_name_prefix="linkage-sync")
        self._syncing: list[Future[None]] = []
        self._removal = Removal(folder.work)

    def peak_memory(self) -> int:
        """The most memory that the processes of the run have held, in bytes: the sum of their own peaks."""
        return sum((self.peaks | {(0, os.getpid()): peak_memory()}).values())

    def disk(self) -> int:
        """Bytes of the run's folder at its fullest so far, as seen before any of its files were removed."""
        return max((int(figures["disk"]) for figures in self.figures), default=0)

    def stage(
        self,
        name: str,
        work: Callable[[], dict[str, Any]],
        rows: int | None = None,
        *,
        passed: Callable[[], int] | None = None,
        what: str = "rows",
    ) -> dict[str, Any]:
        """Run a stage unless it has happened; gives its facts.

        rows   : that it is of, or ``what``, for the progress
        passed : how many all of its rounds of tasks pass together, if that is not each row once

        Raises LinkageError ``E-DISK-001`` if the disk is full: what is finished is kept; IntegrityError if
        what says that it has happened was lost, which a later stage that has begun gives away.
        """
        place = make_folder(self.folder.work / "stages" / name)
        self._reached.add(name)
        held = stage_manifest(place)
        if held is None and any(other.name not in self._reached for other in place.parent.iterdir()):
            raise damaged(place / MANIFEST, FileNotFoundError())
        if held is None:
            held = self._run(name, place, work, Reach(name, rows, what), passed)
        self._free(held["freed"])
        self.figures.append(held["figures"])
        self._reach = Reach("")
        self.attempts.note(self.peak_memory(), now=True)
        self.metrics.write(self._samples)
        return dict(held["facts"])

    def _run(
        self,
        name: str,
        place: Path,
        work: Callable[[], dict[str, Any]],
        reach: Reach,
        passed: Callable[[], int] | None,
    ) -> dict[str, Any]:
        self._begin(reach)
        self.progress.stage(name, reach.total, what=reach.what)
        try:
            self._whole = max(1, passed() if passed is not None else reach.total or 0)
            facts = work()
            figures = {
                "stage": name,
                "status": "done",
                "seconds": round(time.perf_counter() - self._began, 3),
                "peak_memory": self.peak_memory(),
                "tasks": self._reach.tasks,
                "task_seconds": round(self._task_seconds, 3),
                "bytes_out": self._reach.written,
                "disk": max(self._fullest, folder_bytes(self.folder.path)),
                **({"rows_in": self._reach.rows} if reach.what == "rows" and self._reach.rows else {}),
                **{k: facts[k] for k in _COUNTS if k in facts},
            }
            commit_stage(place, facts, figures=figures, freed=self._freed)
        except (OSError, LinkageError) as fault:
            raise self._with_room(name, fault) from None
        held = stage_manifest(place)
        assert held is not None
        return held

    def _begin(self, reach: Reach) -> None:
        self._logs.pop(reach.name, None)
        self._freed = []
        self._reach = reach
        self._passed = 0
        self._task_seconds = 0.0
        self._fullest = 0
        self._began = time.perf_counter()

    def _with_room(self, name: str, fault: OSError | LinkageError) -> OSError | LinkageError:
        """The error of a stage that found no room, with what is free; any other fault as it is."""
        known = disk_full("a file could not grow", fault) if isinstance(fault, OSError) else fault
        if known is None or known.code != "E-DISK-001":
            return fault
        free = shutil.disk_usage(self.folder.path).free
        told = f"{size(free)} are free there; the stage had written {size(self._reach.written)}"
        # What has not sufficed with all that was free was estimated too low: it would mislead.
        if self.wanted is not None and folder_bytes(self.folder.path) + free < self.wanted:
            told += f", and the whole run wants about {size(self.wanted)}"
        return LinkageError(known.code, f"stage {name}: {known.what}", f"{known.wanted} {told}.", known.do)

    def tasks(
        self,
        stage: str,
        calls: Sequence[Call],
        rows: Sequence[int] | None = None,
        memory: int | Sequence[int] = 0,
    ) -> list[dict[str, Any]]:
        """Results of tasks in order, as JSON holds them; each is remembered and journalled when it is done.

        rows   : that each task passes, of those that the stage passes in all;  memory : bytes that each needs
        at its peak, see :meth:`jobs.executor.Executor.map`
        """
        log = self._logs.get(stage)
        if log is None:
            log = self._logs[stage] = TaskLog(self.folder.work / "stages" / stage / NAME, self.folder.path)
        keys = log.round(calls)
        self._reach.round_tasks, self._reach.round_done = len(calls), 0
        self.progress.tasks(len(calls))
        todo = []
        for number, key in enumerate(keys):
            if key in log.held:
                self._advance(log.held[key], rows[number] if rows is not None else 0, kept=True)
            else:
                todo.append(number)
        needs = (memory or self.need) if isinstance(memory, int) else [memory[n] for n in todo]

        def ended(place: int, one: Done) -> None:
            number = todo[place]
            # The journal first: a task that is killed in between has two lines, which count as one.
            self._note(stage, calls[number], (log.rounds, number, len(calls)), one)
            told = log.remember(keys[number], one)
            self._advance(told, rows[number] if rows is not None else 0)
            self._publish(one)

        for _ in self.executor.map([calls[n] for n in todo], memory=needs, ended=ended):
            pass
        return [dict(log.held[key]["result"]) for key in keys]

    def _publish(self, done: Done) -> None:
        """Begin to sync the artefacts that a task wrote, while others go on."""
        above = str(self.folder.artefacts) + os.sep
        self._syncing += [self._syncs.submit(_sync, file) for file in done.files if file.startswith(above)]

    def published(self) -> None:
        """Wait until the artefacts are synced, and what was let go of is gone.

        LinkageError ``E-DISK-001``, OSError if the disk fails.
        """
        for one in self._syncing:
            one.result()
        self._syncing.clear()
        self.close()

    def close(self) -> None:
        """Wait for the threads that sync and remove: nothing of the folder changes after it."""
        self._syncs.shutdown()
        self._removal.close()

    def _note(self, stage: str, call: Call, place: tuple[int, int, int], done: Done) -> None:
        self.peaks[done.node, done.process] = done.peak_memory
        fields = {k: v for k, v in done.result.items() if k in _COUNTS and isinstance(v, int)}
        self.journal.write(
            stage=stage,
            task=call[0].rpartition(":")[2] or "task",
            round=place[0],
            part=place[1],
            parts=place[2],
            engine=self.executor.name,
            status="done",
            node=done.node,
            process=done.process,
            attempt=done.attempts,
            seconds=round(done.seconds, 4),
            peak_memory=done.peak_memory,
            bytes_out=done.bytes_out,
            **fields,
        )

    def _advance(self, told: Mapping[str, Any], rows: int, *, kept: bool = False) -> None:
        """One task more is finished, in this attempt or an earlier one."""
        pairs = told["result"].get("pairs", 0)
        self._task_seconds += told["seconds"]
        step = {
            "pairs": pairs if isinstance(pairs, int) else 0,
            "written": int(told["bytes"]),
            "tasks": 1,
        }
        rows = self._further(rows)
        self._reach.advance(rows, **step, kept=kept)
        self.progress.advance(rows, **step, kept=kept)
        self.attempts.note(self.peak_memory())
        self.metrics.write(self._samples)

    def _further(self, rows: int) -> int:
        """How many more of the stage's rows are done when a task has passed ``rows``: by what all pass."""
        self._passed += rows
        total = self._reach.total
        if total is None:
            return rows
        return min(total, self._passed * total // self._whole) - self._reach.rows

    def _samples(self) -> list[Sample]:
        """What the metrics file says while the run goes on."""
        out: list[Sample] = [
            ("linkage_run_finished", {}, 0),
            ("linkage_run_peak_memory_bytes", {}, self.peak_memory()),
            ("linkage_disk_free_bytes", {}, shutil.disk_usage(self.folder.path).free),
        ]
        for figures in self.figures:
            out += stage_samples(figures, finished=True)
        if self._reach.name:
            seconds = time.perf_counter() - self._began
            out += stage_samples(self._reach.figures(seconds), finished=False)
        return out

    def finished(self, run: Mapping[str, Any]) -> None:
        """Tell the monitoring that the run has ended, as ``run.json`` says."""
        free = shutil.disk_usage(self.folder.path).free
        self.metrics.write(lambda: [*run_samples(run), ("linkage_disk_free_bytes", {}, free)], now=True)

    def free(self, *places: Path | str) -> None:
        """What no later stage needs: files or folders of the work folder, or patterns under it.

        They are removed when the present stage has ended, unless the work is kept. A file that some process
        still has mapped gives its space back when that one lets go of it.
        """
        for place in places:
            self._freed.append(place if isinstance(place, str) else str(place.relative_to(self.folder.work)))

    def drop(self, *patterns: str) -> None:
        """Remove at once what only finished tasks of this stage have read, unless the work is kept."""
        if not self.folder.keep_work:
            for log in self._logs.values():
                log.last()
            # Not after every round: each look at the folder's files keeps all processors waiting.
            self._fullest = max(self._fullest, folder_bytes(self.folder.path))
        self._free(patterns)

    def _free(self, patterns: Sequence[str]) -> None:
        if self.folder.keep_work:
            return
        work = self.folder.work
        # One pattern after another: a later one may match what an earlier one has removed.
        self._removal.remove(place for pattern in patterns for place in sorted(work.glob(pattern)))
        Workspace.open(str(work)).let_go()


def _sync(file: str) -> None:
    """Sync an artefact; one that a later task has renamed or removed is synced under its last name."""
    with contextlib.suppress(FileNotFoundError):
        try:
            sync(Path(file))
        except OSError as fault:
            raise disk_full(f"'{Path(file).name}' did not reach it", fault) or fault from None
