"""Plain files and folders of a run: written aside and renamed, so that a file is whole or not there.

What holds personal data is readable by its owner alone: folders 0700, files 0600. A file under a folder that
has a folder ``sums`` beside its contents (a run's work folder) leaves its size and digests there, and is held
against them when it is read. Containers (:mod:`jobs.containers`) carry their own digests and need none.

A file is synced before it takes its name, except under a folder that holds the file ``unsynced``: a run's
work folder, which a killed process leaves whole in the system's memory, and which is given up if the machine
was started anew (:mod:`jobs.run_folder`). Waiting for the disk took a tenth to a sixth of a run.
"""

from __future__ import annotations

import contextlib
import contextvars
import errno
import functools
import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import xxhash

from jobs.broadcast import RECEIVED
from linkage.errors import IntegrityError, LinkageError

#: The folder that keeps the digests of plain files of the folder it lies in.
SUMS = "sums"

#: The file that marks a folder of files which need not be synced.
UNSYNCED = "unsynced"

#: What the system says when a file cannot grow: the disk, the quota or the limit of the process.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_CHUNK = 8 << 20

#: Bytes of small writes that go to the system as one; larger ones go by themselves.
_BUFFER = 1 << 16

#: Plain files that this process has held against their digests, by what tells their states apart.
_checked: dict[tuple[int, ...], None] = {}
_CHECKED_MOST = 1 << 12


@dataclass(frozen=True)
class Entry:
    """One file: its name, bytes, digest in hex, and rows.

    The digest of a published file is the BLAKE2b-256 of its bytes, that of a container the xxh3-128 of its
    directory, which holds those of its arrays.
    """

    name: str
    bytes: int
    digest: str
    rows: int


@dataclass
class Written:
    """Files that a task has written, in their order, and their bytes in all."""

    files: list[Path] = field(default_factory=list)
    bytes: int = 0


_written: contextvars.ContextVar[Written | None] = contextvars.ContextVar("written", default=None)


@contextlib.contextmanager
def noting() -> Iterator[Written]:
    """Note the files that the block writes in this thread."""
    noted = Written()
    token = _written.set(noted)
    try:
        yield noted
    finally:
        _written.reset(token)


class AsideFile(io.RawIOBase):
    """A file while it is written; its digests are made on the way if they are wanted."""

    def __init__(self, stream: IO[bytes], *, digests: bool = True) -> None:
        super().__init__()
        self.stream = stream
        self.size = 0
        self.hash = hashlib.blake2b(digest_size=32) if digests else None
        self.sum = xxhash.xxh3_128() if digests else None

    def writable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes written."""
        return self.size

    def write(self, data: Any) -> int:
        """Write all of ``data``: the system may take a part of it only."""
        view = memoryview(data).cast("B")
        for start in range(0, view.nbytes, _CHUNK):
            block = view[start : start + _CHUNK]
            if self.hash is not None and self.sum is not None:
                self.hash.update(block)
                self.sum.update(block)
            done = 0
            while done < block.nbytes:
                done += self.stream.write(block[done:])
            self.size += block.nbytes
        return view.nbytes

    def digest(self) -> str:
        """BLAKE2b-256 of what was written, in hex."""
        assert self.hash is not None, "no digest was asked for"
        return self.hash.hexdigest()


def make_folder(path: Path) -> Path:
    """Create ``path`` and its missing parents; new folders are 0700."""
    missing = []
    for place in (path, *path.parents):
        if place.exists():
            break
        missing.append(place)
    for folder in reversed(missing):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as fault:
            raise _full(folder, 0, fault) from None
    return path


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, last. OSError if the disk does not take it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@functools.cache
def needs_sync(folder: Path) -> bool:
    """Whether files of this folder are synced when they are written: no folder above says ``unsynced``."""
    return not any((above / UNSYNCED).exists() for above in (folder, *folder.parents))


@contextlib.contextmanager
def aside(path: Path, *, digests: bool = True) -> Iterator[AsideFile]:
    """A file that takes its name only when the block ends well; of a block that fails nothing is left.

    ``digests`` False leaves out the digests: for a file that holds its own. Raises LinkageError
    ``E-DISK-001`` if there is no room for it.
    """
    temporary = beside(path)
    lasting = needs_sync(path.parent)
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as fault:
        raise _full(path, 0, fault) from None
    made: AsideFile | None = None
    try:
        with os.fdopen(handle, "wb", buffering=_BUFFER) as stream:
            made = AsideFile(stream, digests=digests)
            yield made
            if lasting:
                stream.flush()
                os.fsync(stream.fileno())
        if digests:
            _keep_sum(path, made)
        temporary.replace(path)
        if digests and lasting:
            # A container is spoken of in a line that is written after it, and file systems keep the order of
            # their names' changes: syncing its folder too took most of the 5 ms of a small file.
            sync(path.parent)
    except BaseException as fault:
        temporary.unlink(missing_ok=True)
        if isinstance(fault, OSError):
            raise _full(path, 0 if made is None else made.size, fault) from None
        raise
    noted = _written.get()
    if noted is not None:
        noted.files.append(path)
        noted.bytes += made.size


def beside(path: Path) -> Path:
    """A name to write under: a task that was begun twice, on two machines, has two."""
    return path.with_name(f"{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")


def _full(path: Path, size: int, fault: OSError) -> OSError | LinkageError:
    """``fault``, or the error of a full disk if it is one."""
    return disk_full(f"'{path.parent.name}/{path.name}' stopped at {size:,} bytes", fault) or fault


def disk_full(what: str, fault: OSError) -> LinkageError | None:
    """The error of a disk without room, if that is what the system's fault says."""
    if fault.errno not in FULL:
        return None
    why = {errno.EDQUOT: "the quota is used up", errno.EFBIG: "a file may not grow further"}
    return LinkageError(
        "E-DISK-001",
        f"There is no room on the disk: {what} ({why.get(fault.errno, 'the disk is full')}).",
        "Free space in the place of the run's folder was wanted.",
        "Make room there and give the same command again: it goes on where it stopped.",
    )


