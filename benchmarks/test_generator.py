"""The national generator: records a second, the truth included, on two threads."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

from data.generator import generate

PEOPLE = 200_000


def records(folder):
    return pl.scan_parquet(folder / "truth" / "entities.parquet").select(pl.len()).collect().item()


@pytest.mark.benchmark(group="generator")
def test_generate(benchmark, tmp_path):
    folder = tmp_path / "nation"
    reports = []

    def make():
        reports.append(generate(folder, PEOPLE, seed=1, threads=2))

    def clear():
        shutil.rmtree(folder, ignore_errors=True)

    benchmark.pedantic(make, setup=clear, rounds=3)
    rows = records(folder)
    assert rows == sum(reports[-1].records.values())
    assert all(r.records == reports[0].records for r in reports)
    assert reports[-1].records["register"] > 0.99 * PEOPLE
    benchmark.extra_info |= {"records": rows, "records a second": round(rows / benchmark.stats.stats.min)}
