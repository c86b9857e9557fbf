"""Provinces, communes before and after July 2025, and where people live, are born and move to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data import reference
from data.generator.minorities import PEOPLES, SHARES
from data.generator.vocabulary import REGIONS

#: The code lists a commune code is written in, by the day each one stands for.
BEFORE = "2025-06-30"
AFTER = "2025-07-01"

_DRAWS = 4096
#: Provinces that people move to more than their size says: the two cities and the industrial belts.
_MAGNETS = {"001": 1.6, "079": 2.6, "074": 4.0, "075": 1.8, "048": 1.6, "027": 1.8, "031": 1.1, "080": 1.1}


@dataclass(frozen=True)
class Places:
    """Arrays over the 63 provinces, and over the pairs of an old commune with a new one that took it over.

    A home is the number of such a pair, so that its old and its new code always agree with one another.
    """

    prefix: NDArray[np.int32]  # first three digits of a personal number
    region: NDArray[np.int8]  # index into REGIONS
    weight: NDArray[np.float64]  # share of the population
    old_prefixes: tuple[NDArray[np.int32], ...]  # three-digit beginnings of nine-digit numbers
    style_edges: NDArray[np.float64]  # [63, peoples + 1] cumulative shares; style 0 is Kinh
    home_draws: NDArray[np.int32]  # [63, 4096] homes, each as often as people live there
    residence_draws: NDArray[np.int8]  # [4096] provinces by population
    migration_draws: NDArray[np.int8]  # [4096] provinces by how many move there
    home_province: NDArray[np.int8]
    before: pa.Array  # five-digit codes by home
    after: pa.Array
    before_dated: pa.Array  # the same as code@day
    after_dated: pa.Array
    after_code: NDArray[np.int32]
    province_gso: pa.Array  # two-digit codes by province

    def styles(self, draws: NDArray[np.float64], province: NDArray[np.integer]) -> NDArray[np.int8]:
        """The people each belongs to: 0 Kinh, else the number in ``PEOPLES`` plus one."""
        found: NDArray[np.int8] = (draws[:, None] >= self.style_edges[province]).sum(axis=1).astype(np.int8)
        return found

    def homes(self, rng: np.random.Generator, province: NDArray[np.integer]) -> NDArray[np.int32]:
        """A home in each of the provinces given."""
        found: NDArray[np.int32] = self.home_draws[
            province, rng.integers(0, _DRAWS, len(province), dtype=np.uint16)
        ]
        return found

    def residences(self, rng: np.random.Generator, count: int) -> NDArray[np.int8]:
        """Provinces by population."""
        return self.residence_draws[rng.integers(0, _DRAWS, count, dtype=np.uint16)]

    def migrated(
        self, rng: np.random.Generator, province: NDArray[np.int8], share: float
    ) -> NDArray[np.int8]:
        """Each province, or with probability ``share`` one that people move to."""
        moved = self.migration_draws[rng.integers(0, _DRAWS, len(province), dtype=np.uint16)]
        return np.where(rng.random(len(province)) < share, moved, province)


@cache
def places() -> Places:
    """The places of the nation; the sizes of communes are made up (log-normal), always the same."""
    provinces = reference.provinces()
    gso = provinces["gso"].to_list()
    code3 = provinces["code3"].to_list()
    weight = provinces["weight"].to_numpy().astype(np.float64)
    weight = weight / weight.sum()
    number = {code: at for at, code in enumerate(gso)}

    before = dict(zip(*reference.communes_before().select("code", "province_gso"), strict=True))
    new = set(reference.communes_after()["code"])
    changes = reference.commune_changes().sort("old_code", "new_code")
    pairs = [
        (old, later, number[before[old]])
        for old, later in zip(changes["old_code"], changes["new_code"], strict=True)
        if old in before and later in new
    ]
    home_province = np.array([pair[2] for pair in pairs], np.int8)
    rng = np.random.Generator(np.random.PCG64(2025))
    size = np.exp(0.6 * rng.standard_normal(len(pairs)))
    split: dict[str, int] = {}
    for old, _, _ in pairs:
        split[old] = split.get(old, 0) + 1
    size /= np.array([split[old] for old, _, _ in pairs])
    home_draws = np.empty((len(gso), _DRAWS), np.int32)
    for at in range(len(gso)):
        homes = np.flatnonzero(home_province == at)
        home_draws[at] = homes[spread(size[homes], _DRAWS)]

    magnet = weight * np.array([_MAGNETS.get(code, 0.6) for code in code3])
    names = [people.name for people in PEOPLES]
    shares = np.zeros((len(code3), len(names)))
    for code, mix in SHARES.items():
        for name, share in mix.items():
            shares[code3.index(code), names.index(name)] = share
    kinh = 1 - shares.sum(axis=1, keepdims=True)
    edges = np.cumsum(np.concatenate([kinh, shares], axis=1), axis=1)[:, :-1]
    return Places(
        prefix=np.array([int(code) for code in code3], np.int32),
        region=np.array([REGIONS.index(region) for region in provinces["region"]], np.int8),
        weight=weight,
        old_prefixes=tuple(_three_digits(text) for text in provinces["old_prefixes"]),
        style_edges=edges,
        home_draws=home_draws,
        residence_draws=spread(weight, _DRAWS).astype(np.int8),
        migration_draws=spread(magnet / magnet.sum(), _DRAWS).astype(np.int8),
        home_province=home_province,
        before=pa.array([pair[0] for pair in pairs], pa.string()),
        after=pa.array([pair[1] for pair in pairs], pa.string()),
        before_dated=pa.array([f"{pair[0]}@{BEFORE}" for pair in pairs], pa.string()),
        after_dated=pa.array([f"{pair[1]}@{AFTER}" for pair in pairs], pa.string()),
        after_code=np.array([int(pair[1]) for pair in pairs], np.int32),
        province_gso=pa.array(gso, pa.string()),
    )


@dataclass(frozen=True)
class Addresses:
    """Homes as text, by the communes until 30 June 2025: entry ``way * homes + home``."""

    homes: int
    ways: int
    texts: pa.Array


#: Ways of writing a commune, a district and a province: what stands for each kind of unit.
_FULL = {"Thành phố": "Thành phố ", "Tỉnh": "Tỉnh "}
_SHORT = {
    "Phường": "P. ", "Xã": "X. ", "Thị trấn": "TT. ", "Quận": "Q. ", "Huyện": "H. ", "Thị xã": "TX. ",
    "Thành phố": "TP. ", "Tỉnh": "",
}  # fmt: skip
_GLUED = {
    "Phường": "P.", "Xã": "xã ", "Thị trấn": "TT ", "Quận": "Q.", "Huyện": "huyện ", "Thị xã": "TX ",
    "Thành phố": "TP ", "Tỉnh": "tỉnh ",
}  # fmt: skip
_KINDS = ("Phường", "Xã", "Thị trấn", "Thị xã", "Thành phố", "Quận", "Huyện", "Tỉnh")
_CITIES = {"01", "31", "46", "48", "79", "92"}


@cache
def addresses() -> Addresses:
    """Every home in three ways: whole words, abbreviations, abbreviations without spaces."""
    province = dict(reference.provinces().select("gso", "name").iter_rows())
    units = {row[0]: row[1:] for row in reference.communes_before().iter_rows()}
    homes = places().before.to_pylist()
    texts = []
    for way in (_FULL, _SHORT, _GLUED):
        for code in homes:
            commune, gso, district = units[code]
            whole = f"{'Thành phố' if gso in _CITIES else 'Tỉnh'} {province[gso]}"
            texts.append(", ".join(_unit(text, way) for text in (commune, district, whole)))
    return Addresses(len(homes), 3, pa.array(texts, pa.string()))


def _unit(text: str, way: dict[str, str]) -> str:
    kind = next((kind for kind in _KINDS if text.lower().startswith(f"{kind.lower()} ")), "")
    return way.get(kind, kind + " ") + text[len(kind) + 1 :] if kind else text


def _three_digits(prefixes: str) -> NDArray[np.int32]:
    found: list[int] = []
    for prefix in prefixes.split():
        width = 10 ** (3 - len(prefix))
        found.extend(range(int(prefix) * width, (int(prefix) + 1) * width))
    return np.array(found, np.int32)


def spread(weights: NDArray[np.float64], draws: int) -> NDArray[np.int64]:
    """``draws`` item numbers, each item as often as its weight says (inverse of the distribution)."""
    edges = np.cumsum(weights)
    found: NDArray[np.int64] = np.searchsorted(edges, (np.arange(draws) + 0.5) / draws * edges[-1])
    return found.clip(max=len(weights) - 1)
