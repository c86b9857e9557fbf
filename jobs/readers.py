"""Files of a source -> parts -> raw rows -> records.

A source is one or more files. Their order is that of their names, whatever order they are given in, and
nothing that is decided depends on it or on how many parts they are read in. Each part is a stretch of one
file that a task reads by itself: a byte range of a CSV file between two records, row groups of a Parquet file
or batches of an Arrow file. A file that cannot be read so is spooled first. A part is read whole into memory;
no part of a CSV file is larger than ``part_bytes`` unless one line is.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import ipc

from jobs.source_files import SourceFile, open_source, too_many_rows, unreadable
from jobs.spool import LINE, checked_batch, spooled, text_size
from jobs.unpack import wrong_format
from linkage.contract import Contract
from linkage.delimited import LOOK_AHEAD, cut_points, parse
from linkage.errors import ContractError, IntegrityError
from linkage.ingest import Intake, accept, drop_repeats, repeat_candidates, settle_repeats
from linkage.rows import RawPart, Spans, arrow_part, numbered_part

#: Bytes of a part, of a Parquet file uncompressed; small enough that two in memory are nothing to mind.
PART_BYTES = 64 << 20
_WINDOW = 32 << 20
_SAMPLE = 1 << 20
_LONGEST_LINE = 256 << 20


#: A row group or batch as large as this many parts is not read whole; bytes that a row of a part has.
GROUP_PARTS = 3
_ROW_BYTES = 256


@dataclass(frozen=True)
class PartSpec:
    """A stretch of one file, read from ``path``; messages call it ``name``.

    CSV: bytes ``start`` to ``stop``, the first of them on physical line ``line``. Parquet and Arrow: row
    groups or batches ``start`` to ``stop``, the first row being number ``line``. ``head_lines`` and
    ``head_bytes`` are of the text before the file's first row, and 0 for all parts but its first. Of a text
    file ``encoding`` is what it was read in, ``sent`` its bytes as they were sent, without their packing.
    """

    part: int
    path: str
    file: int
    size: int
    columns: tuple[str, ...]
    start: int
    stop: int
    line: int
    form: str = "csv"
    delimiter: str = ","
    quote: str = '"'
    name: str = ""
    head_lines: int = 0
    head_bytes: int = 0
    encoding: str = "utf-8"
    sent: int = 0


def plan_parts(
    files: Sequence[Path | str],
    contract: Contract,
    parts: int,
    part_bytes: int = PART_BYTES,
    spool: Path | None = None,
    least_rows: int = 1,
    most_rows: int = 1 << 40,
) -> list[PartSpec]:
    """Cut a source's files into about ``parts`` parts: at least one a file, more if one would be too large.

    There are fewer if parts would have fewer than ``least_rows`` rows, and more if one would have more than
    ``most_rows`` or ``part_bytes``: then a multiple of ``parts``, so that as many workers end together. Rows
    of a text are estimated by the length of its first ones.

    A CSV file that is cut is walked once, because a line end inside quotes is no place to cut. Row groups of
    a Parquet file and batches of an Arrow file are never cut, but a file that has some as large as
    :data:`GROUP_PARTS` parts is spooled, which cuts them. Files that need it are spooled into the folder
    ``spool``; ValueError without one. Raises what :func:`open_source` and :func:`jobs.spool.spooled` raise,
    and ContractError ``E-INPUT-008`` for a line beyond 256 MiB.
    """
    opened = []
    for seen in open_source(files, contract):
        if seen.spooled and spool is None:
            raise ValueError(
                f"'{seen.path.name}' must be spooled, and no folder came. Wanted: a folder. Give spool."
            )
        cut = too_coarse(seen, contract, most_rows)
        opened.append((seen, seen if spool is None else spooled(seen, contract, spool, cut=cut)))
    total = max(1, sum(source.size for _, source in opened))
    specs: list[PartSpec] = []
    for seen, source in opened:
        name, sent = seen.path.name, text_size(seen, source, contract)
        with _told(name, contract):
            rows = _about_rows(source)
            wanted = max(1, min(round(parts * source.size / total), rows // least_rows))
            least = max(-(-source.size // part_bytes), -(-rows // most_rows))
            share = _multiple(wanted, least)
            pieces = _CUTS[source.form](source, share, _Most(part_bytes, most_rows))
        for number, (start, stop, line) in enumerate(pieces):
            head = (source.line - 1, source.body) if number == 0 else (0, 0)
            specs.append(
                PartSpec(
                    len(specs), str(source.path), source.file, source.size, source.columns, start, stop, line,
                    source.form, source.delimiter, source.quote, name, *head, seen.encoding, sent,
                )
            )  # fmt: skip
    return specs


def too_coarse(source: SourceFile, contract: Contract, most_rows: int) -> bool:
    """Whether a file has a row group or batch that is as large as several parts of ``most_rows`` rows.

    pyarrow before version 10 wrote up to 64 million rows as one row group. Of its bytes those count that are
    read if these columns are twice as long as the others: of a single column Arrow cannot be asked, because
    it ends the process where a damaged file lies about one.
    """
    rows, size = 0, 0.0
    with _told(source.path.name, contract):
        if source.form == "arrow":
            rows = max(batch_rows(source), default=0)
        elif source.form == "parquet":
            with pq.ParquetFile(source.path) as opened:
                meta = opened.metadata
                groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
                rows = max((group.num_rows for group in groups), default=0)
                share = min(1.0, 2 * len(contract.columns()) / max(1, meta.num_columns))
                size = share * max((group.total_byte_size for group in groups), default=0)
    return rows > GROUP_PARTS * most_rows or size > GROUP_PARTS * most_rows * _ROW_BYTES


def _multiple(wanted: int, least: int) -> int:
    """The smallest multiple of ``wanted`` that is not below ``least``, at least ``wanted`` itself."""
    return wanted * max(1, -(-least // wanted))


def batch_rows(source: SourceFile) -> list[int]:
    """Rows of every batch of an Arrow file; ContractError ``E-INPUT-016`` for one that no memory holds."""
    found = []
    with pa.OSFile(source.path.as_posix()) as held:
        opened = _opened(held, ipc.IpcReadOptions(included_fields=[0]))
        for number in range(opened.num_record_batches):
            found.append(_batch(opened, number).num_rows)
            too_many_rows(found[-1], "batch")
    return found


def _about_rows(source: SourceFile) -> int:
    """Rows of a file, of a text estimated by its first MiB of rows."""
    if source.rows is not None:
        return source.rows
    if source.form != "csv":
        return sum(batch_rows(source))
    with source.path.open("rb") as stream:
        stream.seek(source.body)
        start = stream.read(_SAMPLE)
    lines = max(1, start.count(b"\n"), start.count(b"\r"))
    return max(1, (source.size - source.body) * lines // max(1, len(start)))


class _Most(NamedTuple):
    """What a part may have."""

    bytes: int
    rows: int


def _cut_parquet(source: SourceFile, share: int, most: _Most) -> list[tuple[int, int, int]]:
    """Row groups of the file in pieces: first, one after the last, number of the first row."""
    with pq.ParquetFile(source.path) as opened:
        meta = opened.metadata
        groups = [
            (meta.row_group(g).num_rows, meta.row_group(g).total_byte_size)
            for g in range(meta.num_row_groups)
        ]
    whole = sum(size for _, size in groups)
    return _cut_groups(groups, _multiple(share, -(-whole // most.bytes)), source.line)


def _cut_arrow(source: SourceFile, share: int, most: _Most) -> list[tuple[int, int, int]]:
    """Batches of the file in pieces; of a spooled sheet the rows bring their numbers with them.

    Those of a spool file are cut by rows and bytes, of which some rows may have many times more than others.
    """
    if not source.own:
        return _cut_groups([(rows, rows) for rows in batch_rows(source)], share, source.line)
    groups: list[tuple[int, int]] = []
    ends: list[int] = []
    with pa.memory_map(source.path.as_posix()) as held:
        opened = _opened(held)
        numbered = LINE in opened.schema.names
        for number in range(opened.num_record_batches):
            batch = _batch(opened, number)
            rows = batch.num_rows
            groups.append((rows, rows * most.bytes // most.rows + batch.nbytes))
            last = batch.column(LINE)[-1].as_py() if numbered and rows else None
            ends.append(last or (ends[-1] if ends else source.line - 1))
    share = _multiple(share, -(-sum(size for _, size in groups) // most.bytes))
    pieces = _cut_groups(groups, share, source.line)
    if not numbered:
        return pieces
    return [(start, stop, ends[start - 1] + 1 if start else line) for start, stop, line in pieces]


def _cut_groups(groups: Sequence[tuple[int, int]], pieces: int, line: int) -> list[tuple[int, int, int]]:
    """Groups (rows, size) in at most so many pieces of about one size; ``line`` is that of the first row."""
    whole = max(1, sum(size for _, size in groups))
    count = min(pieces, max(1, len(groups)))
    found: list[tuple[int, int, int]] = []
    first, rows, held, held_before = 0, 0, 0, 0
    for group, (group_rows, size) in enumerate(groups):
        # A group belongs to the piece in which its middle lies.
        piece = (2 * held + size) * count // (2 * whole)
        if group > first and piece != held_before:
            found.append((first, group, line))
            first, line, rows = group, line + rows, 0
        held_before = piece
        rows += group_rows
        held += size
    return [*found, (first, len(groups), line)]


def _cut_csv(source: SourceFile, pieces: int, most: _Most) -> list[tuple[int, int, int]]:  # noqa: ARG001
    """The text in pieces: first byte, one after the last, number of the first line."""
    body, size = source.body, source.size
    if pieces == 1 or size == body:
        return [(body, size, source.line)]
    targets = body + (np.arange(1, pieces) * (size - body)) // pieces
    cuts: list[tuple[int, int]] = [(body, source.line)]
    with source.path.open("rb") as stream:
        pos, line, span = body, source.line, _WINDOW
        while pos < size and len(cuts) <= targets.size:
            stream.seek(pos)
            window = stream.read(span)
            final = pos + len(window) >= size
            found, stopped, after = cut_points(
                window, final, source.delimiter, len(source.columns), line, targets[len(cuts) - 1 :] - pos,
                source.quote,
            )  # fmt: skip
            cuts += [(pos + offset, number) for offset, number in found]
            if stopped == 0:
                if final or span >= _LONGEST_LINE:
                    raise ContractError(
                        "E-INPUT-008",
                        f"'{source.path.name}': line {line} is longer than {_LONGEST_LINE >> 20} MiB;",
                        "lines of text were wanted.",
                        "Look at the file there: it may be cut off, or no text.",
                    )
                span *= 2
                continue
            pos, line, span = pos + stopped, after, _WINDOW
    edges = list(dict.fromkeys(cut for cut in cuts if cut[0] < size or cut[0] == body))
    stops = [offset for offset, _ in edges[1:]] + [size]
    return [(start, stop, number) for (start, number), stop in zip(edges, stops, strict=True)]


_CUTS = {"csv": _cut_csv, "parquet": _cut_parquet, "arrow": _cut_arrow}


@contextlib.contextmanager
def _told(name: str, contract: Contract) -> Iterator[None]:
    """Turns what a file's readers raise into ContractError with the file's name."""
    try:
        yield
    except ContractError as fault:
        if f"'{name}'" in fault.what:
            raise
        raise ContractError(fault.code, f"'{name}': {fault.what}", fault.wanted, fault.do) from None
    except (pa.ArrowException, OSError) as fault:
        if isinstance(fault, pa.ArrowException) or fault.errno is None:
            what = f"'{name}' is damaged: its rows cannot be read;"
            raise wrong_format(what, contract.format) from None
        raise unreadable(name, fault) from None


def _unchanged(size: int, spec: PartSpec) -> None:
    if size != spec.size:
        raise IntegrityError(
            "E-INPUT-009",
            f"'{spec.name}' has {size} bytes and had {spec.size} when the run began:",
            "the file changed while it was being read.",
            "Leave the files alone during a run, and run again.",
        )


def _read_range(stream: BinaryIO, spec: PartSpec) -> tuple[NDArray[np.uint8], bool]:
    _unchanged(os.fstat(stream.fileno()).st_size, spec)
    length = min(spec.stop + LOOK_AHEAD, spec.size) - spec.start
    if length >= 1 << 31:
        raise ContractError(
            "E-INPUT-008",
            f"'{spec.name}': the part at line {spec.line} has {length} bytes;",
            "parts of less than 2 GiB were wanted.",
            "Read the source in more parts.",
        )
    stream.seek(spec.start)
    held = stream.read(length)
    if len(held) != length:
        _unchanged(spec.start + len(held), spec)
    return np.frombuffer(held, np.uint8), spec.start + length == spec.size


def read_part(spec: PartSpec, contract: Contract) -> RawPart:
    """One part's rows. Raises IntegrityError ``E-INPUT-009`` if the file is no longer what was planned."""
    wanted = contract.columns()
    with _told(spec.name, contract):
        if spec.form != "csv":
            _unchanged(Path(spec.path).stat().st_size, spec)
            return _read_parquet(spec, contract) if spec.form == "parquet" else _read_arrow(spec, contract)
        with Path(spec.path).open("rb") as stream:
            buffer, final = _read_range(stream, spec)
    return parse(
        buffer,
        spec.stop - spec.start,
        final,
        spec.delimiter,
        spec.columns,
        wanted,
        contract.key,
        spec.file,
        spec.line,
        spec.quote,
    )


