"""What a person at a terminal sees while a command works: the stage, its rows, the time left.

Nothing here ever shows a value of a record. A terminal's last line is rewritten; into a file goes a line when
a long stage ends, and one a minute while it goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

#: Seconds between two drawings of the line; faster is not read by anybody.
_REDRAW = 0.1

#: No time left is shown before this many seconds, and this share of what is to be done: the first rates are
#: of cold caches, and of processes that yet begin.
_SETTLE = 1.0
_LEAST = 0.02

#: Seconds between two lines about one stage where no line is rewritten.
_LOG = 60.0

#: A stage that took fewer seconds leaves no line.
_LONG = 10.0


class Progress:
    """Where a long work tells how far it is; every method may be called from any thread.

    The base class shows nothing at all, which is what a library caller wants.
    """

    def stage(self, name: str, total: int | None = None, *, what: str = "rows") -> None:
        """A stage begins, of so many rows, or ``what``, if that is known; the one before it has ended."""

    def tasks(self, count: int) -> None:
        """The present stage begins a round of so many tasks."""

    def advance(
        self, rows: int, *, pairs: int = 0, written: int = 0, tasks: int = 0, kept: bool = False
    ) -> None:
        """So many rows more, or whatever the stage counts, are done, with pairs, bytes written and tasks.

        ``kept`` : an earlier attempt did them, and they say nothing of how long the rest takes.
        """

    def message(self, text: str) -> None:
        """One line for the reader, kept on the screen."""

    def close(self) -> None:
        """The last stage has ended; the line is removed."""


@dataclass
class Reach:
    """How far a stage is: rows, pairs, bytes written and tasks done; what earlier attempts did of them.

    ``rows`` and their ``total`` are of the whole stage, and of something else than rows if ``what`` says so.
    ``round_tasks`` and ``round_done`` are of the present round of tasks, ``round_at`` the stage's seconds
    when it began; ``counted_at`` those when the first round began that did any rows.
    """

    name: str
    total: int | None = None
    what: str = "rows"
    rows: int = 0
    kept_rows: int = 0
    pairs: int = 0
    written: int = 0
    tasks: int = 0
    round_tasks: int = 0
    round_done: int = 0
    round_at: float = 0.0
    counted_at: float | None = None

    def advance(
        self, rows: int, *, pairs: int = 0, written: int = 0, tasks: int = 0, kept: bool = False
    ) -> None:
        """So much more is done, see :meth:`Progress.advance`."""
        self.rows += rows
        self.pairs += pairs
        self.written += written
        self.tasks += tasks
        self.round_done += tasks
        if kept:
            self.kept_rows += rows
        elif rows and self.counted_at is None:
            self.counted_at = self.round_at

    def left(self, seconds: float) -> float | None:
        """Seconds left of the stage, at its rate so far; None: unknown, as where its total is reached.

        Tasks say nothing of it: how many further rounds have is not known. Nor do rounds that do no rows:
        before candidates are matched, a third of the time goes into what settles records.
        """
        done = self.rows - self.kept_rows
        if seconds < _SETTLE or not self.total or self.rows >= self.total:
            return None
        if done <= 0 or done < _LEAST * (self.total - self.kept_rows):
            return None
        return (self.total - self.rows) * (seconds - (self.counted_at or 0.0)) / done

    def figures(self, seconds: float) -> dict[str, Any]:
        """The same as numbers, those that are known."""
        left = self.left(seconds)
        told: dict[str, Any] = {"stage": self.name, "seconds": round(seconds, 1)}
        told |= {self.what: self.rows} if self.rows or self.total else {}
        told |= {f"total_{self.what}": self.total} if self.total else {}
        named = {
            "pairs": self.pairs,
            "bytes_out": self.written,
            "tasks": self.tasks,
            "of_round": self.round_tasks,
        }
        told |= {name: value for name, value in named.items() if value}
        return told if left is None else told | {"seconds_left": round(left)}


class TerminalProgress(Progress):
    """One line on ``stream`` (stderr), rewritten in place if it is a terminal; elsewhere a line now and then.

    Parameters
    ----------
    live : whether the line is drawn; by default if ``stream`` is a terminal that can rewrite a line
    as_json : lines are JSON objects: ``{"message": text}`` and ``{"progress": {...}}``
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
        self._reach = Reach("")
        self._begun = 0.0
        self._drawn = 0.0
        self._width = 0

    def stage(self, name: str, total: int | None = None, *, what: str = "rows") -> None:
        """See :meth:`Progress.stage`."""
        with self._lock:
            self._end()
            self._reach = Reach(name, total, what)
            self._begun = self._clock()
            self._draw(self._begun)

    def tasks(self, count: int) -> None:
        """See :meth:`Progress.tasks`."""
        with self._lock:
            self._reach.round_tasks, self._reach.round_done = count, 0
            self._reach.round_at = self._clock() - self._begun

    def advance(
        self, rows: int, *, pairs: int = 0, written: int = 0, tasks: int = 0, kept: bool = False
    ) -> None:
        """See :meth:`Progress.advance`."""
        with self._lock:
            self._reach.advance(rows, pairs=pairs, written=written, tasks=tasks, kept=kept)
            now = self._clock()
            if now - self._drawn >= (_REDRAW if self.live else _LOG):
                self._draw(now)

    def message(self, text: str) -> None:
        """See :meth:`Progress.message`."""
        with self._lock:
            self._wipe()
            self._line(json.dumps({"message": text}, ensure_ascii=False) if self.as_json else text)
            if self._reach.name and self.live:
                self._draw(self._clock())

    def close(self) -> None:
        """See :meth:`Progress.close`."""
        with self._lock:
            self._end()
            self._wipe()
            self._reach = Reach("")

    def _end(self) -> None:
        """Leave a line about the stage that ends, if it was a long one."""
        seconds = self._clock() - self._begun
        if self._reach.name and seconds >= _LONG:
            self._wipe()
            if self.as_json:
                self._tell(seconds, "done")
            else:
                self._line(f"{describe(self._reach, seconds, ended=True)}  done in {duration(seconds)}")

    def _draw(self, now: float) -> None:
        self._drawn = now
        seconds = now - self._begun
        if not self.live:
            if seconds >= _LOG:
                self._tell(seconds, "under way")
            return
        columns = shutil.get_terminal_size().columns
        line = describe(self._reach, seconds)[: max(columns - 1, 0)]
        self._write("\r" + line.ljust(self._width))
        self._width = len(line)

    def _tell(self, seconds: float, status: str) -> None:
        if self.as_json:
            self._line(json.dumps({"progress": {**self._reach.figures(seconds), "status": status}}))
        else:
            self._line(describe(self._reach, seconds))

    def _line(self, text: str) -> None:
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        """A run goes on though nobody reads of it any more."""
        with contextlib.suppress(OSError):
            self.stream.write(text)
            self.stream.flush()

    def _wipe(self) -> None:
        if self.live and self._width:
            self._write("\r" + " " * self._width + "\r")
        self._width = 0


