"""The disk is looked at before a run starts."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.generator import generate
from jobs import room
from jobs.plan_record import folder_bytes
from jobs.progress import Progress
from jobs.project import load_project
from linkage.errors import LinkageError


class Heard(Progress):
    def __init__(self) -> None:
        self.told: list[str] = []

    def message(self, text: str) -> None:
        self.told.append(text)


def disk(free: int) -> Any:
    return lambda _path: shutil._ntuple_diskusage(10**12, 10**12 - free, free)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("free", "refused", "warned"), [(100, 0, 0), (99, 0, 1), (75, 0, 1), (74, 1, 0)])
@pytest.mark.parametrize("held", [0, 50])
def test_room__is_compared_with_what_is_still_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, refused: bool, warned: bool, held: int
):
    monkeypatch.setattr(shutil, "disk_usage", disk(free * 10**9))
    heard = Heard()
    wanted = (100 + held) * 10**9
    if refused:
        words = (
            "E-DISK-002: The run wants about 100 GB on the disk of 'out'; 74 GB are free; about 26 GB more"
        )
        with pytest.raises(LinkageError, match=words) as caught:
            room.check_room(tmp_path / "out", wanted, held * 10**9, heard)
        assert caught.value.exit_code == 5
        assert "--out" in caught.value.do
    else:
        room.check_room(tmp_path / "out", wanted, held * 10**9, heard)
    assert len(heard.told) == warned


def test_room__of_a_run_that_goes_on_is_only_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", disk(10**9))
    heard = Heard()
    room.check_room(tmp_path / "out", 100 * 10**9, 0, heard, resumed=True)
    assert len(heard.told) == 1


def test_records__are_counted_from_what_a_file_is(tmp_path: Path):
    digits = np.random.default_rng(1).integers(10**11, 10**12, (9000, 2))
    lines = b"".join(b"%d,Nguyen Van An,1990-01-01,M,00001,%d,Tran Thi Binh\n" % (a, b) for a, b in digits)
    (tmp_path / "a.csv").write_bytes(lines)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(lines))
    pq.write_table(pa.table({"n": np.arange(9000)}), tmp_path / "a.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "empty.csv").write_bytes(b"")
    counts = {p.name: room.count_records(p, p.stat().st_size) for p in sorted(tmp_path.iterdir())}
    assert counts["a.parquet"] == 9000
    assert counts["a.csv"] == pytest.approx(9000, rel=0.01)
    assert 2000 < counts["a.csv.gz"] <= 9000
    assert (counts["broken.parquet"], counts["empty.csv"]) == (0, 0)


def test_wanted__grows_with_the_records_of_all_sources(tmp_path: Path):
    for people in (500, 5000):
        generate(tmp_path / str(people), people, seed=1)
    small, large = (room.wanted_room(load_project(tmp_path / n / "project.toml")) for n in ("500", "5000"))
    # Of a nation one person has 2.2 records, and one record takes 200 to 600 bytes.
    assert 4500 * 2.2 * 200 < large - small < 4500 * 2.2 * 600


def test_wanted__is_no_more_without_corrections_and_less_with_fewer_rules(tmp_path: Path):
    generate(tmp_path, 5000, seed=1)
    text = (tmp_path / "project.toml").read_text()
    linking = text + "\n[corrections]\nmake = false\n"
    one_rule = linking + '[[blocking]]\nname = "number"\non = ["personal_number.any"]\n'
    wanted = []
    for number, own in enumerate((text, linking, one_rule)):
        (tmp_path / f"{number}.toml").write_text(own)
        wanted.append(room.wanted_room(load_project(tmp_path / f"{number}.toml")))
    assert wanted == sorted(wanted, reverse=True)
    assert wanted[1] > wanted[2]


def test_folder_bytes__are_those_of_all_files_below_and_of_no_links_target(tmp_path: Path):
    (tmp_path / "run" / "work" / "parts").mkdir(parents=True)
    (tmp_path / "run" / "a").write_bytes(b"x" * 5)
    (tmp_path / "run" / "work" / "parts" / "b").write_bytes(b"x" * 7)
    assert folder_bytes(tmp_path / "run") == 12
    (tmp_path / "large").write_bytes(b"x" * 1000)
    (tmp_path / "run" / "link").symlink_to(tmp_path / "large")
    assert folder_bytes(tmp_path / "run") == 12 + len(str(tmp_path / "large"))
    assert folder_bytes(tmp_path / "none") == 0
