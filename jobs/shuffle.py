"""Shuffling through files: rows written by partition in one task, each partition read whole in another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jobs.store import Arrays, open_arrays, write_arrays
from kernels.partition import partition_order


def write_shuffled(path: Path, partition: np.ndarray, n_partitions: int, /, **arrays: np.ndarray) -> None:
    """Write rows sorted by partition, those of one partition in the order given.

    partition : uint16[n], below ``n_partitions`` (at most 65,535);  arrays : n rows each
    """
    starts = np.empty(n_partitions + 1, np.int64)
    order = np.empty(partition.shape[0], np.uint32)
    partition_order(np.ascontiguousarray(partition, np.uint16), starts, order)
    write_arrays(path, **{name: np.take(a, order, axis=0) for name, a in arrays.items()}, starts=starts)


def read_shuffled(
    files: Sequence[Path | Arrays], partition: int, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """The rows of one partition from all files, in the order of the files. Raises IntegrityError.

    Files of which several partitions are read may be given opened: to open one takes longer than to read it.
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for file in files:
        held = file if isinstance(file, Arrays) else open_arrays(file)
        start, stop = (int(v) for v in held["starts"][partition : partition + 2])
        for name in names:
            if stop > start or not found[name]:
                found[name].append(held.cut(name, start, stop))
    return {name: a[0] if len(a) == 1 else np.concatenate(a) for name, a in found.items()}


def partition_of(keys: np.ndarray, bits: int) -> np.ndarray:
    """Partition of keyed hashes by their top ``bits`` (0 to 15): uint16[n]."""
    if bits == 0:
        return np.zeros(keys.shape[0], np.uint16)
    return (keys >> np.uint64(64 - bits)).astype(np.uint16)
