"""Full names without diacritics, in pairs: a fifth equal, a third of strangers, the rest with slips."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from kernels.edit import NO_CUTOFF, levenshtein_pairs, osa_pairs
from kernels.examples._form import Example
from kernels.jaro import jaro_pairs, jaro_winkler_pairs
from kernels.packed import PackedStrings, pack_together

SURNAMES = (
    "NGUYEN TRAN LE PHAM HOANG HUYNH PHAN VU VO DANG BUI DO HO NGO DUONG LY TRUONG DINH LAM MAI TRINH DAO "
    "DOAN CAO THACH LUONG CHAU TA HA TO QUACH"
).split()
MIDDLES = (
    "THI VAN NGOC HUU DUC MINH THANH QUOC XUAN KIM HOANG BAO PHUONG THUY HONG ANH DINH CONG MY BICH NHAT GIA "
    "TUAN TRONG QUANG DANG HAI NHU KHANH TIEN"
).split()
GIVEN = (
    "TRANG THAO LINH ANH PHUONG HANG HUYEN TUAN HOANG HUY HIEU HUNG THUY NGHIA KHANH VY DUNG LAN MAI HOA "
    "HUONG NGA THU HA YEN NHUNG DUC LONG NAM SON TUNG QUAN BINH CUONG DAT KIEN KHOA PHUC THANG TRUNG VINH "
    "NHI NGAN CHAU TIEN MY DUYEN QUYNH TRAM THIEN"
).split()
LETTERS = "ABCDEGHIKLMNOPQRSTUVXY "


def _damaged(rng: random.Random, text: str) -> str:
    """One or two typing errors: dropped, put in, changed, swapped."""
    units = list(text)
    for _ in range(rng.choice((1, 1, 1, 2, 2))):
        at = rng.randrange(len(units) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            units.insert(at, rng.choice(LETTERS))
        elif kind == 1:
            del units[at : at + 1]
        elif kind == 2:
            units[at : at + 1] = rng.choice(LETTERS)
        else:
            units[at : at + 2] = reversed(units[at : at + 2])
    return "".join(units)


@functools.lru_cache(maxsize=2)
def full_names(n: int) -> tuple[list[str], list[str]]:
    """``n`` pairs of names of two to four tokens, about 14 ASCII characters on average."""
    rng = random.Random(7)

    def one() -> str:
        middles = rng.choices(MIDDLES, k=rng.choices((0, 1, 2), (1, 7, 3))[0])
        return " ".join([rng.choice(SURNAMES), *middles, rng.choice(GIVEN)])

    left, right = [], []
    for _ in range(n):
        text = one()
        luck = rng.random()
        left.append(text)
        right.append(one() if luck < 0.33 else text if luck < 0.53 else _damaged(rng, text))
    return left, right


@functools.lru_cache(maxsize=2)
def _packed(n: int) -> tuple[PackedStrings, PackedStrings]:
    return pack_together(*full_names(n))


def _pairs(cutoff: float, dtype: type) -> Callable[[int], tuple[Any, ...]]:
    def make(n: int) -> tuple[Any, ...]:
        rows = np.arange(n)
        return (*_packed(n), rows, rows, cutoff, np.empty(n, dtype))

    return make


EXAMPLES = (
    Example(levenshtein_pairs, _pairs(NO_CUTOFF, np.int32), "pair"),
    Example(levenshtein_pairs, _pairs(2, np.int32), "pair", "cutoff 2"),
    Example(osa_pairs, _pairs(NO_CUTOFF, np.int32), "pair"),
    Example(osa_pairs, _pairs(2, np.int32), "pair", "cutoff 2"),
    Example(jaro_pairs, _pairs(0.0, np.float64), "pair"),
    Example(jaro_winkler_pairs, _pairs(0.0, np.float64), "pair"),
    Example(jaro_winkler_pairs, _pairs(0.9375, np.float64), "pair", "cutoff 0.9375"),
)
