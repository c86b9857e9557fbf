"""The greatest weight that a pair of records can have, by outlines of both (:mod:`kernels.outlines`).

An outline says of a few columns whether a record has a value, and which, up to a hash: where two outlines
differ, the values differ. What that leaves of the levels of every part is worked out from their conditions,
in three values (true, false, open: Kleene 1938), and the greatest weight among the patterns left is taken
from the weights themselves. So no pair weighs more than its bound, whatever the comparisons are.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kernels import dates, identifiers, patterns, tokens
from kernels.outlines import CODE, FAR, NARROW, NARROWS, NEAR, NONE, WIDE, WIDES, packed_codes
from linkage.coded import Coded, Meaning
from linkage.levels import ALIAS, BITS, Programme
from linkage.model import Weights
from linkage.name_keys import name_codes

#: What is known of a column's bits: those that hold, and those that do not.
Known = tuple[int, int]

#: A bound below all weights: no pair is like that.
IMPOSSIBLE = -(1 << 30)

#: Steps of what a name adds to a weight: of 1.5 bits, the tenth of them 0.
_STEP, _ZEROTH, _STEPS = 1536, 9, 32

#: Values of a narrow field beside 0.
_NARROW = (1 << NARROW) - 1

_ORDERED = tokens.EXACT | tokens.PLAIN | tokens.UNACCENTED | tokens.BARE | tokens.REORDERED
_OF_A_DAY = dates.EXACT | dates.SWAPPED | dates.ONE_DIGIT | dates.DAY_MONTH_EQUAL | dates.DAY_MONTH_DIGIT
_SLIPS = identifiers.ONE_DIGIT | identifiers.ADJACENT_SWAP | identifiers.ONE_EDIT | identifiers.LOST_ZERO

#: Entries of a table on the way to bounds, at most: 512 MiB. The pack's comparisons need a few million.
_ENTRIES = 1 << 27

#: Bits that are not of the two values.
_BESIDE = ("alias", "held", "known")


def _none_of(kind: str) -> int:
    """All bits that a value which is not there says no to."""
    return _union(bit for name, bit in BITS[kind].items() if name != "null" and name not in _BESIDE)


def _union(bits: Iterable[int]) -> int:
    return functools.reduce(operator.or_, bits, 0)


@dataclass(frozen=True)
class Field:
    """What an outline says of a column.

    take  : gives the values, uint64[n] that fit into the field, 0 for none, of a column's codes
    known : where it is missing on a side, like and unlike, what is then known of the column's bits: one of
            several possibilities
    """

    column: str
    take: Callable[[np.ndarray, Meaning], np.ndarray]
    known: tuple[tuple[Known, ...], tuple[Known, ...], tuple[Known, ...]]


@dataclass(frozen=True)
class Bounds:
    """How outlines are made, and what they say of a pair's weight.

    number : the column of the identifier, empty for none;  wide, narrow : fields of the first two words
    table  : int32[3 * STATES, 4], see :func:`kernels.outlines.rival_pairs`
    """

    number: str
    wide: tuple[Field, ...]
    narrow: tuple[Field, ...]
    table: np.ndarray

    @property
    def columns(self) -> list[str]:
        """The columns that outlines are made of."""
        number = [self.number] if self.number else []
        return list(dict.fromkeys([*number, *(field.column for field in self.wide + self.narrow)]))

    @property
    def steps(self) -> np.ndarray:
        """What the steps of a name add to a weight at most, int32[32], in 1/1024 bit."""
        return ((np.arange(_STEPS) - _ZEROTH) * _STEP).astype(np.int32)

    def outlines(self, coded: Coded, meaning: Meaning) -> np.ndarray:
        """Outlines of all records of a table: uint64[n, 3]."""
        words = [np.zeros(len(coded), np.uint64) for _ in range(3)]
        for word, (fields, bits) in enumerate(((self.wide, WIDE), (self.narrow, NARROW))):
            for place, field in enumerate(fields):
                values = field.take(np.asarray(coded.arrays[field.column]), meaning)
                words[word] |= values << np.uint64((bits + 1) * place)
        if self.number:
            words[2] |= packed_codes(np.asarray(coded.arrays[self.number]))
        step = np.full(len(coded), _ZEROTH, np.int64)
        if "frequency" in coded.arrays:
            greatest = np.asarray(coded.arrays["frequency"]).max(axis=1).astype(np.int64)
            step = np.clip(-(-greatest // _STEP) + _ZEROTH, 0, _STEPS - 1)
        words[2] |= step.astype(np.uint64) << np.uint64(CODE)
        return np.stack(words, axis=1)


def bounds_of(
    programme: Programme, weights: Weights, kinds: Mapping[str, str], found: Sequence[str]
) -> Bounds:
    """Bounds of the pairs that no identifier brings together.

    found : columns of identifiers by which every pair is found that has one in common, earlier ones included.
            What a pair loses because many records bring its identifier is not taken off.
    """
    columns = list(dict.fromkeys(c for part in programme.parts for c in part.columns))
    number = next((c for c in columns if c in found and kinds[c] == "identifier"), "")
    wide, narrow = [], []
    for column in columns:
        if column not in found:
            wide += _wide_fields(column, kinds[column])
            narrow += _narrow_fields(column, kinds[column])
    wide, narrow = wide[:WIDES], narrow[:NARROWS]
    states: dict[str, list[tuple[int, Sequence[Sequence[Known]]]]] = {}
    for place, field in [*enumerate(wide), *enumerate(narrow, WIDES)]:
        states.setdefault(field.column, []).append((place, field.known))
    if number:
        states[number] = [(WIDES + NARROWS, [[_NUMBER[kind]] for kind in (NONE, NEAR, FAR)])]
    always: dict[str, Known] = {c: (0, identifiers.EXACT | ALIAS) for c in found if c != number}
    left = [_levels_left(programme, part, states, always) for part in range(len(programme.parts))]
    tables = [
        _greatest(np.where(asked, table, IMPOSSIBLE).reshape(programme.shape), left)
        for table, adds, allowed in (
            (weights.total, weights.frequency >= 0, np.ones(programme.n_patterns, bool)),
            (weights.blind, weights.extra["blind_frequency"] >= 0, weights.allowed),
        )
        for asked in (~adds & allowed, adds & allowed)
    ]
    return Bounds(number, tuple(wide), tuple(narrow), np.ascontiguousarray(np.stack(tables, axis=1)))


#: Of an identifier by which all pairs are found that have it in common.
_NUMBER: Mapping[int, Known] = {
    NONE: (identifiers.NULL, _none_of("identifier") | ALIAS),
    NEAR: (0, identifiers.NULL | identifiers.EXACT | identifiers.DIFFERENT | ALIAS),
    FAR: (identifiers.DIFFERENT, identifiers.NULL | identifiers.EXACT | _SLIPS | ALIAS),
}


def _wide_fields(column: str, kind: str) -> list[Field]:
    null = BITS[kind]["null"]
    if kind == "name":
        known = ((null, _none_of(kind)),), ((0, null),), ((0, null | _ORDERED),)
        return [Field(column, lambda v, m: _highest(name_codes(v, m.tokens, "set")), known)]
    if kind in ("phone", "identifier", "text"):
        exact = BITS[kind]["exact"]
        known = ((null, _none_of(kind)),), ((0, null),), ((0, null | exact),)
        return [Field(column, lambda v, _: _mixed(v), known)]
    return []


def _narrow_fields(column: str, kind: str) -> list[Field]:
    null = BITS[kind]["null"]
    if kind == "date":
        years = (
            ((null, _none_of(kind)),),
            ((0, null),),
            ((0, null | dates.EXACT | dates.SWAPPED | dates.YEAR_EQUAL),),
        )
        partial = ((null, _none_of(kind)), (dates.PARTIAL, null | _OF_A_DAY))
        whole = null | dates.PARTIAL
        days = (
            partial,
            ((dates.DAY_MONTH_EQUAL, whole | dates.SWAPPED | dates.DAY_MONTH_DIGIT),),
            ((0, whole | dates.EXACT | dates.DAY_MONTH_EQUAL),),
        )
        either = (
            partial,
            ((0, whole),),
            ((0, whole | dates.EXACT | dates.DAY_MONTH_EQUAL | dates.SWAPPED),),
        )
        return [Field(column, _years, years), Field(column, _days, days), Field(column, _either_way, either)]
    if kind == "sex":
        same = BITS[kind]["exact"]
        known = ((null, same),), ((same, null),), ((0, null | same),)
        return [Field(column, lambda v, _: v.astype(np.uint64), known)]
    if kind == "unit":
        unit = BITS[kind]
        apart = null | unit["exact"] | unit["overlap"]
        open_: tuple[Known, ...] = ((0, 0),)
        return [
            Field(column, _single_units, (open_, ((0, null),), ((0, apart),))),
            Field(column, _provinces, (open_, ((0, null),), ((0, apart | unit["same_province"]),))),
        ]
    return []


def _highest(hashes: np.ndarray) -> np.ndarray:
    """The highest bits of keyed hashes, as many as a wide field has; 0 for 0 and for nothing else."""
    out: np.ndarray = np.maximum(hashes >> np.uint64(64 - WIDE), (hashes != 0).astype(np.uint64))
    return out


def _mixed(values: np.ndarray) -> np.ndarray:
    """Codes spread over a wide field; 0 for 0 and for nothing else."""
    return _highest(values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _years(values: np.ndarray, _: Meaning) -> np.ndarray:
    years = values >> 9
    return np.where(years != 0, years % _NARROW + 1, 0).astype(np.uint64)


def _days(values: np.ndarray, _: Meaning) -> np.ndarray:
    return np.where((values & 31 != 0) & (values >> 5 & 15 != 0), values & 511, 0).astype(np.uint64)


def _either_way(values: np.ndarray, _: Meaning) -> np.ndarray:
    """Day and month, the same where they are exchanged."""
    day, month = values & 31, values >> 5 & 15
    return np.where(
        (day != 0) & (month != 0), np.minimum(day, month) << 5 | np.maximum(day, month), 0
    ).astype(np.uint64)


def _single_units(values: np.ndarray, meaning: Meaning) -> np.ndarray:
    """The unit of a set of one; 0 of a set of several: these may have one in common with any other."""
    units = meaning.units
    alone = np.diff(units.offsets) == 1
    of_set = np.full(alone.shape[0], -1, np.int64)
    of_set[alone] = units.members[units.offsets[:-1][alone]]
    return _of_sets(values, of_set)


def _provinces(values: np.ndarray, meaning: Meaning) -> np.ndarray:
    return _of_sets(values, meaning.units.province.astype(np.int64))


def _of_sets(values: np.ndarray, of_set: np.ndarray) -> np.ndarray:
    """What a set of units is known by (-1 nothing), folded into a narrow field; 0 for nothing and no set."""
    folded = np.where(of_set < 0, 0, of_set % _NARROW + 1).astype(np.uint64)
    return np.append(folded, np.uint64(0))[values]


def _levels_left(
    programme: Programme,
    part: int,
    states: Mapping[str, Sequence[tuple[int, Sequence[Sequence[Known]]]]],
    always: Mapping[str, Known],
) -> tuple[tuple[int, ...], np.ndarray]:
    """The fields of a part's columns, and which of its levels a pair can be at: bool[3, ..., levels]."""
    columns = programme.parts[part].columns
    fields = tuple(place for c in columns for place, _ in states.get(c, ()))
    out = np.zeros((*[3] * len(fields), len(programme.parts[part].levels)), bool)
    for chosen in itertools.product(range(3), repeat=len(fields)):
        state = dict(zip(fields, chosen, strict=True))
        ways = [
            _consistent([known[state[place]] for place, known in states[c]])
            if c in states
            else [always.get(c, (0, 0))]
            for c in columns
        ]
        for way in itertools.product(*ways):
            known = {
                programme.bit_columns.index(c): one
                for c, one in zip(columns, way, strict=True)
                if c in programme.bit_columns
            }
            out[chosen] |= _possible_levels(programme, part, known)
    return fields, out


