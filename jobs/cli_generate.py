"""The command that generates a nation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from jobs.cli_commands import Console, limit_threads
from linkage.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])
_FORM = "[SOURCE=]FORM"


def _form(name: str, text: str) -> Callable[[F], F]:
    """An option of how files are written, for one source or for all, repeatable."""
    return click.option(name, multiple=True, metavar=_FORM, help=text)


@click.command()
@click.option("--people", type=click.IntRange(min=1), required=True, help="People in the nation.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--born", type=click.IntRange(1920, 2025), help="Make everybody of this birth year.")
@click.option(
    "--namesakes",
    type=click.FloatRange(0.1, 60),
    default=1.0,
    show_default=True,
    help="Multiply how often full names coincide.",
)
@click.option(
    "--errors",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Multiply every error rate.",
)
@click.option("--rate", "rates", multiple=True, metavar="KEY=VALUE", help="Set one error rate; repeatable.")
@click.option("--files", type=click.IntRange(min=1), default=1, show_default=True, help="Files a source.")
@click.option(
    "--sources",
    metavar="NAMES",
    help="Agencies, separated by commas, or all: insurance, tax, education (the default), vehicles, bank, "
    "onestop, exam.",
)
@_form("--format", "csv (the default), parquet, arrow or excel; repeatable.")
@_form("--encoding", "Of CSV: utf-8 (the default), utf-16, cp1258, tcvn3 or vni; repeatable.")
@_form("--delimiter", "Of CSV: comma, semicolon, tab or pipe; repeatable.")
@_form("--compress", "Of CSV: gzip or zstd; repeatable.")
@_form("--dates", "mixed: 30% of the dates in other formats, all of which the contract names; repeatable.")
@_form("--declare", "auto: the contract leaves encoding and delimiter to be detected; repeatable.")
@click.option(
    "--residue",
    type=click.FloatRange(0, 1),
    help="Share of records whose name stands in Telex, VNI or VIQR keystrokes or is mojibake.",
)
@click.option("--cards", is_flag=True, help="Health cards, and tax codes that are personal numbers.")
@click.option(
    "--hostile",
    is_flag=True,
    help="Residue in 0.9% of names, lost zeros in 2%, broken rows beside 0.2% of records, mixed dates.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="Threads; by default one a processor."
)
@click.option("--json", "as_json", is_flag=True, help="Results as JSON on stdout, errors as JSON on stderr.")
def generate(
    people: int,
    out: Path,
    seed: int,
    born: int | None,
    namesakes: float,
    errors: float,
    rates: tuple[str, ...],
    files: int,
    sources: str | None,
    residue: float | None,
    cards: bool,
    hostile: bool,
    threads: int | None,
    as_json: bool,
    **forms: tuple[str, ...],
) -> int:
    """Generate a nation: extracts, contracts, policies, truth and a project file that runs.

    The same parameters give the same bytes, whatever the number of threads.
    """
    console = Console(as_json=as_json)
    count = limit_threads(threads)
    from jobs.generation import generate_nation

    stamp = generate_nation(
        out,
        people,
        seed=seed,
        born=born,
        namesakes=namesakes,
        errors=errors,
        rates=read_rates(rates),
        files=files,
        sources=None if sources is None else [name.strip() for name in sources.split(",")],
        forms=[(option, text) for option, texts in forms.items() for text in texts],
        residue=residue,
        cards=cards,
        hostile=hostile,
        threads=count,
        progress=console.progress,
    )
    values = {"project": str(out / "project.toml"), "truth": str(out / "truth"), **stamp}
    lines = [f"{'made' if stamp['made'] else 'kept, it was there already'}: {out}"]
    lines += [f"  {source}: {rows:,} records" for source, rows in stamp["counts"]["records"].items()]
    lines += [f"  project {values['project']}", f"  truth   {values['truth']}"]
    console.result("generate", values, "\n".join(lines))
    return 0


def read_rates(pairs: Sequence[str]) -> dict[str, float]:
    """``KEY=VALUE`` arguments as a table; a value is a share, or a percentage with a sign."""
    found: dict[str, float] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        try:
            share = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not equals or not key or not 0 <= share <= 1:
            raise ConfigError(
                "E-USAGE-003",
                f"--rate '{pair}' came.",
                "KEY=VALUE with a value from 0 to 1, or 0% to 100%, is wanted.",
                "Write for example  --rate insurance.number_missing=0.16.",
            )
        found[key.strip()] = share
    return found
