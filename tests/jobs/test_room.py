"""The disk is looked at before a run starts."""

import csv
import errno
import gzip
import io
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from data.generator import generate
from jobs import intake, room
from jobs.foreseen import foresee
from jobs.plan_record import folder_bytes
from jobs.progress import Progress
from jobs.project import LoadedProject, load_project
from jobs.readers import plan_parts
from jobs.run_folder import RunFolder
from jobs.source_files import open_file
from jobs.spool import spooled
from jobs.stages import Stages
from jobs.workload import declared_work
from linkage.contract import Contract, parse_contract
from linkage.errors import LinkageError
from tests.jobs import workbooks


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


ROWS = 9000
CONTRACT = parse_contract(
    'schema = 1\nkey = "key"\n' + "".join(f'[[field]]\ncolumn = "{c}"\nstandard = "{s}"\n' for c, s in (
        ("number", "personal_number"), ("name", "full_name"), ("mother", "mother_name"),
    ))
)  # fmt: skip


def table(*more: tuple[str, Callable[[int], str]]) -> list[list[str]]:
    """Nine thousand records under their header, and columns that no contract names."""
    digits = np.random.default_rng(1).integers(10**11, 10**12, (ROWS, 2)).tolist()
    head = ["key", "number", "name", "mother", *(name for name, _ in more)]
    names = ("Nguyễn Văn An", "Trần Thị Bình", "Lê Hoàng Phúc")
    rows = (
        [str(a), str(b), names[a % 3], names[b % 3], *(made(n) for _, made in more)]
        for n, (a, b) in enumerate(digits)
    )
    return [head, *rows]


def text(rows: list[list[str]], end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end, quoting=quoting).writerows(rows)
    return out.getvalue().encode()


def packed(data: bytes, kind: str) -> bytes:
    return gzip.compress(data) if kind == "gzip" else pa.Codec(kind).compress(data).to_pybytes()


def declared(**keys: str) -> Contract:
    return msgspec.structs.replace(CONTRACT, **keys)


def true_spool(path: Path, contract: Contract, folder: Path) -> int:
    """Bytes of the spool file as intake writes it; 0 if the file needs none."""
    opened = open_file(path, 0, contract)
    return spooled(opened, contract, folder).size if opened.spooled else 0


WIDE = [(f"c{n}", lambda n: str(n * 7919 % 100_003)) for n in range(60)]
COLUMNS = {
    "no other": [],
    "one long and constant": [("note", lambda _: "x" * 3000)],
    "sixty": WIDE,
    "one with line ends": [("note", lambda n: f'he said "{n}"\nand\r\nno more\n')],
}


@pytest.mark.parametrize("kind", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("columns", COLUMNS)
def test_records__of_a_text_are_counted_whatever_columns_it_has(tmp_path: Path, kind: str, columns: str):
    """A packed file was divided by 45 bytes a record: of sixty columns that no contract names it seemed to
    hold several times its records, so that a run that fitted was refused.
    """
    plain = text(table(*COLUMNS[columns]))
    path = tmp_path / "a.csv"
    path.write_bytes(plain if kind == "none" else packed(plain, kind))
    assert foresee(path, path.stat().st_size, CONTRACT, intake.MOST_ROWS).records == pytest.approx(
        ROWS, rel=0.04
    )
    found = foresee(path, path.stat().st_size, CONTRACT, intake.MOST_ROWS)
    assert found.spooled == pytest.approx(true_spool(path, CONTRACT, tmp_path / "spool"), rel=0.04)
    assert found.spooled == (0 if kind == "none" else pytest.approx(len(plain), rel=0.04))
    assert found.size == pytest.approx(len(plain), rel=0.04)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("kind", ["none", "gzip"])
def test_records__of_a_text_end_with_any_line_end(tmp_path: Path, end: str, quoting: int, kind: str):
    """A file with CR alone seemed to have no records: LF were counted."""
    plain = text(table(), end, quoting)
    path = tmp_path / "a.csv"
    path.write_bytes(plain if kind == "none" else packed(plain, kind))
    assert foresee(path, path.stat().st_size, CONTRACT, intake.MOST_ROWS).records == pytest.approx(
        ROWS, rel=0.02
    )


def test_records__behind_a_quote_that_is_never_closed_are_counted(tmp_path: Path):
    head, *rows = text(table()).splitlines(keepends=True)
    for place in (1, 2500, 4000):
        (tmp_path / "a.csv").write_bytes(
            head + b"".join(rows[:place]) + b'1,"open,x,y\n' + b"".join(rows[place:])
        )
        size = (tmp_path / "a.csv").stat().st_size
        assert foresee(tmp_path / "a.csv", size, CONTRACT, intake.MOST_ROWS).records == pytest.approx(
            ROWS, rel=0.02
        )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "cp1258", "auto"])
