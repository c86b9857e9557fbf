"""Container files: arrays or an Arrow table in one file that is mapped read-only and verifies itself.

    0           magic, filled with zeros to 64 bytes
    64          the arrays, each at a multiple of 64 bytes, zeros between them
    ...         directory: JSON with names, types, shapes, offsets and digests
    last 32     length of the directory (8, little-endian), its digest (16), magic (8)

An array has a digest (xxh3-128) for every MiB, the zeros behind it included; the directory has one of itself
and of the file's place, its name and its folder's: a container in the place of another is damage.
What is read is verified first, once a process and state of the file, and no more than is read: a task
that takes a range of rows out of a large file does not pay for the rest. The same arrays in the same place
give the same bytes.
"""

from __future__ import annotations

import contextlib
import functools
import json
import mmap
import os
import stat
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray
from pyarrow import ipc

from jobs.broadcast import RECEIVED
from jobs.files import AsideFile, Entry, aside, damaged, make_folder

_MAGIC = b"LNKARR1\n"
_ALIGN = 64
_BLOCK = 1 << 20
_TAIL = struct.Struct("<Q16s8s")
_KINDS = "biufcSUmM"

Buffer = bytes | memoryview

#: Bytes of a container's end that are read at once: nearly every directory is shorter.
_GUESS = 1 << 13

#: Rows of a batch of an Arrow table.
_BATCH = 1 << 18

#: Blocks of arrays that this process has verified, by the state of their file and the array's name.
_verified: dict[tuple[int, ...], dict[str, bytearray]] = {}
_VERIFIED_MOST = 1 << 14
_lock = threading.Lock()


class _Writer:
    """Writes the arrays of a container one after another, then its directory."""

    def __init__(self, out: AsideFile) -> None:
        self.out = out
        self.held: list[dict[str, Any]] = []
        out.write(_MAGIC.ljust(_ALIGN, b"\0"))

    @contextlib.contextmanager
    def array(
        self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...] | None = None
    ) -> Iterator[_Region]:
        """The bytes of one array, written in any pieces; without a shape it is as long as they are."""
        region = _Region(self.out)
        yield region
        size = region.end()
        self.held.append(
            {
                "name": name,
                "dtype": dtype.str,
                "shape": list(shape) if shape is not None else [size],
                "offset": region.offset,
                "bytes": size,
                "blocks": "".join(region.digests),
            }
        )

    def close(self, path: Path, rows: int) -> str:
        """Write the directory of the container at ``path``; its digest in hex."""
        told = {"block": _BLOCK, "rows": rows, "arrays": self.held}
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
        digest = _sealed(path, text)
        self.out.write(text + _TAIL.pack(len(text), digest, _MAGIC))
        return digest.hex()


def _sealed(path: Path, text: bytes) -> bytes:
    """Digest of the directory ``text`` of the container at ``path``, wherever the run's folder lies."""
    return xxhash.xxh3_128_digest(f"{path.parent.name}/{path.name}\0".encode() + text)


class _Region:
    """The place of one array in a container that is written."""

    closed = False

    def __init__(self, out: AsideFile) -> None:
        self.out = out
        self.offset = out.size
        self.digests: list[str] = []
        self._running = xxhash.xxh3_128()
        self._filled = 0

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self.out.write(view)
        start = 0
        while start < view.nbytes:
            taken = view[start : start + _BLOCK - self._filled]
            self._running.update(taken)
            self._filled += taken.nbytes
            start += taken.nbytes
            if self._filled == _BLOCK:
                self._close_block()
        return view.nbytes

    def flush(self) -> None:
        """Nothing is held back."""

    def end(self) -> int:
        """Fill up to the next array's place; the bytes without that."""
        size = self.out.size - self.offset
        self.write(bytes(-self.out.size % _ALIGN))
        if self._filled:
            self._close_block()
        return size

    def _close_block(self) -> None:
        self.digests.append(self._running.hexdigest())
        self._running.reset()
        self._filled = 0


