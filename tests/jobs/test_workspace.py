from __future__ import annotations

import threading
import time
import types

import numpy as np
import pytest

from data.generator import generate
from jobs.store import write_arrays, write_json
from jobs.workspace import Workspace, once, slice_of


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    write_json(folder / "settings.json", {"project": "nowhere", "parts": None})
    layout = {"parts": [[0, 0, 0, 3], [1, 0, 3, 2]], "rows": 5, "n_register": 3, "range_rows": 2, "bits": 0}
    write_json(folder / "layout.json", layout)
    order = np.arange(5, dtype=np.uint64)
    sex = np.array([1, 2, 1, 2, 0], np.uint8)
    for source, rows in ((0, slice(0, 3)), (1, slice(3, 5))):
        write_arrays(
            folder / "columns" / f"{source:02d}-00000.arrays", sex=sex[rows], **{"@order": order[rows]}
        )
    return folder


def opened(work):
    """A workspace of two columns, one of which no file has."""
    space = Workspace(work)
    no_aliases = types.SimpleNamespace(alias_file=None)
    space.__dict__ |= {
        "columns": ("commune", "sex"),
        "carried": (),
        "kinds": {"commune": "unit", "sex": "sex"},
        "loaded": no_aliases,
    }
    return space


def test_open__is_one_a_folder_and_process(work):
    Workspace.open.cache_clear()
    assert Workspace.open(str(work)) is Workspace.open(str(work))
    Workspace.open.cache_clear()


def test_coded__is_kept_while_nothing_changes(work):
    space = opened(work)
    assert space.coded is space.coded
    assert sorted(space.coded.arrays) == ["commune", "sex"]
    assert np.asarray(space.coded.arrays["sex"]).tolist() == [1, 2, 1, 2, 0]
    assert np.asarray(space.coded.arrays["commune"]).tolist() == [-1] * 5
    assert np.asarray(space.coded.source).tolist() == [0, 0, 0, 1, 1]
    assert space.coded.n_register == 3
    assert len(space.coded) == 5


def test_coded__sees_what_a_later_stage_adds_once_it_is_whole(work):
    space = opened(work)
    before = space.coded
    write_arrays(work / "repeats" / f"{3:012d}.arrays", repeats=np.array([-1, -2], np.int32))
    assert np.asarray(space.coded.arrays["repeats"]).tolist() == [0, 0, 0, -1, -2]
    assert "repeats" not in before.arrays
    layout = {**space.layout, "range_rows": 1}
    write_json(work / "layout.json", layout)
    assert "repeats" not in space.coded.arrays


def test_coded__sees_a_column_that_is_written_anew(work):
    space = opened(work)
    assert np.asarray(space.coded.arrays["sex"]).tolist()[0] == 1
    write_arrays(
        work / "columns" / "00-00000.arrays",
        sex=np.array([2, 2, 1], np.uint8),
        **{"@order": np.arange(3, dtype=np.uint64)},
    )
    assert np.asarray(space.coded.arrays["sex"]).tolist()[0] == 2


def test_coded__does_not_see_a_file_that_is_not_whole(work):
    space = opened(work)
    before = space.fresh("names", ("columns",), lambda: sorted(p.name for p in (work / "columns").iterdir()))
    (work / "columns" / "half.arrays.tmp-123").write_bytes(b"half")
    after = space.fresh("names", ("columns",), lambda: sorted(p.name for p in (work / "columns").iterdir()))
    assert len(after) == len(before) + 1  # the time of the folder tells, and what is read is read again
    assert np.asarray(space.coded.arrays["sex"]).tolist() == [1, 2, 1, 2, 0]


def test_ranges__part_register_and_agencies(work):
    space = opened(work)
    assert space.ranges() == [(0, 2), (2, 3), (3, 5)]
    assert space.ranges(register=True) == [(0, 2), (2, 3)]
    assert space.ranges(register=False) == [(3, 5)]
    assert space.range_of(np.array([0, 1, 2]), register=True).tolist() == [0, 0, 1]
    assert space.range_of(np.array([3, 4]), register=False).tolist() == [0, 0]


