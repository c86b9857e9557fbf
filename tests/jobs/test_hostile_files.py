"""Files that nobody should send, each with one fixed outcome; and ten thousand mutated ones."""

import csv
import functools
import gzip
import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import readers
from jobs.source_files import open_source
from linkage.config import parse_project
from linkage.contract import Contract, Field
from linkage.errors import ContractError, LinkageError
from linkage.rows import Extent
from linkage.schema import DeclarationError


def contract(*columns: str, key: str = "K", **rest: Any) -> Contract:
    fields = tuple(Field(column=c, standard=f"f{n}") for n, c in enumerate(columns or ("A", "B")))
    return Contract(schema=1, key=key, fields=fields, **rest)


def write(folder: Path, data: bytes, name: str = "s.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def read(path: Path, agreed: Contract, parts: int = 1) -> tuple[list[Any], list[Any], int]:
    """Records, rejects and the number of rows; every row, line and byte is accounted for."""
    intakes = readers.read_source([path], agreed, parts)
    for intake in intakes:
        assert intake.records.num_rows + intake.rejects.num_rows == intake.rows_in
    text = {kind: sum((i.text[kind] for i in intakes), Extent()) for kind in intakes[0].text}
    assert text["accepted"] + text["refused"] + text["blank"] == text["whole"]
    records = [row for intake in intakes for row in intake.records.to_pylist()]
    rejects = [row for intake in intakes for row in intake.rejects.to_pylist()]
    return records, rejects, sum(i.rows_in for i in intakes)


NASTY = {
    # The eighteen of a comparison of readers.
    "short row": (b"K,A,B\n1,a\n2,b,c\n", 1, ["field_count"]),
    "long row": (b"K,A,B\n1,a,b,c\n2,b,c\n", 1, ["field_count"]),
    "last row cut off": (b"K,A,B\n1,a,b\n2,b", 1, ["field_count"]),
    "UTF-16": ("K,A,B\n1,ý,b\n2,b,c\n".encode("utf-16"), 2, [], {"encoding": "auto"}),
    "wrong delimiter": (b"K;A;B\n1;a;b\n2;b;c\n", 2, [], {"delimiter": "auto"}),
    "last row without line end": (b"K,A,B\n1,a,b\n2,b,c", 2, []),
    "NUL byte": (b"K,A,B\n1,a\x00,b\n2,b,c\n", 1, ["control_character"]),
    "Latin-1 byte": (b"K,A,B\n1,\xe9,b\n2,b,c\n", 1, ["bad_encoding"]),
    "unclosed quote": (b'K,A,B\n1,"a,b\n2,b,c\n3,c,d\n', 2, ["unclosed_quote"]),
    "stray quote inside": (b'K,A,B\n1,a"b"c,b\n', 1, []),
    "text after a quote": (b'K,A,B\n1,"a"b,b\n2,b,c\n', 1, ["stray_quote"]),
    "CR only": (b"K,A,B\r1,a,b\r2,b,c\r", 2, []),
    "CR LF and LF mixed": (b"K,A,B\r\n1,a,b\n2,b,c\r\n", 2, []),
    "field of 3 MB": (b"K,A,B\n1," + b"x" * 3_000_000 + b",b\n2,b,c\n", 1, ["record_too_long"]),
    "65 lines": (
        b'K,A,B\n1,"' + b"x\n" * 64 + b'",b\n2,b,c\n',
        1,
        ["record_too_long", *["field_count"] * 63, "unclosed_quote"],
    ),
    "64 lines": (b'K,A,B\n1,"' + b"x\n" * 63 + b'",b\n2,b,c\n', 2, []),
    "header only": (b"K,A,B\n", 0, []),
    "header without line end": (b"K,A,B", 0, []),
    "byte order mark": (b"\xef\xbb\xbfK,A,B\n1,a,b\n", 1, []),
    "quoted line end": (b'K,A,B\n1,"a\nb",b\n2,b,c\n', 2, []),
    "quoted header": (b'\n"K","A","B"\n1,a,b\n', 1, []),
    "blank lines": (b"K,A,B\n\n1,a,b\n\r\n\n2,b,c\n\n", 2, []),
    "blank key": (b"K,A,B\n \xc2\xa0,a,b\n", 0, ["missing_key"]),
}  # fmt: skip


@pytest.mark.parametrize("case", NASTY)
def test_read_source__nasty_file_has_a_fixed_outcome(tmp_path: Path, case: str):
    data, accepted, refused, *declared = NASTY[case]
    records, rejects, rows = read(write(tmp_path, data), contract(**(declared[0] if declared else {})))
    assert (len(records), [r["code"] for r in rejects]) == (accepted, refused)
    assert rows == accepted + len(refused)


BROKEN = {
    "empty": (b"", "E-INPUT-003"),
    "blank lines only": (b"\n\r\n\n", "E-INPUT-003"),
    "byte order mark only": (b"\xef\xbb\xbf", "E-INPUT-003"),
    "unclosed header": (b'K,"A,B\n1,2,3\n', "E-INPUT-003"),
    "column missing": (b"K,A,Bx\n1,2,3\n", "E-INPUT-002"),
    "wrong delimiter": (b"K;A;B\n1;2;3\n", "E-INPUT-002"),
    "header twice": (b"K,A,B,A\n1,2,3,4\n", "E-INPUT-004"),
    "duplicate header": (b"K,A,A,B\n1,2,2,3\n", "E-INPUT-004"),
    "UTF-16 under the default": ("K,A,B\n1,2,3\n".encode("utf-16"), "E-INPUT-005"),
    "UTF-16 without a mark": ("K,A,B\n1,2,3\n".encode("utf-16-le"), "E-INPUT-005"),
    "a header of more than 1 MiB": (b"K,A,B," + b"x" * (1 << 20) + b"\n1,2,3,4\n", "E-INPUT-003"),
    "ZIP": (b"PK\x03\x04....", "E-INPUT-006"),
    "old Excel": (b"\xd0\xcf\x11\xe0....", "E-INPUT-006"),
    "gzip in gzip": (gzip.compress(gzip.compress(b"K,A,B\n")), "E-INPUT-006"),
    "Parquet in gzip": (gzip.compress(b"PAR1....PAR1"), "E-INPUT-006"),
    "a tar archive in gzip": (gzip.compress(b"dir/s.csv" + b"\0" * 503 + b"K,A,B\n"), "E-INPUT-002"),
    "nothing in gzip": (gzip.compress(b""), "E-INPUT-003"),
    "Latin-1 header": (b"K,A,B,\xe9\n1,2,3,4\n", "E-INPUT-005"),
    "gzip cut off": (b"\x1f\x8b\x08\x00", "E-INPUT-015"),
    "Parquet": (b"PAR1....", "E-INPUT-006"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("longest", [1 << 17, 1 << 30])
def test_open_source__broken_file_is_refused_with_a_code(tmp_path: Path, case: str, longest: int, request):
    """Whatever the longest cell that the standard library's reader is set to, for the whole process."""
    request.addfinalizer(functools.partial(csv.field_size_limit, csv.field_size_limit(longest)))
    data, code = BROKEN[case]
    with pytest.raises(ContractError, match=r"'s\.csv'") as caught:
        open_source([write(tmp_path, data)], contract())
    assert caught.value.code == code
    assert caught.value.exit_code == 3


def test_header__that_is_a_row_of_data_is_not_told(tmp_path: Path):
    path = write(tmp_path, "068099480216,Trần Văn An,068099480216\n1,2,3\n".encode())
    with pytest.raises(ContractError, match="E-INPUT-004: 's.csv': Columns 1 and 3 ") as caught:
        open_source([path], contract("K", "A"))
    assert "068099480216" not in str(caught.value)


def cells(folder: Path, data: bytes, **rest: Any) -> list[tuple[Any, ...]]:
    records, rejects, _ = read(write(folder, data), contract(**rest))
    assert rejects == []
    return [tuple(r.values())[1:] for r in records]


HOSTILE = {
    "formula leaders": ('1,=1+1,"@SUM(A1)"\n', ("1", "=1+1", "@SUM(A1)")),
    "a tab and a minus in front": ("1,\t-1,+84\n", ("1", "\t-1", "+84")),
    "bidi overrides": ("1,Nguyễn\u202etext,\u2066b\u2069\n", ("1", "Nguyễn\u202etext", "\u2066b\u2069")),
    "zero width": ("\u200b1\ufeff,Ng\u200buyễn\u200d,\u00ad\n", ("1", "Ng\u200buyễn\u200d", "\u00ad")),
    "confusables": ("1,Ѕеn,Αn\n", ("1", "Ѕеn", "Αn")),
    "mixed normal forms": ("1,Nguye\u0302\u0303n,Nguyễn\n", ("1", "Nguye\u0302\u0303n", "Nguyễn")),
    "mark-up and queries": ("1,<script>x</script>,' OR 1=1;--\n", ("1", "<script>x</script>", "' OR 1=1;--")),
    "a log line inside": ('1,"a\nERROR b",c\n', ("1", "a\nERROR b", "c")),
    "not a number": ("nan,inf,-0\n", ("nan", "inf", "-0")),
    "a key of path and query": ("../../etc/passwd,a,b\n", ("../../etc/passwd", "a", "b")),
    "beyond the plane": ("1,\U0001f600,\U0010fffd\n", ("1", "\U0001f600", "\U0010fffd")),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_value__hostile_text_is_kept_as_it_came(tmp_path: Path, case: str):
    row, wanted = HOSTILE[case]
    assert cells(tmp_path, b"K,A,B\n" + row.encode()) == [wanted]


def test_value__nul_controls_and_lone_surrogates_refuse_their_row(tmp_path: Path):
    data = b"K,A,B\n1,a\x00,b\n2,\x1b[31m,b\n3,\xed\xa0\x80,b\n4,\xc2\x85,b\n\x00,a,b\n6,ok,b\n"
    records, rejects, _ = read(write(tmp_path, data), contract())
    assert [r["record_id"] for r in records] == ["6"]
    assert [r["code"] for r in rejects] == [
        "control_character", "control_character", "bad_encoding", "control_character", "control_character",
    ]  # fmt: skip
    assert rejects[2]["row"] == "3,\\xed\\xa0\\x80,b"


def test_value__a_field_of_three_megabytes_costs_its_row(tmp_path: Path):
    for quote in (b"", b'"'):
        data = b"K,A,B\n1," + quote + b"x" * 3_000_000 + quote + b",b\n2,a,b\n"
        records, [reject], _ = read(write(tmp_path, data), contract(), 3)
        assert [r["record_id"] for r in records] == ["2"]
        assert (reject["line"], reject["code"]) == (2, "record_too_long")


def test_header__ten_thousand_columns_are_read(tmp_path: Path):
    names = [f"c{i}" for i in range(10_000)]
    body = ",".join(str(i) for i in range(10_000))
    path = write(tmp_path, f"{','.join(names)}\n{body}\n{body},\n".encode())
    records, [reject], _ = read(path, contract("c9999", "c5000", key="c1"))
    assert [tuple(r.values()) for r in records] == [(2, "1", "9999", "5000")]
    assert reject["code"] == "field_count"


def test_header__names_that_the_engine_uses_are_names_like_others(tmp_path: Path):
    columns = ("line", "record_id", "@source", "__proto__", "key_hash")
    path = write(tmp_path, f"{','.join(columns)},K\n1,2,3,4,5,6\n".encode())
    [record], _, _ = read(path, contract(*columns))
    assert tuple(record.values()) == (2, "6", "1", "2", "3", "4", "5")


def test_key__one_of_fifty_thousand_records_refuses_them_all(tmp_path: Path):
    data = b"K,A,B\n" + b"same,a,b\n" * 50_000 + b"other,a,b\n"
    records, rejects, _ = read(write(tmp_path, data), contract(), 3)
    assert [r["record_id"] for r in records] == ["other"]
    assert {r["code"] for r in rejects} == {"repeated_key"}
    assert len(rejects) == 50_000


PROJECT = """
schema = 1
[project]
name = "p"
locale = ["vietnam"]
[[source]]
name = "NAME"
role = "register"
files = ["r.csv"]
contract = "c.toml"
extract_date = 2026-01-01
"""


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a/b", "con.", ".", "..", "a\\u0000", "nul\\n", "Ă"]
)
def test_source__a_name_like_a_path_is_refused(name: str):
    with pytest.raises(DeclarationError, match="E-CONFIG-004"):
        parse_project(PROJECT.replace("NAME", name))


def test_parquet__a_footer_that_lies_or_is_damaged_is_refused(tmp_path: Path):
    path = tmp_path / "s.parquet"
    pq.write_table(pa.table({c: ["1", "2"] for c in "KAB"}), path)
    data = path.read_bytes()
    for broken in (data[:-6], data[:-8] + b"\xff\xff\xff\x7fPAR1", data[:40], data[4:], data[:-4] + b"PARE"):
        path.write_bytes(broken)
        with pytest.raises(ContractError, match=r"E-INPUT-006.*'s\.parquet'"):
            read(path, contract(format="parquet"))


def test_parquet__more_rows_in_a_group_than_memory_holds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("jobs.source_files.MOST_GROUP_ROWS", 1000)
    path = tmp_path / "s.parquet"
    pq.write_table(pa.table({c: pa.nulls(2000, pa.string()) for c in "KAB"}), path)
    with pytest.raises(ContractError, match="E-INPUT-016"):
        open_source([path], contract(format="parquet"))
    pq.write_table(pa.table({c: pa.nulls(2000, pa.string()) for c in "KAB"}), path, row_group_size=500)
    assert open_source([path], contract(format="parquet"))


SEEDS = [
    b"K,A,B\n" + b"".join(b'%d,Nguy\xe1\xbb\x85n %d,"x, ""y"""\n' % (i, i) for i in range(12)),
    b'\xef\xbb\xbfK;A;B\r\n1;"a\r\nb";c\r\n\r\n2;b;c\r\n3;;\r\n' * 2,
    "K,A,B\n1,Đặng,x\n2,Lê Thị,y\n3,Trần,z\n".encode("utf-16"),
    b"K,A,B\n1,Nguy\xd4n Th\xde,x\n2,Tr\xc7n,y\n3,Ph\xb9m,z\n",
    gzip.compress(b"K,A,B\n" + b"".join(b"%d,a%d,b\n" % (i, i) for i in range(20)), mtime=0),
    pa.compress(b"K|A|B\n" + b"".join(b"%d|a%d|b\n" % (i, i) for i in range(20)), "zstd", asbytes=True),
]
SPICE = [
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\x00",
    b"\xff",
    b"\xfe",
    b";",
    b"|",
    b"\x1f\x8b",
    b"\xef\xbb\xbf",
    b'""',
    b"\xe1\xbb",
]


def mutated(pick: random.Random) -> bytes:
    """A seed with one to four bytes changed, put in, taken out, doubled, or its end cut off."""
    data = bytearray(pick.choice(SEEDS))
    for _ in range(pick.randint(1, 4)):
        at = pick.randrange(len(data) + 1)
        what = pick.random()
        if what < 0.35 and at < len(data):
            data[at] = pick.randrange(256)
        elif what < 0.65:
            data[at:at] = pick.choice(SPICE)
        elif what < 0.8:
            del data[at : at + pick.randint(1, 9)]
        elif what < 0.9:
            data[at:at] = data[at : at + pick.randint(1, 40)]
        else:
            del data[at:]
    return bytes(data)


def said(fault: LinkageError) -> str:
    """The code of an error that names its file and ends a command as an input's fault does."""
    assert fault.exit_code == 3
    assert "'m.csv'" in fault.what
    assert re.match(r"E-INPUT-\d{3}: .+", str(fault))
    return fault.code


def mutated_outcomes(folder: Path, count: int, seed: int) -> dict[str, int]:
    """How many of ``count`` mutated files were read, or refused by which code; everything else raises."""
    pick = random.Random(seed)
    found: dict[str, int] = {}
    path, spool = folder / "m.csv", folder / "spool"
    for number in range(count):
        path.unlink(missing_ok=True)
        path.write_bytes(mutated(pick))
        agreed = contract(encoding="auto", delimiter="auto") if number % 3 else contract()
        try:
            specs = readers.plan_parts([path], agreed, 1 + number % 2, spool=spool)
            intakes = [readers.intake_part(spec, agreed) for spec in specs]
            fallen = readers.find_repeats(intakes, agreed)
            kept = [readers.refuse_repeats(s, agreed, i, fallen) for s, i in zip(specs, intakes, strict=True)]
            assert sum(i.text["whole"].bytes for i in kept) + specs[0].head_bytes == specs[0].size
            what = "read"
        except LinkageError as fault:
            what = said(fault)
        found[what] = found.get(what, 0) + 1
        if number % 200 == 199:
            shutil.rmtree(spool, ignore_errors=True)
    return found


def test_mutation__ten_thousand_files_are_read_or_refused_with_code_and_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # thousands of spool files need not outlive a power cut
    found = mutated_outcomes(tmp_path, 10_000, 11)
    assert sum(found.values()) == 10_000
    assert found["read"] > 2_000
    assert len(found) > 5
