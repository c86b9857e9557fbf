"""Samples of files: whole records, each as likely as any other, in every form a source may have."""

from __future__ import annotations

import csv
import gzip
import io

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import ipc

from jobs import sampling
from jobs.readers import read_source
from jobs.sampling import guess_rows, sample_file
from jobs.source_files import open_source
from linkage.contract import Contract, Field

ROWS = 6000


def contract(form="csv", **more):
    fields = (Field(column="NAME", standard="full_name"), Field(column="NO", standard="personal_number"))
    return Contract(schema=1, key="ID", format=form, fields=fields, **more)


def records():
    """Sorted by key, of lengths that differ; some hold quotes, delimiters and line ends."""
    rng = np.random.default_rng(1)
    out = []
    for n in range(ROWS):
        name = "Nguyễn " + "Văn " * int(rng.integers(0, 9)) + "An"
        if n % 50 == 7:
            name = f'{name}\n"line", {n}'
        out.append((f"K{n:05d}", name, f"{n:012d}"))
    return out


def text(delimiter=",", end="\r\n", quoting=csv.QUOTE_MINIMAL):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([("ID", "NAME", "NO"), *records()])
    return out.getvalue()


def taken(folder, path, form, rate, place="0-0"):
    """The sample, and the records a run's reader finds in it: line, key, name, number."""
    opened = open_source([path], form)[0]
    sample = sample_file(opened, form, rate, place, folder)
    intakes = read_source([sample.path], form)
    rows = [
        (r["line"], r["record_id"], r["full_name"], r["personal_number"])
        for intake in intakes
        for r in intake.records.to_pylist()
    ]
    return sample, rows, sum(i.rejects.num_rows for i in intakes)


def frame():
    return pl.DataFrame(records(), ["ID", "NAME", "NO"], orient="row")


def write_arrow(path):
    table = frame().to_arrow()
    with ipc.new_file(str(path), table.schema) as out:
        out.write_table(table, max_chunksize=500)


FILES = {
    "plain": (contract(), lambda p: p.write_bytes(text().encode())),
    "mark": (contract(), lambda p: p.write_bytes(b"\xef\xbb\xbf" + text(end="\n").encode())),
    "semicolons": (
        contract(delimiter=";"), lambda p: p.write_bytes(text(";", quoting=csv.QUOTE_ALL).encode()),
    ),
    "utf-16": (contract(encoding="utf-16"), lambda p: p.write_bytes(text().encode("utf-16"))),
    "utf-16-be": (contract(encoding="utf-16-be"), lambda p: p.write_bytes(text().encode("utf-16-be"))),
    "returns": (contract(), lambda p: p.write_bytes(text(end="\r").replace("\n", " ").encode())),
    "parquet": (
        contract("parquet"),
        lambda p: frame().write_parquet(p, row_group_size=700),
    ),
    "arrow": (contract("arrow"), write_arrow),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_sample__holds_whole_records_of_all_places_at_the_rate_asked_for(kind, tmp_path):
    form, write = FILES[kind]
    path = tmp_path / f"source.{form.format}"
    write(path)
    truth = {key: (name, number) for key, name, number in records()}
    sample, rows, refused = taken(tmp_path, path, form, 0.2)
    assert sample.how == "spread"
    assert refused == 0
    assert len(rows) == pytest.approx(0.2 * ROWS, rel=0.1)
    assert len(rows) / sample.rate == pytest.approx(ROWS, rel=0.05)
    keys = [key for _, key, _, _ in rows]
    assert keys == sorted(set(keys))
    spread = np.array([int(key[1:]) for key in keys]) * 10 // ROWS
    assert np.bincount(spread, minlength=10).min() > 0.1 * ROWS / 10
    for _, key, name, number in rows:
        assert (name.replace("\n", " "), number) == (truth[key][0].replace("\n", " "), truth[key][1])


@pytest.mark.parametrize("kind", ["plain", "parquet"])
def test_starts__tell_the_stretch_of_every_record(kind, tmp_path):
    form, write = FILES[kind]
    path = tmp_path / f"source.{form.format}"
    write(path)
    sample, rows, _ = taken(tmp_path, path, form, 0.2)
    stretch = np.searchsorted(sample.starts, [line for line, *_ in rows], side="right") - 1
    number = np.array([int(key[1:]) for _, key, _, _ in rows])
    assert (np.diff(number)[np.diff(stretch) == 0] == 1).mean() > 0.99
    assert (np.diff(number)[np.diff(stretch) > 0] > 1).mean() > 0.9


def test_sample__is_the_same_for_the_same_place_and_another_elsewhere(tmp_path):
    form, write = FILES["plain"]
    path = tmp_path / "source.csv"
    write(path)
    keys = [
        {key for _, key, _, _ in taken(tmp_path / folder, path, form, 0.2, place)[1]}
        for folder, place in (("a", "0-0"), ("b", "0-0"), ("c", "1-0"))
    ]
    assert keys[0] == keys[1]
    assert len(keys[0] & keys[2]) / len(keys[0]) < 0.35


def test_sample__takes_every_row_about_as_often_as_any_other(tmp_path):
    form, write = FILES["plain"]
    path = tmp_path / "source.csv"
    write(path)
    times = np.zeros(ROWS)
    for place in range(40):
        for _, key, _, _ in taken(tmp_path / str(place), path, form, 0.25, f"{place}-0")[1]:
            times[int(key[1:])] += 1
    tenths = times.reshape(10, -1).mean(axis=1)
    assert tenths == pytest.approx(np.full(10, 10.0), rel=0.1)


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_compressed__is_read_at_its_beginning_only(packing, tmp_path, monkeypatch):
    path = tmp_path / f"source.csv.{packing}"
    rng = np.random.default_rng(2)
    lines = [f"K{n},{rng.integers(1 << 60)},{rng.integers(1 << 60)}\n" for n in range(120_000)]
    data = ("ID,NAME,NO\n" + "".join(lines)).encode()
    path.write_bytes(gzip.compress(data, 1) if packing == "gzip" else pa.compress(data, "zstd", asbytes=True))
    assert taken(tmp_path, path, contract(), 0.2)[0].how == "whole"
    monkeypatch.setattr(sampling, "PACKED_WHOLE", 1 << 20)
    sample, rows, refused = taken(tmp_path, path, contract(), 0.2)
    assert (sample.how, refused) == ("beginning", 0)
    assert [int(key[1:]) for _, key, _, _ in rows] == list(range(len(rows)))
    assert 0.1 < len(rows) / 120_000 < 0.6
    # Of a file of 3 MB the decoder's own buffers are a good part.
    assert len(rows) / sample.rate == pytest.approx(120_000, rel=0.25)
    assert guess_rows(open_source([path], contract())) == pytest.approx(120_000, rel=0.25)


def test_whole__files_are_read_where_they_lie(tmp_path):
    form, write = FILES["plain"]
    path = tmp_path / "source.csv"
    write(path)
    sample, rows, _ = taken(tmp_path, path, form, 1.0)
    assert (sample.path, sample.how, len(rows)) == (path, "whole", ROWS)


@pytest.mark.parametrize("kind", FILES)
def test_guess__is_near(kind, tmp_path):
    form, write = FILES[kind]
    path = tmp_path / f"source.{form.format}"
    write(path)
    assert guess_rows(open_source([path], form)) == pytest.approx(ROWS, rel=0.03)
