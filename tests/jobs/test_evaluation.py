"""A run's folder judged: what it reads, what it refuses, how it reads aloud."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from jobs.evaluation import evaluate_run, render
from jobs.store import write_json, write_parquet
from linkage.errors import ConfigError, IntegrityError

ID = pa.binary(16)


def write_run(folder: Path, truth: Path, **run: Any) -> None:
    """A small run in the columns of the artefacts."""
    folder.mkdir()
    truth.mkdir()
    hashes = pa.array([bytes([i]) * 16 for i in range(4)], ID)
    decisions = pa.table(
        {
            "decision_id": hashes,
            "source": ["tax"] * 4,
            "record_id": ["t1", "t2", "t3", "t4"],
            "decision": ["link", "link", "new", "review"],
            "entity_id": hashes,
            "person_id": ["p1", "p3", None, "p2"],
            "probability": [0.9999, 0.999, 0.995, 0.6],
            "number_usable": [True, True, False, None],
            "reasons": [["number_same"], [], [], []],
        }
    )
    write_parquet(folder / "decisions.parquet", decisions)
    sources = ["register"] * 3 + ["tax"] * 4
    records = ["p1", "p2", "p3", "t1", "t2", "t3", "t4"]
    entities = {
        "source": sources,
        "record_id": records,
        "entity_id": pa.array([bytes([n]) * 16 for n in b"1230341"], ID),
    }
    write_parquet(folder / "entities.parquet", pa.table(entities))
    known = {"source": sources, "record_id": records, "true_person_id": ["A", "B", "C", "A", "B", "X", "A"]}
    write_parquet(truth / "entities.parquet", pa.table(known))
    orders = {
        "order_id": hashes[:1],
        "source": ["tax"],
        "survivor_record_id": ["t1"],
        "absorbed_record_id": ["t4"],
    }
    write_parquet(folder / "duplicates.parquet", pa.table({**orders, "probability": [0.999]}))
    pairs = {"source_l": ["register"], "record_id_l": ["p1"], "source_r": ["tax"], "record_id_r": ["t1"]}
    write_parquet(folder / "pairs.parquet", pa.table(pairs))
    write_json(folder / "run.json", {"run_id": "r7", "fingerprint": "f", "exit_code": 0, **run})


def test_evaluate_run__reads_the_artefacts(tmp_path: Path):
    estimates = {"all": {"false_links": {"expected": 0.5, "low": 0.1, "high": 3.0}}}
    write_run(
        tmp_path / "run",
        tmp_path / "truth",
        estimates=estimates,
        blocking={"recall_kept": 0.993, "rules": ["x"]},
    )
    write_parquet(
        tmp_path / "run" / "subgroups.parquet",
        pa.table(
            {
                "source": ["tax"] * 2,
                "record_id": ["t1", "t2"],
                "sex": ["F", "M"],
                "birth_decade": [1980, 1990],
            }
        ),
    )
    figures = evaluate_run(tmp_path / "run", tmp_path / "truth")
    assert figures["run_id"] == "r7"
    assert figures["overall"]["link"]["precision"]["count"] == 1
    assert figures["overall"]["link"]["recall"]["of"] == 3
    assert figures["duplicates"]["all"]["recall"]["value"] == 1
    assert figures["calibration"]["all"]["holds"] is True
    assert {(g["dimension"], g["value"]) for g in figures["subgroups"]} == {
        ("number_usable", "true"), ("number_usable", "false"), ("number_usable", "unknown"),
        ("sex", "F"), ("sex", "M"), ("sex", "unknown"),
        ("birth_decade", "1980"), ("birth_decade", "1990"), ("birth_decade", "unknown"),
    }  # fmt: skip
    assert json.loads(json.dumps(figures)) == figures
    text = render(figures)
    for part in (
        "Links by sub-group",
        "sex: F",
        "0.1 to 3.0",
        "recall kept",
        "0.993",
        "pair not among those kept",
    ):
        assert part in text
    assert all(line == line.rstrip() and len(line) < 140 for line in text.splitlines())


def test_evaluate_run__asks_why_true_pairs_were_no_candidates(tmp_path: Path):
    write_run(tmp_path / "run", tmp_path / "truth")
    asked = []

    def explain(unseen: pl.DataFrame) -> pl.DataFrame:
        asked.extend(unseen.rows())
        return unseen.with_columns(stage=pl.lit("refinement"))

    losses = evaluate_run(tmp_path / "run", tmp_path / "truth", explain)["losses"]
    assert asked == [("tax", "t2", "p2"), ("tax", "t4", "p1")]
    assert (losses["refinement"]["count"], losses["blocking"]["count"], losses["below_floor"]["count"]) == (
        2,
        0,
        0,
    )
    write_parquet(
        tmp_path / "run" / "candidates_lost.parquet",
        pa.table({"source": ["tax"], "record_id": ["t2"], "stage": ["blocking"]}),
    )
    losses = evaluate_run(tmp_path / "run", tmp_path / "truth")["losses"]
    assert (losses["refinement"]["count"], losses["blocking"]["count"], losses["below_floor"]["count"]) == (
        0,
        1,
        1,
    )


def test_evaluate_run__sources_of_many_records_a_person_want_no_orders(tmp_path: Path):
    write_run(tmp_path / "run", tmp_path / "truth", records_per_person={"tax": "many"}, register="register")
    figures = evaluate_run(tmp_path / "run", tmp_path / "truth")
    assert figures["duplicates"]["all"]["recall"]["of"] == 0


def test_evaluate_run__refuses_what_it_cannot_judge(tmp_path: Path):
    run, truth = tmp_path / "run", tmp_path / "truth"
    with pytest.raises(ConfigError, match="E-EVALUATE-001"):
        evaluate_run(run, truth)
    write_run(run, truth)
    with pytest.raises(ConfigError, match="E-EVALUATE-002"):
        evaluate_run(run, run / "none")
    other = {"source": ["register", "bank"], "record_id": ["p1", "b1"], "true_person_id": ["A", "A"]}
    write_parquet(truth / "entities.parquet", pa.table(other))
    with pytest.raises(ConfigError, match="E-EVALUATE-003"):
        evaluate_run(run, truth)
    write_parquet(truth / "entities.parquet", pa.table({"source": ["register"], "record_id": ["p1"]}))
    with pytest.raises(ConfigError, match=r"E-EVALUATE-004.*true_person_id"):
        evaluate_run(run, truth)


@pytest.mark.parametrize("harm", ["cut", "blank", "lose"])
@pytest.mark.parametrize("name", ["run/decisions.parquet", "run/pairs.parquet", "truth/entities.parquet"])
def test_evaluate_run__a_damaged_file_is_named(tmp_path: Path, name: str, harm: str):
    """It ended as a fault of the program, with a place in the code and no file."""
    write_run(tmp_path / "run", tmp_path / "truth", register="register")
    path = tmp_path / name
    whole = path.read_bytes()
    if harm == "lose":
        path.unlink()
    else:
        footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
        path.write_bytes(whole[:-9] if harm == "cut" else bytes(footer) + whole[footer:])
    code = "E-EVALUATE-002" if (name, harm) == ("truth/entities.parquet", "lose") else "E-INTEGRITY-001"
    with pytest.raises((ConfigError, IntegrityError), match=code) as caught:
        evaluate_run(tmp_path / "run", tmp_path / "truth")
    if code == "E-INTEGRITY-001":
        assert f"'{name}' is {'missing' if harm == 'lose' else 'damaged'}" in str(caught.value)


def test_render__an_empty_run_reads_without_figures(tmp_path: Path):
    write_run(tmp_path / "run", tmp_path / "truth", register="register")
    for name in ("decisions", "duplicates", "pairs", "entities"):
        path = tmp_path / "run" / f"{name}.parquet"
        write_parquet(path, pa.table(pl.read_parquet(path).clear().to_arrow()))
    truth = tmp_path / "truth" / "entities.parquet"
    write_parquet(truth, pa.table({"source": ["register"], "record_id": ["p1"], "true_person_id": ["A"]}))
    assert "0 agency records" in render(evaluate_run(tmp_path / "run", tmp_path / "truth"))
