"""What an encoding can hold comes back as it was; what it cannot is known, with what is left of it."""

from __future__ import annotations

import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.encodings import Transcoder, reduced, writable
from linkage.vietnam.encodings import encode_vietnamese
from linkage.writable import fit_to_encoding, same_words
from tests.linkage.test_encodings import LETTERS, SLOW, names

NARROW = [*SLOW, "cp1252", "latin-1"]
WORDS = st.text(
    st.sampled_from("abdeoDEOuyH' .`?~^(+\\-\u2013\u00a0" + LETTERS + LETTERS.upper() + "ŭŬčêñÜöôûïùşł"),
    min_size=1,
    max_size=12,
).map(lambda text: unicodedata.normalize("NFC", text))


def encoded(text, encoding):
    return encode_vietnamese(text, encoding) if encoding in SLOW else text.encode(encoding)


def read(data, encoding):
    """As intake reads a file."""
    return Transcoder(encoding).feed(data, final=True).decode()


@settings(max_examples=300, deadline=None)
@given(WORDS, st.sampled_from(NARROW))
def test_writable__is_read_back_as_it_was(text, encoding):
    if writable(text, encoding):
        again = read(encoded(text, encoding), encoding)
        assert again.casefold() == text.casefold() if encoding == "tcvn3" else again == text


@pytest.mark.parametrize("encoding", SLOW)
def test_writable__is_every_vietnamese_name_and_its_bytes_are_those_of_the_tables(encoding):
    for name in names(3_000):
        assert writable(name, encoding)
        assert encode_vietnamese(name, encoding) == SLOW[encoding](name)


@pytest.mark.parametrize("encoding", SLOW)
def test_writable__single_letters_are_those_that_the_twin_can_write(encoding):
    for letter in LETTERS + LETTERS.upper():
        assert writable(letter, encoding)
    for letter in "ŭŬčşłüñøß€漢":
        data = encode_vietnamese(letter, encoding)
        assert data is None or read(data, encoding) == letter
    assert not writable("ŭ", encoding)


def test_writable__of_viqr_protects_what_would_be_a_mark():
    assert encode_vietnamese("Ba. d'dd", "viqr") == b"Ba\\. d'd\\d"
    assert encode_vietnamese("H'Lan", "viqr") == b"H'Lan"


@pytest.mark.parametrize(
    ("text", "encoding", "left"),
    [
        ("H'Lan Ayŭn", "tcvn3", "H'Lan Ayun"),
        ("H'LAN AYŬN", "vni", "H'LAN AYUN"),
        ("Nguyễn Ayŭn", "cp1258", "Nguyễn Ayun"),
        ("Đặng", "cp1252", "Dang"),
        ("Nguyễn 漢", "viqr", "Nguyễn 漢"),
    ],
)
def test_reduced__takes_off_what_cannot_be_written_and_no_more(text, encoding, left):
    assert reduced(text, encoding) == left


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | WORDS, max_size=8), st.sampled_from(NARROW))
def test_fit_to_encoding__says_of_each_text_what_is_said_of_it_alone(texts, encoding):
    fitting, lost, less = fit_to_encoding(pl.Series("text", texts, pl.String), encoding)
    for text, fits, gone, left in zip(texts, fitting.to_list(), lost.tolist(), less.to_list(), strict=True):
        good = text is None or writable(text, encoding)
        assert gone == (not good)
        assert fits == (text if good else None)
        assert left == (None if good else reduced(text, encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_fit_to_encoding__unicode_holds_everything_as_it_is(encoding):
    texts = pl.Series("text", ["Ayu\u0306n", None, "漢"])
    fitting, lost, less = fit_to_encoding(texts, encoding)
    assert fitting is texts
    assert not lost.any()
    assert less.to_list() == [None] * 3


def test_fit_to_encoding__loose_marks_are_composed():
    fitting, lost, _ = fit_to_encoding(pl.Series("text", ["Nguye\u0302\u0303n"]), "vni")
    assert fitting.to_list() == ["Nguyễn"]
    assert not lost.any()


def test_same_words__case_and_blanks_do_not_count():
    one = pl.Series("a", ["H'LAN  AYUN ", "an", None, "an"])
    assert same_words(one, pl.Series("b", ["h'lan ayun", "ân", None, None])).tolist() == [
        True,
        False,
        False,
        False,
    ]
