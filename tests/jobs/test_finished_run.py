"""A finished run is as it was written, or it is refused by name."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.finished_run import check_artefacts, read_run, released, write_run
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
    return write_run(folder, {"exit_code": 0, "artefacts": artefacts})


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
@pytest.mark.parametrize("name", ["a", "queries/tax.csv"])
@pytest.mark.parametrize("harm", ["flip", "cut", "lose", "folder"])
def test_check_artefacts__names_what_is_not_as_it_was_written(
    tmp_path: Path, name: str, harm: str, threads: int
):
    run = finished(tmp_path, a=b"abcd", b=b"", **{"queries__tax.csv": b"efgh"})
    check_artefacts(tmp_path, run, threads)
    path = tmp_path / name
    if harm in ("lose", "folder"):
        path.unlink()
        if harm == "folder":
            path.mkdir()
    else:
        path.write_bytes(path.read_bytes()[:-1] + (b"x" if harm == "flip" else b""))
    with pytest.raises(IntegrityError, match=rf"'{path.parent.name}/{path.name}' is (damaged|missing)"):
        check_artefacts(tmp_path, run, threads)


def test_check_artefacts__of_a_release_that_was_stopped(tmp_path: Path):
    """Files have moved and receipts been written anew; ``run.json`` tells of the time before."""
    run = finished(
        tmp_path,
        **{"withheld__duplicates.parquet": b"orders", "withheld__feeds__x": b"f", "receipts__t": b"held"},
    )
    check_artefacts(tmp_path, run, 1)
    (tmp_path / "receipts" / "t").write_bytes(b"free")
    with pytest.raises(IntegrityError, match="'receipts/t' is damaged"):
        check_artefacts(tmp_path, run, 1)
    (tmp_path / "withheld" / "duplicates.parquet").rename(tmp_path / "duplicates.parquet")
    check_artefacts(tmp_path, run, 1)
    (tmp_path / "duplicates.parquet").write_bytes(b"other!")
    with pytest.raises(IntegrityError, match=r"duplicates\.parquet' is damaged"):
        check_artefacts(tmp_path, run, 1)


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
