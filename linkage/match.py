"""Candidate pairs of blocks: made, compared and scored in batches; only what can matter is kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kernels.pairs import owned_pairs, unsettled_blocks, walk_blocks
from kernels.patterns import count_patterns, score_pairs
from linkage.coded import Coded, Meaning
from linkage.compare import BATCH, Comparer
from linkage.gathered import Gathered, local_members, side_terms
from linkage.levels import Programme
from linkage.model import STEP, Weights
from linkage.reach import Screen, reaching
from linkage.rules import Rule, effective_keys, key_head, many_keys
from linkage.scored import Blocks, Counted, Scored

AGENCY_REGISTER = 0
REGISTER_REGISTER = 1
EVERY = 2

#: Candidate pairs of blocks that are taken together before the records they need are gathered.
PAIRS = 1 << 19


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

    def columns(self, wanted: Sequence[int]) -> list[str]:
        """The columns that keys of some rules are made of."""
        parts = dict.fromkeys(c for i in wanted for c in self.rules[i].columns)
        return [name for c in parts for name in (c, f"{c}.alias")]

    def keys(self, table: Coded, meaning: Meaning, wanted: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Effective keys of some rules of all rows of a table: see :func:`linkage.rules.effective_keys`."""
        if not wanted:
            return np.zeros((len(table), 0), np.uint64), np.zeros(1, np.int64)
        rules, hot = [self.rules[i] for i in wanted], [self.hot[i] for i in wanted]
        return effective_keys(table, meaning, rules, hot, self.secret)


class Walker:
    """Batches of candidate pairs of one rule's blocks, each pair in the first rule that owns it.

    local : int64, each member's place among the rows that ``keys`` and ``widths`` are of; these hold the keys
    of rules that own pairs and, last, of the blocks' own rule, which may be left out (no column of it) where
    a record has one key only
    """

    def __init__(
        self,
        blocks: Blocks,
        local: np.ndarray,
        keys: np.ndarray,
        widths: np.ndarray,
        mode: int,
        batch: int,
    ) -> None:
        self.blocks = blocks
        self.local = local
        self.keys = keys
        self.widths = widths
        self.mode = mode
        self.position = np.zeros(3, np.int64)
        self.left = np.empty(batch, np.int64)
        self.right = np.empty(batch, np.int64)

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
                self.keys,
                self.widths,
                self.widths.shape[0] - 2,
                self.left,
                self.right,
            )
        )


def owned_batches(
    coded: Coded,
    meaning: Meaning,
    blocking: RuleKeys,
    rule: int,
    blocks: Blocks,
    mode: int,
    *,
    owned: bool = True,
    batch: int = PAIRS,
) -> Iterator[tuple[Gathered, np.ndarray, np.ndarray]]:
    """The pairs of a rule's blocks that no earlier rule owns (``owned`` False: all), batch by batch.

    Gives distinct records, and the pairs as places among them. Most candidates of an agency's record are the
    person whom its number found already: these fall first, by the number alone, and of all others only the
    columns of the rules are read. What is gathered later is of few records.
    """
    rows, local = local_members(blocks.members)
    earlier = earlier_and(blocking, rule)[:-1] if owned else []
    first = _of_numbers(meaning, blocking, earlier) if mode == AGENCY_REGISTER else []
    rest = earlier[len(first) :]
    several = many_keys(blocking.rules[rule])
    asked = [*first, rule] if several else first
    members = Gathered.of(coded, rows, blocking.columns(asked))
    keys, widths = blocking.keys(members.table, meaning, asked)
    if not several:
        widths = np.append(widths, widths[-1])
    walker = Walker(blocks, local, keys, widths, mode, batch)
    while n := walker.next():
        found, left, right = members.narrowed(walker.left[:n], walker.right[:n])
        if rest:
            found, free = _free_pairs(coded, meaning, blocking, rule, rest, found, left, right)
            if not free.all():
                found, left, right = found.narrowed(left[free], right[free])
        if left.size:
            yield found, left, right


