"""What a finished run says of itself: how it ended, and ``run.json``."""

from __future__ import annotations

import datetime as dt
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import linkage
from jobs.project import LoadedProject
from linkage.pipeline import STAGES
from linkage.posterior import false_links_interval


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    exit_code: int
    folder: Path
    run: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """The figures a person looks at first."""
        keys = (
            "run_id",
            "totals",
            "decisions",
            "estimates",
            "registered",
            "duplicates",
            "warnings",
            "seconds",
            "peak_memory",
        )
        return {
            "folder": str(self.folder),
            "exit_code": self.exit_code,
            **{k: self.run[k] for k in keys if k in self.run},
        }


def run_record(
    loaded: LoadedProject,
    prints: dict[str, str],
    artefacts: Path,
    facts: dict[str, Any],
    figures: list[dict[str, Any]],
    *,
    seconds: float,
    memory: int,
    engine: str,
) -> dict[str, Any]:
    """``run.json`` of a finished run.

    prints    : fingerprints of what the run is made of, by name
    artefacts : folder of the tables, where ``model.json`` stands
    facts     : what each stage found, by stage;  figures : time and memory of the stages, in order
    seconds   : how long the run took;  memory : the most its processes have held, in bytes
    """
    model = json.loads((artefacts / "model.json").read_bytes())
    decide = facts["decide"]
    total = sum(e["expected"] for e in decide["estimates"].values())
    doubt = max((e["relative_variance"] for e in decide["estimates"].values()), default=0.0)
    low, high = false_links_interval(total, doubt)
    estimates: dict[str, Any] = {
        name: {
            "links": e["links"],
            "false_links": {"expected": e["expected"], "low": e["low"], "high": e["high"]},
        }
        for name, e in decide["estimates"].items()
    }
    estimates["all"] = {
        "links": sum(e["links"] for e in decide["estimates"].values()),
        "false_links": {"expected": total, "low": low, "high": high},
    }
    agency_rows = max(1, decide["rows_out"])
    open_share = (decide["decisions"]["review"] + decide["decisions"]["conflict"]) / agency_rows
    gates = {"converged": model["converged"], "review": open_share <= loaded.project.decision.review_max}
    return {
        "schema": 1,
        "run_id": prints["run"][:16],
        "project": loaded.project.name,
        "engine": engine,
        "code_version": linkage.__version__,
        "fingerprints": prints,
        "finished": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(seconds, 3),
        "peak_memory": memory,
        "processors": os.cpu_count(),
        "sources": facts["intake"]["sources"],
        "totals": {
            "rows": facts["intake"]["rows_in"],
            "accepted": facts["intake"]["rows_out"],
            "pairs": facts["match"]["pairs"],
        },
        "decisions": decide["decisions"],
        "by_source": decide["by_source"],
        "estimates": estimates,
        "registered": decide["registered"],
        "calibration": decide["calibration"],
        "rehearsal": decide["rehearsal"],
        "judgements_ignored": decide["judgements_ignored"],
        "register": loaded.project.register.name if loaded.project.register else None,
        "project_file": str(loaded.path),
        "records_per_person": {name: c.records_per_person for name, c in sorted(loaded.contracts.items())},
        "duplicates": facts["resolve"]["duplicates"],
        "review_pairs": facts["publish"]["review_pairs"],
        "blocking": {
            "rules": facts["block"]["rules"],
            "refined_keys": facts["block"]["refined"],
            "probed_pairs": facts["block"]["probed"],
            "lost_without_identifier": model["lost"],
        },
        "model_id": model["model_id"],
        "converged": model["converged"],
        "warnings": model["warnings"],
        "gates": gates,
        "stages": figures,
        "order": [s.name for s in STAGES],
        "exit_code": 0,
    }
