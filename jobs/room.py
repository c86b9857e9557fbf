"""Room on the disk: what a run will want, looked at before it starts."""

from __future__ import annotations

import shutil
from pathlib import Path

from jobs.progress import Progress, size
from jobs.project import LoadedProject, check_plan
from jobs.workload import declared_work, foresee_files, stages_of
from linkage import costs
from linkage.errors import LinkageError

#: A run that has less room than this part of the estimate is not begun: the estimate may be wrong that much.
_CERTAIN = 0.75


def wanted_room(loaded: LoadedProject, share: int | None = None) -> int:
    """About how many bytes a run's folder has at its fullest, by the records of the project's files.

    share : bytes that a task may take, if that is known
    """
    files = foresee_files(loaded, share)
    rows = {name: float(sum(file.records for file in many)) for name, many in files.items()}
    _, rules, _ = check_plan(loaded)
    work = declared_work(loaded, rows, sum(not rule.near for rule in rules), files)
    return costs.disk(work, stages_of(loaded))["fullest"]


def check_room(folder: Path, wanted: int, held: int, progress: Progress, *, resumed: bool = False) -> None:
    """Raise LinkageError ``E-DISK-002`` if a run will not find the room that it wants; warn if it is scarce.

    folder : of the run;  wanted : bytes at its fullest;  held : bytes that it has already
    resumed : it goes on, perhaps behind its fullest: then it is warned of only, and stopped when a file finds
              no room
    """
    free = shutil.disk_usage(folder).free
    missing = wanted - held - free
    if missing <= 0:
        return
    if resumed or free >= _CERTAIN * (wanted - held):
        progress.message(
            f"warning: the disk is scarce: about {size(wanted - held)} are wanted and {size(free)} are free"
        )
        return
    raise LinkageError(
        "E-DISK-002",
        f"The run wants about {size(wanted - held)} on the disk of '{folder.name}'; {size(free)} are free;",
        f"about {size(missing)} more were wanted.",
        "Make room, or give --out a folder on a larger disk; the inputs may stay where they are.",
    )
