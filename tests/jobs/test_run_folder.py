"""A run's folder: claimed, taken up again, published at once, never mixed."""

import contextlib
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.run_folder import RunFolder, read_run, released
from jobs.store import commit_stage, make_folder, write_bytes
from linkage.errors import ConflictError, IntegrityError, LinkageError


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_run_folder__publishes_all_at_the_end(tmp_path: Path):
    out = tmp_path / "runs" / "a"
    with RunFolder(out, "f1") as run:
        assert run.finished is None
        assert not run.resumed
        write_bytes(run.artefacts / "decisions.parquet", b"d")
        (run.artefacts / "rejects").mkdir()
        write_bytes(run.artefacts / "rejects" / "x", b"r")
        commit_stage(run.stage("ingest"), [write_bytes(run.stage("ingest") / "p", b"p")])
        assert names(out) == ["work"]
        run.finish({"exit_code": 1, "totals": {}})
    assert names(out) == ["decisions.parquet", "rejects", "run.json"]
    assert (out / "rejects" / "x").read_bytes() == b"r"
    digest = {
        n: hashlib.blake2b(n[:1].encode(), digest_size=32).hexdigest() for n in ("decisions", "rejects")
    }
    artefacts = {
        "decisions.parquet": {"bytes": 1, "digest": digest["decisions"]},
        "rejects/x": {"bytes": 1, "digest": digest["rejects"]},
    }
    assert read_run(out) == {"exit_code": 1, "totals": {}, "artefacts": artefacts, "fingerprint": "f1"}


def test_run_folder__finished_run_of_the_same_fingerprint_is_given_back(tmp_path: Path):
    with RunFolder(tmp_path / "a", "f1", keep_work=True) as run:
        run.finish({"exit_code": 1})
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*")}
    with RunFolder(tmp_path / "a", "f1") as run:
        assert run.finished == {"exit_code": 1, "artefacts": {}, "fingerprint": "f1"}
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*")} == before
    with (
        pytest.raises(ConflictError, match=r"E-RUN-001.*finished") as caught,
        RunFolder(tmp_path / "a", "f2"),
    ):
        pass
    assert caught.value.exit_code == 4


def test_run_folder__unfinished_run_is_taken_up_again(tmp_path: Path):
    out = tmp_path / "a"
    with contextlib.suppress(KeyboardInterrupt), RunFolder(out, "f1") as run:
        commit_stage(run.stage("ingest"), [])
        (run.stage("ingest") / "part.tmp-7").write_bytes(b"half")
        write_bytes(run.artefacts / "decisions.parquet", b"d")
        raise KeyboardInterrupt
    assert names(out) == ["work"]
    with pytest.raises(ConflictError, match=r"E-RUN-001.*unfinished"), RunFolder(out, "f2"):
        pass
    with RunFolder(out, "f1") as run:
        assert run.resumed
        assert names(run.stage("ingest")) == ["manifest.json"]
        assert names(run.artefacts) == ["decisions.parquet"]
        run.finish({"exit_code": 0})
    assert names(out) == ["decisions.parquet", "run.json"]


def test_run_folder__stopped_while_publishing_it_publishes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "a"
    real = Path.replace

    def stop_at_b(self: Path, target: Path) -> Path:
        if target == out / "b":
            raise KeyboardInterrupt
        return real(self, target)

    with RunFolder(out, "f1") as run:
        for name in "abc":
            (run.artefacts / name).mkdir()
            write_bytes(run.artefacts / name / "x", name.encode())
        monkeypatch.setattr(Path, "replace", stop_at_b)
        with pytest.raises(KeyboardInterrupt):
            run.finish({"exit_code": 0})
    assert read_run(out) is None
    monkeypatch.undo()
    with RunFolder(out, "f1") as run:
        run.stage("artefacts/a")
        write_bytes(run.artefacts / "a" / "x", b"new")
        run.finish({"exit_code": 0})
    assert names(out) == ["a", "b", "c", "run.json"]
    assert (out / "a" / "x").read_bytes() == b"new"


def test_run_folder__two_runs_at_once_are_refused(tmp_path: Path):
    again = RunFolder(tmp_path / "a", "f1")
    with RunFolder(tmp_path / "a", "f1"), pytest.raises(ConflictError, match="E-RUN-002"):
        again.__enter__()
    with RunFolder(tmp_path / "a", "f1") as again:
        assert again.resumed


