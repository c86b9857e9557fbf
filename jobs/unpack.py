"""Packed files (gzip, zstd) as streams of bytes that cannot grow beyond what is allowed.

What a file says of its own size is not believed: bytes are counted as they come out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa

from linkage.contract import Contract
from linkage.errors import ContractError

#: How a file is packed.
Packing = Literal["none", "gzip", "zstd"]

#: Unpacked bytes up to which no ratio is asked for: a small file harms nobody.
FREE_BYTES = 64 << 20
_GIB = 1 << 30

#: Bytes of a packed file that are given to its decoder at once where it is asked how many it has used up; so
#: many of them at least are looked at, but no more than make so many unpacked.
_STEP, _LEAST_USED, _MOST_UNPACKED = 512, 32 << 10, 8 << 20

_MAGIC: tuple[tuple[bytes, Packing], ...] = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))


def packing_of(start: bytes) -> Packing:
    """How a file that begins with ``start`` (4 bytes or more) is packed, whatever its name."""
    return next((packing for magic, packing in _MAGIC if start.startswith(magic)), "none")


def wrong_format(what: str, wanted: str) -> ContractError:
    """The file is of another form than its contract says."""
    return ContractError(
        "E-INPUT-006",
        what,
        f"the contract declares {wanted}.",
        "Send the declared format, or mend the contract.",
    )


def damaged(what: str) -> ContractError:
    """A packed file or a workbook cannot be read to its end."""
    return ContractError(
        "E-INPUT-015",
        f"The file cannot be unpacked: {what};",
        "a whole file was wanted.",
        "Send it again: it may have been cut off on the way.",
    )


class Allowance:
    """Counts the bytes that come out of one packed file and ends it when they are too many.

    ``packed`` is the file's size in bytes. Raises ContractError ``E-INPUT-016``.
    """

    def __init__(self, packed: int, contract: Contract) -> None:
        self.ratio = contract.unpack_ratio
        self.gib = contract.unpack_max
        self.most = min(contract.unpack_max * _GIB, max(FREE_BYTES, contract.unpack_ratio * packed))
        self.spent = 0

    def spend(self, count: int) -> None:
        """Note ``count`` bytes more."""
        self.spent += count
        if self.spent > self.most:
            raise ContractError(
                "E-INPUT-016",
                f"The file unpacks to more than {self.most} bytes;",
                f"at most {self.ratio} times its own size and {self.gib} GiB were wanted.",
                "If the file is right, raise unpack_ratio or unpack_max in its contract.",
            )


class Unpacked:
    """A stream of the bytes in a file; :meth:`read` gives as many as are asked for, fewer at the end only."""

    def __init__(self, stream: Any, allowance: Allowance | None) -> None:
        self._stream = stream
        self._allowance = allowance

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes. Raises ContractError ``E-INPUT-015``, ``E-INPUT-016``."""
        pieces: list[bytes] = []
        missing = count
        while missing:
            try:
                piece = bytes(self._stream.read(min(missing, 1 << 20)))
            except OSError as fault:
                if fault.errno is not None:
                    raise
                raise damaged("it is cut off or damaged") from None
            except pa.ArrowException:
                raise damaged("it is damaged") from None
            if not piece:
                break
            if self._allowance is not None:
                self._allowance.spend(len(piece))
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)


@contextlib.contextmanager
def unpacked(path: Path, packing: Packing, contract: Contract) -> Iterator[Unpacked]:
    """The bytes in a file, unpacked as they are read."""
    if packing == "none":
        with path.open("rb") as plain:
            yield Unpacked(plain, None)
        return
    with pa.OSFile(str(path)) as packed:
        stream = pa.CompressedInputStream(packed, packing)
        try:
            yield Unpacked(stream, Allowance(path.stat().st_size, contract))
        finally:
            with contextlib.suppress(OSError, pa.ArrowException):
                stream.close()


class _InSteps:
    """A stream that gives little at a time: a decoder reads ahead, which hides how much it has used up."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.used = 0

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes."""
        piece = self._stream.read(min(count, _STEP))
        self.used += len(piece)
        return piece

    def close(self) -> None:
        """Nothing: the stream is another's."""


def beginning(path: Path, packing: Packing, wanted: int) -> tuple[bytes, int]:
    """The first bytes of a file, unpacked: ``wanted`` or more, all if there are fewer; and how many of the
    file's own bytes hold them, to within some hundreds.

    Of a file that is packed very small there are more than ``wanted``, at most 8 MiB: else the second number
    would say little. Of one that is damaged or cut off further in, what can be unpacked is given.
    """
    with path.open("rb") as stream:
        if packing == "none":
            start = stream.read(wanted)
            return start, len(start)
        fed = _InSteps(stream)
        pieces: list[bytes] = []
        held = 0
        with contextlib.suppress(OSError, pa.ArrowException), pa.PythonFile(fed, "r") as given:
            opened = pa.CompressedInputStream(given, packing)
            while held < wanted or (fed.used < _LEAST_USED and held < _MOST_UNPACKED):
                piece = bytes(opened.read(1 << 18))
                if not piece:
                    break
                pieces.append(piece)
                held += len(piece)
        return b"".join(pieces), fed.used
