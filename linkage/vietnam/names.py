"""Personal names to canonical tokens, with a list of what was repaired.

The work is done once a distinct word, not once a name: names are cut at spaces, the distinct words are
canonicalised in Python, and arrays carry the result back. Only names that show something a single word
cannot tell (a title, a highland prefix, a reversed order) are looked at one by one.

Nothing is guessed: lost diacritics stay lost, abbreviations stay short, i and y are not merged. The raw text
is the caller's to keep.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from linkage.vietnam.name_text import PLAIN, Repair, clean_text
from linkage.vietnam.name_tokens import Word, canonical_word
from linkage.vietnam.name_words import (
    ALIAS_WORD,
    CLANS,
    COMMON_SURNAMES,
    NEWBORN_STARTS,
    PURE_MIDDLES,
    STRONG_SURNAMES,
    STRONG_SURNAMES_ASCII,
    SURNAMES,
    TITLES,
)
from linkage.vietnam.syllables import ascii_letters, ascii_syllables

Ids = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

KINDS = (
    "title",
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
    "newborn",
    "unreadable",
)
"""Every kind of repair of a name."""

_PREFIXES = ("h", "k", "r")
_PREFIXED = re.compile(r"^[hkr]'.")
_H_CONSONANT = re.compile(r"^h[bcdđghklmnpqrstvx]\w*[aeiouyăâêôơưŏĕ]")

_NEVER_GIVEN = "thị"
_SOMETIMES_GIVEN = "lê"
_EVERY_STRONG = STRONG_SURNAMES | STRONG_SURNAMES_ASCII
_FIRST_ONLY = COMMON_SURNAMES - PURE_MIDDLES
"""With one of these at the front, a surname at the end is taken for a given name."""
_MEN_AND_WOMEN = ("a", "y")
"""First words of Xơ Đăng, Ba Na and Ê Đê names."""

_CLAN, _JOIN, _TYPED, _ALIAS, _PREFIX = 1, 2, 4, 8, 16


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


def _is_clan_or_prefixed(token: str) -> bool:
    return token in CLANS or _PREFIXED.match(token) is not None


def _h_name(token: str) -> bool:
    """`hlan`: the prefix H' written together with a name that starts with a consonant."""
    return (
        _H_CONSONANT.match(token) is not None
        and token not in CLANS
        and ascii_letters(token) not in ascii_syllables()
        and len(token) >= 4
    )


def _flags(word: Word) -> int:
    flags = 0
    for text in word.as_typed:
        if text in CLANS:
            flags |= _CLAN
        if text.rstrip("'") in _PREFIXES or _h_name(text):
            flags |= _JOIN
        if text == ALIAS_WORD:
            flags |= _ALIAS
        if text in _MEN_AND_WOMEN or _PREFIXED.match(text) is not None:
            flags |= _PREFIX
    if word.tokens != word.as_typed:
        flags |= _TYPED
    return flags


def _join_prefixes(tokens: list[str]) -> tuple[list[str], bool]:
    """H', K' and R' joined to the name they belong to, and whether anything was joined."""
    clan = any(token in CLANS for token in tokens)
    joined: list[str] = []
    changed = False
    i = 0
    while i < len(tokens):
        token = tokens[i]
        following = tokens[i + 1] if i + 1 < len(tokens) else ""
        letter = token.rstrip("'")
        if letter in _PREFIXES:
            certain = token.endswith("'") or clan or (i == 0 and len(tokens) == 2 and letter != "r")
            joinable = len(following) > 1 and "'" not in following and following not in _EVERY_STRONG
            if certain and joinable and not (following in CLANS and not token.endswith("'")):
                joined.append(f"{letter}'{following}")
                changed = True
                i += 2
                continue
            joined.append(letter)
        elif _h_name(token) and (i == 0 or clan):
            joined.append("h'" + token[1:])
            changed = True
        else:
            joined.append(token)
        i += 1
    return joined, changed


def _is_highland(tokens: Sequence[str]) -> bool:
    """Whether a name is written as the Ê Đê, Gia Rai, Mnông, Cơ Ho, Ba Na or Xơ Đăng write theirs."""
    return any(map(_is_clan_or_prefixed, tokens)) or (len(tokens) >= 2 and tokens[0] in _MEN_AND_WOMEN)


def _without_titles(tokens: list[str]) -> list[str]:
    while (
        len(tokens) >= 3
        and tokens[0] in TITLES
        and tokens[1] in (_EVERY_STRONG if tokens[0] in ("ông", "ong") else _FIRST_ONLY)
        and tokens[-1] not in PURE_MIDDLES
    ):
        tokens = tokens[1:]
    return tokens


def _in_order(tokens: list[str]) -> tuple[list[str], float]:
    """Surname first, and the confidence that the given order was another one (0 where it is kept)."""
    if len(tokens) < 2 or ALIAS_WORD in tokens or ascii_letters(tokens[0]) not in ascii_syllables():
        return tokens, 0.0
    strong = _EVERY_STRONG if all(token.isascii() for token in tokens) else STRONG_SURNAMES
    first, last = tokens[0], tokens[-1]
    if last in strong and first not in _FIRST_ONLY:
        if len(tokens) > 2 and tokens[-2] in PURE_MIDDLES:
            return tokens[::-1], 0.9
        if first in PURE_MIDDLES:
            return [last, *tokens[:-1]], 0.9
        if first not in SURNAMES and last != _SOMETIMES_GIVEN:
            return [last, *tokens[:-1]], 0.75
    if len(tokens) >= 3 and tokens[1] in strong:
        if last == _NEVER_GIVEN and first != last:
            return [*tokens[1:], first], 0.95
        if first not in SURNAMES | PURE_MIDDLES:
            return [*tokens[1:], first], 0.85
    return tokens, 0.0


