"""The figures of ``python -m benchmarks.peers`` as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NAMES = {
    "ours": "linkage",
    "splink": "Splink, clusters at p >= 0.95",
    "join": "join by hand (DuckDB)",
    "ours+model": "linkage, given its model",
    "splink+model": "Splink, given its model",
}
#: Phases that are training; what is left of a run is what a night with a saved model pays.
TRAINING = {"prior", "u", "em", "train"}


def tables(results: Mapping[str, Any]) -> str:
    """All tables, of all sizes."""
    parts = [machine(results)]
    kinds = sorted({(run["namesakes"], run["people"]) for run in results["runs"]})
    for namesakes, people in kinds:
        runs = [run for run in results["runs"] if (run["namesakes"], run["people"]) == (namesakes, people)]
        often = "" if namesakes == 1 else f", full names coinciding {namesakes:g} times as often"
        parts += [f"**{people:,} people, {runs[0]['rows']['extract']:,} extract records{often}**"]
        parts += [compared(runs)]
        parts += ["Seconds by phase, of the fastest round:", phases(runs)]
        judged = thresholds(runs)
        if judged:
            parts += ["Splink's predictions, each record's best link alone:", judged]
    return "\n\n".join(parts)


def machine(results: Mapping[str, Any]) -> str:
    """Where and when, in one line."""
    about = results["machine"]
    versions = next((run["versions"] for run in results["runs"] if run["tool"].startswith("splink")), {})
    named = "".join(f", {name} {number}" for name, number in versions.items())
    return (
        f"{about['date']}, {about['processors']} processors of which {about['threads']} threads are used, "
        f"{about['memory'] / 2**30:.0f} GiB, Python {about['python']}{named}; "
        f"{about['max_pairs']:.0e} random pairs for Splink's u. Load before it began: {about['load']}."
    )


def fastest(runs: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The round of each tool that took least time, in the order the tools first ran, judged as the first was.

    Raises ValueError where the rounds of one tool scored different numbers of pairs: then they are not the
    same work.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for run in runs:
        held = found.get(run["tool"])
        if held is not None and held.get("pairs") != run.get("pairs"):
            raise ValueError(f"{run['tool']} scored {held.get('pairs')} pairs, then {run.get('pairs')}")
        judged = {
            name: part[name] for part in (held or {}, run) for name in ("score", "best") if name in part
        }
        best = run if held is None or run["seconds"] < held["seconds"] else held
        peak = {name: max(part.get(name, 0) for part in (held or {}, run)) for name in ("held", "mapped")}
        found[run["tool"]] = {**best, **judged, **peak}
    return found


def untrained(run: Mapping[str, Any]) -> float:
    """Seconds of a run without its training."""
    return float(run["seconds"]) - sum(s for name, s in run["phases"].items() if name in TRAINING)


def compared(runs: Sequence[Mapping[str, Any]]) -> str:
    """One line a tool: time, memory, precision, recall, and how many times as long as ours it took."""
    best = fastest(runs)
    ours = best.get("ours")
    rows = []
    for tool, run in best.items():
        rounds = sum(one["tool"] == tool for one in runs)
        versus = "" if ours is None or tool.endswith("+model") else f"{run['seconds'] / ours['seconds']:.1f}"
        alone = "" if ours is None or tool.endswith("+model") else f"{untrained(run) / untrained(ours):.1f}"
        if tool == "splink+model" and "ours+model" in best:
            alone = f"{run['seconds'] / best['ours+model']['seconds']:.1f}"
        score = run["score"]
        rows.append(
            [
                NAMES[tool], _count(run.get("pairs")), f"{run['seconds']:.1f}", f"{untrained(run):.1f}",
                versus, alone, f"{run['processor']:.0f}", _mega(run["held"]), _mega(run["mapped"]),
                _share(score["precision"]), _share(score["recall"]), str(rounds),
            ]
        )  # fmt: skip
    head = [
        "tool", "pairs", "seconds (least)", "without training", "times ours", "times ours without training",
        "processor seconds", "peak MiB", "with mapped files", "precision", "recall", "rounds",
    ]  # fmt: skip
    return _table(head, rows)


def phases(runs: Sequence[Mapping[str, Any]]) -> str:
    """One line a tool; ``start`` is what lies between the sum and the whole."""
    rows = []
    for tool, run in fastest(runs).items():
        told = [f"{name} {seconds:.2f}" for name, seconds in run["phases"].items()]
        start = run["seconds"] - sum(run["phases"].values())
        rows.append([NAMES[tool], ", ".join([f"start {start:.2f}", *told])])
    return _table(["tool", "seconds"], rows, right=False)


def thresholds(runs: Sequence[Mapping[str, Any]]) -> str:
    """Precision and recall of Splink's best links by threshold; empty without Splink."""
    splink = fastest(runs).get("splink")
    if splink is None or "best" not in splink:
        return ""
    rows = [
        [threshold, f"{score['links']:,}", _share(score["precision"]), _share(score["recall"])]
        for threshold, score in splink["best"].items()
    ]
    return _table(["p at least", "links", "precision", "recall"], rows)


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _mega(size: int) -> str:
    return f"{size / 2**20:,.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.5f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: bool = True) -> str:
    rule = ["---", *(["---:" if right else "---"] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *rows])
