"""Feeds of a whole run, read and applied by a stranger's script: right persons, right values, no harm."""

from __future__ import annotations

import csv
import hashlib
import io
import json

import polars as pl
import pytest

from jobs.feeds import read_csv_feed
from tests.end_to_end.apply_feed import apply_feed, held, read_feed, read_manifest
from tests.end_to_end.runs import copy_nation, run, shuffle, split

DELIMITERS = {"education": ",", "insurance": ",", "tax": ";"}


def cells(path, delimiter):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


@pytest.fixture(scope="module")
def truth(nation):
    """True value of every (source, record, field) with a planted error, and who each record is."""
    errors = pl.read_parquet(nation / "truth" / "errors.parquet")
    entities = pl.read_parquet(nation / "truth" / "entities.parquet")
    values = {
        (s, r, f): v for s, r, f, v in errors.select("source", "record_id", "field", "true_value").rows()
    }
    return values, {(s, r): p for s, r, p in entities.rows()}


@pytest.fixture(scope="module")
def corrected(nation, finished, tmp_path_factory):
    """The nation once every agency has applied its feed; the originals beside it."""
    folder = copy_nation(nation, tmp_path_factory.mktemp("corrected") / "nation")
    counts = {}
    for source, delimiter in DELIMITERS.items():
        feed = finished / "feeds" / source
        counts[source] = apply_feed(
            feed, nation / f"{source}.csv", folder / f"{source}.csv", delimiter=delimiter
        )
    return folder, counts


@pytest.mark.parametrize("source", DELIMITERS)
def test_feed__applied_every_field_ends_as_proposed(nation, finished, corrected, source):
    folder, counts = corrected
    before = {
        r["record"]: r for r in keyed(finished, source, cells(nation / f"{source}.csv", DELIMITERS[source]))
    }
    after = {
        r["record"]: r for r in keyed(finished, source, cells(folder / f"{source}.csv", DELIMITERS[source]))
    }
    rows = read_feed(finished / "feeds" / source)
    applied = {(r["record_id"], r["column"]): r for r in rows if r["action"] == "apply"}
    assert applied
    assert counts[source] == (len(applied), 0)
    for record, old in before.items():
        for column, cell in old.items():
            row = applied.get((record, column))
            assert after[record][column] == (cell if row is None else row["proposed_value"])
            assert row is None or held(cell) == row["held_value"]


def keyed(finished, source, rows):
    key = read_manifest(finished / "feeds" / source)["key"]
    return [{**row, "record": row[key]} for row in rows]


@pytest.mark.parametrize("source", DELIMITERS)
def test_feed__applied_twice_changes_nothing_more(finished, corrected, tmp_path, source):
    folder, _ = corrected
    again = tmp_path / "again.csv"
    applied, left = apply_feed(
        finished / "feeds" / source, folder / f"{source}.csv", again, delimiter=DELIMITERS[source]
    )
    assert applied == 0
    assert left > 0
    assert again.read_bytes() == (folder / f"{source}.csv").read_bytes()


def test_feed__applied_late_leaves_what_has_changed_and_its_group(nation, finished, tmp_path):
    source, feed = "insurance", finished / "feeds" / "insurance"
    rows = [r for r in read_feed(feed) if r["action"] == "apply"]
    records = cells(nation / f"{source}.csv", ",")
    key = read_manifest(feed)["key"]
    stale = {(r["record_id"], r["column"]) for r in rows[::3]}
    late = tmp_path / "late.csv"
    with late.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(records[0]), lineterminator="\n")
        writer.writeheader()
        for record in records:
            writer.writerow({c: "changed" if (record[key], c) in stale else v for c, v in record.items()})
    out = tmp_path / "out.csv"
    applied, left = apply_feed(feed, late, out)
    assert applied + left == len(rows)
    spoilt = {r["group_id"] for r in rows if (r["record_id"], r["column"]) in stale}
    after = {r[key]: r for r in cells(out, ",")}
    for row in rows:
        value = after[row["record_id"]][row["column"]]
        if (row["record_id"], row["column"]) in stale:
            assert value == "changed"
        elif row["group_id"] in spoilt:
            assert held(value) == row["held_value"]
        else:
            assert value == row["proposed_value"]


def test_feed__once_applied_asks_for_nothing_of_it_again(corrected, finished, tmp_path):
    folder, _ = corrected
    run(folder, tmp_path / "second")
    for source in DELIMITERS:
        first = {
            (r["record_id"], r["field"])
            for r in read_feed(finished / "feeds" / source)
            if r["action"] == "apply"
        }
        second = {(r["record_id"], r["field"]): r for r in read_feed(tmp_path / "second" / "feeds" / source)}
        assert not [second[k] for k in first & second.keys()]


def test_apply__is_of_the_right_person_and_the_true_value(finished, truth):
    values, people = truth
    wrong = total = 0
    decisions = pl.read_parquet(finished / "decisions.parquet").with_columns(pl.col("source").cast(pl.String))
    person = {(s, r): p for s, r, p in decisions.select("source", "record_id", "person_id").rows()}
    for source in DELIMITERS:
        for row in read_feed(finished / "feeds" / source):
            if row["action"] != "apply":
                continue
            total += 1
            owner = (source, row["record_id"])
            assert people[owner] == people["register", person[owner]]
            planted = values.get((*owner, row["field"]))
            wrong += planted is not None and planted != row["proposed_standard"]
    assert total > 800
    assert wrong <= 0.001 * total


