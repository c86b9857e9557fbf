"""The task that measures what the rules lose: matches that only their identifier finds."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.tasks_match import weights_of
from jobs.tasks_train import pick_blocks, read_model, sampled_blocks
from jobs.workspace import Workspace
from linkage.match import Scoring, match_blocks, other_rules_find
from linkage.model import STEP


def measure_lost(work: str, rule: int, first: int, stop: int, share: float) -> dict[str, Any]:
    """Of the matches that an identifier finds in a sample of blocks, how many no rule without it would."""
    space = Workspace.open(work)
    weights = weights_of(space)
    blocks = sampled_blocks(space, rule, range(first, stop), share)
    blocks = pick_blocks(blocks, (blocks.n_register > 0) & (blocks.n_register < np.diff(blocks.starts)))
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
        return {"matches": 0, "lost": 0}
    without = {column, "personal_number", "old_number"} & set(space.kinds)
    found = other_rules_find(
        space.coded,
        space.meaning,
        space.blocking,
        strong.left.astype(np.int64),
        strong.right.astype(np.int64),
        tuple(without),
    )
    return {"matches": int(found.shape[0]), "lost": int((~found).sum())}
