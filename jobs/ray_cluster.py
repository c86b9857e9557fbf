"""A Ray to run on: a private one on this machine, or a cluster that is there."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from jobs.machine import MALLOC
from jobs.standing import other_program
from linkage.errors import LinkageError

#: How long a cluster may take to answer a connection.
_KNOCK_SECONDS = 5.0

#: How long the head of a cluster may take to say what it is, and the program that asks it. Where somebody
#: else listens, Ray's own start waits without end and hears no signal; of a wrong token it tells for long.
_PROBE_SECONDS = 20.0
_WRONG_TOKEN = 3
_PROBE = f"""
import sys
from ray._private.services import canonicalize_bootstrap_address
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError
try:
    GcsClient(address=canonicalize_bootstrap_address(sys.argv[1])).get_all_node_info(timeout=5)
except AuthenticationError:
    sys.exit({_WRONG_TOKEN})
"""

#: Object store of a local Ray: what is broadcast and the results of tasks are a few megabytes.
_STORE_BYTES = 200 << 20


#: How the private folder of a local Ray is called, and the file in it that its owner holds locked.
_PREFIX = "lk-"
_OWNER = "owner"

#: Locks of the folders that this process has made.
_held: dict[Path, int] = {}


def environment() -> dict[str, str]:
    """Settings of every worker, made before its first import: Ray bounds OpenMP's threads, but not these."""
    wanted = dict.fromkeys(("NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1")
    kept = {name: str(size) for name, (_, size) in MALLOC.items()}
    return wanted | kept | {"RAY_USAGE_STATS_ENABLED": "0"}


def start(workers: int, memory: int | None) -> Path:
    """Start a Ray on this machine and connect to it; gives the private folder that :func:`remove` removes.

    Its token is its own and no file holds it; it listens to this machine alone; its sockets and logs lie in a
    private temporary folder; it has no dashboard and reports nothing. ``memory`` bounds what tasks declare
    together (bytes).
    """
    sweep()
    folder = private_folder()
    # Where its start was interrupted, Ray ends its processes when this one ends: what they write until then
    # goes after them, as what is registered first is done last.
    atexit.register(remove, folder)
    os.environ["RAY_AUTH_TOKEN"] = os.environ.get("RAY_AUTH_TOKEN") or secrets.token_hex(32)
    os.environ.pop("RAY_ADDRESS", None)  # of a cluster: Ray would refuse to start another one
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
        with contextlib.suppress(Exception):
            leave()
        remove(folder)
        raise
    return folder


def connect(address: str) -> None:
    """Connect to the cluster at ``address``: ``host:port``, or ``auto`` for the one of this machine.

    Its token is where Ray looks for it: ``RAY_AUTH_TOKEN``, ``RAY_AUTH_TOKEN_PATH`` or ``~/.ray/auth_token``.
    """
    host, _, port = address.rpartition(":")
    if address != "auto" and ("/" in address or not host or not port.isdigit()):
        raise LinkageError(
            "E-RAY-001",
            "The address is none of a cluster's head.",
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
            _ask(options["address"])
        import ray

        _keep_off_stdout()
        with _signals_kept(), contextlib.nullcontext() if "address" in options else _alone():
            ray.init(log_to_driver=False, configure_logging=False, **options)
    except LinkageError:
        raise
    except Exception as fault:
        if "Version mismatch" in str(fault):
            raise other_program("its Ray or its Python is of another version") from fault
        if "AF_UNIX" in str(fault):
            raise LinkageError(
                "E-RAY-001",
                "The system's temporary folder has too long a path for Ray's sockets.",
                "Paths of at most 107 bytes were wanted, some 70 of them Ray's own.",
                "Set TMPDIR to a folder with a short path, such as /tmp; or run with --engine threads.",
            ) from fault
        raise LinkageError(
            "E-RAY-001",
            f"Ray could not be started or reached ({type(fault).__name__}).",
            "A local Ray, or a cluster at --address, was wanted.",
            "Look at the address and the token; or run with --engine threads.",
        ) from fault
    finally:
        os.umask(before)


def leave() -> None:
    """Leave the cluster; a Ray of this machine's own ends."""
    import ray

    def end() -> None:
        with contextlib.suppress(Exception):  # what is left of it ends with this process
            ray.shutdown()

    with _signals_kept() as keep:
        ending = threading.Thread(target=end, name="linkage-ray-ends")
        ending.start()
        while ending.is_alive():
            keep()
            ending.join(0.02)


@contextlib.contextmanager
def _signals_kept() -> Iterator[Callable[[], None]]:
    """What asks the process to end in here is answered at its end; a second time it is answered at once.
    Gives what sees to it once more.

    Ray loses an exception that is raised while it starts. It takes SIGTERM for itself: at its start, to kill
    its processes and to print the stack; at its end, it leaves it to the system.
    """
    from ray._private import utils

    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    held = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    came: list[int] = []

    def answer(number: int) -> None:
        if callable(handler := held[signal.Signals(number)]):
            handler(number, None)

    def later(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            answer(number)

    def keep() -> None:
        for number in held:
            signal.signal(number, later)

    takes, utils.set_sigterm_handler = utils.set_sigterm_handler, lambda _: None
    keep()
    try:
        yield keep
    finally:
        utils.set_sigterm_handler = takes
        for number, handler in held.items():
            signal.signal(number, handler)
    if came:
        answer(came[0])


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """A Ray that is started in here has the address 127.0.0.1 and listens there alone.

    Ray takes the machine's address in the network in place of that one, where it is given, but on systems for
    which it knows no clusters: this is its switch for them.
    """
    from ray._private import ray_constants

    name = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
    held, before = ray_constants.ENABLE_RAY_CLUSTER, os.environ.get(name)
    ray_constants.ENABLE_RAY_CLUSTER, os.environ[name] = False, "0"
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = held
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _keep_off_stdout() -> None:
    """Ray prints what its daemons tell, such as a lost node, to stdout, where results go: ``log_to_driver``
    is for workers alone. What is lost is told by whoever waits for it.
    """
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None


def _knock(address: str) -> None:
    """OSError if nobody listens at ``host:port``: Ray itself would try for minutes and end the process."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


def _ask(address: str) -> None:
    """LinkageError ``E-RAY-001`` unless the head of a cluster answers there, and takes the token."""
    why = "No cluster of Ray's answers at the address."
    quiet = {**os.environ, "RAY_BACKEND_LOG_LEVEL": "fatal"}
    try:
        asked = subprocess.run(  # noqa: S603 - this very Python
            [sys.executable, "-P", "-c", _PROBE, address],
            env=quiet,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PROBE_SECONDS,
            check=False,
        )
        if asked.returncode == 0:
            return
        if asked.returncode == _WRONG_TOKEN:
            why = "The token is missing, or is not the cluster's."
    except subprocess.TimeoutExpired:
        why = f"What listens at the address has not answered as Ray does for {_PROBE_SECONDS:.0f} s."
    raise LinkageError(
        "E-RAY-001",
        why,
        "A cluster at --address, and its token, were wanted.",
        "Look at the address and the token; or run with --engine threads.",
    )


def answers(address: str) -> bool:
    """Whether somebody listens at ``host:port``."""
    try:
        _knock(address)
    except OSError:
        return False
    return True


def private_folder() -> Path:
    """Make a private folder in the system's temporary one; its owner is gone when nobody holds its lock."""
    # Ray's socket paths may have at most 107 bytes: a short name in the system's place for such folders.
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    fresh = folder / f"{_OWNER}.tmp"
    handle = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(handle, f"{os.getpid()}\n".encode())
    with contextlib.suppress(OSError):  # a file system without locks: what is left there stays
        fcntl.flock(handle, fcntl.LOCK_EX)
        fresh.rename(folder / _OWNER)  # locked before anybody finds it
    _held[folder] = handle
    return folder


def sweep() -> None:
    """Remove this user's private folders whose owners were killed.

    A lock goes with its process, whatever process has its number now; a folder without one is left alone.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            known = folder.lstat()
            mine = stat.S_ISDIR(known.st_mode) and known.st_uid == os.geteuid()
            if not mine or stat.S_IMODE(known.st_mode) != 0o700:
                continue
            handle = os.open(folder / _OWNER, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _clear(folder)
            finally:
                os.close(handle)


def _clear(folder: Path) -> None:
    """Remove a folder, its owner's file last: what resists is found again."""
    for left in [place for place in folder.iterdir() if place.name != _OWNER]:
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    if {place.name for place in folder.iterdir()} <= {_OWNER}:
        (folder / _OWNER).unlink(missing_ok=True)
        try:
            folder.rmdir()
        except OSError:  # what is left of a killed Ray still writes: the next sweep finds it by this file
            os.close(os.open(folder / _OWNER, os.O_WRONLY | os.O_CREAT, 0o600))
            raise


def remove(folder: Path) -> None:
    """Remove the private folder; processes on their way out may still write to it for a moment."""
    try:
        for _ in range(50):
            if not folder.exists():
                return
            with contextlib.suppress(OSError):
                _clear(folder)
            if folder.exists():
                time.sleep(0.1)
    finally:
        handle = _held.pop(folder, None)
        if handle is not None:
            os.close(handle)