def test_apply__of_a_death_is_of_the_dead(finished, truth, nation):
    register = pl.read_parquet(nation / "register.parquet")
    dead = dict(register.select("person_id", pl.col("death_date").cast(pl.String)).drop_nulls().rows())
    decisions = pl.read_parquet(finished / "decisions.parquet").with_columns(pl.col("source").cast(pl.String))
    person = {(s, r): p for s, r, p in decisions.select("source", "record_id", "person_id").rows()}
    seen = 0
    for source in DELIMITERS:
        for row in read_feed(finished / "feeds" / source):
            if row["kind"] == "status":
                seen += 1
                assert row["proposed_standard"] == dead[person[source, row["record_id"]]]
                assert (row["action"] == "apply") == ("exact_person" in row["basis"])
    assert seen


def test_residence__is_only_ever_to_be_confirmed(finished):
    actions = {
        row["action"]
        for s in DELIMITERS
        for row in read_feed(finished / "feeds" / s)
        if row["field"] == "commune"
    }
    assert actions == {"confirm"}


def test_manifest__balances_with_its_files_and_the_duplicates(finished):
    duplicates = pl.read_parquet(finished / "duplicates.parquet").with_columns(
        pl.col("source").cast(pl.String)
    )
    for source in DELIMITERS:
        feed = finished / "feeds" / source
        manifest = read_manifest(feed)
        table = pl.read_parquet(feed / "corrections.parquet")
        for column in ("kind", "action", "field"):
            counted = table[column].cast(pl.String).value_counts().rows()
            assert manifest["rows"][f"by_{column}"] == dict(counted)
        assert manifest["rows"]["corrections"] == table.height
        orders = pl.read_parquet(finished / "orders" / source / "merge_orders.parquet")
        assert orders.height == read_manifest(finished / "orders" / source)["rows"]["merge_orders"]
        assert orders.height == duplicates.filter(pl.col("source") == source).height
        assert set(manifest["fields"]) >= set(table["field"].cast(pl.String))
        digest = {f["name"]: f["blake2b"] for f in manifest["files"]}
        for name, wanted in digest.items():
            assert wanted == hashlib.blake2b((feed / name).read_bytes(), digest_size=32).hexdigest()


def test_csv__says_what_the_parquet_says(finished):
    for source in DELIMITERS:
        feed = finished / "feeds" / source
        table = pl.read_parquet(feed / "corrections.parquet")
        texts = [c for c, kind in table.schema.items() if kind in (pl.String, pl.Categorical)]
        read = read_csv_feed(feed / "corrections.csv")
        assert read.select(texts).equals(table.select(pl.col(texts).cast(pl.String)), null_equal=True)
        assert read["correction_id"].to_list() == [v.hex() for v in table["correction_id"].to_list()]
        assert (feed / "corrections.csv").read_bytes().startswith(b"\xef\xbb\xbf")
        strange = csv.DictReader(io.StringIO((feed / "corrections.csv").read_text(encoding="utf-8-sig")))
        assert not any(cell[:1] in "=+-@\t\r" and cell for row in strange for cell in row.values())


def test_ids__are_one_a_correction_and_one_action_a_group(finished):
    for source in DELIMITERS:
        table = pl.read_parquet(finished / "feeds" / source / "corrections.parquet")
        assert table["correction_id"].n_unique() == table.height
        actions = table.group_by("group_id").agg(pl.col("action").n_unique(), pl.col("record_id").n_unique())
        assert actions["action"].max() == 1
        assert actions["record_id"].max() == 1
        assert table.select("record_id", "field").is_duplicated().sum() == 0


def test_feed__names_no_person_of_the_register(nation, finished):
    persons = set(pl.read_parquet(nation / "register.parquet")["person_id"].to_list())
    for path in (finished / "feeds").rglob("*"):
        if path.suffix == ".csv":
            cells_ = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))
            assert not persons & {cell for row in cells_ for cell in row}
        elif path.suffix == ".json":
            assert json.loads(path.read_text(encoding="utf-8"))["source"] == path.parent.name


def said(folder):
    """What the feeds of a run say, without what names the very files it read."""
    cited = ("decision_id", "policy_id", "register_version")
    return {s: pl.read_parquet(folder / "feeds" / s / "corrections.parquet").drop(cited) for s in DELIMITERS}


def test_feeds__are_the_same_for_any_order_files_parts_and_threads(nation, finished, tmp_path):
    other = copy_nation(nation, tmp_path / "nation")
    shuffle(other, seed=2)
    split(other, 2)
    run(other, tmp_path / "run", threads=1, parts=3, model=finished / "model.json")
    first, second = said(finished), said(tmp_path / "run")
    for source, table in first.items():
        assert second[source].equals(table, null_equal=True)