def _read_parquet(spec: PartSpec, contract: Contract) -> RawPart:
    wanted = list(contract.columns())
    with pq.ParquetFile(spec.path) as opened:
        # Tasks run beside one another: threads of their own would take turns.
        groups = list(range(spec.start, spec.stop))
        table = opened.read_row_groups(groups, columns=wanted, use_threads=False)
    return arrow_part(table.select(wanted), spec.file, spec.line, contract.key)


def _read_arrow(spec: PartSpec, contract: Contract) -> RawPart:
    wanted = list(contract.columns())
    with pa.OSFile(spec.path) as held:
        schema = _opened(held).schema
        # The run's own have other names than what was sent, of which a column may have an empty one.
        numbered = LINE in schema.names and Path(spec.path).name != spec.name
        taken = [*wanted, LINE] if numbered else wanted
        places = [schema.names.index(name) for name in taken]
        opened = _opened(held, ipc.IpcReadOptions(included_fields=sorted(places)))
        batches = [checked_batch(_batch(opened, number)) for number in range(spec.start, spec.stop)]
        table = pa.Table.from_batches(batches, opened.schema)
    if not numbered:
        return arrow_part(table.select(wanted), spec.file, spec.line, contract.key)
    line = table.column(LINE).to_numpy()
    blank = int(line[-1]) - spec.line + 1 - line.size if line.size else 0
    return numbered_part(table.select(wanted), spec.file, line, contract.key, blank)


