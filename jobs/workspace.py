"""What every task of a run can reach: the project, the work folder and its layout, coded records on disk."""

from __future__ import annotations

import datetime
import functools
import gc
import hashlib
import itertools
import os
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from data import reference
from jobs import coded_parts
from jobs.broadcast import RECEIVED, Mark
from jobs.fingerprints import changed_meanwhile, config_digest
from jobs.project import LoadedProject, load_project
from jobs.record_files import read_present, read_records
from jobs.store import read_arrays, read_json
from kernels.packed import PackedStrings
from kernels.tokens import TokenForms
from linkage.coded import Coded, Meaning, PackedTexts, Tokens
from linkage.columns import Column, TextColumn
from linkage.contract import Contract
from linkage.heavy import Heavy
from linkage.levels import Programme, compile_parts
from linkage.match import RuleKeys
from linkage.packs import Pack, pack_of
from linkage.plan import TrainingPlan, brought_kinds, comparison_parts, effective_plan, training_plan
from linkage.rules import Rule, compile_rules
from linkage.settle import settling_patterns

#: Columns beside a record's own: frequency terms of its name, and the term of a repeated identifier.
SIDE_COLUMNS = ("frequency", "repeats")

#: Partitions that one task takes, at most.
TOGETHER = 8


@dataclass(frozen=True)
class SourceInfo:
    """One source as the engine numbers it: the register is 0."""

    name: str
    role: str
    extract_date: datetime.date
    contract: Contract


T = TypeVar("T")


class once(Generic[T]):  # noqa: N801
    """A property that is worked out once a workspace, under the workspace's own lock.

    :class:`functools.cached_property` has a lock of its own: two threads that take both, one each way round,
    wait for one another for ever.
    """

    def __init__(self, work_out: Callable[[Any], T]) -> None:
        self.work_out = work_out
        self.__doc__ = work_out.__doc__
        self.name = work_out.__name__

    @overload
    def __get__(self, space: None, owner: type) -> once[T]: ...

    @overload
    def __get__(self, space: Workspace, owner: type) -> T: ...

    def __get__(self, space: Workspace | None, owner: type) -> once[T] | T:
        if space is None:
            return self
        with space.lock:
            if self.name not in space.__dict__:
                space.__dict__[self.name] = self.work_out(space)
            value: T = space.__dict__[self.name]
            return value


