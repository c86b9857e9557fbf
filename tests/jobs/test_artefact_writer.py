from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import artefact_writer as room
from jobs import parquet_pages
from jobs.artefact_writer import join_pieces, write_piece
from jobs.parquet_footer import read_footer, write_footer
from jobs.store import write_parquet
from linkage.errors import IntegrityError


def coded(texts: list[str | None]) -> pa.DictionaryArray:
    """With a text in its dictionary that no row has."""
    held = pa.array([*texts, "unused"], pa.large_string()).dictionary_encode()
    return held.slice(0, len(texts))


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
            "rule": coded([None if p % 5 == 0 else "xyz"[p % 3] for p in places]),
            "coded_reasons": pa.LargeListArray.from_arrays(
                np.cumsum([0, *(p % 3 for p in places)]),
                coded([text for p in places for text in ["a", "b"][: p % 3]]),
            ),
        }
    )


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 4), max_size=4), st.integers(0, 40))
def test_joined__says_what_the_file_of_one_writer_says(
    tmp_path_factory, groups: list[int], last: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("pieces")
    size = 50
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "ROW_GROUP", size)
        patch.setattr(parquet_pages, "_TEXT_ROWS", 16)
        patch.setattr(parquet_pages, "_ID_ROWS", 7)
        patch.setattr("jobs.artefact_files._ROW_GROUP", size)
        pieces, at = [], 0
        for number, rows in enumerate([*(g * size for g in groups), last]):
            pieces.append(tmp_path / f"{number}.arrays")
            write_piece(pieces[-1], table(at, rows))
            at += rows
        joined = join_pieces(tmp_path / "joined.parquet", pieces)
        whole = write_parquet(tmp_path / "whole.parquet", table(0, at))
    one, other = (
        pq.ParquetFile(tmp_path / f"{name}.parquet", page_checksum_verification=True)
        for name in ("joined", "whole")
    )
    assert one.read().equals(other.read())
    assert pl.read_parquet(tmp_path / "joined.parquet").equals(pl.read_parquet(tmp_path / "whole.parquet"))
    assert one.schema.equals(other.schema)
    assert (joined.rows, joined.bytes) == (whole.rows, (tmp_path / "joined.parquet").stat().st_size)
    assert one.metadata.num_row_groups == other.metadata.num_row_groups
    for g in range(one.metadata.num_row_groups):
        mine, theirs = one.metadata.row_group(g), other.metadata.row_group(g)
        assert mine.num_rows == theirs.num_rows
        assert mine.total_byte_size == sum(
            mine.column(c).total_uncompressed_size for c in range(mine.num_columns)
        )
        for c in range(mine.num_columns):
            told, wanted = mine.column(c), theirs.column(c)
            assert (told.path_in_schema, told.num_values) == (wanted.path_in_schema, wanted.num_values)
            if told.statistics is None or not told.statistics.has_min_max:
                continue
            if told.path_in_schema != "rule":
                assert told.statistics.equals(wanted.statistics)
            elif told.statistics.null_count < told.num_values:
                # Arrow counts in what is in the dictionary and in no row.
                bounds = pc.min_max(one.read_row_group(g, columns=["rule"]).column(0)).as_py()
                assert bounds == {"min": told.statistics.min, "max": told.statistics.max}


TEXTS = st.none() | st.text(max_size=6) | st.sampled_from(["a" * 300, "R0000001"])


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, min_size=1, max_size=300), st.integers(0, 3), st.booleans())
def test_encoded__texts_are_read_as_they_were(tmp_path_factory, texts, skipped, ordered) -> None:
    texts = sorted(t or "" for t in texts) if ordered else texts
    column = pa.array([*"xyz"[:skipped], *texts], pa.large_string()).slice(skipped)
    same = pa.array(["one", "other"], pa.large_string())
    ids = [hashlib.blake2b((t or "").encode(), digest_size=16).digest() for t in texts]
    held = pa.table(
        {
            "text": column,
            "again": column,
            "same": pa.DictionaryArray.from_arrays(pa.array([1] * len(texts), pa.int32()), same),
            "id": pa.array([b"?" * 16, *ids], pa.binary(16)).slice(1),
        }
    )
    path = tmp_path_factory.mktemp("texts") / "piece"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_pages, "_TEXT_ROWS", 140)
        write_piece(path, held)
        join_pieces(path.with_suffix(".parquet"), [path])
    found = pq.ParquetFile(path.with_suffix(".parquet"), page_checksum_verification=True)
    assert (
        found.read().cast(pa.schema([(n, held.schema.field(n).type) for n in held.column_names])).to_pydict()
        == held.to_pydict()
    )
    assert pl.read_parquet(path.with_suffix(".parquet"))["text"].to_list() == texts
    told = found.metadata.row_group(0)
    rising = None not in texts and texts == sorted(texts)
    assert told.column(0).encodings == told.column(1).encodings
    assert set(told.column(0).encodings) == {
        "RLE",
        "DELTA_BYTE_ARRAY" if rising else "DELTA_LENGTH_BYTE_ARRAY",
    }
    bounds = told.column(0).statistics
    assert bounds.null_count == texts.count(None)
    assert bounds.has_min_max == (rising and max(len(t.encode()) for t in (texts[0], texts[-1])) <= 200)
    if bounds.has_min_max:
        assert (bounds.min, bounds.max) == (texts[0], texts[-1])


def test_pieces__encode_what_they_have_in_common_once(tmp_path, monkeypatch) -> None:
    one = table(0, 90)
    other = one.select(["id", "record_id", "weight"]).rename_columns(["x", "y", "z"])
    seen = []
    encode = room.encode
    monkeypatch.setattr(room, "encode", lambda array: seen.append(array.type) or encode(array))
    room.write_pieces({tmp_path / "one": one, tmp_path / "other": other, tmp_path / "less": table(0, 9)})
    assert len(seen) == 2 * one.num_columns
    for name, wanted in (("one", one), ("other", other), ("less", table(0, 9))):
        join_pieces(tmp_path / f"{name}.parquet", [tmp_path / name])
        assert (
            pq.read_table(tmp_path / f"{name}.parquet")
            .cast(
                pa.schema(
                    [
                        (
                            n,
                            pa.string()
                            if pa.types.is_dictionary(wanted.schema.field(n).type)
                            else wanted.schema.field(n).type,
                        )
                        for n in wanted.column_names
                    ]
                )
            )
            .to_pydict()
            == wanted.to_pydict()
        )


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
