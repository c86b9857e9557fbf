from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.store import write_arrays
from jobs.tasks_train import (
    RANDOM_SIDE,
    TASK_PAIRS,
    pick_blocks,
    sampled,
    sampled_blocks,
    sampled_partitions,
    share_for,
)
from linkage.heavy import Heavy
from linkage.scored import Blocks


@st.composite
def blocks(draw):
    """Blocks as lists of members with the register's number of them, and the same as arrays."""
    plain = draw(
        st.lists(
            st.lists(st.integers(0, 40), min_size=1, max_size=5).flatmap(
                lambda members: st.tuples(st.just(members), st.integers(0, len(members)))
            ),
            max_size=6,
        )
    )
    members = np.array([m for block, _ in plain for m in block], np.uint32)
    starts = np.cumsum([0, *(len(block) for block, _ in plain)]).astype(np.int64)
    own = np.array([n for _, n in plain], np.int64)
    keys = np.arange(len(plain), dtype=np.uint64) + np.uint64(100)
    return plain, Blocks(members, starts, own, keys, np.zeros(0, np.uint64), {})


def lists(held):
    return [held.members[a:b].tolist() for a, b in zip(held.starts[:-1], held.starts[1:], strict=True)]


@given(blocks(), st.randoms(use_true_random=False))
def test_pick__keeps_whole_blocks_with_their_keys(held, luck):
    plain, made = held
    chosen = np.array([luck.random() < 0.5 for _ in plain], bool)
    picked = pick_blocks(made, chosen)
    assert lists(picked) == [block for (block, _), one in zip(plain, chosen, strict=True) if one]
    assert picked.n_register.tolist() == [n for (_, n), one in zip(plain, chosen, strict=True) if one]
    assert picked.keys.tolist() == [100 + i for i, one in enumerate(chosen) if one]
    own = pick_blocks(made, chosen, register=True)
    assert lists(own) == [block[:n] for (block, n), one in zip(plain, chosen, strict=True) if one]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.floats(0, 1), st.floats(0, 1))
def test_sampled__a_smaller_share_is_part_of_a_larger_one(order, one, other):
    hashes = np.array(order, np.uint64)
    small, large = (sampled(hashes, share) for share in sorted((one, other)))
    assert not (small & ~large).any()


def test_sampled__is_the_share_that_was_asked_for_and_all_from_one_on():
    hashes = np.random.default_rng(1).integers(0, 2**64 - 1, 100_000, np.uint64)
    assert abs(sampled(hashes, 0.3).mean() - 0.3) < 0.01
    assert sampled(hashes, 1.0).all()
    assert sampled(hashes, 3.0).all()
    assert not sampled(hashes, 0.0).any()


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_share_for__takes_all_of_few_and_little_of_many(wanted, n):
    share = share_for(wanted, n)
    assert 0 < share <= 1
    assert share * n >= min(wanted, n) * (1 - 1e-12)
    assert share_for(RANDOM_SIDE, 100_000_000) * 100_000_000 < 1.03 * RANDOM_SIDE


class _Space:
    """Of a workspace what sampling blocks asks for."""

    def __init__(self, folder, bits, heavy):
        self.folder = folder
        self.layout = {"bits": bits}
        keys = np.array(sorted(heavy), np.uint64)
        self.heavy = [Heavy(keys, np.zeros(keys.size, np.uint8), np.zeros(keys.size, np.uint64))]

    def path(self, stage, name):
        return self.folder / stage / name


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 2**64 - 1), st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(0, 2)
        ),
        max_size=12,
        unique_by=lambda b: b[0],
    ),
    st.sampled_from([0.01, 0.2, 0.5, 0.77, 1.0]),
    st.integers(0, 3 * TASK_PAIRS),
)
def test_sample__is_of_the_same_blocks_whatever_the_partitions(planned, share, pairs):
    found = []
    for bits in (0, 1, 3):
        with tempfile.TemporaryDirectory() as place:
            space = _Space(Path(place), bits, [b[0] for b in planned if b[2] == 2])
            for partition in range(1 << bits):
                # Unrefined blocks first, by key; refined ones have another key than their place says, but
                # lie where it says if they came of a heavy key.
                held = [(b[0] ^ (1 << 63) if b[2] == 2 else b[0], b) for b in planned]
                own = [b for key, b in held if (key >> (64 - bits) if bits else 0) == partition]
                own = sorted(b for b in own if not b[2]) + [b for b in own if b[2]]
                write_arrays(
                    space.path("blocks", f"00-{partition:05d}.arrays"),
                    members=np.array([m for b in own for m in b[1]], np.uint32),
                    sizes=np.array([len(b[1]) for b in own], np.uint8),
                    n_register=np.array([len(b[1]) // 2 for b in own], np.uint8),
                    keys=np.array([b[0] ^ (1 << 63) if b[2] else b[0] for b in own], np.uint64),
                    hot=np.zeros(0, np.uint64),
                    base=np.array([b[0] for b in own if b[2]], np.uint64),
                )
            taken = []
            for first, stop in sampled_partitions(space, 0, share, pairs):
                for register in (False, True):
                    made = sampled_blocks(space, 0, range(first, stop), share, register=register)
                    told = made.keys.tolist(), lists(made), made.n_register.tolist()
                    taken += [(register, *block) for block in zip(*told, strict=True)]
            found.append(sorted(taken))
    limit = share * (2**64 - 1)
    wanted = []
    for place, members, refined in (b for b in planned if b[0] < limit):
        key, own = place ^ (1 << 63) if refined else place, len(members) // 2
        if own > 0:
            wanted.append((False, key, members, own))
        if own > 1:
            wanted.append((True, key, members[:own], own))
    assert found == [sorted(wanted)] * 3
