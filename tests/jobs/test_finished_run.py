"""A finished run is as it was written, or it is refused by name."""

import contextlib
import fcntl
import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.finished_run import check_finished, read_run, released, write_run
from jobs.store import make_folder, write_bytes
from linkage.errors import IntegrityError

DAMAGED = r"E-INTEGRITY-001: '.*run\.json' is damaged"
TOLD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def finished(folder: Path, **texts: bytes) -> dict[str, Any]:
    """A run whose artefacts have these texts."""
    make_folder(folder)
    names = {name.replace("__", "/"): text for name, text in texts.items()}
    for name, text in names.items():
        make_folder((folder / name).parent)
        (folder / name).write_bytes(text)
    artefacts = {name: {"bytes": len(text), "digest": digest(text)} for name, text in names.items()}
    run = {"exit_code": 0, "artefacts": artefacts}
    write_run(folder, run)
    return run


@given(st.dictionaries(st.text(max_size=5).filter(lambda name: name != "seal"), TOLD, max_size=4))
def test_read_run__gives_what_was_written(tmp_path_factory: pytest.TempPathFactory, run: dict[str, Any]):
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, run)
    assert read_run(folder) == run
    write_run(folder, json.loads((folder / "run.json").read_bytes()))  # with its seal still in it
    assert read_run(folder) == run


def test_read_run__no_flipped_bit_says_anything_else(tmp_path: Path):
    """JSON is still JSON after most of them: a digit is another, a name is."""
    run = {
        "schema": 1,
        "seconds": 12.5,
        "name": "th\u1ebf",
        "gates": [{"holds": True}],
        "artefacts": {"a": None},
    }
    write_run(tmp_path, run)
    data = (tmp_path / "run.json").read_bytes()
    refused = 0
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "run.json").write_bytes(flipped)
        try:
            held = read_run(tmp_path)
        except IntegrityError:
            refused += 1
        else:
            assert held == run  # one blank for another
    assert refused > 0.7 * 8 * len(data)


@pytest.mark.parametrize("text", ["", "[1]", "{", "{}", '{"exit_code": 0}', "[" * 100_000, '{"seal": null}'])
def test_read_run__of_something_else_is_refused(tmp_path: Path, text: str):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(IntegrityError, match=DAMAGED):
        read_run(tmp_path)


def test_read_run__without_what_is_wanted_is_refused(tmp_path: Path):
    write_run(tmp_path, {"exit_code": 0})
    assert read_run(tmp_path, ("exit_code",)) == {"exit_code": 0}
    with pytest.raises(IntegrityError, match=DAMAGED):
        read_run(tmp_path, ("exit_code", "stages"))
    assert read_run(tmp_path / "nowhere") is None


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ["a", "feeds/tax.csv"])
@pytest.mark.parametrize("harm", ["flip", "cut", "lose", "folder"])
def test_check_finished__names_what_is_not_as_it_was_written(
    tmp_path: Path, name: str, harm: str, threads: int
):
    finished(tmp_path, a=b"abcd", b=b"", **{"feeds__tax.csv": b"efgh"})
    check_finished(tmp_path, threads)
    path = tmp_path / name
    if harm in ("lose", "folder"):
        path.unlink()
        if harm == "folder":
            path.mkdir()
    else:
        path.write_bytes(path.read_bytes()[:-1] + (b"x" if harm == "flip" else b""))
    with pytest.raises(IntegrityError, match=rf"'{path.parent.name}/{path.name}' is (damaged|missing)"):
        check_finished(tmp_path, threads)


def test_check_finished__lets_people_write_into_their_pages(tmp_path: Path):
    """A clerk's answers in review.csv, or what a spreadsheet saves, made the run a damaged one."""
    finished(
        tmp_path, **{"review.csv": b"a", "queries__tax.csv": b"b", "withheld__verifications__t.csv": b"c"}
    )
    (tmp_path / "review.csv").write_bytes(b"a,must_link")
    (tmp_path / "queries" / "tax.csv").unlink()
    check_finished(tmp_path, 1)


@pytest.mark.parametrize("accepted", [False, True])
def test_check_finished__of_a_release_that_was_stopped(tmp_path: Path, accepted: bool):
    """Files have moved and receipts been written anew; ``run.json`` tells of the time before."""
    texts = {
        "duplicates.parquet": b"orders",
        "feeds__x.csv": b"f",
        "reasons.txt": b"r",
        "reasons.json": b"{}",
    }
    run = finished(
        tmp_path, **{f"withheld__{name}": text for name, text in texts.items()}, receipts__t=b"held"
    )
    gates = [{"name": "review", "holds": False}, {"name": "new", "holds": True}]
    answers = [{"gate": "review"}] if accepted else []
    write_run(tmp_path, {**run, "withheld": True, "gates": gates, "accepted": answers})
    check_finished(tmp_path, 1)
    (tmp_path / "receipts" / "t").write_bytes(b"free")
    (tmp_path / "withheld" / "reasons.txt").unlink()
    with contextlib.nullcontext() if accepted else pytest.raises(IntegrityError, match="E-INTEGRITY-001"):
        check_finished(tmp_path, 1)
    if accepted:
        (tmp_path / "withheld" / "duplicates.parquet").rename(tmp_path / "duplicates.parquet")
        check_finished(tmp_path, 1)
        (tmp_path / "duplicates.parquet").write_bytes(b"other!")
        with pytest.raises(IntegrityError, match=r"duplicates\.parquet' is damaged"):
            check_finished(tmp_path, 1)


def test_check_finished__waits_for_a_release_that_is_under_way(tmp_path: Path):
    run = finished(tmp_path, withheld__a=b"abcd")
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(check_finished, tmp_path, 1)
        time.sleep(0.05)
        assert not found.done()
        (tmp_path / "withheld" / "a").rename(tmp_path / "a")
        write_run(tmp_path, {**run, "artefacts": released(tmp_path, run["artefacts"])})
        os.close(handle)
        found.result()


def test_released__names_what_lies_there_now(tmp_path: Path):
    for name, text in {"feeds/tax/x": b"f", "receipts/tax.json": b"new", "decisions.parquet": b"d"}.items():
        make_folder((tmp_path / name).parent)
        write_bytes(tmp_path / name, text)
    told = {"bytes": 1, "digest": "of the run"}
    names_before = ("decisions.parquet", "receipts/tax.json", "withheld/feeds/tax/x", "withheld/reasons.txt")
    assert released(tmp_path, dict.fromkeys(names_before, told)) == {
        "decisions.parquet": told,
        "feeds/tax/x": told,
        "receipts/tax.json": {"bytes": 3, "digest": hashlib.blake2b(b"new", digest_size=32).hexdigest()},
    }
