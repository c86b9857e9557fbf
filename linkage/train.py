"""Training: m and u probabilities from counted patterns.

u comes from counts and random pairs, m from expectation maximisation within the blocks of several rules
(u fixed, each rule's share of matches free, the parts that read a rule's own columns left out), pooled over
rules. Agreement on a near-unique identifier is trained within its own blocks, non-matches there being learned
too. What independence gets wrong about strangers and relatives is counted among the register's own pairs.

Fellegi and Sunter 1969, "A theory for record linkage"; Winkler 1988 for the EM form; Belin and Rubin 1995 on
why estimated error rates need more than independence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from linkage.levels import Part, Programme, compile_parts
from linkage.model import (
    Correction,
    LevelModel,
    Model,
    PartModel,
    RuleTraining,
    groups_of,
    identify,
)
from linkage.scored import Counted

#: EM stops when no probability moves by more than this.
TOLERANCE = 1e-7

#: Prior pairs behind the starting values of m and of chance agreement, so that an empty level stays possible.
PRIOR_PAIRS = 2.0
CHANCE_PRIOR_PAIRS = 40.0

#: Random pairs of a level from which on its u is known: to three percent, 0.05 bits.
KNOWN_FROM = 1_000

#: Chance that a stranger's phone or other near-unique value agrees, before anything is counted.
SMALLEST = 1e-9


@dataclass(frozen=True)
class Evidence:
    """What training is made from.

    rules      : training rule -> counted patterns of agency-register pairs in its blocks
    groups     : identifier group -> counted patterns of agency-register pairs in that identifier's blocks
    rule_columns : training rule -> columns its key reads
    random     : counted patterns of random agency-register pairs
    register   : by rule, counted patterns of the register's own pairs, and the share of its blocks counted
    equality   : part -> level -> chance that two register persons agree, counted over all pairs
    n_agency, n_register : records;  present : part -> share of register records that have the part's columns
    lost       : share of matches that no rule but the identifier's finds
    mean_frequency : see :class:`linkage.model.Model`
    group_share : identifier group -> share of the agency records whose pairs were counted
    """

    rules: Mapping[str, Counted]
    groups: Mapping[str, Counted]
    rule_columns: Mapping[str, Sequence[str]]
    random: Counted
    register: Sequence[tuple[Counted, float]]
    equality: Mapping[tuple[str, str], float]
    n_agency: int
    n_register: int
    present: Mapping[str, float]
    lost: float
    mean_frequency: Mapping[str, float]
    group_share: Mapping[str, float]


@dataclass
class Fitted:
    """Result of one EM run: m per part, chance per part, share of matches, and how it went."""

    m: list[np.ndarray]
    u: list[np.ndarray]
    share: float
    iterations: int
    converged: bool
    expected: list[np.ndarray]


def expectation_maximisation(
    levels: np.ndarray,
    counts: np.ndarray,
    m: Sequence[np.ndarray],
    u: Sequence[np.ndarray],
    *,
    on: Sequence[int],
    share: float = 0.5,
    learn_u: bool = False,
    iterations: int = 200,
) -> Fitted:
    """Two-class EM over counted level vectors; level 0 of a part is null and carries no evidence.

    levels : int64[k, parts];  counts : float64[k];  m, u : per part, probabilities of levels (index 0 unused)
    on     : parts that take part.  Returns the fitted probabilities; parts not in ``on`` are unchanged.
    """
    m = [v.copy() for v in m]
    u = [v.copy() for v in u]
    start_m = [v.copy() for v in m]
    start_u = [v.copy() for v in u]
    weights = counts.astype(np.float64)
    total = weights.sum()
    expected = [np.zeros_like(v) for v in m]
    converged = False
    done = 0
    while done < iterations:
        done += 1
        log_odds = np.full(levels.shape[0], np.log(share) - np.log1p(-share))
        for part in on:
            ratio = np.log(np.maximum(m[part], 1e-300)) - np.log(np.maximum(u[part], 1e-300))
            ratio[0] = 0.0
            log_odds += ratio[levels[:, part]]
        matched = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -700, 700)))
        as_match = weights * matched
        as_other = weights - as_match
        new_share = float(np.clip(as_match.sum() / total, 1e-9, 1 - 1e-9))
        moved = abs(new_share - share)
        share = new_share
        for part in on:
            seen = np.bincount(levels[:, part], weights=as_match, minlength=m[part].shape[0])
            seen[0] = 0.0
            expected[part] = seen
            fresh = seen + PRIOR_PAIRS * start_m[part]
            fresh[0] = 0.0
            fresh /= fresh.sum()
            moved = max(moved, float(np.abs(fresh - m[part])[1:].max(initial=0.0)))
            m[part] = fresh
            if learn_u:
                seen = np.bincount(levels[:, part], weights=as_other, minlength=u[part].shape[0])
                seen[0] = 0.0
                fresh = seen + CHANCE_PRIOR_PAIRS * start_u[part]
                fresh[0] = 0.0
                fresh /= fresh.sum()
                moved = max(moved, float(np.abs(fresh - u[part])[1:].max(initial=0.0)))
                u[part] = fresh
        if moved < TOLERANCE:
            converged = True
            break
    return Fitted(m, u, share, done, converged, expected)


def _start_m(part: Part) -> np.ndarray:
    """Falling start: agreement first, the rest shared out; fixed levels as given."""
    n = len(part.levels)
    start = np.zeros(n)
    start[1] = 0.9
    if n > 2:
        start[2:] = 0.1 / (n - 2)
    return start / start.sum()


def _u_from_random(
    part: Part, index: int, evidence: Evidence, levels: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    counts = np.bincount(levels[:, index], weights=evidence.random.counts, minlength=len(part.levels)).astype(
        np.float64
    )
    counts[0] = 0.0
    known = counts.sum()
    u = (
        (counts + 0.5 / max(1, len(part.levels))) / (known + 0.5)
        if known
        else np.full(len(part.levels), 1e-3)
    )
    source = ["random pairs"] * len(part.levels)
    for place, level in enumerate(part.levels):
        counted = evidence.equality.get((part.name, level.name))
        if counted is not None and counts[place] < 2000:
            u[place] = max(counted, 0.1 / evidence.n_register / max(evidence.n_register, 1), SMALLEST)
            source[place] = "value counts"
        if level.u is not None:
            u[place] = level.u
            source[place] = "fixed"
    u[0] = 0.0
    return np.maximum(u, SMALLEST * 1e-6), source


def train(programme: Programme, evidence: Evidence, *, iterations: int = 200) -> Model:
    """Estimate the model. Levels with fixed ``m`` or ``u`` keep them; the rest is as the module says."""
    parts = programme.parts
    number, groups = groups_of(parts)
    random_levels = programme.levels_of(evidence.random.patterns)
    u: list[np.ndarray] = []
    u_from: list[list[str]] = []
    for index, part in enumerate(parts):
        values, source = _u_from_random(part, index, evidence, random_levels)
        u.append(values)
        u_from.append(source)
    m = [_start_m(p) for p in parts]
    trained: list[RuleTraining] = []
    warnings: list[str] = []
    idle: list[str] = []
    chance: dict[str, list[np.ndarray]] = {}
    pooled = [np.zeros(len(p.levels)) for p in parts]
    seen_m: list[list[np.ndarray]] = [[] for _ in parts]

    for name in groups[1:]:
        counted = evidence.groups.get(name)
        pairs = int(counted.counts.sum()) if counted is not None else 0
        if counted is None or pairs == 0:
            u_group = 0.1 / max(1.0, float(evidence.n_register)) / max(1.0, float(evidence.n_agency))
            _set_group(parts[number], u[number], u_from[number], name, max(u_group, 1e-18), None)
            chance[name] = [v.copy() for v in u]
            warnings.append(
                f"no pair agrees on the identifier group '{name}': its chance agreement is a default"
            )
            continue
        levels = programme.levels_of(counted.patterns)
        on = [i for i in range(len(parts)) if i != number]
        fitted = expectation_maximisation(
            levels,
            counted.counts,
            m,
            _chance_start(parts, u, number),
            on=on,
            share=0.99,
            learn_u=True,
            iterations=iterations,
        )
        chance[name] = fitted.u
        others = max((1 - fitted.share) * pairs, 0.5)
        own = np.bincount(levels[:, number], weights=counted.counts, minlength=len(parts[number].levels))
        _set_group(
            parts[number],
            u[number],
            u_from[number],
            name,
            others / evidence.group_share.get(name, 1.0) / evidence.n_agency / evidence.n_register,
            own,
        )
        trained.append(
            RuleTraining(
                rule=f"identifier:{name}",
                pairs=pairs,
                matched_share=fitted.share,
                iterations=fitted.iterations,
                converged=fitted.converged,
                parts=[parts[i].name for i in on],
            )
        )
        if name == groups[1]:
            for i in on:
                pooled[i] += fitted.expected[i]
                seen_m[i].append(_share_of(fitted.expected[i]))

    start = [_share_of(p) if p.sum() > 100 else m[i] for i, p in enumerate(pooled)]
    for rule, counted in evidence.rules.items():
        on = trained_parts(programme, evidence.rule_columns[rule])
        if not on:
            idle.append(rule)
            warnings.append(f"training rule '{rule}' trains nothing: it reads columns of every comparison")
            continue
        if counted.counts.sum() == 0:
            warnings.append(f"training rule '{rule}' has no pairs")
            continue
        levels = programme.levels_of(counted.patterns)
        flat, inverse = np.unique(levels[:, on], axis=0, return_inverse=True)
        slim = np.zeros((flat.shape[0], len(parts)), np.int64)
        slim[:, on] = flat
        counts = np.bincount(inverse.ravel(), weights=counted.counts)
        fitted = expectation_maximisation(slim, counts, start, u, on=on, share=0.3, iterations=iterations)
        trained.append(
            RuleTraining(
                rule=rule,
                pairs=int(counted.counts.sum()),
                matched_share=fitted.share,
                iterations=fitted.iterations,
                converged=fitted.converged,
                parts=[parts[i].name for i in on],
            )
        )
        for i in on:
            pooled[i] += fitted.expected[i]
            seen_m[i].append(_share_of(fitted.expected[i]))
    for i, part in enumerate(parts):
        total = pooled[i] + PRIOR_PAIRS * m[i]
        total[0] = 0.0
        m[i] = total / total.sum()
        for place, level in enumerate(part.levels):
            if level.m is not None:
                m[i][place] = level.m
            elif place and pooled[i][place] < 1.0:
                warnings.append(f"level '{part.name}.{level.name}' was never observed among matches")
    warnings += [
        f"training on '{one.rule}' did not converge in {one.iterations} iterations"
        for one in trained
        if not one.converged
    ]
    corrections = _corrections(programme, evidence, m, u, number)
    described = [
        PartModel(
            name=part.name,
            columns=list(part.columns),
            levels=[
                LevelModel(
                    name=level.name,
                    when=level.when,
                    m=float(m[i][place]),
                    u=float(u[i][place]),
                    chance={g: float(c[i][place]) for g, c in chance.items() if i != number and place},
                    m_from="fixed" if level.m is not None else "em",
                    u_from=u_from[i][place],
                    observed=round(float(pooled[i][place]), 3),
                    spread=[round(float(s[place]), 9) for s in seen_m[i]],
                )
                for place, level in enumerate(part.levels)
            ],
        )
        for i, part in enumerate(parts)
    ]
    return identify(
        Model(
            register=evidence.n_register,
            parts=described,
            corrections=corrections,
            mean_frequency={k: float(v) for k, v in evidence.mean_frequency.items()},
            lost=float(evidence.lost),
            training=trained,
            converged=all(t.converged for t in trained) and not (idle and not trained),
            warnings=warnings,
        )
    )


def trained_parts(programme: Programme, columns: Sequence[str]) -> list[int]:
    """Parts that blocks on these columns can train: those that read none of them."""
    return [i for i, p in enumerate(programme.parts) if not set(columns) & set(p.columns)]


def some_parts(programme: Programme, places: Sequence[int], kinds: Mapping[str, str]) -> Programme:
    """A programme of some of the parts, in their order; the whole one if it is all of them."""
    if len(places) == len(programme.parts):
        return programme
    return compile_parts([programme.parts[i] for i in places], dict(kinds))


def widened(counted: Counted, programme: Programme, whole: Programme, places: Sequence[int]) -> Counted:
    """Patterns of a programme of some parts as patterns of the whole one, the other parts at null."""
    if programme is whole:
        return counted
    levels = programme.levels_of(counted.patterns)
    return Counted((levels @ whole.radix[list(places)]).astype(np.uint32), counted.counts)


def level_counts(programme: Programme, counted: Counted) -> list[np.ndarray]:
    """Pairs by level of every part: int64[levels] each."""
    levels = programme.levels_of(counted.patterns)
    out = []
    for i, part in enumerate(programme.parts):
        pairs = np.zeros(len(part.levels), np.int64)
        np.add.at(pairs, levels[:, i], counted.counts)
        out.append(pairs)
    return out


def parts_to_count(programme: Programme, counts: Sequence[Sequence[int]]) -> list[int]:
    """Parts some level of which random pairs have shown too seldom for its u to be known; all if none.

    counts : by part and level. What is fixed, or learned from an identifier's own blocks, is not asked for.
    """
    wanting = [
        i
        for i, part in enumerate(programme.parts)
        if any(
            place and level.u is None and not level.group and counts[i][place] < KNOWN_FROM
            for place, level in enumerate(part.levels)
        )
    ]
    return wanting or list(range(len(programme.parts)))


def _share_of(counts: np.ndarray) -> np.ndarray:
    total = counts.sum()
    return counts / total if total > 0 else np.zeros_like(counts)


def _chance_start(parts: Sequence[Part], u: Sequence[np.ndarray], number: int) -> list[np.ndarray]:
    """Where chance agreement on an identifier starts: half strangers, half relatives who agree evenly."""
    out = []
    for index, (part, values) in enumerate(zip(parts, u, strict=True)):
        if index == number:
            out.append(values.copy())
            continue
        n = len(part.levels)
        even = np.full(n, 1.0 / max(1, n - 1))
        even[0] = 0.0
        base = values.copy()
        base[0] = 0.0
        base = base / base.sum() if base.sum() else even
        out.append(0.8 * base + 0.2 * even)
    return out


def _set_group(
    part: Part, u: np.ndarray, source: list[str], group: str, chance: float, counts: np.ndarray | None
) -> None:
    """Give the levels of an identifier group their u: the group's chance agreement, shared as was seen."""
    places = [i for i, level in enumerate(part.levels) if level.group == group]
    shares = np.array([counts[i] if counts is not None else 1.0 for i in places], np.float64) + 1.0
    shares /= shares.sum()
    for place, share in zip(places, shares, strict=True):
        if part.levels[place].u is None:
            u[place] = chance * share
            source[place] = f"non-matches in the blocks of '{group}'"


