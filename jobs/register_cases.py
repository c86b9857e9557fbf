"""The stage that opens register cases and publishes them, and the verifications that sources ask for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

from jobs.executor import Call
from jobs.store import make_folder
from jobs.tasks_cases import case_fields
from jobs.workspace import Workspace

#: Register persons of a partition of the search for doubles: about 300 MB.
DOUBLES_ROWS = 4_000_000


class Tasks(Protocol):
    """What runs tasks: see :class:`jobs.run`."""

    def tasks(self, stage: str, calls: list[Call]) -> list[dict[str, Any]]:
        """Results of tasks in order."""


def open_cases(stages: Tasks, space: Workspace, artefacts: Path) -> dict[str, Any]:
    """Open the cases of every field, search for doubles, and publish both with the verifications.

    Facts: ``cases`` by kind and field, ``rates`` by field and manner, ``verified`` by source and result.
    """
    work, out = str(space.work), str(make_folder(artefacts))
    fields = case_fields(space)
    rates: dict[str, Any] = {}
    given_up = 0
    if space.loaded.project.register is not None:
        partitions = max(1, math.ceil(space.layout["n_register"] / DOUBLES_ROWS))
        calls: list[Call] = [("jobs.tasks_cases:open_field_cases", (work, f)) for f in fields]
        calls += [("jobs.tasks_doubles:find_doubles", (work, p, partitions)) for p in range(partitions)]
        results = stages.tasks("cases", calls)
        rates = {f: r["rates"] for f, r in zip(fields, results, strict=False)}
        given_up = sum(r["given_up"] for r in results[len(fields) :])
        stages.tasks(
            "cases",
            [
                ("jobs.tasks_cases:open_number_cases", (work,)),
                ("jobs.tasks_doubles:open_doubles", (work, partitions)),
            ],
        )
    published = stages.tasks(
        "cases",
        [
            ("jobs.tasks_cases_publish:publish_register_cases", (work, out)),
            ("jobs.tasks_verify:publish_verifications", (work, out)),
        ],
    )
    return {
        "cases": published[0]["cases"],
        "rates": rates,
        "blocks_given_up": given_up,
        "verified": published[1]["results"],
        "rows_out": published[0]["rows_out"],
    }
