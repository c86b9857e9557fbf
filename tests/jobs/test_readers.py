"""Files in, rows out: beside the csv module and a reader of regular expressions, cut at will."""

import csv
import datetime as dt
import gzip
import io
import json
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import linkage.delimited
from jobs import readers
from linkage.contract import Contract, Field
from linkage.errors import ConfigError, ContractError, IntegrityError
from linkage.rows import Extent

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def body_of(data: bytes) -> int:
    """Where the rows of a file begin whose header is its first line with a text, without line ends in it."""
    found = re.match(rb"(?:\xef\xbb\xbf)?(?:\r\n|\r|\n)*[^\r\n]+(?:\r\n|\r|\n|\Z)", data)
    assert found
    return found.end()


def contract(*columns: str, key: str = "K", **rest: Any) -> Contract:
    fields = tuple(
        Field(column=c, standard=c.lower(), required=c.startswith("R")) for c in (columns or ("A", "B"))
    )
    return Contract(schema=1, key=key, fields=fields, **rest)


def write(folder: Path, data: bytes, name: str = "s.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def read(files: Sequence[Path], agreed: Contract, parts: int = 1, part_bytes: int = 1 << 20):
    """Records and rejects of a source as plain rows, and the counts; every line and byte accounted for."""
    intakes = readers.read_source(files, agreed, parts, part_bytes)
    for intake in intakes:
        assert intake.records.num_rows + intake.rejects.num_rows == intake.rows_in
    text = {kind: sum((i.text[kind] for i in intakes), Extent()) for kind in intakes[0].text}
    assert text["accepted"] + text["refused"] + text["blank"] == text["whole"]
    if agreed.format == "csv":
        whole = [path.read_bytes() for path in files]
        heads = [body_of(data) for data in whole]
        assert text["whole"].bytes + sum(heads) == sum(map(len, whole))
        lines = [len(LINE.split(data)) - (LINE.split(data)[-1] == b"") for data in whole]
        before = [len(LINE.findall(data[:head])) or 1 for data, head in zip(whole, heads, strict=True)]
        assert text["whole"].lines + sum(before) == sum(lines)
        assert text["blank"].lines == sum(i.blank for i in intakes)
    records = [row for intake in intakes for row in intake.records.to_pylist()]
    rejects = [row for intake in intakes for row in intake.rejects.to_pylist()]
    return records, rejects, sum(i.rows_in for i in intakes), sum(i.blank for i in intakes)


LINE = re.compile(rb"\r\n|\r|\n")


def slow_rows(data: bytes, delimiter: bytes, width: int, most_lines: int, most_bytes: int):
    """Every row of a body: (physical line, fields or None, code, text); and the number of blank lines."""
    d = re.escape(delimiter)
    plain = re.compile(rb"[^" + d + rb"\r\n]*")
    rows, blank, pos, line = [], 0, 0, 1

    def line_end(at: int) -> tuple[int, int]:
        found = LINE.search(data, at)
        return (found.start(), found.end()) if found else (len(data), len(data))

    while pos < len(data):
        end, after = line_end(pos)
        if end == pos:
            blank, pos, line = blank + 1, after, line + 1
            continue
        at, fields, code, lines = pos, [], "", 1
        while not code:
            if data[at : at + 1] == b'"':
                stop = at + 1
                pieces = []
                while True:
                    found = data.find(b'"', stop)
                    pieces.append(data[stop : found if found >= 0 else len(data)])
                    if found < 0 or data[found + 1 : found + 2] != b'"':
                        break
                    pieces.append(b'"')
                    stop = found + 2
                inside = data[at + 1 : found if found >= 0 else len(data)]
                breaks = [m.start() for m in LINE.finditer(inside)]
                beyond = at + 1 + len(inside) > pos + most_bytes
                if lines + len(breaks) > most_lines or beyond:
                    code = "record_too_long"
                elif found < 0:
                    code = "unclosed_quote"
                else:
                    lines += len(breaks)
                    at = found + 1
                    if at < len(data) and data[at : at + 1] not in (delimiter, b"\r", b"\n"):
                        code = "stray_quote"
                fields.append(b"".join(pieces))
            else:
                field = plain.match(data, at).group()
                at += len(field)
                fields.append(field)
                if at > pos + most_bytes:
                    code = "record_too_long"
            if code or data[at : at + 1] != delimiter:
                break
            at += 1
        if not code and at - pos > most_bytes:
            code = "record_too_long"
        if not code and len(fields) != width:
            code = "field_count"
        if code:
            rows.append((line, None, code, data[pos:end]))
            pos, line = after, line + 1
        else:
            rows.append((line, fields, "", data[pos:at]))
            pos, line = line_end(at)[1], line + lines
    return rows, blank


BLANK = " \t\n\r\u00a0\u202f\u3000\ufeff" + "".join(chr(c) for c in range(0x2000, 0x200C))


def slow_intake(
    data: bytes,
    width: int,
    agreed: Contract,
    header: list[str],
    most_lines: int = 64,
    most_bytes: int = 1 << 20,
):
    """Records and rejects as the contract wants them, row by row."""
    rows, blank = slow_rows(data, agreed.delimiter.encode(), width, most_lines, most_bytes)
    records, rejects = [], []
    wanted = agreed.columns()
    for line, fields, code, text in rows:
        row = text.decode("utf-8", "backslashreplace")
        if code:
            rejects.append((line, code, None, row))
            continue
        raw = dict(zip(header, fields, strict=True))
        fault = None
        for column in wanted:
            try:
                if fault is None and raw[column]:
                    raw[column].decode("utf-8")
            except UnicodeDecodeError:
                fault = ("bad_encoding", column)
        if fault is None:
            cells = {column: raw[column].decode("utf-8") for column in wanted}
            empty = {column: not cell.strip(BLANK) for column, cell in cells.items()}
            controls = [
                c
                for c in wanted
                if not empty[c] and re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", cells[c])
            ]
            missing = [f.column for f in agreed.fields if f.required and empty[f.column]]
            if controls:
                fault = ("control_character", controls[0])
            elif empty[agreed.key]:
                fault = ("missing_key", agreed.key)
            elif missing:
                fault = ("missing_field", missing[0])
        if fault:
            rejects.append((line, *fault, row))
        else:
            values = {f.standard: None if empty[f.column] else cells[f.column] for f in agreed.fields}
            records.append({"line": line, "record_id": cells[agreed.key].strip(BLANK), **values})
    kept = [r for r in records if [x["record_id"] for x in records].count(r["record_id"]) == 1]
    texts = {line: text for line, _, _, text in rows}
    for record in records:
        if record not in kept:
            text = texts[record["line"]].decode("utf-8", "backslashreplace")
            rejects.append((record["line"], "repeated_key", agreed.key, text))
    return kept, sorted(rejects), len(rows), blank


def shifted(rows: list[dict[str, Any]], by: int) -> list[dict[str, Any]]:
    return [{**row, "line": row["line"] + by} for row in rows]


soup = st.lists(
    st.sampled_from(
        [b"a", b"b", b"1", b" ", b"\xc2\xa0", b"\xe1\xba\xbf", b",", b",", b",", b"\n", b"\n", b"\r\n", b"\r",
         b'"', b'""', b'"x"', b"\x00", b"\x7f", b"\xc2\x85", b"\xff", b"\xe1\xba", b"\xed\xa0\x80",
         b"\xf0\x9f\x98\x80",
         b"k1,a,b\n", b'k2,"x\ny",b\r\n', b"k3,,\n", b"\xef\xbb\xbf", b"\t"]
    ),
    max_size=60,
).map(b"".join)  # fmt: skip


@quick
@given(body=soup, parts=st.integers(1, 9))
def test_read_source__equals_the_reader_of_regular_expressions_however_it_is_cut(
    tmp_path: Path, body: bytes, parts: int
):
    path = write(tmp_path, b"K,A,R\n" + body)
    agreed = contract("A", "R")
    records, rejects, rows, blank = read([path], agreed, parts)
    wanted, refused, wanted_rows, wanted_blank = slow_intake(body, 3, agreed, ["K", "A", "R"])
    assert records == shifted(wanted, 1)
    assert [(r["line"] - 1, r["code"], r["column"], r["row"]) for r in rejects] == refused
    assert (rows, blank) == (wanted_rows, wanted_blank)


@quick
@given(body=soup, parts=st.integers(1, 9), window=st.integers(1, 64))
def test_read_source__limits_and_windows_change_nothing_about_the_cuts(
    tmp_path: Path, body: bytes, parts: int, window: int
):
    path = write(tmp_path, b"K,A,R\n" + body)
    agreed = contract("A", "R")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linkage.delimited, "MOST_LINES", 3)
        patch.setattr(linkage.delimited, "MOST_BYTES", 12)
        patch.setattr(readers, "LOOK_AHEAD", 16)
        patch.setattr(readers, "_WINDOW", window)
        records, rejects, rows, blank = read([path], agreed, parts)
    wanted, refused, wanted_rows, wanted_blank = slow_intake(body, 3, agreed, ["K", "A", "R"], 3, 12)
    assert records == shifted(wanted, 1)
    assert [(r["line"] - 1, r["code"], r["column"], r["row"]) for r in rejects] == refused
    assert (rows, blank) == (wanted_rows, wanted_blank)


