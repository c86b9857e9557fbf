"""Files in every encoding, packing and form give the rows that plain UTF-8 gives."""

import contextlib
import datetime
import decimal
import gzip
import itertools
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from jobs import readers, spool, unpack
from jobs.source_files import open_source
from linkage.contract import Contract, Field
from linkage.errors import ContractError, IntegrityError
from tests.linkage.test_encodings import SLOW, names

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def contract(**rest: Any) -> Contract:
    fields = tuple(Field(column=c, standard=c.lower()) for c in "AB")
    return Contract(schema=1, key="K", fields=fields, **rest)


def pack(data: bytes, packing: str) -> bytes:
    if packing == "gzip":
        return gzip.compress(data)
    return pa.compress(data, "zstd", asbytes=True) if packing == "zstd" else data


def rows(path: Path, agreed: Contract, parts: int = 1) -> tuple[list[Any], ...]:
    intakes = readers.read_source([path], agreed, parts)
    for intake in intakes:
        text = intake.text
        assert text["accepted"] + text["refused"] + text["blank"] == text["whole"]
    records = [row for intake in intakes for row in intake.records.to_pylist()]
    rejects = [row for intake in intakes for row in intake.rejects.to_pylist()]
    return records, rejects, [sum(i.text["whole"].lines for i in intakes), sum(i.blank for i in intakes)]


cell = st.sampled_from(["", " ", "x", "Lê Văn Tám", 'a "b"', "c,d;e", "Nguyễn\nThị Hoa", "Đỗ", "12"])


@quick
@given(
    held=st.lists(st.tuples(cell, cell), max_size=12),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-16-be", *SLOW]),
    packing=st.sampled_from(["none", "gzip", "zstd"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    parts=st.integers(1, 3),
)
def test_read_source__any_encoding_packing_and_delimiter_gives_what_plain_utf_8_gives(
    tmp_path: Path,
    held: list[tuple[str, str]],
    encoding: str,
    packing: str,
    delimiter: str,
    end: str,
    parts: int,
):
    def quoted(value: str) -> str:
        return '"' + value.replace('"', '""').replace("\n", end) + '"' if {*value} & {*',;"\n'} else value

    lines = [("K", "A", "B"), *((str(i), a, b) for i, (a, b) in enumerate(held))]
    text = end.join(delimiter.join(map(quoted, line)) for line in lines) + end
    plain = tmp_path / "s.csv"
    plain.write_bytes(text.encode())
    other = tmp_path / "other" / "s.csv"
    other.parent.mkdir(exist_ok=True)
    written = SLOW[encoding](text) if encoding in SLOW else text.encode(encoding)
    other.write_bytes(pack(written, packing))
    wanted = rows(plain, contract(delimiter=delimiter), parts)
    assert len(wanted[0]) == len(held)
    assert rows(other, contract(delimiter=delimiter, encoding=encoding), parts) == wanted


@pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "tcvn3", "vni", "cp1258"])
def test_read_source__finds_out_encoding_and_delimiter(tmp_path: Path, encoding: str, packing: str):
    held = [name.title() for name in names(400, 5)]
    text = "K;A;B\n" + "".join(f"{i};{name};x,y\n" for i, name in enumerate(held))
    path = tmp_path / "s.txt"
    path.write_bytes(pack(SLOW[encoding](text) if encoding in SLOW else text.encode(encoding), packing))
    agreed = contract(encoding="auto", delimiter="auto")
    [opened] = open_source([path], agreed)
    seen = "utf-16-le" if encoding == "utf-16" else encoding
    assert (opened.encoding, opened.delimiter, opened.packing) == (seen, ";", packing)
    records, rejects, _ = rows(path, agreed, 3)
    assert rejects == []
    read = [r["a"] for r in records]
    if encoding == "tcvn3":  # has no capitals with a tone
        read, held = [r.lower() for r in read], [h.lower() for h in held]
    assert read == held


def test_read_source__what_an_encoding_does_not_have_refuses_its_row_only(tmp_path: Path):
    path = tmp_path / "s.csv"
    path.write_bytes(b"K,A,B\n1,Th\xad,x\n2,\x81\xc3\xba,x\n3,\xb8nh,x\n")
    records, [reject], _ = rows(path, contract(encoding="tcvn3"))
    assert [(r["record_id"], r["a"]) for r in records] == [("1", "Thư"), ("3", "ánh")]
    assert (reject["line"], reject["code"], reject["column"]) == (3, "bad_encoding", "A")
    assert reject["row"] == "2,\\x81\\xc3\\xff\\xba,x"
    path.write_bytes("K,A,B\n1,a,b\n2,\ud83d,b\n3,c,d\n".encode("utf-16", "surrogatepass"))
    records, [reject], _ = rows(path, contract(encoding="utf-16"))
    assert [r["record_id"] for r in records] == ["1", "3"]
    assert (reject["code"], reject["row"]) == ("bad_encoding", "2,\\xed\\xa0\\xbd,b")


