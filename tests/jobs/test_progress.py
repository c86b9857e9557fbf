"""Progress: one line on a terminal, nothing but messages elsewhere."""

import io
import json
import threading

from jobs.progress import Progress, Reach, TerminalProgress, describe, duration, size


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_progress__is_quiet_off_a_terminal():
    out = io.StringIO()
    progress = TerminalProgress(out)
    progress.stage("match", 100)
    progress.advance(50)
    progress.close()
    assert out.getvalue() == ""
    progress.message("compiling kernels (once)")
    assert out.getvalue() == "compiling kernels (once)\n"


def test_progress__rewrites_one_line_on_a_terminal_with_rows_and_time_left():
    out, clock = io.StringIO(), Clock()
    progress = TerminalProgress(out, live=True, clock=clock)
    progress.stage("match", 1_000_000)
    clock.now = 8.0
    progress.advance(250_000)
    progress.close()
    drawn = out.getvalue().split("\r")
    assert "match  250,000 of 1,000,000 rows (25 %)  24 s left  31,250 rows/s" in drawn
    assert "\n" not in out.getvalue()
    assert drawn[-1] == ""
    assert drawn[-2].strip() == ""


def test_progress__a_run_goes_on_when_nobody_reads_any_more():
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return True

    for as_json in (False, True):
        shown = TerminalProgress(Gone(), as_json=as_json)
        shown.stage("match", 10)
        shown.advance(10)
        shown.message("warning")
        shown.close()


def test_progress__draws_at_most_ten_times_a_second():
    out, clock = io.StringIO(), Clock()
    progress = TerminalProgress(out, live=True, clock=clock)
    progress.stage("read")
    for _ in range(1000):
        clock.now += 0.001
        progress.advance(1)
    assert out.getvalue().count("\r") <= 12


def test_progress__messages_are_json_lines_for_programs():
    out = io.StringIO()
    progress = TerminalProgress(out, as_json=True)
    progress.stage("match", 10)
    progress.message("bước 1")
    assert json.loads(out.getvalue()) == {"message": "bước 1"}


