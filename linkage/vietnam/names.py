"""Personal names to canonical tokens, with a list of what was repaired.

The work is done once a distinct word, not once a name: names are cut at spaces, the distinct words are
canonicalised in Python, and arrays carry the result back. Only names that show something a single word
cannot tell (a title, a highland prefix, a reversed order) are looked at one by one.

Nothing is guessed: lost diacritics stay lost, abbreviations stay short, i and y are not merged. The raw text
is the caller's to keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from linkage.vietnam.legacy import CONFIDENCE as LEGACY_CONFIDENCE
from linkage.vietnam.legacy import KINDS as LEGACY_KINDS
from linkage.vietnam.legacy import decode_legacy
from linkage.vietnam.name_text import PLAIN, Repair, clean_text
from linkage.vietnam.name_tokens import Word, canonical_word
from linkage.vietnam.name_whole import (
    ALIAS,
    CLAN,
    EVERY_STRONG,
    FIRST_ONLY,
    JOIN,
    NEVER_GIVEN,
    PREFIX,
    RELIGIOUS_FIRSTS,
    TYPED,
    arranged,
    flags_of,
)
from linkage.vietnam.name_words import NEWBORN_STARTS, SAINTS, SURNAMES, TITLES
from linkage.vietnam.syllables import canonical_syllables

Ids = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

KINDS = (
    "title",
    "religious",
    "alias",
    "telex",
    "vni",
    "abbreviation",
    "order",
    "tone_placement",
    "look_alike",
    "prefix",
    "spacing",
    "digits",
    "lost_letter",
    *LEGACY_KINDS,
    "newborn",
    "unreadable",
)
"""Every kind of repair of a name."""

LONGEST_NAME = 256
"""Characters of a name at most. What is longer is no name, and looking at each of its words took minutes."""

_VIQR_TRACE = r"(?i)[aeo]\^|a\(|[ou]\+|[aeiouy][`'~?.]"
_LATIN_1 = "^[\x00-\u00ff]*[\u0080-\u00ff][\x00-\u00ff]*$"
_UTF8_LETTERS = "\u00e1\u00ba"
_UTF8_TRACE = "[\u00c3-\u00c6][^A-Za-z ]|\u00e1[\u00ba\u00bb]"


@dataclass(frozen=True, eq=False)
class ParsedNames:
    """The names of a column, as token ids."""

    offsets: Offsets
    """int64[n + 1]: the tokens of name i are ``tokens[offsets[i]:offsets[i + 1]]``, surname first."""
    tokens: Ids
    """int32[k]: positions in ``token_text``."""
    token_text: pl.Series
    """Distinct canonical tokens, sorted by code points; lower case, NFC."""
    repairs: pl.DataFrame
    """``value`` (u32, position in the values given), ``kind`` (one of KINDS), ``confidence`` (f32, 0..1),
    sorted by value and kind; at most one row a value and kind."""

    def texts(self) -> pl.Series:
        """The canonical text of every name: its tokens with single spaces between; empty where unreadable."""
        words = self.token_text.gather(pl.Series(self.tokens, dtype=pl.UInt32)).to_arrow()
        lists = pl.Series("name", pa.LargeListArray.from_arrays(self.offsets, words))
        return lists.list.join(" ")


class _Vocabulary:
    """Canonical tokens by id in order of arrival; ids are made independent of that order at the end."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def id(self, token: str) -> int:
        return self.ids.setdefault(token, len(self.ids))


def _cut(texts: pl.Series) -> tuple[Offsets, Ids, list[str]]:
    """Offsets, ids and distinct words of texts with single spaces between the words."""
    words = texts.replace("", None).str.split(" ")
    counts = words.list.len().fill_null(0).to_numpy().astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    encoded = words.drop_nulls().explode(empty_as_null=False).to_arrow().dictionary_encode()
    return (
        offsets,
        encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32),
        encoded.dictionary.to_pylist(),
    )


def _spread(offsets: Offsets, ids: Ids, pieces: Sequence[Sequence[int]]) -> tuple[Offsets, Ids]:
    """Replace each id by its piece, a list of no, one or several other ids."""
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    flat = np.array([token for piece in pieces for token in piece], dtype=np.int32)
    if len(ids) == 0:
        return offsets, ids
    if (lengths == 1).all():
        return offsets, flat[ids]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    counts = lengths[ids]
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    within = np.arange(ends[-1], dtype=np.int64) - np.repeat(ends[:-1], counts)
    return ends[offsets], flat[np.repeat(starts[ids], counts) + within]


