from __future__ import annotations

import random
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import dates
from kernels._jit import jit
from tests.kernels import twins
from tests.kernels.twins import Day

days = st.dates(date(1, 1, 1), date(9999, 12, 31)).map(lambda d: (d.year, d.month, d.day))
near = st.dates(date(1985, 1, 1), date(1991, 12, 31)).map(lambda d: (d.year, d.month, d.day))
partial = st.tuples(st.integers(1, 9999), st.sampled_from((0, 0, 5)), st.just(0))
anything = st.none() | near | days | partial


def code(day: Day | None) -> int:
    return 0 if day is None else day[0] * 512 + day[1] * 32 + day[2]


def names(bits: int) -> set[str]:
    found = {name for name, bit in dates.BITS.items() if bits & bit}
    assert sum(dates.BITS[name] for name in found) == bits
    return found


def facts(pairs: list[tuple[Day | None, Day | None]]) -> list[set[str]]:
    left = np.array([code(a) for a, _ in pairs], np.int32)
    right = np.array([code(b) for _, b in pairs], np.int32)
    left.flags.writeable = False
    rows = np.arange(len(pairs))
    out = np.zeros(len(pairs), np.uint32)
    dates.date_bits_pairs(left, right, rows, rows, out)
    return [names(int(bits)) for bits in out]


@settings(deadline=None)
@given(st.lists(st.tuples(anything, anything), max_size=40))
def test_bits__equal_the_twin(pairs: list[tuple[Day | None, Day | None]]) -> None:
    found = facts(pairs)
    assert found == [twins.date_facts(a, b) for a, b in pairs]
    assert facts([(b, a) for a, b in pairs]) == found


def test_bits__equal_the_twin_on_every_pair_of_neighbours() -> None:
    rng = random.Random(5)
    first = date(1957, 1, 1)
    calendar = [first + timedelta(days=rng.randrange(12_000)) for _ in range(20_000)]
    pairs: list[tuple[Day | None, Day | None]] = []
    for day in calendar:
        a = (day.year, day.month, day.day)
        other = rng.choice(calendar)
        pairs.append(
            (
                a,
                rng.choice(
                    [(a[0], a[2], a[1]), (other.year, *a[1:]), (a[0], other.month, a[2]), (a[0], 0, 0)]
                ),
            )
        )
        pairs.append((a, (other.year, other.month, other.day)))
    pairs = [(a, b) for a, b in pairs if b is not None and b[1] <= 12]
    found = facts(pairs)
    assert found == [twins.date_facts(a, b) for a, b in pairs]
    assert set().union(*found) == set(dates.BITS) - {"null"}


def test_bits__know_the_cases_by_name() -> None:
    born = (1985, 3, 7)
    same_day = {"day_month_equal", "day_equal", "month_equal"}
    assert facts(
        [
            (born, born),
            (born, None),
            (born, (1985, 7, 3)),
            (born, (1958, 3, 7)),
            (born, (1986, 3, 7)),
            (born, (1985, 0, 0)),
            (born, (1985, 3, 0)),
            ((1985, 1, 1), (1985, 0, 0)),
            (born, (1985, 3, 17)),
            (born, (1995, 3, 17)),
            ((1985, 1, 1), (1985, 1, 1)),
            (born, (1990, 12, 21)),
        ]
    ) == [
        {"exact", "year_equal"} | same_day,
        {"null"},
        {"swapped", "year_equal"},
        {"year_digit"} | same_day,
        {"year_near", "year_digit", "one_digit"} | same_day,
        {"year_equal", "partial"},
        {"year_equal", "month_equal", "partial"},
        {"year_equal", "partial", "heaped"},
        {"year_equal", "month_equal", "day_month_digit", "one_digit"},
        {"year_digit", "month_equal", "day_month_digit"},
        {"exact", "year_equal", "heaped"} | same_day,
        set(),
    ]


def test_scalar_form__serves_other_kernels() -> None:
    @jit
    def one(a: int, b: int) -> np.uint32:
        return dates.date_bits(a, b)

    assert "swapped" in names(int(one(code((1985, 3, 7)), code((1985, 7, 3)))))


def test_pairs__refuse_other_types() -> None:
    rows = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="left holds float64"):
        dates.date_bits_pairs(rows.astype(float), rows, rows, rows, np.zeros(1, np.uint32))
