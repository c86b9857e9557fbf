"""A finished run as a page of text: what it found by source, what it sends, and what holds it back."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

_WIDTH = 98

_HEAD = ("", "records", "linked", "review", "new", "conflict", "ineligible")
_SENT = ("", "apply", "confirm", "investigate", "to merge")


def run_text(run: Mapping[str, Any], folder: str) -> str:
    """The page of a ``run.json``, at most 98 columns wide; ``folder`` is where the run lies."""
    rows = run["totals"]["rows"]
    refused = rows - run["totals"]["accepted"]
    begun = (
        f"Run {run['run_id']} in {folder}: {rows:,} rows, {refused:,} refused, "
        f"{run['totals']['pairs']:,} pairs; {run['seconds']:,.1f} s, {run['peak_memory'] / 2**20:,.0f} MiB."
    )
    parts = [
        _wrapped(begun),
        "Decisions on the records of each source",
        _table(_HEAD, [_decided(name, counts) for name, counts in run["by_source"].items()]),
        _expected(run),
    ]
    if run.get("corrections"):
        parts += [
            "What each source is sent: fields to be corrected, records to be merged",
            _table(_SENT, [_sent(name, counts) for name, counts in run["corrections"].items()]),
        ]
    cases = run.get("cases") or {}
    if cases:
        told = ", ".join(f"{kind.replace('.', ': ')} {count:,}" for kind, count in cases.items())
        parts.append(_wrapped(f"Register cases: {sum(cases.values()):,} ({told})."))
    parts += [*_refined(run), *_left_out(run), *_gates(run)]
    if run["warnings"]:
        parts.append(f"{len(run['warnings'])} warnings about the model: see model.json.")
    return "\n".join(parts)


def _decided(name: str, counts: Mapping[str, int]) -> list[str]:
    total = sum(counts.values())
    share = f"{100 * counts['link'] / total:.2f} %" if total else "-"
    others = [f"{counts[d]:,}" for d in ("review", "new", "conflict", "ineligible")]
    return [name, f"{total:,}", share, *others]


def _sent(name: str, counts: Mapping[str, Any]) -> list[str]:
    actions = [f"{counts['by_action'].get(a, 0):,}" for a in ("apply", "confirm", "investigate")]
    return [name, *actions, f"{counts['orders']:,}"]


def _expected(run: Mapping[str, Any]) -> str:
    false = run["estimates"]["all"]["false_links"]
    links = run["estimates"]["all"]["links"]
    return _wrapped(
        f"Of {links:,} links {false['expected']:,.1f} are expected to be wrong "
        f"(99 % interval {false['low']:,.0f} to {false['high']:,.0f})."
    )


def _refined(run: Mapping[str, Any]) -> list[str]:
    """Rules with blocks that were refined, what that did to pairs, and the true links it may have cost."""
    keys = run["blocking"]["refined_keys"]
    rows = [
        [
            name,
            *(f"{n:,}" for n in (keys[name], rule["largest"], rule["refined_pairs"], rule["given_up_pairs"])),
        ]
        for name, rule in run["blocking"]["rules"].items()
        if keys[name]
    ]
    beyond = run["blocking"].get("probed_given_up", 0)
    told_near = f"Given up: {beyond:,} pairs of numbers one slip apart, of numbers with more than 64 of them."
    near = [_wrapped(told_near)] if beyond else []
    if not rows:
        return near
    lost = run["blocking"]["lost_to_refinement"]
    told = "What that loses is not measured: no identifier finds matches to try it on."
    if lost is not None:
        told = (
            f"Of {lost['matches']:,} matches that the number finds, {lost['parted']:,} would be lost to it "
            f"without the number: by that, at most {lost['links']:,.1f} links of the {lost['records']:,} "
            "records whose number finds nobody."
        )
    head = ("", "keys refined", "largest block", "pairs parted", "pairs given up")
    return [
        "Blocks too large to compare whole: refined, see refinement.parquet",
        _table(head, rows),
        _wrapped(told),
        *near,
    ]


def _left_out(run: Mapping[str, Any]) -> list[str]:
    told = [f"{entry['source']} ({entry['code']})" for entry in run.get("left_out") or []]
    return [_wrapped(f"Left out, because they broke their contract: {', '.join(told)}.")] if told else []


def _gates(run: Mapping[str, Any]) -> list[str]:
    gates = run.get("gates") or []
    broken = [g for g in gates if not g["holds"]]
    if not broken:
        return [f"All {len(gates)} gates hold: feeds and orders are released."]
    accepted = {entry["gate"] for entry in run.get("accepted") or []}
    lines = [f"{len(broken)} of {len(gates)} gates {'fails' if len(broken) == 1 else 'fail'}:"]
    for gate in broken:
        state = "accepted" if gate["name"] in accepted else "NOT accepted"
        lines.append(_wrapped(f"{gate['name']} ({state}): {gate['en']}", "  "))
    if run.get("withheld"):
        lines += [
            "Feeds and orders are withheld. To release them:",
            "  linkage run PROJECT --out FOLDER --accept GATE --reason TEXT",
        ]
    return lines


def _wrapped(text: str, pad: str = "") -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=pad,
        subsequent_indent=pad + "  " * bool(pad),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
    return "\n".join(
        "  "
        + "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, *rows]
    )
