"""The map for perf names the kernels that were compiled, where they lie."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from jobs import perf_map
from kernels import keys


def test_map__has_the_kernels_that_have_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    offsets, text, out = np.array([0, 3], np.int64), np.zeros(3, np.uint8), np.zeros(1, np.uint64)
    keys.hash_bytes(offsets, text, np.uint64(0), out)
    found = perf_map.compiled([keys])
    assert any(name.startswith("kernels.keys.") for _, _, name in found)
    assert all(0 < size <= 1 << 18 for _, size, _ in found)
    ends = [place + size for place, size, _ in found]
    assert all(end <= place for end, (place, _, _) in zip(ends, found[1:], strict=False))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = perf_map.write_map()
    assert path == tmp_path / f"perf-{os.getpid()}.map"
    lines = [line.split(" ") for line in path.read_text().splitlines()]
    assert {(int(a, 16), name) for a, _, name in lines} >= {(place, name) for place, _, name in found}
    assert path.stat().st_mode & 0o777 == 0o600


def test_map__of_nothing_compiled_is_empty():
    assert perf_map.compiled([os]) == []
