"""How a run's work is cut: rows of a range, partitions of keys, by the memory that one task may take."""

from __future__ import annotations

import math

#: Bytes that a process holds before it has done anything: the interpreter, Polars, Arrow, compiled kernels.
PROCESS = 450 << 20

#: Bytes that a task is given at least.
LEAST_SHARE = 64 << 20

#: Bytes that a task takes for a row of its range, at most: measured 700 where decisions are made.
RANGE_BYTES = 1_500

#: Bytes that a task takes for a record of its partition, gathered with its columns and keys: measured 900.
PARTITION_BYTES = 2_000

#: Rows beyond which a larger range or partition gains nothing.
MOST_ROWS = 1_000_000

#: Rows below which a task's fixed costs show.
LEAST_ROWS = 40_000

#: Ranges, and partitions, wanted at least for each worker to have its turn: in all where a cut of more rows
#: would use more memory than it saves time, and a worker where it has fewer than WORTH_ROWS. A run of 1.75
#: million records on two threads took 11.3 processor seconds in 16 cuts, 10.1 in eight, and as much memory.
LEAST_CUTS = 16
WORKER_CUTS = 4
WORTH_ROWS = 250_000

#: Partitions at most: a task that reads one opens a file for every range.
MOST_BITS = 12

#: A partition of names or identifiers that are counted is as many as 2**COARSER of those records are matched
#: in: a record takes some 90 bytes of it, and a file is opened for every range and partition.
COARSER = 3


def share_of(memory: int, workers: int, *, processes: bool) -> int:
    """Bytes that each of ``workers`` tasks may take of ``memory``, at least :data:`LEAST_SHARE`.

    processes : whether every worker is a process of its own
    """
    base = PROCESS * (workers + 1 if processes else 1)
    return max(LEAST_SHARE, (memory - base) // max(1, workers))


def workers_within(memory: int, workers: int, *, processes: bool) -> int:
    """How many of ``workers`` tasks at once keep within ``memory``: from 0, where not one does, to all."""
    each = LEAST_SHARE + (PROCESS if processes else 0)
    return max(0, min(workers, (memory - PROCESS) // each))


def spread(rows: int, tasks: int) -> list[int]:
    """Rows that each of ``tasks`` passes which together pass ``rows``, about as many each."""
    return [rows * (n + 1) // tasks - rows * n // tasks for n in range(tasks)]


def counting_bits(bits: int) -> int:
    """Names and identifiers are counted in 2**this partitions, records matched in 2**bits."""
    return max(min(bits, 2), bits - COARSER)


def cut_of(rows: int, share: int, parts: int | None, workers: int = 1) -> dict[str, int]:
    """``range_rows`` and ``bits`` (2**bits partitions) for so many records and tasks at once.

    share : bytes a task may take;  parts : ranges and partitions asked for, instead
    """
    if parts is not None:
        wanted = max(1, parts)
        return {
            "range_rows": max(1, math.ceil(rows / wanted)),
            "bits": min(MOST_BITS, math.ceil(math.log2(wanted))),
        }
    worth = min(WORTH_ROWS, math.ceil(rows / (WORKER_CUTS * workers)))
    least = max(LEAST_ROWS, math.ceil(rows / LEAST_CUTS), worth)
    most = max(LEAST_ROWS, min(MOST_ROWS, share // RANGE_BYTES))
    range_rows = min(most, least)
    most = max(LEAST_ROWS, min(MOST_ROWS, share // PARTITION_BYTES))
    partition_rows = min(most, least)
    return {
        "range_rows": range_rows,
        "bits": min(MOST_BITS, max(0, math.ceil(math.log2(max(1.0, rows / partition_rows))))),
    }
