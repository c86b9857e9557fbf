"""The private folder of a local Ray goes with its owner, however that one ended."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from jobs import ray_cluster

ROOT = Path(__file__).resolve().parents[2]

OWNER = """
import sys, time
from jobs.ray_cluster import private_folder
folder = private_folder()
(folder / "r" / "session").mkdir(parents=True)
(folder / "r" / "session" / "log").write_text("x")
print(folder, flush=True)
time.sleep(60)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the system's own for this test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folder__of_a_driver_that_was_killed_is_removed_at_the_next_start(place: Path):
    """It stayed in the system's temporary folder, of every driver that was ever killed."""
    settings = os.environ | {"TMPDIR": str(place), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER], env=settings, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    try:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert folder.parent == place
        ray_cluster.sweep()
        assert (folder / "r" / "session" / "log").exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert folder.exists()
    ray_cluster.sweep()
    assert not folder.exists()


def test_folder__of_this_process_stays_until_it_is_removed(place: Path):
    folder = ray_cluster.private_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "owner").read_text() == f"{os.getpid()}\n"
    ray_cluster.sweep()
    assert folder.exists()
    (folder / "r").mkdir()
    (folder / "owner").unlink()
    ray_cluster.remove(folder)
    assert list(place.iterdir()) == []
    assert folder not in ray_cluster._held


@pytest.mark.ray
def test_folder__whose_path_is_too_long_for_sockets_is_told(tmp_path: Path):
    place = tmp_path / ("long" * 20)
    place.mkdir(mode=0o700)
    ended = subprocess.run(
        [sys.executable, "-c", "from jobs.ray_executor import RayExecutor; RayExecutor(1)"],
        env=os.environ | {"TMPDIR": str(place), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert "E-RAY-001" in ended.stderr
    assert "TMPDIR" in ended.stderr
    assert list(place.iterdir()) == []


def test_sweep__leaves_what_is_not_surely_one_of_its_own(place: Path):
    other = place / "lk-of-another-program"
    other.mkdir(mode=0o700)
    (other / "file").touch()
    opened = place / "lk-opened"
    opened.mkdir(mode=0o700)
    (opened / "owner").touch()
    opened.chmod(0o755)
    aim = place / "aim"
    aim.mkdir(mode=0o700)
    (aim / "owner").touch()
    (place / "lk-link").symlink_to(aim)
    (place / "lk-file").touch()
    before = sorted(place.rglob("*"))
    ray_cluster.sweep()
    assert sorted(place.rglob("*")) == before


def test_sweep__leaves_folders_of_other_users(place: Path, monkeypatch: pytest.MonkeyPatch):
    left = place / "lk-left"
    left.mkdir(mode=0o700)
    (left / "owner").touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        ray_cluster.sweep()
    assert left.exists()
    ray_cluster.sweep()
    assert not left.exists()
