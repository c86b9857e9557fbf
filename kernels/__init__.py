"""Numba loops over arrays; they import numpy and numba only."""
