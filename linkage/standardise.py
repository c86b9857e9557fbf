"""Standardisation: submitted records -> coded columns; each distinct value cleaned once, repairs listed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from linkage.coded import NAME_WIDTH
from linkage.contract import Contract, Field
from linkage.dates import parse_dates
from linkage.number_columns import (
    CODE_FIELDS,
    Numbers,
    distinct,
    identifier_codes,
    issues,
    number_column,
    plain_identifiers,
    query_issues,
    spread,
)
from linkage.packs import Pack
from linkage.queries import OF_ISSUES, QueryList, query_dates
from linkage.repairs import RepairList, words_code
from linkage.vocabulary import hash_text, record_order, token_ids

#: Earlier identifiers kept of a register person, the latest first.
ALIASES_KEPT = 3

#: What reading a unit can find that is a repair, the unit being known.
UNIT_REPAIRS = ("lost_zero", "other_era")


@dataclass(frozen=True)
class StandardPart:
    """Coded columns of one part, names and texts still by the part's own vocabulary.

    arrays : column -> array, see :data:`linkage.coded.DTYPES`; name tokens and texts count from 1, 0 is none
    order  : uint64[n], keyed hash of (source, record_id)
    tokens : distinct name tokens of the part;  texts : column -> its distinct texts
    repairs : see :data:`linkage.repairs.REPAIRS`;  queries : see :data:`linkage.queries.QUERY_COLUMNS`
    """

    arrays: dict[str, np.ndarray]
    order: np.ndarray
    tokens: pl.Series
    texts: dict[str, pl.Series]
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
    aliases: pa.Table | None = None,
) -> StandardPart:
    """Standardise one part of a source.

    records : record_id and one text column a standard field, as intake gives them
    kinds   : standard field -> kind;  aliases : (person_id, number), earlier numbers of register persons
    """
    part = _Part(kinds, extract_date, locale, secret)
    for field in contract.fields:
        kind = kinds.get(field.standard)
        if kind is not None and field.standard in records.column_names:
            part.read(field, kind, records.column(field.standard))
    tokens = _merge_names(part.names, part.vocabularies, part.arrays)
    undone = part.numbers.finish(kinds)
    arrays = part.arrays
    query_dates(part.queries, arrays.get("birth_date"), arrays.get("death_date"), extract_date.year)
    if "personal_number" in arrays and aliases is not None:
        arrays["personal_number.alias"] = _aliases(records.column("record_id"), aliases, locale, extract_date)
    order = record_order(records.column("record_id"), source, secret)
    return StandardPart(arrays, order, tokens, part.texts, part.repairs.table(undone), part.queries.table())


class _Part:
    """What the columns of one part give, read one by one."""

    def __init__(
        self, kinds: Mapping[str, str], extract_date: datetime.date, locale: Pack, secret: int
    ) -> None:
        self._kinds, self._extract_date, self._locale, self._secret = kinds, extract_date, locale, secret
        self.arrays: dict[str, np.ndarray] = {}
        self.repairs, self.queries = RepairList(), QueryList()
        self.texts: dict[str, pl.Series] = {}
        self.names: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.vocabularies: list[pl.Series] = []
        self.numbers = Numbers(locale, extract_date.year, self.arrays, self.repairs, self.queries)

    def read(self, field: Field, kind: str, column: pa.ChunkedArray) -> None:
        """Read one column by its kind."""
        name = field.standard
        if kind in ("identifier", "phone"):
            self._number(name, kind, column)
            return
        index, values = distinct(column)
        if kind in ("unit", "text") and isinstance(field.codes, Mapping):
            values = _decoded(values, field.codes)
        if kind == "name":
            self._name(name, index, values)
        elif kind == "date":
            self._date(name, field, index, values)
        elif kind == "sex":
            self._sex(name, field, index, values)
        elif kind == "unit":
            self._unit(name, field, index, values)
        else:
            codes, kept = _dictionary(self._locale.text(values))
            self.arrays[name] = spread(index, codes, 0)
            self.texts[name] = kept

    def _query(self, name: str, kind: str, index: np.ndarray, found: pl.DataFrame) -> None:
        query_issues(self.queries, name, index, found, OF_ISSUES[kind])

    def _number(self, name: str, kind: str, column: pa.ChunkedArray) -> None:
        held = number_column(column)
        if kind == "phone":
            phones = self._locale.phones(held.texts, held.digits)
            self.arrays[name] = spread(held.index, identifier_codes(phones), 0)
            self._query(name, "phone", held.index, issues(phones, "issue"))
            self.repairs.add(name, held.index, issues(phones, "repair"))
        elif name in ("personal_number", "old_number"):
            self.numbers.personal(name, held, self._kinds)
        elif name in CODE_FIELDS:
            self.numbers.national(name, held)
        else:
            self.arrays[name] = plain_identifiers(held, self._secret)

    def _name(self, name: str, index: np.ndarray, values: pl.Series) -> None:
        parsed = self._locale.names(values)
        self.names[name] = (index, _token_rows(parsed.offsets, parsed.tokens))
        self.vocabularies.append(parsed.token_text)
        self._query(name, "name", index, parsed.repairs)
        one_word = np.diff(parsed.offsets) == 1
        if one_word.any():
            self.queries.add(name, "name_of_one_word", np.append(one_word, [False])[index])
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

    def _date(self, name: str, field: Field, index: np.ndarray, values: pl.Series) -> None:
        dates = parse_dates(values, list(field.formats), self._extract_date)
        self.arrays[name] = spread(index, dates["code"].to_numpy().astype(np.int32), 0)
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


def _dictionary(values: pl.Series) -> tuple[np.ndarray, pl.Series]:
    """Codes from 1 of texts (0 for null or empty), and the distinct texts sorted."""
    kept = values.filter(values.is_not_null() & (values != "")).unique().sort()
    table = pl.DataFrame({"text": kept, "code": np.arange(1, len(kept) + 1, dtype=np.uint32)})
    joined = pl.DataFrame({"text": values}).join(table, on="text", how="left", maintain_order="left")
    return joined["code"].fill_null(0).to_numpy().astype(np.uint32), kept


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


def _merge_names(
    names: dict[str, tuple[np.ndarray, np.ndarray]],
    vocabularies: Sequence[pl.Series],
    arrays: dict[str, np.ndarray],
) -> pl.Series:
    """One vocabulary for all name columns of the part; fills their arrays."""
    if not names:
        return pl.Series("token", [], dtype=pl.String)
    merged = pl.concat([v.cast(pl.String).alias("token") for v in vocabularies]).unique().sort()
    for (name, (index, rows)), own in zip(names.items(), vocabularies, strict=True):
        to_merged = token_ids(own, merged)
        arrays[name] = spread(index, to_merged[rows], 0)
    return merged


def _aliases(
    record_ids: pa.ChunkedArray, aliases: pa.Table, locale: Pack, extract_date: datetime.date
) -> np.ndarray:
    """Earlier numbers of each register person, int64[n, ALIASES_KEPT], the latest first."""
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
    frame = frame.with_columns(
        code=pl.Series(codes, dtype=pl.Int64), place=pl.int_range(pl.len()).over("person_id")
    )
    rows = pl.DataFrame({"person_id": pl.Series(pl.from_arrow(record_ids)).cast(pl.String)}).with_row_index(
        "row"
    )
    joined = rows.join(frame.filter(pl.col("place") < ALIASES_KEPT), on="person_id", how="inner")
    out = np.zeros((len(rows), ALIASES_KEPT), np.int64)
    out[joined["row"].to_numpy(), joined["place"].to_numpy()] = joined["code"].to_numpy()
    return out