def _opened(held: Any, options: ipc.IpcReadOptions | None = None) -> ipc.RecordBatchFileReader:
    held.seek(0)
    return ipc.open_file(held, options=options)


def _batch(opened: ipc.RecordBatchFileReader, number: int) -> pa.RecordBatch:
    return opened.get_batch(number)


def intake_part(spec: PartSpec, contract: Contract) -> Intake:
    """Read one part and apply the contract; repeated keys are still in it."""
    return accept(read_part(spec, contract), contract)


def refuse_repeats(spec: PartSpec, contract: Contract, intake: Intake, fallen: pa.Table) -> Intake:
    """Move the rows of ``fallen`` (row, code; see ``settle_repeats``) that are this part's to its rejects.

    The part's file is read again for the text of those rows: intake keeps no copy of a row.
    """
    mine = fallen.filter(pa.array(fallen.column("part").to_numpy() == spec.part))
    if mine.num_rows == 0:
        return intake
    codes = dict(zip(mine.column("row").to_pylist(), mine.column("code").to_pylist(), strict=True))
    lines = intake.records.column("line").to_numpy()[np.array(sorted(codes), np.int64)]
    raw = read_part(spec, contract)
    at = np.searchsorted(raw.line, lines)
    spans = Spans(raw.spans.lines[at], raw.spans.bytes[at])
    return drop_repeats(intake, spec.file, codes, raw.text(at), spans, contract.key)


