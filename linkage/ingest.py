"""Intake: the rows of a file and its contract -> records and rejects.

Every row becomes either one record or one reject. A row is refused for its form (wrong number of fields, a
quote out of place, too long: the reader finds these), for bytes that are no text, for a missing key, for a
missing required field, or because its key comes again. A date or a number that cannot be read refuses
nothing: what it means is decided later, with the raw text kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from kernels import cell_text as kernel
from kernels.keys import hash_bytes
from linkage.errors import ContractError, IntegrityError, did_you_mean
from linkage.rows import REJECTS, Cells, Extent, RawPart, Spans, reject_table

if TYPE_CHECKING:
    from linkage.contract import Contract

#: Coded reasons of a reject, in the order in which they are looked for.
REASONS = {
    "field_count": "the row has more or fewer fields than the header",
    "stray_quote": "text follows a closing quote",
    "unclosed_quote": "a quote is opened and never closed",
    "record_too_long": "the row is longer than 64 lines or 1 MiB",
    "bad_encoding": "the bytes of a cell are not text in the declared encoding",
    "control_character": "a cell holds a control character",
    "missing_key": "the row has no key",
    "missing_field": "a required field is empty",
    "repeated_key": "the key comes more than once in the source",
    "superseded": "a later row of the same key stays",
    "repeated_key_tie": "the key comes more than once and no row is the latest",
}

# Collisions cost a second look at the rows, never an error, so the hash needs no secret.
_SECRET = np.uint64(0x696E67657374)
_BUCKET_ROWS = 16_000_000


@dataclass(frozen=True)
class Intake:
    """What one part gave.

    records : line int64, record_id text, then one text column for each standard field of the contract, the
              text as submitted, null where it is empty or blank
    rejects : REJECTS of :mod:`linkage.rows`
    keys    : aligned with ``records``: key_hash uint64 and, if the contract orders repeated keys,
              order_by text
    rows_in : rows read; records and rejects together are as many
    blank   : blank lines, which are no rows
    text    : how much text was ``accepted``, ``refused`` and ``blank``; and ``whole``, which is all of it
    """

    records: pa.Table
    rejects: pa.Table
    keys: pa.Table
    rows_in: int
    blank: int
    text: Mapping[str, Extent]

    def refused(self) -> dict[str, int]:
        """Refused rows by code, in the order of codes."""
        counted = self.rejects.column("code").value_counts().to_pylist()
        return {
            entry["values"]: entry["counts"] for entry in sorted(counted, key=lambda entry: entry["values"])
        }


def require_columns(header: Sequence[str], contract: Contract) -> None:
    """Raise ContractError E-INPUT-002 if the file lacks a column of its contract."""
    missing = [name for name in contract.columns() if name not in header]
    if not missing:
        return
    named = ", ".join(f"'{name}'" for name in missing)
    hint = did_you_mean(missing[0], [name for name in header if name])
    if len(header) == 1 and len(contract.columns()) > 1:
        for delimiter, spoken in ((",", "','"), (";", "';'"), ("\t", "a tab"), ("|", "'|'")):
            if delimiter in header[0]:
                hint = f" The header would fall into several columns at {spoken}: is that the delimiter?"
                break
    raise ContractError(
        "E-INPUT-002",
        f"The file lacks column{'s' * (len(missing) > 1)} {named};",
        f"its contract reads {len(contract.columns())} columns, and the file has {len(header)}.{hint}",
        "Mend the file's header or the contract.",
    )


def accept(raw: RawPart, contract: Contract) -> Intake:
    """Apply the contract to one part's rows; repeated keys are settled later, over the whole source."""
    rows = int(raw.line.size)
    wanted = contract.columns()
    code = np.zeros(rows, np.uint8)
    blame = np.full(rows, -1, np.int16)
    codes = ["", "bad_encoding", "control_character", "missing_key", "missing_field"]

    def refuse(where: NDArray[np.bool_], why: int, column: str) -> None:
        fresh = where & (code == 0)
        code[fresh] = why
        blame[fresh] = wanted.index(column)

    for why, state in ((1, kernel.BAD_ENCODING), (2, kernel.CONTROL)):
        for column in wanted:
            refuse(raw.cells[column].state == state, why, column)
    refuse(raw.cells[contract.key].state == kernel.EMPTY, 3, contract.key)
    for field in contract.fields:
        if field.required:
            refuse(raw.cells[field.column].state == kernel.EMPTY, 4, field.column)

    fallen = np.flatnonzero(code)
    kept = None if fallen.size == 0 else pa.array(np.flatnonzero(code == 0))
    key = raw.cells[contract.key]
    columns = {"line": pa.array(raw.line), "record_id": key.array()}
    columns |= {field.standard: raw.cells[field.column].array() for field in contract.fields}
    keys = {"key_hash": pa.array(_key_hashes(key))}
    if contract.on_repeat == "last" and contract.order_by:
        keys["order_by"] = raw.cells[contract.order_by].array()
    records, key_table = pa.table(columns), pa.table(keys)
    if kept is not None:
        records, key_table = records.take(kept), key_table.take(kept)
    rejects = reject_table(
        raw.file,
        raw.line[fallen],
        [codes[int(c)] for c in code[fallen]],
        [wanted[int(b)] for b in blame[fallen]],
        raw.text(fallen),
    )
    refused = raw.spans.total(fallen) if fallen.size else Extent()
    text = {
        "accepted": raw.spans.total() - refused,
        "refused": raw.refused_text + refused,
        "blank": raw.blank_text,
        "whole": raw.whole,
    }
    rejected = _in_order([raw.refused, rejects])
    return balanced(Intake(records, rejected, key_table, raw.rows_in, raw.blank, text))


