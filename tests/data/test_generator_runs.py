import hashlib
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import polars as pl
import pytest

from data.generator import DEFAULT, chunk, generate, nation, parse_rates


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunk, "CHUNK", 1_500)


def _digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_generate__gives_the_same_bytes_on_any_number_of_threads(tmp_path, small_chunks):
    for threads in (1, 2, 5):
        generate(tmp_path / str(threads), 5_000, seed=4, threads=threads)
    first = _digests(tmp_path / "1")
    assert len(first) == 17
    assert _digests(tmp_path / "2") == first
    assert _digests(tmp_path / "5") == first


def test_generate__another_seed_is_another_nation(tmp_path, small_chunks):
    generate(tmp_path / "one", 1_000, seed=1)
    generate(tmp_path / "two", 1_000, seed=2)
    one, two = (pl.read_parquet(tmp_path / name / "register.parquet") for name in ("one", "two"))
    assert len(set(one["personal_number"]) & set(two["personal_number"])) < 5


def test_generate__is_the_same_in_another_process(tmp_path):
    generate(tmp_path / "here", 700, seed=9)
    script = (
        "import sys, pathlib; from data.generator import generate;"
        "generate(pathlib.Path(sys.argv[1]), 700, seed=9)"
    )
    root = Path(chunk.__file__).parents[2]
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "there")], check=True, cwd=root)
    assert _digests(tmp_path / "here") == _digests(tmp_path / "there")


def test_files__split_the_same_rows(tmp_path, small_chunks):
    generate(tmp_path / "whole", 4_000, seed=3)
    generate(tmp_path / "split", 4_000, seed=3, files=3)
    parts = sorted(path.name for path in (tmp_path / "split").glob("register-*.parquet"))
    assert parts == ["register-000.parquet", "register-001.parquet", "register-002.parquet"]
    whole = pl.read_parquet(tmp_path / "whole" / "register.parquet").sort("person_id")
    split = pl.concat([pl.read_parquet(tmp_path / "split" / part) for part in parts]).sort("person_id")
    assert whole.equals(split)
    for source in ("insurance", "tax", "education"):
        lines = [
            path.read_text().splitlines() for path in sorted((tmp_path / "split").glob(f"{source}-*.csv"))
        ]
        header, *rows = (tmp_path / "whole" / f"{source}.csv").read_text().splitlines()
        assert len(lines) == 3
        assert all(part[0] == header for part in lines)
        assert sorted(row for part in lines for row in part[1:]) == sorted(rows)
    assert 'files = ["tax-*.csv"]' in (tmp_path / "split" / "project.toml").read_text()
    same = [path.name for path in (tmp_path / "whole" / "truth").iterdir()]
    assert all(
        (tmp_path / "whole" / "truth" / name).read_bytes()
        == (tmp_path / "split" / "truth" / name).read_bytes()
        for name in same
    )


def test_born__holds_one_birth_year_with_its_twins(tmp_path, small_chunks):
    report = generate(tmp_path / "slice", 6_000, born=1985)
    register = pl.read_parquet(tmp_path / "slice" / "register.parquet")
    errors = pl.read_parquet(tmp_path / "slice" / "truth" / "errors.parquet")
    wrong = set(
        errors.filter((pl.col("source") == "register") & (pl.col("field") == "birth_date"))["record_id"]
    )
    right = register.filter(~pl.col("person_id").is_in(list(wrong)))
    assert set(right["birth_date"].dt.year()) == {1985}
    for source, share in (("insurance", 0.80), ("tax", 0.50), ("education", 0.03)):
        assert abs(report.records[source] / 6_000 - share) < 0.03
    assert report.population["twins"] > 30
    assert report.planted["insurance.personal_number.relative_number"] >= 1
    assert register["personal_number"].n_unique() == register.height
    twins = register.drop_nulls(["father_name", "mother_name"]).filter(
        pl.struct("father_name", "mother_name", "birth_date").is_duplicated()
    )
    assert twins.height > 30
    assert not twins.select("father_name", "mother_name", "full_name").is_duplicated().any()


def test_namesakes__multiply_shared_names(tmp_path):
    means = []
    for factor in (1.0, 12.0):
        report = generate(tmp_path / str(factor), 20_000, seed=2, born=1960, namesakes=factor)
        means.append(next(float(entry["full_name"]) for entry in report.coincidences if entry["sex"] == "F"))
    assert 9 < means[1] / means[0] < 15


def test_rates__reach_the_extracts(tmp_path):
    rates = parse_rates(
        ["insurance.number_missing=0.5", "tax.second_record=0.2", "education.unregistered=0.1"]
    )
    report = generate(tmp_path / "nation", 8_000, rates=rates)
    assert abs(report.planted["insurance.personal_number.missing"] / report.records["insurance"] - 0.5) < 0.03
    assert abs(report.planted["tax.record.second_record"] / report.records["tax"] - 0.2) < 0.04
    assert abs(report.planted["education.record.unregistered"] / report.records["education"] - 0.1) < 0.03


def test_rates__double_and_vanish(tmp_path):
    double = generate(tmp_path / "double", 4_000, rates=DEFAULT.scaled(2.0))
    assert abs(double.planted["tax.personal_number.old_number"] / double.records["tax"] - 0.2) < 0.05
    none = generate(tmp_path / "none", 1_000, rates=DEFAULT.scaled(0.0))
    left = {name.split(".", 1)[1] for name in none.planted}
    assert left <= {
        "phone.earlier", "phone.relative", "phone.shared", "personal_number.cancelled_number",
        "death_date.not_known",
    }  # fmt: skip


@pytest.mark.parametrize("people", [1, 2, 7, 60])
def test_generate__makes_very_small_nations(tmp_path, people):
    report = generate(tmp_path / "nation", people)
    assert report.population["registered"] == people
    assert pl.read_parquet(tmp_path / "nation" / "register.parquet").height >= people
    for name in ("entities", "errors", "fields"):
        pl.read_parquet(tmp_path / "nation" / "truth" / f"{name}.parquet")


def test_progress__counts_people(tmp_path, small_chunks):
    seen: list[tuple[int, int]] = []
    generate(tmp_path / "nation", 4_001, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (4_001, 4_001)
    assert seen == sorted(seen)
    assert len(seen) == 3


def test_memory__does_not_grow_with_the_people(tmp_path, small_chunks):
    peaks = []
    generate(tmp_path / "warm", 1_500)
    for people in (6_000, 24_000):
        tracemalloc.start()
        generate(tmp_path / str(people), people, threads=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.4 * peaks[0] + 2_000_000


def test_generate__leaves_nothing_behind_when_it_fails(tmp_path, monkeypatch, small_chunks):
    def fail(*_arguments):
        raise RuntimeError("disk full")

    monkeypatch.setattr(nation.NationFiles, "add", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        generate(tmp_path / "nation", 4_000)
    assert list(tmp_path.iterdir()) == []


def test_generate__refuses_a_folder_in_use(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        generate(tmp_path, 10)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "wrong", [{"people": 0}, {"born": 1850}, {"threads": 0}, {"files": 0}, {"seed": -1}, {"namesakes": 99.0}]
)
def test_generate__refuses_arguments_out_of_range(tmp_path, wrong):
    with pytest.raises(ValueError, match="wanted"):
        generate(tmp_path / "nation", **{"people": 10, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_report__is_what_is_written(tmp_path):
    report = generate(tmp_path / "nation", 500)
    assert json.loads((tmp_path / "nation" / "report.json").read_text()) == json.loads(report.json())
