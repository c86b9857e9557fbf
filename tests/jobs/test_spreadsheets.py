# ruff: noqa: E501 - XML as it stands in workbooks
"""Workbooks: every kind of cell as text; archives that lie, lead out, or unpack to too much."""

import datetime
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.generator.workbook import Workbook as GeneratedWorkbook
from jobs import readers, spool, unpack
from jobs.source_files import open_source
from jobs.spreadsheets import Workbook
from linkage.contract import Contract, Field
from linkage.errors import ContractError, LinkageError
from tests.jobs import workbooks
from tests.jobs.workbooks import cells, parts, simple, write


def contract(**rest: Any) -> Contract:
    fields = tuple(Field(column=c, standard=c.lower()) for c in "AB")
    return Contract(schema=1, key="K", fields=fields, format="excel", **rest)


def rows_of(path: Path, name: str | None = None) -> list[tuple[int, dict[int, str]]]:
    book = Workbook(path, contract())
    return list(book.rows(book.sheet(name)))


def one(path: Path, cell: str, **more: str) -> str:
    """The text of a single cell."""
    [(_, held)] = rows_of(write(path, parts({"S": f'<row r="1">{cell}</row>'}, **more)))
    return held[0]


def code_of(path: Path, **rest: Any) -> str:
    with pytest.raises(ContractError, match=re.escape(path.name)) as caught:
        readers.read_source([path], contract(**rest))
    assert caught.value.exit_code == 3
    return caught.value.code


STYLES = (
    '<numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy"/><numFmt numFmtId="165" formatCode="0.00&quot;day&quot;"/>'
    '<numFmt numFmtId="166" formatCode="[Red]#,##0;[$-42A]General"/><numFmt numFmtId="167" formatCode="[h]:mm"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/><xf numFmtId="14"/>'
    '<xf numFmtId="167"/></cellXfs>'
)  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("<v>12345678901</v>", "12345678901"),
        ("<v>1.2345678901E10</v>", "12345678901"),
        ("<v>79201001234.0</v>", "79201001234"),
        ("<v>1.5</v>", "1.5"),
        ("<v>1E-7</v>", "0.0000001"),
        ("<v>-3</v>", "-3"),
        ("<v>NaN</v>", "NaN"),
        ('<v xml:space="preserve">7</v>', "7"),
        ("<f>A1+1</f><v>8</v>", "8"),
    ],
)  # fmt: skip
def test_cell__numbers_are_written_as_a_person_writes_them(tmp_path: Path, cell: str, text: str):
    assert one(tmp_path / "x.xlsx", f'<c r="A1">{cell}</c>') == text


@pytest.mark.parametrize(
    ("kind", "inside", "text"),
    [
        ("inlineStr", "<is><t> 007 </t></is>", " 007 "),
        ("inlineStr", "<is><r><t>Ngu</t></r><r><t>yễn</t></r><rPh><t>no</t></rPh></is>", "Nguyễn"),
        ("str", "<v>=text</v>", "=text"),
        ("b", "<v>1</v>", "TRUE"),
        ("e", "<v>#N/A</v>", "#N/A"),
        ("d", "<v>1985-03-07T00:00:00.000Z</v>", "1985-03-07"),
        ("s", "<v>1</v>", "Trần Ý"),
        ("s", "<v>0</v>", "a & b"),
    ],
)
def test_cell__texts_come_as_they_are(tmp_path: Path, kind: str, inside: str, text: str):
    shared = "<si><t>a &amp; b</t></si><si><r><t>Trần</t></r><r><t> Ý</t></r><phoneticPr/></si>"
    assert one(tmp_path / "x.xlsx", f'<c r="A1" t="{kind}">{inside}</c>', shared=shared) == text


