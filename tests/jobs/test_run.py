from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.generator import generate
from jobs import blocking, closing, input_digests, publishing
from jobs import run as room
from jobs.evaluation import evaluate_run
from jobs.executor import Done, ThreadExecutor
from jobs.fingerprints import code_digest, fingerprints
from jobs.journal import Journal, read_journal
from jobs.progress import Progress
from jobs.run import run_project
from jobs.run_folder import RunFolder
from linkage.errors import ConfigError, ConflictError, ContractError, IntegrityError, LinkageError
from linkage.pipeline import STAGES

PEOPLE = 400


@pytest.fixture(scope="module")
def nation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs") / "nation"
    generate(folder, PEOPLE, seed=2)
    return folder


@pytest.fixture(scope="module")
def outcome(nation, tmp_path_factory):
    return run_project(nation / "project.toml", tmp_path_factory.mktemp("runs") / "run", threads=2)


@pytest.fixture
def copy(nation, tmp_path):
    return shutil.copytree(nation, tmp_path / "nation")


def prints(nation, model=None):
    return fingerprints(room.load_project(nation / "project.toml"), model)


class Watching(Progress):
    def __init__(self):
        self.stages, self.rows, self.totals, self.messages = [], {}, {}, []

    def stage(self, name, total=None, *, what="rows"):
        self.stages.append(name)
        self.rows[name] = 0
        self.totals[name] = total, what

    def advance(self, rows, **_more):
        assert rows >= 0
        self.rows[self.stages[-1]] += rows

    def message(self, text):
        self.messages.append(text)


def test_outcome__is_the_record_that_lies_in_the_folder(outcome):
    held = json.loads((outcome.folder / "run.json").read_text())
    assert held == {**outcome.run, "seal": held["seal"]}
    assert outcome.exit_code == held["exit_code"]
    assert held["order"] == [s.name for s in STAGES]
    assert outcome.summary()["decisions"] == held["decisions"]


def test_work__is_removed_unless_it_is_wanted(outcome, nation, tmp_path):
    assert not (outcome.folder / "work").exists()
    kept = run_project(nation / "project.toml", tmp_path / "kept", keep_work=True)
    assert (kept.folder / "work" / "layout.json").exists()
    assert kept.run["fingerprints"] == outcome.run["fingerprints"]


def test_run_without_corrections__links_alike_and_makes_nothing_else(outcome, copy, tmp_path):
    project = copy / "project.toml"
    text = project.read_text().replace(
        'policy = "policies/tax.toml"', 'policy = "policies/tax.toml"\nverify = true'
    )
    project.write_text(text + "\n[corrections]\nmake = false\n")
    done = run_project(project, tmp_path / "run", threads=2)
    held = done.run
    assert held["fingerprints"]["run"] != outcome.run["fingerprints"]["run"]
    assert [held[k] for k in ("decisions", "estimates", "duplicates")] == [
        outcome.run[k] for k in ("decisions", "estimates", "duplicates")
    ]
    assert held["order"] == [s.name for s in STAGES if s.name not in ("correct", "cases", "feeds")]
    assert [s["stage"] for s in held["stages"]] == held["order"]
    assert held["corrections"] is None
    assert held["cases"] is None
    assert not {g["gate"] for g in held["gates"]} & {"corrections", "deaths"}
    made = {p.name for p in outcome.folder.iterdir()} - {p.name for p in done.folder.iterdir()}
    assert made - {"withheld"} <= {
        "feeds",
        "orders",
        "verifications.parquet",
        "register_cases.parquet",
        "register_cases.csv",
    }
    assert {"register_cases.parquet", "verifications.parquet"} <= made
    for source in held["by_source"]:
        told = json.loads((done.folder / "receipts" / f"{source}.json").read_text())
        assert told["corrections"] is None
        assert told["cases"] is None
        assert not told["verified"]
        assert told["decisions"] == held["by_source"][source]


