"""Entities: linked records around their register person, unknown people grouped, duplicates ordered.

An entity holds at most one register person, and at most one record of a source that promises one a person,
save for duplicates that two records compared directly have shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linkage.acceptance import accept_in_order
from linkage.config import Decision
from linkage.decisions import CONFLICT, NEW, REVIEW, Decided
from linkage.model import Weights
from linkage.posterior import power_of_two
from linkage.scored import Scored

#: Least posterior of a pair of unlinked records to be one unknown person.
GROUP_MIN = 0.99


@dataclass(frozen=True)
class Duplicates:
    """Merge orders: agency rows (global) of the record that goes and the one that stays.

    absorbed, survivor : int64[n];  weight : int32[n] of the direct comparison;  pattern : uint32[n]
    probability : float64[n];  accepted : bool[n], False where the set's precision or the pair forbids it
    """

    absorbed: np.ndarray
    survivor: np.ndarray
    weight: np.ndarray
    pattern: np.ndarray
    probability: np.ndarray
    accepted: np.ndarray


def person_groups(
    decided: Decided, first: int, source: np.ndarray, role: np.ndarray, wants_one: np.ndarray
) -> np.ndarray:
    """Agency rows sharing source, role and person with another row: int64[n, 2] (group, row), sorted.

    decided.person of linked, open and contradicted records counts from even odds on.
    role : int64[n], value of the fields within which one record a person is promised
    wants_one : bool[sources]
    """
    likely = (decided.person >= 0) & (decided.p_link >= 0.5) & wants_one[source]
    rows = np.flatnonzero(likely)
    if rows.size == 0:
        return np.zeros((0, 2), np.int64)
    # Person and source sort as one number; roles, which few sources have, only tell apart what is left.
    key = decided.person[rows] * 256 + source[rows]
    order = np.argsort(key, kind="stable")
    again = np.flatnonzero(key[order][1:] == key[order][:-1])
    rows = rows[order[np.unique(np.concatenate([again, again + 1]))]]
    keys = np.stack([source[rows].astype(np.int64), role[rows], decided.person[rows]], axis=1)
    _, group, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()
    many = counts[group] > 1
    out = np.stack([group[many], rows[many] + first], axis=1)
    return out[np.lexsort((out[:, 1], out[:, 0]))]


def survivors(groups: np.ndarray, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Absorbed and surviving rows: of each group the least ``rank`` (int64, by place in ``groups``) stays."""
    if groups.shape[0] == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.lexsort((rank, groups[:, 0]))
    ordered = groups[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:, 0] != ordered[:-1, 0]]))
    first = np.repeat(ordered[starts, 1], np.diff(np.append(starts, ordered.shape[0])))
    absorbed = np.ones(ordered.shape[0], bool)
    absorbed[starts] = False
    return ordered[absorbed, 1], first[absorbed]


def order_duplicates(
    pairs: Scored,
    decided: Decided,
    weights: Weights,
    source: np.ndarray,
    order: np.ndarray,
    first: int,
    settings: Sequence[Decision],
    unlinked_probability: np.ndarray | None = None,
) -> Duplicates:
    """Judge directly compared pairs (left absorbed, right survivor) of one person in one source.

    The probability is that both records are the person's (or, for unlinked records, the pair's own); a pair
    whose direct comparison speaks against it is not ordered.
    """
    left, right = pairs.left.astype(np.int64), pairs.right.astype(np.int64)
    if unlinked_probability is None:
        probability = decided.p_link[left - first] * decided.p_link[right - first]
    else:
        probability = unlinked_probability
    record_min = np.array([s.record_min for s in settings])[source[left - first]]
    agrees = weights.allowed[pairs.pattern] & (pairs.weight > 0) & (probability >= record_min)
    accepted = np.zeros(left.shape[0], bool)
    for s in range(len(settings)):
        mine = np.flatnonzero(agrees & (source[left - first] == s))
        accepted[mine] = accept_in_order(probability[mine], order[left[mine] - first], settings[s].duplicates)
    return Duplicates(left, right, pairs.weight, pairs.pattern, probability, accepted)


def open_rows(decided: Decided, first: int) -> np.ndarray:
    """Agency rows (global) that no register person was decided for: new, open and contradicted ones."""
    return first + np.flatnonzero(np.isin(decided.decision, (NEW, REVIEW, CONFLICT)))


def pair_probability(pairs: Scored, n_open: int) -> np.ndarray:
    """Posterior of pairs of unlinked records, the smaller of both records' views: float64[n].

    Each record has even odds of another record of its person among the ``n_open`` open ones.
    """
    if pairs.left.shape[0] == 0:
        return np.zeros(0)
    odds = power_of_two(pairs.weight) * (0.5 / max(1, n_open))
    rows, inverse = np.unique(np.concatenate([pairs.left, pairs.right]), return_inverse=True)
    left, right = inverse[: pairs.left.shape[0]], inverse[pairs.left.shape[0] :]
    total = np.zeros(rows.shape[0])
    strongest = np.argsort(odds, kind="stable")
    np.add.at(total, left[strongest], odds[strongest])
    np.add.at(total, right[strongest], odds[strongest])
    return np.minimum(odds / (1.0 + total[left]), odds / (1.0 + total[right]))


def group_open(
    pairs: Scored,
    probability: np.ndarray,
    weights: Weights,
    source: np.ndarray,
    first: int,
    wants_one: Sequence[bool],
    allowed_rows: np.ndarray,
    ties: np.ndarray,
) -> tuple[dict[int, int], list[tuple[int, int, bool, str]]]:
    """Group open records into unknown people, the strongest pairs first.

    Returns row -> root row for grouped rows, and the edges (left, right, kept, reason).
    allowed_rows : bool over agency rows, which may be grouped;  ties : uint64 over agency rows, the order of
    equally strong pairs, so that the groups do not depend on where a record stands
    """
    good = (probability >= GROUP_MIN) & weights.allowed[pairs.pattern]
    one, two = (ties[side.astype(np.int64) - first] for side in (pairs.left, pairs.right))
    order = np.lexsort((np.maximum(one, two), np.minimum(one, two), -pairs.weight.astype(np.int64)))
    root: dict[int, int] = {}
    members: dict[int, list[int]] = {}
    edges = []

    def find(row: int) -> int:
        while root.get(row, row) != row:
            row = root[row]
        return row

    for at in order[good[order]]:
        a, b = int(pairs.left[at]), int(pairs.right[at])
        if not (allowed_rows[a - first] and allowed_rows[b - first]):
            continue
        of_a, of_b = find(a), find(b)
        if of_a == of_b:
            continue
        left, right = members.get(of_a, [of_a]), members.get(of_b, [of_b])
        here = {int(source[r - first]) for r in left}
        clash = any(int(source[r - first]) in here and wants_one[int(source[r - first])] for r in right)
        direct = source[a - first] == source[b - first]
        if clash and not (direct and len(left) == 1 and len(right) == 1):
            edges.append((a, b, False, "one_record_a_person"))
            continue
        low, high = min(of_a, of_b), max(of_a, of_b)
        root[high] = low
        root.setdefault(low, low)
        members[low] = sorted(left + right)
        members.pop(high, None)
        edges.append((a, b, True, "unknown_person"))
    return {row: find(row) for row in root}, edges
