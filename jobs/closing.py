"""The end of a run: sources counted, gates judged, what fails them withheld, receipts written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.executor import Call
from jobs.gates import run_gates, withhold
from jobs.intake import Tasks
from jobs.policies import register_version
from jobs.project import LoadedProject
from jobs.source_counts import count_sources
from jobs.workspace import Workspace


def close_run(
    stages: Tasks,
    loaded: LoadedProject,
    space: Workspace,
    artefacts: Path,
    facts: Mapping[str, Any],
    *,
    run_id: str,
    converged: bool,
) -> dict[str, Any]:
    """Hold a run against its gates and tell every agency what was found: ``gates``, ``withheld``, ``counts``.

    facts : what each stage found, by stage. May be done again to artefacts that it was done to.
    """
    work, out = str(space.work), str(artefacts)
    sources = facts["intake"]["sources"]
    of_parts = facts["publish"]["counted"]
    counted = count_sources(stages, space, artefacts, of_parts, facts.get("correct"), facts.get("feeds"))
    counts = {name: found for name, found in counted.items() if "left_out" not in sources[name]}
    gates = [g.as_dict() for g in run_gates(loaded, facts, counts, converged=converged)]
    found = {
        "run_id": run_id,
        "made": time.strftime("%Y-%m-%d", time.gmtime()),
        "intake": facts["intake"],
        "by_source": facts["decide"]["by_source"],
        "estimates": facts["decide"]["estimates"],
        "gates": gates,
        "withheld": withhold(artefacts, gates),
        "register_version": register_version(loaded, space.work),
    }
    calls: list[Call] = [("jobs.tasks_receipts:write_scorecard", (work, out, counts, found))]
    calls += [
        ("jobs.tasks_receipts:write_source_receipt", (work, out, s.name, counts.get(s.name), found))
        for s in space.sources
    ]
    stages.tasks("receipts", calls)
    return {"gates": gates, "withheld": found["withheld"], "counts": counts}
