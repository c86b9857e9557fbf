"""A run's folder: claimed, taken up again, published at once, never mixed."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.finished_run import read_run
from jobs.run_folder import RunFolder
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
        write_bytes(run.stage("ingest") / "p", b"p")
        commit_stage(run.stage("ingest"))
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


@pytest.mark.parametrize("when", ["run.json stands", "work is renamed", "half of it is removed"])
def test_run_folder__what_a_kill_left_of_the_work_goes_when_the_run_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
):
    out = tmp_path / "a"
    real_replace, real_remove = Path.replace, shutil.rmtree

    def replace(self: Path, target: Path) -> Path:
        if self.name == "work" and when == "run.json stands":
            raise KeyboardInterrupt
        return real_replace(self, target)

    def remove(path: Path, **options: bool) -> None:
        if path.exists() and when == "half of it is removed":
            real_remove(path / "sums")
        if path.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        patch.setattr(shutil, "rmtree", remove)
        with pytest.raises(KeyboardInterrupt), RunFolder(out, "f1") as run:
            write_bytes(run.work / "inputs.json", b"[]")
            run.finish({"exit_code": 0})
    assert len(names(out)) == 2
    with RunFolder(out, "f1") as run:
        assert run.finished is not None
    assert names(out) == ["run.json"]


def test_run_folder__work_is_kept_for_the_attempt_that_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "a"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), RunFolder(out, "f1") as run:
        patch.setattr("jobs.run_folder.write_run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        run.finish({"exit_code": 0})
    with RunFolder(out, "f1", keep_work=True) as run:
        run.finish({"exit_code": 0})
    assert names(out) == ["run.json", "work"]


def test_run_folder__a_moved_artefact_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "a"
    with monkeypatch.context() as patch:
        patch.setattr("jobs.run_folder.sync", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt), RunFolder(out, "f1") as run:
            write_bytes(run.artefacts / "decisions.parquet", b"d")
            run.finish({"exit_code": 0})
    (out / "decisions.parquet").write_bytes(b"e")
    with RunFolder(out, "f1") as run, pytest.raises(IntegrityError, match=r"decisions\.parquet' is damaged"):
        run.finish({"exit_code": 0})
    (out / "decisions.parquet").write_bytes(b"d")
    with RunFolder(out, "f1") as run:
        run.finish({"exit_code": 0})
    assert names(out) == ["decisions.parquet", "run.json"]


def test_run_folder__a_file_system_without_locks_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def lock(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", lock)
    told = pytest.raises(LinkageError, match=r"E-RUN-004: .*no locks available")
    with told, RunFolder(tmp_path / "a", "f"):
        pass


@pytest.mark.parametrize("finished", [True, False])
def test_run_folder__a_refusal_says_what_differs(tmp_path: Path, finished: bool):
    """It named all four that could: whoever had mended a contract or put in a new version could not tell."""
    prints = {"inputs": "i", "config": "c", "model": "", "code": "k"}
    with (
        contextlib.suppress(KeyboardInterrupt),
        RunFolder(tmp_path / "a", "f1", prints=prints, keep_work=True) as run,
    ):
        if not finished:
            raise KeyboardInterrupt
        run.finish({"exit_code": 0, "fingerprints": prints})
    for changed, says in (
        ({"config": "d"}, "run of other settings;"),
        ({"inputs": "j", "code": "l"}, "run of other inputs and code;"),
    ):
        with (
            pytest.raises(ConflictError, match=f"E-RUN-001.*{says}"),
            RunFolder(tmp_path / "a", "f2", prints=prints | changed),
        ):
            pass


def test_run_folder__unfinished_run_is_taken_up_again(tmp_path: Path):
    out = tmp_path / "a"
    with contextlib.suppress(KeyboardInterrupt), RunFolder(out, "f1") as run:
        commit_stage(run.stage("ingest"))
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


def test_run_folder__what_a_kill_left_of_its_record_goes(tmp_path: Path):
    out = tmp_path / "a"
    left = [out / "run.json.tmp-7-ab", out / "metrics.prom.tmp-7-ab"]
    with RunFolder(out, "f1"):
        pass
    for path in left:
        path.write_bytes(b"half")
    with RunFolder(out, "f1") as run:
        assert not any(path.exists() for path in left)
        run.finish({"exit_code": 0})
    left[0].write_bytes(b"half")
    (out / "own.tmp-x").write_bytes(b"of the user's")
    with RunFolder(out, "f1"):
        pass
    assert names(out) == ["own.tmp-x", "run.json"]


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
        assert json.loads((run.work / "run.json").read_text())["fingerprint"] == "f1"


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


def begun(out: Path, *, synced: bool = False) -> RunFolder:
    """An unfinished run that has written one file."""
    with RunFolder(out, "f1", synced=synced) as run:
        write_bytes(run.work / "part", b"p")
    return run


def test_work__is_not_synced_but_what_is_published_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real, synced = os.fsync, []

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        real(handle)

    out = tmp_path / "a"
    with RunFolder(out, "f1") as run:
        monkeypatch.setattr(os, "fsync", fsync)
        write_bytes(run.work / "part", b"p")
        write_bytes(run.artefacts / "decisions.parquet", b"d")
        (run.artefacts / "rejects").mkdir()
        write_bytes(run.artefacts / "rejects" / "x", b"r")
        assert synced == []
        run.finish({"exit_code": 0})
    last = next(n for n, place in enumerate(synced) if place.name.startswith("run.json"))
    published = {out / "decisions.parquet", out / "rejects" / "x", out / "rejects", out}
    assert published <= set(synced[:last])


def test_work__of_several_machines_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
    )
    with RunFolder(tmp_path / "a", "f1", synced=True) as run:
        synced.clear()
        write_bytes(run.work / "part", b"p")
    assert any("/part" in place for place in synced)
    assert not (run.work / "unsynced").exists()


def test_work__that_was_not_synced_is_before_several_machines_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    done: list[bool] = []
    monkeypatch.setattr(os, "sync", lambda: done.append((tmp_path / "a" / "work" / "unsynced").exists()))
    assert (begun(tmp_path / "a").work / "unsynced").exists()
    assert done == []
    with RunFolder(tmp_path / "a", "f1", synced=True) as run:
        assert run.resumed
        assert (run.work / "part").exists()
    assert done == [True]
    assert not (run.work / "unsynced").exists()


@pytest.mark.parametrize("damage", [False, True])
def test_work__of_before_the_machine_was_started_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bool
):
    out = tmp_path / "a"
    begun(out)
    if damage:  # as a file system leaves what it had not yet written
        (out / "work" / "run.json").write_bytes(b"")
    with monkeypatch.context() as patch:
        patch.setattr("jobs.run_folder.boot", lambda: "a later one")
        with RunFolder(out, "f1") as run:
            assert run.restarted
            assert not run.resumed
            assert not (run.work / "part").exists()
        with RunFolder(out, "f1") as run:
            assert run.resumed
            assert not run.restarted
        with pytest.raises(ConflictError, match="E-RUN-001"), RunFolder(out, "f2"):
            pass


def test_journal__is_begun_anew_with_the_run_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run that began anew kept the lines of the first attempt, and its profile added up both."""
    out = tmp_path / "a"
    begun(out).journal.write_text("{}\n")
    with RunFolder(out, "f1") as run:
        assert run.journal.exists()
        (run.work / "run.json").unlink()  # as where an input changed while it was read
    with RunFolder(out, "f1") as run:
        assert not run.journal.exists()
        run.journal.write_text("{}\n")
    monkeypatch.setattr("jobs.run_folder.boot", lambda: "a later one")
    with RunFolder(out, "f1") as run:
        assert run.restarted
        assert not run.journal.exists()


def test_work__that_was_synced_outlives_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begun(tmp_path / "a", synced=True)
    monkeypatch.setattr("jobs.run_folder.boot", lambda: "a later one")
    with RunFolder(tmp_path / "a", "f1") as run:
        assert run.resumed
        assert not run.restarted
        assert (run.work / "part").exists()
        assert (run.work / "unsynced").read_text() == "a later one"


def test_work__is_synced_where_starts_of_the_machine_are_not_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("jobs.run_folder.boot", lambda: "")
    assert not (begun(tmp_path / "a").work / "unsynced").exists()


def test_work__whose_start_is_the_same_is_refused_if_damaged(tmp_path: Path):
    (begun(tmp_path / "a").work / "run.json").write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"run\.json' is damaged"), RunFolder(tmp_path / "a", "f1"):
        pass
