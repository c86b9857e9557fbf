"""The table of kernels: each equals its slow twin and the libraries beside it, and none lacks a row."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import kernels
from benchmarks.kernel_table import JUDGES, ROWS, Row


def public_kernels() -> Iterator[str]:
    """Public functions of the package that are compiled, or that hand their work to a compiled one."""
    for info in pkgutil.iter_modules(kernels.__path__):
        if info.name.startswith("_") or info.ispkg:
            continue
        module = importlib.import_module(f"kernels.{info.name}")
        private = {
            name
            for name, value in vars(module).items()
            if name.startswith("_") and isinstance(value, Dispatcher)
        }
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
                continue
            if isinstance(value, Dispatcher):
                if not value.targetoptions.get("no_cpython_wrapper"):
                    yield f"{info.name}.{name}"
            elif callable(value) and hasattr(value, "__code__") and private & set(value.__code__.co_names):
                yield f"{info.name}.{name}"


def test_table__holds_every_public_kernel() -> None:
    held = {row.example.name.partition(",")[0] for row in ROWS}
    found = set(public_kernels())
    assert "edit.osa_pairs" in found
    assert "partition.sort_by_key" in found
    assert found - held == set()
    assert {row.example.name for row in ROWS} == JUDGES.keys()


@pytest.mark.parametrize("n", [1, 2, 300])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.example.name)
def test_kernel__equals_its_twin(row: Row, n: int) -> None:
    given = row.example.make(n)
    wanted = row.judge.twin(row.copied(given))
    assert row.call(given) == wanted


def test_twins__tell_a_wrong_answer() -> None:
    """Every twin answers something that depends on its arguments: no two sizes have one answer."""
    for row in ROWS:
        few, many = (row.judge.twin(row.example.make(n)) for n in (40, 300))
        assert few != many, row.example.name


def alike(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list) and wanted and isinstance(wanted[0], float):
        return bool(np.allclose(found, wanted, rtol=0.0, atol=1e-12))
    return bool(found == wanted)


@pytest.mark.parametrize(
    ("row", "peer"),
    [(row, peer) for row in ROWS for peer in row.judge.peers],
    ids=lambda value: value if isinstance(value, str) else value.example.name,
)
def test_kernel__equals_the_library(row: Row, peer: str) -> None:
    asked = row.judge.peers[peer]
    missing = [name for name in asked.needs if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    given = row.example.make(2_000)
    known = row.call(given)
    question = asked.ask(given)
    assert alike(question.read(question.run()), known)
