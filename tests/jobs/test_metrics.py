"""The metrics file is what Prometheus reads, whatever the names in it."""

import itertools
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import metrics
from jobs.metrics import METRICS, Metrics, render, run_samples, stage_samples

RUN: dict[str, Any] = {
    "exit_code": 1,
    "peak_memory": 123,
    "stages": [{"stage": "match", "seconds": 1.5, "tasks": 4, "bytes_out": 77, "pairs": 9, "rows_in": 5}],
    "sources": {
        "tax": {"accepted": 5, "refused": {"R-1": 2, "R-2": 1}},
        "register": {"accepted": 9, "refused": {}},
    },
    "by_source": {"tax": {"link": 4, "review": 1}},
    "estimates": {"tax": {"false_links": {"expected": 0.25}}, "all": {"false_links": {"expected": 0.25}}},
    "gates": [{"name": "review:tax", "holds": False}, {"name": "converged", "holds": True}],
}


def parse(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The twin: the text format by its grammar (prometheus.io, exposition formats, version 0.0.4)."""
    assert text.endswith("\n")
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    typed, helped, order = set(), set(), []
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in helped
            helped.add(name)
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind == "gauge"
            assert name not in typed
            typed.add(name)
            continue
        matched = re.fullmatch(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)", line)
        assert matched, line
        name, inside, value = matched.groups()
        assert name in typed
        assert name in helped
        labels, rest = {}, inside or ""
        while rest:
            one = re.match(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)', rest)
            assert one, rest
            raw = one.group(2)
            labels[one.group(1)] = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), raw)
            rest = rest[one.end() :]
        key = (name, frozenset(labels.items()))
        assert key not in found
        found[key] = float(value)
        order.append(name)
    # All lines of a metric stand together.
    assert sum(a != b for a, b in itertools.pairwise(order)) == len(set(order)) - 1
    return found


@given(
    names=st.lists(st.text(max_size=8), max_size=4, unique=True),
    values=st.lists(st.floats(allow_nan=False), min_size=4, max_size=4),
)
def test_render__is_read_back(names: list[str], values: list[float]):
    samples: list[metrics.Sample] = [
        ("linkage_gate_holds", {"gate": name}, value) for name, value in zip(names, values, strict=False)
    ]
    samples.insert(1, ("linkage_run_finished", {}, 1))
    read = parse(render(samples))
    assert read == {(name, frozenset(labels.items())): value for name, labels, value in samples}


def test_render__is_what_the_official_parser_reads():
    parser = pytest.importorskip("prometheus_client.parser")
    families = list(parser.text_string_to_metric_families(render(run_samples(RUN))))
    assert {f.type for f in families} == {"gauge"}
    assert {f.name: f.documentation for f in families} == {
        name: told for name, (_, told) in METRICS.items() if name in {f.name for f in families}
    }
    read = {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}
    assert read == parse(render(run_samples(RUN)))
    assert read["linkage_records", frozenset({("source", "tax"), ("result", "refused")})] == 3


def test_run__says_stages_decisions_records_and_gates():
    read = parse(render(run_samples(RUN)))
    assert {name for name, _ in read} <= set(METRICS)
    assert read["linkage_run_exit_code", frozenset()] == 1
    assert read["linkage_stage_rows", frozenset({("stage", "match")})] == 5
    assert read["linkage_decisions", frozenset({("source", "tax"), ("decision", "review")})] == 1
    assert read["linkage_gate_holds", frozenset({("gate", "review:tax")})] == 0
    assert ("linkage_false_links_expected", frozenset({("source", "all")})) not in read


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([("linkage_secret", {}, 1)], "linkage_secret"),
        ([("linkage_stage_rows", {}, 1)], "linkage_stage_rows"),
        ([("linkage_run_seconds", {"stage": "x"}, 1)], "linkage_run_seconds"),
        ([("linkage_run_seconds", {}, 1), ("linkage_run_seconds", {}, 2)], "came twice"),
    ],
)
def test_render__refuses_what_is_not_declared(samples: list[metrics.Sample], words: str):
    with pytest.raises(ValueError, match=words):
        render(samples)


def test_names__are_of_ours_and_of_base_units():
    for name, (labels, told) in METRICS.items():
        assert re.fullmatch(r"linkage_[a-z_]+", name)
        assert not name.endswith("_total")
        assert told.endswith(".")
        assert all(re.fullmatch(r"[a-z_]+", label) for label in labels)


def test_file__is_written_at_most_every_few_seconds_and_at_the_end(tmp_path: Path):
    now = [1000.0]
    info = {"run_id": "a", "engine": "threads", "version": "1"}
    held = Metrics(tmp_path, info, ago=20.0, clock=lambda: now[0])  # the cluster took so long to prove itself
    asked = []

    def samples() -> list[metrics.Sample]:
        asked.append(now[0])
        return stage_samples({"stage": "match", "seconds": now[0]}, finished=False)

    for _ in range(100):
        held.write(samples)
        now[0] += 0.5
    assert len(asked) == 10
    held.write(samples, now=True)
    read = parse((tmp_path / "metrics.prom").read_text())
    assert read["linkage_run_update_time_seconds", frozenset()] == 1050
    assert read["linkage_run_start_time_seconds", frozenset()] == 980
    assert read["linkage_run_seconds", frozenset()] == 70
    assert read["linkage_stage_finished", frozenset({("stage", "match")})] == 0
    assert stat.S_IMODE((tmp_path / "metrics.prom").stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.prom"]


def test_file__that_cannot_be_written_does_not_end_the_run(tmp_path: Path):
    held = Metrics(tmp_path / "none", {"run_id": "a", "engine": "threads", "version": "1"})
    held.write(list, now=True)
    assert list(tmp_path.iterdir()) == []
