"""The stages of corrections: ``correct`` relates fields and makes corrections, ``feeds`` tells the agencies.

What corrections are made of is not needed once they are made, and gives its room to the artefacts. A feed
cites the decisions that are published, so it is written after them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from jobs.cuts import spread
from jobs.executor import Call
from jobs.linked_records import agency_parts, register_parts
from jobs.policies import register_version
from jobs.tasks_verify import asked_parts
from jobs.verification import asked_rows, publish_verifications
from jobs.workspace import Workspace
from linkage.render import common_habit

#: Folders of the work folder that nothing needs once corrections are made.
_OF_CORRECTING = ("linked", "texts", "holders")

#: Rows that correcting a record counts as: it takes so many times what gathering or relating one takes.
_CORRECTED = 6

#: Rows that making a correction's piece of a feed counts as: it takes so many times what joining it takes.
_MADE = 2

#: Corrections whose feeds are joined at once.
JOINED_ROWS = 2_000_000

#: Linked records by range; what else lies beside them is read again when their part is corrected.
_GATHERED = "linked/??-?????.arrays"


Name = TypeVar("Name")


class Tasks(Protocol):
    """Runs the tasks of a stage and gives their results in order."""

    def tasks(
        self, stage: str, calls: Sequence[Call], rows: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Results of the calls in their order."""

    def drop(self, *patterns: str) -> None:
        """Remove files of the work folder that only finished tasks have read."""

    def free(self, *places: Path | str) -> None:
        """Files of the work folder that are not needed once the stage has ended."""


def make_corrections(stages: Tasks, space: Workspace) -> dict[str, Any]:
    """Relate every field that the register and an agency hold, and correct part by part.

    Gives by source and field its records by relation (``relations``).
    """
    work = str(space.work)
    parts = agency_parts(space) if space.related else []
    made: list[dict[str, Any]] = []
    if parts:
        habits = _relate(stages, space, work)
        made = stages.tasks(
            "correct",
            [("jobs.tasks_correct:correct_part", (work, s, p, habits[s])) for s, p, _, _ in parts],
            [_CORRECTED * n for *_, n in parts],
        )
    stages.free(*_OF_CORRECTING, *(() if asked_parts(space) else ("agreement",)))
    return {
        "rows_in": sum(m["rows_in"] for m in made),
        "rows_out": sum(m["rows_out"] for m in made),
        "relations": {
            space.sources[s].name: _relations([m for (of, *_), m in zip(parts, made, strict=True) if of == s])
            for s in _agencies(space)
        },
    }


def rows_passed(space: Workspace) -> int:
    """Rows that all rounds of ``correct`` pass: agency records gathered and corrected, persons related."""
    if not space.related:
        return 0
    return sum(n for *_, n in agency_parts(space)) * (1 + _CORRECTED) + int(space.layout["n_register"])


def feed_rows_passed(space: Workspace, corrections: int) -> int:
    """Rows that all rounds of ``feeds`` pass: corrections made into pieces and joined, records verified."""
    return corrections * (1 + _MADE) + asked_rows(space)


def publish_feeds(stages: Tasks, space: Workspace, artefacts: Path, run_id: str) -> dict[str, Any]:
    """Write every agency's feed and verifications, once the decisions that they cite are published.

    ``run_id`` is cited in the manifests. Gives by source: counts by kind, action and field, and what an
    ``apply`` would change (``applied``).
    """
    work, out = str(space.work), str(artefacts)
    agencies = _agencies(space)
    version = register_version(space.loaded, space.work)
    held = list(dict.fromkeys(s for s, *_ in agency_parts(space))) if space.related else []
    cut = stages.tasks("feeds", [("jobs.feeds:cut_feed", (work, s)) for s in held])
    pieces = [(s, k) for s, c in zip(held, cut, strict=True) for k in range(c["pieces"])]
    done = stages.tasks(
        "feeds",
        [("jobs.feeds:make_piece", (work, out, s, k, version)) for s, k in pieces],
        [n for c in cut for n in spread(_MADE * c["rows_in"], c["pieces"])],
    )
    stages.drop("corrections")
    counts: dict[int, list[Any]] = {s: [] for s in agencies}
    for (s, _), piece in zip(pieces, done, strict=True):
        counts[s].append(piece["counts"])
    files = _joined(stages, work, out, {s: c["pieces"] for s, c in zip(held, cut, strict=True)}, counts)
    fed = stages.tasks(
        "feeds",
        [
            ("jobs.feeds:publish_feed", (work, out, s, run_id, version, counts[s], files.get(s, [])))
            for s in agencies
        ],
    )
    publish_verifications(stages, space, artefacts)
    stages.free("feeds", "verified")
    names = [space.sources[s].name for s in agencies]
    return {
        "rows_in": sum(c["rows_in"] for c in cut),
        "rows_out": sum(f["rows_out"] for f in fed),
        "by_source": {
            name: {k: f[k] for k in ("rows_out", "orders", "by_kind", "by_action", "by_field")}
            for name, f in zip(names, fed, strict=True)
        },
        "applied": {name: f["applied"] for name, f in zip(names, fed, strict=True)},
        "counts": {space.sources[s].name: _summed(counts[s]) for s in agencies},
    }


