"""Figures of a benchmark session as Markdown tables.

make bench ARGS="--benchmark-json=bench.json"
python -m benchmarks.table bench.json                       # prints them
python -m benchmarks.table bench.json --into benchmarks/README.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def tables(session: Mapping[str, Any]) -> str:
    """All tables of a session, as pytest-benchmark wrote it."""
    runs = [b for b in session["benchmarks"] if "stages" in b["extra_info"]]
    runs.sort(key=lambda b: b["extra_info"]["people"])
    others = [b for b in session["benchmarks"] if "stages" not in b["extra_info"]]
    parts = [_machine(session)]
    if runs:
        parts += ["**Whole runs**", _whole(runs), "**Accuracy of these runs**", _accuracy(runs)]
        parts += ["**Seconds by stage, of the fastest round**", _stages(runs)]
    if others:
        parts += ["**Everything else**", _rest(others)]
    return "\n\n".join(parts)


def _machine(session: Mapping[str, Any]) -> str:
    about = session["machine_info"]
    brand = about.get("cpu", {}).get("brand_raw") or about.get("processor") or about["machine"]
    count = about.get("cpu", {}).get("count", "?")
    load = f" Load by others before it began: {about['load']:.1f}." if "load" in about else ""
    return f"{session['datetime'][:10]}, {brand}, {count} processors, Python {about['python_version']}.{load}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _whole(runs: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in runs:
        info, best = one["extra_info"], one["stats"]["min"]
        rows.append(
            [
                f"{info['people']:,}", f"{info['records']:,}", f"{info['pairs']:,}", f"{best:.1f}",
                f"{info['records'] / best:,.0f}", f"{info['peak MiB']:,}", str(one["stats"]["rounds"]),
            ]
        )  # fmt: skip
    head = ["people", "records", "pairs", "seconds (least)", "records a second", "peak MiB", "rounds"]
    return _table(head, rows)


_ACCURACY = (
    "link precision", "link recall", "new precision", "new recall", "duplicate precision", "duplicate recall",
    "review",
)  # fmt: skip


def _accuracy(runs: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            f"{one['extra_info']['people']:,}",
            *("-" if (v := one["extra_info"][k]) is None else f"{v:.5f}" for k in _ACCURACY),
        ]
        for one in runs
    ]
    return _table(["people", *_ACCURACY], rows)


def _stages(runs: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for one in runs for name in one["extra_info"]["stages"]))
    rows = [[name, *(f"{one['extra_info']['stages'].get(name, 0):.2f}" for one in runs)] for name in names]
    return _table(["stage", *(f"{one['extra_info']['people']:,} people" for one in runs)], rows)


def _rest(others: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in sorted(others, key=lambda b: (b["group"] or "", b["name"])):
        plain = {k: v for k, v in one["extra_info"].items() if isinstance(v, int | float | str)}
        told = ", ".join(f"{k} {_number(v)}" for k, v in plain.items())
        rows.append(
            [
                f"`{one['name']}`", one["group"] or "", f"{one['stats']['min'] * 1e3:,.2f}",
                f"{one['stats']['median'] * 1e3:,.2f}", str(one["stats"]["rounds"]), told,
            ]
        )  # fmt: skip
    return _table(["benchmark", "group", "least ms", "median ms", "rounds", "also"], rows)


def _number(value: float | str) -> str:
    """A figure as a reader wants it: whole, or with one digit after the point."""
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def put_into(text: str, figures: str) -> str:
    """A document with its figures replaced. Raises ValueError if it has no place for them."""
    if BEGIN not in text or END not in text:
        raise ValueError(f"The document has no lines {BEGIN} and {END}; add them where the figures belong.")
    return f"{text[: text.index(BEGIN)]}{BEGIN}\n\n{figures}\n\n{text[text.index(END) :]}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of a session, or put them into a document."""
    parser = argparse.ArgumentParser(description="Figures of a benchmark session as Markdown tables.")
    parser.add_argument("session", type=Path, help="what --benchmark-json wrote")
    parser.add_argument("--into", type=Path, help="document whose figures are replaced")
    given = parser.parse_args(arguments)
    figures = tables(json.loads(given.session.read_text(encoding="utf-8")))
    if given.into is None:
        print(figures)
    else:
        text = put_into(given.into.read_text(encoding="utf-8"), figures)
        given.into.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