class Arrays(Mapping[str, NDArray[Any]]):
    """The arrays of a container, mapped read-only, each verified when it is first asked for.

    ``rows`` is the number that its writer gave; ``digest`` that of the directory, which stands for the whole.
    A mapped file keeps its space on the disk until the last array of it is let go, removed or not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        handed = RECEIVED.content(path)
        self._map: mmap.mmap | memoryview
        self._key: tuple[int, ...]
        if handed is None:
            with _opened(path) as (handle, self._map, self._key):
                # Read, not looked at in the map: who waits for a mapped page keeps all threads waiting.
                read = functools.partial(os.pread, handle)
                self.rows, self.digest, self._held = self._directory(len(self._map), read)
        else:
            self._map, self._key = handed, (-1, *RECEIVED.mark(path)[1:])
            found = self._directory(len(handed), lambda count, at: bytes(handed[at : at + count]))
            self.rows, self.digest, self._held = found

    def _directory(
        self, size: int, read: Callable[[int, int], bytes]
    ) -> tuple[int, str, dict[str, dict[str, Any]]]:
        """Rows, digest and arrays of a container of ``size`` bytes; ``read(n, at)`` gives ``n`` bytes."""
        if size < _ALIGN + _TAIL.size or read(_ALIGN, 0) != _MAGIC.ljust(_ALIGN, b"\0"):
            raise damaged(self.path)
        place = max(_ALIGN, size - _GUESS)
        end = read(size - place, place)
        length, digest, magic = _TAIL.unpack(end[-_TAIL.size :])
        begin = size - _TAIL.size - length
        if magic != _MAGIC or begin < _ALIGN:
            raise damaged(self.path)
        text = end[begin - place : -_TAIL.size] if begin >= place else read(length, begin)
        if _sealed(self.path, text) != digest:
            raise damaged(self.path)
        told = json.loads(text)
        return told["rows"], digest.hex(), {entry["name"]: entry for entry in told["arrays"]}

    def __getitem__(self, name: str) -> NDArray[Any]:
        held = self._held[name]
        self._verify(held, 0, held["bytes"])
        return self._view(held)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, name: object) -> bool:
        return name in self._held

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an array, without a look at it."""
        return tuple(self._held[name]["shape"])

    def dtype(self, name: str) -> np.dtype[Any]:
        """The type of an array, without a look at it."""
        return np.dtype(self._held[name]["dtype"])

    def cut(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Rows ``start`` to ``stop`` of an array, of which only these are verified (to the MiB)."""
        held = self._held[name]
        view = self._view(held)[start:stop]
        if view.size:
            first = held["bytes"] // held["shape"][0] * slice(start, stop).indices(held["shape"][0])[0]
            self._verify(held, first, first + view.nbytes)
        return view

    def verify(self) -> None:
        """Verify every array now."""
        for held in self._held.values():
            self._verify(held, 0, held["bytes"])

    def _view(self, held: dict[str, Any]) -> NDArray[Any]:
        shape, offset = tuple(held["shape"]), held["offset"]
        return np.ndarray(shape, np.dtype(held["dtype"]), buffer=self._map, offset=offset)

    def _verify(self, held: dict[str, Any], first: int, last: int) -> None:
        if last <= first:
            return
        digests = held["blocks"]
        with _lock:
            marks = _marks(self._key).setdefault(held["name"], bytearray(len(digests) // 32))
        region = memoryview(self._map)[
            held["offset"] : held["offset"] + held["bytes"] + -held["bytes"] % _ALIGN
        ]
        for block in range(first // _BLOCK, (last - 1) // _BLOCK + 1):
            if marks[block]:
                continue
            found = xxhash.xxh3_128_hexdigest(region[block * _BLOCK : (block + 1) * _BLOCK])
            if found != digests[32 * block : 32 * block + 32]:
                raise damaged(self.path)
            marks[block] = 1


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[int, mmap.mmap, tuple[int, ...]]]:
    """A file opened and mapped, and what tells its state."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, IsADirectoryError) as fault:
        raise damaged(path, fault) from None
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise damaged(path, IsADirectoryError())
        try:
            held = mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
        except ValueError as fault:  # nothing is in it
            raise damaged(path, fault) from None
        key = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        yield handle, held, key
    finally:
        os.close(handle)


def _marks(key: tuple[int, ...]) -> dict[str, bytearray]:
    """What is verified of a file; the file looked at longest ago is forgotten when there are too many."""
    held = _verified.pop(key, None)
    if held is None:
        held = {}
        while len(_verified) >= _VERIFIED_MOST:
            del _verified[next(iter(_verified))]
    _verified[key] = held
    return held


def write_arrays(path: Path, /, **arrays: NDArray[Any]) -> Entry:
    """Write arrays as one container; its rows are those of the first array.

    ValueError for an array of objects or of structures.
    """
    return write_each(path, arrays.items())


def write_each(path: Path, arrays: Iterable[tuple[str, NDArray[Any] | list[Buffer]]]) -> Entry:
    """As :func:`write_arrays`, of arrays that are made one after another: each is written before the next.

    One of bytes may come as a list of what follows one another in it, which nobody need join.
    """
    make_folder(path.parent)
    with aside(path, digests=False) as out:
        writer = _Writer(out)
        rows = 0
        for number, (name, given) in enumerate(arrays):
            if isinstance(given, list):
                with writer.array(name, np.dtype(np.uint8)) as region:
                    for piece in given:
                        region.write(piece)
                continue
            array = np.asarray(given, order="C")
            if array.dtype.kind not in _KINDS:
                raise ValueError(
                    f"The array '{name}' is of {array.dtype}. Wanted: numbers, times, texts of one length. "
                    "Convert it, or write it as columns."
                )
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            if number == 0:
                rows = array.shape[0] if array.ndim else 1
            with writer.array(name, array.dtype, array.shape) as region:
                if array.size:
                    region.write(array.reshape(-1).view(np.uint8).data)
        digest = writer.close(path, rows)
    return Entry(path.name, out.size, digest, rows)


def join_arrays(path: Path, parts: Sequence[Path]) -> Entry:
    """Write the arrays of containers of the same names and types one behind another, as one container.

    Memory is that of a part's largest array. parts : at least one; their arrays have one dimension
    """
    opened = [open_arrays(part) for part in parts]
    make_folder(path.parent)
    with aside(path, digests=False) as out:
        writer = _Writer(out)
        rows = 0
        for number, name in enumerate(opened[0]):
            length = sum(one.shape(name)[0] for one in opened)
            rows = length if number == 0 else rows
            with writer.array(name, opened[0].dtype(name), (length,)) as region:
                for one in opened:
                    array = one[name]
                    if array.size:
                        region.write(array.view(np.uint8).data)
        digest = writer.close(path, rows)
    return Entry(path.name, out.size, digest, rows)


def open_arrays(path: Path) -> Arrays:
    """The arrays of a container. Raises IntegrityError ``E-INTEGRITY-001``, then or when one is asked for."""
    return Arrays(path)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a container, mapped read-only and verified."""
    return dict(open_arrays(path))


def write_table(path: Path, table: pa.Table, compression: str | None = None) -> Entry:
    """Write an Arrow table as a container, a stream for each column.

    Uncompressed (the default) it is mapped without a copy, else ``lz4`` or ``zstd``.
    """
    make_folder(path.parent)
    options = ipc.IpcWriteOptions(compression=compression)
    with aside(path, digests=False) as out:
        writer = _Writer(out)
        with writer.array("schema", np.dtype(np.uint8)) as region:
            region.write(table.schema.serialize())
        for number, kind in enumerate(table.schema):
            with writer.array(str(number), np.dtype(np.uint8)) as region:
                # In memory first: a stream writes a few bytes at a time.
                sink = pa.BufferOutputStream()
                with ipc.new_stream(sink, pa.schema([kind]), options=options) as stream:
                    column = pa.Table.from_arrays([table.column(number)], schema=pa.schema([kind]))
                    stream.write_table(column, max_chunksize=_BATCH)
                region.write(sink.getvalue())
        digest = writer.close(path, table.num_rows)
    return Entry(path.name, out.size, digest, table.num_rows)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read an Arrow table, or only ``columns`` of it, in that order: no other is verified or decoded.

    Raises IntegrityError for a damaged one, ValueError for a column that it does not have.
    """
    held = open_arrays(path)
    if "schema" not in held:
        raise damaged(path)
    schema = ipc.read_schema(pa.py_buffer(held["schema"]))
    wanted = schema.names if columns is None else list(columns)
    missing = sorted(set(wanted) - set(schema.names))
    if missing:
        raise ValueError(
            f"The table '{path.name}' has no column {', '.join(missing)}. Wanted: some of "
            f"{', '.join(schema.names)}. Ask for these."
        )
    places = range(len(schema)) if columns is None else [schema.names.index(name) for name in wanted]
    arrays = []
    for place in places:
        with ipc.open_stream(pa.BufferReader(pa.py_buffer(held[str(place)]))) as stream:
            arrays.append(stream.read_all().column(0))
    return pa.Table.from_arrays(arrays, schema=pa.schema([schema.field(p) for p in places], schema.metadata))
