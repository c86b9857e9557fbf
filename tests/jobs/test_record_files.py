"""Records on disk: what is read is what was written, whole or only some columns of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.record_files import (
    FAST,
    PLAIN,
    SMALL,
    ids_path,
    read_ids,
    read_lines,
    read_present,
    read_records,
    records_path,
    write_records,
)
from jobs.store import open_arrays
from linkage.errors import IntegrityError

texts = st.one_of(st.none(), st.text("aế,1 ", min_size=1, max_size=5), st.just("x" * 300))
rows = st.lists(
    st.tuples(st.integers(0, 3), st.text("k19é", min_size=1, max_size=4), texts, texts), max_size=20
)


def table(values: list[tuple[int, str, str | None, str | None]]) -> pa.Table:
    """Line numbers with gaps, an id, a field that is the id too, and two others."""
    lines = np.cumsum([1 + v[0] for v in values], dtype=np.int64)
    ids = pa.array([v[1] for v in values], pa.large_string())
    fields = {n: pa.array([v[i] for v in values], pa.large_string()) for n, i in (("name", 2), ("sex", 3))}
    return pa.table({"line": pa.array(lines), "record_id": ids, "person_id": ids, **fields})


@settings(deadline=None, max_examples=60)
@given(
    rows,
    st.lists(st.sampled_from(["sex", "line", "record_id", "person_id", "name", "other"]), unique=True),
    st.sampled_from([SMALL, FAST, PLAIN]),
)
def test_read_records__gives_what_was_written(tmp_path_factory, values, columns, packing) -> None:
    folder = tmp_path_factory.mktemp("records")
    written = table(values)
    write_records(folder, 1, 7, written, packing=packing)
    assert read_records(folder, 1, 7).equals(written)
    kept = [name for name in columns if name != "other"]
    assert not kept or read_records(folder, 1, 7, columns).equals(written.select(kept))
    backwards = np.arange(len(values))[::-1]
    lines = read_lines(folder, 1, 7, backwards)
    assert lines.tolist() == written.column("line").to_pylist()[::-1]
    present = read_present(folder, 1, 7, columns)
    assert {n: p.tolist() for n, p in present.items()} == {
        name: [value is not None for value in written.column(name).to_pylist()] for name in kept
    }
    assert read_ids(folder, 1, 7).to_pylist() == written.column("record_id").to_pylist()


def test_write_records__takes_pieces_and_slices(tmp_path: Path) -> None:
    whole = table([(0, f"k{i}", "Trần", None) for i in range(50)])
    pieces = pa.concat_tables([whole.slice(3, 10), whole.slice(20, 5)])
    write_records(tmp_path, 0, 0, pieces)
    assert read_records(tmp_path, 0, 0).equals(pieces.combine_chunks())
    held = open_arrays(ids_path(tmp_path, 0, 0))
    assert held["offsets"][0] == 0
    assert held["bytes"].tobytes() == "".join(pieces.column("record_id").to_pylist()).encode()


def test_write_records__stores_nothing_twice(tmp_path: Path) -> None:
    many = [(0, f"P{i:09d}", "Trần Thị Hà", "F") for i in range(20_000)]
    write_records(tmp_path, 0, 0, table(many))
    # The ids are in neither column of the records, and of the line numbers a few bytes are left.
    assert records_path(tmp_path, 0, 0).stat().st_size < 20_000 * 4
    assert {p.name for p in tmp_path.iterdir()} == {"00-00000.ids.arrays", "00-00000.records.arrays"}


def test_write_records__packs_fast_what_repeats_and_leaves_digits(tmp_path: Path) -> None:
    digits = np.random.default_rng(5).integers(0, 10**9, 5_000)
    many = [(0, f"k{i}", "Trần Thị Hà", str(n)) for i, n in enumerate(digits)]
    written = table(many)
    write_records(tmp_path, 0, 0, written, packing=FAST)
    assert read_records(tmp_path, 0, 0).equals(written)
    held = open_arrays(records_path(tmp_path, 0, 0))
    assert held["sex"].tobytes() == "".join(map(str, digits)).encode()
    assert held["name"].nbytes < len("Trần Thị Hà".encode()) * 5_000 // 10


def test_write_records__leaves_all_as_it_is_where_nothing_is_to_be_packed(tmp_path: Path) -> None:
    write_records(
        tmp_path, 0, 0, table([(0, f"k{i}", "Trần Thị Hà", "F") for i in range(5_000)]), packing=PLAIN
    )
    held = open_arrays(records_path(tmp_path, 0, 0))
    assert held["name"].tobytes() == "Trần Thị Hà".encode() * 5_000
    assert held["sex"].tobytes() == b"F" * 5_000


def test_read_records__of_a_damaged_part_is_an_error(tmp_path: Path) -> None:
    write_records(tmp_path, 0, 0, table([(0, f"k{i}", "Trần", "F") for i in range(500)]))
    path = ids_path(tmp_path, 0, 0)
    data = bytearray(path.read_bytes())
    data[4200] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="00-00000.ids.arrays"):
        read_records(tmp_path, 0, 0, ["person_id"])
    assert read_records(tmp_path, 0, 0, ["name"]).num_rows == 500
