"""The stage that opens and publishes register cases, and verifies the records of sources that ask for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from jobs.cuts import spread
from jobs.executor import Call
from jobs.policies import register_version
from jobs.store import make_folder
from jobs.verification import asked_rows, verify_records
from jobs.voices import case_fields
from jobs.workspace import Workspace

#: Register persons of a partition of the search for doubles: about 150 MB.
DOUBLES_ROWS = 1_000_000

#: Rounds that pass every register person: fields' cases are opened, persons keyed, doubles found.
ROUNDS = 3

#: Folders of the work folder that nothing after this stage needs.
_FREED = ("agreement", "token_bearers", "voices", "doubles", "cases")


class Tasks(Protocol):
    """Runs the tasks of a stage and gives their results in order."""

    def tasks(
        self, stage: str, calls: Sequence[Call], rows: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Results of the calls in their order."""

    def free(self, *places: Path | str) -> None:
        """Files of the work folder that are not needed once the stage has ended."""


def rows_passed(space: Workspace) -> int:
    """Rows that all rounds of ``cases`` pass: the register's in each, and those that are verified."""
    return ROUNDS * int(space.layout["n_register"]) + asked_rows(space)


def open_cases(stages: Tasks, space: Workspace, artefacts: Path) -> dict[str, Any]:
    """Open the cases of every field, search for doubles, publish both; verify records.

    Facts: ``cases`` by kind and field, ``rates`` by field and manner, ``verified`` by source and result.
    """
    work, out = str(space.work), str(make_folder(artefacts))
    fields = case_fields(space) if len(space.sources) > 1 else ()
    rates: dict[str, Any] = {}
    given_up = 0
    if space.loaded.project.register is not None:
        persons = int(space.layout["n_register"])
        partitions = max(1, math.ceil(persons / DOUBLES_ROWS))
        ranges = space.ranges(register=True)
        keyed: list[Call] = [("jobs.tasks_doubles:key_register", (work, a, b, partitions)) for a, b in ranges]
        calls: list[Call] = [("jobs.tasks_cases:open_field_cases", (work, f)) for f in fields]
        opened = spread(persons, len(calls)) if calls else []
        # Fields take longest: they go first.
        results = stages.tasks("cases", [*calls, *keyed], [*opened, *(b - a for a, b in ranges)])
        rates = {f: r["rates"] for f, r in zip(fields, results, strict=False)}
        found = stages.tasks(
            "cases",
            [("jobs.tasks_doubles:find_doubles", (work, p)) for p in range(partitions)],
            spread(persons, partitions),
        )
        given_up = sum(r["given_up"] for r in found)
        stages.tasks(
            "cases",
            [
                ("jobs.tasks_cases:open_number_cases", (work,)),
                ("jobs.tasks_doubles:open_doubles", (work, partitions)),
            ],
        )
    version = register_version(space.loaded, space.work)
    published = stages.tasks(
        "cases", [("jobs.tasks_cases_publish:publish_register_cases", (work, out, version))]
    )[0]
    verified = verify_records(stages, space)
    stages.free(*_FREED)
    return {
        "cases": published["cases"],
        "rates": rates,
        "blocks_given_up": given_up,
        "verified": verified,
        "rows_out": published["rows_out"],
    }
