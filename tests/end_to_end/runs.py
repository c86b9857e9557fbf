"""What the tests of whole runs share: running, digests of what was decided, and inputs in another form."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from jobs import kernel_cache
from jobs.gates import orders_path
from jobs.run import run_project
from jobs.store import read_parquet
from linkage.tables import ARTEFACTS
from tests.end_to_end.balance import assert_balanced
from tests.table_digests import logical_digest

ROOT = Path(__file__).resolve().parents[2]

#: Everything that a run decides.
DECIDED = ("decisions", "entities", "duplicates", "pairs", "links", "review", "repairs", "subgroups")


def run(nation, out, **options):
    """A run of a nation's project, which must balance; its outcome."""
    outcome = run_project(Path(nation) / "project.toml", Path(out), **{"threads": 2, **options})
    assert_balanced(out)
    return outcome


def digests(folder):
    """Digest of every artefact of a run by what it says, and the model's own bytes."""
    places = {n: folder / f"{n}.parquet" for n in DECIDED} | {"duplicates": orders_path(folder)}
    found = {n: logical_digest(read_parquet(places[n]), ARTEFACTS[n].sorted_by) for n in DECIDED}
    return found | {"model": (folder / "model.json").read_bytes()}


def command(*arguments):
    """The program as a user starts it, with what it needs to find its own code."""
    kernel_cache.seal()
    return [sys.executable, "-m", "jobs.cli", *map(str, arguments)]


def environment(**settings):
    """The environment of a subprocess: ours, its modules findable, and the given settings."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **settings}


def call(*arguments, **settings):
    """Run the program to its end; a run that it finishes must balance."""
    ended = subprocess.run(
        command(*arguments), env=environment(**settings), capture_output=True, text=True, timeout=300
    )
    if arguments[0] == "run" and ended.returncode in (0, 1):
        assert_balanced(arguments[arguments.index("--out") + 1])
    return ended


def copy_nation(nation, to):
    """A copy of a nation's inputs without its truth."""
    return Path(shutil.copytree(nation, to, ignore=shutil.ignore_patterns("truth")))


def shuffle(nation, seed):
    """Bring the rows of every file of a nation into another order."""
    random = np.random.default_rng(seed)
    for path in sorted(nation.glob("*.parquet")):
        table = pq.read_table(path)
        pq.write_table(table.take(random.permutation(table.num_rows)), path)
    for path in sorted(nation.glob("*.csv")):
        head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text(head + "".join(random.permutation(rows)), encoding="utf-8")


def split(nation, pieces):
    """Cut every source's file into several, each with its header, and name them by a pattern."""
    project = nation / "project.toml"
    text = project.read_text(encoding="utf-8")
    for path in sorted(nation.glob("*.parquet")):
        if f'"{path.name}"' not in text:
            continue
        table = pq.read_table(path)
        cuts = [table.num_rows * i // pieces for i in range(pieces + 1)]
        for i in range(pieces):
            pq.write_table(
                table.slice(cuts[i], cuts[i + 1] - cuts[i]), path.with_name(f"{path.stem}-{i}.parquet")
            )
        path.unlink()
        text = text.replace(f'"{path.name}"', f'"{path.stem}-*.parquet"')
    for path in sorted(nation.glob("*.csv")):
        head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        cuts = [len(rows) * i // pieces for i in range(pieces + 1)]
        for i in range(pieces):
            piece = path.with_name(f"{path.stem}-{i}.csv")
            piece.write_text(head + "".join(rows[cuts[i] : cuts[i + 1]]), encoding="utf-8")
        path.unlink()
        text = text.replace(f'"{path.name}"', f'"{path.stem}-*.csv"')
    project.write_text(text, encoding="utf-8")
