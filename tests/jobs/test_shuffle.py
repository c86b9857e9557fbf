from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.shuffle import partition_of, read_shuffled, write_shuffled
from jobs.store import open_arrays
from linkage.errors import IntegrityError

rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=20)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, min_size=1, max_size=3))
def test_shuffle__brings_each_row_to_its_partition_in_the_order_of_files(
    tmp_path: Path, files: list[list[tuple[int, int]]]
) -> None:
    paths = []
    for number, held in enumerate(files):
        paths.append(tmp_path / f"{number}.arrays")
        values = np.array([v for _, v in held], np.int64)
        write_shuffled(
            paths[-1],
            np.array([p for p, _ in held], np.uint16),
            4,
            value=values,
            two=np.stack([values, -values], axis=1),
        )
    for partition in range(4):
        read = read_shuffled(paths, partition, ("value", "two"))
        wanted = [v for held in files for p, v in held if p == partition]
        assert read["value"].tolist() == wanted
        assert read["two"].tolist() == [[v, -v] for v in wanted]
        again = read_shuffled([open_arrays(path) for path in paths], partition, ("value",))
        assert again["value"].tolist() == wanted


def test_read_shuffled__finds_damage(tmp_path: Path) -> None:
    path = tmp_path / "one.arrays"
    write_shuffled(path, np.zeros(1000, np.uint16), 1, value=np.arange(1000))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"one\.arrays"):
        read_shuffled([path], 0, ("value",))


@pytest.mark.parametrize("bits", [0, 1, 8])
def test_partition_of__goes_by_the_top_bits(bits: int) -> None:
    keys = [0, 1, 1 << 63, (1 << 64) - 1, 0x1234 << 48]
    assert partition_of(np.array(keys, np.uint64), bits).tolist() == [k >> (64 - bits) for k in keys]
