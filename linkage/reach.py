"""Which pairs can still reach the floor, by the parts of a comparison that cost least.

Names of relatives are wide to read and dear to compare, and most candidates cannot matter whatever they say:
their columns are read, and compared, of the other pairs only. No pair is left out that comparing everything
would keep: what the last parts can add at most is taken from the weights themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kernels.patterns import reaching_pairs
from linkage.coded import Coded, Meaning
from linkage.compare import BATCH, Comparer
from linkage.gathered import Gathered, side_terms
from linkage.levels import Part, Programme, compile_parts
from linkage.model import Weights

#: Parts that may be compared last: for each set of them there is a table of what the others can reach.
_MOST = 4


@dataclass(frozen=True)
class Screen:
    """A comparison in two steps, and what a pair can reach after the first.

    first, last  : the parts of either step
    first_place, last_place : uint32[patterns of the step]; the pattern of all parts is the sum of the two
    total, blind : int32[2**k, patterns of the first], the greatest weights that k last parts leave, by which
                   of them have nothing to compare (see :meth:`empty`)
    frequency, blind_frequency, repeated : as in :class:`linkage.model.Weights`, of the first step's patterns
    """

    first: Programme
    last: Programme
    first_place: np.ndarray
    last_place: np.ndarray
    total: np.ndarray
    blind: np.ndarray
    frequency: np.ndarray
    blind_frequency: np.ndarray
    repeated: np.ndarray

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the last step, one a part."""
        return tuple(part.columns[0] for part in self.last.parts)

    def read_first(self, columns: Sequence[str]) -> list[str]:
        """Those of some columns that the last step alone does not need."""
        compared = {c for part in self.first.parts for c in part.columns}
        return [c for c in columns if c.partition(".")[0] not in set(self.columns) - compared]

    def empty(self, coded: Coded, rows: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Which last parts have nothing to compare where a row is the left one: uint8[rows], a bit a part,
        the last part's the lowest. Rows that are not in ``left`` are not looked at: 0.
        """
        asked = np.zeros(rows.shape[0], np.bool_)
        asked[left] = True
        own = np.flatnonzero(asked)
        table = coded.take(rows[own], self.columns, marks=False)
        bits = np.zeros(own.shape[0], np.uint8)
        for column in self.columns:
            values = table.arrays[column]
            bits = bits << 1 | ((values if values.ndim == 1 else values[:, 0]) == 0)
        out = np.zeros(rows.shape[0], np.uint8)
        out[own] = bits
        return out


def screen_of(programme: Programme, weights: Weights, kinds: Mapping[str, str]) -> Screen | None:
    """The comparison in two steps; None where no part can be compared last.

    Texts and names that no frequency is asked of come last. ``kinds``: the kind of each column.
    """
    last = [i for i, part in enumerate(programme.parts) if _may_wait(part, kinds)][-_MOST:]
    first = [i for i in range(len(programme.parts)) if i not in last]
    asked = [
        _settled(table.reshape(programme.shape), last)
        for table in (weights.frequency, weights.extra["blind_frequency"], weights.repeated)
    ]
    frequency, blind_frequency, repeated = asked
    if not last or not first or frequency is None or blind_frequency is None or repeated is None:
        return None
    return Screen(
        compile_parts([programme.parts[i] for i in first], dict(kinds)),
        compile_parts([programme.parts[i] for i in last], dict(kinds)),
        _places(programme, first),
        _places(programme, last),
        _greatest(weights.total.reshape(programme.shape), last),
        _greatest(weights.blind.reshape(programme.shape), last),
        frequency,
        blind_frequency,
        repeated,
    )


def _may_wait(part: Part, kinds: Mapping[str, str]) -> bool:
    """Whether a part is dear and asks for nothing; where a side holds nothing, it is at its first level."""
    return (
        len(part.columns) == 1
        and kinds[part.columns[0]] in ("name", "text")
        and part.levels[0].when == "null"
        and not any(level.term_frequency or level.group for level in part.levels)
    )


def _settled(table: np.ndarray, last: Sequence[int]) -> np.ndarray | None:
    """A table by the patterns of the first parts; None where it depends on the last."""
    kept = table[tuple(slice(0, 1) if i in last else slice(None) for i in range(table.ndim))]
    return np.ascontiguousarray(kept).ravel() if bool((table == kept).all()) else None


def _places(programme: Programme, numbers: Sequence[int]) -> np.ndarray:
    place = np.zeros(1, np.uint32)
    for i in numbers:
        levels = np.arange(programme.shape[i]) * programme.radix[i]
        place = (place[:, None] + levels.astype(np.uint32)).ravel()
    return place


def _greatest(table: np.ndarray, last: Sequence[int]) -> np.ndarray:
    """Greatest value over the levels of the last parts, or at their first, for every choice of these."""
    held = [table]
    for axis in reversed(last):
        held = [one.max(axis=axis) for one in held] + [one.take(0, axis=axis) for one in held]
    return np.stack([one.ravel() for one in held])


def reaching(
    coded: Coded,
    meaning: Meaning,
    screen: Screen,
    floor: int,
    columns: Sequence[str],
    found: Gathered,
    left: np.ndarray,
    right: np.ndarray,
) -> tuple[Gathered, np.ndarray, np.ndarray, np.ndarray]:
    """The pairs that can reach the floor by the screen's first step, in their order, with the places of their
    patterns; ``right`` rises.
    """
    n = left.shape[0]
    found = found.reading(coded, screen.read_first(columns))
    frequency, repeats = side_terms(found.table)
    empty = screen.empty(coded, found.rows, left)
    comparer = Comparer(screen.first, meaning, found.table, min(BATCH, n))
    own, other, place = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.uint32)
    kept = 0
    for at in range(0, n, BATCH):
        l_b, r_b = left[at : at + BATCH], right[at : at + BATCH]
        kept = reaching_pairs(
            comparer.compare(l_b, r_b),
            l_b,
            r_b,
            empty,
            screen.total,
            screen.frequency,
            screen.blind,
            screen.blind_frequency,
            screen.repeated,
            frequency,
            repeats,
            floor,
            screen.first_place,
            kept,
            own,
            other,
            place,
        )
    own, other = own[:kept], other[:kept]
    if 2 * kept < n:  # their right rows rise: narrowing keeps their order
        wanted = {*screen.columns, "frequency", "repeats"}
        arrays = {name: values for name, values in found.table.arrays.items() if name in wanted}
        narrow = Gathered(found.rows, replace(found.table, arrays=arrays))
        found, own, other = narrow.narrowed(own, other)
    return found, own, other, place[:kept]
