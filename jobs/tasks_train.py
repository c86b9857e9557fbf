"""Tasks that count patterns for training, and the one that fits the model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from jobs.store import write_array, write_bytes
from jobs.tasks import read_blocks, read_counts
from jobs.workspace import Workspace, read_arrays, write_arrays
from linkage.frequency import ValueCounts
from linkage.levels import Part
from linkage.match import (
    AGENCY_REGISTER,
    REGISTER_REGISTER,
    Scoring,
    count_block_patterns,
    count_pairs,
    count_shifted_pairs,
    match_blocks,
    other_rules_find,
)
from linkage.model import STEP, Model, groups_of, weigh
from linkage.name_keys import name_codes
from linkage.scored import Blocks, Counted
from linkage.train import Evidence, train

#: Random pairs for u of near levels; fewer among few records, whose decisions need u less exactly.
RANDOM_PAIRS = 10_000_000
RANDOM_PAIRS_A_RECORD = 200

#: Register pairs counted for what independence gets wrong.
REGISTER_PAIRS = 20_000_000


def _training_columns(space: Workspace) -> tuple[str, ...]:
    return tuple(c for c in space.gathered if c not in ("frequency", "repeats"))


def sampled(order: np.ndarray, share: float) -> np.ndarray:
    """Which records are of the sample: bool[n], by keyed hash."""
    return order < np.uint64(min(share, 1.0) * (2**64 - 1)) if share < 1.0 else np.ones(order.shape[0], bool)


def thin_blocks(blocks: Blocks, keep: np.ndarray) -> Blocks:
    """The blocks with only the members of a mask; blocks left without a pair stay as empty ones."""
    block_of = np.repeat(np.arange(blocks.n_register.shape[0]), np.diff(blocks.starts))
    sizes = np.bincount(block_of[keep], minlength=blocks.n_register.shape[0])
    return Blocks(
        blocks.members[keep],
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        blocks.n_register,
        blocks.keys,
        blocks.hot,
        {},
    )


def pick_blocks(blocks: Blocks, chosen: np.ndarray) -> Blocks:
    """Some of the blocks, whole."""
    sizes = np.diff(blocks.starts)
    member = np.repeat(chosen, sizes)
    return Blocks(
        blocks.members[member],
        np.concatenate([[0], np.cumsum(sizes[chosen])]).astype(np.int64),
        blocks.n_register[chosen],
        blocks.keys[chosen],
        blocks.hot,
        {},
    )


def _agency_sample(space: Workspace, blocks: Blocks, share: float) -> Blocks:
    """Blocks with the register's members and the sampled agencies' only."""
    first = space.layout["n_register"]
    is_agency = blocks.members >= first
    keep = ~is_agency
    rows = blocks.members[is_agency]
    keep[is_agency] = sampled(np.asarray(space.coded.order)[rows], share)
    thin = thin_blocks(blocks, keep)
    return pick_blocks(thin, np.diff(thin.starts) > thin.n_register)


def _save(path: Path, counted: Counted) -> None:
    write_arrays(path, patterns=counted.patterns, counts=counted.counts)


def _load(paths: list[Path]) -> Counted:
    parts = [read_arrays(p) for p in paths]
    return Counted.total_of([Counted(p["patterns"], p["counts"]) for p in parts])


def count_random(work: str, chunk: int, chunks: int) -> dict[str, Any]:
    """Patterns of random agency-register pairs: both sides by their keyed hash, one side shifted."""
    space = Workspace.open(work)
    order = np.asarray(space.coded.order)
    first = space.layout["n_register"]
    n_register, n_agency = first, order.shape[0] - first
    side = int(min(1 << 17, n_register, n_agency))
    register = np.argsort(order[:first], kind="stable")[:side]
    agency = first + np.argsort(order[first:], kind="stable")[:side]
    wanted = min(RANDOM_PAIRS, RANDOM_PAIRS_A_RECORD * (n_register + n_agency))
    shifts = max(1, min(wanted // max(side, 1), side - 1 if side > 1 else 1))
    mine = np.arange(chunk, shifts, chunks)
    whole = count_shifted_pairs(
        space.coded,
        space.meaning,
        space.programme,
        agency,
        register,
        [(int(shift) * 7919 + 1) % max(side, 1) for shift in mine],
        _training_columns(space),
    )
    _save(space.path("train", f"random-{chunk:05d}.npz"), whole)
    return {"pairs": int(whole.counts.sum())}


def count_rule(work: str, rule: int, partition: int, share: float) -> dict[str, Any]:
    """Patterns of sampled agency records with the register in one partition of a rule, ownership apart."""
    space = Workspace.open(work)
    blocks = _agency_sample(space, read_blocks(space, rule, partition), share)
    counted = count_block_patterns(
        space.coded,
        space.meaning,
        space.programme,
        space.blocking,
        rule,
        blocks,
        _training_columns(space),
        AGENCY_REGISTER,
        owned=False,
    )
    _save(space.path("train", f"rule{rule:02d}-{partition:05d}.npz"), counted)
    return {"pairs": int(counted.counts.sum())}


def count_probe(work: str, rule: int, start: int) -> dict[str, Any]:
    """Patterns of all probed pairs of one range."""
    space = Workspace.open(work)
    held = read_arrays(space.path("probe", f"{rule:02d}-{start:012d}.npz"))
    counted = count_pairs(
        space.coded,
        space.meaning,
        space.programme,
        held["left"].astype(np.int64),
        held["right"].astype(np.int64),
        _training_columns(space),
    )
    _save(space.path("train", f"rule{rule:02d}-{start:012d}.npz"), counted)
    return {"pairs": int(counted.counts.sum())}


def count_register(work: str, rule: int, partition: int, share: float) -> dict[str, Any]:
    """Patterns of the register's own pairs in a hashed share of the blocks, each pair under its own rule."""
    space = Workspace.open(work)
    blocks = read_blocks(space, rule, partition)
    chosen = (blocks.n_register > 1) & sampled(blocks.keys * np.uint64(0x9E3779B97F4A7C15), share)
    counted = count_block_patterns(
        space.coded,
        space.meaning,
        space.programme,
        space.blocking,
        rule,
        pick_blocks(blocks, chosen),
        _training_columns(space),
        REGISTER_REGISTER,
        owned=True,
    )
    _save(space.path("train", f"register{rule:02d}-{partition:05d}.npz"), counted)
    return {"pairs": int(counted.counts.sum())}


