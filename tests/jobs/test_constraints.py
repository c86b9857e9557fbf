"""Answers to judgements: honoured, or refused by their line with a code."""

from __future__ import annotations

import csv

import numpy as np
import polars as pl
import pytest

from jobs.answers import KEYS, review_text
from jobs.constraints import REFUSALS, Constraints, read_constraints, review_ids

# Two register persons, then three records of the tax office and one of the schools.
SOURCES = ["register"] * 3 + ["tax"] * 3 + ["school"]
RECORDS = ["P1", "P2", "000123456789", "1", "2", "123456789", "1"]
N_REGISTER = 3


def pair_id(left, right):
    """The review id of two records (source, record_id), as review.csv holds it."""
    columns = [pl.Series([text]) for record in (left, right) for text in record]
    return review_text(review_ids(*columns)[0].tobytes())


def answers(path, rows, columns=("review_id", *KEYS, "answer")):
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([columns, *rows])
    return path


def parts():
    """The records part by part, one source in two."""
    for first, stop in ((0, 2), (2, 3), (3, 6), (6, 7)):
        yield first, SOURCES[first], pl.Series(RECORDS[first:stop])


def read(must=(), cannot=()) -> Constraints:
    return read_constraints(must, cannot, parts, N_REGISTER)


def keyed(left, right, answer, review_id=""):
    return [review_id, *left, *right, answer]


def refused(found):
    return list(zip(found.refused["line"].to_pylist(), found.refused["code"].to_pylist(), strict=True))


def test_answers__name_pairs_in_either_order(tmp_path):
    rows = [
        keyed(("tax", "1"), ("register", "P1"), "yes"),
        keyed(("register", "P2"), ("tax", "2"), "no"),
        keyed(("school", "1"), ("register", "P2"), "có"),
    ]
    found = read([answers(tmp_path / "a.csv", rows)])
    assert found.must.tolist() == [[3, 0], [6, 1]]
    assert found.cannot.tolist() == [[4, 1]]
    assert found.counts() == {"read": 3, "honoured": 3, "refused": 0, "unanswered": 0}


def test_no_files__no_answers_and_nothing_is_asked_for():
    found = read_constraints([], [], lambda: pytest.fail("asked"), 0)
    assert found.must.shape == found.cannot.shape == (0, 2)
    assert found.refused.num_rows == 0
    assert found.counts() == dict.fromkeys(("read", "honoured", "refused", "unanswered"), 0)


CASES = {
    "unknown_answer": [keyed(("tax", "1"), ("register", "P1"), "x")],
    "unknown_record": [keyed(("tax", "99"), ("register", "P1"), "yes")],
    "key_damaged": [keyed(("tax", "1.23457E+11"), ("register", "P1"), "yes")],
    "not_agency_register": [
        keyed(("tax", "1"), ("school", "1"), "yes"),
        keyed(("register", "P1"), ("register", "P2"), "no"),
    ],
    "contradiction": [
        keyed(("tax", "1"), ("register", "P1"), "yes"),
        keyed(("tax", "1"), ("register", "P1"), "no"),
    ],
    "two_persons": [
        keyed(("tax", "1"), ("register", "P1"), "yes"),
        keyed(("tax", "1"), ("register", "P2"), "yes"),
    ],
}


@pytest.mark.parametrize("code", CASES)
def test_refused__with_file_line_code_and_two_languages(tmp_path, code):
    good = keyed(("school", "1"), ("register", "P1"), "yes")
    found = read([answers(tmp_path / "a.csv", [good, *CASES[code]])])
    assert refused(found) == [(line, code) for line in range(3, 3 + len(CASES[code]))]
    assert found.must.tolist() == [[6, 0]]
    assert found.cannot.size == 0
    row = found.refused.to_pylist()[0]
    assert (row["file"], row["text_en"], row["text_vi"]) == ("a.csv", *REFUSALS[code])
    assert found.counts() == {
        "read": 1 + len(CASES[code]), "honoured": 1, "refused": len(CASES[code]), "unanswered": 0,
    }  # fmt: skip


def test_cases__are_all_the_codes_there_are():
    assert set(CASES) == set(REFUSALS)


def test_contradiction__is_seen_across_files_and_neither_side_counts(tmp_path):
    one = answers(tmp_path / "a.csv", [keyed(("tax", "1"), ("register", "P1"), "yes")])
    two = answers(tmp_path / "b.csv", [keyed(("register", "P1"), ("tax", "1"), "no")])
    found = read([one], [two])
    assert refused(found) == [(2, "contradiction"), (2, "contradiction")]
    assert found.must.size == found.cannot.size == 0


