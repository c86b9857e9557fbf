"""What was found of every source, added up of its parts, for its receipt, its gates and the scorecard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.executor import Call
from jobs.intake import Tasks
from jobs.workspace import Workspace

Found = dict[str, Any]


def count_sources(
    stages: Tasks, space: Workspace, artefacts: Path, corrected: Mapping[str, Any] | None
) -> dict[str, Found]:
    """Counts of every source that took part, by name.

    ``fields`` (filled, repaired, readable, relations by field), ``corrections`` (field, kind, action, rows;
    None in a run that makes none), ``queries`` (field, code, rows, line), ``duplicates``, ``paired``
    (undecided records that have a candidate), ``dead_unmarked`` (None where the register holds no dates of
    death), ``cases`` of the register by kind (None in a run without corrections).

    corrected : facts of the stage that corrects, None of a run without
    """
    work, out = str(space.work), str(artefacts)
    parts = [(s, p, n) for s, p, _, n in space.layout["parts"] if n]
    found: dict[int, list[Found]] = {}
    for role in ("register", "agency"):  # the agencies' parts ask who of the register has died
        mine = [(s, p, n) for s, p, n in parts if space.sources[s].role == role]
        calls: list[Call] = [("jobs.tasks_count:count_part", (work, s, p)) for s, p, _ in mine]
        for (source, *_), result in zip(
            mine, stages.tasks("receipts", calls, [n for *_, n in mine]), strict=True
        ):
            found.setdefault(source, []).append(result)
    published = stages.tasks("receipts", [("jobs.tasks_count:count_published", (work, out))])[0]
    return {
        info.name: _of_source(space, number, found.get(number, []), published, corrected)
        for number, info in enumerate(space.sources)
    }


def _of_source(
    space: Workspace,
    number: int,
    parts: Sequence[Found],
    published: Mapping[str, Any],
    corrected: Mapping[str, Any] | None,
) -> Found:
    info = space.sources[number]
    agency = info.role == "agency"
    register = space.sources[0]
    deaths = register.role == "register" and "death_date" in register.contract.by_standard()
    relations = corrected["relations"].get(info.name, {}) if corrected is not None and agency else {}
    return {
        "fields": {
            f: _field(space, f, [p["fields"][f] for p in parts], relations.get(f))
            for f in info.contract.by_standard()
        },
        "queries": published["queries"].get(info.name, []),
        "corrections": None if corrected is None else corrected["counts"].get(info.name, []),
        "duplicates": published["duplicates"].get(info.name, 0) if agency else 0,
        "paired": sum(p["paired"] for p in parts) if agency else None,
        "dead_unmarked": sum(p["dead_unmarked"] for p in parts) if agency and deaths else None,
        "cases": None if agency else published["cases"],
    }


def _field(
    space: Workspace, field: str, parts: Sequence[Sequence[Any]], relations: Sequence[int] | None
) -> Found:
    filled, repaired, elsewhere = (sum(p[place] for p in parts) for place in range(3))
    read = field in space.coded.arrays
    return {
        "filled": filled,
        "repaired": min(filled, repaired),
        "readable": min(filled, sum(p[3] for p in parts) + elsewhere) if read else None,
        "relations": None if relations is None else list(relations),
    }
