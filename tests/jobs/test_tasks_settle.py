"""Rivals through files, against looking at every candidate of every record."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from data.generator import generate
from jobs import tasks_settle
from jobs.run import run_project
from jobs.shuffle import read_shuffled
from jobs.store import read_arrays
from jobs.tasks_block import read_blocks
from jobs.tasks_match import LEAST_TASKS, scoring_of
from jobs.tasks_settle import (
    _without_blocks,
    find_rivals,
    join_owners,
    outline_range,
    propose_range,
    rival_rules,
    settle_range,
    settles,
)
from jobs.tasks_train import read_model
from jobs.workspace import Workspace, slice_of
from kernels.outlines import NOBODY
from linkage import settle
from linkage.match import RuleKeys, match_pairs
from linkage.rules import base_keys
from linkage.scored import Scored


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A run of people with few names, up to its settled records, as if few were rehearsed, and as if many
    candidates came near.
    """
    folder = tmp_path_factory.mktemp("settling")
    generate(folder / "nation", 1_500, seed=12, born=1985, namesakes=12.0)
    run_project(folder / "nation" / "project.toml", folder / "run", parts=2, keep_work=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settle, "SAMPLED", 100)
        patch.setattr(settle, "REACH", 46 * 1024)
        yield settled(Workspace.open(str(folder / "run" / "work")))
    Workspace.open.cache_clear()


def settled(space: Workspace) -> Workspace:
    """The same with what every task of settling writes."""
    assert settles(space)
    work = str(space.work)
    for start, stop in space.ranges(register=True):
        outline_range(work, start, stop)
    for start, stop in space.ranges(register=False):
        propose_range(work, start, stop)
    join_owners(work)
    for rule in rival_rules(space):
        for some in space.stretches(LEAST_TASKS):
            find_rivals(work, rule, some.start, some.stop)
    for start, stop in space.ranges(register=False):
        settle_range(work, start, stop)
    return space


def candidates(space: Workspace) -> set[tuple[int, int]]:
    """Every agency and register record that share a block of a rule without an identifier, or were probed."""
    out = set()
    for rule in rival_rules(space):
        for partition in range(1 << space.layout["bits"]):
            blocks = read_blocks(space, rule, partition)
            for block, known in enumerate(blocks.n_register.tolist()):
                inside = blocks.members[blocks.starts[block] : blocks.starts[block + 1]].tolist()
                out |= {(one, other) for one in inside[known:] for other in inside[:known]}
    for path in (space.work / "probe").glob("*.arrays"):
        probed = read_arrays(path)
        out |= set(zip(probed["left"].tolist(), probed["right"].tolist(), strict=True))
    return out


def scored(space: Workspace, pairs: list[tuple[int, int]]) -> Scored:
    """What the pairs weigh."""
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    return match_pairs(
        space.coded,
        space.meaning,
        space.programme,
        space.blocking.none(),
        0,
        left,
        right,
        scoring_of(space),
        space.gathered,
        owned=False,
        keep_all=True,
    )[0]


def test_settled__are_the_proposed_whom_no_candidate_comes_near(space: Workspace) -> None:
    every = candidates(space)
    found: set[tuple[int, int]] = set()
    proposed = settled = 0
    ranges = space.ranges(register=False)
    for number, (start, stop) in enumerate(ranges):
        held = read_arrays(space.range_file("outlines", start)) | read_arrays(
            space.range_file("owners", start)
        )
        open_ = held["own"] != NOBODY
        files = sorted((space.work / "rivals").glob("*.arrays"))
        rivals = read_shuffled(files, number, ("left", "right"))
        found |= set(zip(rivals["left"].tolist(), rivals["right"].tolist(), strict=True))
        mine = [
            (one, other)
            for one, other in sorted(every)
            if start <= one < stop and open_[one - start] and other != held["own"][one - start]
        ]
        weighed = scored(space, mine)
        record = weighed.left.astype(np.int64) - start
        near = weighed.weight > held["least"][record, 0]
        near |= weighed.blind > held["least"][record, 1]
        wanted = open_.copy()
        wanted[record[near]] = False
        assert np.array_equal(read_arrays(space.range_file("settled", start))["settled"] == 1, wanted)
        proposed += int(open_.sum())
        settled += int(wanted.sum())
    assert 500 < settled < proposed - 5
    assert found <= every
    assert 0 < len(found) < 0.7 * len(every)


def test_proposed__are_settled_by_the_one_pair_that_their_identifier_finds(space: Workspace) -> None:
    for start, stop in space.ranges(register=False):
        held = read_arrays(space.range_file("owners", start))
        own = np.flatnonzero(held["own"] != NOBODY)
        numbers = np.asarray(space.coded.arrays["personal_number"][start:stop])[own]
        persons = np.asarray(space.coded.arrays["personal_number"].take(held["own"][own].astype(np.int64)))
        assert (numbers == persons).mean() > 0.9
        births = np.asarray(space.coded.arrays["birth_date"][start:stop])[own]
        assert np.array_equal(
            births, space.coded.arrays["birth_date"].take(held["own"][own].astype(np.int64))
        )


def test_proposed__are_none_whose_identifier_so_many_bear_that_nobody_is_compared(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (start, stop), *_ = space.ranges(register=False)
    numbers = np.asarray(space.coded.arrays["personal_number"][start:stop])
    row = int(np.flatnonzero(numbers)[3])
    rule = next(i for i in space.identifier_rules if "personal_number" in space.rules[i].columns)
    own = slice_of(space.coded, start + row, start + row + 1, ("personal_number", "personal_number.alias"))
    keys = base_keys(own, space.meaning, space.rules[rule], space.key_secret)
    blocking = space.blocking
    hot = [keys[keys != 0] if i == rule else held for i, held in enumerate(blocking.hot)]
    monkeypatch.setattr(Workspace, "blocking", RuleKeys(blocking.rules, hot, blocking.secret))
    assert np.array_equal(_without_blocks(space, start, stop), numbers == numbers[row])


def test_proposed__are_contradicted_where_deciding_says_so(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A saved model may be of a register of another size: the line is drawn by that size, here as there."""
    (start, stop), *_ = space.ranges(register=False)

    def lines() -> np.ndarray:
        propose_range(str(space.work), start, stop)
        held = read_arrays(space.range_file("outlines", start))["least"][:, 1]
        return held[read_arrays(space.range_file("owners", start))["own"] != NOBODY]

    own = lines()
    model = read_model(space)
    larger = msgspec.structs.replace(model, register=model.register << 40)
    with monkeypatch.context() as patch:
        patch.setattr(tasks_settle, "read_model", lambda _: larger)
        others = lines()
    assert others.min() == int((np.log2(model.register) + 40 + 3) * 1024) - 1
    assert own.min() < others.min()
    assert np.array_equal(lines(), own)
