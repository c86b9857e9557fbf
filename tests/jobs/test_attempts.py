"""The attempts of a run are known, as far as each came to write of itself."""

import json
from pathlib import Path

import pytest

from jobs.attempts import NAME, Attempts, other_cut


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_attempts__add_up_their_seconds_and_have_the_greatest_peak(tmp_path: Path):
    """Seconds and memory of a run that went on were those of its last attempt."""
    clock = Clock()
    first = Attempts(tmp_path, clock=clock)
    clock.now = 60.0
    first.note(500, now=True)
    clock.now = 1000.0
    second = Attempts(tmp_path, began=990.0, clock=clock)
    clock.now = 1005.0
    second.note(300)
    assert second.figures() == {"attempts": 2, "seconds": 75.0, "peak_memory": 500}
    assert first.figures()["attempts"] == 1


def test_attempts__that_were_killed_are_known_up_to_what_they_wrote(tmp_path: Path):
    clock = Clock()
    first = Attempts(tmp_path, clock=clock)
    written = []
    for _ in range(100):
        clock.now += 0.3
        first.note(7)
        written.append(json.loads((tmp_path / NAME).read_bytes())[-1]["seconds"])
    assert len(set(written)) == 6
    assert clock.now - written[-1] < 5.0
    Attempts(tmp_path, clock=clock)
    assert Attempts(tmp_path, clock=clock).figures() == {
        "attempts": 3, "seconds": written[-1], "peak_memory": 7,
    }  # fmt: skip
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("text", ["", "{", "3", "[3]", '{"a": 1}', '[{"seconds": null, "peak_memory": 1}]'])
def test_attempts__that_cannot_be_read_are_unknown(tmp_path: Path, text: str):
    (tmp_path / NAME).write_text(text)
    assert Attempts(tmp_path).figures()["attempts"] == 1


def test_attempts__that_cannot_be_written_end_no_run(tmp_path: Path):
    held = Attempts(tmp_path / "none" / "there")
    held.note(5, now=True)
    assert held.figures()["peak_memory"] == 5


def test_other_cut__names_what_differs_and_both_values():
    begun = {"memory": 8 * 10**9, "threads": 2, "engine": "threads", "parts": None}
    assert other_cut(begun, dict(begun)) is None
    told = other_cut(begun, begun | {"memory": 4_250_000_000, "engine": "ray"})
    assert told is not None
    assert "with --memory 8GB --engine threads: --memory 4.25GB --engine ray makes" in told
    assert "--parts" not in told
    assert "no --parts: --parts 5 makes" in (other_cut(begun, begun | {"parts": 5}) or "")
