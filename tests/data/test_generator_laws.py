import datetime
import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import reference
from data.generator import (
    DEFAULT,
    DEFAULT_SOURCES,
    SOURCES,
    AgencyRates,
    Rates,
    dates,
    fitting,
    parse_forms,
    parse_rates,
    workbook,
)
from data.generator.columns import digit_texts, replaced
from data.generator.coverage import shares
from data.generator.damage import damaged_name, mistyped_number, wrong_date
from data.generator.encodings import BAD_BYTES, ENCODINGS, byte_order_mark, encode, mojibake, sayable
from data.generator.naming import OLDER_WOMEN_COINCIDENCE, naming
from data.generator.numbers import Serials, can_have_neighbour, cell, neighbour
from data.generator.permute import permute, ranks
from data.generator.places import places
from data.generator.rates import HOSTILE
from data.generator.spelling import fold, move_tone, regional, split_tone, telex, viqr, vni, with_tone
from data.generator.workbook import Workbook, _letters
from tests.data.nation_reader import LETTERS, decode, sheet_of


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 5000), key=st.integers(0, 2**64 - 1), tweak=st.integers(0, 10**6))
def test_permute__is_a_permutation_of_its_range(size, key, tweak):
    image = permute(np.arange(size), size, key, np.full(size, tweak))
    assert sorted(image.tolist()) == list(range(size))


def test_permute__hides_order_and_differs_by_tweak():
    values = np.arange(900_000)
    image = permute(values, 900_000, 7)
    assert abs(np.corrcoef(values, image)[0, 1]) < 0.01
    other = permute(values, 900_000, 7, np.ones(900_000, np.int64))
    assert (image == other).mean() < 0.001


def test_permute__refuses_what_lies_outside():
    with pytest.raises(ValueError, match="lower the number of people"):
        permute(np.array([10]), 10, 1)


@given(st.lists(st.integers(0, 5), max_size=40))
def test_ranks__count_within_cells(cells):
    seen: dict[int, int] = {}
    expected = []
    for each in cells:
        expected.append(seen.get(each, 0))
        seen[each] = expected[-1] + 1
    assert ranks(np.array(cells, np.int32)).tolist() == expected


