"""The stage that publishes: what is known of each record by piece of their order, encoded, joined.

publish/    what is gathered of each range, and the encoded pieces of each artefact

Nothing but ids, and corrections that are made already, is needed once everything is gathered: what the
earlier stages left goes then, a range's decisions as soon as they are gathered, so that the artefacts find
their room.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from jobs import ordering
from jobs.cuts import spread
from jobs.executor import Call
from jobs.source_counts import count_parts
from jobs.store import make_folder, read_bytes, write_bytes
from jobs.tasks_publish import chunks_of
from jobs.workspace import Workspace

STAGE = "publish"

#: Bytes that tasks take: for a row of a range that is gathered, and of a piece of the order that is encoded.
_ROW_BYTES = 400
_CHUNK_BYTES = 1_200

#: Bytes that publishing a list takes, reading what a part submitted, and making pairs to judge.
_LIST_BYTES = 300 << 20

#: Pieces whose values are encoded together: for each task the files of all their ranges are read.
_CHUNKS_OF_VALUES = 4

#: Records from which sources are gathered and encoded round by round.
ROUND_ROWS = 4_000_000

#: Artefacts of values, made piece by piece of the order too; what is gathered of a range.
_OF_VALUES = ("repairs", "queries")
_GATHERED = ("records", "pairs", "edges", *_OF_VALUES)

#: Artefacts whose pieces are joined at once: until these are dropped, an artefact is there twice. The pages
#: of the first are made beside the last. Of no more rows than a round's all but the first are joined at once.
_JOINED = (_OF_VALUES, ("decisions", "entities"), ("links", "pairs", "subgroups"))

Range = tuple[int, int]


class Runs(Protocol):
    """Runs the tasks of a stage and removes what only they needed."""

    def tasks(
        self, stage: str, calls: list[Call], rows: list[int] | None = None, memory: int | list[int] = 0
    ) -> list[dict[str, Any]]:
        """Results of the calls in their order."""

    def drop(self, *patterns: str) -> None:
        """Remove files that only finished tasks have read."""


#: What is known of a range of agency records; what is known of records and of parts.
_OF_RANGES = ("decided", "judged", "weighed")
_OF_RECORDS = ("columns", "side", "standard", "resolved", "intake/*.records.arrays")

#: Rounds that pass every row: they are counted, gathered, encoded and joined. Encoding takes twice as long.
ROUNDS = 5
_ENCODED = 2

#: Tasks that publish lists.
_LISTS = (
    "jobs.tasks_review:publish_duplicates",
    *(f"jobs.tasks_lists:publish_{name}" for name in ("rejects", "answers", "refinement")),
)


def publish_run(stages: Runs, space: Workspace, artefacts: Path) -> dict[str, Any]:
    """Write every artefact of the decisions into ``artefacts``.

    Gives ``review_pairs``, how many pairs go to review, and ``counted``, of
    :func:`jobs.source_counts.count_parts`.
    """
    work, out = str(space.work), str(make_folder(artefacts))
    counted = count_parts(stages, STAGE, space)
    agencies = space.ranges(register=False)
    first: list[Call] = [("jobs.tasks_review:gather_review", (work, a, b)) for a, b in agencies]
    if "full_name" in space.columns:
        register = space.ranges(register=True)
        first += [("jobs.tasks_publish:count_surnames", (work, a, b)) for a, b in register]
    stages.tasks(STAGE, first)
    plan: Call = ("jobs.tasks_review:plan_review", (work,))
    asked, *_ = stages.tasks(STAGE, [plan, *((name, (work, out)) for name in _LISTS)], memory=_LIST_BYTES)
    read: list[Call] = [("jobs.tasks_review:gather_submitted", (work, s, p)) for s, p in asked["parts"]]
    review: list[Call] = [("jobs.tasks_review:encode_review", (work, *one)) for one in asked["slices"]]
    for ranges in _some(space.ranges()) or [[]]:
        _gather(stages, space, ranges, read)
        read = []
        starts = [a for a, b in ranges if (a, b) in agencies]
        stages.drop(*(f"{stage}/{a:012d}.arrays" for a in starts for stage in _OF_RANGES))
    stages.drop(*_OF_RECORDS)
    for chunks, done in rounds(space):
        _encode(stages, space, chunks, done, review)
        review = []
    stages.drop("order")
    pages: list[Call] = [("jobs.tasks_values:publish_pages", (work, out))]
    pages.append(("jobs.tasks_review:join_review", (work, out, len(asked["slices"]))))
    values, *others = _JOINED
    if space.layout["rows"] <= ROUND_ROWS:  # what is there twice is little
        others = [tuple(name for names in others for name in names)]
    joined = iter(spread(space.layout["rows"], sum(map(len, _JOINED))))
    for names in (values, *others):
        calls: list[Call] = [("jobs.tasks_artefacts:join_artefact", (work, out, name)) for name in names]
        before = pages if names is others[-1] else []
        stages.tasks(STAGE, [*before, *calls], [*[0] * len(before), *(next(joined) for _ in calls)])
        stages.drop(*(f"publish/{name}.*" for name in names))
    write_bytes(artefacts / "model.json", read_bytes(space.work / "model.json"))
    stages.drop("publish")
    return {"review_pairs": asked["rows_out"], "counted": counted}


def _gather(stages: Runs, space: Workspace, ranges: Sequence[Range], read: list[Call]) -> None:
    """Gather what is published of some ranges, while ``read`` gathers what records submitted.

    The long tasks begin first: these, then the agencies' ranges.
    """
    work, agencies = str(space.work), space.ranges(register=False)
    calls: list[Call] = [
        ("jobs.tasks_publish:gather_range", (work, a, b)) for a, b in ranges if (a, b) in agencies
    ]
    rows = [0] * (len(read) + len(calls)) + [b - a for a, b in ranges]
    calls += [("jobs.tasks_values:gather_values", (work, a, b)) for a, b in ranges]
    most = max((b - a for a, b in ranges), default=0)
    memory = [_LIST_BYTES] * len(read) + [most * _ROW_BYTES] * len(calls)
    stages.tasks(STAGE, [*read, *calls], rows, memory=memory)


def _encode(
    stages: Runs, space: Workspace, chunks: Sequence[int], done: Sequence[Range], review: list[Call]
) -> None:
    """Encode pieces of the order, and those of what is to be judged that ``review`` encodes.

    What was gathered of the ranges ``done`` is in no other piece.
    """
    work = str(space.work)
    calls: list[Call] = [("jobs.tasks_artefacts:encode_chunk", (work, c)) for c in chunks]
    last, each = space.layout["rows"], ordering.CHUNK_ROWS
    rows = [_ENCODED * (min(last, (c + 1) * each) - c * each) for c in chunks]
    values = [chunks[at : at + _CHUNKS_OF_VALUES] for at in range(0, len(chunks), _CHUNKS_OF_VALUES)]
    calls += [("jobs.tasks_values:encode_values", (work, some[0], some[-1] + 1)) for some in values]
    memory = [_LIST_BYTES] * len(review) + [ordering.CHUNK_ROWS * _CHUNK_BYTES] * len(calls)
    rows = [0] * len(review) + rows + [0] * len(values)
    stages.tasks(STAGE, [*review, *calls], rows, memory=memory)
    if review:
        stages.drop("publish/submitted-*", "publish/asked.arrays", "publish/review-*")
    stages.drop(*(f"publish/{what}-{a:012d}.arrays" for a, _ in done for what in _GATHERED))


def _some(ranges: Sequence[Range]) -> list[list[Range]]:
    """Ranges in their order, as many at once as hold the rows of a round."""
    out: list[list[Range]] = []
    rows = ROUND_ROWS
    for start, stop in ranges:
        if rows >= ROUND_ROWS:
            out.append([])
            rows = 0
        out[-1].append((start, stop))
        rows += stop - start
    return out


def rounds(space: Workspace) -> list[tuple[list[int], list[Range]]]:
    """Rounds of encoding: pieces of the order, and ranges whose records are in these and earlier ones only.

    A round is a source, in the order of artefacts, or several small ones: what is gathered of a range lies on
    the disk until all of its records are encoded.
    """
    parts = [(s, at, at + n) for s, _, at, n in space.layout["parts"] if n]
    sources = sorted({s for s, *_ in parts}, key=lambda number: space.sources[number].name)
    rows = {s: sum(b - a for source, a, b in parts if source == s) for s in sources}
    of_range = {(a, b): {s for s, start, stop in parts if a < stop and b > start} for a, b in space.ranges()}
    out: list[tuple[list[int], list[Range]]] = []
    seen: set[int] = set()
    held = list(of_range)
    first = ended = 0
    own: list[int] = []
    for place, source in enumerate(sources):
        own.append(source)
        ended += rows[source]
        last = place == len(sources) - 1
        if sum(rows[s] for s in own) < ROUND_ROWS and not last:
            continue
        seen |= set(own)
        stop = chunks_of(space) if last else ended // ordering.CHUNK_ROWS
        # The piece that the next source begins in is not complete: what it holds of this one must stay.
        open_ = set() if ended % ordering.CHUNK_ROWS == 0 or last else _within(sources, rows, stop)
        done = [r for r in held if of_range[r] <= seen and not of_range[r] & open_]
        held = [r for r in held if r not in done]
        out.append((list(range(first, stop)), done))
        first, own = stop, []
    return out or [(list(range(chunks_of(space))), [])]


def _within(sources: Sequence[int], rows: dict[int, int], chunk: int) -> set[int]:
    """Sources that have records in a piece of the order."""
    start, found = 0, set()
    low, high = chunk * ordering.CHUNK_ROWS, (chunk + 1) * ordering.CHUNK_ROWS
    for source in sources:
        if start < high and start + rows[source] > low:
            found.add(source)
        start += rows[source]
    return found
