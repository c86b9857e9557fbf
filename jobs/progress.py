"""What a person at a terminal sees while a command works: the stage, its rows, the time left.

Nothing here ever shows a value of a record. On anything but a terminal only messages are written.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from typing import TextIO

#: Seconds between two drawings of the line; faster is not read by anybody.
_REDRAW = 0.1

#: No time left is shown before this many seconds: the first rates are of cold caches.
_SETTLE = 1.0


class Progress:
    """Where a long work tells how far it is; every method may be called from any thread.

    The base class shows nothing at all, which is what a library caller wants.
    """

    def stage(self, name: str, total_rows: int | None = None) -> None:
        """A stage begins, of so many rows if that is known; the one before it has ended."""

    def advance(self, rows: int) -> None:
        """So many rows more of the present stage are done."""

    def message(self, text: str) -> None:
        """One line for the reader, kept on the screen."""

    def close(self) -> None:
        """The last stage has ended; the line is removed."""


class TerminalProgress(Progress):
    """One line on ``stream`` (stderr), rewritten in place if it is a terminal; elsewhere only messages.

    Parameters
    ----------
    live : whether the line is drawn; by default if ``stream`` is a terminal that can rewrite a line
    as_json : messages are JSON objects, one a line
    clock : seconds, monotonic
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        live: bool | None = None,
        as_json: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = stream
        self.as_json = as_json
        self.live = not as_json and (rewritable(stream) if live is None else live)
        self._clock = clock
        self._lock = threading.Lock()
        self._name = ""
        self._total: int | None = None
        self._done = 0
        self._begun = 0.0
        self._drawn = 0.0
        self._width = 0

    def stage(self, name: str, total_rows: int | None = None) -> None:
        """See :meth:`Progress.stage`."""
        with self._lock:
            self._name, self._total, self._done = name, total_rows, 0
            self._begun = self._clock()
            self._draw(self._begun)

    def advance(self, rows: int) -> None:
        """See :meth:`Progress.advance`."""
        with self._lock:
            self._done += rows
            now = self._clock()
            if now - self._drawn >= _REDRAW:
                self._draw(now)

    def message(self, text: str) -> None:
        """See :meth:`Progress.message`."""
        with self._lock:
            self._wipe()
            line = json.dumps({"message": text}, ensure_ascii=False) if self.as_json else text
            self.stream.write(line + "\n")
            self.stream.flush()
            if self._name:
                self._draw(self._clock())

    def close(self) -> None:
        """See :meth:`Progress.close`."""
        with self._lock:
            self._wipe()
            self._name = ""

    def _draw(self, now: float) -> None:
        self._drawn = now
        if not self.live:
            return
        columns = shutil.get_terminal_size().columns
        line = describe(self._name, self._done, self._total, now - self._begun)[: max(columns - 1, 0)]
        self.stream.write("\r" + line.ljust(self._width))
        self.stream.flush()
        self._width = len(line)

    def _wipe(self) -> None:
        if self.live and self._width:
            self.stream.write("\r" + " " * self._width + "\r")
            self.stream.flush()
        self._width = 0


def describe(name: str, done: int, total: int | None, seconds: float) -> str:
    """The line of a stage: name, rows, share, rows a second, time left."""
    parts = [name]
    rate = done / seconds if seconds > 0 else 0.0
    if total:
        share = min(done, total) * 100 // total
        parts.append(f"{done:,} of {total:,} rows ({share} %)")
    elif done:
        parts.append(f"{done:,} rows")
    if done and seconds >= _SETTLE:
        parts.append(f"{rate:,.0f} rows/s")
        if total and done < total:
            parts.append(f"{duration((total - done) / rate)} left")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """A time in words: ``42 s``, ``3 min 05 s``, ``2 h 04 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def rewritable(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal whose line can be rewritten."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
