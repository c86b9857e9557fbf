"""Standardisation: submitted records -> coded columns; each distinct value cleaned once, repairs listed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from kernels.words import renumber
from linkage.coded import NAME_WIDTH
from linkage.contract import Contract, Field
from linkage.dates import parse_dates, settled_dates
from linkage.number_columns import (
    CODE_FIELDS,
    Numbers,
    as_written,
    distinct,
    distinct_of,
    identifier_codes,
    issues,
    number_column,
    plain_identifiers,
    query_issues,
    spread,
    text_buffers,
)
from linkage.packs import NameReader, Pack
from linkage.queries import OF_ISSUES, QueryList, query_dates
from linkage.repairs import RepairList, words_code
from linkage.text_arrays import Texts
from linkage.text_sets import TextSet, distinct_texts
from linkage.vocabulary import hash_text, merge_vocabularies, record_order, token_ids

#: Earlier identifiers kept of a register person, the latest first.
ALIASES_KEPT = 3

#: What reading a unit can find that is a repair, the unit being known.
UNIT_REPAIRS = ("lost_zero", "other_era")


@dataclass(frozen=True)
class StandardPart:
    """Coded columns of one part, names and texts still by the part's own vocabulary.

    arrays : column -> array, see :data:`linkage.coded.DTYPES`; name tokens and texts count from 1, 0 is none
    order  : uint64[n], keyed hash of (source, record_id)
    tokens : distinct name tokens of the part, the commonest first;  counts : int64, how often each stands
    texts : column -> its distinct texts, of which code c is number c - 1
    repairs : see :data:`linkage.repairs.REPAIRS`;  queries : see :data:`linkage.queries.QUERY_COLUMNS`
    """

    arrays: dict[str, np.ndarray]
    order: np.ndarray
    tokens: pl.Series
    counts: np.ndarray
    texts: dict[str, TextSet]
    repairs: pl.DataFrame
    queries: pl.DataFrame


def standardise(
    records: pa.Table,
    contract: Contract,
    kinds: Mapping[str, str],
    source: str,
    extract_date: datetime.date,
    locale: Pack,
    secret: int,
    aliases: pl.DataFrame | None = None,
    text_secret: int | None = None,
) -> StandardPart:
    """Standardise one part of a source.

    records : record_id and one text column a standard field, as intake gives them
    kinds   : standard field -> kind;  aliases : earlier numbers of register persons, see :func:`read_aliases`
    secret  : key of the hashes of records, and of plain texts if these have no ``text_secret`` of their own
    """
    part = _Part(kinds, extract_date, locale, secret, secret if text_secret is None else text_secret)
    for field in contract.fields:
        kind = kinds.get(field.standard)
        if kind is not None and field.standard in records.column_names:
            part.read(field, kind, records.column(field.standard))
    tokens, counts = _merge_names(part.names, part.reader, part.arrays)
    undone = part.numbers.finish(kinds)
    arrays = part.arrays
    query_dates(part.queries, arrays.get("birth_date"), arrays.get("death_date"), extract_date.year)
    if "personal_number" in arrays and aliases is not None:
        arrays["personal_number.alias"] = _aliases(records.column("record_id"), aliases)
    order = record_order(records.column("record_id"), source, secret)
    return StandardPart(
        arrays, order, tokens, counts, part.texts, part.repairs.table(undone), part.queries.table()
    )


class _Part:
    """What the columns of one part give, read one by one."""

    def __init__(
        self,
        kinds: Mapping[str, str],
        extract_date: datetime.date,
        locale: Pack,
        secret: int,
        text_secret: int,
    ) -> None:
        self._kinds, self._extract_date, self._locale = kinds, extract_date, locale
        self._secret, self._text_secret = secret, text_secret
        self.arrays: dict[str, np.ndarray] = {}
        self.repairs, self.queries = RepairList(), QueryList()
        self.texts: dict[str, TextSet] = {}
        self.names: dict[str, _Names] = {}
        self.reader = locale.name_reader(secret)
        self.numbers = Numbers(locale, extract_date.year, self.arrays, self.repairs, self.queries)

    def read(self, field: Field, kind: str, column: pa.ChunkedArray) -> None:
        """Read one column by its kind."""
        name = field.standard
        if kind in ("identifier", "phone"):
            self._number(name, kind, column)
            return
        if kind == "name":
            self._name(name, column)
            return
        if kind == "date":
            self._date(name, field, column)
            return
        index, values = distinct(column)
        if kind in ("unit", "text") and isinstance(field.codes, Mapping):
            values = _decoded(values, field.codes)
        if kind == "sex":
            self._sex(name, field, index, values)
        elif kind == "unit":
            self._unit(name, field, index, values)
        else:
            codes, self.texts[name] = _dictionary(self._locale.text(values), self._text_secret)
            self.arrays[name] = spread(index, codes, 0)

    def _query(self, name: str, kind: str, index: np.ndarray, found: pl.DataFrame) -> None:
        query_issues(self.queries, name, index, found, OF_ISSUES[kind])

    def _number(self, name: str, kind: str, column: pa.ChunkedArray) -> None:
        known = kind == "phone" or name in ("personal_number", "old_number", *CODE_FIELDS)

        def settle(value: np.ndarray, length: np.ndarray) -> np.ndarray:
            if not known:
                return as_written(value, length)
            field = "phone" if kind == "phone" else name
            return self._locale.settled(field, (value, length), self._extract_date.year)

        held = number_column(column, settle)
        if kind == "phone" and held.is_settled:
            self.arrays[name] = held.settled
        elif kind == "phone":
            phones = self._locale.phones(held.texts, held.digits)
            self.arrays[name] = held.codes(identifier_codes(phones))
            self._query(name, "phone", held.index, issues(phones, "issue"))
            self.repairs.add(name, held.index, issues(phones, "repair"))
        elif name in ("personal_number", "old_number"):
            self.numbers.personal(name, held, self._kinds)
        elif name in CODE_FIELDS:
            self.numbers.national(name, held)
        else:
            self.arrays[name] = plain_identifiers(held, self._secret)

    def _name(self, name: str, column: pa.ChunkedArray) -> None:
        offsets, data, held, array = text_buffers(column)
        words, doubtful = self.reader.read(offsets, data, held)
        one_word = (words[:, 0] != 0) & (words[:, 1] == 0)
        index, values = distinct_of(array, np.flatnonzero(doubtful), len(array))
        parsed = self._locale.names(values)
        self.names[name] = _Names(words, index, _token_rows(parsed.offsets, parsed.tokens), parsed.token_text)
        self._query(name, "name", index, parsed.repairs)
        one_word |= np.append(np.diff(parsed.offsets) == 1, [False])[index]
        if one_word.any():
            self.queries.add(name, "name_of_one_word", one_word)
        mended = parsed.repairs.filter(~pl.col("kind").is_in(["unreadable", "newborn"]))
        if mended.height:
            rows = mended["value"].unique(maintain_order=True)
            as_written = pl.DataFrame(
                {"value": rows, "unrepaired": words_code(values.gather(rows), self._hash_of_words)}
            )
            mended = mended.join(as_written, on="value", how="left", maintain_order="left")
            self.repairs.add(name, index, mended)

    def _hash_of_words(self, words: pl.Series) -> np.ndarray:
        different = words.unique(maintain_order=True)
        # Digits are no part of a token's form, but of what stands there.
        digits = different.str.replace_all("[^0-9]", "")
        forms = self._locale.token_forms(different)["ascii"] + digits
        hashes = pl.Series(hash_text(forms.to_arrow(), self._secret))
        return words.replace_strict(different, hashes, return_dtype=pl.UInt64).to_numpy()

    def _date(self, name: str, field: Field, column: pa.ChunkedArray) -> None:
        offsets, data, held, array = text_buffers(column)
        codes = settled_dates(offsets, data, list(field.formats), self._extract_date)
        left = codes == 0
        if held is not None:
            codes[~held] = 0
            left &= held
        rows = np.flatnonzero(left)
        if not rows.size:
            self.arrays[name] = codes
            return
        index, values = distinct_of(array, rows, len(array))
        dates = parse_dates(values, list(field.formats), self._extract_date)
        self.arrays[name] = codes + spread(index, dates["code"].to_numpy().astype(np.int32), 0)
        self._query(name, "date", index, issues(dates, "issue"))
        self.repairs.add(name, index, issues(dates, "repair"))

    def _sex(self, name: str, field: Field, index: np.ndarray, values: pl.Series) -> None:
        table = {"m": "M", "f": "F"}
        if isinstance(field.codes, Mapping):
            table = {str(k).strip().casefold(): v for k, v in field.codes.items()}
        standard = {"M": 1, "F": 2}
        codes = np.array(
            [standard.get(table.get(v.strip().casefold(), ""), 0) for v in values.to_list()], np.uint8
        )
        self.arrays[name] = spread(index, codes, 0)
        self.queries.add(name, "unknown_code", np.append(codes == 0, [False])[index])

    def _unit(self, name: str, field: Field, index: np.ndarray, values: pl.Series) -> None:
        if field.codes == "address":
            units = self._locale.addresses(name, values, field.as_of)
        else:
            units = self._locale.units(name, values, field.as_of or self._extract_date)
        self.arrays[name] = spread(index, units["unit"].to_numpy().astype(np.int32), -1)
        found = issues(units.with_columns(unrepaired=pl.lit(-1)), "issue")
        self._query(name, "unit", index, found)
        self.repairs.add(name, index, found.filter(pl.col("kind").is_in(UNIT_REPAIRS)))


def _decoded(values: pl.Series, codes: Mapping[str, str]) -> pl.Series:
    """The standard codes of a source's own, blanks at the ends and case apart; what is no code stays."""
    table = {code.strip().casefold(): standard for code, standard in codes.items()}
    return pl.Series(values.name, [table.get(v.strip().casefold(), v) for v in values.to_list()], pl.String)


