"""The command line: what goes where, exit codes, messages, and that nothing is left half-done."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

import jobs
from jobs import cli, kernel_cache
from jobs.cli_commands import render
from jobs.cli_generate import read_rates
from linkage.errors import ConflictError, ContractError, IntegrityError, LinkageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def put_back(monkeypatch):
    """The process is as it was before, whatever a command set."""
    before = os.umask(0o077)
    for name in ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.setenv(name, os.environ.get(name, "2"))
    monkeypatch.setattr(kernel_cache, "warmup", lambda progress: 0)
    monkeypatch.setattr(kernel_cache, "seal", lambda **_: 0)
    yield
    os.umask(before)


class Outcome:
    def __init__(self, exit_code=0):
        self.exit_code = exit_code

    def summary(self):
        return {"run_id": "r1", "links": 12345, "sources": [{"source": "tax", "linked": 3}]}

    def text(self):
        return "12,345 links"


@pytest.fixture
def fakes(monkeypatch):
    """The run and the evaluation, as calls that are remembered and do what a test says."""
    made = types.SimpleNamespace(calls=[], does=lambda *_, **__: Outcome())
    run, evaluation = types.ModuleType("jobs.run"), types.ModuleType("jobs.evaluation")

    def run_project(project, out, **words):
        words.pop("progress").close()
        made.calls.append((project, out, words))
        return made.does(project, out)

    run.run_project = run_project
    evaluation.evaluate_run = lambda run, truth, share=1.0: {
        "precision": 0.5,
        "run": str(run),
        "share": share,
    }
    evaluation.render = lambda figures: f"precision {figures['precision']}"
    for name, module in (("run", run), ("evaluation", evaluation)):
        monkeypatch.setitem(sys.modules, f"jobs.{name}", module)
        monkeypatch.setattr(jobs, name, module, raising=False)
    return made


def raising(error):
    def does(*_, **__):
        raise error

    return does


# --- what goes where


def test_help__imports_nothing_heavy():
    program = (
        "import jobs.cli, sys; jobs.cli.invoke(['--help']); print(','.join(sys.modules), file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = {"numpy", "polars", "numba", "pyarrow", "ray", "msgspec", "rapidfuzz"}
    assert not heavy & {name.split(".")[0] for name in ended.stderr.split(",")}
    assert "evaluate" in ended.stdout


def test_run__passes_its_options_on(fakes, tmp_path, capsys):
    code = cli.invoke(
        ["run", "p.toml", "--out", str(tmp_path), "--engine", "ray", "--threads", "3", "--parts", "7",
         "--model", "m.json", "--address", "here:1", "--plan", "plan.json", "--memory", "2GB"]
    )  # fmt: skip
    assert code == 0
    ((project, out, words),) = fakes.calls
    assert (project, out) == (Path("p.toml"), tmp_path)
    assert words == {
        "engine": "ray", "threads": 3, "parts": 7, "model": Path("m.json"), "address": "here:1",
        "accept": (), "reason": None, "plan": Path("plan.json"), "memory": 2_000_000_000,
    }  # fmt: skip
    assert "12,345 links" in capsys.readouterr().out


def test_run__has_defaults_for_all_but_the_paths(fakes, tmp_path):
    assert cli.invoke(["run", "p.toml", "--out", str(tmp_path)]) == 0
    ((_, _, words),) = fakes.calls
    assert words.pop("threads") >= 1
    assert words == {
        "engine": "threads", "parts": None, "model": None, "address": None, "accept": (), "reason": None,
        "plan": None, "memory": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "wanted"), [("1.5 GiB", 3 << 29), ("4gb", 4_000_000_000), ("1000MB", 1_000_000_000)]
)
def test_run__reads_memory_as_people_write_it(fakes, tmp_path, written, wanted):
    assert cli.invoke(["run", "p.toml", "--out", str(tmp_path), "--memory", written]) == 0
    ((_, _, words),) = fakes.calls
    assert words["memory"] == wanted


@pytest.mark.parametrize("written", ["much", "10MB", "-1GB"])
def test_run__refuses_memory_that_is_none_or_too_little(fakes, tmp_path, capsys, written):
    assert cli.invoke(["run", "p.toml", "--out", str(tmp_path), "--memory", written]) == 2
    assert not fakes.calls
    assert "GB" in capsys.readouterr().err


def test_run__passes_on_what_is_accepted_and_why(fakes, tmp_path):
    gates = ["--accept", "review:tax", "--accept", "new", "--reason", "seen"]
    assert cli.invoke(["run", "p.toml", "--out", str(tmp_path), *gates]) == 0
    ((_, _, words),) = fakes.calls
    assert (words["accept"], words["reason"]) == (("review:tax", "new"), "seen")


def test_run__with_json_gives_one_object_on_stdout_and_nothing_else(fakes, tmp_path, capsys):
    assert cli.invoke(["run", "p.toml", "--out", str(tmp_path), "--json"]) == 0
    out, err = capsys.readouterr()
    held = json.loads(out)
    assert (held["schema"], held["command"], held["links"]) == (1, "run", 12345)
    assert err == ""


def test_run__ends_with_the_code_of_its_outcome(fakes, tmp_path):
    fakes.does = lambda *_: Outcome(1)
    assert cli.invoke(["run", "p.toml", "--out", str(tmp_path)]) == 1


def test_evaluate__prints_the_figures(fakes, capsys):
    assert cli.invoke(["evaluate", "runs/1", "--truth", "t"]) == 0
    assert capsys.readouterr().out == "precision 0.5\n"
    assert cli.invoke(["evaluate", "runs/1", "--truth", "t", "--json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert (held["run"], held["share"]) == ("runs/1", 1.0)
    assert cli.invoke(["evaluate", "runs/1", "--truth", "t", "--json", "--share", "0.25"]) == 0
    assert json.loads(capsys.readouterr().out)["share"] == 0.25
    assert cli.invoke(["evaluate", "runs/1", "--truth", "t", "--share", "0"]) == 2


@pytest.mark.parametrize("kind", ["project", "contract", "policy"])
def test_schema__prints_a_json_schema(kind, capsys):
    assert cli.invoke(["schema", kind]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].startswith("https://json-schema.org/")


def test_version__names_what_results_depend_on(capsys):
    assert cli.invoke(["version", "--json"]) == 0
    assert {"linkage", "python", "numba", "polars"} < set(json.loads(capsys.readouterr().out))
    assert cli.invoke(["--version"]) == 0
    assert capsys.readouterr().out.startswith("linkage ")


def test_warmup__says_where_the_kernels_are(capsys):
    assert cli.invoke(["warmup", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] == str(kernel_cache.prepare())


# --- failures


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LinkageError("E-A-001", "came", "wanted", "do"), 5),
        (ContractError("E-A-001", "came", "wanted", "do"), 3),
        (ConflictError("E-A-001", "came", "wanted", "do"), 4),
        (IntegrityError("E-A-001", "came", "wanted", "do"), 6),
        (PermissionError(13, "Permission denied", "x"), 5),
        (MemoryError(), 5),
        (KeyError("Nguyễn Văn An"), 5),
        (KeyboardInterrupt(), 130),
    ],
)
def test_failures__have_their_exit_codes_and_no_traceback(fakes, tmp_path, capsys, error, code):
    fakes.does = raising(error)
    assert cli.invoke(["run", "p.toml", "--out", str(tmp_path)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert "Nguyễn" not in err


def test_failures__say_code_what_came_what_was_wanted_and_what_to_do(fakes, tmp_path, capsys):
    fakes.does = raising(ContractError("E-INPUT-002", "It lacks a column.", "Six are wanted.", "Mend it."))
    cli.invoke(["run", "p.toml", "--out", str(tmp_path)])
    assert capsys.readouterr().err == "error E-INPUT-002: It lacks a column.\n  Six are wanted.\n  Mend it.\n"


def test_failures__are_json_for_programs(fakes, tmp_path, capsys):
    fakes.does = raising(ContractError("E-INPUT-002", "came", "wanted", "do"))
    cli.invoke(["run", "p.toml", "--out", str(tmp_path), "--json"])
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err) == {
        "error": {"code": "E-INPUT-002", "what": "came", "wanted": "wanted", "do": "do", "exit_code": 3}
    }


def test_failures__unforeseen_ones_name_type_and_place_only(fakes, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("LINKAGE_TRACEBACK", raising=False)
    fakes.does = raising(KeyError("Nguyễn Văn An"))
    cli.invoke(["run", "p.toml", "--out", str(tmp_path)])
    err = capsys.readouterr().err
    assert err.startswith("error E-INTERNAL-001: KeyError at ")
    assert "jobs/cli_commands.py:" in err
    monkeypatch.setenv("LINKAGE_TRACEBACK", "1")
    cli.invoke(["run", "p.toml", "--out", str(tmp_path)])
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Usage: linkage"),
        (["evaluat"], "Did you mean 'evaluate'?"),
        (["run"], "Missing argument 'PROJECT'"),
        (["run", "p", "--outt", "x"], "--out"),
        (["run", "p", "--out", "x", "--engine", "threadz"], "'threads', 'ray'"),
        (["run", "p", "--out", "x", "--address", "a"], "Add --engine ray."),
        (["run", "p", "--out", "x", "--threads", "0"], "x>=1"),
        (["generate", "--people", "10", "--out", "x", "--rate", "tax.moved"], "KEY=VALUE"),
        (["generate", "--people", "10", "--out", "x", "--rate", "tax.movd=0.1"], "No rate 'movd' of tax"),
        (["check", "nowhere.toml"], "E-CONFIG-020"),
        (["schema", "projects"], "'project', 'contract', 'policy'"),
    ],
)
def test_usage__is_corrected_with_exit_code_2(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.invoke(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert list(tmp_path.iterdir()) == []


def test_usage__the_error_as_json_has_the_exit_code_of_the_command(capsys):
    assert cli.invoke(["plan", "p.toml", "--sample", "0", "--json"]) == 2
    error = json.loads(capsys.readouterr().err)["error"]
    assert (error["code"], error["exit_code"]) == ("E-USAGE-001", 2)


def test_usage__every_problem_of_a_project_is_printed(tmp_path, capsys):
    (tmp_path / "project.toml").write_text("schema = 1\n[projct]\n[[source]]\nnam = 'x'\n")
    assert cli.invoke(["check", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.count("error E-CONFIG-") >= 6
    assert err.rstrip().endswith("errors")
    assert cli.invoke(["check", str(tmp_path), "--json"]) == 2
    assert len(json.loads(capsys.readouterr().err)["error"]["problems"]) >= 6


def test_colour__only_on_a_terminal_and_never_with_no_color(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    cli.invoke(["check", "nowhere.toml"])
    assert "\x1b[" in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    cli.invoke(["check", "nowhere.toml"])
    assert "\x1b[" not in capsys.readouterr().err


def test_stdout__a_reader_that_goes_away_is_no_failure():
    program = f"{sys.executable} -m jobs.cli schema project | head -1"
    ended = subprocess.run(["sh", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "{\n", "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("command", "code"),
    [("schema project", 0), ("--help", 0), ("check nowhere", 2), ("check nowhere --json", 2), ("nothing", 2)],
)
def test_streams__whose_reader_has_gone_leave_the_exit_code_as_it_is(
    command: str, code: int, unbuffered: str
) -> None:
    """Its own, neither 1 (a gate failed) nor 120."""
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *command.split()],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=writer,
    )
    os.close(writer)
    assert ended.returncode == code


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams__that_are_closed_are_no_failure(closed: str):
    program = f"{sys.executable} -m jobs.cli version {closed}"
    ended = subprocess.run(["sh", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("linkage ") == (" >&-" not in f" {closed}")


def test_main__does_what_was_left_for_the_end_and_loses_no_output():
    program = "import atexit, jobs.cli; atexit.register(print, 'last', end=''); jobs.cli.main(['version'])"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("linkage ")
    assert ended.stdout.endswith("last")


INTERRUPTED = """
import sys, time, types, jobs
from jobs import cli, kernel_cache
kernel_cache.warmup = lambda progress: 0
kernel_cache.seal = lambda: 0
fake = types.ModuleType("jobs.run")
def run_project(*_, **__):
    try:
        print("working", flush=True)
        time.sleep(30)
    finally:
        print("cleaned", flush=True)
