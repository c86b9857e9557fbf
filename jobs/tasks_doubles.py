"""Tasks that look for suspected doubles of the register: candidates by their keys, weighed, and judged."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.shuffle import read_shuffled, write_shuffled
from jobs.store import open_arrays, read_arrays, write_arrays
from jobs.tasks_match import scoring_of, weights_of
from jobs.workspace import Workspace, slice_of
from linkage.agreement import EQUAL, LESS, MORE, relate_names
from linkage.cases import CASE_MIN
from linkage.decisions import CONFLICT
from linkage.doubles import Doubles, judge_doubles, namesake_keys, oriented, pairs_of, shared_evidence
from linkage.match import Scoring, match_pairs
from linkage.model import STEP, groups_of
from linkage.reasons import BIT
from linkage.scored import Scored

#: Bits below an even chance, with one double a person, from which a pair of register persons is not kept.
DOUBLES_BELOW = 10

#: Columns whose equal values make two register persons candidates for a double.
_KEYED = ("old_number", "personal_number")

#: Columns of which namesakes' keys are made.
_NAMESAKES = ("full_name", "birth_date", "sex", "commune")


def key_register(work: str, start: int, stop: int, partitions: int) -> dict[str, Any]:
    """Keys that doubles share, of a range of the register, by partition."""
    space = Workspace.open(work)
    coded = space.coded
    keyed = _keyed(space)
    if "names" in keyed:
        keys, narrow = namesake_keys(slice_of(coded, start, stop, _NAMESAKES), space.meaning)
        some = np.flatnonzero(keys != 0)
        _write_keys(space, f"{start:012d}.names", keys[some], some + start, partitions, narrow=narrow[some])
    for column in keyed:
        if column != "names":
            codes, owners = _identifiers(space, column, start, stop)
            _write_keys(space, f"{start:012d}.{column}", codes, owners, partitions)
    return {"rows_in": stop - start}


def _keyed(space: Workspace) -> list[str]:
    """What register persons are brought together by: ``names`` for name and birth date, and identifiers."""
    arrays = space.coded.arrays
    names = ["names"] if "full_name" in arrays and "birth_date" in arrays else []
    return [*names, *(column for column in _KEYED if column in arrays)]


def _write_keys(
    space: Workspace, name: str, keys: np.ndarray, rows: np.ndarray, partitions: int, **more: np.ndarray
) -> None:
    write_shuffled(
        space.path("doubles", f"{name}.arrays"),
        (keys % np.uint64(partitions)).astype(np.uint16),
        partitions,
        keys=keys,
        rows=rows.astype(np.uint32),
        **more,
    )


def _identifiers(space: Workspace, column: str, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Identifiers of register persons, earlier ones too, and whose they are."""
    arrays = space.coded.arrays
    held = [arrays[column][start:stop]]
    if f"{column}.alias" in arrays:
        held += list(arrays[f"{column}.alias"][start:stop].T)
    codes, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for own in held:
        mine = np.flatnonzero(own != 0)
        codes.append(own[mine].astype(np.uint64))
        owners.append(mine + start)
    return np.concatenate(codes), np.concatenate(owners)


def find_doubles(work: str, partition: int) -> dict[str, Any]:
    """Pairs of register persons that share a key of one partition of those that :func:`key_register` made,
    weighed; those that may be one person.
    """
    space = Workspace.open(work)
    coded, first = space.coded, space.layout["n_register"]
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    large = 0
    for name in _keyed(space):
        files = [space.path("doubles", f"{a:012d}.{name}.arrays") for a, _ in space.ranges(register=True)]
        if not files:
            continue
        columns = ("keys", "rows", "narrow") if name == "names" else ("keys", "rows")
        held = read_shuffled(files, partition, columns)
        narrow = held.get("narrow", held["keys"])
        one, other, given_up = pairs_of(held["keys"], narrow, held["rows"].astype(np.int64))
        left.append(one)
        right.append(other)
        large += given_up
    if partition == 0:
        one, other = _tied(space)
        left.append(one)
        right.append(other)
    one, other = _oriented(space, np.concatenate(left), np.concatenate(right))
    floor = int((np.log2(max(2, first)) - DOUBLES_BELOW) * STEP)
    scored, counts = match_pairs(
        coded,
        space.meaning,
        space.programme,
        space.blocking.none(),
        0,
        one,
        other,
        Scoring(weights_of(space), floor),
        space.gathered,
        owned=False,
    )
    write_arrays(
        space.path("cases", f"@doubles-{partition:05d}.arrays"),
        **{f: getattr(scored, f) for f in Scored.__dataclass_fields__},
    )
    return {"pairs": counts["pairs"], "rows_out": counts["kept"], "given_up": large}


