"""The folder of compiled kernels: private, bound to exactly this code, checked, and healed.

Numba keeps what it compiles on disk and believes what it finds there: a truncated file ends the program with
an unhandled exception, and the files are pickles, so whoever can write them can run code as the reader. Hence
a folder of the user's own that nobody else can write, whose name changes with any kernel file, with Numba,
Python and the processor, and a list of SHA-256 digests that is verified before the first kernel is loaded.
What does not fit the list is removed and compiled anew.

A complete folder may also lie where nothing can be written, as in a container's image: it is verified, and
used as it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import itertools
import json
import os
import platform
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs.progress import Progress
from linkage.errors import ConfigError, LinkageError

_MANIFEST = "manifest.json"
_LOCK = "lock"
_KEEP_DAYS = 30
_KEEP_LATEST = 8
_WAIT_SECONDS = 300.0

# Settings of Numba that change the code it makes; numbers of threads are not among them, so that workers
# with other numbers share one folder.
_COMPILING = (
    "BOUNDSCHECK",
    "CPU_FEATURES",
    "CPU_NAME",
    "DEBUGINFO",
    "DISABLE_INTEL_SVML",
    "DISABLE_JIT",
    "ENABLE_AVX",
    "LOOP_VECTORIZE",
    "OPT",
    "SLP_VECTORIZE",
)

#: What only this process knows: the folder it has prepared, when it verified it, and whether it holds it.
_prepared: Path | None = None
_verified: float = 0.0
_hold = threading.RLock()
_depth = 0


@dataclass(frozen=True)
class Healing:
    """What :func:`heal` found: files that fitted, files removed, and whether every kernel is compiled."""

    kept: int
    removed: int
    complete: bool


def prepare() -> Path:
    """Choose and create the folder, and tell Numba; call before the first import of a kernel.

    ``LINKAGE_CACHE_DIR`` names another parent folder; else it is ``linkage`` in the user's cache folder, or a
    private temporary folder where that cannot be written and has nothing for this code. Cheap: hashes about
    twenty small files, once.

    Raises
    ------
    ConfigError
        ``E-CACHE-001``: the folder belongs to somebody else or can be written by others.
    """
    global _prepared  # noqa: PLW0603 - the environment of the process is global too
    if _prepared is not None and os.environ.get("NUMBA_CACHE_DIR") == str(_prepared):
        return _prepared
    name = f"kernels-{fingerprint()}"
    folder = _private(_parent(name) / name)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    numba = sys.modules.get("numba")
    if numba is not None:  # imported already: its copy of the setting is what kernels look at
        numba.config.CACHE_DIR = str(folder)
    _prepared = folder
    return folder


def fingerprint() -> str:
    """Sixteen hex digits that change with the kernels, their place, Numba, Python or the processor."""
    digest = hashlib.sha256()
    kernels = Path(__file__).resolve().parent.parent / "kernels"
    for path in sorted(kernels.glob("**/*.py")):
        digest.update(path.relative_to(kernels).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    settings = {name: os.environ.get(f"NUMBA_{name}", "") for name in _COMPILING}
    about = [
        str(kernels),
        importlib.metadata.version("numba"),
        importlib.metadata.version("llvmlite"),
        importlib.metadata.version("numpy"),
        sys.version,
        platform.machine(),
        _processor(),
        json.dumps(settings, sort_keys=True),
    ]
    digest.update("\0".join(about).encode())
    return digest.hexdigest()[:16]


def heal() -> Healing:
    """Verify every cache file against the list and remove what does not fit; a few milliseconds.

    Files that the list does not name are removed too: a process that died before it could seal them may have
    left them half-written. Numba compiles what is missing.

    Raises
    ------
    ConfigError
        ``E-CACHE-003``: the folder cannot be written, and has not every kernel undamaged.
    """
    folder = prepare()
    if not _writable(folder):
        return _as_it_is(folder)
    with _locked(folder):
        return _heal(folder)


def seal(*, complete: bool = False) -> int:
    """List the files that are there now; call at the end of a process that may have compiled kernels.

    ``complete`` says that every kernel was compiled; without it the list keeps what it said before.
    Returns the number of files listed. Nothing is written when nothing has changed; what cannot be listed
    now, for want of room, is compiled again by the next process: a run that has ended is no worse for it.
    """
    folder = prepare()
    if not _writable(folder):
        return 0
    try:
        with _locked(folder):
            return _seal(folder, complete=complete)
    except (OSError, ConfigError):
        return 0


def warmup(progress: Progress) -> int:
    """Have every kernel compiled and listed; returns how many files that added.

    One process compiles, others that come meanwhile wait for it. A complete and undamaged folder costs a
    verification only. Raises as :func:`heal`.
    """
    folder = prepare()
    if not _writable(folder):
        _as_it_is(folder)
        return 0
    with _locked(folder):
        state = _heal(folder)
        if state.removed:
            progress.message(f"{state.removed} files of the kernel cache were damaged or unknown: removed")
        if state.complete and not state.removed:
            return 0
        begun = time.monotonic()
        progress.message("compiling kernels (once)")
        progress.stage("compiling kernels (once)")
        from jobs.warmup import compile_all

        try:
            compile_all()
            added = max(0, _seal(folder, complete=True) - state.kept)
        except OSError as fault:
            raise _unusable(folder, fault) from fault
        progress.message(f"{added} kernel files compiled in {time.monotonic() - begun:.0f} s")
        return added


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _as_it_is(folder: Path) -> Healing:
    """What :func:`heal` says of a folder that cannot be written: every kernel is there, and fits."""
    listed, complete = _read_manifest(folder)
    found = {name: _digest(folder / name) for name in _files(folder)}
    if not complete or found != listed:
        raise ConfigError(
            "E-CACHE-003",
            f"the kernel cache '{folder}' cannot be written, and has not every kernel undamaged.",
            "A folder that this user can write, or one that 'linkage warmup' has filled, is wanted.",
            "Run 'linkage warmup' where it can be written, or set LINKAGE_CACHE_DIR to another folder.",
        )
    return Healing(kept=len(found), removed=0, complete=True)


def _heal(folder: Path) -> Healing:
    global _verified  # noqa: PLW0603 - as above
    _verified = time.time()
    listed, complete = _read_manifest(folder)
    kept, removed = 0, 0
    for name in _files(folder):
        if listed.get(name) == _digest(folder / name):
            kept += 1
        else:
            (folder / name).unlink(missing_ok=True)
            removed += 1
    missing = len(listed) - kept
    return Healing(kept=kept, removed=removed, complete=complete and not removed and not missing)


def _seal(folder: Path, *, complete: bool) -> int:
    before, was_complete = _read_manifest(folder)
    now: dict[str, str] = {}
    for name in _files(folder):
        path = folder / name
        digest = _digest(path)
        held = before.get(name, digest)
        # Two processes compile all kernels together; after that only this one's writing explains a change.
        written = complete or str(path) in _written()
        if digest and (digest == held or (written and path.stat().st_mtime >= _verified)):
            now[name] = digest
        else:  # it changed without having been written since it was verified
            path.unlink(missing_ok=True)
    complete = complete or (was_complete and before.keys() <= now.keys())
    if now == before and complete == was_complete:
        return len(now)
    aside = folder / f"{_MANIFEST}.{os.getpid()}.part"
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump({"schema": 1, "complete": complete, "files": now, "seal": _seal_of(now, complete)}, out)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(folder / _MANIFEST)
    _forget_old(folder.parent, folder)
    return len(now)


def _written() -> set[str]:
    """Files of the folder that this process has written."""
    kernels = sys.modules.get("kernels._jit")
    return set() if kernels is None else kernels.WRITTEN


def _read_manifest(folder: Path) -> tuple[dict[str, str], bool]:
    """The digests by file and whether all kernels are there; nothing if the list itself is damaged."""
    try:
        held = json.loads((folder / _MANIFEST).read_bytes())
        files, complete = dict(held["files"]), held["complete"] is True
    except (OSError, ValueError, KeyError, TypeError):
        return {}, False
    return (files, complete) if held.get("seal") == _seal_of(files, complete) else ({}, False)


def _seal_of(files: dict[str, str], complete: bool) -> str:
    return hashlib.sha256(json.dumps([files, complete], sort_keys=True).encode()).hexdigest()


def _files(folder: Path) -> list[str]:
    """Names from the folder on, in their order, of every file that Numba could load.

    Not the list and the lock, and not ``*.tmp.*``, which Numba writes before it renames them and never
    loads: another process may be about to. Paths and a look at each file took longer than all digests.
    """
    found, places = [], [""]
    while places:
        place = places.pop()
        with os.scandir(folder / place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    places.append(f"{place}{entry.name}/")
                elif ".tmp." in entry.name or entry.name.endswith(".part"):
                    continue
                elif entry.is_symlink() or entry.is_file():
                    found.append(f"{place}{entry.name}")
    return sorted({*found} - {_MANIFEST, _LOCK})


def _digest(path: Path) -> str:
    """SHA-256 of a regular file; empty, which fits nothing, for what is gone or is a link."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb", buffering=0) as stream:
            return hashlib.sha256(stream.readall()).hexdigest()
    except OSError:
        return ""


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder alone, again and again within one thread.

    The lock dies with its process, so a killed one blocks nobody.
    """
    global _depth  # noqa: PLW0603 - as above
    with _hold:
        handle = None
        if _depth == 0:
            try:
                handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as fault:
                raise _unusable(folder, fault) from fault
        _depth += 1
        try:
            if handle is not None:
                _acquire(handle, folder)
                os.utime(handle)  # the day of its last use
            yield
        finally:
            _depth -= 1
            if handle is not None:
                os.close(handle)


def _acquire(handle: int, folder: Path) -> None:
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise LinkageError(
                    "E-CACHE-002",
                    f"another process has held the kernel cache '{folder}' for {_WAIT_SECONDS:.0f} s.",
                    "Compiling takes well under a minute.",
                    "End that process, or set LINKAGE_CACHE_DIR to another folder.",
                ) from None
            time.sleep(0.05)
        except OSError:  # a file system without locks: go on unlocked, at worst kernels are compiled twice
            return
        else:
            return


def _parent(name: str) -> Path:
    """The folder that holds the folders of all versions; that of this code is ``name``."""
    stated = os.environ.get("LINKAGE_CACHE_DIR")
    if stated:
        return _private(Path(stated).absolute())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "")
    try:
        cache = cache if cache.is_absolute() else Path.home() / ".cache"  # the standard ignores relative ones
        parent = cache / "linkage"
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _writable(parent) or (parent / name).is_dir():
            return _private(parent)
    except (OSError, RuntimeError):  # no home, or one that cannot be written: a service's account
        pass
    return _private(Path(tempfile.gettempdir()) / f"linkage-{os.geteuid()}")


def _private(folder: Path) -> Path:
    """``folder``, created if need be, once it is certain that only this user, or root, can write to it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.lstat()
    except OSError as fault:
        raise _unusable(folder, fault) from fault
    wrong = ""
    if not stat.S_ISDIR(state.st_mode):
        wrong = "is a link or no folder"
    elif state.st_uid not in (os.geteuid(), 0):
        wrong = "belongs to another user"
    elif state.st_mode & 0o022:
        wrong = "can be written by others"
    if wrong:
        raise ConfigError(
            "E-CACHE-001",
            f"the kernel cache '{folder}' {wrong}.",
            "Compiled kernels are code: the folder must be this user's or root's alone.",
            "Remove it, run chmod 700 on it, or set LINKAGE_CACHE_DIR to another folder.",
        )
    return folder


