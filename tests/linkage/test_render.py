"""Standard values as a source writes them: its case, formats, codes and lists; else nothing is said."""

from __future__ import annotations

import datetime
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import reference
from linkage.coded import NAME_WIDTH
from linkage.contract import Field
from linkage.dates import encode_date, parse_dates
from linkage.packs import pack_of
from linkage.render import (
    Habit,
    Writer,
    common_habit,
    date_texts,
    identifier_texts,
    in_capitals,
    iso_dates,
    read_digits,
)
from linkage.words import Words

DAY = datetime.date(2026, 11, 20)
PACK = pack_of(
    ("vietnam",),
    {
        "provinces": reference.provinces(),
        "communes_before": reference.communes_before(),
        "communes_after": reference.communes_after(),
        "commune_changes": reference.commune_changes(),
    },
)
VOCABULARY = pl.Series(["an", "h'lan", "hoàng", "nguyễn", "nở", "r'ô", "thúy", "thị"]).sort()
WORDS = Words.of(VOCABULARY, PACK)
BEFORE, AFTER = datetime.date(2025, 6, 30), datetime.date(2025, 7, 1)


def names(*texts):
    out = np.zeros((len(texts), NAME_WIDTH), np.uint32)
    for row, text in zip(out, texts, strict=True):
        row[: len(text.split())] = [VOCABULARY.to_list().index(t) + 1 for t in text.split()]
    return out


def writer(standard, kind, habit=None, theirs=None, cased=True, **field):
    own = Field(column="C", standard=standard, **field)
    return Writer(
        own,
        kind,
        DAY,
        PACK,
        WORDS,
        habit or Habit(),
        theirs or Field(column="R", standard=standard),
        DAY,
        cased,
    )


def texts(*values):
    return pl.Series("text", list(values), dtype=pl.String)


def proposed(it, codes, held, register=None):
    empty = texts(*[None] * len(held))
    out, good = it.proposed(codes, texts(*held), empty if register is None else texts(*register))
    assert (out.is_not_null().to_numpy() == good).all()
    return out.to_list()


def ill(it, written, codes):
    wrong, proper = it.ill_written(texts(*written), codes)
    return [p if w else None for w, p in zip(wrong, proper, strict=True)]


def test_names__take_the_case_of_what_they_replace_or_of_the_column():
    it = writer("full_name", "name", Habit(capitals=True))
    found = proposed(it, names(*["nguyễn thị an"] * 3), ["NGUYEN AN", "Nguyen An", None])
    assert found == ["NGUYỄN THỊ AN", "Nguyễn Thị An", "NGUYỄN THỊ AN"]


def test_names__are_without_diacritics_in_a_column_without():
    it = writer("full_name", "name", Habit(plain=True))
    assert proposed(it, names("nguyễn thị thúy"), ["Nguyen Thuy"]) == ["Nguyen Thi Thuy"]


def test_names__of_highland_peoples_keep_their_capitals():
    it = writer("full_name", "name")
    assert proposed(it, names("r'ô h'lan"), ["R'o Lan"]) == ["R'ô H'Lan"]


def test_names__too_long_to_be_known_whole_are_not_written():
    it = writer("full_name", "name")
    long = names(" ".join(["an"] * NAME_WIDTH))
    assert proposed(it, long, ["An"]) == [None]
    assert ill(it, ["an an"], long) == [None]


@pytest.mark.parametrize(
    ("written", "standard", "should_be"),
    [
        ("Hoàng Thuý", "hoàng thúy", "Hoàng Thúy"),
        ("HOÀNG THUÝ", "hoàng thúy", "HOÀNG THÚY"),
        ("hoàng thúy", "hoàng thúy", "Hoàng Thúy"),
        ("Hoàng  Thúy", "hoàng thúy", "Hoàng Thúy"),
        ("Hoàng Thúy", "hoàng thúy", None),
        ("HOÀNG THÚY", "hoàng thúy", None),
        ("Hoangf Thúy", "hoàng thúy", "Hoàng Thúy"),
    ],
)
def test_names__are_ill_written_where_text_differs_beyond_a_case_for_all(written, standard, should_be):
    assert ill(writer("full_name", "name"), [written], names(standard)) == [should_be]


