"""Rows put in the order of their places, by counting: places are small numbers, of which most are taken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels._door import reading
from kernels._jit import jit


@jit
def _order_by_place(place: NDArray[np.uint32], starts: NDArray[np.int64], order: NDArray[np.int64]) -> None:
    for p in range(starts.shape[0]):
        starts[p] = 0
    for i in range(place.shape[0]):
        starts[place[i] + 1] += 1
    for p in range(starts.shape[0] - 1):
        starts[p + 1] += starts[p]
    for i in range(place.shape[0]):
        order[starts[place[i]]] = i
        starts[place[i]] += 1
    for p in range(starts.shape[0] - 1, 0, -1):
        starts[p] = starts[p - 1]
    starts[0] = 0


def order_by_place(place: NDArray[np.uint32], starts: NDArray[np.int64], order: NDArray[np.int64]) -> None:
    """Stable order of rows by their place.

    place : uint32[n], below ``len(starts) - 1``;  starts : int64[places + 1], filled with where the rows of
    each place begin;  order : int64[n], filled with the rows of the first place, of the second, and so on
    """
    _order_by_place(reading(place, np.uint32, "place"), starts, order)
