"""Which feeds are joined at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs import correction
from jobs.correction import joined_together


@given(st.dictionaries(st.integers(0, 20), st.integers(0, 3 * correction.JOINED_ROWS)))
def test_feeds__are_joined_each_once_and_long_ones_alone(rows: dict[int, int]) -> None:
    found = joined_together(rows)
    assert sorted(source for some in found for source in some) == sorted(rows)
    assert all(some for some in found)
    for some in found:
        assert len(some) == 1 or sum(rows[source] for source in some) <= correction.JOINED_ROWS
