"""What the first records say of plain text columns: of every format alike, near what the whole file has."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from jobs.foreseen_texts import foresee_texts
from linkage.contract import Contract, parse_contract
from linkage.costs import DRIVERS, LONG, TEXT_SECONDS, TEXTS, disk, seconds
from linkage.pipeline import STAGES

ROWS = 30_000
FIELDS = (("name", "full_name"), ("address", "address"), ("school", "school"))


def declared(more: str = "") -> Contract:
    fields = "".join(f'[[field]]\ncolumn = "{c}"\nstandard = "{s}"\n' for c, s in FIELDS)
    return parse_contract(f'schema = 1\nkey = "key"\n{more}\n{fields}')


@pytest.fixture(scope="module")
def columns() -> Mapping[str, list[str]]:
    rng = random.Random(3)
    streets = ("Nguyễn Trãi", "Lê Lợi", "Bà Triệu")
    return {
        "key": [f"k{n}" for n in range(ROWS)],
        "name": ["Nguyễn Văn An"] * ROWS,
        "address": [
            f'Số {n}, "{rng.choice(streets)}", tổ {rng.randrange(90)}' if rng.random() < 0.8 else ""
            for n in range(ROWS)
        ],
        "school": [f"Trường trung học cơ sở {rng.randrange(900)}" for _ in range(ROWS)],
    }


def true(values: list[str]) -> tuple[float, float]:
    """Bytes beyond ten a cell; of the different texts, each with sixteen more."""
    long = sum(len(v.encode()) for v in values) - 10 * len(values)
    return long, sum(len(v.encode()) + 16 for v in set(values) - {""})


def text(columns: Mapping[str, list[str]], **form: str) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, **form)  # type: ignore[arg-type]
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()


def write_csv(path: Path, columns: Mapping[str, list[str]]) -> Contract:
    path.write_text(text(columns), encoding="utf-8", newline="")
    return declared('delimiter = "auto"')


def write_packed(path: Path, columns: Mapping[str, list[str]]) -> Contract:
    path.write_bytes(gzip.compress(text(columns, delimiter=";").encode("utf-8-sig")))
    return declared('delimiter = ";"')


def write_recoded(path: Path, columns: Mapping[str, list[str]]) -> Contract:
    path.write_bytes(text(columns, delimiter="|").encode("utf-16"))
    return declared('delimiter = "|"\nencoding = "utf-16"')


def write_parquet(path: Path, columns: Mapping[str, list[str]]) -> Contract:
    pq.write_table(pa.table(dict(columns)), path)
    return declared('format = "parquet"')


def write_arrow(path: Path, columns: Mapping[str, list[str]]) -> Contract:
    table = pa.table(dict(columns))
    with ipc.new_file(path, table.schema) as sink:
        sink.write_table(table, 5_000)
    return declared('format = "arrow"')


def write_stream(path: Path, columns: Mapping[str, list[str]]) -> Contract:
    table = pa.table(dict(columns))
    with ipc.new_stream(path, table.schema) as sink:
        sink.write_table(table, 5_000)
    return declared('format = "arrow"')


WRITERS = (write_csv, write_packed, write_recoded, write_parquet, write_arrow, write_stream)


@pytest.mark.parametrize("write", WRITERS)
def test_texts__are_about_those_of_the_whole_file(
    tmp_path: Path,
    columns: Mapping[str, list[str]],
    write: Callable[[Path, Mapping[str, list[str]]], Contract],
) -> None:
    contract = write(tmp_path / "file", columns)
    for column in ("address", "school"):
        long, distinct = true(columns[column])
        found = foresee_texts(tmp_path / "file", contract, (column,), ROWS)
        assert found.long == pytest.approx(long, rel=0.1), column
        assert found.distinct == pytest.approx(distinct, rel=0.25), column
    both = foresee_texts(tmp_path / "file", contract, ("address", "school"), ROWS)
    each = [foresee_texts(tmp_path / "file", contract, (c,), ROWS) for c in ("address", "school")]
    assert both.long == pytest.approx(sum(e.long for e in each))
    assert both.distinct == pytest.approx(sum(e.distinct for e in each))


def test_texts__of_which_none_comes_twice_count_as_all_different(tmp_path: Path) -> None:
    """Of 900,000 records with 300 characters each, the few that were looked at let expect 115,000 texts."""
    path, longer = tmp_path / "file", "ngõ nhỏ phố nhỏ " * 20
    path.write_text(
        "key,address\n" + "".join(f"k{n},{n} {longer}\n" for n in range(20_000)), encoding="utf-8"
    )
    for times in (1, 40):
        found = foresee_texts(path, declared(), ("address",), times * 20_000)
        _, distinct = true([f"{n} {longer}" for n in range(20_000)])
        assert found.distinct == pytest.approx(times * distinct, rel=0.02)


@pytest.mark.parametrize("write", WRITERS)
def test_texts__of_a_damaged_file_are_none(
    tmp_path: Path,
    columns: Mapping[str, list[str]],
    write: Callable[[Path, Mapping[str, list[str]]], Contract],
) -> None:
    path = tmp_path / "file"
    contract = write(path, columns)
    path.write_bytes(bytes(2000))
    found = foresee_texts(path, contract, ("address",), ROWS)
    assert (found.long, found.distinct) == (0.0, 0.0)


def test_disk__of_texts_is_fullest_where_their_vocabulary_is_made() -> None:
    names = [s.name for s in STAGES]
    nothing = dict.fromkeys(DRIVERS, 0.0)
    plain = disk(nothing, names)
    assert set(TEXTS) | set(LONG) <= set(names)
    full = disk(nothing | {"texts": 1e9, "long": 1e8}, names)
    assert full["fullest"] == plain["fullest"] + int(1.05 * 2.1e9)
    assert full["artefacts"] == plain["artefacts"]


def test_seconds__of_texts_are_those_of_standardising_and_of_their_vocabulary() -> None:
    nothing = dict.fromkeys(DRIVERS, 0.0)
    for threads, speed in ((2, 1.0), (4, 2.0)):
        plain = seconds(nothing, threads, speed)
        full = seconds(nothing | {"texts": 1e9}, threads, speed)
        more = {name: full[name] - plain[name] for name in full if full[name] != plain[name]}
        assert more == {
            name: pytest.approx(1e9 * each * 2 / threads / speed) for name, each in TEXT_SECONDS.items()
        }
