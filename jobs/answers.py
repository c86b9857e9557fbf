"""Files of judgements as people send them back: any spreadsheet's dialect, each row with its line.

``review.csv`` goes through spreadsheet programs of many countries. What these do on saving is undone here:
another delimiter, other quotes, no byte order mark or UTF-16 instead, a Windows code page, rows in another
order, rows and columns removed or added. What they do to long numbers cannot be undone; the ``review_id`` of
a row names its pair whatever became of the keys.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from linkage.errors import ContractError

#: Columns that name the two records of a row; ``review_id`` alone does too.
KEYS = ("source_l", "record_id_l", "source_r", "record_id_r")

MUST, CANNOT = "must_link", "cannot_link"

#: What may stand in the answer column, in small letters.
WORDS = {
    MUST: MUST, "yes": MUST, "y": MUST, "có": MUST, "co": MUST,
    CANNOT: CANNOT, "no": CANNOT, "n": CANNOT, "không": CANNOT, "khong": CANNOT,
}  # fmt: skip

_DELIMITERS = ",;\t|"
_LONGEST_CELL = 1 << 20

# What a spreadsheet would run as a formula or change: an exponent, a leading zero, twelve digits and more.
_RUN = re.compile(r"[=+\-@\t\r\n']")
_CHANGED = re.compile(r"0[0-9]+|[0-9]{12,}|[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+")
_DAMAGED = re.compile(r"[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+|#[A-Z/0!?]+")


@dataclass(frozen=True)
class Answer:
    """One row that answers: the file's name, the physical line (of Parquet: the row, from 1), what it says.

    answer : MUST, CANNOT, or the empty text for a word that is not known
    pair   : 16 bytes of the review id, None if there is none that can be read
    keys   : texts of KEYS without blanks at their ends, empty where there is nothing
    """

    file: str
    line: int
    answer: str
    pair: bytes | None
    keys: tuple[str, str, str, str]

    @property
    def damaged(self) -> bool:
        """Whether a key looks like what a spreadsheet makes of a long number, or is absent."""
        return any(not key or _DAMAGED.fullmatch(key) for key in self.keys)


def guarded(text: str) -> str:
    """A text as a cell of a spreadsheet's CSV: an apostrophe in front of what it would run or change."""
    return f"'{text}" if _RUN.match(text) or _CHANGED.fullmatch(text) else text


def unguarded(text: str) -> str:
    """What :func:`guarded` was given; of a text that lost its apostrophe, the text."""
    return text.removeprefix("'")


@dataclass(frozen=True)
class AnswerFile:
    """The rows of a file that answer, how many were left unanswered, and whether it has an answer column."""

    answers: list[Answer]
    blank: int
    speaks: bool


def read_answers(path: Path, listed: str) -> AnswerFile:
    """Read a file of judgements.

    listed : the answer of every row of a file without an ``answer`` column

    Raises ContractError ``E-INPUT-012`` for a file without the columns that name records, or one that cannot
    be read as a table.
    """
    names, rows = _parquet(path) if path.suffix == ".parquet" else _text(path)
    known = {
        name.strip().strip("\"'").strip().casefold(): at for at, name in reversed(list(enumerate(names)))
    }
    missing = [c for c in KEYS if c not in known]
    if missing and "review_id" not in known:
        raise _unfit(path, f"lacks the column {', '.join(missing)}")
    found: list[Answer] = []
    blank = 0
    for line, cells in rows:

        def cell(name: str, cells: Sequence[str] = cells) -> str:
            at = known.get(name, len(cells))
            return unguarded(cells[at].strip("\ufeff\u00a0 \t\r\n")) if at < len(cells) else ""

        keys = (cell(KEYS[0]), cell(KEYS[1]), cell(KEYS[2]), cell(KEYS[3]))
        said = unicodedata.normalize("NFC", cell("answer")).strip("\"'. ").casefold().replace(" ", "_")
        if "answer" not in known:
            if not any(keys) and not cell("review_id"):
                continue
            answer = listed
        elif not said:
            blank += any(cells)
            continue
        else:
            answer = WORDS.get(said.replace("-", "_"), "")
        found.append(Answer(path.name, line, answer, review_bytes(cell("review_id")), keys))
    return AnswerFile(found, blank, "answer" in known)


def review_text(pair: bytes) -> str:
    """A review id in CSV: the letter r and 32 hex digits, which no spreadsheet takes for a number."""
    return f"r{pair.hex()}"


def review_bytes(text: str) -> bytes | None:
    """The review id in a cell, with or without its letter, else None."""
    found = re.fullmatch(r"[rR]?([0-9a-fA-F]{32})", text)
    return bytes.fromhex(found[1]) if found else None


def _unfit(path: Path, what: str) -> ContractError:
    return ContractError(
        "E-INPUT-012",
        f"'{path.name}' {what};",
        f"a file of judgements has the columns {', '.join(KEYS)}, or review_id; and may have 'answer'.",
        "Take review.csv of a run with its answers, or write these columns.",
    )


def _parquet(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    try:
        table = pl.DataFrame(pl.from_arrow(pq.read_table(path)))
    except (pa.ArrowException, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno is not None:
            raise
        raise _unfit(path, "cannot be read as Parquet") from None
    texts = [
        c.bin.encode("hex") if c.dtype == pl.Binary else c.cast(pl.String, strict=False)
        for c in table
        if not c.dtype.is_nested()
    ]
    held = pl.DataFrame(texts).select(pl.all().fill_null(""))
    return held.columns, ((line, list(row)) for line, row in enumerate(held.iter_rows(), 1))


def _text(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    text = decoded(path.read_bytes())
    lines = text.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if line.strip()), len(lines))
    # Excel writes a line that names the delimiter, and reads one.
    named = re.fullmatch(r'"?sep=(.)"?\s*', lines[start]) if start < len(lines) else None
    start += named is not None
    head = lines[start] if start < len(lines) else ""
    delimiter = named[1] if named else max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO("".join(lines[start:]), newline=""), delimiter=delimiter)

    def rows() -> Iterator[tuple[int, list[str]]]:
        before = reader.line_num
        while True:
            limit = csv.field_size_limit(_LONGEST_CELL)  # of the whole process
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                raise _unfit(path, f"cannot be read as a table at line {start + before + 1}") from None
            finally:
                csv.field_size_limit(limit)
            yield start + before + 1, row
            before = reader.line_num

    whole = rows()
    return next(whole, (0, []))[1], whole


def decoded(data: bytes) -> str:
    """The text of a file that a spreadsheet wrote: UTF-8, UTF-16 with or without its mark, else cp1258."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    if b"\x00" in data[:200]:
        return data.decode("utf-16-be" if data[:1] == b"\x00" else "utf-16-le", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return unicodedata.normalize("NFC", data.decode("cp1258", "replace"))
