from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.tasks_train import pick_blocks, sampled, thin_blocks
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
def test_thin__keeps_the_members_of_the_mask_block_by_block(held, luck):
    plain, made = held
    keep = np.array([luck.random() < 0.5 for _ in made.members], bool)
    flags = iter(keep.tolist())
    wanted = [[m for m in block if next(flags)] for block, _ in plain]
    assert lists(thin_blocks(made, keep)) == wanted


@given(blocks(), st.randoms(use_true_random=False))
def test_pick__keeps_whole_blocks_with_their_keys(held, luck):
    plain, made = held
    chosen = np.array([luck.random() < 0.5 for _ in plain], bool)
    picked = pick_blocks(made, chosen)
    assert lists(picked) == [block for (block, _), one in zip(plain, chosen, strict=True) if one]
    assert picked.n_register.tolist() == [n for (_, n), one in zip(plain, chosen, strict=True) if one]
    assert picked.keys.tolist() == [100 + i for i, one in enumerate(chosen) if one]


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
