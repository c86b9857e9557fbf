"""Where the people of an extract live and how they are reached: communes, address text, phones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.generator.columns import digit_texts, replaced, take
from data.generator.numbers import mobile_numbers
from data.generator.places import BEFORE, addresses
from data.generator.rows import Rows

#: Of the phones given: the person's present one, an earlier one, a relative's, one of an employer or a
#: school.
PHONES = (("present", 0.72), ("earlier", 0.17), ("relative", 0.09), ("shared", 0.02))
#: Share of addresses that begin with a house.
WITH_HOUSE = 0.4
#: Networks renumbered in 2018: the two digits of today and the three of before.
_RENUMBERED = {
    70: 120, 79: 121, 77: 122, 76: 126, 78: 128, 83: 123, 84: 124, 85: 125, 81: 127, 82: 129, 32: 162,
    33: 163, 34: 164, 35: 165, 36: 166, 37: 167, 38: 168, 39: 169, 56: 186, 58: 188, 59: 199,
}  # fmt: skip


def communes(rows: Rows) -> pa.Array:
    """The commune's code in the layout's list, or the address text that names it."""
    places = rows.places
    home = rows.people.home[rows.person]
    at = np.flatnonzero(rows.rng.random(rows.count) < rows.rates.moved)
    held = home.copy()
    held[at] = rows.people.former_home[rows.person[at]]
    before = rows.layout.commune_as_of == BEFORE
    dated = places.before_dated if before else places.after_dated
    rows.errors.plant(at, "commune", "moved", take(dated, held[at]), take(places.after_dated, home[at]))
    if rows.layout.address:
        return _address_texts(rows, held)
    return take(places.before if before else places.after, held)


def _address_texts(rows: Rows, home: NDArray[np.int32]) -> pa.Array:
    """The commune, district and province in one of several ways of writing, some behind a house."""
    rng, styles = rows.stream("addresses"), addresses()
    text = take(styles.texts, home.astype(np.int64) + rng.integers(0, styles.ways, rows.count) * styles.homes)
    at = np.flatnonzero(rng.random(rows.count) < WITH_HOUSE)
    houses = pa.array([f"Số {number}, " for number in range(1, 200)] + [f"Tổ {n}, " for n in range(1, 31)])
    house = take(houses, rng.integers(0, len(houses), len(at)))
    return replaced(text, at, pc.binary_join_element_wise(house, take(text, at), ""))


def phones(rows: Rows) -> pa.Array:
    """The phones given, in several ways of writing; null where missing."""
    rng, people, layout = rows.rng, rows.people, rows.layout
    edges = np.cumsum([share for _, share in PHONES])
    kind = np.searchsorted(edges[:-1], rng.random(rows.count), side="right")
    lines = mobile_numbers(rng, max(1, rows.count // 400))
    true = people.phone[rows.person]
    held = np.choose(
        kind,
        [
            true,
            people.earlier_phone[rows.person],
            people.relative_phone[rows.person],
            lines[rng.integers(0, len(lines), rows.count)],
        ],
    )
    missing = rng.random(rows.count) >= layout.phone
    column = digit_texts(held, 10, missing=missing)
    for code, (error, _) in enumerate(PHONES[1:], 1):
        at = np.flatnonzero((kind == code) & ~missing & (held != true))
        rows.errors.plant(at, "phone", error, take(column, at), digit_texts(true[at], 10))
    form = rng.random(rows.count)
    low = 0.0
    for name, share in layout.phone_forms:
        at = np.flatnonzero((form >= low) & (form < low + share) & ~missing)
        low += share
        column = _reformed(column, at, name, held)
    width = pc.fill_null(pc.utf8_length(take(column, rows.zeroless)), 0).to_numpy(zero_copy_only=False)
    plain = rows.zeroless[width == 10]
    return replaced(column, plain, pc.utf8_ltrim(take(column, plain), characters="0"))


def _reformed(column: pa.Array, rows: NDArray[np.int64], form: str, held: NDArray[np.int64]) -> pa.Array:
    """The phones of some rows written another way: +84, in groups, or with the eleven digits of before
    2018.
    """
    if form == "eleven":
        network = np.full(100, 0, np.int64)
        for now, before in _RENUMBERED.items():
            network[now] = before
        rows = rows[network[held[rows] // 10**7] > 0]
        old = network[held[rows] // 10**7] * 10**7 + held[rows] % 10**7
        return replaced(column, rows, digit_texts(old, 11))
    plain = take(column, rows)
    if form == "international":
        text = pc.binary_join_element_wise("+84", pc.utf8_slice_codeunits(plain, 1), "")
    else:
        groups = [pc.utf8_slice_codeunits(plain, start, stop) for start, stop in ((0, 4), (4, 7), (7, 10))]
        text = pc.binary_join_element_wise(*groups, " ")
    return replaced(column, rows, text)
