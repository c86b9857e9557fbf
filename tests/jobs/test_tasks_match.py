"""What matching takes from a run's work folder."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from jobs.tasks_match import settled_bits
from jobs.workspace import Workspace
from linkage.columns import Column


def space_of(settled: Column | None, register: int, agencies: int) -> Workspace:
    """A workspace of so many rows, as far as matching asks for it."""

    def fresh(name: str, places: Any, load: Any) -> Any:
        return load()

    layout = {"rows": register + agencies, "n_register": register}
    return cast("Workspace", SimpleNamespace(settled=settled, layout=layout, fresh=fresh))


@pytest.mark.parametrize("agencies", [1, 8, 1_000, (1 << 20) + 13])
def test_settled_bits__are_the_flags_of_the_agencies_one_after_the_other(agencies: int) -> None:
    register = 5
    flags = np.random.default_rng(1).integers(0, 2, register + agencies).astype(np.uint8)
    bits = settled_bits(space_of(Column.of(flags), register, agencies))
    assert bits is not None
    assert bits.shape == ((agencies + 7) // 8,)
    assert np.array_equal(np.unpackbits(bits, bitorder="little")[:agencies], flags[register:])


def test_settled_bits__are_none_where_nobody_says() -> None:
    assert settled_bits(space_of(None, 5, 10)) is None