def test_progress__is_told_every_stage_once_and_the_rows(nation, tmp_path):
    watching = Watching()
    done = run_project(nation / "project.toml", tmp_path / "run", progress=watching)
    assert watching.stages == [s["stage"] for s in done.run["stages"]]
    counted = {name: what for name, (total, what) in watching.totals.items() if total}
    without = {"vocabulary", "receipts"}
    assert counted == {
        name: {"intake": "bytes", "match": "candidates"}.get(name, "rows")
        for name in watching.stages
        if name not in without
    }
    assert {name: watching.rows[name] for name in counted} == {n: watching.totals[n][0] for n in counted}


def test_progress__rounds_pass_as_many_rows_as_their_stage_says(nation, tmp_path, monkeypatch):
    project = nation / "project.toml"
    model = run_project(project, tmp_path / "first", threads=1).folder / "model.json"
    began, told = room.Stages._begin, []

    def begin(self, reach):
        told.append((reach.name, lambda: (self._passed, self._whole)) if reach.total else None)
        if len(told) > 1 and (before := told[-2]):
            ended[before[0]] = before[1]()
        began(self, reach)

    monkeypatch.setattr(room.Stages, "_begin", begin)
    for options in ({"parts": 3}, {"model": model}):
        ended: dict[str, tuple[int, int]] = {}
        run_project(project, tmp_path / f"with-{'-'.join(options)}", **options)
        assert {"intake", "train", "match", "correct", "cases", "publish", "feeds"} <= ended.keys()
        assert {name: passed for name, (passed, _) in ended.items()} == {n: w for n, (_, w) in ended.items()}


def test_progress__is_of_the_whole_stage_where_it_goes_group_by_group(nation, tmp_path, monkeypatch, outcome):
    """Rules, forms and sources are taken one after the other in a large run, each with all its rows."""
    monkeypatch.setattr("jobs.blocking.KEYS_AT_ONCE", 1)
    monkeypatch.setattr("jobs.counting.ALL_AT_ONCE", 1)
    monkeypatch.setattr("jobs.ordering.PARTITION_ROWS", 50)
    monkeypatch.setattr("jobs.ordering.SORTED_ROWS", 100)
    monkeypatch.setattr("jobs.publishing.ROUND_ROWS", 100)
    monkeypatch.setattr("jobs.coding.PARTS_AT_ONCE", 1)
    watching = Watching()
    done = run_project(nation / "project.toml", tmp_path / "run", progress=watching, parts=3)
    assert done.run["artefacts"]["decisions.parquet"] == outcome.run["artefacts"]["decisions.parquet"]
    known = {name: total for name, (total, _) in watching.totals.items() if total}
    assert {name: watching.rows[name] for name in known} == known


def test_memory__that_suffices_for_fewer_tasks_lets_fewer_run(outcome, nation, tmp_path, monkeypatch):
    asked = []
    make = room.make_executor
    monkeypatch.setattr(room, "make_executor", lambda *a, **k: asked.append(a[:2]) or make(*a, **k))
    watching = Watching()
    done = run_project(
        nation / "project.toml", tmp_path / "run", threads=8, memory=600 << 20, progress=watching
    )
    assert asked == [("threads", 2)]
    assert "2 of 8 tasks run at once: the memory suffices for no more" in watching.messages
    assert done.run["fingerprints"] == outcome.run["fingerprints"]
    assert done.run["decisions"] == outcome.run["decisions"]


def test_memory__for_no_task_is_refused(nation, tmp_path):
    with pytest.raises(ConfigError, match=r"E-SYSTEM-003.*is 400 MiB.*At least 514 MiB"):
        run_project(nation / "project.toml", tmp_path / "run", memory=400 << 20)
    with pytest.raises(ConfigError, match=r"E-SYSTEM-003.*At least 964 MiB"):
        run_project(nation / "project.toml", tmp_path / "run", engine="ray", memory=900 << 20)


def test_finished__is_given_again_without_any_work(outcome, nation, monkeypatch):
    monkeypatch.setattr(room, "make_executor", lambda *_: pytest.fail("something was started"))
    again = run_project(nation / "project.toml", outcome.folder, engine="ray", threads=1, parts=5)
    assert again.exit_code == outcome.exit_code
    assert again.run == outcome.run


