"""Receipts, gates and the scorecard of whole runs: broken rows, sources left out, a run that stops."""

from __future__ import annotations

import csv
import gzip
import io
import json

import polars as pl
import pytest

from linkage.errors import ContractError
from linkage.receipt import REFUSALS
from tests.end_to_end.balance import assert_balanced
from tests.end_to_end.runs import call, copy_nation, run

SOURCES = ("register", "insurance", "tax", "education")


def receipt(folder, source):
    return json.loads((folder / "receipts" / f"{source}.json").read_text(encoding="utf-8"))


def page(folder, source):
    return (folder / "receipts" / f"{source}.txt").read_text(encoding="utf-8")


def break_rows(nation, source, every=30):
    """Break rows of a source's file in several ways; the broken ones' number."""
    path = nation / f"{source}.csv"
    head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    broken = rows[::every]
    for place, row in enumerate(broken):
        at = place * every
        if place % 3 == 0:
            rows[at] = row.replace("\n", ";one too many\n")
        elif place % 3 == 1:
            rows[at] = f'"quote" out of place{row}'
        else:
            rows[at] = row + "\n\n"  # the row is whole, two lines are blank
    path.write_text(head + "".join(rows), encoding="utf-8")
    return sum(place % 3 != 2 for place in range(len(broken))), 2 * sum(
        p % 3 == 2 for p in range(len(broken))
    )


def test_every_source__has_a_receipt_in_two_languages(finished):
    for source in SOURCES:
        held = receipt(finished, source)
        assert (held["source"], held["outcome"]) == (source, "taken")
        assert page(finished, source).startswith("BIÊN NHẬN DỮ LIỆU")
        assert f"\nRECEIPT: {source}\n" in page(finished, source)


def test_receipt__names_no_person_and_holds_no_value(finished, nation):
    text = "".join(page(finished, s) + json.dumps(receipt(finished, s), ensure_ascii=False) for s in SOURCES)
    register = pl.read_parquet(nation / "register.parquet").head(500)
    for name in register["full_name"].to_list() + register["personal_number"].drop_nulls().to_list():
        assert name not in text


