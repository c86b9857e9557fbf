"""The command that writes the figures of benchmarks into their document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import benchmarks
from benchmarks.kernel_table import ROWS
from benchmarks.table import main, marks, put_into, tables

BEGIN, END = marks("figures")

RUN = {
    "people": 10_000, "records": 22_000, "pairs": 123_456, "peak MiB": 345, "link precision": 1.0,
    "link recall": 0.98765, "new precision": None, "new recall": 0.5, "duplicate precision": 1.0,
    "duplicate recall": 0.9, "review": 0.001, "stages": {"intake": 0.5, "match": 1.25},
}  # fmt: skip
SESSION = {
    "datetime": "2026-11-21T20:00:00",
    "machine_info": {"machine": "x86_64", "python_version": "3.11.7", "cpu": {"brand_raw": "A", "count": 2}},
    "benchmarks": [
        {"name": "run[10k]", "group": "whole run", "stats": {"min": 4.0, "rounds": 3}, "extra_info": RUN},
        {
            "name": "osa", "group": "kernels", "stats": {"min": 0.0015, "median": 0.002, "rounds": 9},
            "extra_info": {"pairs a second": 1_000_000},
        },
    ],
}  # fmt: skip


def test_tables__say_what_the_session_holds():
    assert tables(SESSION).keys() == {"figures"}
    text = tables(SESSION)["figures"]
    assert "| 10,000 | 22,000 | 123,456 | 4.0 | 5,500 | 345 | 3 |" in text
    assert "| 10,000 | 1.00000 | 0.98765 | - | 0.50000 |" in text
    assert "| match | 1.25 |" in text
    assert "| `osa` | kernels | 1.50 | 2.00 | 9 | pairs a second 1,000,000 |" in text


def test_into__replaces_the_figures_and_nothing_else(tmp_path):
    document, session = tmp_path / "README.md", tmp_path / "bench.json"
    document.write_text(f"before\n\n{BEGIN}\n\nold\n\n{END}\n\nafter\n")
    session.write_text(json.dumps(SESSION))
    main([str(session), "--into", str(document)])
    once = document.read_text()
    main([str(session), "--into", str(document)])
    assert document.read_text() == once
    assert once.startswith("before\n")
    assert once.endswith("\n\nafter\n")
    assert "old" not in once


def test_into__a_document_without_a_place_is_refused():
    with pytest.raises(ValueError, match="figures"):
        put_into("nothing here", "figures", "none")


KERNEL = {
    "name": "k", "group": None, "stats": {"min": 0.05, "median": 0.06, "rounds": 7},
    "extra_info": {
        "kernel": "edit.osa_pairs", "unit": "pair", "units": 1_000_000, "bytes": 50.4, "limit": 20.0,
        "limited by": "edit steps",
    },
}  # fmt: skip
PEERS = [
    {
        "name": name,
        "stats": {"min": seconds},
        "extra_info": {"peer of": "edit.osa_pairs", "peer": name, "units": 1_000_000},
    }
    for name, seconds in (("A", 0.2), ("B", 0.15))
]


def test_tables__put_peers_beside_their_kernel():
    found = tables({**SESSION, "benchmarks": [KERNEL, *PEERS]})
    assert found.keys() == {"kernels"}
    row = "| `edit.osa_pairs` | pair | 50.0 | 50 | 20.0 | edit steps | 2.5 | B 150, A 200 | 3.0 |"
    assert row in found["kernels"]


def test_into__kernels_alone_leave_the_figures_of_runs(tmp_path):
    document, session = tmp_path / "README.md", tmp_path / "bench.json"
    begin, end = marks("kernels")
    document.write_text(f"{BEGIN}\n\nold\n\n{END}\n\n{begin}\n{end}\n")
    session.write_text(json.dumps({**SESSION, "benchmarks": [KERNEL]}))
    main([str(session), "--into", str(document)])
    assert document.read_text().startswith(f"{BEGIN}\n\nold\n\n{END}\n\n{begin}\n\n2026-11-21")


def test_document__has_a_row_of_every_kernel_and_of_no_other():
    text = (Path(benchmarks.__file__).parent / "README.md").read_text(encoding="utf-8")
    begin, end = marks("kernels")
    lines = text.partition(begin)[2].partition(end)[0].splitlines()
    told = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert sorted(told) == sorted(row.example.name for row in ROWS)