def _free_pairs(
    coded: Coded,
    meaning: Meaning,
    blocking: RuleKeys,
    rule: int,
    rules: Sequence[int],
    found: Gathered,
    left: np.ndarray,
    right: np.ndarray,
) -> tuple[Gathered, np.ndarray]:
    """Which pairs of a rule's blocks share no key of some other rules, bool[n], and the records with what has
    been read of them; ``right`` rises.

    Keys of a rule that asks for a day, a number or one of several are made of the few records only whose
    pairs agree on what it asks for beside names: without that, matching took a tenth longer.
    """
    heads = {i: key_head(blocking.rules[i], blocking.rules[rule], meaning.kinds) for i in rules}
    late = [i for i in rules if heads[i]]
    soon = [i for i in rules if not heads[i]]
    begun = [replace(blocking.rules[i], on=heads[i], refine=()) for i in late]
    asked = RuleKeys(
        [*(blocking.rules[i] for i in soon), *begun],
        [*(blocking.hot[i] for i in soon), *[np.zeros(0, np.uint64)] * len(late)],
        blocking.secret,
    )
    every = range(len(asked.rules))
    found = found.reading(coded, asked.columns(every))
    keys, widths = asked.keys(found.table, meaning, every)
    taken, agree = np.empty(left.shape[0], np.uint8), np.empty(left.shape[0], np.uint8)
    owned_pairs(keys, widths, len(soon), left, right, taken)
    if late:
        owned_pairs(keys, widths[len(soon) :], len(late), left, right, agree)
        open_ = np.flatnonzero(agree > taken)
        few, own, other = found.narrowed(left[open_], right[open_])
        few = few.reading(coded, blocking.columns(late))
        shared = np.empty(open_.shape[0], np.uint8)
        owned_pairs(*blocking.keys(few.table, meaning, late), len(late), own, other, shared)
        taken[open_] = shared
    return found, taken == 0


def _of_numbers(meaning: Meaning, blocking: RuleKeys, rules: Sequence[int]) -> list[int]:
    """The first of some rules as far as they are of an identifier alone."""

    def one(rule: int) -> bool:
        parts = blocking.rules[rule].on
        return len(parts) == 1 and meaning.kinds[parts[0].column] == "identifier"

    return list(itertools.takewhile(one, rules))


def without(blocks: Blocks, settled: np.ndarray, n_register: int) -> Blocks:
    """The blocks without settled agency records; those left without any are dropped.

    settled : uint8, a bit a record in the order of rows, those of the register apart
    """
    members = np.empty(blocks.members.shape[0], np.uint32)
    starts = np.zeros(blocks.starts.shape[0], np.int64)
    kept = np.empty(blocks.keys.shape[0], np.int64)
    n = unsettled_blocks(
        blocks.starts, blocks.members, blocks.n_register, settled, n_register, members, starts, kept
    )
    kept = kept[:n]
    return Blocks(
        members[: starts[n]],
        starts[: n + 1],
        blocks.n_register[kept],
        blocks.keys[kept],
        blocks.hot,
        {},
    )


@dataclass(frozen=True)
class Scoring:
    """What scoring needs beside the records: the weight tables, and the floor in 1/1024 bit.

    A pair whose weight is below the floor both with and without the identifier is left out; with a ``screen``
    of these weights, most such pairs before everything of them is compared.
    """

    weights: Weights
    floor: int
    screen: Screen | None = None


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
    """Score one partition of one rule. Returns the pairs worth keeping and counts (``pairs``, ``kept``)."""
    kept: list[Scored] = []
    counts = {"pairs": 0, "kept": 0}
    for found, left, right in owned_batches(coded, meaning, blocking, rule, blocks, mode):
        counts["pairs"] += left.shape[0]
        kept.append(_scored(coded, meaning, programme, scoring, columns, rule, found, left, right))
    out = Scored.concatenate(kept)
    counts["kept"] = int(out.left.shape[0])
    return out, counts


