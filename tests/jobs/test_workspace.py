from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from data.generator import generate
from jobs.store import read_arrays, write_array, write_arrays, write_json
from jobs.workspace import Workspace, create_array, slice_of


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    write_json(folder / "settings.json", {"project": "nowhere", "parts": None})
    write_json(folder / "layout.json", {"parts": [[0, 0, 0, 3], [1, 0, 3, 2]], "rows": 5, "n_register": 3})
    (folder / "columns").mkdir()
    write_array(folder / "columns" / "@source.npy", np.array([0, 0, 0, 1, 1], np.uint8))
    write_array(folder / "columns" / "@order.npy", np.arange(5, dtype=np.uint64))
    write_array(folder / "columns" / "sex.npy", np.array([1, 2, 1, 2, 0], np.uint8))
    return folder


def test_open__is_one_a_folder_and_process(work):
    Workspace.open.cache_clear()
    assert Workspace.open(str(work)) is Workspace.open(str(work))
    Workspace.open.cache_clear()


def test_coded__is_kept_while_nothing_changes(work):
    space = Workspace(work)
    assert space.coded is space.coded
    assert sorted(space.coded.arrays) == ["sex"]
    assert space.coded.n_register == 3
    assert len(space.coded) == 5


def test_coded__sees_a_column_that_a_later_stage_adds(work):
    space = Workspace(work)
    before = space.coded
    write_array(work / "columns" / "frequency.npy", np.zeros((5, 3), np.int32))
    assert "frequency" in space.coded.arrays
    assert "frequency" not in before.arrays


def test_coded__sees_a_column_that_is_written_anew(work):
    space = Workspace(work)
    assert space.coded.arrays["sex"][0] == 1
    write_array(work / "columns" / "sex.npy", np.array([2, 2, 1, 2, 0], np.uint8))
    assert space.coded.arrays["sex"][0] == 2


def test_coded__does_not_see_a_file_that_is_not_whole(work):
    space = Workspace(work)
    before = space.coded
    (work / "columns" / "commune.npy.tmp-123").write_bytes(b"half")
    assert space.coded is before


def test_coded__is_not_read_again_while_base_keys_are_filled_in(work):
    create_array(work / "columns" / "@keys0.npy", (5, 2), np.uint64)
    space = Workspace(work)
    before = space.coded
    held = np.load(work / "columns" / "@keys0.npy", mmap_mode="r+")
    held[:] = 7
    held.flush()
    os.utime(work / "columns" / "@keys0.npy")
    assert space.coded is before
    assert space.coded.arrays["@keys0"][0, 0] == 7


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
        if len(held) == 3:
            write_array(work / "columns" / "late.npy", np.zeros(5))
        return held

    assert "late.npy" not in space.fresh("list", ("columns",), load)
    assert "late.npy" in space.fresh("list", ("columns",), load)


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
    write_array(work / "plan" / "hot.npy", np.zeros(1))
    assert space.fresh("plan", ("plan",), lambda: 2) == 2


@pytest.mark.parametrize(
    ("register", "rows", "wanted"),
    [
        (None, 2, [(0, 2), (2, 4), (4, 5)]),
        (True, 2, [(0, 2), (2, 3)]),
        (False, 300_000, [(3, 5)]),
        (None, 5, [(0, 5)]),
    ],
)
def test_ranges__cover_every_row_once(work, register, rows, wanted):
    assert Workspace(work).ranges(register=register, rows=rows) == wanted


def test_ranges__of_nothing_are_none(work):
    write_json(work / "layout.json", {"parts": [], "rows": 0, "n_register": 0})
    assert Workspace(work).ranges() == []


def test_slice__counts_the_registers_rows_in_it(work):
    coded = Workspace(work).coded
    for start in range(6):
        for stop in range(start, 6):
            cut = slice_of(coded, start, stop, ("sex", "absent"))
            assert len(cut) == stop - start
            assert cut.n_register == sum(row < 3 for row in range(start, stop))
            assert cut.arrays["sex"].tolist() == [1, 2, 1, 2, 0][start:stop]


def test_arrays__come_back_as_they_were_and_are_private(tmp_path):
    path = tmp_path / "new" / "some.npz"
    arrays = {"a": np.arange(6).reshape(2, 3), "b.c": np.zeros(0, np.uint8), "@d": np.array([1.5])}
    write_arrays(path, **arrays)
    held = read_arrays(path)
    assert held.keys() == arrays.keys()
    assert all((held[k] == v).all() and held[k].dtype == v.dtype for k, v in arrays.items())
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["some.npz"]


@pytest.mark.parametrize("shape", [(0, 2), (5, 1), (3,)])
def test_created_array__is_zeros_of_its_shape(tmp_path, shape):
    create_array(tmp_path / "a.npy", shape, np.uint64)
    held = np.load(tmp_path / "a.npy")
    assert held.shape == shape
    assert held.dtype == np.uint64
    assert not held.any()


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
