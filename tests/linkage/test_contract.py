"""Contracts: what they say, and every problem of a wrong one."""

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.contract import STANDARD_KINDS, Contract, date_format_fault, parse_contract
from linkage.schema import DeclarationError, json_schema

CONTRACT = """
schema = 1
key = "SO_SO"
on_repeat = "last"
order_by = "NGAY_CN"
records_per_person = "one"
survivor = "most_complete"
format = "csv"
delimiter = ";"
[[field]]
column = "HO_TEN"
standard = "full_name"
required = true
[[field]]
column = "NGAY_SINH"
standard = "birth_date"
formats = ["dd/mm/yyyy", "yyyy"]
[[field]]
column = "GIOI_TINH"
standard = "sex"
codes = { "1" = "M", "2" = "F" }
sensitivity = "sensitive"
[[field]]
column = "MA_XA"
standard = "commune"
codes = "gso"
as_of = 2025-06-30
"""


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(DeclarationError) as caught:
        parse_contract(text)
    return [(p.code, p.line()) for p in caught.value.problems]


def test_contract__says_what_the_file_says():
    contract = parse_contract(CONTRACT)
    assert contract.columns() == ("SO_SO", "NGAY_CN", "HO_TEN", "NGAY_SINH", "GIOI_TINH", "MA_XA")
    by = contract.by_standard()
    assert list(by) == ["full_name", "birth_date", "sex", "commune"]
    assert by["full_name"].required
    assert by["sex"].codes == {"1": "M", "2": "F"}
    assert (by["sex"].sensitivity, by["full_name"].sensitivity) == ("sensitive", "basic")
    assert by["commune"].as_of == datetime.date(2025, 6, 30)
    assert by["birth_date"].formats == ("dd/mm/yyyy", "yyyy")
    assert (contract.encoding, contract.delimiter, contract.per) == ("utf-8", ";", ())


def test_contract__defaults():
    contract = parse_contract('schema = 1\nkey = "K"\n[[field]]\ncolumn = "N"\nstandard = "full_name"\n')
    assert (contract.on_repeat, contract.order_by) == ("reject", None)
    assert (contract.records_per_person, contract.survivor) == ("one", "lowest_key")
    assert (contract.format, contract.delimiter, contract.alias_file) == ("csv", ",", None)
    assert (contract.quote, contract.compression, contract.sheet) == ('"', "auto", None)
    assert (contract.unpack_ratio, contract.unpack_max) == (200, 256)


def test_contract__says_the_form_of_the_files():
    text = CONTRACT.replace('delimiter = ";"', 'delimiter = "auto"\nquote = "none"\nencoding = "auto"')
    contract = parse_contract(text.replace('format = "csv"', 'compression = "zstd"'))
    assert (contract.delimiter, contract.quote, contract.encoding) == ("auto", "none", "auto")
    assert contract.compression == "zstd"
    excel = parse_contract(
        CONTRACT.replace('format = "csv"\ndelimiter = ";"', 'format = "excel"\nsheet = "Hai"')
    )
    assert (excel.format, excel.sheet) == ("excel", "Hai")


def test_contract__an_address_needs_no_day():
    text = CONTRACT.replace('codes = "gso"\nas_of = 2025-06-30', 'codes = "address"')
    field = parse_contract(text).by_standard()["commune"]
    assert (field.codes, field.as_of) == ("address", None)
    dated = parse_contract(CONTRACT.replace('codes = "gso"', 'codes = "address"'))
    assert dated.by_standard()["commune"].as_of == datetime.date(2025, 6, 30)


@pytest.mark.parametrize("name", ["tax_code", "insurance_number", "health_card", "passport"])
def test_contract__knows_the_codes_of_agencies_as_identifiers(name):
    assert STANDARD_KINDS[name] == "identifier"
    assert name in parse_contract(CONTRACT.replace('"full_name"', f'"{name}"')).by_standard()


