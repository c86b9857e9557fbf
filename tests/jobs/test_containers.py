"""Containers hold what was put in, say the same in the same bytes, and notice every flipped bit."""

import json
import stat
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jobs import containers
from jobs.containers import open_arrays, read_arrays, read_table, write_arrays, write_each, write_table
from linkage.errors import IntegrityError

KINDS = st.sampled_from(["u1", "i2", "<u4", ">i8", "f8", "?", "S3", "U4", "M8[D]"])
ARRAYS = st.dictionaries(
    st.sampled_from(["a", "path", "rows", "@.keys", "full_name.wide", "né"]),
    hnp.arrays(KINDS.map(np.dtype), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=7)),
    max_size=4,
)
TABLE = pa.table(
    {
        "n": pa.chunked_array([[1, 2], [3, None]]),
        "s": ["x", None, "", "Nguyễn"],
        "d": pa.array(["p", "q", "p", None]).dictionary_encode(),
        "l": [[1], [], None, [2, 3]],
    }
).replace_schema_metadata({"a": "b"})


def slow_read(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """The twin: the format as its description says, with one read and no verification of what is read."""
    data = path.read_bytes()
    length, digest, magic = struct.unpack("<Q16s8s", data[-32:])
    text = data[-32 - length : -32]
    assert magic == data[:8] == b"LNKARR1\n"
    assert data[8:64] == bytes(56)
    place = "/".join(path.parts[-2:])
    assert xxhash.xxh3_128_digest(place.encode() + b"\0" + text) == digest
    out, at = {}, 64
    for entry in json.loads(text)["arrays"]:
        assert entry["offset"] == at
        body = data[at : at + entry["bytes"]]
        at += -(-entry["bytes"] // 64) * 64
        blocks = [data[i : min(i + 2**20, at)] for i in range(entry["offset"], at, 2**20)]
        assert entry["blocks"] == "".join(xxhash.xxh3_128_hexdigest(b) for b in blocks)
        out[entry["name"]] = (entry["dtype"], tuple(entry["shape"]), body)
    assert at == len(data) - 32 - length
    return out


@pytest.mark.parametrize("sizes", [[], [0], [5], [1 << 20], [3, 0, 1 << 20, 61], [(1 << 20) - 1, 2, 3 << 20]])
def test_write_each__bytes_in_pieces_are_the_file_of_their_whole(tmp_path: Path, sizes: list[int]):
    rng = np.random.default_rng(7)
    pieces = [rng.bytes(size) for size in sizes]
    given = [memoryview(piece) if n % 2 else piece for n, piece in enumerate(pieces)]
    rows = np.arange(4)
    one, other = tmp_path / "pieces" / "stage" / "x", tmp_path / "whole" / "stage" / "x"
    write_each(one, [("rows", rows), ("bytes", given), ("after", rows)])
    write_arrays(other, rows=rows, bytes=np.frombuffer(b"".join(pieces), np.uint8), after=rows)
    assert one.read_bytes() == other.read_bytes()
    assert slow_read(one)["bytes"] == ("|u1", (sum(sizes),), b"".join(pieces))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(arrays=ARRAYS)
def test_arrays__come_back_mapped_and_unchanged(tmp_path: Path, arrays: dict[str, Any]):
    entry = write_arrays(tmp_path / "x", **arrays)
    held = open_arrays(tmp_path / "x")
    assert list(held) == list(arrays)
    assert len(held) == len(arrays)
    assert entry.digest == held.digest
    assert entry.rows == held.rows
    twin = slow_read(tmp_path / "x")
    for name, array in arrays.items():
        got = held[name]
        assert got.shape == array.shape == held.shape(name) == twin[name][1]
        assert got.dtype == array.dtype.newbyteorder("<") == held.dtype(name)
        # Bytes, not values: a float may be any of the many that are no number.
        plain = np.asarray(array, order="C").astype(got.dtype)
        assert got.tobytes() == plain.tobytes() == twin[name][2]
        assert not got.flags.writeable
        assert got.ctypes.data % 64 == 0


def test_arrays__same_values_same_bytes_whatever_their_order_in_memory(tmp_path: Path):
    values = np.arange(12, dtype=np.int32).reshape(3, 4)
    made = [values, np.asfortranarray(values), values.astype(">i4"), np.repeat(values, 2, axis=0)[::2]]
    for n, array in enumerate(made):
        write_arrays(tmp_path / str(n) / "stage" / "x", x=array)
    assert len({(tmp_path / str(n) / "stage" / "x").read_bytes() for n in range(len(made))}) == 1


@pytest.mark.parametrize("other", ["stage/b", "b/a"])
def test_arrays__in_the_place_of_others_are_damaged(tmp_path: Path, other: str):
    """Two parts of a run that were exchanged, or one that was copied over another, went unnoticed."""
    write_arrays(tmp_path / "stage" / "a", x=np.arange(3))
    write_arrays(tmp_path / other, x=np.arange(3, 6))
    (tmp_path / "stage" / "a").replace(tmp_path / other)
    with pytest.raises(IntegrityError, match=r"E-INTEGRITY-001"):
        open_arrays(tmp_path / other)


def test_arrays__of_a_folder_that_was_moved_are_whole(tmp_path: Path):
    write_arrays(tmp_path / "run" / "stage" / "a", x=np.arange(3))
    (tmp_path / "run").replace(tmp_path / "moved")
    assert open_arrays(tmp_path / "moved" / "stage" / "a")["x"].tolist() == [0, 1, 2]


def test_arrays__a_folder_in_their_place_is_damage(tmp_path: Path):
    (tmp_path / "stage" / "a").mkdir(parents=True)
    with pytest.raises(IntegrityError, match=r"E-INTEGRITY-001"):
        open_arrays(tmp_path / "stage" / "a")


def test_arrays__file_is_private_and_its_folder_is_made(tmp_path: Path):
    entry = write_arrays(tmp_path / "new" / "x", x=np.arange(3))
    path = tmp_path / "new" / "x"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert entry.bytes == path.stat().st_size
    assert [p.name for p in path.parent.iterdir()] == ["x"]


@pytest.mark.parametrize("array", [np.array([None, 1]), np.zeros(2, [("a", "i4")])])
def test_arrays__of_objects_and_structures_are_refused_and_leave_nothing(tmp_path: Path, array: Any):
    with pytest.raises(ValueError, match=r"The array 'x' is of .* Wanted: .* Convert it"):
        write_arrays(tmp_path / "x", x=array)
    assert list(tmp_path.iterdir()) == []


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def test_arrays__every_flipped_bit_is_found_and_the_file_named(tmp_path: Path):
    path = tmp_path / "pairs" / "x"
    write_arrays(path, x=np.arange(7, dtype=np.uint16), y=np.zeros((2, 0)), z=np.array(["a", "bc"]))
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        flip(path, bit)
        with pytest.raises(IntegrityError, match="E-INTEGRITY-001: 'pairs/x' is damaged") as caught:
            read_arrays(path)
        assert caught.value.exit_code == 6
        path.write_bytes(whole)
    assert read_arrays(path)["x"].tolist() == list(range(7))


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_table__every_flipped_bit_is_found(tmp_path: Path, compression: str | None):
    write_table(tmp_path / "x", TABLE.select(["s"]), compression)
    whole = (tmp_path / "x").read_bytes()
    for bit in range(0, 8 * len(whole), 5):
        flip(tmp_path / "x", bit)
        with pytest.raises(IntegrityError, match="is damaged"):
            read_table(tmp_path / "x")
        (tmp_path / "x").write_bytes(whole)


def test_container__that_is_cut_short_or_gone_is_found(tmp_path: Path):
    write_arrays(tmp_path / "x", x=np.arange(100))
    whole = (tmp_path / "x").read_bytes()
    for size in (0, 1, 63, 64, 95, 96, len(whole) - 1):
        (tmp_path / "x").write_bytes(whole[:size])
        with pytest.raises(IntegrityError, match="is damaged"):
            open_arrays(tmp_path / "x")
    (tmp_path / "x").write_bytes(whole + b"\0")
    with pytest.raises(IntegrityError, match="is damaged"):
        open_arrays(tmp_path / "x")
    (tmp_path / "x").unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        open_arrays(tmp_path / "x")


def test_cut__verifies_what_it_gives_and_no_more(tmp_path: Path):
    values = np.random.default_rng(1).integers(0, 1 << 60, (400_000, 2))  # 6.1 MiB
    write_arrays(tmp_path / "x", x=values)
    flip(tmp_path / "x", 8 * (64 + 5 * 2**20))  # the first byte of the sixth MiB: row 327,680
    held = open_arrays(tmp_path / "x")
    assert np.array_equal(held.cut("x", 0, 327_680), values[:327_680])
    assert held.cut("x", 10, 10).shape == (0, 2)
    assert np.array_equal(held.cut("x", 393_216, 400_000), values[393_216:])
    for start, stop in ((327_680, 327_681), (327_679, 327_681), (393_215, 393_216)):
        with pytest.raises(IntegrityError, match="is damaged"):
            held.cut("x", start, stop)
    with pytest.raises(IntegrityError, match="is damaged"):
        held["x"]


def test_verification__is_done_once_and_again_when_the_file_has_changed(tmp_path: Path, monkeypatch: Any):
    path = tmp_path / "x"
    write_arrays(path, x=np.arange(1000), y=np.arange(5))
    held = open_arrays(path)
    held["x"]
    digest, seen = xxhash.xxh3_128_hexdigest, []
    monkeypatch.setattr(containers.xxhash, "xxh3_128_hexdigest", lambda d: seen.append(1) or digest(d))
    held["x"], open_arrays(path)["x"]
    assert seen == []
    held["y"]
    assert seen == [1]
    flip(path, 8 * 100)
    with pytest.raises(IntegrityError):
        open_arrays(path)["x"]


def test_verification__forgets_the_files_looked_at_longest_ago(tmp_path: Path, monkeypatch: Any):
    monkeypatch.setattr(containers, "_VERIFIED_MOST", 2)
    monkeypatch.setattr(containers, "_verified", {})
    for name in "abca":
        write_arrays(tmp_path / name, x=np.arange(3))
        open_arrays(tmp_path / name)["x"]
    assert len(containers._verified) == 2


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_table__comes_back_with_its_types_and_as_far_as_it_is_asked_for(
    tmp_path: Path, compression: str | None
):
    entry = write_table(tmp_path / "t", TABLE, compression)
    got = read_table(tmp_path / "t")
    assert got.equals(TABLE, check_metadata=True)
    assert entry.rows == 4
    part = read_table(tmp_path / "t", ["l", "n"])
    assert part.equals(TABLE.select(["l", "n"]))
    assert read_table(tmp_path / "t", []).num_columns == 0
    with pytest.raises(ValueError, match=r"has no column x, z. Wanted: some of n, s, d, l"):
        read_table(tmp_path / "t", ["z", "n", "x"])


def test_table__damage_in_a_column_that_is_not_asked_for_does_no_harm(tmp_path: Path):
    write_table(tmp_path / "t", TABLE)
    places = {e["name"]: e["offset"] for e in _entries(tmp_path / "t")}
    flip(tmp_path / "t", 8 * places["1"])
    assert read_table(tmp_path / "t", ["n", "l"]).equals(TABLE.select(["n", "l"]))
    with pytest.raises(IntegrityError):
        read_table(tmp_path / "t", ["s"])


def _entries(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    length = struct.unpack("<Q", data[-32:-24])[0]
    return list(json.loads(data[-32 - length : -32])["arrays"])


def test_table__uncompressed_is_not_copied(tmp_path: Path):
    write_table(tmp_path / "t", pa.table({"n": np.arange(1 << 20)}))
    before = pa.total_allocated_bytes()
    table = read_table(tmp_path / "t")
    assert pa.total_allocated_bytes() - before < 1 << 16
    assert table.column("n")[5].as_py() == 5


def test_table__of_no_rows_and_of_no_columns(tmp_path: Path):
    for table in (TABLE.slice(0, 0), pa.table({})):
        write_table(tmp_path / "t", table)
        assert read_table(tmp_path / "t").equals(table)


def test_table__is_not_taken_out_of_a_container_of_arrays(tmp_path: Path):
    write_arrays(tmp_path / "x", x=np.arange(3))
    with pytest.raises(IntegrityError, match="is damaged"):
        read_table(tmp_path / "x")


def test_join__has_the_arrays_of_the_parts_one_behind_another(tmp_path: Path):
    rng = np.random.default_rng(3)
    held = [
        {"codes": rng.integers(0, 9, n), "rows": rng.integers(0, 9, n).astype(np.uint32)} for n in (4, 0, 7)
    ]
    parts = [tmp_path / f"part{n}.arrays" for n in range(3)]
    for path, arrays in zip(parts, held, strict=True):
        containers.write_arrays(path, **arrays)
    made = containers.join_arrays(tmp_path / "whole.arrays", parts)
    found = containers.read_arrays(tmp_path / "whole.arrays")
    assert made.rows == 11
    for name in ("codes", "rows"):
        assert found[name].dtype == held[0][name].dtype
        assert np.array_equal(found[name], np.concatenate([one[name] for one in held]))
    flipped = bytearray(parts[0].read_bytes())
    flipped[open_arrays(parts[0])._held["codes"]["offset"]] ^= 1
    parts[0].write_bytes(flipped)
    with pytest.raises(IntegrityError):
        containers.join_arrays(tmp_path / "again.arrays", parts)
