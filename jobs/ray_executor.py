"""Tasks as Ray Core tasks: a window in flight, small arguments and results, lost ones begun again.

Retries are counted here and not by Ray: it retries a task that ran out of memory for ever, and does not say
how often a task was begun.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobs import ray_cluster
from jobs.broadcast import RECEIVED, Broadcasts
from jobs.executor import WINDOW, Call, Done, Ended, demands, run_call
from jobs.files import read_bytes, write_bytes
from jobs.standing import (
    Standing,
    check_versions,
    dismiss,
    expect,
    introduce,
    join,
    other_program,
    recognise,
    turn,
)
from linkage.errors import ConfigError, LinkageError

#: How often a task may be begun that the system did not let end.
ATTEMPTS = 4

#: Seconds before a lost task is begun again; each further time twice as many.
PAUSE = 0.5

#: Seconds that nothing may run anywhere while tasks wait, before the cluster is given up.
PATIENCE = 300.0

#: With a node lost, seconds that tasks may run without any of them ending: this many times as long.
SLACK = 6.0

#: With a node lost, seconds that nothing may run on the others before what is under way is begun again: Ray
#: tells of a lost task only when its connection breaks, minutes later if the node was cut off.
ORPHANED = 30.0

#: Seconds between two knocks at the cluster's head, and seconds that it may stay silent: after 60 Ray itself
#: ends the driver's process, with the exit code of a gate that failed.
KNOCK = 3.0
SILENT = 20.0

#: Files that verify themselves when they are opened (:mod:`jobs.containers`).
CONTAINERS = frozenset({".arrays", ".arrow"})

#: Seconds between two looks at a cluster that gives no results.
_LOOK = 1.0

_joined: set[str] = set()
_node: list[str] = []


def _work(
    call: Call, standing: Standing | None, edition: int, catalogue: list[Any], number: int, ended: Path | None
) -> tuple[str, Done | None]:
    """Run one task in a worker; gives the node it ran on too.

    number : its place in its ``map``;  ended : see :meth:`_Flight.end`. One that nobody waits for any more is
    not run: None.
    """
    import ray

    if standing is not None and standing.nonce not in _joined:
        join(standing)
        _joined.add(standing.nonce)
    if not _node:
        _node.append(ray.get_runtime_context().get_node_id())
    if ended is not None and _ended_before(ended, number):
        return _node[0], None
    RECEIVED.take(edition, catalogue, ray.get)
    return _node[0], run_call(call)


def _ended_before(file: Path, number: int) -> bool:
    """Whether the file says that nobody waits for the task of this place; not if it cannot be read."""
    try:
        return number > int(file.read_text())
    except (OSError, ValueError):
        return False


def _patience() -> float:
    """Seconds that nothing may run on a cluster. Raises ConfigError ``E-RAY-007`` if the setting is none."""
    given = os.environ.get("LINKAGE_RAY_PATIENCE", "")
    try:
        wanted = float(given or PATIENCE)
    except ValueError:
        wanted = 0.0
    if not 1.0 <= wanted < math.inf:
        raise ConfigError(
            "E-RAY-007",
            "LINKAGE_RAY_PATIENCE is no number of seconds.",
            "A number from 1 was wanted.",
            f"Leave it out for {PATIENCE:.0f}, or correct it.",
        )
    return wanted


def _read_whole(path: Path) -> bytes:
    """A file of the run as it was written: containers verify themselves where they are opened."""
    return path.read_bytes() if path.suffix in CONTAINERS else read_bytes(path)


class RayExecutor:
    """The same tasks on Ray; each declares one processor and the memory it needs.

    workers : processors of a local Ray that ends with the run; with ``address`` those of the cluster count,
    however many it has at the time. memory : bytes that the tasks of a local Ray may need together.
    work : the work folder, which all nodes of a cluster must share; they prove it before the first task.
    patience : seconds; ``LINKAGE_RAY_PATIENCE`` of the environment unless given, else :data:`PATIENCE`.
    """

    name = "ray"

    def __init__(
        self,
        workers: int,
        address: str | None = None,
        *,
        memory: int | None = None,
        work: Path | None = None,
        patience: float | None = None,
    ) -> None:
        self.workers = workers
        self.address = address
        self.folder: Path | None = None
        self.standing: Standing | None = None
        self.patience = patience or _patience()
        self.seen: set[str] = set()
        self.living = False
        self.gone = False
        self.largest = 0
        self.orphaned = min(ORPHANED, self.patience / 10)
        self._numbers: dict[str, int] = {}
        self._flights = 0
        if address is None:
            self.folder = ray_cluster.start(workers, memory)
        else:
            ray_cluster.connect(address)
        import ray

        self.ray = ray
        self.head = ray.get_runtime_context().gcs_address
        self._knocked = self._heard = time.monotonic()
        faults = ray.exceptions
        self.broadcasts = Broadcasts(
            ray.put, _read_whole, (faults.ObjectStoreFullError, faults.OutOfDiskError)
        )
        self.task = ray.remote(num_cpus=1, max_retries=0, retry_exceptions=False)(_work)
        try:
            if address is not None:
                self.workers = max(1, int(ray.cluster_resources().get("CPU", 0)))
                if work is not None:
                    self._prove(work.resolve())
            self.look()
        except BaseException:
            self.close()
            raise

    def map(
        self, calls: Sequence[Call], *, memory: int | Sequence[int] = 0, ended: Ended | None = None
    ) -> Iterator[Done]:
        """See :class:`jobs.executor.Executor`. Raises also

        LinkageError ``E-RAY-002`` for a task that the system ended :data:`ATTEMPTS` times (its worker or node
        died, or memory ran out: it then asks for twice as much), and ``E-RAY-003`` for a cluster on which
        nothing has run for :attr:`patience` seconds.
        """
        flight = _Flight(self, calls, demands(calls, memory), ended)
        try:
            yield from flight.results()
        finally:
            flight.cancel()

    def broadcast(self, *places: Path) -> None:
        """See :class:`jobs.executor.Executor`; the processes of one machine see its files as they are."""
        if self.address is not None:
            self.broadcasts.add(places)

    def close(self) -> None:
        """See :class:`jobs.executor.Executor`."""
        if self.standing is not None:
            with contextlib.suppress(OSError):
                dismiss(self.standing)
        ray_cluster.leave()
        if self.folder is not None:
            ray_cluster.remove(self.folder)

    def look(self) -> tuple[bool, int]:
        """Whether nothing runs on any living node, and how many nodes were lost; counts processors anew."""
        living = [n for n in self.ray.nodes() if n["Alive"]]
        self.seen |= {n["NodeID"] for n in living}
        able = [n["Resources"] for n in living if n["Resources"].get("CPU", 0.0) >= 1]
        self.living = bool(able)
        self.largest = max((int(held.get("memory", 0)) for held in able), default=0)
        total = sum(n["Resources"].get("CPU", 0.0) for n in living)
        if self.address is not None:
            self.workers = max(1, int(total))
        idle = self.ray.available_resources().get("CPU", 0.0) >= total
        return idle, len(self.seen) - len(living)

    def heed(self) -> None:
        """Raise LinkageError ``E-RAY-003`` if the cluster's head is silent for :data:`SILENT` seconds."""
        now = time.monotonic()
        if now - self._knocked < KNOCK:
            return
        if now - self._knocked > SILENT:  # nobody knocked meanwhile
            self._heard = now
        self._knocked = now
        if ray_cluster.answers(self.head):
            self._heard = now
        elif now - self._heard > SILENT:
            self.gone = True
            raise _given_up(now - self._heard, "the head is lost")

    def end_file(self) -> Path | None:
        """Where a ``map`` tells tasks yet to begin that it has ended; None where no place is shared."""
        self._flights += 1
        name = f"ended-{self._flights}"
        if self.standing is not None:
            return self.standing.file(name)
        return self.folder / name if self.folder is not None else None

    def number(self, node: str) -> int:
        """A node's number in the order in which nodes were first heard of."""
        return self._numbers.setdefault(node, len(self._numbers))

    def _prove(self, work: Path) -> None:
        """Have every node show that it is the driver's like and shares the work folder.

        A node that is lost meanwhile, or was a moment ago and is still listed, leaves it to the others.
        """
        until = time.monotonic() + self.patience
        while True:
            self.standing = expect(work)
            try:
                self._prove_once(self.standing)
            except self.ray.exceptions.RayError as fault:
                dismiss(self.standing)
                if time.monotonic() > until:
                    raise _lost(type(fault).__name__, 1) from None
                time.sleep(PAUSE)
            else:
                return

    def _prove_once(self, standing: Standing) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if not ray_cluster.answers(self.head):
            raise _given_up(0.0, "the head is lost")
        nodes = [n["NodeID"] for n in self.ray.nodes() if n["Alive"]]

        def everywhere(function: Any, *arguments: Any) -> list[dict[str, str]]:
            remote = self.ray.remote(num_cpus=0, max_retries=ATTEMPTS - 1)(function)
            asked = [
                remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(n, soft=False)).remote(
                    standing, *(a[n] for a in arguments)
                )
                for n in nodes
            ]
            try:
                return list(self.ray.get(asked, timeout=self.patience))
            except self.ray.exceptions.GetTimeoutError:
                raise _given_up(self.patience, "its nodes do not answer") from None
            except self.ray.exceptions.RayTaskError as fault:
                if isinstance(fault.cause, LinkageError):
                    raise fault.cause from None
                raise other_program(f"it ends with {type(fault.cause).__name__} when asked") from None

        names = {n: f"node{i}" for i, n in enumerate(nodes)}
        for found in everywhere(introduce, names):
            check_versions(standing.versions, found)
        turn(standing)
        everywhere(recognise, {n: list(names.values()) for n in nodes})


