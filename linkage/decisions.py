"""Decisions of records, as deciding hands them to resolution and to the artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linkage.model import STEP
from linkage.posterior import Prior
from linkage.rehearsal import Rehearsal
from linkage.scored import Scored

LINK, REVIEW, NEW, CONFLICT, INELIGIBLE = range(5)
DECISIONS = ("link", "review", "new", "conflict", "ineligible")

#: In place of a rule's number: the pair that settled its record before the other rules were tried.
SETTLED = 254


#: Bits by which another person's name and birth must fit better than those of the number's holder to be a
#: conflict.
CONTRADICTION_BITS = 8.0


def contradicting(blind: np.ndarray, n_register: int) -> np.ndarray:
    """What another pair of a record weighs at least without the identifier, int64[n] in 1/1024 bit, if it
    contradicts a pair that the identifier finds.

    blind : int[n], weights of these without the identifier
    """
    likely = int((np.log2(max(2, n_register)) + 3) * STEP)
    return np.maximum(blind.astype(np.int64) + int(CONTRADICTION_BITS * STEP), likely)


def rule_texts(rule: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Numbers of rules, int64[n], with that of settled pairs among them, and what they stand for."""
    return np.where(rule == SETTLED, len(names), rule), [*names, "settled"]


@dataclass(frozen=True)
class Decided:
    """Decisions by agency record of a range, or of all (arrays of n), and what they rest on.

    decision : uint8[n];  person, runner_up : int64[n], global register row, -1 none
    pair : int64[n], index into ``scored`` of the best pair, -1 none
    weight, margin : int32[n], 1/1024 bit;  probability : float64[n], of the decision's own claim
    p_link, p_unregistered : float64[n];  reasons : uint32[n] bits
    estimates : per source the expected number of false links and its interval; empty for a range
    rehearsal : what corrected the probabilities of records without a number
    """

    scored: Scored
    decision: np.ndarray
    person: np.ndarray
    runner_up: np.ndarray
    pair: np.ndarray
    weight: np.ndarray
    margin: np.ndarray
    probability: np.ndarray
    p_link: np.ndarray
    p_unregistered: np.ndarray
    reasons: np.ndarray
    prior: Prior
    estimates: list[dict[str, float]]
    rehearsal: Rehearsal
