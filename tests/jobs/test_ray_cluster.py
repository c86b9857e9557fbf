"""The executor on a cluster of three nodes on this machine: what is lost is begun again, nothing hangs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs import broadcast, ray_cluster, ray_executor, standing
from jobs.ray_executor import ATTEMPTS, RayExecutor
from linkage.errors import ConfigError, ContractError, LinkageError
from tests.jobs.nodes import MEGABYTE, Nodes

pytestmark = pytest.mark.ray

HERE = "tests.jobs.test_ray_cluster"
PATIENCE = 4.0
ROOT = Path(__file__).resolve().parents[2]


def call(name, *arguments):
    return (f"{HERE}:{name}", arguments)


def results(executor, calls, **options):
    return [done.result for done in executor.map(calls, **options)]


def square(value):
    return {"value": value * value}


def late(value, seconds):
    time.sleep(seconds)
    return {"value": value}


def refuse():
    raise ContractError("E-INPUT-001", "This came,", "that was wanted.", "Do so.")


def die(folder, name, times):
    """Ends its process, the first ``times`` times that it is begun."""
    marks = Path(folder)
    begun = len(list(marks.glob(f"{name}-*")))
    (marks / f"{name}-{begun}-{os.getpid()}").touch()
    if begun < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"begun": begun + 1}


def die_with_node(folder, name):
    """Ends its node, the first time that it is begun: the parent of a worker is its node's raylet."""
    mark = Path(folder) / name
    if not mark.exists():
        mark.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return {"name": name}


def hold(folder, name, seconds):
    """Tells when it began and ended."""
    began = time.time()
    time.sleep(seconds)
    return {"began": began, "ended": time.time()}


def read(path):
    """What a task sees of a file, and of the marks of its folder."""
    where = Path(path)
    data = bytes(broadcast.read_bytes(where))
    handed = broadcast.RECEIVED.content(where) is not None
    return {"data": data[:16], "size": len(data), "handed": handed, "marks": broadcast.marks(where.parent)}


def touch(folder, name, seconds):
    time.sleep(seconds)
    (Path(folder) / name).touch()
    return {}


def about():
    import numba

    return {
        "mask": os.umask(os.umask(0o077)),
        "numba": numba.get_num_threads(),
        "cache": os.environ["NUMBA_CACHE_DIR"],
        **{n: os.environ.get(n) for n in ("POLARS_MAX_THREADS", "RAY_USAGE_STATS_ENABLED")},
    }


