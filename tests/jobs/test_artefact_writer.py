from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import artefact_writer as room
from jobs.artefact_writer import join_pieces, write_piece
from jobs.parquet_footer import read_footer, write_footer
from jobs.store import write_parquet
from linkage.errors import IntegrityError


def table(start: int, rows: int) -> pa.Table:
    """Every type of column that is published."""
    places = np.arange(start, start + rows)
    return pa.table(
        {
            "source": pa.DictionaryArray.from_arrays(
                pa.array((places % 3).astype(np.int32), mask=places % 5 == 0),
                pa.array(["tax", "health", "x"]),
            ),
            "record_id": pa.array([f"R{p:07d}" for p in places], pa.large_string()),
            "id": pa.array([int(p).to_bytes(16, "big") for p in places], pa.binary(16)),
            "weight": pa.array(places / 7, pa.float64(), mask=places % 4 == 0),
            "kept": pa.array(places % 2 == 0),
            "decade": pa.array((places % 90).astype(np.int32)),
            "reasons": pa.array([["a", "b"][: p % 3] for p in places], pa.large_list(pa.large_string())),
        }
    )


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 4), max_size=4), st.integers(0, 40))
def test_joined__is_the_file_of_one_writer(tmp_path_factory, groups: list[int], last: int) -> None:
    tmp_path = tmp_path_factory.mktemp("pieces")
    size = 50
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "ROW_GROUP", size)
        patch.setattr("jobs.artefact_files._ROW_GROUP", size)
        pieces, at = [], 0
        for number, rows in enumerate([*(g * size for g in groups), last]):
            pieces.append(tmp_path / f"{number}.arrays")
            write_piece(pieces[-1], table(at, rows))
            at += rows
        joined = join_pieces(tmp_path / "joined.parquet", pieces)
        whole = write_parquet(tmp_path / "whole.parquet", table(0, at))
    assert (tmp_path / "joined.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert (joined.bytes, joined.digest, joined.rows) == (whole.bytes, whole.digest, whole.rows)


def test_joined__of_uneven_pieces_has_their_rows_in_order(tmp_path) -> None:
    sizes, pieces, at = [3, 0, 17, 1, 0], [], 0
    for number, rows in enumerate(sizes):
        pieces.append(tmp_path / f"{number}.arrays")
        write_piece(pieces[-1], table(at, rows))
        at += rows
    entry = join_pieces(tmp_path / "joined.parquet", pieces)
    held = pq.ParquetFile(tmp_path / "joined.parquet", page_checksum_verification=True)
    assert [held.metadata.row_group(i).num_rows for i in range(held.num_row_groups)] == [3, 17, 1]
    assert held.metadata.num_rows == entry.rows == 21
    wanted = table(0, 21)
    assert held.read().cast(held.schema_arrow).to_pylist() == wanted.to_pylist()
    assert held.read_row_group(2).to_pylist() == wanted.slice(20).to_pylist()


def test_joined__names_the_piece_that_is_damaged(tmp_path) -> None:
    for name, rows in (("one", 9), ("two", 9)):
        write_piece(tmp_path / name, table(0, rows))
    data = bytearray((tmp_path / "two").read_bytes())
    data[100] ^= 4
    (tmp_path / "two").write_bytes(data)
    with pytest.raises(IntegrityError, match="two"):
        join_pieces(tmp_path / "joined.parquet", [tmp_path / "one", tmp_path / "two"])
    write_piece(tmp_path / "other", table(0, 9).drop_columns(["kept"]))
    with pytest.raises(IntegrityError, match="other"):
        join_pieces(tmp_path / "joined.parquet", [tmp_path / "one", tmp_path / "other"])
    assert not (tmp_path / "joined.parquet").exists()


def test_footer__is_written_as_it_was_read(tmp_path) -> None:
    write_piece(tmp_path / "one", table(0, 9))
    from jobs.store import open_arrays

    data = open_arrays(tmp_path / "one")["footer"].tobytes()
    assert write_footer(read_footer(data)) == data
    structure = [(1, 5, -3), (20, 6, 1 << 40), (300, 8, b"x"), (301, 1, True), (302, 9, (5, list(range(20)))),
                 (303, 7, 0.5), (304, 9, (1, [1, 2])), (305, 3, 9), (306, 12, [])]  # fmt: skip
    assert read_footer(write_footer(structure)) == structure
    for broken in (data[:-1], data + b"\0", b"\x1d"):
        with pytest.raises(ValueError, match="Parquet"):
            read_footer(broken)
