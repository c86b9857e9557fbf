"""The stage that resolves: shared persons by range of persons, open records by rule, then all together."""

from __future__ import annotations

from typing import Any, Protocol

from jobs.cuts import spread
from jobs.executor import Call
from jobs.tasks_resolve import OPEN_ROWS, open_passes, person_partitions
from jobs.workspace import Workspace

STAGE = "resolve"

#: Open records from which each rule has a task of its own.
MANY = 100_000

#: Rounds, of which each counts as all agency records: open ones are few, and each takes long.
ROUNDS = 5

#: Bytes that tasks take for a record: of one partition of persons, of open records while they are blocked.
_PERSON_BYTES = 120
_OPEN_BYTES = 1_500

#: What finding and scoring pairs has left that nobody reads again.
_OF_MATCHING = ("repeats", "settled")


class Runs(Protocol):
    """Runs the tasks of a stage and removes what it has used up."""

    def tasks(
        self, stage: str, calls: list[Call], rows: list[int] | None = None, memory: int = 0
    ) -> list[dict[str, Any]]:
        """Results of the calls in their order."""

    def free(self, *places: str) -> None:
        """Remove files that no later stage needs, once this one has ended."""

    def drop(self, *patterns: str) -> None:
        """Remove files that only finished tasks have read."""


def resolve_run(stages: Runs, space: Workspace) -> dict[str, Any]:
    """Group unknown people and find duplicates inside the agencies; counts of both."""
    work = str(space.work)
    ranges = space.ranges(register=False)
    agency = space.layout["rows"] - space.layout["n_register"]
    gathered = stages.tasks(
        STAGE,
        [("jobs.tasks_resolve:gather_persons", (work, a, b)) for a, b in ranges],
        [b - a for a, b in ranges],
    )
    partitions = person_partitions(space)
    stages.tasks(
        STAGE,
        [("jobs.tasks_resolve:compare_linked", (work, p)) for p in range(partitions)],
        spread(agency, partitions),
        memory=-(-agency // partitions) * _PERSON_BYTES,
    )
    open_ = sum(result["rows_out"] for result in gathered)
    stages.tasks(STAGE, [("jobs.tasks_resolve:gather_open", (work,))])
    owners = space.blocking.owners()
    passes = open_passes(open_) if open_ > 1 and owners else 0
    if passes:
        shares = [[rule] for rule in owners] if open_ >= MANY else [owners]
        turns = [(work, rules, turn, passes) for rules in shares for turn in range(passes)]
        memory = min(open_, OPEN_ROWS) * _OPEN_BYTES
        rows = spread(agency, len(turns))
        stages.tasks(STAGE, [("jobs.tasks_resolve:plan_open", turn) for turn in turns], rows, memory=memory)
        stages.tasks(STAGE, [("jobs.tasks_resolve:match_open", turn) for turn in turns], rows, memory=memory)
    facts = stages.tasks(STAGE, [("jobs.tasks_resolve:resolve_open", (work, passes))], [agency])[0]
    stages.drop("resolve")
    # Terms of single names were wanted for the open records only.
    stages.free("nametable", *_OF_MATCHING)
    if not space.loaded.project.corrections.make:  # terms of register persons, whose pairs are scored no more
        stages.free(*(f"side/{start:012d}.arrays" for start, _ in space.ranges(register=True)))
    return facts