def write_bytes(path: Path, data: bytes, rows: int = 0) -> Entry:
    """Write ``data`` as a file."""
    with aside(path) as out:
        out.write(data)
    return Entry(path.name, out.size, out.digest(), rows)


def write_json(path: Path, value: Any) -> Entry:
    """Write ``value`` as indented JSON, keys in the order given."""
    return write_bytes(path, (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode())


def read_bytes(path: Path) -> bytes:
    """A plain file, held against its digest. Raises IntegrityError for a damaged or missing one."""
    handed = RECEIVED.content(path)
    if handed is not None:  # by the driver, who has held it against its digest
        return bytes(handed)
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as fault:
        raise damaged(path, fault) from None
    kept = kept_sums(path)
    if kept is not None and (xxhash.xxh3_128_hexdigest(data), len(data)) not in [(s, n) for s, n, _ in kept]:
        raise damaged(path)
    return data


def read_json(path: Path) -> Any:
    """A JSON file, held against its digest. Raises IntegrityError for a damaged or missing one."""
    data = read_bytes(path)
    try:
        return json.loads(data)
    except ValueError as fault:
        raise damaged(path, fault) from None


def checked(path: Path) -> Path:
    """``path``, once its bytes are what was written there; looked at once a process and state of the file.

    A file that no folder keeps a digest of passes if it is there. Raises IntegrityError ``E-INTEGRITY-001``.
    """
    try:
        state = path.stat()
    except FileNotFoundError as fault:
        raise damaged(path, fault) from None
    key = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    if key in _checked:
        return path
    kept = kept_sums(path)
    if kept is not None:
        if (file_sum(path), state.st_size) not in [(s, n) for s, n, _ in kept]:
            raise damaged(path)
        while len(_checked) >= _CHECKED_MOST:
            _checked.pop(next(iter(_checked)), None)
        _checked[key] = None
    return path


def _sum_place(path: Path) -> Path | None:
    """Where the digests of ``path`` are kept: in the nearest folder above it that keeps any."""
    for folder in path.parents:
        if (folder / SUMS).is_dir():
            return folder / SUMS / path.relative_to(folder)
    return None


def kept_sums(path: Path) -> list[tuple[str, int, str]] | None:
    """xxh3-128, bytes and BLAKE2b-256 kept of a file, the newest first; None where no digests are kept.

    There are two while a file is written anew: the old one stands until the new one takes its name.
    """
    place = _sum_place(path)
    if place is None:
        return None
    found = []
    try:
        *lines, end = place.read_bytes().decode("ascii").split("\n")
        for line in lines if end == "" else [""]:
            told, _, check = line.rpartition(" ")
            if xxhash.xxh3_64_hexdigest(told.encode()) != check:
                raise damaged(path)
            sum_, size, digest = told.split(" ")
            found.append((sum_, int(size), digest))
    except (OSError, ValueError):
        raise damaged(path) from None
    return found


def _keep_sum(path: Path, made: AsideFile) -> None:
    place = _sum_place(path)
    if place is None or made.sum is None:
        return
    told = f"{made.sum.hexdigest()} {made.size} {made.digest()}"
    lines = [f"{told} {xxhash.xxh3_64_hexdigest(told.encode())}\n"]
    if path.exists():
        # If the run was killed while it wrote the file anew, the newest line is not that of the file.
        with contextlib.suppress(OSError, ValueError):
            here = f"{file_sum(path)} {path.stat().st_size} "
            old = place.read_text("ascii").splitlines(keepends=True)
            lines += [line for line in old if line.startswith(here) and line not in lines][:1]
    make_folder(place.parent)
    lasting = needs_sync(place.parent)
    temporary = beside(place)
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb", buffering=0) as stream:
            AsideFile(stream, digests=False).write("".join(lines).encode())
            if lasting:
                os.fsync(stream.fileno())
        temporary.replace(place)
        if lasting:
            sync(place.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def move(path: Path, target: Path) -> None:
    """Rename a file or folder with the digests that are kept of it; may be done again after being stopped."""
    origin, goal = _sum_place(path), _sum_place(target)
    if origin is not None and goal is not None and origin.exists():
        make_folder(goal.parent)
        origin.replace(goal)
    path.replace(target)


def discard(path: Path) -> None:
    """Remove a file, if it is there, and what is kept of it."""
    path.unlink(missing_ok=True)
    forget_sum(path)


def forget_sum(path: Path) -> None:
    """Remove what is kept of a file, if there is anything."""
    place = _sum_place(path)
    if place is not None:
        place.unlink(missing_ok=True)


def damaged(path: Path, fault: BaseException | None = None) -> IntegrityError:
    """The error of a file that is not as it was written: it names the file and its folder."""
    missing = isinstance(fault, FileNotFoundError)
    return IntegrityError(
        "E-INTEGRITY-001",
        f"'{path.parent.name}/{path.name}' {'is missing' if missing else 'is damaged'};",
        "the file that its run wrote was wanted.",
        "Remove the run's folder and run again; if it comes back, look at the disk.",
    )


def file_digest(path: Path) -> str:
    """BLAKE2b-256 of a file, in hex."""
    return _digest_of(path, hashlib.blake2b(digest_size=32))


def file_sum(path: Path) -> str:
    """xxh3-128 of a file, in hex."""
    return _digest_of(path, xxhash.xxh3_128())


def _digest_of(path: Path, digest: Any) -> str:
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return str(digest.hexdigest())