def spec_of(path: Path, agreed: Contract, folder: Path) -> readers.PartSpec:
    [spec] = readers.plan_parts([path], agreed, 1, spool=folder)
    return spec


def test_spooled__is_the_owners_alone_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "s.csv.gz"
    path.write_bytes(gzip.compress(b"K,A,B\n1,a,b\n"))
    folder = tmp_path / "work" / "spool"
    spec = spec_of(path, contract(), folder)
    made = Path(spec.path)
    assert made.read_bytes() == b"K,A,B\n1,a,b\n"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (spec.name, spec.head_lines, spec.head_bytes, spec.size) == ("s.csv.gz", 1, 6, 12)
    monkeypatch.setitem(spool._TEXT_OR_TABLE, "text", None)
    assert spec_of(path, contract(), folder) == spec


def test_spooled__a_flipped_bit_in_what_was_spooled_is_found(tmp_path: Path):
    (tmp_path / "work" / "sums").mkdir(parents=True)
    folder = tmp_path / "work" / "spool"
    path = tmp_path / "s.csv.gz"
    path.write_bytes(gzip.compress(b"K,A,B\n1,1991,b\n"))
    spec = spec_of(path, contract(), folder)
    assert spec_of(path, contract(), folder) == spec
    made = Path(spec.path)
    made.write_bytes(made.read_bytes().replace(b"1991", b"1993"))
    with pytest.raises(IntegrityError, match="E-INTEGRITY-001"):
        spec_of(path, contract(), folder)


@pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "vni"])
def test_plan_parts__says_the_encoding_and_the_bytes_that_were_sent(
    tmp_path: Path, packing: str, encoding: str
):
    text = "K,A,B\n1,Nguyễn,Ánh\n2,Lê,Tám\n"
    data = SLOW[encoding](text) if encoding in SLOW else text.encode(encoding)
    path = tmp_path / "s.csv"
    path.write_bytes(pack(data, packing))
    for _ in range(2):  # made, and taken as it is
        for spec in readers.plan_parts([path], contract(encoding=encoding), 2, spool=tmp_path / "spool"):
            assert (spec.encoding, spec.sent) == (encoding, len(data))


def test_spooled__a_changed_file_is_spooled_anew(tmp_path: Path):
    path = tmp_path / "s.csv.gz"
    folder = tmp_path / "spool"
    path.write_bytes(gzip.compress(b"K,A,B\n1,a,b\n"))
    first = spec_of(path, contract(), folder)
    path.write_bytes(gzip.compress(b"K,A,B\n2,a,b\n3,c,d\n"))
    assert spec_of(path, contract(), folder).path != first.path


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_spooled__a_file_cut_off_further_in_leaves_nothing(tmp_path: Path, packing: str):
    path, folder = tmp_path / "s", tmp_path / "spool"
    text = b"K,A,B\n" + b"".join(b"%d,%d,%d\n" % (i, i * i, i**3) for i in range(400_000))
    whole = pack(text, packing)
    assert len(text) > 4 << 20
    path.write_bytes(whole[:-5])
    assert open_source([path], contract())
    with pytest.raises(ContractError, match=r"E-INPUT-015.*'s'"):
        readers.plan_parts([path], contract(), 1, spool=folder)
    assert list(folder.iterdir()) == []
    path.write_bytes(whole + whole)
    assert spec_of(path, contract(), folder).size == 2 * len(text)


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_spooled__a_bomb_ends_at_its_allowance(tmp_path: Path, packing: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unpack, "FREE_BYTES", 5 << 20)
    path = tmp_path / "s"
    path.write_bytes(pack(b"K,A,B\n" + b"1,a,b\n" * (2 << 20), packing))
    with pytest.raises(ContractError, match="E-INPUT-016"):
        readers.plan_parts([path], contract(), 1, spool=tmp_path / "spool")
    assert list((tmp_path / "spool").iterdir()) == []
    assert readers.plan_parts([path], contract(unpack_ratio=100_000), 1, spool=tmp_path / "spool")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_read_source__arrow_files_and_streams_are_read_as_tables(
    tmp_path: Path, stream: bool, compression: str | None
):
    table = pa.table(
        {
            "X": pa.array(range(100)),
            "B": pa.array([f"b{i % 3}" for i in range(100)]).dictionary_encode(),
            "K": pa.array([str(i % 95) for i in range(100)], pa.string_view()),
            "A": pa.array([b"\xff" if i == 50 else None if i % 2 else b"a" for i in range(100)]),
        }
    )
    path = tmp_path / "s.arrow"
    options = ipc.IpcWriteOptions(compression=compression)
    with (ipc.new_stream if stream else ipc.new_file)(path.as_posix(), table.schema, options=options) as out:
        for batch in table.to_batches(max_chunksize=9):
            out.write_batch(batch)
    agreed = contract(format="arrow")
    records, rejects, counts = rows(path, agreed)
    assert (len(records), counts) == (89, [100, 0])
    assert [r["line"] for r in rejects] == [1, 2, 3, 4, 5, 51, 96, 97, 98, 99, 100]
    assert records[0] == {"line": 6, "record_id": "5", "a": None, "b": "b2"}
    with_parts = rows(path, agreed, 4)
    assert with_parts == (records, rejects, counts)


