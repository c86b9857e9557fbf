"""Tasks that look for suspected doubles of the register: candidates by their keys, weighed, and judged."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.store import make_folder, read_arrays, write_arrays
from jobs.tasks_decide import load_decided
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


def find_doubles(work: str, partition: int, partitions: int) -> dict[str, Any]:
    """Pairs of register persons that share a key of this partition, weighed; those that may be one person."""
    space = Workspace.open(work)
    coded = space.coded
    first = coded.n_register
    columns = [c for c in ("full_name", "birth_date", "sex", "commune") if c in coded.arrays]
    keys, narrow, rows = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    large = 0
    if "full_name" in columns and "birth_date" in columns:
        for start, stop in space.ranges(register=True):
            key, cut = namesake_keys(slice_of(coded, start, stop, columns), space.meaning)
            mine = np.flatnonzero(key % np.uint64(partitions) == partition)
            keys.append(key[mine])
            narrow.append(cut[mine])
            rows.append(mine + start)
        one, other, large = pairs_of(np.concatenate(keys), np.concatenate(narrow), np.concatenate(rows))
        left.append(one)
        right.append(other)
    for column in _KEYED:
        if column not in coded.arrays:
            continue
        codes, owners = _identifiers(space, column, partition, partitions)
        one, other, given_up = pairs_of(codes, codes, owners)
        left.append(one)
        right.append(other)
        large += given_up
    if partition == 0:
        one, other = _tied(space)
        left.append(one)
        right.append(other)
    order = np.asarray(coded.order[:first])
    one, other = oriented(np.concatenate(left), np.concatenate(right), order)
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
    return {"rows_in": first, "pairs": counts["pairs"], "rows_out": counts["kept"], "given_up": large}


def _identifiers(
    space: Workspace, column: str, partition: int, partitions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Identifiers of register persons, earlier ones too, and whose they are: this partition's."""
    values = space.coded.arrays[column]
    aliases = space.coded.arrays.get(f"{column}.alias")
    codes, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for start, stop in space.ranges(register=True):
        held = [np.asarray(values[start:stop])]
        if aliases is not None:
            held += list(np.asarray(aliases[start:stop]).T)
        for own in held:
            mine = np.flatnonzero((own != 0) & (own % partitions == partition))
            codes.append(own[mine].astype(np.uint64))
            owners.append(mine + start)
    return np.concatenate(codes), np.concatenate(owners)


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


def _tied(space: Workspace) -> tuple[np.ndarray, np.ndarray]:
    """Register persons that fit one agency record equally, as deciding found them."""
    decided, _ = load_decided(space)
    tied = (decided.decision == CONFLICT) & (decided.reasons & BIT["register_double"] != 0)
    tied &= (decided.person >= 0) & (decided.runner_up >= 0)
    return decided.person[tied], decided.runner_up[tied]


def open_doubles(work: str, partitions: int) -> dict[str, Any]:
    """Suspected doubles of the register, from the weighed pairs of all partitions."""
    space = Workspace.open(work)
    found = [read_arrays(space.path("cases", f"@doubles-{p:05d}.arrays")) for p in range(partitions)]
    scored = Scored.concatenate([Scored(**f) for f in found])
    first = space.layout["n_register"]
    order = np.asarray(space.coded.order[:first])
    left, right = scored.left.astype(np.int64), scored.right.astype(np.int64)
    by = np.lexsort((order[right], order[left]))
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
    one, other = _tied(space)
    tied = oriented(one, other, order)
    whole = tied[0] * first + tied[1]
    shared["records_fit_both"] = np.isin(doubles.one * first + doubles.other, whole)
    make_folder(space.work / "cases")
    write_arrays(
        space.path("cases", "@doubles.arrays"),
        one=doubles.one,
        other=doubles.other,
        probability=doubles.probability,
        **{f"evidence.{code}": mark for code, mark in shared.items()},
    )
    return {"rows_in": int(scored.left.shape[0]), "rows_out": int(doubles.one.shape[0])}
