"""What the first records of a file say of its plain text columns: how many bytes, and how many different."""

from __future__ import annotations

import collections
import contextlib
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from jobs.foreseen import first_batch
from jobs.source_files import open_file
from jobs.spool import text_batches
from jobs.unpack import beginning, packing_of
from linkage.contract import Contract
from linkage.delimited import NO_QUOTE, find_delimiter
from linkage.encodings import AUTO, Transcoder, detect_encoding

#: Records that are looked at; bytes of a text file, and of a batch of Arrow, that are read for it at most.
_LOOKED_AT, _HEAD, _BATCH = 4_096, 1 << 20, 64 << 20

#: Where fewer of the values than this share have been seen before, nobody can tell how many different ones
#: there are: then every value counts as another.
_REPEATED = 0.02

#: Bytes of a cell that :mod:`linkage.costs` counts with the fields.
_ORDINARY = 10

#: Bytes of hash and offset that stand with each text.
_BESIDE = 16


@dataclass(frozen=True)
class ForeseenTexts:
    """Plain text of a file, about.

    long : bytes of its cells beyond those of ordinary ones;  distinct : of the different texts, as they are
           written beside each other with their hashes and offsets
    """

    long: float
    distinct: float


def foresee_texts(path: Path, contract: Contract, columns: Sequence[str], records: int) -> ForeseenTexts:
    """What the first records say of ``columns`` of a file that has so many ``records``.

    How many different texts a column has is Chao's estimate (1984, his first), of those seen once and twice,
    or where next to none is seen twice, as many as it has values.
    Nothing is foreseen of workbooks, of batches of Arrow too large to be unpacked for it, of damaged files.
    """
    with contextlib.suppress(Exception):  # an estimate ends no run
        held = _FIRST[contract.format](path, contract, columns)
        found = [_column(values, records) for values in held.values() if values]
        return ForeseenTexts(sum(f.long for f in found), sum(f.distinct for f in found))
    return ForeseenTexts(0.0, 0.0)


def _column(values: Sequence[str], records: int) -> ForeseenTexts:
    sizes = [len(text.encode("utf-8", "replace")) for text in values]
    long = max(0.0, sum(sizes) / len(sizes) - _ORDINARY) * records
    seen = collections.Counter(text for text in values if text)
    if not seen:
        return ForeseenTexts(long, 0.0)
    times = collections.Counter(seen.values())
    filled = sum(seen.values())
    held = every = filled / len(values) * records
    if len(seen) < (1 - _REPEATED) * filled:
        every = len(seen) + times[1] * (times[1] - 1) / (2 * (times[2] + 1))
    mean = sum(len(text.encode("utf-8", "replace")) for text in seen) / len(seen)
    return ForeseenTexts(long, min(every, held) * (mean + _BESIDE))


def _of_text(path: Path, contract: Contract, columns: Sequence[str]) -> Mapping[str, list[str]]:
    with path.open("rb") as stream:
        packing = packing_of(stream.read(16))
    head = beginning(path, packing, _HEAD)[0][:_HEAD]
    encoding: str = contract.encoding
    if encoding == AUTO:
        encoding = detect_encoding(head) or "utf-8"
    if encoding != "utf-8":
        head = Transcoder(encoding).feed(head)
    text = head.decode("utf-8-sig", "replace")
    mark = contract.delimiter
    if mark == AUTO:
        mark = find_delimiter(text.encode(), contract.columns(), contract.quote)
    lines = io.StringIO(text, newline="")
    if contract.quote == NO_QUOTE:
        reader = csv.reader(lines, delimiter=mark, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=mark, quotechar=contract.quote)
    header = next(reader)
    places = {name: header.index(name) for name in columns if name in header}
    out: dict[str, list[str]] = {name: [] for name in places}
    with contextlib.suppress(csv.Error):
        for _, row in zip(range(_LOOKED_AT), reader, strict=False):
            if len(row) == len(header):
                for name, place in places.items():
                    out[name].append(row[place])
    return out


def _of_table(path: Path, contract: Contract, columns: Sequence[str]) -> Mapping[str, list[str]]:
    source = open_file(path, 0, contract)
    if contract.format == "arrow" and _batch_bytes(path) > _BATCH:
        return {}
    with contextlib.closing(text_batches(source, contract)) as batches:
        some = next(batch for batch in batches if batch.num_rows).slice(0, _LOOKED_AT)
    return {c: [(v or b"").decode("utf-8", "replace") for v in some.column(c).to_pylist()] for c in columns}


def _batch_bytes(path: Path) -> int:
    """Bytes of an Arrow file's batches in the mean, of a stream's first."""
    with pa.memory_map(str(path)) as held:
        if held.read(6) != b"ARROW1":
            return first_batch(held)
        held.seek(0)
        return path.stat().st_size // max(1, ipc.open_file(held).num_record_batches)


_FIRST = {
    "csv": _of_text,
    "parquet": _of_table,
    "arrow": _of_table,
    "excel": lambda *_: {},
}