def test_progress__counts_rows_of_many_threads():
    out = io.StringIO()
    progress = TerminalProgress(out, live=True)
    progress.stage("match", 4000)

    def work():
        for _ in range(1000):
            progress.advance(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress._reach.rows == 4000


def test_progress__the_base_shows_nothing(capfd):
    progress = Progress()
    progress.stage("a", 1)
    progress.advance(1)
    progress.message("b")
    progress.close()
    assert capfd.readouterr() == ("", "")


def test_describe__says_no_more_than_is_known():
    assert describe(Reach("read"), 0.0) == "read"
    assert describe(Reach("read", rows=5), 0.5) == "read  5 rows"
    assert describe(Reach("read", 10), 5.0) == "read  0 of 10 rows (0 %)"
    assert describe(Reach("read", 10, rows=12), 2.0) == "read  10 of 10 rows (100 %)  6 rows/s"


def test_describe__has_candidates_tasks_pairs_bytes_and_the_time_left():
    reach = Reach("match", 4_000_000, "candidates", round_tasks=8)
    reach.advance(1_000_000, pairs=1_200, written=34_000_000, tasks=2)
    assert describe(reach, 10.0) == (
        "match  1,000,000 of 4,000,000 candidates (25 %)  30 s left  2 of 8 tasks  1,200 pairs  34 MB"
        "  100,000 candidates/s"
    )
    assert reach.figures(10.0) == {
        "stage": "match", "seconds": 10.0, "candidates": 1_000_000, "total_candidates": 4_000_000,
        "pairs": 1200, "bytes_out": 34_000_000, "tasks": 2, "of_round": 8, "seconds_left": 30,
    }  # fmt: skip


def test_describe__tells_the_time_left_of_a_nation_within_eighty_columns():
    reach = Reach("standardise", 222_776_800, "candidates", round_tasks=4_096)
    reach.advance(111_388_400, pairs=1_234_567_890, written=34_000_000_000, tasks=2_048)
    assert " left" in describe(reach, 7_000.0)[:79]


def test_tasks_of_a_round__tell_no_time_left_of_a_stage():
    """That of the present round was shown: 0 s though further rounds were to come."""
    reach = Reach("train")
    reach.round_tasks = 8
    reach.advance(0, pairs=1_200_000, written=34_000_000, tasks=2)
    assert describe(reach, 10.0) == "train  2 of 8 tasks  1,200,000 pairs  34 MB"
    reach.advance(0, tasks=6)
    assert describe(reach, 40.0) == "train  8 of 8 tasks  1,200,000 pairs  34 MB"
    assert describe(reach, 40.0, ended=True) == "train  8 tasks  1,200,000 pairs  34 MB"


def test_time_left__is_unknown_where_the_total_is_reached():
    reach = Reach("block", 1000)
    reach.advance(1000, tasks=1)
    assert reach.left(5.0) is None
    assert "seconds_left" not in reach.figures(5.0)


def test_time_left__is_not_told_by_what_an_earlier_attempt_did():
    reach = Reach("block", 1000)
    reach.advance(800, tasks=8, kept=True)
    assert reach.left(5.0) is None
    reach.advance(100, tasks=1)
    assert reach.left(5.0) == 5.0
    assert "20 rows/s" in describe(reach, 5.0)


def test_time_left__is_at_the_rate_of_rounds_that_do_rows():
    """What settles records does no candidates: counted in, matching was to take several times as long."""
    out, clock = io.StringIO(), Clock()
    progress = TerminalProgress(out, live=True, clock=clock)
    progress.stage("match", 1_000, what="candidates")
    progress.tasks(4)
    clock.now = 20.0
    progress.advance(0, tasks=4)
    progress.tasks(10)
    clock.now = 24.0
    progress.advance(100, tasks=1)
    assert "100 of 1,000 candidates (10 %)  36 s left" in out.getvalue()
    clock.now = 44.0
    progress.advance(500, tasks=5)
    assert "600 of 1,000 candidates (60 %)  16 s left" in out.getvalue()


def test_time_left__is_not_told_before_a_fiftieth_is_done():
    """A worker that yet compiled made hours of minutes."""
    reach = Reach("intake", 10_000)
    reach.advance(199)
    assert reach.left(20.0) is None
    reach.advance(1)
    assert reach.left(20.0) == 980.0


def test_total_that_no_task_counts__is_not_shown_as_nothing_done():
    reach = Reach("match", 5000, round_tasks=4)
    reach.advance(0, tasks=1)
    assert describe(reach, 2.0) == "match  1 of 4 tasks"


def test_figures__are_those_that_are_known():
    reach = Reach("match", 100)
    reach.advance(50, pairs=7, written=9, tasks=1)
    assert reach.figures(10.0) == {
        "stage": "match", "seconds": 10.0, "rows": 50, "total_rows": 100, "pairs": 7, "bytes_out": 9,
        "tasks": 1, "seconds_left": 10,
    }  # fmt: skip
    assert Reach("x").figures(0.04) == {"stage": "x", "seconds": 0.0}


def test_log_file__has_a_line_a_minute_and_one_for_every_long_stage():
    out, clock = io.StringIO(), Clock()
    progress = TerminalProgress(out, clock=clock)
    progress.stage("intake", 10)
    clock.now = 9.0
    progress.advance(10)
    progress.stage("match", 6000)
    for _ in range(100):
        clock.now += 1.5
        progress.advance(40, pairs=3)
    progress.close()
    assert out.getvalue().splitlines() == [
        "match  1,600 of 6,000 rows (26 %)  2 min 45 s left  120 pairs  27 rows/s",
        "match  3,200 of 6,000 rows (53 %)  1 min 45 s left  240 pairs  27 rows/s",
        "match  4,000 rows  300 pairs  27 rows/s  done in 2 min 30 s",
    ]
    assert "\r" not in out.getvalue()


def test_log_file__of_a_program_has_the_same_as_json():
    out, clock = io.StringIO(), Clock()
    progress = TerminalProgress(out, as_json=True, clock=clock)
    progress.stage("match", 200)
    clock.now = 61.0
    progress.advance(100)
    clock.now = 70.0
    progress.close()
    told = [json.loads(line)["progress"] for line in out.getvalue().splitlines()]
    assert [line["status"] for line in told] == ["under way", "done"]
    assert told[0] == {
        "stage": "match", "seconds": 61.0, "rows": 100, "total_rows": 200, "seconds_left": 61,
        "status": "under way",
    }  # fmt: skip


def test_terminal__keeps_a_line_of_a_long_stage():
    out, clock = io.StringIO(), Clock()
    progress = TerminalProgress(out, live=True, clock=clock)
    progress.stage("match", 100)
    clock.now = 20.0
    progress.advance(100)
    progress.stage("decide")
    progress.close()
    kept = [line.rpartition("\r")[2] for line in out.getvalue().split("\n")]
    assert kept == ["match  100 rows  5 rows/s  done in 20 s", ""]


def test_size__in_words():
    assert [size(n) for n in (0, 999, 1000, 9949, 9951, 999_499, 999_500, 34_000_000, 2 * 10**12)] == [
        "0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "999 kB", "1.0 MB", "34 MB", "2000 GB",
    ]  # fmt: skip


def test_duration__in_words():
    assert [duration(s) for s in (0, 59.4, 59.6, 3599, 3600, 7500)] == [
        "0 s",
        "59 s",
        "1 min 00 s",
        "59 min 59 s",
        "1 h 00 min",
        "2 h 05 min",
    ]