@pytest.mark.parametrize("name", ["entities.parquet", "feeds/tax/corrections.csv", "run.json"])
def test_finished__is_held_against_its_digests(outcome, nation, tmp_path, name):
    """It was given again as it lay there, with exit code 0: whatever had become of its artefacts."""
    run = shutil.copytree(outcome.folder, tmp_path / "run")
    assert run_project(nation / "project.toml", run).exit_code == 0
    data = bytearray((run / name).read_bytes())
    at = data.index(b'"exit_code": 0') + 13 if name == "run.json" else len(data) // 2
    data[at] ^= 1
    (run / name).write_bytes(data)
    with pytest.raises(IntegrityError, match=rf"E-INTEGRITY-001.*{Path(name).name}' is damaged"):
        run_project(nation / "project.toml", run)


def test_finished__of_other_settings_is_refused(outcome, copy):
    project = copy / "project.toml"
    project.write_text(project.read_text() + "\n[decision]\nprecision = 0.999\n")
    with pytest.raises(ConflictError, match=r"E-RUN-001.*a finished run of other settings;"):
        run_project(project, outcome.folder)


def test_run__an_input_that_changes_after_its_digest_is_refused(copy, tmp_path, monkeypatch):
    """An extract still being copied when the run began was decided under the digest of its first part."""
    tax, whole = copy / "tax.csv", (copy / "tax.csv").read_text()
    real = room.fingerprints

    def late(*given):
        found = real(*given)
        tax.write_text(whole)
        return found

    tax.write_text("".join(whole.splitlines(keepends=True)[:-40]))
    with monkeypatch.context() as patch, pytest.raises(IntegrityError, match=r"E-INPUT-009.*'tax\.csv'"):
        patch.setattr(room, "fingerprints", late)
        run_project(copy / "project.toml", tmp_path / "run")
    again = run_project(copy / "project.toml", tmp_path / "run")
    assert again.run["fingerprints"] == prints(copy)
    assert again.run["sources"]["tax"]["rows"] == len(whole.splitlines()) - 1


@pytest.mark.parametrize("what", ["policy", "constraint"])
def test_run__what_a_project_names_and_is_changed_while_it_runs_is_refused(copy, tmp_path, monkeypatch, what):
    """A process that began later, as one of Ray's does, read the changed file, and the run told nothing."""
    project, listed = copy / "project.toml", copy / "apart.csv"
    listed.write_text("source_l,record_id_l,source_r,record_id_r\n")
    project.write_text(project.read_text() + '\n[constraints]\ncannot_link = ["apart.csv"]\n')
    changed = copy / "policies" / "tax.toml" if what == "policy" else listed
    held = changed.read_text()
    real = blocking.block_records

    def late(stages, space, heavy):
        changed.write_text(held + "\n")
        room.Workspace.open.cache_clear()
        space.__dict__.pop("loaded")
        return real(stages, space, heavy)

    with monkeypatch.context() as patch, pytest.raises(IntegrityError, match=r"E-INPUT-009") as refused:
        patch.setattr(blocking, "block_records", late)
        run_project(project, tmp_path / "run")
    assert ("project.toml" if what == "policy" else "apart.csv") in str(refused.value)
    changed.write_text(held)
    again = run_project(project, tmp_path / "run")
    assert again.run["fingerprints"] == prints(copy)


def test_run__an_extract_may_go_once_it_is_taken_in(copy, tmp_path, monkeypatch, outcome):
    """A night's extracts are replaced by the next ones while the run goes on."""
    real = blocking.block_records

    def late(stages, space, heavy):
        (copy / "tax.csv").unlink()
        return real(stages, space, heavy)

    monkeypatch.setattr(blocking, "block_records", late)
    done = run_project(copy / "project.toml", tmp_path / "run")
    assert done.run["fingerprints"] == outcome.run["fingerprints"]
    assert done.run["artefacts"]["decisions.parquet"] == outcome.run["artefacts"]["decisions.parquet"]