def test_settings_and_layout__are_those_of_the_file(work):
    space = Workspace(work)
    assert "sample_share" not in space.settings
    write_json(work / "settings.json", space.settings | {"sample_share": 0.5})
    assert space.settings["sample_share"] == 0.5
    write_json(work / "layout.json", {**space.layout, "rows": 6})
    assert space.layout["rows"] == 6


def test_fresh__what_is_read_while_files_come_is_never_kept_as_current(work):
    """Loading that overlaps with a new file counts as older than the file."""
    space = Workspace(work)

    def load():
        held = sorted(p.name for p in (work / "columns").iterdir())
        if len(held) == 2:
            write_arrays(work / "columns" / "late.arrays", late=np.zeros(5))
        return held

    assert "late.arrays" not in space.fresh("list", ("columns",), load)
    assert "late.arrays" in space.fresh("list", ("columns",), load)


def test_fresh__threads_share_one_load(work):
    space, loads = Workspace(work), []

    def load():
        loads.append(1)
        return object()

    seen = []
    threads = [
        threading.Thread(target=lambda: seen.append(space.fresh("one", ("columns",), load))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len({id(value) for value in seen}) == 1


def test_fresh__of_a_folder_that_does_not_exist_yet(work):
    space = Workspace(work)
    assert space.fresh("plan", ("plan",), lambda: 1) == 1
    (work / "plan").mkdir()
    write_arrays(work / "plan" / "hot.arrays", hot=np.zeros(1))
    assert space.fresh("plan", ("plan",), lambda: 2) == 2


def test_ranges__of_nothing_are_none(work):
    write_json(work / "layout.json", {"parts": [], "rows": 0, "n_register": 0, "range_rows": 1})
    assert Workspace(work).ranges() == []


def test_slice__counts_the_registers_rows_in_it(work):
    coded = opened(work).coded
    for start in range(6):
        for stop in range(start, 6):
            cut = slice_of(coded, start, stop, ("sex", "absent"))
            assert len(cut) == stop - start
            assert cut.n_register == sum(row < 3 for row in range(start, stop))
            assert cut.arrays["sex"].tolist() == [1, 2, 1, 2, 0][start:stop]


def test_project__gives_the_register_first_and_a_key_of_its_names_alone(tmp_path):
    keys = []
    for seed, order in ((1, False), (2, True)):
        nation = tmp_path / f"nation{seed}"
        generate(nation, 300, seed=seed)
        project = nation / "project.toml"
        if order:  # the register named last
            head, *sources = project.read_text().split("[[source]]")
            project.write_text("[[source]]".join([head, *sources[1:], "\n" + sources[0]]))
        work = tmp_path / f"work{seed}"
        work.mkdir()
        write_json(work / "settings.json", {"project": str(project)})
        space = Workspace(work)
        assert [s.name for s in space.sources] == ["register", "insurance", "tax", "education"]
        assert {"full_name", "birth_date", "personal_number", "old_number"} <= set(space.kinds)
        assert set(space.columns) <= set(space.kinds)
        assert set(space.columns) <= set(space.gathered)
        keys.append(space.secret)
    assert keys[0] == keys[1]


class Slow:
    """What a workspace is to :class:`jobs.workspace.once`: a lock, and values that read one another."""

    def __init__(self):
        self.lock = threading.RLock()
        self.made = []

    @once
    def first(self):
        time.sleep(0.05)
        self.made.append("first")
        return self.second + 1

    @once
    def second(self):
        time.sleep(0.05)
        self.made.append("second")
        return 1


def test_once__is_worked_out_once_whoever_asks_first():
    slow = Slow()
    seen = []

    def locked():
        with slow.lock:
            time.sleep(0.02)
            seen.append(slow.first)

    threads = [threading.Thread(target=t, daemon=True) for t in (locked, lambda: seen.append(slow.first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert seen == [2, 2]
    assert sorted(slow.made) == ["first", "second"]
