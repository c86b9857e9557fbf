"""The stage that matches: identifiers first, then the other rules for the records these have not settled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.cuts import spread
from jobs.executor import Call
from jobs.intake import Tasks
from jobs.tasks_match import LEAST_TASKS
from jobs.tasks_settle import rival_rules, settles
from jobs.workspace import Workspace


def match_records(stages: Tasks, space: Workspace, block: Mapping[str, Any]) -> dict[str, Any]:
    """Score every candidate pair that can matter.

    block : facts of blocking, pairs by rule: candidates, which tasks pass though few of them are scored
    """
    work = str(space.work)
    agencies = space.ranges(register=False)
    first = space.identifier_rules
    facts = {"pairs": 0, "kept": 0, "settled": 0}

    def score(rules: list[int]) -> None:
        calls: list[Call] = []
        candidates: list[int] = []
        for rule in rules:
            if space.rules[rule].near:
                own: list[Call] = [("jobs.tasks_match:match_probe", (work, rule, a)) for a, _ in agencies]
                pairs = block["probed"] // sum(r.near for r in space.rules)
            else:
                own = [
                    ("jobs.tasks_match:match_partitions", (work, rule, some.start, some.stop))
                    for some in space.stretches(LEAST_TASKS)
                ]
                pairs = block["rules"][space.rules[rule].name]["pairs"]
            calls += own
            candidates += spread(pairs, len(own))
        for result in stages.tasks("match", calls, candidates):
            facts["pairs"] += result["pairs"]
            facts["kept"] += result["kept"]

    score(list(first))
    if settles(space):
        stages.drop(*(f"blocks/{rule:02d}-*" for rule in first))
        stages.tasks("match", [("jobs.judgements:read_judgements", (work,))])
        register = space.ranges(register=True)
        calls: list[Call] = [("jobs.tasks_settle:outline_range", (work, a, b)) for a, b in register]
        calls += [("jobs.tasks_settle:propose_range", (work, a, b)) for a, b in agencies]
        stages.tasks("match", calls)
        stages.tasks("match", [("jobs.tasks_settle:join_owners", (work,))])
        calls = [
            ("jobs.tasks_settle:find_rivals", (work, rule, some.start, some.stop))
            for rule in rival_rules(space)
            for some in space.stretches(LEAST_TASKS)
        ]
        stages.tasks("match", calls)
        done = stages.tasks("match", [("jobs.tasks_settle:settle_range", (work, a, b)) for a, b in agencies])
        facts["settled"] = sum(d["settled"] for d in done)
        facts["pairs"] += sum(d["pairs"] for d in done)
        stages.drop("outlines", "owners", "rivals")
    score([i for i, rule in enumerate(space.rules) if i not in first and not rule.relatives])
    stages.free("blocks", "probe")
    return facts