def _dictionary(values: pl.Series, secret: int) -> tuple[np.ndarray, TextSet]:
    """Codes from 1 of texts (0 for null or empty), uint32[n], and the distinct texts."""
    texts = Texts.of(values)
    filled = np.flatnonzero(texts.offsets[1:] > texts.offsets[:-1])
    ids, kept = distinct_texts(texts if filled.size == len(texts) else texts.take(filled), secret)
    codes = np.zeros(len(texts), np.uint32)
    codes[filled] = ids + np.uint32(1)
    return codes, kept


def _token_rows(offsets: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Token rows of distinct names, uint32[d, 8], from 1; long names keep their first seven and last."""
    counts = np.diff(offsets)
    out = np.zeros((counts.shape[0], NAME_WIDTH), np.uint32)
    for place in range(NAME_WIDTH):
        has = counts > place
        out[has, place] = tokens[offsets[:-1][has] + place] + 1
    longer = counts > NAME_WIDTH
    out[longer, NAME_WIDTH - 1] = tokens[offsets[1:][longer] - 1] + 1
    return out


@dataclass(frozen=True)
class _Names:
    """A column of names: word numbers by row; of the doubtful names their place among the distinct ones
    (-1: not doubtful), and the tokens of these, by the column's own vocabulary.
    """

    words: np.ndarray
    index: np.ndarray
    rows: np.ndarray
    vocabulary: pl.Series


def _merge_names(
    names: Mapping[str, _Names], reader: NameReader, arrays: dict[str, np.ndarray]
) -> tuple[pl.Series, np.ndarray]:
    """One vocabulary for all name columns of the part, and its counts; fills their arrays."""
    of_words, counts = reader.tokens()
    parts = [(of_words.drop_nulls(), counts[of_words.is_not_null().to_numpy()])]
    for column in names.values():
        held = np.bincount(column.index[column.index >= 0], minlength=column.rows.shape[0])
        own = np.zeros(len(column.vocabulary) + 1, np.int64)
        np.add.at(own, column.rows.ravel(), np.repeat(held, NAME_WIDTH))
        parts.append((column.vocabulary, own[1:]))
    merged = merge_vocabularies(parts)
    to_merged = np.zeros(len(of_words), np.uint32)
    to_merged[of_words.is_not_null().to_numpy()] = token_ids(of_words.drop_nulls(), merged)[1:]
    total = np.zeros(len(merged) + 1, np.int64)
    np.add.at(total, to_merged, counts)
    for (name, column), (_, own_counts) in zip(names.items(), parts[1:], strict=True):
        ids = token_ids(column.vocabulary, merged)
        np.add.at(total, ids[1:], own_counts)
        out = column.words
        renumber(out, to_merged)
        doubtful = np.flatnonzero(column.index >= 0)
        out[doubtful] = ids[column.rows[column.index[doubtful]]]
        arrays[name] = out
    return merged, total[1:]


def read_aliases(aliases: pa.Table, locale: Pack, extract_date: datetime.date) -> pl.DataFrame:
    """Earlier numbers of register persons: person_id, code, place (0 for the latest), ALIASES_KEPT at most.

    aliases : person_id, number and maybe valid_to, text
    """
    frame = (
        pl.DataFrame(pl.from_arrow(aliases))
        .select(
            pl.col("person_id").cast(pl.String),
            pl.col("number").cast(pl.String),
            until=pl.col("valid_to").cast(pl.String) if "valid_to" in aliases.column_names else pl.lit(""),
        )
        .drop_nulls("number")
        .unique(maintain_order=True)
        .sort("person_id", "until", "number", descending=[False, True, False])
    )
    codes = (
        identifier_codes(locale.numbers(frame["number"], extract_date.year))
        if len(frame)
        else np.zeros(0, np.int64)
    )
    placed = frame.select(
        "person_id", code=pl.Series(codes, dtype=pl.Int64), place=pl.int_range(pl.len()).over("person_id")
    )
    return placed.filter(pl.col("place") < ALIASES_KEPT)


def _aliases(record_ids: pa.ChunkedArray, aliases: pl.DataFrame) -> np.ndarray:
    """Earlier numbers of each register person, int64[n, ALIASES_KEPT], the latest first."""
    rows = pl.DataFrame({"person_id": pl.Series(pl.from_arrow(record_ids)).cast(pl.String)}).with_row_index(
        "row"
    )
    joined = rows.join(aliases, on="person_id", how="inner")
    out = np.zeros((len(rows), ALIASES_KEPT), np.int64)
    out[joined["row"].to_numpy(), joined["place"].to_numpy()] = joined["code"].to_numpy()
    return out
