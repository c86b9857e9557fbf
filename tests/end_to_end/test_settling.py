"""Settling changes nothing: a run that scores every candidate of settled records decides alike, and so does
one that settles nobody.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from data.generator import generate
from jobs import tasks_settle
from jobs.run import run_project
from jobs.workspace import Workspace
from linkage import settle

#: Artefacts that skipping must not touch; pairs.parquet says more where all candidates are scored.
SAME = ("decisions", "entities", "duplicates", "links", "register_cases", "repairs", "subgroups")

#: What a settled record is not told: its decision rests on one pair.
UNTOLD = ("rule", "runner_up_person_id", "margin")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One nation, reconciled without the other candidates of settled records, with them, and with nobody
    settled.
    """
    folder = tmp_path_factory.mktemp("nation")
    generate(folder / "nation", 4_000, seed=9)
    project = folder / "nation" / "project.toml"
    scored = project.with_name("scored.toml")
    scored.write_text(project.read_text() + "\n[settle]\nskip = false\n")
    nobody = project.with_name("nobody.toml")
    nobody.write_text(project.read_text() + "\n[settle]\nlevels = []\n")

    out = {name: folder / name for name in ("skipped", "scored", "nobody")}
    with pytest.MonkeyPatch.context() as patch:
        # Few records are rehearsed, so that the others can be settled.
        patch.setattr(settle, "SAMPLED", 500)
        run_project(project, out["skipped"], threads=2)
        run_project(scored, out["scored"], threads=2)
        run_project(nobody, out["nobody"], threads=2)
    Workspace.open.cache_clear()
    return out


def decisions(run: Path) -> pl.DataFrame:
    """The decisions of a run, by record."""
    return pl.read_parquet(run / "decisions.parquet").sort("source", "record_id")


def test_settling__scores_fewer_pairs(runs: dict[str, Path]) -> None:
    compared = {}
    for name, run in runs.items():
        stages = json.loads((run / "run.json").read_text())["stages"]
        compared[name] = next(s["pairs"] for s in stages if s["stage"] == "match")
    assert compared["skipped"] < compared["nobody"]
    # Who could come near is compared beforehand.
    assert compared["nobody"] < compared["scored"] < 1.01 * compared["nobody"]


def test_settled__are_most_of_the_links_and_only_links(runs: dict[str, Path]) -> None:
    held = decisions(runs["skipped"])
    settled = held.filter(pl.col("rule") == "settled")
    assert settled.height > held.height / 2
    assert settled["decision"].unique().to_list() == ["link"]
    assert not (decisions(runs["nobody"])["rule"] == "settled").any()


def test_settled__carry_a_rule_of_their_own_and_no_second_candidate(runs: dict[str, Path]) -> None:
    settled = decisions(runs["skipped"]).filter(pl.col("rule") == "settled")
    assert settled["runner_up_person_id"].null_count() == settled.height
    assert settled["margin"].null_count() == settled.height
    # The one pair against nobody: beyond 53 bits of odds the nearest number to it is 1.
    assert settled["probability"].min() > 0.999
    assert settled["probability"].max() <= 1.0
    pairs = pl.read_parquet(runs["skipped"] / "pairs.parquet").rename(
        {"source_l": "source", "record_id_l": "record_id"}
    )
    own = pairs.join(settled, on=["source", "record_id"], how="semi")
    assert own.height == settled.height
    assert own["rule"].unique().to_list() == ["settled"]


@pytest.mark.parametrize("name", SAME)
def test_skipping__leaves_every_artefact_as_it_is(name: str, runs: dict[str, Path]) -> None:
    skipped, scored = (pq.read_table(runs[run] / f"{name}.parquet") for run in ("skipped", "scored"))
    assert skipped.num_rows > 0
    assert skipped.equals(scored)


def decides_alike(one: Path, other: Path) -> bool:
    """Whether every record is decided alike, with the same person, entity, probability and reasons, and so
    are duplicates, entities, links and all that is reckoned from the probabilities, to the last bit.
    """
    told = [c for c in decisions(one).columns if c not in UNTOLD]
    alike = decisions(one).select(told).equals(decisions(other).select(told))
    for name in ("entities", "duplicates", "links"):
        tables = [pq.read_table(run / f"{name}.parquet") for run in (one, other)]
        assert tables[0].num_rows > 0
        alike &= (
            tables[0]
            .drop_columns([c for c in UNTOLD if c in tables[0].column_names])
            .equals(tables[1].drop_columns([c for c in UNTOLD if c in tables[1].column_names]))
        )
    records = [json.loads((run / "run.json").read_text()) for run in (one, other)]
    return alike and all(
        records[0][key] == records[1][key] for key in ("estimates", "registered", "calibration")
    )


def test_settling__decides_every_record_as_a_run_that_settles_nobody(runs: dict[str, Path]) -> None:
    """The records themselves, compared with all of their candidates: nobody is decided otherwise."""
    assert decisions(runs["skipped"]).height > 4_000
    assert decides_alike(runs["skipped"], runs["nobody"])


def changed_digit(number: str, place: int) -> str:
    """The number with another digit at the place."""
    return number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]


