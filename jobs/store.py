"""Files of a run: written aside, synced and renamed, so that a file either is whole or is not there.

What holds personal data is readable by its owner alone: folders 0700, files 0600. A stage's manifest lists
its files with size, digest and rows, and is written last: a stage without one has not happened.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import ipc

from linkage.errors import IntegrityError

MANIFEST = "manifest.json"
_CHUNK = 8 << 20
_ROW_GROUP = 1 << 18


@dataclass(frozen=True)
class Entry:
    """One file of a stage: its name, bytes, BLAKE2b-256 digest in hex, and rows."""

    name: str
    bytes: int
    digest: str
    rows: int


class _Hashed(io.RawIOBase):
    """A file that is digested while it is written."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self.stream = stream
        self.hash = hashlib.blake2b(digest_size=32)
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.hash.update(data)
        count = self.stream.write(data)
        self.size += count
        return count


def make_folder(path: Path) -> Path:
    """Create ``path`` and its missing parents; new folders are 0700."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


def sync_folder(path: Path) -> None:
    """Make the names in a folder last."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def aside(path: Path) -> Iterator[_Hashed]:
    """A file that takes its name only when the block ends well; of a block that fails nothing is left."""
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb", buffering=0) as stream:
            hashed = _Hashed(stream)
            yield hashed
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_bytes(path: Path, data: bytes, rows: int = 0) -> Entry:
    """Write ``data`` as a file."""
    with aside(path) as out:
        for start in range(0, len(data), _CHUNK):
            out.write(memoryview(data)[start : start + _CHUNK])
    return Entry(path.name, out.size, out.hash.hexdigest(), rows)


def write_json(path: Path, value: Any) -> Entry:
    """Write ``value`` as indented JSON, keys in the order given."""
    return write_bytes(path, (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode())


def _write(path: Path, rows: int, fill: Callable[[Any], None]) -> Entry:
    with aside(path) as out:
        sink = pa.PythonFile(out, mode="w")
        fill(sink)
        sink.flush()
    return Entry(path.name, out.size, out.hash.hexdigest(), rows)


def write_table(path: Path, table: pa.Table, compression: str | None = None) -> Entry:
    """Write an Arrow file; uncompressed (the default) it can be mapped, else ``lz4`` or ``zstd``."""

    def fill(sink: Any) -> None:
        options = ipc.IpcWriteOptions(compression=compression)
        with ipc.new_file(sink, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=_ROW_GROUP)

    return _write(path, table.num_rows, fill)


def write_parquet(path: Path, table: pa.Table, sort_by: Sequence[str] = ()) -> Entry:
    """Write a Parquet artefact: sorted, zstd, in fixed row groups; the same rows give the same bytes."""
    if sort_by:
        table = table.sort_by([(name, "ascending") for name in sort_by])
    table = table.combine_chunks()

    def fill(sink: Any) -> None:
        # A list is named by the path of what it holds.
        paths = {f.name: f"{f.name}.list.element" if _is_list(f.type) else f.name for f in table.schema}
        repeated = [paths[f.name] for f in table.schema if pa.types.is_dictionary(f.type) or _is_list(f.type)]
        # Ids are hashes: compressing them, or looking for repeats among them, took a third of the writing.
        codecs = {
            paths[f.name]: "none" if pa.types.is_fixed_size_binary(f.type) else "zstd" for f in table.schema
        }
        pq.write_table(
            table,
            sink,
            compression=codecs,
            use_dictionary=repeated,
            row_group_size=_ROW_GROUP,
            write_page_checksum=True,
            store_schema=False,
        )

    return _write(path, table.num_rows, fill)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def write_array(path: Path, array: NDArray[Any]) -> Entry:
    """Write a NumPy array as ``.npy``."""
    array = np.ascontiguousarray(array)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(array))
    with aside(path) as out:
        out.write(head.getvalue())
        flat = array.reshape(-1).view(np.uint8).data
        for start in range(0, len(flat), _CHUNK):
            out.write(flat[start : start + _CHUNK])
    return Entry(path.name, out.size, out.hash.hexdigest(), array.shape[0] if array.ndim else 1)


def read_table(path: Path, *, mapped: bool = True) -> pa.Table:
    """Read an Arrow file, mapped where it is not compressed. Raises IntegrityError for a damaged one."""
    try:
        source = pa.memory_map(str(path)) if mapped else pa.OSFile(str(path))
        with ipc.open_file(source) as reader:
            return reader.read_all()
    except (pa.ArrowException, OSError, ValueError) as fault:
        raise _damaged(path, fault) from None


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet artefact, its page checksums verified. Raises IntegrityError for a damaged one."""
    try:
        wanted = list(columns) if columns is not None else None
        return pq.read_table(path, columns=wanted, page_checksum_verification=True, partitioning=None)
    except (pa.ArrowException, OSError, ValueError) as fault:
        raise _damaged(path, fault) from None


def read_array(path: Path, *, mapped: bool = True) -> NDArray[Any]:
    """Read a ``.npy`` file, mapped read-only by default. Raises IntegrityError for a damaged one."""
    try:
        # An array of no elements cannot be mapped.
        held = np.load(path, mmap_mode=None, allow_pickle=False) if not mapped else _mapped(path)
    except (OSError, ValueError, EOFError) as fault:
        raise _damaged(path, fault) from None
    return held


def _mapped(path: Path) -> NDArray[Any]:
    with path.open("rb") as stream:
        np.lib.format.read_magic(stream)
        shape, _, _ = np.lib.format.read_array_header_1_0(stream)
    if 0 in shape:
        return np.asarray(np.load(path, allow_pickle=False))
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _damaged(path: Path, fault: BaseException | None = None) -> IntegrityError:
    missing = isinstance(fault, FileNotFoundError)
    return IntegrityError(
        "E-INTEGRITY-001",
        f"'{path.parent.name}/{path.name}' {'is missing' if missing else 'is damaged'};",
        "the file that its run wrote was wanted.",
        "Remove the run's folder and run again; if it comes back, look at the disk.",
    )


def file_digest(path: Path) -> str:
    """BLAKE2b-256 of a file, in hex."""
    digest = hashlib.blake2b(digest_size=32)
    with path.open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def commit_stage(folder: Path, entries: Sequence[Entry], facts: Mapping[str, Any] | None = None) -> None:
    """Write a stage's manifest: the stage has happened. ``facts`` are further values that it must keep."""
    listed = [asdict(entry) for entry in sorted(entries, key=lambda entry: entry.name)]
    write_json(folder / MANIFEST, {"files": listed, "facts": dict(facts or {})})


