"""The command that says beforehand what a run will do and cost."""

from __future__ import annotations

from pathlib import Path

import click

from jobs.cli_commands import Console, limit_threads


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File to write the plan to, for 'run --plan'.")
@click.option(
    "--sample",
    type=click.IntRange(min=1_000),
    default=150_000,
    show_default=True,
    help="Rows read of the register, and of all agencies together.",
)
@click.option("--model", type=click.Path(path_type=Path), help="Saved model.json that the run will use.")
@click.option(
    "--run",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder the run will have; its disk is looked at.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=None,
    help="Threads of the run; by default one a processor.",
)
@click.option("--json", "as_json", is_flag=True, help="Results as JSON on stdout, errors as JSON on stderr.")
def plan(
    project: Path,
    out: Path | None,
    sample: int,
    model: Path | None,
    folder: Path | None,
    threads: int | None,
    as_json: bool,
) -> int:
    """Say what a run of PROJECT will do and cost: rows, pairs by rule, refinement, time, memory, disk.

    Reads a sample of the files; decides nothing and keeps nothing but the plan.
    """
    console = Console(as_json=as_json)
    count = limit_threads(threads)
    from jobs import kernel_cache

    kernel_cache.prepare()
    kernel_cache.heal()
    from jobs.plan_record import render
    from jobs.planning import make_plan
    from jobs.store import make_folder, write_json

    made = make_plan(
        project / "project.toml" if project.is_dir() else project,
        sample=sample,
        threads=count,
        model=model,
        folder=folder,
    )
    kernel_cache.seal()
    if out is not None:
        make_folder(out.resolve().parent)
        write_json(out.resolve(), made)
    console.result("plan", made, None if as_json else render(made))
    return 0
