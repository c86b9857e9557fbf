"""The demonstration: a nation of 200,000 people, reconciled and judged, in a folder of its own."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import click

from jobs.cli_commands import Console, limit_threads, reconcile
from linkage.errors import ConflictError, IntegrityError


@click.command()
@click.option("--people", type=click.IntRange(min=1), default=200_000, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder of the demonstration; what it made there before is kept or replaced.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="Threads; by default one a processor."
)
@click.option("--json", "as_json", is_flag=True, help="Results as JSON on stdout, errors as JSON on stderr.")
def demo(people: int, out: Path, threads: int | None, as_json: bool) -> int:
    """Generate a nation, reconcile it with the extracts of seven agencies, and say how well that went.

    Nothing is done twice: a nation and a run that are there already are kept.
    """
    console = Console(as_json=as_json)
    count = limit_threads(threads)
    nation, run, truth = out / "nation", out / "run", out / "nation" / "truth"
    seconds: dict[str, float] = {}
    from jobs.generation import generate_nation

    begun = time.monotonic()
    console.progress.message(f"1 of 3  a nation of {people:,} people -> {nation}")
    stamp = generate_nation(
        nation, people, sources=["all"], threads=count, progress=console.progress, replace=True
    )
    seconds["generate"] = _lap(console, begun, "" if stamp["made"] else "kept from before")

    begun = time.monotonic()
    console.progress.message(f"2 of 3  reconciling {nation / 'project.toml'} -> {run}")
    try:
        outcome = reconcile(console, nation / "project.toml", run, threads=threads)
    except (ConflictError, IntegrityError) as fault:
        if fault.code not in ("E-RUN-001", "E-INTEGRITY-001"):
            raise
        shutil.rmtree(run)  # of another nation or code, or damaged: the folder is the demonstration's own
        outcome = reconcile(console, nation / "project.toml", run, threads=threads)
    seconds["run"] = _lap(console, begun)

    begun = time.monotonic()
    console.progress.message(f"3 of 3  comparing with the truth in {truth}")
    from jobs.evaluation import evaluate_run
    from jobs.evaluation import render as render_figures

    figures = evaluate_run(run, truth)
    seconds["evaluate"] = _lap(console, begun)

    summary = outcome.summary()
    places = {
        "project": str(nation / "project.toml"),
        "artefacts": str(run),
        "truth": str(truth),
        **{name: str(path) for name, path in _artefacts(run).items()},
    }
    values: dict[str, Any] = {"run": summary, "figures": figures, "places": places, "seconds": seconds}
    text = (
        ""
        if as_json
        else "\n\n".join([outcome.text(), render_figures(figures).rstrip(), _where(nation, run)])
    )
    console.result("demo", values, text)
    return int(outcome.exit_code)


def _lap(console: Console, begun: float, note: str = "") -> float:
    took = round(time.monotonic() - begun, 1)
    console.progress.close()
    console.progress.message(f"        {note or f'{took} s'}")
    return took


def _artefacts(run: Path) -> dict[str, Path]:
    """What an agency and a clerk look for first, by name; feeds stand aside while a gate fails."""
    withheld = run / "withheld"
    feeds = withheld / "feeds" if (withheld / "feeds").exists() else run / "feeds"
    return {
        "receipts": run / "receipts",
        "feeds": feeds,
        "orders": feeds.parent / "orders",
        "verifications": feeds.parent / "verifications",
        "register_cases": run / "register_cases.csv",
        "review": run / "review.csv",
        "scorecard": run / "scorecard.txt",
        "decisions": run / "decisions.parquet",
        "record": run / "run.json",
    }


_SAID = {
    "receipts": "what each agency gets back at once",
    "feeds": "the corrections, a folder an agency",
    "orders": "the records to be merged, a folder an agency",
    "verifications": "the exam candidates, verified one by one",
    "register_cases": "where the register looks wrong",
    "review": "the pairs that a clerk should look at",
    "scorecard": "how correct, complete, clean and live each source is",
    "decisions": "the decisions, a row a record",
    "record": "what the run did, stage by stage",
}


def _where(nation: Path, run: Path) -> str:
    places = {"the extracts, their contracts, policies and project": nation}
    places |= {_SAID[name]: path for name, path in _artefacts(run).items()}
    width = max(map(len, places))
    return "\n".join(["Where it lies", *(f"  {said:<{width}}  {path}" for said, path in places.items())])