def _corrections(
    programme: Programme, evidence: Evidence, m: Sequence[np.ndarray], u: Sequence[np.ndarray], number: int
) -> list[Correction]:
    """Bits by which register persons agree more often than independence says, per pattern of the other parts.

    A pair with a missing value is judged by the sum over that value (nulls carry no evidence). Pairs of rules
    of which a share was counted stand for as many more. Only excess is corrected, where at least three pairs
    and two standard deviations speak for it. Patterns on which a pair would be called one person on the very
    same name, were it not for the numbers, are left alone: what stands out there are people the register
    holds twice, not strangers.
    """
    if not any(counted.counts.sum() for counted, _ in evidence.register):
        return []
    parts = programme.parts
    rest = [i for i in range(len(parts)) if i != number]
    shape = tuple(len(parts[i].levels) for i in rest)
    # Pairs seen, pairs they stand for, and the variance of these.
    seen, table, variance = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for counted, share in evidence.register:
        at = tuple(programme.levels_of(counted.patterns)[:, rest].T)
        counts = counted.counts.astype(np.float64)
        np.add.at(seen, at, counts)
        np.add.at(table, at, counts / share)
        np.add.at(variance, at, counts / share**2)
    for of in (seen, table, variance):
        for axis in range(len(shape)):
            index: list[slice | int] = [slice(None)] * len(shape)
            index[axis] = 0
            of[tuple(index)] = of.sum(axis=axis)
    n = float(evidence.n_register)
    expected = np.full(shape, n * (n - 1) / 2)
    odds = np.full(shape, -np.log2(n))
    decisive = np.ones(shape, bool)
    for axis, i in enumerate(rest):
        along = [-1 if a == axis else 1 for a in range(len(shape))]
        factor = u[i] * evidence.present.get(parts[i].name, 1.0) ** 2
        factor[0] = 1.0
        expected = expected * factor.reshape(along)
        gain = np.log2(np.maximum(m[i], 1e-12)) - np.log2(np.maximum(u[i], 1e-18))
        gain[0] = 0.0
        odds = odds + gain.reshape(along)
        if not all(level.link for level in parts[i].levels):
            decisive &= (np.arange(len(parts[i].levels)) == 1).reshape(along)
    # One pair seen stands for so many: 1 where all were counted.
    weight = np.where(seen > 0, variance / np.maximum(table, 1.0), 1.0)
    bits = np.log2((table + 0.5 * weight) / np.maximum(expected, 1e-30))
    doubles = decisive & (odds > 10.0)
    worth = (
        (seen >= 3)
        & (bits > 0.25)
        & (table > expected + 2 * np.sqrt(expected * weight))
        & ~doubles
        & (odds > -20.0)
    )
    return [
        Correction(
            levels=[int(v) for v in at], bits=round(float(bits[tuple(at)]), 4), pairs=int(seen[tuple(at)])
        )
        for at in np.argwhere(worth)
    ]
