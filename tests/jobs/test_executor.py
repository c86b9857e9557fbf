from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.executor import STORAGE_ATTEMPTS, WINDOW, ThreadExecutor, demands, make_executor
from jobs.ray_executor import RayExecutor
from linkage.errors import ConflictError, ContractError, LinkageError
from linkage.schema import DeclarationError, Problem

HERE = "tests.jobs.test_executor"

#: Bytes that the tasks of the local Ray may need together.
MEMORY = 100 << 20


def square(value):
    return {"value": value * value, "process": os.getpid()}


def late(value, seconds):
    time.sleep(seconds)
    return {"value": value}


def span(seconds):
    began = time.monotonic()
    time.sleep(seconds)
    return {"began": began, "ended": time.monotonic()}


def falter(folder, kind, times):
    begun = len(list(Path(folder).iterdir()))
    (Path(folder) / f"{begun}").touch()
    if begun < times:
        raise OSError(kind, "the storage falters")
    return {"times": begun + 1}


def refuse(seconds=0.0):
    time.sleep(seconds)
    raise ContractError("E-INPUT-001", "This came,", "that was wanted.", "Do so.")


def refuse_declarations():
    raise DeclarationError([Problem(f"E-CONFIG-00{n}", "This", "that", "so") for n in (1, 2)])


def full_disk():
    raise OSError(28, "No space left on device", "/nowhere")


def stumble():
    raise KeyError("a defect")


def touch(folder, name, seconds=0.0):
    time.sleep(seconds)
    (Path(folder) / name).touch()
    return {}


def die_once(folder):
    """The first process that comes here is killed as the kernel's memory guard would do it."""
    mark = Path(folder) / "died"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"value": "alive"}


def about_worker():
    mask = os.umask(0)
    os.umask(mask)
    names = ("NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_CACHE_DIR", "RAY_USAGE_STATS_ENABLED")
    return {"mask": mask, **{n: os.environ.get(n) for n in names}}


def call(name, *arguments):
    return (f"{HERE}:{name}", arguments)


def results(executor, calls, **options):
    return [done.result for done in executor.map(calls, **options)]


def most_at_once(spans):
    """The largest number of spans that share a moment."""
    return max(sum(s["began"] <= t["began"] < s["ended"] for s in spans) for t in spans)


@pytest.fixture(scope="module")
def place():
    folder = Path(tempfile.mkdtemp(prefix="r-"))  # short: Ray's sockets lie below it
    yield folder
    assert not list(folder.iterdir()), "Ray's private folder was left behind"
    folder.rmdir()


@pytest.fixture(scope="module")
def ray_executor(place):
    before, tempfile.tempdir = tempfile.tempdir, str(place)
    try:
        made = RayExecutor(2, memory=MEMORY)
    finally:
        tempfile.tempdir = before
    yield made
    made.close()


@pytest.fixture(params=["threads", pytest.param("ray", marks=pytest.mark.ray)])
def executor(request):
    if request.param == "ray":
        yield request.getfixturevalue("ray_executor")
    else:
        made = ThreadExecutor(2)
        yield made
        made.close()


def test_map__gives_results_in_the_order_of_the_calls(executor):
    calls = [call("late", n, 0.02 if n % 3 == 0 else 0.0) for n in range(30)]
    assert [r["value"] for r in results(executor, calls)] == list(range(30))


def test_map__of_nothing_is_nothing(executor):
    assert results(executor, []) == []


def test_map__tells_seconds_process_and_memory_of_each_task(executor):
    (done,) = executor.map([call("late", 1, 0.05)])
    assert 0.05 <= done.seconds < 5
    assert done.peak_memory > 10 * 2**20
    assert (done.process == os.getpid()) == (executor.name == "threads")


def test_map__a_refusal_comes_through_whole(executor):
    with pytest.raises(ContractError) as caught:
        results(executor, [call("refuse")])
    assert caught.value.as_dict() == {
        "code": "E-INPUT-001", "what": "This came,", "wanted": "that was wanted.", "do": "Do so.",
    }  # fmt: skip
    assert caught.value.exit_code == 3


def test_map__every_problem_of_a_declaration_comes_through(executor):
    with pytest.raises(DeclarationError) as caught:
        results(executor, [call("refuse_declarations")])
    assert [p.code for p in caught.value.problems] == ["E-CONFIG-001", "E-CONFIG-002"]


def test_map__a_full_disk_comes_through_as_what_it_is(executor):
    with pytest.raises(OSError, match="No space left") as caught:
        results(executor, [call("full_disk")])
    assert caught.value.errno == 28


def test_map__a_defect_is_not_hidden(executor):
    with pytest.raises(KeyError):
        results(executor, [call("stumble")])


def test_map__after_a_failure_works_again(executor):
    with pytest.raises(LinkageError):
        results(executor, [call("refuse"), *(call("square", n) for n in range(20))])
    assert [r["value"] for r in results(executor, [call("square", 7)])] == [49]