def test_names__of_an_encoding_without_case_do_not_differ_by_it():
    it = writer("full_name", "name", cased=False)
    assert ill(it, ["Hoàng thúy", "Hoàng Thuý"], names("hoàng thúy", "hoàng thúy")) == [None, "Hoàng Thúy"]


def test_capitals__need_letters():
    assert in_capitals(texts("AN", "An", "12", "", None)).tolist() == [True, False, False, False, False]


def test_capitals__of_every_alphabet():
    """The letters of Vietnamese are told apart by a kernel, all others by Polars."""
    letters = [chr(code) for code in (*range(1, 0xD800), *range(0xE000, 0x10FFFF, 97))]
    for before, behind in (("", ""), ("A", "B"), ("a", "B"), ("ế", "B"), ("1", "Đ")):
        some = pl.Series([f"{before}{letter}{behind}" for letter in letters])
        wanted = (some == some.str.to_uppercase()) & (some != some.str.to_lowercase())
        assert in_capitals(some).tolist() == wanted.to_list()


DATES = st.dates(datetime.date(1900, 1, 1), DAY)
FORMS = st.sampled_from(["dd/mm/yyyy", "d/m/yyyy", "yyyymmdd", "yyyy-mm-dd", "d.m.yyyy", "ddmmyyyy"])


@settings(max_examples=60, deadline=None)
@given(st.lists(DATES, min_size=1, max_size=5), FORMS)
def test_dates__read_back_as_themselves(days, form):
    codes = np.array([encode_date(d.year, d.month, d.day) for d in days], np.int32)
    written = date_texts(codes, form)
    assert parse_dates(written, [form], DAY)["code"].to_list() == codes.tolist()
    assert iso_dates(codes).to_list() == [d.isoformat() for d in days]
    for text, d in zip(written, days, strict=True):
        assert [int(n) for n in re.findall(r"\d+", text)] == slow_parts(d, form)


def slow_parts(day, form):
    parts = {"d": f"{day.day:02d}", "m": f"{day.month:02d}", "y": f"{day.year}"}
    letters = re.findall(r"d+|m+|y+|[^dmy]", form)
    return [int(n) for n in re.findall(r"\d+", "".join(parts.get(run[0], run) for run in letters))]


def test_dates__are_written_as_the_held_one_if_that_is_whole_else_as_the_contract_says_first():
    it = writer("birth_date", "date", formats=("dd/mm/yyyy", "yyyymmdd", "yyyy"))
    codes = np.array([encode_date(1985, 3, 4)] * 4, np.int32)
    assert proposed(it, codes, ["01/02/1984", "19840201", "1985", None]) == [
        "04/03/1985",
        "19850304",
        "04/03/1985",
        "04/03/1985",
    ]


def test_dates__cannot_be_written_whole_where_no_format_is():
    it = writer("birth_date", "date", formats=("yyyy",))
    assert not it.writes_days
    assert proposed(it, np.array([encode_date(1985, 3, 4)], np.int32), ["1984"]) == [None]


def test_dates__are_well_written_in_any_format_of_the_contract_padded_or_not():
    it = writer("birth_date", "date", formats=("d/m/yyyy", "yyyy"))
    codes = np.array([encode_date(1985, 3, 4)] * 4 + [encode_date(1985)], np.int32)
    written = ["4/3/1985", "04/03/1985", "1985-03-04", "4/3/1985 00:00", "1985"]
    assert ill(it, written, codes) == [None, None, "4/3/1985", "4/3/1985", None]


#: Tokens that stand where a reader may turn, drop or join them, and some that it never touches.
ANYWHERE = pl.Series(
    ["an", "bà", "chị", "cu", "h'lan", "hương", "lê", "maria", "nguyễn", "r'ô", "thị", "văn", "ông"]
).sort()
NAMES = st.lists(st.integers(1, len(ANYWHERE)), min_size=1, max_size=5)


