from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.packed import PackedStrings, compared, pack, pack_together
from tests.kernels import twins

texts = st.lists(st.none() | st.text(max_size=12), max_size=12)


def unpacked(packed: PackedStrings) -> list[str]:
    return [packed.text(row) for row in range(len(packed))]


@settings(deadline=None)
@given(texts)
def test_pack__gives_the_strings_back(values: list[str | None]) -> None:
    assert unpacked(pack(values)) == [value or "" for value in values]


@settings(deadline=None)
@given(texts, texts)
def test_pack_together__gives_equal_characters_equal_codes(
    left: list[str | None], right: list[str | None]
) -> None:
    one, other = pack_together(left, right)
    compared(one, other)
    assert unpacked(one) == [value or "" for value in left]
    assert unpacked(other) == [value or "" for value in right]


@pytest.mark.parametrize(
    ("letters", "width"), [(1, np.uint8), (255, np.uint8), (256, np.uint16), (70_000, np.uint32)]
)
def test_pack__takes_the_narrowest_units(letters: int, width: type) -> None:
    values = [chr(0x100 + k) for k in range(letters) if not 0xD800 <= 0x100 + k < 0xE000]
    packed = pack(values)
    assert packed.codes.dtype == width
    assert unpacked(packed) == values
    assert (packed.alphabet is not None) == (width is np.uint8)


def test_compared__refuses_two_alphabets() -> None:
    with pytest.raises(ValueError, match="different alphabets"):
        compared(pack(["abc"]), pack(["abd"]))
    with pytest.raises(ValueError, match="different alphabets"):
        compared(pack(["abc"]), pack(list(twins.WIDE)))
    one, other = pack(["abc"]), pack(["cba"])
    for array in compared(one, other):
        assert not array.flags.writeable
