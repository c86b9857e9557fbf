"""Candidate pairs of blocks: made, compared and scored in batches; only what can matter is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kernels.pairs import owned_pairs, walk_blocks
from kernels.partition import rank_rows
from kernels.patterns import count_patterns, weigh_pairs
from linkage.coded import Coded, Meaning
from linkage.columns import Column
from linkage.compare import BATCH, Comparer
from linkage.levels import Programme
from linkage.model import STEP, Weights
from linkage.rules import Rule, effective_keys
from linkage.scored import Blocks, Counted, Scored

AGENCY_REGISTER = 0
REGISTER_REGISTER = 1
EVERY = 2


@dataclass(frozen=True)
class RuleKeys:
    """The rules that own pairs, as every task sees them.

    rules : all rules of the run;  hot : the refinement plan, per rule;  secret : of the keys' hashes
    """

    rules: Sequence[Rule]
    hot: Sequence[np.ndarray]
    secret: int

    def owners(self) -> list[int]:
        """Rules that can own a pair of an agency and the register."""
        return [i for i, r in enumerate(self.rules) if not r.near and not r.relatives]

    def none(self) -> RuleKeys:
        """The same without any rule: nobody owns a pair."""
        return RuleKeys((), (), self.secret)


def side_terms(table: Coded) -> tuple[np.ndarray, np.ndarray]:
    """Frequency terms int32[n, 3] and terms of repeated identifiers int32[n]; 0 where not known."""
    n = len(table)
    frequency = table.arrays.get("frequency", np.zeros((n, 3), np.int32))
    return frequency.astype(np.int32), table.arrays.get("repeats", np.zeros(n, np.int32)).astype(np.int32)


class BlockTable:
    """The records of a partition's blocks, gathered once, with effective keys of the rules that own pairs.

    rows : global rows of the table's local rows;  wanted : which rules' keys are held
    """

    def __init__(
        self,
        coded: Coded,
        meaning: Meaning,
        blocking: RuleKeys,
        wanted: Sequence[int],
        rows: np.ndarray,
        columns: Sequence[str],
    ) -> None:
        self.rows = rows
        self.table = coded.take(rows, columns)
        self.frequency, self.repeats = side_terms(self.table)
        self.wanted = list(wanted)
        self.keys, self.widths = effective_keys(
            self.table,
            meaning,
            [blocking.rules[i] for i in wanted],
            [blocking.hot[i] for i in wanted],
            blocking.secret,
        )
        if not self.wanted:
            self.keys = np.zeros((rows.shape[0], 0), np.uint64)


class Walker:
    """Batches of candidate pairs of one rule's blocks, each pair in the first rule that owns it.

    The blocks' own rule is the last of those whose keys the table holds.
    """

    def __init__(self, table: BlockTable, blocks: Blocks, local: np.ndarray, mode: int) -> None:
        self.table = table
        self.blocks = blocks
        self.local = local
        self.rule = len(table.wanted) - 1
        self.mode = mode
        self.position = np.zeros(3, np.int64)
        self.left = np.empty(BATCH, np.int64)
        self.right = np.empty(BATCH, np.int64)

    def next(self) -> int:
        """Fill ``left`` and ``right``; returns the number of pairs, 0 at the end."""
        return int(
            walk_blocks(
                self.blocks.starts,
                self.local,
                self.blocks.n_register,
                self.blocks.keys,
                self.mode,
                self.position,
                self.table.keys,
                self.table.widths,
                self.rule,
                self.left,
                self.right,
            )
        )


def local_members(members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows in order, and every member's place among them (int64)."""
    distinct, local = np.empty(members.shape[0], np.uint32), np.empty(members.shape[0], np.int64)
    n = rank_rows(np.ascontiguousarray(members, np.uint32), distinct, local)
    return distinct[:n].copy(), local


def without(blocks: Blocks, settled: Column, n_register: int) -> Blocks:
    """The blocks without settled agency records (flags over all rows); those left without any are dropped."""
    keep = np.ones(blocks.members.shape[0], bool)
    agency = np.flatnonzero(blocks.members >= n_register)
    keep[agency] = settled.take(blocks.members[agency]) == 0
    sizes = np.diff(blocks.starts)
    block_of = np.repeat(np.arange(sizes.shape[0]), sizes)
    left = np.bincount(block_of[keep], minlength=sizes.shape[0])
    useful = left > blocks.n_register
    keep &= useful[block_of]
    return Blocks(
        blocks.members[keep],
        np.concatenate([[0], np.cumsum(left[useful])]).astype(np.int64),
        blocks.n_register[useful],
        blocks.keys[useful],
        blocks.hot,
        {},
    )


