"""Entities: linked records around their register person, unknown people grouped, duplicates ordered.

An entity holds at most one register person, and at most one record of a source that promises one a person,
save for duplicates that two records compared directly have shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kernels.components import JOINED, WITHIN, join_in_order
from linkage.acceptance import accept_in_order
from linkage.config import Decision
from linkage.decisions import CONFLICT, NEW, REVIEW
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


def person_groups(person: np.ndarray, source: np.ndarray, role: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows that share source, role and person with another row: int64[n, 2] (group, row), sorted.

    person : int64[n];  source : int[n];  rows : int64[n], global
    role   : uint64[n], value of the fields within which one record a person is promised
    """
    if rows.shape[0] == 0:
        return np.zeros((0, 2), np.int64)
    # Person and source sort as one number; roles, which few sources have, only tell apart what is left.
    key = person.astype(np.int64) * 256 + source
    order = np.argsort(key)
    again = key[order][1:] == key[order][:-1]
    chosen = order[np.append(again, False) | np.insert(again, 0, False)]
    by = chosen[np.lexsort((rows[chosen], role[chosen], key[chosen]))]
    same = (key[by][1:] == key[by][:-1]) & (role[by][1:] == role[by][:-1])
    group = np.cumsum(np.concatenate([[0], ~same])) if by.size else np.zeros(0, np.int64)
    many = np.append(same, False) | np.insert(same, 0, False) if by.size else np.zeros(0, bool)
    return np.stack([group[many], rows[by][many]], axis=1).astype(np.int64)


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
    probability: np.ndarray,
    weights: Weights,
    source: np.ndarray,
    ties: np.ndarray,
    settings: Sequence[Decision],
) -> Duplicates:
    """Judge directly compared pairs (left absorbed, right survivor) of one source each.

    A pair whose direct comparison speaks against it is not ordered.

    probability : float64[n], that both records are one person's;  source : int[n], of the pair
    ties : uint64[n], keyed hash of the left record: the order of equally probable pairs
    """
    record_min = np.array([s.record_min for s in settings])[source]
    agrees = weights.allowed[pairs.pattern] & (pairs.weight > 0) & (probability >= record_min)
    accepted = np.zeros(source.shape[0], bool)
    for s in range(len(settings)):
        mine = np.flatnonzero(agrees & (source == s))
        accepted[mine] = accept_in_order(probability[mine], ties[mine], settings[s].duplicates)
    left, right = pairs.left.astype(np.int64), pairs.right.astype(np.int64)
    return Duplicates(left, right, pairs.weight, pairs.pattern, probability, accepted)


def orders_kept(found: Duplicates, ties: np.ndarray) -> np.ndarray:
    """Which accepted orders stand, bool[n]: of those that would merge one record away the most probable.

    ties : uint64[n, 2], keyed hashes of the absorbed and the surviving record
    """
    by = np.lexsort((ties[:, 1], ties[:, 0], -found.probability))
    by = by[found.accepted[by]]
    _, first = np.unique(found.absorbed[by], return_index=True)
    keep = np.zeros(found.absorbed.shape[0], bool)
    keep[by[first]] = True
    return keep


def is_open(decision: np.ndarray) -> np.ndarray:
    """Records that no register person was decided for: new, open and contradicted ones."""
    return np.isin(decision, (NEW, REVIEW, CONFLICT))


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


@dataclass(frozen=True)
class Groups:
    """Unknown people: their records, and the edges between these.

    rows, roots : int64[n], grouped rows in order, and the least row of each one's group
    left, right : int64[k], rows of the edges, the strongest first;  kept : bool[k], False for one that is cut
    """

    rows: np.ndarray
    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    kept: np.ndarray


def group_open(
    pairs: Scored,
    probability: np.ndarray,
    weights: Weights,
    rows: np.ndarray,
    source: np.ndarray,
    fresh: np.ndarray,
    ties: np.ndarray,
    wants_one: Sequence[bool],
) -> Groups:
    """Group open records into unknown people, the strongest pairs first.

    rows : int64[m], open rows in order;  source : int[m];  fresh : bool[m], which may be grouped
    ties : uint64[m], the order of equally strong pairs, so that the groups do not depend on where a record
    stands
    """
    left = np.searchsorted(rows, pairs.left.astype(np.int64))
    right = np.searchsorted(rows, pairs.right.astype(np.int64))
    good = (probability >= GROUP_MIN) & weights.allowed[pairs.pattern] & fresh[left] & fresh[right]
    left, right, weight = left[good], right[good], pairs.weight[good].astype(np.int64)
    one, two = ties[left], ties[right]
    order = np.lexsort((np.maximum(one, two), np.minimum(one, two), -weight))
    left, right = np.ascontiguousarray(left[order]), np.ascontiguousarray(right[order])
    roots = np.empty(rows.shape[0], np.int64)
    outcome = np.empty(left.shape[0], np.uint8)
    join_in_order(left, right, source.astype(np.int64), np.array(wants_one, np.uint8), roots, outcome)
    sizes = np.bincount(roots, minlength=rows.shape[0])
    grouped = np.flatnonzero(sizes[roots] > 1)
    told = outcome != WITHIN
    return Groups(
        rows[grouped], rows[roots[grouped]], rows[left[told]], rows[right[told]], outcome[told] == JOINED
    )


def anchors_of(groups: Groups, place: np.ndarray, merged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of unknown people that another row's key names, and that row: int64[n] each, by rising row.

    Of a group it is the first by ``place`` (int64, of ``groups.rows``). ``merged`` int64[k, 2]: a record that
    is absorbed by another takes what names that one, or the one that absorbs it in turn.
    """
    rows, anchors = groups.rows, np.empty(groups.rows.shape[0], np.int64)
    if rows.size:
        by = np.lexsort((place, groups.roots))
        starts = np.flatnonzero(np.concatenate([[True], groups.roots[by][1:] != groups.roots[by][:-1]]))
        anchors[by] = np.repeat(rows[by][starts], np.diff(np.append(starts, by.shape[0])))
    gone, stays = merged[np.argsort(merged[:, 0], kind="stable")].T
    into = stays
    while True:
        onward, further = _found(gone, stays)
        if not further.any():
            break
        stays = np.where(further, into[onward], stays)
    at, grouped = _found(rows, stays)
    named = stays.copy()
    named[grouped] = anchors[at[grouped]]
    others = ~_found(gone, rows)[1]
    rows, anchors = np.concatenate([rows[others], gone]), np.concatenate([anchors[others], named])
    by = np.argsort(rows, kind="stable")
    by = by[rows[by] != anchors[by]]
    return rows[by], anchors[by]


def _found(ordered: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of each wanted value among ordered ones, and whether it is there."""
    if ordered.size == 0:
        return np.zeros(wanted.shape[0], np.int64), np.zeros(wanted.shape[0], bool)
    at = np.minimum(np.searchsorted(ordered, wanted), ordered.shape[0] - 1)
    return at, ordered[at] == wanted
