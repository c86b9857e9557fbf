"""Votes of a person with very many records: the values are sorted there, not held each against each."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.votes import _FEW, count_votes
from tests.kernels.correction_twins import voted


@pytest.mark.parametrize("records", [2, _FEW, _FEW + 1, 200, 1_000])
@pytest.mark.parametrize("values", [1, 3, 50])
def test_count_votes__of_one_person_of_many_records_equals_the_twin(records: int, values: int) -> None:
    rng = np.random.default_rng(records + values)
    starts = np.array([0, records], np.int64)
    order = rng.permutation(records).astype(np.uint32)
    source = rng.integers(0, 5, records).astype(np.uint8)
    value = rng.integers(0, values + 1, records).astype(np.uint64)
    given = [starts, order, source, value, value == 1, value == 2]
    for array in given:
        array.flags.writeable = False
    out = [np.empty(records, np.uint8) for _ in range(3)]
    count_votes(*given, *out)
    assert list(zip(*(one.tolist() for one in out), strict=True)) == voted((*given, *out))
