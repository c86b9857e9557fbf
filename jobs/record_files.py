"""Accepted records on disk: their ids, mapped as they are, and their fields as submitted, compressed.

    <source>-<part>.ids.arrays      offsets int64[n + 1] and bytes uint8[k] of the record ids
    <source>-<part>.records.arrays  line and fields: of each field the lengths of its texts and their bytes,
                                    packed one by one and read one by one

What would be written twice is stored once: a field that is the key too is read from the ids, and of the line
numbers only how far they run ahead of the rows is written, once if that is the same for all. A text of no
length stands for none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.store import Arrays, open_arrays, write_arrays
from linkage.text_arrays import one_array

#: Half the bytes of LZ4, which finds no repeats among digits. Of thirteen fields it takes 310 ns a record to
#: pack and 130 to unpack; LZ4 of those texts that it shortens, and the others as they are, 130 and 30. Of
#: eight fields written as they are: 60 ns where LZ4 of those texts takes 150, and four tenths more bytes.
SMALL, FAST, PLAIN = "zstd", "lz4", ""

#: Bytes at the beginning of an array that tell whether it is worth packing fast, and the share it must save.
_TRIED, _SAVED = 1 << 16, 0.25

_TOLD, _LINE = "@told", "line"


def records_path(folder: Path, source: int, part: int) -> Path:
    """Where the fields of a part lie."""
    return folder / f"{source:02d}-{part:05d}.records.arrays"


def ids_path(folder: Path, source: int, part: int) -> Path:
    """Where the record ids of a part lie."""
    return folder / f"{source:02d}-{part:05d}.ids.arrays"


def write_records(folder: Path, source: int, part: int, records: pa.Table, *, packing: str = SMALL) -> None:
    """Write the records of a part: ``record_id`` text without nulls, ``line`` int64, and fields of text.

    packing : SMALL; FAST for twice the bytes in a third of the time; PLAIN for none at all
    """
    ids = _whole(records.column("record_id"))
    offsets, data = _buffers(ids)
    write_arrays(ids_path(folder, source, part), offsets=offsets, bytes=data)
    same, sizes = [], {}
    arrays: dict[str, NDArray[Any]] = {}

    def pack(name: str, values: NDArray[Any]) -> None:
        raw = np.ascontiguousarray(values)
        own = packing if packing != FAST or _shortened(raw) else PLAIN
        sizes[name] = [raw.dtype.str, raw.nbytes, own]
        arrays[name] = (
            np.frombuffer(pa.compress(raw, own, asbytes=True), np.uint8) if own and raw.nbytes else raw
        )

    for name in records.column_names:
        if name == _LINE:
            ahead = records.column(name).to_numpy() - np.arange(records.num_rows)
            # One number, where no line between those of the records was left out.
            pack(name, ahead if (ahead[1:] != ahead[:-1]).any() else ahead[:1])
        elif name != "record_id":
            field = _whole(records.column(name))
            if field.equals(ids):
                same.append(name)
                continue
            offsets, data = _buffers(field)
            lengths = np.diff(offsets)
            kind = np.uint8 if lengths.max(initial=0) < 256 else np.int32
            pack(f"{name}.lengths", lengths.astype(kind))
            pack(name, data)
    told = json.dumps([records.column_names, same, sizes, records.num_rows], ensure_ascii=False).encode()
    write_arrays(records_path(folder, source, part), **{_TOLD: np.frombuffer(told, np.uint8)}, **arrays)


def _shortened(raw: NDArray[Any]) -> bool:
    """Whether fast packing makes an array clearly shorter, by its beginning."""
    tried = raw.view(np.uint8)[:_TRIED]
    return len(pa.compress(tried, FAST, asbytes=True)) < (1 - _SAVED) * tried.nbytes


def _whole(column: pa.ChunkedArray) -> pa.LargeStringArray:
    """A column as one array in which no text of no length stands beside a null."""
    array = one_array(column)
    if array.null_count and array.buffers()[2] is not None:
        # The bytes under a null, if there are any, are not to be written.
        offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
        absent = array.is_null().to_numpy(zero_copy_only=False)
        if np.diff(offsets)[absent].any():
            return pa.array(array.to_pylist(), pa.large_string())
    return array


def _buffers(texts: pa.LargeStringArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    n = len(texts)
    if n == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, offset_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[texts.offset : texts.offset + n + 1]
    data = np.frombuffer(data_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], data


def read_ids(folder: Path, source: int, part: int) -> pa.LargeStringArray:
    """The record ids of a part, mapped. Raises IntegrityError."""
    held = open_arrays(ids_path(folder, source, part))
    offsets = held["offsets"]
    return pa.LargeStringArray.from_buffers(
        offsets.shape[0] - 1, pa.py_buffer(offsets), pa.py_buffer(held["bytes"])
    )


def _unpacked(held: Arrays, sizes: dict[str, tuple[str, int, str]], name: str) -> NDArray[Any]:
    kind, size, packing = sizes[name]
    if size == 0:
        return np.zeros(0, kind)
    if not packing:
        return held[name]
    return np.frombuffer(pa.decompress(pa.py_buffer(held[name]), size, packing), kind)


def read_records(folder: Path, source: int, part: int, columns: Sequence[str] | None = None) -> pa.Table:
    """The records of a part as they were written, or only ``columns`` of them: no other is decoded.

    Columns that the part does not have are left out. Raises IntegrityError.
    """
    held = open_arrays(records_path(folder, source, part))
    names, same, sizes, rows = json.loads(held[_TOLD].tobytes())
    wanted = names if columns is None else [name for name in columns if name in names]
    of_ids = {"record_id", *same}
    ids = read_ids(folder, source, part) if of_ids.intersection(wanted) else None
    out: dict[str, pa.Array] = {}
    for name in wanted:
        if name in of_ids:
            out[name] = ids
        elif name == _LINE:
            out[name] = pa.array(_unpacked(held, sizes, name) + np.arange(rows))
        else:
            out[name] = _texts(_unpacked(held, sizes, f"{name}.lengths"), _unpacked(held, sizes, name))
    return pa.table(out)


def read_lines(folder: Path, source: int, part: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The lines of their file that some records of a part came from: int64[k], as ``rows``.

    Raises IntegrityError.
    """
    held = open_arrays(records_path(folder, source, part))
    _, _, sizes, _ = json.loads(held[_TOLD].tobytes())
    ahead = _unpacked(held, sizes, _LINE)
    return np.asarray(rows + (ahead[rows] if ahead.shape[0] > 1 else ahead[:1]))


