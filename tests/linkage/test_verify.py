from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage import agreement
from linkage.decisions import CONFLICT, INELIGIBLE, LINK, NEW, REVIEW
from linkage.verify import AGREES, DISPUTED, FINDINGS, RESULTS, WRONG, same_initials, texts, verify
from tests.linkage import small

FIELDS = ("full_name", "birth_date", "sex", "personal_number", "commune", "school")

#: Relation -> code, where it is not another value; what breaks the agreement first.
GRAVE = {agreement.EARLIER: "510", agreement.UNREADABLE: "531", DISPUTED: "098"}
LIGHT = {agreement.LESS: "520", agreement.MORE: "521", agreement.HELD_EMPTY: "530",
         agreement.REGISTER_EMPTY: "532"}  # fmt: skip
OTHER = {"full_name": "060", "birth_date": "070", "sex": "080", "personal_number": "051", "commune": "570",
         "school": "599"}  # fmt: skip

ROW = st.tuples(
    st.sampled_from([LINK, LINK, LINK, REVIEW, CONFLICT, NEW, INELIGIBLE]),
    st.tuples(*(st.sampled_from([*range(9), DISPUTED]) for _ in FIELDS)),
    st.booleans(),
)


def outcome(decision: int, relations: tuple[int, ...], initials: bool) -> tuple[set[str], list[str]]:
    """Codes and findings of one record, field by field."""
    if decision != LINK:
        return {{NEW: "050", INELIGIBLE: "205"}.get(decision, "099")}, []
    codes = set()
    for field, relation in zip(FIELDS, relations, strict=True):
        if relation == agreement.DIFFERENT:
            codes.add("061" if field == "full_name" and initials else OTHER[field])
        codes |= {(GRAVE | LIGHT)[relation]} if relation in GRAVE | LIGHT else set()
    if not codes - set(LIGHT.values()) - {"570"}:
        codes.add("000")
    told = [f"{f}={FINDINGS[r]}" for f, r in zip(FIELDS, relations, strict=True) if r != agreement.NOTHING]
    return codes, told


@given(st.lists(ROW, max_size=20))
def test_verify__as_one_record_after_the_other(rows) -> None:
    relations = {f: np.array([r[1][i] for r in rows], np.uint8) for i, f in enumerate(FIELDS)}
    found = verify(np.array([r[0] for r in rows], np.uint8), relations, np.array([r[2] for r in rows], bool))
    assert found.index.shape == (len(rows),)
    for row, at in zip(rows, found.index.tolist(), strict=True):
        codes, told = outcome(*row)
        assert set(found.findings[at]) == codes
        assert found.fields[at] == told
        assert found.results[at] == found.findings[at][0]


def test_verify__the_gravest_finding_is_the_result() -> None:
    relations = {
        "birth_date": np.array([agreement.DIFFERENT], np.uint8),
        "personal_number": np.array([agreement.DIFFERENT], np.uint8),
        "full_name": np.array([agreement.LESS], np.uint8),
    }
    found = verify(np.array([LINK], np.uint8), relations, np.zeros(1, bool))
    assert found.results == ["051"]
    assert found.findings == [["051", "070", "520"]]


def test_verify__a_death_that_the_record_does_not_know_is_told() -> None:
    relations = {"death_date": np.array([agreement.HELD_EMPTY, agreement.NOTHING], np.uint8)}
    found = verify(np.full(2, LINK, np.uint8), relations, np.zeros(2, bool))
    assert [found.results[i] for i in found.index] == ["590", "000"]


def test_verify__many_fields_and_all_their_relations() -> None:
    """More fields than one integer has room for are told apart all the same."""
    chance = np.random.default_rng(3)
    relations = {f"field{i}": chance.choice([1, 7], 200).astype(np.uint8) for i in range(40)}
    found = verify(np.full(200, LINK, np.uint8), relations, np.zeros(200, bool))
    for row, at in enumerate(found.index.tolist()):
        assert found.fields[at] == [
            f"{f}={'equal' if r[row] == 1 else 'different'}" for f, r in relations.items()
        ]


@pytest.mark.parametrize(
    ("held", "theirs", "same"),
    [
        ("nguyễn văn lan", "nguyen van linh", True),
        ("đỗ văn lan", "đinh văn lan", True),
        ("nguyễn văn lan", "nguyễn thị lan", False),
        ("nguyễn lan", "nguyễn văn lan", False),
    ],
)
def test_same_initials__word_by_word(held: str, theirs: str, same: bool) -> None:
    words = sorted({*held.split(), *theirs.split()})
    rows = np.zeros((2, 8), np.uint32)
    for row, name in enumerate((held, theirs)):
        for place, word in enumerate(name.split()):
            rows[row, place] = words.index(word) + 1
    initial = small.tokens_of(words).forms.initial
    assert same_initials(rows[:1], rows[1:], initial).tolist() == [same]


def test_results__codes_are_stable_and_speak_both_languages() -> None:
    assert {"000", "050", "051", "060", "061", "070", "080", "205", "098", "099"} <= set(RESULTS)
    for code, (english, vietnamese) in RESULTS.items():
        assert re.fullmatch("[0-9]{3}", code)
        assert english.endswith(".")
        assert vietnamese.endswith(".")
        assert texts([code]) == [english]
        assert texts([code], "vi") == [vietnamese]
    # Codes that other services give another meaning are left to them.
    assert not {"001", "002", "003", "004", "010", "052", "053", "090", "110", "120", "130", "401"} & set(
        RESULTS
    )
    assert set(WRONG.values()) <= set(RESULTS)
    assert AGREES == "000"
