"""Files that are whole or not there, digests that tell what a table says."""

import datetime as dt
import hashlib
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import store
from linkage.errors import IntegrityError, LinkageError
from tests.table_digests import logical_digest

TABLE = pa.table({"a": [3, 1, 2], "s": ["Nguyễn", None, "x"]})
WRITERS: dict[str, Callable[[Path], store.Entry]] = {
    "part.arrow": lambda p: store.write_table(p, TABLE),
    "part.lz4.arrow": lambda p: store.write_table(p, TABLE, "lz4"),
    "part.parquet": lambda p: store.write_parquet(p, TABLE, ["a"]),
    "part.arrays": lambda p: store.write_arrays(p, x=np.arange(12, dtype=np.int32).reshape(3, 4)),
    "part.json": lambda p: store.write_json(p, {"a": "é"}),
}
CONTAINERS = ("part.arrow", "part.lz4.arrow", "part.arrays")


@pytest.mark.parametrize("name", WRITERS)
def test_write__entry_describes_the_private_file(tmp_path: Path, name: str):
    entry = WRITERS[name](store.make_folder(tmp_path / "a" / "b") / name)
    data = (tmp_path / "a" / "b" / name).read_bytes()
    assert (entry.name, entry.bytes) == (name, len(data))
    published = hashlib.blake2b(data, digest_size=32).hexdigest()
    assert entry.digest == published or name in CONTAINERS
    assert stat.S_IMODE((tmp_path / "a" / "b" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == [name]


def test_read__gives_back_what_was_written(tmp_path: Path):
    for name, write in WRITERS.items():
        write(tmp_path / name)
    assert store.read_table(tmp_path / "part.arrow").equals(TABLE)
    assert store.read_table(tmp_path / "part.lz4.arrow").equals(TABLE)
    assert store.read_parquet(tmp_path / "part.parquet").to_pydict() == {
        "a": [1, 2, 3],
        "s": [None, "x", "Nguyễn"],
    }
    assert store.read_parquet(tmp_path / "part.parquet", ["s"]).column_names == ["s"]
    assert np.array_equal(store.read_arrays(tmp_path / "part.arrays")["x"], np.arange(12).reshape(3, 4))


@pytest.mark.parametrize("name", WRITERS)
def test_aside__a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / name
    path.write_bytes(b"old")

    def full(self: Any, data: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.AsideFile, "write", full)
    with pytest.raises(
        LinkageError, match=r"E-DISK-001: There is no room on the disk: '.*/part.*' stopped at 0"
    ):
        WRITERS[name](path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_stage__has_happened_once_its_manifest_is_there(tmp_path: Path):
    assert store.stage_manifest(tmp_path) is None
    store.commit_stage(tmp_path, {"rows": 3}, figures={"seconds": 1.5}, freed=["pairs/*"])
    assert store.stage_manifest(tmp_path) == {
        "facts": {"rows": 3}, "figures": {"seconds": 1.5}, "freed": ["pairs/*"],
    }  # fmt: skip


READERS: dict[str, Callable[[Path], Any]] = {
    "part.arrow": store.read_table,
    "part.lz4.arrow": store.read_table,
    "part.arrays": store.read_arrays,
    "part.json": store.read_json,
    "part.parquet": store.checked,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("at", [0, 0.5, -1])
def test_read__one_flipped_bit_is_found_and_named(tmp_path: Path, name: str, at: float):
    store.make_folder(tmp_path / "sums")
    WRITERS[name](tmp_path / name)
    READERS[name](tmp_path / name)
    data = bytearray((tmp_path / name).read_bytes())
    data[int(at * len(data)) if at >= 0 else -1] ^= 4
    (tmp_path / name).write_bytes(data)
    with pytest.raises(IntegrityError, match=rf"E-INTEGRITY-001: '.*/{name}' is damaged") as caught:
        READERS[name](tmp_path / name)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("name", WRITERS)
def test_read__a_cut_or_lost_file_is_named(tmp_path: Path, name: str):
    store.make_folder(tmp_path / "sums")
    WRITERS[name](tmp_path / name)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match=rf"{name}' is damaged"):
        READERS[name](path)
    path.unlink()
    with pytest.raises(IntegrityError, match=rf"{name}' is missing"):
        READERS[name](path)


@pytest.mark.parametrize("held", [b"", b"[]", b"{}", b'{"files"', b"\xff"])
def test_stage__a_damaged_manifest_is_refused(tmp_path: Path, held: bytes):
    (tmp_path / store.MANIFEST).write_bytes(held)
    with pytest.raises(IntegrityError, match="E-INTEGRITY-001"):
        store.stage_manifest(tmp_path)


@pytest.mark.parametrize("name", ["x.arrow", "x.arrays", "x.parquet"])
@pytest.mark.parametrize("data", [b"", b"garbage that is no file of ours at all"])
def test_read__what_is_no_such_file_is_refused(tmp_path: Path, name: str, data: bytes):
    read = {"arrow": store.read_table, "arrays": store.read_arrays, "parquet": store.read_parquet}[
        name.split(".")[1]
    ]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(IntegrityError, match="is damaged"):
        read(tmp_path / name)
    with pytest.raises(IntegrityError, match="is missing"):
        read(tmp_path / ("none" + name))


def test_write_parquet__same_rows_same_bytes(tmp_path: Path):
    shuffled = TABLE.take([2, 0, 1])
    parts = pa.concat_tables([shuffled.slice(0, 1), shuffled.slice(1)])
    one = store.write_parquet(tmp_path / "one", TABLE, ["a"])
    two = store.write_parquet(tmp_path / "two", parts, ["a"])
    assert one.digest == two.digest


value = st.one_of(st.none(), st.integers(-5, 5))
text = st.one_of(st.none(), st.text("aé\x00", max_size=3))
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def table_of(rows: list[tuple[int | None, str | None]]) -> pa.Table:
    return pa.table(
        {
            "n": pa.array([r[0] for r in rows], pa.int32()),
            "t": pa.array([r[1] for r in rows], pa.string()),
            "l": pa.array(
                [None if r[0] is None else [r[1]] * abs(r[0]) for r in rows], pa.list_(pa.string())
            ),
            "f": pa.array([None if r[0] is None else r[0] * 0.0 for r in rows], pa.float64()),
            "b": pa.array([None if r[0] is None else r[0] > 0 for r in rows], pa.bool_()),
            "d": pa.array([None if r[0] is None else dt.date(2000, 1, 6 + r[0]) for r in rows], pa.date32()),
            "h": pa.array([None if r[0] is None else bytes([r[0] + 5]) * 16 for r in rows], pa.binary(16)),
        }
    )


def rows_of(table: pa.Table) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in table.to_pylist())


@quick
@given(
    st.lists(st.tuples(value, text), max_size=8),
    st.lists(st.tuples(value, text), max_size=8),
    st.sampled_from([["n"], ["t"], ["t", "n"], []]),
)
def test_logical_digest__is_equal_exactly_for_equal_rows(
    one: list[tuple[int | None, str | None]], two: list[tuple[int | None, str | None]], sort_by: list[str]
):
    same = rows_of(table_of(one)) == rows_of(table_of(two))
    assert (logical_digest(table_of(one), sort_by) == logical_digest(table_of(two), sort_by)) == same


@quick
@given(st.lists(st.tuples(value, text), max_size=8), st.randoms(use_true_random=False))
def test_logical_digest__ignores_order_chunks_and_encodings(
    rows: list[tuple[int | None, str | None]], random: Any
):
    whole = table_of(rows)
    digest = logical_digest(whole, ["t"])
    random.shuffle(rows)
    cut = len(rows) // 2
    other = table_of(rows)
    other = pa.concat_tables([other.slice(0, cut), other.slice(cut)]).select(
        ["t", "h", "b", "n", "l", "f", "d"]
    )
    assert logical_digest(other, ["t"]) == digest
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        column = pa.chunked_array([other.column("t").combine_chunks().cast(kind)])
        assert logical_digest(other.set_column(0, "t", column), ["t"]) == digest


def test_logical_digest__tells_names_and_types_apart():
    table = pa.table({"a": pa.array([1], pa.int32())})
    others = [table.rename_columns(["b"]), table.cast(pa.schema([("a", pa.int64())])), table.slice(0, 0)]
    digests = {logical_digest(t, []) for t in [table, *others]}
    assert len(digests) == 4
