"""What a finished run says of itself: how it ended, and ``run.json``."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import linkage
from jobs.gates import exit_code
from jobs.policies import policy_record
from jobs.project import LoadedProject
from jobs.run_text import run_text
from jobs.store import read_json
from linkage.pipeline import STAGES
from linkage.posterior import false_links_interval


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    exit_code: int
    folder: Path
    run: dict[str, Any]

    def text(self) -> str:
        """The same for people, see :func:`jobs.run_text.run_text`."""
        return run_text(self.run, str(self.folder))

    def summary(self) -> dict[str, Any]:
        """The figures a person looks at first."""
        keys = (
            "run_id",
            "totals",
            "decisions",
            "estimates",
            "registered",
            "duplicates",
            "corrections",
            "cases",
            "left_out",
            "warnings",
            "seconds",
            "peak_memory",
        )
        held = {k: self.run[k] for k in keys if self.run.get(k) not in (None, [], {})}
        broken = [g for g in self.run.get("gates", []) if not g["holds"]]
        if broken:
            done = {entry["gate"] for entry in self.run.get("accepted", [])}
            held["failing_gates"] = [
                {"gate": g["name"], "accepted": g["name"] in done, "why": g["en"]} for g in broken
            ]
            held["withheld"] = bool(self.run.get("withheld"))
        return {"folder": str(self.folder), "exit_code": self.exit_code, **held}


#: What the page, the summary and the gates of a finished run read of its ``run.json``.
TOLD = frozenset(
    {
        "run_id", "fingerprints", "seconds", "peak_memory", "totals", "by_source", "decisions", "estimates",
        "blocking", "warnings", "gates", "accepted", "withheld", "stages", "exit_code",
    }
)  # fmt: skip


def run_record(
    loaded: LoadedProject,
    prints: dict[str, str],
    work: Path,
    facts: dict[str, Any],
    figures: list[dict[str, Any]],
    *,
    attempts: dict[str, Any],
    engine: str,
) -> dict[str, Any]:
    """``run.json`` of a finished run.

    prints  : fingerprints of what the run is made of, by name
    work    : the run's work folder, where ``model.json`` stands
    facts   : what each stage found, by stage;  figures : time and memory of the stages, in order
    attempts : of all attempts of the run, see :meth:`jobs.attempts.Attempts.figures`
    """
    model = read_json(work / "model.json")
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
    record = {
        "schema": 1,
        "run_id": prints["run"][:16],
        "project": loaded.project.name,
        "engine": engine,
        "code_version": linkage.__version__,
        "fingerprints": prints,
        "finished": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **attempts,
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
        "answers": decide["answers"],
        "register": loaded.project.register.name if loaded.project.register else None,
        "project_file": str(loaded.path),
        "records_per_person": {name: c.records_per_person for name, c in sorted(loaded.contracts.items())},
        "duplicates": facts["resolve"]["duplicates"],
        "review_pairs": facts["publish"]["review_pairs"],
        "corrections": facts["feeds"]["by_source"] if "feeds" in facts else None,
        "cases": facts["cases"]["cases"] if "cases" in facts else None,
        "blocking": {
            "rules": facts["block"]["rules"],
            "refined_keys": facts["block"]["refined"],
            "probed_pairs": facts["block"]["probed"],
            "probed_given_up": facts["block"]["probed_given_up"],
            "lost_without_identifier": model["lost"],
            "lost_to_refinement": _parted(facts["train"], decide["without_holder"]),
            "key": f"{read_json(work / 'keys.json')['secret']:016x}",
        },
        "model_id": model["model_id"],
        "converged": model["converged"],
        "warnings": model["warnings"],
        "policies": {s.name: policy_record(loaded, s.name) for s in loaded.project.agencies},
        "left_out": facts["intake"].get("left_out", []),
        "gates": facts["receipts"]["gates"],
        "withheld": facts["receipts"]["withheld"],
        "accepted": [],
        "stages": figures,
        "order": [s.name for s in STAGES if s.name in facts],
    }
    return {**record, "exit_code": exit_code(record)}


def _parted(train: dict[str, Any], records: int) -> dict[str, Any] | None:
    """What refinement loses: of ``matches`` that the identifier finds those ``parted``, and by their share
    the ``links`` lost at most among the ``records`` that no identifier finds. None if it was not measured.
    """
    matches = train.get("lost_of", 0)
    if not matches:
        return None
    links = round(records * train["parted"] / matches, 1)
    return {"matches": matches, "parted": train["parted"], "records": records, "links": links}
