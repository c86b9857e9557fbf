"""Scorecard: how correct, complete, clean and live a source is, by field, each measure with its definition.

Đúng, đủ, sạch, sống: every measure is a count of how many do, of how many, so that anyone can add sources or
compare nights. Measures are about the agency's data as submitted; what the run repaired counts against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from linkage import wording
from linkage.agreement import DIFFERENT, EARLIER, EQUAL, LESS, MORE
from linkage.policy import ONLY_CONFIRMED
from linkage.wording import Language

#: Aim -> (English, Vietnamese).
AIMS: Mapping[str, tuple[str, str]] = {
    "correct": ("correct", "đúng"),
    "complete": ("complete", "đủ"),
    "clean": ("clean", "sạch"),
    "live": ("live", "sống"),
}


@dataclass(frozen=True)
class Measure:
    """One measure: the aim it serves, whether it is of a field or of the record, its head and definition."""

    aim: Literal["correct", "complete", "clean", "live"]
    of_field: bool
    head: tuple[str, str]
    definition: tuple[str, str]


#: Code -> measure. Codes never change their meaning; new ones are added.
MEASURES: Mapping[str, Measure] = {
    "equal": Measure(
        "correct",
        True,
        ("equal", "trùng khớp"),
        (
            (
                "of linked records with a value to hold against the register's: those equal to it, "
                "standardised; names in a column without diacritics, but for these"
            ),
            (
                "trong các bản ghi đã liên kết, có giá trị so được với CSDL dân cư: số trùng khớp sau "
                "chuẩn hóa; họ tên trong cột viết không dấu thì so không dấu"
            ),
        ),
    ),
    "links_right": Measure(
        "correct",
        False,
        ("links right", "liên kết đúng"),
        (
            "of linked records: those expected to be linked to the right person",
            "trong các bản ghi đã liên kết: số bản ghi ước tính được liên kết đúng người",
        ),
    ),
    "filled": Measure(
        "complete",
        True,
        ("filled", "có giá trị"),
        ("of accepted records: those that hold a value", "trong các bản ghi đã nhận: số bản ghi có giá trị"),
    ),
    "linked": Measure(
        "complete",
        False,
        ("linked", "đã liên kết"),
        (
            "of accepted records: those linked to one person of the register",
            "trong các bản ghi đã nhận: số bản ghi xác định được một người trong CSDL dân cư",
        ),
    ),
    "readable": Measure(
        "clean",
        True,
        ("readable", "đọc được"),
        (
            "of records that hold a value: those whose value can be read",
            "trong các bản ghi có giá trị: số bản ghi có giá trị đọc được",
        ),
    ),
    "as_declared": Measure(
        "clean",
        True,
        ("as declared", "đúng quy cách"),
        (
            "of records that hold a value: those whose value needed no repair",
            "trong các bản ghi có giá trị: số bản ghi không phải sửa cách viết",
        ),
    ),
    "accepted": Measure(
        "clean",
        False,
        ("rows accepted", "dòng đã nhận"),
        ("of rows read: those that were not refused", "trong các dòng đã đọc: số dòng không bị từ chối"),
    ),
    "single": Measure(
        "clean",
        False,
        ("no duplicate", "không trùng"),
        (
            "of accepted records: those not ordered to be merged into another",
            "trong các bản ghi đã nhận: số bản ghi không bị đề nghị gộp vào bản ghi khác",
        ),
    ),
    "current": Measure(
        "live",
        True,
        ("current", "hiện hành"),
        (
            "of linked records with a value to hold against the register's: those that hold no earlier one",
            "trong các bản ghi đã liên kết, có giá trị so được với CSDL dân cư: số không giữ giá trị cũ",
        ),
    ),
    "dead_marked": Measure(
        "live",
        False,
        ("no unmarked dead", "không sót người chết"),
        (
            "of linked records: those that are not of a person who is dead in the register without saying so",
            "trong các bản ghi đã liên kết: số bản ghi không thuộc người đã chết mà chưa ghi nhận",
        ),
    ),
    "days_behind": Measure(
        "live",
        False,
        ("days behind", "số ngày chậm"),
        (
            "days from this extract to the register's; a number of days, not a share",
            "số ngày từ bản trích xuất này đến bản trích xuất của CSDL dân cư; là số ngày, không phải tỷ lệ",
        ),
    ),
}

#: Relations in which two values were compared.
_COMPARED = (EQUAL, LESS, MORE, EARLIER, DIFFERENT)


@dataclass(frozen=True)
class FieldCounts:
    """What was counted of one field of one source.

    filled, repaired : records with a value; those of which it was repaired
    readable  : of the filled, those whose value could be read; None where nothing reads the field
    relations : int64[relations], linked records by relation to the register (:mod:`linkage.agreement`); None
                where the field is not held against the register
    """

    filled: int
    repaired: int
    readable: int | None = None
    relations: np.ndarray | None = None


@dataclass(frozen=True)
class SourceCounts:
    """What was counted of one source; ``linked`` None of the register, and nothing that follows is told.

    dead_unmarked : None where the register holds no dates of death
    days_behind : days from its extract to the register's
    """

    rows: int
    accepted: int
    fields: Mapping[str, FieldCounts] = field(default_factory=dict)
    linked: int | None = None
    false_links: float = 0.0
    duplicates: int = 0
    dead_unmarked: int | None = None
    days_behind: int = 0


@dataclass(frozen=True)
class Row:
    """One row of the scorecard; ``share`` None where ``whole`` is 0."""

    source: str
    aim: str
    field: str | None
    measure: str
    part: int
    whole: int
    share: float | None


def scorecard(counts: Mapping[str, SourceCounts]) -> list[Row]:
    """The rows of :data:`linkage.tables.SCORECARD`, sorted; a measure that has no meaning has no row."""
    rows = [row for source, of in counts.items() for row in _source(source, of)]
    return sorted(rows, key=lambda r: (r.source, r.aim, r.field is not None, r.field or "", r.measure))


def _row(source: str, measure: str, part: int, whole: int, standard: str | None = None) -> Row:
    share = part / whole if whole else None
    return Row(source, MEASURES[measure].aim, standard, measure, part, whole, share)


def _source(source: str, of: SourceCounts) -> Iterable[Row]:
    yield _row(source, "accepted", of.accepted, of.rows)
    for standard, counted in of.fields.items():
        yield from _field(source, standard, counted, of.accepted)
    if of.linked is None:
        return
    right = _row(source, "links_right", of.linked - round(of.false_links), of.linked)
    yield Row(**{**vars(right), "share": 1 - of.false_links / of.linked if of.linked else None})
    yield _row(source, "linked", of.linked, of.accepted)
    yield _row(source, "single", of.accepted - of.duplicates, of.accepted)
    if of.dead_unmarked is not None:
        yield _row(source, "dead_marked", of.linked - of.dead_unmarked, of.linked)
    yield _row(source, "days_behind", of.days_behind, 0)


def _field(source: str, standard: str, of: FieldCounts, accepted: int) -> Iterable[Row]:
    yield _row(source, "filled", of.filled, accepted, standard)
    if of.readable is not None:
        yield _row(source, "readable", of.readable, of.filled, standard)
    yield _row(source, "as_declared", of.filled - of.repaired, of.filled, standard)
    if of.relations is None:
        return
    compared = int(of.relations[list(_COMPARED)].sum())
    stale = int(of.relations[EARLIER]) + (int(of.relations[DIFFERENT]) if standard in ONLY_CONFIRMED else 0)
    yield _row(source, "equal", int(of.relations[EQUAL]), compared, standard)
    yield _row(source, "current", compared - stale, compared, standard)


def scorecard_text(rows: Sequence[Row], order: Sequence[str]) -> str:
    """The scorecard for people, in Vietnamese and then in English; sources in the given order."""
    return "\n".join(_page(rows, order, language) for language in wording.LANGUAGES)


def _page(rows: Sequence[Row], order: Sequence[str], language: Language) -> str:
    place = 0 if language == "en" else 1
    title = (
        "SCORECARD: correct, complete, clean, live",
        "BẢNG ĐÁNH GIÁ CHẤT LƯỢNG DỮ LIỆU: đúng, đủ, sạch, sống",
    )[place]
    lines = [title, ""]
    for source in order:
        mine = [r for r in rows if r.source == source]
        if mine:
            lines += [source, *_by_field(mine, language), *_whole(mine, language), ""]
    lines.append(("What is measured", "Định nghĩa (CSDL dân cư: Cơ sở dữ liệu quốc gia về dân cư)")[place])
    for measure in MEASURES.values():
        lines += wording.wrapped(
            f"{AIMS[measure.aim][place]}, {measure.head[place]}: {measure.definition[place]}.", 2, hang=2
        )
    return "\n".join(lines) + "\n"


def _by_field(mine: Sequence[Row], language: Language) -> list[str]:
    place = 0 if language == "en" else 1
    measures = [m for m, of in MEASURES.items() if of.of_field and any(r.measure == m for r in mine)]
    held = {(r.field, r.measure): r for r in mine if r.field is not None}
    table = [
        ["", *(AIMS[MEASURES[m].aim][place] for m in measures)],
        [("field", "trường")[place], *(MEASURES[m].head[place] for m in measures)],
    ]
    for standard in dict.fromkeys(f for f, _ in held):
        cells = [
            wording.share(held[standard, m].share, language, 2) if (standard, m) in held else ""
            for m in measures
        ]
        table.append([wording.field_name(str(standard), language), *cells])
    return wording.columns(table)


def _whole(mine: Sequence[Row], language: Language) -> list[str]:
    place = 0 if language == "en" else 1
    table = []
    for row in sorted((r for r in mine if r.field is None), key=lambda r: list(MEASURES).index(r.measure)):
        measure = MEASURES[row.measure]
        days = row.measure == "days_behind"
        digits = 5 if row.measure == "links_right" else 2
        figure = wording.count(row.part, language) if days else wording.share(row.share, language, digits)
        of = "" if days else f"{wording.count(row.part, language)} / {wording.count(row.whole, language)}"
        table.append([f"{AIMS[measure.aim][place]}, {measure.head[place]}", figure, of])
    return wording.columns(table)


def as_columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """The rows as columns of :data:`linkage.tables.SCORECARD`."""
    return {name: [getattr(r, name) for r in rows] for name in Row.__dataclass_fields__}
