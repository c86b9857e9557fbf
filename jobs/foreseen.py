"""What the beginning of a file says of the whole: its records, and the spool file that it needs.

Some MiB at most are read and unpacked: what is wrong with a file is the intake's to say.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from jobs.readers import batch_rows, too_coarse
from jobs.source_files import open_file
from jobs.spool import text_batches
from jobs.unpack import Allowance, beginning, packing_of
from linkage.contract import Contract
from linkage.delimited import DELIMITERS, MOST_LINES, NO_QUOTE
from linkage.encodings import AUTO, Transcoder, detect_encoding
from linkage.rows import as_text

#: Bytes at the beginning of a plain and of a packed text that say how long a record is; of them so many are
#: looked at for quotes, behind which a line end ends no record, and for the encoding; and so many are brought
#: to UTF-8, which takes 10 ms of the slowest encoding.
_PLAIN_HEAD, _PACKED_HEAD, _LOOKED_AT, _RECODED = 256 << 10, 1 << 20, 256 << 10, 64 << 10

#: An Arrow batch of more bytes is not opened to see how many rows it has: one has so many bytes then.
_BATCH_BYTES, _ARROW_ROW = 64 << 20, 140

#: Rows of a stream's first batch that say how long the texts of all are.
_SOME_ROWS = 1 << 16

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


def foresee(path: Path, size: int, contract: Contract, most_rows: int) -> Foreseen:
    """About how many records a file has, and how many bytes its spool file will have.

    size : of the file;  most_rows : of a part, see :func:`jobs.readers.plan_parts`.  Some MiB at most are
    read and unpacked, 1 to 15 ms of time. What is wrong with a file is the intake's to say: here it has no
    records.
    """
    with contextlib.suppress(Exception):  # whatever a damaged file leads to: an estimate ends no run
        found = _FORESEE[contract.format](path, size, contract)
        if contract.format in ("parquet", "arrow") and not found.spooled:
            return _cut(path, contract, most_rows, found)
        return found
    return Foreseen(0, size)


def _cut(path: Path, contract: Contract, most_rows: int, found: Foreseen) -> Foreseen:
    """A table as it is, or with its spool file if it has groups that are too large to be read whole.

    How long the texts are, the first rows of a Parquet file say; a batch of Arrow would be unpacked whole.
    """
    source = open_file(path, 0, contract)
    if not too_coarse(source, contract, most_rows):
        return found
    if source.form == "arrow":
        rows = sum(batch_rows(source))
        return Foreseen(rows, rows * _ARROW_ROW, rows * _ARROW_ROW)
    with contextlib.closing(text_batches(source, contract)) as batches:
        some = next(batch for batch in batches if batch.num_rows)
    spooled = found.records * some.nbytes // some.num_rows
    return Foreseen(found.records, spooled, spooled)


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
        if size > _BATCH_BYTES and first_batch(held) > _BATCH_BYTES:
            return Foreseen(guess, size, size)
        held.seek(0)
        with ipc.open_stream(held) as stream:
            begin = held.tell()
            batch = next(iter(stream), None)
            used = held.tell() - begin
    if batch is None or batch.num_rows == 0:
        return Foreseen(0, size)
    some = batch.slice(0, _SOME_ROWS)
    texts = [as_text(some.column(name), name).cast(pa.large_binary()) for name in contract.columns()]
    rows = int(batch.num_rows * max(1.0, (size - begin) / used))
    spooled = rows * sum(text.nbytes for text in texts) // some.num_rows
    return Foreseen(rows, spooled, spooled)


def first_batch(held: pa.MemoryMappedFile) -> int:
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
