"""Looking at a source's files: what each is, how it is packed and encoded, and the columns of its header.

Only the beginning of a file is read, and of a text whose encoding is to be found out some stretches of the
rest.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from jobs.spreadsheets import Workbook
from jobs.unpack import Packing, packing_of, unpacked, wrong_format
from linkage.contract import Contract
from linkage.delimited import find_delimiter, read_header, refuse_doubles
from linkage.encodings import AUTO, MARKS, Transcoder, detect_encoding
from linkage.errors import ConfigError, ContractError
from linkage.ingest import require_columns
from linkage.rows import BLANK

#: Bytes of a file that are looked at for its header and encoding, and stretches of the rest.
PREFIX_BYTES = 4 << 20
_STRETCHES, _STRETCH_BYTES = 7, 256 << 10
#: Most rows of a Parquet row group or an Arrow batch: a few bytes may stand for billions of equal rows.
MOST_GROUP_ROWS = 1 << 26

#: How a file's rows are held.
Form = Literal["csv", "parquet", "arrow", "arrow stream", "excel"]

_OTHERS = (
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"PK\x03\x04", "ZIP or Excel"),
    (b"PK\x05\x06", "ZIP or Excel"),
    (b"\xd0\xcf\x11\xe0", "old Excel (.xls) or encrypted Excel"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


@dataclass(frozen=True)
class SourceFile:
    """A file that can be read: its number in the source, its size, its form, its header.

    ``rows`` is known of Parquet and Arrow files only. ``body`` and ``line`` say where the rows of a CSV file
    begin, in its text. A file that is ``spooled`` is written out once before its rows are read in parts; the
    Arrow file that then has its rows is the run's ``own``.
    """

    path: Path
    file: int
    size: int
    columns: tuple[str, ...]
    form: Form
    rows: int | None = None
    body: int = 0
    line: int = 1
    packing: Packing = "none"
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    sheet: str = ""
    own: bool = False

    @property
    def spooled(self) -> bool:
        """Whether the rows cannot be read where they lie."""
        if self.form == "csv":
            return self.packing != "none" or self.encoding != "utf-8"
        return self.form in ("arrow stream", "excel")


def open_source(files: Sequence[Path | str], contract: Contract) -> list[SourceFile]:
    """Look at each file's header, sorted by name; nothing else is read.

    Raises ContractError (``E-INPUT-001`` to ``E-INPUT-006``, ``E-INPUT-010``, ``E-INPUT-013`` to
    ``E-INPUT-018``) naming the file that is at fault, ConfigError ``E-INPUT-011`` for a delimiter that is no
    ASCII character.
    """
    if not files:
        raise ContractError(
            "E-INPUT-010",
            "No file came;",
            "at least one was wanted.",
            "Look at the source's files in the project.",
        )
    if contract.format == "csv" and not contract.delimiter.isascii():
        raise ConfigError(
            "E-INPUT-011",
            f"The contract's delimiter is '{contract.delimiter}';",
            "an ASCII character was wanted.",
            "Use ',', ';', a tab or '|'.",
        )
    ordered = sorted((Path(f) for f in files), key=lambda p: (p.name, str(p)))
    return [open_file(path, file, contract) for file, path in enumerate(ordered)]


def open_file(path: Path, file: int, contract: Contract) -> SourceFile:
    """Look at one file, number ``file`` of its source; raises as :func:`open_source`."""
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
        opened = _OPENERS[contract.format](path, file, contract, start)
        require_columns(opened.columns, contract)
    except OSError as fault:
        raise unreadable(path.name, fault) from None
    except ContractError as fault:
        raise named(fault, path) from None
    return opened


def seen_forms(opened: Sequence[SourceFile]) -> list[dict[str, str]]:
    """Encoding, delimiter and packing of text files as they were declared or found out, each sort once."""
    kinds = {(f.encoding, f.delimiter, f.packing) for f in opened}
    return [dict(zip(("encoding", "delimiter", "compression"), kind, strict=True)) for kind in sorted(kinds)]


def unreadable(name: str, fault: OSError) -> ContractError:
    """The error of a file that the system does not let be read: ``E-INPUT-001``."""
    return ContractError(
        "E-INPUT-001",
        f"'{name}' cannot be read: {(fault.strerror or type(fault).__name__).lower()};",
        "a readable file was wanted.",
        "Look at the source's files in the project, and at their permissions.",
    )


def named(fault: ContractError, path: Path) -> ContractError:
    """The error with the name of the file it is about."""
    return ContractError(fault.code, f"'{path.name}': {fault.what}", fault.wanted, fault.do)


def _open_csv(path: Path, file: int, contract: Contract, start: bytes) -> SourceFile:
    packing = packing_of(start)
    if contract.compression not in ("auto", packing):
        held = packing if packing != "none" else "not packed"
        raise wrong_format(f"The file is {held};", f'compression = "{contract.compression}"')
    if packing == "none":
        _refuse_others(start)
    with unpacked(path, packing, contract) as stream:
        prefix = stream.read(PREFIX_BYTES)
    whole = len(prefix) < PREFIX_BYTES
    if packing != "none":
        _refuse_others(prefix)
    encoding: str = contract.encoding
    if encoding == AUTO:
        encoding = _found_encoding(path, packing, prefix, whole)
    text = Transcoder(encoding).feed(prefix, final=whole)
    try:
        delimiter = contract.delimiter
        if delimiter == AUTO:
            delimiter = find_delimiter(text, contract.columns(), contract.quote)
        header = read_header(text, delimiter, contract.quote)
    except ContractError as fault:
        seen = detect_encoding(_whole_lines(prefix, whole))
        if fault.code != "E-INPUT-005" or seen is None or seen == encoding:
            raise
        do = f'Declare encoding = "{seen}", which is what it looks like, or save the file as {encoding}.'
        raise ContractError(fault.code, fault.what, fault.wanted, do) from None
    size = path.stat().st_size
    return SourceFile(
        path, file, size, header.names, "csv", None, header.body, header.line, packing, encoding, delimiter,
        contract.quote,
    )  # fmt: skip


def _refuse_others(start: bytes) -> None:
    for magic, kind in _OTHERS:
        if start.startswith(magic):
            raise wrong_format(f"The file is a {kind} file;", "CSV")


def _found_encoding(path: Path, packing: Packing, prefix: bytes, whole: bool) -> str:
    sample = _whole_lines(prefix, whole)
    found = detect_encoding(sample)
    wide = found is not None and found.startswith("utf-16")
    if not whole and packing == "none" and not wide and not prefix.startswith(MARKS[0][0]):
        found = detect_encoding(sample + _stretches(path))
    if found is None:
        raise ContractError(
            "E-INPUT-014",
            "The file's encoding cannot be told from its text;",
            "UTF-8, UTF-16, or enough Vietnamese words in another encoding were wanted.",
            "Declare its encoding in the contract, or save it as UTF-8.",
        )
    return found


def _whole_lines(prefix: bytes, whole: bool) -> bytes:
    if whole:
        return prefix
    cut = max(prefix.rfind(b"\n"), prefix.rfind(b"\r", 0, len(prefix) - 1)) + 1
    if cut:
        return prefix[:cut]
    # A line of megabytes: a character that is cut in two is taken off instead.
    for short in range(4):
        with contextlib.suppress(UnicodeDecodeError):
            return prefix[: len(prefix) - short].decode().encode()
    return prefix


def _stretches(path: Path) -> bytes:
    """Lines from places all over the file."""
    pieces = []
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        for number in range(1, _STRETCHES + 1):
            stream.seek(PREFIX_BYTES + (size - PREFIX_BYTES) * number // (_STRETCHES + 1))
            piece = stream.read(_STRETCH_BYTES)
            first, last = piece.find(b"\n"), piece.rfind(b"\n")
            if first < last:
                pieces.append(piece[first + 1 : last + 1])
    return b"".join(pieces)


def _open_parquet(path: Path, file: int, contract: Contract, start: bytes) -> SourceFile:  # noqa: ARG001
    size = path.stat().st_size
    try:
        with pq.ParquetFile(path) as opened:
            columns = tuple(opened.schema_arrow.names)
            meta = opened.metadata
            rows = meta.num_rows
            most = max((meta.row_group(g).num_rows for g in range(meta.num_row_groups)), default=0)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as fault:
        if isinstance(fault, OSError) and fault.errno is not None:
            raise
        raise wrong_format(
            "The file cannot be read as Parquet: it is another kind or damaged;", "Parquet"
        ) from None
    too_many_rows(most, "row group")
    refuse_doubles(columns)
    return SourceFile(path, file, size, columns, "parquet", rows)


def too_many_rows(rows: int, thing: str) -> None:
    """Raise ContractError ``E-INPUT-016`` for a row group or a batch that no memory would hold."""
    if not 0 <= rows <= MOST_GROUP_ROWS:
        raise ContractError(
            "E-INPUT-016",
            f"A {thing} of the file has {rows} rows;",
            f"at most {MOST_GROUP_ROWS} were wanted.",
            "Write the file with smaller ones.",
        )


def _open_arrow(path: Path, file: int, contract: Contract, start: bytes) -> SourceFile:  # noqa: ARG001
    size = path.stat().st_size
    rows: int | None = None
    form: Form = "arrow" if start.startswith(b"ARROW1") else "arrow stream"
    try:
        with pa.OSFile(str(path)) as source:
            if form == "arrow":
                with ipc.open_file(source) as opened:
                    columns = tuple(opened.schema.names)
            else:
                with ipc.open_stream(source) as stream:
                    columns = tuple(stream.schema.names)
    except (pa.ArrowException, OSError, ValueError) as fault:
        if isinstance(fault, OSError) and fault.errno is not None:
            raise
        raise wrong_format(
            "The file cannot be read as Arrow: it is another kind or damaged;", "Arrow"
        ) from None
    refuse_doubles(columns)
    return SourceFile(path, file, size, columns, form, rows)


def _open_excel(path: Path, file: int, contract: Contract, start: bytes) -> SourceFile:
    for magic, kind in (*_OTHERS[:2], *_OTHERS[4:]):
        if start.startswith(magic):
            raise wrong_format(f"The file is a {kind} file;", "Excel, which is .xlsx")
    if not start.startswith(b"PK"):
        raise wrong_format("The file is no workbook;", "Excel, which is .xlsx")
    book = Workbook(path, contract)
    sheet = book.sheet(contract.sheet)
    first = next(itertools.islice(book.rows(sheet), 1), None)
    if first is None:
        raise ContractError(
            "E-INPUT-003",
            f"The sheet '{sheet}' is empty;",
            "a header row with the column names was wanted.",
            "Send the workbook again, with its header even if it holds no row.",
        )
    line, cells = first
    columns = tuple(cells.get(i, "").strip(BLANK) for i in range(max(cells) + 1))
    refuse_doubles(columns)
    size = path.stat().st_size
    return SourceFile(path, file, size, columns, "excel", None, 0, line + 1, sheet=sheet)


_OPENERS = {"csv": _open_csv, "parquet": _open_parquet, "arrow": _open_arrow, "excel": _open_excel}
