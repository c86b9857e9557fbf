"""Delimiters told by a header; quotes of other signs, or none."""

import csv
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import delimited as kernel
from linkage.delimited import DELIMITERS, find_delimiter, parse, read_header
from linkage.errors import ContractError

quick = settings(max_examples=200, deadline=None)


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_find_delimiter__is_the_one_that_gives_the_columns(delimiter: str):
    text = delimiter.join(("K", "A b", "C")) + "\n1" + delimiter * 2 + "\n"
    assert find_delimiter(text.encode(), ("C", "K", "A b")) == delimiter


FOUND = {
    "one column": ("K\n1\n", ("K",), ","),
    "one column of several": ("X;K\n1;2\n", ("K",), ";"),
    "quoted names with other delimiters": ('"K","a;b"\n', ("K", "a;b"), ","),
    "names that hold the other delimiter": ("K|a,b|c,d\n1|2|3\n", ("K",), "|"),
    "the records decide": ("a,K,b;K;c\nx;y;z\nx,x;y;z\nq;r,t;u\n", ("K",), ";"),
    "a column is missing": ("K;A;Bx\n", ("K", "A", "B"), ";"),
    "a quote that would be a delimiter": ("|K|,|A;B|\n", ("K", "A;B"), ",", "|"),
}


@pytest.mark.parametrize("case", FOUND)
def test_find_delimiter__has_a_fixed_answer(case: str):
    text, wanted, delimiter, *quote = FOUND[case]
    assert find_delimiter(text.encode(), wanted, *quote) == delimiter


@pytest.mark.parametrize("text", ["X Y Z\n1 2 3\n", "a,K,b;K;c\n", "K,c;K\n"])
def test_find_delimiter__what_cannot_be_told_is_refused(text: str):
    with pytest.raises(ContractError, match="E-INPUT-013"):
        find_delimiter(text.encode(), ("K",))


@pytest.mark.parametrize(
    ("text", "code"), [("", "E-INPUT-003"), ("\n\n", "E-INPUT-003"), ("\xff", "E-INPUT-005")]
)
def test_find_delimiter__a_header_that_cannot_be_read_is_told_as_such(text: str, code: str):
    with pytest.raises(ContractError, match=code):
        find_delimiter(text.encode("latin-1"), ("K",))


cell = st.text(st.sampled_from("ab ;,'\"|\t\n\u1ebf"), max_size=6)


@quick
@given(
    st.lists(st.tuples(cell, cell), min_size=1, max_size=12),
    st.sampled_from("'|`\""),
    st.sampled_from(",;\t"),
)
def test_parse__any_ascii_character_may_be_the_quote(rows: list[tuple[str, str]], quote: str, delimiter: str):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quotechar=quote, lineterminator="\n")
    writer.writerows(rows)
    buffer = np.frombuffer(out.getvalue().encode(), np.uint8)
    part = parse(buffer, buffer.size, True, delimiter, ["A", "B"], ["A", "B"], "", 0, 1, quote)
    wanted = [
        row for row in csv.reader(io.StringIO(out.getvalue()), delimiter=delimiter, quotechar=quote) if row
    ]
    assert part.refused.num_rows == 0
    got = [part.cells[c].array().to_pylist() for c in "AB"]
    assert [[a or "" for a in column] for column in got] == [
        [row[i] if row[i].strip(" \t\n") else "" for row in wanted] for i in (0, 1)
    ]
    assert part.spans.total() + part.blank_text == part.whole


@quick
@given(st.lists(st.tuples(*[st.text(st.sampled_from("ab\"' "), max_size=5)] * 2), min_size=1, max_size=9))
def test_parse__without_a_quote_every_sign_stands_for_itself(rows: list[tuple[str, str]]):
    text = "".join(f"{a};{b}\n" for a, b in rows)
    buffer = np.frombuffer(text.encode(), np.uint8)
    part = parse(buffer, buffer.size, True, ";", ["A", "B"], ["A", "B"], "", 0, 1, "none")
    got = zip(*(part.cells[c].array().to_pylist() for c in "AB"), strict=True)
    assert list(got) == [tuple(value if value.strip() else None for value in row) for row in rows]


def test_read_header__without_a_quote_keeps_it_in_the_names():
    assert read_header(b'K;"A";B\n', ";", "none").names == ("K", '"A"', "B")
    assert read_header(b"'K;x';B\n", ";", "'").names == ("K;x", "B")


@quick
@given(st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b'"', b","]), max_size=20).map(b"".join))
def test_count_lines__equals_a_split(data: bytes):
    pieces = re.split(rb"\r\n|\r|\n", data)
    buffer = np.frombuffer(data + b"\n", np.uint8)
    assert kernel.count_lines(buffer, len(data)) == len(pieces) - (pieces[-1] == b"")
