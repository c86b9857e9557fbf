"""What is settled at once is what a look at the value gives, and nothing that needs to be said is settled."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.dates import parse_dates, settled_dates
from linkage.number_columns import identifier_codes
from linkage.vietnam.codes import health_cards, insurance_numbers, tax_codes
from linkage.vietnam.name_rows import NameReader
from linkage.vietnam.names import parse_names
from linkage.vietnam.numbers import PLACEHOLDERS, standardise_numbers
from linkage.vietnam.phones import standardise_phones
from linkage.vietnam.settled import settled_codes

YEAR = 2026
LATEST = dt.date(2026, 11, 20)

digits = st.one_of(
    st.sampled_from([str(p) for p in PLACEHOLDERS if p > 1000]),
    st.from_regex(r"0[0-9]{2}[0-3][0-9]{8}", fullmatch=True),
    st.from_regex(r"0[035789][0-9]{8}", fullmatch=True),
    st.from_regex(r"[0-9]{8,13}", fullmatch=True),
    st.from_regex(r"0{0,9}[0-9]{1,12}", fullmatch=True),
    st.sampled_from(["0912345678", "0311111111", "0387654321", "0000000000", "3604459306", "000000001234"]),
)


def read(values: list[str]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([int(v) for v in values], np.int64), np.array([len(v) for v in values], np.uint8)


def check(codes: np.ndarray, whole: np.ndarray, silent: np.ndarray) -> None:
    """Settled codes are those of the whole reading, and that has nothing to say of them."""
    settled = codes != 0
    assert np.array_equal(codes[settled], whole[settled])
    assert silent[settled].all()


def nothing(frame: pl.DataFrame, *columns: str) -> np.ndarray:
    return frame.select(pl.all_horizontal(pl.col(c).is_null() for c in columns)).to_series().to_numpy()


@settings(deadline=None, max_examples=60)
@given(st.lists(digits, min_size=1, max_size=30))
def test_settled_codes__are_those_of_the_whole_reading(values: list[str]) -> None:
    texts = pl.Series(values)
    numbers = standardise_numbers(texts, YEAR)
    kind = numbers["kind"].cast(pl.String)
    fine = nothing(numbers, "repair") & ~kind.is_in(["malformed", "placeholder"]).to_numpy()
    personal = settled_codes("personal_number", read(values), YEAR)
    check(personal, identifier_codes(numbers), fine & (kind == "personal").to_numpy())
    check(personal, identifier_codes(numbers), numbers["structure_ok"].to_numpy())
    check(settled_codes("old_number", read(values), YEAR), identifier_codes(numbers), fine)
    for field, reader in (
        ("tax_code", tax_codes),
        ("insurance_number", insurance_numbers),
        ("health_card", health_cards),
    ):
        found = reader(texts, YEAR)
        codes = settled_codes(field, read(values), YEAR)
        check(codes, found["code"].to_numpy(), nothing(found, "issue", "repair"))
        # What else the number is, the caller tells by how many digits it has.
        twelve, ten = codes >> 56 == 12, codes >> 56 == 10
        assert np.array_equal(found["personal"].to_numpy()[twelve], codes[twelve])
        assert not found["personal"].to_numpy()[ten].any()
        if field != "tax_code":
            assert np.array_equal(found["insurance"].to_numpy()[ten], codes[ten])
        assert not found["insurance"].to_numpy()[twelve].any()
    phones = standardise_phones(texts)
    check(
        settled_codes("phone", read(values), YEAR),
        identifier_codes(phones),
        nothing(phones, "issue", "repair"),
    )


def test_settled_codes__settle_what_nearly_every_value_is() -> None:
    many = {
        "personal_number": "001099012345",
        "old_number": "372690875",
        "tax_code": "3604459306",
        "insurance_number": "0125025875",
        "health_card": "0125025875",
        "phone": "0912000321",
    }
    for field, value in many.items():
        assert settled_codes(field, read([value]), YEAR).tolist() == [(len(value) << 56) | int(value)], field
    assert settled_codes("passport", read(["12345678"]), YEAR).tolist() == [0]


dates = st.one_of(
    st.dates(dt.date(1840, 1, 1), dt.date(2030, 1, 1)).flatmap(
        lambda d: st.sampled_from(
            [
                f"{d:%d/%m/%Y}",
                f"{d.day}/{d.month}/{d.year}",
                f"{d:%Y%m%d}",
                f"{d:%Y-%m-%d}",
                f"{d.year}",
                f"{d:%m/%Y}",
            ]
        )
    ),
    st.text("0123456789/-. :T", max_size=12),
    st.sampled_from(
        ["00/00/1980", "00/03/1980", "31/02/1980", "29/02/1900", "29/02/2000", "1/1/19800", "12/1980"]
    ),
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(dates, min_size=1, max_size=20),
    st.sampled_from(
        ["dd/mm/yyyy", "d/m/yyyy", "yyyymmdd", "ddmmyyyy", "yyyy", "mm/yyyy", "d m yyyy", "yyyy d:m", None]
    ),
)
def test_settled_dates__are_those_of_the_whole_reading(values: list[str], form: str | None) -> None:
    formats = [] if form is None else [form, "yyyy"]
    held = [value.encode() for value in values]
    offsets, data = np.cumsum([0, *map(len, held)]), np.frombuffer(b"".join(held), np.uint8)
    codes = settled_dates(offsets, data, formats, LATEST)
    whole = parse_dates(pl.Series(values), formats, LATEST)
    check(codes, whole["code"].to_numpy(), nothing(whole, "issue", "repair"))


@pytest.mark.parametrize(
    ("form", "value"), [("dd/mm/yyyy", "20/11/2026"), ("d/m/yyyy", "1/2/1980"), ("ddmmyyyy", "01021980")]
)
def test_settled_dates__settle_days_of_the_first_format(form: str, value: str) -> None:
    data = np.frombuffer(value.encode(), np.uint8)
    assert settled_dates(np.array([0, data.size]), data, [form], LATEST)[0] > 0


words = st.sampled_from(
    "Nguyễn NGUYỄN nguyen Trần Thị Văn An Lê Hòa Hoà Y H' Niê Hlan Nguyeenx Tr. Ông Bé của Maria Phê đ/c "
    "Nguy\u00e1\u00ba\u00bfn Ngäc Thò Hieáu tức a thị Ng 1 Bình2 Con bà (Bé) Võ-An Ðức \u041d\u0430 "
    "NguyễnVăn KBrôi Thi?n pham Anna Giuse linh mục Ksor".split()
)
names = st.one_of(
    st.lists(words, min_size=1, max_size=10).map(" ".join), st.text("aế Bb.'\u0301 ", min_size=1)
)


@settings(deadline=None, max_examples=200)
@given(st.lists(names, min_size=1, max_size=12))
def test_name_reader__reads_what_is_not_doubtful_as_the_whole_reading_does(values: list[str]) -> None:
    reader = NameReader(9)
    held = [value.encode() for value in values]
    offsets, data = np.cumsum([0, *map(len, held)]), np.frombuffer(b"".join(held), np.uint8)
    rows, doubtful = reader.read(offsets, data, None)
    assert not rows[doubtful].any()
    tokens, counts = reader.tokens()
    whole = parse_names(pl.Series(values))
    texts = whole.texts()
    repaired = set(whole.repairs["value"].to_list())
    seen: dict[str, int] = {}
    for i in np.flatnonzero(~doubtful).tolist():
        own = [tokens[int(word)] for word in rows[i] if word]
        assert " ".join(own) == texts[i], values[i]
        assert i not in repaired, values[i]
        for token in own:
            seen[token] = seen.get(token, 0) + 1
    counted: dict[str, int] = {}
    for token, count in zip(tokens.to_list(), counts.tolist(), strict=True):
        if token is not None:
            counted[token] = counted.get(token, 0) + count
    assert counted == seen


def test_name_reader__has_few_doubts() -> None:
    values = ["Nguyễn Văn An", "TRẦN THỊ BÌNH", "le thi hoa", "Lò Văn Ơn", "Phan Công Hà"]
    column = pa.array(values, pa.large_string())
    offsets = np.frombuffer(column.buffers()[1], np.int64)
    _, doubtful = NameReader(1).read(offsets, np.frombuffer(column.buffers()[2], np.uint8), None)
    assert not doubtful.any()