def read_present(
    folder: Path, source: int, part: int, columns: Sequence[str]
) -> dict[str, NDArray[np.bool_]]:
    """Which records of a part hold a text of each of ``columns``, bool[n]: no text is decoded.

    Columns that the part does not have are left out. Raises IntegrityError.
    """
    held = open_arrays(records_path(folder, source, part))
    names, same, sizes, rows = json.loads(held[_TOLD].tobytes())
    out: dict[str, NDArray[np.bool_]] = {}
    for name in columns:
        if name in same or (name == "record_id" and name in names):
            out[name] = np.diff(open_arrays(ids_path(folder, source, part))["offsets"]) > 0
        elif name == _LINE:
            out[name] = np.ones(rows, np.bool_)
        elif name in names:
            out[name] = _unpacked(held, sizes, f"{name}.lengths") > 0
    return out


def _texts(lengths: NDArray[Any], data: NDArray[np.uint8]) -> pa.LargeStringArray:
    offsets = np.zeros(lengths.size + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    present = lengths > 0
    absent = int(lengths.size - np.count_nonzero(present))
    bitmap = pa.py_buffer(np.packbits(present, bitorder="little")) if absent else None
    return pa.LargeStringArray.from_buffers(
        lengths.size, pa.py_buffer(offsets), pa.py_buffer(data), bitmap, absent
    )