@pytest.mark.parametrize("kind", ["none", "gzip"])
def test_spooled__of_a_text_in_another_encoding_is_what_it_has_in_utf_8(
    tmp_path: Path, encoding: str, kind: str
):
    held = text(table()).decode()
    if encoding == "cp1258":  # tones stand behind their vowel
        for whole, parts in {
            "ễ": "ê\u0303",
            "ị": "i\u0323",
            "ầ": "â\u0300",
            "à": "a\u0300",
            "ì": "i\u0300",
        }.items():
            held = held.replace(whole, parts)
    data = held.encode("utf-16-le" if encoding == "auto" else encoding)
    path = tmp_path / "a.csv"
    path.write_bytes(data if kind == "none" else packed(data, kind))
    contract = declared(encoding=encoding)
    found = foresee(path, path.stat().st_size, contract, intake.MOST_ROWS)
    assert found.records == pytest.approx(ROWS, rel=0.03)
    true = true_spool(path, contract, tmp_path / "spool")
    assert true > 0
    assert found.spooled == pytest.approx(true, rel=0.03)


def test_spooled__is_no_more_than_a_contract_lets_a_file_unpack_to(tmp_path: Path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(text(table())[:200] + b"x" * (80 << 20)))
    assert foresee(path, path.stat().st_size, declared(), intake.MOST_ROWS).spooled == 64 << 20


def test_records__of_tables_are_counted_too(tmp_path: Path):
    rows = table(*WIDE)
    made = pa.table({name: [row[n] for row in rows[1:]] for n, name in enumerate(rows[0])})
    pq.write_table(made, tmp_path / "a.parquet")
    with ipc.new_file(str(tmp_path / "a.arrow"), made.schema) as file:
        file.write_table(made, max_chunksize=2000)
    with ipc.new_stream(str(tmp_path / "a.stream"), made.schema) as stream:
        stream.write_table(made, max_chunksize=2000)
    sheet = workbooks.parts({"S": workbooks.cells(*(tuple(row[:4]) for row in rows))})
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in sheet.items():
            archive.writestr(name, part)
    kinds = {"a.parquet": "parquet", "a.arrow": "arrow", "a.stream": "arrow", "a.xlsx": "excel"}
    for name, kind in kinds.items():
        path, contract = tmp_path / name, declared(format=kind)
        found = foresee(path, path.stat().st_size, contract, intake.MOST_ROWS)
        assert found.records == pytest.approx(ROWS, rel=0.03), name
        true = true_spool(path, contract, tmp_path / "spool")
        assert (found.spooled > 0) == (true > 0) == (name in ("a.stream", "a.xlsx"))
        # How long the texts of a sheet are is guessed.
        assert found.spooled == pytest.approx(true, rel=0.4 if kind == "excel" else 0.03), name


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize("groups", ["one", "some"])
def test_spooled__of_a_table_is_what_its_large_groups_are_cut_to(tmp_path: Path, kind: str, groups: str):
    """The room for the spool file was not counted."""
    rows = table(*WIDE)
    made = pa.table({name: [row[n] for row in rows[1:]] for n, name in enumerate(rows[0])})
    path, size = tmp_path / "a", ROWS if groups == "one" else 2_000
    if kind == "parquet":
        pq.write_table(made, path, row_group_size=size)
    else:
        with ipc.new_file(str(path), made.schema) as file:
            file.write_table(made, max_chunksize=size)
    contract = declared(format=kind)
    for most in (2_900, 3_100):
        found = foresee(path, path.stat().st_size, contract, most)
        cut = groups == "one" and most == 2_900
        opened = open_file(path, 0, contract)
        true = spooled(opened, contract, tmp_path / f"{most}", cut=cut)
        assert found.records == pytest.approx(ROWS, rel=0.001)
        # How long the texts of a large Arrow batch are is guessed.
        assert found.spooled == (
            pytest.approx(true.size, rel=0.03 if kind == "parquet" else 0.6) if cut else 0
        )
        assert found.size == (found.spooled or path.stat().st_size)
        specs = plan_parts([path], contract, 1, spool=tmp_path / "spool", most_rows=most)
        assert (specs[0].path != str(path)) == cut


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "excel"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PAR1 and no more",
        b"ARROW1\0\0",
        b"PK\x03\x04",
        b"\x1f\x8b\x08 and",
        b"\xff" * 9,
        b"\x28\xb5\x2f\xfd",
    ],
)
def test_records__of_a_damaged_file_are_none_and_no_error(tmp_path: Path, kind: str, data: bytes):
    """What is wrong with a file is said by the intake, with its own code."""
    (tmp_path / "a").write_bytes(data)
    assert foresee(tmp_path / "a", len(data), declared(format=kind), intake.MOST_ROWS).records <= 1


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


