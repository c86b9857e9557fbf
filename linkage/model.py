"""The model: m and u of every level, what stands between them and a weight, and its portable form."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from linkage.errors import ConfigError
from linkage.levels import Part, Programme

#: Fixed-point step of a weight: 1/1024 bit.
STEP = 1024

#: Frequencies a name level can be adjusted by, in the order of the frequency columns.
FREQUENCIES = ("exact", "ascii", "ends")


class LevelModel(msgspec.Struct, frozen=True, kw_only=True):
    """One level: its probabilities among matches (m) and non-matches (u), and how they were found.

    ``chance`` holds u within the blocks of a near-unique identifier (by group), where non-matches are
    relatives and slips, not strangers. ``observed`` is the expected number of matches seen at this level.
    """

    name: str
    when: str
    m: float
    u: float
    chance: dict[str, float] = {}
    m_from: str = "em"
    u_from: str = "random pairs"
    observed: float = 0.0
    spread: list[float] = []


class PartModel(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a comparison."""

    name: str
    columns: list[str]
    levels: list[LevelModel]


class RuleTraining(msgspec.Struct, frozen=True, kw_only=True):
    """What expectation maximisation found in one training rule's blocks."""

    rule: str
    pairs: int
    matched_share: float
    iterations: int
    converged: bool
    parts: list[str]


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """How much more often register persons agree on these levels together than independence says, in bits."""

    levels: list[int]
    bits: float
    pairs: int


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Everything scoring needs; ``model.json`` is its JSON form.

    ``register`` N;  ``registered`` share of each source's records whose person is in the register, where
    fixed;  ``lost`` share of matches that no rule without the identifier finds;  ``mean_frequency`` chance
    that two register persons agree on each name frequency.
    """

    schema: int = 1
    model_id: str = ""
    register: int
    parts: list[PartModel]
    corrections: list[Correction]
    mean_frequency: dict[str, float]
    lost: float
    training: list[RuleTraining]
    converged: bool
    warnings: list[str]

    def to_json(self) -> bytes:
        """Readable JSON, the same bytes for the same model."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @staticmethod
    def from_json(text: bytes) -> Model:
        """Read ``model.json``; ConfigError E-MODEL-001 if it is none, E-MODEL-002 if of another version."""
        try:
            model = msgspec.json.decode(text, type=Model)
        except msgspec.MsgspecError as error:
            raise ConfigError(
                "E-MODEL-001",
                f"The model file cannot be read: {error}.",
                "A model.json that a run wrote was wanted.",
                "Take the file from a finished run's folder.",
            ) from error
        if model.schema != 1:
            raise ConfigError(
                "E-MODEL-002",
                f"The model file is of version {model.schema}.",
                "Version 1 was wanted.",
                "Train anew (leave out the model).",
            )
        return model


def identify(model: Model) -> Model:
    """The model with its ``model_id``: a digest of everything else in it."""
    bare = msgspec.structs.replace(model, model_id="")
    digest = hashlib.blake2b(msgspec.json.encode(bare), digest_size=16).hexdigest()
    return msgspec.structs.replace(model, model_id=digest)


@dataclass(frozen=True)
class Weights:
    """The model as tables over patterns.

    total       : int32[patterns], match weight in 1/1024 bit, frequency terms apart
    blind       : int32[patterns], the same without the identifier part
    frequency   : int8[patterns], frequency column of the register's record to add, -1 none
    repeated    : uint8[patterns], 1 where the agency's identifier counts by how often it is repeated
    allowed     : bool[patterns], False where some level forbids a link
    group       : int8[patterns], number of the identifier group (0 none)
    """

    total: np.ndarray
    blind: np.ndarray
    frequency: np.ndarray
    repeated: np.ndarray
    allowed: np.ndarray
    group: np.ndarray
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)


def groups_of(parts: Sequence[Part]) -> tuple[int, tuple[str, ...]]:
    """Index of the identifier part (-1 if none) and its groups in order, ``""`` first."""
    for index, part in enumerate(parts):
        names = [level.group for level in part.levels if level.group]
        if names:
            return index, ("", *dict.fromkeys(names))
    return -1, ("",)