def test_run__that_goes_on_from_another_place_takes_the_files_that_lie_there(copy, tmp_path, monkeypatch):
    """It went on with the project file of the first place, whatever that had become."""
    publish = publishing.publish_run
    first = shutil.copytree(copy, tmp_path / "first")

    def break_off(*_):
        raise LinkageError("E-RAY-002", "A task was lost", "", "")

    monkeypatch.setattr(publishing, "publish_run", break_off)
    with pytest.raises(LinkageError):
        run_project(first / "project.toml", tmp_path / "run")
    shutil.rmtree(first)
    monkeypatch.setattr(publishing, "publish_run", publish)
    done = run_project(copy / "project.toml", tmp_path / "run")
    assert done.run["project_file"] == str(copy / "project.toml")
    assert done.run["attempts"] == 2


def test_fingerprint__of_a_file_that_cannot_be_read_says_which(copy, monkeypatch):
    """``check`` said so; a run, which takes digests of files first, spoke of the system and ended 5."""
    real = Path.open

    def refused(self, *given, **words):
        if self.name == "tax.csv":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return real(self, *given, **words)

    monkeypatch.setattr(input_digests, "_known", {})
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(ContractError, match=r"E-INPUT-001.*'tax\.csv' cannot be read: permission denied"):
        prints(copy)


def test_fingerprint__changes_with_what_decides(copy, tmp_path):
    seen = [prints(copy)["run"]]
    for change in ("project.toml", "contracts/tax.toml", "tax.csv", "register_alias.parquet"):
        path = copy / change
        if path.suffix == ".parquet":
            import polars as pl

            held = pl.read_parquet(path)
            held.head(max(0, held.height - 1)).write_parquet(path)
        elif path.suffix == ".csv":
            path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
        else:
            path.write_text(path.read_text() + "\n# another word\n")
        seen.append(prints(copy)["run"])
    (tmp_path / "model.json").write_text("{}")
    seen.append(prints(copy, tmp_path / "model.json")["run"])
    assert len(set(seen)) == len(seen)


def test_fingerprint__is_the_same_wherever_the_inputs_lie(nation, copy):
    assert prints(nation) == prints(copy)


def test_input__that_breaks_its_contract_leaves_no_artefact(copy, tmp_path):
    path = copy / "tax.csv"
    path.write_text(path.read_text().replace("GIOI_TINH", "GIOI", 1))
    with pytest.raises(ContractError) as caught:
        run_project(copy / "project.toml", tmp_path / "run")
    assert caught.value.exit_code == 3
    assert {p.name for p in (tmp_path / "run").iterdir()} <= {"work", "journal.jsonl", "metrics.prom"}


def test_agencies__without_any_record_leave_nothing_to_decide(copy, tmp_path):
    for name in ("insurance", "tax", "education"):
        path = copy / f"{name}.csv"
        path.write_text(path.read_text().splitlines()[0] + "\n")
    done = run_project(copy / "project.toml", tmp_path / "run")
    assert done.exit_code == 0
    assert {name: facts["rows"] for name, facts in done.run["sources"].items() if name != "register"} == {
        "insurance": 0,
        "tax": 0,
        "education": 0,
    }
    assert json.loads((tmp_path / "run" / "receipts" / "tax.json").read_text())["outcome"] == "taken"


def test_left_out_source__is_told_and_its_run_can_be_judged(copy, tmp_path):
    (copy / "tax.csv").write_bytes(b"")
    project = copy / "project.toml"
    project.write_text(project.read_text().replace('name = "tax"', 'name = "tax"\non_failure = "leave_out"'))
    watching = Watching()
    done = run_project(project, tmp_path / "run", progress=watching)
    assert done.exit_code == 3
    assert [m for m in watching.messages if m.startswith("left out: source tax: E-INPUT-003")]
    figures = evaluate_run(tmp_path / "run", copy / "truth")
    assert figures["sources"]["insurance"]["registered"] > 0


