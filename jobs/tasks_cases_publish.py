"""Tasks that publish register cases: as a table, and as a page for the register's clerks.

cases/{field}.arrow   the cases of a field as they are told, by persons' rows
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.store import aside, read_arrays, read_table, write_parquet, write_table
from jobs.tasks_correct import words_of
from jobs.tasks_doubles import tied_records
from jobs.voices import case_fields
from jobs.workspace import Workspace, frame, submitted
from linkage import tables
from linkage.artefacts import arrow_text, content_ids, id_array, joined, numbers
from linkage.cases import ALONE, FULLER, SPELLING_MIN
from linkage.evidence import EVIDENCE, texts
from linkage.render import identifier_texts, iso_dates, sex_texts
from linkage.wording import field_name
from linkage.words import Words, name_texts

#: Cases of the page that are written together: as Python's objects they take some 5 kB each.
PAGE_ROWS = 20_000

#: Columns of a case while it is made, beside its id and the register's version.
_COLUMNS: dict[str, Any] = {
    "kind": pl.String,
    "person": pl.Int64,
    "other": pl.Int64,
    "field": pl.String,
    "register_value": pl.String,
    "agency_value": pl.String,
    "agencies": pl.List(pl.String),
    "records": pl.Int32,
    "evidence": pl.List(pl.String),
    "confidence": pl.Float64,
}


def publish_register_cases(work: str, out: str, version: str) -> dict[str, Any]:
    """``register_cases.parquet`` and ``.csv``: every case, by person; none without a register.

    version : the register's, see :func:`jobs.policies.register_version`
    """
    space = Workspace.open(work)
    pieces = [pl.DataFrame(schema=_COLUMNS)]
    if space.loaded.project.register is not None:
        pieces += [frame(read_table(_told(space, f))).cast(pl.Schema(_COLUMNS)) for f in case_fields(space)]
        pieces += [_number_cases(space, words_of(space)), _doubles(space)]
    whole = pl.concat(pieces)
    person, other = (space.ids.take(whole[c].to_numpy()) for c in ("person", "other"))
    whole = whole.with_columns(person_id=person, other_person_id=other)
    # Of two persons who look like one, the case is the smaller key's.
    swap = (pl.col("kind") == "duplicate") & (pl.col("person_id") > pl.col("other_person_id"))
    whole = whole.with_columns(
        person_id=pl.when(swap).then("other_person_id").otherwise("person_id"),
        other_person_id=pl.when(swap).then("person_id").otherwise("other_person_id"),
    )
    whole = whole.sort(list(tables.REGISTER_CASES.sorted_by), nulls_last=False)
    identity = content_ids(
        joined(
            "register_case",
            *(whole[c] for c in ("kind", "person_id", "other_person_id", "field", "register_value")),
            whole["agency_value"],
        )
    )
    table = tables.REGISTER_CASES.check(
        pa.table(
            {
                "case_id": id_array(identity),
                "register_version": pa.array([version] * whole.height, pa.large_string()),
                **{
                    c: arrow_text(whole[c])
                    for c in (
                        "kind",
                        "person_id",
                        "other_person_id",
                        "field",
                        "register_value",
                        "agency_value",
                    )
                },
                **{c: whole[c].to_arrow() for c in ("agencies", "records", "evidence")},
                "confidence": numbers(whole["confidence"].to_numpy()),
            }
        )
    )
    write_parquet(Path(out) / "register_cases.parquet", table)
    with aside(Path(out) / "register_cases.csv") as page:
        page.write(_lines([[_HEADINGS[c] for c in table.column_names]], mark=True))
        for at in range(0, table.num_rows, PAGE_ROWS):
            page.write(_lines(_told_rows(table.slice(at, PAGE_ROWS))))
    counts = {
        f"{kind}.{field or ''}".rstrip("."): n
        for kind, field, n in whole.group_by("kind", "field").len().sort("kind", "field").iter_rows()
    }
    return {"rows_out": table.num_rows, "cases": counts}


def tell_field_cases(space: Workspace, standard: str) -> None:
    """Write the cases of a field as they are told: for each field by its own task, beside the others."""
    write_table(_told(space, standard), _field_cases(space, standard, words_of(space)).to_arrow())


def _told(space: Workspace, standard: str) -> Path:
    return space.path("cases", f"{standard}.arrow")


def _standard(space: Workspace, standard: str, rows: np.ndarray, words: Words) -> pl.Series:
    """A field of a few rows in standard form; null for nothing."""
    kind = space.kinds[standard]
    codes = np.asarray(space.coded.arrays[standard][rows])
    if kind == "name":
        return name_texts(codes, words.written).replace("", None)
    if kind == "date":
        return iso_dates(codes)
    if kind == "sex":
        return sex_texts(codes)
    if kind in ("identifier", "phone"):
        return identifier_texts(codes)
    texts = submitted(space, standard, rows).str.strip_chars()
    return _dated(space, standard, rows, texts) if kind == "unit" else texts


def _dated(space: Workspace, standard: str, rows: np.ndarray, texts: pl.Series) -> pl.Series:
    """Units of a few rows as ``code@day``, by the list that each row's source uses."""
    out = texts.to_list()
    source = np.asarray(space.coded.source)[rows]
    for number, info in enumerate(space.sources):
        mine = [i for i in np.flatnonzero(source == number).tolist() if out[i] is not None]
        if mine:
            day = info.contract.by_standard()[standard].as_of or info.extract_date
            told = pl.Series(standard, [out[i] for i in mine], dtype=pl.String)
            for place, dated in zip(mine, space.pack.dated_units(standard, told, day), strict=True):
                out[place] = dated
    return pl.Series(standard, out, dtype=pl.String)


