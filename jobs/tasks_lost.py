"""The task that measures what the rules lose: matches that only their identifier finds, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.tasks_match import weights_of
from jobs.tasks_train import read_model, sampled_blocks
from jobs.workspace import Workspace
from linkage.match import RuleKeys, Scoring, match_blocks, other_rules_find
from linkage.model import STEP
from linkage.scored import Scored


def measure_lost(work: str, rule: int, first: int, stop: int, share: float) -> dict[str, Any]:
    """Of the matches that an identifier finds in a sample of blocks, how many no rule without it would, and
    how many of these because refinement parts the two records in every rule that brings them together.
    """
    space = Workspace.open(work)
    weights = weights_of(space)
    blocks = sampled_blocks(space, rule, range(first, stop), share)
    column = space.rules[rule].on[0].column
    floor = int(np.log2(max(2, read_model(space).register)) + 10) * STEP
    scored, _ = match_blocks(
        space.coded,
        space.meaning,
        space.programme,
        space.blocking,
        rule,
        blocks,
        Scoring(weights, floor),
        space.gathered,
    )
    strong = scored.where((scored.weight >= floor) & weights.allowed[scored.pattern])
    if strong.left.shape[0] == 0:
        return {"matches": 0, "lost": 0, "parted": 0}
    without = {column, "personal_number", "old_number"} & set(space.kinds)
    unrefined = RuleKeys(space.rules, [np.zeros(0, np.uint64)] * len(space.rules), space.blocking.secret)

    def found(pairs: Scored, blocking: RuleKeys) -> np.ndarray:
        left, right = pairs.left.astype(np.int64), pairs.right.astype(np.int64)
        return other_rules_find(space.coded, space.meaning, blocking, left, right, tuple(without))

    lost = strong.where(~found(strong, space.blocking))
    parted = int(found(lost, unrefined).sum()) if lost.left.size else 0
    return {"matches": int(strong.left.size), "lost": int(lost.left.size), "parted": parted}