@pytest.mark.parametrize(
    ("style", "value", "text"),
    [
        (1, "31113", "1985-03-07"),
        (4, "31113.5", "1985-03-07T12:00:00"),
        (4, "31113.999999999", "1985-03-08"),
        (1, "1", "1900-01-01"),
        (1, "59", "1900-02-28"),
        (1, "60", "1900-02-29"),
        (1, "61", "1900-03-01"),
        (1, "2958465", "9999-12-31"),
        (1, "2958466", "2958466"),
        (1, "-1", "-1"),
        (5, "0.25", "06:00:00"),
        (0, "31113", "31113"),
        (2, "31113", "31113"),
        (3, "31113", "31113"),
    ],
)
def test_cell__a_number_shown_as_a_date_is_one(tmp_path: Path, style: int, value: str, text: str):
    assert one(tmp_path / "x.xlsx", f'<c r="A1" s="{style}"><v>{value}</v></c>', styles=STYLES) == text


@given(st.integers(61, 2_958_465))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cell__days_count_from_the_end_of_1899(tmp_path: Path, serial: int):
    day = datetime.date(1899, 12, 30) + datetime.timedelta(days=serial)
    cell = f'<c r="A1" s="1"><v>{serial}</v></c>'
    assert one(tmp_path / "x.xlsx", cell, styles=STYLES) == day.isoformat()


def test_cell__a_workbook_may_count_its_days_from_1904(tmp_path: Path):
    held = parts({"S": '<row r="1"><c r="A1" s="1"><v>29651</v></c></row>'}, styles=STYLES)
    held["xl/workbook.xml"] = held["xl/workbook.xml"].replace(
        "<sheets>", '<workbookPr date1904="1"/><sheets>'
    )
    assert rows_of(write(tmp_path / "x.xlsx", held)) == [(1, {0: "1985-03-07"})]


def test_rows__gaps_and_cells_without_a_place_keep_their_places(tmp_path: Path):
    rows = (
        '<row r="3"><c r="B3"><v>1</v></c><c><v>2</v></c><c r="AA3"><v>3</v></c></row><row r="4"><c r="A4"/></row>'
        "<row><c><v>4</v></c></row>"
    )
    path = write(tmp_path / "x.xlsx", parts({"S": rows}))
    assert rows_of(path) == [(3, {1: "1", 2: "2", 26: "3"}), (5, {0: "4"})]


def test_rows__names_with_a_prefix_are_understood(tmp_path: Path):
    held = parts({"S": ""})
    held["xl/worksheets/sheet1.xml"] = (
        f'<x:worksheet xmlns:x="{workbooks.MAIN}"><x:sheetData><x:row r="1"><x:c r="A1"><x:v>5</x:v></x:c></x:row>'
        "</x:sheetData></x:worksheet>"
    )
    assert rows_of(write(tmp_path / "x.xlsx", held)) == [(1, {0: "5"})]


def test_sheet__the_first_visible_one_or_the_one_that_is_named(tmp_path: Path):
    path = write(tmp_path / "x.xlsx", parts({"One": cells(("1",)), "Hai": cells(("2",))}, hidden=("One",)))
    assert rows_of(path) == [(1, {0: "2"})]
    assert rows_of(path, "One") == [(1, {0: "1"})]
    with pytest.raises(ContractError, match=r"E-INPUT-018.*'One', 'Hai'.*Did you mean 'Hai'"):
        rows_of(path, "Hay")


def test_read_source__a_sheet_is_read_with_its_row_numbers(tmp_path: Path):
    head = '<row r="2"><c r="A2" t="str"><v> K </v></c><c r="B2" t="str"><v>B</v></c><c r="D2" t="str"><v>A</v></c></row>'
    body = "".join(
        f'<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="D{n}" t="str"><v>a{n}</v></c></row>'
        for n in (3, 4, 7, 10)
    )
    path = write(tmp_path / "x.xlsx", parts({"S": head + body + '<row r="12"><c r="D12"><v>5</v></c></row>'}))
    [intake] = readers.read_source([path], contract())
    assert intake.records.to_pylist() == [
        {"line": n, "record_id": str(n), "a": f"a{n}", "b": None} for n in (3, 4, 7, 10)
    ]
    assert [(r["line"], r["code"]) for r in intake.rejects.to_pylist()] == [(12, "missing_key")]
    assert intake.blank == 5
    assert (intake.text["whole"].lines, intake.text["blank"].lines) == (10, 5)