@dataclass(frozen=True)
class Scoring:
    """What scoring needs beside the records: the weight tables, and the floor in 1/1024 bit.

    A pair whose weight is below the floor both with and without the identifier is left out.
    """

    weights: Weights
    floor: int


def score_batch(
    scoring: Scoring,
    patterns: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    frequency: np.ndarray,
    repeats: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights with and without the identifier, int32[n] each; left, right: rows of repeats and frequency."""
    n = patterns.shape[0]
    w = scoring.weights
    weight = np.empty(n, np.int32)
    blind = np.empty(n, np.int32)
    weigh_pairs(patterns, right, n, w.total, w.frequency, frequency, weight)
    weigh_pairs(patterns, right, n, w.blind, w.extra["blind_frequency"], frequency, blind)
    repeated = w.repeated[patterns] == 1
    if repeated.any():
        weight += np.where(repeated, repeats[left], 0).astype(np.int32)
    return weight, blind


def match_blocks(
    coded: Coded,
    meaning: Meaning,
    programme: Programme,
    blocking: RuleKeys,
    rule: int,
    blocks: Blocks,
    scoring: Scoring,
    columns: Sequence[str],
    mode: int = AGENCY_REGISTER,
) -> tuple[Scored, dict[str, int]]:
    """Score one partition of one rule. Returns the pairs worth keeping and counts (``pairs``, ``kept``,
    ``identifier_only``: strong pairs of an identifier rule, and how many of them no other rule would find).
    """
    rows, local = local_members(blocks.members)
    table = BlockTable(coded, meaning, blocking, earlier_and(blocking, rule), rows, columns)
    walker = Walker(table, blocks, local, mode)
    comparer = Comparer(programme, meaning, table.table)
    frequency, repeats = table.frequency, table.repeats
    kept: list[Scored] = []
    counts = {"pairs": 0, "kept": 0}
    while n := walker.next():
        left, right = walker.left[:n], walker.right[:n]
        patterns = comparer.compare(left, right)
        weight, blind = score_batch(scoring, patterns, left, right, frequency, repeats)
        counts["pairs"] += n
        good = np.maximum(weight, blind) >= scoring.floor
        if good.any():
            kept.append(
                Scored(
                    rows[left[good]],
                    rows[right[good]],
                    patterns[good].copy(),
                    np.full(int(good.sum()), rule, np.uint8),
                    weight[good],
                    blind[good],
                )
            )
    out = Scored.concatenate(kept)
    counts["kept"] = int(out.left.shape[0])
    return out, counts


def match_pairs(
    coded: Coded,
    meaning: Meaning,
    programme: Programme,
    blocking: RuleKeys,
    rule: int,
    left: np.ndarray,
    right: np.ndarray,
    scoring: Scoring,
    columns: Sequence[str],
    *,
    owned: bool = True,
    keep_all: bool = False,
) -> tuple[Scored, dict[str, int]]:
    """Score given pairs of global rows; with ``owned`` those that an ordinary rule finds are left out."""
    rows, local = local_members(np.concatenate([left, right]))
    l_all, r_all = local[: left.shape[0]], local[left.shape[0] :]
    table = BlockTable(coded, meaning, blocking, blocking.owners() if owned else (), rows, columns)
    if owned and table.wanted:
        taken = np.empty(l_all.shape[0], np.uint8)
        owned_pairs(table.keys, table.widths, len(table.wanted), l_all, r_all, taken)
        l_all, r_all = l_all[taken == 0], r_all[taken == 0]
    comparer = Comparer(programme, meaning, table.table)
    kept: list[Scored] = []
    for at in range(0, l_all.shape[0], BATCH):
        l_b, r_b = np.ascontiguousarray(l_all[at : at + BATCH]), np.ascontiguousarray(r_all[at : at + BATCH])
        patterns = comparer.compare(l_b, r_b)
        weight, blind = score_batch(scoring, patterns, l_b, r_b, table.frequency, table.repeats)
        good = (np.maximum(weight, blind) >= scoring.floor) | keep_all
        kept.append(
            Scored(
                table.rows[l_b[good]],
                table.rows[r_b[good]],
                patterns[good].copy(),
                np.full(int(good.sum()), rule, np.uint8),
                weight[good],
                blind[good],
            )
        )
    out = Scored.concatenate(kept)
    return out, {"pairs": int(l_all.shape[0]), "kept": int(out.left.shape[0])}


def count_block_patterns(
    coded: Coded,
    meaning: Meaning,
    programme: Programme,
    blocking: RuleKeys,
    rule: int,
    blocks: Blocks,
    columns: Sequence[str],
    mode: int,
    *,
    owned: bool,
) -> Counted:
    """Counted patterns of the pairs of these blocks, for training; with ``owned`` of those the rule owns."""
    rows, local = local_members(blocks.members)
    table = BlockTable(
        coded, meaning, blocking, earlier_and(blocking, rule) if owned else [rule], rows, columns
    )
    walker = Walker(table, blocks, local, mode)
    comparer = Comparer(programme, meaning, table.table)
    histogram = np.zeros(programme.n_patterns, np.int64)
    while n := walker.next():
        patterns = comparer.compare(walker.left[:n], walker.right[:n])
        count_patterns(patterns, n, histogram)
    return counted_of(histogram)


def count_pairs(
    coded: Coded,
    meaning: Meaning,
    programme: Programme,
    left: np.ndarray,
    right: np.ndarray,
    columns: Sequence[str],
) -> Counted:
    """Counted patterns of given pairs of global rows."""
    rows, local = local_members(np.concatenate([left, right]))
    comparer = Comparer(programme, meaning, coded.take(rows, columns))
    histogram = np.zeros(programme.n_patterns, np.int64)
    n = left.shape[0]
    for at in range(0, n, BATCH):
        stop = min(n, at + BATCH)
        patterns = comparer.compare(
            np.ascontiguousarray(local[at:stop]), np.ascontiguousarray(local[n + at : n + stop])
        )
        count_patterns(patterns, stop - at, histogram)
    return counted_of(histogram)


def count_shifted_pairs(
    table: Coded, meaning: Meaning, programme: Programme, n: int, shifts: Sequence[int]
) -> Counted:
    """Counted patterns of row ``i`` with row ``n + (i + shift) % n``, for every shift and i below n."""
    comparer = Comparer(programme, meaning, table)
    histogram = np.zeros(programme.n_patterns, np.int64)
    place = np.arange(n, dtype=np.int64)
    for shift in shifts:
        other = n + (place + shift) % n
        for at in range(0, n, BATCH):
            patterns = comparer.compare(place[at : at + BATCH], other[at : at + BATCH])
            count_patterns(patterns, patterns.shape[0], histogram)
    return counted_of(histogram)


def counted_of(histogram: np.ndarray) -> Counted:
    """The patterns of a histogram that occur."""
    some = np.flatnonzero(histogram)
    return Counted(some.astype(np.uint32), histogram[some])


def earlier_and(blocking: RuleKeys, rule: int) -> list[int]:
    """The rules before ``rule`` that own pairs, and itself last; rules for relatives own after all others."""
    return [i for i in range(rule) if not blocking.rules[i].near] + [rule]


def other_rules_find(
    coded: Coded,
    meaning: Meaning,
    blocking: RuleKeys,
    left: np.ndarray,
    right: np.ndarray,
    without: Sequence[str],
    columns: Sequence[str],
) -> np.ndarray:
    """Whether each pair (global rows) shares a key of a rule that reads no column of ``without``: bool[n]."""
    others = [i for i in blocking.owners() if not set(blocking.rules[i].columns) & set(without)]
    rows, local = local_members(np.concatenate([left, right]))
    table = BlockTable(coded, meaning, blocking, others, rows, columns)
    found = np.empty(left.shape[0], np.uint8)
    owned_pairs(table.keys, table.widths, len(others), local[: left.shape[0]], local[left.shape[0] :], found)
    return found.astype(bool)


def floor_of(n_register: int, bits_below: int = 14) -> int:
    """Weight below which a pair cannot matter: odds of 2**-bits_below against the whole register."""
    return int((np.log2(max(2, n_register)) - bits_below) * STEP)
