from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from jobs.broadcast import RECEIVED, Broadcasts, Received, marks, read_bytes, scan
from jobs.store import make_folder, read_arrays, read_json, read_table, write_arrays, write_json, write_table
from linkage.errors import IntegrityError


class FullError(Exception):
    pass


class Store:
    """Keeps what is put by a number; holds no more than ``room`` bytes."""

    def __init__(self, room=10**9):
        self.held = []
        self.room = room

    def put(self, value):
        size = getattr(value, "nbytes", 0)
        if size > self.room:
            raise FullError
        self.room -= size
        self.held.append(value)
        return len(self.held) - 1

    def get(self, number):
        return self.held[number]


@pytest.fixture
def store():
    return Store()


def handed(broadcasts, store):
    received = Received()
    received.take(*broadcasts.current(), store.get)
    return received


def replace(path, data):
    aside = path.with_name(f"{path.name}.tmp-1")
    aside.write_bytes(data)
    aside.replace(path)


def test_place__is_handed_with_its_files_and_their_marks(store, tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a").write_bytes(b"one")
    (tmp_path / "tables" / "b").write_bytes(b"")
    (tmp_path / "model.json").write_bytes(b"{}")
    broadcasts = made(store)
    broadcasts.add([tmp_path / "tables", tmp_path / "model.json", tmp_path / "absent"])
    received = handed(broadcasts, store)
    assert bytes(received.content(tmp_path / "tables" / "a")) == b"one"
    assert bytes(received.content(tmp_path / "tables" / "b")) == b""
    assert bytes(received.content(tmp_path / "model.json")) == b"{}"
    assert received.marks(tmp_path / "tables") == scan(tmp_path / "tables")
    assert received.marks(tmp_path / "absent") is None
    assert received.content(tmp_path / "tables" / "c") is None


def test_place__that_stays_as_it_is_is_put_once(store, tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    broadcasts = made(store)
    broadcasts.add([tmp_path / "a"])
    first = broadcasts.current()
    count = len(store.held)
    assert broadcasts.current() == first
    assert len(store.held) == count


def made(store):
    return Broadcasts(store.put, lambda path: path.read_bytes(), (FullError,))


def test_file__that_is_replaced_is_handed_anew(store, tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    broadcasts = made(store)
    broadcasts.add([tmp_path / "a"])
    received = handed(broadcasts, store)
    replace(tmp_path / "a", b"two")
    assert bytes(received.content(tmp_path / "a")) == b"one"
    received.take(*broadcasts.current(), store.get)
    assert bytes(received.content(tmp_path / "a")) == b"two"
    (tmp_path / "a").unlink()
    received.take(*broadcasts.current(), store.get)
    assert received.content(tmp_path / "a") is None


def test_file__that_is_being_written_is_not_handed(store, tmp_path):
    (tmp_path / "a.tmp-77").write_bytes(b"half")
    broadcasts = made(store)
    broadcasts.add([tmp_path])
    assert handed(broadcasts, store).marks(tmp_path) is None


def test_place__that_the_store_has_no_room_for_is_left_to_its_files(tmp_path):
    store = Store(room=5)
    (tmp_path / "large").write_bytes(b"too large")
    (tmp_path / "small").write_bytes(b"small")
    broadcasts = made(store)
    broadcasts.add([tmp_path / "large", tmp_path / "small"])
    received = handed(broadcasts, store)
    assert received.content(tmp_path / "large") is None
    assert bytes(received.content(tmp_path / "small")) == b"small"


def test_process__that_was_handed_nothing_reads_the_files(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    assert bytes(read_bytes(tmp_path / "a")) == b"one"
    assert marks(tmp_path) == scan(tmp_path)
    assert marks(tmp_path / "absent") == []
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "absent")


@pytest.fixture
def receive(store):
    """Hands places to this process, as a worker is handed them, until the test ends."""

    def hand(*places):
        broadcasts = made(store)
        broadcasts.add(places)
        RECEIVED.take(*broadcasts.current(), store.get)

    yield hand
    RECEIVED.take(0, [], store.get)


def test_readers__of_a_run_read_what_was_handed(receive, tmp_path):
    folder = make_folder(tmp_path / "vocabulary")
    write_arrays(folder / "a.arrays", numbers=np.arange(5), none=np.zeros((0, 3)))
    write_table(folder / "a.arrow", pa.table({"token": ["an", "binh"]}))
    write_json(tmp_path / "model.json", {"rate": 1})
    receive(folder, tmp_path / "model.json")
    for path in (folder / "a.arrays", folder / "a.arrow", tmp_path / "model.json"):
        path.unlink()
    held = read_arrays(folder / "a.arrays")
    assert held["numbers"].tolist() == [0, 1, 2, 3, 4]
    assert held["none"].shape == (0, 3)
    assert not held["numbers"].flags.writeable
    assert read_table(folder / "a.arrow")["token"].to_pylist() == ["an", "binh"]
    assert read_json(tmp_path / "model.json") == {"rate": 1}


def test_readers__see_damage_of_a_container_that_was_handed(receive, tmp_path):
    path = tmp_path / "a.arrays"
    write_arrays(path, numbers=np.arange(1000))
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    receive(path)
    with pytest.raises(IntegrityError):
        read_arrays(path)
