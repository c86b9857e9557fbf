"""What a node of a cluster must share with the driver: the code, the libraries, and the work folder."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs import kernel_cache
from jobs.files import discard, make_folder, write_bytes
from jobs.progress import Progress
from linkage.errors import LinkageError

#: Libraries whose version may change a result or the form of a file.
LIBRARIES = ("numpy", "numba", "llvmlite", "polars", "pyarrow", "rapidfuzz", "msgspec", "xxhash", "ray")

#: Folder of the work folder that nodes prove themselves in.
FOLDER = "nodes"


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and the libraries, and a digest of every module of this program."""
    digest = hashlib.blake2b(digest_size=8)
    root = Path(__file__).resolve().parent.parent
    for package in ("data", "jobs", "kernels", "linkage"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "none"
    return found | {"linkage": digest.hexdigest()}


@dataclass(frozen=True)
class Standing:
    """What the driver expects of a node.

    work : the work folder. nonce : a word of this driver alone, which a file there holds and is named by.
    cache : parent of the folders of compiled kernels, by the user's own wish; None for the node's own disk.
    """

    versions: Mapping[str, str]
    work: str
    nonce: str
    cache: str | None

    def file(self, name: str) -> Path:
        """Where a file of this driver's proof lies: no other driver ever writes it."""
        return Path(self.work) / FOLDER / f"{self.nonce}.{name}"


def expect(work: Path) -> Standing:
    """What this process expects of the nodes of a cluster; writes the files that they must find."""
    standing = Standing(versions(), str(work), secrets.token_hex(8), os.environ.get("LINKAGE_CACHE_DIR"))
    make_folder(work / FOLDER)
    for name in ("driver", "turn"):
        write_bytes(standing.file(name), standing.nonce.encode())
    return standing


def dismiss(standing: Standing) -> None:
    """Remove what :func:`expect` and the nodes wrote."""
    for path in sorted((Path(standing.work) / FOLDER).glob(f"{standing.nonce}.*")):
        discard(path)


def join(standing: Standing) -> None:
    """Make this process fit to run tasks; once a process, before its first.

    Raises LinkageError ``E-RAY-005`` if its program is another, ``E-RAY-004`` if it does not see the work
    folder. Compiled kernels come to lie on the node's own disk, in a folder that is this user's alone; the
    first process of a node compiles them, others wait for it.
    """
    check_versions(standing.versions, versions())
    check_file(standing, "driver", standing.nonce)
    os.environ["LINKAGE_CACHE_DIR"] = standing.cache or f"{tempfile.gettempdir()}/linkage-{os.geteuid()}"
    kernel_cache.prepare()
    kernel_cache.warmup(Progress())


def introduce(standing: Standing, name: str) -> dict[str, str]:
    """First round of the proof, on each node: look at everything, and write a file of the node's own.

    The folder's list and the file that the driver is about to replace are looked at, so that a node that
    keeps what it has once seen is found out by :func:`recognise`. Gives the node's versions.

    Raises LinkageError ``E-RAY-006`` if the node was started without token authentication: its processes
    then let anybody in, whatever the driver sends.
    """
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        raise LinkageError(
            "E-RAY-006",
            "The cluster was started without token authentication.",
            "RAY_AUTH_MODE=token on every node was wanted: else whoever reaches a port reads the records.",
            "Start the cluster anew with RAY_AUTH_MODE=token and a token (docs/cluster.md).",
        )
    check_file(standing, "driver", standing.nonce)
    check_file(standing, "turn", standing.nonce)
    try:
        _names(standing)
        write_bytes(standing.file(name), name.encode())
    except OSError as fault:
        raise not_shared(fault.strerror or type(fault).__name__) from None
    return versions()


def turn(standing: Standing) -> None:
    """Replace a file that every node has looked at."""
    write_bytes(standing.file("turn"), b"over")


def recognise(standing: Standing, names: Sequence[str]) -> dict[str, str]:
    """Second round, on each node: what the driver and the other nodes wrote must be there at once."""
    try:
        listed = _names(standing)
    except OSError as fault:
        raise not_shared(fault.strerror or type(fault).__name__) from None
    for name in names:
        if standing.file(name).name not in listed:
            raise not_shared("it does not list a file that another node wrote")
        check_file(standing, name, name)
    check_file(standing, "turn", "over")
    return {}


def _names(standing: Standing) -> set[str]:
    with os.scandir(Path(standing.work) / FOLDER) as entries:
        return {e.name for e in entries}


def check_versions(wanted: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raise LinkageError ``E-RAY-005`` naming what differs."""
    other = [f"{n} {found.get(n, 'none')} (driver: {wanted[n]})" for n in wanted if found.get(n) != wanted[n]]
    if other:
        raise other_program(", ".join(other))


def other_program(what: str) -> LinkageError:
    """The error of a node whose program is not the driver's."""
    return LinkageError(
        "E-RAY-005",
        f"A node of the cluster has another program than the driver: {what}.",
        "The same program, Python and libraries are wanted on every node.",
        "Start every node from the same image or environment, and give the command again.",
    )


def check_file(standing: Standing, name: str, text: str) -> None:
    """Raise LinkageError ``E-RAY-004`` unless a file of the proof says ``text``."""
    try:
        found = standing.file(name).read_text()
    except OSError as fault:
        raise not_shared(fault.strerror or type(fault).__name__) from None
    if found != text:
        raise not_shared("a file that was replaced is still seen as it was")


def not_shared(fault: str) -> LinkageError:
    """The error of a node that does not see the work folder as the driver does."""
    return LinkageError(
        "E-RAY-004",
        f"A node of the cluster does not share the run's work folder ({fault[:1].lower()}{fault[1:]}).",
        "One folder that every node mounts at the same place, as the same user, and sees at once was wanted.",
        "Choose --out on shared storage; mount NFS with lookupcache=none,actimeo=0 (docs/cluster.md).",
    )
