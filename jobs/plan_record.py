"""A saved plan: whether it still is the plan of these inputs, how near it came, and how a person reads it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from linkage.errors import ConfigError, ConflictError


def read_plan(path: Path) -> dict[str, Any]:
    """The plan that ``linkage plan --out`` wrote; ConfigError ``E-PLAN-002`` if the file holds none."""
    held: Any = None
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError):
        held = None
    wanted = ("fingerprints", "sources", "rules", "stages", "disk", "plan_id")
    if not isinstance(held, dict) or held.get("schema") != 1 or any(name not in held for name in wanted):
        raise ConfigError(
            "E-PLAN-002",
            f"'{path.name}' holds no plan;",
            "a file that 'linkage plan PROJECT --out FILE' wrote was wanted.",
            "Make the plan again, or leave --plan out.",
        )
    return held


def refuse_stale(plan: Mapping[str, Any], prints: Mapping[str, str]) -> None:
    """Raise ConflictError ``E-PLAN-001`` if inputs, configuration or model are not those of the plan."""
    spoken = {"config": "the configuration", "inputs": "the inputs", "model": "the model"}
    changed = [text for name, text in spoken.items() if plan["fingerprints"].get(name) != prints[name]]
    if changed:
        raise ConflictError(
            "E-PLAN-001",
            f"The plan is stale: {' and '.join(changed)} changed since it was made;",
            "the plan of this project as it is now was wanted.",
            "Make the plan again with 'linkage plan', or leave --plan out.",
        )


def folder_bytes(folder: Path) -> int:
    """Bytes of all files under a folder."""
    total = 0
    places = [os.fspath(folder)]
    while places:
        # Another process may free a file or a folder meanwhile.
        with contextlib.suppress(FileNotFoundError), os.scandir(places.pop()) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    places.append(one.path)
                else:
                    with contextlib.suppress(FileNotFoundError):
                        total += one.stat(follow_symlinks=False).st_size
    return total


def compare(plan: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """What was planned against what the run took: ``plan`` of ``run.json``.

    Each figure is ``{estimated, actual, ratio}``, the ratio being estimated over actual; a rule's ``pairs``
    are those of its blocks before another rule takes its share of them.
    """
    blocking = run["blocking"]
    names = [r["name"] for r in plan["rules"]]
    pairs = {name: blocking["rules"].get(name, {}).get("pairs") for name in names}
    inner = {name: blocking["rules"].get(name, {}).get("register_pairs") for name in names}
    for rule in plan["rules"]:
        if any(part.endswith(".near") for part in rule["on"]):
            pairs[rule["name"]] = blocking["probed_pairs"]
    took = {s["stage"]: s["seconds"] for s in run["stages"]}
    return {
        "plan_id": plan["plan_id"],
        "same_code": plan["fingerprints"].get("code") == run["fingerprints"]["code"],
        "rows": {
            name: _figure(source["rows"], run["sources"].get(name, {}).get("rows"))
            for name, source in plan["sources"].items()
        },
        "accepted": {
            name: _figure(source["accepted"], run["sources"].get(name, {}).get("accepted"))
            for name, source in plan["sources"].items()
        },
        "rules": {
            rule["name"]: (
                _figure(rule["register_pairs"], inner[rule["name"]])
                if rule["use"] == "relatives"
                else _figure(rule["pairs"], pairs[rule["name"]])
            )
            for rule in plan["rules"]
        },
        "pairs": _figure(plan["pairs"], run["totals"]["pairs"]),
        "stages": {
            name: _figure(plan["stages"].get(name), took.get(name))
            for name in dict.fromkeys([*took, *plan["stages"]])
        },
        "seconds": _figure(plan["seconds"], run["seconds"]),
        "peak_memory": _figure(plan["peak_memory"], run["peak_memory"]),
        "disk": {name: _figure(plan["disk"][name], run["disk"][name]) for name in ("fullest", "artefacts")},
    }


def _figure(estimated: float | None, actual: float | None) -> dict[str, float | None]:
    known = estimated is not None and actual
    ratio = round(float(estimated) / float(actual), 4) if known and estimated is not None and actual else None
    return {"estimated": estimated, "actual": actual, "ratio": ratio}


def render(plan: Mapping[str, Any]) -> str:
    """A plan as aligned tables of text, at most 100 columns wide."""
    machine, disk = plan["machine"], plan["disk"]
    title = f"plan of {plan['project']}: {plan['rows']:,} rows, {plan['pairs']:,} pairs to compare"
    parts = [
        f"{title}; from a sample of {plan['sample']['read']:,} rows",
        "Sources",
        _table(
            ["", "role", "rows", "accepted", "share", "bytes", "sample"],
            [
                [
                    name,
                    s["role"],
                    f"{'' if s['rows_exact'] else '~'}{s['rows']:,}",
                    f"{s['accepted']:,}",
                    f"{100 * s['accepted_share']:.2f} %",
                    spoken(s["bytes"]),
                    {"whole": "all of it", "beginning": "its beginning"}.get(s["how"], f"{s['read']:,} rows"),
                ]
                for name, s in plan["sources"].items()
            ],
            left=2,
        ),
        "Pairs by rule (agency with register; of rules for relatives, register with register)",
        _table(["", "pairs", "+-", "compared", "refined away", "given up", "blocks refined"], _rules(plan)),
    ]
    blocks = _blocks(plan)
    if blocks:
        parts += [
            "Largest blocks",
            _table(
                ["rule", "register", "agency", "pairs", "of rule", "refined by", "pairs after"],
                blocks,
                left=1,
            ),
        ]
    parts += ["What refinement gives up", _given_up(plan)]
    parts += [
        "Time, memory and disk",
        _table(
            ["", "about", "there is"],
            [
                *[[name, f"{value:.1f} s", ""] for name, value in plan["stages"].items()],
                [
                    "whole",
                    f"{plan['seconds']:.0f} s",
                    f"{plan['threads']} thread{'s' * (plan['threads'] > 1)}, speed {machine['speed']:g}",
                ],
                ["memory", spoken(plan["peak_memory"]), spoken(machine["memory_available"])],
                [
                    "disk while it runs",
                    spoken(disk["fullest"]),
                    spoken(machine["disk_free"]),
                ],
                ["disk that stays", spoken(disk["artefacts"]), ""],
            ],
        ),
        "It fits this machine." if plan["fits"] else "It does NOT fit this machine.",
    ]
    parts += [f"warning {w['code']}: {w['text']}" for w in plan["warnings"]]
    return "\n".join(_spaced(parts))


def _rules(plan: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for rule in plan["rules"]:
        relatives = rule["use"] == "relatives"
        pairs = rule["register_pairs"] if relatives else rule["pairs"]
        rows.append(
            [
                rule["name"],
                f"{pairs:,}",
                "" if relatives else f"{200 * rule['error']:.0f} %",
                "" if relatives else f"{rule['compared']:,}",
                f"{rule['refined_pairs']:,}",
                f"{rule['given_up_pairs']:,}",
                f"{rule['refined_blocks']:,}",
            ]
        )
    return rows


def _blocks(plan: Mapping[str, Any], most: int = 10) -> list[list[str]]:
    """The largest blocks of all rules, by pairs: their rule and sizes, never their values."""
    found = sorted(
        ((block, rule) for rule in plan["rules"] for block in rule["largest"]),
        key=lambda pair: -pair[0]["pairs"],
    )
    return [
        [
            rule["name"],
            f"{block['register']:,}",
            f"{block['agency']:,}",
            f"{block['pairs']:,}",
            f"{100 * block['share']:.2f} %",
            ", ".join(rule["refine"][:1]) + (" ..." if len(rule["refine"]) > 1 else "")
            if block["refined"] > 0.5
            else "-",
            f"{block['pairs_after']:,}",
        ]
        for block, rule in found[:most]
    ]


def _given_up(plan: Mapping[str, Any]) -> str:
    rows = [
        [
            rule["name"],
            f"{rule['before_refinement']:,}",
            f"{rule['pairs']:,}",
            "-" if rule["lost"] is None else f"{100 * rule['lost']:.3f} %",
        ]
        for rule in plan["rules"]
        if rule["refined_blocks"]
    ]
    lost = plan["refinement"]
    lines = [_table(["", "pairs before", "after", "true pairs lost"], rows)] if rows else ["  nothing"]
    if lost["lost"] is not None:
        lines.append(
            f"  of the true pairs of records without a usable identifier, refinement loses "
            f"{100 * lost['lost']:.3f} %\n  ({100 * lost['low']:.3f} to {100 * lost['high']:.3f} %); "
            f"{100 * lost['without_identifier_unfound']:.3f} % are found by no rule even without it"
        )
    return "\n".join(lines)


def _spaced(parts: Sequence[str]) -> list[str]:
    out = []
    for number, part in enumerate(parts):
        if number and "\n" not in part and not part.startswith("warning"):
            out.append("")
        out.append(part)
    return out


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns of text, the first ``left`` of them and a text in words to the left, figures to the right."""
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(w) if i < left else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in [head, *rows]
    ]
    return "\n".join(f"  {line}".rstrip() for line in lines)


def spoken(size: float | None) -> str:
    """Bytes as a person says them: ``1.2 GiB``; ``-`` where nobody knows."""
    if size is None:
        return "-"
    for unit in ("B", "KiB", "MiB"):
        if abs(size) < 1024:
            return f"{size:,.0f} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"
