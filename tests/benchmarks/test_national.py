"""The table of national runs: what it takes from a run and its evaluation, and where it puts it."""

from __future__ import annotations

import json

from benchmarks.national import figures, main, tables
from benchmarks.table import marks

RECORD = {
    "totals": {"accepted": 2_000_000, "pairs": 3_000_000},
    "blocking": {
        "rules": {
            "a": {"pairs": 9_000_000, "register_pairs": 0},
            "b": {"pairs": 0, "register_pairs": 1_000_000},
        }
    },
    "artefacts": {"decisions.parquet": {"digest": "1"}, "metrics.prom": {"digest": "2"}},
    "disk": {"fullest": 500_000_000, "artefacts": 200_000_000},
    "stages": [{"stage": "intake", "seconds": 2.04}, {"stage": "match", "seconds": 4.0}],
    "decisions": {"link": 990_000},
}  # fmt: skip
JUDGED = {
    "overall": {"link": {"precision": {"value": 0.99999}, "recall": {"value": 0.9994}}},
    "subgroups": [
        {"dimension": "number_usable", "value": "false", "link": {"recall": {"value": 0.9}}},
        {"dimension": "number_usable", "value": "true", "link": {"recall": {"value": 0.9999}}},
    ],
    "losses": {"refinement": {"value": 0.0002}},
    "share": 0.5,
}
TOOK = {
    "people": 1_000_000, "date": "2026-11-22", "load": 0.1, "engine": "ray", "threads": 2, "memory": "2GB",
    "corrections": False, "seconds": 30.0, "processor": 55.0, "held": 2**30, "mapped": 3 * 2**29,
}  # fmt: skip


def test_figures__are_those_of_the_record_and_the_evaluation():
    found = figures(RECORD, JUDGED)
    assert found["block_pairs"] == 10_000_000
    assert found["numbered_recall"] == 0.9999
    moved = {**RECORD, "artefacts": {**RECORD["artefacts"], "metrics.prom": {"digest": "3"}}}
    assert figures(moved, JUDGED)["digest"] == found["digest"]
    changed = {**RECORD, "artefacts": {**RECORD["artefacts"], "decisions.parquet": {"digest": "3"}}}
    assert figures(changed, JUDGED)["digest"] != found["digest"]


def test_tables__say_time_and_memory_a_record():
    text = tables([{**TOOK, **figures(RECORD, JUDGED)}])
    name = "1,000,000, ray 2, linking only, --memory 2GB"
    assert f"| {name} | 2,000,000 | 30 | 55 | 15.0 | 1,024 | 1,536 | 0.5 | 0.2 | 5.0 | 1.50 | 0.1 |" in text
    assert f"| {name} | 990,000 | 0.999990 | 0.999400 | 0.999900 | 0.000200 | 50 % |" in text
    assert f"| {name} | 2.0 | 4.0 |" in text


def test_main__puts_the_table_of_earlier_runs_into_a_document(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.national._linkage", lambda arguments: "")
    begin, end = marks("national")
    document, held = tmp_path / "README.md", tmp_path / "national.json"
    document.write_text(f"before\n{begin}\n\nold\n\n{end}\nafter\n")
    held.write_text(json.dumps([{**TOOK, **figures(RECORD, JUDGED)}]))
    main(["--people", "--json", str(held), "--into", str(document)])
    assert "2,000,000" in capsys.readouterr().out
    assert "2,000,000" in document.read_text()
    assert "old" not in document.read_text()