def _positions_to_look_at(offsets: Offsets, ids: Ids, words: Sequence[Word]) -> npt.NDArray[np.int64]:
    """Names that need to be looked at as a whole."""
    filled = np.flatnonzero(np.diff(offsets) > 0)
    if len(filled) == 0:
        return filled
    counts = np.diff(offsets)[filled]
    starts = offsets[filled]
    flags = np.array([flags_of(word) for word in words], dtype=np.uint8)
    firsts = [word.tokens[0] if word.tokens else "" for word in words]
    lasts = [word.tokens[-1] if word.tokens else "" for word in words]

    def known(tokens: Sequence[str], listed: frozenset[str]) -> npt.NDArray[np.bool_]:
        return np.array([token in listed for token in tokens], dtype=np.bool_)

    any_flag = np.bitwise_or.reduceat(flags[ids], starts)
    first, second, last = ids[starts], ids[starts + np.minimum(1, counts - 1)], ids[offsets[filled + 1] - 1]
    newborn = known(firsts, frozenset({"cb"} | {start for start, _ in NEWBORN_STARTS}))
    religious = known(firsts, SAINTS | RELIGIOUS_FIRSTS)
    addressed = (known(firsts, TITLES) | newborn | religious)[first] & (counts >= 3)
    strong_last, strong_second = known(lasts, EVERY_STRONG)[last], known(firsts, EVERY_STRONG)[second]
    reversed_ = strong_last & ~known(firsts, FIRST_ONLY)[first] & (counts >= 2)
    never_given = known(lasts, frozenset({NEVER_GIVEN}))[last]
    rotated = strong_second & (never_given | ~known(firsts, SURNAMES)[first]) & (counts >= 3)
    irregular = np.array([len(word.tokens) != 1 for word in words], dtype=np.bool_)
    highland = (any_flag & (CLAN | PREFIX)) != 0
    look = ((any_flag & (JOIN | ALIAS)) != 0) | (highland & ((any_flag & TYPED) != 0))
    look |= addressed | reversed_ | rotated | np.logical_or.reduceat(irregular[ids], starts)
    positions: npt.NDArray[np.int64] = filled[look]
    return positions


def _replaced(
    offsets: Offsets, ids: Ids, rows: npt.NDArray[np.int64], new: Sequence[Sequence[int]]
) -> tuple[Offsets, Ids]:
    """The ragged array with some rows replaced."""
    counts = np.diff(offsets)
    old_counts = counts.copy()
    counts[rows] = [len(tokens) for tokens in new]
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    replaced = np.zeros(len(counts), dtype=np.bool_)
    replaced[rows] = True
    result = np.empty(ends[-1], dtype=np.int32)
    result[np.repeat(~replaced, counts)] = ids[np.repeat(~replaced, old_counts)]
    result[np.repeat(replaced, counts)] = [token for tokens in new for token in tokens]
    return ends, result


def _decoded(values: pl.Series, odd: pl.Series) -> tuple[list[int], list[str], list[Repair]]:
    """Positions, texts and repairs of the values that another encoding explains.

    odd : positions of the values that are not plain words; only they can hold the signs of VIQR
    """
    texts = values.gather(odd)
    signs = odd.filter(texts.str.contains(_VIQR_TRACE) | texts.str.contains(_UTF8_TRACE))
    rows = {*signs.to_list(), *values.str.contains(_UTF8_LETTERS).arg_true().to_list()}
    latin = values.str.contains(_LATIN_1).arg_true()
    if len(latin):
        words = pl.DataFrame({"row": latin, "word": values.gather(latin).str.to_lowercase().str.split(" ")})
        words = words.explode("word", empty_as_null=False)
        syllables = canonical_syllables()
        unknown = [word for word in words["word"].unique().to_list() if word not in syllables]
        rows.update(words.filter(pl.col("word").is_in(unknown))["row"].to_list())
    at: list[int] = []
    decoded: list[str] = []
    repairs: list[Repair] = []
    for row, text in zip(sorted(rows), values.gather(sorted(rows)).to_list(), strict=True):
        found = decode_legacy(text)
        if found is not None:
            at.append(row)
            decoded.append(found[0])
            repairs.append((found[1], LEGACY_CONFIDENCE))
    return at, decoded, repairs


def _repair_table(parts: list[tuple[npt.NDArray[np.int64], list[Repair]]]) -> pl.DataFrame:
    """One row a value and kind, the least confidence kept; ``parts`` holds repairs with their values."""
    whole = pl.DataFrame(
        {
            "value": np.concatenate([values for values, _ in parts]).astype(np.uint32),
            "kind": pl.Series([kind for _, repairs in parts for kind, _ in repairs], dtype=pl.String),
            "confidence": np.array([sure for _, repairs in parts for _, sure in repairs], np.float32),
        }
    )
    return whole.group_by("value", "kind").agg(pl.col("confidence").min()).sort("value", "kind")


