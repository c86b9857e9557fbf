"""A share of the people: drawn whole, the same each time, and judged as a run of just their records is."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from jobs.evaluation import evaluate_run, render
from jobs.evaluation_sample import all_strangers, read_sample
from tests.jobs.test_evaluation import write_record

PEOPLE = 600


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run about agency records of which some are linked wrongly, some doubled, and its truth."""
    folder = tmp_path_factory.mktemp("judged")
    rng = np.random.default_rng(5)
    person = np.sort(rng.integers(0, PEOPLE, 900))
    wrong = rng.random(900) < 0.1
    named = np.where(wrong, rng.integers(0, PEOPLE, 900), person)
    ids = [f"t{i}" for i in range(900)]
    frames = {
        "truth/entities": pl.DataFrame(
            {
                "source": ["register"] * PEOPLE + ["tax"] * 900,
                "record_id": [f"p{i}" for i in range(PEOPLE)] + ids,
                "true_person_id": [f"person {i}" for i in [*range(PEOPLE), *person]],
            }
        ),
        "run/decisions": pl.DataFrame(
            {
                "source": "tax",
                "record_id": ids,
                "decision": rng.choice(["link", "review"], 900, p=[0.9, 0.1]),
                "person_id": [f"p{i}" for i in named],
                "probability": rng.choice([0.9, 0.995, 0.9999], 900),
            }
        ),
        "run/entities": pl.DataFrame(
            {"source": "tax", "record_id": ids, "entity_id": [str(i).encode() for i in named]}
        ),
        "run/duplicates": pl.DataFrame(
            [
                {"source": "tax", "survivor_record_id": ids[i - 1], "absorbed_record_id": ids[i]}
                for i in range(1, 900)
                if named[i] == named[i - 1]
            ]
        ),
        "run/pairs": pl.DataFrame(
            {
                "source_l": "tax",
                "record_id_l": ids,
                "source_r": "register",
                "record_id_r": [f"p{i}" for i in named],
            }
        ),
        "run/candidates_lost": pl.DataFrame({"source": "tax", "record_id": ids, "stage": "blocking"}),
    }
    write(folder, frames)
    return folder


def write(folder: Path, frames: dict[str, pl.DataFrame]) -> None:
    for name, frame in frames.items():
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path, row_group_size=101)
    write_record(folder / "run")


def test_sample__draws_people_whole_and_more_of_them_with_the_share(made: Path) -> None:
    path = made / "truth" / "entities.parquet"
    whole = pl.read_parquet(path)
    before: set[str] = set()
    for share in (0.05, 0.3, 0.7):
        truth = read_sample(path, share).truth
        people = set(truth["true_person_id"])
        assert abs(len(people) / PEOPLE - share) < 0.1
        assert before < people
        before = people
        wanted = whole.filter(pl.col("true_person_id").is_in(list(people)))
        assert truth.sort("source", "record_id").equals(wanted.sort("source", "record_id"))
    assert read_sample(path, 1.0).truth.height == whole.height


def test_share__gives_the_figures_of_a_run_of_just_those_records(made: Path, tmp_path: Path) -> None:
    people = set(read_sample(made / "truth" / "entities.parquet", 0.4).truth["true_person_id"])
    truth = pl.read_parquet(made / "truth" / "entities.parquet")
    truth = truth.filter(pl.col("true_person_id").is_in(list(people)))
    records = set(zip(truth["source"], truth["record_id"], strict=True))
    frames = {"truth/entities": truth}
    for name, source, column in (
        ("decisions", "source", "record_id"),
        ("entities", "source", "record_id"),
        ("duplicates", "source", "absorbed_record_id"),
        ("pairs", "source_l", "record_id_l"),
        ("candidates_lost", "source", "record_id"),
    ):
        frame = pl.read_parquet(made / "run" / f"{name}.parquet")
        rows = [pair in records for pair in zip(frame[source], frame[column], strict=True)]
        frames[f"run/{name}"] = frame.filter(pl.Series(rows))
    write(tmp_path, frames)
    judged = evaluate_run(made / "run", made / "truth", share=0.4)
    apart = evaluate_run(tmp_path / "run", tmp_path / "truth")
    assert judged.pop("share") == 0.4
    assert apart.pop("share") == 1.0
    assert judged.pop("entities") is None
    apart.pop("entities")
    assert judged == apart
    assert 0 < judged["overall"]["link"]["precision"]["value"] < 1


def test_render__says_what_share_was_judged(made: Path) -> None:
    assert "of 25 % of the people" in render(evaluate_run(made / "run", made / "truth", share=0.25))
    assert "of the people;" not in render(evaluate_run(made / "run", made / "truth"))


def test_all_strangers__means_that_there_are_records_and_the_truth_knows_none(
    made: Path, tmp_path: Path
) -> None:
    path, truth = made / "run" / "decisions.parquet", made / "truth" / "entities.parquet"
    rows, known = pl.read_parquet(path), pl.read_parquet(truth)
    assert not all_strangers(path, truth)
    frames = {
        "one": rows.tail(1),
        "none": rows.clear(),
        "other_source": rows.with_columns(source=pl.lit("bank")),
        "other_ids": rows.with_columns(record_id="x" + pl.col("record_id")),
    }
    said = {}
    for name, frame in frames.items():
        frame.with_columns(pl.col("source").cast(pl.Categorical)).write_parquet(tmp_path / name)
        said[name] = all_strangers(tmp_path / name, truth)
    assert said == {"one": False, "none": False, "other_source": True, "other_ids": True}
    known.clear().write_parquet(tmp_path / "no_truth")
    assert all_strangers(path, tmp_path / "no_truth")
