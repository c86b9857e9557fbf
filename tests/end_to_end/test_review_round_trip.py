"""Review out and back: clerks answer review.csv in their spreadsheet, and the next run does as they say."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil

import polars as pl
import pytest

from data.generator import generate
from data.generator.rates import DEFAULT
from jobs.policies import policy_ids
from jobs.project import load_project
from jobs.run import run_project

PEOPLE = 4000
POLICY = "policies/tax.toml"


@pytest.fixture(scope="module")
def nation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs") / "nation"
    generate(folder, PEOPLE, seed=11, namesakes=30, rates=DEFAULT.scaled(4.0))
    with (folder / "project.toml").open("a") as project:  # strict, so that much is asked
        project.write("\n[decision]\nprecision = 0.9999\nrecord_min = 0.9999\n")
    return folder


@pytest.fixture(scope="module")
def first(nation, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    run_project(nation / "project.toml", out, threads=2)
    return out


def review_rows(run):
    text = (run / "review.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline="")))


def true_persons(nation):
    """(source, record_id) -> the person it truly is of."""
    frame = pl.read_parquet(nation / "truth" / "entities.parquet")
    return {(s, r): p for s, r, p in frame.select("source", "record_id", "true_person_id").iter_rows()}


def as_excel_saves(rows, rng):
    """What a Vietnamese Excel makes of the file: its delimiter, its code page, long numbers destroyed."""
    names = ["ghi chú", *reversed(list(rows[0]))]
    rng.shuffle(rows)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(names)
    for row in rows:
        cells = {**row, "ghi chú": "", "probability": row["probability"].replace(".", ",")}
        for key in ("record_id_l", "record_id_r"):
            digits = cells[key].lstrip("'")
            if digits.isdigit():
                cells[key] = f"{float(digits):.5E}" if len(digits) > 11 else str(int(digits))
        writer.writerow([cells[name] for name in names])
    return out.getvalue().encode("cp1258", "replace")


@pytest.fixture(scope="module")
def second(nation, first, tmp_path_factory):
    """The next run, with every review row answered by the truth; and the answers by pair."""
    truth = true_persons(nation)
    rows = review_rows(first)
    said = {}
    for row in rows:
        left = row["source_l"], row["record_id_l"].removeprefix("'")
        right = row["source_r"], row["record_id_r"].removeprefix("'")
        same = truth[left] == truth[right]
        if same and any(said.get((left, other)) for _, other in said):
            continue  # the register holds this person twice: the record is linked with one of the two
        row["answer"] = "có" if same else "không"
        said[left, right] = same
    folder = shutil.copytree(nation, tmp_path_factory.mktemp("answered") / "nation")
    (folder / "answers.csv").write_bytes(as_excel_saves(rows, random.Random(1)))
    with (folder / "project.toml").open("a") as project:
        project.write('\n[constraints]\nmust_link = ["answers.csv"]\n')
    out = tmp_path_factory.mktemp("runs") / "second"
    run_project(folder / "project.toml", out, threads=2)
    return out, said


def test_review__asks_enough_to_be_worth_answering(second):
    _, said = second
    assert sum(said.values()) >= 3
    assert len(said) - sum(said.values()) >= 3


def test_answers__are_all_honoured(second):
    out, said = second
    run = json.loads((out / "run.json").read_text())
    assert run["answers"] == {
        "read": len(said),
        "honoured": len(said),
        "refused": 0,
        "unanswered": run["answers"]["unanswered"],
    }
    assert pl.read_parquet(out / "answers_refused.parquet").height == 0


def test_decisions__are_those_of_the_answers_and_say_so(second):
    out, said = second
    held = {
        (row["source"], row["record_id"]): row
        for row in pl.read_parquet(out / "decisions.parquet").iter_rows(named=True)
    }
    confirmed = {left: right[1] for (left, right), same in said.items() if same}
    for left, person in confirmed.items():
        decision = held[left]
        assert (decision["decision"], decision["person_id"]) == ("link", person)
        assert "must_link" in decision["reasons"]
    for (left, right), same in said.items():
        if same:
            continue
        decision = held[left]
        assert decision["person_id"] != right[1]
        assert decision["runner_up_person_id"] != right[1]
        if left not in confirmed:
            assert "cannot_link" in decision["reasons"]


def test_pairs__that_were_judged_are_not_asked_again(second):
    out, said = second
    again = {
        (
            (r["source_l"], r["record_id_l"].removeprefix("'")),
            (r["source_r"], r["record_id_r"].removeprefix("'")),
        )
        for r in review_rows(out)
    }
    assert not again & set(said)


def test_review_ids__are_the_same_in_csv_and_parquet_and_from_run_to_run(first, second):
    ids = pl.read_parquet(first / "review.parquet")["review_id"].bin.encode("hex").to_list()
    assert [f"r{i}" for i in ids] == [row["review_id"] for row in review_rows(first)]
    assert len(set(ids)) == len(ids)
    later = pl.read_parquet(second[0] / "review.parquet")
    both = later.join(
        pl.read_parquet(first / "review.parquet"), on=["source_l", "record_id_l", "record_id_r"]
    )
    assert (both["review_id"] == both["review_id_right"]).all()


def test_refused__answers_lie_in_the_run_by_their_line(nation, first, tmp_path):
    rows = review_rows(first)
    rows[0]["answer"], rows[1]["answer"] = "x", "yes"
    for key in ("review_id", "record_id_l"):
        rows[1][key] = "1,23457E+11"
    folder = shutil.copytree(nation, tmp_path / "nation")
    with (folder / "answers.csv").open("w", newline="", encoding="utf-16") as out:
        writer = csv.DictWriter(out, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    with (folder / "project.toml").open("a") as project:
        project.write('\n[constraints]\ncannot_link = ["answers.csv"]\n')
    run = run_project(folder / "project.toml", tmp_path / "run", threads=2).run
    assert run["answers"] == {"read": 2, "honoured": 0, "refused": 2, "unanswered": len(rows) - 2}
    held = pl.read_parquet(tmp_path / "run" / "answers_refused.parquet")
    assert held.select("file", "line", "code").rows() == [
        ("answers.csv", 2, "unknown_answer"),
        ("answers.csv", 3, "key_damaged"),
    ]
    text = (tmp_path / "run" / "answers_refused.csv").read_text(encoding="utf-8-sig")
    assert len(text.splitlines()) == 3
    assert "Khóa của dòng" in text


@pytest.mark.parametrize("changed", ["answers.csv", "register_alias.parquet", POLICY, "project.toml"])
def test_policy_id__changes_with_one_letter_of_any_file_that_decides(nation, tmp_path, changed):
    folder = shutil.copytree(nation, tmp_path / "nation")
    (folder / "answers.csv").write_text("source_l,record_id_l,source_r,record_id_r\n")
    project = (folder / "project.toml").read_text()
    project += '\n[constraints]\ncannot_link = ["answers.csv"]\n'
    (folder / "project.toml").write_text(project)

    def ids():
        return policy_ids(load_project(folder / "project.toml"))

    before = ids()
    assert ids() == before
    assert set(before) == {"insurance", "tax", "education"}
    path = folder / changed
    data = path.read_bytes()
    if changed == "project.toml":
        path.write_bytes(data.replace(b"precision = 0.9999", b"precision = 0.9998"))
    elif changed == POLICY:
        path.write_bytes(data.replace(b'legal_basis = "', b'legal_basis = "~', 1))
    elif changed == "answers.csv":
        path.write_bytes(data.replace(b"\n", b" ", 1))
    else:
        held = pl.read_parquet(path)
        other = pl.Series("number", [held["number"][0][:-1] + "x", *held["number"][1:]])
        held.with_columns(other).write_parquet(path)
    after = ids()
    changed_for = {name for name in before if after[name] != before[name]}
    assert changed_for == ({"tax"} if changed == POLICY else set(before))
    path.write_bytes(data)
    assert ids() == before


def test_decisions__cite_the_policy_of_their_source(nation, first):
    cited = pl.read_parquet(first / "decisions.parquet").select("source", "policy_id").unique()
    assert dict(cited.iter_rows()) == policy_ids(load_project(nation / "project.toml"))
