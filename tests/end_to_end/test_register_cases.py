from __future__ import annotations

import csv
import unicodedata
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from data.generator import DEFAULT, RegisterRates, generate
from jobs.store import read_parquet
from linkage.evidence import EVIDENCE
from linkage.tables import REGISTER_CASES, VERIFICATIONS
from linkage.verify import RESULTS
from tests.end_to_end.runs import copy_nation, run, shuffle
from tests.table_digests import logical_digest

PEOPLE = 4_000

#: A register that is wrong much more often than it is, so that a small one shows what becomes of it.
RATES = replace(
    DEFAULT,
    register=RegisterRates(
        name_wrong=0.02, birth_date_wrong=0.02, sex_wrong=0.01, held_twice=0.004, death_not_entered=0.01
    ),
)

#: What the contracts call the fields that a case can be about.
FIELDS = ("full_name", "birth_date", "sex", "death_date")


@pytest.fixture(scope="module")
def nation(tmp_path_factory, compiled):
    folder = tmp_path_factory.mktemp("register_cases") / "nation"
    generate(folder, PEOPLE, seed=3, rates=RATES)
    project = folder / "project.toml"
    text = project.read_text(encoding="utf-8")
    assert text.count('name = "education"') == 1
    project.write_text(
        text.replace('name = "education"', 'name = "education"\nverify = true'), encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def folder(nation, tmp_path_factory):
    out = tmp_path_factory.mktemp("register_cases") / "run"
    run(nation, out)
    return out


@pytest.fixture(scope="module")
def cases(folder):
    return pl.read_parquet(folder / "register_cases.parquet")


@pytest.fixture(scope="module")
def truth(nation):
    """Errors of the register: person, field, true value, and how many agencies hold it."""
    errors = pl.read_parquet(nation / "truth" / "errors.parquet")
    people = pl.read_parquet(nation / "truth" / "entities.parquet")
    register = people.filter(pl.col("source") == "register").select("true_person_id", person_id="record_id")
    wrong = (
        errors.filter((pl.col("source") == "register") & pl.col("field").is_in(FIELDS))
        .rename({"record_id": "person_id"})
        .join(register, on="person_id")
        .select("person_id", "true_person_id", "field", "true_value")
    )
    held = []
    for source in ("insurance", "tax", "education"):
        contract = (nation / "contracts" / f"{source}.toml").read_text(encoding="utf-8")
        for field in FIELDS:
            if f'standard = "{field}"' in contract:
                bad = errors.filter((pl.col("source") == source) & (pl.col("field") == field))
                good = people.filter(pl.col("source") == source).join(bad, on="record_id", how="anti")
                held.append(good.select("true_person_id", "source", field=pl.lit(field)))
    right = pl.concat(held).group_by("true_person_id", "field").agg(right=pl.col("source").n_unique())
    return wrong.join(right, on=["true_person_id", "field"], how="left").with_columns(
        pl.col("right").fill_null(0)
    )


def test_register_cases__are_true_and_miss_few(cases, truth, nation) -> None:
    told = cases.filter(pl.col("kind") == "field").join(
        truth, on=["person_id", "field"], how="left", maintain_order="left"
    )
    true = told["true_value"].is_not_null()
    people = pl.read_parquet(nation / "truth" / "entities.parquet").filter(pl.col("source") == "register")
    who = dict(zip(people["record_id"], people["true_person_id"], strict=True))
    doubles = cases.filter(pl.col("kind") == "duplicate")
    one_person = [who[a] == who[b] for a, b in doubles.select("person_id", "other_person_id").iter_rows()]
    assert len(one_person) >= 5
    assert int(true.sum()) + sum(one_person) >= 0.9 * cases.height
    # Whoever is right about the register is right about the value too, letter by letter.
    plain = [
        unicodedata.normalize("NFC", v).casefold() == unicodedata.normalize("NFC", t).casefold()
        for v, t in told.filter(true).select("agency_value", "true_value").iter_rows()
    ]
    assert sum(plain) >= 0.9 * len(plain)
    findable = truth.filter(pl.col("right") >= 2)
    found = findable.join(cases, on=["person_id", "field"], how="semi")
    assert findable.height > 40
    assert found.height >= 0.8 * findable.height
    assert set(found["field"]) >= {"full_name", "birth_date", "sex"}


def test_register_cases__never_about_residence_or_telephone(cases) -> None:
    assert not set(cases["field"].drop_nulls()) & {"commune", "phone"}


def test_register_cases__cite_agencies_and_evidence(cases) -> None:
    assert cases["case_id"].n_unique() == cases.height
    for case in cases.iter_rows(named=True):
        assert case["evidence"]
        assert set(case["evidence"]) <= set(EVIDENCE)
        assert case["agencies"] == sorted(set(case["agencies"]))
        assert case["confidence"] >= 0.9
        assert case["records"] >= len(case["agencies"])
        if case["kind"] == "duplicate":
            assert case["person_id"] < case["other_person_id"]
            assert case["field"] is None
        elif not case["agencies"]:
            assert case["evidence"] == ["number_contradicts_holder"]
        elif len(case["agencies"]) == 1:
            assert {"number_structure", "register_spelling", "register_mistyped"} & set(case["evidence"])


def test_register_cases__the_page_tells_every_case(folder, cases) -> None:
    raw = (folder / "register_cases.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    assert [row["Mã vụ việc"] for row in rows] == [i.hex() for i in cases["case_id"]]
    assert all(row["Căn cứ"].endswith(".") for row in rows)
    dates = 0
    for row, case in zip(rows, cases.iter_rows(named=True), strict=True):
        if case["field"] == "birth_date":
            for column, heading in (
                ("register_value", "Giá trị trong CSDL dân cư"),
                ("agency_value", "Giá trị trái với CSDL dân cư"),
            ):
                value = case[column]
                if value and len(value) == 10 and value[4] == "-":
                    year, month, day = value.split("-")
                    assert row[heading] == f"{day}/{month}/{year}"
                    dates += 1
    assert dates > 0


def test_verifications__every_record_of_the_source_that_asked(folder, nation) -> None:
    told = pl.read_parquet(folder / "verifications.parquet")
    decisions = pl.read_parquet(folder / "decisions.parquet").filter(pl.col("source") == "education")
    assert told.select("record_id", "decision_id").equals(decisions.select("record_id", "decision_id"))
    assert set(told["source"]) == {"education"}
    by_result = dict(told.group_by("result").agg(n=pl.len()).iter_rows())
    assert set(by_result) <= set(RESULTS)
    linked = decisions["decision"] == "link"
    assert (told.filter(~linked)["fields"].list.len() == 0).all()
    assert by_result["050"] == (decisions["decision"] == "new").sum()


def test_verifications__find_the_errors_and_nothing_else(folder, nation, truth) -> None:
    told = pl.read_parquet(folder / "verifications.parquet").filter(pl.col("fields").list.len() > 0)
    errors = pl.read_parquet(nation / "truth" / "errors.parquet")
    wrong = pl.read_parquet(nation / "truth" / "entities.parquet").join(
        truth.select("true_person_id").unique(), on="true_person_id", how="semi"
    )
    sure = told.join(wrong, on=["source", "record_id"], how="anti")
    for field, code in (("sex", "080"), ("birth_date", "070")):
        planted = errors.filter((pl.col("source") == "education") & (pl.col("field") == field))
        with_error = sure.join(planted, on=["source", "record_id"], how="semi")
        without = sure.join(planted, on=["source", "record_id"], how="anti")
        assert with_error["findings"].list.contains(code).mean() > 0.95
        assert not without["findings"].list.contains(code).any()


def test_verifications__the_page_for_the_source(folder) -> None:
    told = pl.read_parquet(folder / "verifications.parquet")
    raw = (folder / "verifications" / "education.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    assert [(r["record_id"], r["result"]) for r in rows] == list(
        told.select("record_id", "result").iter_rows()
    )
    assert [p.name for p in (folder / "verifications").iterdir()] == ["education.csv"]
    said = {s: (folder / "receipts" / f"{s}.txt").read_text(encoding="utf-8") for s in ("education", "tax")}
    assert "verifications/education.csv" in said["education"]
    assert "verifications/" not in said["tax"]


@pytest.mark.slow
def test_register_cases__whatever_the_order_of_rows(nation, folder, tmp_path: Path) -> None:
    other = copy_nation(nation, tmp_path / "nation")
    shuffle(other, 9)
    run(other, tmp_path / "run", threads=1)
    for table in (REGISTER_CASES, VERIFICATIONS):
        first, second = (read_parquet(f / f"{table.name}.parquet") for f in (folder, tmp_path / "run"))
        # Both cite digests of input files, whose bytes are others now.
        kept = [c for c in first.column_names if c not in ("register_version", "decision_id")]
        assert logical_digest(first.select(kept), table.sorted_by) == logical_digest(
            second.select(kept), table.sorted_by
        )