def test_read_source__many_parts_of_a_large_sheet_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spool, "_BATCH_ROWS", 37)
    path = tmp_path / "x.xlsx"
    rows = [("K", "A", "B"), *((f"K{i}", f"A{i}", "") for i in range(500))]
    simple(path, *rows)
    whole = readers.read_source([path], contract())
    several = readers.read_source([path], contract(), parts=5)
    assert len(several) == 5
    for table in ("records", "rejects"):
        joined = [row for intake in several for row in getattr(intake, table).to_pylist()]
        assert joined == getattr(whole[0], table).to_pylist()
    assert sum(i.text["whole"].lines for i in several) == whole[0].text["whole"].lines == 500


HEAD = cells(("K", "A", "B"), ("1", "a", "b"))


def bent(path: Path, find: bytes, put: bytes, last: bool = False) -> Path:
    """The file with some bytes replaced by as many others."""
    data = path.read_bytes()
    assert find in data
    assert len(find) == len(put)
    at = data.rfind(find) if last else data.find(find)
    path.write_bytes(data[:at] + put + data[at + len(find) :])
    return path


def test_hostile__names_that_lead_out_of_the_archive(tmp_path: Path):
    for number, name in enumerate(("../evil.xml", "/etc/x", "xl/../../x", "C:x", "a\\..\\b")):
        path = write(tmp_path / f"{number}.xlsx", {**parts({"S": HEAD}), name: "x"})
        assert code_of(path) == "E-INPUT-017"
    assert not list(tmp_path.parent.glob("evil*"))


def test_hostile__a_link_and_a_name_twice(tmp_path: Path):
    path = tmp_path / "x.xlsx"
    with zipfile.ZipFile(write(path, parts({"S": HEAD})), "a") as archive:
        link = zipfile.ZipInfo("xl/media")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert code_of(path) == "E-INPUT-017"
    path = write(tmp_path / "y.xlsx", parts({"S": HEAD}))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/workbook.xml", "x")
    assert code_of(path) == "E-INPUT-017"


def test_hostile__more_members_than_a_workbook_has(tmp_path: Path):
    path = write(tmp_path / "x.xlsx", parts({"S": HEAD}))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        for number in range(10_001):
            archive.writestr(f"m{number}", b"")
    assert code_of(path) == "E-INPUT-017"


def sheet_entry(path: Path) -> zipfile.ZipInfo:
    with zipfile.ZipFile(path) as archive:
        return archive.getinfo("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("by", [-1, 1])
def test_hostile__an_archive_that_lies_about_a_size(tmp_path: Path, by: int):
    path = write(tmp_path / "x.xlsx", parts({"S": HEAD}))
    size = sheet_entry(path).file_size
    bent(path, struct.pack("<L", size), struct.pack("<L", size + by), last=True)
    assert sheet_entry(path).file_size == size + by
    assert code_of(path) == "E-INPUT-017"


def test_hostile__a_checksum_of_the_first_bytes_only(tmp_path: Path):
    path = write(tmp_path / "x.xlsx", parts({"S": HEAD}))
    crc = sheet_entry(path).CRC
    bent(path, struct.pack("<L", crc), struct.pack("<L", crc ^ 1), last=True)
    assert code_of(path) == "E-INPUT-017"


def test_hostile__a_sheet_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unpack, "FREE_BYTES", 1 << 20)
    bomb = HEAD + '<row r="3"><c r="A3" t="str"><v>' + "0" * (8 << 20) + "</v></c></row>"
    path = write(tmp_path / "x.xlsx", parts({"S": bomb}))
    assert code_of(path) == "E-INPUT-016"
    [intake] = readers.read_source([path], contract(unpack_ratio=5000))
    assert intake.records.num_rows == 2


def test_hostile__cells_far_apart_cost_nothing(tmp_path: Path):
    far = HEAD + '<row r="1048576"><c r="A1048576"><v>9</v></c><c r="XFD1048576"><v>1</v></c></row>'
    [intake] = readers.read_source([write(tmp_path / "x.xlsx", parts({"S": far}))], contract())
    assert intake.records.column("record_id").to_pylist() == ["1", "9"]
    assert intake.records.column("line").to_pylist() == [2, 1048576]


