"""The stage that corrects: relations of fields, corrections part by part, and each agency's feed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from jobs.executor import Call
from jobs.workspace import Workspace


class Tasks(Protocol):
    """Runs the tasks of a stage and gives their results in order."""

    def tasks(
        self, stage: str, calls: Sequence[Call], rows: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Results of the calls in their order."""


def make_corrections(stages: Tasks, space: Workspace, artefacts: Path, run_id: str) -> dict[str, Any]:
    """Relate every field that the register and an agency hold, and write a feed for every agency.

    ``run_id`` is cited in the manifests. Gives by source: counts by kind, action and field, and what an
    ``apply`` would change (``applied``).
    """
    work, out = str(space.work), str(artefacts)
    agencies = [n for n, s in enumerate(space.sources) if s.role == "agency"]
    calls: list[Call] = [("jobs.agreements:relate_field", (work, f)) for f in space.related]
    if "full_name" in space.related:
        calls.append(("jobs.tasks_correct:tell_register_names", (work,)))
    calls += [("jobs.tasks_correct:survey_names", (work, s)) for s in agencies]
    results = stages.tasks("correct", calls)
    habits = dict(zip(agencies, (r["habits"] for r in results[len(calls) - len(agencies) :]), strict=True))
    parts = [(s, p, n) for s, p, _, n in space.layout["parts"] if s in habits and n]
    made = stages.tasks(
        "correct",
        [("jobs.tasks_correct:correct_part", (work, s, p, habits[s])) for s, p, _ in parts],
        [n for _, _, n in parts],
    )
    fed = stages.tasks("correct", [("jobs.feeds:publish_feed", (work, out, s, run_id)) for s in agencies])
    names = [space.sources[s].name for s in agencies]
    return {
        "rows_in": sum(m["rows_in"] for m in made),
        "rows_out": sum(f["rows_out"] for f in fed),
        "by_source": {
            name: {k: f[k] for k in ("rows_out", "orders", "by_kind", "by_action", "by_field")}
            for name, f in zip(names, fed, strict=True)
        },
        "applied": {name: f["applied"] for name, f in zip(names, fed, strict=True)},
    }
