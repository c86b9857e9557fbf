"""A generated nation on disk: made aside, renamed when it is whole, and never made twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import data
import linkage
from jobs.progress import Progress
from linkage.errors import ConfigError, ConflictError

_STAMP = "generated.json"


def generate_nation(
    out: Path,
    people: int,
    *,
    seed: int = 1,
    born: int | None = None,
    namesakes: float = 1.0,
    errors: float = 1.0,
    rates: Mapping[str, float] | None = None,
    files: int = 1,
    sources: Sequence[str] | None = None,
    forms: Sequence[tuple[str, str]] = (),
    residue: float | None = None,
    cards: bool = False,
    hostile: bool = False,
    threads: int = 1,
    progress: Progress | None = None,
    replace: bool = False,
) -> dict[str, Any]:
    """Generate a nation into ``out`` and return its stamp: parameters, counts, and ``made``.

    A folder that already holds the nation of exactly these parameters and this code is kept (``made`` is
    False). ``errors`` multiplies every error rate; ``hostile`` and ``residue`` then set theirs in every
    agency, ``rates`` single ones. ``sources`` are names of agencies, or ``all``. ``forms`` are pairs such as
    ``("encoding", "insurance=tcvn3")``. ``threads`` changes no byte of the result and is not part of the
    stamp.

    Raises
    ------
    ConflictError
        ``E-OUTPUT-001``: ``out`` holds something else and ``replace`` is not set.
    ConfigError
        ``E-USAGE-002``: the generator refused a parameter.
    """
    wanted: dict[str, Any] = {
        "schema": 1,
        "people": people,
        "seed": seed,
        "born": born,
        "namesakes": namesakes,
        "errors": errors,
        "rates": dict(sorted((rates or {}).items())),
        "files": files,
        "sources": None if sources is None else list(sources),
        "forms": [list(pair) for pair in forms],
        "residue": residue,
        "cards": cards,
        "hostile": hostile,
        "version": linkage.__version__,
        "generator": _generator_digest(),
    }
    held = read_stamp(out)
    if held is not None and held.get("parameters") == wanted:
        return {**held, "made": False}
    if out.exists() and not replace and (not out.is_dir() or any(out.iterdir())):
        raise ConflictError(
            "E-OUTPUT-001",
            f"'{out}' already holds something else.",
            "A folder that is new, empty, or holds this very nation is wanted.",
            "Choose another --out, or remove the folder.",
        )
    aside = out.absolute().parent / f".{out.absolute().name}.{os.getpid()}.part"
    aside.mkdir(mode=0o700, parents=True)
    try:
        counts = _generate(aside, wanted, threads, progress or Progress())
        stamp = {"parameters": wanted, "counts": counts}
        (aside / _STAMP).write_text(json.dumps(stamp, indent=2) + "\n")
        if out.exists():
            shutil.rmtree(out)
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return {**stamp, "made": True}


def read_stamp(folder: Path) -> dict[str, Any] | None:
    """The stamp of a finished nation, or None."""
    try:
        held = json.loads((folder / _STAMP).read_text())
    except (OSError, ValueError):
        return None
    return held if isinstance(held, dict) else None


def _generate(folder: Path, wanted: Mapping[str, Any], threads: int, progress: Progress) -> dict[str, Any]:
    """Fill ``folder``; returns what the generator counted."""
    from data.generator import DEFAULT, DEFAULT_SOURCES, SOURCES, fitting, generate, parse_forms

    people = wanted["people"]
    told = 0

    def advance(done: int, _people: int) -> None:
        nonlocal told
        progress.advance(done - told)
        told = done

    progress.stage("generating people", people)
    try:
        rates = DEFAULT if wanted["errors"] == 1 else DEFAULT.scaled(wanted["errors"])
        settings = [("dates", "mixed")] if wanted["hostile"] else []
        forms = parse_forms([*settings, *map(tuple, wanted["forms"])])
        if wanted["hostile"]:
            rates = fitting(rates.hostile(), forms)
        if wanted["residue"] is not None:
            rates = fitting(rates.with_residue(wanted["residue"]), forms)
        sources = DEFAULT_SOURCES if wanted["sources"] is None else wanted["sources"]
        for name, value in wanted["rates"].items():
            rates = rates.replaced(name, value)
        report = generate(
            folder,
            people,
            seed=wanted["seed"],
            born=wanted["born"],
            namesakes=wanted["namesakes"],
            rates=rates,
            progress=advance,
            threads=threads,
            files=wanted["files"],
            sources=SOURCES if sources == ["all"] else sources,
            forms=forms,
            cards=wanted["cards"],
        )
    except ValueError as error:
        what, wish, do = (
            f"{p[:1].upper()}{p[1:]}." if p else "" for p in [*str(error).split("; "), "", ""][:3]
        )
        raise ConfigError("E-USAGE-002", what, wish, do or "See  linkage generate --help.") from error
    finally:
        progress.close()
    return {"records": report.records, "population": report.population}


def _generator_digest() -> str:
    """Sixteen hex digits that change with any file of the package ``data``."""
    root = Path(data.__file__).resolve().parent
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
