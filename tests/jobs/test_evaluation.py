"""A run's folder judged: what it reads, what it refuses, how it reads aloud."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from jobs.evaluation import evaluate_run, render
from jobs.finished_run import write_run as seal_run
from jobs.store import file_digest, write_parquet
from linkage.errors import ConfigError, IntegrityError

ID = pa.binary(16)


def write_record(folder: Path, **told: Any) -> None:
    """``run.json`` of a run whose artefacts are the Parquet files of its folder."""
    nothing = ("estimates", "blocking", "register", "records_per_person", "policies", "project_file")
    artefacts = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "digest": file_digest(path)}
        for path in sorted(folder.rglob("*.parquet"))
    }
    record = {"run_id": "r7", "fingerprint": "f", "exit_code": 0, **dict.fromkeys(nothing), "left_out": []}
    seal_run(folder, {**record, "artefacts": artefacts, **told})


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
    write_record(folder, **run)


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


@pytest.mark.parametrize("below", ["", "withheld/"])
@pytest.mark.parametrize(
    "name",
    [
        "decisions", "entities", "duplicates", "pairs", "subgroups", "refinement", "register_cases",
        "feeds/tax/corrections",
    ],
)  # fmt: skip
def test_evaluate_run__an_artefact_of_another_digest_is_named_and_never_read(
    tmp_path: Path, name: str, below: str
):
    """Files that Parquet reads without complaint gave other figures, and nobody was told."""
    run = tmp_path / "run"
    write_run(run, tmp_path / "truth")
    path = run / f"{below}{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    if (run / f"{name}.parquet").exists():
        (run / f"{name}.parquet").replace(path)
    else:
        write_parquet(path, pa.table({"source": ["tax"]}))
    write_record(run, register="register")
    whole = path.read_bytes()
    for damage in (whole[:20] + bytes([whole[20] ^ 1]) + whole[21:], whole + b"P", b"", None):
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage)
        with pytest.raises(IntegrityError, match="E-INTEGRITY-001") as caught:
            evaluate_run(run, tmp_path / "truth")
        harm = "is missing" if damage is None else "is damaged"
        assert f"'{path.parent.name}/{path.name}' {harm}" in str(caught.value)


def test_evaluate_run__withheld_artefacts_are_found_though_their_release_was_stopped(tmp_path: Path):
    """``run.json`` says that they are withheld until all of them have moved."""
    run = tmp_path / "run"
    write_run(run, tmp_path / "truth")
    figures = evaluate_run(run, tmp_path / "truth")
    (run / "withheld").mkdir()
    (run / "duplicates.parquet").replace(run / "withheld" / "duplicates.parquet")
    write_record(run)
    assert evaluate_run(run, tmp_path / "truth") == figures
    (run / "withheld" / "duplicates.parquet").replace(run / "duplicates.parquet")
    assert evaluate_run(run, tmp_path / "truth") == figures


def test_evaluate_run__a_share_does_not_ask_for_entities(tmp_path: Path):
    """They are not read then, and digests of a nation's entities would take time for nothing."""
    write_run(tmp_path / "run", tmp_path / "truth", register="register")
    (tmp_path / "run" / "entities.parquet").unlink()
    assert evaluate_run(tmp_path / "run", tmp_path / "truth", share=0.999)["entities"] is None


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"totals": {}}', "[]", "{", '{"run_id": "r7", "artefacts": {}}']
)
def test_evaluate_run__a_damaged_record_of_the_run_is_named(tmp_path: Path, text: str):
    """One that was JSON, but not what a run writes, was judged as a run that says nothing of itself."""
    write_run(tmp_path / "run", tmp_path / "truth")
    (tmp_path / "run" / "run.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"E-INTEGRITY-001: 'run/run\.json' is damaged"):
        evaluate_run(tmp_path / "run", tmp_path / "truth")


@pytest.mark.parametrize("artefacts", [[], None, {}, {"decisions.parquet": {}}])
def test_evaluate_run__a_record_without_its_artefacts_is_damaged(tmp_path: Path, artefacts: Any):
    write_run(tmp_path / "run", tmp_path / "truth")
    write_record(tmp_path / "run", artefacts=artefacts)
    with pytest.raises(IntegrityError, match=r"E-INTEGRITY-001: 'run/run\.json' is damaged"):
        evaluate_run(tmp_path / "run", tmp_path / "truth")


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_evaluate_run__refuses_the_truth_of_other_records_of_the_same_sources(tmp_path: Path, share: float):
    """Another nation has the same sources: it ended as a fault of the program, or with figures of nothing."""
    run, truth = tmp_path / "run", tmp_path / "truth"
    write_run(run, truth, register="register")
    people = [f"person {i}" for i in range(400)]
    other = {"source": ["register"] * 400 + ["tax"] * 400, "true_person_id": people * 2}
    other["record_id"] = [f"p9{i}" for i in range(400)] + [f"t9{i}" for i in range(400)]
    write_parquet(truth / "entities.parquet", pa.table(other))
    with pytest.raises(ConfigError, match="E-EVALUATE-003"):
        evaluate_run(run, truth, share=share)


def test_evaluate_run__a_truth_that_knows_one_record_is_enough(tmp_path: Path):
    run, truth = tmp_path / "run", tmp_path / "truth"
    write_run(run, truth)
    known = {"source": ["register", "tax"], "record_id": ["p1", "t1"], "true_person_id": ["A", "A"]}
    write_parquet(truth / "entities.parquet", pa.table(known))
    figures = evaluate_run(run, truth)
    assert (figures["overall"]["records"], figures["without_truth"]) == (1, 3)


def test_evaluate_run__ids_of_a_truth_may_be_numbers(tmp_path: Path):
    """A truth that was put together by hand has them so."""
    run, truth = tmp_path / "run", tmp_path / "truth"
    write_run(run, truth)
    decisions = run / "decisions.parquet"
    numbered = pl.read_parquet(decisions).with_columns(pl.col("record_id").str.strip_prefix("t"))
    write_parquet(decisions, pa.table(numbered.to_arrow()))
    write_record(run, register="register")
    known = {"source": ["register", "tax"], "record_id": [1, 3], "true_person_id": ["A", "A"]}
    write_parquet(truth / "entities.parquet", pa.table(known))
    assert evaluate_run(run, truth)["without_truth"] == 3
    write_parquet(truth / "entities.parquet", pa.table({**known, "record_id": [1, 30]}))
    with pytest.raises(ConfigError, match="E-EVALUATE-003"):
        evaluate_run(run, truth)


def test_render__an_empty_run_reads_without_figures(tmp_path: Path):
    write_run(tmp_path / "run", tmp_path / "truth", register="register")
    for name in ("decisions", "duplicates", "pairs", "entities"):
        path = tmp_path / "run" / f"{name}.parquet"
        write_parquet(path, pa.table(pl.read_parquet(path).clear().to_arrow()))
    write_record(tmp_path / "run", register="register")
    truth = tmp_path / "truth" / "entities.parquet"
    write_parquet(truth, pa.table({"source": ["register"], "record_id": ["p1"], "true_person_id": ["A"]}))
    assert "0 agency records" in render(evaluate_run(tmp_path / "run", tmp_path / "truth"))
