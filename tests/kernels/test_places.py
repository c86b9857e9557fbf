from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.places import order_by_place


@settings(deadline=None)
@given(st.integers(1, 12), st.data())
def test_order__is_a_stable_sort_by_place(places: int, data: st.DataObject) -> None:
    given_ = data.draw(st.lists(st.integers(0, places - 1), max_size=40))
    starts, order = np.empty(places + 1, np.int64), np.empty(len(given_), np.int64)
    order_by_place(np.array(given_, np.uint32), starts, order)
    assert order.tolist() == sorted(range(len(given_)), key=lambda row: given_[row])
    assert starts.tolist() == [sum(p < place for p in given_) for place in range(places + 1)]
