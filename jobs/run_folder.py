"""The folder of a run: ``work`` in it while it runs, artefacts when they are whole, ``run.json`` last.

    work/run.json        fingerprint of the run that is under way
    work/unsynced        the start of the machine within which the work is whole, if it is not synced
    work/sums/           digests of plain files under work; containers have their own
    work/stages/<stage>/ finished tasks and manifest of a stage
    work/<kind>/         parts that stages hand on
    work/artefacts/      artefacts that are not yet published
    journal.jsonl        one line a task, written as tasks end; a run that begins anew begins it anew
    <artefact>           all at once, when the run has ended
    run.json             the last file: the run is finished

A run that is stopped leaves ``work`` and the journal behind, no artefact; the same command takes it up again.
What is published is synced. The work is only if ``synced`` says so: else it outlives every end of the
processes, but no end of the machine, after which the run begins anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jobs.files import (
    SUMS,
    UNSYNCED,
    aside,
    checked,
    damaged,
    disk_full,
    file_digest,
    kept_sums,
    needs_sync,
)
from jobs.finished_run import RUN, read_run, write_run
from jobs.machine import boot
from jobs.store import make_folder, read_json, sync, write_json
from linkage.errors import ConflictError, IntegrityError, LinkageError

#: In the work folder of a run that ends: it goes once ``run.json`` stands.
_ENDING = "ending"
#: What the work folder is called while it is removed.
_ENDED = "work.ended"

#: What a fingerprint is made of, as it is spoken of.
_SPOKEN = {"inputs": "inputs", "config": "settings", "model": "model", "code": "code"}


class RunFolder:
    """A run's folder, entered as a context; ``fingerprint`` tells what the run is made of.

    Entering raises ConflictError: ``E-RUN-001`` the folder holds a run of another fingerprint, ``E-RUN-002``
    a run is at work there now, ``E-RUN-003`` it holds something else. After entering, ``finished`` is the
    ``run.json`` of a run that has ended with this fingerprint, else None; ``resumed`` says whether an
    unfinished one was found; ``restarted`` whether it had to be given up, because its work was not synced and
    the machine was started since, or is another one.

    prints : digests that ``fingerprint`` is made of, by name: a refusal says which of them differ
    synced : whether every file of the work is synced before it takes its name: for work that several machines
    write. It is so too where the system does not tell one start of a machine from another.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: str,
        *,
        prints: Mapping[str, str] | None = None,
        keep_work: bool = False,
        synced: bool = False,
    ) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.prints = dict(prints or {})
        self.keep_work = keep_work
        self.work = path / "work"
        self.artefacts = self.work / "artefacts"
        self.journal = path / "journal.jsonl"
        self.finished: dict[str, Any] | None = None
        self.resumed = False
        self.restarted = False
        self._boot = boot()
        self._synced = synced or not self._boot
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Claim the folder."""
        done = read_run(self.path)
        if done is not None:
            if done.get("fingerprint") != self.fingerprint:
                raise self._other("a finished run", done)
            self.finished = done
            self._clear()
            self._tidy()
            return self
        try:
            held = sorted(p.name for p in self.path.iterdir()) if self.path.exists() else []
            if held and "work" not in held:
                raise ConflictError(
                    "E-RUN-003",
                    f"The folder '{self.path.name}' is not empty and holds no run;",
                    "a new or empty folder was wanted.",
                    "Choose another folder with --out.",
                )
            make_folder(self.work)
        except OSError as fault:
            raise _unusable(self.path, fault) from None
        self._claim()
        try:
            self._take_up()
        except BaseException:
            self._release()
            raise
        return self

    def _claim(self) -> None:
        try:
            self._lock = os.open(self.work / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._release()
            raise ConflictError(
                "E-RUN-002",
                f"Another run is at work in '{self.path.name}';",
                "a folder of its own was wanted.",
                "Wait for it to end, or choose another folder with --out.",
            ) from None
        except OSError as fault:  # a file system without locks among them
            self._release()
            raise disk_full("the lock could not be written", fault) or _unusable(self.path, fault) from None

    def _take_up(self) -> None:
        # Who held the lock a moment ago may have finished meanwhile.
        done = read_run(self.path)
        if done is not None:
            self.finished = done
            if done.get("fingerprint") != self.fingerprint:
                raise self._other("a finished run", done)
            return
        mark = self.work / UNSYNCED
        lost = mark.exists() and mark.read_text(encoding="utf-8", errors="replace") != self._boot
        try:
            begun = read_json(self.work / RUN) if (self.work / RUN).exists() else None
        except IntegrityError:
            if not lost:
                raise
            begun = None
        if begun is not None and begun.get("fingerprint") != self.fingerprint:
            raise self._other("an unfinished run", begun)
        self.restarted = lost
        self.resumed = begun is not None and not lost
        self._tidy()
        if self.resumed:
            for left in self.work.rglob("*.tmp-*"):
                _remove(left)
            self._mark()
        else:
            for left in sorted(self.work.iterdir(), key=lambda left: left == mark):
                if left.name != "lock":
                    _remove(left)
            _remove(self.journal)  # of tasks that are all begun anew
            self._mark()
            make_folder(self.work / SUMS)
            write_json(self.work / RUN, {"fingerprint": self.fingerprint, "fingerprints": self.prints})
        make_folder(self.artefacts)

    def _mark(self) -> None:
        """Mark the work as not synced, or sync what an attempt before this one did not."""
        mark = self.work / UNSYNCED
        if self._synced and mark.exists():
            os.sync()
            mark.unlink()
        elif not self._synced and not mark.exists():
            with aside(mark, digests=False) as out:
                out.write(self._boot.encode())
        needs_sync.cache_clear()

    def _other(self, what: str, held: Mapping[str, Any]) -> ConflictError:
        known = held.get("fingerprints") or self.prints
        differ = [text for name, text in _SPOKEN.items() if known.get(name) != self.prints.get(name)]
        return ConflictError(
            "E-RUN-001",
            f"The folder '{self.path.name}' holds {what} of other "
            f"{' and '.join(differ) or 'inputs, settings, model or code'};",
            "a new folder, or the same run again, was wanted.",
            "Choose another folder with --out, or remove this one.",
        )

    def stage(self, name: str) -> Path:
        """The folder of a stage's parts, made if it is not there."""
        return make_folder(self.work / name)

    def finish(self, run: Mapping[str, Any]) -> None:
        """Publish the artefacts, then ``run.json`` (with the fingerprint), then clear the work away.

        ``run`` must hold ``exit_code``. Stopped anywhere, it can be done again.
        """
        if "exit_code" not in run:
            raise ValueError("run has no exit_code. Wanted: the code its command ends with. Add it.")
        digests = self._check_artefacts()
        for made in sorted(self.artefacts.iterdir()):
            target = self.path / made.name
            if made.is_dir() and target.is_dir():
                _remove(target)
            made.replace(target)
        for name in digests:
            sync(self.path / name)
        for folder in {(self.path / name).parent for name in digests} | {self.path}:
            sync(folder)
        if self.keep_work:  # an attempt that would not have kept it may have been stopped here
            (self.work / _ENDING).unlink(missing_ok=True)
        else:
            (self.work / _ENDING).touch(mode=0o600)
        write_run(self.path, {**run, "artefacts": digests, "fingerprint": self.fingerprint})
        self.finished = read_run(self.path)
        self._clear()

    def _clear(self) -> None:
        """Remove the work of a finished run, unless it is kept; what resists goes at the next call.

        It is renamed first: half of it can then never be taken for a run's.
        """
        ended = self.path / _ENDED
        if (self.work / _ENDING).exists():
            shutil.rmtree(ended, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.work.replace(ended)
        shutil.rmtree(ended, ignore_errors=True)

    def _tidy(self) -> None:
        """Remove what an attempt that was killed had begun to write beside the artefacts."""
        for name in (RUN, "metrics.prom"):
            for left in self.path.glob(f"{name}.tmp-*"):
                _remove(left)

    def _check_artefacts(self) -> dict[str, dict[str, Any]]:
        """Bytes and digest (BLAKE2b-256) of every artefact by name, once each is as it was written.

        Raises IntegrityError ``E-INTEGRITY-001`` naming the one that is not, or is not there.
        """
        found = {}
        sums = self.work / SUMS / self.artefacts.name
        for kept in sorted(p for p in sums.rglob("*") if p.is_file() and ".tmp-" not in p.name):
            name = kept.relative_to(sums).as_posix()
            moved = self.path / name
            [(_, size, digest), *_] = kept_sums(self.artefacts / name) or [("", 0, "")]
            if (self.artefacts / name).exists() or not moved.exists():
                checked(self.artefacts / name)
            elif file_digest(moved) != digest:
                raise damaged(moved)
            found[name] = {"bytes": size, "digest": digest}
        for here in sorted(p for p in self.artefacts.rglob("*") if p.is_file() and ".tmp-" not in p.name):
            name = here.relative_to(self.artefacts).as_posix()
            if name not in found:
                raise damaged(sums / name, FileNotFoundError())
        return found

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the folder; an unfinished run stays as it is."""
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _unusable(path: Path, fault: OSError) -> LinkageError:
    return LinkageError(
        "E-RUN-004",
        f"The folder '{path.name}' cannot be used: {(fault.strerror or '').lower()};",
        "a folder that can be written was wanted.",
        "Look at its permissions and at the disk, or choose another with --out.",
    )
