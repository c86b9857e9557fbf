"""A stage happens once, its tasks too, whatever happens in between."""

import contextlib
import errno
from pathlib import Path
from typing import Any

import pytest

from jobs import files, stages
from jobs.executor import Done, ThreadExecutor
from jobs.journal import Journal, read_journal
from jobs.progress import Progress
from jobs.run_folder import RunFolder
from jobs.store import read_arrays, write_arrays
from linkage.errors import LinkageError

BEGUN: list[int] = []
FAILS: dict[int, BaseException] = {}


def part(work: str, number: int) -> dict[str, Any]:
    """A task that writes a file, and fails as it is told."""
    BEGUN.append(number)
    if number in FAILS:
        raise FAILS[number]
    import numpy as np

    entry = write_arrays(Path(work) / "parts" / f"{number:05d}", x=np.arange(number))
    return {"rows_in": number, "rows_out": 2 * number, "pairs": 3 * number, "size": entry.bytes}


@pytest.fixture(autouse=True)
def fresh():
    BEGUN.clear()
    FAILS.clear()


@contextlib.contextmanager
def opened(path: Path, **kwargs: Any):
    """The stages of a run in a folder, on one thread so that tasks end in their order."""
    executor = ThreadExecutor(1)
    try:
        with RunFolder(path, "f", **kwargs) as folder:
            yield stages.Stages(folder, executor, Journal(folder.journal), Progress())
    finally:
        executor.close()


def walk(held: stages.Stages, count: int = 4) -> dict[str, Any]:
    def work() -> dict[str, Any]:
        calls = [("tests.jobs.test_stages:part", (str(held.folder.work), n)) for n in range(count)]
        results = held.tasks("match", calls, list(range(count)))
        held.tasks("match", [("tests.jobs.test_stages:part", (str(held.folder.work), 100))])
        return {"pairs": sum(r["pairs"] for r in results)}

    return held.stage("match", work)


def test_stage__happens_once_and_keeps_its_facts_and_figures(tmp_path: Path):
    with opened(tmp_path / "run") as held:
        assert walk(held) == {"pairs": 18}
        [first] = held.figures
    assert BEGUN == [0, 1, 2, 3, 100]
    with opened(tmp_path / "run") as held:
        assert walk(held) == {"pairs": 18}
        assert held.figures == [first]
    assert BEGUN == [0, 1, 2, 3, 100]
    assert first["stage"] == "match"
    assert first["tasks"] == 5
    assert first["bytes_out"] == sum(
        p.stat().st_size for p in (tmp_path / "run" / "work" / "parts").iterdir()
    )


def test_stopped_stage__repeats_the_unfinished_tasks_only(tmp_path: Path):
    FAILS[2] = RuntimeError("stopped")
    with opened(tmp_path / "run") as held, pytest.raises(RuntimeError):
        walk(held)
    assert BEGUN[:3] == [0, 1, 2]
    # The thread may have taken up the last task before the fault was seen.
    finished = {line["part"] for line in read_journal(tmp_path / "run" / "journal.jsonl")}
    assert finished in ({0, 1}, {0, 1, 3})
    FAILS.clear()
    BEGUN.clear()
    with opened(tmp_path / "run") as held:
        assert walk(held) == {"pairs": 18}
        assert held.figures[0]["tasks"] == 5
    assert [*(n for n in range(4) if n not in finished), 100] == BEGUN
    lines = read_journal(tmp_path / "run" / "journal.jsonl")
    places = [(line["part"], line["parts"]) for line in lines]
    assert sorted(places[:4]) == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert places[4:] == [(0, 1)]
    assert all(line["bytes_out"] > 0 for line in lines)