def _equality(space: Workspace) -> dict[tuple[str, str], float]:
    """Chance that two register persons agree, for levels that are plain equality of one column."""
    first = space.layout["n_register"]
    known = read_counts(space)
    out = {}
    for part in space.programme.parts:
        if len(part.columns) != 1:
            continue
        column = part.columns[0]
        values = np.asarray(space.coded.arrays[column][:first])
        kind = space.kinds[column]
        for level in part.levels:
            if kind == "name" and level.when in ("exact", "unaccented"):
                form = "exact" if level.when == "exact" else "ascii"
                if column == "full_name":
                    counts = known[form]
                else:
                    counts = ValueCounts.of(
                        name_codes(values, space.meaning.tokens, "" if form == "exact" else "ascii")
                    )
                present = int((values[:, 0] != 0).sum())
                out[part.name, level.name] = counts.chance_agreement(present)
            elif kind in ("phone", "identifier", "text") and level.when == "exact":
                present = int((values != 0).sum())
                out[part.name, level.name] = ValueCounts.of(values.astype(np.uint64)).chance_agreement(
                    present
                )
    return out


def _present(space: Workspace, part: Part) -> float:
    """Share of register records that have all of a part's columns."""
    first = space.layout["n_register"]
    whole = np.ones(first, bool)
    for column in part.columns:
        values = np.asarray(space.coded.arrays[column][:first])
        kind = space.kinds[column]
        whole &= (values[:, 0] != 0) if kind == "name" else (values >= 0) if kind == "unit" else (values != 0)
    return float(whole.mean()) if first else 1.0


