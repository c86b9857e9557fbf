"""Files of a source -> parts -> raw rows -> records.

A source is one or more files. Their order is that of their names, whatever order they are given in, and
nothing that is decided depends on it or on how many parts they are read in. Each part is a stretch of one
file that a task reads by itself: a byte range of a CSV file between two records, or row groups of a
Parquet file. A part is read whole into memory; no part of a CSV file is larger than ``part_bytes`` unless
one line is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from linkage.contract import Contract
from linkage.delimited import LOOK_AHEAD, MOST_BYTES, Header, cut_points, parse, read_header, refuse_doubles
from linkage.errors import ConfigError, ContractError, IntegrityError
from linkage.ingest import Intake, accept, drop_repeats, repeat_candidates, require_columns, settle_repeats
from linkage.rows import RawPart, arrow_part

#: Bytes of a part, of a Parquet file uncompressed; small enough that two in memory are nothing to mind.
PART_BYTES = 64 << 20
_WINDOW = 32 << 20
_LONGEST_LINE = 256 << 20


@dataclass(frozen=True)
class SourceFile:
    """A file that can be read: its number in the source, its size, its header.

    ``rows`` is known of Parquet only. ``body`` and ``line`` say where the rows of a CSV file begin.
    """

    path: Path
    file: int
    size: int
    columns: tuple[str, ...]
    rows: int | None = None
    body: int = 0
    line: int = 1


@dataclass(frozen=True)
class PartSpec:
    """A stretch of one file. CSV: bytes ``start`` to ``stop``, the first of them on physical line ``line``.
    Parquet: row groups ``start`` to ``stop``, the first row being number ``line``.
    """

    part: int
    path: str
    file: int
    size: int
    columns: tuple[str, ...]
    start: int
    stop: int
    line: int


def open_source(files: Sequence[Path | str], contract: Contract) -> list[SourceFile]:
    """Look at each file's header, sorted by name; nothing else is read.

    Raises ContractError (``E-INPUT-001`` to ``E-INPUT-006``, ``E-INPUT-010``) naming the file that is at
    fault, ConfigError ``E-INPUT-011`` for a delimiter that is no ASCII character.
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
    found: list[SourceFile] = []
    for file, path in enumerate(sorted((Path(f) for f in files), key=lambda p: (p.name, str(p)))):
        try:
            opened = (
                _open_parquet(path, file) if contract.format == "parquet" else _open_csv(path, file, contract)
            )
            require_columns(opened.columns, contract)
        except OSError as fault:
            raise ContractError(
                "E-INPUT-001",
                f"'{path.name}' cannot be read: {(fault.strerror or type(fault).__name__).lower()};",
                "a readable file was wanted.",
                "Look at the source's files in the project, and at their permissions.",
            ) from None
        except ContractError as fault:
            raise ContractError(fault.code, f"'{path.name}': {fault.what}", fault.wanted, fault.do) from None
        found.append(opened)
    return found


def _open_csv(path: Path, file: int, contract: Contract) -> SourceFile:
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        start = stream.read(MOST_BYTES + 16)
    for magic, kind in (
        (b"PAR1", "Parquet"),
        (b"\x1f\x8b", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"PK\x03\x04", "zip"),
    ):
        if start.startswith(magic):
            raise _wrong_format(f"The file is a {kind} file;", "CSV")
    header: Header = read_header(start, contract.delimiter)
    return SourceFile(path, file, size, header.names, None, header.body, header.line)