cell = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t,\"'"), max_size=12)


@quick
@given(
    rows=st.lists(st.tuples(cell, cell), max_size=30),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    parts=st.integers(1, 5),
)
def test_read_source__reads_what_the_csv_module_writes(
    tmp_path: Path, rows: list[tuple[str, str]], delimiter: str, end: str, parts: int
):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerow(["unused", "B", "K", "A"])
    for number, (a, b) in enumerate(rows):
        writer.writerow(["x", b, f"k{number}", a])
    path = write(tmp_path, text.getvalue().encode())
    records, rejects, _, _ = read([path], contract("A", "B", delimiter=delimiter), parts)
    assert rejects == []
    with path.open(encoding="utf-8", newline="") as stream:
        wanted = list(csv.DictReader(stream, delimiter=delimiter))
    got = [(r["record_id"], r["a"], r["b"]) for r in records]
    assert got == [(w["K"], *(w[c] if w[c].strip(BLANK) else None for c in "AB")) for w in wanted]


def test_read_source__many_parts_of_a_larger_file_agree(tmp_path: Path):
    rng = np.random.default_rng(5)
    rows = [
        f'k{i % 19_990},"quoted ""x""\nover lines {i}",{i}'
        if rng.random() < 0.2
        else f"k{i % 19_990},plain {i},{i}"
        for i in range(20_000)
    ]
    path = write(tmp_path, ("K,A,B\n" + "\n".join(rows)).encode())
    whole = read([path], contract())
    assert len(whole[0]) == 19_980
    assert [r["code"] for r in whole[1]] == ["repeated_key"] * 20
    for parts in (2, 7):
        assert len(readers.plan_parts([path], contract(), parts)) == parts
        assert read([path], contract(), parts) == whole
    assert len(readers.plan_parts([path], contract(), 1, part_bytes=100_000)) > 4
    assert read([path], contract(), 1, 100_000) == whole


