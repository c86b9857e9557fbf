"""Files that nobody needs any more, removed beside the work that goes on: gigabytes take seconds."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from jobs.files import SUMS, forget_sum, make_folder

#: Folder under the work folder where what is removed lies until it is gone.
REMOVED = "removed"

#: Calls whose files may still be there when the next ones come.
_WAITING = 2


class Removal:
    """Removes files and folders of a work folder: they are renamed at once, so that their names are free, and
    unlinked by a thread. What a stopped process has left goes when the next one begins.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self.place = work / REMOVED
        shutil.rmtree(self.place, ignore_errors=True)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="linkage-remove")
        self._waiting: list[Future[None]] = []
        self._calls = 0

    def remove(self, places: Iterable[Path]) -> None:
        """Remove files and folders of the work folder, and what is kept of them. OSError if they resist."""
        aside: Path | None = None
        for number, place in enumerate(places):
            if aside is None:
                self._calls += 1
                aside = make_folder(self.place / str(self._calls))
            if place.is_dir():
                sums = self.work / SUMS / place.relative_to(self.work)
                if sums.is_dir():
                    sums.replace(aside / f"{number}.sums")
            else:
                forget_sum(place)
            place.replace(aside / str(number))
        if aside is None:
            return
        while len(self._waiting) >= _WAITING:
            self._waiting.pop(0).result()
        self._waiting.append(self._thread.submit(shutil.rmtree, aside, ignore_errors=True))

    def close(self) -> None:
        """Wait until everything is gone."""
        self._thread.shutdown()
        shutil.rmtree(self.place, ignore_errors=True)