def describe(reach: Reach, seconds: float, *, ended: bool = False) -> str:
    """The line of a stage: name, rows, share, time left, tasks of the round, pairs, bytes, rows a second.

    What matters most stands first: a terminal cuts the line off.
    """
    parts = [reach.name]
    if reach.total and not ended and (reach.rows or not reach.tasks):
        done = min(reach.rows, reach.total)
        parts.append(f"{done:,} of {reach.total:,} {reach.what} ({done * 100 // reach.total} %)")
    elif reach.rows:
        parts.append(f"{reach.rows:,} {reach.what}")
    left = None if ended else reach.left(seconds)
    if left:
        parts.append(f"{duration(left)} left")
    if reach.round_tasks > 1 and not ended:
        parts.append(f"{reach.round_done} of {reach.round_tasks} tasks")
    elif reach.tasks > 1 and ended:
        parts.append(f"{reach.tasks} tasks")
    if reach.pairs:
        parts.append(f"{reach.pairs:,} pairs")
    if reach.written:
        parts.append(size(reach.written))
    fresh = reach.rows - reach.kept_rows
    if fresh and seconds >= _SETTLE:
        parts.append(f"{fresh / seconds:,.0f} {reach.what}/s")
    return "  ".join(parts)


def size(count: int) -> str:
    """Bytes in words: ``999 B``, ``1.2 kB``, ``34 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            return f"{value:.0f} {unit}" if value >= 9.95 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


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
