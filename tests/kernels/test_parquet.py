from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import parquet
from tests.kernels import publishing_twins


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 70_000) | st.integers(0, 3), st.booleans()), max_size=400))
def test_delta_lengths__are_as_the_format_has_them(many: list[tuple[int, bool]]) -> None:
    offsets = np.cumsum([5, *(length for length, _ in many)]).astype(np.int64)
    known = np.array([there for _, there in many], np.bool_)
    out = np.full(parquet.lengths_room(len(many)), 255, np.uint8)
    size = parquet.delta_lengths(offsets, known, out)
    assert out[:size].tobytes() == publishing_twins.packed_lengths((offsets, known))
    assert (out[size:] == 255).all()


@settings(deadline=None)
@given(st.integers(1, 31).flatmap(lambda w: st.tuples(st.just(w), st.lists(st.integers(0, 2**w - 1)))))
def test_pack_numbers__are_as_the_format_has_them(many: tuple[int, list[int]]) -> None:
    width, values = many
    held = np.array(values, np.int32)
    out = np.full(parquet.packed_room(len(values), width), 255, np.uint8)
    parquet.pack_numbers(held, width, out)
    size = parquet.packed_bytes(len(values), width)
    assert out[:size].tobytes() == publishing_twins.packed_numbers((held, width))


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text("ab", max_size=20), min_size=1, max_size=30), st.booleans(), st.integers(1, 9))
def test_front_code__tells_what_texts_share_and_their_order(
    many: list[str], in_order: bool, page: int
) -> None:
    own = sorted(many) if in_order else many
    # Behind a byte that belongs to none of them.
    offsets = np.cumsum([1, *map(len, own)]).astype(np.int64)
    data = np.frombuffer(("?" + "".join(own)).encode(), np.uint8)
    shared, places = np.empty(len(own) + 1, np.int64), np.empty(len(own) + 1, np.int64)
    out = np.empty(data.shape[0] - 1, np.uint8)
    found = parquet.front_code(offsets, data, page, shared, places, out)
    wanted = publishing_twins.front_coded((offsets, data, page))
    assert found == (wanted is not None)
    if wanted is not None:
        told = np.diff(shared).tolist(), np.diff(places).tolist(), out[: places[-1]].tobytes()
        assert told == wanted
