"""Tasks that count patterns for training, and the one that fits the model.

Whatever the size of the run, they look at samples of bounded size: of records, by keyed hash; of blocks,
those with the smallest keys, which are keyed hashes too. A block's place among the partitions follows its
key, so that only the first partitions are read, and the sample is the same whatever their number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jobs.store import open_arrays, read_arrays, read_bytes, write_arrays, write_bytes
from jobs.tasks_block import block_keys
from jobs.workspace import Workspace
from kernels.partition import sort_by_key
from linkage.coded import Coded
from linkage.frequency import ValueCounts
from linkage.levels import Programme
from linkage.match import (
    AGENCY_REGISTER,
    REGISTER_REGISTER,
    count_block_patterns,
    count_pairs,
    count_shifted_pairs,
)
from linkage.model import FREQUENCIES, STEP, Model, groups_of
from linkage.name_keys import name_codes
from linkage.plan import TrainingPlan
from linkage.scored import Blocks, Counted
from linkage.train import Evidence, level_counts, some_parts, train, trained_parts, widened

#: Random pairs for u of near levels; fewer among few records, whose decisions need u less exactly.
RANDOM_PAIRS = 10_000_000
RANDOM_PAIRS_A_RECORD = 200

#: Records of either side that the random pairs are made of.
RANDOM_SIDE = 1 << 17

#: Register records, at most, whose values are counted for the chance that two of them agree.
EQUALITY_RECORDS = 1 << 20

#: Register pairs of a rule counted for what independence gets wrong.
REGISTER_PAIRS = 500_000

#: Pairs of a training rule, and pairs one slip apart, at most.
RULE_PAIRS = 1_000_000
NEAR_PAIRS = 250_000

#: Pairs, about, that one task counts in blocks.
TASK_PAIRS = 250_000

#: How many standard deviations more records are taken than a sample needs, so that it is never short.
_MARGIN = 8.0

#: The model as it is fitted, before what the rules lose has been measured.
FITTED = "fitted.json"


def sampled(order: np.ndarray, share: float) -> np.ndarray:
    """Which records are of the sample: bool[n], by keyed hash."""
    return order < np.uint64(min(share, 1.0) * (2**64 - 1)) if share < 1.0 else np.ones(order.shape[0], bool)


def share_for(wanted: int, n: int) -> float:
    """Share of ``n`` records of which nearly always at least ``wanted`` are sampled."""
    return min(1.0, (wanted + _MARGIN * wanted**0.5) / max(1, n))


def columns_of(space: Workspace, programme: Programme, rules: Sequence[int] = ()) -> tuple[str, ...]:
    """Columns that a programme's comparisons and the keys of some rules read, and what stands beside them."""
    read = {*programme.bit_columns, *(c for c, _ in programme.measures)}
    keyed = {c for i in rules for c in space.rules[i].columns}
    beside = {f"{c}.{suffix}" for c in read for suffix in ("alias", "held", "known")}
    wanted = read | keyed | beside | {f"{c}.alias" for c in keyed}
    return tuple(c for c in space.gathered if c in wanted)