def test_personal_numbers__are_unique_over_chunks_and_carry_their_cell():
    rng = np.random.default_rng(1)
    found: list[int] = []
    for chunk in range(7):
        cells = rng.choice(np.array([1_085, 79_190, 4_305], np.int32), 3_000)
        numbers = Serials(3, chunk, 7).personal_numbers(cells)
        assert (numbers // 1_000_000 == cells).all()
        found += numbers.tolist()
    assert len(set(found)) == len(found)


def test_neighbours__are_one_digit_off_and_nobody_elses():
    cells = np.full(90_000, 79_190, np.int32)
    numbers = Serials(5, 0, 10).personal_numbers(cells)
    able = numbers[can_have_neighbour(numbers)]
    assert 0.08 < len(able) / len(numbers) < 0.14
    near = neighbour(able)
    assert not set(near.tolist()) & set(numbers.tolist())
    assert len(set(near.tolist())) == len(near)
    for one, other in zip(able[:500].tolist(), near[:500].tolist(), strict=True):
        assert sum(a != b for a, b in zip(f"{one:012d}", f"{other:012d}", strict=True)) == 1


def test_personal_numbers__refuse_a_full_cell():
    with pytest.raises(ValueError, match="wanted fewer people"):
        Serials(1, 0, 1000).personal_numbers(np.full(901, 79_190, np.int32))


def test_cell__follows_the_decree():
    found = cell(np.array([1, 79]), np.array([0, 1]), np.array([1985, 2007]))
    assert [f"{each:06d}" for each in found.tolist()] == ["001085", "079307"]


def test_tax_codes__carry_the_check_digit_and_are_unique():
    codes = [
        text
        for chunk in range(3)
        for text in digit_texts(Serials(2, chunk, 3).tax_codes(4000), 10).to_pylist()
    ]
    assert len(set(codes)) == len(codes)
    weights = (31, 29, 23, 19, 17, 13, 7, 5, 3)
    for code in codes:
        remainder = sum(weight * int(digit) for weight, digit in zip(weights, code, strict=False)) % 11
        assert remainder != 0
        assert 10 - remainder == int(code[9])
        assert "01" <= code[:2] <= "63"


def test_old_numbers__are_unique_and_stop_where_a_prefix_is_used_up():
    prefixes = np.full(5_000, 334, np.int32)
    found = np.concatenate([Serials(1, chunk, 2).old_numbers(prefixes) for chunk in range(2)])
    assert len(set(found.tolist())) == 10_000
    assert (found // 1_000_000 == 334).all()
    assert (Serials(1, 0, 1000).old_numbers(prefixes)[1000:] == 0).all()


@given(st.lists(st.integers(0, 10**12 - 1), min_size=1, max_size=20), st.integers(12, 18))
def test_digit_texts__pad_with_zeros(values, width):
    missing = np.array([value % 3 == 0 for value in values])
    found = digit_texts(np.array(values, np.int64), width, "P", missing).to_pylist()
    assert found == [None if value % 3 == 0 else f"P{value:0{width}d}" for value in values]


def test_replaced__takes_rows_in_any_order():
    column = digit_texts(np.arange(5), 2)
    assert replaced(column, np.array([3, 0]), ["x", None]).to_pylist() == [None, "01", "02", "x", "04"]


def test_dates__agree_with_the_calendar():
    for pattern, layout in (("dd/mm/yyyy", "%d/%m/%Y"), ("yyyymmdd", "%Y%m%d"), ("yyyy-mm-dd", "%Y-%m-%d")):
        for text in ("1904-02-29", "1985-01-01", "2026-11-20"):
            date = datetime.date.fromisoformat(text)
            assert dates.texts(pattern)[dates.day(text)].as_py() == date.strftime(layout)
    assert dates.texts("d/m/yyyy")[dates.day("2011-03-05")].as_py() == "5/3/2011"
    assert dates.texts("d/m/yyyy")[int(dates.year_code(np.array([1985]))[0])].as_py() == "1985"
    assert dates.code_of(2023, 2, 29) is None
    codes = np.array([dates.day("1970-01-02"), dates.NO_DAY])
    assert dates.arrow(codes).to_pylist() == [datetime.date(1970, 1, 2), None]


def test_places__codes_agree_with_one_another():
    where = places()
    changes = set(reference.commune_changes().select("old_code", "new_code").iter_rows())
    pairs = list(zip(where.before.to_pylist(), where.after.to_pylist(), strict=True))
    assert set(pairs) <= changes
    assert len(set(where.before.to_pylist())) > 10_000
    provinces = dict(reference.communes_before().select("code", "province_gso").iter_rows())
    gso = where.province_gso.to_pylist()
    assert all(
        provinces[old] == gso[province]
        for (old, _), province in zip(pairs, where.home_province.tolist(), strict=True)
    )


@pytest.mark.parametrize(
    ("text", "moved"),
    [("Hòa", "Hoà"), ("Thúy", "Thuý"), ("Khỏe", "Khoẻ"), ("Thị Thùy", "Thị Thuỳ"), ("Quý", "Quý"),
     ("Hoàng", "Hoàng"),
     ("Huy", "Huy"), ("Diệp", "Diệp")],
)  # fmt: skip
def test_move_tone__touches_open_oa_oe_uy_only(text, moved):
    assert move_tone(text) == moved


def test_spelling__tones_come_apart_and_together_for_every_word_of_the_vocabulary():
    words = {word for text in naming().title.to_pylist()[: naming().size] if text for word in text.split()}
    kinh = [word for word in words if word.isalpha() and fold(word).isascii()]
    for word in kinh:
        plain, tone = split_tone(word)
        assert with_tone(plain, tone) == word, word


def test_keystrokes__are_what_the_keyboards_send():
    assert telex("Nguyễn", False) == "Nguyeenx"
    assert telex("Nguyễn", True) == "Nguyênx"
    assert vni("Nguyễn", False) == "Nguye6n4"
    assert telex("Đỗ", False) == "Ddoox"


def test_regional__confuses_what_each_region_does():
    assert "Nguyển" in regional("Nguyễn", "south")
    assert "Lan" in regional("Nan", "north")
    assert regional("Minh", "north") == ()
    assert "Min" in regional("Minh", "south")


@given(seed=st.integers(0, 10**9), region=st.sampled_from(["north", "central", "south"]))
@settings(max_examples=300, deadline=None)
def test_damage__always_changes_the_value(seed, region):
    rng = random.Random(seed)
    for name in ("Nguyễn Thị Hòa", "Y Blong Niê", "Lý A", "Trần Anh"):
        assert damaged_name(name, region, rng)[0] != name
        assert unicodedata.is_normalized("NFC", damaged_name(name, region, rng)[0])
    assert mistyped_number("001085000123", rng) != "001085000123"
    assert len(mistyped_number("001085000123", rng)) in {10, 11, 12, 13}
    code = dates.day("1985-03-04")
    wrong, kind = wrong_date(code, rng)
    assert wrong != code
    if kind == "day_month_swapped":
        assert wrong == dates.day("1985-04-03")


def test_naming__coincidences_stand_as_published():
    tables = naming()
    for row in tables.givens[:12]:
        assert 0.009 < _sum(row) < 0.012
    by_region = np.bincount(places().region, weights=places().weight)
    surname = sum(
        weight * np.bincount(row, minlength=tables.size) / len(row)
        for weight, row in zip(by_region, tables.surnames, strict=False)
    )
    surname_sum = float((surname**2).sum())
    assert 0.12 < surname_sum < 0.18
    for cohort in (6, 7):
        full = surname_sum * _sum(tables.middles[cohort]) * _sum(tables.givens[cohort])
        # Minorities, a seventh of the people, hardly share names with the Kinh.
        assert 0.9 * OLDER_WOMEN_COINCIDENCE < full * 0.885**2 < 1.1 * OLDER_WOMEN_COINCIDENCE


@pytest.mark.parametrize("factor", [0.5, 12.0])
def test_naming__namesakes_multiply_coincidences(factor):
    plain, more = naming(), naming(factor)
    for row in range(12):
        before = _sum(plain.middles[row]) * _sum(plain.givens[row])
        after = _sum(more.middles[row]) * _sum(more.givens[row])
        ratio = after / before * _sum(more.surnames[0]) / _sum(plain.surnames[0])
        assert 0.85 * factor < ratio < 1.15 * factor


def test_naming__is_written_in_nfc_and_has_large_vocabularies():
    tables = naming()
    texts = [text for text in tables.title.to_pylist() if text]
    assert all(unicodedata.is_normalized("NFC", text) and text == " ".join(text.split()) for text in texts)
    assert len(np.unique(tables.surnames[:3])) > 150
    for row in tables.givens[:12]:
        assert len(np.unique(row)) > 90
    assert len(np.unique(tables.middles[:12])) > 5000


def test_naming__refuses_factors_out_of_reach():
    with pytest.raises(ValueError, match="wanted 0.1 to 60"):
        naming(1000.0)


def test_rates__scale_but_for_shares():
    double = DEFAULT.scaled(2.0)
    assert double.insurance.number_missing == 0.16
    assert double.insurance.mistyped_living == 0.02
    assert double.register.held_twice == 0.0002
    assert DEFAULT.scaled(1.0) == DEFAULT


def test_rates__are_set_by_name():
    rates = parse_rates(["insurance.number_missing=0.1", "register.sex_wrong=0.5"])
    assert rates.insurance.number_missing == 0.1
    assert rates.register.sex_wrong == 0.5
    assert rates.tax == Rates().tax


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("insurance.number_missing", "wanted source.rate=fraction"),
        ("insurance.number_missing=lots", "wanted source.rate=fraction"),
        ("police.number_missing=0.1", "no source 'police'"),
        ("insurance.height=0.1", "no rate 'height'"),
        ("insurance.moved=1.5", "wanted a fraction"),
        ("insurance.number_missing=0.95", "add up to"),
    ],
)
def test_rates__refuse_what_they_do_not_know(setting, message):
    with pytest.raises(ValueError, match=message):
        parse_rates([setting])