def _word_repairs(
    offsets: Offsets, ids: Ids, words: Sequence[Word], skipped: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], list[Repair]]:
    """Repairs that belong to single words, for all names but the ``skipped`` ones."""
    repaired = np.array([len(word.repairs) > 0 for word in words], dtype=np.bool_)
    if not repaired.any():
        return np.empty(0, np.int64), []
    at = np.flatnonzero(repaired[ids])
    names = np.searchsorted(offsets, at, side="right") - 1
    left = np.zeros(len(offsets) - 1, dtype=np.bool_)
    left[skipped] = True
    at, names = at[~left[names]], names[~left[names]]
    counts = np.array([len(word.repairs) for word in words], dtype=np.int64)[ids[at]]
    repairs = [repair for word in ids[at].tolist() for repair in words[word].repairs]
    return np.repeat(names, counts), repairs


def parse_names(values: pl.Series) -> ParsedNames:
    """Parse distinct names (text, no nulls), by the rules of the module.

    Steps: text of another encoding decoded (see :mod:`linkage.vietnam.legacy`); look-alike letters, spaces,
    apostrophes and case unified, NFC; titles, saints' names before a surname and second names in brackets
    dropped; residue of the Telex and VNI keyboards recomposed where exactly one syllable comes out and the
    text was none (not in names of highland peoples, whose spelling uses such letters); the tone mark put
    where the older school puts it; abbreviations kept without their dots; H', K' and R' joined to the name
    that follows; an order with the surname last, or second behind the given name, turned to surname first
    where the surname is almost never a given name. A newborn entered under the mother's name and texts
    without letters, or of more than :data:`LONGEST_NAME` characters, have no tokens.

    Parsing the canonical text again gives the same tokens and no repairs. A million distinct names take
    about two seconds on one core.
    """
    long = values.str.len_chars() > LONGEST_NAME
    values = values.set(long, "") if long.any() else values.clone()
    plain = values.str.contains(PLAIN)
    odd_rows, decoded, odd_repairs = _decoded(values, (~plain).arg_true())
    if odd_rows:
        values = values.scatter(odd_rows, decoded)
        plain = plain.scatter(odd_rows, pl.Series(decoded).str.contains(PLAIN))
    odd = (~plain).arg_true()
    texts = values
    if len(odd):
        cleaned = []
        for row, raw in zip(odd.to_list(), values.gather(odd).to_list(), strict=True):
            text, repairs = clean_text(raw)
            cleaned.append(text)
            odd_rows += [row] * len(repairs)
            odd_repairs += repairs
        texts = values.scatter(odd, cleaned)
    offsets, ids, raw_words = _cut(texts)
    words = [canonical_word(word) for word in raw_words]
    vocabulary = _Vocabulary()
    pieces = [[vocabulary.id(token) for token in word.tokens] for word in words]

    rows = _positions_to_look_at(offsets, ids, words)
    new_rows: list[list[int]] = []
    row_numbers: list[int] = []
    row_repairs: list[Repair] = []
    for row in rows.tolist():
        tokens, repairs = arranged([words[i] for i in ids[offsets[row] : offsets[row + 1]].tolist()])
        new_rows.append([vocabulary.id(token) for token in tokens])
        row_numbers += [row] * len(repairs)
        row_repairs += repairs
    word_rows, word_repairs = _word_repairs(offsets, ids, words, rows)

    offsets, tokens_found = _spread(offsets, ids, pieces)
    if len(rows):
        offsets, tokens_found = _replaced(offsets, tokens_found, rows, new_rows)
    unreadable = np.flatnonzero(np.diff(offsets) == 0)
    newborn = {row for row, (kind, _) in zip(row_numbers, row_repairs, strict=True) if kind == "newborn"}
    unreadable = np.array([row for row in unreadable.tolist() if row not in newborn], dtype=np.int64)

    arrival = list(vocabulary.ids)
    used = np.zeros(len(arrival), dtype=np.bool_)
    used[tokens_found] = True
    texts_used = sorted(arrival[i] for i in np.flatnonzero(used).tolist())
    rank = np.zeros(max(len(arrival), 1), dtype=np.int32)
    rank[[vocabulary.ids[token] for token in texts_used]] = np.arange(len(texts_used), dtype=np.int32)
    return ParsedNames(
        offsets=offsets,
        tokens=rank[tokens_found],
        token_text=pl.Series("token", texts_used, dtype=pl.String),
        repairs=_repair_table(
            [
                (np.array(odd_rows, dtype=np.int64), odd_repairs),
                (word_rows, word_repairs),
                (np.array(row_numbers, dtype=np.int64), row_repairs),
                (unreadable, [("unreadable", 1.0)] * len(unreadable)),
            ]
        ),
    )