def _fixed_columns(space: Workspace, rule: int) -> tuple[str, ...]:
    """Columns that a rule's pairs agree on: its key's, and its refinement's where any block was refined."""
    parts = space.rules[rule].on
    if space.blocking.hot[rule].size:
        parts = (*parts, *space.rules[rule].refine)
    return tuple(dict.fromkeys(p.column for p in parts))


def fit_model(work: str, partitions: int, chunks: int, register_share: float) -> dict[str, Any]:
    """Train the model from all counted patterns and write it."""
    space = Workspace.open(work)
    folder = space.work / "train"
    plan = space.training
    first, n = space.layout["n_register"], space.layout["rows"]
    counts = read_counts(space)
    groups = {}
    for name, rule in plan.groups:
        groups[name] = _load(sorted(folder.glob(f"rule{rule:02d}-*.npz")))
    rules = {
        space.rules[r].name: _load([folder / f"rule{r:02d}-{p:05d}.npz" for p in range(partitions)])
        for r in plan.rules
    }
    sample_share = space.settings["sample_share"]
    evidence = Evidence(
        rules=rules,
        groups=groups,
        rule_columns={space.rules[r].name: _fixed_columns(space, r) for r in plan.rules},
        random=_load([folder / f"random-{c:05d}.npz" for c in range(chunks)]),
        register=_load(sorted(folder.glob("register*.npz"))),
        register_share=register_share,
        equality=_equality(space),
        n_agency=n - first,
        n_register=first,
        present={p.name: _present(space, p) for p in space.programme.parts},
        lost=0.005,
        mean_frequency={f: max(counts[f].chance_agreement(first), 1e-12) for f in ("exact", "ascii", "ends")},
        group_share={name: (1.0 if space.rules[rule].near else sample_share) for name, rule in plan.groups},
    )
    model = train(space.programme, evidence, iterations=plan.iterations)
    write_bytes(space.work / "model.json", model.to_json())
    return {"converged": model.converged, "warnings": len(model.warnings)}


def read_model(space: Workspace) -> Model:
    """The run's model."""
    return Model.from_json((space.work / "model.json").read_bytes())


def rate_repeats(work: str) -> dict[str, Any]:
    """Terms of repeated identifiers, by the model's chance of their agreement."""
    space = Workspace.open(work)
    model = read_model(space)
    number, _ = groups_of(space.programme.parts)
    out = np.zeros(space.layout["rows"], np.int32)
    if number >= 0:
        levels = space.programme.parts[number].levels
        marked = [i for i, v in enumerate(levels) if v.term_frequency == "repeats"]
        if marked:
            chance = model.parts[number].levels[marked[0]].u
            named = re.findall(r"\b([a-z][a-z0-9_]*)\.", levels[marked[0]].when)
            column = named[0] if named else space.programme.parts[number].columns[0]
            repeats = np.load(space.path("holders", f"{column}.repeats.npy"))
            source = np.asarray(space.coded.source)
            sizes = np.maximum(np.bincount(source, minlength=len(space.sources)), 1)
            extra = np.maximum(repeats - 1, 0) / sizes[source] / chance
            out = -np.rint(np.log2(1.0 + extra) * STEP).astype(np.int32)
    write_array(space.path("columns", "repeats.npy"), out)
    return {}


def measure_lost(work: str, rule: int, partition: int, share: float) -> dict[str, Any]:
    """Of sampled matches that an identifier finds, how many no rule without it would find."""
    space = Workspace.open(work)
    model = read_model(space)
    weights = weigh(model, space.programme)
    blocks = _agency_sample(space, read_blocks(space, rule, partition), share)
    column = space.rules[rule].on[0].column
    floor = int(np.log2(max(2, model.register)) + 10) * STEP
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
        space.gathered,
    )
    return {"matches": int(found.shape[0]), "lost": int((~found).sum())}