def test_read_source__order_of_files_is_that_of_their_names(tmp_path: Path):
    one = write(tmp_path, b"K,A,B\n1,a,b\n2,c,d\n", "one.csv")
    two = write(tmp_path, b"B,A,K\nf,e,3\nh,g,2\n", "two.csv")
    records, rejects, rows, _ = read([two, one], contract())
    assert (records, rejects, rows) == read([one, two], contract())[:3]
    assert [(r["record_id"], r["a"]) for r in records] == [("1", "a"), ("3", "e")]
    assert [(r["file"], r["line"], r["row"]) for r in rejects] == [(0, 3, "2,c,d"), (1, 3, "h,g,2")]


def test_read_source__greatest_of_a_repeated_key_stays_across_files(tmp_path: Path):
    one = write(tmp_path, b"K,A,B\n1,old,9\n2,same,5\n", "one.csv")
    two = write(tmp_path, b"K,A,B\n1,new,10\n2,same,5\n", "two.csv")
    records, rejects, _, _ = read([one, two], contract("A", on_repeat="last", order_by="B"))
    assert [(r["record_id"], r["a"]) for r in records] == [("1", "new")]
    assert [(r["file"], r["code"]) for r in rejects] == [
        (0, "superseded"),
        (0, "repeated_key_tie"),
        (1, "repeated_key_tie"),
    ]


