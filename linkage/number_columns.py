"""Columns of identifiers and telephones: plain digits read fast, typed by column and structure.

What stands in a column is typed by the column first and by its structure second: nine digits under the
personal number are an old number, twelve digits under the tax code are the personal number, a health card
contains the insurance number. A value found in another's column fills that column where its cell is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from kernels.identifiers import LONGEST, read_digits
from kernels.words import number_short_texts
from linkage.packs import Pack
from linkage.queries import OF_ISSUES, QueryList, contradictions
from linkage.repairs import UNSURE, RepairList, holding
from linkage.text_arrays import one_array
from linkage.vocabulary import hash_text

Codes = npt.NDArray[np.int64]

#: Standard fields of identifiers that the pack knows, besides personal and old numbers.
CODE_FIELDS = ("tax_code", "insurance_number", "health_card", "passport")


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers: codes of what is settled by row, other digits by row, other texts once each.

    settled : int64[n], codes of the rows that need no second look, 0 of the others
    index : int64[n] of the others; rows of plain digits count up from 0, rows of text have that count + the
        place of their text; -1 where nothing stands or the row is settled
    texts : the distinct texts;  digits : the plain numbers, and how many digits write each
    """

    settled: Codes
    index: Codes
    texts: pl.Series
    digits: tuple[Codes, npt.NDArray[np.uint8]]

    @property
    def is_settled(self) -> bool:
        """Whether every row is settled or empty: nothing is left to read."""
        return len(self.texts) == 0 and self.digits[0].size == 0

    def codes(self, found: Codes) -> Codes:
        """Codes by row: settled ones, and of the others what was ``found``, by ``index``; 0 of nothing."""
        out = self.settled.copy()
        rows = np.flatnonzero(self.index >= 0)
        out[rows] = found[self.index[rows]]
        return out


def distinct(column: pa.ChunkedArray) -> tuple[Codes, pl.Series]:
    """Index of every row's value among the distinct ones (-1 null), and those by arrival."""
    offsets, data, held, array = text_buffers(column)
    short = number_short_texts(offsets, data, held)
    if short is not None:
        return short[0], pl.Series(pl.from_arrow(array.take(pa.array(short[1])))).cast(pl.String)
    encoded = column.combine_chunks().dictionary_encode() if column.num_chunks else None
    if encoded is None or len(encoded.dictionary) == 0:
        return np.full(len(column), -1, np.int64), pl.Series([], dtype=pl.String)
    index = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return index, pl.Series(pl.from_arrow(encoded.dictionary)).cast(pl.String)


def text_buffers(
    column: pa.ChunkedArray,
) -> tuple[Codes, npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None, pa.Array]:
    """Offsets int64[n + 1] and bytes of a column of text, which rows hold a value (None: all), the array."""
    array = one_array(column)
    n = len(array)
    _, offset_buffer, data_buffer = array.buffers()
    offsets = (
        np.frombuffer(offset_buffer, np.int64)[array.offset : array.offset + n + 1]
        if n
        else np.zeros(1, np.int64)
    )
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    held = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
    return offsets, data, held, array


def distinct_of(array: pa.Array, rows: npt.NDArray[np.int64], n: int) -> tuple[Codes, pl.Series]:
    """As :func:`distinct`, of some rows of a column of n; -1 for the others."""
    index = np.full(n, -1, np.int64)
    if not rows.size:
        return index, pl.Series([], dtype=pl.String)
    own, texts = distinct(pa.chunked_array([array.take(pa.array(rows))]))
    index[rows] = own
    return index, texts


def number_column(
    column: pa.ChunkedArray, settle: Callable[[Codes, npt.NDArray[np.uint8]], Codes]
) -> NumberColumn:
    """Read a column of text; ``settle`` gives codes of numbers and their lengths, 0 of what it leaves."""
    offsets, data, held, array = text_buffers(column)
    n = len(array)
    value, length = np.empty(n, np.int64), np.empty(n, np.uint8)
    read_digits(offsets, data, value, length)
    if held is not None:
        length[~held] = 0
    settled = settle(value, length)
    left = settled == 0
    known = np.flatnonzero(left & (length > 0))
    other = left & (length == 0)
    if held is not None:
        other &= held
    index, texts = distinct_of(array, np.flatnonzero(other), n)
    index[other] += known.size
    index[known] = np.arange(known.size)
    return NumberColumn(settled, index, texts, (value[known], length[known]))


def spread(index: Codes, values: npt.NDArray[np.generic], missing: int) -> np.ndarray:
    """Values of the distinct texts back on the rows."""
    padded = np.concatenate([values, np.full((1, *values.shape[1:]), missing, values.dtype)])
    return padded[index]


