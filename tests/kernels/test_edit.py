from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rapidfuzz import process
from rapidfuzz.distance import OSA, Levenshtein

from kernels._jit import jit
from kernels.edit import NO_CUTOFF, levenshtein, levenshtein_pairs, osa, osa_pairs
from kernels.packed import PackedStrings, pack_together
from tests.kernels import twins

Pairs = Callable[[PackedStrings, PackedStrings, np.ndarray, np.ndarray, int, np.ndarray], None]

KERNELS = {"levenshtein": levenshtein_pairs, "osa": osa_pairs}
PEERS = {"levenshtein": Levenshtein.distance, "osa": OSA.distance}
TWINS = {"levenshtein": twins.levenshtein, "osa": twins.osa}
# Few letters make swaps, repeats and long equal runs likely.
strings = st.text("abc", max_size=40) | st.text(max_size=8) | st.text("ab", min_size=62, max_size=130)


def distances(pairs: Pairs, left: list[str], right: list[str], cutoff: int = NO_CUTOFF) -> np.ndarray:
    rows = np.arange(len(left))
    out = np.full(len(left), -1, np.int32)
    pairs(*pack_together(left, right), rows, rows, cutoff, out)
    return out


@pytest.mark.parametrize("metric", KERNELS)
@settings(deadline=None)
@given(a=strings, b=strings, cutoff=st.integers(0, 12))
@example(a="", b="", cutoff=0)
@example(a="a" * 64, b="a" * 63 + "b", cutoff=1)
@example(a="ab" * 65, b="ba" * 65, cutoff=9)
def test_distance__equals_the_textbook(metric: str, a: str, b: str, cutoff: int) -> None:
    known = TWINS[metric](a, b)
    assert distances(KERNELS[metric], [a, b], [b, a]).tolist() == [known, known]
    assert distances(KERNELS[metric], [a], [b], cutoff)[0] == min(known, cutoff + 1)


@pytest.mark.parametrize("metric", KERNELS)
@settings(deadline=None)
@given(a=strings)
def test_distance__of_a_string_to_itself_is_none(metric: str, a: str) -> None:
    assert distances(KERNELS[metric], [a], [a], 0)[0] == 0


@pytest.mark.parametrize("metric", KERNELS)
@pytest.mark.parametrize("kind", ["names", "digits", "edges", "wide", "astral"])
def test_distance__equals_rapidfuzz(metric: str, kind: str) -> None:
    left, right = twins.string_pairs(kind, 10_000, 1)
    for cutoff in (NO_CUTOFF, 0, 1, 2, 5):
        peer = process.cpdist(
            left, right, scorer=PEERS[metric], dtype=np.int32, workers=1, score_cutoff=cutoff
        )
        np.testing.assert_array_equal(distances(KERNELS[metric], left, right, cutoff), peer)


@pytest.mark.slow
@pytest.mark.parametrize("metric", KERNELS)
def test_distance__equals_rapidfuzz_on_a_million_pairs(metric: str) -> None:
    for kind, count in {
        "names": 600_000,
        "digits": 150_000,
        "edges": 100_000,
        "wide": 75_000,
        "astral": 75_000,
    }.items():
        left, right = twins.string_pairs(kind, count, 2)
        peer = process.cpdist(left, right, scorer=PEERS[metric], dtype=np.int32, workers=1)
        np.testing.assert_array_equal(distances(KERNELS[metric], left, right), peer)


@pytest.mark.parametrize("metric", KERNELS)
@pytest.mark.parametrize("kind", ["edges", "astral"])
def test_distance__reads_nothing_outside_its_arrays(metric: str, kind: str) -> None:
    left, right = twins.string_pairs(kind, 60, 3)
    for a, b in zip(left, right, strict=True):
        tight = []
        for packed in pack_together([a], [b]):
            codes = packed.codes[: packed.offsets[-1]].copy()
            codes.flags.writeable = False
            tight.append(PackedStrings(packed.offsets, codes, packed.alphabet))
        out = np.empty(1, np.int32)
        KERNELS[metric](tight[0], tight[1], np.zeros(1, np.int64), np.zeros(1, np.int64), NO_CUTOFF, out)
        assert out[0] == PEERS[metric](a, b)


def test_pairs__follow_the_rows_they_are_given() -> None:
    left, right = pack_together(["Lan", "Hoa", "Hùng"], ["Hoan", "Lân"])
    out = np.empty(4, np.int32)
    rows_l = np.array([2, 0, 0, 1])
    rows_l.flags.writeable = False
    osa_pairs(left, right, rows_l, np.array([0, 1, 0, 0]), NO_CUTOFF, out)
    assert out.tolist() == [3, 1, 2, 1]


def test_pairs__refuse_what_does_not_fit() -> None:
    left, right = pack_together(["a"], ["b"])
    rows, out = np.zeros(1, np.int64), np.empty(1, np.int32)
    with pytest.raises(ValueError, match="cutoff is -1"):
        levenshtein_pairs(left, right, rows, rows, -1, out)
    with pytest.raises(ValueError, match=r"Wanted: a writable contiguous int32\[1\]"):
        levenshtein_pairs(left, right, rows, rows, 1, np.empty(1, np.int64))
    with pytest.raises(ValueError, match=r"Wanted: a writable contiguous int32\[1\]"):
        osa_pairs(left, right, rows, rows, 1, np.empty(2, np.int32))
    with pytest.raises(ValueError, match="as many of each"):
        osa_pairs(left, right, rows, np.zeros(2, np.int64), 1, out)
    with pytest.raises(ValueError, match="left_index holds float64"):
        osa_pairs(left, right, np.zeros(1), rows, 1, out)


def test_scalar_forms__serve_other_kernels() -> None:
    @jit
    def both(codes: np.ndarray, cut: int) -> tuple[int, int]:
        return levenshtein(codes, 1, 4, codes, 4, 7, cut), osa(codes, 1, 4, codes, 4, 7, cut)

    assert both(np.frombuffer(b"_abcacb_", np.uint8), NO_CUTOFF) == (2, 1)


def test_distance__of_long_strings_stays_bit_parallel() -> None:
    # 60,000 x 60,000 cells take tens of seconds one by one and well below one in words of 64.
    a, b = "abcd" * 15_000, "abdc" * 15_000
    distances(osa_pairs, ["ab" * 50], ["ba" * 50])
    started = time.perf_counter()
    assert distances(osa_pairs, [a], [b])[0] == 15_000
    assert time.perf_counter() - started < 10
