"""The order of records, sorted in partitions of a few rows, against a sort in memory."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs import ordering
from jobs.ordering import order_records, ranks, stretch
from jobs.store import open_arrays, write_arrays
from jobs.workspace import Workspace
from linkage.columns import TextColumn
from linkage.errors import IntegrityError
from linkage.text_arrays import Texts


@dataclass
class Source:
    name: str


class Space:
    """As much of a workspace as the order needs: three sources, the register not the first by name."""

    names = ("register", "aid", "tax")

    def __init__(self, work: Path, sizes: list[tuple[int, int, int]], rows: int, in_order: bool) -> None:
        self.work = work
        self.sources = [Source(name) for name in self.names]
        self.keys: list[str] = []
        parts = []
        for source, part, n in sizes:
            start = len(self.keys)
            # Keys with a long common beginning, of several lengths; those of a source are distinct.
            own = [f"VN-{self.names[source]}-{(start + i) * 7919 % 10_007:0{3 + i % 4}d}" for i in range(n)]
            self.keys += sorted(own) if in_order else own
            parts.append([source, part, start, n])
        register = sum(n for s, _, n in sizes if s == 0)
        self.layout = {"parts": parts, "rows": len(self.keys), "n_register": register, "range_rows": rows}
        for source, part, start, n in parts:
            held = Texts.of(self.keys[start : start + n])
            path = self.path("intake", f"{source:02d}-{part:05d}.ids.arrays")
            write_arrays(path, offsets=held.offsets, bytes=held.data)
        starts = np.array([*(p[2] for p in parts if p[3]), len(self.keys)], np.int64)
        self.ids = TextColumn(starts, [self._opened(p) for p in parts if p[3]])

    def _opened(self, place: list[int]) -> Any:
        path = self.path("intake", f"{place[0]:02d}-{place[1]:05d}.ids.arrays")
        return lambda: (open_arrays(path)["offsets"], open_arrays(path)["bytes"])

    def path(self, stage: str, name: str) -> Path:
        return self.work / stage / name

    def ranges(self, *, register: bool | None = None) -> list[tuple[int, int]]:
        return Workspace.ranges(self, register=register)  # type: ignore[arg-type]

    def source_of(self, row: int) -> int:
        return next(s for s, _, start, n in self.layout["parts"] if start <= row < start + n)

    def wanted(self) -> list[int]:
        """Every row, by the name of its source and its key."""
        return sorted(
            range(len(self.keys)), key=lambda r: (self.names[self.source_of(r)], self.keys[r].encode())
        )


class Here:
    """Runs tasks where it stands."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def tasks(self, _stage: str, calls: list[Any], rows: Any = None, memory: int = 0) -> list[dict[str, Any]]:
        found = []
        for name, arguments in calls:
            module, _, function = name.partition(":")
            found.append(getattr(importlib.import_module(module), function)(*arguments))
        return found

    def drop(self, *patterns: str) -> None:
        for pattern in patterns:
            for path in self.space.work.glob(pattern):
                path.unlink()


SIZES = [(0, 0, 40), (0, 1, 0), (0, 2, 23), (1, 0, 1), (2, 0, 17), (2, 1, 30)]


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize(("partition", "together"), [(5, 1), (5, 50), (20, 1000), (1000, 70)])
def test_order__is_that_of_a_sort_in_memory(tmp_path, monkeypatch, partition, together, in_order):
    space = Space(tmp_path, SIZES, 11, in_order)
    monkeypatch.setattr(ordering, "PARTITION_ROWS", partition)
    monkeypatch.setattr(ordering, "SORTED_ROWS", together)
    monkeypatch.setattr(Workspace, "open", lambda _: space)
    order_records(Here(space), space)
    wanted = space.wanted()
    place = {row: at for at, row in enumerate(wanted)}
    for start, stop in space.ranges():
        assert ranks(space, start, stop).tolist() == [place[row] for row in range(start, stop)]
    for start, stop in ((0, len(wanted)), (3, 50), (60, 60), (41, 42)):
        held = stretch(space, start, stop)
        assert held.rows.tolist() == wanted[start:stop]
        assert held.source.tolist() == [space.source_of(r) for r in wanted[start:stop]]
        assert held.ids.series().to_list() == [space.keys[r] for r in wanted[start:stop]]
    assert not list((tmp_path / "order").glob("shuffled*"))


def test_order__of_no_records(tmp_path, monkeypatch):
    space = Space(tmp_path, [(0, 0, 0)], 11, False)
    monkeypatch.setattr(Workspace, "open", lambda _: space)
    order_records(Here(space), space)
    assert stretch(space, 0, 0).rows.shape == (0,)


def test_order__names_a_part_whose_ids_are_lost(tmp_path, monkeypatch):
    space = Space(tmp_path, SIZES, 11, False)
    monkeypatch.setattr(Workspace, "open", lambda _: space)
    (tmp_path / "intake" / "01-00000.ids.arrays").unlink()
    with pytest.raises(IntegrityError, match=r"E-INTEGRITY-001: .*01-00000\.ids\.arrays' is missing"):
        order_records(Here(space), space)
