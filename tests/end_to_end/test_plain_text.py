"""A field of plain text in a register and two agencies, compared and corrected, for any cut and order."""

from __future__ import annotations

import random
import re
from pathlib import Path

import polars as pl
import pytest

from jobs import coding
from tests.end_to_end.apply_feed import read_feed
from tests.end_to_end.runs import ROOT, copy_nation, digests, run, shuffle

FIELD = """
[[field]]
column = "home"
standard = "home"
required = false
sensitivity = "basic"
"""
PROJECT = """
[[field]]
name = "home"
kind = "text"

[authority.home]
holder = "register"

[[comparison]]
name = "home"
columns = ["home"]
levels = [
  { name = "null", when = "null" },
  { name = "same", when = "exact", term_frequency = "exact" },
  { name = "close", when = "jaro_winkler >= 0.9" },
  { name = "different", when = "always" },
]
"""
#: Agencies that hold the field, the column of their numbers and their delimiter.
HELD = {"insurance": ("SO_DINH_DANH", ","), "tax": ("SO_GIAY_TO", ";")}
SLIPS = 0.1


@pytest.fixture(scope="module")
def homes(nation, tmp_path_factory) -> tuple[Path, dict[str, set[str]]]:
    """The nation with a home for nine in ten persons; of each agency's records those that hold another."""
    folder = copy_nation(nation, tmp_path_factory.mktemp("homes") / "nation")
    rng = random.Random(2)
    register = pl.read_parquet(folder / "register.parquet")
    column = re.search(
        r'column = "(\w+)"\nstandard = "personal_number"', (folder / "contracts/register.toml").read_text()
    )
    assert column is not None
    lanes = ("Ngõ Huế", "Phố 𠀋", "Đường Láng", "X. Tân An")
    numbers = [rng.randrange(444) for _ in range(len(register))]
    home = [f"Số {n}, {rng.choice(lanes)}" if n < 400 else None for n in numbers]
    register.with_columns(home=pl.Series(home, dtype=pl.String)).write_parquet(folder / "register.parquet")
    known = {k: v for k, v in zip(register[column[1]].to_list(), home, strict=True) if k and v}
    planted = {}
    for source, (number, mark) in HELD.items():
        table = pl.read_csv(folder / f"{source}.csv", separator=mark, infer_schema=False)
        own = [known.get(text) for text in table[number].to_list()]
        other = [value is not None and rng.random() < SLIPS for value in own]
        texts = ["Quốc lộ 1A" if slip else value for slip, value in zip(other, own, strict=True)]
        table.with_columns(home=pl.Series(texts, dtype=pl.String)).write_csv(
            folder / f"{source}.csv", separator=mark
        )
        key = re.search(r'key = "(\w+)"', (folder / f"contracts/{source}.toml").read_text())
        assert key is not None
        planted[source] = set(table.filter(pl.Series(other))[key[1]].to_list())
    for source in ("register", *HELD):
        with (folder / f"contracts/{source}.toml").open("a", encoding="utf-8") as contract:
            contract.write(FIELD)
    for source in HELD:
        policy = folder / f"policies/{source}.toml"
        text = policy.read_text(encoding="utf-8")
        policy.write_text(text.replace('"commune"', '"commune", "home"'), encoding="utf-8")
    page = (ROOT / "docs" / "project-file.md").read_text(encoding="utf-8")
    defaults = page.partition("<!-- from code: defaults -->")[2].partition("[settle]")[0]
    with (folder / "project.toml").open("a", encoding="utf-8") as project:
        project.write(PROJECT + defaults[defaults.index("[[comparison]]") :])
    return folder, planted


@pytest.fixture(scope="module")
def ran(homes, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "homes"
    run(homes[0], out)
    return out


def test_homes__that_differ_from_the_register_are_told(homes, ran):
    _, planted = homes
    for source, records in planted.items():
        decisions = pl.read_parquet(ran / "decisions.parquet").with_columns(
            pl.col("source", "decision").cast(pl.String)
        )
        linked = set(decisions.filter(source=source, decision="link")["record_id"]) & records
        rows = {r["record_id"]: r for r in read_feed(ran / "feeds" / source) if r["field"] == "home"}
        assert len(linked) > 50
        assert {r for r in linked if r in rows} == linked
        assert all(rows[r]["held_value"] == "Quốc lộ 1A" for r in linked)
        others = [r for r, row in rows.items() if row["held_value"] and r not in records]
        assert len(others) < 0.02 * len(rows), "of a number that is not theirs"


@pytest.mark.parametrize("engine", ["threads", "ray"])
def test_homes__are_the_same_for_any_cut_and_engine(homes, ran, tmp_path, monkeypatch, engine):
    monkeypatch.setattr(coding, "STRETCH_TEXTS", 50)
    out = tmp_path / "run"
    run(homes[0], out, parts=5, engine=engine)
    assert digests(out) == digests(ran)
    assert feeds(out) == feeds(ran)


def test_homes__are_the_same_in_any_order_of_rows(homes, ran, tmp_path):
    """Texts are numbered by the bytes of all inputs: nothing that is decided may hang on their numbers."""
    other = copy_nation(homes[0], tmp_path / "nation")
    shuffle(other, 3)
    run(other, tmp_path / "run")
    assert digests(tmp_path / "run") == digests(ran)


def feeds(out: Path) -> dict[str, list[dict[str, object]]]:
    return {source: read_feed(out / "feeds" / source) for source in HELD}
