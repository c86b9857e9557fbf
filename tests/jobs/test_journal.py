"""One line a task, of allow-listed fields."""

import errno
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobs.journal import Journal, read_journal


def test_write__is_one_line_with_its_figures(tmp_path: Path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write(stage="block", task="make_keys", part=3, engine="threads", status="done", rows_in=10)
    [line] = read_journal(journal.path)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.pop("at"))
    assert line == {
        "stage": "block", "task": "make_keys", "part": 3, "engine": "threads", "status": "done",
        "rows_in": 10,
    }  # fmt: skip
    assert journal.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x"},
        {"stage": "Nguyễn Văn A"},
        {"stage": "two words"},
        {"stage": ""},
        {"stage": "x" * 65},
        {"rows_in": "001085000123"},
        {"rows_in": True},
        {"part": None},
        {"seconds": [1.0]},
    ],
)
def test_write__refuses_what_is_not_listed(tmp_path: Path, fields: dict[str, Any]):
    journal = Journal(tmp_path / "journal.jsonl")
    with pytest.raises(ValueError, match="The journal was given"):
        journal.write(**fields)
    assert read_journal(journal.path) == []


def test_write__lines_of_many_threads_stay_whole(tmp_path: Path):
    journal = Journal(tmp_path / "journal.jsonl")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: journal.write(stage="match", part=n), range(200)))
    assert sorted(line["part"] for line in read_journal(journal.path)) == list(range(200))


def test_read_journal__leaves_out_a_line_that_was_cut_off(tmp_path: Path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write(stage="a")
    with journal.path.open("ab") as stream:
        stream.write(json.dumps({"stage": "b"}).encode()[:-3])
        stream.write(b"\n")
    journal.write(stage="c")
    with journal.path.open("ab") as stream:
        stream.write(b'{"stage": "d')
    assert [line["stage"] for line in read_journal(journal.path)] == ["a", "c"]


@pytest.mark.parametrize("taken", [0, 7])
def test_journal__of_a_line_that_finds_no_room_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write(stage="match", part=0)
    before = journal.path.read_bytes()
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data[:taken])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            journal.write(stage="match", part=1)
    assert journal.path.read_bytes() == before
    journal.write(stage="match", part=2)
    assert [line["part"] for line in read_journal(journal.path)] == [0, 2]
