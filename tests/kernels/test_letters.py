from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from kernels.letters import letter_masks, may_be_near
from kernels.spelling import TOKEN_CHARACTERS
from kernels.tokens import TOKENS
from tests.kernels import twins

# Any ASCII text can be a token's form; only the letters a to z have a bit of their own.
words = st.text("abz", min_size=1, max_size=4) | st.text("aby'9.", min_size=1, max_size=40)
names = st.lists(words, max_size=5)


def mask_of(word: str) -> int:
    return sum({1 << (ord(c) - 97 if "a" <= c <= "z" else 26) for c in word})


def spelt(name: list[str]) -> str:
    return " ".join(word[:TOKEN_CHARACTERS] for word in name)


def masks_of(all_names: list[list[str]]) -> np.ndarray:
    vocabulary = sorted({word for name in all_names for word in name})
    rows = np.zeros((len(all_names), TOKENS), np.uint32)
    for row, name in zip(rows, all_names, strict=True):
        row[: len(name)] = [vocabulary.index(word) + 1 for word in name]
    out = np.zeros(len(all_names), np.uint64)
    letter_masks(
        rows,
        np.array([0, *(mask_of(word[:TOKEN_CHARACTERS]) for word in vocabulary)], np.uint32),
        np.array([0, *map(len, vocabulary)], np.int64),
        TOKEN_CHARACTERS,
        out,
    )
    return out


def near(pairs: list[tuple[list[str], list[str]]], cutoff: int, bits: list[int], settled: int) -> list[bool]:
    masks = masks_of([name for pair in pairs for name in pair])
    out = np.zeros(len(pairs), np.bool_)
    left = np.arange(0, 2 * len(pairs), 2)
    may_be_near(masks, left, left + 1, np.array(bits, np.uint32), settled, cutoff, out)
    return out.tolist()


@given(st.lists(names, min_size=1, max_size=5))
@settings(deadline=None)
def test_letter_masks__hold_letters_and_length(all_names: list[list[str]]) -> None:
    for name, mask in zip(all_names, masks_of(all_names).tolist(), strict=True):
        assert mask >> 32 == len(spelt(name))
        assert mask & 0xFFFFFFFF == mask_of(spelt(name).replace(" ", ""))


@given(st.lists(st.tuples(names, names), min_size=1, max_size=6), st.integers(0, 4))
@example([(["a" * 40], ["a" * 33])], 0)
@settings(deadline=None, max_examples=200)
def test_may_be_near__never_denies_a_pair_within_the_cutoff(
    pairs: list[tuple[list[str], list[str]]], cutoff: int
) -> None:
    found = near(pairs, cutoff, [0] * len(pairs), 1)
    for (a, b), answer in zip(pairs, found, strict=True):
        assert answer or OSA.distance(spelt(a), spelt(b)) > cutoff


def test_may_be_near__never_denies_damaged_names_and_denies_most_strangers() -> None:
    left, right = twins.string_pairs("names", 4_000, 11)
    pairs = [
        ([t.letters for t in map(twins.Token, a.split())], [t.letters for t in map(twins.Token, b.split())])
        for a, b in zip(left, right, strict=True)
    ]
    pairs = [(a, b) for a, b in pairs if len(a) <= TOKENS and len(b) <= TOKENS]
    found = near(pairs, 2, [0] * len(pairs), 1)
    truly = [OSA.distance(spelt(a), spelt(b)) <= 2 for a, b in pairs]
    assert all(answer for answer, close in zip(found, truly, strict=True) if close)
    denied = sum(not answer for answer, close in zip(found, truly, strict=True) if not close)
    assert denied > 0.7 * (len(pairs) - sum(truly))


def test_may_be_near__leaves_settled_pairs_alone() -> None:
    pair = (["an"], ["an"])
    assert near([pair] * 4, 1, [0, 2, 4, 6], 2) == [True, False, True, False]
    assert near([pair] * 2, 1, [8, 1], 8 | 1) == [False, False]