def _consistent(of_fields: Iterable[Sequence[Known]]) -> list[Known]:
    """What is known of a column by all of its fields; ways in which they contradict one another are none."""
    joined = [
        (_union(true for true, _ in ways), _union(false for _, false in ways))
        for ways in itertools.product(*of_fields)
    ]
    return [(true, false) for true, false in joined if true & false == 0]


def _possible_levels(programme: Programme, part: int, known: Mapping[int, Known]) -> np.ndarray:
    """Levels that a pair may be at, bool[levels]; a condition is 0 false, 1 open, 2 true.

    known : by slot of the bits
    """
    out = np.zeros(len(programme.parts[part].levels), bool)
    held: list[int] = []
    for operation, slot, operand in programme.code[slice(*programme.part_starts[part : part + 2])].tolist():
        if operation == patterns.BITS_ANY:
            true, false = known.get(slot, (0, 0))
            held.append(2 if operand & true else 0 if operand & ~false == 0 else 1)
        elif operation == patterns.TAKE_LEVEL:
            condition = held.pop()
            out[operand] = condition > 0
            if condition == 2:
                return out
        elif operation == patterns.AND:
            held[-2:] = [min(held[-2:])]
        elif operation == patterns.OR:
            held[-2:] = [max(held[-2:])]
        elif operation == patterns.NOT:
            held[-1] = 2 - held[-1]
        else:
            held.append(2 if operation == patterns.ALWAYS else 1)
    return out