fake.run_project = run_project
sys.modules["jobs.run"] = jobs.run = fake
cli.main(["run", "p.toml", "--out", "o"])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals__unwind_and_end_with_their_code(number, code, tmp_path):
    program = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert program.stdout is not None
    assert program.stdout.readline() == "working\n"
    time.sleep(0.05)
    program.send_signal(number)
    out, err = program.communicate(timeout=20)
    assert (program.returncode, out) == (code, "cleaned\n")
    assert "the same command goes on" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals__a_second_one_ends_at_once_and_silently(number, tmp_path):
    """It came while the interpreter waited for threads, and showed Python's own trace."""
    held = INTERRUPTED.replace(
        "    try:", "    threading.Thread(target=time.sleep, args=(20,)).start()\n    try:"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", "import threading" + held], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert program.stdout is not None
    assert program.stderr is not None
    assert program.stdout.readline() == "working\n"
    program.send_signal(number)
    told = ""
    while "the same command goes on" not in told:
        told += (line := program.stderr.readline())
        assert line, told
    time.sleep(0.2)
    assert program.poll() is None
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=10)
    assert program.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert err == ""


# --- generate and demo, with the real generator


def test_generate__is_private_whole_and_never_made_twice(tmp_path, capsys):
    out = tmp_path / "nation"
    command = ["generate", "--people", "300", "--out", str(out), "--seed", "4", "--json"]
    assert cli.invoke(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["made"]
    assert first["counts"]["records"]["register"] == 300
    modes = {p.stat().st_mode & 0o777 for p in out.rglob("*") if p.is_file()}
    assert modes == {0o600}
    assert [p.name for p in tmp_path.iterdir()] == ["nation"]
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert cli.invoke([*command, "--threads", "1"]) == 0
    assert not json.loads(capsys.readouterr().out)["made"]
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    assert cli.invoke(["generate", "--people", "301", "--out", str(out)]) == 4
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


def test_generate__what_it_made_passes_check(tmp_path, capsys):
    assert cli.invoke(["generate", "--people", "300", "--out", str(tmp_path / "n"), "--files", "2"]) == 0
    assert cli.invoke(["check", str(tmp_path / "n")]) == 0
    assert "tax: agency, csv, 2 file(s)" in capsys.readouterr().out


def sexes_wrong(folder):
    import polars as pl

    errors = pl.read_parquet(folder / "truth/errors.parquet", columns=["source", "field"]).cast(pl.String)
    return set(errors.filter(pl.col("field") == "sex")["source"])


def test_generate__errors_are_scaled_and_single_rates_set(tmp_path):
    command = ["generate", "--people", "300", "--errors", "0", "--out"]
    assert cli.invoke([*command, str(tmp_path / "n")]) == 0
    assert sexes_wrong(tmp_path / "n") == set()
    assert cli.invoke([*command, str(tmp_path / "m"), "--rate", "tax.sex_wrong=100%"]) == 0
    assert sexes_wrong(tmp_path / "m") == {"tax"}


def test_generate__interrupted_it_leaves_nothing(tmp_path, monkeypatch):
    import data.generator

    monkeypatch.setattr(data.generator, "generate", raising(KeyboardInterrupt()))
    assert cli.invoke(["generate", "--people", "300", "--out", str(tmp_path / "n")]) == 130
    assert list(tmp_path.iterdir()) == []


def test_demo__says_where_everything_lies_and_keeps_what_is_there(fakes, tmp_path, capsys):
    command = ["demo", "--people", "300", "--out", str(tmp_path / "demo")]
    assert cli.invoke(command) == 0
    out, err = capsys.readouterr()
    assert "precision 0.5" in out
    assert str(tmp_path / "demo/run/decisions.parquet") in out
    assert "1 of 3" in err
    assert cli.invoke(command) == 0
    assert "kept from before" in capsys.readouterr().err


def test_demo__replaces_a_run_of_other_code(fakes, tmp_path):
    run = tmp_path / "demo" / "run"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")

    def does(_project, out):
        if out.exists():
            raise ConflictError("E-RUN-001", "a", "b", "c")
        return Outcome()

    fakes.does = does
    assert cli.invoke(["demo", "--people", "300", "--out", str(tmp_path / "demo")]) == 0
    assert len(fakes.calls) == 2


# --- small parts


def test_read_rates__shares_and_percentages():
    assert read_rates(["a.b=0.25", "c=5%"]) == {"a.b": 0.25, "c": 0.05}


def test_render__long_lists_have_a_line_an_entry_and_memory_its_unit():
    text = render({"warnings": ["a" * 40, "b" * 40], "few": ["a", "b"], "peak_memory": 3 << 30})
    assert text == f"warnings\n  {'a' * 40}\n  {'b' * 40}\nfew: a, b\npeak_memory: 3,072 MiB"


def test_render__is_readable():
    text = render(
        {"a": 1234567, "b": {"c": 0.5, "d": None}, "rows": [{"x": 1, "y": "long"}, {"x": 22, "y": True}]}
    )
    assert text == "a: 1,234,567\nb\n  c: 0.5\n  d: -\nrows\n  x   y\n  1   long\n  22  yes"


def test_disk__without_room_is_told_by_every_command(monkeypatch, capsys):
    """Runs say it where they write; whatever else writes, such as a generated nation, is told here."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/nation")

    monkeypatch.setattr(cli.cli, "main", full)
    assert cli.invoke(["version"]) == 5
    told = capsys.readouterr().err
    assert "E-DISK-001" in told
    assert "'/data/nation'" in told
    assert "same command" in told
