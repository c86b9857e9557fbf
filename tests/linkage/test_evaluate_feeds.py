"""Figures of corrections and register cases, on a few records whose truth is plain."""

import polars as pl

from linkage.evaluate_feeds import FeedEvidence, evaluate_feeds

TRUTH = pl.DataFrame(
    [
        ("register", "P1", "T1"),
        ("register", "P2", "T2"),
        ("register", "P3", "T2"),
        ("tax", "a", "T1"),
        ("tax", "b", "T2"),
        ("school", "c", "T1"),
        ("school", "d", "T2"),
    ],
    schema=["source", "record_id", "true_person_id"],
    orient="row",
)
#: Record b is linked to a stranger; the register holds a wrong sex of P1, which both agencies hold right.
JUDGED = pl.DataFrame(
    [
        ("tax", "a", "P1", True, True),
        ("tax", "b", "P1", True, False),
        ("school", "c", "P1", True, True),
        ("school", "d", None, False, False),
    ],
    schema=["source", "record_id", "person_id", "linked", "right"],
    orient="row",
)
ERRORS = pl.DataFrame(
    [
        ("tax", "a", "full_name", "typing", "An", "Anh"),
        ("tax", "a", "full_name", "tone_moved", "An", "Anh"),
        ("tax", "b", "commune", "moved", "1@x", "2@x"),
        ("school", "c", "phone", "earlier", "1", "2"),
        ("school", "d", "birth_date", "digit", "2001-01-01", "2001-01-02"),
        ("tax", "b", "record", "second_record", "b", "a"),
        ("register", "P1", "sex", "wrong", "F", "M"),
        ("register", "P2", "birth_date", "digit", "2001-01-03", "2001-01-02"),
    ],
    schema=["source", "record_id", "field", "error", "held", "true_value"],
    orient="row",
)
CORRECTIONS = pl.DataFrame(
    [
        ("tax", "a", "full_name", "fix", "apply", "An", "Anh"),
        ("tax", "a", "birth_date", "format", "apply", "2000-01-01", "2000-01-01"),
        ("tax", "b", "sex", "fix", "confirm", "M", "F"),
        ("school", "c", "father_name", "fill", "apply", None, "Cha"),
        ("school", "c", "sex", "fill", "apply", None, "F"),
    ],
    schema=["source", "record_id", "field", "kind", "action", "held_standard", "proposed_standard"],
    orient="row",
)
CASES = pl.DataFrame(
    [
        ("field", "P1", None, "sex", "M"),
        ("field", "P1", None, "full_name", "An"),
        ("duplicate", "P2", "P3", None, None),
        ("duplicate", "P1", "P2", None, None),
    ],
    schema=["kind", "person_id", "other_person_id", "field", "agency_value"],
    orient="row",
)
HELD = ["full_name", "birth_date", "sex", "commune", "father_name"]
FIGURES = evaluate_feeds(
    FeedEvidence(
        CORRECTIONS,
        CASES,
        JUDGED,
        TRUTH,
        ERRORS,
        {"tax": HELD, "school": HELD},
        {"tax": HELD, "school": HELD},
        "register",
    )
)


def counted(part: dict) -> tuple[int, int]:
    return part["count"], part["of"]


def test_corrections__are_right_where_person_and_value_are() -> None:
    assert counted(FIGURES["applied"]["person"]) == (4, 4)
    # The register's sex of P1 is an error of its own, so that filling it in is wrong.
    assert counted(FIGURES["applied"]["value"]) == (3, 4)
    by = {(r["action"], r["kind"]): r for r in FIGURES["kinds"]}
    assert counted(by["apply", "fix"]["value"]) == (1, 1)
    assert counted(by["apply", "fill"]["value"]) == (1, 2)
    assert counted(by["confirm", "fix"]["person"]) == (0, 1)
    assert counted(by["confirm", "fix"]["value"]) == (0, 1)


def test_reach__counts_a_field_once_and_only_what_may_be_corrected() -> None:
    reach = FIGURES["reach"]
    assert counted(reach["proposed"]) == (1, 2)
    assert counted(reach["applied"]) == (1, 1)
    assert reach["fields_left_alone"] == {"phone": 1}


def test_cases__are_true_where_the_register_is_wrong_or_holds_one_person_twice() -> None:
    cases = FIGURES["cases"]
    assert counted(cases["all"]) == (2, 4)
    assert counted(cases["by_kind"]["duplicate.person"]) == (1, 2)
    assert counted(cases["doubles"]) == (1, 1)
    # Two agencies hold the true sex of P1; the true birth date of P2 is held by one of them.
    assert counted(cases["shown_by_two_agencies"]) == (1, 1)
    assert list(cases["shown_by_field"]) == ["sex"]