def weigh(model: Model, programme: Programme) -> Weights:
    """Tables of weights over all patterns of ``programme``, whose parts the model must have been made for."""
    _check(model, programme)
    parts = programme.parts
    number, groups = groups_of(parts)
    shape = programme.shape
    total = np.zeros(shape, np.float64)
    blind = np.zeros(shape, np.float64)
    frequency = np.full(shape, -1, np.int8)
    repeated = np.zeros(shape, np.uint8)
    allowed = np.ones(shape, bool)
    group = np.zeros(shape, np.int8)
    if number >= 0:
        of_level = np.array(
            [groups.index(level.group) if level.group else 0 for level in parts[number].levels], np.int8
        )
        group[...] = _along(of_level, number, len(shape))
    for g, name in enumerate(groups):
        along = []
        for index, part in enumerate(parts):
            described = model.parts[index].levels
            weights = np.zeros(len(part.levels))
            for place, level in enumerate(part.levels):
                if level.name == "null":
                    continue
                one = described[place]
                if index != number and name:
                    weights[place] = np.log2(one.m / one.chance.get(name, one.u))
                elif index != number and level.term_frequency in FREQUENCIES:
                    mean = model.mean_frequency[level.term_frequency]
                    weights[place] = np.log2(one.m / one.u) + np.log2(mean)
                else:
                    weights[place] = np.log2(one.m / one.u)
            along.append(weights)
        if number < 0:
            total = _added(along)
            blind = total.copy()
            continue
        own = np.flatnonzero(of_level == g)
        at: tuple[slice | np.ndarray, ...] = (*[slice(None)] * number, own)
        total[at] = _added([w[own] if i == number else w for i, w in enumerate(along)])
        if g == 0:
            blind[...] = _added([np.zeros(1) if i == number else w for i, w in enumerate(along)])
    for index, part in enumerate(parts):
        flags = np.array([level.link for level in part.levels])
        allowed &= _along(flags, index, len(shape))
        asked = np.array(
            [
                FREQUENCIES.index(level.term_frequency) if level.term_frequency in FREQUENCIES else -1
                for level in part.levels
            ],
            np.int8,
        )
        if (asked >= 0).any():
            frequency = np.maximum(frequency, _along(asked, index, len(shape)))
        marks = np.array([level.term_frequency == "repeats" for level in part.levels], np.uint8)
        repeated |= _along(marks, index, len(shape))
    by_blind = frequency.copy()
    frequency = np.where(group == 0, frequency, -1).astype(np.int8)
    correction = correction_table(model, programme)
    total -= np.where(group == 0, correction, 0.0)
    blind -= correction
    return Weights(
        total=np.rint(total * STEP).astype(np.int32).ravel(),
        blind=np.rint(blind * STEP).astype(np.int32).ravel(),
        frequency=np.ascontiguousarray(frequency).ravel(),
        repeated=repeated.ravel(),
        allowed=allowed.ravel(),
        group=group.ravel(),
        extra={"blind_frequency": by_blind.ravel()},
    )


def correction_table(model: Model, programme: Programme) -> np.ndarray:
    """Corrections in bits over the pattern grid, equal along the identifier part."""
    shape = programme.shape
    number, _ = groups_of(programme.parts)
    rest = tuple(1 if i == number else n for i, n in enumerate(shape))
    table = np.zeros(rest)
    for one in model.corrections:
        at = list(one.levels)
        if number >= 0:
            at.insert(number, 0)
        table[tuple(at)] = one.bits
    return np.broadcast_to(table, shape)


def _added(along: Sequence[np.ndarray]) -> np.ndarray:
    """The sums of one value of each of some vectors, for all choices of them: an axis a vector.

    They are added up in order, so that a sum does not depend on how many others there are.
    """
    out = np.zeros(())
    for values in along:
        out = out[..., None] + values
    return out


def _along(values: np.ndarray, axis: int, axes: int) -> np.ndarray:
    return values.reshape([-1 if i == axis else 1 for i in range(axes)])


def _check(model: Model, programme: Programme) -> None:
    mine = [(p.name, [(v.name, v.when) for v in p.levels]) for p in programme.parts]
    theirs = [(p.name, [(v.name, v.when) for v in p.levels]) for p in model.parts]
    if mine != theirs:
        raise ConfigError(
            "E-MODEL-003",
            "The model was made for other comparisons than the project's.",
            "The same parts and levels, with the same conditions, were wanted.",
            "Train anew (leave out the model), or take the comparisons the model was made with.",
        )
