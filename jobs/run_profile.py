"""Where the time of a run went: by stage, and by the tasks of each stage, from its journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.finished_run import read_run
from jobs.journal import read_journal
from jobs.progress import size
from jobs.store import stage_manifest
from linkage.errors import ConfigError


def profile_run(folder: Path) -> dict[str, Any]:
    """Figures of the run in ``folder``, which may be under way, stopped or finished.

    Gives ``stages`` in the order of the journal, each with its ``tasks`` by name, the slowest kind first:
    ``count``, ``seconds`` of all together, the ``slowest`` one, ``rows``, ``pairs``, ``bytes_out`` and the
    peak of memory of the processes that ran them. A task that several attempts did counts once, as the last
    of them did it.
    ``wall`` is the time of a stage that has ended, in its last attempt, and None while it is under way;
    ``busy`` the seconds of tasks over it: how many worked at once on average.

    Raises ConfigError ``E-PROFILE-001`` if the folder holds no run.
    """
    lines = _once(read_journal(folder / "journal.jsonl"))
    if not lines:
        raise ConfigError(
            "E-PROFILE-001",
            f"The folder '{folder.name}' holds no journal of a run;",
            "the folder that 'linkage run --out' wrote, or is writing, was wanted.",
            "Correct the path.",
        )
    walls = _walls(folder)
    stages = []
    for name in dict.fromkeys(str(line["stage"]) for line in lines):
        own = [line for line in lines if line["stage"] == name]
        kinds: dict[str, list[Mapping[str, Any]]] = {}
        for line in own:
            kinds.setdefault(str(line.get("task", "task")), []).append(line)
        tasks = sorted((_figures(kind, held) for kind, held in kinds.items()), key=_weight)
        whole = _figures(name, own)
        wall = walls.get(name)
        busy = None if not wall else round(whole["seconds"] / wall, 2)
        stages.append({**whole, "wall": wall, "busy": busy, "tasks": tasks})
    return {"folder": folder.name, "finished": read_run(folder) is not None, "stages": stages}


def _once(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last line of every task, in the order of the first ones."""
    place = ("stage", "task", "round", "part", "parts")
    whole = [line for line in lines if {"stage", "seconds", "peak_memory"} <= line.keys()]
    return list({tuple(line.get(field) for field in place): line for line in whole}.values())


def _walls(folder: Path) -> dict[str, float]:
    """Seconds of the stages that have happened."""
    done = read_run(folder, ("stages",))
    if done is not None:
        return {held["stage"]: held["seconds"] for held in done["stages"]}
    places = sorted((folder / "work" / "stages").glob("*"))
    found = {place.name: stage_manifest(place) for place in places}
    return {name: held["figures"]["seconds"] for name, held in found.items() if held is not None}


def _figures(name: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def total(field: str) -> int:
        return sum(line.get(field, 0) for line in lines)

    return {
        "name": name,
        "count": len(lines),
        "seconds": round(sum(line["seconds"] for line in lines), 3),
        "slowest": max(line["seconds"] for line in lines),
        "rows": total("rows_in") or total("rows_out"),
        "pairs": total("pairs"),
        "bytes_out": total("bytes_out"),
        "peak_memory": max(line["peak_memory"] for line in lines),
    }


def _weight(figures: Mapping[str, Any]) -> tuple[float, str]:
    return (-figures["seconds"], str(figures["name"]))


def profile_text(profile: Mapping[str, Any]) -> str:
    """The same for people: a line a stage, and one a kind of task under it where there are several."""
    head = ("", "wall s", "busy", "tasks", "task s", "slowest", "rows/s", "pairs/s", "written", "memory")
    rows: list[Sequence[str]] = [head]
    for stage in profile["stages"]:
        rows.append(_row(stage["name"], stage))
        rows += [_row(f"  {task['name']}", task) for task in stage["tasks"]]
    walls = [stage["wall"] for stage in profile["stages"]]
    if all(wall is not None for wall in walls):
        rows.append(("together", f"{sum(walls):.1f}", *[""] * 8))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(_cells(row, widths)).rstrip() for row in rows]
    note = "" if profile["finished"] else "\nThe run is not finished: stages without wall time are under way."
    return "\n".join(lines) + note


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    yield row[0].ljust(widths[0])
    for text, width in zip(row[1:], widths[1:], strict=True):
        yield text.rjust(width)


def _row(name: str, held: Mapping[str, Any]) -> Sequence[str]:
    def rate(count: int) -> str:
        return f"{count / held['seconds']:,.0f}" if count and held["seconds"] else ""

    wall, busy = held.get("wall"), held.get("busy")
    return (
        name,
        "" if wall is None else f"{wall:.1f}",
        "" if busy is None else f"{busy:.1f}",
        f"{held['count']:,}",
        f"{held['seconds']:,.1f}",
        f"{held['slowest']:.2f}",
        rate(held["rows"]),
        rate(held["pairs"]),
        size(held["bytes_out"]),
        size(held["peak_memory"]),
    )
