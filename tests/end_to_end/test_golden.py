"""Two extracts and a register written by hand, with files, columns and codes of their own; decisions frozen.

``golden/`` holds the project as a user would write it. Each record is there for one difficulty, named in
the column ``note`` of the clinic's list. ``golden.json`` holds what is decided, looked through by hand; to
write it anew after a change that was meant, run the tests with GOLDEN=write and look through it again.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from data.generator import generate
from jobs.project import check_project
from tests.end_to_end.runs import digests, run, shuffle

HERE = Path(__file__).parent
FROZEN = HERE / "golden.json"

#: People of the register that the model is learned from.
TEACHERS = 20_000


def write_project(folder, model):
    """The project as it would lie on a user's disk: the clinic's list as Parquet, with its system's types."""
    shutil.copytree(HERE / "golden", folder)
    clinic = pl.read_csv(folder / "clinic.csv", infer_schema=False)
    clinic = clinic.with_columns(pl.col("gender").cast(pl.Int64), seen=pl.lit("2026-09-30").str.to_date())
    clinic.select(
        "mobile", "ward", "gender", "dob", "national_id", "name", "seen", "patient_no"
    ).write_parquet(folder / "clinic.parquet")
    (folder / "clinic.csv").unlink()
    shutil.copy(model, folder / "model.json")
    return folder


@pytest.fixture(scope="module")
def learned(tmp_path_factory, compiled):
    """A model from a nation large enough to learn from."""
    folder = tmp_path_factory.mktemp("teachers")
    generate(folder / "nation", TEACHERS, seed=3)
    run(folder / "nation", folder / "run")
    return folder / "run" / "model.json"


@pytest.fixture(scope="module")
def golden(learned, tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    write_project(folder / "project", learned)
    run(folder / "project", folder / "run")
    return folder


def decisions(folder):
    held = pl.read_parquet(folder / "run" / "decisions.parquet")
    return {(r["source"], r["record_id"]): r for r in held.iter_rows(named=True)}


def described(folder):
    """What is frozen: decision and person by record, merges, refused rows."""
    held = decisions(folder)
    duplicates = pl.read_parquet(folder / "run" / "duplicates.parquet")
    rejects = {
        path.stem: [[r["line"], r["code"]] for r in pl.read_parquet(path).iter_rows(named=True)]
        for path in sorted((folder / "run" / "rejects").glob("*.parquet"))
    }
    return {
        "decisions": {
            f"{source}/{record}": " ".join(filter(None, (row["decision"], row["person_id"])))
            for (source, record), row in sorted(held.items())
        },
        "merges": [
            f"{r['source']}/{r['absorbed_record_id']} into {r['survivor_record_id']}"
            for r in duplicates.iter_rows(named=True)
        ],
        "refused": rejects,
    }


def test_project__written_by_hand_is_accepted(golden):
    found = check_project(golden / "project" / "project.toml")
    assert [s["name"] for s in found["sources"]] == ["clinic", "citizens", "school"]


def test_decisions__are_those_that_were_looked_through(golden):
    found = described(golden)
    if os.environ.get("GOLDEN") == "write":
        FROZEN.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(FROZEN.read_text(encoding="utf-8"))


def test_rows__in_are_accepted_plus_refused(golden):
    sources = json.loads((golden / "run" / "run.json").read_text())["sources"]
    assert {n: s["rows"] for n, s in sources.items()} == {"citizens": 45, "clinic": 44, "school": 16}
    for source in sources.values():
        assert source["rows"] == source["accepted"] + sum(source["refused"].values())


#: Records whose person is beyond doubt to anybody who reads them.
PLAIN = {
    "BN01": "P01", "BN03": "P03", "BN04": "P04", "BN05": "P05", "BN06": "P06", "BN07": "P07", "BN08": "P08",
    "BN09": "P09", "BN10": "P10", "BN11": "P11", "BN12": "P12", "BN13": "P13", "BN14": "P14", "BN16": "P16",
    "BN18": "P18", "BN23": "P23", "BN24": "P24", "BN25": "P25", "BN26": "P26", "BN27": "P27", "BN29": "P29",
    "BN33": "P33", "BN34": "P34", "BN35": "P35", "BN37": "P37", "BN39": "P39", "BN40": "P40", "BN44": "P44",
    "BN63": "P23",
}  # fmt: skip


@pytest.mark.parametrize(("record", "person"), PLAIN.items())
def test_plain_cases__are_linked(golden, record, person):
    row = decisions(golden)["clinic", record]
    assert (row["decision"], row["person_id"]) == ("link", person)


@pytest.mark.parametrize(
    ("record", "wrong"),
    [
        (("clinic", "BN15"), "P14"),  # the father has the same name and the same day and month of birth
        (("clinic", "BN28"), "P29"),  # the number is P29's, name and birth date are P28's
        (("school", "112"), "P13"),  # the twin
        (("school", "117"), "P16"),  # the number is the mother's
        (("school", "132"), "P31"),  # the namesake born on the same day
        *((("clinic", f"BN{n}"), "P18") for n in (19, 20, 21, 22)),  # the clerk's number
    ],
)
def test_hard_cases__are_never_linked_to_the_wrong_person(golden, record, wrong):
    row = decisions(golden)[record]
    assert not (row["decision"] == "link" and row["person_id"] == wrong)


def test_namesakes__of_one_day_are_not_told_apart_by_chance(golden):
    assert decisions(golden)["clinic", "BN31"]["decision"] in ("conflict", "review")


def test_unregistered__are_new_and_one_of_them_is_one_entity_in_both_agencies(golden):
    held = decisions(golden)
    both = [held["clinic", "BN81"], held["school", "181"]]
    assert {row["decision"] for row in both} == {"new"}
    assert both[0]["entity_id"] == both[1]["entity_id"]
    assert held["clinic", "BN82"]["decision"] == "new"
    assert held["clinic", "BN82"]["entity_id"] != both[0]["entity_id"]


def test_too_little__is_ineligible(golden):
    assert decisions(golden)["clinic", "BN91"]["decision"] == "ineligible"


def test_duplicates__the_contracts_survivor_stays(golden):
    orders = {
        (r["source"], r["survivor_record_id"], r["absorbed_record_id"])
        for r in pl.read_parquet(golden / "run" / "duplicates.parquet").iter_rows(named=True)
    }
    # The clinic keeps the lowest key, the school the record that says most.
    assert orders == {("clinic", "BN23", "BN63"), ("school", "143", "144")}


def test_order_of_rows__changes_nothing(golden, learned, tmp_path):
    write_project(tmp_path / "project", learned)
    shuffle(tmp_path / "project", 21)
    run(tmp_path / "project", tmp_path / "run", parts=2)
    assert digests(tmp_path / "run") == digests(golden / "run")
