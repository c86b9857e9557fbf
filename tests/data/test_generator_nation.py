"""One nation, read back slowly and judged by what its truth says."""

import csv
import datetime
import json
import math
import stat
import tomllib
from collections import Counter, defaultdict

import polars as pl
import pytest

from data import reference
from data.generator import DEFAULT, chunk, generate

PEOPLE = 36_000
AGENCIES = ("insurance", "tax", "education")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("generator") / "nation"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "CHUNK", 9_000)
        generate(out, PEOPLE, seed=11)
    return out


@pytest.fixture(scope="module")
def contracts(folder):
    return {path.stem: tomllib.loads(path.read_text()) for path in sorted((folder / "contracts").iterdir())}


@pytest.fixture(scope="module")
def register(folder):
    return pl.read_parquet(folder / "register.parquet")


@pytest.fixture(scope="module")
def records(folder, contracts):
    """Every agency's rows by key, by standard field, the text as it stands."""
    found = {}
    for source in AGENCIES:
        contract = contracts[source]
        names = {field["column"]: field["standard"] for field in contract["field"]}
        with (folder / f"{source}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter=contract["delimiter"]))
        found[source] = {
            row[contract["key"]]: {names[column]: text for column, text in row.items() if column in names}
            for row in rows
        }
        assert len(found[source]) == len(rows)
    return found


@pytest.fixture(scope="module")
def truth(folder):
    return {
        name: pl.read_parquet(folder / "truth" / f"{name}.parquet")
        for name in ("entities", "errors", "fields")
    }


@pytest.fixture(scope="module")
def true_person(truth):
    return {(source, record): person for source, record, person in truth["entities"].iter_rows()}


def test_files__are_private_and_complete(folder):
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert names == sorted(
        [
            "project.toml", "report.json", "register.parquet", "register_alias.parquet", "insurance.csv",
            "tax.csv", "education.csv", "contracts/register.toml", "contracts/insurance.toml",
            "contracts/tax.toml", "contracts/education.toml", "policies/insurance.toml",
            "policies/tax.toml", "policies/education.toml", "truth/entities.parquet",
            "truth/errors.parquet", "truth/fields.parquet",
        ]
    )  # fmt: skip
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_project__names_files_that_exist(folder, contracts):
    project = tomllib.loads((folder / "project.toml").read_text())
    assert project["schema"] == 1
    assert project["project"] == {"name": "nation", "locale": ["vietnam"]}
    assert [source["name"] for source in project["source"]] == ["register", *AGENCIES]
    for source in project["source"]:
        assert (folder / source["contract"]).is_file()
        assert all((folder / file).is_file() for file in source["files"])
        assert source["extract_date"] == datetime.date(2026, 11, 20)
        assert source["role"] == ("register" if source["name"] == "register" else "agency")
    alias = contracts["register"]["alias_file"]
    assert (folder / "contracts" / alias).resolve() == (folder / "register_alias.parquet").resolve()


def test_contracts__tell_every_column(folder, contracts, register):
    columns = {"register": register.columns}
    for source in AGENCIES:
        with (folder / f"{source}.csv").open(encoding="utf-8", newline="") as stream:
            columns[source] = next(csv.reader(stream, delimiter=contracts[source]["delimiter"]))
    keys = set()
    for source, contract in contracts.items():
        told = {field["column"] for field in contract["field"]} | {contract["key"]}
        assert told == set(columns[source])
        keys.add(contract["key"])
        by_standard = {field["standard"]: field for field in contract["field"]}
        assert sorted(by_standard["sex"]["codes"].values()) == ["F", "M"]
        assert by_standard["commune"]["codes"] == "gso"
    assert len(keys) == 4
    assert contracts["insurance"]["field"][4]["as_of"] == datetime.date(2025, 6, 30)
    assert {tuple(_field(contract, "birth_date")["formats"]) for contract in contracts.values()} == {
        ("yyyy-mm-dd",), ("dd/mm/yyyy", "yyyy"), ("yyyymmdd", "yyyy"), ("d/m/yyyy", "yyyy"),
    }  # fmt: skip


def test_register__holds_every_standard_field(register, truth):
    assert register.height >= PEOPLE
    assert register.columns == [
        "person_id", "personal_number", "old_number", "full_name", "birth_date", "sex", "birth_province",
        "commune",        "phone", "father_name", "mother_name", "death_date",
    ]  # fmt: skip
    assert register["person_id"].n_unique() == register.height
    assert register["personal_number"].n_unique() == register.height
    assert register["personal_number"].str.contains(r"^\d{12}$").all()
    doubles = truth["errors"].filter(pl.col("error") == "held_twice")["record_id"].to_list()
    old = register.filter(~pl.col("person_id").is_in(doubles))["old_number"].drop_nulls()
    assert old.n_unique() == len(old)
    before_2004 = register.filter(pl.col("birth_date") < datetime.date(2004, 1, 1))
    assert _near(before_2004["old_number"].is_not_null().sum(), before_2004.height, 0.90)
    assert _near(register["phone"].is_not_null().sum(), register.height, 0.70)
    assert _near(register["mother_name"].is_not_null().sum(), register.height, 0.80 * 0.994, slack=0.004)
    assert set(register["commune"]) <= set(reference.communes_after()["code"])
    assert set(register["birth_province"]) <= set(reference.provinces()["gso"])
    prefixes = dict(reference.provinces().select("gso", "old_prefixes").iter_rows())
    held = register.drop_nulls("old_number")
    assert all(
        number.startswith(tuple(prefixes[province].split()))
        for number, province in held.select("old_number", "birth_province").iter_rows()
    )
    agree = [
        number[:3] == "0" + province
        and int(number[3]) % 2 == (sex == "Nữ")
        and int(number[4:6]) == birth.year % 100
        for number, province, sex, birth in register.select(
            "personal_number", "birth_province", "sex", "birth_date"
        ).iter_rows()
    ]
    assert 0.998 < sum(agree) / len(agree) < 1.0


def test_aliases__are_numbers_nobody_else_has(folder, register):
    alias = pl.read_parquet(folder / "register_alias.parquet")
    assert alias.columns == ["person_id", "number", "valid_from", "valid_to", "reason"]
    assert _near(alias.height, PEOPLE, 0.003)
    assert not set(alias["number"]) & set(register["personal_number"])
    assert alias["number"].n_unique() == alias.height
    assert (alias["valid_from"] < alias["valid_to"]).all()
    assert set(alias["person_id"]) <= set(register["person_id"])


def test_extracts__are_sized_like_the_national_ones(records):
    for source, share in (("insurance", 0.68), ("tax", 0.28), ("education", 0.26)):
        assert abs(len(records[source]) / PEOPLE - share) < 0.025


def test_extracts__hold_phones_and_parents_as_often_as_promised(records):
    for source, share in (("insurance", 0.60), ("tax", 0.60), ("education", 0.40)):
        rows = records[source].values()
        assert _near(sum(bool(row["phone"]) for row in rows), len(rows), share)
    rows = records["education"].values()
    assert _near(sum(bool(row["mother_name"]) for row in rows), len(rows), 0.90 * 0.994, slack=0.006)
    assert all(row["full_name"] == row["full_name"].upper() for row in records["tax"].values())


def test_entities__name_every_record_once(records, register, truth, true_person):
    assert len(true_person) == truth["entities"].height
    assert Counter(source for source, _ in true_person) == {
        "register": register.height,
        **{source: len(rows) for source, rows in records.items()},
    }
    for source, rows in records.items():
        assert all((source, key) in true_person for key in rows)
    assert all(("register", person) in true_person for person in register["person_id"])


def test_order__carries_no_information(records, true_person, register):
    families = defaultdict(list)
    for at, person in enumerate(register["person_id"]):
        families[true_person["register", person]].append(at)
    mother = register["mother_name"].to_list()
    father = register["father_name"].to_list()
    neighbours = sum(
        mother[at] is not None and mother[at] == mother[at + 1] and father[at] == father[at + 1]
        for at in range(register.height - 1)
    )
    assert neighbours < 25
    for source in AGENCIES:
        keys = list(records[source])
        assert _correlation(keys) < 0.03


def test_errors__are_the_differences_between_records_and_truth(records, register, truth, true_person):
    """Every value, brought to standard form by hand, differs just where an error was planted."""
    errors = defaultdict(list)
    for source, record, field, error, held, true in truth["errors"].iter_rows():
        errors[source, record, field].append((error, held, true))
    people = _true_people(register, errors)
    assert len(people) >= PEOPLE
    changes = defaultdict(set)
    for old, new in reference.commune_changes().select("old_code", "new_code").iter_rows():
        changes[old].add(new)
    checked = 0
    for source in AGENCIES:
        for key, row in records[source].items():
            person = people.get(true_person[source, key])
            for field in ("personal_number", "full_name", "birth_date", "sex"):
                planted = errors.get((source, key, field), [])
                held = _standard(source, field, row[field])
                for _, told, _ in planted:
                    assert _same(field, source, held, told), (field, planted)
                if person is None:
                    continue
                for _, _, true in planted:
                    assert true == person[field], (field, planted, person)
                if planted:
                    assert held != _shown(source, field, person[field])
                else:
                    assert held == _shown(source, field, person[field]), (source, field, row, person)
                checked += 1
            planted = errors.get((source, key, "commune"), [])
            if person is not None:
                possible = changes[row["commune"]] if source == "insurance" else {row["commune"]}
                day = "2025-06-30" if source == "insurance" else "2025-07-01"
                if planted:
                    [(error, told, true)] = planted
                    assert error == "moved"
                    assert told == f"{row['commune']}@{day}"
                    assert true == f"{person['commune']}@2025-07-01"
                else:
                    assert person["commune"] in possible
    assert checked > 100_000


def test_errors__come_at_the_rates_asked_for(records, register, truth):
    counts = {
        (source, field, error): count
        for source, field, error, count in truth["errors"]
        .group_by("source", "field", "error")
        .len()
        .iter_rows()
    }
    damage = (
        "typing", "regional_spelling", "telex_residue", "vni_residue", "abbreviation", "middle_dropped",
        "order_reversed",
    )  # fmt: skip

    def planted(source, field, *kinds):
        return sum(counts.get((source, field, kind), 0) for kind in kinds)

    for source in AGENCIES:
        rate = DEFAULT.agency(source)
        rows = len(records[source])
        for field, kinds, expected in (
            ("personal_number", ("missing",), rate.number_missing),
            ("personal_number", ("mistyped", "mistyped_living"), rate.number_mistyped),
            ("personal_number", ("mistyped_living",), rate.number_mistyped * rate.mistyped_living),
            ("personal_number", ("old_number",), rate.old_number),
            ("personal_number", ("relative_number",), rate.relative_number),
            ("personal_number", ("clerk_number",), rate.clerk_number),
            ("full_name", damage, rate.name_damaged),
            ("birth_date", ("digit", "day_month_swapped"), rate.birth_date_wrong),
            ("birth_date", ("year_only",), rate.birth_year_only),
            ("sex", ("wrong",), rate.sex_wrong),
            ("commune", ("moved",), rate.moved),
            ("record", ("second_record",), rate.second_record),
            ("record", ("unregistered",), rate.unregistered),
        ):
            assert _near(planted(source, field, *kinds), rows, expected, sigmas=4.5), (source, field, kinds)
        marked = sum(not row["full_name"].isascii() for row in records[source].values())
        dropped = planted(source, "full_name", "diacritics_dropped")
        assert _near(dropped, marked + dropped, rate.diacritics_dropped, slack=0.004)
    for field, kinds, expected in (
        ("full_name", damage, DEFAULT.register.name_wrong),
        ("birth_date", ("digit", "day_month_swapped"), DEFAULT.register.birth_date_wrong),
        ("sex", ("wrong",), DEFAULT.register.sex_wrong),
        ("record", ("held_twice",), DEFAULT.register.held_twice),
        ("death_date", ("not_entered",), DEFAULT.register.death_not_entered),
    ):
        assert _near(planted("register", field, *kinds), register.height, expected, sigmas=4.5), field


def test_tone_marks__move_in_eight_of_a_hundred_names_that_allow_it(records, truth):
    pairs = {"òa": "oà", "óa": "oá", "ỏa": "oả", "õa": "oã", "ọa": "oạ", "òe": "oè", "óe": "oé", "ỏe": "oẻ",
             "ùy": "uỳ", "úy": "uý", "ủy": "uỷ", "ũy": "uỹ", "ụy": "uỵ"}  # fmt: skip
    moved = truth["errors"].filter((pl.col("field") == "full_name") & (pl.col("error") == "tone_moved"))
    assert moved.height > 40
    possible = 0
    for rows in records.values():
        for row in rows.values():
            words = row["full_name"].lower().split()
            possible += any(word.endswith((*pairs, *pairs.values())) for word in words)
    assert _near(moved.height, possible, 0.08, slack=0.012)


def test_numbers__of_others_are_numbers_of_others(records, register, truth, true_person):
    owners = dict(register.select("personal_number", "person_id").iter_rows())
    dead = dict(register.select("person_id", "death_date").iter_rows())
    aliases = set()
    living, clerks = 0, Counter()
    held_by_unregistered = 0
    for source, record, field, error, held, true in truth["errors"].iter_rows():
        if field != "personal_number":
            continue
        person = true_person[source, record]
        if error == "mistyped_living":
            assert owners[held] != person
            assert dead[owners[held]] is None
            assert sum(one != other for one, other in zip(held, true, strict=True)) == 1
            living += 1
        elif error == "clerk_number":
            assert held in owners
            clerks[source, held] += 1
        elif error == "relative_number":
            assert held != true
            assert len(held) == 12
        elif error == "cancelled_number":
            aliases.add(held)
            assert held not in owners
        elif error == "old_number":
            assert len(held) == 9
    assert living > 5
    assert max(clerks.values()) >= 3
    for source, rows in records.items():
        for key, row in rows.items():
            person = true_person[source, key]
            if person.startswith("U") and len(row["personal_number"]) == 12:
                held_by_unregistered += row["personal_number"] in owners
    assert held_by_unregistered <= 3  # a mistyped, relative's or clerk's number


def test_unregistered__stand_in_several_agencies(true_person, register):
    where = defaultdict(set)
    for (source, _), person in true_person.items():
        if person.startswith("U"):
            where[person].add(source)
    assert not set(where) & set(register["person_id"])
    assert sum(len(sources) > 1 for sources in where.values()) > 15


def test_second_records__name_the_first(truth, true_person):
    seconds = truth["errors"].filter(pl.col("error") == "second_record")
    for source, record, _, _, held, first in seconds.iter_rows():
        assert held == record != first
        assert true_person[source, record] == true_person[source, first]
    twice = truth["errors"].filter(pl.col("error") == "held_twice")
    assert all(true_person["register", record] == first for _, record, _, _, _, first in twice.iter_rows())


def test_fields__hold_the_true_value_of_every_error(truth, true_person):
    fields = defaultdict(set)
    for person, field, value, _ in truth["fields"].iter_rows():
        fields[person, field].add(value)
    for source, record, field, _, _, true in truth["errors"].iter_rows():
        if field != "record":
            assert true in fields[true_person[source, record], field]


def test_families__have_spouses_children_twins_and_fathers_names(folder, register):
    report = json.loads((folder / "report.json").read_text())
    population = report["population"]
    assert population["registered"] == PEOPLE
    assert 0.4 < population["with_spouse"] / PEOPLE < 0.7
    assert 0.5 < population["with_parent"] / PEOPLE < 0.7
    assert 0.002 < population["twins"] / PEOPLE < 0.008
    assert population["sons_named_after_their_father"] > 5
    assert 0.01 < population["dead"] / PEOPLE < 0.05
    siblings = Counter(
        (father, mother, commune)
        for father, mother, commune in register.select("father_name", "mother_name", "commune").iter_rows()
        if father and mother
    )
    assert max(siblings.values()) >= 4
    sons = register.drop_nulls("father_name")
    alike = sum(
        name.split()[0] == father.split()[0]
        for name, father in sons.select("full_name", "father_name").iter_rows()
    )
    assert alike / sons.height > 0.93


def test_birth_dates__heap_on_the_first_of_january_more_among_the_old(register):
    day = register.with_columns(
        heap=(pl.col("birth_date").dt.month() == 1) & (pl.col("birth_date").dt.day() == 1),
        old=pl.col("birth_date").dt.year() < 1960,
    )
    shares = dict(day.group_by("old").agg(pl.col("heap").mean()).iter_rows())
    assert 0.02 < shares[True] < 0.08
    assert shares[False] < shares[True] / 3


def test_report__states_coincidences_and_counts(folder, truth):
    report = json.loads((folder / "report.json").read_text())
    assert sum(report["planted"].values()) == truth["errors"].height
    assert 0.11 < report["surname_coincidence"] < 0.18
    older = [
        entry
        for entry in report["coincidences"]
        if entry["sex"] == "F" and entry["cohort"] in {"before 1955", "1955-1969"}
    ]
    people = sum(entry["people"] for entry in older)
    mean = sum(entry["full_name"] * entry["people"] for entry in older) / people
    assert 3.5e-4 < mean < 6.5e-4
    assert all(0.008 < entry["given_name"] < 0.013 for entry in report["coincidences"])


def _field(contract, standard):
    return next(field for field in contract["field"] if field["standard"] == standard)


def _near(count, rows, rate, sigmas=4.0, slack=0.0):
    return abs(count - rows * rate) <= sigmas * math.sqrt(rows * rate * (1 - rate)) + slack * rows + 1


def _correlation(keys):
    """How far the order of the rows tells the order of their keys, 0..1."""
    values = [int(key[2:]) for key in keys]
    middle = sum(values) / len(values)
    rows = [at - (len(values) - 1) / 2 for at in range(len(values))]
    together = sum(row * (value - middle) for row, value in zip(rows, values, strict=True))
    return abs(together) / math.sqrt(
        sum(row**2 for row in rows) * sum((value - middle) ** 2 for value in values)
    )


def _true_people(register, errors):
    """The register's persons with the register's own errors undone, by id."""
    found = {}
    for row in register.iter_rows(named=True):
        if ("register", row["person_id"], "record") in errors:
            continue
        person = {
            "personal_number": row["personal_number"],
            "full_name": row["full_name"],
            "birth_date": row["birth_date"].isoformat(),
            "sex": "M" if row["sex"] == "Nam" else "F",
            "commune": row["commune"],
        }
        for field in ("full_name", "birth_date", "sex"):
            for _, held, true in errors.get(("register", row["person_id"], field), []):
                assert held == person[field]
                person[field] = true
        found[row["person_id"]] = person
    return found


def _standard(source, field, text):
    if text == "":
        return None
    if field == "birth_date":
        if len(text) == 4:
            return text
        if source == "tax":
            return f"{text[:4]}-{text[4:6]}-{text[6:]}"
        day, month, year = text.split("/")
        return f"{year}-{int(month):02d}-{int(day):02d}"
    if field == "sex":
        codes = {
            "insurance": {"1": "M", "2": "F"},
            "tax": {"Nam": "M", "Nữ": "F"},
            "education": {"0": "M", "1": "F"},
        }
        return codes[source][text]
    return text


def _shown(source, field, value):
    return value.upper() if field == "full_name" and source == "tax" else value


def _same(field, source, held, told):
    return held == (_shown(source, field, told) if told is not None else None)
