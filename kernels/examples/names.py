"""Names as rows of token ids, and a vocabulary of which every token has tones, marks and an abbreviation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._lanes import PADDING
from kernels.examples._form import Example, mapped
from kernels.examples.strings import GIVEN, MIDDLES, SURNAMES
from kernels.keys import GIVEN as GIVEN_PART
from kernels.keys import SET, WHOLE, name_hashes
from kernels.letters import letter_masks, may_be_near
from kernels.narrow import narrow_names, recode_names, widen
from kernels.spelling import MAX_CUTOFF, TOKEN_CHARACTERS, name_jaro_winkler_pairs, name_osa_pairs
from kernels.tokens import NULL, TOKENS, UNACCENTED, TokenForms, name_bits, token_overlap_pairs

#: Words without diacritics; each is written in so many ways, and the last of its tokens is its first letter.
WORDS = tuple(dict.fromkeys((*SURNAMES, *MIDDLES, *GIVEN)))
MARKS, TONES = 3, 3
_WAYS = MARKS * TONES + 1


@functools.cache
def vocabulary() -> TokenForms:
    """Token ``1 + word * 10 + mark * 3 + tone``, and the abbreviation of the word as its tenth."""
    texts = [text.lower() for word in WORDS for text in [*[word] * (MARKS * TONES), word[0]]]
    spelt = {text: place for place, text in enumerate(dict.fromkeys(["", *texts]))}
    ascii_form = np.array([0] + [spelt[text] for text in texts], np.uint32)
    place = np.arange(len(texts)) % _WAYS
    short = place == _WAYS - 1
    mark, tone = np.where(short, 0, place // TONES), np.where(short, 0, place % TONES)
    word = ascii_form[1:]
    lengths = np.array([0, 0, *map(len, texts)])
    return TokenForms(
        ascii=ascii_form,
        plain=np.concatenate([[0], 1 + word * MARKS + mark]).astype(np.uint32),
        # The phonetic form folds two tones into one and, of every word, two marks.
        phonetic=np.concatenate([[0], 1 + word * 4 + (mark > 0) * 2 + (tone > 0)]).astype(np.uint32),
        initial=np.array([0] + [ord(text[0]) for text in texts], np.uint32),
        marked=np.concatenate([[0], (mark + tone) > 0]).astype(np.uint8),
        single=np.concatenate([[0], short]).astype(np.uint8),
        char_offsets=np.cumsum(lengths),
        chars=np.frombuffer("".join(texts).encode() + bytes(PADDING), np.uint8),
    )


@functools.lru_cache(maxsize=2)
def name_rows(n: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """``n`` names of a register and of an agency, uint32[n, 8]: as alike as candidate pairs are.

    A third equal, a third of one other token, some with a middle name left out, a fifth of strangers.
    """
    rng = np.random.default_rng(8)
    held = vocabulary().ascii.shape[0]

    def some() -> NDArray[np.uint32]:
        table = np.zeros((n, TOKENS), np.uint32)
        count = rng.choice([1, 2, 3, 4, 5], n, p=[0.02, 0.1, 0.55, 0.28, 0.05])
        ids = 1 + rng.integers(0, len(WORDS), (n, 5)) * _WAYS + rng.integers(0, MARKS * TONES, (n, 5))
        for place in range(5):
            table[:, place] = np.where(place < count, ids[:, place], 0)
        return table

    left = some()
    right = left.copy()
    count = (left != 0).sum(axis=1)
    luck = rng.random(n)
    rows = np.flatnonzero((luck > 0.33) & (luck < 0.66))
    right[rows, rng.integers(0, count[rows])] = rng.integers(1, held, rows.size)
    rows = np.flatnonzero((luck >= 0.66) & (luck < 0.76) & (count > 2))
    right[rows, 1:-1] = right[rows, 2:]
    rows = np.flatnonzero((luck >= 0.76) & (luck < 0.8) & (count == 3))
    right[rows, 1:3] = right[rows, 2:0:-1]
    rows = np.flatnonzero(luck >= 0.8)
    right[rows] = some()[rows]
    right[luck > 0.999] = 0
    return left, right


def _pairs(dtype: type) -> Callable[[int], tuple[Any, ...]]:
    def make(n: int) -> tuple[Any, ...]:
        rows = np.arange(n)
        return (*name_rows(n), rows, rows, vocabulary(), np.empty(n, dtype))

    return make


def _spelt(cutoff: float, dtype: type) -> Callable[[int], tuple[Any, ...]]:
    def make(n: int) -> tuple[Any, ...]:
        *columns, out = _pairs(dtype)(n)
        return (*columns, np.ones(n, np.bool_), cutoff, out)

    return make


@functools.cache
def _letters() -> NDArray[np.uint32]:
    forms = vocabulary()
    own = [forms.chars[a:b] for a, b in zip(forms.char_offsets[:-1], forms.char_offsets[1:], strict=True)]
    return np.array([np.bitwise_or.reduce(1 << (text - 97)) if text.size else 0 for text in own], np.uint32)


def _masks(n: int) -> tuple[Any, ...]:
    lengths = np.diff(vocabulary().char_offsets)
    return name_rows(n)[0], mapped(_letters()), lengths, TOKEN_CHARACTERS, np.empty(n, np.uint64)


def _near(n: int) -> tuple[Any, ...]:
    tables = np.concatenate(name_rows(n))
    masks = np.empty(2 * n, np.uint64)
    letter_masks(tables, mapped(_letters()), np.diff(vocabulary().char_offsets), TOKEN_CHARACTERS, masks)
    arguments = _pairs(np.uint32)(n)
    name_bits(*arguments)
    rows = np.arange(n)
    return masks, rows, rows + n, arguments[-1], UNACCENTED | NULL, 2, np.empty(n, np.bool_)


def _hashes(part: int) -> Callable[[int], tuple[Any, ...]]:
    def make(n: int) -> tuple[Any, ...]:
        words = np.random.default_rng(9).integers(1, 1 << 63, vocabulary().ascii.shape[0], np.uint64)
        words[0] = 0
        return name_rows(n)[0], mapped(words), part, np.empty(n, np.uint64)

    return make


def _wide(n: int) -> tuple[Any, ...]:
    return (name_rows(n)[0],)


def _narrow(n: int) -> tuple[Any, ...]:
    return narrow_names(name_rows(n)[0])


def _some_narrow(n: int) -> tuple[Any, ...]:
    return (*_narrow(n), np.random.default_rng(10).integers(0, n, n))


def _recoded(n: int) -> tuple[Any, ...]:
    order = np.random.default_rng(11).permutation(vocabulary().ascii.shape[0] - 1).astype(np.uint32)
    return (*_narrow(n), np.concatenate([np.zeros(1, np.uint32), order + np.uint32(1)]))


EXAMPLES = (
    Example(name_bits, _pairs(np.uint32), "pair"),
    Example(token_overlap_pairs, _pairs(np.uint8), "pair"),
    Example(name_osa_pairs, _spelt(MAX_CUTOFF, np.uint8), "pair"),
    Example(name_osa_pairs, _spelt(2, np.uint8), "pair", "cutoff 2"),
    Example(name_jaro_winkler_pairs, _spelt(0.0, np.float64), "pair"),
    Example(letter_masks, _masks, "name"),
    Example(may_be_near, _near, "pair"),
    Example(name_hashes, _hashes(WHOLE), "name", "whole"),
    Example(name_hashes, _hashes(GIVEN_PART), "name", "given"),
    Example(name_hashes, _hashes(SET), "name", "set"),
    Example(narrow_names, _wide, "name"),
    Example(widen, _narrow, "name"),
    Example(widen, _some_narrow, "name", "rows"),
    Example(recode_names, _recoded, "name"),
)