@pytest.fixture(scope="module")
def nodes():
    made = Nodes()
    yield made
    made.close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder for compiled kernels that is held for complete: no task here needs any."""
    folder = tmp_path_factory.mktemp("cache")
    code = "from jobs import kernel_cache; kernel_cache.prepare(); kernel_cache.seal(complete=True)"
    settings = {**os.environ, "LINKAGE_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=settings, check=True)
    return folder


class Connection:
    """One executor for all tests that do not close it."""

    def __init__(self, nodes, work):
        self.nodes = nodes
        self.work = work
        self.executor = None

    def open(self):
        self.nodes.fill(3)
        if self.executor is None:
            self.executor = RayExecutor(1, self.nodes.address, work=self.work, patience=120)
        self.executor.patience, self.executor.orphaned = 120.0, 30.0
        self.executor.seen.clear()
        self.executor.look()
        return self.executor

    def close(self):
        if self.executor is not None:
            self.executor.close()
        self.executor = None


@pytest.fixture(scope="module")
def connection(nodes, cache, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINKAGE_CACHE_DIR", str(cache))
        patch.setattr(ray_executor, "PAUSE", 0.1)
        made = Connection(nodes, tmp_path_factory.mktemp("work"))
        yield made
        made.close()


@pytest.fixture
def connected(connection):
    """An executor on three nodes."""
    return connection.open()


def test_cluster__tasks_run_on_all_nodes_and_come_in_order(connected):
    assert connected.workers == 3
    done = list(connected.map([call("late", n, 0.3 if n % 4 == 0 else 0.05) for n in range(24)]))
    assert [d.result["value"] for d in done] == list(range(24))
    assert {d.node for d in done} == {0, 1, 2}
    assert {d.attempts for d in done} == {1}


def test_cluster__workers_are_single_threaded_private_and_use_a_private_cache(connected, cache):
    (found,) = results(connected, [call("about")])
    assert (found["numba"], found["POLARS_MAX_THREADS"], found["RAY_USAGE_STATS_ENABLED"]) == (1, "1", "0")
    assert found["mask"] == 0o077
    assert Path(found["cache"]).parent == cache
    assert Path(found["cache"]).stat().st_mode & 0o777 == 0o700


def test_worker__that_dies_is_replaced_and_its_task_begun_again(connected, tmp_path):
    calls = [call("die", str(tmp_path), f"t{n}", n % 3) for n in range(6)]
    done = list(connected.map(calls))
    assert [d.result["begun"] for d in done] == [1 + n % 3 for n in range(6)]
    assert [d.attempts for d in done] == [1 + n % 3 for n in range(6)]


def test_task__that_ends_every_worker_ends_the_run_resumably(connected, tmp_path):
    with pytest.raises(LinkageError, match=f"lost {ATTEMPTS} times") as caught:
        results(connected, [call("square", 2), call("die", str(tmp_path), "always", 99), call("square", 3)])
    assert (caught.value.code, caught.value.exit_code) == ("E-RAY-002", 5)
    assert len(list(tmp_path.glob("always-*"))) == ATTEMPTS
    assert results(connected, [call("square", 4)]) == [{"value": 16}]


def test_task__of_its_own_failure_is_not_begun_again(connected, tmp_path):
    with pytest.raises(ContractError):
        results(connected, [call("late", 1, 0.3), call("refuse"), *(call("late", 2, 0.1) for _ in range(9))])


def test_cancel__ends_what_is_under_way_when_the_first_fails(connected, tmp_path):
    calls = [call("refuse"), *(call("touch", str(tmp_path), f"late{n}", 1.5) for n in range(30))]
    began = time.monotonic()
    with pytest.raises(ContractError):
        results(connected, calls)
    assert time.monotonic() - began < 20
    time.sleep(2)
    assert len(list(tmp_path.glob("late*"))) <= 3


def test_node__that_is_lost_has_its_tasks_begun_on_others(connected, nodes, tmp_path):
    connected.orphaned = 1.0  # the worker of a node that was killed may outlive it
    calls = [call("die_with_node", str(tmp_path), "fall"), *(call("late", n, 0.2) for n in range(12))]
    done = list(connected.map(calls))
    assert [d.result for d in done[1:]] == [{"value": n} for n in range(12)]
    assert done[0].attempts > 1
    assert connected.workers == 2


@pytest.mark.slow
def test_nodes__that_are_lost_all_may_come_back(connected, nodes):
    taken = connected.map([call("late", n, 0.4) for n in range(12)])
    next(taken)
    nodes.remove(3)
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(list, taken)
        time.sleep(1)
        nodes.fill(2)  # Ray starts nodes from the main thread only
        assert [d.result["value"] for d in rest.result()] == list(range(1, 12))


def test_nodes__that_never_return_end_the_run_resumably(connected, nodes):
    connected.patience = PATIENCE
    taken = connected.map([call("late", n, 0.4) for n in range(12)])
    next(taken)
    nodes.remove(3)
    began = time.monotonic()
    with pytest.raises(LinkageError, match="nodes were lost") as caught:
        list(taken)
    assert (caught.value.code, caught.value.exit_code) == ("E-RAY-003", 5)
    assert PATIENCE <= time.monotonic() - began < 30 + PATIENCE
    nodes.fill(1)
    assert results(connected, [call("square", 5)]) == [{"value": 25}]


def test_cluster__without_any_node_that_runs_tasks_is_given_up(nodes, connected):
    nodes.remove(3)
    connected.patience = PATIENCE
    with pytest.raises(LinkageError, match="E-RAY-003"):
        results(connected, [call("square", 5)])


def test_memory__of_tasks_bounds_how_many_run_on_a_node(connected, tmp_path):
    calls = [call("hold", str(tmp_path), f"{n}", 0.5) for n in range(6)]
    # Warm workers first, or the tasks would follow one another for want of a process.
    results(connected, [call("late", n, 0.5) for n in range(6)])
    found = results(connected, calls, memory=300 * MEGABYTE)
    assert most_at_once(found) <= 3
    assert most_at_once(results(connected, calls, memory=10**15)) <= 3  # more than there is: a whole node


def most_at_once(spans):
    """The largest number of spans that share a moment."""
    return max(sum(s["began"] <= t["began"] < s["ended"] for s in spans) for t in spans)


def test_broadcast__reaches_every_node_once_it_was_written_and_again_when_it_changes(connected, tmp_path):
    folder = tmp_path / "small"
    place = folder / "table.bin"
    connected.broadcast(folder)
    folder.mkdir()
    place.write_bytes(b"first" * 1000)
    seen = results(connected, [call("read", str(place)) for _ in range(6)])
    assert {(r["data"], r["size"], r["handed"]) for r in seen} == {(b"firstfirstfirstf", 5000, True)}
    marks = seen[0]["marks"]
    other = folder / "other"
    other.write_bytes(b"second")
    other.replace(place)
    seen = results(connected, [call("read", str(place)) for _ in range(6)])
    assert {(r["data"], r["size"], r["handed"]) for r in seen} == {(b"second", 6, True)}
    assert all(r["marks"] == broadcast.scan(folder) != marks for r in seen)
    place.unlink()
    folder.rmdir()
    place.parent.mkdir()
    place.write_bytes(b"")
    assert results(connected, [call("read", str(place))])[0]["size"] == 0


@pytest.mark.slow
def test_broadcast__of_more_than_the_object_store_holds_arrives_whole(connected, nodes, tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.bin").write_bytes(name.encode() * (90 * MEGABYTE))
        connected.broadcast(tmp_path / f"{name}.bin")
    calls = [call("read", str(tmp_path / f"{name}.bin")) for name in ("a", "b", "c") * 2]
    found = results(connected, calls)
    assert [(r["data"], r["size"]) for r in found] == [
        (n * 16, 90 * MEGABYTE) for n in (b"a", b"b", b"c") * 2
    ]


def test_node__that_joins_later_must_see_the_folder(connected, connection, nodes):
    nodes.remove(3)
    nodes.fill(1)
    folder = connection.work / standing.FOLDER
    shutil.move(folder, connection.work / "hidden")
    with pytest.raises(LinkageError, match="E-RAY-004"):
        results(connected, [call("square", 1)])
    shutil.move(connection.work / "hidden", folder)
    assert results(connected, [call("square", 1)]) == [{"value": 1}]


def test_proof__leaves_nothing_behind(connected, connection):
    folder = connection.work / standing.FOLDER
    assert list(folder.iterdir())
    connection.close()
    assert not list(folder.iterdir())


@pytest.mark.slow
def test_nodes__of_another_program_are_refused(nodes, connection, tmp_path, monkeypatch):
    connection.close()
    nodes.fill(1)
    other = standing.versions() | {"polars": "0.1"}
    monkeypatch.setattr(standing, "versions", lambda: other)
    with pytest.raises(LinkageError, match=r"polars .* \(driver: 0\.1\)") as caught:
        RayExecutor(1, nodes.address, work=tmp_path, patience=120)
    assert (caught.value.code, caught.value.exit_code) == ("E-RAY-005", 5)


def test_nodes__that_do_not_see_the_folder_are_refused(nodes, connection, tmp_path, monkeypatch):
    connection.close()
    nodes.fill(1)
    real = standing.expect

    def elsewhere(work):
        made = real(work)
        shutil.move(work / standing.FOLDER, work / "hidden")
        return made

    monkeypatch.setattr(ray_executor, "expect", elsewhere)
    with pytest.raises(LinkageError, match="does not share") as caught:
        RayExecutor(1, nodes.address, work=tmp_path, patience=120)
    assert (caught.value.code, caught.value.exit_code) == ("E-RAY-004", 5)


@pytest.mark.parametrize(
    "address",
    ["ray://127.0.0.1:10001", "http://127.0.0.1:8265", "local", "", "127.0.0.1", ":6379", "head:port"],
)
def test_address__that_is_none_of_a_clusters_head_is_refused(address):
    """Of ``local`` Ray would start one of its own, open to the network."""
    with pytest.raises(LinkageError, match="E-RAY-001") as caught:
        RayExecutor(1, address)
    assert caught.value.exit_code == 5


@pytest.fixture
def listener():
    """Somebody who listens, and says nothing; or hangs up at once."""
    opened = []

    def listen(manner):
        server = socket.create_server(("127.0.0.1", 0))
        opened.append(server)
        held = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    one, _ = server.accept()
                    held.append(one)
                    if manner == "hangs up":
                        one.close()

        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield listen
    for server in opened:
        server.close()


@pytest.mark.parametrize("manner", ["is silent", "hangs up"])
def test_address__where_no_ray_listens_is_told_in_time(listener, manner, monkeypatch, capfd):
    """Ray itself waited without end, and heard no signal."""
    monkeypatch.setattr(ray_cluster, "_PROBE_SECONDS", 4.0)
    begun = time.monotonic()
    with pytest.raises(LinkageError, match="E-RAY-001") as caught:
        RayExecutor(1, listener(manner))
    assert caught.value.exit_code == 5
    assert time.monotonic() - begun < 15
    assert capfd.readouterr().err == ""


def test_token__that_is_not_the_clusters_is_told_without_rays_own_lines(
    nodes, connection, monkeypatch, capfd
):
    connection.close()
    nodes.fill(1)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    capfd.readouterr()
    with pytest.raises(LinkageError, match=r"E-RAY-001.* token .*not the cluster's"):
        RayExecutor(1, nodes.address)
    assert capfd.readouterr().err == ""


def test_proof__that_a_node_was_lost_in_is_asked_of_the_others(nodes, connection, tmp_path, monkeypatch):
    """A node that died a moment ago is still listed, and cannot be asked."""
    from ray.exceptions import NodeDiedError  # Ray reads its settings when it is imported

    connection.close()
    nodes.fill(2)
    real, asked = RayExecutor._prove_once, []

    def once(self, held):
        asked.append(held.nonce)
        if len(asked) == 1:
            raise NodeDiedError("gone")
        real(self, held)

    monkeypatch.setattr(RayExecutor, "_prove_once", once)
    executor = RayExecutor(1, nodes.address, work=tmp_path, patience=120)
    try:
        assert results(executor, [call("square", 3)]) == [{"value": 9}]
    finally:
        executor.close()
    assert len(set(asked)) == 2
    assert not list((tmp_path / standing.FOLDER).iterdir())


def test_proof__that_nodes_are_lost_in_again_and_again_is_given_up(nodes, connection, tmp_path, monkeypatch):
    from ray.exceptions import NodeDiedError  # Ray reads its settings when it is imported

    connection.close()
    nodes.fill(1)

    def once(_self, _held):
        raise NodeDiedError("gone")

    monkeypatch.setattr(RayExecutor, "_prove_once", once)
    with pytest.raises(LinkageError, match="E-RAY-002") as caught:
        RayExecutor(1, nodes.address, work=tmp_path, patience=1)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("given", ["soon", "-3", "0", "nan", "inf"])
def test_patience__that_is_no_number_of_seconds_is_refused(monkeypatch, given):
    monkeypatch.setenv("LINKAGE_RAY_PATIENCE", given)
    with pytest.raises(ConfigError, match="E-RAY-007"):
        RayExecutor(1)


_HEAD_LOST = """
import sys, time
from pathlib import Path
from jobs.ray_executor import RayExecutor
from linkage.errors import LinkageError
from tests.jobs.nodes import Nodes

nodes = Nodes()
nodes.fill(1)
executor = RayExecutor(1, nodes.address, work=Path(sys.argv[1]))
taken = executor.map([("tests.jobs.test_ray_cluster:late", (n, 1.0)) for n in range(200)])
next(taken)
kinds = ("gcs_server",) if sys.argv[2] == "head" else ("gcs_server", "raylet")
lost = [nodes.cluster.head_node, *(nodes.cluster.worker_nodes if sys.argv[2] == "all" else ())]
for process in [p for node in lost for kind in kinds for p in node.all_processes.get(kind, ())]:
    process.process.kill()
try:
    list(taken)
except LinkageError as fault:
    executor.close()
    print("\\n" + fault.code, flush=True)
    sys.exit(fault.exit_code)
"""


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["head", "all"])
def test_head__that_is_lost_ends_the_run_resumably_before_ray_ends_the_process(cache, tmp_path, lost):
    settings = {**os.environ, "LINKAGE_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", _HEAD_LOST, str(tmp_path), lost],
        env=settings, cwd=ROOT, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert ended.stdout.splitlines()[-1] == "E-RAY-003", ended.stderr[-2000:]
    assert ended.returncode == 5
