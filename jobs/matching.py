"""The stage that matches: identifiers first, then the other rules for the records these have not settled."""

from __future__ import annotations

from typing import Any

from jobs.executor import Call
from jobs.intake import Tasks
from jobs.tasks_match import LEAST_TASKS
from jobs.tasks_settle import has_keys, rival_groups
from jobs.workspace import Workspace
from linkage.settle import sample_share


def match_records(stages: Tasks, space: Workspace) -> dict[str, Any]:
    """Score every candidate pair that can matter."""
    work = str(space.work)
    partitions = range(1 << space.layout["bits"])
    agencies = space.ranges(register=False)
    first = space.identifier_rules
    facts = {"pairs": 0, "kept": 0, "settled": 0}

    def score(rules: list[int]) -> None:
        calls: list[Call] = []
        for rule in rules:
            if space.rules[rule].near:
                calls += [("jobs.tasks_match:match_probe", (work, rule, a)) for a, _ in agencies]
            else:
                calls += [
                    ("jobs.tasks_match:match_partitions", (work, rule, some.start, some.stop))
                    for some in space.stretches(LEAST_TASKS)
                ]
        for result in stages.tasks("match", calls):
            facts["pairs"] += result["pairs"]
            facts["kept"] += result["kept"]

    score(list(first))
    if first and space.settling.any():
        stages.tasks("match", [("jobs.judgements:read_judgements", (work,))])
        if sample_share(space.layout["rows"] - space.layout["n_register"]) < 1.0 and has_keys(space):
            register = space.ranges(register=True)
            stages.tasks("match", [("jobs.tasks_settle:key_rivals", (work, a, b)) for a, b in register])
            stages.tasks("match", [("jobs.tasks_settle:find_rivals", (work, p)) for p in partitions])
            stages.drop("alike/*")
            groups = range(rival_groups(space))
            stages.tasks("match", [("jobs.tasks_settle:list_rivals", (work, g)) for g in groups])
            stages.drop("sharing/*")
        done = stages.tasks("match", [("jobs.tasks_settle:settle_range", (work, a, b)) for a, b in agencies])
        facts["settled"] = sum(d["settled"] for d in done)
        facts["pairs"] += sum(d["pairs"] for d in done)
    score([i for i, rule in enumerate(space.rules) if i not in first and not rule.relatives])
    stages.free("blocks", "probe", "rivals")
    return facts
