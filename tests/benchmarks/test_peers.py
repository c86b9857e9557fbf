"""The side-by-side benchmark: data, judge, stop-watch and tables, and that both sides block alike."""

from __future__ import annotations

import ast
import json
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers import material, measured, report, scoring
from benchmarks.peers.__main__ import main
from jobs.project import load_project

HERE = Path(material.__file__).parent
ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers/bin/python"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peers") / "files"
    material.generate(folder, 2_000)
    for name in ("project.toml", "contract.toml"):
        shutil.copyfile(HERE / name, folder / name)
    return folder


def read(files):
    return (pl.read_parquet(files / f"{name}.parquet") for name in ("register", "extract", "truth"))


def test_material__has_the_sizes_and_columns_it_says(files):
    register, extract, truth = read(files)
    assert (len(register), len(extract), len(truth)) == (2_000, 1_500, 3_500)
    for table in (register, extract):
        assert tuple(table.columns) == material.COLUMNS
        assert set(table.dtypes) == {pl.String}
        assert table["record_id"].n_unique() == len(table)
        assert table["record_id"].null_count() == table["full_name"].null_count() == 0
    assert set(register["sex"]) == set(extract["sex"]) == {"M", "F"}
    assert register["birth_date"].str.contains(r"^\d{4}-\d\d-\d\d$").all()
    assert extract["birth_date"].str.contains(r"^\d{4}(-\d\d-\d\d)?$").all()
    assert (extract["birth_date"].str.len_chars() == 4).any()
    assert 0.04 < extract["number"].null_count() / len(extract) < 0.13
    assert register["number"].null_count() == 0


def test_material__tells_who_each_record_is(files):
    register, extract, truth = read(files)
    held = dict(truth.filter(source="register").select("record_id", "true_person_id").iter_rows())
    who = dict(truth.filter(source="extract").select("record_id", "true_person_id").iter_rows())
    assert set(held) == set(register["record_id"])
    assert set(who) == set(extract["record_id"])
    strangers = [person for person in who.values() if person not in set(held.values())]
    assert 0 < len(strangers) < 40
    number = {held[key]: value for key, value in register.select("record_id", "number").iter_rows()}
    equal = [
        number[who[key]] == value
        for key, value in extract.select("record_id", "number").iter_rows()
        if value is not None and who[key] in number
    ]
    assert 0.95 < sum(equal) / len(equal) < 1


def test_material__is_the_same_again_and_for_any_threads(files, tmp_path):
    material.generate(tmp_path / "other", 2_000, threads=3)
    for name in ("register", "extract", "truth"):
        one, other = (pl.read_parquet(place / f"{name}.parquet") for place in (files, tmp_path / "other"))
        assert one.equals(other)


def test_material__is_made_once(files):
    before = (files / "register.parquet").stat().st_mtime_ns
    assert material.generate(files, 2_000) == {"register": 2_000, "extract": 1_500, "truth": 3_500}
    assert (files / "register.parquet").stat().st_mtime_ns == before


def test_material__refuses_what_is_too_small(tmp_path):
    with pytest.raises(ValueError, match="people is 999"):
        material.generate(tmp_path, 999)


def test_material__has_as_many_namesakes_as_are_asked_for(files, tmp_path):
    rows = material.generate(tmp_path, 2_000, namesakes=10)
    assert rows == {"register": 2_000, "extract": 1_500, "truth": 3_500}

    def alike(folder):
        held = pl.read_parquet(folder / "register.parquet").group_by("full_name").len()["len"]
        return int((held * (held - 1)).sum())

    assert 5 * alike(files) < alike(tmp_path) < 20 * alike(files)


RECORDS, PERSONS = "abcdef", "PQRS"
LINKS = st.lists(st.tuples(st.sampled_from(RECORDS), st.sampled_from(PERSONS)), max_size=12)
WHO = st.lists(st.integers(0, 4), min_size=len(RECORDS) + len(PERSONS), max_size=len(RECORDS) + len(PERSONS))