def test_map__the_first_failure_stops_what_has_not_begun(executor, tmp_path):
    calls = [call("refuse")] + [call("touch", str(tmp_path), f"{n}", 0.05) for n in range(60)]
    with pytest.raises(ContractError):
        results(executor, calls)
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) < 20


def test_map__holds_only_a_window_in_flight(executor, tmp_path):
    begun = []

    class Watched(list):
        def __iter__(self):
            for one in super().__iter__():
                begun.append(one)
                yield one

    calls = Watched(call("touch", str(tmp_path), f"{n}") for n in range(40))
    taken = executor.map(calls)
    next(taken)
    assert len(begun) - len(list(tmp_path.iterdir())) <= 4 * executor.workers
    assert sum(1 for _ in taken) == 39


def test_map__the_first_failure_in_the_order_of_the_calls_is_raised(executor):
    calls = [
        call("late", 1, 0.1),
        call("refuse", 0.4),
        call("stumble"),
        *(call("late", 2, 0.1) for _ in range(9)),
    ]
    with pytest.raises(ContractError):
        results(executor, calls)


def test_map__tells_each_result_once_when_it_ends_and_before_it_is_given(executor):
    told = []
    calls = [call("late", 0, 1.0), *(call("late", n, 0.01) for n in range(1, 9))]
    for place, one in enumerate(executor.map(calls, ended=lambda n, done: told.append((n, done)))):
        assert (place, one) in told
    assert sorted(n for n, _ in told) == list(range(9))
    assert told[-1][0] == 0  # the others had ended long before the first one


def test_map__what_ended_beside_a_failure_has_been_told(executor):
    told = []
    calls = [call("refuse", 0.6), *(call("late", n, 0.01) for n in range(1, 4))]
    with pytest.raises(ContractError):
        list(executor.map(calls, ended=lambda n, _: told.append(n)))
    assert sorted(told) == [1, 2, 3]


def test_map__a_long_task_holds_up_no_other(executor):
    results(executor, [call("span", 0.3) for _ in range(6)])  # both workers are there
    done = list(executor.map([call("span", 2.0), *(call("span", 0.02) for _ in range(40))]))
    spans = [d.result for d in done]
    assert sum(one["began"] < spans[0]["ended"] for one in spans[1:]) > WINDOW * executor.workers


@pytest.mark.parametrize("kind", [errno.EIO, errno.ESTALE])
def test_map__what_shared_storage_answers_for_a_moment_is_tried_again(executor, tmp_path, kind):
    (done,) = executor.map([call("falter", str(tmp_path), kind, 2)])
    assert (done.result, done.attempts) == ({"times": 3}, 3)


def test_map__storage_that_stays_bad_is_told_as_what_it_is(executor, tmp_path):
    with pytest.raises(OSError, match="falters") as caught:
        results(executor, [call("falter", str(tmp_path), errno.EIO, 99)])
    assert caught.value.errno == errno.EIO
    assert len(list(tmp_path.iterdir())) == STORAGE_ATTEMPTS


@pytest.mark.parametrize("kind", [errno.ENOSPC, errno.EACCES, errno.ENOENT])
def test_map__a_fault_that_does_not_pass_is_not_tried_again(executor, tmp_path, kind):
    with pytest.raises(OSError, match="falters"):
        results(executor, [call("falter", str(tmp_path), kind, 99)])
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("need", "most"), [(0, 4), (25, 4), (40, 2), (60, 1), (1000, 1)])
def test_threads__run_together_only_as_far_as_the_memory_goes(need, most):
    made = ThreadExecutor(4, memory=100)
    spans = results(made, [call("span", 0.05) for _ in range(16)], memory=need)
    made.close()
    assert most_at_once(spans) <= most
    assert most == 1 or most_at_once(spans) > 1


