"""Codes of what corrections rest on."""

import numpy as np
import pytest

from linkage.basis import BASIS, BIT, basis_texts


@pytest.mark.parametrize("code", BASIS)
def test_basis__has_a_text_in_both_languages(code):
    english, vietnamese = BASIS[code]
    assert english.endswith(".")
    assert vietnamese.endswith(".")
    assert english.isascii()
    assert not vietnamese.isascii()
    assert "+" not in code


def test_basis__bits_are_one_a_code_and_read_back():
    bits = np.array([BIT["register"], BIT["spelling"] | BIT["register"], sum(BIT.values()), 0], np.uint32)
    assert basis_texts(bits).to_pylist() == ["register", "register+spelling", "+".join(BASIS), ""]
    assert sorted(BIT.values()) == [1 << place for place in range(len(BASIS))]
