"""Gates on disk: feeds and merge orders of a run that fails one lie under ``withheld/`` until it is accepted.

Releasing is a rename, never a copy: each thing is in one place at any time. ``run.json`` says first what
was accepted, then the things are moved, then it says that nothing is withheld any more; stopped anywhere, the
same command goes on from what ``run.json`` says.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.finished_run import WITHHELD, read_run, released, unaccepted, write_run
from jobs.metrics import tell_exit_code
from jobs.policies import decision_settings
from jobs.project import LoadedProject
from jobs.store import make_folder, move, sync, write_bytes, write_json
from linkage.errors import ConfigError, ConflictError, did_you_mean
from linkage.gates import (
    NAMES,
    REPLACED,
    Gate,
    SourceFigures,
    SourceLimits,
    covers,
    failing,
    judge,
    limits_of,
    reasons_text,
)
from linkage.receipt_page import receipt_text

#: What goes to agencies, whose systems act on it by themselves: withheld when a gate fails.
GUARDED = ("feeds", "orders", "verifications", "duplicates.parquet")

#: Longest reason that ``--reason`` takes, in characters.
REASON_LENGTH = 500


def orders_path(folder: Path) -> Path:
    """``duplicates.parquet`` of a finished run, whether it was published or is withheld."""
    return _one_of_two(folder, "duplicates.parquet")


def feeds_path(folder: Path) -> Path:
    """The folder ``feeds`` of a finished run, whether it was published or is withheld."""
    return _one_of_two(folder, "feeds")


def _one_of_two(folder: Path, name: str) -> Path:
    held = folder / WITHHELD / name
    return held if held.exists() and not (folder / name).exists() else folder / name


def run_gates(
    loaded: LoadedProject,
    facts: Mapping[str, Any],
    counts: Mapping[str, Mapping[str, Any]],
    *,
    converged: bool,
) -> list[Gate]:
    """The gates of a run by what its stages found.

    facts  : by stage: ``sources`` of ``intake``, ``by_source`` and ``estimates`` of ``decide``
    counts : of :func:`jobs.source_counts.count_sources`; a source that was left out has none, and
             no gate
    """
    project = loaded.project
    figures: dict[str, SourceFigures] = {}
    limits: dict[str, SourceLimits] = {}
    for source in project.sources:
        if source.name not in counts:
            continue
        figures[source.name] = _figures(
            source.name, facts, counts[source.name], register=source.role == "register"
        )
        policy = loaded.policies.get(source.name)
        limits[source.name] = limits_of(
            project.gates,
            policy.limits if policy is not None else None,
            precision=decision_settings(loaded, source.name).precision,
            review_max=project.decision.review_max,
        )
    return judge(
        figures,
        limits,
        converged=converged,
        converged_wanted=project.gates.converged,
        review_max=project.decision.review_max,
    )


def _figures(
    name: str, facts: Mapping[str, Any], counted: Mapping[str, Any], *, register: bool
) -> SourceFigures:
    taken = facts["intake"]["sources"][name]
    refused = sum(n for code, n in taken["refused"].items() if code not in REPLACED)
    if register:
        return SourceFigures(taken["rows"], refused, taken["accepted"], register=True)
    decided = facts["decide"]["by_source"][name]
    estimate = facts["decide"]["estimates"][name]
    applied = [c for c in counted["corrections"] or () if c["action"] == "apply"]
    changed: dict[str, int] = {}
    for correction in applied:  # a record has at most one correction of a field
        changed[correction["field"]] = changed.get(correction["field"], 0) + correction["rows"]
    return SourceFigures(
        rows=taken["rows"],
        refused=refused,
        accepted=taken["accepted"],
        review=decided["review"] + decided["conflict"],
        new=decided["new"],
        links=estimate["links"],
        false_links=estimate["expected"],
        changed=changed,
        deaths=sum(c["rows"] for c in applied if c["kind"] == "status"),
        corrected=counted["corrections"] is not None,
    )


def check_acceptance(loaded: LoadedProject, accept: Sequence[str], reason: str | None) -> str:
    """The reason, tidied; raises ConfigError of what can be told to be wrong before a run.

    ``E-GATE-001``: gates without a reason, a reason without gates, or one that is no line of text;
    ``E-GATE-002``: a name that no gate of this project has.
    """
    tidy = (reason or "").strip()
    if bool(accept) != bool(tidy):
        raise ConfigError(
            "E-GATE-001",
            "--accept came without --reason." if accept else "--reason came without --accept.",
            "Both are wanted: which gate is accepted, and why.",
            "Write for example  --accept review --reason 'looked through, see minutes of 21 November'.",
        )
    if len(tidy) > REASON_LENGTH or any(unicodedata.category(c) == "Cc" for c in tidy):
        raise ConfigError(
            "E-GATE-001",
            "--reason is too long, or more than a line.",
            f"One line of at most {REASON_LENGTH} characters is wanted.",
            "Shorten it.",
        )
    for name in accept:
        _check_name(loaded, name)
    return tidy


def _check_name(loaded: LoadedProject, name: str) -> None:
    gate, _, rest = name.partition(":")
    source, _, standard = rest.partition(".")
    sources = [s.name for s in loaded.project.sources]
    for given, known, what in (
        (gate, list(NAMES), "gate"),
        (source, sources, "source"),
        (standard, list(loaded.project.kinds), "field"),
    ):
        wanted = given or (what == "gate") or (what == "source" and ":" in name)
        if wanted and given not in known:
            raise ConfigError(
                "E-GATE-002",
                f"--accept '{name}' came; there is no {what} '{given}'.{did_you_mean(given, known)}",
                f"GATE, GATE:SOURCE or GATE:SOURCE.FIELD is wanted; gates are {', '.join(NAMES)}.",
                "Take the name from the gates in run.json, or from withheld/reasons.txt.",
            )


def withhold(artefacts: Path, gates: Sequence[Mapping[str, Any]]) -> bool:
    """Put what is guarded under ``withheld/`` with the reasons if a gate fails; says whether one does.

    May be done again to artefacts that it was done to.
    """
    if not failing(gates):
        return False
    place = make_folder(artefacts / WITHHELD)
    for name in GUARDED:
        if (artefacts / name).exists():
            move(artefacts / name, place / name)
    broken = [g for g in gates if not g["holds"]]
    write_json(place / "reasons.json", {"schema": 1, "gates": broken})
    write_bytes(place / "reasons.txt", reasons_text(gates).encode())
    sync(artefacts)
    return True


def write_receipt(folder: Path, receipt: Mapping[str, Any]) -> None:
    """``<source>.json`` and ``<source>.txt`` of a receipt."""
    name = str(receipt["source"])
    write_json(folder / f"{name}.json", receipt)
    write_bytes(folder / f"{name}.txt", receipt_text(receipt).encode())


def exit_code(run: Mapping[str, Any]) -> int:
    """How the command of a finished run ends: 3 a source was left out, 1 feeds are withheld, else 0."""
    return 3 if run.get("left_out") else 1 if run.get("withheld") else 0


def settle(folder: Path, accept: Sequence[str] = (), reason: str = "") -> dict[str, Any]:
    """Accept gates of the finished run in ``folder``, and release it if none is left; its ``run.json``.

    Every name in ``accept`` covers all gates that it begins, so ``review`` those of every source. A gate that
    is accepted already stays as it was. Without names it only ends a release that was stopped. Raises
    ConfigError ``E-GATE-003`` for a name that covers no failing gate, ConflictError ``E-RUN-002`` while
    another command does the same.
    """
    run = _record(folder)
    if not accept and (unaccepted(run) or not run.get("withheld")):
        return run
    with _alone(folder):
        run = _record(folder)
        if run.get("withheld"):
            for left in folder.rglob("*.tmp-*"):  # of a release that was killed in the middle of a file
                left.unlink(missing_ok=True)
        broken = failing(run.get("gates", []))
        for name in accept:
            if not any(covers(name, gate) for gate in broken):
                raise ConfigError(
                    "E-GATE-003",
                    f"--accept '{name}' came; no gate of that name fails in this run.",
                    f"Failing gates: {', '.join(broken) or 'none'}.",
                    "Leave it out, or take the name from withheld/reasons.txt.",
                )
        waiting = set(unaccepted(run))
        fresh = [g for g in broken if g in waiting and any(covers(name, g) for name in accept)]
        if fresh:
            when = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            entries = [{"gate": gate, "reason": reason, "when": when} for gate in fresh]
            run = {**run, "accepted": [*run.get("accepted", []), *entries]}
            write_run(folder, run)
        if run.get("withheld") and not unaccepted(run):
            _release(folder)
            artefacts = released(folder, run.get("artefacts", {}))
            run = {**run, "withheld": False, "artefacts": artefacts}
            run["exit_code"] = exit_code(run)
            tell_exit_code(folder, run["exit_code"])
            write_run(folder, run)
        return run


def _record(folder: Path) -> dict[str, Any]:
    run = read_run(folder)
    assert run is not None, "only a finished run can be settled"
    return run


def _release(folder: Path) -> None:
    place = folder / WITHHELD
    for name in GUARDED:
        if (place / name).exists():
            (place / name).replace(folder / name)
    sync(folder)
    for path in sorted((folder / "receipts").glob("*.json")):
        write_receipt(path.parent, {**json.loads(path.read_bytes()), "withheld": False})
    for name in ("reasons.txt", "reasons.json"):
        (place / name).unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        place.rmdir()
    sync(folder)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The only one to change a finished run; the lock is on the folder itself, and leaves no file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConflictError(
                "E-RUN-002",
                f"Another command is at work in '{folder.name}';",
                "a folder of its own was wanted.",
                "Wait for it to end, or choose another folder with --out.",
            ) from None
        yield
    finally:
        os.close(handle)
