"""What blocking, training, matching and deciding hand on: blocks, counted patterns, scored pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from linkage.hot import Hot


@dataclass(frozen=True)
class Blocks:
    """Blocks of one partition of one rule.

    members    : uint32[k], global rows, the register's first in every block
    starts     : int64[blocks + 1];  n_register : int32[blocks];  keys : uint64[blocks], effective keys
    hot        : uint64[h], keys that were refined or given up
    counts     : pairs by what became of them, see :func:`linkage.block.plan_blocks`
    base       : uint64[r], keys before refinement of the last r blocks, which are the refined ones; those
                 before stand by rising key
    told       : what is known of the hot keys, where the blocks were made
    """

    members: np.ndarray
    starts: np.ndarray
    n_register: np.ndarray
    keys: np.ndarray
    hot: np.ndarray
    counts: dict[str, int]
    base: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    told: Hot = field(default_factory=lambda: Hot.join([]))


@dataclass(frozen=True)
class Counted:
    """Patterns with their numbers of pairs: patterns uint32[k] sorted, counts int64[k]."""

    patterns: np.ndarray
    counts: np.ndarray

    @staticmethod
    def total_of(many: Sequence[Counted]) -> Counted:
        """Sum of several counts."""
        if not many:
            return Counted(np.zeros(0, np.uint32), np.zeros(0, np.int64))
        patterns, inverse = np.unique(np.concatenate([c.patterns for c in many]), return_inverse=True)
        counts = np.zeros(patterns.shape[0], np.int64)
        np.add.at(counts, inverse, np.concatenate([c.counts for c in many]))
        return Counted(patterns, counts)


@dataclass(frozen=True)
class Scored:
    """Scored pairs: global rows, pattern, rule, weight with and without the identifier (1/1024 bit).

    left : uint32[n], the agency's record;  right : uint32[n];  pattern : uint32[n];  rule : uint8[n]
    weight, blind : int32[n]
    """

    left: np.ndarray
    right: np.ndarray
    pattern: np.ndarray
    rule: np.ndarray
    weight: np.ndarray
    blind: np.ndarray

    @staticmethod
    def concatenate(many: Sequence[Scored]) -> Scored:
        """All of them, one after the other."""
        if not many:
            return Scored(
                *(np.zeros(0, t) for t in (np.uint32, np.uint32, np.uint32, np.uint8, np.int32, np.int32))
            )
        if len(many) == 1:
            return many[0]
        return Scored(*(np.concatenate([getattr(s, f) for s in many]) for f in Scored.__dataclass_fields__))

    def where(self, mask: np.ndarray) -> Scored:
        """Those of a mask or an index array."""
        return Scored(*(getattr(self, f)[mask] for f in Scored.__dataclass_fields__))
