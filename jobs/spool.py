"""Files that cannot be read where they lie, written out once: text as UTF-8, tables as Arrow.

How large that will be, and how many records a file has, its beginning says before anything is read.

A spool file is work data: it lies in the run's work folder, can be read by its owner alone, and goes with the
folder. It is written aside and renamed; the same file gives the same bytes. Memory is bounded by a batch.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from jobs.source_files import SourceFile, named, too_many_rows
from jobs.spreadsheets import Workbook
from jobs.store import aside, checked, make_folder
from jobs.unpack import Allowance, beginning, packing_of, unpacked, wrong_format
from linkage.contract import Contract
from linkage.delimited import DELIMITERS, MOST_BYTES, MOST_LINES, NO_QUOTE, read_header
from linkage.encodings import AUTO, Transcoder, detect_encoding
from linkage.errors import ContractError
from linkage.rows import as_text

#: Name of the column that holds the rows' line numbers: no column of a contract has an empty name.
LINE = ""
_CHUNK = 4 << 20
_BATCH_ROWS = 1 << 16

#: Bytes at the beginning of a plain and of a packed text that say how long a record is; of them so many are
#: looked at for quotes, behind which a line end ends no record, and for the encoding; and so many are brought
#: to UTF-8, which takes 10 ms of the slowest encoding.
_PLAIN_HEAD, _PACKED_HEAD, _LOOKED_AT, _RECODED = 256 << 10, 1 << 20, 256 << 10, 64 << 10

#: An Arrow batch of more bytes is not opened to see how many rows it has: one has so many bytes then.
_BATCH_BYTES, _ARROW_ROW = 64 << 20, 140

#: Bytes of text in a cell of a sheet, and most rows of one.
_CELL_TEXT, _SHEET_ROWS = 10, 1 << 20
_SHEET = re.compile(r"(^|/)worksheets/[^/]+\.xml$")
_SHEET_ROW = re.compile(rb"<(?:\w+:)?row[ >/]")


@dataclass(frozen=True)
class Foreseen:
    """What the beginning of a file says of the whole, about.

    records : it has;  size : bytes of what they are read from: its own, or its spool file's
    spooled : bytes of its spool file, 0 if it needs none
    """

    records: int
    size: int
    spooled: int = 0


def spooled(source: SourceFile, contract: Contract, folder: Path) -> SourceFile:
    """The file as one that can be read in parts: itself, or its spool file in ``folder``.

    A spool file that an earlier, stopped run has finished is taken if it is as it was written. Raises
    ContractError ``E-INPUT-006``, ``E-INPUT-015`` to ``E-INPUT-017`` for a file that is broken further in,
    IntegrityError ``E-INTEGRITY-001`` for a spool file that is not as it was written.
    """
    if not source.spooled:
        return source
    make_folder(folder)
    state = source.path.stat()
    said = f"{source.path.name}\x1f{state.st_size}\x1f{state.st_mtime_ns}\x1f{source}\x1f{contract.columns()}"
    stem = hashlib.blake2b(said.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
    kind = "text" if source.form == "csv" else "arrow"
    path = folder / f"{source.file:05d}-{stem}.{kind}"
    try:
        if path.exists():
            checked(path)
        else:
            _TEXT_OR_TABLE[kind](source, contract, path)
        if kind == "text":
            with path.open("rb") as stream:
                start = stream.read(MOST_BYTES + 16)
            header = read_header(start, source.delimiter, source.quote)
            return dataclasses.replace(
                source, path=path, size=path.stat().st_size, columns=header.names, body=header.body,
                line=header.line, packing="none", encoding="utf-8",
            )  # fmt: skip
    except ContractError as fault:
        raise named(fault, source.path) from None
    return dataclasses.replace(source, path=path, size=path.stat().st_size, form="arrow")


def text_size(source: SourceFile, held: SourceFile, contract: Contract) -> int:
    """Bytes of a text file as it was sent, without its packing; 0 of a file that is no text.

    source : the file as it was sent;  held : what its rows are read from
    """
    if source.form != "csv":
        return 0
    if source.packing == "none" or source.encoding == "utf-8":  # UTF-8 is unpacked and not otherwise changed
        return held.size if source.encoding == "utf-8" else source.size
    with unpacked(source.path, source.packing, contract) as stream:
        return sum(len(chunk) for chunk in iter(lambda: stream.read(_CHUNK), b""))


def _write_text(source: SourceFile, contract: Contract, path: Path) -> None:
    transcoder = Transcoder(source.encoding)
    with aside(path) as out, unpacked(source.path, source.packing, contract) as stream:
        while chunk := stream.read(_CHUNK):
            _write_all(out, transcoder.feed(chunk))
        _write_all(out, transcoder.feed(b"", final=True))


def _write_all(out: object, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[out.write(view) :]  # type: ignore[attr-defined]


def _write_table(source: SourceFile, contract: Contract, path: Path) -> None:
    made = _excel_batches if source.form == "excel" else _stream_batches
    batches = made(source, contract)
    first = next(batches)
    with aside(path) as out:
        sink = pa.PythonFile(out, mode="w")
        with ipc.new_file(sink, first.schema) as writer:
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)
        sink.flush()


def _excel_batches(source: SourceFile, contract: Contract) -> Iterator[pa.RecordBatch]:
    """The contract's columns as text, and the rows' numbers; the first batch has no rows."""
    wanted = contract.columns()
    places = [source.columns.index(name) for name in wanted]
    schema = pa.schema([*(pa.field(name, pa.large_string()) for name in wanted), pa.field(LINE, pa.int64())])
    yield pa.RecordBatch.from_pylist([], schema)
    lines: list[int] = []
    columns: list[list[str | None]] = [[] for _ in wanted]

    def batch() -> pa.RecordBatch:
        held = [pa.array(column, pa.large_string()) for column in columns]
        return pa.RecordBatch.from_arrays([*held, pa.array(lines, pa.int64())], schema=schema)

    book = Workbook(source.path, contract)
    for line, cells in book.rows(source.sheet):
        if line < source.line:
            continue
        lines.append(line)
        for place, column in zip(places, columns, strict=True):
            column.append(cells.get(place))
        if len(lines) == _BATCH_ROWS:
            yield batch()
            lines, columns = [], [[] for _ in wanted]
    if lines:
        yield batch()


def _stream_batches(source: SourceFile, contract: Contract) -> Iterator[pa.RecordBatch]:
    """The contract's columns as the bytes of their text; the first batch has no rows."""
    wanted = contract.columns()
    schema = pa.schema([pa.field(name, pa.large_binary()) for name in wanted])
    yield pa.RecordBatch.from_pylist([], schema)
    try:
        with pa.OSFile(str(source.path)) as held, ipc.open_stream(held) as stream:
            for batch in stream:
                too_many_rows(batch.num_rows, "batch")
                checked = checked_batch(batch.select(list(wanted)))
                texts = [
                    as_text(column, name).cast(pa.large_binary())
                    for name, column in zip(wanted, checked.columns, strict=True)
                ]
                whole = pa.RecordBatch.from_arrays(texts, schema=schema)
                for start in range(0, whole.num_rows, _BATCH_ROWS):
                    yield whole.slice(start, _BATCH_ROWS)
    except (pa.ArrowException, OSError, ValueError) as fault:
        if isinstance(fault, OSError) and fault.errno is not None:
            raise
        raise wrong_format("The Arrow stream is damaged or cut off;", "Arrow") from None


