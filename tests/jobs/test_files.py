"""Plain files are whole or not there, are held against their digests, and a full disk is told as such."""

import errno
import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import xxhash

from jobs import files
from linkage.errors import IntegrityError, LinkageError


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder that keeps digests of what lies under it."""
    files.make_folder(tmp_path / "work" / files.SUMS)
    return tmp_path / "work"


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def test_read__every_flipped_bit_of_a_plain_file_is_found(work: Path):
    path = work / "settings.json"
    files.write_json(path, {"a": [1, 2], "b": "é"})
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        flip(path, bit)
        for read in (files.read_bytes, files.read_json, files.checked):
            with pytest.raises(IntegrityError, match="E-INTEGRITY-001: 'work/settings.json' is damaged"):
                read(path)
        path.write_bytes(whole)
    assert files.read_json(path) == {"a": [1, 2], "b": "é"}
    path.write_bytes(whole[:-1])
    with pytest.raises(IntegrityError, match="is damaged"):
        files.read_json(path)
    path.unlink()
    for read in (files.read_bytes, files.read_json, files.checked):
        with pytest.raises(IntegrityError, match="is missing"):
            read(path)


def test_read__a_damaged_or_lost_digest_is_found(work: Path):
    path = work / "a" / "x"
    files.write_bytes(files.make_folder(path.parent) / "x", b"abc")
    kept = work / "sums" / "a" / "x"
    for bit in range(8 * kept.stat().st_size):
        flip(kept, bit)
        with pytest.raises(IntegrityError, match="'a/x' is damaged"):
            files.read_bytes(path)
        flip(kept, bit)
    kept.unlink()
    with pytest.raises(IntegrityError, match="'a/x' is damaged"):
        files.checked(path)


def test_read__where_no_digests_are_kept_the_file_is_taken_as_it_is(tmp_path: Path):
    files.write_bytes(tmp_path / "x", b"abc")
    (tmp_path / "x").write_bytes(b"abd")
    assert files.read_bytes(tmp_path / "x") == b"abd"
    assert files.checked(tmp_path / "x") == tmp_path / "x"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_checked__looks_again_only_when_the_file_has_changed(work: Path, monkeypatch: pytest.MonkeyPatch):
    files.write_bytes(work / "x", b"abc")
    files.checked(work / "x")
    monkeypatch.setattr(files, "file_sum", lambda _path: "never")
    files.checked(work / "x")
    files.write_bytes(work / "x", b"abc")
    with pytest.raises(IntegrityError):
        files.checked(work / "x")


def test_rewritten__both_digests_stand_until_the_new_file_has_its_name(work: Path, monkeypatch: Any):
    path = work / "model.json"
    files.write_bytes(path, b"first")
    replace = Path.replace

    def stop(self: Path, target: Path) -> Path:
        if Path(target) == path:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        files.write_bytes(path, b"second")
    assert files.read_bytes(path) == b"first"
    monkeypatch.undo()
    files.write_bytes(path, b"second")
    assert files.read_bytes(path) == b"second"
    path.write_bytes(b"other")
    with pytest.raises(IntegrityError):
        files.read_bytes(path)
    assert [p.name for p in work.rglob("*.tmp-*")] == []


def test_rewritten__two_kills_before_the_new_file_has_its_name_leave_the_old_one_whole(
    work: Path, monkeypatch: pytest.MonkeyPatch
):
    path = work / "model.json"
    files.write_bytes(path, b"first")

    def killed(self: Path, target: Path) -> Path:
        if target == path:
            raise KeyboardInterrupt
        return real(self, target)

    real = Path.replace
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                files.write_bytes(path, b"second")
            assert files.read_bytes(path) == b"first"
    files.write_bytes(path, b"second")
    assert files.read_bytes(path) == b"second"
    path.write_bytes(b"secont")
    with pytest.raises(IntegrityError):
        files.read_bytes(path)


def test_kept_sums__are_of_the_bytes(work: Path):
    files.write_bytes(work / "x", b"abc")
    assert files.kept_sums(work / "x") == [
        (xxhash.xxh3_128_hexdigest(b"abc"), 3, hashlib.blake2b(b"abc", digest_size=32).hexdigest())
    ]


def test_move_and_discard__take_the_digest_along(work: Path):
    for name in ("a", "b"):
        files.make_folder(work / name)
    files.write_bytes(work / "a" / "x", b"abc")
    files.move(work / "a" / "x", work / "b" / "y")
    assert files.read_bytes(work / "b" / "y") == b"abc"
    files.discard(work / "b" / "y")
    files.discard(work / "b" / "y")
    assert [p for p in work.rglob("*") if p.is_file()] == []


def test_move__of_a_folder_takes_the_digests_of_its_files_along(work: Path):
    files.make_folder(work / "feeds" / "tax")
    files.write_bytes(work / "feeds" / "tax" / "x", b"abc")
    files.make_folder(work / "withheld")
    files.move(work / "feeds", work / "withheld" / "feeds")
    assert files.read_bytes(work / "withheld" / "feeds" / "tax" / "x") == b"abc"


class Trickle:
    """A file that takes a few bytes at a time, and no more than its disk holds."""

    def __init__(self, room: int) -> None:
        self.held = bytearray()
        self.room = room

    def write(self, data: Any) -> int:
        if len(self.held) == self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = bytes(data)[: min(3, self.room - len(self.held))]
        self.held += taken
        return len(taken)


def test_aside_file__writes_all_though_the_system_takes_parts():
    disk = Trickle(100)
    out = files.AsideFile(disk)  # type: ignore[arg-type]
    assert out.write(b"0123456789") == 10
    assert out.write(memoryview(b"abc")) == 3
    assert bytes(disk.held) == b"0123456789abc"
    assert (out.size, out.tell()) == (13, 13)
    assert out.digest() == hashlib.blake2b(b"0123456789abc", digest_size=32).hexdigest()
    with pytest.raises(OSError, match="No space"):
        files.AsideFile(Trickle(5)).write(b"0123456789")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "why"),
    [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "quota"), (errno.EFBIG, "may not grow")],
)
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_full_disk__has_its_own_code_and_leaves_nothing(
    work: Path, monkeypatch: pytest.MonkeyPatch, number: int, why: str, call: str
):
    def full(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(*((files.AsideFile, "write") if call == "write" else (files.os, "fsync")), full)
    with pytest.raises(LinkageError, match=f"E-DISK-001: .*'work/x' stopped at .*{why}") as caught:
        files.write_bytes(work / "x", b"abc")
    assert caught.value.exit_code == 5
    assert "same command" in caught.value.do
    assert [p for p in work.rglob("*") if p.is_file()] == []


def test_other_faults__stay_what_they_are(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        files.write_bytes(tmp_path / "none" / "x", b"")
    assert files.disk_full("x", OSError(errno.EACCES, "no")) is None


def test_noting__is_of_the_files_of_its_own_thread(tmp_path: Path):
    with files.noting() as mine:
        files.write_bytes(tmp_path / "a", b"abc")
        other = threading.Thread(target=files.write_bytes, args=(tmp_path / "b", b"d"))
        other.start()
        other.join()
        with files.noting() as inner:
            files.write_bytes(tmp_path / "c", b"ef")
    files.write_bytes(tmp_path / "d", b"g")
    assert (mine.files, mine.bytes) == ([tmp_path / "a"], 3)
    assert (inner.files, inner.bytes) == ([tmp_path / "c"], 2)
