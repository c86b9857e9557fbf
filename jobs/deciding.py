"""The stage that decides: every range of the agencies by itself, with merges of what concerns all of them."""

from __future__ import annotations

from typing import Any

from jobs.intake import Tasks
from jobs.tasks_decide import read_rehearsal
from jobs.workspace import Workspace
from linkage.decide import total_of
from linkage.decisions import DECISIONS

#: Rounds that pass every agency record.
ROUNDS = 4


def decide_records(stages: Tasks, space: Workspace) -> dict[str, Any]:
    """Decide every agency record; gives the counts, what is expected to be false, and how it was judged."""
    work = str(space.work)
    ranges = space.ranges(register=False)
    rows = [b - a for a, b in ranges]

    def everywhere(task: str) -> list[dict[str, Any]]:
        return stages.tasks("decide", [(f"jobs.tasks_decide:{task}", (work, a, b)) for a, b in ranges], rows)

    def once(task: str) -> dict[str, Any]:
        return stages.tasks("decide", [(task, (work,))])[0]

    answers = once("jobs.judgements:read_judgements")
    weighed = everywhere("weigh_range")
    stages.drop("pairs")
    prior = once("jobs.tasks_decide:find_prior")
    registered = prior["registered"]
    everywhere("rehearse_range")
    rehearsal = once("jobs.tasks_decide:conclude_rehearsal")
    everywhere("judge_range")
    once("jobs.tasks_decide:place_cuts")
    counted = everywhere("decide_range")
    stages.free("tally", "rehearsed", "contests")
    total = total_of(counted, read_rehearsal(space), len(space.sources))
    agencies = [(s, info.name) for s, info in enumerate(space.sources) if info.role == "agency"]
    by_source = {name: dict(zip(DECISIONS, total["decisions"][s], strict=True)) for s, name in agencies}
    return {
        "rows_out": sum(c["rows_out"] for c in counted),
        "pairs": sum(w["pairs"] for w in weighed),
        "decisions": {d: sum(own[d] for own in by_source.values()) for d in DECISIONS},
        "estimates": {name: total["estimates"][s] for s, name in agencies},
        "registered": {name: registered[name] for _, name in agencies},
        "without_holder": prior["without_holder"],
        "calibration": total["calibration"],
        "answers": answers,
        "rehearsal": rehearsal,
        "by_source": by_source,
    }
