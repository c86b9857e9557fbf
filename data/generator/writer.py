"""The files of a nation, filled chunk by chunk."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow.parquet as pq

from data.generator import layouts
from data.generator.chunk import Piece
from data.generator.report import Report

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


class NationFiles:
    """All files of a folder, opened as their first rows come; folders 0700 and files 0600.

    ``files`` is the number of parts of the register and of each extract.
    """

    def __init__(self, folder: Path, files: int) -> None:
        self.folder = folder
        self.files = files
        self._streams: dict[str, BinaryIO] = {}
        self._tables: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, mode=0o700)
        for name in ("contracts", "truth"):
            (self.folder / name).mkdir(mode=0o700)
        self._text("project.toml", layouts.project(self.files))
        self._text("contracts/register.toml", layouts.register_contract())
        for layout in layouts.LAYOUTS:
            self._text(f"contracts/{layout.source}.toml", layouts.agency_contract(layout))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._tables.values():
            writer.close()
        for stream in self._streams.values():
            stream.close()

    def add(self, piece: Piece) -> None:
        """The rows of one chunk, behind those of the chunks before."""
        for name, parts in piece.tables.items():
            for part, table in enumerate(parts):
                path = _path(name, part, len(parts), "parquet")
                if path not in self._tables:
                    self._streams[path] = _open(self.folder / path)
                    self._tables[path] = pq.ParquetWriter(
                        self._streams[path],
                        table.schema,
                        compression="snappy",
                        use_dictionary=_FEW_VALUES[name],
                        write_statistics=False,
                        store_schema=False,
                    )
                self._tables[path].write_table(table)
        for layout in layouts.LAYOUTS:
            buffers = piece.lines[layout.source]
            for part, lines in enumerate(buffers):
                path = _path(layout.source, part, len(buffers), "csv")
                if path not in self._streams:
                    self._streams[path] = _open(self.folder / path)
                    header = layout.delimiter.join(layout.columns.values())
                    self._streams[path].write(header.encode() + b"\n")
                self._streams[path].write(lines)

    def report(self, report: Report) -> None:
        """What the nation holds, beside it."""
        self._text("report.json", report.json())

    def _text(self, name: str, text: str) -> None:
        with _open(self.folder / name) as stream:
            stream.write(text.encode())


def _path(name: str, part: int, parts: int, suffix: str) -> str:
    return f"{name}.{suffix}" if parts == 1 else f"{name}-{part:03d}.{suffix}"
