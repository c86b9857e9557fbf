"""Progress: one line on a terminal, nothing but messages elsewhere."""

import io
import json
import threading

from jobs.progress import Progress, TerminalProgress, describe, duration


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
    clock.now = 10.0
    progress.advance(250_000)
    progress.close()
    drawn = out.getvalue().split("\r")
    assert "match  250,000 of 1,000,000 rows (25 %)  25,000 rows/s  30 s left" in drawn
    assert "\n" not in out.getvalue()
    assert drawn[-1] == ""
    assert drawn[-2].strip() == ""


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
    assert progress._done == 4000


def test_progress__the_base_shows_nothing(capfd):
    progress = Progress()
    progress.stage("a", 1)
    progress.advance(1)
    progress.message("b")
    progress.close()
    assert capfd.readouterr() == ("", "")


def test_describe__says_no_more_than_is_known():
    assert describe("read", 0, None, 0.0) == "read"
    assert describe("read", 5, None, 0.5) == "read  5 rows"
    assert describe("read", 0, 10, 5.0) == "read  0 of 10 rows (0 %)"
    assert describe("read", 12, 10, 2.0) == "read  12 of 10 rows (100 %)  6 rows/s"


def test_duration__in_words():
    assert [duration(s) for s in (0, 59.4, 59.6, 3599, 3600, 7500)] == [
        "0 s",
        "59 s",
        "1 min 00 s",
        "59 min 59 s",
        "1 h 00 min",
        "2 h 05 min",
    ]
