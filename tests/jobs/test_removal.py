from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jobs import files, removal
from jobs.removal import REMOVED, Removal


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work folder that keeps sums of its files, with two files and a folder."""
    files.make_folder(tmp_path / files.SUMS)
    for name in ("one", "two", "parts/three"):
        files.make_folder((tmp_path / name).parent)
        files.write_bytes(tmp_path / name, b"abc")
    return tmp_path


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_removal__takes_files_and_folders_and_what_is_kept_of_them(work: Path) -> None:
    assert {"one", "parts/three"} <= names(work)
    held = Removal(work)
    held.remove([work / "one", work / "parts"])
    held.close()
    assert names(work) == {n for n in names(work) if n.rpartition("/")[2] == "two"}
    assert "two" in names(work)
    assert not (work / REMOVED).exists()


def test_removal__frees_the_names_before_the_files_are_gone(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    gone = removal.shutil.rmtree

    def slow(path: Path, *, ignore_errors: bool) -> None:
        go_on.wait(20)
        gone(path, ignore_errors=ignore_errors)

    held = Removal(work)
    monkeypatch.setattr(removal.shutil, "rmtree", slow)
    held.remove([work / "one", work / "parts"])
    files.write_bytes(work / "one", b"new")
    assert (work / REMOVED).exists()
    go_on.set()
    held.close()
    assert files.read_bytes(work / "one") == b"new"
    assert not (work / "parts").exists()
    assert not (work / REMOVED).exists()


def test_removal__of_nothing_makes_no_folder(work: Path) -> None:
    held = Removal(work)
    held.remove([])
    assert not (work / REMOVED).exists()
    held.close()


def test_removal__finishes_what_a_stopped_process_left(work: Path) -> None:
    left = files.make_folder(work / REMOVED / "4")
    (left / "0").write_bytes(b"abc")
    Removal(work).close()
    assert not (work / REMOVED).exists()


def test_removal__takes_what_two_patterns_match_once(work: Path) -> None:
    held = Removal(work)
    held.remove(p for pattern in ("parts/*", "parts", "one", "o*") for p in sorted(work.glob(pattern)))
    held.close()
    assert not (work / "parts").exists()
    assert not (work / "one").exists()
    assert (work / "two").exists()
