"""Tasks of a run behind one small interface: threads here, Ray in :mod:`jobs.ray_executor`.

A task is named by its function and small arguments, writes its files aside and renames them, and gives a
small dictionary. It may therefore be run again at any time, and twice at once: what it writes is the same.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jobs.faults import passes
from jobs.files import noting
from jobs.held_memory import peak_memory, watch

#: A task: its function as ``module:name``, and its arguments.
Call = tuple[str, tuple[Any, ...]]

#: Tasks begun but not finished, for each processor: enough that none waits for the driver.
WINDOW = 4

#: Attempts of a task whose storage answers badly, and seconds before the second; later pauses are twice each.
STORAGE_ATTEMPTS = 4
STORAGE_PAUSE = 0.5

#: Seconds after which a thread in Python lets another one have the interpreter's lock. A task takes the lock
#: back after each of its thousands of calls of compiled code, and waited the usual 5 ms for one that parses.
SWITCH = 0.0005


@dataclass(frozen=True)
class Done:
    """What a task gave.

    ``seconds`` : of its last attempt. ``process``, ``peak_memory`` : where it ran, and the most bytes that
    process has held (:mod:`jobs.held_memory`). ``node`` : 0 for the first machine that finished a task, 1 for
    the next; a process's number means something within its node only. ``attempts`` : 1 unless the system
    failed in between.
    """

    result: dict[str, Any]
    seconds: float
    process: int
    peak_memory: int
    node: int = 0
    attempts: int = 1
    bytes_out: int = 0
    files: tuple[str, ...] = ()


#: Called with the place of a call among those of a ``map``, and its result.
Ended = Callable[[int, Done], None]


def run_call(call: Call) -> Done:
    """Run one task; again, a few times, if its storage fails in a way that passes (:mod:`jobs.faults`)."""
    watch()
    name, arguments = call
    module, _, function = name.partition(":")
    task = getattr(importlib.import_module(module), function)
    for attempt in range(1, STORAGE_ATTEMPTS + 1):
        began = time.perf_counter()
        try:
            with noting() as written:
                result = task(*arguments)
        except OSError as fault:
            if attempt == STORAGE_ATTEMPTS or not passes(fault):
                raise
            time.sleep(STORAGE_PAUSE * 2 ** (attempt - 1))
        else:
            seconds = time.perf_counter() - began
            files = tuple(map(str, written.files))
            return Done(
                result,
                seconds,
                os.getpid(),
                peak_memory(),
                attempts=attempt,
                bytes_out=written.bytes,
                files=files,
            )
    raise AssertionError


class Executor(Protocol):
    """Runs tasks, several at once."""

    name: str
    workers: int

    def map(
        self, calls: Sequence[Call], *, memory: int | Sequence[int] = 0, ended: Ended | None = None
    ) -> Iterator[Done]:
        """Results of the calls in their order.

        ended  : is called with the place of a call and its result as soon as it has ended, in any order and
        before the result is given, while results are asked for
        memory : bytes that each call needs at its peak, or one number a call; 0 is not counted. Calls run at
        once only as far as the executor's memory goes; one that needs more than all of it runs alone.

        The first call that fails, in their order, ends it with its own exception: nothing more is begun, and
        what is under way is cancelled as far as the engine can.
        """

    def broadcast(self, *places: Path) -> None:
        """Name small files, or folders of such, that every task reads (:mod:`jobs.broadcast`)."""

    def close(self) -> None:
        """Give back what was taken."""


def demands(calls: Sequence[Call], memory: int | Sequence[int]) -> Sequence[int]:
    """Bytes that each call needs. ValueError if their number is not that of the calls, or one is negative."""
    needs = [memory] * len(calls) if isinstance(memory, int) else memory
    if len(needs) != len(calls) or min(needs, default=0) < 0:
        raise ValueError(
            f"The memory of {len(calls)} tasks was given as {len(needs)} numbers. "
            "Wanted: bytes, at least 0, once for all or once a task. Give them so."
        )
    return needs


class _Room:
    """Memory that tasks take before they run and give back; they enter in the order they came."""

    def __init__(self, size: int | None) -> None:
        self.size = size
        self.taken = 0
        self._queue: collections.deque[object] = collections.deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, need: int) -> Iterator[None]:
        """Hold ``need`` bytes; waits until they are free, or until nobody holds any."""
        if self.size is None or need == 0:
            yield
            return
        me = object()
        with self._changed:
            self._queue.append(me)
            try:
                self._changed.wait_for(lambda: self._queue[0] is me and self._fits(need))
                self.taken += need
            finally:
                self._queue.remove(me)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self.taken -= need
                self._changed.notify_all()

    def _fits(self, need: int) -> bool:
        return self.size is None or self.taken == 0 or self.taken + need <= self.size


class ThreadExecutor:
    """Tasks on threads of this process; kernels, Arrow and Polars release the interpreter's lock.

    memory : bytes that the tasks under way may need together; None does not count them.
    """

    name = "threads"

    def __init__(self, workers: int, memory: int | None = None) -> None:
        self.workers = workers
        self.room = _Room(memory)
        self.pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="linkage")
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(min(SWITCH, self._interval))

    def map(
        self, calls: Sequence[Call], *, memory: int | Sequence[int] = 0, ended: Ended | None = None
    ) -> Iterator[Done]:
        """See :class:`Executor`. What a thread has begun goes on to its end."""
        waiting: collections.deque[Future[Done]] = collections.deque()
        unfinished: set[Future[Done]] = set()
        places: dict[Future[Done], int] = {}

        def tell(future: Future[Done]) -> None:
            place = places.pop(future, None)
            if place is not None and ended is not None and not future.cancelled() and not _failed(future):
                ended(place, future.result())

        todo = zip(calls, demands(calls, memory), strict=True)
        failed = exhausted = False
        begun = 0
        try:
            while True:
                while not failed and not exhausted and len(unfinished) < WINDOW * self.workers:
                    following = next(todo, None)
                    if following is None:
                        exhausted = True
                        break
                    future = self.pool.submit(self._run, *following)
                    waiting.append(future)
                    unfinished.add(future)
                    places[future] = begun
                    begun += 1
                while waiting and waiting[0].done():
                    tell(waiting[0])
                    yield waiting.popleft().result()
                if not waiting:
                    if failed or exhausted:
                        return
                    unfinished.clear()
                    continue
                stopped, unfinished = wait(unfinished, return_when=FIRST_COMPLETED)
                for one in stopped:
                    tell(one)
                if any(_failed(one) for one in stopped):
                    failed = True
                    first = next(n for n, one in enumerate(waiting) if one.done() and _failed(one))
                    for later in itertools.islice(waiting, first + 1, None):
                        later.cancel()
        finally:
            for future in waiting:
                future.cancel()

    def _run(self, call: Call, need: int) -> Done:
        with self.room.take(need):
            return run_call(call)

    def broadcast(self, *places: Path) -> None:
        """See :class:`Executor`; threads share what one of them has read."""

    def close(self) -> None:
        """See :class:`Executor`."""
        self.pool.shutdown(wait=True, cancel_futures=True)
        sys.setswitchinterval(self._interval)


def _failed(future: Future[Done]) -> bool:
    return not future.cancelled() and future.exception() is not None


def make_executor(
    engine: str,
    workers: int,
    address: str | None,
    *,
    memory: int | None = None,
    work: Path | None = None,
) -> Executor:
    """The executor a run asks for.

    memory : bytes that all tasks under way may need together on this machine; a cluster's nodes know their
    own. work : the run's work folder, which the nodes of a cluster must share.
    """
    if engine == "ray":
        from jobs.ray_executor import RayExecutor

        return RayExecutor(workers, address, memory=memory, work=work)
    return ThreadExecutor(workers, memory)