def test_failed_run__goes_on_where_it_was(nation, tmp_path, monkeypatch, outcome):
    publish = publishing.publish_run

    def break_off(*_):
        (tmp_path / "run" / "work" / "left.arrays.tmp-1").write_bytes(b"half")
        raise LinkageError("E-RAY-002", "A task was lost", "", "")

    monkeypatch.setattr(publishing, "publish_run", break_off)
    watching = Watching()
    began = time.perf_counter()
    with pytest.raises(LinkageError):
        run_project(nation / "project.toml", tmp_path / "run", memory=8 * 10**9, progress=watching)
    first = time.perf_counter() - began
    layout = (tmp_path / "run" / "work" / "layout.json").read_bytes()
    assert not list((tmp_path / "run").rglob("*.tmp-*"))
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"work", "journal.jsonl", "metrics.prom"}
    assert [m for m in watching.messages if "goes on" in m] == []
    with pytest.raises(LinkageError):
        run_project(nation / "project.toml", tmp_path / "run", memory=8 * 10**9, progress=watching)
    assert [m for m in watching.messages if "goes on" in m] == []
    with pytest.raises(LinkageError):
        run_project(nation / "project.toml", tmp_path / "run", memory=10**9, parts=7, progress=watching)
    [told] = [m for m in watching.messages if "goes on" in m]
    assert "as it was cut when it began, with --memory 8GB no --parts: --memory 1GB --parts 7 makes" in told
    assert told.endswith("begin anew in another --out")
    assert (tmp_path / "run" / "work" / "layout.json").read_bytes() == layout
    monkeypatch.setattr(publishing, "publish_run", publish)
    before = len(read_journal(tmp_path / "run" / "journal.jsonl"))
    began = time.perf_counter()
    done = run_project(nation / "project.toml", tmp_path / "run", memory=8 * 10**9)
    last = time.perf_counter() - began
    assert done.run["attempts"] == 4
    assert done.run["seconds"] > max(last, 0.9 * first)
    assert done.run["peak_memory"] >= max(stage["peak_memory"] for stage in done.run["stages"])
    assert outcome.run["attempts"] == 1
    added = read_journal(tmp_path / "run" / "journal.jsonl")[before:]
    assert {line["stage"] for line in added} == {"publish", "feeds", "receipts"}
    assert done.run["decisions"] == outcome.run["decisions"]
    assert done.run["model_id"] == outcome.run["model_id"]


@pytest.fixture
def strict(copy):
    """A project of which one gate fails: some record is always new."""
    project = copy / "project.toml"
    project.write_text(project.read_text() + "\n[gates]\nnew = 0.0\n")
    return project


def test_gate__that_fails_withholds_until_it_is_accepted(strict, tmp_path):
    watching = Watching()
    done = run_project(strict, tmp_path / "run", progress=watching)
    failing = {g["name"] for g in done.run["gates"] if not g["holds"]}
    assert failing
    assert failing <= {"new:insurance", "new:tax", "new:education"}
    assert done.exit_code == done.run["exit_code"] == 1
    assert [m for m in watching.messages if m.startswith("withheld: gate new:")]
    assert not (tmp_path / "run" / "duplicates.parquet").exists()
    assert {g["gate"] for g in done.summary()["failing_gates"]} == failing
    again = run_project(strict, tmp_path / "run")
    assert again.run == done.run
    released = run_project(strict, tmp_path / "run", accept=["new"], reason="a new province")
    assert (released.exit_code, released.run["withheld"]) == (0, False)
    assert (tmp_path / "run" / "duplicates.parquet").exists()
    assert run_project(strict, tmp_path / "run").exit_code == 0
    with pytest.raises(ConfigError, match="E-GATE-003"):
        run_project(strict, tmp_path / "run", accept=["review"], reason="seen")


def test_gate__that_fails_withholds_though_the_run_was_stopped_in_between(strict, tmp_path, monkeypatch):
    real = closing.withhold

    def stop_after(*given):
        real(*given)
        raise LinkageError("E-RAY-002", "A task was lost", "", "")

    monkeypatch.setattr(closing, "withhold", stop_after)
    with pytest.raises(LinkageError):
        run_project(strict, tmp_path / "run")
    monkeypatch.setattr(closing, "withhold", real)
    done = run_project(strict, tmp_path / "run")
    assert done.exit_code == 1
    assert (tmp_path / "run" / "withheld" / "duplicates.parquet").exists()
    assert not (tmp_path / "run" / "feeds").exists()
    receipt = json.loads((tmp_path / "run" / "receipts" / "tax.json").read_text())
    assert receipt["withheld"] is True


