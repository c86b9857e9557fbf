"""The stages that code columns: parts are standardised, their vocabularies made one, columns coded by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.cuts import RANGE_BYTES
from jobs.executor import Call, Done, run_call
from jobs.intake import Tasks
from jobs.tasks_texts import SLOTS, TEXT_BYTES, TEXT_TIMES
from jobs.workspace import Workspace

#: Parts whose columns are coded before what they were made from is removed.
PARTS_AT_ONCE = 32

#: Texts of a stretch at most: other processors have a turn then.
STRETCH_TEXTS = 500_000


class _Here:
    """Runs tasks in this process; nothing is removed.

    each : as :func:`map`, one task at a time or several
    """

    def __init__(self, each: Callable[..., Iterable[Done]]) -> None:
        self._each = each

    def tasks(self, _: str, calls: Sequence[Call], rows: Sequence[int] | None = None) -> list[dict[str, Any]]:  # noqa: ARG002
        return [done.result for done in self._each(run_call, calls)]

    def free(self, *places: Path | str) -> None:
        pass

    def drop(self, *patterns: str) -> None:
        pass


def code_here(space: Workspace, each: Callable[..., Iterable[Done]] = map) -> None:
    """All three stages in this process, of a work folder that is no run's; ``each`` as :func:`map`."""
    here = _Here(each)
    vocabulary = make_vocabulary(here, space, standardise_parts(here, space))
    code_columns(here, space, vocabulary["stretches"])


def standardise_parts(stages: Tasks, space: Workspace) -> dict[str, Any]:
    """Standardise all parts; gives the sums of what the tasks told."""
    parts = space.layout["parts"]
    calls: list[Call] = [
        ("jobs.tasks_standardise:standardise_part", (str(space.work), s, p)) for s, p, _, _ in parts
    ]
    out: dict[str, Any] = {}
    for result in stages.tasks("standardise", calls, [n for *_, n in parts]):
        for key, value in result.items():
            out[key] = out.get(key, 0) + value
    return out


def make_vocabulary(stages: Tasks, space: Workspace, standardised: Mapping[str, Any]) -> dict[str, Any]:
    """The run's vocabulary of names and of plain text columns; how many stretches each of these is made in.

    standardised : what standardisation told: ``texts.<column>`` and ``bytes.<column>``, of all parts together
    """
    work = str(space.work)
    cut = {c: _stretches(space, standardised, c) for c in space.text_columns}
    calls: list[Call] = [("jobs.tasks_standardise:build_vocabulary", (work,))]
    calls += [("jobs.tasks_texts:merge_stretch", (work, c, n, cut[c])) for c in cut for n in range(cut[c])]
    tokens, *merged = stages.tasks("vocabulary", calls)
    stages.drop(*(f"standard/*.{c}.arrays" for c in cut))
    packing: list[Call] = []
    joining: list[Call] = []
    for column, stretches in cut.items():
        own, merged = merged[:stretches], merged[stretches:]
        before = 0
        for number, stretch in enumerate(own):
            packing.append(("jobs.tasks_texts:pack_stretch", (work, column, number, stretches, before)))
            before += stretch["characters"]
        joining.append(("jobs.tasks_texts:join_stretches", (work, column, stretches, before)))
    stages.tasks("vocabulary", packing)
    stages.drop(*(f"plain_text/{c}-*.merged.arrays" for c in cut))
    joined = stages.tasks("vocabulary", joining)
    stages.drop(*(f"plain_text/{c}{made}.arrays" for c in cut for made in ("-*.packed", ".head", ".tail")))
    return {
        "rows_out": tokens["rows_out"] + sum(one["rows_out"] for one in joined),
        "stretches": cut,
    }


def _stretches(space: Workspace, standardised: Mapping[str, Any], column: str) -> int:
    """Stretches of a column's texts: none is more to a task than a range of rows."""
    texts, held = standardised.get(f"texts.{column}", 0), standardised.get(f"bytes.{column}", 0)
    need = texts * TEXT_BYTES + held * TEXT_TIMES
    room = max(1, space.layout["range_rows"] * RANGE_BYTES)
    return min(SLOTS, max(1, math.ceil(need / room), math.ceil(texts / STRETCH_TEXTS)))


def code_columns(stages: Tasks, space: Workspace, stretches: Mapping[str, int]) -> dict[str, Any]:
    """Columns by the run's vocabulary, some parts at a time: what each was made from goes when it stands."""
    parts = space.layout["parts"]
    results = []
    for at in range(0, len(parts), PARTS_AT_ONCE):
        some = parts[at : at + PARTS_AT_ONCE]
        calls: list[Call] = [
            ("jobs.tasks_standardise:code_part", (str(space.work), s, p, dict(stretches)))
            for s, p, _, _ in some
        ]
        results += stages.tasks("columns", calls, [n for *_, n in some])
        stages.drop(*(f"standard/{s:02d}-{p:05d}.arrays" for s, p, _, _ in some))
    stages.free("standard/*.tokens.arrow", *(f"plain_text/{c}-*.ids.arrays" for c in space.text_columns))
    rows = sum(r["rows_out"] for r in results)
    return {"rows_in": rows, "rows_out": rows}