def _scored(
    coded: Coded,
    meaning: Meaning,
    programme: Programme,
    scoring: Scoring,
    columns: Sequence[str],
    rule: int,
    found: Gathered,
    left: np.ndarray,
    right: np.ndarray,
    *,
    keep_all: bool = False,
) -> Scored:
    """Score pairs (places among ``found``); those worth keeping, or all. With a screen, ``right`` rises."""
    weights, screen = scoring.weights, scoring.screen
    floor = np.iinfo(np.int32).min if keep_all else scoring.floor
    reached = None
    if screen is not None:
        found, left, right, reached = reaching(coded, meaning, screen, floor, columns, found, left, right)
        programme = screen.last
    table = found.reading(coded, columns if screen is None else screen.columns).table
    frequency, repeats = side_terms(table)
    comparer = Comparer(programme, meaning, table, min(BATCH, left.shape[0]))
    n = left.shape[0]
    own, other, pattern = (np.empty(n, np.uint32) for _ in range(3))
    weight, blind = np.empty(n, np.int32), np.empty(n, np.int32)
    kept = 0
    for at in range(0, n, BATCH):
        l_b, r_b = left[at : at + BATCH], right[at : at + BATCH]
        patterns = comparer.compare(l_b, r_b)
        if screen is not None and reached is not None:
            patterns = screen.last_place[patterns] + reached[at : at + BATCH]
        kept = score_pairs(
            patterns,
            l_b,
            r_b,
            weights.total,
            weights.frequency,
            weights.blind,
            weights.extra["blind_frequency"],
            weights.repeated,
            frequency,
            repeats,
            floor,
            found.rows,
            kept,
            own,
            other,
            pattern,
            weight,
            blind,
        )
    return Scored(
        own[:kept], other[:kept], pattern[:kept], np.full(kept, rule, np.uint8), weight[:kept], blind[:kept]
    )


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
    """Score given pairs of global rows; with ``owned`` those that an ordinary rule finds are left out. No use
    is made of a screen.
    """
    scoring = replace(scoring, screen=None)
    rows, local = local_members(np.concatenate([left, right]))
    l_all, r_all = local[: left.shape[0]], local[left.shape[0] :]
    owners = blocking.owners() if owned else []
    found = Gathered.of(coded, rows, blocking.columns(owners))
    if owners:
        taken = np.empty(l_all.shape[0], np.uint8)
        owned_pairs(*blocking.keys(found.table, meaning, owners), len(owners), l_all, r_all, taken)
        found, l_all, r_all = found.narrowed(l_all[taken == 0], r_all[taken == 0])
    out = _scored(coded, meaning, programme, scoring, columns, rule, found, l_all, r_all, keep_all=keep_all)
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
    histogram = np.zeros(programme.n_patterns, np.int64)
    for found, left, right in owned_batches(coded, meaning, blocking, rule, blocks, mode, owned=owned):
        _count(coded, meaning, programme, columns, found, left, right, histogram)
    return counted_of(histogram)


def _count(
    coded: Coded,
    meaning: Meaning,
    programme: Programme,
    columns: Sequence[str],
    found: Gathered,
    left: np.ndarray,
    right: np.ndarray,
    histogram: np.ndarray,
) -> None:
    """Count the patterns of pairs (places among ``found``)."""
    comparer = Comparer(programme, meaning, found.reading(coded, columns).table, min(BATCH, left.shape[0]))
    for at in range(0, left.shape[0], BATCH):
        patterns = comparer.compare(left[at : at + BATCH], right[at : at + BATCH])
        count_patterns(patterns, patterns.shape[0], histogram)


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
    histogram = np.zeros(programme.n_patterns, np.int64)
    n = left.shape[0]
    found = Gathered.of(coded, rows, columns)
    _count(coded, meaning, programme, columns, found, local[:n], local[n:], histogram)
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
) -> np.ndarray:
    """Whether each pair (global rows) shares a key of a rule that reads no column of ``without``: bool[n]."""
    others = [i for i in blocking.owners() if not set(blocking.rules[i].columns) & set(without)]
    rows, local = local_members(np.concatenate([left, right]))
    table = coded.take(rows, blocking.columns(others), marks=False)
    keys, widths = blocking.keys(table, meaning, others)
    found = np.empty(left.shape[0], np.uint8)
    owned_pairs(keys, widths, len(others), local[: left.shape[0]], local[left.shape[0] :], found)
    return found.astype(bool)


def floor_of(n_register: int, bits_below: int = 14) -> int:
    """Weight below which a pair cannot matter: odds of 2**-bits_below against the whole register."""
    return int((np.log2(max(2, n_register)) - bits_below) * STEP)