class _Flight:
    """The tasks of one ``map``: which are under way, which are to be begun again, which have ended."""

    def __init__(
        self, owner: RayExecutor, calls: Sequence[Call], needs: Sequence[int], tell: Ended | None
    ) -> None:
        self.owner = owner
        self.tell = tell
        self.ray = owner.ray
        self.calls = calls
        self.needs = dict(enumerate(needs))
        self.edition, self.catalogue = owner.broadcasts.current() if calls else (0, [])
        self.todo = iter(enumerate(calls))
        self.under_way: dict[Any, int] = {}
        self.again: list[tuple[float, int]] = []
        self.attempts: dict[int, int] = {}
        self.done: dict[int, Done] = {}
        self.failure: tuple[int, BaseException] | None = None
        self.end_file = owner.end_file()
        self.ended = time.monotonic()
        self.active = self.ended

    def results(self) -> Iterator[Done]:
        """Results in the order of the calls."""
        for index in range(len(self.calls)):
            while index not in self.done:
                if self.failure is not None and self.failure[0] == index:
                    raise self.failure[1]
                self._begin()
                self._await()
            yield self.done.pop(index)

    def end(self, behind: int) -> None:
        """Nobody waits any more for tasks behind this place: those that are yet to begin are not run.

        Not by Ray's own cancelling: where a task ends while it is cancelled, Ray ends the driver's process
        with the code of a gate that failed ("Tried to complete task that was not pending").
        """
        if self.end_file is not None:
            with contextlib.suppress(OSError, LinkageError):  # a full disk among them
                write_bytes(self.end_file, str(behind).encode())

    def cancel(self) -> None:
        """End what is under way, and wait a moment for it: it then leaves no half-written file."""
        if self.owner.gone or not self.ray.is_initialized():  # closed meanwhile; Ray would start another one
            return
        if self.under_way:
            self.end(-1)
            with contextlib.suppress(self.ray.exceptions.RayError):
                self.ray.wait(list(self.under_way), num_returns=len(self.under_way), timeout=5)
        self.under_way.clear()

    def _begin(self) -> None:
        """Fill the window: what is due to be begun again, then what has not been begun."""
        now = time.monotonic()
        while len(self.under_way) < WINDOW * self.owner.workers:
            due = next((one for one in self.again if one[0] <= now), None)
            if due is not None:
                self.again.remove(due)
                self._submit(due[1], self.calls[due[1]])
                continue
            following = next(self.todo, None) if self.failure is None else None
            if following is None:
                return
            self._submit(*following)

    def _submit(self, index: int, call: Call) -> None:
        task = self.owner.task
        need = min(self.needs[index], self.owner.largest)  # no node would ever take more
        if need:
            task = task.options(memory=need)
        owner = self.owner
        reference = task.remote(call, owner.standing, self.edition, self.catalogue, index, self.end_file)
        self.under_way[reference] = index

    def _await(self) -> None:
        """Take what has ended; without anything for a while, see whether anything still can."""
        if not self.under_way:
            time.sleep(max(0.0, min((at for at, _ in self.again), default=0.0) - time.monotonic()))
            return
        ended, _ = self.ray.wait(list(self.under_way), num_returns=1, timeout=_LOOK)
        self.owner.heed()
        if not ended:
            self._check()
            return
        more = [r for r in self.under_way if r is not ended[0]]
        if more:
            ended += self.ray.wait(more, num_returns=len(more), timeout=0)[0]
        self.ended = self.active = time.monotonic()
        for reference in ended:
            self._take(self.under_way.pop(reference), reference)

    def _take(self, index: int, reference: Any) -> None:
        faults = self.ray.exceptions
        attempt = self.attempts[index] = self.attempts.get(index, 0) + 1
        try:
            node, done = self.ray.get(reference)
        except faults.RayTaskError as fault:
            cause = fault.cause
            if isinstance(cause, faults.RayError):
                self._lose(index, cause)
            else:
                plain = isinstance(cause, LinkageError | OSError | MemoryError)
                self._fail(index, cause if plain else fault)
        except faults.RayError as fault:
            self._lose(index, fault)
        else:
            if done is None:
                return
            tried = done.attempts + attempt - 1
            self.done[index] = dataclasses.replace(done, node=self.owner.number(node), attempts=tried)
            if self.tell is not None:
                self.tell(index, self.done[index])

    def _lose(self, index: int, fault: BaseException) -> None:
        """The system ended a task: begin it again, or give up; nobody waits for one behind a failure."""
        if self.failure is not None and index > self.failure[0]:
            return
        attempt = self.attempts[index]
        if attempt >= ATTEMPTS:
            self._fail(index, _lost(type(fault).__name__, attempt))
            return
        # A worker that the kernel ended for want of memory looks like any that died.
        self.needs[index] *= 2
        self.again.append((time.monotonic() + PAUSE * 2 ** (attempt - 1), index))
        if ray_cluster.answers(self.owner.head):  # else what asks it would wait
            self.owner.look()

    def _fail(self, index: int, fault: BaseException) -> None:
        """Keep the failure that comes first in the order of the calls, and end what stands behind it."""
        if self.failure is None or index < self.failure[0]:
            self.failure = (index, fault)
        first = self.failure[0]
        self.again = [one for one in self.again if one[1] < first]
        self.end(first)

    def _check(self) -> None:
        """Begin again what lost nodes keep; raise LinkageError ``E-RAY-003`` if all is still for too long."""
        if not ray_cluster.answers(self.owner.head):
            return  # what asks it would wait; see :meth:`RayExecutor.heed`
        idle, lost = self.owner.look()
        now = time.monotonic()
        if not idle:
            self.active = now
        patience = self.owner.patience
        if now - self.active > patience or (lost and now - self.ended > SLACK * patience):
            why = f"{lost} of its nodes were lost" if self.owner.living or lost else "no node has a processor"
            raise _given_up(now - self.ended, why)
        if lost and self.owner.living and now - self.active > self.owner.orphaned:
            self.active = now
            for reference, index in list(self.under_way.items()):
                del self.under_way[reference]
                self.ray.cancel(reference, force=True)
                self.attempts[index] = self.attempts.get(index, 0) + 1
                self._lose(index, self.ray.exceptions.NodeDiedError("silent"))


def _lost(fault: str, attempts: int) -> LinkageError:
    return LinkageError(
        "E-RAY-002",
        f"A task was lost {attempts} times ({fault}).",
        "Workers and nodes that stay alive, with memory enough, were wanted.",
        "Run the same command again: finished parts are kept.",
    )


def _given_up(seconds: float, why: str) -> LinkageError:
    return LinkageError(
        "E-RAY-003",
        f"For {seconds:.0f} s the cluster has brought nothing to an end: {why}.",
        "Nodes that run the tasks were wanted.",
        "Bring nodes back and run the same command again: finished parts are kept.",
    )
