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

#: What a document keeps apart, so that a session of kernels alone leaves the figures of runs as they are.
SECTIONS = ("figures", "kernels")


def marks(section: str) -> tuple[str, str]:
    """The lines between which a document has a section."""
    return f"<!-- {section}: begin -->", f"<!-- {section}: end -->"


def tables(session: Mapping[str, Any]) -> dict[str, str]:
    """The tables of a session, as pytest-benchmark wrote it, by section; those it has figures for."""
    runs = [b for b in session["benchmarks"] if "stages" in b["extra_info"]]
    runs.sort(key=lambda b: b["extra_info"]["people"])
    kernels = [b for b in session["benchmarks"] if "kernel" in b["extra_info"]]
    peers = [b for b in session["benchmarks"] if "peer of" in b["extra_info"]]
    told = {id(b) for b in (*runs, *kernels, *peers)}
    others = [b for b in session["benchmarks"] if id(b) not in told]
    parts = []
    if runs:
        parts += ["**Whole runs**", _whole(runs), "**Accuracy of these runs**", _accuracy(runs)]
        parts += ["**Seconds by stage, of the fastest round**", _stages(runs)]
    if others:
        parts += ["**Everything else**", _rest(others)]
    found = {}
    if parts:
        found["figures"] = "\n\n".join([_machine(session), *parts])
    if kernels:
        found["kernels"] = f"{_machine(session)}\n\n{_kernels(kernels, peers)}"
    return found


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


def _kernels(kernels: Sequence[Mapping[str, Any]], peers: Sequence[Mapping[str, Any]]) -> str:
    beside: dict[str, list[tuple[float, str]]] = {}
    for one in peers:
        info = one["extra_info"]
        beside.setdefault(info["peer of"], []).append((_each(one), info["peer"]))
    rows = []
    for one in kernels:
        info = one["extra_info"]
        mine, others = _each(one), sorted(beside.get(info["kernel"], []))
        rows.append(
            [
                f"`{info['kernel']}`", info["unit"], f"{mine:,.1f}", f"{info['bytes']:,.0f}",
                f"{info['limit']:,.1f}", info["limited by"], f"{mine / info['limit']:,.1f}",
                ", ".join(f"{peer} {nanoseconds:,.0f}" for nanoseconds, peer in others),
                f"{others[0][0] / mine:,.1f}" if others else "",
            ]
        )  # fmt: skip
    head = [
        "kernel", "unit", "ns a unit", "bytes a unit", "limit, ns", "set by", "times the limit", "peers, ns",
        "times as fast as the fastest",
    ]  # fmt: skip
    return _table(head, rows)


def _each(one: Mapping[str, Any]) -> float:
    """Nanoseconds a unit of the fastest round."""
    return float(one["stats"]["min"] / one["extra_info"]["units"] * 1e9)


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


def put_into(text: str, section: str, figures: str) -> str:
    """A document with a section replaced. Raises ValueError if it has no place for it."""
    begin, end = marks(section)
    if begin not in text or end not in text:
        raise ValueError(f"The document has no lines {begin} and {end}; add them where the figures belong.")
    return f"{text[: text.index(begin)]}{begin}\n\n{figures}\n\n{text[text.index(end) :]}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of a session, or put them into a document."""
    parser = argparse.ArgumentParser(description="Figures of a benchmark session as Markdown tables.")
    parser.add_argument("session", type=Path, help="what --benchmark-json wrote")
    parser.add_argument("--into", type=Path, help="document whose figures are replaced")
    given = parser.parse_args(arguments)
    found = tables(json.loads(given.session.read_text(encoding="utf-8")))
    if given.into is None:
        print("\n\n".join(found.values()))
    else:
        text = given.into.read_text(encoding="utf-8")
        for section, figures in found.items():
            text = put_into(text, section, figures)
        given.into.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
