from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.packed import code_table, pack
from linkage import text_sets
from linkage.text_arrays import Texts
from linkage.text_sets import TextSet, distinct_texts, hash_texts, letters_of, merge_texts, pack_texts

SECRET = 11
words = st.lists(st.text("abđệ ễ𠀋", max_size=20), max_size=30)


def held(texts: Texts) -> list[str]:
    return texts.series().to_list()


@settings(deadline=None)
@given(words)
def test_distinct_texts__are_numbered_by_their_hash(many: list[str]) -> None:
    texts = Texts.of(["before", *many]).slice(1, len(many) + 1)
    ids, found = distinct_texts(texts, SECRET)
    assert sorted(held(found.texts)) == sorted(set(many))
    assert [held(found.texts)[number] for number in ids.tolist()] == many
    assert np.array_equal(found.hashes, np.sort(found.hashes))
    assert np.array_equal(found.hashes, hash_texts(found.texts, SECRET))


@settings(deadline=None)
@given(words, st.lists(st.integers(0, 30), max_size=4))
def test_merge_texts__of_any_cut_is_that_of_the_whole(many: list[str], cuts: list[int]) -> None:
    edges = [0, *sorted(min(c, len(many)) for c in cuts), len(many)]
    pieces = [many[a:b] for a, b in itertools.pairwise(edges)]
    parts = [distinct_texts(Texts.of(piece), SECRET) for piece in pieces]
    ids, merged = merge_texts([own for _, own in parts])
    of_all, whole = distinct_texts(Texts.of(many), SECRET)
    assert held(merged.texts) == held(whole.texts)
    assert np.array_equal(merged.hashes, whole.hashes)
    codes = [own[number] for (number, _), own in zip(parts, ids, strict=True)]
    assert np.concatenate(codes).tolist() == of_all.tolist()


def test_merge_texts__tells_texts_of_one_hash_apart() -> None:
    hashes = np.array([3, 3], np.uint64)
    sets = [TextSet(hashes, Texts.of(["a", "b"])), TextSet(hashes[:1], Texts.of(["b"]))]
    ids, merged = merge_texts(sets)
    assert [own.tolist() for own in ids] == [[0, 1], [1]]
    assert held(merged.texts) == ["a", "b"]
    assert len(merge_texts([])[1]) == 0


@settings(deadline=None)
@given(words)
def test_pack_texts__is_what_packing_strings_gives(many: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_sets, "_CHUNK", 7)
        letters, characters = letters_of(Texts.of(many))
        lengths, codes = pack_texts(Texts.of(many), code_table(letters)[0])
    assert letters.tolist() == sorted({ord(c) for text in many for c in text})
    assert characters == sum(map(len, many)) == codes.shape[0]
    assert lengths.tolist() == [len(text) for text in many]
    assert codes.tolist() == pack(many).codes[:characters].tolist()