@given(st.lists(st.integers(0, 150), max_size=25), st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_threads__never_take_more_memory_than_there_is_and_end(needs, workers):
    made = ThreadExecutor(workers, memory=100)
    spans = results(made, [call("span", 0.002) for _ in needs], memory=needs)
    made.close()
    held = [dict(span, need=need) for span, need in zip(spans, needs, strict=True)]
    for one in held:
        together = [h["need"] for h in held if h["began"] <= one["began"] < h["ended"] and h["need"]]
        assert sum(together) <= 100 or len(together) == 1


@pytest.mark.parametrize("memory", [[1], [1, 2, 3], -1, [1, -1]])
def test_demands__that_do_not_fit_the_calls_are_refused(memory):
    with pytest.raises(ValueError, match="Wanted: bytes"):
        demands([call("square", 1), call("square", 2)], memory)


def test_threads__work_at_once():
    barrier = threading.Barrier(2, timeout=10)
    globals()["_barrier"] = barrier
    made = ThreadExecutor(2)
    assert len(results(made, [call("meet"), call("meet")])) == 2
    made.close()


def test_threads__take_short_turns_while_they_work():
    """A task that parsed in Python held every other one up for 5 ms after each of its compiled calls."""
    before = sys.getswitchinterval()
    made = ThreadExecutor(2)
    during = sys.getswitchinterval()
    made.close()
    assert during <= 0.001 < before
    assert sys.getswitchinterval() == pytest.approx(before)


def meet():
    globals()["_barrier"].wait()
    return {}


@pytest.mark.ray
def test_ray__runs_tasks_in_processes_of_its_own(ray_executor):
    processes = {r["process"] for r in results(ray_executor, [call("square", n) for n in range(8)])}
    assert os.getpid() not in processes


@pytest.mark.ray
@pytest.mark.parametrize(("need", "most"), [(MEMORY // 2, 2), (MEMORY * 6 // 10, 1), (MEMORY * 9, 1)])
def test_ray__tasks_run_together_only_as_far_as_the_memory_goes(ray_executor, need, most):
    results(ray_executor, [call("span", 0.1) for _ in range(4)])  # both workers are there
    assert most_at_once(results(ray_executor, [call("span", 0.1) for _ in range(6)], memory=need)) <= most


@pytest.mark.ray
def test_ray__a_worker_that_is_killed_is_replaced_and_its_task_run_again(ray_executor, tmp_path):
    assert results(ray_executor, [call("die_once", str(tmp_path))]) == [{"value": "alive"}]


@pytest.mark.ray
def test_ray__a_failure_among_short_tasks_is_told_every_time(ray_executor):
    """Ray's cancelling of tasks that end at that moment ended this process."""
    for _ in range(60):
        with pytest.raises(ContractError):
            results(ray_executor, [call("refuse"), *(call("square", n) for n in range(12))])
    assert [r["value"] for r in results(ray_executor, [call("square", 3)])] == [9]


@pytest.mark.ray
def test_ray__workers_are_private_single_threaded_and_share_the_compiled_kernels(ray_executor):
    (about,) = results(ray_executor, [call("about_worker")])
    assert about["mask"] == 0o077
    assert about["NUMBA_NUM_THREADS"] == about["POLARS_MAX_THREADS"] == "1"
    assert about["RAY_USAGE_STATS_ENABLED"] == "0"
    assert about["NUMBA_CACHE_DIR"] == os.environ["NUMBA_CACHE_DIR"]


@pytest.mark.ray
def test_ray__asks_for_a_token_and_lies_in_a_folder_of_its_own(ray_executor, place):
    import ray

    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(os.environ["RAY_AUTH_TOKEN"]) >= 32
    assert Path(ray._private.worker._global_node.get_session_dir_path()).is_relative_to(place)
    assert ray_executor.folder.parent == place
    assert ray_executor.folder.stat().st_mode & 0o777 == 0o700


def listeners() -> set[str]:
    """Addresses that this process and those that it started listen at, as the system writes them in hex."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    mine = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in mine} - mine:
        mine |= more
    sockets = set()
    for process in mine:
        with contextlib.suppress(OSError):
            for handle in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):
                    sockets.add(str(handle.readlink()))
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in sockets:
                found.add(local.partition(":")[0])
    return found


@pytest.mark.ray
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not say who listens")
def test_ray__listens_to_this_machine_alone(ray_executor):
    results(ray_executor, [call("square", 1)])
    # 127.0.0.1, also as IPv6 writes it.
    assert listeners() <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert listeners()


@pytest.mark.ray
def test_ray__what_its_daemons_tell_stays_off_stdout(ray_executor, capsys):
    from ray._private import worker

    worker.print_to_stdstream(
        {"lines": ["The node was marked dead"], "pid": "raylet", "is_err": False}, ignore_prefix=False
    )
    assert capsys.readouterr() == ("", "")


@pytest.mark.ray
def test_ray__writes_no_value_of_a_task_into_its_logs(ray_executor):
    canary = "Nguyễn Văn Chim Hoàng Yến"
    results(ray_executor, [call("late", canary, 0.0)])
    with pytest.raises(ContractError):
        results(ray_executor, [call("refuse")])
    texts = [p.read_bytes() for p in ray_executor.folder.rglob("*") if p.is_file()]
    assert texts
    assert not any(canary.encode() in text for text in texts)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:9", "nowhere.invalid:6379"])
def test_ray__that_cannot_be_reached_is_told_at_once(address):
    began = time.monotonic()
    with pytest.raises(LinkageError) as caught:
        RayExecutor(1, address=address)
    assert caught.value.code == "E-RAY-001"
    assert "--engine threads" in caught.value.do
    assert time.monotonic() - began < 10


def test_make__knows_both_engines():
    made = make_executor("threads", 3, None)
    assert (made.name, made.workers) == ("threads", 3)
    made.close()


def test_refusals__survive_the_way_between_processes():
    import pickle

    error = ConflictError("E-RUN-001", "a", "b", "c")
    assert pickle.loads(pickle.dumps(error)).as_dict() == error.as_dict()
