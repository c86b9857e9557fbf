"""Standardisation: submitted records -> coded columns; each distinct value cleaned once, repairs listed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from kernels.keys import hash_bytes
from kernels.packed import pack
from kernels.spelling import TOKEN_CHARACTERS
from kernels.tokens import TokenForms
from linkage.coded import DTYPES, NAME_WIDTH, PackedTexts, Tokens
from linkage.contract import Contract
from linkage.dates import parse_dates
from linkage.packs import Pack

#: Earlier identifiers kept of a register person, the latest first.
ALIASES_KEPT = 3

#: Columns of the list of repairs: row (of the part), field, kind (a stable code), confidence (0..1).
REPAIRS = {"row": pl.UInt32, "field": pl.String, "kind": pl.String, "confidence": pl.Float32}


@dataclass(frozen=True)
class StandardPart:
    """Coded columns of one part, names and texts still by the part's own vocabulary.

    arrays : column -> array, see :data:`linkage.coded.DTYPES`; name tokens and texts count from 1, 0 is none
    order  : uint64[n], keyed hash of (source, record_id)
    tokens : distinct name tokens of the part;  texts : column -> its distinct texts
    repairs : see REPAIRS
    """

    arrays: dict[str, np.ndarray]
    order: np.ndarray
    tokens: pl.Series
    texts: dict[str, pl.Series]
    repairs: pl.DataFrame


def hash_text(values: pa.Array | pa.ChunkedArray, secret: int) -> np.ndarray:
    """Keyed hash of texts (no nulls): uint64[n]."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    array = array.cast(pa.large_string())
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = (
        np.frombuffer(array.buffers()[2], np.uint8)
        if array.buffers()[2] is not None
        else np.zeros(0, np.uint8)
    )
    out = np.empty(len(array), np.uint64)
    hash_bytes(offsets, data, np.uint64(secret), out)
    return out


def record_order(record_ids: pa.Array | pa.ChunkedArray, source: str, secret: int) -> np.ndarray:
    """Keyed hash of (source, record_id): the order of samples and ties, uint64[n]."""
    own = hash_text(pa.array([source]), secret)[0]
    return hash_text(record_ids, int(own))


def _distinct(column: pa.ChunkedArray) -> tuple[np.ndarray, pl.Series]:
    """Index of every row's value among the distinct ones (-1 null), and those."""
    encoded = column.combine_chunks().dictionary_encode() if column.num_chunks else None
    if encoded is None or len(encoded.dictionary) == 0:
        return np.full(len(column), -1, np.int64), pl.Series([], dtype=pl.String)
    index = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return index, pl.Series(pl.from_arrow(encoded.dictionary)).cast(pl.String)


def _spread(index: np.ndarray, values: np.ndarray, missing: int) -> np.ndarray:
    """Values of the distinct texts back on the rows."""
    padded = np.concatenate([values, np.full((1, *values.shape[1:]), missing, values.dtype)])
    return padded[index]


class _Repairs:
    def __init__(self) -> None:
        self.frames: list[pl.DataFrame] = []

    def add(self, field: str, index: np.ndarray, found: pl.DataFrame) -> None:
        """Note repairs of distinct values (columns value, kind, confidence) on every row that holds them."""
        if found.is_empty():
            return
        touched = np.isin(index, found["value"].to_numpy())
        rows = pl.DataFrame(
            {"row": np.flatnonzero(touched).astype(np.uint32), "value": index[touched].astype(np.int64)}
        )
        joined = rows.join(
            found.with_columns(pl.col("value").cast(pl.Int64)),
            on="value",
            how="inner",
            maintain_order="left_right",
        )
        self.frames.append(
            joined.select(
                "row",
                field=pl.lit(field),
                kind=pl.col("kind").cast(pl.String),
                confidence=pl.col("confidence").cast(pl.Float32),
            )
        )

    def table(self) -> pl.DataFrame:
        if not self.frames:
            return pl.DataFrame(schema=REPAIRS)
        return pl.concat(self.frames).sort("row", "field", "kind")


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
    arrays: dict[str, np.ndarray] = {}
    repairs = _Repairs()
    texts: dict[str, pl.Series] = {}
    names: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    vocabulary: list[pl.Series] = []
    for field in contract.fields:
        name = field.standard
        kind = kinds.get(name)
        if kind is None or name not in records.column_names:
            continue
        index, distinct = _distinct(records.column(name))
        if kind in ("unit", "text") and isinstance(field.codes, Mapping):
            distinct = _decoded(distinct, field.codes)
        if kind == "name":
            parsed = locale.names(distinct)
            repairs.add(name, index, parsed.repairs)
            rows = _token_rows(parsed.offsets, parsed.tokens)
            names[name] = (index, rows)
            vocabulary.append(parsed.token_text)
        elif kind == "date":
            dates = parse_dates(distinct, list(field.formats), extract_date)
            arrays[name] = _spread(index, dates["code"].to_numpy().astype(np.int32), 0)
            repairs.add(name, index, _issues(dates, "issue"))
            repairs.add(name, index, _issues(dates, "repair"))
        elif kind == "sex":
            arrays[name] = _sexes(name, index, distinct, field.codes, repairs)
        elif kind == "unit":
            units = locale.units(name, distinct, field.as_of or extract_date)
            arrays[name] = _spread(index, units["unit"].to_numpy().astype(np.int32), -1)
            repairs.add(name, index, _issues(units, "issue"))
        elif kind == "phone":
            phones = locale.phones(distinct)
            arrays[name] = _spread(index, _identifier_codes(phones), 0)
            repairs.add(name, index, _issues(phones, "issue"))
            repairs.add(name, index, _issues(phones, "repair"))
        elif kind == "identifier" and name in ("personal_number", "old_number"):
            _numbers(name, index, distinct, locale, extract_date, arrays, repairs)
        elif kind == "identifier":
            arrays[name] = _spread(index, _plain_identifiers(distinct, secret), 0)
        else:
            folded = locale.text(distinct)
            codes, kept = _dictionary(folded)
            arrays[name] = _spread(index, codes, 0)
            texts[name] = kept
    tokens = _merge_names(names, vocabulary, arrays)
    if "personal_number" in arrays and aliases is not None:
        arrays["personal_number.alias"] = _aliases(records.column("record_id"), aliases, locale, extract_date)
    order = record_order(records.column("record_id"), source, secret)
    return StandardPart(arrays, order, tokens, texts, repairs.table())


