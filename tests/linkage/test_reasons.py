from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.reasons import BIT, REASONS, reason_lists, texts

#: Codes are an interface: one that is renamed or moved breaks what readers have stored.
FIRST = (
    "number_same",
    "number_earlier",
    "old_number_same",
    "number_near",
    "number_different",
    "number_absent",
    "evidence_agrees",
)


def test_reasons__have_their_bits_in_order_and_both_languages() -> None:
    assert tuple(REASONS)[: len(FIRST)] == FIRST
    assert list(BIT) == list(REASONS)
    assert list(BIT.values()) == [1 << i for i in range(len(REASONS))]
    assert len(REASONS) <= 32
    for english, vietnamese in REASONS.values():
        assert english.isascii()
        assert english.endswith(".")
        assert vietnamese.endswith(".")
        assert not vietnamese.isascii()


@settings(deadline=None)
@given(st.lists(st.sets(st.sampled_from(sorted(BIT))), max_size=12))
def test_reason_lists__name_the_bits_in_order(sets: list[set[str]]) -> None:
    masks = np.array([sum(BIT[code] for code in own) for own in sets], np.uint32)
    assert reason_lists(masks).to_list() == [[code for code in REASONS if code in own] for own in sets]


def test_texts__speak_english_and_vietnamese() -> None:
    codes = ["number_same", "too_little"]
    assert texts(codes) == [REASONS[code][0] for code in codes]
    assert texts(codes, "vi") == [REASONS[code][1] for code in codes]