def test_run_folder__a_killed_run_leaves_its_folder_free(tmp_path: Path):
    code = (
        "import os, sys; from pathlib import Path; from jobs.run_folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1]), 'f1') as run: os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], cwd=root, check=False)
    assert done.returncode == -9
    with RunFolder(tmp_path / "a", "f1") as run:
        assert run.resumed


def test_run_folder__leaves_what_is_not_its_own_alone(tmp_path: Path):
    (tmp_path / "letters.txt").write_text("x")
    with pytest.raises(ConflictError, match="E-RUN-003"), RunFolder(tmp_path, "f1"):
        pass
    assert names(tmp_path) == ["letters.txt"]
    with pytest.raises(LinkageError, match="E-RUN-00"), RunFolder(tmp_path / "letters.txt", "f1"):
        pass
    with pytest.raises(LinkageError, match="E-RUN-00"), RunFolder(tmp_path / "letters.txt" / "x", "f1"):
        pass


def test_run_folder__a_damaged_run_json_is_refused(tmp_path: Path):
    for held in ("", "[1]", "{"):
        (tmp_path / "run.json").write_text(held)
        with pytest.raises(IntegrityError, match="E-INTEGRITY-001"), RunFolder(tmp_path, "f1"):
            pass


def test_run_folder__an_exit_code_is_wanted(tmp_path: Path):
    with RunFolder(tmp_path / "a", "f1") as run, pytest.raises(ValueError, match="exit_code"):
        run.finish({})


def test_run_folder__is_private(tmp_path: Path):
    with RunFolder(tmp_path / "a", "f1") as run:
        assert all(p.stat().st_mode & 0o77 == 0 for p in (tmp_path / "a").rglob("*"))
        assert json.loads((run.work / "run.json").read_text()) == {"fingerprint": "f1"}


@pytest.mark.parametrize("name", ["decisions.parquet", "rejects/x"])
@pytest.mark.parametrize("harm", ["flip", "cut", "lose"])
def test_finish__publishes_no_artefact_that_is_not_as_it_was_written(tmp_path: Path, name: str, harm: str):
    with RunFolder(tmp_path / "run", "f1") as run:
        for made in ("decisions.parquet", "rejects/x"):
            make_folder((run.artefacts / made).parent)
            write_bytes(run.artefacts / made, b"abcd")
        path = run.artefacts / name
        if harm == "lose":
            path.unlink()
        else:
            path.write_bytes(b"abce" if harm == "flip" else b"abc")
        words = rf"'{path.parent.name}/{path.name}' is {'missing' if harm == 'lose' else 'damaged'}"
        with pytest.raises(IntegrityError, match=words):
            run.finish({"exit_code": 0})
    assert names(tmp_path / "run") == ["work"]


def test_finish__stopped_between_two_artefacts_is_ended_by_the_next_run(
    tmp_path: Path,
):
    with RunFolder(tmp_path / "run", "f1") as run:
        for made in ("a", "b"):
            write_bytes(run.artefacts / made, made.encode())
        (run.artefacts / "a").rename(tmp_path / "run" / "a")
        run.finish({"exit_code": 0})
        held = read_run(tmp_path / "run")
    assert held is not None
    assert sorted(held["artefacts"]) == ["a", "b"]


@pytest.mark.parametrize("name", ["run.json", "sums/run.json"])
def test_work__whose_own_record_is_damaged_is_refused(tmp_path: Path, name: str):
    with RunFolder(tmp_path / "run", "f1"):
        pass
    path = tmp_path / "run" / "work" / name
    path.write_bytes(path.read_bytes().replace(b"f", b"e", 1))
    with (
        pytest.raises(IntegrityError, match=r"'work/run.json' is damaged"),
        RunFolder(tmp_path / "run", "f1"),
    ):
        pass


def test_released__names_what_lies_there_now(tmp_path: Path):
    for name, text in {"feeds/tax/x": b"f", "receipts/tax.json": b"new", "decisions.parquet": b"d"}.items():
        make_folder((tmp_path / name).parent)
        write_bytes(tmp_path / name, text)
    told = {"bytes": 1, "digest": "of the run"}
    names_before = ("decisions.parquet", "receipts/tax.json", "withheld/feeds/tax/x", "withheld/reasons.txt")
    assert released(tmp_path, dict.fromkeys(names_before, told), "withheld") == {
        "decisions.parquet": told,
        "feeds/tax/x": told,
        "receipts/tax.json": {"bytes": 3, "digest": hashlib.blake2b(b"new", digest_size=32).hexdigest()},
    }