def table_of_links(links):
    return pl.DataFrame(links, schema={"record_id": pl.String, "person_id": pl.String}, orient="row")


@given(LINKS, WHO)
def test_score__counts_as_a_loop_does(links, who):
    keys = [("extract", record) for record in RECORDS] + [("register", person) for person in PERSONS]
    person_of = dict(zip(keys, who, strict=True))
    truth = pl.DataFrame(
        [(*key, str(person)) for key, person in person_of.items()],
        schema=["source", "record_id", "true_person_id"], orient="row",
    )  # fmt: skip
    registered = {person for (source, _), person in person_of.items() if source == "register"}
    right = {
        (record, person)
        for record, person in links
        if person_of["extract", record] == person_of["register", person]
    }
    judged = scoring.score(table_of_links(links), truth)
    assert judged.links == len(set(links))
    assert judged.right == len(right)
    assert judged.found == len({record for record, _ in right})
    assert judged.findable == sum(person_of["extract", record] in registered for record in RECORDS)
    assert judged.precision == (judged.right / judged.links if links else None)
    assert judged.recall == (judged.found / judged.findable if judged.findable else None)


def test_score__refuses_links_of_records_that_are_nowhere():
    truth = pl.DataFrame(
        {"source": ["extract", "register"], "record_id": ["a", "P"], "true_person_id": ["1", "1"]}
    )
    with pytest.raises(ValueError, match="1 links name records"):
        scoring.score(table_of_links([("a", "P"), ("a", "nobody")]), truth)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(RECORDS), st.sampled_from(PERSONS)), st.integers(0, 10), max_size=12
    )
)
def test_best__is_the_likeliest_link_of_each_record(pairs):
    rows = [(*key, value / 10) for key, value in pairs.items()]
    predicted = pl.DataFrame(
        rows, schema={"record_id": pl.String, "person_id": pl.String, "probability": pl.Float64},
        orient="row",
    )  # fmt: skip
    wanted = {}
    for (record, person), value in sorted(pairs.items()):
        if value >= 5 and value > wanted.get(record, (0, ""))[0]:
            wanted[record] = (value, person)
    found = scoring.best_of(predicted, 0.5)
    assert {r: p for r, p, _ in found.iter_rows()} == {r: p for r, (_, p) in wanted.items()}
    assert len(found) == len(wanted)


HOLDER = """
import subprocess, sys, time
held = b"x" * (int(sys.argv[1]) << 20)
if len(sys.argv) > 2:
    subprocess.run([sys.executable, "-c", sys.argv[2], sys.argv[1]], check=True)
else:
    began = time.process_time()
    while time.process_time() < began + 0.3:
        pass
    time.sleep(0.7)
"""


def test_measured__sums_the_memory_and_the_processor_time_of_the_tree():
    done = measured.run([sys.executable, "-c", HOLDER, "100", HOLDER])
    assert done.code == 0, done.errors
    assert 200 << 20 < done.held < 300 << 20
    assert done.held <= done.mapped
    assert done.seconds > 1.0
    assert 0.3 < done.processor < done.seconds + 0.5


def test_measured__of_one_process_does_without_walking_its_pages(monkeypatch):
    seen = []
    monkeypatch.setattr(measured, "SIZES_INTERVAL", 30.0)
    monkeypatch.setattr(measured, "memory_of", lambda processes: seen.append(processes) or (0, 0))
    done = measured.run([sys.executable, "-c", HOLDER, "100"])
    assert done.code == 0, done.errors
    assert len(seen) == 1
    assert 100 << 20 < done.held < 150 << 20


def test_measured__says_how_it_ended():
    done = measured.run([sys.executable, "-c", "import sys; sys.exit('it went wrong')"])
    assert (done.code, done.errors.strip()) == (1, "it went wrong")


OUTER = """
import signal, sys
from benchmarks.peers import measured
signal.signal(signal.SIGINT, signal.default_int_handler)
measured.run([sys.executable, "-c", sys.argv[1]])
"""


