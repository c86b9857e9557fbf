from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rapidfuzz import process
from rapidfuzz.distance import Jaro, JaroWinkler

from kernels._jit import jit
from kernels.jaro import jaro, jaro_pairs, jaro_winkler, jaro_winkler_pairs
from kernels.packed import PackedStrings, pack_together
from tests.kernels import twins

Pairs = Callable[[PackedStrings, PackedStrings, np.ndarray, np.ndarray, float, np.ndarray], None]

KERNELS = {"jaro": jaro_pairs, "jaro_winkler": jaro_winkler_pairs}
PEERS = {"jaro": Jaro.similarity, "jaro_winkler": JaroWinkler.similarity}
TWINS = {"jaro": twins.jaro, "jaro_winkler": twins.jaro_winkler}
strings = st.text("abc", max_size=40) | st.text(max_size=8) | st.text("ab", min_size=62, max_size=130)


def similarities(pairs: Pairs, left: list[str], right: list[str], cutoff: float = 0.0) -> np.ndarray:
    rows = np.arange(len(left))
    out = np.full(len(left), -1.0)
    pairs(*pack_together(left, right), rows, rows, cutoff, out)
    return out


@pytest.mark.parametrize("metric", KERNELS)
@settings(deadline=None)
@given(a=strings, b=strings)
@example(a="", b="")
@example(a="", b="a")
@example(a="a", b="a")
@example(a="a", b="b")
@example(a="ab", b="ba")
@example(a="a", b="b" * 130)
@example(a="a" + "b" * 129, b="a")
@example(a="ab" * 32, b="ba" * 32)
def test_similarity__equals_the_textbook(metric: str, a: str, b: str) -> None:
    known = TWINS[metric](a, b)
    assert similarities(KERNELS[metric], [a, b], [b, a]).tolist() == [known, known]


@pytest.mark.parametrize("metric", KERNELS)
@settings(deadline=None)
@given(a=strings)
def test_similarity__of_a_string_to_itself_is_one(metric: str, a: str) -> None:
    assert similarities(KERNELS[metric], [a], [a], 1.0)[0] == 1.0


@pytest.mark.parametrize("metric", KERNELS)
@settings(deadline=None)
@given(a=strings, b=strings, cutoff=st.floats(0.0, 1.0))
def test_cutoff__gives_the_value_or_nothing(metric: str, a: str, b: str, cutoff: float) -> None:
    whole = similarities(KERNELS[metric], [a], [b])[0]
    assert similarities(KERNELS[metric], [a], [b], cutoff)[0] == (whole if whole >= cutoff else 0.0)
    assert similarities(KERNELS[metric], [a], [b], whole)[0] == whole


@pytest.mark.parametrize("metric", KERNELS)
def test_cutoff__above_one_leaves_nothing(metric: str) -> None:
    assert similarities(KERNELS[metric], ["", "a", "ab"], ["", "a", "ab"], 1.5).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("metric", KERNELS)
@pytest.mark.parametrize("kind", ["names", "digits", "edges", "wide", "astral"])
def test_similarity__equals_rapidfuzz_to_the_last_bit(metric: str, kind: str) -> None:
    left, right = twins.string_pairs(kind, 10_000, 1)
    peer = process.cpdist(left, right, scorer=PEERS[metric], dtype=np.float64, workers=1)
    whole = similarities(KERNELS[metric], left, right)
    np.testing.assert_array_equal(whole, peer)
    # Cutoffs of few bits: RapidFuzz rounds its own to single precision.
    for cutoff in (0.5, 0.75, 0.875, 0.9375):
        peer = process.cpdist(
            left, right, scorer=PEERS[metric], dtype=np.float64, workers=1, score_cutoff=cutoff
        )
        ours = similarities(KERNELS[metric], left, right, cutoff)
        np.testing.assert_array_equal(ours, np.where(whole >= cutoff, whole, 0.0))
        np.testing.assert_array_equal(ours[whole != cutoff], peer[whole != cutoff])


@pytest.mark.slow
@pytest.mark.parametrize("metric", KERNELS)
def test_similarity__equals_rapidfuzz_on_a_million_pairs(metric: str) -> None:
    for kind, count in {
        "names": 600_000,
        "digits": 150_000,
        "edges": 100_000,
        "wide": 75_000,
        "astral": 75_000,
    }.items():
        left, right = twins.string_pairs(kind, count, 2)
        peer = process.cpdist(left, right, scorer=PEERS[metric], dtype=np.float64, workers=1)
        np.testing.assert_array_equal(similarities(KERNELS[metric], left, right), peer)


@pytest.mark.parametrize("metric", KERNELS)
@pytest.mark.parametrize("kind", ["edges", "astral"])
def test_similarity__reads_nothing_outside_its_arrays(metric: str, kind: str) -> None:
    left, right = twins.string_pairs(kind, 60, 3)
    for a, b in zip(left, right, strict=True):
        tight = []
        for packed in pack_together([a], [b]):
            codes = packed.codes[: packed.offsets[-1]].copy()
            codes.flags.writeable = False
            tight.append(PackedStrings(packed.offsets, codes, packed.alphabet))
        out = np.empty(1)
        KERNELS[metric](tight[0], tight[1], np.zeros(1, np.int64), np.zeros(1, np.int64), 0.0, out)
        assert out[0] == PEERS[metric](a, b)


def test_scalar_forms__serve_other_kernels() -> None:
    @jit
    def both(codes: np.ndarray) -> tuple[float, float]:
        return jaro(codes, 1, 7, codes, 7, 13, 0.0), jaro_winkler(codes, 1, 7, codes, 7, 13, 0.0)

    assert both(np.frombuffer(b"_marthamarhta_", np.uint8)) == (
        Jaro.similarity("martha", "marhta"),
        JaroWinkler.similarity("martha", "marhta"),
    )


def test_pairs__refuse_what_does_not_fit() -> None:
    left, right = pack_together(["a"], ["b"])
    rows = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="float64"):
        jaro_pairs(left, right, rows, rows, 0.0, np.empty(1, np.float32))
