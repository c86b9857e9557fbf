"""A sample of a source's files: small copies that the reader of runs reads as it would the files themselves.

Plain text, Parquet and Arrow files are sampled in many short stretches spread over the file, each placed at
random inside its own equal share of it, so that a file that is sorted by province or by birth date is met
everywhere, and every row is as likely to be in the sample as any other. Of compressed text the beginning is
read. Whatever is small, and every Excel file, is read whole.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import ipc

from jobs.source_files import SourceFile
from jobs.store import make_folder
from linkage.contract import Contract
from linkage.delimited import NO_QUOTE

#: Stretches of a source; fewer where each would be shorter than ``STRETCH_ROWS`` rows.
STRETCHES = 512
STRETCH_ROWS = 8

#: Rows of Parquet row groups that are decoded at most, of one source.
DECODED_ROWS = 4_000_000

#: Compressed texts of at most so many bytes are read whole: what a decoder has read ahead would hide how much
#: of a small file its beginning is.
PACKED_WHOLE = 4 << 20

_HEAD = 1 << 20
_BEYOND = 1 << 16
#: Physical lines that are looked at for one that begins a record.
_LOOKED_AT = 64


@dataclass(frozen=True)
class SampledFile:
    """A file's sample.

    path    : the copy, or the file itself where it is read whole
    rate    : share of the file's rows that the copy holds
    starts  : int64[stretches], physical line (of a table: row, from 1) at which each stretch begins
    how     : read whole, in stretches spread over it, or at its beginning
    """

    path: Path
    rate: float
    starts: NDArray[np.int64]
    how: Literal["whole", "spread", "beginning"]


def guess_rows(files: Sequence[SourceFile]) -> int:
    """About how many rows the files hold: of tables exactly, of text from the length of the first lines.

    Excel files and streams of Arrow, which are read whole, count as nothing.
    """
    return sum(_guess(file) for file in files)


def _guess(file: SourceFile) -> int:
    if file.form == "parquet":
        return file.rows or 0
    if file.form == "arrow":
        return sum(_batches(file.path)[1])
    if file.form != "csv":
        return 0
    head, read = _beginning(file, _HEAD)
    return int(_lines(head, _Text.of(head, file)) * file.size / read)


def _beginning(file: SourceFile, wanted: int) -> tuple[bytes, int]:
    """At least ``wanted`` first bytes of a text, all if it is shorter; and bytes read for them."""
    if file.packing != "none":
        return _unpacked(file.path, file.packing, wanted)
    with file.path.open("rb") as stream:
        head = stream.read(wanted)
    return head, max(1, len(head))


def _lines(head: bytes, text: _Text) -> int:
    return max(1, head.count(text.end))


def sample_file(file: SourceFile, contract: Contract, rate: float, place: str, folder: Path) -> SampledFile:
    """Copy a share ``rate`` of a file's rows into ``folder``; ``place`` names the file among all of the plan.

    Where the stretches lie follows from ``place`` alone: the same file gives the same sample, and the
    stretches of two files lie independently of one another.
    """
    packed = file.packing != "none"
    if rate >= 1.0 or file.form in ("excel", "arrow stream") or (packed and file.size <= PACKED_WHOLE):
        return SampledFile(file.path, 1.0, np.ones(1, np.int64), "whole")
    seed = int.from_bytes(hashlib.blake2b(place.encode(), digest_size=8).digest(), "big")
    chance = np.random.default_rng(seed)
    copy = make_folder(folder / place) / file.path.name
    if file.form in ("parquet", "arrow"):
        return _sample_table(file, list(contract.columns()), rate, chance, copy)
    if packed:
        return _sample_beginning(file, rate, copy)
    return _sample_text(file, rate, chance, copy)


def _stretches(rows: float, rate: float, chance: np.random.Generator) -> list[tuple[float, float]]:
    """Beginnings and ends of stretches as shares of a file of about ``rows`` rows."""
    count = max(1, min(STRETCHES, int(rows * rate / STRETCH_ROWS)))
    share = 1.0 / count
    begins = (np.arange(count) + chance.random(count) * (1.0 - rate)) * share
    return [(float(b), float(b + rate * share)) for b in begins]


@dataclass(frozen=True)
class _Text:
    """How lines of a text end: the bytes, how wide a character is, and the quote (none: empty)."""

    end: bytes
    width: int
    quote: bytes

    @staticmethod
    def of(head: bytes, file: SourceFile) -> _Text:
        wide = file.encoding.startswith("utf-16") or head[:2] in (b"\xff\xfe", b"\xfe\xff")
        big = file.encoding == "utf-16-be" or head[:2] == b"\xfe\xff"
        order = "utf-16-be" if big else "utf-16-le"
        code = order if wide else "ascii"
        feed = "\n".encode(code)
        quote = b"" if file.quote == NO_QUOTE else file.quote.encode(code)
        if feed not in head and "\r".encode(code) in head:
            feed = "\r".encode(code)
        return _Text(feed, 2 if wide else 1, quote)

    def after(self, window: bytes, at: int) -> int:
        """Where the first record begins whose line's predecessor ends at or after ``at``; -1 not here.

        A line with an odd number of quotes begins or ends inside a cell and is passed over.
        """
        for _ in range(_LOOKED_AT):
            found = window.find(self.end, at)
            while found >= 0 and found % self.width:
                found = window.find(self.end, found + 1)
            if found < 0:
                return -1
            at = found + self.width
            stop = window.find(self.end, at)
            if not self.quote or window.count(self.quote, at, stop if stop >= 0 else len(window)) % 2 == 0:
                return at
        return at

    def body(self, head: bytes) -> int:
        """Where the rows begin: behind the first line that is not blank and ends outside quotes."""
        at = 0
        while (found := head.find(self.end, at)) >= 0:
            if found % self.width:
                at = found + 1
                continue
            line = head[:found]
            at = found + self.width
            told = line.replace(b"\x00", b"").strip(b"\xef\xbb\xbf\xff\xfe\r\n \t")
            if told and (not self.quote or line.count(self.quote) % 2 == 0):
                return at
        return len(head)


def _sample_text(file: SourceFile, rate: float, chance: np.random.Generator, copy: Path) -> SampledFile:
    with file.path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        head = stream.read(_HEAD)
        text = _Text.of(head, file)
        body = text.body(head)
        rows = (size - body) * _lines(head, text) / max(1, len(head))
        pieces = [head[:body]]
        line = head[:body].count(text.end) + 1
        starts, taken = [], 0
        for begin, end in _stretches(rows, rate, chance):
            first, last = body + int(begin * (size - body)), body + int(end * (size - body))
            first -= (first - body) % text.width
            last -= (last - body) % text.width
            taken += last - first
            piece = _stretch(stream, first, last, body, size, text)
            if piece:
                starts.append(line)
                pieces.append(piece)
                line += piece.count(text.end)
    with copy.open("wb") as out:
        out.writelines(pieces)
    return SampledFile(copy, taken / max(1, size - body), np.array(starts or [1], np.int64), "spread")


def _stretch(stream: BinaryIO, first: int, last: int, body: int, size: int, text: _Text) -> bytes:
    """The records that begin in bytes ``first`` to ``last``, each whole."""
    origin = max(body, first - text.width)
    beyond = _BEYOND
    while True:
        stream.seek(origin)
        window = stream.read(last + beyond - origin)
        final = origin + len(window) >= size
        begin = 0 if first == body else text.after(window, first - text.width - origin)
        end = text.after(window, last - text.width - origin) if last > body else 0
        if final or (begin >= 0 and end >= 0):
            break
        beyond *= 8
    if begin < 0 or origin + begin >= last:
        return b""
    piece = window[begin:] if end < 0 else window[begin:end]
    return piece if piece.endswith(text.end) or not piece else piece + text.end


def _unpacked(path: Path, kind: str, wanted: int) -> tuple[bytes, int]:
    """At least ``wanted`` first bytes of a compressed text, all if it is shorter; and bytes read for them."""
    with path.open("rb") as stream, pa.CompressedInputStream(pa.PythonFile(stream, "r"), kind) as opened:
        pieces, held = [], 0
        while held < wanted:
            piece = opened.read(min(_HEAD, wanted - held))
            if not piece:
                break
            pieces.append(piece)
            held += len(piece)
        return b"".join(pieces), max(1, stream.tell())


def _sample_beginning(file: SourceFile, rate: float, copy: Path) -> SampledFile:
    head, read = _beginning(file, _HEAD)
    wanted = int(len(head) * file.size / read * rate) + 1
    if wanted > len(head):
        head, read = _beginning(file, wanted)
    if read >= file.size and wanted >= len(head):
        return SampledFile(file.path, 1.0, np.ones(1, np.int64), "whole")
    whole = len(head) * file.size / read
    text = _Text.of(head, file)
    body = text.body(head)
    cut = head.rfind(text.end, 0, max(wanted, body + 1))
    held = head[: max(cut + text.width, body)]
    with (
        copy.open("wb") as stream,
        pa.CompressedOutputStream(pa.PythonFile(stream, "w"), file.packing) as out,
    ):
        out.write(held)
    count = max(1, min(STRETCHES, _lines(held, text) // STRETCH_ROWS))
    lines = np.linspace(1, held.count(text.end) + 1, count, endpoint=False).astype(np.int64)
    return SampledFile(copy, min(1.0, len(held) / whole), lines, "beginning")


def _batches(path: Path) -> tuple[Any, list[int]]:
    opened = ipc.open_file(pa.memory_map(str(path), "r"))
    return opened, [opened.get_batch(i).num_rows for i in range(opened.num_record_batches)]


def _sample_table(
    file: SourceFile, columns: list[str], rate: float, chance: np.random.Generator, copy: Path
) -> SampledFile:
    """Slices of row groups or record batches; of very many row groups only some are decoded."""
    form, path = file.form, file.path
    if form == "arrow":
        opened, sizes = _batches(path)
    else:
        opened = pq.ParquetFile(path)
        sizes = [opened.metadata.row_group(g).num_rows for g in range(opened.metadata.num_row_groups)]
    held = np.arange(len(sizes))
    total = max(1, sum(sizes))
    if form == "parquet" and total > DECODED_ROWS and len(sizes) > 1:
        count = max(1, int(len(sizes) * DECODED_ROWS / total))
        held = np.unique(((np.arange(count) + chance.random(count)) * len(sizes) / count).astype(np.int64))
    some = sum(sizes[g] for g in held)
    own = min(1.0, rate * total / max(1, some))
    edges = np.concatenate([[0], np.cumsum([sizes[g] for g in held])])
    cuts = [(int(b * some), int(e * some)) for b, e in _stretches(some, own, chance)]
    pieces, starts, line = [], [], 1
    for place, group in enumerate(held.tolist()):
        low, high = int(edges[place]), int(edges[place + 1])
        mine = [(max(a, low) - low, min(b, high) - low) for a, b in cuts if a < high and b > low]
        if not mine:
            continue
        table = (
            opened.read_row_group(group, columns=columns)
            if form == "parquet"
            else pa.Table.from_batches([opened.get_batch(group)]).select(columns)
        )
        for a, b in mine:
            pieces.append(table.slice(a, b - a))
            starts.append(line)
            line += b - a
    if not pieces:
        schema = opened.schema_arrow if form == "parquet" else opened.schema
        pieces = [schema.empty_table().select(columns)]
    whole = pa.concat_tables(pieces).combine_chunks()
    if form == "parquet":
        opened.close()
        pq.write_table(whole, copy, compression="none", use_dictionary=False)
    else:
        with ipc.new_file(str(copy), whole.schema) as out:
            out.write_table(whole)
    return SampledFile(copy, whole.num_rows / total, np.array(starts or [1], np.int64), "spread")
