"""Shares of counts, with the interval that their size allows."""

from __future__ import annotations

from math import sqrt
from typing import Any

#: Quantile of the normal distribution for 95 %, two-sided.
_Z95 = 1.959963984540054


def share(count: int, of: int) -> dict[str, Any]:
    """``count`` of ``of`` with Wilson's 95 % interval (Wilson 1927); without cases there is no value."""
    if of == 0:
        return {"count": count, "of": 0, "value": None, "low": None, "high": None}
    z2 = _Z95 * _Z95
    p = count / of
    middle = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z95 * sqrt(p * (1 - p) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    # At the ends the interval closes exactly; rounding must not open it.
    low = 0.0 if count == 0 else max(0.0, middle - half)
    high = 1.0 if count == of else min(1.0, middle + half)
    return {"count": count, "of": of, "value": p, "low": low, "high": high}
