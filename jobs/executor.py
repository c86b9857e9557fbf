"""Threads and Ray behind one small interface: run named tasks, give their results in order."""

from __future__ import annotations

import collections
import importlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from linkage.errors import LinkageError

#: A task: its function as ``module:name``, and its arguments.
Call = tuple[str, tuple[Any, ...]]


def run_call(call: Call) -> tuple[dict[str, Any], float]:
    """Run one task; gives its result and its seconds."""
    name, arguments = call
    module, _, function = name.partition(":")
    began = time.perf_counter()
    result = getattr(importlib.import_module(module), function)(*arguments)
    return result, time.perf_counter() - began


class Executor(Protocol):
    """Runs tasks, several at once."""

    name: str
    workers: int

    def map(self, calls: Sequence[Call]) -> Iterator[tuple[dict[str, Any], float]]:
        """Results of the calls in their order; the first failure ends it, and what has not begun is not begun."""

    def close(self) -> None:
        """Give back what was taken."""


class ThreadExecutor:
    """Tasks on threads of this process; kernels, Arrow and Polars release the interpreter's lock."""

    name = "threads"

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="linkage")

    def map(self, calls: Sequence[Call]) -> Iterator[tuple[dict[str, Any], float]]:
        """See :class:`Executor`."""
        waiting: collections.deque[Future[tuple[dict[str, Any], float]]] = collections.deque()
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
    wanted = {
        "NUMBA_NUM_THREADS": str(threads),
        "POLARS_MAX_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    for name in ("NUMBA_CACHE_DIR",):
        if name in os.environ:
            wanted[name] = os.environ[name]
    return wanted


class RayExecutor:
    """The same tasks as Ray Core tasks: a window in flight, retries for lost workers only, descriptors in and out.

    address : of a cluster whose nodes share the run's folder; None starts a local one that ends with the run.
    """

    name = "ray"

    def __init__(self, workers: int, address: str | None = None, temporary: Path | None = None) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        before = os.umask(0o077)
        try:
            import ray

            self.ray = ray
            options: dict[str, Any] = {
                "runtime_env": {"env_vars": _ray_environment(1)},
                "log_to_driver": False,
                "include_dashboard": False,
                "configure_logging": False,
            }
            if address is None:
                options |= {"num_cpus": workers, "object_store_memory": 200 * 2**20}
                if temporary is not None:
                    options["_temp_dir"] = str(temporary)
            else:
                options["address"] = address
                options.pop("include_dashboard")
            ray.init(**options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as fault:
            raise LinkageError(
                "E-RAY-001",
                f"Ray could not be started or reached ({type(fault).__name__}).",
                "A local Ray, or a cluster at --address, was wanted.",
                "Look at the address and the token; or run with --engine threads.",
            ) from fault
        finally:
            os.umask(before)
        self.workers = workers
        self.task = ray.remote(num_cpus=1, max_retries=3, retry_exceptions=False)(run_call)

    def map(self, calls: Sequence[Call]) -> Iterator[tuple[dict[str, Any], float]]:
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

    def _result(self, reference: Any) -> tuple[dict[str, Any], float]:
        try:
            return self.ray.get(reference)  # type: ignore[no-any-return]
        except self.ray.exceptions.RayTaskError as fault:
            cause = fault.cause
            if isinstance(cause, LinkageError):
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


def make_executor(engine: str, workers: int, address: str | None, temporary: Path | None) -> Executor:
    """The executor a run asks for."""
    if engine == "ray":
        return RayExecutor(workers, address, temporary)
    return ThreadExecutor(workers)


Maker = Callable[..., Executor]