def _field_cases(space: Workspace, standard: str, words: Words) -> pl.DataFrame:
    held = read_arrays(space.path("cases", f"{standard}.arrays"))
    n = held["person"].shape[0]
    names = [s.name for s in space.sources]
    holders = (
        np.unpackbits(held["holders"], axis=1, count=256).astype(bool) if n else np.zeros((0, 256), bool)
    )
    repaired = held["repaired"]
    theirs = _standard(space, standard, held["person"], words)
    if repaired.any():
        typed = np.flatnonzero(repaired)
        theirs = theirs.scatter(typed, submitted(space, standard, held["person"][typed]).str.strip_chars())
    sources, confirmed, says, manner = (held[c] for c in ("sources", "confirmed", "says", "manner"))
    marks = {
        "agencies_agree": sources > 1,
        "agency_holds": sources == 1,
        "no_agency_confirms": (confirmed == 0) & (repaired == 0),
        "agency_confirms": confirmed > 0,
        "number_structure": says > 0,
        "number_against": says < 0,
        "register_incomplete": manner == FULLER,
        "register_empty": manner == ALONE,
        "register_spelling": held["spelling"] >= SPELLING_MIN,
        "register_mistyped": repaired != 0,
    }
    codes = [code for code in EVIDENCE if code in marks]
    return pl.DataFrame(
        {
            "kind": ["field"] * n,
            "person": held["person"].astype(np.int64),
            "other": np.full(n, -1, np.int64),
            "field": [standard] * n,
            "register_value": theirs,
            "agency_value": _standard(space, standard, held["row"], words),
            "agencies": _named(holders[:, : len(names)], names),
            "records": held["records"].astype(np.int32),
            "evidence": _named(np.stack([marks[code] for code in codes], axis=1), codes, ordered=False),
            "confidence": held["confidence"].astype(np.float64),
        },
        schema=_COLUMNS,
    )


def _number_cases(space: Workspace, words: Words) -> pl.DataFrame:
    held = read_arrays(space.path("cases", "@numbers.arrays"))
    persons, fields = held["person"].astype(np.int64), held["field"]
    if not persons.size:
        return pl.DataFrame(schema=_COLUMNS)
    codes = np.asarray(space.coded.arrays["personal_number"][persons])
    sex, year = space.pack.holders(codes, space.sources[0].extract_date.year)
    names = ("sex", "birth_date", "personal_number")
    register, told = [], []
    for standard in names:
        known = standard in space.coded.arrays
        none = pl.Series(standard, [None] * persons.size, dtype=pl.String)
        register.append((_standard(space, standard, persons, words) if known else none).to_list())
    told = [
        sex_texts(sex).to_list(),
        iso_dates(year.astype(np.int32) << 9).to_list(),
        [None] * persons.size,
    ]
    which = np.where(fields < 0, 2, fields).tolist()
    return pl.DataFrame(
        {
            "kind": ["field"] * persons.size,
            "person": persons,
            "other": np.full(persons.size, -1, np.int64),
            "field": [names[f] for f in which],
            "register_value": [register[f][i] for i, f in enumerate(which)],
            "agency_value": [told[f][i] for i, f in enumerate(which)],
            "agencies": _named(np.zeros((persons.size, 0), np.bool_), []),
            "records": np.zeros(persons.size, np.int32),
            "evidence": _named(np.ones((persons.size, 1), np.bool_), ["number_contradicts_holder"]),
            "confidence": held["confidence"].astype(np.float64),
        },
        schema=_COLUMNS,
    )


