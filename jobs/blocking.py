"""The stage that blocks: identifiers one slip apart, keys under every rule, blocks of each partition, the
refinement plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.cuts import spread
from jobs.executor import Call
from jobs.intake import Tasks
from jobs.workspace import Workspace

#: Register records a record may meet in one block before the block is refined.
BLOCK_CANDIDATES = 50

#: Bytes of keys that lie on the disk at once; beyond, rules are blocked one after the other.
KEYS_AT_ONCE = 4 << 30

#: Tasks a group of rules that are wanted at least.
LEAST_TASKS = 8

#: Bytes of a key on the disk, with its row.
_KEY_BYTES = 12


def block_records(stages: Tasks, space: Workspace, heavy: Mapping[str, int]) -> dict[str, Any]:
    """Block every rule; gives pairs by rule and by what became of them.

    heavy : keys that too many records share, by the number of their rule
    """
    work = str(space.work)
    n = space.layout["rows"]
    probed, beyond = _probe(stages, space)
    stretches = space.stretches(LEAST_TASKS)
    ordinary = [i for i, r in enumerate(space.rules) if not r.near]
    results: dict[int, list[dict[str, Any]]] = {}
    for group in rule_groups(ordinary, n):
        stages.tasks(
            "block",
            [("jobs.tasks_block:make_keys", (work, a, b, group)) for a, b in space.ranges()],
            [(b - a) * len(group) for a, b in space.ranges()],
        )
        calls: list[Call] = [
            ("jobs.tasks_block:make_blocks", (work, group, list(some), BLOCK_CANDIDATES))
            for some in stretches
        ]
        heavier = [r for r in group if str(r) in heavy]
        calls += [("jobs.tasks_heavy:tally_heavy", (work, r)) for r in heavier]
        passed = spread(n * len(group), len(stretches))
        made = stages.tasks("block", calls, [*passed, *[0] * len(heavier)])
        for place, rule in enumerate(group):
            results[rule] = [one for some in made[: len(stretches)] for one in some["rules"][place]]
        for rule, tally in zip(heavier, made[len(stretches) :], strict=True):
            results[rule].append(tally)
        stages.drop(*(f"keys/{rule:02d}-*" for rule in group))
    by_rule: dict[str, dict[str, int]] = {}
    for rule in ordinary:
        total = by_rule.setdefault(space.rules[rule].name, {})
        for result in results[rule]:
            for key, value in result["counts"].items():
                total[key] = max(total.get(key, 0), value) if key == "largest" else total.get(key, 0) + value
    refined = stages.tasks("block", [("jobs.tasks_block:merge_plan", (work,))])[0]["refined"]
    finding = {space.rules[i].name for i in ordinary if not space.rules[i].relatives}
    pairs = sum(v["pairs"] for k, v in by_rule.items() if k in finding) + probed
    return {
        "partitions": 1 << space.layout["bits"],
        "rules": by_rule,
        "refined": refined,
        "probed": probed,
        "probed_given_up": beyond,
        "pairs": pairs,
        "register_pairs": sum(v["register_pairs"] for v in by_rule.values()),
        "rows_in": n,
    }


def rows_passed(space: Workspace) -> int:
    """Rows that all rounds pass: every row under every rule, to make keys and to block them; agency records
    where identifiers are probed.
    """
    rows, register = space.layout["rows"], space.layout["n_register"]
    near = sum(r.near for r in space.rules)
    return int(2 * rows * (len(space.rules) - near) + (rows - register) * near)


def _probe(stages: Tasks, space: Workspace) -> tuple[int, int]:
    """Pair identifiers one slip apart; how many, and how many more were given up.

    Only corrections look at who holds what once more.
    """
    near = [
        (r, a, b) for r, rule in enumerate(space.rules) if rule.near for a, b in space.ranges(register=False)
    ]
    calls: list[Call] = [
        ("jobs.tasks_frequency:probe_identifiers", (str(space.work), r, a, b)) for r, a, b in near
    ]
    probed = stages.tasks("block", calls, [b - a for _, a, b in near])
    if not space.loaded.project.corrections.make:
        stages.drop("holders")
    return sum(p["pairs"] for p in probed), sum(p["given_up"] for p in probed)


def rule_groups(rules: Sequence[int], rows: int) -> list[list[int]]:
    """Rules that are blocked together, so that their keys do not take more of the disk than they may."""
    at_once = max(1, KEYS_AT_ONCE // max(1, 2 * _KEY_BYTES * rows))
    return [list(rules[at : at + at_once]) for at in range(0, len(rules), at_once)]