BROKEN = {
    "a document type": ("<sheetData>", '<!DOCTYPE x [<!ENTITY a "b">]><sheetData>', "E-INPUT-015"),
    "no XML": ("</sheetData>", "</sheetDatum>", "E-INPUT-015"),
    "a shared text that is not there": ('t="inlineStr"><is><t>1</t></is>', 't="s"><v>7</v>', "E-INPUT-015"),
    "rows out of order": ('<row r="2">', '<row r="1">', "E-INPUT-015"),
    "a row beyond the last": ('<row r="2">', '<row r="1048577">', "E-INPUT-015"),
    "a row of no number": ('<row r="2">', '<row r="-2">', "E-INPUT-015"),
    "a column beyond the last": ('r="B2"', 'r="XFE2"', "E-INPUT-015"),
    "a place of no letters": ('r="B2"', 'r="*2"', "E-INPUT-015"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_hostile__a_broken_sheet_is_refused_with_a_code(tmp_path: Path, case: str):
    find, put, code = BROKEN[case]
    held = parts({"S": HEAD})
    text = held["xl/worksheets/sheet1.xml"]
    assert find in text
    held["xl/worksheets/sheet1.xml"] = text.replace(find, put)
    assert code_of(write(tmp_path / "x.xlsx", held)) == code


def test_hostile__a_document_type_at_its_place_is_refused(tmp_path: Path):
    held = parts({"S": HEAD})
    bomb = '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    held["xl/worksheets/sheet1.xml"] = bomb + held["xl/worksheets/sheet1.xml"].removeprefix(
        '<?xml version="1.0"?>'
    )
    assert code_of(write(tmp_path / "x.xlsx", held)) == "E-INPUT-017"


def test_open_source__other_archives_are_no_workbook(tmp_path: Path):
    path = write(tmp_path / "x.xlsx", {"a.csv": "K,A,B\n"})
    assert code_of(path) == "E-INPUT-006"
    held = parts({"S": HEAD})
    held["_rels/.rels"] = workbooks.relations(("r1", "officeDocument", "xl/workbook.bin"))
    held["xl/workbook.bin"] = "x"
    assert code_of(write(tmp_path / "y.xlsx", held)) == "E-INPUT-006"
    for start in (b"\xd0\xcf\x11\xe0rest", b"K,A,B\n", b"PAR1"):
        (tmp_path / "z.xlsx").write_bytes(start)
        assert code_of(tmp_path / "z.xlsx") == "E-INPUT-006"
    assert code_of(write(tmp_path / "e.xlsx", parts({"S": ""}))) == "E-INPUT-003"
    assert code_of(simple(tmp_path / "d.xlsx", ("K", "A", "B", "A"))) == "E-INPUT-004"
    assert code_of(simple(tmp_path / "m.xlsx", ("K", "A", "Bx"))) == "E-INPUT-002"


def test_open_source__reads_a_workbook_of_another_writer(tmp_path: Path):
    path = tmp_path / "g.xlsx"
    with path.open("wb") as stream, GeneratedWorkbook(stream, ["K", "A", "B"]) as book:
        book.write(pa.table({"K": ["1", "2"], "A": ["x<y&z", None], "B": ["Đặng", "ý"]}))
    [opened] = open_source([path], contract())
    assert (opened.columns, opened.sheet, opened.line) == (("K", "A", "B"), "Sheet1", 2)
    [intake] = readers.read_source([path], contract())
    assert [tuple(r.values()) for r in intake.records.to_pylist()] == [
        (2, "1", "x<y&z", "Đặng"),
        (3, "2", None, "ý"),
    ]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_read_source__a_mutated_workbook_is_read_or_refused_with_a_code(
    tmp_path: Path, at: int, byte: int, cut: int
):
    path = simple(tmp_path / "m.xlsx", ("K", "A", "B"), *((f"k{i}", f"a{i}", "b") for i in range(9)))
    data = bytearray(path.read_bytes())
    data[at % len(data)] = byte
    path.write_bytes(data if cut % 4 else data[: cut % len(data)])
    code = "E-INPUT-"
    try:
        [intake] = readers.read_source([path], contract())
        assert intake.records.num_rows + intake.rejects.num_rows == intake.rows_in
    except LinkageError as fault:
        code = fault.code
    assert code.startswith("E-INPUT-")