def test_read_source__an_arrow_file_without_batches_has_no_rows(tmp_path: Path):
    schema = pa.schema([(c, pa.string()) for c in "KAB"])
    for writer in (ipc.new_file, ipc.new_stream):
        with writer((tmp_path / "s").as_posix(), schema):
            pass
        assert rows(tmp_path / "s", contract(format="arrow"), 3) == ([], [], [0, 0])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.booleans(),
    st.integers(0, 10_000),
    st.integers(0, 255),
    st.integers(0, 10_000),
    st.sampled_from("apgz"),
)
def test_read_source__mutated_tables_and_packed_files_are_read_or_refused_with_a_code(
    tmp_path: Path, stream: bool, at: int, byte: int, cut: int, kind: str
):
    path = tmp_path / "m"
    held = [str(i) for i in range(40)]
    if kind in "ap":
        table = pa.table({"K": held, "A": held, "B": pa.array(held).dictionary_encode()})
        if kind == "p":
            pq.write_table(table, path, row_group_size=9)
        else:
            with (ipc.new_stream if stream else ipc.new_file)(path.as_posix(), table.schema) as out:
                out.write_table(table, max_chunksize=9)
    else:
        text = "K,A,B\n" + "".join(f"{x},{x},{x}\n" for x in held)
        path.write_bytes(pack(text.encode(), "gzip" if kind == "g" else "zstd"))
    data = bytearray(path.read_bytes())
    data[at % len(data)] = byte
    path.write_bytes(data if cut % 4 else data[: cut % len(data)])
    code = "E-INPUT-"
    try:
        records, rejects, _ = rows(path, contract(format={"a": "arrow", "p": "parquet"}.get(kind, "csv")), 2)
        assert len(records) + len(rejects) >= 0
    except ContractError as fault:
        code = fault.code
    assert code.startswith("E-INPUT-")


def write_table(path: Path, table: pa.Table, form: str) -> None:
    """All of the table as one row group or batch."""
    if form == "parquet":
        pq.write_table(table, path)
        return
    packed = ipc.IpcWriteOptions(compression="lz4" if form == "packed arrow" else None)
    with ipc.new_file(path.as_posix(), table.schema, options=packed) as out:
        out.write_table(table)


def taken(specs: list[readers.PartSpec], agreed: Contract) -> tuple[list[Any], list[Any]]:
    intakes = [readers.intake_part(spec, agreed) for spec in specs]
    records = [row for intake in intakes for row in intake.records.to_pylist()]
    return records, [row for intake in intakes for row in intake.rejects.to_pylist()]


