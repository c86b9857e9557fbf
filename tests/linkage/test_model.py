from __future__ import annotations

import itertools
import math
import random

import msgspec
import numpy as np
import pytest

from linkage.errors import ConfigError
from linkage.levels import Level, Part, Programme, compile_parts
from linkage.model import (
    FREQUENCIES,
    Correction,
    LevelModel,
    Model,
    PartModel,
    correction_table,
    groups_of,
    identify,
    weigh,
)
from tests.linkage import small

PARTS = (
    Part("sex", ("sex",), (Level("null", "null"), Level("same", "exact"), Level("different", "always"))),
    Part(
        "number",
        ("personal_number",),
        (
            Level("null", "null"),
            Level("same", "exact", group="same", term_frequency="repeats"),
            Level("near", "one_digit", group="near"),
            Level("different", "always"),
        ),
    ),
    Part(
        "name",
        ("full_name",),
        (
            Level("null", "null", link=False),
            Level("exact", "exact", term_frequency="exact"),
            Level("ends", "given", term_frequency="ends"),
            Level("different", "always", link=False),
        ),
    ),
)


def programme() -> Programme:
    return compile_parts(PARTS, small.KINDS)


def model(seed: int = 1, parts: tuple[Part, ...] = PARTS) -> Model:
    rng = random.Random(seed)
    return identify(
        Model(
            register=1000,
            parts=[
                PartModel(
                    name=part.name,
                    columns=list(part.columns),
                    levels=[
                        LevelModel(
                            name=level.name,
                            when=level.when,
                            m=rng.uniform(0.01, 1),
                            u=rng.uniform(0.001, 1),
                            chance={} if part.name == "number" else {"same": rng.uniform(0.01, 1)},
                        )
                        for level in part.levels
                    ],
                )
                for part in parts
            ],
            corrections=[
                Correction(levels=[1, 1], bits=2.5, pairs=9),
                Correction(levels=[0, 2], bits=0.5, pairs=4),
            ],
            mean_frequency={"exact": 0.01, "ascii": 0.02, "ends": 0.125},
            lost=0.01,
            training=[],
            converged=True,
            warnings=[],
        )
    )


def test_weigh__equals_adding_up_level_by_level() -> None:
    known, made = model(), programme()
    weights = weigh(known, made)
    corrections = {tuple(c.levels): c.bits for c in known.corrections}
    for pattern, levels in enumerate(itertools.product(range(3), range(4), range(4))):
        group = PARTS[1].levels[levels[1]].group
        total = blind = 0.0
        asked = -1
        for number, (part, level) in enumerate(zip(PARTS, levels, strict=True)):
            declared, trained = part.levels[level], known.parts[number].levels[level]
            if declared.name == "null":
                continue
            strangers = math.log2(trained.m / trained.u)
            if declared.term_frequency in FREQUENCIES:
                # What is rare about the value is added by record, so the average comes off here.
                strangers += math.log2(known.mean_frequency[declared.term_frequency])
                asked = FREQUENCIES.index(declared.term_frequency)
            if part.name == "number":
                total += strangers
                continue
            blind += strangers
            # Within an identifier's blocks chance is that of relatives and slips; unknown groups have u.
            chance = trained.chance.get(group, trained.u)
            total += math.log2(trained.m / chance) if group else strangers
        fix = corrections.get((levels[0], levels[2]), 0.0)
        assert weights.blind[pattern] == pytest.approx((blind - fix) * 1024, abs=0.51)
        assert weights.total[pattern] == pytest.approx((total - (0 if group else fix)) * 1024, abs=0.51)
        assert weights.extra["blind_frequency"][pattern] == asked
        assert weights.frequency[pattern] == (-1 if group else asked)
        assert weights.repeated[pattern] == (levels[1] == 1)
        assert weights.allowed[pattern] == (levels[2] in (1, 2))
        assert weights.group[pattern] == {"": 0, "same": 1, "near": 2}[group]


def test_weigh__without_an_identifier_is_blind() -> None:
    parts = (PARTS[0], PARTS[2])
    made = compile_parts(parts, small.KINDS)
    weights = weigh(model(parts=parts), made)
    assert groups_of(parts) == (-1, ("",))
    assert np.array_equal(weights.total, weights.blind)
    assert np.array_equal(weights.frequency, weights.extra["blind_frequency"])
    assert not weights.group.any()


def test_groups_of__finds_the_part_with_groups() -> None:
    assert groups_of(PARTS) == (1, ("", "same", "near"))


def test_correction_table__is_the_same_along_the_identifier() -> None:
    table = correction_table(model(), programme())
    assert table.shape == (3, 4, 4)
    assert table[1, :, 1].tolist() == [2.5] * 4
    assert table[0, :, 2].tolist() == [0.5] * 4
    assert table.sum() == pytest.approx(12.0)


def test_model__comes_back_from_its_json_and_has_a_digest_of_its_content() -> None:
    one = model()
    assert Model.from_json(one.to_json()) == one
    assert model().to_json() == one.to_json()
    assert identify(one).model_id == one.model_id
    assert len(bytes.fromhex(one.model_id)) == 16
    other = msgspec.structs.replace(one, lost=0.011)
    assert identify(other).model_id != one.model_id


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"register": "many"}', b"\xff"])
def test_model__of_something_else_is_refused(text: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        Model.from_json(text)
    assert caught.value.code == "E-MODEL-001"


def test_model__of_another_version_is_refused() -> None:
    with pytest.raises(ConfigError, match="version 2") as caught:
        Model.from_json(msgspec.structs.replace(model(), schema=2).to_json())
    assert caught.value.code == "E-MODEL-002"


def test_weigh__refuses_a_model_of_other_comparisons() -> None:
    changed = compile_parts((*PARTS[:2], Part("name", ("full_name",), PARTS[2].levels[1:])), small.KINDS)
    with pytest.raises(ConfigError, match="Train anew") as caught:
        weigh(model(), changed)
    assert caught.value.code == "E-MODEL-003"
    reworded = Part("sex", ("sex",), (*PARTS[0].levels[:1], Level("same", "not null"), PARTS[0].levels[2]))
    with pytest.raises(ConfigError):
        weigh(model(), compile_parts((reworded, *PARTS[1:]), small.KINDS))