def _ahead(words: Sequence[Word], position: int) -> int:
    return sum(len(word.tokens) for word in words[:position])


def _arranged(words: Sequence[Word]) -> tuple[list[str], list[Repair]]:
    """The tokens of one name of several words, looked at as a whole."""
    repairs: list[Repair] = []
    alias = next(
        (i for i, word in enumerate(words) if word.tokens == (ALIAS_WORD,) and _ahead(words, i) >= 2), None
    )
    if alias is not None and any(word.tokens for word in words[alias + 1 :]):
        words = words[:alias]
        repairs.append(("alias", 0.9))
    typed = [token for word in words for token in word.as_typed]
    joined, changed = _join_prefixes(typed)
    if _is_highland(joined):
        repairs += [repair for word in words for repair in word.repairs_as_typed]
        if changed:
            repairs.append(("prefix", 0.95))
        return joined, repairs
    tokens = [token.rstrip("'") for word in words for token in word.tokens]
    repairs += [repair for word in words for repair in word.repairs]
    if len(tokens) >= 3 and ((tokens[0], tokens[1]) in NEWBORN_STARTS or tokens[0] == "cb"):
        return [], [("newborn", 1.0)]
    named = _without_titles(tokens)
    if len(named) < len(tokens):
        repairs.append(("title", 0.95))
    ordered, confidence = _in_order(named)
    if confidence:
        repairs.append(("order", confidence))
    return ordered, repairs


def _positions_to_look_at(offsets: Offsets, ids: Ids, words: Sequence[Word]) -> npt.NDArray[np.int64]:
    """Names that need to be looked at as a whole."""
    filled = np.flatnonzero(np.diff(offsets) > 0)
    if len(filled) == 0:
        return filled
    counts = np.diff(offsets)[filled]
    starts = offsets[filled]
    flags = np.array([_flags(word) for word in words], dtype=np.uint8)
    firsts = [word.tokens[0] if word.tokens else "" for word in words]
    lasts = [word.tokens[-1] if word.tokens else "" for word in words]

    def known(tokens: Sequence[str], listed: frozenset[str]) -> npt.NDArray[np.bool_]:
        return np.array([token in listed for token in tokens], dtype=np.bool_)

    any_flag = np.bitwise_or.reduceat(flags[ids], starts)
    first, second, last = ids[starts], ids[starts + np.minimum(1, counts - 1)], ids[offsets[filled + 1] - 1]
    newborn = known(firsts, frozenset({"cb"} | {start for start, _ in NEWBORN_STARTS}))
    addressed = (known(firsts, TITLES) | newborn)[first] & (counts >= 3)
    strong_last, strong_second = known(lasts, _EVERY_STRONG)[last], known(firsts, _EVERY_STRONG)[second]
    reversed_ = strong_last & ~known(firsts, _FIRST_ONLY)[first] & (counts >= 2)
    never_given = known(lasts, frozenset({_NEVER_GIVEN}))[last]
    rotated = strong_second & (never_given | ~known(firsts, SURNAMES)[first]) & (counts >= 3)
    irregular = np.array([len(word.tokens) != 1 for word in words], dtype=np.bool_)
    highland = (any_flag & (_CLAN | _PREFIX)) != 0
    look = ((any_flag & (_JOIN | _ALIAS)) != 0) | (highland & ((any_flag & _TYPED) != 0))
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


def _repair_table(parts: list[tuple[npt.NDArray[np.int64], list[Repair]]]) -> pl.DataFrame:
    """One row a value and kind, the least confidence kept; ``parts`` holds repairs with their values."""
    frames = [
        pl.DataFrame(
            {
                "value": pl.Series(values, dtype=pl.UInt32),
                "kind": pl.Series([kind for kind, _ in repairs], dtype=pl.String),
                "confidence": pl.Series([confidence for _, confidence in repairs], dtype=pl.Float32),
            }
        )
        for values, repairs in parts
    ]
    return pl.concat(frames).group_by("value", "kind").agg(pl.col("confidence").min()).sort("value", "kind")


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

    Steps: look-alike letters, spaces, apostrophes and case unified, NFC; titles and second names in brackets
    dropped; residue of the Telex and VNI keyboards recomposed where exactly one syllable comes out and the
    text was none (not in names of highland peoples, whose spelling uses such letters); the tone mark put
    where the older school puts it; abbreviations kept without their dots; H', K' and R' joined to the name
    that follows; an order with the surname last, or second behind the given name, turned to surname first
    where the surname is almost never a given name. A newborn entered under the mother's name and texts
    without letters have no tokens.

    Parsing the canonical text again gives the same tokens and no repairs. A million distinct names take
    about two seconds on one core.
    """
    plain = values.str.contains(PLAIN)
    odd = (~plain).arg_true()
    texts = values
    odd_rows: list[int] = []
    odd_repairs: list[Repair] = []
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
        tokens, repairs = _arranged([words[i] for i in ids[offsets[row] : offsets[row + 1]].tolist()])
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

    used = np.unique(tokens_found)
    arrival = list(vocabulary.ids)
    texts_used = sorted(arrival[i] for i in used.tolist())
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