@settings(max_examples=80, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=8), st.booleans(), st.booleans())
def test_names__are_written_where_the_whole_reader_reads_them_back(tokens, capitals, plain):
    """Most texts are told to read back by words alone: a name that is read otherwise must not pass so."""
    it = Writer(
        Field(column="C", standard="full_name"),
        "name",
        DAY,
        PACK,
        Words.of(ANYWHERE, PACK),
        Habit(capitals, plain),
        Field(column="R", standard="full_name"),
        DAY,
    )
    codes = np.zeros((len(tokens), NAME_WIDTH), np.uint32)
    for row, name in zip(codes, tokens, strict=True):
        row[: len(name)] = name
    forms = PACK.unmarked(ANYWHERE) if plain else ANYWHERE
    meant = [" ".join(forms[i - 1] for i in name) for name in tokens]
    written = PACK.unmarked(PACK.written_tokens(ANYWHERE)) if plain else PACK.written_tokens(ANYWHERE)
    spelled = [" ".join(written[i - 1] for i in name) for name in tokens]
    spelled = [text.upper() if capitals else text for text in spelled]
    read = PACK.names(pl.Series(spelled)).texts().str.to_lowercase().to_list()
    want = [text if found == it_is else None for text, found, it_is in zip(spelled, read, meant, strict=True)]
    assert proposed(it, codes, [None] * len(tokens)) == want


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.dates(datetime.date(1840, 1, 1), datetime.date(2027, 12, 31)), min_size=1, max_size=6),
    st.sampled_from(
        [("dd/mm/yyyy", "mm/dd/yyyy"), ("mm/dd/yyyy", "dd/mm/yyyy"), ("d/m/yyyy",), ("ddmmyyyy",)]
    ),
)
def test_dates__are_written_where_the_whole_reader_reads_them_back(days, forms):
    """Of two formats a text may be a day of either; and no day may lie after the extract."""
    codes = np.array([encode_date(d.year, d.month, d.day) for d in days], np.int32)
    spelled = date_texts(codes, forms[0])
    read = parse_dates(spelled, list(forms), DAY)["code"].to_numpy()
    want = [text if good else None for text, good in zip(spelled, read == codes, strict=True)]
    assert proposed(writer("birth_date", "date", formats=forms), codes, [None] * len(days)) == want


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["personal_number", "old_number", "phone"]),
    st.lists(
        st.sampled_from(["001190000001", "079085", "012345678", "0912345678", "00119000000"])
        | st.from_regex(r"0[0-9]{8,11}", fullmatch=True)
        | st.from_regex(r"(001|079|092)[0-3][0-9]{8}", fullmatch=True),
        min_size=1,
        max_size=6,
    ),
)
def test_numbers__are_written_where_the_whole_reader_reads_them_back(field, numbers):
    kind = "phone" if field == "phone" else "identifier"
    codes = np.array([len(n) << 56 | int(n) for n in numbers], np.int64)
    found = PACK.phones(pl.Series(numbers)) if kind == "phone" else PACK.numbers(pl.Series(numbers), DAY.year)
    want = [n if c == code else None for n, c, code in zip(numbers, read_digits(found), codes, strict=True)]
    assert proposed(writer(field, kind), codes, [None] * len(numbers)) == want


def test_numbers__are_plain_digits_with_their_zeros():
    codes = np.array([(12 << 56) | 1190000001, (9 << 56) | 12345678, 0, (17 << 56) | 5], np.int64)
    assert identifier_texts(codes).to_list() == ["001190000001", "012345678", None, None]
    it = writer("personal_number", "identifier")
    assert proposed(it, codes[:1], [None]) == ["001190000001"]
    assert ill(it, ["1190000001", "001190000001", "001 190 000001"], codes[[0, 0, 0]]) == [
        "001190000001",
        None,
        "001190000001",
    ]


def test_identifiers__of_no_national_kind_are_the_registers_own_text():
    it = writer("card_number", "identifier")
    codes = np.array([(17 << 56) | 5, (4 << 56) | 12], np.int64)
    assert proposed(it, codes, [None, "7"], [" ab-1 ", "0012"]) == ["ab-1", "0012"]
    assert ill(it, ["0-012"], codes[1:]) == [None]


