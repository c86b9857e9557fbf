from __future__ import annotations

import pytest

from jobs.cuts import (
    LEAST_CUTS,
    MOST_BITS,
    PARTITION_BYTES,
    PROCESS,
    RANGE_BYTES,
    counting_bits,
    cut_of,
    share_of,
    workers_within,
)

GIB = 1 << 30


def test_share_of__is_what_processes_leave_over() -> None:
    assert share_of(4 * GIB, 2, processes=False) == (4 * GIB - PROCESS) // 2
    assert share_of(4 * GIB, 2, processes=True) == (4 * GIB - 3 * PROCESS) // 2
    assert share_of(1, 8, processes=True) == 64 << 20


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("memory", [PROCESS, GIB, 2 * GIB, 16 * GIB, 64 * GIB])
@pytest.mark.parametrize("asked", [1, 2, 8, 32, 192])
def test_workers_within__are_as_many_as_keep_to_the_memory(memory: int, asked: int, processes: bool) -> None:
    def taken(workers: int) -> int:
        base = PROCESS * (workers + 1 if processes else 1)
        return base + workers * share_of(memory, workers, processes=processes)

    workers = workers_within(memory, asked, processes=processes)
    assert 0 <= workers <= asked
    assert workers == 0 or taken(workers) <= memory
    assert workers == asked or taken(workers + 1) > memory


@pytest.mark.parametrize("rows", [1, 1_000, 2_200_000, 22_000_000, 222_000_000])
@pytest.mark.parametrize("memory", [GIB, 2 * GIB, 16 * GIB])
def test_cut_of__keeps_a_task_within_its_share(rows: int, memory: int) -> None:
    share = share_of(memory, 2, processes=False)
    cut = cut_of(rows, share, None)
    assert cut["range_rows"] * RANGE_BYTES <= max(share, 64 << 20)
    assert rows / 2 ** cut["bits"] * PARTITION_BYTES <= max(share, 128 << 20)


def test_cut_of__grows_in_parts_with_the_input() -> None:
    small, large = (cut_of(n, 2 * GIB, None) for n in (22_000_000, 222_000_000))
    assert large["range_rows"] == small["range_rows"]
    assert large["bits"] == small["bits"] + 3


def test_cut_of__gives_every_worker_its_turn() -> None:
    cut = cut_of(20_000_000, 80 * GIB, None)
    assert 20_000_000 / cut["range_rows"] >= LEAST_CUTS
    assert 2 ** cut["bits"] >= LEAST_CUTS
    assert cut_of(1_600_000, 8 * GIB, None, 2) == {"range_rows": 200_000, "bits": 3}
    assert cut_of(1_600_000, 8 * GIB, None, 64) == {"range_rows": 100_000, "bits": 4}


def test_cut_of__takes_what_is_asked_for() -> None:
    assert cut_of(100, GIB, 7) == {"range_rows": 15, "bits": 3}
    assert cut_of(0, GIB, 1) == {"range_rows": 1, "bits": 0}
    assert cut_of(10**9, GIB, 10**6)["bits"] == MOST_BITS


def test_counting_bits__are_fewer_but_leave_each_worker_its_turn() -> None:
    assert [counting_bits(bits) for bits in (0, 1, 2, 4, 5, 8, 12)] == [0, 1, 2, 2, 2, 5, 9]
