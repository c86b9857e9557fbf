"""The attempts of a run: how long each took and the most memory it held, and what it was given.

    work/attempts.json   of each attempt, the present one last: its ``seconds`` so far, its ``peak_memory``

It is written when stages end, and at most every few seconds when tasks do: a killed attempt is known up to
then. Nothing of a run's results rests on it: one that cannot be read says that nothing is known.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jobs.files import aside
from linkage.errors import LinkageError

NAME = "attempts.json"

#: Seconds between two writings while a stage goes on.
EVERY = 5.0


class Attempts:
    """The attempts of the run in the folder ``work``; making one begins another.

    began : when it began by ``clock``, now if it is not given
    """

    def __init__(
        self, work: Path, *, began: float | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.path = work / NAME
        self._clock = clock
        self._began = clock() if began is None else began
        self._earlier = _held(self.path)
        self._peak = 0
        self._written = self._began
        self.note(0, now=True)

    def note(self, peak: int, *, now: bool = False) -> None:
        """The processes have held ``peak`` bytes at most; write it if the time has come, or ``now``.

        Nothing that goes wrong here ends a run.
        """
        self._peak = max(self._peak, peak)
        at = self._clock()
        if not now and at - self._written < EVERY:
            return
        self._written = at
        told = [*self._earlier, {"seconds": round(at - self._began, 3), "peak_memory": self._peak}]
        with contextlib.suppress(OSError, LinkageError), aside(self.path, digests=False) as out:
            out.write(json.dumps(told).encode())

    def figures(self) -> dict[str, Any]:
        """Of all attempts: how many (``attempts``), their ``seconds``, the greatest ``peak_memory``."""
        seconds = self._clock() - self._began + sum(one["seconds"] for one in self._earlier)
        peak = max(self._peak, *(one["peak_memory"] for one in self._earlier), 0)
        return {"attempts": len(self._earlier) + 1, "seconds": round(seconds, 3), "peak_memory": peak}


def _held(path: Path) -> list[dict[str, Any]]:
    """What earlier attempts have left, nothing if it is not as they wrote it."""
    try:
        held = json.loads(path.read_bytes())
        return [{"seconds": float(one["seconds"]), "peak_memory": int(one["peak_memory"])} for one in held]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def other_cut(begun: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """One line for who takes up a run with something else than it began with; None if all is the same.

    begun, asked : ``memory`` (bytes), ``threads``, ``engine``, ``parts`` of the first attempt and of this one
    """
    differ = [name for name in asked if asked[name] != begun.get(name)]
    if not differ:
        return None
    before, now = (" ".join(_option(name, held.get(name)) for name in differ) for held in (begun, asked))
    return (
        f"the run goes on as it was cut when it began, with {before}: {now} makes no part or task of it "
        "smaller or larger; for that, begin anew in another --out"
    )


def _option(name: str, value: Any) -> str:
    if value is None:
        return f"no --{name}"
    return f"--{name} {value / 1e9:.4g}GB" if name == "memory" else f"--{name} {value}"
