"""The page of a receipt: what an agency gets back, for a clerk to read, Vietnamese first and then English."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from linkage import wording
from linkage.policy import ACTIONS, KINDS
from linkage.receipt import DECISIONS, steps, waiting
from linkage.wording import LANGUAGES, Language

#: Action -> (English, Vietnamese).
DEEDS: Mapping[str, tuple[str, str]] = {
    "apply": ("to apply", "áp dụng ngay"),
    "confirm": ("to confirm", "cần xác nhận"),
    "investigate": ("to investigate", "cần xác minh"),
}

#: Kind of a correction -> (English, Vietnamese).
SORTS: Mapping[str, tuple[str, str]] = {
    "format": ("written differently, same value", "viết khác quy cách, cùng giá trị"),
    "fill": ("missing or incomplete", "thiếu hoặc chưa đầy đủ"),
    "update": ("right once, changed since", "trước đây đúng, nay đã đổi"),
    "fix": ("contradicting the register", "trái với CSDL dân cư"),
    "status": ("the person has died", "người đã chết"),
}

#: Kind of a register case -> (English, Vietnamese).
CASES: Mapping[str, tuple[str, str]] = {
    "field": ("values that agencies contradict", "giá trị mà các cơ quan có số liệu khác"),
    "duplicate": ("pairs of persons who may be one", "cặp hai người có thể là một"),
}

#: What an agency does next: code -> (English, Vietnamese).
STEPS: Mapping[str, tuple[str, str]] = {
    "send_again": (
        "Nothing of this extract was used. Mend what is named above and send the extract again.",
        "Dữ liệu này chưa được sử dụng. Sửa lỗi nêu trên rồi gửi lại toàn bộ.",
    ),
    "mend_refused": (
        "Mend the refused rows where they come from; rejects/{source}.csv has them all, with lines.",
        "Sửa các dòng bị từ chối tại nguồn; tệp rejects/{source}.csv liệt kê đủ số dòng và mã lỗi.",
    ),
    "look_at_queries": (
        "Look at the values named above (all of them: queries/{source}.csv); mend those that are wrong.",
        "Kiểm tra các giá trị nêu trên (đủ trong queries/{source}.csv); giá trị nào sai thì sửa tại nguồn.",
    ),
    "look_at_results": (
        "See what verification says of each record in verifications/{source}.csv.",
        "Xem kết quả xác thực từng bản ghi trong tệp verifications/{source}.csv.",
    ),
    "wait_for_results": (
        "The results of verification are held back until somebody who answers for the run releases them.",
        "Kết quả xác thực đang tạm giữ, chờ người có trách nhiệm phê duyệt.",
    ),
    "wait": (
        "Corrections and merge orders are held back until somebody who answers for the run releases them.",
        "Các đề nghị sửa đổi và đề nghị gộp đang tạm giữ, chờ người có trách nhiệm phê duyệt.",
    ),
    "apply_feed": (
        'Take the feed feeds/{source}/: apply at once what is marked "apply", look at the rest.',
        'Nhận thư mục feeds/{source}/: mục ghi "apply" thì áp dụng ngay, các mục còn lại cán bộ xem xét.',
    ),
    "judge_feed": (
        "Take the feed feeds/{source}/: look at every correction in it.",
        "Nhận thư mục feeds/{source}/: cán bộ xem xét từng mục.",
    ),
    "merge": (
        "Merge the records that the merge orders in orders/{source}/ name.",
        "Gộp các bản ghi trùng theo đề nghị gộp trong thư mục orders/{source}/.",
    ),
    "judge_cases": (
        "Look at register_cases.csv: what is wrong is mended in the register itself.",
        "Xem xét tệp register_cases.csv; thông tin nào sai thì sửa tại CSDL dân cư.",
    ),
    "wait_for_clerks": (
        "{waiting} records wait for the clerks of the register; you need do nothing.",
        "{waiting} bản ghi đang chờ cán bộ quản lý CSDL dân cư xem xét; quý cơ quan chưa phải làm gì.",
    ),
    "nothing": ("Nothing is to be done.", "Không phải làm gì thêm."),
}

#: Why a source was not used, by what is wrong: code of the error -> (English, Vietnamese).
_UNUSED: Mapping[str, tuple[str, str]] = {
    "E-INPUT-019": ("Too many rows are refused.", "Quá nhiều dòng bị từ chối."),
    "": (
        "A file cannot be read as its contract says.",
        "Có tệp không đọc được theo quy cách dữ liệu đã thống nhất.",
    ),
}

_VALID: Mapping[Language, str] = {
    "en": """This receipt counts until a newer extract of this source, or of the register, has been processed.
A correction names the value it expects to find: applied late or twice it does no harm.""",
    "vi": """Biên nhận này có giá trị đến khi có bản trích xuất mới hơn của nguồn này hoặc của CSDL dân cư