def issues(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Rows of ``frame`` that have something in ``column``: value, kind, confidence, unrepaired."""
    if column not in frame.columns:
        return pl.DataFrame(schema={"value": pl.Int64, "kind": pl.String, "confidence": pl.Float32})
    confidence = pl.col("confidence") if "confidence" in frame.columns else pl.lit(1.0)
    unrepaired = pl.col("unrepaired") if "unrepaired" in frame.columns else pl.lit(0, dtype=pl.Int64)
    return (
        frame.with_row_index("value")
        .filter(pl.col(column).is_not_null())
        .select(
            pl.col("value").cast(pl.Int64),
            kind=pl.col(column).cast(pl.String),
            confidence=confidence.cast(pl.Float32),
            unrepaired=unrepaired,
        )
    )


def query_issues(
    queries: QueryList, field: str, index: Codes, found: pl.DataFrame, of: Mapping[str, str]
) -> None:
    """Queries of what reading found: ``found`` as :func:`issues` gives it, ``of`` kind to query."""
    for kind in found["kind"].unique(maintain_order=True).to_list():
        if kind in of:
            values = found.filter(pl.col("kind") == kind)["value"].to_numpy()
            queries.add(field, of[kind], holding(index, values))


def identifier_codes(frame: pl.DataFrame) -> Codes:
    """Codes of columns ``digits`` and ``length``, 0 where there is no number."""
    digits = frame["digits"].fill_null(0).to_numpy().astype(np.int64)
    length = frame["length"].fill_null(0).to_numpy().astype(np.int64)
    known = frame["digits"].is_not_null().to_numpy() & (length > 0)
    return np.where(known, (length << 56) | digits, 0)


def plain_identifiers(column: NumberColumn, secret: int) -> Codes:
    """Codes of identifiers of no national kind, by row: digits as they are, else a 55-bit hash."""
    clean = column.texts.str.to_uppercase().str.replace_all(r"[\s.\-/]", "")
    pattern = rf"^([0-9]{{1,{LONGEST}}})$"
    digits = clean.str.contains(pattern).fill_null(value=False).to_numpy()
    value = clean.str.extract(pattern).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    length = clean.str.len_bytes().cast(pl.Int64).to_numpy()
    hashed = hash_text(clean.to_arrow(), secret) if len(clean) else np.zeros(0, np.uint64)
    other = (np.int64(LONGEST + 1) << 56) | (hashed & np.uint64((1 << 55) - 1)).astype(np.int64)
    codes = np.where(length > 0, np.where(digits, (length << 56) | value, other), 0)
    return column.codes(np.concatenate([as_written(*column.digits), codes]))


def as_written(value: Codes, length: npt.NDArray[np.uint8]) -> Codes:
    """Codes of plain digits; 0 of what is none."""
    return (length.astype(np.int64) << 56) | value


class Numbers:
    """The identifiers of one part while its columns are read one by one."""

    def __init__(
        self, locale: Pack, extract_year: int, arrays: dict[str, np.ndarray], repairs: RepairList,
        queries: QueryList,
    ) -> None:  # fmt: skip
        self._locale, self._year = locale, extract_year
        self._arrays, self._repairs, self._queries = arrays, repairs, queries
        self._elsewhere: list[tuple[str, str, Codes]] = []
        # Of each column of personal numbers: rows whose repair is a guess, and the codes without it.
        self._unsure: list[tuple[str, Codes, Codes]] = []

    def personal(self, field: str, column: NumberColumn, kinds: Mapping[str, str]) -> None:
        """Personal and old numbers: nine digits are an old number wherever they stand."""
        if column.is_settled:
            if field == "old_number":
                self._put(field, column.settled, first=True)
                return
            self._arrays[field] = column.settled
            if "old_number" not in self._arrays:
                self._arrays["old_number"] = np.zeros_like(column.settled)
            return
        index = column.index
        found = self._locale.numbers(column.texts, self._year, column.digits)
        codes = identifier_codes(found)
        kind = found["kind"].cast(pl.String)
        old = kind.is_in(["old", "old_padded"]).to_numpy()
        self._note(field, index, found)
        unread = issues(found.with_columns(issue=kind, confidence=pl.lit(1.0)), "issue")
        foreign = None
        if "passport" in kinds and field == "personal_number" and len(column.texts):
            foreign = self._passports(field, column)
            unread = unread.filter(~pl.col("value").is_in(foreign.tolist()))
        query_issues(self._queries, field, index, unread, OF_ISSUES["number"])
        if field == "old_number":
            self._put("old_number", column.codes(codes), first=True)
            return
        unlikely = kind.is_in(["personal", "personal_padded"]) & ~found["structure_ok"]
        if unlikely.any():
            self._queries.add(field, "unlikely_number", holding(index, unlikely.arg_true().to_numpy()))
        self._arrays[field] = column.codes(np.where(old, 0, codes))
        self._remember(field, index, found)
        if old.any() or "old_number" not in self._arrays:
            self._put("old_number", spread(index, np.where(old, codes, 0), 0), first=False)
        if old.any():
            moved = found.with_columns(
                issue=pl.when(pl.Series(old)).then(pl.lit("old_number_in_its_place")), confidence=pl.lit(1.0)
            )
            self._repairs.add(field, index, issues(moved, "issue"))

    def _passports(self, field: str, column: NumberColumn) -> npt.NDArray[np.int64]:
        """Note passports in the column of the personal number; places of those values."""
        found = self._locale.codes("passport", column.texts, self._year, None)
        held = found["code"].to_numpy() != 0
        places = np.flatnonzero(held) + column.digits[0].shape[0]
        codes = np.concatenate([np.zeros(column.digits[0].shape[0], np.int64), found["code"].to_numpy()])
        self._elsewhere.append(("passport", field, spread(column.index, codes, 0)))
        return places

    def national(self, field: str, column: NumberColumn) -> None:
        """Tax codes, insurance numbers, health cards and passports."""
        index = column.index
        if column.is_settled:
            found = None
            self._arrays[field] = column.settled
        else:
            found = self._locale.codes(field, column.texts, self._year, column.digits)
            self._arrays[field] = column.codes(found["code"].to_numpy())
            self._note(field, index, found)
            odd = issues(found.drop("confidence"), "issue")
            query_issues(self._queries, field, index, odd, {k: k for k in odd["kind"].unique().to_list()})
        # Of the settled ones twelve digits are the personal number, ten of a card the insurance number.
        for target, name, digits in (
            ("personal_number", "personal", 12),
            ("insurance_number", "insurance", 10),
        ):
            alone = digits == 12 or field == "health_card"
            settled = np.where((column.settled >> 56 == digits) & alone, column.settled, 0)
            codes = settled if found is None else settled + spread(index, found[name].to_numpy(), 0)
            if target != field and codes.any():
                self._elsewhere.append((target, field, codes))
        if found is not None and found["personal"].to_numpy().any():
            self._remember(field, index, found)

    def _note(self, field: str, index: Codes, found: pl.DataFrame) -> None:
        self._repairs.add(field, index, issues(found, "repair"))

    def _remember(self, field: str, index: Codes, found: pl.DataFrame) -> None:
        unsure = found["repair"].is_in(UNSURE).fill_null(value=False)
        if field != "personal_number":
            unsure &= found["personal"] != 0
        if unsure.any():
            rows = np.flatnonzero(holding(index, unsure.arg_true().to_numpy()))
            self._unsure.append((field, rows, found["unrepaired"].to_numpy()[index[rows]]))

    def _put(self, field: str, codes: Codes, *, first: bool) -> None:
        """Codes of a column; where both hold something its own (``first``) or the earlier ones stay."""
        before = self._arrays.get(field)
        if before is None:
            self._arrays[field] = codes
        else:
            own, other = (codes, before) if first else (before, codes)
            self._arrays[field] = np.where(own != 0, own, other)

    def finish(self, kinds: Mapping[str, str]) -> dict[str, npt.NDArray[np.bool_]]:
        """Fill columns from one another, and take back repairs that contradict their row: by field, bool[n].

        Numbers whose structure contradicts the row's own sex or year of birth are queried.
        """
        taken: dict[str, Codes] = {}
        for target, field, codes in self._elsewhere:
            if target not in kinds:
                continue
            before = self._arrays.get(target)
            if target == "personal_number":
                taken[field] = np.where(before != 0, 0, codes) if before is not None else codes
            self._put(target, codes, first=False)
        numbers = self._arrays.get("personal_number")
        undone: dict[str, npt.NDArray[np.bool_]] = {}
        if numbers is None:
            return undone
        sex, birth = self._arrays.get("sex"), self._arrays.get("birth_date")
        says = self._locale.holders(numbers, self._year)
        against_sex, against_year = contradictions(says, sex, birth)
        against = against_sex | against_year
        every = np.zeros(numbers.shape[0], np.bool_)
        for field, rows, unrepaired in self._unsure:
            mine = against[rows]
            if field != "personal_number":
                mine &= taken[field][rows] != 0
            back = np.zeros(numbers.shape[0], np.bool_)
            back[rows[mine]] = True
            self._arrays[field][rows[mine]] = unrepaired[mine]
            if field != "personal_number":
                numbers[rows[mine]] = 0
            undone[field] = back
            every |= back
            self._queries.add(field, "repair_undone", back)
        self._queries.add("personal_number", "number_against_sex", against_sex & ~every)
        self._queries.add("personal_number", "number_against_birth_year", against_year & ~every)
        return undone