def _unusable(folder: Path, fault: OSError) -> ConfigError:
    return ConfigError(
        "E-CACHE-003",
        f"the kernel cache '{folder}' cannot be made or written: {fault.strerror}.",
        "A folder that this user can write, on a disk with room for 20 MB, is wanted.",
        "Make room, or set LINKAGE_CACHE_DIR to one; the cache itself may be removed at any time.",
    )


def _processor() -> str:
    """What the processor says of itself; Numba compiles for exactly that."""
    try:
        with Path("/proc/cpuinfo").open() as lines:
            one = itertools.takewhile(str.strip, lines)  # the first of many alike
            first = [line for line in one if line.startswith(("model name", "flags", "Features"))]
    except OSError:
        return platform.processor()
    return "".join(first)


def _forget_old(parent: Path, present: Path) -> None:
    """Remove folders of other versions: unused for a month, or for a day and not among the eight latest."""
    used: list[tuple[float, Path]] = []
    for folder in parent.glob("kernels-*"):
        with contextlib.suppress(OSError):
            if folder != present and not folder.is_symlink():
                used.append(((folder / _LOCK).stat().st_mtime, folder))
    now = time.time()
    for rank, (moment, folder) in enumerate(sorted(used, reverse=True)):
        days = (now - moment) / 86400
        if days > _KEEP_DAYS or (days > 1 and rank >= _KEEP_LATEST):
            shutil.rmtree(folder, ignore_errors=True)
