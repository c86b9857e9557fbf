from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA, JaroWinkler

from kernels import spelling, tokens
from kernels._jit import jit
from kernels.spelling import name_jaro_winkler_pairs, name_osa_pairs
from kernels.tokens import TokenForms
from tests.kernels import twins
from tests.kernels.test_tokens import FORMS, Name, any_name, generated, name, rows_of


def osa(pairs: list[tuple[Name, Name]], cutoff: int, wanted: np.ndarray | None = None) -> np.ndarray:
    asked = np.ones(len(pairs), np.bool_) if wanted is None else wanted
    out = np.zeros(len(pairs), np.uint8)
    rows = np.arange(len(pairs))
    left, right = rows_of([a for a, _ in pairs]), rows_of([b for _, b in pairs])
    name_osa_pairs(left, right, rows, rows, FORMS, asked, cutoff, out)
    return out


def jaro_winkler(
    pairs: list[tuple[Name, Name]], cutoff: float, wanted: np.ndarray | None = None
) -> np.ndarray:
    asked = np.ones(len(pairs), np.bool_) if wanted is None else wanted
    out = np.zeros(len(pairs))
    rows = np.arange(len(pairs))
    left, right = rows_of([a for a, _ in pairs]), rows_of([b for _, b in pairs])
    name_jaro_winkler_pairs(left, right, rows, rows, FORMS, asked, cutoff, out)
    return out


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(any_name, any_name), max_size=8), st.integers(0, spelling.MAX_CUTOFF))
def test_distances__equal_those_of_the_spelt_names(pairs: list[tuple[Name, Name]], cutoff: int) -> None:
    known = [min(twins.osa(twins.spelt(a), twins.spelt(b)), cutoff + 1) if a and b else 255 for a, b in pairs]
    assert osa(pairs, cutoff).tolist() == known
    assert osa([(b, a) for a, b in pairs], cutoff).tolist() == known
    alike = [twins.jaro_winkler(twins.spelt(a), twins.spelt(b)) if a and b else -1.0 for a, b in pairs]
    assert jaro_winkler(pairs, 0.0).tolist() == alike
    assert jaro_winkler([(b, a) for a, b in pairs], 0.0).tolist() == alike


def test_distances__equal_rapidfuzz_on_damaged_names() -> None:
    pairs = generated(5_000)
    spelt = [(twins.spelt(a), twins.spelt(b)) for a, b in pairs]
    assert osa(pairs, spelling.MAX_CUTOFF).tolist() == [OSA.distance(a, b) for a, b in spelt]
    assert osa(pairs, 3).tolist() == [OSA.distance(a, b, score_cutoff=3) for a, b in spelt]
    whole = [JaroWinkler.similarity(a, b) for a, b in spelt]
    assert jaro_winkler(pairs, 0.0).tolist() == whole
    assert jaro_winkler(pairs, 0.92).tolist() == [value if value >= 0.92 else 0.0 for value in whole]


def test_distances__are_taken_only_where_wanted() -> None:
    pairs = [(name("Nguyễn Thị Hoa"), name("Nguyen Thi Lan"))] * 3 + [((), name("Lan"))]
    wanted = np.array([True, False, True, True])
    assert osa(pairs, 9, wanted).tolist() == [3, 255, 3, 255]
    assert jaro_winkler(pairs, 0.99, wanted).tolist() == [0.0, -1.0, 0.0, -1.0]


def test_names__are_cut_at_31_letters_a_token() -> None:
    longest = name("Krông" + "Krông" * 8)
    assert len(longest[0].letters) > 31
    assert osa([(longest * 8, name("Lan"))], spelling.MAX_CUTOFF)[0] == 8 * 31 + 7 - 1
    assert osa([(longest, name("Krong" * 7))], 3)[0] == 0


def test_scalar_forms__serve_other_kernels() -> None:
    @jit
    def both(table: np.ndarray, forms: TokenForms, scratch: np.ndarray) -> tuple[int, float]:
        at = tokens.addresses(forms)
        left, right = tokens.row_of(table, 0), tokens.row_of(table, 1)
        distance = spelling.name_osa(left, right, at, 9, scratch)
        return distance, spelling.name_jaro_winkler(left, right, at, 0.0, scratch)

    table = rows_of([name("Nguyễn Thị Hoa"), name("Nguyen Thi Lan")])
    scratch = np.zeros(spelling.NAME_SCRATCH, np.uint8)
    known = (3, JaroWinkler.similarity("nguyen thi hoa", "nguyen thi lan"))
    assert both(table, tokens.readable(FORMS), scratch) == known


def test_pairs__refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="cutoff is 254"):
        osa([(name("Lan"), name("Lan"))], 254)
    with pytest.raises(ValueError, match="as many of each"):
        osa([(name("Lan"), name("Lan"))], 3, np.ones(2, np.bool_))
