"""Keys and blocks as a run leaves them, against the keys of every record."""

from __future__ import annotations

import collections

import numpy as np

from jobs.store import read_arrays
from jobs.tasks_block import read_blocks
from jobs.workspace import Workspace, slice_of
from linkage.rules import base_keys


def keys_of(kept: Workspace, rule: int) -> np.ndarray:
    coded = slice_of(kept.coded, 0, len(kept.coded), tuple(kept.coded.arrays))
    return base_keys(coded, kept.meaning, kept.rules[rule], kept.key_secret)


def test_key_secret__is_made_from_all_record_ids(kept: Workspace) -> None:
    assert kept.key_secret != kept.secret


def test_keys__are_those_of_the_rows_and_lie_in_their_partition(kept: Workspace) -> None:
    bits = kept.layout["bits"]
    for index, rule in enumerate(kept.rules):
        if rule.near:
            continue
        whole: collections.Counter[tuple[int, int]] = collections.Counter()
        for start, stop in kept.ranges():
            # All rules are blocked together here: their keys stand with those of the first.
            held = read_arrays(kept.path("keys", f"00-{start:012d}.arrays"))
            keys, rows, starts = (held[f"{name}{index}"] for name in ("keys", "rows", "starts"))
            assert rows.size == 0 or (rows.min() >= start and rows.max() < stop)
            partition = (keys >> np.uint64(64 - bits)).astype(np.int64)
            assert np.array_equal(np.searchsorted(partition, np.arange(2**bits + 1)), starts)
            whole.update(zip(keys.tolist(), rows.tolist(), strict=True))
        table = keys_of(kept, index)
        last = kept.layout["n_register"] if rule.relatives else table.shape[0]
        heavy = set(kept.heavy[index].keys.tolist())
        wanted = ((int(k), r) for r in range(last) for k in table[r] if k and int(k) not in heavy)
        assert whole == collections.Counter(wanted)


def test_blocks__hold_all_records_of_a_key_or_are_refined(kept: Workspace) -> None:
    """Without a hot key, the blocks of a rule are just the rows of each key that two may share."""
    first = kept.layout["n_register"]
    hot = read_arrays(kept.path("plan", "hot.arrays"))
    looked = 0
    for index, rule in enumerate(kept.rules):
        if rule.near or rule.relatives or hot[f"rule{index}"].size:
            continue
        looked += 1
        by_key = collections.defaultdict(set)
        for row, keys in enumerate(keys_of(kept, index).tolist()):
            for key in keys:
                if key:
                    by_key[key].add(row)
        wanted = {(a, b) for rows in by_key.values() for a in rows if a >= first for b in rows if b < first}
        found = set()
        for partition in range(2 ** kept.layout["bits"]):
            held = read_blocks(kept, index, partition)
            for at in range(held.n_register.shape[0]):
                members = held.members[held.starts[at] : held.starts[at + 1]].tolist()
                register = members[: int(held.n_register[at])]
                assert all(m < first for m in register)
                found |= {(a, b) for a in members[len(register) :] for b in register}
        assert found == wanted, rule.name
    assert looked > 3