def _agencies(space: Workspace) -> list[int]:
    return [n for n, s in enumerate(space.sources) if s.role == "agency"]


def _joined(
    stages: Tasks, work: str, out: str, pieces: dict[int, int], counts: dict[int, list[Any]]
) -> dict[int, list[dict[str, Any]]]:
    """The pieces of every feed as its two files: by source, what is said of them.

    pieces : by source, of those that have any. Text is four times the rows: it goes first. Until its pieces
    are dropped a feed is there twice, so long ones are joined one after another.
    """
    rows = {s: sum(n for piece in counts[s] for *_, n in piece) for s in pieces}
    files: dict[int, list[dict[str, Any]]] = {}
    for some in joined_together(rows):
        text: list[Call] = [("jobs.feeds:join_text", (work, out, s, pieces[s], rows[s])) for s in some]
        table: list[Call] = [("jobs.feeds:join_rows", (work, out, s, pieces[s])) for s in some]
        told = stages.tasks("feeds", [*text, *table], [*(rows[s] for s in some), *(0 for _ in some)])
        made = [m["file"] for m in told]
        stages.drop(*(f"feeds/{s:02d}-*" for s in some))
        files |= {s: [made[len(some) + n], made[n]] for n, s in enumerate(some)}
    return files


def joined_together(rows: Mapping[Name, int]) -> list[list[Name]]:
    """Feeds that are joined at once, by falling rows: one, or several of few. ``rows``: by source."""
    out: list[list[Name]] = []
    held = 0
    for source in sorted(rows, key=lambda s: -rows[s]):
        if not out or held + rows[source] > JOINED_ROWS:
            out.append([])
            held = 0
        out[-1].append(source)
        held += rows[source]
    return out


def _relate(stages: Tasks, space: Workspace, work: str) -> dict[int, dict[str, list[bool]]]:
    """Relate all linked records to their persons; how each agency writes its columns of names."""
    parts = agency_parts(space)
    first = register_parts(space, 0, space.layout["n_register"])
    gathered = stages.tasks(
        "correct",
        [
            *(("jobs.linked_records:gather_linked", (work, s, p)) for s, p, _, _ in parts),
            *(("jobs.register_texts:keep_texts", (work, p)) for p, _, _ in first),
        ],
        [*(n for *_, n in parts), *(0 for _ in first)],
    )
    ranges = space.ranges(register=True)
    related: list[Call] = [("jobs.agreements:relate_range", (work, a, b)) for a, b in ranges]
    stages.tasks("correct", related, [b - a for a, b in ranges])
    stages.drop(_GATHERED)
    known = stages.tasks("correct", [("jobs.agreements:merge_bearers", (work,))])[0]["known"]
    stages.drop("token_bearers/*[0-9].arrays")
    surveyed: dict[int, dict[str, list[int]]] = {s: {} for s, *_ in parts}
    for (source, *_), result in zip(parts, gathered, strict=False):
        for field, counted in result["names"].items():
            before = surveyed[source].get(field, [0, 0, 0])
            surveyed[source][field] = [a + b for a, b in zip(before, counted, strict=True)]
    habits: dict[int, dict[str, list[bool]]] = {}
    for source, fields in surveyed.items():
        habits[source] = {}
        for field, (capitals, unmarked, texts) in fields.items():
            names, marked = known[field]
            habit = common_habit(capitals, unmarked, texts, marked / max(1, names))
            habits[source][field] = [habit.capitals, habit.plain]
    return habits


def _summed(counts: Sequence[Sequence[Sequence[Any]]]) -> list[dict[str, Any]]:
    """Corrections of one source by field, kind and action, sorted."""
    total: dict[tuple[str, str, str], int] = {}
    for piece in counts:
        for field, kind, action, n in piece:
            total[field, kind, action] = total.get((field, kind, action), 0) + n
    return [{"field": f, "kind": k, "action": a, "rows": n} for (f, k, a), n in sorted(total.items())]


def _relations(made: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    """Records of one source by field and relation, of what its parts counted."""
    out: dict[str, list[int]] = {}
    for part in made:
        for field, counts in part["relations"].items():
            out[field] = [a + b for a, b in zip(out.get(field, [0] * len(counts)), counts, strict=True)]
    return out
