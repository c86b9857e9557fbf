"""Commands find their kernels in a complete cache that cannot be written: none compiles one for itself."""

from __future__ import annotations

import subprocess

import pytest

from tests.end_to_end.runs import command, environment
from tests.modes import under_modes, unwritable


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder that warmup alone has filled, without the right to write there."""
    folder = tmp_path_factory.mktemp("cache") / "kernels"
    settings = environment(LINKAGE_CACHE_DIR=str(folder))
    settings.pop("NUMBA_CACHE_DIR", None)
    warm = subprocess.run(command("warmup"), env=settings, capture_output=True, text=True, timeout=300)
    assert warm.returncode == 0, warm.stderr
    unwritable(folder)
    return settings


def test_commands__compile_nothing_that_warmup_does_not(cache, nation, tmp_path):
    made = tmp_path / "made"
    for words in (
        ("generate", "--people", "2000", "--out", made),
        ("check", made / "project.toml"),
        ("plan", made / "project.toml"),
        ("run", made / "project.toml", "--out", tmp_path / "run"),
        ("run", nation, "--out", tmp_path / "ray", "--engine", "ray"),
        ("evaluate", tmp_path / "run", "--truth", made / "truth"),
        ("profile", tmp_path / "run"),
    ):
        ended = subprocess.run(
            command(*words), env=cache, capture_output=True, text=True, timeout=300, preexec_fn=under_modes
        )
        assert ended.returncode in (0, 1), (words[0], ended.stderr)
        assert "E-" not in ended.stderr, (words[0], ended.stderr)
