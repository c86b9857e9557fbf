"""What a sample of the records says of the whole: pairs under every blocking rule, and what refinement costs.

A sample holds each record of a source with the same probability, so a block's register and agency members
are counted as the sum of the rows that each sampled one stands for, and the sum of their products is an
unbiased estimate of a rule's pairs (Horvitz and Thompson 1952). Whether a block is refined depends on its
true number of register members, which a small sample shows only roughly: the distribution of these numbers
is estimated from those seen (the nonparametric maximum-likelihood mixture of Laird 1978, by EM), and every
block counts as refined with the probability that follows. A sample that is everything gives the run's own
counts exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kernels.keys import NO_KEY
from kernels.pairs import owned_pairs, walk_blocks
from linkage.coded import Coded, Meaning
from linkage.name_keys import fold_codes
from linkage.rules import Rule, base_keys, effective_keys, part_codes

#: Groups of stretches whose spread tells how uncertain a count is.
GROUPS = 32

#: Largest blocks that are told of each rule.
LARGEST = 3

#: A block is told only if so many of its records were seen.
SEEN = 8

_BATCH = 1 << 18
_STEPS = 200


@dataclass(frozen=True)
class Sample:
    """Sampled records, coded as a run codes them, the register's first.

    rate    : float64[sources], share of the source's records that is in the sample, above 0 to 1
    stretch : int64[n], number of the stretch each record was read in; one stretch is of one source
    """

    coded: Coded
    meaning: Meaning
    rate: np.ndarray
    stretch: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """How many records each stands for, float64[n]."""
        return 1.0 / self.rate[np.asarray(self.coded.source)]


@dataclass
class RuleForecast:
    """What one rule will bring together; counts as in :func:`linkage.block.plan_blocks`, estimated.

    keys     : of all records that the rule brings together
    pairs, register_pairs, refined_pairs, given_up_pairs : of the blocks as they will be walked
    compared : pairs that no earlier rule owns, which are compared and scored
    before   : agency-register pairs before refinement
    error    : relative standard error of ``before``;  refined_blocks : blocks refined or given up
    hot      : uint64[k], keys of the sample's blocks that are more likely refined than not, sorted
    lost     : share of the true pairs this rule brings together that its refinement parts, -1 not known
    largest  : largest blocks before refinement, by pairs
    """

    name: str
    keys: float = 0.0
    pairs: float = 0.0
    register_pairs: float = 0.0
    refined_pairs: float = 0.0
    given_up_pairs: float = 0.0
    compared: float = 0.0
    before: float = 0.0
    error: float = 0.0
    refined_blocks: float = 0.0
    lost: float = -1.0
    hot: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    largest: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """One large block: members on both sides and pairs, before and after refinement."""

    register: float
    agency: float
    before: float
    after: float
    given_up: float
    refined: float


@dataclass(frozen=True)
class Lost:
    """True pairs seen in the sample, and how many of them no rule without the identifier finds.

    pairs : pairs that agree on the identifier and on a name or date;  unfound : no key in common before
    refinement;  parted : a key in common before it, none after it.  ``pairs`` 0: nothing is known.
    """

    pairs: int
    unfound: int
    parted: int


def forecast_rules(
    sample: Sample,
    rules: Sequence[Rule],
    secret: int,
    candidates: int,
    most: int,
    identifier: int = -1,
    each: Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]] = map,
) -> tuple[list[RuleForecast], Lost]:
    """Forecast every ordinary rule (those that probe are left empty).

    candidates : register records a block may hold before it is refined;  most : pairs of these with others
    identifier : rule whose pairs are taken for true ones, -1 for none
    each       : ``map``, or what does the same on several threads
    """
    coded, meaning = sample.coded, sample.meaning

    def one(index: int) -> tuple[np.ndarray, RuleForecast]:
        rule = rules[index]
        if rule.near:
            return np.zeros((len(coded), 0), np.uint64), RuleForecast(rule.name)
        own = base_keys(coded, meaning, rule, secret)
        return own, _forecast(sample, rule, own, candidates, most)

    done = list(each(one, range(len(rules))))
    found = [d[1] for d in done]
    owners = [i for i, r in enumerate(rules) if not r.near and not r.relatives]
    effective, widths = effective_keys(
        coded, meaning, [rules[i] for i in owners], [found[i].hot for i in owners], secret
    )

    def owned(place: int) -> tuple[float, tuple[np.ndarray, np.ndarray] | None]:
        return _walk(sample, effective, widths, place, keep=owners[place] == identifier)

    truly: tuple[np.ndarray, np.ndarray] | None = None
    for i, (compared, pairs) in zip(owners, each(owned, range(len(owners))), strict=True):
        found[i].compared = compared
        truly = pairs if i == identifier else truly
    if truly is None:
        return found, Lost(0, 0, 0)
    none = np.zeros(0, np.uint64)
    base, _ = effective_keys(coded, meaning, [rules[i] for i in owners], [none] * len(owners), secret)
    column = rules[identifier].on[0].column
    without = {column} | {c for c, kind in meaning.kinds.items() if kind == "identifier"}
    others = [p for p, i in enumerate(owners) if not set(rules[i].columns) & without]
    lost = _lost(coded, meaning, truly, base, effective, widths, others)
    for place in others:
        found[owners[place]].lost = lost[1][place]
    return found, lost[0]


def _forecast(sample: Sample, rule: Rule, own: np.ndarray, candidates: int, most: int) -> RuleForecast:
    """Follow a rule's blocks through their refinement."""
    out = RuleForecast(rule.name)
    first, rate = sample.coded.n_register, float(sample.rate[0])
    weight = sample.weight
    rows = np.repeat(np.arange(own.shape[0]), own.shape[1])
    keys = own.ravel()
    some = (keys != NO_KEY) & (~np.bool_(rule.relatives) | (rows < first))
    keys, rows = keys[some], rows[some]
    out.keys = float(weight[rows].sum())
    chance = np.ones(keys.shape[0])
    root = np.zeros(0, np.int64)
    entering = 0.0
    hot: list[np.ndarray] = []
    for depth in range(len(rule.refine) + 1):
        names, block = np.unique(keys, return_inverse=True)
        blocks = names.shape[0]
        mine = rows < first
        register = np.bincount(block, np.where(mine, weight[rows], 0.0), blocks)
        agency = np.bincount(block, np.where(mine, 0.0, weight[rows]), blocks)
        seen = np.bincount(block[mine], minlength=blocks)
        inner = _inner_pairs(block[mine], sample.stretch[rows[mine]], blocks, rate)
        likely = np.zeros(blocks)
        likely[block] = chance
        cross = register * agency
        if depth == 0:
            root = block
            out.before = float(cross.sum())
            out.error = _error(sample, rows, block, register, agency, out.before)
            size_of, before_of = (register, agency), cross
            after_of, given_of, refined_of = np.zeros(blocks), np.zeros(blocks), np.zeros(blocks)
        root_of = np.zeros(blocks, np.int64)
        root_of[block] = root
        if depth:
            out.refined_pairs += entering - float(((cross + inner) * likely).sum())
        weighing = cross * likely if cross.any() else inner * likely
        limits = np.where(agency > 0, most // np.maximum(agency, 1.0), candidates)
        burning = hot_chance(seen, weighing, rate, candidates, limits)
        out.pairs += float((cross * likely * (1 - burning)).sum())
        out.register_pairs += float((inner * likely * (1 - burning)).sum())
        np.add.at(after_of, root_of, cross * likely * (1 - burning))
        hot.append(names[likely * burning > 0.5])
        if depth == 0:
            refined_of = burning
        visible = 1.0 - (1.0 - rate) ** np.maximum(register, 1.0)
        out.refined_blocks += float((likely * burning / visible).sum())
        if depth == len(rule.refine):
            out.given_up_pairs += float(((cross + inner) * likely * burning).sum())
            np.add.at(given_of, root_of, cross * likely * burning)
            break
        goes = burning[block] > 1e-4
        if not goes.any():
            break
        held, chance = rows[goes], (likely * burning)[block[goes]]
        codes = part_codes(
            sample.coded.take(held, (rule.refine[depth].column,)), sample.meaning, rule.refine[depth]
        )
        folded = fold_codes(keys[goes], codes)
        keeps = folded != NO_KEY
        stay, member = held[keeps], block[goes][keeps]
        within = stay < first
        left = np.bincount(member, np.where(within, weight[stay], 0.0), blocks)
        right = np.bincount(member, np.where(within, 0.0, weight[stay]), blocks)
        remain = _inner_pairs(member[within], sample.stretch[stay[within]], blocks, rate)
        passing = likely * burning * (burning > 1e-4)
        entering = float(((left * right + remain) * passing).sum())
        out.given_up_pairs += float(((cross + inner) * passing).sum()) - entering
        np.add.at(given_of, root_of, (cross - left * right) * passing)
        keys, rows, chance, root = folded[keeps], stay, chance[keeps], root[goes][keeps]
    out.hot = np.sort(np.concatenate(hot))
    out.largest = _largest(sample, size_of, before_of, after_of, given_of, refined_of)
    return out


def _largest(
    sample: Sample,
    size: tuple[np.ndarray, np.ndarray],
    before: np.ndarray,
    after: np.ndarray,
    given_up: np.ndarray,
    refined: np.ndarray,
) -> list[Block]:
    agencies = sample.rate[1:] if sample.rate.shape[0] > 1 else np.ones(1)
    counted = size[0] * sample.rate[0] + size[1] * float(agencies.min())
    told = np.flatnonzero((counted >= SEEN) & (before > 0))
    order = told[np.lexsort((-size[0][told], -before[told]))][:LARGEST]
    return [
        Block(
            float(size[0][b]),
            float(size[1][b]),
            float(before[b]),
            float(after[b]),
            float(given_up[b]),
            float(refined[b]),
        )
        for b in order
    ]


def _inner_pairs(block: np.ndarray, stretch: np.ndarray, blocks: int, rate: float) -> np.ndarray:
    """Pairs of register members inside each block, estimated.

    Two records of one stretch are in the sample together as often as either; two of different stretches only
    as often as chance has it.
    """
    seen = np.bincount(block, minlength=blocks).astype(np.float64)
    every = seen * (seen - 1) / 2
    if rate >= 1.0 or not block.size:
        return every
    width = int(stretch.max()) + 1
    pairs, counts = np.unique(block * width + stretch, return_counts=True)
    together = np.bincount(pairs // width, counts * (counts - 1) / 2, blocks)
    return np.asarray(together / rate + (every - together) / rate**2)


def _error(
    sample: Sample,
    rows: np.ndarray,
    block: np.ndarray,
    register: np.ndarray,
    agency: np.ndarray,
    total: float,
) -> float:
    """Relative standard error of a rule's pairs, from what groups of stretches say apart."""
    if total <= 0:
        return 0.0
    first = sample.coded.n_register
    mine = rows < first
    share = sample.weight[rows] * np.where(mine, agency[block], register[block])
    group = sample.stretch[rows] % GROUPS
    variance = 0.0
    for side, rate in ((mine, sample.rate[0]), (~mine, sample.rate[1:].min(initial=1.0))):
        sums = np.bincount(group[side], share[side], GROUPS) * GROUPS
        variance += float(sums.var(ddof=1)) / GROUPS * (1.0 - float(rate))
    return math.sqrt(variance) / total


def hot_chance(
    seen: np.ndarray, pairs: np.ndarray, rate: float, candidates: int, limits: np.ndarray
) -> np.ndarray:
    """Probability that each block holds more than ``candidates`` register records, or more than its limit.

    seen   : int64[blocks], register members in the sample;  pairs : float64[blocks], what the block weighs
    rate   : share of the register in the sample; with 1 the answer is certain
    limits : float64[blocks], whole numbers: what each may hold that meets so many records of agencies
    """
    limits = np.minimum(limits, candidates).astype(np.int64)
    if rate >= 1.0:
        return (seen > limits).astype(np.float64)
    spread = 8 * math.sqrt(candidates * rate) + 10
    enough = math.ceil(candidates * rate + spread)
    most = min(enough, int(seen.max(initial=0)) + 1)
    others = np.clip(seen - 1, 0, most).astype(np.int64)
    histogram = np.bincount(others, np.maximum(pairs, 0.0), most + 1)
    if histogram.sum() <= 0:
        return (seen / rate > limits).astype(np.float64)
    top = max(candidates * 4, int(2 * enough / rate))
    # Every size near the threshold, then fewer and fewer; of a large threshold not every one below it.
    low = np.unique(np.linspace(0, 2 * candidates + 1, min(2 * candidates + 2, 300)).astype(np.int64))
    sizes = np.unique(np.concatenate([low, np.geomspace(2 * candidates + 1, top, 80).astype(np.int64)]))
    density = _binomial(most, sizes, rate)
    share = np.full(sizes.shape[0], 1.0 / sizes.shape[0])
    told = histogram / histogram.sum()
    for _ in range(_STEPS):
        mixed = np.maximum(density @ share, 1e-300)
        share = share * ((told / mixed) @ density)
        share /= share.sum()
    # Of each number seen: the probability of each size and all above it.
    above = np.cumsum((density * share)[:, ::-1], axis=1)[:, ::-1]
    above = np.concatenate([above / np.maximum(above[:, :1], 1e-300), np.zeros((most + 1, 1))], axis=1)
    if most == enough:
        above[most] = 1.0
    # ``sizes`` are the others of a block; with the one that was seen they are one more.
    out = above[others, np.searchsorted(sizes, limits)]
    out[seen == 0] = 0.0
    return np.asarray(out)


def _binomial(most: int, sizes: np.ndarray, rate: float) -> np.ndarray:
    """Probability to see each count 0 to ``most`` of each size; the last row takes all above."""
    factorial = np.array([math.lgamma(k + 1) for k in range(int(sizes.max()) + 2)])
    counts = np.arange(most)[:, None]
    free = np.maximum(sizes[None, :] - counts, 0)
    logged = factorial[sizes][None, :] - factorial[np.minimum(counts, factorial.shape[0] - 1)]
    logged = logged - factorial[free] + counts * math.log(rate) + free * math.log1p(-rate)
    out = np.where(counts <= sizes[None, :], np.exp(logged), 0.0)
    return np.concatenate([out, np.maximum(1.0 - out.sum(axis=0, keepdims=True), 0.0)])


def _walk(
    sample: Sample, keys: np.ndarray, widths: np.ndarray, rule: int, *, keep: bool
) -> tuple[float, tuple[np.ndarray, np.ndarray] | None]:
    """Weight of the agency-register pairs that ``rule`` owns, and with ``keep`` the pairs themselves."""
    first, weight = sample.coded.n_register, sample.weight
    own = keys[:, widths[rule] : widths[rule + 1]]
    flat, rows = own.ravel(), np.repeat(np.arange(own.shape[0]), own.shape[1])
    some = flat != NO_KEY
    flat, rows = flat[some], rows[some]
    order = np.lexsort((rows, flat))
    flat, rows = flat[order], np.ascontiguousarray(rows[order])
    names, counts = np.unique(flat, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    inside = np.concatenate([[0], np.cumsum(rows < first)])
    registers = (inside[starts[1:]] - inside[starts[:-1]]).astype(np.int32)
    position = np.zeros(3, np.int64)
    left, right = np.empty(_BATCH, np.int64), np.empty(_BATCH, np.int64)
    total, kept = 0.0, []
    while n := int(
        walk_blocks(
            starts, rows, registers, names, 0, position, keys, widths, rule, left, right
        )
    ):  # fmt: skip
        total += float((weight[left[:n]] * weight[right[:n]]).sum())
        if keep:
            kept.append((left[:n].copy(), right[:n].copy()))
    if not keep:
        return total, None
    none = np.zeros(0, np.int64)
    return total, (
        np.concatenate([none, *(a for a, _ in kept)]),
        np.concatenate([none, *(b for _, b in kept)]),
    )


def _lost(
    coded: Coded,
    meaning: Meaning,
    pairs: tuple[np.ndarray, np.ndarray],
    base: np.ndarray,
    effective: np.ndarray,
    widths: np.ndarray,
    others: Sequence[int],
) -> tuple[Lost, dict[int, float]]:
    """What the rules ``others`` find of pairs taken for true, before and after refinement; and by rule."""
    left, right = pairs
    agrees = _agree(coded, meaning, left, right)
    left, right = left[agrees], right[agrees]
    whole = np.zeros((2, left.shape[0]), bool)
    shares: dict[int, float] = {}
    for place in others:
        found = []
        for keys in (base, effective):
            held = np.ascontiguousarray(keys[:, widths[place] : widths[place + 1]])
            out = np.empty(left.shape[0], np.uint8)
            owned_pairs(held, np.array([0, held.shape[1]], np.int64), 1, left, right, out)
            found.append(out != 0)
        whole |= np.array(found)
        shares[place] = float((found[0] & ~found[1]).sum() / found[0].sum()) if found[0].any() else -1.0
    before, after = whole
    return Lost(int(left.shape[0]), int((~before).sum()), int((before & ~after).sum())), shares


def _agree(coded: Coded, meaning: Meaning, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pairs that agree on a whole name or date, where there are such columns: bool[pairs]."""
    some = np.zeros(left.shape[0], bool)
    known = False
    for column, kind in meaning.kinds.items():
        if kind not in ("name", "date") or column not in coded.arrays:
            continue
        known = True
        values = np.asarray(coded.arrays[column])
        if kind == "name":
            same = (values[left] == values[right]).all(axis=1) & (values[left][:, 0] != 0)
        else:
            same = (values[left] == values[right]) & (values[left] != 0)
        some |= same
    return some if known else np.ones(left.shape[0], bool)
