"""Receipts: what a run found of one source -> what its agency gets back, as data.

The page for a clerk (:mod:`linkage.receipt_page`) is made from it alone. No value of a record is in it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from linkage.errors import IntegrityError
from linkage.wording import Language

#: How a source fared: its records were decided; it broke its contract and the run went on without it; it
#: broke its contract and the run ended there.
Outcome = Literal["taken", "left_out", "stopped"]

#: Code of a refused row -> (English, Vietnamese): what is wrong and what to do about it.
REFUSALS: Mapping[str, tuple[str, str]] = {
    "field_count": (
        "The row has more or fewer columns than the header; look for a missing or stray delimiter.",
        "Dòng có nhiều hơn hoặc ít hơn số cột của dòng tiêu đề; kiểm tra dấu phân cách thừa hoặc thiếu.",
    ),
    "stray_quote": (
        "Text follows a closing quotation mark; double every quotation mark within a value.",
        "Sau dấu nháy đóng còn có chữ; dấu nháy nằm trong giá trị phải viết đôi.",
    ),
    "unclosed_quote": (
        "A quotation mark is opened and never closed.",
        "Dấu nháy mở mà không có dấu nháy đóng.",
    ),
    "record_too_long": (
        "The row is longer than 64 lines or 1 MiB; most often a quotation mark is missing.",
        "Dòng dài quá 64 dòng hoặc 1 MiB; thường do thiếu dấu nháy.",
    ),
    "bad_encoding": (
        "Characters cannot be read in the encoding of the file.",
        "Có ký tự không đọc được theo bảng mã của tệp.",
    ),
    "control_character": (
        "A value holds a control character that is no text.",
        "Giá trị có ký tự điều khiển, không phải chữ.",
    ),
    "missing_key": ("The row has no record key.", "Dòng không có mã bản ghi (cột khóa để trống)."),
    "missing_field": (
        "A column that must be filled is empty.",
        "Cột bắt buộc phải có giá trị bị bỏ trống.",
    ),
    "repeated_key": (
        "The record key comes more than once; none of these rows was taken.",
        "Mã bản ghi xuất hiện nhiều lần; không nhận dòng nào trong số đó.",
    ),
    "superseded": (
        "A later row of the same key was taken instead; nothing to do.",
        "Đã nhận dòng mới hơn có cùng mã bản ghi; không phải làm gì.",
    ),
    "repeated_key_tie": (
        "The record key comes more than once, and no row is the latest; none was taken.",
        "Mã bản ghi xuất hiện nhiều lần và không dòng nào mới nhất; không nhận dòng nào.",
    ),
}

#: Decision -> (English, Vietnamese), in the order in which they are told.
DECISIONS: Mapping[str, tuple[str, str]] = {
    "link": ("known: one person of the register", "Đã xác định đúng một người trong CSDL dân cư"),
    "review": ("waiting for a person's judgement", "Chờ cán bộ xem xét"),
    "new": ("of nobody in the register", "Không có trong CSDL dân cư"),
    "conflict": ("contradicting themselves, to be judged", "Thông tin mâu thuẫn, chờ cán bộ xem xét"),
    "ineligible": ("holding too little to tell who it is", "Quá ít thông tin để xác định người"),
}


#: Decisions that wait for a clerk of the register.
UNDECIDED = ("review", "conflict")


@dataclass(frozen=True)
class Text:
    """Physical lines, or bytes, of the decompressed text of a source, by what became of them."""

    header: int
    blank: int
    accepted: int
    refused: int
    total: int


@dataclass(frozen=True)
class Refused:
    """Rows refused for one reason, and where the first of them stands."""

    code: str
    rows: int
    file: str
    line: int
    column: str | None = None


@dataclass(frozen=True)
class Query:
    """Values of one field that must be looked at, by code: their number, the first one's line, the matter."""

    code: str
    field: str
    rows: int
    line: int
    en: str
    vi: str


@dataclass(frozen=True)
class Correction:
    """Corrections of one field, kind and action."""

    field: str
    kind: str
    action: str
    rows: int


@dataclass(frozen=True)
class Facts:
    """What a run found of one source.

    files : name, bytes and sha256 of each;  lines, text_bytes : None of a file that is no text
    bytes_as_sent : of the decompressed text in its own encoding; ``text_bytes`` are of it as UTF-8
    decisions, duplicates : None of the register, and of a source that was not decided
    corrections : None of a run that makes none
    cases : of the register: cases by kind
    paired : of the records in review and conflict, those with a pair for the register's clerks; None unknown
    verified : whether the source asked for verification
    gates : the failing gates of this source and of the whole run, as in ``run.json``
    why : of a source that was left out or stopped: what was wrong, in English, without values
    """

    run_id: str
    project: str
    source: str
    register: bool
    made: datetime.date
    extract_date: datetime.date
    outcome: Outcome
    files: Sequence[Mapping[str, Any]]
    read: int
    accepted: int
    refused: Sequence[Refused]
    lines: Text | None = None
    text_bytes: Text | None = None
    bytes_as_sent: int | None = None
    queries: Sequence[Query] = ()
    decisions: Mapping[str, int] | None = None
    duplicates: int | None = None
    corrections: Sequence[Correction] | None = ()
    withheld: bool = False
    gates: Sequence[Mapping[str, Any]] = ()
    why: str | None = None
    register_version: str = ""
    policy_id: str = ""
    purpose: str | None = None
    legal_basis: str | None = None
    cases: Mapping[str, int] | None = None
    paired: int | None = None
    verified: bool = False