def test_open_source__suggests_the_column_and_the_delimiter(tmp_path: Path):
    near = write(tmp_path, b"K,A,HO_TEM\n")
    with pytest.raises(ContractError, match="Did you mean 'HO_TEM'"):
        readers.open_source([near], contract("A", "HO_TEN"))
    apart = write(tmp_path, b"K;A;B\n")
    with pytest.raises(ContractError, match="';'"):
        readers.open_source([apart], contract())


def test_open_source__says_what_another_encoding_looks_like(tmp_path: Path):
    names = "\n".join(f"{i},Nguy\xd4n Th\xde,Tr\xc7n" for i in range(9))
    path = write(tmp_path, f"K,A,B,H\xe4 t\xaan\n{names}\n".encode("latin-1"))
    with pytest.raises(ContractError, match=r'E-INPUT-005.*Declare encoding = "tcvn3"'):
        readers.open_source([path], contract())
    path.write_bytes("K,A,B\n1,2,3\n".encode("utf-16"))
    with pytest.raises(ContractError, match=r'E-INPUT-005.*Declare encoding = "utf-16-le"'):
        readers.open_source([path], contract())


def test_open_source__packing_is_what_the_contract_declares(tmp_path: Path):
    plain, packed = write(tmp_path, b"K,A,B\n"), write(tmp_path, gzip.compress(b"K,A,B\n"), "p.csv")
    assert readers.open_source([packed], contract(compression="gzip"))[0].packing == "gzip"
    assert readers.open_source([plain], contract(compression="none"))[0].packing == "none"
    for path, compression in ((plain, "gzip"), (packed, "none"), (packed, "zstd")):
        with pytest.raises(ContractError, match="E-INPUT-006"):
            readers.open_source([path], contract(compression=compression))


def test_open_source__missing_files_and_odd_delimiters_are_refused(tmp_path: Path):
    with pytest.raises(ContractError, match="E-INPUT-001"):
        readers.open_source([tmp_path / "none.csv"], contract())
    with pytest.raises(ContractError, match="E-INPUT-001"):
        readers.open_source([tmp_path], contract())
    with pytest.raises(ContractError, match="E-INPUT-010"):
        readers.open_source([], contract())
    with pytest.raises(ConfigError, match="E-INPUT-011"):
        readers.open_source([write(tmp_path, b"K")], contract(delimiter="§"))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_read_part__file_that_changed_is_refused(tmp_path: Path, form: str):
    path = tmp_path / f"s.{form}"
    data = b"K,A,B\n1,a,b\n"
    if form == "parquet":
        pq.write_table(pa.table({"K": ["1"], "A": ["a"], "B": ["b"]}), path)
        data = path.read_bytes()
    else:
        path.write_bytes(data)
    agreed = contract(format=form)
    [spec] = readers.plan_parts([path], agreed, 1)
    path.write_bytes(data + b"2,c,d\n")
    with pytest.raises(IntegrityError, match="E-INPUT-009"):
        readers.read_part(spec, agreed)