def find_repeats(intakes: Sequence[Intake], contract: Contract) -> pa.Table:
    """Rows of a whole source that fall because their key comes again: part, row, code.

    ``intakes`` are those of all parts, by part number; of large sources their tables are mapped files.
    """
    rows = repeat_candidates([intake.keys.column("key_hash").to_numpy() for intake in intakes])
    tables: list[pa.Table] = []
    for part, (intake, positions) in enumerate(zip(intakes, rows, strict=True)):
        taken = pa.array(positions)
        columns = {
            "part": pa.array(np.full(positions.size, part, np.int32)),
            "row": taken,
            "record_id": intake.records.column("record_id").take(taken),
        }
        if "order_by" in intake.keys.column_names:
            columns["order_by"] = intake.keys.column("order_by").take(taken)
        tables.append(pa.table(columns))
    return settle_repeats(pa.concat_tables(tables), contract)


def read_source(
    files: Sequence[Path | str], contract: Contract, parts: int = 1, part_bytes: int = PART_BYTES
) -> list[Intake]:
    """Read a source whole, one after another part, in memory; repeated keys are settled."""
    with tempfile.TemporaryDirectory(prefix="linkage-") as folder:
        specs = plan_parts(files, contract, parts, part_bytes, Path(folder))
        intakes = [intake_part(spec, contract) for spec in specs]
        fallen = find_repeats(intakes, contract)
        return [
            refuse_repeats(spec, contract, intake, fallen)
            for spec, intake in zip(specs, intakes, strict=True)
        ]
