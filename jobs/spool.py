"""Files that cannot be read in parts where they lie, written out once: text as UTF-8, tables as Arrow.

A spool file is work data: it lies in the run's work folder, can be read by its owner alone, and goes with the
folder. It is written aside and renamed; the same file gives the same bytes. Memory is bounded by a batch.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from jobs.source_files import SourceFile, named, too_many_rows
from jobs.spreadsheets import Workbook
from jobs.store import aside, checked, make_folder
from jobs.unpack import unpacked, wrong_format
from linkage.contract import Contract
from linkage.delimited import MOST_BYTES, read_header
from linkage.encodings import Transcoder
from linkage.errors import ContractError
from linkage.rows import as_text

#: Name of the column that holds the rows' line numbers: no column of a contract has an empty name.
LINE = ""
_CHUNK = 4 << 20

#: Rows and bytes of a batch of a spool file at most, unless one row has more; rows of a row group that are
#: read at a time, and bytes of each of its columns.
_BATCH_ROWS, _BATCH_BYTES = 1 << 16, 16 << 20
_READ_ROWS, _READ_BYTES = 1 << 13, 1 << 20


def spooled(source: SourceFile, contract: Contract, folder: Path, *, cut: bool = False) -> SourceFile:
    """The file as one that can be read in parts: itself, or its spool file in ``folder``.

    cut : of a Parquet or Arrow file whether its row groups or batches are too large to be read whole

    A spool file that an earlier, stopped run has finished is taken if it is as it was written. Raises
    ContractError ``E-INPUT-006``, ``E-INPUT-015`` to ``E-INPUT-017`` for a file that is broken further in,
    IntegrityError ``E-INTEGRITY-001`` for a spool file that is not as it was written.
    """
    if not source.spooled and not (cut and source.form in ("parquet", "arrow")):
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
    return dataclasses.replace(source, path=path, size=path.stat().st_size, form="arrow", own=True)


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
    batches = _sheet_batches(source, contract) if source.form == "excel" else text_batches(source, contract)
    first = next(batches)
    with aside(path) as out:
        sink = pa.PythonFile(out, mode="w")
        with ipc.new_file(sink, first.schema) as writer:
            writer.write_batch(first)
            for batch in batches:
                for some in _halved(batch):
                    writer.write_batch(some)
        sink.flush()


def _halved(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in pieces that have no more bytes than one may, or one row."""
    if batch.num_rows <= 1 or batch.nbytes <= _BATCH_BYTES:
        yield batch
        return
    middle = batch.num_rows // 2
    yield from _halved(batch.slice(0, middle))
    yield from _halved(batch.slice(middle))


def _sheet_batches(source: SourceFile, contract: Contract) -> Iterator[pa.RecordBatch]:
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


def text_batches(source: SourceFile, contract: Contract) -> Generator[pa.RecordBatch, None, None]:
    """The contract's columns of a Parquet or Arrow file as the bytes of their text, some rows at a time; the
    first batch has no rows.

    Raises ContractError ``E-INPUT-006`` for a damaged file, ``E-INPUT-007`` for a column without a text form.
    """
    wanted = list(contract.columns())
    schema = pa.schema([pa.field(name, pa.large_binary()) for name in wanted])
    yield pa.RecordBatch.from_pylist([], schema)
    thing, batches = _BATCHES[source.form]
    try:
        for batch in batches(source.path, wanted):
            too_many_rows(batch.num_rows, "batch")
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                some = checked_batch(batch.slice(start, _BATCH_ROWS))
                texts = [as_text(some.column(name), name).cast(pa.large_binary()) for name in wanted]
                yield pa.RecordBatch.from_arrays(texts, schema=schema)
    except (pa.ArrowException, OSError, ValueError) as fault:
        if isinstance(fault, OSError) and fault.errno is not None:
            raise
        raise wrong_format(f"The {thing} is damaged or cut off;", thing.split()[0]) from None


def _of_stream(path: Path, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as held, ipc.open_stream(held) as stream:
        for batch in stream:
            yield batch.select(wanted)


def _of_arrow(path: Path, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    """Its batches, mapped: what is not packed is not held. Reading some columns alone would copy all."""
    with pa.memory_map(str(path)) as held, ipc.open_file(held) as opened:
        for number in range(opened.num_record_batches):
            yield opened.get_batch(number).select(wanted)


def _of_parquet(path: Path, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    # Without a buffer of its own every column of a row group is read whole before its first row is.
    with pq.ParquetFile(path, buffer_size=_READ_BYTES, pre_buffer=False) as opened:
        for batch in opened.iter_batches(_READ_ROWS, columns=wanted, use_threads=False):
            yield batch.select(wanted)


_BATCHES: dict[str, tuple[str, Callable[[Path, list[str]], Iterator[pa.RecordBatch]]]] = {
    "arrow stream": ("Arrow stream", _of_stream),
    "arrow": ("Arrow file", _of_arrow),
    "parquet": ("Parquet file", _of_parquet),
}


def checked_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, if its buffers are what they should be; raises ArrowInvalid.

    Text is looked at as bytes: whether a cell is UTF-8 is asked row by row later.
    """
    views = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}
    for column in batch.columns:
        (column.view(views[column.type]) if column.type in views else column).validate(full=True)
    return batch


_TEXT_OR_TABLE = {"text": _write_text, "arrow": _write_table}
