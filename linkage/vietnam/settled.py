"""Numbers of plain digits whose structure holds: their codes at once, without a frame of what was found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kernels.screens import mobiles, personal_numbers, tens_and_twelves
from linkage.vietnam.numbers import PLACEHOLDERS, PROVINCE_CODES, Digits

_RUNS = np.array(PLACEHOLDERS, np.int64)
_PROVINCES = np.zeros(1000, np.bool_)
_PROVINCES[list(PROVINCE_CODES)] = True


def settled_codes(field: str, digits: Digits, extract_year: int) -> npt.NDArray[np.int64]:
    """Codes int64[n] of the numbers of a column of which nothing needs to be said, 0 of the others.

    Such a number is read as it is written, with no repair and no query, whatever its row holds besides.
    """
    value, length = digits
    if field in ("personal_number", "old_number"):
        nine = field == "old_number"
        return personal_numbers(value, length, _PROVINCES, _RUNS, extract_year, nine)
    if field in ("tax_code", "insurance_number", "health_card"):
        return tens_and_twelves(value, length, _RUNS, field == "tax_code")
    if field == "phone":
        return mobiles(value, length)
    return np.zeros(value.shape[0], np.int64)