def stage_facts(folder: Path) -> dict[str, Any] | None:
    """The facts of a stage that has happened, else None."""
    held = _manifest(folder)
    return None if held is None else dict(held["facts"])


def stage_entries(folder: Path, *, digests: bool = False) -> list[Entry] | None:
    """The files of a stage that has happened, sorted by name, else None.

    Every file's size is compared with the manifest, and with ``digests`` its digest as well. Raises
    IntegrityError ``E-INTEGRITY-001`` naming the file that is not as it was written.
    """
    held = _manifest(folder)
    if held is None:
        return None
    entries = [Entry(**entry) for entry in held["files"]]
    for entry in entries:
        verify(folder, entry, digest=digests)
    return entries


def _manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / MANIFEST
    try:
        held = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as fault:
        raise _damaged(path, fault) from None
    if not isinstance(held, dict) or not {"files", "facts"} <= held.keys():
        raise _damaged(path)
    return held


def verify(folder: Path, entry: Entry, *, digest: bool = True) -> Path:
    """The path of a file that is as its entry says, else IntegrityError ``E-INTEGRITY-001``."""
    path = folder / entry.name
    try:
        same = path.stat().st_size == entry.bytes and (not digest or file_digest(path) == entry.digest)
    except OSError as fault:
        raise _damaged(path, fault) from None
    if not same:
        raise _damaged(path)
    return path


def logical_digest(table: pa.Table, sort_by: Sequence[str]) -> str:
    """BLAKE2b-256, in hex, of what a table says: its columns and its rows, sorted.

    The order of rows, of columns and of chunks does not count, nor do the encodings of text (dictionary,
    view, small or large offsets) and of bytes under a null. Rows equal in ``sort_by`` are ordered by the
    other columns, so that ``sort_by`` need not be a key.
    """
    names = sorted(table.column_names)
    plain = pa.table({name: _plain(table.column(name)) for name in names})
    order = [
        *sort_by,
        *(n for n in names if n not in sort_by and not pa.types.is_nested(plain.schema.field(n).type)),
    ]
    if plain.num_rows and order:
        plain = plain.sort_by([(name, "ascending") for name in order])
    digest = hashlib.blake2b(digest_size=32)
    for name in names:
        field = plain.schema.field(name)
        digest.update(f"{name}\x1f{field.type}\x1f{plain.num_rows}\x1e".encode())
        _feed(digest, plain.column(name).combine_chunks())
    return digest.hexdigest()


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(pc.cast(column, kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return column.cast(pa.large_binary())
    if pa.types.is_list(kind):
        return column.cast(pa.large_list(_plain(pa.chunked_array([], kind.value_type)).type))
    if pa.types.is_large_list(kind):
        return column.cast(pa.large_list(_plain(pa.chunked_array([], kind.value_type)).type))
    return column


def _feed(digest: Any, column: pa.Array | pa.ChunkedArray) -> None:
    array = (
        pa.concat_arrays(column.chunks)
        if isinstance(column, pa.ChunkedArray) and column.num_chunks
        else column
    )
    if len(array) == 0:
        return
    kind = array.type
    digest.update(np.packbits(array.is_valid().to_numpy(zero_copy_only=False)).tobytes())
    if pa.types.is_large_list(kind):
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        digest.update(np.asarray(lengths, np.int64).tobytes())
        _feed(digest, pc.list_flatten(array))
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        held = pc.fill_null(array.cast(pa.large_binary()), b"")
        digest.update(np.asarray(pc.binary_length(held), np.int64).tobytes())
        offsets = np.frombuffer(held.buffers()[1], np.int64)[held.offset : held.offset + len(held) + 1]
        if held.buffers()[2] is not None:
            digest.update(memoryview(held.buffers()[2])[int(offsets[0]) : int(offsets[-1])])
    elif pa.types.is_null(kind):
        return
    elif pa.types.is_boolean(kind):
        digest.update(pc.fill_null(array, False).to_numpy(zero_copy_only=False).tobytes())
    else:
        if pa.types.is_temporal(kind):
            array = array.view(pa.int32() if kind.bit_width == 32 else pa.int64())
        # Adding zero makes of minus zero zero.
        digest.update((pc.fill_null(array, 0).to_numpy() + 0).tobytes())
