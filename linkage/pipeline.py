"""The stages as data: the one place that knows their order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stage: what it takes and gives (tables of :mod:`linkage.tables`), and how its work is split."""

    name: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    split: str


STAGES: tuple[Stage, ...] = (
    Stage("intake", ("files", "contract"), ("records", "rejects"), "parts of files"),
    Stage("standardise", ("records",), ("coded", "repairs", "queries"), "parts of files"),
    Stage("vocabulary", ("coded",), ("tokens",), "one"),
    Stage("columns", ("coded", "tokens"), ("coded",), "parts of files"),
    Stage("frequency", ("coded",), ("frequencies", "holders"), "ranges of rows, partitions of values"),
    Stage("block", ("coded",), ("blocks", "plan"), "ranges of rows, partitions of keys"),
    Stage("train", ("coded", "blocks", "plan"), ("model",), "rules and partitions of keys"),
    Stage("match", ("coded", "blocks", "plan", "model"), ("scored",), "rules and partitions of keys"),
    Stage("decide", ("scored", "model"), ("decisions",), "ranges of rows"),
    Stage("resolve", ("decisions", "scored"), ("entities", "duplicates", "links"), "ranges of rows"),
    Stage("order", ("records",), ("order",), "parts of files, partitions of ids"),
    Stage("correct", ("coded", "records", "decisions", "order"), ("corrections",), "parts of files"),
    Stage("cases", ("coded", "decisions", "model"), ("register_cases", "verified"), "fields, keys"),
    Stage(
        "publish",
        ("decisions", "entities", "duplicates", "links", "scored", "order"),
        ("artefacts",),
        "ranges of rows, chunks of artefacts",
    ),
    Stage(
        "feeds",
        ("corrections", "verified", "artefacts"),
        ("feeds", "merge_orders", "verifications"),
        "pieces",
    ),
    Stage("receipts", ("artefacts", "decisions"), ("gates", "receipts"), "sources"),
)
