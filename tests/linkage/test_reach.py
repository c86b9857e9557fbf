from __future__ import annotations

import itertools

import numpy as np
import pytest

from linkage.coded import Coded
from linkage.levels import Level, Part, Programme, compile_parts
from linkage.model import Weights
from linkage.reach import Screen, screen_of

KINDS = {"sex": "sex", "father_name": "name", "full_name": "name", "remark": "text"}

_NULL = Level("null", "null")
_SAME = Level("same", "exact")
_OTHER = Level("different", "always")


def programme() -> Programme:
    """A part that may wait, two that may not, and another that may."""
    asked = Level("same", "exact", term_frequency="exact")
    return compile_parts(
        [
            Part("father", ("father_name",), (_NULL, _SAME, Level("near", "osa <= 1"), _OTHER)),
            Part("sex", ("sex",), (_NULL, _SAME, _OTHER)),
            Part("name", ("full_name",), (_NULL, asked, _OTHER)),
            Part("remark", ("remark",), (_NULL, _SAME, _OTHER)),
        ],
        KINDS,
    )


def weights_of(asked: np.ndarray) -> Weights:
    rng = np.random.default_rng(5)
    n = asked.size
    return Weights(
        rng.integers(-9000, 9000, n, np.int32),
        rng.integers(-9000, 9000, n, np.int32),
        asked.astype(np.int8).ravel(),
        np.zeros(n, np.uint8),
        np.ones(n, bool),
        np.zeros(n, np.int8),
        extra={"blind_frequency": asked.astype(np.int8).ravel()},
    )


def name_asks(shape: tuple[int, ...]) -> np.ndarray:
    asked = np.full(shape, -1)
    asked[:, :, 1] = 0
    return asked


@pytest.fixture
def screen() -> Screen:
    found = screen_of(programme(), weights_of(name_asks(programme().shape)), KINDS)
    assert found is not None
    return found


def test_screen_of__texts_and_names_without_a_frequency_come_last(screen: Screen) -> None:
    assert [part.name for part in screen.first.parts] == ["sex", "name"]
    assert screen.columns == ("father_name", "remark")
    columns = ["sex", "full_name", "full_name.known", "father_name", "father_name.known", "remark", "repeats"]
    assert screen.read_first(columns) == ["sex", "full_name", "full_name.known", "repeats"]


def test_screen_of__a_pattern_is_the_sum_of_its_places(screen: Screen) -> None:
    shape = programme().shape
    for levels in itertools.product(*map(range, shape)):
        father, sex, name, remark = levels
        place = screen.first_place[sex * 3 + name] + screen.last_place[father * 3 + remark]
        assert place == np.ravel_multi_index(levels, shape)


def test_screen_of__reaches_what_the_best_of_the_last_levels_gives(screen: Screen) -> None:
    weights = weights_of(name_asks(programme().shape))
    for whole, reach in ((weights.total, screen.total), (weights.blind, screen.blind)):
        by_level = whole.reshape(programme().shape)
        for no_father, no_remark, sex, name in itertools.product((0, 1), (0, 1), range(3), range(3)):
            fathers, remarks = range(1 if no_father else 4), range(1 if no_remark else 3)
            best = max(by_level[f, sex, name, r] for f in fathers for r in remarks)
            assert reach[2 * no_father + no_remark, sex * 3 + name] == best
    assert screen.frequency.tolist() == [-1, 0, -1] * 3
    assert screen.blind_frequency.tolist() == [-1, 0, -1] * 3
    assert screen.repeated.tolist() == [0] * 9


def test_screen_of__is_none_where_the_last_parts_decide_what_is_asked() -> None:
    asked = name_asks(programme().shape)
    asked[3] = 1
    assert screen_of(programme(), weights_of(asked), KINDS) is None


def test_screen_of__is_none_without_parts_for_both_steps() -> None:
    sex = Part("sex", ("sex",), (_NULL, _SAME, _OTHER))
    father = Part("father", ("father_name",), (_NULL, _SAME, _OTHER))
    for parts in ([sex], [father]):
        one = compile_parts(parts, KINDS)
        assert screen_of(one, weights_of(np.full(one.shape, -1)), KINDS) is None


def test_empty__tells_what_the_left_rows_lack(screen: Screen) -> None:
    names = np.zeros((5, 8), np.uint32)
    names[[1, 3], 0] = 4
    coded = Coded(
        {"father_name": names, "remark": np.array([0, 0, 7, 7, 0], np.uint32)},
        np.zeros(5, np.uint8),
        np.zeros(5, np.uint64),
        0,
    )
    rows = np.array([0, 1, 2, 3], np.uint32)
    assert screen.empty(coded, rows, np.array([3, 1, 3, 0])).tolist() == [3, 1, 0, 0]
    assert screen.empty(coded, rows, np.array([2])).tolist() == [0, 0, 2, 0]
