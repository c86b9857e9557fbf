"""The files of a nation, filled chunk by chunk."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from data.generator import declarations
from data.generator.chunk import Piece, Plan
from data.generator.columns import constant
from data.generator.content import Content
from data.generator.encodings import byte_order_mark, encode
from data.generator.layouts import Layout
from data.generator.report import Report
from data.generator.truth import ERRORS
from data.generator.workbook import Workbook

#: Columns of few values, which Parquet stores as numbers; a dictionary tried on the others takes twice the
#: time.
_FEW_VALUES = {
    "register": ["sex", "birth_province", "commune", "birth_date", "death_date"],
    "register_alias": ["reason"],
    "truth/entities": ["source"],
    "truth/errors": ["source", "field", "error"],
    "truth/fields": ["field"],
}


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=1 << 20)


class _Text:
    """A file of lines, compressed or not."""

    def __init__(self, stream: BinaryIO, compress: str, head: bytes) -> None:
        self._stream = stream
        self._packed: Any = (
            stream if compress == "none" else pa.CompressedOutputStream(pa.PythonFile(stream), compress)
        )
        self._packed.write(head)

    def write(self, content: Content) -> None:
        for piece in content.text:
            self._packed.write(piece)

    def close(self) -> None:
        if self._packed is not self._stream:
            self._packed.close()
        self._stream.close()


class _Table:
    """A Parquet or an Arrow file."""

    def __init__(self, stream: BinaryIO, form: str, schema: pa.Schema, few_values: list[str]) -> None:
        self._stream = stream
        self._writer: Any = (
            pa.ipc.new_file(stream, schema)
            if form == "arrow"
            else pq.ParquetWriter(
                stream,
                schema,
                compression="snappy",
                use_dictionary=few_values,
                write_statistics=False,
                store_schema=False,
            )
        )

    def write(self, content: Content) -> None:
        self._writer.write_table(content.table)

    def close(self) -> None:
        self._writer.close()
        self._stream.close()


class _Sheet:
    """An Excel workbook."""

    def __init__(self, stream: BinaryIO, schema: pa.Schema) -> None:
        self._workbook = Workbook(stream, schema.names)

    def write(self, content: Content) -> None:
        assert content.table is not None
        self._workbook.write(content.table)

    def close(self) -> None:
        self._workbook.close()


class NationFiles:
    """All files of a folder, opened as their first rows come; folders 0700 and files 0600."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self._open: dict[str, _Text | _Table | _Sheet] = {}
        #: Physical line, or row, that the next row of each extract file takes.
        self._line: dict[str, int] = {}

    def __enter__(self) -> Self:
        plan = self.plan
        self.folder.mkdir(parents=True, mode=0o700)
        for name in ("contracts", "policies", "truth"):
            (self.folder / name).mkdir(mode=0o700)
        told = declarations.project(plan.layouts, plan.forms, plan.files)
        self._text("project.toml", told)
        self._text("contracts/register.toml", declarations.register_contract())
        for layout in plan.layouts:
            contract = declarations.agency_contract(layout, plan.forms[layout.source], cards=plan.cards)
            self._text(f"contracts/{layout.source}.toml", contract)
            self._text(f"policies/{layout.source}.toml", declarations.policy(layout))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._open.values():
            file.close()

    def add(self, piece: Piece) -> None:
        """The rows of one chunk, behind those of the chunks before."""
        broken = []
        for layout in self.plan.layouts:
            for part, content in enumerate(piece.extracts[layout.source]):
                path = self._path(layout.source, part, self.plan.forms[layout.source].suffix)
                broken += self._extract(layout, path, content)
        for name, parts in piece.tables.items():
            for part, whole in enumerate(parts):
                path = self._path(name, part, "parquet") if name == "register" else f"{name}.parquet"
                table = pa.concat_tables([whole, *broken]) if name == "truth/errors" else whole
                if path not in self._open:
                    stream = _open(self.folder / path)
                    self._open[path] = _Table(stream, "parquet", table.schema, _FEW_VALUES[name])
                self._open[path].write(Content(len(table), [], table))

    def report(self, report: Report) -> None:
        """What the nation holds, beside it."""
        self._text("report.json", report.json())

    def _extract(self, layout: Layout, path: str, content: Content) -> list[pa.Table]:
        """Write rows of an extract; the errors of those that are broken."""
        form = self.plan.forms[layout.source]
        if path not in self._open:
            stream = _open(self.folder / path)
            self._line[path] = 2 if form.format in {"csv", "excel"} else 1
            if form.format == "csv":
                header = form.delimiter_of(layout).join(layout.header(cards=self.plan.cards)) + "\n"
                head = byte_order_mark(form.encoding) + encode(header, form.encoding)
                self._open[path] = _Text(stream, form.compress, head)
            else:
                assert content.table is not None
                schema = content.table.schema
                self._open[path] = (
                    _Sheet(stream, schema)
                    if form.format == "excel"
                    else _Table(stream, form.format, schema, [])
                )
        self._open[path].write(content)
        first = self._line[path]
        self._line[path] += content.rows
        if not content.broken:
            return []
        count = len(content.broken)
        return [
            pa.table(
                [
                    constant(layout.source, count),
                    pa.array([each.record_id for each in content.broken], pa.string()),
                    constant("row", count),
                    pa.array([each.kind for each in content.broken], pa.string()),
                    pa.array([str(first + each.row) for each in content.broken], pa.string()),
                    constant(path, count),
                ],
                schema=ERRORS,
            )
        ]

    def _text(self, name: str, text: str) -> None:
        with _open(self.folder / name) as stream:
            stream.write(text.encode())

    def _path(self, name: str, part: int, suffix: str) -> str:
        return f"{name}.{suffix}" if self.plan.files == 1 else f"{name}-{part:03d}.{suffix}"
