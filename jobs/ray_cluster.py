"""A Ray to run on: a private one on this machine, or a cluster that is there."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from jobs.machine import MALLOC
from jobs.standing import other_program
from linkage.errors import LinkageError

#: How long a cluster may take to answer a connection.
_KNOCK_SECONDS = 5.0

#: Object store of a local Ray: what is broadcast and the results of tasks are a few megabytes.
_STORE_BYTES = 200 << 20


def environment() -> dict[str, str]:
    """Settings of every worker, made before its first import: Ray bounds OpenMP's threads, but not these."""
    wanted = dict.fromkeys(("NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1")
    kept = {name: str(size) for name, (_, size) in MALLOC.items()}
    return wanted | kept | {"RAY_USAGE_STATS_ENABLED": "0"}


def start(workers: int, memory: int | None) -> Path:
    """Start a Ray on this machine and connect to it; gives the private folder that :func:`remove` removes.

    Its token is its own and no file holds it; its sockets and logs lie in a private temporary folder; it has
    no dashboard and reports nothing. ``memory`` bounds what tasks declare together (bytes).
    """
    # Ray's socket paths may have at most 107 bytes: a short name in the system's place for such folders.
    folder = Path(tempfile.mkdtemp(prefix="lk-"))
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    settings = environment()
    if "NUMBA_CACHE_DIR" in os.environ:
        settings["NUMBA_CACHE_DIR"] = os.environ["NUMBA_CACHE_DIR"]
    options: dict[str, Any] = {
        "num_cpus": workers,
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
        "runtime_env": {"env_vars": settings},
        # On a machine busy for half a minute Ray holds its own node for dead and ends the driver.
        "_system_config": {"health_check_timeout_ms": 60_000, "health_check_failure_threshold": 20},
        "_temp_dir": f"{folder}/r",  # Ray opens it to everybody; what is above stays shut
    }
    if memory is not None:
        options["_memory"] = memory
    try:
        _init(options)
    except BaseException:
        remove(folder)
        raise
    return folder


def connect(address: str) -> None:
    """Connect to the cluster at ``address``: ``host:port``, or ``auto`` for the one of this machine.

    Its token is where Ray looks for it: ``RAY_AUTH_TOKEN``, ``RAY_AUTH_TOKEN_PATH`` or ``~/.ray/auth_token``.
    """
    if "://" in address:
        raise LinkageError(
            "E-RAY-001",
            "The address is one of Ray's client or of its jobs.",
            "A cluster's own address was wanted: host:port, or auto, given on one of its nodes.",
            "Give the command on a node of the cluster, with --address auto.",
        )
    _init({"address": address, "runtime_env": {"env_vars": environment()}})


def _init(options: dict[str, Any]) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    before = os.umask(0o077)  # the processes that Ray starts inherit it
    try:
        if "address" in options:
            _knock(options["address"])
        import ray

        ray.init(log_to_driver=False, configure_logging=False, **options)
    except Exception as fault:
        if "Version mismatch" in str(fault):
            raise other_program("its Ray or its Python is of another version") from fault
        raise LinkageError(
            "E-RAY-001",
            f"Ray could not be started or reached ({type(fault).__name__}).",
            "A local Ray, or a cluster at --address, was wanted.",
            "Look at the address and the token; or run with --engine threads.",
        ) from fault
    finally:
        os.umask(before)


def _knock(address: str) -> None:
    """OSError if nobody listens at ``host:port``: Ray itself would try for minutes and end the process."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


def answers(address: str) -> bool:
    """Whether somebody listens at ``host:port``."""
    try:
        _knock(address)
    except OSError:
        return False
    return True


def remove(folder: Path) -> None:
    """Remove the private folder; processes on their way out may still write to it for a moment."""
    for _ in range(50):
        if not folder.exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.1)
