# ruff: noqa: E501 - XML as it stands in workbooks
"""Workbooks put together by hand for tests: any XML, any archive."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def relations(*entries: tuple[str, str, str]) -> str:
    """A part of relations: id, last word of the kind, target."""
    rows = "".join(f'<Relationship Id="{i}" Type="{REL}/{kind}" Target="{to}"/>' for i, kind, to in entries)
    return f'<?xml version="1.0"?><Relationships xmlns="{PACKAGE}">{rows}</Relationships>'


def sheet(rows: str) -> str:
    return f'<?xml version="1.0"?><worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def cells(*rows: tuple[str, ...]) -> str:
    """Rows of inline texts, from A1."""
    made = []
    for number, row in enumerate(rows, 1):
        held = "".join(
            f'<c r="{chr(65 + i)}{number}" t="inlineStr"><is><t>{value}</t></is></c>'
            for i, value in enumerate(row)
        )
        made.append(f'<row r="{number}">{held}</row>')
    return "".join(made)


def parts(
    sheets: Mapping[str, str], hidden: tuple[str, ...] = (), shared: str = "", styles: str = ""
) -> dict:
    """Members of a workbook: its sheets' rows by name, shared texts and styles as they stand inside."""
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="s{n}"{" state=" + chr(34) + "hidden" + chr(34) if name in hidden else ""}/>'
        for n, name in enumerate(sheets, 1)
    )
    entries = [(f"s{n}", "worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)]
    held = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relations(("r1", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{REL}"><sheets>{listed}</sheets></workbook>',
    }
    for n, rows in enumerate(sheets.values(), 1):
        held[f"xl/worksheets/sheet{n}.xml"] = sheet(rows)
    if shared:
        entries.append(("ss", "sharedStrings", "/xl/sharedStrings.xml"))
        held["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{shared}</sst>'
    if styles:
        entries.append(("st", "styles", "styles.xml"))
        held["xl/styles.xml"] = f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>'
    held["xl/_rels/workbook.xml.rels"] = relations(*entries)
    return held


def write(path: Path, members: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def simple(path: Path, *rows: tuple[str, ...]) -> Path:
    """A workbook of one sheet of texts."""
    return write(path, parts({"Sheet1": cells(*rows)}))