def rivals_of(person: dict[str, Any], stranger: dict[str, Any]) -> list[dict[str, Any]]:
    """Register rows that come near a person: the person again, once under a slip of the number, once under
    two digits in each other's place, once under another number, once under none, once with a slip in the day
    of birth; a twin under the next number; a stranger of the same name and birth date; and the person again
    with another birth year, under a slip of the number with a slip in the name, and with a slip in the name
    and another year. Of the last three, see :func:`plant`.
    """
    number = person["personal_number"]
    twin = " ".join([*person["full_name"].split()[:-1], "Bình"])
    place = next(k for k in range(6, 11) if number[k] != number[k + 1])
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    other = changed_digit(changed_digit(changed_digit(number, 6), 8), 10)
    born = person["birth_date"]
    slip = born.replace(day={1: 2, 10: 11, 20: 21, 30: 20}.get(born.day, born.day - 1))
    later = born.replace(year=born.year + 1, day=min(born.day, 28))
    surname, *rest = person["full_name"].split()
    misspelt = " ".join([surname, *rest[:-1], rest[-1] + "h"])
    elsewhere = {c: stranger[c] for c in ("birth_province", "commune", "phone", "father_name", "mother_name")}
    return [
        person | {"personal_number": changed_digit(number, 8)},
        person | {"personal_number": swapped},
        person | {"personal_number": other},
        person | {"personal_number": None},
        person | {"personal_number": changed_digit(number, 11), "full_name": twin},
        person | {"personal_number": other} | elsewhere,
        person | {"personal_number": other, "birth_date": slip},
        person | {"personal_number": None, "birth_date": later},
        person | {"personal_number": changed_digit(number, 9), "full_name": misspelt},
        person | {"personal_number": None, "full_name": misspelt, "birth_date": later},
    ]


#: Rivals, by their place among :func:`rivals_of`, who are up to date where the person's own row is not.
NEWER = (7, 8, 9)


def plant(nation: Path) -> dict[str, str]:
    """Give every twentieth register person of a nation a rival, one kind after another; gives the kin: the
    number of each person and the rival's ``person_id``. Of some kinds the rival has the telephone, the
    parents and the commune that agencies hold, and the person's own row has others.
    """
    register = pl.read_parquet(nation / "register.parquet")
    people = [p for p in register.to_dicts() if p["birth_date"] and len(set(p["personal_number"] or "")) > 4]
    held = set(register["personal_number"].to_list())
    planted, kin, older = [], {}, {}
    for k, person in enumerate(people[::20]):
        kind = k % 10
        rival = rivals_of(person, people[7 * k + 1])[kind]
        if kind in NEWER:
            aged = ("commune", "phone", "father_name", "mother_name")
            older[person["person_id"]] = {c: people[7 * k + 1][c] for c in aged}
        if rival["personal_number"] is None or rival["personal_number"] not in held:
            held.add(rival["personal_number"])
            planted.append(rival | {"person_id": f"X{k:09d}", "old_number": None})
            kin[person["personal_number"]] = planted[-1]["person_id"]
    rows = pl.DataFrame(planted, schema=register.schema)
    held_rows = [p | older.get(p["person_id"], {}) for p in register.to_dicts()]
    own = pl.DataFrame(held_rows, schema=register.schema)
    pl.concat([own, rows]).write_parquet(nation / "register.parquet")
    return kin


def answer(nation: Path, kin: dict[str, str]) -> int:
    """Let clerks say of some records that they are the rival's, or are not; gives of how many."""
    records = pl.read_csv(nation / "insurance.csv", infer_schema=False)
    about = records.filter(pl.col("SO_DINH_DANH").is_in(list(kin)))["SO_BHXH", "SO_DINH_DANH"].rows()
    for name, rows in (("must", about[:12:2]), ("cannot", about[1:12:2])):
        lines = [f"insurance,{record},register,{kin[number]}\n" for record, number in rows]
        head = "source_l,record_id_l,source_r,record_id_r\n"
        (nation / f"{name}.csv").write_text(head + "".join(lines))
    with (nation / "project.toml").open("a") as project:
        project.write('\n[constraints]\nmust_link = ["must.csv"]\ncannot_link = ["cannot.csv"]\n')
        project.write("[decision]\nreview_max = 1.0\n")
    return len(about[:12])


def nobody_near(*_: object) -> tuple[np.ndarray, np.ndarray]:
    """In place of the pairs with rivals: none."""
    return np.zeros(0, np.int64), np.zeros(0, np.int64)


@pytest.mark.parametrize("seed", [4, 5])
def test_settling__decides_alike_where_the_register_holds_rivals(seed: int, tmp_path: Path) -> None:
    """Doubles, twins, strangers of one name and birth date, and what clerks have answered about them."""
    nation = tmp_path / "nation"
    generate(nation, 4_000, seed=seed)
    kin = plant(nation)
    assert len(kin) > 150
    assert answer(nation, kin) == 12
    project = nation / "project.toml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settle, "SAMPLED", 500)
        run_project(project, tmp_path / "settled", threads=2)
        patch.setattr(tasks_settle, "_rivals", nobody_near)
        run_project(project, tmp_path / "trusting", threads=2)
        with project.open("a") as more:
            more.write("\n[settle]\nlevels = []\n")
        run_project(project, tmp_path / "nobody", threads=2)
    Workspace.open.cache_clear()
    assert decides_alike(tmp_path / "settled", tmp_path / "nobody")
    assert (decisions(tmp_path / "settled")["rule"] == "settled").mean() > 0.4
    assert not decides_alike(tmp_path / "trusting", tmp_path / "nobody"), "the rivals are none"
