from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.packed import (
    PackedStrings,
    alphabet_of,
    compared,
    pack,
    pack_arrow,
    pack_together,
)
from tests.kernels import twins

texts = st.lists(st.none() | st.text(max_size=12), max_size=12)
# Lone surrogates are text to Python but not to Arrow.
arrow_texts = st.lists(
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=12
)


def buffers(values: list[str | None], kind: pa.DataType | None = None) -> tuple[np.ndarray, np.ndarray]:
    array = pa.array(values, kind or pa.large_string())
    _, offsets, data = array.buffers()
    width = np.int64 if array.type == pa.large_string() else np.int32
    return np.frombuffer(offsets, width)[: len(values) + 1], np.frombuffer(data or b"", np.uint8)


def unpacked(packed: PackedStrings) -> list[str]:
    return [packed.text(row) for row in range(len(packed))]


@settings(deadline=None)
@given(texts)
def test_pack__gives_the_strings_back(values: list[str | None]) -> None:
    assert unpacked(pack(values)) == [value or "" for value in values]


@settings(deadline=None)
@given(arrow_texts)
def test_pack_arrow__equals_pack(values: list[str | None]) -> None:
    plain, arrow = pack(values), pack_arrow(*buffers(values))
    assert plain.codes.dtype == arrow.codes.dtype
    np.testing.assert_array_equal(plain.codes, arrow.codes)
    np.testing.assert_array_equal(plain.offsets, arrow.offsets)


@settings(deadline=None)
@given(arrow_texts, arrow_texts)
def test_pack_together__gives_equal_characters_equal_codes(
    left: list[str | None], right: list[str | None]
) -> None:
    one, other = pack_together(left, right)
    compared(one, other)
    assert unpacked(one) == [value or "" for value in left]
    assert unpacked(other) == [value or "" for value in right]


def test_pack_arrow__takes_slices_and_32_bit_offsets() -> None:
    values = ["Đỗ", None, "Nguyễn Thị Thúy", "", "𝒜b"]
    offsets, data = buffers(values, pa.string())
    assert offsets.dtype == np.int32
    assert unpacked(pack_arrow(offsets, data)) == [value or "" for value in values]
    assert unpacked(pack_arrow(offsets[2:], data)) == ["Nguyễn Thị Thúy", "", "𝒜b"]


@pytest.mark.parametrize(
    ("letters", "width"), [(1, np.uint8), (255, np.uint8), (256, np.uint16), (70_000, np.uint32)]
)
def test_pack__takes_the_narrowest_units(letters: int, width: type) -> None:
    values = [chr(0x100 + k) for k in range(letters) if not 0xD800 <= 0x100 + k < 0xE000]
    packed = pack(values)
    assert packed.codes.dtype == width
    assert unpacked(packed) == values
    assert (packed.alphabet is not None) == (width is np.uint8)


def test_pack__keeps_an_explicit_alphabet() -> None:
    alphabet = alphabet_of(["xyz", None], ["bac"])
    assert alphabet is not None
    assert pack(["abc"], alphabet).codes[:3].tolist() == [1, 2, 3]
    assert pack_arrow(*buffers(["zz"]), alphabet).codes[:2].tolist() == [6, 6]
    assert alphabet_of(twins.WIDE) is None
    assert alphabet_of([None]) is None


def test_pack__refuses_letters_outside_the_alphabet_without_naming_them() -> None:
    with pytest.raises(ValueError, match="1 distinct characters") as refusal:
        pack(["Quỳnh"], alphabet_of(["Qunh"]))
    assert "ỳ" not in str(refusal.value)
    with pytest.raises(ValueError, match="Wanted: 1 to 255"):
        pack(["a"], np.arange(300, dtype=np.uint32))


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xc3(", b"\x80", b"\xf5\x80\x80\x80", b"\xe1\xbb"])
def test_pack_arrow__refuses_what_is_not_utf8(bad: bytes) -> None:
    data = np.frombuffer(b"ok" + bad, np.uint8)
    with pytest.raises(ValueError, match="String 1 is not UTF-8"):
        pack_arrow(np.array([0, 2, 2 + len(bad)]), data)


@pytest.mark.parametrize("offsets", [[], [0, 9], [3, 1], [-1, 2]])
def test_pack_arrow__refuses_offsets_of_other_bytes(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="offset"):
        pack_arrow(np.array(offsets, np.int64), np.frombuffer(b"abc", np.uint8))


def test_compared__refuses_two_alphabets() -> None:
    with pytest.raises(ValueError, match="different alphabets"):
        compared(pack(["abc"]), pack(["abd"]))
    with pytest.raises(ValueError, match="different alphabets"):
        compared(pack(["abc"]), pack(list(twins.WIDE)))
    one, other = pack(["abc"]), pack(["cba"])
    for array in compared(one, other):
        assert not array.flags.writeable
