"""The floor: records joined by hand in DuckDB, on the number, or on name and whole birth date.

    python join_run.py FILES OUT [--threads 2] [--memory 18GB]

Runs in the environment of the peers and imports nothing of the project. Writes ``links.parquet`` and
``figures.json`` as ``splink_run.py`` does.
"""

from __future__ import annotations

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path

import duckdb

#: The name without case and diacritics, as ``splink_run.py`` makes it.
PREPARE = """
create table {name} as
select
  record_id, number,
  replace(strip_accents(lower(trim(full_name))), 'đ', 'd') || '|' || birth_date as name_and_date,
  length(birth_date) = 10 as whole
from read_parquet('{file}')
"""

JOIN = """
copy (
  select e.record_id, r.record_id as person_id from extract e join register r on e.number = r.number
  union
  select e.record_id, r.record_id from extract e join register r
  on e.name_and_date = r.name_and_date and e.whole and r.whole
) to '{out}' (format parquet)
"""


def main() -> None:
    """Run it once."""
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description="A join by hand, once.")
    parser.add_argument("files", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect(":memory:")
    con.execute(f"set threads = {given.threads}")
    con.execute("set preserve_insertion_order = false")
    con.execute(f"set temp_directory = '{given.out / 'spill'}'")
    if given.memory:
        con.execute(f"set memory_limit = '{given.memory}'")
    phases = {}
    started = time.perf_counter()
    for name in ("register", "extract"):
        con.execute(PREPARE.format(name=name, file=given.files / f"{name}.parquet"))
    phases["prepare"] = round(time.perf_counter() - started, 3)
    started = time.perf_counter()
    con.execute(JOIN.format(out=given.out / "links.parquet"))
    phases["join"] = round(time.perf_counter() - started, 3)
    figures = {
        "phases": phases,
        "seconds": round(time.perf_counter() - began, 3),
        "versions": {"duckdb": version("duckdb")},
    }
    (given.out / "figures.json").write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
