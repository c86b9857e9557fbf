"""Digests of inputs: those of the files as they are, read once for each state of a file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from jobs import input_digests
from jobs.input_digests import as_read, recall, remember, sha256, sha256_of_all
from linkage.errors import IntegrityError


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_digests, "_known", {})


def files(folder: Path, *texts: str) -> list[Path]:
    out = []
    for number, text in enumerate(texts):
        (folder / f"{number}.csv").write_text(text)
        out.append(folder / f"{number}.csv")
    return out


def test_sha256__is_that_of_the_whole_file_and_of_its_present_state(tmp_path: Path) -> None:
    one, two = files(tmp_path, "abc", "x" * 3_000_000)
    assert sha256(one) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of_all([two, one]) == [hashlib.sha256(b"x" * 3_000_000).hexdigest(), sha256(one)]
    assert sha256_of_all([]) == []
    one.write_text("abd")
    assert sha256(one) == hashlib.sha256(b"abd").hexdigest()


def test_recall__spares_the_reading_of_files_that_are_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = files(tmp_path, "a", "b")
    digests = sha256_of_all(made)
    remember(tmp_path, made)
    monkeypatch.setattr(input_digests, "_known", {})
    recall(tmp_path)
    monkeypatch.setattr(Path, "open", lambda *_, **__: pytest.fail("the file was read"))
    assert sha256_of_all(made) == digests


def test_recall__a_touched_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [made] = files(tmp_path, "a")
    sha256(made)
    remember(tmp_path, [made])
    monkeypatch.setattr(input_digests, "_known", {})
    held = made.stat()
    made.write_text("b")
    os.utime(made, ns=(held.st_atime_ns, held.st_mtime_ns + 1))
    recall(tmp_path)
    assert sha256(made) == hashlib.sha256(b"b").hexdigest()


def test_sha256__is_of_the_present_state_though_its_time_was_set_back(tmp_path: Path) -> None:
    """As copying with its times, or a tool that keeps them, leaves a file of the same size."""
    [made] = files(tmp_path, "1990")
    sha256(made)
    held = made.stat()
    made.write_text("1991")
    os.utime(made, ns=(held.st_atime_ns, held.st_mtime_ns))
    assert made.stat().st_mtime_ns == held.st_mtime_ns
    assert sha256(made) == hashlib.sha256(b"1991").hexdigest()


def test_recall__of_nothing_is_nothing_and_of_a_damaged_file_an_error(tmp_path: Path) -> None:
    recall(tmp_path / "none")
    [made] = files(tmp_path, "a")
    sha256(made)
    remember(tmp_path, [made])
    (tmp_path / input_digests.NAME).write_text("[[")
    with pytest.raises(IntegrityError):
        recall(tmp_path)


def test_as_read__is_what_the_run_read_whatever_came_after(tmp_path: Path) -> None:
    """The receipt of an extract that was added to during the run named the digest of the longer file."""
    one, two = files(tmp_path, "abc", "x")
    assert as_read(tmp_path, [two]) == [(1, sha256(two))]
    sha256(one)
    remember(tmp_path, [one])
    one.write_text("abcd")
    two.write_text("xy")
    assert as_read(tmp_path, [one, two]) == [
        (3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (2, hashlib.sha256(b"xy").hexdigest()),
    ]