def _issues(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    if column not in frame.columns:
        return pl.DataFrame(schema={"value": pl.Int64, "kind": pl.String, "confidence": pl.Float32})
    confidence = pl.col("confidence") if "confidence" in frame.columns else pl.lit(1.0)
    return (
        frame.with_row_index("value")
        .filter(pl.col(column).is_not_null())
        .select(
            pl.col("value").cast(pl.Int64),
            kind=pl.col(column).cast(pl.String),
            confidence=confidence.cast(pl.Float32),
        )
    )


def _identifier_codes(frame: pl.DataFrame) -> np.ndarray:
    digits = frame["digits"].fill_null(0).to_numpy().astype(np.int64)
    length = frame["length"].fill_null(0).to_numpy().astype(np.int64)
    known = frame["digits"].is_not_null().to_numpy() & (length > 0)
    return np.where(known, (length << 56) | digits, 0)


def _numbers(
    name: str,
    index: np.ndarray,
    distinct: pl.Series,
    locale: Pack,
    extract_date: datetime.date,
    arrays: dict[str, np.ndarray],
    repairs: _Repairs,
) -> None:
    """Type identity numbers by structure: nine digits are an old number wherever they stand."""
    found = locale.numbers(distinct, extract_date.year)
    codes = _identifier_codes(found)
    kind = found["kind"].cast(pl.String)
    old = kind.is_in(["old", "old_padded"]).to_numpy()
    repairs.add(name, index, _issues(found, "repair"))
    unusable = found.with_columns(
        issue=pl.when(kind.is_in(["malformed", "placeholder"])).then(kind), confidence=pl.lit(1.0)
    )
    repairs.add(name, index, _issues(unusable, "issue"))
    olds = _spread(index, np.where(old, codes, 0), 0)
    if name == "old_number":
        before = arrays.get("old_number")
        own = _spread(index, codes, 0)
        arrays["old_number"] = np.where(own != 0, own, before) if before is not None else own
        return
    arrays["personal_number"] = _spread(index, np.where(old, 0, codes), 0)
    if old.any() or "old_number" not in arrays:
        before = arrays.get("old_number")
        arrays["old_number"] = olds if before is None else np.where(before != 0, before, olds)
        moved = found.with_columns(
            issue=pl.when(pl.Series(old)).then(pl.lit("old_number_in_its_place")), confidence=pl.lit(1.0)
        )
        repairs.add(name, index, _issues(moved, "issue"))


def _plain_identifiers(distinct: pl.Series, secret: int) -> np.ndarray:
    """Codes of identifiers of no national kind: digits as they are, else a 55-bit hash of length 16."""
    clean = distinct.str.to_uppercase().str.replace_all(r"[\s.\-/]", "")
    digits = clean.str.contains(r"^[0-9]{1,16}$").fill_null(False).to_numpy()
    value = clean.str.extract(r"^([0-9]{1,16})$").cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    length = clean.str.len_bytes().cast(pl.Int64).to_numpy()
    hashed = hash_text(clean.to_arrow(), secret) if len(clean) else np.zeros(0, np.uint64)
    other = (np.int64(17) << 56) | (hashed & np.uint64((1 << 55) - 1)).astype(np.int64)
    codes = np.where(digits, (length << 56) | value, other)
    return np.where(length > 0, codes, 0)


def _sexes(
    name: str,
    index: np.ndarray,
    distinct: pl.Series,
    codes: Mapping[str, str] | str | None,
    repairs: _Repairs,
) -> np.ndarray:
    table = (
        {str(k).strip().casefold(): v for k, v in codes.items()}
        if isinstance(codes, Mapping)
        else {"m": "M", "f": "F"}
    )
    standard = {"M": 1, "F": 2}
    values = np.array(
        [standard.get(table.get(v.strip().casefold(), ""), 0) for v in distinct.to_list()], np.uint8
    )
    unknown = np.flatnonzero(values == 0)
    repairs.add(
        name,
        index,
        pl.DataFrame(
            {
                "value": unknown.astype(np.int64),
                "kind": ["unknown_code"] * unknown.size,
                "confidence": [1.0] * unknown.size,
            },
            schema={"value": pl.Int64, "kind": pl.String, "confidence": pl.Float32},
        ),
    )
    return _spread(index, values, 0)


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
        arrays[name] = _spread(index, to_merged[rows], 0)
    return merged


def token_ids(own: pl.Series, merged: pl.Series) -> np.ndarray:
    """Ids, from 1, of ``own`` tokens in a sorted vocabulary ``merged``, with 0 put first: uint32[k + 1]."""
    table = pl.DataFrame({"token": merged, "id": np.arange(1, len(merged) + 1, dtype=np.uint32)})
    joined = pl.DataFrame({"token": own.cast(pl.String)}).join(
        table, on="token", how="left", maintain_order="left"
    )
    return np.concatenate([np.zeros(1, np.uint32), joined["id"].to_numpy().astype(np.uint32)])


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
        _identifier_codes(locale.numbers(frame["number"], extract_date.year))
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


def merge_vocabularies(parts: Sequence[pl.Series]) -> pl.Series:
    """Sorted distinct tokens or texts of all parts; the same for any cut into parts."""
    if not parts:
        return pl.Series("token", [], dtype=pl.String)
    return pl.concat([p.cast(pl.String).alias("token") for p in parts]).unique().sort()


def tokens_of(vocabulary: pl.Series, locale: Pack, secret: int) -> Tokens:
    """Forms and hashes of a vocabulary's tokens; id 0 has none."""
    forms = locale.token_forms(vocabulary)
    ascii_text = forms["ascii"].fill_null("")
    encoded = ascii_text.to_arrow().cast(pa.large_string())
    offsets = (
        np.frombuffer(encoded.buffers()[1], np.int64)[: len(encoded) + 1]
        if len(encoded)
        else np.zeros(1, np.int64)
    )
    chars = np.frombuffer(encoded.buffers()[2] or b"", np.uint8) if len(encoded) else np.zeros(0, np.uint8)
    initial = np.array([ord(t[0]) if t else 0 for t in ascii_text.to_list()], np.uint32)

    def ids(column: str) -> np.ndarray:
        encoded_form = forms[column].fill_null("").to_arrow().dictionary_encode()
        codes = encoded_form.indices.to_numpy(zero_copy_only=False).astype(np.uint32) + 1
        return np.concatenate([np.zeros(1, np.uint32), codes])

    def hashes(values: pl.Series) -> np.ndarray:
        own = hash_text(values.fill_null("").to_arrow(), secret) if len(values) else np.zeros(0, np.uint64)
        return np.concatenate([np.zeros(1, np.uint64), np.maximum(own, np.uint64(1))])

    def flags(column: str) -> np.ndarray:
        return np.concatenate(
            [np.zeros(1, np.uint8), forms[column].cast(pl.UInt8).to_numpy().astype(np.uint8)]
        )

    return Tokens(
        forms=TokenForms(
            ids("ascii"),
            ids("plain"),
            ids("phonetic"),
            np.concatenate([np.zeros(1, np.uint32), initial]),
            flags("marked"),
            flags("single"),
            np.concatenate([np.zeros(1, np.int64), offsets]),
            np.concatenate([chars, np.zeros(64, np.uint8)]),
        ),
        letters=np.array([0, *(_letters(t) for t in ascii_text.to_list())], np.uint32),
        exact_hash=hashes(vocabulary),
        ascii_hash=hashes(ascii_text),
        phonetic_hash=hashes(forms["phonetic"]),
    )


def _letters(text: str) -> int:
    mask = 0
    for letter in text[:TOKEN_CHARACTERS]:
        mask |= 1 << (ord(letter) - 97 if "a" <= letter <= "z" else 26)
    return mask


def texts_of(values: pl.Series, secret: int) -> PackedTexts:
    """Packed code points and hashes of distinct texts; code 0 is none."""
    own = hash_text(values.to_arrow(), secret) if len(values) else np.zeros(0, np.uint64)
    return PackedTexts(pack(["", *values.to_list()]), np.concatenate([np.zeros(1, np.uint64), own]))


def empty_column(kind: str, n: int) -> np.ndarray:
    """A column of nothing: what a source without that field has."""
    shape = (n, NAME_WIDTH) if kind == "name" else (n,)
    return np.full(shape, -1 if kind == "unit" else 0, DTYPES[kind])
