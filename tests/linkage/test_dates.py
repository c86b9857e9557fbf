import datetime
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.contract import date_format_fault
from linkage.dates import encode_date, parse_dates
from linkage.errors import ConfigError

LATEST = datetime.date(2026, 11, 20)
FORMATS = ["dd/mm/yyyy", "yyyymmdd", "yyyy"]


def decode_date(code):
    """(year, month, day) of a code; (0, 0, 0) for no date."""
    return code >> 9, (code >> 5) & 15, code & 31


def twin(text, form):
    """(code, issue) by the standard library: split at separators, build a date."""
    if form == "yyyymmdd":
        parts = [text[:4], text[4:6], text[6:]] if re.fullmatch(r"[0-9]{8}", text) else None
        order = "ymd"
    else:
        separator = re.sub("[dmy]", "", form)[0] if re.sub("[dmy]", "", form) else None
        parts = text.split(separator) if separator else [text]
        order = "".join(dict.fromkeys(c for c in form if c in "dmy"))
        fits = len(parts) == len(order) and all(
            re.fullmatch(r"[0-9]{4}" if c == "y" else r"[0-9]{1,2}", p)
            for c, p in zip(order, parts, strict=True)
        )
        parts = parts if fits else None
    if parts is None:
        return 0, "unreadable"
    values = {"m": 0, "d": 0, **{c: int(p) for c, p in zip(order, parts, strict=True)}}
    year, month, day = values["y"], values["m"], values["d"]
    if year == 0:
        return 0, "invalid" if (month > 12 or day > 31 or (day and not month)) else "out_of_range"
    try:
        shown = datetime.date(year, month or 1, day or 1)
    except ValueError:
        return 0, "invalid"
    if day and not month:
        return 0, "invalid"
    if year < 1850:
        return 0, "out_of_range"
    last = (2026, 11 if month else 0, 20 if day else 0)
    if (shown.year, month, day) > last:
        return 0, "after_extract"
    return year * 512 + month * 32 + day, None


numbers = st.integers(0, 40).map(str) | st.integers(0, 31).map("{:02d}".format)
years = (st.integers(1840, 2030) | st.integers(1, 9999)).map("{:04d}".format)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, years), min_size=1, max_size=50))
@pytest.mark.parametrize("form", ["dd/mm/yyyy", "d-m-yyyy", "mm.dd.yyyy", "mm/yyyy", "yyyymmdd"])
def test_parse_dates__agree_with_the_calendar_of_the_library(form, found):
    if form == "yyyymmdd":
        texts = [f"{y}{m.zfill(2)}{d.zfill(2)}" for d, m, y in found]
    else:
        texts = [
            re.sub("y+", y, re.sub("m+", m, re.sub("d+", "DAY", form)).replace("DAY", d)) for d, m, y in found
        ]
    frame = parse_dates(pl.Series(texts), [form], LATEST)
    assert frame.select("code", "issue").rows() == [twin(text, form) for text in texts]


@settings(max_examples=40, deadline=None)
@given(st.dates(datetime.date(1850, 1, 1), LATEST))
def test_parse_dates__reads_back_what_a_format_writes(day):
    texts = pl.Series(
        [day.strftime("%d/%m/%Y"), day.strftime("%Y%m%d"), day.isoformat(), f"{day.isoformat()} 00:00:00"]
    )
    frame = parse_dates(texts, FORMATS, LATEST)
    assert set(frame["code"]) == {encode_date(day.year, day.month, day.day)}
    assert frame["issue"].null_count() == frame["repair"].null_count() == 4
    assert decode_date(frame["code"][0]) == (day.year, day.month, day.day)


@pytest.mark.parametrize(
    ("text", "date", "issue", "repair"),
    [
        ("15/05/1985", (1985, 5, 15), None, None),
        (" 15 / 05 / 1985 ", (1985, 5, 15), None, None),
        ("5/5/1985", (1985, 5, 5), None, "unpadded"),
        ("１５/05/1985", (1985, 5, 15), None, None),
        ("1985", (1985, 0, 0), None, None),
        ("1985.0", (1985, 0, 0), None, "spreadsheet"),
        ("00/00/1985", (1985, 0, 0), None, None),
        ("19850000", (1985, 0, 0), None, None),
        ("00/05/1985", (1985, 5, 0), None, None),
        ("1985-05-15T00:00:00.000Z", (1985, 5, 15), None, None),
        ("20/11/2026", (2026, 11, 20), None, None),
        ("2026", (2026, 0, 0), None, None),
        ("29/02/1985", None, "invalid", None),
        ("29/02/1900", None, "invalid", None),
        ("31/04/1985", None, "invalid", None),
        ("15/00/1985", None, "invalid", None),
        ("15/13/1985", None, "invalid", None),
        ("21/11/2026", None, "after_extract", None),
        ("2027", None, "after_extract", None),
        ("01/01/1849", None, "out_of_range", None),
        ("00/00/0000", None, "out_of_range", None),
        ("15.05.1985", None, "unreadable", None),
        ("không rõ", None, "unreadable", None),
        ("", None, "unreadable", None),
    ],
)
def test_parse_dates__examples(text, date, issue, repair):
    code = encode_date(*date) if date else 0
    assert parse_dates(pl.Series([text]), FORMATS, LATEST).rows() == [(code, issue, repair)]


def test_parse_dates__the_first_format_that_gives_a_date_wins():
    swapped = parse_dates(pl.Series(["05/15/1985", "05/06/1985"]), ["dd/mm/yyyy", "mm/dd/yyyy"], LATEST)
    assert [decode_date(code) for code in swapped["code"]] == [(1985, 5, 15), (1985, 6, 5)]
    assert swapped["issue"].null_count() == 2


def test_parse_dates__a_lost_zero_before_eight_digits():
    frame = parse_dates(pl.Series(["5051985", "15051985", "505198"]), ["ddmmyyyy"], LATEST)
    assert frame["repair"].to_list() == ["lost_zero", None, None]
    assert [decode_date(code) for code in frame["code"]] == [(1985, 5, 5), (1985, 5, 15), (0, 0, 0)]


def test_parse_dates__of_nothing():
    frame = parse_dates(pl.Series([], dtype=pl.String), FORMATS, LATEST)
    assert frame.schema == {"code": pl.Int32, "issue": pl.String, "repair": pl.String}


def test_codes__sort_like_dates():
    codes = [
        encode_date(1985),
        encode_date(1985, 1),
        encode_date(1985, 1, 1),
        encode_date(1985, 12, 31),
        encode_date(1986),
    ]
    assert codes == sorted(codes)


@pytest.mark.parametrize(
    "form", ["dd/mm", "dmyyyy", "ddd/mm/yyyy", "dd/yyyy", "x", "yyyyQmm", "dd/mm/yy", "dd/dd/yyyy", ""]
)
def test_parse_dates__refuses_a_format(form):
    with pytest.raises(ConfigError) as error:
        parse_dates(pl.Series(["2026"]), [form], LATEST)
    assert error.value.code == "E-DATE-001"


@given(
    st.lists(st.sampled_from(["d", "dd", "m", "mm", "yyyy", "/", "-", ".", " "]), min_size=1, max_size=7).map(
        "".join
    )
)
def test_parse_dates__takes_what_a_contract_takes(form):
    if date_format_fault(form):
        return
    assert parse_dates(pl.Series(["2026"]), [form], LATEST).height == 1
