"""Blocking: which records come together under a rule. Counts and the refinement plan only, no pairs.

A block in which a record would meet more than ``candidates`` register records is refined: the rule's next
``refine`` column joins the key, until the blocks are small enough.
"""

from __future__ import annotations

import numpy as np

from kernels import keys as key_kernels
from kernels import partition as partition_kernels
from kernels.pairs import count_block_pairs
from linkage.coded import Meaning
from linkage.heavy import Spread
from linkage.name_keys import fold_codes
from linkage.rules import Rule, part_codes
from linkage.scored import Blocks


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
) -> Blocks:
    """Blocks of one partition, refined until nobody meets more than ``candidates`` register records in one.

    keys       : uint64[n], base keys;  rows : uint32[n], global rows (the register's below ``n_register``)
    coded_of   : callable(rows, columns) -> Coded, the records of given rows
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
    base_of_block = np.zeros(0, np.uint64)
    bases: list[np.ndarray] = []
    hot: list[np.ndarray] = []
    counts = dict.fromkeys(
        ("pairs", "register_pairs", "refined_pairs", "given_up_pairs", "largest", "blocks"), 0
    )
    order = np.argsort(rows, kind="stable")
    keys, rows = keys[order].copy(), rows[order].copy()
    entering = 0
    deepest = int(spread.depth.max(initial=0)) if spread is not None else 0
    for depth in range(len(rule.refine) + 1):
        partition_kernels.sort_by_key(keys, rows)
        starts = np.empty(keys.shape[0] + 1, np.int64)
        n_blocks = partition_kernels.run_starts(keys, starts)
        starts = starts[: n_blocks + 1].copy()
        is_register = np.concatenate([[0], np.cumsum(rows < n_register)])
        sizes = np.diff(starts)
        registers = (sizes if among else is_register[starts[1:]] - is_register[starts[:-1]]).astype(np.int32)
        if depth == 0 and n_blocks:
            counts["largest"] = int(sizes.max())
        pairs = np.empty((n_blocks, 2), np.int64)
        count_block_pairs(starts, registers, pairs)
        if depth:
            counts["refined_pairs"] += entering - int(pairs.sum())
        burning = registers > candidates
        useful = (pairs.sum(axis=1) > 0) & ~burning
        counts["pairs"] += int(pairs[useful, 0].sum())
        counts["register_pairs"] += int(pairs[useful, 1].sum())
        counts["blocks"] += int(useful.sum())
        member = np.repeat(useful, sizes)
        if depth:
            bases.append(base_of_block[useful])
        else:
            base_of_block = keys[starts[:-1]]
        done.append((rows[member], sizes[useful], registers[useful], keys[starts[:-1]][useful]))
        burning_pairs = int(pairs[burning].sum())
        if not burning.any() and depth >= deepest:
            break
        hot.append(keys[starts[:-1]][burning])
        if depth == len(rule.refine):
            counts["given_up_pairs"] += burning_pairs
            break
        burning_rows = np.repeat(burning, sizes)
        keys, rows = keys[burning_rows], rows[burning_rows]
        block_of = np.repeat(np.arange(int(burning.sum())), sizes[burning])
        codes = part_codes(coded_of(rows, (rule.refine[depth].column,)), meaning, rule.refine[depth])  # type: ignore[operator]
        keys = fold_codes(keys, codes)
        kept = keys != key_kernels.NO_KEY
        keys, rows, block_of = keys[kept], rows[kept], block_of[kept]
        # Who lacks the refining column leaves its block; the others' pairs enter the next depth.
        members = np.bincount(block_of, minlength=int(burning.sum()))
        held = members if among else np.bincount(block_of[rows < n_register], minlength=members.shape[0])
        remaining = np.empty((members.shape[0], 2), np.int64)
        count_block_pairs(np.concatenate([[0], np.cumsum(members)]), held.astype(np.int32), remaining)
        entering = int(remaining.sum())
        counts["given_up_pairs"] += burning_pairs - entering
        base = base_of_block[burning][block_of]
        if spread is not None:
            own = spread.at(depth + 1)
            keys, rows, base = (np.concatenate(pair) for pair in zip((keys, rows, base), own, strict=True))
        # The blocks of the next depth stand by rising key, as these do.
        base_of_block = base[np.unique(keys, return_index=True)[1]]
        by_row = np.argsort(rows, kind="stable")
        keys, rows = keys[by_row], rows[by_row]
    sizes_all = np.concatenate([d[1] for d in done]) if done else np.zeros(0, np.int64)
    return Blocks(
        members=np.concatenate([d[0] for d in done]).astype(np.uint32),
        starts=np.concatenate([[0], np.cumsum(sizes_all)]).astype(np.int64),
        n_register=np.concatenate([d[2] for d in done]).astype(np.int32),
        keys=np.concatenate([d[3] for d in done]).astype(np.uint64),
        hot=np.sort(np.concatenate(hot)) if hot else np.zeros(0, np.uint64),
        counts=counts,
        base=np.concatenate([np.zeros(0, np.uint64), *bases]),
    )