def test_two_records__of_one_source_may_be_one_person(tmp_path):
    rows = [keyed(("tax", n), ("register", "P1"), "yes") for n in ("1", "2")]
    found = read([answers(tmp_path / "a.csv", rows)])
    assert found.must.tolist() == [[3, 0], [4, 0]]
    assert found.refused.num_rows == 0


def test_one_record__may_be_one_person_and_not_another(tmp_path):
    rows = [
        keyed(("tax", "1"), ("register", "P1"), "yes"),
        keyed(("tax", "1"), ("register", "P2"), "no"),
    ]
    found = read([answers(tmp_path / "a.csv", rows)])
    assert (found.must.tolist(), found.cannot.tolist()) == ([[3, 0]], [[3, 1]])


def test_review_id__finds_the_pair_whatever_became_of_its_keys(tmp_path):
    pair = pair_id(("tax", "2"), ("register", "000123456789"))
    rows = [
        keyed(("tax", "2"), ("register", "1.23457E+11"), "yes", pair),
        keyed(("", ""), ("", ""), "yes", pair.upper()),
        keyed(("TAX", "?"), ("register", "?"), "yes", pair[1:]),
    ]
    found = read([answers(tmp_path / "a.csv", rows)])
    assert found.must.tolist() == [[4, 2]]
    assert found.counts()["honoured"] == 3


def test_keys__that_say_another_pair_than_the_review_id_are_refused(tmp_path):
    # Leading zeros lost on both sides: the keys are now those of other records.
    pair = pair_id(("tax", "123456789"), ("register", "P1"))
    found = read([answers(tmp_path / "a.csv", [keyed(("tax", "1"), ("register", "P1"), "yes", pair)])])
    assert refused(found) == [(2, "key_damaged")]


def test_review_id__of_no_record_of_this_run_leaves_the_keys_to_say_it(tmp_path):
    strange = pair_id(("tax", "777"), ("register", "P1"))
    rows = [
        keyed(("tax", "1"), ("register", "P1"), "yes", strange),
        keyed(("tax", "777"), ("register", "P1"), "yes", strange),
    ]
    found = read([answers(tmp_path / "a.csv", rows)])
    assert found.must.tolist() == [[3, 0]]
    assert refused(found) == [(3, "unknown_record")]


def test_file__listed_twice_is_read_once_and_its_own_words_count(tmp_path):
    path = answers(tmp_path / "a.csv", [keyed(("tax", "1"), ("register", "P1"), "no")])
    for must, cannot in (([path], [path]), ([path], []), ([], [path])):
        found = read(must, cannot)
        assert (found.must.tolist(), found.cannot.tolist()) == ([], [[3, 0]])
        assert found.read == 1


def test_file__without_answers_says_what_its_list_says(tmp_path):
    path = answers(tmp_path / "a.csv", [["tax", "1", "register", "P1"]], KEYS)
    assert read([path]).must.tolist() == [[3, 0]]
    assert read([], [path]).cannot.tolist() == [[3, 0]]
    assert refused(read([path], [path])) == [(2, "contradiction"), (2, "contradiction")]


def test_parquet__is_read_too_with_ids_as_bytes(tmp_path):
    pair = bytes.fromhex(pair_id(("tax", "1"), ("register", "P1"))[1:])
    frame = pl.DataFrame(
        {
            "review_id": [pair, pair],
            "answer": ["must_link", None],
            "reasons": [["a"], ["b"]],
            **{k: ["", ""] for k in KEYS},
        }
    )
    frame.write_parquet(tmp_path / "review.parquet")
    found = read([tmp_path / "review.parquet"])
    assert found.must.tolist() == [[3, 0]]
    assert found.blank == 1


def test_ids__of_a_pair_are_its_own_and_the_same_everywhere():
    left = pl.Series(["tax", "tax", "school"]), pl.Series(["1", "2", "1"])
    right = pl.Series(["register"] * 3), pl.Series(["P1"] * 3)
    ids = review_ids(*left, *right)
    assert len({row.tobytes() for row in ids}) == 3
    assert np.array_equal(review_ids(*(c.slice(1) for c in (*left, *right))), ids[1:])
    assert review_ids(*left, *right)[0].tobytes().hex() == "0b8e383506b3c2932fa273a259a1d922"