class Workspace:
    """A run's work folder, opened by the driver and by every task; what it loads is kept.

    A worker process keeps its workspace from task to task while the run adds files. What is read from files
    that a run writes is therefore kept with their names, sizes, numbers and times, and read again when they
    have changed.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self.lock = threading.RLock()
        self._kept: dict[str, tuple[Sequence[str], list[Mark], Any]] = {}

    @staticmethod
    @functools.lru_cache(maxsize=2)
    def open(work: str) -> Workspace:
        """The workspace of a folder, one a process."""
        return Workspace(Path(work))

    def path(self, stage: str, name: str) -> Path:
        """Where a part of a stage lies."""
        return self.work / stage / name

    def fresh(self, name: str, places: Sequence[str], load: Callable[[], Any]) -> Any:
        """What ``load`` makes of the files and folders ``places``, made anew when any of them has changed."""
        with self.lock:
            # Looked at before loading: a file that comes meanwhile is seen the next time.
            seen = self._seen(places)
            held = self._kept.get(name)
            if held is None or held[1] != seen:
                held = (places, seen, load())
                self._kept[name] = held
            return held[2]

    def let_go(self) -> None:
        """Keep nothing of files that were removed or have changed: mapped, they take room on the disk."""
        with self.lock:
            stale = [name for name, (places, seen, _) in self._kept.items() if self._seen(places) != seen]
            for name in stale:
                del self._kept[name]
        if stale:
            gc.collect()

    def _seen(self, places: Sequence[str]) -> list[Mark]:
        return [mark for place in places for mark in _marks(self.work / place)]

    @property
    def settings(self) -> dict[str, Any]:
        """How the run was asked for."""
        path = self.work / "settings.json"
        return self.fresh("settings", ("settings.json",), lambda: read_json(path))

    @once
    def loaded(self) -> LoadedProject:
        """The project and its contracts, as they were when the run began.

        Raises IntegrityError ``E-INPUT-009`` if one of these files has changed since.
        """
        loaded = load_project(Path(self.settings["project"]))
        begun = self.settings.get("config")
        if begun is not None and config_digest(loaded) != begun:
            raise changed_meanwhile(loaded.path.name, "or a contract or policy that it names")
        return loaded

    @once
    def sources(self) -> tuple[SourceInfo, ...]:
        """The sources, the register first."""
        project = self.loaded.project
        ordered = sorted(project.sources, key=lambda s: s.role != "register")
        return tuple(
            SourceInfo(s.name, s.role, s.extract_date, self.loaded.contracts[s.name]) for s in ordered
        )

    @property
    def key_secret(self) -> int:
        """Key of the hashes that records are brought together by.

        It is made from all record ids of all sources, whatever their order: who knows one extract, and not
        the others, can build no values whose keys collide. ``keys.json`` holds it once it is known.
        """
        path = self.work / "keys.json"
        if not path.exists():
            return self.secret
        return int(self.fresh("keys", ("keys.json",), lambda: read_json(path)["secret"]))

    @once
    def secret(self) -> int:
        """Key of the hash that orders and samples records: the same whatever the files and their cut.

        It is made from the project's and the sources' names, and is as secret as these are.
        """
        text = "\x1f".join(["linkage", self.loaded.project.name, *sorted(s.name for s in self.sources)])
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

    @once
    def text_secret(self) -> int:
        """Key of the hash that plain texts are numbered by while :attr:`key_secret` is not known.

        It is made from the run's id, and so from the bytes of all inputs, for the reason given there.
        """
        text = f"{self.secret}\x1f{self.settings.get('run_id', '')}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

    @once
    def kinds(self) -> dict[str, str]:
        """Standard fields that some source brings, with their kinds."""
        return brought_kinds(self.loaded.project, (s.contract for s in self.sources))

    @once
    def pack(self) -> Pack:
        """The project's locale pack."""
        return pack_of(
            self.loaded.project.locale,
            {
                "provinces": reference.provinces(),
                "communes_before": reference.communes_before(),
                "communes_after": reference.communes_after(),
                "commune_changes": reference.commune_changes(),
            },
            any(field.codes == "address" for s in self.sources for field in s.contract.fields),
        )

    @once
    def programme(self) -> Programme:
        """Compiled comparison levels."""
        plan = effective_plan(self.loaded.project, self.pack.defaults, self.kinds)
        return compile_parts(comparison_parts(plan.comparisons), self.kinds)

    @once
    def rules(self) -> tuple[Rule, ...]:
        """Compiled blocking rules, those that probe last."""
        plan = effective_plan(self.loaded.project, self.pack.defaults, self.kinds)
        return compile_rules(plan.blocking, self.kinds)

    @once
    def training(self) -> TrainingPlan:
        """Which rules train what."""
        plan = effective_plan(self.loaded.project, self.pack.defaults, self.kinds)
        return training_plan(plan, self.rules, self.programme)

    @once
    def settling(self) -> np.ndarray:
        """Which patterns settle a record: bool[patterns]."""
        return settling_patterns(self.programme, self.settling_levels)

    @once
    def settling_levels(self) -> tuple[str, ...]:
        """The levels that settle, as part.level."""
        return effective_plan(self.loaded.project, self.pack.defaults, self.kinds).settle.levels or ()

    @once
    def identifier_rules(self) -> tuple[int, ...]:
        """The rules that bring together who shares an identifier, if they are the first ones; else none."""
        found = sorted(r for _, r in self.training.groups if not self.rules[r].near)
        return tuple(found) if found == list(range(len(found))) else ()

    @once
    def columns(self) -> tuple[str, ...]:
        """Columns that blocking and comparison read."""
        read = {c for p in self.programme.parts for c in p.columns} | {
            c for r in self.rules for c in r.columns
        }
        return tuple(sorted(c for c in read if c in self.kinds))

    @once
    def related(self) -> tuple[str, ...]:
        """Standard fields that the register and some agency hold, in the order of their names; none in a run
        without corrections.
        """
        if not self.loaded.project.corrections.make:
            return ()
        held = [set(s.contract.by_standard()) for s in self.sources]
        if self.sources[0].role != "register" or len(held) < 2:
            return ()
        return tuple(sorted(f for f in self.kinds if f in held[0] and f in set.union(*held[1:])))

    @once
    def carried(self) -> tuple[str, ...]:
        """Columns that are corrected but neither blocked on nor compared."""
        return tuple(f for f in self.related if f not in self.columns)

    @once
    def text_columns(self) -> tuple[str, ...]:
        """Plain text columns that are read, see :mod:`jobs.tasks_texts`."""
        return tuple(sorted(c for c in (*self.columns, *self.carried) if self.kinds[c] == "text"))

    @property
    def layout(self) -> dict[str, Any]:
        """Rows of every part: ``parts`` [[source, part, first row, rows]], ``rows``, ``n_register``."""
        path = self.work / "layout.json"
        return self.fresh("layout", ("layout.json",), lambda: read_json(path))

    @property
    def meaning(self) -> Meaning:
        """Vocabulary, units and texts."""
        places = ("vocabulary", *(f"plain_text/{column}.arrays" for column in self.text_columns))
        return self.fresh("meaning", places, self._read_meaning)

    def _read_meaning(self) -> Meaning:
        held = read_arrays(self.path("vocabulary", "tokens.arrays"))
        tokens = Tokens(
            TokenForms(*(held[f] for f in TokenForms._fields)),
            held["letters"],
            held["exact_hash"],
            held["ascii_hash"],
            held["phonetic_hash"],
        )
        texts = {}
        for column in self.text_columns:
            own = read_arrays(self.path("plain_text", f"{column}.arrays"))
            alphabet = own["alphabet"] if own["alphabet"].size else None
            texts[column] = PackedTexts(PackedStrings(own["offsets"], own["codes"], alphabet), own["hashes"])
        return Meaning(self.kinds, tokens, self.pack.unit_sets(), texts)

    def part_file(self, stage: str, source: int, part: int) -> Path:
        """The container of a part of a source."""
        return self.path(stage, f"{source:02d}-{part:05d}.arrays")

    def range_file(self, stage: str, start: int) -> Path:
        """The container of a range of rows."""
        return self.path(stage, f"{start:012d}.arrays")

    @property
    def coded(self) -> Coded:
        """All coded records, mapped from disk piece by piece."""
        return self.fresh(
            "coded", ("columns", "side", "repeats", "layout.json"), lambda: coded_parts.read_coded(self)
        )

    @property
    def ids(self) -> TextColumn:
        """Record ids of all rows, mapped from disk."""
        return self.fresh("ids", ("layout.json",), lambda: coded_parts.read_ids(self))

    @property
    def counted(self) -> dict[str, Any]:
        """What is known of the register's names: ``unseen`` and ``chance`` by form, ``sizes`` of groups."""
        path = self.work / "names.json"
        return self.fresh("counted", ("names.json",), lambda: read_json(path))

    @property
    def settled(self) -> Column | None:
        """Which agency records need no further candidates, uint8 over all rows; None where nobody says."""
        if not self.loaded.project.settle.skip:
            return None
        return self.fresh("settled", ("settled",), lambda: coded_parts.settled_column(self))

    @once
    def gathered(self) -> tuple[str, ...]:
        """Columns that a matching task gathers: those read, what stands beside them, and the side columns."""
        names = list(self.columns)
        names += [f"{c}.{suffix}" for c in self.columns for suffix in ("alias", "held", "known")]
        return (*names, *SIDE_COLUMNS)

    @property
    def blocking(self) -> RuleKeys:
        """The rules with their base keys and the refinement plan."""
        return self.fresh("blocking", ("plan",), self._read_blocking)

    def _read_blocking(self) -> RuleKeys:
        held = read_arrays(self.path("plan", "hot.arrays"))
        hot = [held[f"rule{i}"] for i in range(len(self.rules))]
        return RuleKeys(self.rules, hot, self.key_secret)

    @property
    def heavy(self) -> list[Heavy]:
        """Keys of every rule that are refined where keys are made."""
        return self.fresh("heavy", ("plan",), self._read_heavy)

    def _read_heavy(self) -> list[Heavy]:
        held = read_arrays(self.path("plan", "heavy.arrays"))
        names = ("rule", "depth", "parent")
        return [Heavy(*(held[f"{name}{i}"] for name in names)) for i in range(len(self.rules))]

    def ranges(self, *, register: bool | None = None) -> list[tuple[int, int]]:
        """Global rows cut into ranges: all, the register's, or the agencies'; none holds rows of both."""
        n, first = self.layout["rows"], self.layout["n_register"]
        rows = self.layout["range_rows"]
        out = []
        if register is not False:
            out += list(itertools.pairwise([*range(0, first, rows), first])) if first else []
        if register is not True:
            out += list(itertools.pairwise([*range(first, n, rows), n])) if n > first else []
        return out

    def range_of(self, rows: np.ndarray, *, register: bool) -> np.ndarray:
        """Number of the register's, or the agencies', range that each global row is of: uint16[n]."""
        start = 0 if register else self.layout["n_register"]
        return ((rows.astype(np.int64) - start) // self.layout["range_rows"]).astype(np.uint16)

    def stretches(self, tasks: int) -> list[range]:
        """Partitions in stretches that one task each takes: at least so many tasks, as far as there are so
        many partitions, and at most :data:`TOGETHER` partitions each.
        """
        n = 1 << self.layout["bits"]
        step = max(1, min(TOGETHER, n // tasks))
        return [range(at, min(n, at + step)) for at in range(0, n, step)]

    def records(self, source: int, part: int, columns: Sequence[str] | None = None) -> Any:
        """The accepted records of one part as submitted (an Arrow table), or only some columns of them."""
        return read_records(self.work / "intake", source, part, columns)

    def present(self, source: int, part: int, columns: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
        """Which accepted records of one part hold a text of each of some columns, bool[n]."""
        return read_present(self.work / "intake", source, part, columns)


def _marks(place: Path) -> list[Mark]:
    """What tells one state of a file, or of a folder's finished files, from another.

    A folder is known by its names and its time, which changes with every file that takes its name in it.
    """
    handed = RECEIVED.marks(place)
    if handed is not None:
        return handed
    try:
        held = place.stat()
        if not stat.S_ISDIR(held.st_mode):
            return [(place.name, held.st_ino, held.st_size, held.st_mtime_ns)]
        names = sorted(name for name in os.listdir(place) if ".tmp-" not in name)  # noqa: PTH208 - a third of iterdir's time
    except FileNotFoundError:
        return []
    return [(place.name, held.st_ino, 0, held.st_mtime_ns), *((n, 0, 0, 0) for n in names)]


def slice_of(coded: Coded, start: int, stop: int, columns: Sequence[str]) -> Coded:
    """Consecutive rows of the coded records, without a copy."""
    return Coded(
        {c: coded.arrays[c][start:stop] for c in columns if c in coded.arrays},
        coded.source[start:stop],
        coded.order[start:stop],
        max(0, min(stop, coded.n_register) - start),
    )


def frame(table: Any) -> pl.DataFrame:
    """An Arrow table as a Polars frame."""
    return pl.DataFrame(pl.from_arrow(table))


def submitted(space: Workspace, field: str, rows: np.ndarray) -> pl.Series:
    """A field of a few rows (global) as it was submitted; null for nothing."""
    out: list[str | None] = [None] * rows.shape[0]
    for source, part, start, count in space.layout["parts"]:
        mine = np.flatnonzero((rows >= start) & (rows < start + count))
        if not mine.size:
            continue
        records = space.records(source, part, [field])
        if field not in records.column_names:
            continue
        texts = records.column(field).take(pa.array(rows[mine] - start)).to_pylist()
        for place, text in zip(mine.tolist(), texts, strict=True):
            out[place] = text
    return pl.Series(field, out, dtype=pl.String)
