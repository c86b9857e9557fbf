"""Blocking: which records come together under a rule. Counts and the refinement plan only, no pairs.

A block in which a record would meet more than ``candidates`` register records, or of a great many pairs, is
refined: the rule's next ``refine`` column joins the key, until the blocks are small enough.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kernels import keys as key_kernels
from kernels import partition as partition_kernels
from kernels.pairs import count_block_pairs
from linkage.coded import Meaning
from linkage.heavy import Spread
from linkage.hot import Hot, least_rows, pairs_of, summed
from linkage.name_keys import fold_codes
from linkage.rules import Rule, part_codes
from linkage.scored import Blocks

#: Pairs of register and agency records that a block may make. Where names and dates agree by chance, records
#: of an agency are some sixty times those of the register at most: a block of so many pairs is one value
#: that somebody keyed for want of another.
MOST_PAIRS = 1_000_000


def plan_blocks(
    keys: np.ndarray,
    rows: np.ndarray,
    coded_of: object,
    meaning: Meaning,
    rule: Rule,
    n_register: int,
    candidates: int,
    among: bool = False,
    spread: Spread | None = None,
    most: int = MOST_PAIRS,
) -> Blocks:
    """Blocks of one partition, refined until nobody meets more than ``candidates`` register records in one,
    and none makes more than ``most`` pairs of register and agency records.

    keys       : uint64[n], base keys;  rows : uint32[n], global rows (the register's below ``n_register``)
    coded_of   : callable(rows, columns) -> Coded, the records of given rows; of no columns with their order
    candidates : at least 1
    among      : every member with every other, whatever it is (``n_register`` of a block is then its size)
    spread     : records whose keys were refined before they came here: they join at their depth. The pairs
    of their blocks are taken off ``refined_pairs`` here and added by :func:`linkage.heavy.heavy_counts`

    ``counts``: ``pairs`` agency with register, ``register_pairs``, ``refined_pairs`` that refinement
    separated, ``given_up_pairs`` in blocks that stayed too large or whose records lack the refining column
    (the four together are the pairs of the blocks before refinement), ``largest`` the size of the largest
    block before refinement.
    """
    done: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    base_of_block, parent_of_block = np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    bases: list[np.ndarray] = []
    hot: list[Hot] = []
    counts = dict.fromkeys(
        ("pairs", "register_pairs", "refined_pairs", "given_up_pairs", "largest", "blocks"), 0
    )
    if bool((rows[1:] < rows[:-1]).any()):
        order = np.argsort(rows, kind="stable")
        keys, rows = keys[order], rows[order]
    else:
        keys, rows = keys.copy(), rows.copy()
    entering = 0
    left = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    deepest = int(spread.depth.max(initial=0)) if spread is not None else 0
    for depth in range(len(rule.refine) + 1):
        partition_kernels.sort_by_key(keys, rows)
        n = keys.shape[0]
        members, totals = np.empty(n, np.uint32), np.empty(7, np.int64)
        sizes, registers = np.empty(n // 2 + 1, np.int64), np.empty(n // 2 + 1, np.int32)
        block_keys, numbers = np.empty(n // 2 + 1, np.uint64), np.empty(n // 2 + 1, np.int64)
        least = min(candidates, most // candidates) + 1
        burning = np.empty((n // least + 1, 3), np.int64)
        partition_kernels.split_blocks(
            keys,
            rows,
            n_register,
            candidates,
            most,
            among,
            members,
            sizes,
            registers,
            block_keys,
            numbers,
            burning,
            totals,
        )
        useful, n_members, pairs, register_pairs, n_burning, all_pairs, largest = (int(v) for v in totals)
        if depth == 0:
            counts["largest"] = largest
        else:
            counts["refined_pairs"] += entering - all_pairs
            bases.append(base_of_block[numbers[:useful]])
            of_each = pairs_of(registers[:useful], sizes[:useful] - registers[:useful])
            left = summed(parent_of_block[numbers[:useful]], of_each)
        counts["pairs"] += pairs
        counts["register_pairs"] += register_pairs
        counts["blocks"] += useful
        done.append((members[:n_members], sizes[:useful], registers[:useful], block_keys[:useful]))
        if not n_burning and depth >= deepest:
            if left[0].size:
                hot.append(replace(Hot.join([]), left_of=left[0], left=left[1]))
            break
        burned = burning[:n_burning]
        burning_sizes = burned[:, 2] - burned[:, 1]
        block_of = np.repeat(np.arange(n_burning), burning_sizes)
        shift = burned[:, 1] - (np.cumsum(burning_sizes) - burning_sizes)
        burning_rows = np.arange(block_of.shape[0]) + shift[block_of]
        keys, rows = keys[burning_rows], rows[burning_rows]
        above = parent_of_block[burned[:, 0]] if depth else np.zeros(n_burning, np.uint64)
        own = np.ones(rows.shape[0], np.bool_) if among else rows < n_register
        hot.append(_hot_keys(keys, rows, block_of, above, depth, own, coded_of, left))
        burning_pairs = all_pairs - pairs - register_pairs
        if depth == len(rule.refine):
            counts["given_up_pairs"] += burning_pairs
            break
        codes = part_codes(coded_of(rows, (rule.refine[depth].column,)), meaning, rule.refine[depth])  # type: ignore[operator]
        parent, keys = keys, fold_codes(keys, codes)
        kept = keys != key_kernels.NO_KEY
        keys, rows, block_of, parent = keys[kept], rows[kept], block_of[kept], parent[kept]
        # Who lacks the refining column leaves its block; the others' pairs enter the next depth.
        stay = np.bincount(block_of, minlength=n_burning)
        held = stay if among else np.bincount(block_of[rows < n_register], minlength=n_burning)
        remaining = np.empty((n_burning, 2), np.int64)
        count_block_pairs(np.concatenate([[0], np.cumsum(stay)]), held.astype(np.int32), remaining)
        entering = int(remaining.sum())
        counts["given_up_pairs"] += burning_pairs - entering
        base = base_of_block[burned[:, 0]][block_of] if depth else parent
        if spread is not None:
            mine = keys, rows, base, parent
            joined = (np.concatenate(pair) for pair in zip(mine, spread.at(depth + 1), strict=True))
            keys, rows, base, parent = joined
        # The blocks of the next depth stand by rising key, as these do.
        first = np.unique(keys, return_index=True)[1]
        base_of_block, parent_of_block = base[first], parent[first]
        by_row = np.argsort(rows, kind="stable")
        keys, rows = keys[by_row], rows[by_row]
    told = Hot.join(hot)
    sizes_all = np.concatenate([d[1] for d in done]) if done else np.zeros(0, np.int64)
    return Blocks(
        members=np.concatenate([d[0] for d in done]).astype(np.uint32),
        starts=np.concatenate([[0], np.cumsum(sizes_all)]).astype(np.int64),
        n_register=np.concatenate([d[2] for d in done]).astype(np.int32),
        keys=np.concatenate([d[3] for d in done]).astype(np.uint64),
        hot=told.keys,
        counts=counts,
        base=np.concatenate([np.zeros(0, np.uint64), *bases]),
        told=told,
    )


def _hot_keys(
    keys: np.ndarray,
    rows: np.ndarray,
    block_of: np.ndarray,
    parent: np.ndarray,
    depth: int,
    own: np.ndarray,
    coded_of: object,
    left: tuple[np.ndarray, np.ndarray],
) -> Hot:
    """What is known of hot blocks of one depth.

    keys, rows, block_of : of the records of these blocks, one block after the other, and the block's number
    parent : uint64[blocks];  own : bool[n], the records that count as the register's;  left : see Hot
    """
    n = parent.shape[0]
    held = np.flatnonzero(own)
    order = coded_of(rows[held], ()).order  # type: ignore[operator]
    found, _ = least_rows(block_of[held], rows[held], order, n)
    registers = np.bincount(block_of[held], minlength=n)
    return Hot(
        keys=keys[np.searchsorted(block_of, np.arange(n))],
        parent=parent,
        depth=np.full(n, depth, np.uint8),
        registers=registers,
        agencies=np.bincount(block_of, minlength=n) - registers,
        row=found,
        left_of=left[0],
        left=left[1],
    )
