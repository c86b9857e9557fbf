"""A register and one extract of three quarters of its size, as the Parquet files that every tool reads.

Both files have the same columns in the same form, so that no tool has to learn anything about them. People,
errors and missing values are those of ``data.generator``. Nine-digit numbers are left out: they would need a
column more, and knowledge of the country.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from data import reference
from data.generator import DEFAULT, Form
from data.generator.chunk import Piece, Plan, clerks, make, people_in
from data.generator.layouts import INSURANCE
from data.generator.places import AFTER

#: All text, the key first. ``province`` follows from ``commune``; it stands in the files so that no tool has
#: to know the country's communes.
COLUMNS = ("record_id", "number", "full_name", "birth_date", "sex", "commune", "province", "phone")
#: Extract records for each register record.
SHARE = 0.75
#: People made for each one wanted: the source that the extract is made from holds about 0.69 of them.
_MADE = 1.13
_SEED = 7
_SEXES = {"Nam": "M", "Nữ": "F"}
_NAMES = {"personal_number": "number", "person_id": "record_id", INSURANCE.columns["record_id"]: "record_id"}
_NAMES |= {
    column: _NAMES.get(name, name) for name, column in INSURANCE.columns.items() if name != "record_id"
}


def generate(
    folder: Path, people: int, seed: int = _SEED, threads: int = 2, namesakes: float = 1.0
) -> dict[str, int]:
    """``register.parquet``, ``extract.parquet`` and ``truth.parquet`` in ``folder``; how many rows each has.

    ``truth`` says who each record is: ``source, record_id, true_person_id``. Full names coincide
    ``namesakes`` times as often as they do in the nation that ``data.generator`` makes. A folder that holds
    these people already is left as it is. Raises ValueError for fewer than 1,000 people: the sizes would not
    be met.
    """
    if people < 1_000:
        raise ValueError(f"people is {people}; wanted at least 1000, for an extract of three quarters")
    stamp = folder / "made.json"
    asked = {"people": people, "seed": seed, "share": SHARE, "namesakes": namesakes}
    if stamp.exists():
        made = json.loads(stamp.read_text(encoding="utf-8"))
        if made["asked"] == asked:
            return dict(made["rows"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    register, extract, truth = _whole(_plan(round(_MADE * people), seed, namesakes), threads)
    rng = np.random.Generator(np.random.PCG64(seed))

    extract = _kept(extract, np.zeros(len(extract), np.bool_), round(SHARE * people), rng)
    person = register.join(truth.filter(source="register"), on="record_id", how="left", maintain_order="left")
    held = extract.join(truth.filter(source="extract"), on="record_id")["true_person_id"]
    needed = person["true_person_id"].is_in(held.implode()).to_numpy()
    register = _kept(register, needed, people, rng)
    truth = pl.concat(
        truth.filter(source=source).join(table.select("record_id"), on="record_id", how="semi")
        for source, table in (("register", register), ("extract", extract))
    )
    rows = {}
    register, extract = (table[rng.permutation(len(table))] for table in (register, extract))
    for name, table in (("register", register), ("extract", extract), ("truth", truth)):
        table.write_parquet(folder / f"{name}.parquet", compression="snappy")
        rows[name] = len(table)
    stamp.write_text(json.dumps({"asked": asked, "rows": rows}), encoding="utf-8")
    return rows


def _kept(table: pl.DataFrame, needed: np.ndarray, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """So many rows in their order: those that are needed, and others by chance."""
    if not needed.sum() <= rows <= len(table):
        raise ValueError(f"{rows} rows of {len(table)} are wanted, of which {needed.sum()} are needed")
    chance = np.where(needed, -1.0, rng.random(len(table)))
    return table[np.sort(np.argpartition(chance, rows - 1)[:rows])]


def _whole(plan: Plan, threads: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Register, extract and truth of a plan's people."""
    registers, extracts, truths = [], [], []
    for piece in _pieces(plan, threads):
        registers.append(_table(piece.tables["register"][0]))
        extracts.append(_table(piece.extracts["insurance"][0].table))
        truth = pl.from_arrow(piece.tables["truth/entities"][0])
        truths.append(truth.with_columns(source=pl.col("source").replace("insurance", "extract")))
    return pl.concat(registers), pl.concat(extracts), pl.concat(truths)


def _plan(people: int, seed: int, namesakes: float) -> Plan:
    """The extract in the register's own form: ISO dates, communes of today, phones of ten digits."""
    layout = dataclasses.replace(
        INSURANCE, date="yyyy-mm-dd", commune_as_of=AFTER, phone_forms=(), sex={s: s for s in _SEXES.values()}
    )
    rates = DEFAULT.replaced("insurance.old_number", 0.0)
    return Plan(
        people, seed, None, namesakes, rates, 1, (layout,), {"insurance": Form("parquet")}, cards=False
    )


def _pieces(plan: Plan, threads: int) -> Iterator[Piece]:
    numbers = clerks(plan, people_in(plan, 0))
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(make, plan, chunk, numbers) for chunk in range(min(threads, plan.chunks)))
        for following in range(len(waiting), plan.chunks + len(waiting)):
            yield waiting.popleft().result()
            if following < plan.chunks:
                waiting.append(pool.submit(make, plan, following, numbers))


def _table(rows: object) -> pl.DataFrame:
    """The columns of ``COLUMNS`` of one file's rows."""
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    communes = reference.communes_after()
    province = pl.col("commune").replace_strict(communes["code"], communes["province_gso"])
    return frame.rename(_NAMES, strict=False).select(
        "record_id",
        "number",
        "full_name",
        pl.col("birth_date").cast(pl.String),
        pl.col("sex").replace(_SEXES),
        "commune",
        province.alias("province"),
        "phone",
    )
