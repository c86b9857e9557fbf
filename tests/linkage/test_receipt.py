"""Receipts: every figure stands in the data and on the page, in both languages, and everything adds up."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage import ingest, wording
from linkage.decisions import DECISIONS as KNOWN
from linkage.errors import IntegrityError
from linkage.policy import ACTIONS, KINDS
from linkage.receipt import DECISIONS, REFUSALS, Correction, Facts, Query, Refused, Text, receipt, steps
from linkage.receipt_page import DEEDS, SORTS, STEPS, receipt_text

PLAIN = Facts(
    run_id="0123456789abcdef",
    project="nation",
    source="tax",
    register=False,
    made=datetime.date(2026, 11, 22),
    extract_date=datetime.date(2026, 11, 20),
    outcome="taken",
    files=[{"name": "tax.csv", "bytes": 1234567, "sha256": "ab" * 32}],
    read=1000,
    accepted=1000,
    refused=[],
    decisions={"link": 1000},
    duplicates=0,
)

FULL = dataclasses.replace(
    PLAIN,
    read=1_234_567,
    accepted=1_234_560,
    refused=[Refused("field_count", 4, "tax.csv", 4711), Refused("missing_key", 3, "tax.csv", 99, "MA_SO")],
    lines=Text(header=1, blank=2, accepted=1_234_560, refused=9, total=1_234_572),
    text_bytes=Text(header=50, blank=2, accepted=9_000, refused=90, total=9_142),
    queries=[
        Query("impossible_date", "birth_date", 12, 815, "There is no such day.", "Ngày này không tồn tại.")
    ],
    decisions={"link": 1_234_000, "review": 500, "new": 50, "conflict": 8, "ineligible": 2},
    duplicates=31,
    corrections=[
        Correction("full_name", "format", "apply", 1_500),
        Correction("full_name", "fix", "confirm", 77),
        Correction("death_date", "status", "investigate", 3),
    ],
    purpose="Quản lý thuế",
    legal_basis="Luật Căn cước 2023, Điều 10",
    policy_id="cd" * 16,
    register_version="2026-11-20/0011223344556677",
)


def pages(facts):
    """The Vietnamese and the English page."""
    text = receipt_text(json.loads(json.dumps(receipt(facts))))
    return text.split("-" * wording.PAGE)


def test_texts__there_is_one_for_every_code_of_the_engine():
    assert set(REFUSALS) == set(ingest.REASONS)
    assert set(DECISIONS) == set(KNOWN)
    assert list(SORTS) == list(KINDS)
    assert [a for a in ACTIONS if a != "none"] == list(DEEDS)
    for texts in (REFUSALS, DECISIONS, DEEDS, SORTS, STEPS):
        assert all(en and vi and en != vi for en, vi in texts.values())


def test_page__says_every_figure_in_the_form_of_its_language():
    vietnamese, english = pages(FULL)
    for number in (1_234_567, 1_234_560, 7, 99, 12, 1_234_000, 500, 50, 8, 2, 1_500, 77, 3, 31, 9, 815, 508):
        assert wording.count(number, "vi") in vietnamese, number
        assert wording.count(number, "en") in english, number
    for page in (vietnamese, english):
        assert " 4711" in page  # a line number, as an editor counts
        assert "ab" * 32 in page
        assert "cd" * 16 in page
        assert "field_count" in page
        assert "MA_SO" in page
        assert "Luật Căn cước 2023, Điều 10" in page
        assert "2026-11-20/0011223344556677" in page
    assert "20/11/2026" in vietnamese
    assert "20 November 2026" in english
    assert vietnamese.startswith("BIÊN NHẬN DỮ LIỆU: tax\n")


def test_page__is_one_page_of_readable_lines():
    many = [Query(f"q{n}", "sex", n + 1, 7, f"English {n}.", f"Tiếng Việt {n}.") for n in range(30)]
    wide = [Correction(f, k, a, 10**6) for f in wording.FIELDS for k in KINDS for a in ("apply", "confirm")]
    for page in pages(dataclasses.replace(FULL, queries=many, corrections=wide)):
        lines = page.splitlines()
        assert len(lines) <= 90
        assert all(wording.width(line) <= 120 for line in lines)
        assert not any(line != line.rstrip() for line in lines)
    assert "khác" in pages(dataclasses.replace(FULL, queries=many))[0]


def test_page__figures_of_a_column_end_in_one_place():
    _, english = pages(FULL)
    block = english.split("\n2. Rows\n")[1].split("\n\n")[0].splitlines()[:3]
    assert len({wording.width(line) for line in block}) == 1


def test_data__holds_every_coded_thing_with_its_texts():
    held = receipt(FULL)
    assert held["rows"] == {"read": 1_234_567, "accepted": 1_234_560, "refused": 7}
    assert held["refused"][0]["vi"].startswith("Dòng có nhiều hơn")
    assert held["lines"]["total"] == 1_234_572
    assert held["decisions"]["conflict"] == 8
    assert json.loads(json.dumps(held)) == held


@pytest.mark.parametrize(
    "wrong",
    [
        {"read": 1_234_568},
        {"accepted": 1_234_559},
        {"decisions": {"link": 1}},
        {"lines": Text(1, 2, 1_234_560, 9, 1)},
        {"text_bytes": Text(50, 2, 9_000, 91, 9_142)},
        {"refused": []},
    ],
)
def test_receipt__that_does_not_add_up_is_not_written(wrong):
    with pytest.raises(IntegrityError, match="E-INTEGRITY-002"):
        receipt(dataclasses.replace(FULL, **wrong))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, ["nothing"]),
        ({"outcome": "left_out", "decisions": None}, ["send_again"]),
        ({"outcome": "stopped", "decisions": None}, ["send_again"]),
        ({"refused": [Refused("superseded", 5, "f", 2)], "read": 1005}, ["nothing"]),
        ({"refused": [Refused("missing_key", 5, "f", 2)], "read": 1005}, ["mend_refused"]),
        ({"duplicates": 3}, ["merge"]),
        ({"duplicates": 3, "withheld": True}, ["wait"]),
        ({"duplicates": 3, "corrections": None}, ["nothing"]),
        ({"corrections": [Correction("sex", "fix", "apply", 1)]}, ["apply_feed"]),
        ({"corrections": [Correction("sex", "fix", "confirm", 1)]}, ["judge_feed"]),
        ({"decisions": {"link": 999, "conflict": 1}}, ["wait_for_clerks"]),
        ({"verified": True}, ["look_at_results"]),
        ({"verified": True, "withheld": True}, ["wait_for_results"]),
        ({"register": True, "decisions": None, "cases": {"field": 2}}, ["judge_cases"]),
        ({"register": True, "decisions": None, "cases": {}}, ["nothing"]),
        ({"queries": [Query("q", "sex", 1, 5, "e", "v")]}, ["look_at_queries"]),
    ],
)
def test_steps__are_those_that_there_is_reason_for(change, wanted):
    held = receipt(dataclasses.replace(PLAIN, **change))
    assert steps(held) == wanted
    for page, place in zip(receipt_text(held).split("-" * wording.PAGE), (1, 0), strict=True):
        for code in wanted:
            first = STEPS[code][place].format(source="tax", waiting="1").split(";")[0].split(".")[0][:40]
            assert first in page.replace("\n    ", " ")


def test_withheld__says_why_and_after_release_no_more():
    gate = {"name": "review:tax", "en": "too many wait", "vi": "quá nhiều bản ghi chờ"}
    held = receipt(dataclasses.replace(FULL, withheld=True, gates=[gate]))
    assert "quá nhiều bản ghi chờ" in receipt_text(held)
    assert "too many wait" in receipt_text(held)
    assert "too many wait" not in receipt_text({**held, "withheld": False})


def test_undecided__are_told_with_and_without_a_pair_and_are_not_the_agencys_to_judge():
    vietnamese, english = pages(dataclasses.replace(FULL, paired=120))
    assert receipt(dataclasses.replace(FULL, paired=120))["undecided"] == {
        "records": 508,
        "paired": 120,
        "unpaired": 388,
    }
    flat = " ".join(vietnamese.split())
    assert "trong đó 120 bản ghi có cặp để xem xét, 388 bản ghi chưa tìm thấy người phù hợp" in flat
    assert "508 bản ghi đang chờ cán bộ quản lý CSDL dân cư xem xét; quý cơ quan chưa phải làm gì." in flat
    assert "508 records wait for the clerks of the register; you need do nothing." in english
    assert "review.csv" not in vietnamese + english
    assert "388" not in pages(FULL)[0]


def test_left_out__says_so_first_and_why():
    held = receipt(
        dataclasses.replace(
            FULL,
            outcome="left_out",
            decisions=None,
            duplicates=None,
            why="E-INPUT-019: 7 of 10 rows are refused",
        )
    )
    vietnamese, english = receipt_text(held).split("-" * wording.PAGE)
    assert "KHÔNG SỬ DỤNG" in vietnamese.split("1. ")[0]
    assert "Quá nhiều dòng bị từ chối" in vietnamese.split("1. ")[0]
    assert "E-INPUT-019" in vietnamese.split("1. ")[0]
    assert "NOT USED" in english.split("1. ")[0]
    assert "Too many rows are refused." in english
    unread = receipt_text({**held, "outcome": "stopped", "why": "E-INPUT-001: a file"})
    assert "Có tệp không đọc được" in unread
    assert "lần chạy đã dừng" in unread


counts = st.integers(0, 10**9)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(REFUSALS)), st.integers(1, 10**6)), unique_by=lambda t: t[0]),
    st.lists(counts, min_size=5, max_size=5),
    st.lists(
        st.tuples(
            st.sampled_from([*wording.FIELDS, "note"]), st.sampled_from(list(KINDS)),
            st.sampled_from(list(DEEDS)), st.integers(1, 10**7),
        ),
        unique_by=lambda t: t[:3], max_size=20,
    ),
)  # fmt: skip
def test_receipt__of_any_figures_adds_up_and_can_be_read_back_from_the_page(refused, decided, corrected):
    facts = dataclasses.replace(
        PLAIN,
        read=sum(decided) + sum(n for _, n in refused),
        accepted=sum(decided),
        refused=[Refused(code, n, "f.csv", 7) for code, n in refused],
        decisions=dict(zip(DECISIONS, decided, strict=True)),
        corrections=[Correction(*c) for c in corrected],
    )
    held = receipt(facts)
    assert held["rows"]["read"] == held["rows"]["accepted"] + held["rows"]["refused"]
    english = receipt_text(held).split("-" * wording.PAGE)[1]
    told = {
        m[1]: int(m[2].replace(",", ""))
        for m in re.finditer(r"^  (read|accepted|refused|together) +([\d,]+)$", english, re.MULTILINE)
    }
    assert told == {**held["rows"], "together": sum(decided)}
    of_field = dict.fromkeys({f for f, *_ in corrected}, 0)
    for standard, _, _, n in corrected:
        of_field[standard] += n
    for standard, whole in of_field.items():
        name = re.escape(wording.field_name(standard, "en"))
        line = re.search(rf"^  {name} +([\d,-]+) +([\d,-]+) +([\d,-]+)$", english, re.MULTILINE)
        assert line is not None
        assert sum(int(c.replace(",", "")) for c in line.groups() if c != "-") == whole
