"""Faults of the system that pass by themselves, as against those of a task."""

from __future__ import annotations

import errno

#: What a shared file system answers while a server fails over, a lease is renewed or a node's view is stale:
#: the same call may succeed a moment later. A full disk, a missing file or a refused permission is not here.
PASSING = frozenset(
    {
        errno.EIO,
        errno.ESTALE,
        errno.EAGAIN,
        errno.ETIMEDOUT,
        errno.ENOTCONN,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        getattr(errno, "EREMOTEIO", errno.EIO),
        getattr(errno, "ESHUTDOWN", errno.EIO),
    }
)


def passes(fault: BaseException) -> bool:
    """Whether ``fault`` is one of the storage's that may be gone at the next attempt."""
    return isinstance(fault, OSError) and fault.errno in PASSING