def _oriented(space: Workspace, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = space.coded.order
    return oriented(one, other, np.asarray(order[one]), np.asarray(order[other]))


def _names_alike(space: Workspace, doubles: Doubles) -> np.ndarray:
    """Whether the names of each pair are the same, or one a less complete form of the other: bool[n].

    Twins have everything else in common.
    """
    if "full_name" not in space.coded.arrays:
        return np.ones(doubles.one.shape[0], bool)
    names = space.coded.arrays["full_name"]
    one, other = np.asarray(names[doubles.one]), np.asarray(names[doubles.other])
    relation = relate_names(one, other, space.meaning.tokens.forms)
    return np.isin(relation, (EQUAL, LESS, MORE))


def tied_records(space: Workspace, start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Records of an agency range that fit two register persons equally: rows, and the two; int64 each."""
    held = open_arrays(space.range_file("decided", start))
    at = np.flatnonzero((held["decision"] == CONFLICT) & (held["reasons"] & BIT["register_double"] != 0))
    if not at.size:
        return at, at, at
    judged = open_arrays(space.range_file("judged", start))
    person, runner_up = (judged[side][at].astype(np.int64) for side in ("person", "runner_up"))
    both = (person >= 0) & (runner_up >= 0)
    return at[both] + start, person[both], runner_up[both]


def _tied(space: Workspace) -> tuple[np.ndarray, np.ndarray]:
    """Register persons that fit one agency record equally, as deciding found them."""
    one, other = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start, _ in space.ranges(register=False):
        _, person, runner_up = tied_records(space, start)
        one.append(person)
        other.append(runner_up)
    return np.concatenate(one), np.concatenate(other)


def open_doubles(work: str, partitions: int) -> dict[str, Any]:
    """Suspected doubles of the register, from the weighed pairs of all partitions."""
    space = Workspace.open(work)
    found = [read_arrays(space.path("cases", f"@doubles-{p:05d}.arrays")) for p in range(partitions)]
    scored = Scored.concatenate([Scored(**f) for f in found])
    first = space.layout["n_register"]
    left, right = scored.left.astype(np.int64), scored.right.astype(np.int64)
    order = space.coded.order
    by = np.lexsort((np.asarray(order[right]), np.asarray(order[left])))
    once = np.ones(by.size, bool)
    once[1:] = (left[by][1:] != left[by][:-1]) | (right[by][1:] != right[by][:-1])
    scored = scored.where(by[once])
    group = scoring_of(space).weights.group
    doubles = judge_doubles(scored, group, first)
    sure = (doubles.probability >= CASE_MIN) & _names_alike(space, doubles)
    names = groups_of(space.programme.parts)[1]
    near = np.array([name == "near" for name in names])[group[scored.pattern[sure]]]
    doubles = Doubles(doubles.one[sure], doubles.other[sure], doubles.probability[sure])
    shared = shared_evidence(space.coded, doubles.one, doubles.other, near)
    tied = _oriented(space, *_tied(space))
    whole = tied[0] * first + tied[1]
    shared["records_fit_both"] = np.isin(doubles.one * first + doubles.other, whole)
    write_arrays(
        space.path("cases", "@doubles.arrays"),
        one=doubles.one,
        other=doubles.other,
        probability=doubles.probability,
        **{f"evidence.{code}": mark for code, mark in shared.items()},
    )
    return {"rows_in": int(scored.left.shape[0]), "rows_out": int(doubles.one.shape[0])}
