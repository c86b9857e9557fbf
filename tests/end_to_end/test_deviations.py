"""Records that agreed in everything, changed in one field each: the correction must be its undoing."""

from __future__ import annotations

import csv
import unicodedata

import polars as pl
import pytest

from jobs.run import run_project
from linkage.policy import APPLY_PRECISION
from tests.end_to_end.apply_feed import read_feed
from tests.end_to_end.runs import copy_nation

#: Records of each deviation.
EACH = 4


def bare(text):
    kept = (c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return "".join(kept).replace("đ", "d").replace("Đ", "D")


def iso(text):
    day, month, year = text.split("/")
    return f"{year}-{month}-{day}"


def without_middle(text):
    first, *_, last = text.split()
    return f"{first} {last}"


def initials(text):
    first, *middle, last = text.split()
    return " ".join([first, *(f"{bare(word)[0]}." for word in middle), last])


#: Name -> (column of the insurance, deviation of a cell, whether a cell allows it, kind, word of the basis).
DEVIATIONS = {
    "lower_case": ("HO_TEN", str.lower, lambda t: True, "format", ""),
    "two_spaces": ("HO_TEN", lambda t: t.replace(" ", "  "), lambda t: True, "format", ""),
    "decomposed": ("HO_TEN", lambda t: unicodedata.normalize("NFD", t), lambda t: bare(t) != t, "format", ""),
    "diacritics": ("HO_TEN", bare, lambda t: bare(t) != t, "fill", "incomplete"),
    "middle": ("HO_TEN", without_middle, lambda t: len(t.split()) > 2, "fill", "incomplete"),
    "initials": ("HO_TEN", initials, lambda t: len(t.split()) > 2, "fill", "incomplete"),
    "spelling": (
        "HO_TEN",
        lambda t: t.replace("Nguyễn", "Nguyxễn"),
        lambda t: t.startswith("Nguyễn "),
        "fix",
        "spelling",
    ),
    "iso_date": ("NGAY_SINH", iso, lambda t: True, "format", ""),
    "year": ("NGAY_SINH", lambda t: t[-4:], lambda t: True, "fill", "incomplete"),
    "impossible_day": ("NGAY_SINH", lambda t: f"31/02/{t[-4:]}", lambda t: True, "fix", "unreadable"),
    "other_year": (
        "NGAY_SINH",
        lambda t: f"{t[:-2]}{(int(t[-2:]) + 10) % 100:02d}",
        lambda t: 1920 < int(t[-4:]) < 1985,
        "fix",
        "number_structure",
    ),
    "spaced_number": ("SO_DINH_DANH", lambda t: f"{t[:3]} {t[3:6]} {t[6:]}", lambda t: True, "format", ""),
    "lost_zero": ("SO_DINH_DANH", lambda t: t[1:], lambda t: t[1] != "0", "format", ""),
    "no_number": ("SO_DINH_DANH", lambda t: "", lambda t: True, "fill", ""),
    "nine_digits": ("SO_DINH_DANH", lambda t: f"17{t[-7:]}", lambda t: True, "", "old_number"),
    "wrong_year_number": (
        "SO_DINH_DANH",
        lambda t: t[:4] + f"{(int(t[4:6]) + 7) % 100:02d}" + t[6:],
        lambda t: t[3] in "01",
        "fix",
        "number_structure",
    ),
    "other_sex": ("GIOI_TINH", lambda t: {"1": "2", "2": "1"}[t], lambda t: True, "fix", "number_structure"),
    "no_sex": ("GIOI_TINH", lambda t: "", lambda t: True, "fill", ""),
    "unknown_sex": ("GIOI_TINH", lambda t: "9", lambda t: True, "fix", "unreadable"),
}


@pytest.fixture(scope="module")
def found(nation, finished, tmp_path_factory):
    """By deviation: the correction of the cell, the cell as it was and as it was made; and the whole feed."""
    with (nation / "insurance.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    errors = pl.read_parquet(nation / "truth" / "errors.parquet")
    wrong = set(errors.select("source", "record_id").rows())
    decisions = pl.read_parquet(finished / "decisions.parquet").with_columns(pl.col("source").cast(pl.String))
    linked = {
        (s, r): p
        for s, r, d, p in decisions.select(
            "source", "record_id", pl.col("decision").cast(pl.String), "person_id"
        ).rows()
        if d == "link"
    }
    persons = {}
    for (source, _), person in linked.items():
        persons.setdefault(person, []).append(source)
    corrected = {r["record_id"] for r in read_feed(finished / "feeds" / "insurance")}
    clean = [
        row
        for row in rows
        if ("insurance", row["SO_BHXH"]) in linked
        and ("insurance", row["SO_BHXH"]) not in wrong
        and ("register", linked["insurance", row["SO_BHXH"]]) not in wrong
        and persons[linked["insurance", row["SO_BHXH"]]] == ["insurance"]
        and row["SO_BHXH"] not in corrected
    ]
    chosen = {}
    free = iter(clean)
    waiting = []
    for name, (column, change, allows, *_) in DEVIATIONS.items():
        taken = 0
        kept = []
        for row in [*waiting, *free]:
            if taken < EACH and allows(row[column]) and change(row[column]) != row[column]:
                chosen[row["SO_BHXH"]] = (name, column, row[column], change(row[column]))
                row[column] = change(row[column])
                taken += 1
            else:
                kept.append(row)
        waiting = kept
        assert taken == EACH, name
    folder = copy_nation(nation, tmp_path_factory.mktemp("deviant") / "nation")
    with (folder / "insurance.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    out = tmp_path_factory.mktemp("deviant") / "run"
    run_project(folder / "project.toml", out, threads=2, model=finished / "model.json")
    feed = {(r["record_id"], r["column"]): r for r in read_feed(out / "feeds" / "insurance")}
    by_name = {}
    for record, (name, column, was, made) in chosen.items():
        by_name.setdefault(name, []).append((feed.get((record, column)), was, made))
    return by_name, feed, chosen


@pytest.mark.parametrize("name", DEVIATIONS)
def test_deviation__is_undone_exactly(found, name):
    *_, kind, basis = DEVIATIONS[name]
    applied = 0
    for correction, was, made in found[0][name]:
        assert correction is not None
        assert correction["held_value"] == made
        assert correction["proposed_value"] == was
        assert not kind or correction["kind"] == kind
        assert basis in correction["basis"].split("+") or not basis
        sure = float(correction["confidence"]) >= APPLY_PRECISION
        assert correction["action"] == ("apply" if sure else "confirm")
        applied += sure
    assert applied >= EACH / 2


def test_deviation__brings_no_other_correction_of_its_record(found):
    _, feed, chosen = found
    assert not [key for key in feed if key[0] in chosen and key[1] != chosen[key[0]][1]]


def test_number__that_was_cancelled_holds_until_the_new_one(nation, finished):
    ends = {
        (p, n): str(day)
        for p, n, day in pl.read_parquet(nation / "register_alias.parquet")
        .select("person_id", "number", "valid_to")
        .rows()
    }
    decisions = pl.read_parquet(finished / "decisions.parquet").with_columns(pl.col("source").cast(pl.String))
    person = {(s, r): p for s, r, p in decisions.select("source", "record_id", "person_id").rows()}
    seen = 0
    for source in ("insurance", "tax", "education"):
        for row in read_feed(finished / "feeds" / source):
            if "alias" in row["basis"].split("+"):
                seen += 1
                assert row["effective_date"] == ends[person[source, row["record_id"]], row["held_standard"]]
    assert seen


def test_column__without_diacritics_is_not_told_to_have_them(nation, finished, tmp_path):
    folder = copy_nation(nation, tmp_path / "nation")
    with (nation / "insurance.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    before = read_feed(finished / "feeds" / "insurance")
    clean = {r["SO_BHXH"] for r in rows} - {r["record_id"] for r in before}
    shortened = {}
    for row in rows:
        row["HO_TEN"] = bare(row["HO_TEN"])
        if row["SO_BHXH"] in clean and len(row["HO_TEN"].split()) > 2 and len(shortened) < 30:
            shortened[row["SO_BHXH"]] = row["HO_TEN"]
            row["HO_TEN"] = without_middle(row["HO_TEN"])
    with (folder / "insurance.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    run_project(folder / "project.toml", tmp_path / "run", threads=2, model=finished / "model.json")
    found = [r for r in read_feed(tmp_path / "run" / "feeds" / "insurance") if r["column"] == "HO_TEN"]
    assert all(r["proposed_value"].isascii() for r in found)
    assert not [r for r in found if r["proposed_value"] == r["held_value"]]
    restored = {r["record_id"]: r["proposed_value"] for r in found if r["record_id"] in shortened}
    assert len(restored) > 20
    assert all(restored[record] == shortened[record] for record in restored)
    assert not all(r["proposed_standard"].isascii() for r in found)
    assert len(found) < len(rows) / 10
