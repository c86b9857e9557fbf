"""Excel workbooks of one sheet of text cells, row by row, in the least of ECMA-376 that spreadsheets open."""

from __future__ import annotations

import zipfile
from types import TracebackType
from typing import IO, BinaryIO, Self
from xml.sax.saxutils import escape

import pyarrow as pa

#: Rows of a sheet, its header among them.
MAX_ROWS = 1_048_576
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
    f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
    f' Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


class Workbook:
    """A workbook written to a stream that it closes; the same rows give the same bytes."""

    def __init__(self, stream: BinaryIO, header: list[str]) -> None:
        self._stream = stream
        self._columns = [_letters(at) for at in range(len(header))]
        self._archive = zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        for name, text in _PARTS.items():
            self._archive.writestr(_entry(name), _HEAD + text)
        self._sheet: IO[bytes] = self._archive.open(_entry("xl/worksheets/sheet1.xml"), "w", force_zip64=True)
        self._sheet.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
        self.rows = 0
        self._row(header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, table: pa.Table) -> None:
        """The rows of a table of text; nulls are cells that are not there.

        Raises ValueError for more rows than a sheet holds.
        """
        if self.rows + len(table) > MAX_ROWS:
            raise ValueError(
                f"a sheet would hold {self.rows + len(table)} rows; wanted at most {MAX_ROWS}; "
                "write more files, or another format"
            )
        for values in zip(*(column.to_pylist() for column in table.columns), strict=True):
            self._row(values)

    def close(self) -> None:
        """End the sheet, the archive and the stream."""
        self._sheet.write(b"</sheetData></worksheet>")
        self._sheet.close()
        self._archive.close()
        self._stream.close()

    def _row(self, values: list[str] | tuple[str | None, ...]) -> None:
        self.rows += 1
        cells = "".join(
            f'<c r="{letters}{self.rows}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
            for letters, value in zip(self._columns, values, strict=True)
            if value is not None
        )
        self._sheet.write(f'<row r="{self.rows}">{cells}</row>'.encode())


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


def _letters(column: int) -> str:
    """The name of a column by its number from 0: A, B, ... Z, AA."""
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text
