"""The stage that counts over the register: bearers of names, holders of identifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.blocking import BLOCK_CANDIDATES
from jobs.cuts import counting_bits, spread
from jobs.executor import Call
from jobs.intake import Tasks
from jobs.tasks_frequency import identifiers_of
from jobs.workspace import Workspace
from linkage.model import FREQUENCIES

#: Records beyond which forms of names, and identifiers, are counted one after the other, to spare the disk.
ALL_AT_ONCE = 30_000_000


def count_values(stages: Tasks, space: Workspace) -> dict[str, Any]:
    """Count names and identifiers, and put what a record needs of the counts beside its columns.

    Meanwhile one task finds the keys that too many records share: ``heavy``, how many by the number of their
    rule. Blocking begins with them, and all other processors would wait.
    """
    held, forms = identifiers_of(space), _forms(space)
    if space.layout["rows"] <= ALL_AT_ONCE:
        rounds: list[tuple[Sequence[str], Sequence[str]]] = [(held, forms)]
    else:
        rounds = [*(((c,), ()) for c in held), *(((), (f,)) for f in forms)]
    work = str(space.work)
    stages.tasks("frequency", [("jobs.tasks_frequency:split_identifiers", (work, c)) for c in held])
    counted: list[dict[str, Any]] = []
    sizes = [0] * 256
    for some_columns, some_forms in rounds:
        keyed, found = _count(stages, space, some_columns, some_forms)
        counted += found
        # Every form counts the same people.
        sizes = [sum(k["sizes"][g] for k in keyed) for g in range(256)] if keyed else sizes
    calls: list[Call] = [("jobs.tasks_frequency:join_holders", (work, c)) for c in held]
    if forms:
        calls.append(("jobs.tasks_frequency:tell_names", (work, counted, sizes)))
    stages.tasks("frequency", calls)
    stages.drop(*(f"holders/{c}-*" for c in held))
    ranges = space.ranges()
    calls = [("jobs.tasks_heavy:find_heavy", (work, BLOCK_CANDIDATES))]
    calls += [("jobs.tasks_frequency:side_columns", (work, a, b)) for a, b in ranges]
    looked, *_ = stages.tasks("frequency", calls, [0, *(b - a for a, b in ranges)])
    stages.free("bearers", "held", "identifiers")
    return {"rows_in": space.layout["rows"], "heavy": looked["heavy"]}


def rows_passed(space: Workspace) -> int:
    """Rows that all rounds pass: all for each identifier and form of names, to be parted and to be counted,
    and once more when each is told its counts.
    """
    return int(space.layout["rows"]) * (2 * (len(identifiers_of(space)) + len(_forms(space))) + 1)


def _forms(space: Workspace) -> Sequence[str]:
    return FREQUENCIES if "full_name" in space.columns else ()


def _count(
    stages: Tasks, space: Workspace, columns: Sequence[str], forms: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Bring some identifiers and forms of names together and count them; what the tasks found."""
    work = str(space.work)
    ranges = space.ranges()
    partitions = range(1 << counting_bits(space.layout["bits"]))
    calls: list[Call] = []
    if forms:
        calls = [("jobs.tasks_frequency:key_names", (work, a, b, list(forms))) for a, b in ranges]
    if columns:
        calls += [("jobs.tasks_frequency:part_identifiers", (work, list(columns), a, b)) for a, b in ranges]
    rows = [(b - a) * len(some) for some in (forms, columns) if some for a, b in ranges]
    keyed = stages.tasks("frequency", calls, rows)[: len(ranges) if forms else 0]
    calls = [("jobs.tasks_frequency:find_holders", (work, c, p)) for c in columns for p in partitions]
    calls += [("jobs.tasks_frequency:count_names", (work, f, p)) for f in forms for p in partitions]
    rows = spread(space.layout["rows"], len(partitions)) * (len(columns) + len(forms))
    counted = [c for c in stages.tasks("frequency", calls, rows) if "form" in c]
    stages.drop(*(f"names/{f}-*" for f in forms), *(f"identifiers/{c}-*" for c in columns))
    return keyed, counted