def _key_hashes(key: Cells) -> NDArray[np.uint64]:
    hashes = np.empty(key.state.size, np.uint64)
    hash_bytes(key.offsets, key.data, _SECRET, hashes)
    return hashes


def _in_order(tables: Sequence[pa.Table]) -> pa.Table:
    whole = pa.concat_tables(tables).combine_chunks()
    return whole.sort_by([("file", "ascending"), ("line", "ascending")]).cast(REJECTS)


def balanced(intake: Intake) -> Intake:
    """The intake, if every row, line and byte of it is accounted for; else IntegrityError E-INTEGRITY-002."""
    if intake.records.num_rows + intake.rejects.num_rows != intake.rows_in:
        raise IntegrityError(
            "E-INTEGRITY-002",
            f"{intake.rows_in} rows became {intake.records.num_rows} + {intake.rejects.num_rows};",
            "every row in must be accepted or refused.",
            "Report this as a defect.",
        )
    text = intake.text
    if text["accepted"] + text["refused"] + text["blank"] != text["whole"]:
        raise IntegrityError(
            "E-INTEGRITY-002",
            f"{text['whole'].lines} lines of {text['whole'].bytes} bytes became "
            + " + ".join(f"{text[k].lines} of {text[k].bytes}" for k in ("accepted", "refused", "blank"))
            + ";",
            "every line in must be of a row that is accepted or refused, or blank.",
            "Report this as a defect.",
        )
    return intake


