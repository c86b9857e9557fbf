"""Tasks that block: keys of every record by partition, the blocks of each partition, the refinement plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jobs.store import Arrays, open_arrays, read_arrays, write_arrays, write_each
from jobs.tasks_heavy import hot_arrays, open_spread, read_hot, read_spread, set_aside
from jobs.workspace import Workspace, slice_of
from kernels.partition import partition_rows
from linkage.block import plan_blocks
from linkage.coded import Coded
from linkage.hot import Hot
from linkage.rules import KeyPart, base_keys, many_keys
from linkage.scored import Blocks

#: What is kept of a hot key, see :class:`linkage.hot.Hot`; ``left`` of all that came of it.
KNOWN = ("depth", "row", "pairs", "registers", "agencies", "left")


def make_keys(work: str, start: int, stop: int, rules: Sequence[int]) -> dict[str, Any]:
    """Base keys of a range of records under some rules, by partition of the key."""
    space = Workspace.open(work)
    bits = space.layout["bits"]
    columns = {c for i in rules for c in space.rules[i].columns}
    columns |= {f"{c}.alias" for c in columns}
    coded = slice_of(space.coded, start, stop, sorted(columns))
    codes: dict[KeyPart, np.ndarray] = {}

    def gather(wanted: np.ndarray, names: tuple[str, ...]) -> Coded:
        return coded.take(wanted - np.uint32(start), names)

    def made() -> Iterator[tuple[str, np.ndarray]]:
        # Rules take turns with the same memory: pages that nobody has touched yet cost more than the sorting.
        sorted_keys, sorted_rows = np.empty(0, np.uint64), np.empty(0, np.uint32)
        starts = np.empty((1 << bits) + 1, np.int64)
        for index in rules:
            if space.rules[index].relatives and start >= space.layout["n_register"]:
                keys = np.zeros((0, 1), np.uint64)
            else:
                keys = base_keys(coded, space.meaning, space.rules[index], space.key_secret, codes)
            set_aside(space, index, start, keys, gather)
            if keys.size > sorted_keys.size:
                sorted_keys, sorted_rows = np.empty(keys.size, np.uint64), np.empty(keys.size, np.uint32)
            partition_rows(keys, start, bits, starts, sorted_keys, sorted_rows)
            yield f"keys{index}", sorted_keys[: starts[-1]]
            yield f"rows{index}", sorted_rows[: starts[-1]]
            yield f"starts{index}", starts

    write_each(_keys_file(space, rules, start), made())
    return {"rows_in": stop - start}


def _keys_file(space: Workspace, rules: Sequence[int], start: int) -> Path:
    """The keys of a range under rules that are blocked together, a partition after the other."""
    return space.path("keys", f"{rules[0]:02d}-{start:012d}.arrays")


def make_blocks(
    work: str, rules: Sequence[int], partitions: Sequence[int], candidates: int
) -> dict[str, Any]:
    """Blocks of some partitions of some rules, one after the other, refined where they are hot.

    Files of keys are opened once a task: with hundreds of ranges that takes longer than to read a partition.
    """
    space = Workspace.open(work)
    held = [open_arrays(_keys_file(space, rules, start)) for start, _ in space.ranges()]
    deep = {rule: open_spread(space, rule) for rule in rules}
    made = [[_make_blocks(space, held, deep[r], r, p, candidates) for p in partitions] for r in rules]
    return {"rules": made, "rows_in": sum(m["rows_in"] for of_rule in made for m in of_rule)}


def _make_blocks(
    space: Workspace,
    held: Sequence[Arrays],
    deep: Sequence[Arrays],
    rule: int,
    partition: int,
    candidates: int,
) -> dict[str, Any]:
    keys, rows = [], []
    for arrays in held:
        start, stop = (int(v) for v in arrays[f"starts{rule}"][partition : partition + 2])
        keys.append(arrays.cut(f"keys{rule}", start, stop))
        rows.append(arrays.cut(f"rows{rule}", start, stop))

    def coded_of(wanted: np.ndarray, columns: tuple[str, ...]) -> Coded:
        return space.coded.take(wanted, columns, marks=not columns)

    blocks = plan_blocks(
        np.concatenate(keys),
        np.concatenate(rows),
        coded_of,
        space.meaning,
        space.rules[rule],
        space.layout["n_register"],
        candidates,
        spread=read_spread(deep, partition),
    )
    write_arrays(
        space.path("blocks", f"{rule:02d}-{partition:05d}.arrays"),
        members=blocks.members,
        sizes=_narrow(np.diff(blocks.starts)),
        n_register=_narrow(blocks.n_register),
        **({"keys": blocks.keys} if many_keys(space.rules[rule]) else {"tags": _tags(blocks.keys)}),
        base=blocks.base,
        **hot_arrays(blocks.told),
    )
    return {
        "counts": blocks.counts,
        "rows_in": sum(part.shape[0] for part in rows),
        "hot": int(blocks.hot.shape[0]),
    }


def _tags(keys: np.ndarray) -> np.ndarray:
    """Upper half of each key: enough to sample blocks by. Whole keys are needed under rules of several."""
    return (keys >> np.uint64(32)).astype(np.uint32)


def block_keys(held: Mapping[str, np.ndarray]) -> np.ndarray:
    """Keys of the blocks of a container, uint64; under a rule of one key a record only their upper halves."""
    return held["keys"] if "keys" in held else held["tags"].astype(np.uint64) << np.uint64(32)


def _narrow(values: np.ndarray) -> np.ndarray:
    """The same numbers in as few bytes as they take."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def read_blocks(space: Workspace, rule: int, partition: int) -> Blocks:
    """What :func:`make_blocks` wrote; under a rule of one key a record, a tag stands for the key."""
    held = read_arrays(space.path("blocks", f"{rule:02d}-{partition:05d}.arrays"))
    starts = np.concatenate([[0], np.cumsum(held["sizes"], dtype=np.int64)])
    n_register = held["n_register"].astype(np.int32)
    return Blocks(held["members"], starts, n_register, block_keys(held), read_hot(held).keys, {})


def merge_plan(work: str) -> dict[str, Any]:
    """The refinement plan of all rules, and beside it what is known of its keys."""
    space = Workspace.open(work)
    hot: dict[str, np.ndarray] = {}
    known: dict[str, np.ndarray] = {}
    for index, rule in enumerate(space.rules):
        partitions = range(0 if rule.near else 1 << space.layout["bits"])
        files = [space.path("blocks", f"{index:02d}-{p:05d}.arrays") for p in partitions]
        if space.heavy[index].keys.size:
            files.append(space.path("hot", f"{index:02d}.arrays"))
        told = Hot.join([read_hot(open_arrays(file)) for file in files])
        hot[f"rule{index}"] = told.keys
        told = replace(told, left=told.left_together())
        known |= {f"{name}{index}": getattr(told, name) for name in KNOWN}
    write_arrays(space.path("hot", "known.arrays"), **known)
    write_arrays(space.path("plan", "hot.arrays"), **hot)
    return {"refined": {space.rules[i].name: int(hot[f"rule{i}"].shape[0]) for i in range(len(space.rules))}}
