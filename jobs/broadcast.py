"""Small read-only files of a run that every task reads, handed to the nodes of a cluster by value.

Files on shared storage reach another node late: it may keep a name's absence, a size and a time for a minute
(``actimeo`` of NFS), and a file that the driver has replaced would be read as it was. The driver therefore
puts these files into Ray's object store, each once for each time it changes, and tasks read them from there;
a node fetches each once for all of its processes. Where nothing was handed, the files are read as they lie.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

#: Name, number, size and time of a file: another one when it was written anew.
Mark = tuple[str, int, int, int]

#: What is handed of a place: the marks of its files, and where the bytes of each are kept.
Handed = Mapping[str, tuple[list[Mark], Mapping[str, Any]]]


def scan(place: Path) -> list[Mark]:
    """Marks of a file, or of every finished file of a folder by name; empty if there is none."""
    try:
        with os.scandir(place) as entries:
            found = sorted((e.name, e.stat()) for e in entries if ".tmp-" not in e.name)
    except NotADirectoryError:
        found = [(place.name, place.stat())]
    except FileNotFoundError:
        return []
    return [(name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in found]


class Broadcasts:
    """The driver's side: which places are handed, and what of them was put.

    put : keeps an object for the tasks and gives what they find it by. read : the bytes of a file, verified.
    no_room : what ``put`` raises if it has no room.
    """

    def __init__(
        self,
        put: Callable[[Any], Any],
        read: Callable[[Path], bytes],
        no_room: tuple[type[Exception], ...] = (),
    ) -> None:
        self._put = put
        self._read = read
        self._no_room = no_room
        self._places: list[Path] = []
        self._handed: dict[str, tuple[list[Mark], dict[str, Any]]] = {}
        self._edition = 0
        self._catalogue: Any = None

    def add(self, places: Sequence[Path]) -> None:
        """Hand these places from the next tasks on."""
        self._places += [p for p in places if p not in self._places]

    def current(self) -> tuple[int, list[Any]]:
        """Edition and catalogue of what is handed now; what has changed since the last call is put anew.

        A file that is written while tasks of one :meth:`jobs.executor.Executor.map` run is handed to the
        tasks of the next. What the object store has no room for is left to be read from its files.
        """
        changed = False
        for place in self._places:
            marks = scan(place)
            held = self._handed.get(str(place))
            if marks == (held[0] if held else []):
                continue
            changed = True
            self._handed.pop(str(place), None)
            if marks:
                folder = place if place.is_dir() else place.parent
                kept = self._keep([folder / name for name, *_ in marks])
                if kept is not None:
                    self._handed[str(place)] = (marks, kept)
        if changed:
            self._edition += 1
            self._catalogue = self._put(dict(self._handed))
        return self._edition, [] if self._catalogue is None else [self._catalogue]

    def _keep(self, files: Sequence[Path]) -> dict[str, Any] | None:
        try:
            return {str(f): self._put(np.frombuffer(self._read(f), np.uint8)) for f in files}
        except self._no_room:
            return None


class Received:
    """A worker's side: what it was handed, and the way to get at it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._edition = 0
        self._handed: Handed = {}
        self._get: Callable[[Any], Any] | None = None

    def take(self, edition: int, catalogue: Sequence[Any], get: Callable[[Any], Any]) -> None:
        """Believe this catalogue from now on; nothing happens if it is the one already held."""
        with self._lock:
            if edition != self._edition:
                self._handed = get(catalogue[0]) if catalogue else {}
                self._get, self._edition = get, edition

    def marks(self, place: Path) -> list[Mark] | None:
        """Marks that a place had when it was handed; None if it was not."""
        with self._lock:
            held = self._handed.get(str(place))
        return None if held is None else held[0]

    def content(self, path: Path) -> memoryview | None:
        """Bytes of a file that was handed; None if it was not."""
        with self._lock:
            for place in (path, path.parent):
                held = self._handed.get(str(place))
                if held is not None and str(path) in held[1] and self._get is not None:
                    return memoryview(self._get(held[1][str(path)]))
        return None

    def mark(self, path: Path) -> Mark:
        """The mark of a file that was handed. Raises KeyError if it was not."""
        with self._lock:
            for place in (path, path.parent):
                for mark in self._handed.get(str(place), ((), {}))[0]:
                    if mark[0] == path.name:
                        return mark
        raise KeyError(str(path))


#: What this process was handed: nothing outside of Ray's workers.
RECEIVED = Received()


def marks(place: Path) -> list[Mark]:
    """Marks of a place as it was handed to this process, else as it lies."""
    handed = RECEIVED.marks(place)
    return scan(place) if handed is None else handed


def read_bytes(path: Path) -> bytes | memoryview:
    """A file as it was handed to this process, else as it lies. Raises FileNotFoundError if it is neither."""
    handed = RECEIVED.content(path)
    return path.read_bytes() if handed is None else handed