def receipt(facts: Facts) -> dict[str, Any]:
    """The receipt as data, every coded thing with its texts. Raises IntegrityError ``E-INTEGRITY-002``."""
    _balance(facts)
    refused = sum(r.rows for r in facts.refused)
    return {
        "schema": 1,
        "run_id": facts.run_id,
        "project": facts.project,
        "source": facts.source,
        "role": "register" if facts.register else "agency",
        "made": facts.made.isoformat(),
        "extract_date": facts.extract_date.isoformat(),
        "register_version": facts.register_version,
        "outcome": facts.outcome,
        "why": facts.why,
        "files": [dict(f) for f in facts.files],
        "lines": None if facts.lines is None else vars(facts.lines),
        "bytes": None if facts.text_bytes is None else vars(facts.text_bytes),
        "bytes_as_sent": facts.bytes_as_sent,
        "rows": {"read": facts.read, "accepted": facts.accepted, "refused": refused},
        "refused": [
            {**vars(r), "en": _refusal(r.code, "en"), "vi": _refusal(r.code, "vi")} for r in facts.refused
        ],
        "queries": [vars(q) for q in facts.queries],
        "decisions": None if facts.decisions is None else {d: facts.decisions.get(d, 0) for d in DECISIONS},
        "undecided": _undecided(facts),
        "verified": facts.verified,
        "duplicates": facts.duplicates,
        "corrections": None if facts.corrections is None else [vars(c) for c in facts.corrections],
        "cases": None if facts.cases is None else dict(facts.cases),
        "withheld": facts.withheld,
        "gates": [dict(g) for g in facts.gates],
        "policy": {
            "policy_id": facts.policy_id,
            "purpose": facts.purpose,
            "legal_basis": facts.legal_basis,
        },
    }


def _undecided(facts: Facts) -> dict[str, int] | None:
    if facts.decisions is None or facts.paired is None:
        return None
    records = sum(facts.decisions.get(d, 0) for d in UNDECIDED)
    return {"records": records, "paired": facts.paired, "unpaired": records - facts.paired}


def _refusal(code: str, language: Language) -> str:
    texts = REFUSALS.get(code)
    return code if texts is None else texts[0 if language == "en" else 1]


def _balance(facts: Facts) -> None:
    refused = sum(r.rows for r in facts.refused)
    sums = [("rows", facts.read, facts.accepted + refused)]
    if facts.decisions is not None:
        sums.append(("accepted rows", facts.accepted, sum(facts.decisions.values())))
    for name, text in (("lines", facts.lines), ("bytes", facts.text_bytes)):
        if text is not None:
            sums.append((name, text.total, text.header + text.blank + text.accepted + text.refused))
    for name, whole, parts in sums:
        if whole != parts:
            raise IntegrityError(
                "E-INTEGRITY-002",
                f"Source {facts.source}: {whole} {name} became {parts} in its receipt;",
                "every one must be accounted for.",
                "Report this as a defect.",
            )


def waiting(held: Mapping[str, Any]) -> int:
    """Records of a receipt that wait for the clerks of the register."""
    return sum((held["decisions"] or {}).get(d, 0) for d in UNDECIDED)


def steps(held: Mapping[str, Any]) -> list[str]:
    """Codes of what the agency does next, by its receipt."""
    if held["outcome"] != "taken":
        return ["send_again"]
    found = []
    if any(r["code"] != "superseded" for r in held["refused"]):
        found.append("mend_refused")
    if held["queries"]:
        found.append("look_at_queries")
    if held.get("verified"):
        found.append("wait_for_results" if held["withheld"] else "look_at_results")
    if held["corrections"] is not None and (held["corrections"] or held["duplicates"]):
        if held["withheld"]:
            found.append("wait")
        else:
            if held["corrections"]:
                applied = any(c["action"] == "apply" for c in held["corrections"])
                found.append("apply_feed" if applied else "judge_feed")
            found += ["merge"] * bool(held["duplicates"])
    if waiting(held):
        found.append("wait_for_clerks")
    if any((held["cases"] or {}).values()):
        found.append("judge_cases")
    return found or ["nothing"]
