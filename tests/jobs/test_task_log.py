"""What a stage remembers of its tasks: exactly those of the present calls, and nothing that is damaged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import files
from jobs.executor import Done
from jobs.task_log import TaskLog
from linkage.errors import IntegrityError, LinkageError


def log(root: Path) -> TaskLog:
    return TaskLog(root / "work" / "stages" / "match" / "tasks.jsonl", root)


def gave(result: dict[Any, Any] | None = None, *files_: Path) -> Done:
    """What a task gave that wrote files."""
    return Done(result or {}, 0.25, 1, 1, bytes_out=7, files=tuple(map(str, files_)))


def run(held: TaskLog, calls: list[Any]) -> list[int]:
    """The calls of a round that had to be done."""
    done = []
    for number, key in enumerate(held.round(calls)):
        if key not in held.held:
            held.remember(key, gave({"n": number}))
            done.append(number)
    return done


CALLS = [("jobs.tasks:one", (n, "x")) for n in range(3)]


def test_finished__are_remembered_with_their_results(tmp_path: Path):
    first = log(tmp_path)
    keys = first.round(CALLS)
    given_ = {"a": (1, np.int64(2)), 3: np.float64(0.1), "none": None, "nested": {"b": [True]}}
    fresh = first.remember(keys[1], gave(given_))
    assert fresh["result"] == {"a": [1, 2], "3": 0.1, "none": None, "nested": {"b": [True]}}
    assert (fresh["bytes"], fresh["seconds"]) == (7, 0.25)
    again = log(tmp_path)
    assert again.round(CALLS) == keys
    assert again.held == {keys[1]: fresh}


def test_result__that_json_does_not_hold_is_refused(tmp_path: Path):
    held = log(tmp_path)
    with pytest.raises(TypeError, match=r"A task gave set. Wanted: what JSON holds"):
        held.remember(held.round(CALLS)[0], gave({"a": {1}}))
    assert not held.path.exists()


def test_key__is_of_function_arguments_and_forerunners(tmp_path: Path):
    assert run(log(tmp_path), CALLS) == [0, 1, 2]
    assert run(log(tmp_path), CALLS[::-1]) == []
    for other in (("jobs.tasks:two", (0, "x")), ("jobs.tasks:one", (0, "y")), ("jobs.tasks:one", ("0", "x"))):
        held = log(tmp_path)
        assert held.round([other, *CALLS[1:]])[0] not in held.held


def test_same_call_twice__is_two_tasks(tmp_path: Path):
    assert run(log(tmp_path), [CALLS[0], CALLS[0]]) == [0, 1]
    assert run(log(tmp_path), [CALLS[0], CALLS[0], CALLS[0]]) == [2]


def test_same_call_of_another_round__is_another_task(tmp_path: Path):
    held = log(tmp_path)
    assert run(held, CALLS) == [0, 1, 2]
    assert run(held, CALLS) == [0, 1, 2]
    held = log(tmp_path)
    assert run(held, CALLS) == run(held, CALLS) == []


def test_changed_calls__forget_what_came_of_the_old_ones_and_remove_it(tmp_path: Path):
    work = files.make_folder(tmp_path / "work")
    for name in ("a", "b", "both", "later"):
        files.write_bytes(work / name, b"")
    held = log(tmp_path)
    one, two, three = held.round(CALLS)
    held.remember(one, gave({}, work / "a", work / "both"))
    held.remember(two, gave({}, work / "b", work / "both"))
    held.remember(three, gave())
    held.remember(held.round(CALLS)[0], gave({}, work / "later"))
    held = log(tmp_path)
    assert held.round([CALLS[0], ("jobs.tasks:other", ())])[0] == one
    assert sorted(p.name for p in work.iterdir()) == ["a", "both", "stages"]
    assert run(held, CALLS) == [0, 1, 2]
    assert list(log(tmp_path).held) == [one, *log_keys(tmp_path)[1:]]


def log_keys(root: Path) -> list[str]:
    lines = (root / "work" / "stages" / "match" / "tasks.jsonl").read_text().splitlines()
    return [json.loads(line.partition(" ")[2])["task"] for line in lines]


def test_unfinished_round__keeps_what_is_finished_of_it(tmp_path: Path):
    held = log(tmp_path)
    keys = held.round(CALLS)
    held.remember(keys[2], gave())
    assert run(log(tmp_path), CALLS) == [0, 1]


def test_moved_folder__is_the_same_run(tmp_path: Path):
    def calls(root: Path) -> list[Any]:
        return [("jobs.tasks:one", (str(root / "work"), 1)), ("jobs.tasks:one", (f"{root}er", 1))]

    held = log(tmp_path / "old")
    assert run(held, calls(tmp_path / "old")) == [0, 1]
    (tmp_path / "old").rename(tmp_path / "new")
    assert run(log(tmp_path / "new"), calls(tmp_path / "new")) == [1]


def test_torn_last_line__is_done_again(tmp_path: Path):
    assert run(log(tmp_path), CALLS) == [0, 1, 2]
    path = log(tmp_path).path
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for size in (last + 1, (last + len(whole)) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert run(log(tmp_path), CALLS) == [2]
        assert path.read_bytes() == whole


def test_damaged_line__is_found_and_named(tmp_path: Path):
    assert run(log(tmp_path), CALLS) == [0, 1, 2]
    path = log(tmp_path).path
    whole = path.read_bytes()
    for bit in [*range(0, 8 * len(whole), 13), *range(8 * len(whole) - 8, 8 * len(whole))]:
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        with pytest.raises(IntegrityError, match=r"E-INTEGRITY-001: 'match/tasks.jsonl' is damaged"):
            log(tmp_path)


def test_torn_line__is_cut_off_wherever_it_was_torn(tmp_path: Path):
    assert run(log(tmp_path), CALLS) == [0, 1, 2]
    path = log(tmp_path).path
    whole = path.read_bytes()
    for length in range(whole[:-1].rfind(b"\n") + 1, len(whole)):
        path.write_bytes(whole[:length])
        assert run(log(tmp_path), CALLS) == [2]


def test_full_disk__leaves_nothing_of_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    held = log(tmp_path)
    keys = held.round(CALLS)
    held.remember(keys[0], gave())
    whole = held.path.read_bytes()

    def full(self: files.AsideFile, data: bytes) -> int:
        self.stream.write(data[:7])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.AsideFile, "write", full)
        with pytest.raises(LinkageError, match=r"E-DISK-001: .*'match/tasks.jsonl' stopped"):
            held.remember(keys[1], gave())
    assert held.path.read_bytes() == whole
    held.remember(keys[1], gave())
    assert run(log(tmp_path), CALLS) == [2]


def test_file__is_private(tmp_path: Path):
    run(log(tmp_path), CALLS)
    assert log(tmp_path).path.stat().st_mode & 0o777 == 0o600


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(data=st.data())
def test_any_number_of_kills__each_task_is_done_until_it_is_finished_once(tmp_path_factory: Any, data: Any):
    """However often a stage of several rounds is stopped, every task is finished exactly once."""
    root = tmp_path_factory.mktemp("run")
    rounds = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    finished: list[tuple[int, int]] = []
    while True:
        stop = data.draw(st.integers(0, 6)) if len(finished) < sum(rounds) else 1 << 30
        held, left = log(root), stop
        for number, size in enumerate(rounds):
            for part, key in enumerate(held.round([("jobs.tasks:one", (n,)) for n in range(size)])):
                if key not in held.held and left > 0:
                    left -= 1
                    held.remember(key, gave())
                    finished.append((number, part))
            if left <= 0:
                break
        else:
            break
    assert sorted(finished) == [(r, p) for r, size in enumerate(rounds) for p in range(size)]
