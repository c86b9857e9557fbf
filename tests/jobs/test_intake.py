"""Intake of whole sources: what is counted, which limit stops what, and who is left out."""

import collections
import importlib
import json
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs import cli, intake, kernel_cache
from jobs.executor import Call
from jobs.readers import read_source
from jobs.store import write_json
from jobs.workspace import Workspace
from linkage.config import Source
from linkage.errors import ContractError, IntegrityError
from tests.jobs.test_hostile_files import mutated

PROJECT = """
schema = 1
[project]
name = "p"
locale = ["vietnam"]
"""
SOURCE = """
[[source]]
name = "{name}"
role = "{role}"
files = ["{name}*.csv"]
contract = "{contract}.toml"
extract_date = 2026-01-01
{more}
"""
CONTRACT = """
schema = 1
key = "K"
encoding = "auto"
delimiter = "auto"
[[field]]
column = "N"
standard = "full_name"
required = true
[[field]]
column = "D"
standard = "birth_date"
formats = ["yyyy"]
[[field]]
column = "S"
standard = "sex"
codes = {{ "1" = "M" }}
{more}
"""


class Direct:
    """Runs tasks one after another, as they are called."""

    def tasks(
        self, stage: str, calls: Sequence[Call], rows: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        assert stage == "intake"
        assert rows is None or len(rows) == len(calls)
        out = []
        for name, arguments in calls:
            module, _, function = name.partition(":")
            found = getattr(importlib.import_module(module), function)(*arguments)
            out.append(json.loads(json.dumps(found)))
        return out

    def free(self, *places: Path | str) -> None:
        assert all(str(place).startswith(("intake/", "spool")) for place in places)


def good(rows: int, first: int = 0) -> str:
    return "K,N,D,S\n" + "".join(f"{i},Trần Văn An,1980,1\n" for i in range(first, first + rows))


def bad(rows: int, refused: int) -> str:
    return good(rows - refused) + "".join(f"x{i},Tên,1980\n" for i in range(refused))


class Case:
    """A project of a register and agencies, its files written as they are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text = PROJECT
        (folder / "c.toml").write_text(CONTRACT.format(more=""))

    def source(self, name: str, files: dict[str, str | bytes], more: str = "", role: str = "agency") -> None:
        self.text += SOURCE.format(name=name, role=role, contract="c", more=more)
        for file, data in files.items():
            (self.folder / file).write_bytes(data if isinstance(data, bytes) else data.encode())

    def take_in(self, parts: int | None = None) -> dict[str, Any]:
        (self.folder / "project.toml").write_text(self.text)
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        write_json(work / "settings.json", {"project": str(self.folder / "project.toml")})
        Workspace.open.cache_clear()
        space = Workspace.open(str(work))
        return intake.take_in(Direct(), space.loaded, space, work / "artefacts", parts, 2)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = Case(tmp_path)
    made.source("register", {"register.csv": good(40)}, role="register")
    return made


def test_take_in__counts_rows_lines_and_bytes_of_every_source(case: Case):
    first = '\n\nK,N,D,S\r\n1,Lê Văn Tám,1980,1\r\n\r\n2,"Nguyễn\r\nVăn An",1981,1\r\nlost,row\r\n'
    second = "K;N;D;S\n3;Đỗ An;1980;1\n1;Lê Văn Tám;1980;1\n4;;1980;1".encode("utf-16")
    case.source("tax", {"tax1.csv": first, "tax2.csv": second}, "refused_max = 1.0")
    for parts in (None, 3):
        facts = case.take_in(parts)
        tax = facts["sources"]["tax"]
        assert (tax["rows"], tax["accepted"], tax["blank"]) == (6, 2, 1)
        assert tax["refused"] == {"field_count": 1, "missing_field": 1, "repeated_key": 2}
        head = len("\n\nK,N,D,S\r\n") + len("K;N;D;S\n")
        assert tax["text"]["header"] == [4, head]
        assert tax["text"]["blank"] == [1, 2]
        assert tax["text"]["total"] == [12, len(first.encode()) + len(second.decode("utf-16").encode())]
        assert tax["bytes_as_sent"] == len(first.encode()) + len(second)
        read = facts["layout"]["read_as"]["tax"]
        assert read[0] == ["utf-8", ",", '"']
        assert read[-1] == ["utf-16-le", ";", '"']
        for i in (0, 1):
            kinds = ("header", "blank", "accepted", "refused")
            assert tax["text"]["total"][i] == sum(tax["text"][kind][i] for kind in kinds)
        assert facts["left_out"] == []
        assert (facts["rows_in"], facts["rows_out"]) == (46, 42)
        assert facts["layout"]["n_register"] == 40
        assert sum(rows for *_, rows in facts["layout"]["parts"]) == facts["layout"]["rows"] == 42


def test_take_in__more_refused_rows_than_allowed_stop_the_run_after_the_rejects_are_written(case: Case):
    case.source("tax", {"tax.csv": bad(100, 6)})
    with pytest.raises(ContractError, match=r"E-INPUT-019: source tax: 6 of 100 .*field_count 6") as caught:
        case.take_in()
    assert caught.value.exit_code == 3
    rejects = pq.read_table(case.folder / "work" / "artefacts" / "rejects" / "tax.parquet")
    assert rejects.column("code").to_pylist() == ["field_count"] * 6
    assert rejects.column("row")[0].as_py() == "x0,Tên,1980"


def test_take_in__as_many_refused_rows_as_allowed_stop_nothing(case: Case):
    case.source("tax", {"tax.csv": bad(100, 5)})
    assert case.take_in()["sources"]["tax"]["refused"] == {"field_count": 5}
    assert not (case.folder / "work" / "artefacts").exists()


def test_take_in__an_agency_may_be_left_out_and_the_others_go_on(case: Case):
    case.source("tax", {"tax.csv": bad(100, 50)}, 'on_failure = "leave_out"')
    case.source("school", {"school.csv": good(30)})
    case.source("bank", {"bank.csv": b"PAR1"}, 'on_failure = "leave_out"')
    facts = case.take_in()
    assert [(e["source"], e["code"]) for e in facts["left_out"]] == [
        ("tax", "E-INPUT-019"),
        ("bank", "E-INPUT-006"),
    ]
    assert {number for number, *_ in facts["layout"]["parts"]} == {0, 2}
    assert facts["layout"]["rows"] == facts["rows_out"] == 70
    tax = facts["sources"]["tax"]
    assert (tax["rows"], tax["accepted"], tax["refused"]) == (100, 50, {"field_count": 50})
    assert tax["left_out"]["code"] == "E-INPUT-019"
    assert "50 of 100" in tax["left_out"]["message"]
    assert facts["sources"]["bank"]["rows"] == 0
    assert (case.folder / "work" / "artefacts" / "rejects" / "tax.parquet").exists()


def test_take_in__a_register_only_stops_and_so_does_a_run_without_agencies(case: Case):
    case.source("tax", {"tax.csv": b"PAR1"}, 'on_failure = "leave_out"')
    with pytest.raises(ContractError, match="E-INPUT-006: source tax: 'tax.csv'"):
        case.take_in()
    case.source("school", {"school.csv": good(30)})
    (case.folder / "register.csv").write_text(bad(40, 20))
    with pytest.raises(ContractError, match="E-INPUT-019: source register"):
        case.take_in()


def test_take_in__a_register_without_anybody_stops_the_run(tmp_path: Path):
    made = Case(tmp_path)
    made.source("register", {"register.csv": good(0)}, role="register")
    made.source("tax", {"tax.csv": good(10)}, "on_failure = 'leave_out'")
    with pytest.raises(ContractError, match="E-INPUT-020: source register"):
        made.take_in()


def test_take_in__sources_that_are_at_fault_too_are_named(case: Case):
    for name in ("tax", "bank", "exam"):
        case.source(name, {f"{name}.csv": bad(100, 50 if name != "bank" else 0)})
    with pytest.raises(ContractError, match=r"E-INPUT-019: source tax: .* At fault too: exam;"):
        case.take_in()


def test_take_in__a_file_broken_further_in_is_told_by_its_name(case: Case):
    import gzip

    whole = gzip.compress(good(600_000).encode(), 1)
    case.source("tax", {"tax.csv": whole[:-9]})
    with pytest.raises(ContractError, match=r"E-INPUT-015: source tax: 'tax\.csv'"):
        case.take_in()


REPEATS = CONTRACT.format(more="").replace('key = "K"', 'key = "K"\non_repeat = "last"\norder_by = "D"')


@pytest.mark.parametrize("contract", [CONTRACT.format(more=""), REPEATS], ids=["reject", "last"])
@pytest.mark.parametrize("bucket", [1 << 30, 64])
def test_take_in__repeated_keys_fall_in_whatever_part_and_bucket_they_stand(
    case: Case, monkeypatch: pytest.MonkeyPatch, contract: str, bucket: int
):
    pick = random.Random(3)
    lines = [f"{pick.randrange(150)},Tên {i},{pick.choice(['', *range(1980, 1990)])},1" for i in range(200)]
    files = {f"tax{n}.csv": "K,N,D,S\n" + "\n".join(lines[n * 50 : n * 50 + 50]) + "\n" for n in range(4)}
    case.source("tax", files, "refused_max = 1.0")
    (case.folder / "c.toml").write_text(contract)
    monkeypatch.setattr(intake, "BUCKET_BYTES", bucket)
    facts = case.take_in(6)
    space = Workspace.open(str(case.folder / "work"))
    agreed = space.sources[1].contract
    whole = read_source([case.folder / name for name in files], agreed)
    refused: collections.Counter[str] = collections.Counter()
    for taken in whole:
        refused.update(taken.refused())
    assert facts["sources"]["tax"]["refused"] == dict(sorted(refused.items()))
    assert len(refused) == (1 if contract != REPEATS else 2)
    parts = [(s, p, rows) for s, p, _, rows in facts["layout"]["parts"] if s == 1]
    held = [space.records(s, p) for s, p, _ in parts]
    assert [table.num_rows for table in held] == [rows for _, _, rows in parts]
    wanted = [row for taken in whole for row in taken.records.to_pylist()]
    assert [row for table in held for row in table.to_pylist()] == wanted
    assert facts["sources"]["tax"]["text"]["total"][1] == sum(len(text.encode()) for text in files.values())


def test_take_in__a_large_source_has_parts_of_bounded_rows(case: Case, monkeypatch: pytest.MonkeyPatch):
    case.source("tax", {"tax.csv": good(5000)})
    monkeypatch.setattr(intake, "LEAST_ROWS", 100)
    monkeypatch.setattr(intake, "MOST_ROWS", 600)
    parts = [rows for source, _, _, rows in case.take_in()["layout"]["parts"] if source == 1]
    assert sum(parts) == 5000
    assert len(parts) == 10  # nine would do, which two workers do not share evenly
    assert max(parts) < 700


def test_take_in__packs_the_records_of_large_files(case: Case, monkeypatch: pytest.MonkeyPatch):
    case.source("tax", {"tax.csv": good(4_000)})
    size = sum(path.stat().st_size for path in case.folder.glob("*.csv"))
    held = []
    for plain, fast in ((size, size), (size - 1, size), (size - 1, size - 1)):
        monkeypatch.setattr(intake, "PLAIN_BYTES", plain)
        monkeypatch.setattr(intake, "FAST_BYTES", fast)
        case.take_in()
        folder = case.folder / "work" / "intake"
        held.append(sum(path.stat().st_size for path in folder.glob("*.records.arrays")))
        shutil.rmtree(folder)
    assert held[0] > 2 * held[1] > 2 * held[2]


def facts_of(rows: int, **refused: int) -> dict[str, Any]:
    return {"rows": rows, "refused": refused}


def source(limit: float = 0.05) -> Source:
    stated = {"name": "s", "role": "agency", "files": ("f",), "contract": "c", "extract_date": None}
    return Source(**stated, refused_max=limit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "limit", "stops"),
    [
        (facts_of(100, field_count=5), 0.05, False),
        (facts_of(100, field_count=3, bad_encoding=3), 0.05, True),
        (facts_of(100, superseded=90), 0.05, False),
        (facts_of(100, superseded=90, missing_key=6), 0.05, True),
        (facts_of(19, field_count=18), 0.05, False),
        (facts_of(19, field_count=19), 0.05, True),
        (facts_of(1, field_count=1), 1.0, False),
        (facts_of(20, field_count=2), 0.05, True),
        (facts_of(100, field_count=1), 0.0, True),
        (facts_of(0), 0.0, False),
    ],
)
def test_beyond_limit__counts_what_no_contract_asks_for(facts: dict[str, Any], limit: float, stops: bool):
    assert (intake.beyond_limit(source(limit), facts) is not None) == stops


def test_source_facts__bytes_that_nobody_read_are_an_integrity_error():
    spec = {"head_lines": 1, "head_bytes": 8, "form": "csv", "file": 0, "size": 20, "sent": 20}
    text = {"accepted": [1, 11], "refused": [0, 0], "blank": [0, 0], "whole": [1, 11]}
    part = {"refused": {}, "text": text, "rows_in": 1, "rows_out": 1, "blank": 0}
    with pytest.raises(IntegrityError, match="E-INTEGRITY-002: source s: 19 bytes were read of 20"):
        intake.source_facts("s", [spec], [part])
    assert intake.source_facts("s", [spec | {"size": 19}], [part])["text"]["total"] == [2, 19]


AB = CONTRACT.format(more="").replace('column = "N"', 'column = "A"').replace('column = "D"', 'column = "B"')


def test_take_in__mutated_files_stop_or_balance(case: Case, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    case.source("tax", {"tax.csv": ""}, "refused_max = 0.5")
    case.source("school", {"school.csv": good(30)})
    (case.folder / "c.toml").write_text(AB.split('[[field]]\ncolumn = "S"')[0])
    for name in ("register", "school"):
        path = case.folder / f"{name}.csv"
        path.write_text(path.read_text().replace("K,N,D,S", "K,A,B,S"))
    pick, codes = random.Random(5), set()
    for _ in range(150):
        (case.folder / "tax.csv").write_bytes(mutated(pick))
        shutil.rmtree(case.folder / "work", ignore_errors=True)
        try:
            facts = case.take_in()
        except ContractError as fault:
            codes.add(fault.code)
            continue
        tax = facts["sources"]["tax"]
        assert tax["rows"] == tax["accepted"] + sum(tax["refused"].values())
        kinds = ("header", "blank", "accepted", "refused")
        for i in (0, 1):
            assert tax["text"]["total"][i] == sum(tax["text"][kind][i] for kind in kinds)
    assert len(codes) > 3


def test_check__a_mutated_file_ends_in_an_exit_code_and_a_message(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name in ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.setenv(name, os.environ.get(name, "2"))
    monkeypatch.setattr(kernel_cache, "warmup", lambda progress: 0)
    case.source("tax", {"tax.csv": ""})
    (case.folder / "c.toml").write_text(AB.split('[[field]]\ncolumn = "S"')[0])
    (case.folder / "register.csv").write_text(good(40).replace("K,N,D,S", "K,A,B,S"))
    (case.folder / "project.toml").write_text(case.text)
    pick, ends = random.Random(7), set()
    before = os.umask(0o077)
    for _ in range(120):
        (case.folder / "tax.csv").write_bytes(mutated(pick))
        code = cli.invoke(["check", str(case.folder / "project.toml"), "--json"])
        said = capsys.readouterr()
        ends.add(code)
        if code:
            told = json.loads(said.err)["error"]
            assert (code, told["exit_code"]) == (3, 3)
            assert told["code"].startswith("E-INPUT-")
            assert "tax.csv" in told["what"]
    os.umask(before)
    assert ends == {0, 3}
