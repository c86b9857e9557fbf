"""What was found of every source, added up of its parts, for its receipt, its gates and the scorecard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from jobs.executor import Call
from jobs.intake import Tasks
from jobs.workspace import SourceInfo, Workspace

Found = dict[str, Any]


class Runs(Protocol):
    """Runs the tasks of a stage and removes what only they needed."""

    def tasks(self, stage: str, calls: list[Call], rows: list[int] | None = None) -> list[dict[str, Any]]:
        """Results of the calls in their order."""

    def drop(self, *patterns: str) -> None:
        """Remove files that only finished tasks have read."""


def count_parts(stages: Runs, stage: str, space: Workspace) -> list[Found]:
    """Counts of each source's records (:func:`jobs.tasks_count.count_part`), added up of its parts.

    By number of the source: ``fields`` field -> filled, repaired, read in another field, readable (None where
    nothing reads it);  ``paired`` and ``dead_unmarked`` of an agency, ``dead_unmarked`` None where the
    register holds no dates of death. They stand as part of ``stage``.
    """
    work = str(space.work)
    parts = [(s, p, n) for s, p, _, n in space.layout["parts"] if n]
    found: dict[int, list[Found]] = {}
    for role in ("register", "agency"):  # the agencies' parts ask who of the register has died
        mine = [(s, p, n) for s, p, n in parts if space.sources[s].role == role]
        calls: list[Call] = [("jobs.tasks_count:count_part", (work, s, p)) for s, p, _ in mine]
        for (source, *_), result in zip(mine, stages.tasks(stage, calls, [n for *_, n in mine]), strict=True):
            found.setdefault(source, []).append(result)
    stages.drop("counted")
    register = space.sources[0]
    deaths = register.role == "register" and "death_date" in register.contract.by_standard()
    out = []
    for number, info in enumerate(space.sources):
        own, agency = found.get(number, []), info.role == "agency"
        out.append(
            {
                "fields": {
                    f: _added(space, f, [p["fields"][f] for p in own]) for f in info.contract.by_standard()
                },
                "paired": sum(p["paired"] for p in own) if agency else None,
                "dead_unmarked": sum(p["dead_unmarked"] for p in own) if agency and deaths else None,
            }
        )
    return out


def _added(space: Workspace, field: str, parts: Sequence[Sequence[Any]]) -> list[int | None]:
    read = field in (*space.columns, *space.carried)
    filled, repaired, elsewhere = (sum(p[place] for p in parts) for place in range(3))
    return [filled, repaired, elsewhere, sum(p[3] for p in parts) if read else None]


def count_sources(
    stages: Tasks,
    space: Workspace,
    artefacts: Path,
    counted: Sequence[Found],
    corrected: Mapping[str, Any] | None,
    fed: Mapping[str, Any] | None,
) -> dict[str, Found]:
    """Counts of every source that took part, by name.

    ``fields`` (filled, repaired, readable, relations by field), ``corrections`` (field, kind, action, rows;
    None in a run that makes none), ``queries`` (field, code, rows, line), ``duplicates``, ``paired``
    (undecided records that have a candidate), ``dead_unmarked`` (None where the register holds no dates of
    death), ``cases`` of the register by kind (None in a run without corrections).

    counted : of :func:`count_parts`;  corrected, fed : facts of the stages ``correct`` and ``feeds``, None of
    a run without
    """
    work, out = str(space.work), str(artefacts)
    published = stages.tasks("receipts", [("jobs.tasks_count:count_published", (work, out))])[0]
    return {
        info.name: _of_source(info, counted[number], published, corrected, fed)
        for number, info in enumerate(space.sources)
    }


def _of_source(
    info: SourceInfo,
    counted: Found,
    published: Mapping[str, Any],
    corrected: Mapping[str, Any] | None,
    fed: Mapping[str, Any] | None,
) -> Found:
    agency = info.role == "agency"
    relations = corrected["relations"].get(info.name, {}) if corrected is not None and agency else {}
    return {
        "fields": {f: _field(held, relations.get(f)) for f, held in counted["fields"].items()},
        "queries": published["queries"].get(info.name, []),
        "corrections": None if fed is None else fed["counts"].get(info.name, []),
        "duplicates": published["duplicates"].get(info.name, 0) if agency else 0,
        "paired": counted["paired"],
        "dead_unmarked": counted["dead_unmarked"],
        "cases": None if agency else published["cases"],
    }


def _field(counted: Sequence[Any], relations: Sequence[int] | None) -> Found:
    filled, repaired, elsewhere, readable = counted
    return {
        "filled": filled,
        "repaired": min(filled, repaired),
        "readable": None if readable is None else min(filled, readable + elsewhere),
        "relations": None if relations is None else list(relations),
    }