def test_measured__leaves_nothing_running_when_it_is_interrupted(tmp_path):
    place, until = tmp_path / "process", time.monotonic() + 30
    inner = f"import os, time; open({str(place)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    runner = subprocess.Popen([sys.executable, "-c", OUTER, inner], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not (place.exists() and place.read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)
    runner.send_signal(signal.SIGINT)
    assert runner.wait(30) != 0
    while works(place.read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)


def works(process):
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_measured__gives_the_environment():
    done = measured.run(
        [sys.executable, "-c", "import os; raise SystemExit(int(os.environ['LEFT']))"], {"LEFT": "7"}
    )
    assert done.code == 7


def test_sizes__are_read_from_the_lines_that_hold_some():
    text = "55d0-7ffe ---p 00000000 00:00 0   [rollup]\nRss:   12 kB\nPss_Anon:      3 kB\nTHPeligible: 0\n"
    assert measured.sizes_in(text) == {"Rss": 12 << 10, "Pss_Anon": 3 << 10}


def one(tool, seconds, phases, **more):
    return {
        "tool": tool, "people": 1_000, "namesakes": 1.0, "rows": {"extract": 750}, "seconds": seconds,
        "processor": 9.0, "held": 1 << 30, "mapped": 2 << 30, "phases": phases, **more,
    }  # fmt: skip


def judged(precision, recall):
    return {"links": 10, "precision": precision, "recall": recall}


RESULTS = {
    "machine": {
        "date": "2026-11-22", "processors": 4, "memory": 24 << 30, "threads": 2, "python": "3.11.7",
        "load": 0.1, "max_pairs": 1e8, "memory_limit": "",
    },
    "runs": [
        one("ours", 5.0, {"intake": 1.0, "train": 3.0}, pairs=90, score=judged(1.0, 0.9)),
        one(
            "splink", 42.0, {"u": 21.0, "em": 6.0, "predict": 4.0}, pairs=100, score=judged(0.9, 0.8),
            best={"0.5": judged(0.95, None)}, versions={"splink": "5.0.0"},
        ),
        one("ours", 4.0, {"intake": 1.0, "train": 2.0}, pairs=90),
        one("splink", 40.0, {"u": 20.0, "em": 6.0, "prior": 4.0}, pairs=100, held=3 << 30),
        one("ours+model", 2.0, {"intake": 1.0}, pairs=90, score=judged(1.0, 0.9)),
        one("splink+model", 12.0, {"predict": 4.0}, pairs=100, score=judged(None, 0.8)),
    ],
}  # fmt: skip


def test_tables__say_the_least_time_the_greatest_memory_and_the_ratios():
    text = report.tables(RESULTS)
    assert "| linkage | 90 | 4.0 | 2.0 | 1.0 | 1.0 | 9 | 1,024 | 2,048 | 1.00000 | 0.90000 | 2 |" in text
    assert (
        "| Splink, clusters at p >= 0.95 | 100 | 40.0 | 10.0 | 10.0 | 5.0 | 9 | 3,072 | 2,048 "
        "| 0.90000 | 0.80000 | 2 |"
    ) in text
    assert "| Splink, given its model | 100 | 12.0 | 12.0 |  | 6.0 |" in text
    assert "| linkage | start 1.00, intake 1.00, train 2.00 |" in text
    assert "| 0.5 | 10 | 0.95000 | - |" in text
    assert "splink 5.0.0; 1e+08 random pairs" in text
    assert "**1,000 people, 750 extract records**" in text


def test_tables__keep_apart_files_of_other_namesakes():
    denser = [{**run, "namesakes": 3.0, "seconds": run["seconds"] + 1} for run in RESULTS["runs"]]
    text = report.tables({**RESULTS, "runs": [*denser, *RESULTS["runs"]]})
    first, second = text.split("**1,000 people, 750 extract records")[1:]
    assert first.startswith("**\n")
    assert "| linkage | 90 | 4.0 |" in first
    assert second.startswith(", full names coinciding 3 times as often**\n")
    assert "| linkage | 90 | 5.0 |" in second


