"""Rivals through files, against looking at everybody."""

from __future__ import annotations

import collections
import shutil
from pathlib import Path

import numpy as np
import pytest

from jobs import tasks_settle
from jobs.store import read_arrays, read_json, write_json
from jobs.tasks_settle import find_rivals, key_rivals, list_rivals, rival_groups, rival_stretches
from jobs.workspace import Workspace
from linkage.coded import Coded, Meaning
from linkage.settle import CROWD


def births(coded: Coded, meaning: Meaning) -> list[np.ndarray]:
    """In place of :func:`linkage.settle.alike_keys`: keys that many share, of the month and the decade of
    birth.
    """
    born = np.asarray(coded.arrays["birth_date"]).astype(np.uint64)
    keys = [born >> np.uint64(5), (born >> np.uint64(9)) // np.uint64(10)]
    return [
        np.where(born != 0, (2 * one + np.uint64(kind)) * np.uint64(0x9E3779B97F4A7C15), np.uint64(0))
        for kind, one in enumerate(keys)
    ]


@pytest.fixture
def space(kept: Workspace, tmp_path: Path) -> Workspace:
    """The kept run's columns in more ranges and partitions than tasks take at once."""
    work = tmp_path / "work"
    shutil.copytree(kept.work, work)
    write_json(work / "layout.json", read_json(work / "layout.json") | {"range_rows": 60, "bits": 7})
    return Workspace.open(str(work))


def test_rivals__are_all_who_share_a_key_but_for_crowds(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks_settle, "alike_keys", births)
    work = str(space.work)
    assert rival_groups(space) > 1
    assert max(len(some) for some in rival_stretches(space)) > 1
    for start, stop in space.ranges(register=True):
        key_rivals(work, start, stop)
    for some in rival_stretches(space):
        find_rivals(work, some.start, some.stop)
    rivals, crowded = set(), set()
    for group in range(rival_groups(space)):
        list_rivals(work, group)
        held = read_arrays(space.path("rivals", f"{group:05d}.arrays"))
        pairs = list(zip(held["rows"].tolist(), held["rivals"].tolist(), strict=True))
        assert pairs == sorted(set(pairs))
        assert held["crowded"].tolist() == sorted(set(held["crowded"].tolist()))
        assert {row // (60 * tasks_settle.RANGES_TOGETHER) for row, _ in pairs} <= {group}
        rivals |= set(pairs)
        crowded |= set(held["crowded"].tolist())

    sharing = collections.defaultdict(list)
    born = np.asarray(space.coded.arrays["birth_date"])[: space.layout["n_register"]].tolist()
    for row, date in enumerate(born):
        if date:
            sharing["month", date >> 5].append(row)
            sharing["decade", (date >> 9) // 10].append(row)
    few = [rows for rows in sharing.values() if len(rows) <= CROWD]
    assert rivals == {(a, b) for rows in few for a in rows for b in rows if a != b}
    assert crowded == {row for rows in sharing.values() if len(rows) > CROWD for row in rows}
    assert rivals
    assert crowded