def _greatest(table: np.ndarray, left: Sequence[tuple[tuple[int, ...], np.ndarray]]) -> np.ndarray:
    """Greatest of a table over the patterns that each choice of states leaves: int32[3 * STATES].

    table : an axis a part;  left : per part its fields and bool[3, ..., levels]
    """
    parts = list(left)  # whose levels the first axes of the table are
    axes: list[int] = []  # the fields that the last axes of the table are
    while parts:
        at, (fields, possible) = min(enumerate(parts), key=lambda one: _growth(one[1], axes))
        new = [f for f in fields if f not in axes]
        if table.size * _growth(parts[at], axes) > _ENTRIES:
            # Nothing is told by these: more levels are left, and the greatest is no less.
            possible = np.logical_or.reduce(possible, axis=tuple(fields.index(f) for f in new))
            fields, new = tuple(f for f in fields if f in axes), []
        table = _without_part(np.moveaxis(table, at, 0), fields, possible, axes, new)
        del parts[at]
        axes += new
    wanted = range(WIDES + NARROWS, -1, -1)
    whole = table.transpose([axes.index(f) for f in wanted if f in axes])
    whole = whole.reshape([3 if f in axes else 1 for f in wanted])
    return np.broadcast_to(whole, [3] * len(wanted)).reshape(-1).astype(np.int32)


def _growth(part: tuple[tuple[int, ...], np.ndarray], axes: Sequence[int]) -> float:
    """How many times as large a table is once a part's fields are axes of it, in place of its levels."""
    fields, possible = part
    grown: float = 3 ** len([f for f in fields if f not in axes]) / possible.shape[-1]
    return grown


def _without_part(
    table: np.ndarray, fields: Sequence[int], possible: np.ndarray, axes: Sequence[int], new: Sequence[int]
) -> np.ndarray:
    """The greatest over the first axis, the levels of a part, by the states of its fields: those that are
    ``axes`` already, the last ones of the table, and those that become axes behind them.
    """
    out = np.full((*table.shape[1:], *[3] * len(new)), IMPOSSIBLE, np.int32)
    for chosen in itertools.product(range(3), repeat=len(fields)):
        levels = np.flatnonzero(possible[chosen])
        if not levels.size:
            continue
        state = dict(zip(fields, chosen, strict=True))
        at = (Ellipsis, *[state.get(f, slice(None)) for f in axes])
        best = table[levels[0]][at]
        for level in levels[1:]:
            best = np.maximum(best, table[level][at])
        out[(*at, *[state[f] for f in new])] = best
    return out
