"""Comparing kernels, beside RapidFuzz where it has the like: 200,000 pairs of Vietnamese names a round."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rapidfuzz import process
from rapidfuzz.distance import OSA, Jaro, JaroWinkler, Levenshtein

from kernels import dates, identifiers, tokens
from kernels.edit import NO_CUTOFF, levenshtein_pairs, osa_pairs
from kernels.jaro import jaro_pairs, jaro_winkler_pairs
from kernels.packed import PackedStrings, pack_arrow, pack_together
from kernels.spelling import MAX_CUTOFF, name_jaro_winkler_pairs, name_osa_pairs
from kernels.tokens import TokenForms, name_bits, token_overlap_pairs
from tests.kernels import twins
from tests.kernels.twins import Token

PAIRS = 200_000
ROWS = np.arange(PAIRS)

METRICS: dict[str, tuple[Callable[..., None], Any, type, float, list[float | None]]] = {
    "levenshtein": (levenshtein_pairs, Levenshtein.distance, np.int32, NO_CUTOFF, [None, 2]),
    "osa": (osa_pairs, OSA.distance, np.int32, NO_CUTOFF, [None, 2]),
    "jaro": (jaro_pairs, Jaro.similarity, np.float64, 0.0, [None, 0.875]),
    "jaro_winkler": (jaro_winkler_pairs, JaroWinkler.similarity, np.float64, 0.0, [None, 0.9375]),
}
CASES = [(metric, cutoff) for metric, (*_, cutoffs) in METRICS.items() for cutoff in cutoffs]


@pytest.fixture(scope="module")
def names() -> tuple[list[str], list[str]]:
    """A fifth equal, a third of strangers, the rest with one or two slips."""
    rng = random.Random(7)
    left = [twins.full_name(rng) for _ in range(PAIRS)]
    right = []
    for text in left:
        luck = rng.random()
        other = twins.full_name(rng) if luck < 0.33 else text
        right.append(other if luck < 0.53 else twins.damaged(rng, text, twins.LATIN))
    return left, right


@pytest.fixture(scope="module")
def packed(names: tuple[list[str], list[str]]) -> tuple[PackedStrings, PackedStrings]:
    return pack_together(*names)


@pytest.fixture(scope="module")
def vocabulary() -> tuple[np.ndarray, np.ndarray, list[list[Token]], TokenForms]:
    """Rows of tokens of as many names of a register and of an agency, the latter damaged token by token."""
    words = dict.fromkeys(text for text in (*twins.SURNAMES, *twins.MIDDLES, *twins.GIVEN))
    rng = random.Random(8)
    known = [Token(text) for text in words] + [Token(twins.damaged(rng, text, twins.LATIN)) for text in words]
    known = [token for token in dict.fromkeys(known) if token.letters.isascii() and token.letters.isalpha()]
    known += [
        Token("Ng", single=True),
        Token("T", single=True),
        *[Token(t.letters) for t in known if t.marked],
    ]
    known = list(dict.fromkeys(known))

    def numbered(forms: list[str]) -> np.ndarray:
        order = {form: k for k, form in enumerate(dict.fromkeys(["", *forms]))}
        return np.array([0] + [order[form] for form in forms], np.uint32)

    letters = [token.letters for token in known]
    forms = TokenForms(
        numbered(letters),
        numbered([token.plain for token in known]),
        numbered([token.phonetic for token in known]),
        np.array([0] + [ord(text[0]) for text in letters], np.uint32),
        np.array([0] + [token.marked for token in known], np.uint8),
        np.array([0] + [token.single for token in known], np.uint8),
        np.cumsum([0, 0] + [len(text) for text in letters]),
        np.frombuffer("".join(letters).encode() + bytes(32), np.uint8),
    )
    ids = {token.text: k for k, token in enumerate(known, 1)}
    table = np.zeros((2, PAIRS, tokens.TOKENS), np.uint32)
    for row in range(PAIRS):
        one = [ids.get(word, 1) for word in twins.full_name(rng).split()]
        other = list(one)
        luck = rng.random()
        if luck < 0.33:
            other = [ids.get(word, 1) for word in twins.full_name(rng).split()]
        elif luck < 0.8:
            other[rng.randrange(len(other))] = rng.randrange(1, len(known))
        table[0, row, : len(one)] = one
        table[1, row, : len(other)] = other
    spelt = [[known[k - 1] for k in row if k] for row in np.concatenate([table[0, :500], table[1, :500]])]
    return table[0], table[1], spelt, forms


@pytest.mark.parametrize(("metric", "cutoff"), CASES)
def test_strings__kernel(benchmark, packed, names, metric, cutoff):
    kernel, peer, dtype, none, _ = METRICS[metric]
    out = np.empty(PAIRS, dtype)
    bound = none if cutoff is None else cutoff
    kernel(*packed, ROWS[:1], ROWS[:1], bound, out[:1])
    benchmark.pedantic(kernel, (*packed, ROWS, ROWS, bound, out), rounds=7)
    benchmark.extra_info["ns a pair"] = benchmark.stats.stats.min / PAIRS * 1e9
    known = process.cpdist(names[0][:5000], names[1][:5000], scorer=peer, dtype=dtype, score_cutoff=cutoff)
    differs = out[:5000] != known
    # RapidFuzz loses values that equal the cutoff of Jaro-Winkler.
    assert np.all(out[:5000][differs] == cutoff)


@pytest.mark.parametrize(("metric", "cutoff"), CASES)
def test_strings__rapidfuzz(benchmark, names, metric, cutoff):
    _, peer, dtype, _, _ = METRICS[metric]

    def run() -> np.ndarray:
        return process.cpdist(*names, scorer=peer, dtype=dtype, score_cutoff=cutoff, workers=1)

    found = benchmark.pedantic(run, rounds=3)
    benchmark.extra_info["ns a pair"] = benchmark.stats.stats.min / PAIRS * 1e9
    assert found.shape == (PAIRS,)


def test_pack_arrow(benchmark, names):
    data = "".join(names[0]).encode()
    offsets = np.cumsum([0, *(len(text.encode()) for text in names[0])])
    column = np.frombuffer(data, np.uint8)
    pack_arrow(offsets[:2], column)
    packed = benchmark.pedantic(pack_arrow, (offsets, column), rounds=7)
    assert [packed.text(row) for row in range(1000)] == names[0][:1000]


def test_identifier_bits(benchmark):
    rng = random.Random(9)
    texts = [
        f"0{rng.randrange(1, 97):02d}{rng.randrange(4)}{rng.randrange(100):02d}{rng.randrange(10**6):06d}"
        for _ in range(PAIRS)
    ]
    others = [
        twins.damaged(rng, text, "0123456789") if k % 3 == 0 else texts[k - k % 2]
        for k, text in enumerate(texts)
    ]
    left = np.array([12 << 56 | int(text) for text in texts])
    right = np.array([len(text) << 56 | int(text) for text in others])
    out = np.empty(PAIRS, np.uint32)
    identifiers.identifier_bits_pairs(left, right, ROWS[:1], ROWS[:1], out[:1])
    benchmark.pedantic(identifiers.identifier_bits_pairs, (left, right, ROWS, ROWS, out), rounds=7)
    for a, b, bits in zip(texts[:2000], others[:2000], out[:2000].tolist(), strict=True):
        assert twins.identifier_facts(a, b) == {name for name, bit in identifiers.BITS.items() if bits & bit}


def test_date_bits(benchmark):
    rng = random.Random(10)
    days = [(rng.randrange(1940, 2020), rng.randrange(1, 13), rng.randrange(1, 29)) for _ in range(PAIRS)]
    others = [
        (d[0], rng.choice((d[1], d[2] % 12 + 1)), d[2]) if rng.random() < 0.5 else days[k - 1]
        for k, d in enumerate(days)
    ]
    left, right = (np.array([y * 512 + m * 32 + d for y, m, d in side], np.int32) for side in (days, others))
    out = np.empty(PAIRS, np.uint32)
    dates.date_bits_pairs(left, right, ROWS[:1], ROWS[:1], out[:1])
    benchmark.pedantic(dates.date_bits_pairs, (left, right, ROWS, ROWS, out), rounds=7)
    for a, b, bits in zip(days[:2000], others[:2000], out[:2000].tolist(), strict=True):
        assert twins.date_facts(a, b) == {name for name, bit in dates.BITS.items() if bits & bit}


def test_name_bits(benchmark, vocabulary):
    left, right, spelt, forms = vocabulary
    out = np.empty(PAIRS, np.uint32)
    name_bits(left, right, ROWS[:1], ROWS[:1], forms, out[:1])
    benchmark.pedantic(name_bits, (left, right, ROWS, ROWS, forms, out), rounds=7)
    for k, bits in enumerate(out[:500].tolist()):
        assert twins.name_facts(spelt[k], spelt[500 + k]) == {
            n for n, bit in tokens.BITS.items() if bits & bit
        }


def test_token_overlap(benchmark, vocabulary):
    left, right, spelt, forms = vocabulary
    out = np.empty(PAIRS, np.uint8)
    token_overlap_pairs(left, right, ROWS[:1], ROWS[:1], forms, out[:1])
    benchmark.pedantic(token_overlap_pairs, (left, right, ROWS, ROWS, forms, out), rounds=7)
    known = [int(twins.overlap(spelt[k], spelt[500 + k]) * 255 + 0.5) for k in range(500)]
    assert out[:500].tolist() == known


def test_name_osa(benchmark, vocabulary):
    left, right, spelt, forms = vocabulary
    out, wanted = np.empty(PAIRS, np.uint8), np.ones(PAIRS, np.bool_)
    name_osa_pairs(left, right, ROWS[:1], ROWS[:1], forms, wanted[:1], MAX_CUTOFF, out[:1])
    benchmark.pedantic(name_osa_pairs, (left, right, ROWS, ROWS, forms, wanted, MAX_CUTOFF, out), rounds=7)
    known = [OSA.distance(twins.spelt(spelt[k]), twins.spelt(spelt[500 + k])) for k in range(500)]
    assert out[:500].tolist() == known


def test_name_jaro_winkler(benchmark, vocabulary):
    left, right, spelt, forms = vocabulary
    out, wanted = np.empty(PAIRS), np.ones(PAIRS, np.bool_)
    name_jaro_winkler_pairs(left, right, ROWS[:1], ROWS[:1], forms, wanted[:1], 0.0, out[:1])
    benchmark.pedantic(name_jaro_winkler_pairs, (left, right, ROWS, ROWS, forms, wanted, 0.0, out), rounds=7)
    known = [JaroWinkler.similarity(twins.spelt(spelt[k]), twins.spelt(spelt[500 + k])) for k in range(500)]
    assert out[:500].tolist() == known
