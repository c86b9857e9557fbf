"""Fingerprints of policies, and the register's file of earlier numbers."""

import datetime
import re
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.input_digests import remember, sha256
from jobs.policies import alias_table, register_version, rows_digest
from linkage.errors import ContractError

ROWS = st.lists(
    st.tuples(st.text("ab\x00", max_size=2) | st.none(), st.integers(0, 3)), min_size=1, max_size=6
)


def frame(rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"number": pl.String, "until": pl.Int64}, orient="row")


@given(ROWS, st.randoms(use_true_random=False))
def test_rows_digest__is_that_of_the_rows_in_any_order(rows, shuffle) -> None:
    other = list(rows)
    shuffle.shuffle(other)
    assert rows_digest(frame(rows)) == rows_digest(frame(other))
    assert rows_digest(frame(rows)) == rows_digest(frame(rows).select("until", "number"))


@given(ROWS, ROWS)
def test_rows_digest__tells_other_rows_apart(one, two) -> None:
    plain = [sorted(((a or "", b) for a, b in rows)) for rows in (one, two)]
    assert (rows_digest(frame(one)) == rows_digest(frame(two))) == (plain[0] == plain[1])


def test_rows_digest__of_nothing_knows_the_columns() -> None:
    assert rows_digest(frame([])) != rows_digest(frame([]).select("number"))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_alias_table__is_read_from_both_formats(tmp_path, name) -> None:
    rows = pl.DataFrame({"person_id": ["1"], "number": ["001085000123"], "valid_from": ["2010-01-01"]})
    rows.write_csv(tmp_path / "a.csv")
    rows.write_parquet(tmp_path / "a.parquet")
    assert alias_table(tmp_path / name).equals(rows)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.parquet", b"PAR1junk"),
        ("a.parquet", b""),
        ("a.csv", b""),
        ("a.csv", b"person_id,nummer\n1,2\n"),
        ("a.csv", bytes(range(128, 256))),
    ],
)
def test_alias_table__that_is_none_is_refused(tmp_path, name, data) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ContractError, match="E-INPUT-021: 'a"):
        alias_table(tmp_path / name)


def test_alias_table__of_lists_is_refused(tmp_path) -> None:
    pl.DataFrame({"person_id": ["1"], "number": [[1, 2]]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(ContractError, match="E-INPUT-021"):
        alias_table(tmp_path / "a.parquet")


def test_register_version__is_of_the_files_as_the_run_read_them(tmp_path) -> None:
    declared = {"name": "one", "extract_date": datetime.date(2026, 11, 20)}
    file = tmp_path / "register.parquet"
    loaded = SimpleNamespace(
        project=SimpleNamespace(register=SimpleNamespace(**declared)),
        files={"one": [SimpleNamespace(path=file)]},
    )
    file.write_bytes(b"as it was read")
    sha256(file)
    remember(tmp_path, [file])
    read = register_version(loaded, tmp_path)
    assert re.fullmatch("2026-11-20/[0-9a-f]{16}", read)

    file.write_bytes(b"the next extract")
    assert register_version(loaded, tmp_path) == read
    other = tmp_path / "other"
    other.mkdir()
    assert register_version(loaded, other) != read
    loaded.project.register = None
    assert register_version(loaded, tmp_path) == ""
