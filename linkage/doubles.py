"""Suspected doubles of the register: two of its persons who look like one under two numbers.

Candidates are register persons of one name, sex and birth day, of one old number, or tied for one agency
record. They are weighed by the run's own weights; a double has a number of its own, so that a number that
differs counts for nothing. What is suspected is told, and nothing is merged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels import keys as key_kernels
from kernels.partition import sort_by_key
from linkage.coded import Coded, Meaning
from linkage.model import STEP
from linkage.name_keys import fold_codes, name_codes
from linkage.scored import Scored

#: Persons of one block that are all compared with one another; a larger one is cut by commune first.
BLOCK_MOST = 40

#: Least number of doubles that a register is taken to hold, so that none found does not mean none there.
LEAST_DOUBLES = 0.5


@dataclass(frozen=True)
class Doubles:
    """Suspected doubles: global register rows int64[n] each, and float64[n] that both are one person."""

    one: np.ndarray
    other: np.ndarray
    probability: np.ndarray


def namesake_keys(coded: Coded, meaning: Meaning) -> tuple[np.ndarray, np.ndarray]:
    """Keys of records by exact name, sex and whole birth date, uint64[n], 0 none; and with the commune too.

    The second is 0 as well where no commune is known.
    """
    birth = np.asarray(coded.arrays["birth_date"])
    keys = name_codes(np.asarray(coded.arrays["full_name"]), meaning.tokens, "")
    keys = fold_codes(keys, np.where(birth & 31 != 0, birth, 0).astype(np.uint64))
    if "sex" in coded.arrays:
        keys = fold_codes(keys, np.asarray(coded.arrays["sex"]).astype(np.uint64))
    narrow = np.zeros_like(keys)
    if "commune" in coded.arrays:
        narrow = fold_codes(keys, (np.asarray(coded.arrays["commune"]) + 1).astype(np.uint64))
    return keys, narrow


def pairs_of(keys: np.ndarray, narrow: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Pairs of rows (int64[k] each) that share a key, and how many blocks were too large even when cut.

    keys, narrow : uint64[n], 0 none; blocks of more than ``BLOCK_MOST`` are cut by ``narrow``
    rows : int64[n], what the pairs are told by
    """
    left, right, large = _within(keys, rows)
    if large.size:
        inside = np.isin(keys, large)
        again = _within(narrow[inside], rows[inside])
        return np.concatenate([left, again[0]]), np.concatenate([right, again[1]]), int(again[2].size)
    return left, right, 0


def _within(keys: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of blocks that are small enough, and the keys of those that are not."""
    order = np.flatnonzero(keys != key_kernels.NO_KEY).astype(np.uint32)
    ordered = keys[order]
    sort_by_key(ordered, order)
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if order.size else order
    sizes = np.diff(np.append(starts, order.size))
    large = ordered[starts[sizes > BLOCK_MOST]]
    kept = np.repeat((sizes > 1) & (sizes <= BLOCK_MOST), sizes)
    order, ordered = order[kept], ordered[kept]
    left, right = [rows[:0]], [rows[:0]]
    for lag in range(1, BLOCK_MOST):
        same = np.flatnonzero(ordered[lag:] == ordered[:-lag])
        if not same.size:
            break
        left.append(rows[order[same]])
        right.append(rows[order[same + lag]])
    return np.concatenate(left), np.concatenate(right), large


def oriented(
    one: np.ndarray, other: np.ndarray, one_order: np.ndarray, other_order: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each pair of rows once, the one of the smaller order first, sorted by it; orders uint64 of the rows."""
    swap = one_order > other_order
    left, right = np.where(swap, other, one), np.where(swap, one, other)
    first_by, then_by = np.minimum(one_order, other_order), np.maximum(one_order, other_order)
    by = np.lexsort((then_by, first_by))
    left, right = left[by], right[by]
    first = np.ones(left.size, bool)
    first[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    first &= left != right
    return left[first], right[first]


def double_weights(scored: Scored, group: np.ndarray) -> np.ndarray:
    """Weights of pairs of register persons, bits: with the number where it speaks for them, else without.

    group : int8[patterns], of :class:`linkage.model.Weights`: 0 where no number is alike
    """
    alike = group[scored.pattern] > 0
    return np.where(alike, np.maximum(scored.weight, scored.blind), scored.blind) / STEP


def judge_doubles(scored: Scored, group: np.ndarray, n_register: int) -> Doubles:
    """Probability that each pair is one person held twice.

    Of the pairs of register persons, as many are doubles as the candidates' probabilities add up to; this is
    solved by iteration from one double among ten thousand persons. Pairs must be in an order of their own
    (:func:`oriented`), for the sum to be the same whatever the order of rows.
    """
    bits = double_weights(scored, group)
    pairs = max(1.0, n_register * (n_register - 1.0) / 2.0)
    doubles = max(LEAST_DOUBLES, n_register / 10_000)
    probability = np.zeros(bits.shape[0])
    for _ in range(100):
        prior = np.log2(doubles / pairs)
        probability = 1.0 / (1.0 + np.exp2(np.clip(-(bits + prior), -1000.0, 1000.0)))
        total = max(LEAST_DOUBLES, float(np.sort(probability).sum()))
        if abs(total - doubles) < 1e-9 * doubles:
            break
        doubles = total
    return Doubles(scored.left.astype(np.int64), scored.right.astype(np.int64), probability)


def shared_evidence(
    coded: Coded, one: np.ndarray, other: np.ndarray, near: np.ndarray
) -> dict[str, np.ndarray]:
    """Evidence code -> whether a pair shares it, bool[n]; near : bool[n], the numbers differ by one slip."""
    arrays = coded.arrays

    def same(column: str) -> np.ndarray:
        if column not in arrays:
            return np.zeros(one.shape[0], bool)
        a, b = np.asarray(arrays[column][one]), np.asarray(arrays[column][other])
        if a.ndim == 2:
            return (a[:, 0] != 0) & (a == b).all(axis=1)
        return (a == b) & (a >= 0 if column == "commune" else a != 0)

    earlier = np.zeros(one.shape[0], bool)
    aliases = arrays.get("personal_number.alias")
    if aliases is not None:
        for a, b in ((one, other), (other, one)):
            number = np.asarray(arrays["personal_number"][a])[:, None]
            earlier |= ((np.asarray(aliases[b]) == number) & (number != 0)).any(axis=1)
    return {
        "name_same": same("full_name"),
        "birth_date_same": same("birth_date"),
        "parents_same": same("father_name") | same("mother_name"),
        "commune_same": same("commune"),
        "phone_same": same("phone"),
        "old_number_same": same("old_number"),
        "number_near": near,
        "number_earlier": earlier,
    }