FORMS = ["parquet", "arrow", "packed arrow"]
VALUES = {
    "texts": ["Lê Văn Tám", None, "", "x\ty", "Nguyễn Thị Hoa"],
    "numbers": [7, None, -3, 0, 2**40],
    "days": [datetime.date(2001, 2, 3), None, datetime.date(1999, 12, 31), datetime.date(1, 1, 1), None],
    "times": [pa.scalar(10**15, pa.timestamp("us")), None, pa.scalar(0, pa.timestamp("us")), None, None],
    "fractions": [0.5, None, 3.0, -0.0, 1e300],
    "decimals": [decimal.Decimal("1.50"), None, decimal.Decimal(-3), decimal.Decimal(0), None],
    "bytes": [b"ok", b"\xff", None, b"", b"a"],
    "nothing": [None] * 5,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", VALUES)
def test_plan_parts__of_a_file_of_one_large_group_is_cut(tmp_path: Path, form: str, kind: str):
    """It was one part, whatever it had of rows: of 26 million some eleven gigabytes of memory."""
    held = VALUES[kind] * 40
    key = [None if n % 17 == 0 else f"k{n % 150}" for n in range(len(held))]
    coded = pa.array([str(value) for value in held]).dictionary_encode()
    table = pa.table({"B": coded, "other": key, "A": held, "K": key, "": key})
    write_table(tmp_path / "s", table, form)
    agreed = contract(format=form.rpartition(" ")[2])
    [whole] = readers.plan_parts([tmp_path / "s"], agreed, 1, spool=tmp_path / "spool", most_rows=67)
    assert whole.path == str(tmp_path / "s")
    for most in (66, 20, 1):
        specs = readers.plan_parts([tmp_path / "s"], agreed, 1, spool=tmp_path / f"{most}", most_rows=most)
        assert Path(specs[0].path).parent == tmp_path / f"{most}"
        assert taken(specs, agreed) == taken([whole], agreed)


@pytest.mark.parametrize("form", FORMS)
def test_plan_parts__cuts_a_large_group_into_parts_of_few_rows_or_bytes(tmp_path: Path, form: str):
    rows, long = 200_000, 3_000
    text = pa.array([("x" * 9_000 if n < long else "x") + str(n) for n in range(rows)])
    write_table(tmp_path / "s", pa.table({"K": text, "A": text, "B": text}), form)
    agreed = contract(format=form.rpartition(" ")[2])
    specs = readers.plan_parts([tmp_path / "s"], agreed, 1, spool=tmp_path / "spool", most_rows=50_000)
    raw = [readers.read_part(spec, agreed) for spec in specs]
    assert sum(len(part.line) for part in raw) == rows
    assert [n for part in raw for n in part.line[:1]] == [spec.line for spec in specs]
    assert max(len(part.line) for part in raw) < 100_000
    sizes = [sum(int(cells.offsets[-1] - cells.offsets[0]) for cells in part.cells.values()) for part in raw]
    assert sum(sizes) > 3 * long * 9_000
    assert max(sizes) < 48 << 20  # two of sixteen MiB, and what makes them uneven


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_text_batches__hold_little_of_a_large_group(tmp_path: Path, form: str):
    """Of plain Arrow, reading some columns alone copied the whole batch."""
    text = pa.array([f"{n:09d}" + "x" * 291 for n in range(300_000)])
    write_table(tmp_path / "s", pa.table({"K": text, "A": text, "B": text, "other": text}), form)
    whole = (4 * 300) * 300_000
    agreed = contract(format=form)
    pool, found, most = pa.default_memory_pool(), 0, 0
    before = pool.bytes_allocated()
    with contextlib.closing(spool.text_batches(open_source([tmp_path / "s"], agreed)[0], agreed)) as batches:
        for batch in batches:
            found += batch.num_rows
            most = max(most, pool.bytes_allocated() - before)
    assert found == 300_000
    assert most < 0.4 * whole


def test_text_batches__of_a_type_that_cannot_be_read_is_refused_as_it_is_uncut(tmp_path: Path):
    held = pa.array([0] * 400, pa.timestamp("us", tz="Foo/Bar"))
    write_table(tmp_path / "s", pa.table({"K": [str(n) for n in range(400)], "A": held, "B": held}), "arrow")
    for most in (50, 1000):
        with pytest.raises(ContractError, match=r"E-INPUT-006: 's'"):
            agreed = contract(format="arrow")
            taken(
                readers.plan_parts([tmp_path / "s"], agreed, 1, spool=tmp_path / "p", most_rows=most), agreed
            )


@pytest.mark.parametrize("letters", [3000, 300])
def test_plan_parts__by_the_bytes_of_row_groups(tmp_path: Path, letters: int):
    text = [f"{n:07d}" + "x" * letters for n in range(2_000)]
    pq.write_table(pa.table({"K": text, "A": text, "B": text}), tmp_path / "s", use_dictionary=False)
    agreed = contract(format="parquet")
    specs = readers.plan_parts([tmp_path / "s"], agreed, 1, spool=tmp_path / "spool", most_rows=5_000)
    assert (specs[0].path != str(tmp_path / "s")) == (letters == 3000)


def test_plan_parts__of_a_parquet_file_with_any_flipped_bit_in_its_footer_ends_no_process(tmp_path: Path):
    """Asking Arrow about one column of such a file ended the process, where nothing could be caught."""
    text = [str(n * 7919) for n in range(300)]
    pq.write_table(pa.table({"K": text, "A": text, "B": text}), tmp_path / "s")
    code = (
        "import sys, random\n"
        "from pathlib import Path\n"
        "from jobs import readers\n"
        "from jobs.foreseen import foresee\n"
        "from linkage.contract import Contract, Field\n"
        "from linkage.errors import ContractError\n"
        "fields = tuple(Field(column=c, standard=c.lower()) for c in 'AB')\n"
        "agreed = Contract(schema=1, key='K', fields=fields, format='parquet')\n"
        "whole = Path(sys.argv[1]).read_bytes()\n"
        "first = len(whole) - 8 - int.from_bytes(whole[-8:-4], 'little')\n"
        "bits = [(at, bit) for at in range(first, len(whole) - 8) for bit in range(8)]\n"
        "path = Path(sys.argv[1] + 'm')\n"
        "for at, bit in random.Random(1).sample(bits, 1500) + [(first + 20, 4), (first + 48, 1)]:\n"
        "    harmed = bytearray(whole)\n"
        "    harmed[at] ^= 1 << bit\n"
        "    path.write_bytes(harmed)\n"
        "    foresee(path, len(harmed), agreed, 50)\n"
        "    try:\n"
        "        readers.plan_parts([path], agreed, 1, spool=Path(sys.argv[1] + 'p'), most_rows=1000)\n"
        "    except ContractError as fault:\n"
        "        assert fault.code.startswith('E-INPUT-'), fault\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("form", FORMS)
def test_plan_parts__of_a_large_group_that_is_damaged_is_refused_with_a_code(tmp_path: Path, form: str):
    text = [str(n * 7919) for n in range(3_000)]
    agreed = contract(format=form.rpartition(" ")[2])
    write_table(tmp_path / "s", pa.table({"K": text, "A": text, "B": text}), form)
    data = (tmp_path / "s").read_bytes()
    refused = 0
    for at in range(8, len(data), len(data) // 60):
        harmed = bytearray(data)
        harmed[at] ^= 255
        (tmp_path / "m").write_bytes(harmed)
        try:
            specs = readers.plan_parts([tmp_path / "m"], agreed, 1, spool=tmp_path / "spool", most_rows=500)
            taken(specs, agreed)
        except ContractError as fault:
            refused += fault.code == "E-INPUT-006"
    assert refused or form == "arrow"  # of plain Arrow most bytes are text


def test_plan_parts__wants_a_folder_where_a_file_must_be_spooled(tmp_path: Path):
    path = tmp_path / "s.csv"
    path.write_bytes(gzip.compress(b"K,A,B\n"))
    with pytest.raises(ValueError, match="Give spool"):
        readers.plan_parts([path], contract(), 1)


def test_parts__heads_are_of_the_first_part_only(tmp_path: Path):
    path = tmp_path / "s.csv"
    path.write_bytes(gzip.compress(b"\n\nK,A,B\n" + b"1,a,b\n" * 60_000))
    specs = readers.plan_parts([path], contract(), 3, spool=tmp_path / "spool")
    assert [(s.head_lines, s.head_bytes) for s in specs] == [(3, 8), (0, 0), (0, 0)]
    assert [s.stop for s in specs[:-1]] == [b.start for _, b in itertools.pairwise(specs)]


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize("members", [1, 40])
def test_beginning__says_how_many_of_the_files_own_bytes_it_took(tmp_path: Path, packing: str, members: int):
    """A decoder reads 64 KiB ahead: of a file packed fifty to one, three times what it needs."""
    line = b"%d,Nguyen Van An," + b"x" * 600 + b"\n"
    data = b"".join(line % (n * 7919 % 1_000_003) for n in range(40_000))
    share = len(data) // members + 1
    whole = b"".join(pack(data[n : n + share], packing) for n in range(0, len(data), share))
    path = tmp_path / "a"
    path.write_bytes(whole)
    head, used = unpack.beginning(path, packing, 1 << 20)  # type: ignore[arg-type]
    assert data.startswith(head)
    assert 1 << 20 <= len(head) <= (8 << 20) + (1 << 18)
    assert used / len(whole) == pytest.approx(len(head) / len(data), rel=0.06)
    assert unpack.beginning(path, packing, len(data) + 1)[1] == len(whole)  # type: ignore[arg-type]


def test_beginning__of_a_file_that_is_cut_off_is_what_can_be_unpacked(tmp_path: Path):
    data = bytes(range(256)) * 4000
    whole = gzip.compress(data)
    (tmp_path / "a").write_bytes(whole[: len(whole) // 2])
    head, used = unpack.beginning(tmp_path / "a", "gzip", 1 << 20)
    assert data.startswith(head)
    assert used == len(whole) // 2
    (tmp_path / "a").write_bytes(data)
    assert unpack.beginning(tmp_path / "a", "none", 1000) == (data[:1000], 1000)
