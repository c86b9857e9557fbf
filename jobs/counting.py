"""The stage that counts over the register: bearers of names, holders of identifiers."""

from __future__ import annotations

from typing import Any

from jobs.executor import Call
from jobs.intake import Tasks
from jobs.tasks_frequency import identifiers_of
from jobs.workspace import Workspace
from linkage.model import FREQUENCIES


def count_values(stages: Tasks, space: Workspace) -> dict[str, Any]:
    """Count names and identifiers, and put what a record needs of the counts beside its columns."""
    work = str(space.work)
    ranges = space.ranges()
    partitions = range(1 << space.layout["bits"])
    held = identifiers_of(space)
    calls: list[Call] = [("jobs.tasks_frequency:split_identifiers", (work, c)) for c in held]
    stages.tasks("frequency", calls)
    calls = [("jobs.tasks_frequency:part_identifiers", (work, c, a, b)) for c in held for a, b in ranges]
    named = "full_name" in space.columns
    if named:
        calls = [("jobs.tasks_frequency:key_names", (work, a, b)) for a, b in ranges] + calls
    keyed = stages.tasks("frequency", calls)
    calls = [("jobs.tasks_frequency:find_holders", (work, c, p)) for c in held for p in partitions]
    if named:
        calls += [("jobs.tasks_frequency:count_names", (work, f, p)) for f in FREQUENCIES for p in partitions]
    counted = stages.tasks("frequency", calls)
    calls = [("jobs.tasks_frequency:join_holders", (work, c)) for c in held]
    if named:
        sizes = [sum(k["sizes"][g] for k in keyed[: len(ranges)]) for g in range(256)]
        counts = [c for c in counted if "form" in c]
        calls.append(("jobs.tasks_frequency:tell_names", (work, counts, sizes)))
    stages.tasks("frequency", calls)
    stages.tasks("frequency", [("jobs.tasks_frequency:side_columns", (work, a, b)) for a, b in ranges])
    stages.free("names", "bearers", "identifiers", "held", *(f"holders/{c}-*" for c in held))
    return {"rows_in": space.layout["rows"]}
