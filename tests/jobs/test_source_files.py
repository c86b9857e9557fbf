"""What a file is, told from its beginning and a few places further in."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs import source_files
from jobs.source_files import open_source, too_many_rows
from jobs.unpack import packing_of
from linkage.contract import Contract, Field
from linkage.errors import ContractError
from tests.linkage.test_encodings import SLOW, names


def contract(**rest: Any) -> Contract:
    return Contract(schema=1, key="K", fields=(Field(column="N", standard="n"),), **rest)


def opened(path: Path, **rest: Any) -> source_files.SourceFile:
    [found] = open_source([path], contract(**rest))
    return found


def text(rows: int, plain: int) -> str:
    """A header and rows of names, the first ``plain`` of them without a mark."""
    held = names(rows, 9)
    return "K,N\n" + "".join(f"{i},{'AN' if i < plain else name}\n" for i, name in enumerate(held))


@pytest.mark.parametrize("encoding", ["tcvn3", "vni", "cp1258", "utf-8"])
def test_open_source__looks_behind_a_long_plain_beginning(
    tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(source_files, "PREFIX_BYTES", 1 << 14)
    monkeypatch.setattr(source_files, "_STRETCH_BYTES", 1 << 12)
    path = tmp_path / "s.csv"
    whole = text(6_000, 3_000)
    path.write_bytes(SLOW[encoding](whole) if encoding in SLOW else whole.encode())
    assert opened(path, encoding="auto").encoding == encoding


def test_open_source__clean_utf_8_of_any_length_is_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Wherever the sample is cut, a letter of several bytes is never cut in two."""
    path = tmp_path / "s.csv"
    path.write_bytes(("K,N\n" + "ế" * 3_000 + "\n" + text(300, 0)).encode())
    for prefix in range(4_096, 4_200):
        monkeypatch.setattr(source_files, "PREFIX_BYTES", prefix)
        monkeypatch.setattr(source_files, "_STRETCH_BYTES", prefix % 97 + 50)
        assert opened(path, encoding="auto").encoding == "utf-8"


def test_open_source__a_text_that_tells_no_encoding_is_refused(tmp_path: Path):
    path = tmp_path / "s.csv"
    path.write_bytes("K,N\n1,José\n2,Müller\n".encode("cp1252"))
    with pytest.raises(ContractError, match=r"E-INPUT-014.*Declare its encoding"):
        opened(path, encoding="auto")
    assert opened(path, encoding="cp1252").spooled


def test_open_source__utf_8_is_read_where_it_lies(tmp_path: Path):
    path = tmp_path / "s.csv"
    path.write_bytes(b"\xef\xbb\xbf\n\nK,N\n1,a\n")
    found = opened(path, encoding="auto", delimiter="auto")
    assert (found.encoding, found.body, found.line, found.spooled) == ("utf-8", 9, 4, False)


def test_open_source__arrow_of_another_kind_is_refused(tmp_path: Path):
    path = tmp_path / "s.arrow"
    for data in (b"", b"K,N\n1,a\n", b"ARROW1\0\0", b"PAR1", b"\xff\xff\xff\xff\x10\0\0\0"):
        path.write_bytes(data)
        with pytest.raises(ContractError, match=r"E-INPUT-006.*'s\.arrow'"):
            opened(path, format="arrow")


def test_open_source__columns_of_arrow_must_be_there_once(tmp_path: Path):
    path = tmp_path / "s.arrow"
    for columns, code in ((["K", "X"], "E-INPUT-002"), (["K", "N", "N"], "E-INPUT-004")):
        table = pa.table([pa.array(["1"])] * len(columns), names=columns)
        with pa.ipc.new_file(path.as_posix(), table.schema) as out:
            out.write_table(table)
        with pytest.raises(ContractError, match=code):
            opened(path, format="arrow")


def test_too_many_rows__beyond_what_memory_holds_and_below_nothing():
    too_many_rows(1 << 26, "batch")
    for rows in (-1, (1 << 26) + 1):
        with pytest.raises(ContractError, match="E-INPUT-016"):
            too_many_rows(rows, "batch")


def test_packing_of__is_told_by_the_first_bytes():
    starts = (b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"K,N\n", b"")
    assert [packing_of(s) for s in starts] == ["gzip", "zstd", "none", "none"]


def test_seen_forms__says_each_sort_of_file_once(tmp_path: Path):
    paths = [tmp_path / f"{number}.csv" for number in range(3)]
    for path in paths:
        path.write_bytes(b"K;N\n1;a\n" if path.name < "2" else "K|N\n".encode("utf-16"))
    found = source_files.seen_forms(open_source(paths, contract(encoding="auto", delimiter="auto")))
    assert found == [
        {"encoding": "utf-16-le", "delimiter": "|", "compression": "none"},
        {"encoding": "utf-8", "delimiter": ";", "compression": "none"},
    ]
