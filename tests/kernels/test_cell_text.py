"""Cells copied and checked, against Python's own decoder."""

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import cell_text

BLANK = " \t\n\r\u00a0\u202f\u3000\ufeff" + "".join(chr(c) for c in range(0x2000, 0x200C))


def gather(cells: list[bytes], doubled: bool = False, strip: bool = False) -> list[tuple[int, bytes]]:
    buffer = np.frombuffer(b"".join(cells) + b"!", np.uint8)
    length = np.array([len(c) for c in cells], np.int64)
    end = np.cumsum(length)
    begin = end - length
    offsets = np.empty(len(cells) + 1, np.int64)
    data = np.zeros(buffer.size, np.uint8)
    state = np.empty(len(cells), np.uint8)
    used = cell_text.gather(
        buffer, begin, end, np.full(len(cells), doubled), ord('"'), strip, offsets, data, state
    )
    assert used == offsets[-1]
    whole = data.tobytes()
    return [(int(s), whole[offsets[i] : offsets[i + 1]]) for i, s in enumerate(state)]


def slow(cell: bytes, strip: bool) -> tuple[int, bytes]:
    try:
        text = cell.decode("utf-8")
    except UnicodeDecodeError:
        return cell_text.BAD_ENCODING, b""
    if not text.strip(BLANK):
        return cell_text.EMPTY, b""
    text = text.strip(BLANK) if strip else text
    if re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", text):
        return cell_text.CONTROL, b""
    return cell_text.TEXT, text.encode()


def test_gather__every_pair_of_bytes_is_judged_as_python_judges_it():
    cells = [b"x" + bytes([a, b]) for a in range(256) for b in range(256)]
    assert gather(cells) == [slow(cell, strip=False) for cell in cells]


def test_gather__every_code_point_that_is_a_character_is_text_blank_or_control():
    points = [
        *range(0x3100),
        *range(0x3100, 0xD800, 11),
        *range(0xE000, 0x110000, 11),
        0xD7FF,
        0xFEFF,
        0x10FFFF,
    ]
    cells = [chr(c).encode() for c in points]
    assert gather(cells) == [slow(cell, strip=False) for cell in cells]


awkward = [
    *(
        bytes([byte])
        for byte in b"\xe0\xed\xf0\xf4\x80\x8f\x90\x9f\xa0\xbf\xc2\xe1\xef\xbb\xe2\xaf\xe3a \t\n\x00\x7f"
    ),
    "ế".encode(),
    b"\xc2\xa0",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(st.sampled_from(awkward), max_size=6).map(b"".join), max_size=5), st.booleans())
def test_gather__equals_the_decoder_on_awkward_bytes(cells: list[bytes], strip: bool):
    assert gather(cells, strip=strip) == [slow(cell, strip) for cell in cells]


@given(st.lists(st.text('a"é ', max_size=6), max_size=5))
def test_gather__two_quotes_become_one(cells: list[str]):
    doubled = [cell.replace('"', '""').encode() for cell in cells]
    assert gather(doubled, doubled=True) == [slow(cell.encode(), strip=False) for cell in cells]


clean = st.text(
    st.sampled_from('a "\t\n\u00a0\u2003\u200b\u202f\u3000\ufeffế\u00c2\u20ac\u3042\U0001f600'), max_size=5
)


@settings(max_examples=300, deadline=None)
@given(st.lists(clean, max_size=6), st.booleans(), st.booleans())
def test_gather_clean__equals_gather_on_clean_text(cells: list[str], doubled: bool, strip: bool):
    held = [(cell.replace('"', '""') if doubled else cell).encode() for cell in cells]
    buffer = np.frombuffer(b"".join(held) + b"!", np.uint8)
    end = np.cumsum([len(c) for c in held], dtype=np.int32)
    begin = end - np.array([len(c) for c in held], np.int32)
    offsets, state = np.empty(len(held) + 1, np.int64), np.empty(len(held), np.uint8)
    data = np.zeros(buffer.size, np.uint8)
    twice = np.full(len(held), doubled)
    used = cell_text.gather_clean(buffer, begin, end, twice, ord('"'), strip, offsets, data, state)
    assert used == offsets[-1]
    whole = data.tobytes()
    found = [(int(s), whole[offsets[i] : offsets[i + 1]]) for i, s in enumerate(state)]
    assert found == gather(held, doubled, strip)


@settings(max_examples=300, deadline=None)
@given(st.lists(clean, max_size=6), st.lists(st.booleans(), min_size=6, max_size=6), st.booleans())
def test_as_they_are__says_so_only_where_gather_changes_nothing(
    cells: list[str], present: list[bool], strip: bool
):
    held = [cell.encode() for cell in cells]
    buffer = np.frombuffer(b"".join(held), np.uint8)
    offsets = np.cumsum([0, *map(len, held)])
    offsets.flags.writeable = False
    state = np.empty(len(held), np.uint8)
    valid = np.array(present[: len(held)], np.bool_)
    if cell_text.as_they_are(buffer, offsets, valid, strip, state):
        given = [cell if here else b"" for cell, here in zip(held, present, strict=False)]
        assert list(zip(state.tolist(), held, strict=True)) == gather(given, strip=strip)


def test_as_they_are__of_ordinary_cells_and_not_of_a_character_cut_in_two():
    def say(cells: list[bytes], strip: bool = True) -> bool:
        offsets = np.cumsum([0, *map(len, cells)])
        offsets.flags.writeable = False
        state = np.empty(len(cells), np.uint8)
        buffer = np.frombuffer(b"".join(cells), np.uint8)
        return bool(cell_text.as_they_are(buffer, offsets, np.zeros(0, np.bool_), strip, state))

    assert say([b"P1", b"", "Trần Thị Hà".encode()[:-3] + b"a"])
    assert say(["Hà".encode()], strip=False)
    assert not say(["Hà".encode()[:2], "Hà".encode()[2:]], strip=False)
    assert not say([b" a"], strip=False)
    assert not say([b"a "])


@settings(deadline=None)
@given(st.text(st.sampled_from("aế\t\n\r\x00\x1f\x7f\u0080\u009f\u00a0\u00c2 "), max_size=9))
def test_has_control__is_what_gather_calls_so(text: str):
    buffer = np.frombuffer(text.encode(), np.uint8)
    assert cell_text.has_control(buffer) == any(
        slow(c.encode() + b"x", False)[0] == cell_text.CONTROL for c in text
    )