def test_gate__may_be_accepted_by_the_first_run(strict, tmp_path):
    done = run_project(strict, tmp_path / "run", accept=["new"], reason="a new province")
    assert done.exit_code == 0
    assert {e["reason"] for e in done.run["accepted"]} == {"a new province"}
    assert not (tmp_path / "run" / "withheld").exists()


def test_acceptance__that_names_nothing_is_refused_before_anything_is_made(nation, tmp_path):
    for accept, reason in ((["nonsense"], "seen"), (["new"], None), ([], "seen")):
        with pytest.raises(ConfigError, match="E-GATE-00"):
            run_project(nation / "project.toml", tmp_path / "run", accept=accept, reason=reason)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"schema": 1}'])
def test_model__that_is_none_is_refused(nation, tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ConfigError, match="E-MODEL-001"):
        run_project(nation / "project.toml", tmp_path / "run", model=tmp_path / "model.json")


def test_model__that_is_not_there_is_refused_before_anything_is_made(nation, tmp_path):
    with pytest.raises(ConfigError, match="E-MODEL-001"):
        run_project(nation / "project.toml", tmp_path / "run", model=tmp_path / "model.json")
    assert not (tmp_path / "run").exists()


def test_model__of_other_comparisons_is_refused(outcome, copy, tmp_path):
    project = copy / "project.toml"
    project.write_text(
        project.read_text()
        + '\n[[comparison]]\nname = "full_name"\ncolumns = ["full_name"]\n'
        + 'levels = [{ name = "null", when = "null" }, { name = "same", when = "exact" }]\n'
    )
    with pytest.raises(ConfigError, match="E-MODEL-003"):
        run_project(project, tmp_path / "run", model=outcome.folder / "model.json")


def test_stages__each_happens_once_and_its_tasks_are_journalled(tmp_path):
    executor = ThreadExecutor(2)
    with RunFolder(tmp_path / "run", "a fingerprint") as folder:
        stages = room.Stages(folder, executor, Journal(folder.journal), Progress())
        calls = []

        def work():
            calls.append(1)
            return {"rows_out": 3, "secret": "kept in the manifest only"}

        assert stages.stage("block", work) == stages.stage("block", work)
        assert len(calls) == 1
        done = stages.tasks("block", [("tests.jobs.test_run:task", (n,)) for n in range(3)])
        assert [r["rows_in"] for r in done] == [0, 1, 2]
    executor.close()
    lines = read_journal(tmp_path / "run" / "journal.jsonl")
    assert [line["part"] for line in lines] == [0, 1, 2]
    assert "person" not in (tmp_path / "run" / "journal.jsonl").read_text()


def task(number):
    return {"rows_in": number, "person": "Nguyễn Văn A", "flag": True}


def test_stages__memory_is_that_of_all_processes_together(tmp_path):
    class Two:
        name, workers = "ray", 2

        def map(self, calls, *, memory, ended):
            for place, (process, peak) in enumerate([(1, 100), (2, 200), (2, 250)]):
                ended(place, Done({}, 0.1, process, peak << 20))
                yield Done({}, 0.1, process, peak << 20)

    with RunFolder(tmp_path / "run", "a fingerprint") as folder:
        stages = room.Stages(folder, Two(), Journal(folder.journal), Progress())
        before = stages.peak_memory()
        stages.tasks("match", [("", ())] * 3)
        assert stages.peak_memory() - before >= 350 << 20


def test_code_digest__does_not_depend_on_the_folder_one_stands_in(monkeypatch, tmp_path):
    before = code_digest()
    monkeypatch.chdir(tmp_path)
    assert code_digest() == before == code_digest()
    assert Path(room.__file__).is_file()


def test_run__begins_without_the_stages_after_intake():
    """What files are read with is imported first, all else while they are read: 0.1 s of every run."""
    code = "import sys, jobs.run; print(sorted({'jobs.walk', 'pyarrow.compute'} & set(sys.modules)))"
    root = Path(room.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_prepare__leaves_what_is_wrong_to_the_stage_that_needs_it():
    class Broken:
        asked = 0

        @property
        def pack(self):
            Broken.asked += 1
            raise ConfigError("E-CONFIG-009", "", "", "")

    room._prepare(Broken())
    assert Broken.asked == 1