def sampled_partitions(
    space: Workspace, rule: int, share: float, pairs: float = 0.0
) -> list[tuple[int, int]]:
    """The partitions that hold the blocks of a share of the rule's keys, the first ones, cut into as many
    stretches as ``pairs`` in all of them make tasks of :data:`TASK_PAIRS`. The blocks of a heavy key lie in
    all of them.
    """
    whole = 1 << space.layout["bits"]
    wanted = min(whole, max(1, int(np.ceil(share * whole))))
    heavy = space.heavy[rule]
    if share < 1.0 and (heavy.keys[heavy.depth == 0] < np.uint64(share * (2**64 - 1))).any():
        wanted = whole
    step = -(-wanted // min(wanted, max(1, int(np.ceil(pairs / TASK_PAIRS)))))
    return [(first, min(wanted, first + step)) for first in range(0, wanted, step)]


def sampled_blocks(
    space: Workspace, rule: int, partitions: Sequence[int], share: float, *, register: bool = False
) -> Blocks:
    """The blocks of some partitions whose keys before refinement are of the sample, and that have pairs: of
    an agency's records with the register's, or only the register's members and their own.

    Where few blocks of a nation have pairs, one task has all partitions: what has no pair is never held.
    """
    found = []
    for partition in partitions:
        blocks = _sampled(space, rule, partition, share)
        if register:
            chosen = blocks.n_register > 1
        else:
            chosen = (blocks.n_register > 0) & (blocks.n_register < np.diff(blocks.starts))
        found.append(pick_blocks(blocks, chosen, register=register))
    return join_blocks(found)


def _sampled(space: Workspace, rule: int, partition: int, share: float) -> Blocks:
    held = open_arrays(space.path("blocks", f"{rule:02d}-{partition:05d}.arrays"))
    keys, base = block_keys(held), held["base"]
    plain = keys.shape[0] - base.shape[0]
    starts = np.concatenate([[0], np.cumsum(held["sizes"], dtype=np.int64)])
    n_register = held["n_register"].astype(np.int32)
    none = np.zeros(0, np.uint64)
    if share >= 1.0:
        return Blocks(held["members"], starts, n_register, keys, none, {})
    limit = np.uint64(share * (2**64 - 1))
    first = int(np.searchsorted(keys[:plain], limit))
    head = Blocks(
        held.cut("members", 0, int(starts[first])),
        starts[: first + 1],
        n_register[:first],
        keys[:first],
        none,
        {},
    )
    tail = Blocks(
        held.cut("members", int(starts[plain]), int(starts[-1])),
        starts[plain:] - starts[plain],
        n_register[plain:],
        keys[plain:],
        none,
        {},
    )
    return join_blocks([head, pick_blocks(tail, base < limit)])


def join_blocks(many: Sequence[Blocks]) -> Blocks:
    """The blocks of several, one after the other."""
    if len(many) == 1:
        return many[0]
    sizes = np.concatenate([np.zeros(0, np.int64), *(np.diff(b.starts) for b in many)])
    return Blocks(
        np.concatenate([np.zeros(0, np.uint32), *(b.members for b in many)]),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([np.zeros(0, np.int32), *(b.n_register for b in many)]),
        np.concatenate([np.zeros(0, np.uint64), *(b.keys for b in many)]),
        np.zeros(0, np.uint64),
        {},
    )


def pick_blocks(blocks: Blocks, chosen: np.ndarray, *, register: bool = False) -> Blocks:
    """Some of the blocks (bool[blocks]), whole or with only their register members."""
    # The register's members come first in a block.
    sizes = (blocks.n_register.astype(np.int64) if register else np.diff(blocks.starts))[chosen]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    places = np.arange(starts[-1]) + np.repeat(blocks.starts[:-1][chosen] - starts[:-1], sizes)
    return Blocks(
        blocks.members[places], starts, blocks.n_register[chosen], blocks.keys[chosen], blocks.hot, {}
    )


def _save(path: Path, counted: Counted) -> None:
    write_arrays(path, patterns=counted.patterns, counts=counted.counts)


def _load(paths: Sequence[Path]) -> Counted:
    parts = [read_arrays(p) for p in paths]
    return Counted.total_of([Counted(p["patterns"], p["counts"]) for p in parts])


def take_sample(work: str, start: int, stop: int) -> dict[str, Any]:
    """Records of a range that the random pairs are made of, with their columns; of the register, also the
    values whose chance of agreement is counted, and how many records have each part's columns.
    """
    space = Workspace.open(work)
    first, n = space.layout["n_register"], space.layout["rows"]
    register = start < first
    of_side = first if register else n - first
    side = min(RANDOM_SIDE, first, n - first)
    order = np.asarray(space.coded.order[start:stop])
    rows = start + np.flatnonzero(sampled(order, share_for(side, of_side)))
    columns = columns_of(space, space.programme)
    arrays = {name: np.asarray(v) for name, v in space.coded.take(rows, columns).arrays.items()}
    facts: dict[str, Any] = {"rows_in": stop - start, "sampled": 0, "present": []}
    if register:
        rows_counted = start + np.flatnonzero(sampled(order, EQUALITY_RECORDS / max(1, first)))
        table = space.coded.take(rows_counted, columns)
        facts["sampled"] = int(rows_counted.shape[0])
        facts["present"] = [int(_present(space, table, p.columns).sum()) for p in space.programme.parts]
        for number, (column, form) in enumerate(_equalities(space).values()):
            arrays[f"@equal{number}"] = _codes(space, table, column, form)
    write_arrays(space.range_file("train/sample", start), **{"@order": order[rows - start]}, **arrays)
    return facts


def _present(space: Workspace, table: Coded, columns: Sequence[str]) -> np.ndarray:
    """Which records have all of some columns: bool[n]."""
    whole = np.ones(len(table), bool)
    for column in columns:
        values, kind = np.asarray(table.arrays[column]), space.kinds[column]
        whole &= (values[:, 0] != 0) if kind == "name" else (values >= 0) if kind == "unit" else (values != 0)
    return whole


def _equalities(space: Workspace) -> dict[tuple[str, str], tuple[str, str]]:
    """Levels that are plain equality of one column, by part and level: the column and the form compared."""
    out = {}
    for part in space.programme.parts:
        if len(part.columns) != 1:
            continue
        column = part.columns[0]
        kind = space.kinds[column]
        for level in part.levels:
            if kind == "name" and level.when in ("exact", "unaccented"):
                out[part.name, level.name] = column, "exact" if level.when == "exact" else "ascii"
            elif kind in ("phone", "identifier", "text") and level.when == "exact":
                out[part.name, level.name] = column, ""
    return {k: v for k, v in out.items() if not _counted(*v)}


def _counted(column: str, form: str) -> bool:
    """Whether the chance of agreement is known from the counts over the whole register."""
    return column == "full_name" and form in FREQUENCIES


def _codes(space: Workspace, table: Coded, column: str, form: str) -> np.ndarray:
    """A number for each value that is compared, uint64[n], 0 for none."""
    values = np.asarray(table.arrays[column])
    if space.kinds[column] != "name":
        return values.astype(np.uint64)
    return name_codes(values, space.meaning.tokens, "" if form == "exact" else "ascii")


def _sample(space: Workspace) -> tuple[Coded, int]:
    """The records of the random pairs, those of the agencies first: as many of either side as there are."""

    def load() -> tuple[Coded, int]:
        sides = []
        side = RANDOM_SIDE
        for register in (False, True):
            held = [
                read_arrays(space.range_file("train/sample", a)) for a, _ in space.ranges(register=register)
            ]
            order = np.concatenate([h["@order"] for h in held]) if held else np.zeros(0, np.uint64)
            at = np.arange(order.shape[0], dtype=np.uint32)
            sort_by_key(order, at)
            sides.append((held, at))
            side = min(side, order.shape[0])
        arrays = {}
        for name in columns_of(space, space.programme):
            if name in space.coded.arrays:
                own = [
                    np.take(np.concatenate([h[name] for h in held]), at[:side], axis=0)
                    for held, at in sides
                    if side
                ]
                arrays[name] = np.concatenate(own) if own else np.asarray(space.coded.arrays[name][:0])
        zeros = np.zeros(2 * side, np.uint64)
        return Coded(arrays, zeros.astype(np.uint8), zeros, 0), side

    return space.fresh("training sample", ("train/sample",), load)


def count_random(work: str, chunk: int, chunks: int, places: Sequence[int] | None = None) -> dict[str, Any]:
    """Patterns of random agency-register pairs, of all parts or of some: both sides by their keyed hash, one
    side shifted. Tells also how many pairs each level of each part has.
    """
    space = Workspace.open(work)
    table, side = _sample(space)
    places = list(range(len(space.programme.parts))) if places is None else places
    programme = some_parts(space.programme, places, space.kinds)
    wanted = min(RANDOM_PAIRS, RANDOM_PAIRS_A_RECORD * space.layout["rows"])
    shifts = max(1, min(wanted // max(side, 1), side - 1 if side > 1 else 1))
    counted = count_shifted_pairs(
        table,
        space.meaning,
        programme,
        side,
        [(int(shift) * 7919 + 1) % max(side, 1) for shift in range(chunk, shifts, chunks)],
    )
    counted = widened(counted, programme, space.programme, places)
    _save(space.path("train", f"random-{chunk:05d}.arrays"), counted)
    levels = [counts.tolist() for counts in level_counts(space.programme, counted)]
    return {"pairs": int(counted.counts.sum()), "levels": levels}


def fixed_columns(space: Workspace, rule: int) -> tuple[str, ...]:
    """Columns that a rule's pairs agree on: its key's, and its refinement's where any block was refined."""
    parts = space.rules[rule].on
    if space.blocking.hot[rule].size:
        parts = (*parts, *space.rules[rule].refine)
    return tuple(dict.fromkeys(p.column for p in parts))


def count_rule(work: str, rule: int, first: int, stop: int, share: float) -> dict[str, Any]:
    """Patterns of agency-register pairs in the sampled blocks of some partitions, ownership apart: of a
    training rule without the parts that read its own columns, of an identifier with all parts.
    """
    space = Workspace.open(work)
    places = list(range(len(space.programme.parts)))
    if rule not in [r for _, r in space.training.groups]:
        places = trained_parts(space.programme, fixed_columns(space, rule))
    programme = some_parts(space.programme, places, space.kinds)
    blocks = sampled_blocks(space, rule, range(first, stop) if places else (), share)
    counted = count_block_patterns(
        space.coded,
        space.meaning,
        programme,
        space.blocking,
        rule,
        blocks,
        columns_of(space, programme, (rule,)),
        AGENCY_REGISTER,
        owned=False,
    )
    file = f"rule{rule:02d}-{first:05d}.arrays"
    _save(space.path("train", file), widened(counted, programme, space.programme, places))
    return {"pairs": int(counted.counts.sum()), "file": file}


def count_probe(work: str, rule: int, start: int, share: float) -> dict[str, Any]:
    """Patterns of the probed pairs of the sampled records of a range."""
    space = Workspace.open(work)
    held = read_arrays(space.path("probe", f"{rule:02d}-{start:012d}.arrays"))
    left, right = held["left"].astype(np.int64), held["right"].astype(np.int64)
    if share < 1.0:
        some = sampled(space.coded.order[left], share)
        left, right = left[some], right[some]
    counted = count_pairs(
        space.coded, space.meaning, space.programme, left, right, columns_of(space, space.programme)
    )
    file = f"rule{rule:02d}-{start:012d}.arrays"
    _save(space.path("train", file), counted)
    return {"pairs": int(counted.counts.sum()), "file": file}


def count_register(work: str, rule: int, first: int, stop: int, share: float) -> dict[str, Any]:
    """Patterns, the identifier apart, of the register's own pairs in the sampled blocks of some partitions,
    each pair under its own rule.
    """
    space = Workspace.open(work)
    number, _ = groups_of(space.programme.parts)
    places = [i for i in range(len(space.programme.parts)) if i != number]
    programme = some_parts(space.programme, places, space.kinds)
    blocks = sampled_blocks(space, rule, range(first, stop), share, register=True)
    earlier = range(rule + 1)
    counted = count_block_patterns(
        space.coded,
        space.meaning,
        programme,
        space.blocking,
        rule,
        blocks,
        columns_of(space, programme, earlier),
        REGISTER_REGISTER,
        owned=True,
    )
    file = f"register{rule:02d}-{first:05d}.arrays"
    _save(space.path("train", file), widened(counted, programme, space.programme, places))
    return {"pairs": int(counted.counts.sum()), "file": file}


def _equality(space: Workspace, present: dict[str, float]) -> dict[tuple[str, str], float]:
    """Chance that two register persons agree, for levels that are plain equality of one column.

    From the counts over the whole register, or over a sample of it: the pairs of a sample agree as often as
    those of the whole.
    """
    out = {}
    first = space.layout["n_register"]
    for part in space.programme.parts:
        for level in part.levels:
            form = "exact" if level.when == "exact" else "ascii"
            if part.columns == ("full_name",) and level.when in ("exact", "unaccented"):
                borne = present[part.name] * first
                same = space.counted["chance"][form] * first * (first - 1.0)
                out[part.name, level.name] = same / max(1.0, borne * (borne - 1.0))
    held = [open_arrays(space.range_file("train/sample", a)) for a, _ in space.ranges(register=True)]
    for number, key in enumerate(_equalities(space)):
        codes = np.concatenate([h[f"@equal{number}"] for h in held]) if held else np.zeros(0, np.uint64)
        out[key] = ValueCounts.of(codes[codes != 0]).chance_agreement(int((codes != 0).sum()))
    return out


def shares_of(space: Workspace, rules: dict[str, dict[str, int]], probed: int) -> dict[str, dict[int, float]]:
    """Which share of every rule's blocks is counted, of agency-register pairs (``rules``) and of the
    register's own (``register``).

    rules : pairs by rule, and by what became of them;  probed : pairs one slip apart
    """
    plan: TrainingPlan = space.training
    n_agency = max(1, space.layout["rows"] - space.layout["n_register"])
    wanted = dict.fromkeys([*plan.rules, *(r for _, r in plan.groups)])
    own, register = {}, {}
    for rule in wanted:
        compiled = space.rules[rule]
        most = NEAR_PAIRS / max(1, probed) if compiled.near else plan.sample / n_agency
        if not compiled.near:
            most = min(most, RULE_PAIRS / max(1, rules[compiled.name]["pairs"]))
        own[rule] = min(1.0, most)
    for rule, compiled in enumerate(space.rules):
        if not compiled.near and rules[compiled.name]["register_pairs"]:
            register[rule] = min(1.0, REGISTER_PAIRS / rules[compiled.name]["register_pairs"])
    return {"rules": own, "register": register}


def fit_model(
    work: str,
    chunks: int,
    files: Sequence[str],
    shares: dict[str, dict[str, float]],
    sample: int,
    present: Sequence[int],
) -> dict[str, Any]:
    """Train the model from all counted patterns and write it.

    chunks : of random pairs;  files : counted patterns of blocks and probes;  shares : see
    :func:`shares_of`, rules as text;  sample : register records that were looked at one by one, and
    ``present``, how many of them have each part's columns
    """
    space = Workspace.open(work)
    plan = space.training
    first, n = space.layout["n_register"], space.layout["rows"]
    having = {
        p.name: (count / sample if sample else 1.0)
        for p, count in zip(space.programme.parts, present, strict=True)
    }

    def counted(stem: str) -> Counted:
        return _load([space.path("train", f) for f in sorted(files) if f.startswith(f"{stem}-")])

    evidence = Evidence(
        rules={space.rules[r].name: counted(f"rule{r:02d}") for r in plan.rules},
        groups={name: counted(f"rule{rule:02d}") for name, rule in plan.groups},
        rule_columns={space.rules[r].name: fixed_columns(space, r) for r in plan.rules},
        random=_load([space.path("train", f"random-{c:05d}.arrays") for c in range(chunks)]),
        register=[(counted(f"register{int(rule):02d}"), share) for rule, share in shares["register"].items()],
        equality=_equality(space, having),
        n_agency=n - first,
        n_register=first,
        present=having,
        lost=0.005,
        mean_frequency={
            f: max(space.counted["chance"][f], 1e-12) if "full_name" in space.columns else 1e-12
            for f in FREQUENCIES
        },
        group_share={name: shares["rules"][str(rule)] for name, rule in plan.groups},
    )
    model = train(space.programme, evidence, iterations=plan.iterations)
    write_bytes(space.path("train", FITTED), model.to_json())
    return {"converged": model.converged, "warnings": len(model.warnings)}


def read_model(space: Workspace) -> Model:
    """The run's model."""
    path = space.work / "model.json"
    return space.fresh("model", ("model.json",), lambda: Model.from_json(read_bytes(path)))


def rate_repeats(work: str, start: int, stop: int) -> dict[str, Any]:
    """Terms of repeated identifiers of an agency range, by the model's chance of their agreement."""
    space = Workspace.open(work)
    model = read_model(space)
    parts = space.programme.parts
    number, _ = groups_of(parts)
    out = np.zeros(stop - start, np.int32)
    levels = parts[number].levels if number >= 0 else ()
    marked = [i for i, v in enumerate(levels) if v.term_frequency == "repeats"]
    if marked:
        chance = model.parts[number].levels[marked[0]].u
        named = re.findall(r"\b([a-z][a-z0-9_]*)\.", levels[marked[0]].when)
        column = named[0] if named else parts[number].columns[0]
        repeats = open_arrays(space.range_file("side", start))[f"{column}.repeats"]
        sizes = np.zeros(len(space.sources), np.int64)
        for source, _, _, rows in space.layout["parts"]:
            sizes[source] += rows
        of_source = np.maximum(sizes, 1)[space.coded.source[start:stop]]
        extra = np.maximum(repeats - 1, 0) / of_source / chance
        out = -np.rint(np.log2(1.0 + extra) * STEP).astype(np.int32)
    write_arrays(space.range_file("repeats", start), repeats=out)
    return {"rows_in": stop - start}