def checked_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, if its buffers are what they should be; raises ArrowInvalid.

    Text is looked at as bytes: whether a cell is UTF-8 is asked row by row later.
    """
    views = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}
    for column in batch.columns:
        (column.view(views[column.type]) if column.type in views else column).validate(full=True)
    return batch


_TEXT_OR_TABLE = {"text": _write_text, "arrow": _write_table}


def foresee(path: Path, size: int, contract: Contract) -> Foreseen:
    """About how many records a file has, and how many bytes its spool file will have.

    size : of the file.  Some MiB at most are read and unpacked, 1 to 15 ms of time. What is wrong with a file
    is the intake's to say: here it has no records.
    """
    with contextlib.suppress(Exception):  # whatever a damaged file leads to: an estimate ends no run
        return _FORESEE[contract.format](path, size, contract)
    return Foreseen(0, size)


def _foresee_text(path: Path, size: int, contract: Contract) -> Foreseen:
    with path.open("rb") as stream:
        packing = packing_of(stream.read(16))
    head, used = beginning(path, packing, _PLAIN_HEAD if packing == "none" else _PACKED_HEAD)
    encoding: str = contract.encoding
    some = _whole_lines(head[:_LOOKED_AT])
    if encoding == AUTO:
        encoding = detect_encoding(some) or "utf-8"
    if not some:
        return Foreseen(0, size)
    whole, text = size * len(head) / used, head
    if encoding != "utf-8":
        text = Transcoder(encoding).feed(head[:_RECODED])
        whole *= len(text) / len(head[:_RECODED])
    if packing != "none":
        whole = min(whole, float(Allowance(size, contract).most))
    spooled = 0 if packing == "none" and encoding == "utf-8" else int(whole)
    return Foreseen(int(whole * _records_a_byte(text, contract)), spooled or size, spooled)


def _whole_lines(text: bytes) -> bytes:
    """The text to its last line end, all of it if there is none."""
    return text[: max(text.rfind(b"\n"), text.rfind(b"\r")) + 1] or text


def _records_a_byte(text: bytes, contract: Contract) -> float:
    """Of the beginning of a text, its header counted too."""
    held = _whole_lines(text)
    some = _whole_lines(held[:_LOOKED_AT])
    if contract.quote != NO_QUOTE and contract.quote.encode() in some:
        mark = contract.delimiter
        if mark == AUTO:
            mark = max(DELIMITERS, key=lambda each: some.count(each.encode(), 0, 1 << 12))
        lines = io.StringIO(some.decode("utf-8", "replace"), newline="")
        reader = csv.reader(lines, delimiter=mark, quotechar=contract.quote)
        rows = at = 0
        with contextlib.suppress(csv.Error):
            for row in reader:
                # Behind a quote that is never closed intake goes on.
                if reader.line_num - at > MOST_LINES:
                    break
                at = reader.line_num
                rows += bool(row)
            else:
                return rows / len(some)
    ends = held.count(b"\n") + held.count(b"\r") - held.count(b"\r\n")  # LF, CR or CR LF
    return max(1, ends) / len(held)


def _foresee_parquet(path: Path, size: int, contract: Contract) -> Foreseen:  # noqa: ARG001
    return Foreseen(int(pq.read_metadata(path).num_rows), size)


def _foresee_arrow(path: Path, size: int, contract: Contract) -> Foreseen:
    """An Arrow file by its first and its last batch, a stream by its first."""
    guess = size // _ARROW_ROW
    with pa.memory_map(str(path)) as held:
        if held.read(6) == b"ARROW1":
            held.seek(0)
            opened = ipc.open_file(held, options=ipc.IpcReadOptions(included_fields=[0]))
            count = opened.num_record_batches
            if count == 0 or size > _BATCH_BYTES * count:
                return Foreseen(guess if count else 0, size)
            rows = opened.get_batch(0).num_rows * (count - 1) + opened.get_batch(count - 1).num_rows
            return Foreseen(rows, size)
        if size > _BATCH_BYTES and _first_batch(held) > _BATCH_BYTES:
            return Foreseen(guess, size, size)
        held.seek(0)
        with ipc.open_stream(held) as stream:
            begin = held.tell()
            batch = next(iter(stream), None)
            used = held.tell() - begin
    if batch is None or batch.num_rows == 0:
        return Foreseen(0, size)
    some = batch.slice(0, _BATCH_ROWS)
    texts = [as_text(some.column(name), name).cast(pa.large_binary()) for name in contract.columns()]
    rows = int(batch.num_rows * max(1.0, (size - begin) / used))
    spooled = rows * sum(text.nbytes for text in texts) // some.num_rows
    return Foreseen(rows, spooled, spooled)


def _first_batch(held: pa.MemoryMappedFile) -> int:
    """Bytes of a stream's first batch."""
    held.seek(0)
    messages = ipc.MessageReader.open_stream(held)
    return next((m.body.size for m in messages if m.type == "record batch"), 0)


def _foresee_sheet(path: Path, size: int, contract: Contract) -> Foreseen:
    """A workbook by the beginning of its largest sheet; how long its texts are is guessed."""
    with zipfile.ZipFile(path) as archive:
        sheets = [info for info in archive.infolist() if _SHEET.search(info.filename)]
        if not sheets:
            return Foreseen(0, size)
        sheet = max(sheets, key=lambda info: info.file_size)
        with archive.open(sheet) as stream:
            head = stream.read(_LOOKED_AT)
    rows = len(_SHEET_ROW.findall(head)) * max(sheet.file_size, len(head)) // max(1, len(head))
    rows = min(rows, _SHEET_ROWS)
    spooled = rows * (8 + (8 + _CELL_TEXT) * len(contract.columns()))
    return Foreseen(rows, spooled, spooled)


_FORESEE = {
    "csv": _foresee_text,
    "parquet": _foresee_parquet,
    "arrow": _foresee_arrow,
    "excel": _foresee_sheet,
}
