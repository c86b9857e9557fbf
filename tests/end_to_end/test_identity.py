"""The same inputs give the same decisions, however they are cut, ordered and worked on."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from data.generator import generate
from tests.end_to_end.runs import call, copy_nation, digests, run, shuffle, split


def test_rows__in_another_order_are_decided_alike(nation, decided, tmp_path):
    other = copy_nation(nation, tmp_path / "nation")
    shuffle(other, 11)
    run(other, tmp_path / "run")
    assert digests(tmp_path / "run") == decided


def test_files__cut_in_three_and_shuffled_are_decided_alike(nation, decided, tmp_path):
    other = copy_nation(nation, tmp_path / "nation")
    shuffle(other, 12)
    split(other, 3)
    assert len(list(other.glob("insurance-*.csv"))) == len(list(other.glob("register-*.parquet"))) == 3
    run(other, tmp_path / "run")
    assert digests(tmp_path / "run") == decided


@pytest.mark.parametrize(("parts", "threads"), [(1, 1), (7, 2)])
def test_parts__and_threads_change_nothing(nation, decided, tmp_path, parts, threads):
    run(nation, tmp_path / "run", parts=parts, threads=threads)
    assert digests(tmp_path / "run") == decided


def test_process__of_another_hash_seed_locale_and_time_zone_decides_alike(nation, decided, tmp_path):
    done = call(
        "run", nation, "--out", tmp_path / "run",
        PYTHONHASHSEED="4242", LC_ALL="C", TZ="Asia/Ho_Chi_Minh", PYTHONUTF8="0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "run") == decided


@pytest.mark.ray
def test_ray__decides_alike_and_leaves_nothing_behind(nation, decided, tmp_path, monkeypatch):
    place = Path(tempfile.mkdtemp(prefix="r-"))  # short: Ray's sockets lie below it
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    mask = os.umask(0o022)
    os.umask(mask)
    run(nation, tmp_path / "run", engine="ray", parts=3)
    assert digests(tmp_path / "run") == decided
    assert not list(place.iterdir())
    assert os.umask(mask) == mask
    assert all(p.stat().st_mode & 0o077 == 0 for p in (tmp_path / "run").rglob("*"))
    place.rmdir()


@pytest.mark.slow
@pytest.mark.ray
def test_nation__of_a_hundred_thousand_is_decided_alike_in_1_and_7_parts_on_both_engines(tmp_path):
    generate(tmp_path / "nation", 100_000, seed=1)
    found = {}
    for engine in ("threads", "ray"):
        for parts in (1, 7):
            folder = tmp_path / f"{engine}{parts}"
            run(tmp_path / "nation", folder, engine=engine, parts=parts)
            found[engine, parts] = digests(folder)
    assert all(one == found["threads", 1] for one in found.values())