def test_scorecard__counts_what_the_other_artefacts_hold(finished):
    card = pl.read_parquet(finished / "scorecard.parquet").with_columns(
        pl.col("source", "aim", "field", "measure").cast(pl.String)
    )
    decisions = pl.read_parquet(finished / "decisions.parquet")
    for source in SOURCES[1:]:
        mine = card.filter((pl.col("source") == source) & pl.col("field").is_null())
        told = {r["measure"]: (r["part"], r["whole"]) for r in mine.iter_rows(named=True)}
        of = decisions.filter(pl.col("source") == source)
        linked = of.filter(pl.col("decision") == "link").height
        assert told["linked"] == (linked, of.height)
        assert told["links_right"][1] == told["dead_marked"][1] == linked
        assert told["single"] == (of.height - receipt(finished, source)["duplicates"], of.height)
        assert 0 < told["dead_marked"][0] <= linked
    fields = card.filter(pl.col("field") == "full_name")
    assert set(fields["measure"]) == {"equal", "current", "filled", "readable", "as_declared"}
    assert card.filter(pl.col("measure") == "equal")["share"].min() > 0.2
    assert (card.filter(pl.col("whole") > 0)["share"].is_between(0, 1)).all()
    assert "BẢNG ĐÁNH GIÁ CHẤT LƯỢNG DỮ LIỆU" in (finished / "scorecard.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def broken(nation, tmp_path_factory):
    """A run of a nation of which tax has broken rows and lies there gzipped."""
    place = tmp_path_factory.mktemp("broken")
    other = copy_nation(nation, place / "nation")
    refused, blank = break_rows(other, "tax")
    path = other / "tax.csv"
    (other / "tax.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    project = other / "project.toml"
    project.write_text(project.read_text().replace('"tax.csv"', '"tax.csv.gz"'))
    outcome = run(other, place / "run")
    return place / "run", refused, blank, outcome


def test_broken_rows__are_told_by_code_with_a_line_that_is_one_of_them(broken):
    folder, refused, blank, outcome = broken
    assert outcome.exit_code in (0, 1)
    held = receipt(folder, "tax")
    assert held["rows"]["refused"] == refused > 10
    assert held["lines"]["blank"] == blank > 10
    assert {r["code"] for r in held["refused"]} == {"field_count", "stray_quote"}
    assert held["refused"][0]["line"] == 2
    assert "[field_count]" in page(folder, "tax")
    assert "rejects/tax.csv" in page(folder, "tax")


def test_broken_rows__stand_in_a_page_as_they_came(broken):
    folder, refused, _, _ = broken
    raw = (folder / "rejects" / "tax.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    held = pl.read_parquet(folder / "rejects" / "tax.parquet").sort("file", "line")
    assert len(rows) == refused
    assert [r["row"].removeprefix("'") for r in rows] == held["row"].to_list()
    assert [(int(r["line"]), r["code"]) for r in rows] == list(held.select("line", "code").iter_rows())
    assert {r["file"] for r in rows} == {"tax.csv.gz"}
    assert all((r["en"], r["vi"]) == REFUSALS[r["code"]] for r in rows)


def test_undecided__are_told_by_whether_anybody_was_found(finished):
    decisions = pl.read_parquet(finished / "decisions.parquet").with_columns(
        pl.col("source", "decision").cast(pl.String)
    )
    for source in SOURCES[1:]:
        mine = decisions.filter(
            (pl.col("source") == source) & pl.col("decision").is_in(["review", "conflict"])
        )
        none = mine["person_id"].null_count()
        assert receipt(finished, source)["undecided"] == {
            "records": mine.height,
            "paired": mine.height - none,
            "unpaired": none,
        }
    assert receipt(finished, "register")["undecided"] is None


def test_broken_rows__beyond_the_limit_leave_the_source_out_with_exit_code_3(nation, tmp_path):
    other = copy_nation(nation, tmp_path / "nation")
    break_rows(other, "tax", every=4)
    project = other / "project.toml"
    text = project.read_text()
    at = text.index('name = "tax"')
    project.write_text(text[:at] + 'on_failure = "leave_out"\n' + text[at:])
    ended = call("run", other, "--out", tmp_path / "run")
    assert ended.returncode == 3, ended.stderr
    folder = tmp_path / "run"
    assert_balanced(folder)
    held = receipt(folder, "tax")
    assert held["outcome"] == "left_out"
    assert "E-INPUT-019" in held["why"]
    assert "refused_max" not in page(folder, "tax") + held["why"]
    assert held["decisions"] is None
    assert held["rows"]["refused"] == pl.read_parquet(folder / "rejects" / "tax.parquet").height > 100
    assert "KHÔNG SỬ DỤNG" in page(folder, "tax")
    assert receipt(folder, "insurance")["outcome"] == "taken"
    record = json.loads((folder / "run.json").read_text())
    assert [s["source"] for s in record["left_out"]] == ["tax"]
    assert not [g for g in record["gates"] if g["source"] == "tax"]


def test_broken_rows__beyond_the_limit_stop_the_run_and_the_agency_is_told(nation, tmp_path):
    other = copy_nation(nation, tmp_path / "nation")
    break_rows(other, "tax", every=4)
    with pytest.raises(ContractError, match="E-INPUT-019"):
        run(other, tmp_path / "run")
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"work", "journal.jsonl", "metrics.prom"}
    artefacts = tmp_path / "run" / "work" / "artefacts"
    held = receipt(artefacts, "tax")
    assert held["outcome"] == "stopped"
    assert held["rows"]["refused"] == pl.read_parquet(artefacts / "rejects" / "tax.parquet").height
    assert "gửi lại" in page(artefacts, "tax")
    assert not (artefacts / "receipts" / "insurance.json").exists()


def test_gate__of_one_field_withholds_feeds_until_it_is_accepted(nation, tmp_path):
    other = copy_nation(nation, tmp_path / "nation")
    project = other / "project.toml"
    project.write_text(project.read_text() + "\n[gates]\ncorrections = 0.1\n")
    out = tmp_path / "run"
    ended = call("run", other, "--out", out)
    assert ended.returncode == 1, ended.stderr
    record = json.loads((out / "run.json").read_text())
    failing = [g["name"] for g in record["gates"] if not g["holds"]]
    assert failing
    assert all(name.startswith("corrections:") for name in failing)
    assert not (out / "feeds").exists()
    assert (out / "withheld" / "feeds" / "tax" / "corrections.parquet").exists()
    assert failing[0] in ended.stderr
    assert failing[0] in (out / "withheld" / "reasons.txt").read_text(encoding="utf-8")
    withheld = {
        p.relative_to(out / "withheld"): p.read_bytes() for p in (out / "withheld" / "feeds").rglob("*.*")
    }
    refused = call("run", other, "--out", out, "--accept", "deaths", "--reason", "seen")
    assert refused.returncode == 2
    assert "E-GATE-003" in refused.stderr
    if len(failing) > 1:
        first = call("run", other, "--out", out, "--accept", failing[0], "--reason", "seen")
        assert first.returncode == 1
        assert failing[1] in first.stderr
        assert not (out / "feeds").exists()
    released = call("run", other, "--out", out, "--accept", "corrections", "--reason", "new names", "--json")
    assert released.returncode == 0, released.stderr
    assert json.loads(released.stdout)["exit_code"] == 0
    assert not (out / "withheld").exists()
    assert {p.relative_to(out): p.read_bytes() for p in (out / "feeds").rglob("*.*")} == withheld
    assert call("run", other, "--out", out).returncode == 0
