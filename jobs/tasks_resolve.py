"""Tasks that resolve: records of one person that a source holds twice, and people the register does not know.

resolve/persons-{start}   likely persons of a range's records, by range of persons
resolve/open-{start}      records of a range that no person was decided for
resolve/linked-{p}        records that share a person, source and role, compared with the one that stays
resolve/open              all open records, in the order that they are compared in
resolve/blocks-{rule}-{k} their blocks under a rule, by the key's hash;  resolve/pairs-{rule}-{k} scored pairs
resolved/resolved         groups, edges by their left row, duplicates, anchors by row
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from jobs.shuffle import read_shuffled, write_shuffled
from jobs.store import open_arrays, read_arrays, write_arrays
from jobs.tasks_artefacts import source_of
from jobs.tasks_decide import load_outcomes, settings_of
from jobs.tasks_frequency import terms_at
from jobs.tasks_match import scoring_of, weights_of
from jobs.workspace import Workspace, frame
from linkage import resolve, text_arrays
from linkage.artefacts import content_ids, joined
from linkage.block import plan_blocks
from linkage.coded import Coded
from linkage.columns import Column
from linkage.decisions import NEW
from linkage.match import EVERY, RuleKeys, Scoring, match_blocks, match_pairs
from linkage.model import STEP
from linkage.rules import base_keys
from linkage.scored import Blocks, Scored

#: Blocks of unlinked records larger than this are refined. Of a nation of 22 million the open records make
#: 16,000 pairs, with 50 as with 200; where half of the records bear one value, 200 made a gigabyte of them.
OPEN_CANDIDATES = 50

#: Records whose persons are looked at together, and open records whose blocks are made together.
PERSON_ROWS = 1 << 21
OPEN_ROWS = 1 << 19

#: Records whose persons are worth a task of their own, up to so many such tasks.
PERSON_WORTH, PERSON_TASKS = 1 << 18, 4

_FIELDS = tuple(Scored.__dataclass_fields__)


def _wants_one(space: Workspace) -> np.ndarray:
    """Sources that promise one record a person: bool[sources]."""
    return np.array([s.role == "agency" and s.contract.records_per_person == "one" for s in space.sources])


def person_partitions(space: Workspace) -> int:
    """Ranges of persons that records are gathered by."""
    rows = int(space.layout["rows"] - space.layout["n_register"])
    return max(1, min(PERSON_TASKS, -(-rows // PERSON_WORTH)), -(-rows // PERSON_ROWS))


def open_passes(rows: int) -> int:
    """Passes in which the blocks of so many open records are made."""
    return max(1, -(-rows // OPEN_ROWS))


def gather_persons(work: str, start: int, stop: int) -> dict[str, Any]:
    """Gather the likely persons of a range's records, from even odds on, and the records without one."""
    space = Workspace.open(work)
    decision, person, p_link = load_outcomes(space, start, stop)
    rows = np.arange(start, stop, dtype=np.int64)
    source = source_of(space, rows)
    role = _roles(space, start, stop)
    likely = np.flatnonzero((person >= 0) & (p_link >= 0.5) & _wants_one(space)[source])
    partitions = person_partitions(space)
    person = person[likely]
    write_shuffled(
        space.path("resolve", f"persons-{start:012d}.arrays"),
        (person * partitions // max(1, space.layout["n_register"])).astype(np.uint16),
        partitions,
        person=person.astype(np.uint32),
        rows=rows[likely].astype(np.uint32),
        role=role[likely],
        p_link=p_link[likely],
    )
    free = np.flatnonzero(resolve.is_open(decision))
    write_arrays(
        space.path("resolve", f"open-{start:012d}.arrays"),
        rows=rows[free],
        role=role[free],
        fresh=(decision[free] == NEW).astype(np.uint8),
    )
    return {"rows_in": stop - start, "rows_out": int(free.shape[0])}


def _roles(space: Workspace, start: int, stop: int) -> np.ndarray:
    """The fields within which a source promises one record a person, as a number: uint64[n], 0 for none."""
    out = np.zeros(stop - start, np.uint64)
    for source, part, first, count in space.layout["parts"]:
        per = space.sources[source].contract.per
        if not per or not count or first >= stop or first + count <= start:
            continue
        low, high = max(start, first), min(stop, first + count)
        records = frame(space.records(source, part, list(per)).slice(low - first, high - low))
        texts = joined(*(records[c].cast(pl.String) for c in per))
        out[low - start : high - start] = np.ascontiguousarray(content_ids(texts)).view("<u8")[:, 0]
    return out


def compare_linked(work: str, partition: int) -> dict[str, Any]:
    """Compare the records that share a person of one range, source and role with the one that stays."""
    space = Workspace.open(work)
    paths = [
        space.path("resolve", f"persons-{start:012d}.arrays") for start, _ in space.ranges(register=False)
    ]
    names = ("person", "rows", "role", "p_link")
    held = read_shuffled(paths, partition, names) if paths else {n: np.zeros(0, np.int64) for n in names}
    rows = held["rows"].astype(np.int64)
    groups = resolve.person_groups(
        held["person"].astype(np.int64), source_of(space, rows), held["role"], rows
    )
    absorbed, survivor = resolve.survivors(groups, _ranks(space, groups[:, 1]))
    by = np.argsort(absorbed)
    absorbed, survivor = absorbed[by], survivor[by]
    compared, _ = match_pairs(
        space.coded,
        space.meaning,
        space.programme,
        space.blocking.none(),
        255,
        absorbed,
        survivor,
        scoring_of(space),
        space.gathered,
        owned=False,
        keep_all=True,
    )
    # Range after range, and in each as they stand: the rows rise.
    both = [
        held["p_link"][np.searchsorted(rows, side.astype(np.int64))]
        for side in (compared.left, compared.right)
    ]
    write_arrays(
        space.path("resolve", f"linked-{partition:05d}.arrays"),
        probability=both[0] * both[1],
        **{f: getattr(compared, f) for f in _FIELDS},
    )
    return {"rows_in": rows.shape[0], "pairs": int(absorbed.shape[0])}


def gather_open(work: str) -> dict[str, Any]:
    """Gather all open records in the order of their keyed hashes, with their frequency terms.

    By hash, because a comparison may look at its left record only: where a row stands must not count.
    """
    space = Workspace.open(work)
    files = [
        read_arrays(space.path("resolve", f"open-{start:012d}.arrays"))
        for start, _ in space.ranges(register=False)
    ]

    def whole(name: str, dtype: Any) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype), *(f[name] for f in files)])

    rows = whole("rows", np.int64)
    ties = space.coded.order[rows] if rows.size else np.zeros(0, np.uint64)
    by = np.lexsort((rows, ties))
    terms = terms_at(space, rows) if rows.size else np.zeros((0, 3), np.int16)
    write_arrays(
        space.path("resolve", "open.arrays"),
        rows=rows,
        ties=ties,
        role=whole("role", np.uint64),
        fresh=whole("fresh", np.uint8),
        order=rows[by].astype(np.uint32),
        terms=terms[by],
    )
    return {"rows_out": rows.shape[0]}