def repeat_candidates(
    hashes: Sequence[NDArray[np.uint64]], bucket_rows: int = _BUCKET_ROWS
) -> list[NDArray[np.int64]]:
    """Rows of each part whose key hash comes more than once in the source: ascending positions.

    hashes : ``keys.key_hash`` of every part of one source; they may be mapped files. About ``bucket_rows``
             hashes are held at a time, 16 bytes each.
    """
    total = sum(int(part.size) for part in hashes)
    bits = max(0, (total // max(1, bucket_rows)).bit_length())
    found: list[list[NDArray[np.int64]]] = [[] for _ in hashes]
    for bucket in range(1 << bits):
        shift = np.uint64(64 - bits) if bits else np.uint64(0)
        chosen = [part if bits == 0 else part[(part >> shift) == bucket] for part in hashes]
        ordered = np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.uint64)
        repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        if repeated.size == 0:
            continue
        for number, part in enumerate(hashes):
            place = np.minimum(np.searchsorted(repeated, part), repeated.size - 1)
            found[number].append(np.flatnonzero(repeated[place] == part))
    return [np.sort(np.concatenate(rows)) if rows else np.empty(0, np.int64) for rows in found]


def settle_repeats(candidates: pa.Table, contract: Contract) -> pa.Table:
    """Which of the rows that may share a key fall, and why.

    candidates : part int32, row int64, record_id text and, if the contract orders repeated keys, order_by
                 text; all rows of a repeated key must be there, rows of other keys do no harm
    Returns part, row, code (``repeated_key``, ``superseded``, ``repeated_key_tie``), sorted by part and row.

    The greatest ``order_by`` is the latest date where the contract gives that column date formats, else the
    greatest number if all of a key's values are whole numbers, else the last text by code points. A row
    without it, or with a date that cannot be read, comes before all others.
    """
    last = contract.on_repeat == "last" and contract.order_by is not None
    named = candidates.column("record_id").combine_chunks().dictionary_encode().indices.to_numpy()
    if not last:
        again = np.flatnonzero(np.bincount(named)[named] > 1) if named.size else named
        return _fallen(candidates, again, ["repeated_key"] * again.size)
    formats = next((f.formats for f in contract.fields if f.column == contract.order_by and f.formats), None)
    text = pl.Series("text", pl.from_arrow(candidates.column("order_by"))).cast(pl.String)
    if not named.size:
        return _fallen(candidates, named, [])
    rank = _date_ranks(text, formats) if formats else _ranks(named, text)
    counts = np.bincount(named)
    order = np.argsort(named, kind="stable")
    top = np.maximum.reduceat(rank[order], np.cumsum(counts) - counts)
    best = rank == top[named]
    tie = (np.bincount(named[best]) > 1)[named]
    fallen = np.flatnonzero((counts[named] > 1) & (tie | ~best))
    return _fallen(candidates, fallen, np.where(tie[fallen], "repeated_key_tie", "superseded").tolist())


def _fallen(candidates: pa.Table, rows: NDArray[np.int64], codes: Sequence[str]) -> pa.Table:
    """Part, row and code of the given rows of the candidates, sorted by part and row."""
    picked = candidates.select(["part", "row"]).take(pa.array(rows))
    picked = picked.append_column("code", pa.array(codes, pa.large_string()))
    return picked.sort_by([("part", "ascending"), ("row", "ascending")])


def _ranks(key: NDArray[np.integer], text: pl.Series) -> NDArray[np.int64]:
    """Ranks of the order values of each key (from 0): as whole numbers if all of them are, else as texts."""
    tidy = text.str.strip_chars()
    held = text.is_not_null().to_numpy()

    def every(most: int) -> NDArray[np.bool_]:
        """Rows of keys all of whose values are whole numbers of so many digits."""
        other = held & ~tidy.str.contains(rf"^[+-]?[0-9]{{1,{most}}}$").fill_null(value=False).to_numpy()
        return (np.bincount(key[other], minlength=int(key.max()) + 1) == 0)[key]

    whole, short = every(100), every(18)
    numbers = tidy.str.strip_prefix("+").cast(pl.Int64, strict=False).fill_null(-(10**18)).to_numpy()
    rank = np.where(short, numbers, 0)
    long = np.flatnonzero(whole & ~short)
    if long.size:
        # Numbers that no machine word holds are rare: they are ranked among all such numbers one by one.
        values = [None if value is None else int(value) for value in text.gather(long).to_list()]
        known = sorted({value for value in values if value is not None})
        place = {value: number for number, value in enumerate(known, start=1)}
        rank[long] = [0 if value is None else place[value] for value in values]
    rest = np.flatnonzero(~whole)
    if rest.size:
        # Text is ordered byte by byte, which in UTF-8 is by code points.
        rank[rest] = text.gather(rest).rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    return rank


def _date_ranks(text: pl.Series, formats: Sequence[str]) -> NDArray[np.int64]:
    """Ranks of the order values as dates; 0 of none and of what is no date."""
    encoded = text.to_arrow().dictionary_encode()
    ranks = [_date_rank(value, formats) for value in encoded.dictionary.to_pylist()]
    index = encoded.indices.cast(pa.int64()).fill_null(len(ranks)).to_numpy(zero_copy_only=False)
    return np.array([*ranks, 0], np.int64)[index]


def _date_rank(value: str, formats: Sequence[str]) -> int:
    for form in formats:
        parts = re.split(r"(d+|m+|y+)", form)
        pattern = "".join(
            re.escape(part) if i % 2 == 0 else f"(?P<{part[0]}>[0-9]{{{len(part)},{max(2, len(part))}}})"
            for i, part in enumerate(parts)
        )
        found = re.fullmatch(pattern, value.strip())
        if found:
            held = found.groupdict()
            return 1 + int(held["y"]) * 10000 + int(held.get("m") or 0) * 100 + int(held.get("d") or 0)
    return 0


def drop_repeats(
    intake: Intake, file: int, fallen: Mapping[int, str], texts: Sequence[str], spans: Spans, key: str
) -> Intake:
    """Move rows of one part from its records to its rejects.

    fallen : code by position in ``intake.records``
    texts, spans : the rows as they came and how much text they are, by ascending position
    """
    positions = np.array(sorted(fallen), np.int64)
    stays = np.ones(intake.records.num_rows, np.bool_)
    stays[positions] = False
    line = intake.records.column("line").to_numpy()[positions]
    rejects = reject_table(file, line, [fallen[int(p)] for p in positions], [key] * positions.size, texts)
    mask = pa.array(stays)
    moved = spans.total()
    text = {
        **intake.text,
        "accepted": intake.text["accepted"] - moved,
        "refused": intake.text["refused"] + moved,
    }
    return balanced(
        Intake(
            intake.records.filter(mask),
            _in_order([intake.rejects, rejects]),
            intake.keys.filter(mask),
            intake.rows_in,
            intake.blank,
            text,
        )
    )