def test_contract__a_parquet_date_needs_no_formats():
    text = 'schema = 1\nkey = "K"\nformat = "parquet"\n[[field]]\ncolumn = "D"\nstandard = "death_date"\n'
    assert parse_contract(text).by_standard()["death_date"].formats == ()


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (('key = "SO_SO"', ""), "E-CONTRACT-003", "'key' is missing"),
        (('key = "SO_SO"', 'key = ""'), "E-CONTRACT-004", "not empty"),
        (("on_repeat", "on_repeats"), "E-CONTRACT-002", "Did you mean 'on_repeat'?"),
        (('order_by = "NGAY_CN"', ""), "E-CONTRACT-005", "without order_by"),
        (('on_repeat = "last"', ""), "E-CONTRACT-005", "order_by without"),
        (('"one"', '"many"\nper = ["sex"]'), "E-CONTRACT-006", "per with"),
        (('"one"', '"one"\nper = ["comune"]'), "E-CONTRACT-006", "Did you mean 'commune'?"),
        (('delimiter = ";"', 'delimiter = ";;"'), "E-CONTRACT-007", "One character"),
        (('delimiter = ";"', 'delimiter = "semicolon"'), "E-CONTRACT-007", 'Did you mean ";"?'),
        (('delimiter = ";"', 'delimiter = "Tab"'), "E-CONTRACT-007", r'Did you mean "\t"?'),
        (('delimiter = ";"', 'delimiter = "autto"'), "E-CONTRACT-007", 'Did you mean "auto"?'),
        (('delimiter = ";"', 'delimiter = "§"'), "E-CONTRACT-007", "of ASCII"),
        (('delimiter = ";"', "quote = ','"), "E-CONTRACT-007", "is the delimiter too"),
        (('delimiter = ";"', 'quote = "nonne"'), "E-CONTRACT-007", 'Did you mean "none"?'),
        (('delimiter = ";"', 'encoding = "utf8"'), "E-CONTRACT-004", "Did you mean 'utf-8'?"),
        (('delimiter = ";"', 'encoding = "TCVN3"'), "E-CONTRACT-004", "Did you mean 'tcvn3'?"),
        (('delimiter = ";"', 'format = "exel"'), "E-CONTRACT-001", ""),
        (('format = "csv"', 'format = "exel"'), "E-CONTRACT-004", "Did you mean 'excel'?"),
        (('delimiter = ";"', 'compression = "gz"'), "E-CONTRACT-004", "gzip"),
        (('delimiter = ";"', 'sheet = "A"'), "E-CONTRACT-007", "belongs to Excel"),
        (('delimiter = ";"', "unpack_ratio = 0"), "E-CONTRACT-004", "at least 1"),
        (('"commune"', '"record_id"'), "E-CONTRACT-018", "engine's own"),
        (('format = "csv"', 'format = "parquet"'), "E-CONTRACT-007", "belongs to CSV"),
        (('format = "csv"', 'format = "excel"'), "E-CONTRACT-007", "belongs to CSV"),
        (
            ('format = "csv"\ndelimiter = ";"', 'format = "arrow"\nunpack_max = 1'),
            "E-CONTRACT-007",
            "belongs to CSV and Excel",
        ),
        (('"commune"', '"sex"'), "E-CONTRACT-008", "stands at field 3"),
        (("required = true", 'formats = ["yyyy"]'), "E-CONTRACT-009", "no date"),
        (('formats = ["dd/mm/yyyy", "yyyy"]', ""), "E-CONTRACT-010", "without formats"),
        (('"yyyy"]', '"DD/MM/YYYY"]'), "E-CONTRACT-011", "Did you mean 'dd/mm/yyyy'?"),
        (('"yyyy"]', '"dd/mm/yyyy"]'), "E-CONTRACT-011", "stands twice"),
        (('codes = { "1" = "M", "2" = "F" }', ""), "E-CONTRACT-012", "codes of the sexes are missing"),
        (('"2" = "F"', '"2" = "W"'), "E-CONTRACT-012", "lead to W"),
        (("required = true", 'codes = { a = "b" }'), "E-CONTRACT-012", "has none"),
        (('codes = "gso"', ""), "E-CONTRACT-013", "are missing"),
        (('codes = "gso"', 'codes = "nso"'), "E-CONTRACT-013", "unknown"),
        (("as_of = 2025-06-30", ""), "E-CONTRACT-014", "as_of is missing"),
        (("required = true", "as_of = 2025-06-30"), "E-CONTRACT-014", "no unit"),
        (("required = true", 'sensitivity = "secret"'), "E-CONTRACT-004", "sensitive"),
    ],
)
def test_contract__a_wrong_line_is_named(change, code, says):
    assert change[0] in CONTRACT
    found = problems(CONTRACT.replace(*change))
    assert any(c == code and says in line for c, line in found), found