def test_rates__default_to_the_table():
    rows = {
        "number_missing": (8, 4, 20), "number_mistyped": (1, 1, 2), "mistyped_living": (2, 2, 2),
        "old_number": (6, 10, 0.2), "relative_number": (0.1, 0.1, 0.5), "clerk_number": (0.02, 0.02, 0.02),
        "name_damaged": (5, 4, 7), "diacritics_dropped": (10, 20, 3), "tone_moved": (8, 8, 8),
        "birth_date_wrong": (1.5, 1.5, 2), "birth_year_only": (2, 1, 0), "sex_wrong": (0.3, 0.3, 0.3),
        "moved": (15, 10, 10), "second_record": (1, 3, 0.5), "unregistered": (0.5, 1, 1),
        "death_unknown": (40, 40, 40),
    }  # fmt: skip
    for name, values in rows.items():
        for source, value in zip(("insurance", "tax", "education"), values, strict=True):
            agency: AgencyRates = DEFAULT.agency(source)
            assert getattr(agency, name) == pytest.approx(value / 100)


def test_coverage__at_forty_one_is_a_birth_years():
    assert [shares(source)[41] for source in DEFAULT_SOURCES] == [0.80, 0.50, 0.03]


def test_rates__of_hostile_names_are_off_by_default_and_on_everywhere_together():
    hostile = DEFAULT.hostile()
    for source in SOURCES:
        assert all(getattr(DEFAULT.agency(source), name) == 0 for name in HOSTILE)
        assert all(getattr(hostile.agency(source), name) == rate for name, rate in HOSTILE.items())
    assert hostile.register == DEFAULT.register
    residue = DEFAULT.with_residue(0.2).exam
    kinds = (residue.name_telex, residue.name_vni, residue.name_viqr, residue.name_mojibake)
    assert sum(kinds) == pytest.approx(0.2)
    with pytest.raises(ValueError, match="wanted one of insurance"):
        DEFAULT.agency("register")