def test_task__that_is_killed_as_it_is_noted_has_a_line_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A task was remembered first: killed before its line was written, it never had one."""
    from jobs.task_log import TaskLog

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for place in ((TaskLog, "remember"), (Journal, "write")):
        path = tmp_path / place[1]
        with monkeypatch.context() as patch:
            patch.setattr(*place, killed)
            with opened(path) as held, pytest.raises(KeyboardInterrupt):
                walk(held)
        with opened(path) as held:
            walk(held)
        lines = {(line["round"], line["part"]) for line in read_journal(path / "journal.jsonl")}
        assert lines == {(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)}


def rounds(held: stages.Stages, told: list[tuple[int, float | None]], count: int = 3) -> None:
    """A stage of 100 rows that so many rounds of four tasks pass, one after the other."""

    def work() -> dict[str, Any]:
        for number in range(count):
            calls = [
                ("tests.jobs.test_stages:part", (str(held.folder.work), 4 * number + n)) for n in range(4)
            ]
            held.tasks("decide", calls, [25] * 4)
            told.append((held._reach.rows, held._reach.left(60.0)))
        return {}

    held.stage("decide", work, 100, passed=lambda: 100 * count)


def test_rows__of_several_rounds_are_those_of_the_whole_stage(tmp_path: Path):
    """Each round passed all rows: the second began at 100 %, with no time left."""
    told: list[tuple[int, float | None]] = []
    with opened(tmp_path / "run") as held:
        rounds(held, told)
    assert told == [(33, 67 * 60 / 33), (66, 34 * 60 / 66), (100, None)]


def test_rows__of_several_rounds_go_on_where_they_were(tmp_path: Path):
    FAILS[9] = RuntimeError("stopped")
    told: list[tuple[int, float | None]] = []
    with opened(tmp_path / "run") as held, pytest.raises(RuntimeError):
        rounds(held, told)
    FAILS.clear()
    told.clear()
    with opened(tmp_path / "run") as held:
        rounds(held, told)
    assert told == [(33, None), (66, None), (100, None)]


def test_rows__are_never_more_than_the_stage_has(tmp_path: Path):
    with opened(tmp_path / "run") as held:

        def work() -> dict[str, Any]:
            held.tasks("order", [("tests.jobs.test_stages:part", (str(held.folder.work), 1))] * 2, [80, 80])
            assert held._reach.rows == 100
            return {}

        held.stage("order", work, 100)


def test_other_calls__take_nothing_of_the_earlier_ones_and_leave_no_file_of_them(tmp_path: Path):
    FAILS[100] = RuntimeError("stopped")
    with opened(tmp_path / "run") as held, pytest.raises(RuntimeError):
        walk(held, 4)
    FAILS.clear()
    BEGUN.clear()
    with opened(tmp_path / "run") as held:
        assert walk(held, 3) == {"pairs": 9}
    assert BEGUN == [100]
    assert sorted(p.name for p in (tmp_path / "run" / "work" / "parts").iterdir()) == [
        "00000", "00001", "00002", "00100",
    ]  # fmt: skip


@pytest.mark.parametrize("keep", [False, True])
def test_freed__is_removed_once_the_stage_has_happened(tmp_path: Path, keep: bool):
    def work() -> dict[str, Any]:
        folder = held.folder.work
        files.write_bytes(files.make_folder(folder / "plain" / "deep") / "x", b"abc")
        files.write_json(folder / "one.json", {})
        held.free(folder / "plain", folder / "one.json", "parts/*1", "nothing/*")
        assert (folder / "parts" / "00001").exists()
        return {}

    with opened(tmp_path / "run", keep_work=keep) as held:
        walk(held)
        held.stage("decide", work)
        held.close()
        left = {p.relative_to(held.folder.work).as_posix() for p in held.folder.work.rglob("*")}
    gone = {"plain", "plain/deep/x", "one.json", "parts/00001", "sums/plain", "sums/one.json"}
    assert (gone <= left) if keep else not (gone & left)
    assert {"parts/00000", "parts/00002"} <= left


@pytest.mark.parametrize("keep", [False, True])
def test_disk__is_that_of_the_folder_before_files_were_dropped(tmp_path: Path, keep: bool):
    with opened(tmp_path / "run", keep_work=keep) as held:

        def work() -> dict[str, Any]:
            held.tasks("match", [("tests.jobs.test_stages:part", (str(held.folder.work), 50_000))])
            held.drop("parts/50000")
            held.tasks("match", [("tests.jobs.test_stages:part", (str(held.folder.work), 1))])
            return {}

        held.stage("match", work)
        large, small = 8 * 50_000, 20_000
        assert large < held.disk() < large + small
        assert (held.folder.work / "parts" / "50000").exists() is keep


def test_freed__is_removed_though_the_run_was_killed_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def work() -> dict[str, Any]:
        held.free("parts")
        return {}

    monkeypatch.setattr(stages.Stages, "_free", lambda self, patterns: None)
    with opened(tmp_path / "run") as held:
        walk(held)
        held.stage("decide", work)
        assert (held.folder.work / "parts").exists()
    monkeypatch.undo()
    with opened(tmp_path / "run") as held:
        held.stage("decide", work)
        assert not (held.folder.work / "parts").exists()


def test_freed__of_a_stage_that_fails_stays(tmp_path: Path):
    def work() -> dict[str, Any]:
        held.free("parts")
        raise RuntimeError("stopped")

    with opened(tmp_path / "run") as held:
        walk(held)
        with pytest.raises(RuntimeError):
            held.stage("decide", work)
        assert read_arrays(held.folder.work / "parts" / "00003")["x"].tolist() == [0, 1, 2]
        held.stage("decide", dict)
        assert (held.folder.work / "parts").exists()


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("fault", [FULL, files.disk_full("'parts/2' stopped at 7 bytes", FULL)])
def test_full_disk__says_which_stage_and_what_is_free_and_the_run_goes_on(tmp_path: Path, fault: Any):
    FAILS[2] = fault
    with opened(tmp_path / "run") as held, pytest.raises(LinkageError) as caught:
        walk(held)
    assert caught.value.code == "E-DISK-001"
    assert caught.value.exit_code == 5
    assert caught.value.what.startswith("stage match: There is no room on the disk: ")
    assert " are free there; the stage had written " in caught.value.wanted
    FAILS.clear()
    with opened(tmp_path / "run") as held:
        assert walk(held) == {"pairs": 18}
    assert BEGUN.count(0) == BEGUN.count(1) == 1


def test_other_faults__are_passed_on_as_they_are(tmp_path: Path):
    FAILS[2] = PermissionError(errno.EACCES, "Permission denied")
    with opened(tmp_path / "run") as held, pytest.raises(PermissionError):
        walk(held)


def test_memory__is_asked_for_the_tasks_that_are_left(tmp_path: Path):
    asked = []

    class Counting:
        name, workers = "threads", 1

        def map(self, calls: Any, *, memory: Any = 0, ended: Any) -> Any:
            asked.append((len(calls), memory))
            for number, _ in enumerate(calls):
                if number == 1 and len(asked) == 1:
                    raise RuntimeError
                done = Done({}, 0.1, 1, 5, node=number)
                ended(number, done)
                yield done

    calls = [("", (n,)) for n in range(3)]
    for _ in range(2):
        with RunFolder(tmp_path / "run", "f") as folder, contextlib.suppress(RuntimeError):
            held = stages.Stages(folder, Counting(), Journal(folder.journal), Progress())  # type: ignore[arg-type]
            held.tasks("match", calls, memory=[10, 20, 30])
            held.tasks("match", calls, memory=7)
    assert asked == [(3, [10, 20, 30]), (2, [20, 30]), (3, 7)]
    assert held.peaks == {(0, 1): 5, (1, 1): 5, (2, 1): 5}