được xử lý. Mỗi bản sửa đổi ghi rõ giá trị đang có, nên áp dụng muộn hoặc hai lần cũng không gây sai.""",
}

#: Queries and corrected fields that the page names one by one; the data has them all.
_NAMED = 8


def receipt_text(held: Mapping[str, Any]) -> str:
    """The page for a clerk: the receipt in Vietnamese, then in English."""
    return ("\n" + "-" * wording.PAGE + "\n\n").join(_page(held, language) for language in LANGUAGES)


def _page(held: Mapping[str, Any], language: Language) -> str:
    number = 0
    lines = _head(held, language)
    for title, body in (
        (("Files received", "Tệp đã nhận"), _files(held, language)),
        (("Rows", "Các dòng dữ liệu"), _rows(held, language)),
        (
            (
                "To be looked at (the records were taken)",
                "Cần kiểm tra (bản ghi vẫn được nhận)",
            ),
            _queries(held, language),
        ),
        (("Whose records they are", "Kết quả đối chiếu"), _decisions(held, language)),
        (("Where the register may be wrong", "Dữ liệu có thể sai trong CSDL dân cư"), _cases(held, language)),
        (("Corrections for you", "Sửa đổi gửi quý cơ quan"), _corrections(held, language)),
        (("Held back", "Lý do tạm giữ"), _held_back(held, language)),
        (("What to do", "Việc cần làm"), _next(held, language)),
    ):
        if body:
            number += 1
            lines += ["", f"{number}. {title[0 if language == 'en' else 1]}", *body]
    return "\n".join([*lines, "", *wording.wrapped(_VALID[language], 0), *_rights(held, language)]) + "\n"


def _head(held: Mapping[str, Any], language: Language) -> list[str]:
    english = language == "en"
    extract = wording.day(datetime.date.fromisoformat(held["extract_date"]), language)
    made = wording.day(datetime.date.fromisoformat(held["made"]), language)
    title = "RECEIPT" if english else "BIÊN NHẬN DỮ LIỆU"
    version = held["register_version"]
    about = (
        f"Extract of {extract}, processed on {made}, run {held['run_id']}"
        if english
        else f"Dữ liệu tính đến ngày {extract}, xử lý ngày {made}, mã lần chạy {held['run_id']}"
    )
    of = "register version" if english else "phiên bản Cơ sở dữ liệu quốc gia về dân cư (CSDL dân cư)"
    against = f", {of} {version}" if version else ""
    lines = [f"{title}: {held['source']}", *wording.wrapped(f"{about}{against}.", 0)]
    said = {
        "left_out": (
            "NOT USED: the run went on without this source.",
            "KHÔNG SỬ DỤNG: lần chạy bỏ qua nguồn này.",
        ),
        "stopped": ("NOT USED: the run was stopped.", "KHÔNG SỬ DỤNG: lần chạy đã dừng."),
    }.get(held["outcome"])
    if said is not None:
        why = held["why"] or ""
        what = _UNUSED[next(code for code in _UNUSED if why.startswith(code))][0 if english else 1]
        detail = "" if not why else f" ({why})" if english else f" (Chi tiết bằng tiếng Anh: {why})"
        lines += [said[0 if english else 1], *wording.wrapped(what + detail, 2)]
    return lines


def _files(held: Mapping[str, Any], language: Language) -> list[str]:
    lines = []
    for file in held["files"]:
        lines += wording.aligned(
            [(file["name"], f"{wording.count(file['bytes'], language)} byte{'s' * (language == 'en')}")]
        )
        lines.append(f"    sha256 {file['sha256']}")
    text = held["lines"]
    if text is not None:
        names = (
            ("lines: header", "blank", "of accepted rows", "of refused rows")
            if language == "en"
            else ("số dòng trong tệp: tiêu đề", "trống", "đã nhận", "bị từ chối")
        )
        keys = ("header", "blank", "accepted", "refused")
        said = ", ".join(f"{n} {wording.count(text[k], language)}" for n, k in zip(names, keys, strict=True))
        lines += wording.wrapped(f"{said} = {wording.count(text['total'], language)}.", 2)
    return lines


def _rows(held: Mapping[str, Any], language: Language) -> list[str]:
    english = language == "en"
    names = ("read", "accepted", "refused") if english else ("đã đọc", "đã nhận", "bị từ chối")
    lines = wording.aligned(
        (name, wording.count(held["rows"][key], language))
        for name, key in zip(names, ("read", "accepted", "refused"), strict=True)
    )
    for refused in held["refused"]:
        column = refused["column"]
        of = f" ({'column' if english else 'cột'} {column})" if column else ""
        where = f"{'for example line' if english else 'ví dụ dòng'} {refused['line']}"
        where += f" {'of' if english else 'của tệp'} {refused['file']}" if len(held["files"]) > 1 else ""
        rows = wording.count(refused["rows"], language)
        lines += wording.wrapped(f"{rows} x  {refused[language]}{of} [{refused['code']}] {where}", 4)
    return lines


def _queries(held: Mapping[str, Any], language: Language) -> list[str]:
    english = language == "en"
    ordered = sorted(held["queries"], key=lambda q: (-q["rows"], q["field"], q["code"]))
    lines = []
    for query in ordered[:_NAMED]:
        where = "for example line" if english else "ví dụ dòng"
        example = f" ({where} {query['line']})" if len(held["files"]) == 1 else ""
        name = wording.field_name(query["field"], language)
        rows = wording.count(query["rows"], language)
        lines += wording.wrapped(f"{rows} x  {name}: {query[language]}{example}", 2, hang=2)
    if ordered[_NAMED:]:
        rows = wording.count(sum(q["rows"] for q in ordered[_NAMED:]), language)
        lines.append(f"  {rows} x  {'others' if english else 'khác'}")
    return lines


def _decisions(held: Mapping[str, Any], language: Language) -> list[str]:
    decisions = held["decisions"]
    if decisions is None:
        return []
    english = language == "en"
    rows = [
        (DECISIONS[d][0 if english else 1], wording.count(n, language))
        for d, n in decisions.items()
        if n or d == "link"
    ]
    rows.append(("together" if english else "Cộng", wording.count(sum(decisions.values()), language)))
    return [*wording.aligned(rows), *_undecided(held, language)]


def _undecided(held: Mapping[str, Any], language: Language) -> list[str]:
    of = held.get("undecided")
    if not of or not of["records"]:
        return []
    whole, paired, unpaired = (wording.count(of[key], language) for key in ("records", "paired", "unpaired"))
    said = (
        f"Undecided: {whole} records, of which {paired} have a pair to be judged, "
        f"and for {unpaired} nobody was found yet."
        if language == "en"
        else f"Chưa kết luận: {whole} bản ghi, trong đó {paired} bản ghi có cặp để xem xét, "
        f"{unpaired} bản ghi chưa tìm thấy người phù hợp."
    )
    return wording.wrapped(said, 2, hang=2)


def _cases(held: Mapping[str, Any], language: Language) -> list[str]:
    place = 0 if language == "en" else 1
    return wording.aligned(
        (CASES[kind][place] if kind in CASES else kind, wording.count(n, language))
        for kind, n in (held["cases"] or {}).items()
    )


def _corrections(held: Mapping[str, Any], language: Language) -> list[str]:
    place = 0 if language == "en" else 1
    found = held["corrections"]
    lines = []
    if found:
        deeds = [a for a in ACTIONS if a in DEEDS]
        fields = sorted({c["field"] for c in found})
        table = [["", *(DEEDS[a][place] for a in deeds)]]
        for standard in fields:
            sums = [
                sum(c["rows"] for c in found if (c["field"], c["action"]) == (standard, a)) for a in deeds
            ]
            name = wording.field_name(standard, language)
            table.append([name, *(wording.count(n, language) if n else "-" for n in sums)])
        lines += wording.columns(table)
        lines.append(("  of these", "  trong đó")[place])
        sorts = [
            (SORTS[k][place], wording.count(n, language))
            for k in KINDS
            if (n := sum(c["rows"] for c in found if c["kind"] == k))
        ]
        lines += wording.aligned(sorts, indent=4)
    if held["duplicates"]:
        name = ("records to be merged into another", "bản ghi trùng, đề nghị gộp")[place]
        lines += wording.aligned([(name, wording.count(held["duplicates"], language))])
    return lines


def _held_back(held: Mapping[str, Any], language: Language) -> list[str]:
    if not held["withheld"]:
        return []
    return [line for gate in held["gates"] for line in wording.wrapped(gate[language], 2)]


def _next(held: Mapping[str, Any], language: Language) -> list[str]:
    figures = {"source": held["source"], "waiting": wording.count(waiting(held), language)}
    return [
        line
        for code in steps(held)
        for line in wording.wrapped(
            "- " + STEPS[code][0 if language == "en" else 1].format(**figures), 2, hang=2
        )
    ]


def _rights(held: Mapping[str, Any], language: Language) -> list[str]:
    policy = held["policy"]
    said = []
    for name, key in (
        (("Purpose", "Mục đích"), "purpose"),
        (("Legal basis", "Căn cứ pháp lý"), "legal_basis"),
    ):
        if policy[key]:
            said.append(f"{name[0 if language == 'en' else 1]}: {policy[key]}.".replace("..", "."))
    if policy["policy_id"]:
        said.append(f"{'Policy' if language == 'en' else 'Chính sách'}: {policy['policy_id']}.")
    return wording.wrapped(" ".join(said), 0) if said else []
