"""Verifications of a run: every record of the sources that ask for it, part by part and piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from jobs.cuts import spread
from jobs.executor import Call
from jobs.tasks_verify import asked_parts, asking
from jobs.workspace import Workspace


class Tasks(Protocol):
    """Runs the tasks of a stage and gives their results in order."""

    def tasks(
        self, stage: str, calls: Sequence[Call], rows: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Results of the calls in their order."""


def asked_rows(space: Workspace) -> int:
    """Records of the sources that ask for verification."""
    return sum(n for *_, n in asked_parts(space))


def verify_records(stages: Tasks, space: Workspace) -> dict[str, dict[str, int]]:
    """Verify, as part of ``cases``, records of the sources that ask for it; how many by source and result."""
    parts = asked_parts(space)
    done = stages.tasks(
        "cases",
        [("jobs.tasks_verify:verify_part", (str(space.work), s, p)) for s, p, _, _ in parts],
        [n for *_, n in parts],
    )
    counts: dict[str, dict[str, int]] = {space.sources[n].name: {} for n in asking(space)}
    for (source, *_), result in zip(parts, done, strict=True):
        held = counts[space.sources[source].name]
        for code, count in result["results"].items():
            held[code] = held.get(code, 0) + count
    return {name: dict(sorted(held.items())) for name, held in counts.items()}


def publish_verifications(stages: Tasks, space: Workspace, artefacts: Path) -> None:
    """Publish what was verified, as part of ``feeds``: it cites the decisions that are published."""
    work, out = str(space.work), str(artefacts)
    pieces = 0
    if asked_parts(space):
        pieces = stages.tasks("feeds", [("jobs.tasks_verify:cut_verifications", (work,))])[0]["pieces"]
    calls: list[Call] = [("jobs.tasks_verify:make_verified_piece", (work, out, n)) for n in range(pieces)]
    stages.tasks("feeds", calls, spread(asked_rows(space), pieces))
    stages.tasks("feeds", [("jobs.tasks_verify:publish_verifications", (work, out, pieces))])
