"""The commands of the command line, one function each."""

from __future__ import annotations

import gc
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import click

from jobs.progress import TerminalProgress
from linkage.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

_json = click.option(
    "--json", "as_json", is_flag=True, help="Results as JSON on stdout, errors as JSON on stderr."
)
_threads = click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="Threads; by default one a processor."
)
_path = click.Path(path_type=Path)


class Size(click.ParamType[int]):
    """Bytes, as a user writes them: ``2GB``, ``1500 MiB``; at least ``least``."""

    name = "size"
    _units: ClassVar = {
        "": 1,
        **{f"{u}B": 1000 ** (n + 1) for n, u in enumerate("KMGT")},
        **{f"{u}IB": 1024 ** (n + 1) for n, u in enumerate("KMGT")},
    }

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See :class:`click.ParamType`."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]I?B)?\s*", str(value).upper())
        if found is None:
            self.fail(f"'{value}' is no size. Write it like 2GB or 1500MiB.", param, ctx)
        size = int(float(found[1]) * self._units[found[2] or ""])
        if size < self.least:
            self.fail(f"{value} is too little: at least {self.least / 1e9:g}GB are needed.", param, ctx)
        return size


class Console:
    """Where a command's results and messages go."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.progress = TerminalProgress(sys.stderr, as_json=as_json)

    def result(self, command: str, values: Mapping[str, Any], text: str | None = None) -> None:
        """Print a result: as one JSON object with its schema, or as text."""
        self.progress.close()
        if self.as_json:
            whole = {"schema": 1, "command": command, **values}
            print(json.dumps(whole, ensure_ascii=False, default=str))
        else:
            print(render(values) if text is None else text)


def processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(threads: int | None) -> int:
    """The number of threads, told to Polars and Numba, which read it when they are imported.

    NumPy's linear algebra has none of its own to wait for: starting them took 30 ms of every command.
    """
    count = threads or processors()
    for name in ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, str(count))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return count


@click.command()
@click.argument("project", type=_path)
@_json
def check(project: Path, as_json: bool) -> int:
    """Check a project: configuration, contracts and files. Nothing is written.

    PROJECT is a project file, or a folder that holds a project.toml.
    """
    console = Console(as_json=as_json)
    from jobs.project import check_project

    found = check_project(project)
    lines = [f"project {found['project']}: everything named is there and fits its contract"]
    lines += [
        f"  {source['name']}: {source['role']}, {source['format']}, {source['files']} file(s), "
        f"{source['bytes']:,} bytes, {len(source['fields'])} fields, extract of {source['extract_date']}"
        for source in found["sources"]
    ]
    lines += [f"  link {link['left']} - {link['right']}" for link in found["links"]]
    console.result("check", found, "\n".join(lines))
    return 0


@click.command()
@click.argument("project", type=_path)
@click.option("--out", type=_path, required=True, help="Folder of the run's artefacts.")
@click.option("--engine", type=click.Choice(["threads", "ray"]), default="threads", show_default=True)
@_threads
@click.option(
    "--parts", type=click.IntRange(min=1), help="Parts the records are cut into; by default by size."
)
@click.option(
    "--memory",
    type=Size(1_000_000_000),
    metavar="SIZE",
    help="Memory that all processes of the run may take together, such as 4GB; by default three quarters of "
    "the machine's. The results do not depend on it.",
)
@click.option("--model", type=_path, help="Saved model.json to use instead of training.")
@click.option("--address", help="Ray cluster to use; by default one is started on this machine.")
@click.option(
    "--accept",
    multiple=True,
    metavar="GATE",
    help="Accept a gate that fails, such as review:tax; repeatable.",
)
@click.option("--reason", metavar="TEXT", help="Why the gates are accepted; goes into run.json.")
@click.option("--plan", type=_path, help="Plan of 'linkage plan'; a stale one is refused (exit code 4).")
@_json
def run(
    project: Path,
    out: Path,
    engine: str,
    threads: int | None,
    parts: int | None,
    memory: int | None,
    model: Path | None,
    address: str | None,
    accept: tuple[str, ...],
    reason: str | None,
    plan: Path | None,
    as_json: bool,
) -> int:
    """Decide for every record of PROJECT which person of the register it is.

    A finished run of the same inputs is kept and its result given again; an interrupted one goes on. If a
    gate fails, feeds and merge orders lie under withheld/ and the exit code is 1, until every failing gate
    is accepted.
    """
    if address is not None and engine != "ray":
        raise ConfigError(
            "E-USAGE-004",
            "--address came with --engine threads.",
            "An address is one of Ray.",
            "Add --engine ray.",
        )
    console = Console(as_json=as_json)
    outcome = reconcile(
        console,
        project,
        out,
        engine=engine,
        threads=threads,
        parts=parts,
        memory=memory,
        model=model,
        address=address,
        accept=accept,
        reason=reason,
        plan=plan,
    )
    console.result("run", outcome.summary(), None if as_json else outcome.text())
    return int(outcome.exit_code)


def reconcile(
    console: Console,
    project: Path,
    out: Path,
    *,
    engine: str = "threads",
    threads: int | None = None,
    parts: int | None = None,
    memory: int | None = None,
    model: Path | None = None,
    address: str | None = None,
    accept: Sequence[str] = (),
    reason: str | None = None,
    plan: Path | None = None,
) -> Any:
    """Prepare the kernels and run a project; returns the outcome of :func:`jobs.run.run_project`."""
    count = limit_threads(threads)
    from jobs import kernel_cache

    kernel_cache.prepare()
    kernel_cache.warmup(console.progress)
    gc.disable()  # what imports leave stays: looking through it 240 times took 0.05 s
    try:
        from jobs.run import run_project

        gc.freeze()  # else the first look after it takes as long
    finally:
        gc.enable()
    try:
        return run_project(
            project / "project.toml" if project.is_dir() else project,
            out,
            engine=engine,
            threads=count,
            parts=parts,
            memory=memory,
            model=model,
            address=address,
            accept=accept,
            reason=reason,
            plan=plan,
            progress=console.progress,
        )
    finally:
        console.progress.close()
        kernel_cache.seal()


@click.command()
@click.argument("run", type=_path)
@click.option("--truth", type=_path, required=True, help="Folder of the truth.")
@click.option(
    "--share",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=1.0,
    help="Judge the records of this share of the people only: memory grows with it.",
)
@_json
def evaluate(run: Path, truth: Path, share: float, as_json: bool) -> int:
    """Compare the finished run in folder RUN with the truth."""
    console = Console(as_json=as_json)
    limit_threads(None)
    from jobs import kernel_cache

    kernel_cache.prepare()
    kernel_cache.heal()
    from jobs.evaluation import evaluate_run
    from jobs.evaluation import render as render_figures

    figures = evaluate_run(run, truth, share=share)
    kernel_cache.seal()
    console.result("evaluate", figures, None if as_json else render_figures(figures))
    return 0


@click.command()
@click.argument("kind", type=click.Choice(["project", "contract", "policy"]))
@_json
def schema(kind: str, as_json: bool) -> int:
    """Print the JSON Schema of project files, of contracts or of policies."""
    from linkage.schema import json_schema

    if kind == "project":
        from linkage.config import Project

        print(json_schema(Project, "linkage project file"))
    elif kind == "policy":
        from linkage.policy import Policy

        print(json_schema(Policy, "linkage policy"))
    else:
        from linkage.contract import Contract

        print(json_schema(Contract, "linkage contract"))
    return 0


@click.command()
@_json
def warmup(as_json: bool) -> int:
    """Compile the kernels now, once, instead of at the first run."""
    console = Console(as_json=as_json)
    limit_threads(None)
    from jobs import kernel_cache

    folder = kernel_cache.prepare()
    compiled = kernel_cache.warmup(console.progress)
    text = "kernels compiled" if compiled else "kernels were compiled already"
    console.result("warmup", {"folder": str(folder), "compiled": compiled}, f"{text}: {folder}")
    return 0


@click.command()
@_json
def version(as_json: bool) -> int:
    """Print the version; with --json also those of what results depend on."""
    from importlib.metadata import version as installed

    import linkage

    console = Console(as_json=as_json)
    libraries = ("numpy", "numba", "llvmlite", "polars", "pyarrow", "rapidfuzz", "ray")
    values = {
        "linkage": linkage.__version__,
        "python": sys.version.split()[0],
        **({name: installed(name) for name in libraries} if as_json else {}),
    }
    console.result("version", values, f"linkage {linkage.__version__}")
    return 0


def render(values: Mapping[str, Any], indent: int = 0) -> str:
    """A result as indented text: one line a value, tables of equal rows as columns."""
    pad = "  " * indent
    lines: list[str] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{pad}{key}", render(value, indent + 1)] if value else []
        elif isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
            lines += [f"{pad}{key}", _columns(value, pad + "  ")]
        elif isinstance(value, list | tuple) and sum(len(_text(entry)) for entry in value) > 60:
            lines += [f"{pad}{key}", *(f"{pad}  {_text(entry)}" for entry in value)]
        elif key.endswith("_memory") and isinstance(value, int):
            lines.append(f"{pad}{key}: {value / 2**20:,.0f} MiB")
        else:
            lines.append(f"{pad}{key}: {_text(value)}")
    return "\n".join(lines)


def _columns(rows: Sequence[Mapping[str, Any]], pad: str) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_text(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    return "\n".join(
        pad + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(entry) for entry in value) or "-"
    return str(value)
