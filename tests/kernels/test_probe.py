from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import probe
from tests.kernels import twins

# Short numbers of few digits: most of them are neighbours of one another.
numbers = st.text("01", min_size=0, max_size=4) | st.text("09", min_size=12, max_size=12)


def probed(
    asked: list[str], known: list[str], shift: int = 0, limit: int = 10_000, room: int = 100_000
) -> list[tuple[int, int]] | None:
    holders = sorted((twins.identifier_code(text), 500 + row) for row, text in enumerate(known) if text)
    codes = np.array([code for code, _ in holders], np.int64)
    rows = np.array([row for _, row in holders], np.uint32)
    base = codes[0]
    buckets = (int(codes[-1] - base) >> shift) + 1
    index = np.array([int((codes - base >> shift < b).sum()) for b in range(buckets + 1)], np.int64)
    left, right = np.zeros(room, np.int64), np.zeros(room, np.int64)
    wanted = np.array([twins.identifier_code(text) for text in asked], np.int64)
    left_out = np.full(1, 7, np.int64)
    n = probe.probe_neighbours(wanted, codes, rows, base, shift, index, limit, left_out, left, right)
    if n < 0:
        return None
    beyond = probe.probe_neighbours(
        wanted, codes, rows, base, shift, index, 10_000, np.zeros(1, np.int64), left.copy(), right.copy()
    )
    assert left_out[0] == beyond - n
    return list(zip(left[:n].tolist(), right[:n].tolist(), strict=True))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(numbers, max_size=8),
    st.lists(numbers.filter(bool), min_size=1, max_size=12),
    st.integers(1, 6),
    st.randoms(use_true_random=False),
)
def test_probe_neighbours__takes_the_same_whatever_the_order_of_holders(
    asked: list[str], known: list[str], limit: int, rng: random.Random
) -> None:
    """An identifier held by more than the limit gave those whose rows came first in their file."""
    order = list(range(len(known)))
    rng.shuffle(order)
    found = {(i, row - 500) for i, row in probed(asked, known, 50, limit)}
    other = {(i, order[row - 500]) for i, row in probed(asked, [known[at] for at in order], 50, limit)}
    assert found == other


@settings(deadline=None, max_examples=150)
@given(
    st.lists(numbers, max_size=8),
    st.lists(numbers.filter(bool), min_size=1, max_size=12),
    st.integers(46, 56),
)
def test_probe_neighbours__equals_looking_at_every_number(
    asked: list[str], known: list[str], shift: int
) -> None:
    wanted = {
        (i, 500 + row)
        for i, text in enumerate(asked)
        for row, other in enumerate(known)
        if other in twins.one_slip_away(text)
    }
    found = probed(asked, known, shift)
    assert len(found) == len(set(found))
    assert set(found) == wanted


def test_probe_neighbours__finds_each_slip_of_a_personal_number() -> None:
    rng = random.Random(3)
    number = "001085000123"
    near = sorted(twins.one_slip_away(number))
    far = ["".join(rng.choices("0123456789", k=12)) for _ in range(500)]
    assert {500 + i for i in range(len(near))} == {row for _, row in probed([number], near + far, 40)}


def test_probe_neighbours__keeps_to_its_limit_and_its_room() -> None:
    known = ["11", "12", "13", "14", "99"]
    assert probed(["10", "90"], known, 50, limit=2) == [(0, 500), (0, 501), (1, 504)]
    assert probed(["10"], known, 50, room=3) is None
    assert probed(["10"], known, 50, room=4) == [(0, 500), (0, 501), (0, 502), (0, 503)]
