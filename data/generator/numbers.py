"""Personal numbers, old nine-digit numbers, persons' and records' keys, phones: valid, and unique over the
nation.

A personal number is the province of birth registration, a digit of century and sex, two of the birth year,
and six digits (Decree 137/2015, Circular 59/2021). The six are a permuted counter of the cell that the
first six make. Their digit sum is never 9 modulo 10, but for the numbers of ``neighbour``: those are one
digit off the number of exactly one other person, which is how a slip of a finger comes to hit a living
person.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.generator.permute import key_of, permute, ranks

#: Personal numbers of one cell: 100,000 beginnings, nine endings each, the tenth kept for neighbours.
CELL_SIZE = 900_000
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_POWERS: NDArray[np.int64] = np.array([1, 10, 100, 1000, 10_000, 100_000], np.int64)
_TAX_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)
_TAX_AREAS = 63
_MOBILE = np.array(
    [32, 33, 34, 35, 36, 37, 38, 39, 86, 96, 97, 98, 91, 94, 81, 82, 83, 84, 85, 88, 90, 93, 70, 76, 77, 78,
     79, 89, 92, 56, 58, 99, 59, 87, 97, 98, 90, 91, 96, 94],
    np.int64,
)  # fmt: skip


class Serials:
    """What makes counters unique: this chunk's number, the number of chunks, and the seed."""

    def __init__(self, seed: int, chunk: int, chunks: int) -> None:
        self.seed = seed
        self.chunk = chunk
        self.chunks = chunks

    def nationwide(self, within: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counters of this chunk made unique over all of them."""
        return within * self.chunks + self.chunk

    def personal_numbers(self, cells: NDArray[np.int32]) -> NDArray[np.int64]:
        """One number for each cell given (the first six digits), all different.

        Raises ValueError where a cell is full, which takes about ten times the nation in one birth year.
        """
        serial = self.nationwide(ranks(cells))
        permuted = permute(serial, CELL_SIZE, key_of(self.seed, "personal_number"), cells.astype(np.int64))
        base, ending = np.divmod(permuted, 9)
        place = _place(cells)
        digit = (ending - _digit_sum(base)) % 10
        low = base % place
        return cells.astype(np.int64) * 1_000_000 + (base - low) * 10 + digit * place + low

    def old_numbers(self, prefixes: NDArray[np.int32]) -> NDArray[np.int64]:
        """Nine-digit numbers behind three-digit prefixes; 0 where a prefix is used up."""
        serial = self.nationwide(ranks(prefixes))
        fits = serial < 1_000_000
        result = np.zeros(len(prefixes), np.int64)
        result[fits] = prefixes[fits].astype(np.int64) * 1_000_000 + permute(
            serial[fits], 1_000_000, key_of(self.seed, "old_number"), prefixes[fits].astype(np.int64)
        )
        return result

    def person_ids(self, count: int) -> NDArray[np.int64]:
        """Nine-digit surrogate keys of ``count`` persons."""
        return permute(self.nationwide(np.arange(count)), 10**9, key_of(self.seed, "person_id"))

    def agency_keys(self, source: str, count: int) -> NDArray[np.int64]:
        """Eight-digit serials, one a record, unique in the source."""
        return permute(self.nationwide(np.arange(count)), 10**8, key_of(self.seed, source))

    def in_cells(self, purpose: str, cells: NDArray[np.int32], size: int) -> NDArray[np.int64]:
        """Serials below ``size``, unique over the nation within each cell. Raises ValueError where a cell is
        full.
        """
        serial = self.nationwide(ranks(cells))
        return permute(serial, size, key_of(self.seed, purpose), cells.astype(np.int64))

    def passports(self, count: int) -> NDArray[np.int64]:
        """Eight-digit numbers of foreign passports, one a foreigner."""
        return permute(self.nationwide(np.arange(count)), 10**8, key_of(self.seed, "passport"))

    def tax_codes(self, count: int) -> NDArray[np.int64]:
        """Ten-digit tax codes with their check digit (Circular 105/2020, annex 1), one a record."""
        prefix = permute(self.nationwide(np.arange(count)), _TAX_AREAS * 10**6, key_of(self.seed, "tax"))
        # Of two bodies that differ only in their last digit at most one has no code.
        body = prefix * 10
        body += _tax_check(body) == 0
        return (body + 10**7) * 10 + (10 - _tax_check(body))


def _tax_check(body: NDArray[np.int64]) -> NDArray[np.int64]:
    # Bodies count from area 01.
    rest = body + 10**7
    total = np.zeros(len(body), np.int64)
    for weight in reversed(_TAX_WEIGHTS):
        rest, digit = np.divmod(rest, 10)
        total += weight * digit
    return total % 11


def cell(
    prefix: NDArray[np.integer], sex: NDArray[np.integer], year: NDArray[np.integer]
) -> NDArray[np.int32]:
    """The first six digits of a personal number; sex 0 male, 1 female; years 1900..2099."""
    century = (np.maximum(year, 1900) - 1900) // 100
    found: NDArray[np.int32] = (
        prefix.astype(np.int32) * 1000 + (century * 2 + sex) * 100 + year % 100
    ).astype(np.int32)
    return found


def can_have_neighbour(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which numbers own a number one digit off that nobody else is given."""
    able: NDArray[np.bool_] = _digit_sum(numbers % 1_000_000) % 10 == 0
    return able


def neighbour(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number one digit off, of numbers that can have one."""
    place = _place((numbers // 1_000_000).astype(np.int32))
    # The digit before it, 9 before 0: the digit sum goes from 0 to 9 modulo 10.
    step = np.where(numbers // place % 10 == 0, 9, -1).astype(np.int64)
    found: NDArray[np.int64] = numbers + step * place
    return found


def _place(cells: NDArray[np.int32]) -> NDArray[np.int64]:
    """The power of ten of the digit that makes the digit sum of a cell's numbers."""
    hashed = (cells.astype(np.uint64) * _GOLDEN) >> np.uint64(40)
    return _POWERS[(hashed % np.uint64(6)).astype(np.int64)]


def _digit_sum(values: NDArray[np.int64]) -> NDArray[np.int64]:
    total = np.zeros(len(values), np.int64)
    rest = values.astype(np.uint32)
    for _ in range(6):
        quotient = rest // np.uint32(10)
        total += rest - quotient * np.uint32(10)
        rest = quotient
    return total


def mobile_numbers(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Mobile numbers without their leading zero: nine digits, of networks in use."""
    network = _MOBILE[rng.integers(0, len(_MOBILE), count, dtype=np.uint8)]
    return network * 10**7 + rng.integers(0, 10**7, count, dtype=np.uint32)


def relative_outside(
    rng: np.random.Generator, prefix: NDArray[np.int32], year: NDArray[np.int16]
) -> NDArray[np.int64]:
    """Numbers of relatives outside of the sources: a generation off, of the same province; not unique."""
    count = len(prefix)
    gap = rng.integers(22, 38, count)
    born = np.where((year + gap <= 2018) & (rng.random(count) < 0.3), year + gap, year - gap)
    born = np.clip(born, 1920, 2026)
    sex = rng.integers(0, 2, count)
    first = cell(prefix, sex, born).astype(np.int64)
    return first * 1_000_000 + rng.integers(0, 1_000_000, count)
