"""Each record's own key, and the cards and codes that are made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.generator.columns import digit_texts, nulled, replaced, take
from data.generator.layouts import Layout
from data.generator.numbers import Serials
from data.generator.sampling import Sample

if TYPE_CHECKING:
    from data.generator.rows import Material, Rows

#: Share of the tax office's first records under the person's number, of those that ``cards`` gives one.
UNDER_NUMBER = 0.35
#: Share of insurance records with a health card.
WITH_CARD = 0.85
#: The first digits of number plates by the three digits of a province: Hà Nội and Hồ Chí Minh have several.
_PLATES = {
    1: 29, 2: 23, 4: 11, 6: 97, 8: 22, 10: 24, 11: 27, 12: 25, 14: 26, 15: 21, 17: 28, 19: 20, 20: 12, 22: 14,
    24: 98, 25: 19, 26: 88, 27: 99, 30: 34, 31: 15, 33: 89, 34: 17, 35: 90, 36: 18, 37: 35, 38: 36, 40: 37,
    42: 38, 44: 73, 45: 74, 46: 75, 48: 43, 49: 92, 51: 76, 52: 77, 54: 78, 56: 79, 58: 85, 60: 86, 62: 82,
    64: 81, 66: 47, 67: 48, 68: 49, 70: 93, 72: 70, 74: 61, 75: 60, 77: 72, 79: 59, 80: 62, 82: 63, 83: 71,
    84: 84, 86: 64, 87: 66, 89: 67, 91: 68, 92: 65, 93: 95, 94: 83, 95: 94, 96: 69,
}  # fmt: skip
_SERIES = pa.array([f"{letter}{digit}" for letter in "ABCDEFGHKLMNPSTUVXYZ" for digit in range(1, 10)])
#: Object codes of health cards by first age, and the digit of their benefit (Decision 1351/QĐ-BHXH of 2015).
_OBJECTS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (0, ("TE1",)),
    (6, ("HS4", "HS4", "HS4", "HN2")),
    (18, ("DN4", "SV4", "GD4", "HN2")),
    (24, ("DN4", "DN4", "GD4", "HN2")),
    (60, ("HT3", "HT3", "GD4", "BT2")),
)


def record_keys(
    material: Material, layout: Layout, drawn: Sample, count: int, rng: np.random.Generator
) -> pa.Array:
    """``count`` keys unique in the source over the nation: first those of ``drawn``, then spare ones."""
    serials, people, places = material.serials, material.people, material.places

    def prefix(province: NDArray[np.int8]) -> NDArray[np.int64]:
        spare = np.zeros(count - len(province), np.int8)
        return places.prefix[np.append(province, spare)].astype(np.int64)

    if layout.key == "tax_code":
        codes = digit_texts(serials.tax_codes(count), 10)
        if not material.cards:
            return codes
        first = np.flatnonzero(drawn.first < 0)
        first = first[rng.random(len(first)) < UNDER_NUMBER]
        return replaced(codes, first, digit_texts(people.number[drawn.person[first]], 12))
    if layout.key == "plate":
        return _plates(serials, prefix(places.home_province[people.home[drawn.person]]), layout.source)
    serial = serials.agency_keys(layout.source, count)
    if layout.key == "province_serial":
        # The first two digits are the province the number was given in, which people leave.
        return digit_texts(prefix(people.born_in[drawn.person]) * 10**8 + serial, 10)
    return digit_texts(serial, 8, {"dossier": "H26-", "serial": "1"}[layout.key])


def _plates(serials: Serials, province: NDArray[np.int64], source: str) -> pa.Array:
    """Plates such as ``29B1-01234`` of the province, by its three digits."""
    area = np.zeros(100, np.int32)
    for prefix, digits in _PLATES.items():
        area[prefix] = digits
    areas = area[province]
    series, number = np.divmod(serials.in_cells(source, areas, len(_SERIES) * 100_000), 100_000)
    parts = (digit_texts(areas.astype(np.int64), 2), take(_SERIES, series), digit_texts(number, 5, "-"))
    return pc.binary_join_element_wise(*parts, "")


def health_cards(rows: Rows) -> pa.Array:
    """The fifteen signs of each record's card: object code, benefit, province of issue, insurance number."""
    people, rng = rows.people, rows.stream("cards")
    age = people.age[rows.person]
    pick = rng.random(rows.count)
    codes: list[str] = []
    first = np.zeros(rows.count, np.int64)
    size = np.zeros(rows.count, np.int64)
    for start, objects in _OBJECTS:
        of_age = age >= start
        first[of_age] = len(codes)
        size[of_age] = len(objects)
        codes += objects
    code = take(pa.array(codes, pa.string()), first + (pick * size).astype(np.int64))
    province = rows.places.prefix[rows.places.home_province[people.home[rows.person]]].astype(np.int64)
    cards = pc.binary_join_element_wise(code, digit_texts(province, 2), rows.record_id, "")
    return nulled(cards, rng.random(rows.count) >= WITH_CARD)