def test_fitting__turns_mojibake_off_where_no_encoding_says_it():
    forms = parse_forms([("encoding", "tax=vni"), ("encoding", "bank=utf-16")])
    rates = fitting(DEFAULT.hostile(), forms)
    assert rates.tax.name_mojibake == 0
    assert rates.bank.name_mojibake == HOSTILE["name_mojibake"]


@pytest.mark.parametrize("encoding", ["cp1258", "tcvn3", "vni"])
def test_encodings__every_letter_comes_back_but_for_toned_capitals_of_tcvn3(encoding):
    letters = LETTERS + "".join(letter.upper() for letter in LETTERS)
    for letter in letters:
        toned = encoding == "tcvn3" and letter not in LETTERS
        assert decode(encode(letter, encoding), encoding) == (letter.lower() if toned else letter)
    text = "Nguyễn Thị Ánh Tuyết, Y Blŭ Niê, ñ"
    said = text.replace("ŭ", "u").replace("ñ", "n")
    assert sayable(text, encoding) == said
    back = decode(encode(text, encoding), encoding)
    assert back == (said.replace("Á", "á") if encoding == "tcvn3" else said)


@given(st.text("aăâbcdđeêghiklmnoôơpqrstuưvxy ÀẢÃÁẠỄĐỖ'.,;09", max_size=40))
@settings(max_examples=200, deadline=None)
def test_encodings__any_text_keeps_its_lines_and_cells(text):
    for encoding in ENCODINGS:
        back = decode(byte_order_mark(encoding) + encode(text, encoding), encoding)
        assert back.lower() == text.lower()
        assert [back.count(sign) for sign in ",;\n"] == [text.count(sign) for sign in ",;\n"]


def test_mojibake__is_how_such_text_looks():
    assert mojibake("Nguyễn Văn Bình") == "NguyÔn V¨n B×nh"
    assert mojibake("NGUYỄN VĂN") == "NGUYÔN V¡N"


@pytest.mark.parametrize(
    ("word", "written"),
    [("Nguyễn", "Nguye^~n"), ("Đặng", "DDa(.ng"), ("Hậu", "Ha^.u"), ("Phương", "Phu+o+ng"), ("Hòa", "Ho`a"),
     ("Bảo", "Ba?o"), ("Nam", "Nam")],
)  # fmt: skip
def test_viqr__is_that_of_the_rfc(word, written):
    assert viqr(word) == written


def test_bad_bytes__are_in_no_text_of_the_encoding():
    letters = LETTERS + "".join(letter.upper() for letter in LETTERS)
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(UnicodeDecodeError):
            decode(byte_order_mark(encoding) + BAD_BYTES[encoding] + encode("a", encoding), encoding)
    for encoding in ("cp1258", "tcvn3", "vni"):
        assert not any(BAD_BYTES[encoding] in encode(letter, encoding) for letter in letters)


def test_workbook__holds_the_cells_and_refuses_more_than_a_sheet(tmp_path, monkeypatch):
    table = pa.table({"HO_TEN": ["Lê <A> & B", None], "SO": ["007", "x\u00f1"]})
    with Workbook((tmp_path / "a.xlsx").open("wb"), table.column_names) as book:
        book.write(table)
    assert sheet_of(tmp_path / "a.xlsx") == [
        {"HO_TEN": "Lê <A> & B", "SO": "007"}, {"HO_TEN": None, "SO": "x\u00f1"},
    ]  # fmt: skip
    monkeypatch.setattr(workbook, "MAX_ROWS", 2)
    book = Workbook((tmp_path / "b.xlsx").open("wb"), table.column_names)
    with pytest.raises(ValueError, match="write more files"):
        book.write(table)
    book.close()
    assert [_letters(at) for at in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


def _sum(row):
    return float(((np.bincount(row) / len(row)) ** 2).sum())