def test_tables__refuse_rounds_that_did_other_work():
    runs = [*RESULTS["runs"], one("splink", 1.0, {}, pairs=99)]
    with pytest.raises(ValueError, match="splink scored 100 pairs, then 99"):
        report.compared(runs)


def constant_of(script, name):
    """A constant of a script whose imports are not installed here."""
    for node in ast.parse((HERE / script).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


#: A form of the project file and the column that ``splink_run.py`` makes of it.
COLUMN_OF = {
    "personal_number": "number", "full_name.given.ascii": "given", "full_name.ascii": "name_ascii",
    "birth_date": "birth_date", "birth_date.day_month": "birth_day_month", "birth_date.year": "birth_year",
    "sex": "sex", "commune.any": "commune", "phone": "phone",
}  # fmt: skip


def test_rules__are_the_same_on_both_sides():
    project = tomllib.loads((HERE / "project.toml").read_text(encoding="utf-8"))
    ours = [tuple(COLUMN_OF[form] for form in rule["on"]) for rule in project["blocking"]]
    assert tuple(ours) == constant_of("splink_run.py", "RULES")
    assert len(ours) == 6
    made = constant_of("splink_run.py", "PREPARE")
    assert all(re.search(rf"\b{column}\b", made) for columns in ours for column in columns)


def test_project__is_accepted_and_only_links(files):
    loaded = load_project(files / "project.toml")
    assert [source.role for source in loaded.project.sources] == ["register", "agency"]
    assert loaded.project.corrections.make is False


def test_scripts__import_nothing_of_the_project():
    for script in ("splink_run.py", "join_run.py"):
        tree = ast.parse((HERE / script).read_text(encoding="utf-8"))
        named = {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        named |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {name.partition(".")[0] for name in named} & {
            "linkage",
            "kernels",
            "jobs",
            "data",
            "benchmarks",
        }


def test_lock__pins_what_is_asked_for_with_hashes():
    folder = ROOT / "requirements"
    wanted = set(re.findall(r"(?m)^\w.*==\S+", (folder / "peers.in").read_text(encoding="utf-8")))
    lock = (folder / "peers.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\w)", re.sub(r"(?m)^\s*#.*\n", "", lock).strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    assert wanted <= {entry.split()[0] for entry in entries}


@pytest.mark.slow
def test_command__measures_and_judges_our_own_run(tmp_path, capsys):
    told = tmp_path / "peers.json"
    main(
        [
            "--people", "1000", "--rounds", "1", "--tools", "ours", "ours+model",
            "--folder", str(tmp_path / "made"), "--json", str(told),
        ]
    )  # fmt: skip
    assert "| linkage |" in capsys.readouterr().out
    ours, given = json.loads(told.read_text())["runs"]
    assert ours["pairs"] == given["pairs"] > 700
    assert ours["score"] == given["score"]
    assert ours["score"]["precision"] == 1.0
    assert ours["score"]["recall"] > 0.98
    assert ours["held"] > 50 << 20
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["1000"]


@pytest.mark.slow
@pytest.mark.skipif(not PEERS.exists(), reason="make peers has not been run")
@pytest.mark.parametrize("script", ["splink_run.py", "join_run.py"])
def test_peer__links_rightly(files, tmp_path, script):
    command = [str(PEERS), str(HERE / script), str(files), str(tmp_path)]
    subprocess.run(command + (["--max-pairs", "1e6"] if script == "splink_run.py" else []), check=True)
    found = scoring.score(scoring.links_of("peer", tmp_path), pl.read_parquet(files / "truth.parquet"))
    assert found.precision > 0.98
    assert found.recall > 0.98
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["versions"]["duckdb"].startswith("2.")
    assert sum(figures["phases"].values()) <= figures["seconds"]


def test_main__without_the_peers_environment_says_what_makes_it(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--python", str(tmp_path / "none"), "--folder", str(tmp_path / "files")])
    assert ended.value.code == 2
    assert "`make peers` makes it" in capsys.readouterr().err
    assert not (tmp_path / "files").exists()
