"""``linkage profile``: where the time of a run went."""

from __future__ import annotations

from pathlib import Path

import click

from jobs.cli_commands import Console


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Results as JSON on stdout, errors as JSON on stderr.")
def profile(run: Path, as_json: bool) -> int:
    """Say where the time of the run in folder RUN went, by stage and task; it may still be under way.

    Seconds of tasks are of the threads or workers that ran them, rows and pairs a second likewise: those of
    one processor.
    """
    from jobs.run_profile import profile_run, profile_text

    found = profile_run(run)
    Console(as_json=as_json).result("profile", found, profile_text(found))
    return 0
