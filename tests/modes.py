"""Folders without the right to write, for programs of root too."""

from __future__ import annotations

import ctypes
from pathlib import Path


def under_modes() -> None:
    """Have modes of files hold for what this process starts: root writes wherever it wants else."""
    drop_from_bounding_set, dac_override = 24, 1
    ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0)


def unwritable(folder: Path) -> None:
    """Take the right to write from a folder and all that is in it."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o500 if path.is_dir() else 0o400)


def writable(folder: Path) -> None:
    """Give it back."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