def test_plan_parts__specs_are_small_and_travel(tmp_path: Path):
    path = write(tmp_path, b"K,A,B\n" + b"1,a,b\n" * 100)
    specs = readers.plan_parts([path], contract(), 3)
    assert pickle.loads(pickle.dumps(specs)) == specs
    assert [s.part for s in specs] == [0, 1, 2]
    assert [s.stop for s in specs[:-1]] == [s.start for s in specs[1:]]
    assert [s.line for s in specs] == [2, 2 + (specs[1].start - 6) // 6, 2 + (specs[2].start - 6) // 6]


def test_plan_parts__a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readers, "_WINDOW", 1000)
    monkeypatch.setattr(readers, "_LONGEST_LINE", 4000)
    path = write(tmp_path, b"K,A,B\n1,a,b\n" + b"x" * 20_000 + b"\n3,c,d\n")
    with pytest.raises(ContractError, match="E-INPUT-008"):
        readers.plan_parts([path], contract(), 4)


def test_read_source__parquet_types_become_text(tmp_path: Path):
    day = dt.date(1985, 3, 7)
    columns = {
        "K": pa.array([1, 20, 300], pa.int64()),
        "A": pa.array([day, None, dt.date(600, 1, 2)], pa.date32()),
        "T": pa.array([dt.datetime(1985, 3, 7), None, dt.datetime(1985, 3, 7, 4, 5, 6)]),  # noqa: DTZ001
        "F": pa.array([1085000123.0, None, 1.5]),
        "S": pa.array(["Nguyễn", " ", None]).dictionary_encode(),
        "V": pa.array(["x", None, "y"], pa.string_view()),
        "D": pa.array([b"z", None, b"\xff"], pa.binary()),
    }
    path = tmp_path / "s.parquet"
    pq.write_table(pa.table(columns), path)
    records, rejects, _, _ = read([path], contract("A", "T", "F", "S", "V", "D", format="parquet"))
    assert records == [
        {"line": 1, "record_id": "1", "a": "1985-03-07", "t": "1985-03-07", "f": "1085000123", "s": "Nguyễn",
         "v": "x", "d": "z"},
        {"line": 2, "record_id": "20", "a": None, "t": None, "f": None, "s": None, "v": None, "d": None},
    ]  # fmt: skip
    [reject] = rejects
    assert (reject["line"], reject["code"], reject["column"]) == (3, "bad_encoding", "D")
    assert json.loads(reject["row"])["T"] == "1985-03-07T04:05:06"


def test_read_source__parquet_row_groups_in_parts_agree(tmp_path: Path):
    path = tmp_path / "s.parquet"
    keys = [f" {i % 95} " for i in range(100)]
    table = pa.table({"B": [f"b{i}" for i in range(100)], "K": keys, "A": [None] * 100, "X": range(100)})
    pq.write_table(table, path, row_group_size=7)
    agreed = contract(format="parquet")
    whole = read([path], agreed)
    assert len(whole[0]) == 90
    assert [r["line"] for r in whole[1]] == [1, 2, 3, 4, 5, 96, 97, 98, 99, 100]
    specs = readers.plan_parts([path], agreed, 4)
    assert len(specs) == 4
    assert read([path], agreed, 4) == whole
    assert json.loads(whole[1][0]["row"]) == {"K": " 0 ", "A": None, "B": "b0"}


def test_read_source__parquet_without_rows_or_of_lists(tmp_path: Path):
    path = tmp_path / "s.parquet"
    pq.write_table(
        pa.table({"K": pa.array([], pa.string()), "A": pa.array([], pa.string()), "B": pa.array([])}), path
    )
    assert read([path], contract(format="parquet"), 3) == ([], [], 0, 0)
    pq.write_table(pa.table({"K": ["1"], "A": [[1]], "B": ["x"]}), path)
    with pytest.raises(ContractError, match="E-INPUT-007"):
        read([path], contract(format="parquet"))


@pytest.mark.parametrize(
    ("wanted", "least", "found"), [(2, 1, 2), (2, 2, 2), (2, 5, 6), (3, 4, 6), (1, 7, 7)]
)
def test_plan_parts__workers_share_parts_evenly(wanted: int, least: int, found: int) -> None:
    assert readers._multiple(wanted, least) == found
