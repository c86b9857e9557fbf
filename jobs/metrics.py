"""Figures of a run for monitoring: a Prometheus text file in its folder, replaced while the run goes on.

The format is version 0.0.4 of Prometheus's text exposition; a node exporter's textfile collector reads it.
Names and labels are an interface, listed in :data:`METRICS`. All are gauges: a run is a batch, and a file
that is read tomorrow again says the same.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from jobs.files import beside

NAME = "metrics.prom"

#: Seconds between two writings while the run goes on.
EVERY = 5.0

#: Name -> (labels, help).
METRICS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "linkage_run_info": (("run_id", "engine", "version"), "1; the run that the other figures are of."),
    "linkage_run_start_time_seconds": ((), "When this attempt of the run began, in Unix time."),
    "linkage_run_update_time_seconds": ((), "When this file was written, in Unix time."),
    "linkage_run_finished": ((), "1 if the run has ended and its artefacts stand, else 0."),
    "linkage_run_exit_code": ((), "Exit code of the finished run."),
    "linkage_run_seconds": ((), "Seconds that this attempt of the run has taken."),
    "linkage_run_peak_memory_bytes": (
        (),
        "The most memory that the run's processes have held, mapped files apart.",
    ),
    "linkage_disk_free_bytes": ((), "Free bytes on the disk of the run's folder."),
    "linkage_stage_finished": (("stage",), "1 if the stage has happened, 0 while it is under way."),
    "linkage_stage_seconds": (("stage",), "Seconds that the stage has taken."),
    "linkage_stage_tasks": (("stage",), "Tasks of the stage that are finished."),
    "linkage_stage_rows": (("stage",), "Rows of the stage that all of its rounds have passed."),
    "linkage_stage_pairs": (("stage",), "Pairs of the stage."),
    "linkage_stage_written_bytes": (("stage",), "Bytes that the stage's tasks have written."),
    "linkage_records": (("source", "result"), "Rows of a source: accepted, or refused."),
    "linkage_decisions": (("source", "decision"), "Decisions on the records of a source."),
    "linkage_false_links_expected": (("source",), "Expected number of false links of a source."),
    "linkage_gate_holds": (("gate",), "1 if the quality gate holds, else 0."),
}

Sample = tuple[str, Mapping[str, str], float]


class Metrics:
    """The metrics file of a run; every method may be called from any thread.

    ago : seconds since this attempt of the run began
    """

    def __init__(
        self,
        folder: Path,
        info: Mapping[str, str],
        *,
        ago: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = folder / NAME
        self._clock = clock
        self._lock = threading.Lock()
        self._info = dict(info)
        self._began = clock() - ago
        self._written = 0.0

    def write(self, samples: Callable[[], Iterable[Sample]], *, now: bool = False) -> None:
        """Write the file again if its time has come, or ``now``; ``samples`` is asked only then.

        Nothing that goes wrong here ends a run.
        """
        with self._lock:
            at = self._clock()
            if not now and at - self._written < EVERY:
                return
            self._written = at
            held: list[Sample] = [
                ("linkage_run_info", self._info, 1),
                ("linkage_run_start_time_seconds", {}, self._began),
                ("linkage_run_update_time_seconds", {}, at),
                ("linkage_run_seconds", {}, at - self._began),
                *samples(),
            ]
            with contextlib.suppress(OSError):
                _replace(self.path, render(held).encode())


def tell_exit_code(folder: Path, code: int) -> None:
    """Put another exit code into the metrics of the finished run in ``folder``, if it can be done."""
    path, name = folder / NAME, "linkage_run_exit_code "
    with contextlib.suppress(OSError):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        told = [f"{name}{code}\n" if line.startswith(name) else line for line in lines]
        _replace(path, "".join(told).encode())


def _replace(path: Path, text: bytes) -> None:
    temporary = beside(path)
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(text)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def render(samples: Iterable[Sample]) -> str:
    """Samples as Prometheus reads them, those of a name together, names and labels in their declared order.

    ValueError for a name or labels that are not declared, and for a sample that comes twice.
    """
    by_name: dict[str, dict[str, float]] = {}
    for name, labels, value in samples:
        wanted = METRICS[name][0] if name in METRICS else None
        if wanted is None or set(labels) != set(wanted):
            raise ValueError(
                f"The metric {name}{sorted(labels)} came. Wanted: a declared one with its labels. Declare it."
            )
        text = ",".join(f'{label}="{_escaped(labels[label])}"' for label in wanted)
        line = name + (f"{{{text}}}" if text else "")
        if line in by_name.setdefault(name, {}):
            raise ValueError(f"The metric {line} came twice. Wanted: one value. Leave one out.")
        by_name[name][line] = value
    out = []
    for name, (_, told) in METRICS.items():
        if name in by_name:
            out += [f"# HELP {name} {told}", f"# TYPE {name} gauge"]
            out += [f"{line} {_number(value)}" for line, value in by_name[name].items()]
    return "\n".join(out) + "\n"


def stage_samples(figures: Mapping[str, Any], *, finished: bool) -> list[Sample]:
    """The samples of one stage, of its figures in ``run.json`` or of how far it is."""
    label = {"stage": str(figures["stage"])}
    named = {
        "linkage_stage_seconds": figures.get("seconds"),
        "linkage_stage_tasks": figures.get("tasks"),
        "linkage_stage_rows": figures.get("rows", figures.get("rows_in")),
        "linkage_stage_pairs": figures.get("pairs"),
        "linkage_stage_written_bytes": figures.get("bytes_out"),
    }
    told = [(name, label, float(value)) for name, value in named.items() if value is not None]
    return [("linkage_stage_finished", label, float(finished)), *told]


def run_samples(run: Mapping[str, Any]) -> list[Sample]:
    """The samples of a finished run, of its ``run.json``."""
    out: list[Sample] = [
        ("linkage_run_finished", {}, 1),
        ("linkage_run_exit_code", {}, run["exit_code"]),
        ("linkage_run_peak_memory_bytes", {}, run["peak_memory"]),
    ]
    for figures in run["stages"]:
        out += stage_samples(figures, finished=True)
    for source, held in run["sources"].items():
        refused = sum(held.get("refused", {}).values())
        out.append(("linkage_records", {"source": source, "result": "accepted"}, held["accepted"]))
        out.append(("linkage_records", {"source": source, "result": "refused"}, refused))
    for source, decisions in run["by_source"].items():
        out += [
            ("linkage_decisions", {"source": source, "decision": decision}, count)
            for decision, count in decisions.items()
        ]
    out += [
        ("linkage_false_links_expected", {"source": source}, held["false_links"]["expected"])
        for source, held in run["estimates"].items()
        if source != "all"
    ]
    out += [("linkage_gate_holds", {"gate": gate["name"]}, float(gate["holds"])) for gate in run["gates"]]
    return out


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
