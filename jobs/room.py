"""Room on the disk: what a run will want, looked at before it starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.progress import Progress, size
from jobs.project import LoadedProject, check_plan
from jobs.workload import declared_work, stages_of
from linkage import costs
from linkage.errors import LinkageError

#: Bytes of a record in a file, on the large side, by how the file begins. Of generated extracts of 9 to 13
#: fields gzip took 29 to 38, zstd 31 to 42; the others are guessed.
_BYTES = ((b"\x1f\x8b", 45), (b"\x28\xb5\x2f\xfd", 50), (b"PK\x03\x04", 75), (b"ARROW1", 140))

#: Bytes at the beginning of a text whose lines say how long one is.
_HEAD = 1 << 18

#: A run that has less room than this part of the estimate is not begun: the estimate may be wrong that much.
_CERTAIN = 0.75


def count_records(path: Path, bytes_: int) -> int:
    """About how many records a file has; a Parquet file says it, of what is packed rather too few."""
    with path.open("rb") as stream:
        start = stream.read(_HEAD)
    if start.startswith(b"PAR1"):
        try:
            return int(pq.read_metadata(path).num_rows)
        except (pa.ArrowException, OSError):
            return 0  # what is wrong with it is the intake's to say
    for magic, each in _BYTES:
        if start.startswith(magic):
            return bytes_ // each
    return start.count(b"\n") * bytes_ // max(1, len(start))


def wanted_room(loaded: LoadedProject) -> int:
    """About how many bytes a run's folder has at its fullest, by the records of the project's files."""
    rows = {
        source.name: float(sum(count_records(file.path, file.size) for file in loaded.files[source.name]))
        for source in loaded.project.sources
    }
    _, rules, _ = check_plan(loaded)
    work = declared_work(loaded, rows, sum(not rule.near for rule in rules))
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
