"""The private folder and the settings of a local Ray, without one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs import ray_cluster


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ray_cluster.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(ray_cluster.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def abandoned() -> Path:
    """A folder whose owner was killed: nobody holds its lock."""
    folder = ray_cluster.private_folder()
    os.close(ray_cluster._held.pop(folder))
    (folder / "r").mkdir()
    return folder


def test_sweep__removes_what_killed_owners_left_and_nothing_else(place: Path):
    left, held = abandoned(), ray_cluster.private_folder()
    (place / "lk-other").mkdir(mode=0o700)
    ray_cluster.sweep()
    assert not left.exists()
    assert held.exists()
    assert (place / "lk-other").exists()
    ray_cluster.remove(held)
    assert not held.exists()


def test_sweep__what_is_still_written_to_is_found_again(place: Path, monkeypatch: pytest.MonkeyPatch):
    """Processes of a killed Ray made a file as the folder went: it stayed, with nothing to know it by."""
    left = abandoned()
    real = Path.rmdir

    def late(self: Path) -> None:
        (self / "r").mkdir()
        real(self)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rmdir", late)
        ray_cluster.sweep()
    assert left.exists()
    ray_cluster.sweep()
    assert not left.exists()


@pytest.mark.parametrize("token", ["", None, "own" * 20])
def test_start__has_a_token_and_heeds_no_address_of_a_cluster(
    place: Path, monkeypatch: pytest.MonkeyPatch, token: str | None
):
    """With RAY_ADDRESS Ray refuses to start one; with an empty token it writes a token to the home folder."""
    for name in ("RAY_AUTH_TOKEN", "RAY_ADDRESS"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    if token is None:
        monkeypatch.delenv("RAY_AUTH_TOKEN")
    else:
        monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    seen = []
    monkeypatch.setattr(ray_cluster, "_init", lambda options: seen.append((options, dict(os.environ))))
    folder = ray_cluster.start(2, None)
    [(options, environment)] = seen
    assert "RAY_ADDRESS" not in environment
    assert environment["RAY_AUTH_TOKEN"] == (token or environment["RAY_AUTH_TOKEN"])
    assert len(environment["RAY_AUTH_TOKEN"]) >= 60
    assert options["_temp_dir"] == f"{folder}/r"
    ray_cluster.remove(folder)