def _doubles(space: Workspace) -> pl.DataFrame:
    held = read_arrays(space.path("cases", "@doubles.arrays"))
    one, other = held["one"].astype(np.int64), held["other"].astype(np.int64)
    n = one.shape[0]
    codes = [c for c in EVIDENCE if f"evidence.{c}" in held]
    names = [s.name for s in space.sources]
    tied = np.zeros((n, len(names)), np.int32)
    if n and held["evidence.records_fit_both"].any():
        _count_tied(space, one, other, tied)
    shown = np.stack([held[f"evidence.{c}"] != 0 for c in codes], axis=1) if codes else np.zeros((n, 0), bool)
    return pl.DataFrame(
        {
            "kind": ["duplicate"] * n,
            "person": one,
            "other": other,
            "field": pl.Series([None] * n, dtype=pl.String),
            "register_value": pl.Series([None] * n, dtype=pl.String),
            "agency_value": pl.Series([None] * n, dtype=pl.String),
            "agencies": _named(tied != 0, names),
            "records": tied.sum(axis=1, dtype=np.int32),
            "evidence": _named(shown, codes, ordered=False),
            "confidence": held["probability"].astype(np.float64),
        },
        schema=_COLUMNS,
    )


def _count_tied(space: Workspace, one: np.ndarray, other: np.ndarray, tied: np.ndarray) -> None:
    """Count the agency records that fit two register persons equally, by pair of persons and source.

    one, other : int64[n], the persons of each pair;  tied : int32[n, sources], filled
    """
    pairs = _both(one, other)
    by = np.argsort(pairs)
    for start, _ in space.ranges(register=False):
        rows, person, runner_up = tied_records(space, start)
        asked = _both(person.astype(np.int64), runner_up.astype(np.int64))
        place = np.minimum(np.searchsorted(pairs[by], asked), by.size - 1)
        known = pairs[by[place]] == asked
        np.add.at(tied, (by[place[known]], np.asarray(space.coded.source[rows[known]])), 1)


def _both(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A number of each unordered pair of persons: uint64[n]."""
    low, high = np.minimum(one, other), np.maximum(one, other)
    return (low.astype(np.uint64) << np.uint64(32)) | high.astype(np.uint64)


def _named(marks: np.ndarray, names: Sequence[str], *, ordered: bool = True) -> pl.Series:
    """Lists of the names marked in each row of bool[n, names], sorted if ``ordered``.

    Each distinct list is made once: Polars takes 5 kB and 10 us for every list of Python's.
    """
    distinct, which = np.zeros((1, 0), np.bool_), np.zeros(marks.shape[0], np.int64)
    if marks.size:
        distinct, which = np.unique(marks, axis=0, return_inverse=True)
    lists = [[names[i] for i in np.flatnonzero(row).tolist()] for row in distinct]
    lists = [sorted(own) for own in lists] if ordered else lists
    return pl.Series(lists, dtype=pl.List(pl.String)).gather(pl.Series(which.ravel().astype(np.uint32)))


#: Headings of the page: column -> Vietnamese.
_HEADINGS = {
    "case_id": "Mã vụ việc",
    "kind": "Loại",
    "person_id": "Mã người",
    "other_person_id": "Mã người thứ hai",
    "field": "Trường",
    "register_value": "Giá trị trong CSDL dân cư",
    "agency_value": "Giá trị trái với CSDL dân cư",
    "agencies": "Cơ quan",
    "records": "Số bản ghi",
    "evidence": "Căn cứ",
    "confidence": "Độ tin cậy",
    "register_version": "Phiên bản CSDL dân cư",
}
_DATES = ("birth_date", "death_date")
_ISO = re.compile(r"[0-9]{4}(-[0-9]{2}){1,2}")
_KINDS = {"field": "Giá trị có thể sai", "duplicate": "Có thể trùng người"}


def _told_rows(table: pa.Table) -> Iterator[list[str]]:
    """The cases in Vietnamese for a spreadsheet; a text that one would run gets an apostrophe in front."""
    for row in table.to_pylist():
        row["case_id"] = row["case_id"].hex()
        if row["field"] in _DATES:
            for column in ("register_value", "agency_value"):
                row[column] = _day(row[column])
        row["kind"] = _KINDS[row["kind"]]
        row["field"] = field_name(row["field"], "vi") if row["field"] else ""
        row["agencies"] = ", ".join(row["agencies"])
        row["evidence"] = " ".join(texts(row["evidence"], "vi"))
        row["confidence"] = f"{row['confidence']:.6g}"
        yield [_safe("" if v is None else str(v)) for v in row.values()]


def _lines(rows: Iterable[list[str]], *, mark: bool = False) -> bytes:
    """Rows of a page as CSV in UTF-8, with a byte order mark if ``mark``."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return (b"\xef\xbb\xbf" if mark else b"") + out.getvalue().encode()


def _day(text: str | None) -> str | None:
    """A date, which may lack day or month, as Vietnamese clerks write it: ``dd/mm/yyyy``."""
    return "/".join(reversed(text.split("-"))) if text and _ISO.fullmatch(text) else text


def _safe(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "'") else text