def _open_parquet(path: Path, file: int) -> SourceFile:
    size = path.stat().st_size
    try:
        with pq.ParquetFile(path) as opened:
            columns = tuple(opened.schema_arrow.names)
            rows = opened.metadata.num_rows
    except (pa.ArrowException, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno is not None:
            raise
        raise _wrong_format(
            "The file cannot be read as Parquet: it is another kind or damaged;", "Parquet"
        ) from None
    refuse_doubles(columns)
    return SourceFile(path, file, size, columns, rows)


def _wrong_format(what: str, wanted: str) -> ContractError:
    return ContractError(
        "E-INPUT-006",
        what,
        f"the contract declares {wanted}.",
        "Send the declared format, or mend the contract.",
    )


def plan_parts(
    files: Sequence[Path | str], contract: Contract, parts: int, part_bytes: int = PART_BYTES
) -> list[PartSpec]:
    """Cut a source's files into about ``parts`` parts: at least one a file, more if one would be too large.

    A CSV file that is cut is walked once, because a line end inside quotes is no place to cut. Row groups of
    a Parquet file are never cut. Raises what :func:`open_source` raises, and ContractError ``E-INPUT-008``
    for a line beyond 256 MiB.
    """
    opened = open_source(files, contract)
    total = max(1, sum(source.size for source in opened))
    specs: list[PartSpec] = []
    for source in opened:
        share = max(1, round(parts * source.size / total))
        pieces = _cut_parquet(source, share, part_bytes) if contract.format == "parquet" else (
            _cut_csv(source, contract, max(share, -(-source.size // part_bytes)))
        )  # fmt: skip
        for start, stop, line in pieces:
            specs.append(
                PartSpec(
                    len(specs), str(source.path), source.file, source.size, source.columns, start, stop, line
                )
            )
    return specs


def _cut_parquet(source: SourceFile, share: int, part_bytes: int) -> list[tuple[int, int, int]]:
    with pq.ParquetFile(source.path) as opened:
        meta = opened.metadata
        groups = [
            (meta.row_group(g).num_rows, meta.row_group(g).total_byte_size)
            for g in range(meta.num_row_groups)
        ]
    whole = max(1, sum(size for _, size in groups))
    count = min(max(share, -(-whole // part_bytes)), max(1, len(groups)))
    pieces: list[tuple[int, int, int]] = []
    first, line, rows, held, held_before = 0, 1, 0, 0, 0
    for group, (group_rows, size) in enumerate(groups):
        # A group belongs to the piece in which its middle lies.
        piece = (2 * held + size) * count // (2 * whole)
        if group > first and piece != held_before:
            pieces.append((first, group, line))
            first, line, rows = group, line + rows, 0
        held_before = piece
        rows += group_rows
        held += size
    return [*pieces, (first, len(groups), line)]


def _cut_csv(source: SourceFile, contract: Contract, pieces: int) -> list[tuple[int, int, int]]:
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
                window, final, contract.delimiter, len(source.columns), line, targets[len(cuts) - 1 :] - pos
            )
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


def _unchanged(size: int, spec: PartSpec) -> None:
    if size != spec.size:
        raise IntegrityError(
            "E-INPUT-009",
            f"'{Path(spec.path).name}' has {size} bytes and had {spec.size} when the run began:",
            "the file changed while it was being read.",
            "Leave the files alone during a run, and run again.",
        )


def _read_range(stream: BinaryIO, spec: PartSpec) -> tuple[NDArray[np.uint8], bool]:
    _unchanged(os.fstat(stream.fileno()).st_size, spec)
    length = min(spec.stop + LOOK_AHEAD, spec.size) - spec.start
    if length >= 1 << 31:
        raise ContractError(
            "E-INPUT-008",
            f"'{Path(spec.path).name}': the part at line {spec.line} has {length} bytes;",
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
    try:
        if contract.format == "parquet":
            _unchanged(Path(spec.path).stat().st_size, spec)
            with pq.ParquetFile(spec.path) as opened:
                table = opened.read_row_groups(list(range(spec.start, spec.stop)), columns=list(wanted))
            return arrow_part(table.select(list(wanted)), spec.file, spec.line, contract.key)
        with Path(spec.path).open("rb") as stream:
            buffer, final = _read_range(stream, spec)
    except pa.ArrowException:
        raise _wrong_format(
            f"'{Path(spec.path).name}' is damaged: its rows cannot be read;", "Parquet"
        ) from None
    except OSError as fault:
        if fault.errno is None:
            what = f"'{Path(spec.path).name}' is damaged: its rows cannot be read;"
            raise _wrong_format(what, contract.format) from None
        raise ContractError(
            "E-INPUT-001",
            f"'{Path(spec.path).name}' cannot be read: {(fault.strerror or '').lower()};",
            "a readable file was wanted.",
            "Look at the source's files in the project, and at their permissions.",
        ) from None
    return parse(
        buffer,
        spec.stop - spec.start,
        final,
        contract.delimiter,
        spec.columns,
        wanted,
        contract.key,
        spec.file,
        spec.line,
    )


def intake_part(spec: PartSpec, contract: Contract) -> Intake:
    """Read one part and apply the contract; repeated keys are still in it."""
    return accept(read_part(spec, contract), contract)


def refuse_repeats(spec: PartSpec, contract: Contract, intake: Intake, fallen: pa.Table) -> Intake:
    """Move the rows of ``fallen`` (row, code; see ``settle_repeats``) that are this part's to its rejects.

    The part's file is read again for the text of those rows: intake keeps no copy of a row.
    """
    mine = fallen.filter(pa.compute.equal(fallen.column("part"), spec.part))
    if mine.num_rows == 0:
        return intake
    codes = dict(zip(mine.column("row").to_pylist(), mine.column("code").to_pylist(), strict=True))
    lines = intake.records.column("line").to_numpy()[np.array(sorted(codes), np.int64)]
    raw = read_part(spec, contract)
    return drop_repeats(intake, spec.file, codes, raw.text(np.searchsorted(raw.line, lines)), contract.key)


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
    specs = plan_parts(files, contract, parts, part_bytes)
    intakes = [intake_part(spec, contract) for spec in specs]
    fallen = find_repeats(intakes, contract)
    return [
        refuse_repeats(spec, contract, intake, fallen) for spec, intake in zip(specs, intakes, strict=True)
    ]