def loaded_with(folder: Path, plain: Callable[[bytes], bytes]) -> LoadedProject:
    """The project of a folder with one extract packed, once ``plain`` has been done to its text."""
    path = folder / "insurance.csv"
    (folder / "insurance.csv.gz").write_bytes(gzip.compress(plain(path.read_bytes())))
    project = (folder / "project.toml").read_text().replace("insurance.csv", "insurance.csv.gz")
    (folder / "packed.toml").write_text(project)
    return load_project(folder / "packed.toml")


def test_wanted__of_a_packed_file_has_its_unpacked_text_in_the_stage_that_writes_it(tmp_path: Path):
    """A file that unpacks to fifty times its size was foreseen as if it lay as it is; and what is written of
    a small file does not count, because later stages are fuller and it is gone then.
    """
    generate(tmp_path, 3000, seed=1)
    before = room.wanted_room(load_project(tmp_path / "project.toml"))
    assert room.wanted_room(loaded_with(tmp_path, bytes)) == pytest.approx(before, rel=0.02)

    def longer(data: bytes) -> bytes:
        head, *rows = data.splitlines()
        return b"\n".join([head + b",note", *(row + b"," + b"x" * 9000 for row in rows)]) + b"\n"

    after = room.wanted_room(loaded_with(tmp_path, longer))
    unpacked = len(longer((tmp_path / "insurance.csv").read_bytes()))
    assert unpacked < after < 1.1 * unpacked + before


def test_disk__is_spared_by_what_files_have_unpacked_as_intake_spares_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    generate(tmp_path, 500, seed=1)
    sizes = {n: (tmp_path / n).stat().st_size for n in ("register.parquet", "tax.csv", "education.csv")}
    unpacked = sum(sizes.values()) + (tmp_path / "insurance.csv").stat().st_size
    loaded = loaded_with(tmp_path, bytes)
    rows = dict.fromkeys(loaded.contracts, 100.0)
    for limit, plain in ((unpacked, True), (unpacked - 1, False)):
        monkeypatch.setattr(intake, "PLAIN_BYTES", limit)
        work = declared_work(loaded, rows, 3)
        assert work["spooled"] == (tmp_path / "insurance.csv").stat().st_size
        assert work["bytes"] < unpacked
        assert (work["plain"] > 0) == plain
        assert (work["loose"] > 0) != plain


@pytest.mark.parametrize(("wanted", "told"), [(None, False), (900, False), (1500, True)])
def test_full_disk__says_what_the_run_wants_only_if_that_is_more_than_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: int | None, told: bool
):
    """With 839 MB free a run had stopped for want of room, and was said to want 512 MB."""
    with RunFolder(tmp_path / "run", "f") as folder:
        stages = Stages.__new__(Stages)
        stages.folder = folder
        stages._reach = type("Reach", (), {"written": 0})()
        held = folder_bytes(folder.path)
        stages.wanted = None if wanted is None else wanted + held
        monkeypatch.setattr(shutil, "disk_usage", disk(1000))
        fault = stages._with_room("intake", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert isinstance(fault, LinkageError)
    assert fault.code == "E-DISK-001"
    assert "kB are free there" in fault.wanted or "B are free there" in fault.wanted
    assert ("the whole run wants about" in fault.wanted) == told


def test_folder_bytes__are_those_of_all_files_below_and_of_no_links_target(tmp_path: Path):
    (tmp_path / "run" / "work" / "parts").mkdir(parents=True)
    (tmp_path / "run" / "a").write_bytes(b"x" * 5)
    (tmp_path / "run" / "work" / "parts" / "b").write_bytes(b"x" * 7)
    assert folder_bytes(tmp_path / "run") == 12
    (tmp_path / "large").write_bytes(b"x" * 1000)
    (tmp_path / "run" / "link").symlink_to(tmp_path / "large")
    assert folder_bytes(tmp_path / "run") == 12 + len(str(tmp_path / "large"))
    assert folder_bytes(tmp_path / "none") == 0