def test_sexes__are_the_first_code_that_means_them():
    it = writer("sex", "sex", codes={"1": "M", "Nam": "M", "2": "F", "Nữ": "F"})
    assert proposed(it, np.array([1, 2], np.uint8), ["x", None]) == ["1", "2"]
    assert ill(it, ["nam"], np.array([1], np.uint8)) == [None]


def unit_of(code, day):
    return int(PACK.units("commune", texts(code), day)["unit"][0])


def test_units__are_in_the_list_of_their_day_or_nothing():
    changes = reference.commune_changes()
    into = changes.group_by("new_code").agg(pl.col("old_code").unique())
    whole = changes.group_by("old_code").len().filter(pl.col("len") == 1)["old_code"]
    alone = into.filter(
        (pl.col("old_code").list.len() == 1) & pl.col("old_code").list.first().is_in(whole.to_list())
    )
    merged = into.filter(pl.col("old_code").list.eval(pl.element().is_in(whole.to_list())).list.sum() > 1)
    theirs = Field(column="R", standard="commune", codes="gso", as_of=AFTER)
    it = writer("commune", "unit", theirs=theirs, codes="gso", as_of=BEFORE)
    new, olds = alone.sort("new_code").row(0)
    many = merged.sort("new_code")["new_code"][0]
    codes = np.array([unit_of(new, AFTER), unit_of(many, AFTER)], np.int32)
    assert proposed(it, codes, [None, "00001"], [new, many]) == [olds[0], None]
    assert it.standard(codes, texts(new, many), theirs=True).to_list() == [
        f"{new}@{AFTER}",
        f"{many}@{AFTER}",
    ]
    same = writer("commune", "unit", theirs=theirs, codes="gso", as_of=AFTER)
    assert proposed(same, codes, [None, "00001"], [new, many]) == [new, many]


def test_units__of_another_code_list_are_its_first_code():
    theirs = Field(column="R", standard="commune", codes="gso", as_of=AFTER)
    it = writer("commune", "unit", theirs=theirs, codes={"A": "00004", "B": "00004"}, as_of=AFTER)
    codes = np.array([unit_of("00004", AFTER), unit_of("00008", AFTER)], np.int32)
    assert proposed(it, codes, [None, None], ["00004", "00008"]) == ["A", None]


def test_units__are_ill_written_without_their_zeros():
    it = writer("commune", "unit", codes="gso", as_of=AFTER)
    codes = np.array([unit_of("00004", AFTER)] * 2, np.int32)
    assert ill(it, ["4", "00004"], codes) == ["00004", None]
    assert it.standard(codes, texts("4", "00004")).to_list() == [f"00004@{AFTER}"] * 2


def test_units__in_words_are_never_replaced_by_codes():
    theirs = Field(column="R", standard="commune", codes="gso", as_of=AFTER)
    codes = np.array([unit_of("00004", AFTER)], np.int32)
    it = writer("commune", "unit", theirs=theirs, codes="gso", as_of=AFTER)
    assert proposed(it, codes, ["Ba Đình"], ["00004"]) == [None]
    address = writer("commune", "unit", theirs=theirs, codes="address")
    assert proposed(address, codes, [None], ["00004"]) == [None]


def test_plain_text__is_the_registers_own_by_the_sources_codes():
    it = writer("school", "text", codes={"x": "Chu Văn An"})
    codes = np.array([1, 2], np.uint32)
    assert proposed(it, codes, [None, None], [" Chu Văn An", "Kim Liên"]) == ["x", None]
    plain = writer("school", "text")
    assert proposed(plain, codes, [None, "y"], [" Chu Văn An", "Kim Liên"]) == ["Chu Văn An", "Kim Liên"]


@pytest.mark.parametrize(
    ("capitals", "unmarked", "of", "marked", "habit"),
    [
        (51, 0, 100, 0.9, Habit(capitals=True)),
        (50, 0, 100, 0.9, Habit()),
        (0, 95, 100, 0.9, Habit(plain=True)),
        (0, 94, 100, 0.9, Habit()),
        (0, 100, 100, 0.4, Habit()),
        (0, 0, 0, 0.9, Habit()),
    ],
)
def test_habit__is_that_of_the_column_as_a_whole(capitals, unmarked, of, marked, habit):
    assert common_habit(capitals, unmarked, of, marked) == habit