class _Chosen:
    """Some rows of a column, read where they are asked for."""

    def __init__(self, whole: Column | np.ndarray, rows: np.ndarray) -> None:
        self.whole = whole
        self.rows = rows

    def __getitem__(self, rows: slice) -> np.ndarray:
        return np.asarray(self.whole[self.rows[rows]])

    def fill(self, rows: np.ndarray, out: np.ndarray) -> None:
        out[...] = self.whole[self.rows[rows]]


def _chosen(whole: Column | np.ndarray, rows: np.ndarray) -> Column:
    return Column(
        np.array([0, rows.shape[0]]), [lambda: _Chosen(whole, rows)], whole.dtype, tuple(whole.shape[1:])
    )


def _open_records(space: Workspace) -> tuple[np.ndarray, Coded]:
    """Open records in the order they are compared in, and their columns, none of them read yet."""
    held = open_arrays(space.path("resolve", "open.arrays"))
    order = held["order"].astype(np.int64)
    columns = {c: _chosen(space.coded.arrays[c], order) for c in space.gathered if c in space.coded.arrays}
    arrays: dict[str, Any] = {**columns, "frequency": held["terms"]}
    return order, Coded(arrays, _chosen(space.coded.source, order), _chosen(space.coded.order, order), 0)


def plan_open(work: str, rules: Sequence[int], turn: int, passes: int) -> dict[str, Any]:
    """Blocks of the open records under some rules, of the keys of one pass."""
    space = Workspace.open(work)
    order, local = _open_records(space)
    for number in rules:
        rule = space.rules[number]
        wanted = sorted({*rule.columns, *(f"{c}.alias" for c in rule.columns)})
        keys, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint32)]
        for start in range(0, order.shape[0], OPEN_ROWS):
            place = np.arange(start, min(order.shape[0], start + OPEN_ROWS))
            own = base_keys(local.take(place, wanted), space.meaning, rule, space.secret)
            flat = own.ravel()
            some = np.flatnonzero((flat != 0) & (flat % np.uint64(passes) == np.uint64(turn)))
            keys.append(flat[some])
            owners.append(place[some // max(1, own.shape[1])].astype(np.uint32))

        def coded_of(wanted: np.ndarray, columns: tuple[str, ...]) -> Coded:
            return local.take(wanted, columns)

        blocks = plan_blocks(
            np.concatenate(keys),
            np.concatenate(owners),
            coded_of,
            space.meaning,
            rule,
            0,
            OPEN_CANDIDATES,
            among=True,
        )
        write_arrays(
            space.path("resolve", f"blocks-{number:02d}-{turn:05d}.arrays"),
            members=blocks.members,
            starts=blocks.starts,
            n_register=blocks.n_register,
            keys=blocks.keys,
            hot=blocks.hot,
        )
    return {"rows_in": order.shape[0]}


def match_open(work: str, rules: Sequence[int], turn: int, passes: int) -> dict[str, Any]:
    """Score the pairs of open records that the blocks of some rules own, of one pass."""
    space = Workspace.open(work)
    order, local = _open_records(space)
    owners = space.blocking.owners()

    def held(number: int, part: int) -> Any:
        return open_arrays(space.path("resolve", f"blocks-{number:02d}-{part:05d}.arrays"))

    hot = [np.sort(np.concatenate([held(r, p)["hot"] for p in range(passes)])) for r in owners]
    blocking = RuleKeys([space.rules[r] for r in owners], hot, space.secret)
    scoring = Scoring(weights_of(space), int(np.log2(max(2, order.shape[0]))) * STEP)
    pairs = 0
    for number in rules:
        own = held(number, turn)
        blocks = Blocks(own["members"], own["starts"], own["n_register"], own["keys"], own["hot"], {})
        scored, _ = match_blocks(
            local,
            space.meaning,
            space.programme,
            blocking,
            owners.index(number),
            blocks,
            scoring,
            space.gathered,
            EVERY,
        )
        write_arrays(
            space.path("resolve", f"pairs-{number:02d}-{turn:05d}.arrays"),
            **{f: getattr(scored, f) for f in _FIELDS if f not in ("left", "right")},
            left=order[scored.left].astype(np.uint32),
            right=order[scored.right].astype(np.uint32),
        )
        pairs += int(scored.left.shape[0])
    return {"pairs": pairs}


def resolve_open(work: str, passes: int) -> dict[str, Any]:
    """Group unknown people, and choose the duplicates to be merged inside the agencies."""
    space = Workspace.open(work)
    weights, wants_one = weights_of(space), _wants_one(space)
    held = read_arrays(space.path("resolve", "open.arrays"))
    rows, ties, role = held["rows"], held["ties"], held["role"]
    source = source_of(space, rows)
    pairs = _sorted(_pairs(space, passes))
    probability = resolve.pair_probability(pairs, rows.shape[0])
    groups = resolve.group_open(
        pairs, probability, weights, rows, source, held["fresh"] != 0, ties, list(wants_one)
    )
    linked, settings = _linked(space, weights), settings_of(space)
    left, right = (np.searchsorted(rows, side.astype(np.int64)) for side in (pairs.left, pairs.right))
    inside = np.flatnonzero(
        (source[left] == source[right]) & (role[left] == role[right]) & wants_one[source[left]]
    )
    a, b = _by_rank(space, pairs.where(inside))
    asked = _edge(linked.absorbed, linked.survivor)
    new = ~np.isin(_edge(a, b), asked)
    inside, a, b = inside[new], a[new], b[new]
    some = pairs.where(inside)
    some = Scored(a, b, some.pattern, some.rule, some.weight, some.blind)
    own = np.searchsorted(rows, a)
    unlinked = resolve.order_duplicates(some, probability[inside], weights, source[own], ties[own], settings)
    both = resolve.Duplicates(
        *(
            np.concatenate([getattr(linked, name), getattr(unlinked, name)])
            for name in resolve.Duplicates.__dataclass_fields__
        )
    )
    keep = resolve.orders_kept(
        both, np.stack([_ties(space, both.absorbed), _ties(space, both.survivor)], axis=1)
    )
    anchor_rows, anchors = resolve.anchors_of(
        groups, _place(space, groups.rows), _merged(both, keep, rows[held["fresh"] != 0])
    )
    by_left = np.argsort(groups.left, kind="stable")
    write_arrays(
        space.path("resolved", "resolved.arrays"),
        **{name: getattr(both, name) for name in resolve.Duplicates.__dataclass_fields__},
        keep=keep,
        rows=groups.rows,
        roots=groups.roots,
        edge_left=groups.left[by_left],
        edge_right=groups.right[by_left],
        edge_kept=groups.kept[by_left],
        anchor_rows=anchor_rows,
        anchors=anchors,
    )
    return {
        "duplicates": int(keep.sum()),
        "grouped": int(groups.rows.shape[0]),
        "open": int(rows.shape[0]),
        "pairs": int(pairs.left.shape[0]),
    }


def _pairs(space: Workspace, passes: int) -> Scored:
    found = []
    for number in space.blocking.owners():
        for turn in range(passes):
            held = open_arrays(space.path("resolve", f"pairs-{number:02d}-{turn:05d}.arrays"))
            found.append(Scored(**{f: held[f] for f in _FIELDS}))
    return Scored.concatenate(found)


def _sorted(pairs: Scored) -> Scored:
    """The same in an order that does not depend on how they were found."""
    return pairs.where(np.lexsort((pairs.right, pairs.left)))


def _linked(space: Workspace, weights: Any) -> resolve.Duplicates:
    """Orders among the records of persons, of all ranges of persons."""
    files = [
        read_arrays(space.path("resolve", f"linked-{p:05d}.arrays")) for p in range(person_partitions(space))
    ]
    pairs = Scored.concatenate([Scored(**{f: held[f] for f in _FIELDS}) for held in files])
    probability = np.concatenate([np.zeros(0), *(held["probability"] for held in files)])
    by = np.argsort(pairs.left, kind="stable")
    pairs, absorbed = pairs.where(by), pairs.left[by].astype(np.int64)
    return resolve.order_duplicates(
        pairs,
        probability[by],
        weights,
        source_of(space, absorbed),
        _ties(space, absorbed),
        settings_of(space),
    )


def _ties(space: Workspace, rows: np.ndarray) -> np.ndarray:
    return np.asarray(space.coded.order[rows.astype(np.int64)]) if rows.size else np.zeros(0, np.uint64)


def _edge(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A number of each unordered pair of rows: uint64[n]."""
    low, high = np.minimum(left, right), np.maximum(left, right)
    return (low.astype(np.uint64) << np.uint64(32)) | high.astype(np.uint64)


def _merged(found: resolve.Duplicates, keep: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Orders that stand between records nobody of the register is: int64[n, 2]."""
    among = keep & np.isin(found.absorbed, fresh) & np.isin(found.survivor, fresh)
    return np.stack([found.absorbed[among], found.survivor[among]], axis=1)


def _ranks(space: Workspace, rows: np.ndarray) -> np.ndarray:
    """Place of rows by their source's survivor rule, int64[n]: of two of one source the smaller stays."""
    if rows.size == 0:
        return np.zeros(0, np.int64)
    source = source_of(space, rows)
    by_key = _text_ranks(space, rows)
    rank = by_key.copy()
    for number, info in enumerate(space.sources):
        mine = np.flatnonzero(source == number)
        if info.contract.survivor == "highest_key":
            rank[mine] = -by_key[mine]
        elif info.contract.survivor == "most_complete" and mine.size:
            filled = np.zeros(mine.shape[0], np.int64)
            for column in space.columns:
                values = np.asarray(space.coded.arrays[column][rows[mine]])
                kind = space.kinds[column]
                filled += (
                    (values[:, 0] != 0) if kind == "name" else values >= 0 if kind == "unit" else values != 0
                )
            rank[mine] = -filled * rows.shape[0] + by_key[mine]
    return rank


def _text_ranks(space: Workspace, rows: np.ndarray) -> np.ndarray:
    """Place of each row's id among these rows' ids: int64[n]; equal ids have one place."""
    texts = text_arrays.texts_at(space.ids, rows)
    order = texts.order()
    ordered = texts.take(order).series()
    new = np.concatenate([[0], (ordered[1:] != ordered[:-1]).to_numpy()]) if rows.size else np.zeros(0, int)
    rank = np.empty(rows.shape[0], np.int64)
    rank[order] = np.cumsum(new)
    return rank


def _place(space: Workspace, rows: np.ndarray) -> np.ndarray:
    """Place of each row among these in the order of artefacts: int64[n]."""
    names = [s.name for s in space.sources]
    by_name = np.argsort(np.argsort(names, kind="stable"))
    by = np.lexsort((_text_ranks(space, rows), by_name[source_of(space, rows)]))
    place = np.empty(rows.shape[0], np.int64)
    place[by] = np.arange(rows.shape[0])
    return place


def _by_rank(space: Workspace, pairs: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Absorbed and surviving side of each pair."""
    left, right = pairs.left.astype(np.int64), pairs.right.astype(np.int64)
    rank = _ranks(space, np.concatenate([left, right]))
    stays = rank[: left.shape[0]] < rank[left.shape[0] :]
    return np.where(stays, right, left), np.where(stays, left, right)