def test_contract__all_problems_are_told_at_once():
    text = (
        CONTRACT.replace('codes = "gso"', "")
        .replace("as_of = 2025-06-30", "")
        .replace('"1" = "M"', '"1" = "m"')
    )
    assert [c for c, _ in problems(text)] == ["E-CONTRACT-012", "E-CONTRACT-013", "E-CONTRACT-014"]


@pytest.mark.parametrize(
    "form",
    [
        "dd/mm/yyyy",
        "yyyy",
        "yyyymmdd",
        "yyyy-mm-dd",
        "d/m/yyyy",
        "mm/yyyy",
        "ddmmyyyy",
        "d.m.yyyy",
        "yyyy m d",
    ],
)
def test_date_format__these_are_understood(form):
    assert date_format_fault(form) == ""


@pytest.mark.parametrize(
    "form",
    "|dd/mm|dd/mm/yy|dd/yyyy|dmyyyy|mmm yyyy|yyyy-yyyy|dd/dd/yyyy|%d/%m/%Y|1/mm/yyyy|hh".split("|"),
)
def test_date_format__these_are_refused_with_a_reason(form):
    assert date_format_fault(form)


@given(st.text(alphabet="dmy/- .x1D", max_size=12))
def test_date_format__what_is_understood_reads_back_every_date_it_writes(form):
    if date_format_fault(form):
        return
    for day in (datetime.date(1999, 12, 31), datetime.date(2001, 1, 2), datetime.date(1925, 11, 11)):
        text = slow_write(form, day)
        assert slow_read(form, text) == {
            "y": day.year,
            **({"m": day.month} if "m" in form else {}),
            **({"d": day.day} if "d" in form else {}),
        }


def slow_write(form: str, day: datetime.date) -> str:
    """A date in a format, part by part, longest first."""
    parts = (
        ("yyyy", f"{day.year:04d}"),
        ("mm", f"{day.month:02d}"),
        ("dd", f"{day.day:02d}"),
        ("m", str(day.month)),
        ("d", str(day.day)),
    )
    out, rest = "", form
    while rest:
        for letters, digits in parts:
            if rest.startswith(letters):
                out, rest = out + digits, rest[len(letters) :]
                break
        else:
            out, rest = out + rest[0], rest[1:]
    return out


def slow_read(form: str, text: str) -> dict[str, int]:
    """The parts of a date text, by trying every day there is of these years."""
    years = (1925, 1999, 2001)
    found = []
    for year in years:
        for ordinal in range(
            datetime.date(year, 1, 1).toordinal(), datetime.date(year + 1, 1, 1).toordinal()
        ):
            day = datetime.date.fromordinal(ordinal)
            if slow_write(form, day) == text:
                held = {"y": day.year}
                if "m" in form:
                    held["m"] = day.month
                if "d" in form:
                    held["d"] = day.day
                if held not in found:
                    found.append(held)
    assert len(found) == 1, (form, text, found)
    return found[0]


@given(st.text())
def test_contract__any_text_is_a_contract_or_a_declaration_error(text):
    with pytest.raises(DeclarationError):
        parse_contract(text)


def test_contract__its_json_schema_names_its_keys():
    schema = json.loads(json_schema(Contract, "contract"))
    assert {"schema", "key", "field", "alias_file", "per"} < set(schema["$defs"]["Contract"]["properties"])
    assert set(schema["$defs"]["Contract"]["required"]) == {"schema", "key", "field"}
