"""Threads and Ray behind one small interface: run named tasks, give their results in order."""

from __future__ import annotations

import collections
import importlib
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jobs.journal import peak_memory
from linkage.errors import LinkageError

#: How long a cluster may take to answer a connection.
_KNOCK_SECONDS = 5.0

#: A task: its function as ``module:name``, and its arguments.
Call = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Done:
    """What a task gave, its seconds, the process it ran in, and the most bytes that process has held."""

    result: dict[str, Any]
    seconds: float
    process: int
    peak_memory: int


def run_call(call: Call) -> Done:
    """Run one task."""
    name, arguments = call
    module, _, function = name.partition(":")
    began = time.perf_counter()
    result = getattr(importlib.import_module(module), function)(*arguments)
    return Done(result, time.perf_counter() - began, os.getpid(), peak_memory())


class Executor(Protocol):
    """Runs tasks, several at once."""

    name: str
    workers: int

    def map(self, calls: Sequence[Call]) -> Iterator[Done]:
        """Results of the calls in their order; the first failure ends it, and nothing more is begun."""

    def close(self) -> None:
        """Give back what was taken."""


class ThreadExecutor:
    """Tasks on threads of this process; kernels, Arrow and Polars release the interpreter's lock."""

    name = "threads"

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="linkage")

    def map(self, calls: Sequence[Call]) -> Iterator[Done]:
        """See :class:`Executor`."""
        waiting: collections.deque[Future[Done]] = collections.deque()
        todo = iter(calls)
        try:
            for call in todo:
                waiting.append(self.pool.submit(run_call, call))
                if len(waiting) >= 4 * self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """See :class:`Executor`."""
        self.pool.shutdown(wait=True, cancel_futures=True)


def _ray_environment(threads: int) -> dict[str, str]:
    """Settings of every worker, made before its first import."""
    wanted = {
        "NUMBA_NUM_THREADS": str(threads),
        "POLARS_MAX_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    if "NUMBA_CACHE_DIR" in os.environ:
        wanted["NUMBA_CACHE_DIR"] = os.environ["NUMBA_CACHE_DIR"]
    return wanted


def _knock(address: str) -> None:
    """OSError if nobody listens at ``host:port``: Ray itself would try for minutes and end the process."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


class RayExecutor:
    """The same tasks as Ray Core tasks: a window in flight, descriptors in and out, retries for lost workers.

    address : of a cluster whose nodes share the run's folder, and whose token is where Ray looks for it
    (``RAY_AUTH_TOKEN``, ``RAY_AUTH_TOKEN_PATH`` or ``~/.ray/auth_token``); None starts a local Ray that ends
    with the run. The local one has a token of its own that no file holds, and its sockets and logs lie in a
    private temporary folder that is removed with it.
    """

    name = "ray"

    def __init__(self, workers: int, address: str | None = None) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self.workers = workers
        # Ray's socket paths may have at most 107 bytes: a short name in the system's place for such folders.
        self.folder = Path(tempfile.mkdtemp(prefix="lk-")) if address is None else None
        before = os.umask(0o077)  # the processes that Ray starts inherit it
        try:
            import ray

            self.ray = ray
            options: dict[str, Any] = {
                "runtime_env": {"env_vars": _ray_environment(1)},
                "log_to_driver": False,
                "configure_logging": False,
            }
            if address is None:
                os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
                options |= {
                    "num_cpus": workers,
                    "include_dashboard": False,
                    "object_store_memory": 200 * 2**20,
                    # On a machine busy for half a minute Ray holds its own node for dead and ends the driver.
                    "_system_config": {
                        "health_check_timeout_ms": 60_000,
                        "health_check_failure_threshold": 20,
                    },
                    "_temp_dir": f"{self.folder}/r",  # Ray opens it to everybody; what is above stays shut
                }
            else:
                _knock(address)
                options["address"] = address
            ray.init(**options)
        except BaseException as fault:
            self._remove_folder()
            if not isinstance(fault, Exception):
                raise
            raise LinkageError(
                "E-RAY-001",
                f"Ray could not be started or reached ({type(fault).__name__}).",
                "A local Ray, or a cluster at --address, was wanted.",
                "Look at the address and the token; or run with --engine threads.",
            ) from fault
        finally:
            os.umask(before)
        self.task = ray.remote(num_cpus=1, max_retries=3, retry_exceptions=False)(run_call)

    def map(self, calls: Sequence[Call]) -> Iterator[Done]:
        """See :class:`Executor`."""
        waiting: collections.deque[Any] = collections.deque()
        try:
            for call in calls:
                waiting.append(self.task.remote(call))
                if len(waiting) >= 4 * self.workers:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            for reference in waiting:
                self.ray.cancel(reference)

    def _result(self, reference: Any) -> Done:
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as fault:
            cause = fault.cause
            if isinstance(cause, LinkageError | OSError | MemoryError):
                raise cause from None
            raise
        except self.ray.exceptions.RayError as fault:
            raise LinkageError(
                "E-RAY-002",
                f"A task was lost and its retries are used up ({type(fault).__name__}).",
                "Workers that stay alive were wanted.",
                "Run the same command again: finished parts are kept.",
            ) from None

    def close(self) -> None:
        """See :class:`Executor`."""
        self.ray.shutdown()
        self._remove_folder()

    def _remove_folder(self) -> None:
        """Remove the private folder; processes on their way out may still write to it for a moment."""
        for _ in range(50):
            if self.folder is None or not self.folder.exists():
                return
            shutil.rmtree(self.folder, ignore_errors=True)
            if self.folder.exists():
                time.sleep(0.1)


def make_executor(engine: str, workers: int, address: str | None) -> Executor:
    """The executor a run asks for."""
    return RayExecutor(workers, address) if engine == "ray" else ThreadExecutor(workers)
