"""A name of several words looked at as a whole: titles, saints, highland prefixes, newborns, order."""

from __future__ import annotations

import re
from collections.abc import Sequence

from linkage.vietnam.name_text import Repair
from linkage.vietnam.name_tokens import Word
from linkage.vietnam.name_words import (
    ALIAS_WORD,
    CLANS,
    COMMON_SURNAMES,
    NEWBORN_STARTS,
    PURE_MIDDLES,
    RELIGIOUS_TITLES,
    SAINT_FIRSTS,
    SAINTS,
    STRONG_SURNAMES,
    STRONG_SURNAMES_ASCII,
    SURNAMES,
    TITLES,
)
from linkage.vietnam.syllables import ascii_letters, ascii_syllables

_PREFIXES = ("h", "k", "r")
_PREFIXED = re.compile(r"^[hkr]'.")
_H_CONSONANT = re.compile(r"^h[bcdđghklmnpqrstvx]\w*[aeiouyăâêôơưŏĕ]")

NEVER_GIVEN = "thị"
_SOMETIMES_GIVEN = "lê"
EVERY_STRONG = STRONG_SURNAMES | STRONG_SURNAMES_ASCII
FIRST_ONLY = COMMON_SURNAMES - PURE_MIDDLES
"""With one of these at the front, a surname at the end is taken for a given name."""
RELIGIOUS_FIRSTS = frozenset(first for first, _ in RELIGIOUS_TITLES) | SAINT_FIRSTS
_AFTER_CLERICS_TITLE = FIRST_ONLY | SAINTS | {"thích"}
_MEN_AND_WOMEN = ("a", "y")
"""First words of Xơ Đăng, Ba Na and Ê Đê names."""

CLAN, JOIN, TYPED, ALIAS, PREFIX = 1, 2, 4, 8, 16
"""What a word can be or do in a name; bits."""


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


def flags_of(word: Word) -> int:
    """The bits of one word."""
    flags = 0
    for text in word.as_typed:
        if text in CLANS:
            flags |= CLAN
        if text.rstrip("'") in _PREFIXES or _h_name(text):
            flags |= JOIN
        if text == ALIAS_WORD:
            flags |= ALIAS
        if text in _MEN_AND_WOMEN or _PREFIXED.match(text) is not None:
            flags |= PREFIX
    if word.tokens != word.as_typed:
        flags |= TYPED
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
            joinable = len(following) > 1 and "'" not in following and following not in EVERY_STRONG
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


def _without_religion(tokens: list[str]) -> list[str]:
    """Without a cleric's title and a saint's name of one or two words, where a name of its own follows."""
    if len(tokens) >= 4 and (tokens[0], tokens[1]) in RELIGIOUS_TITLES and tokens[2] in _AFTER_CLERICS_TITLE:
        tokens = tokens[2:]
    for words in (2, 1):
        saint = "".join(tokens[:words])
        if saint in SAINTS and len(tokens) >= words + 2 and tokens[words] in FIRST_ONLY:
            return tokens[words:]
    return tokens


def _without_titles(tokens: list[str]) -> list[str]:
    while (
        len(tokens) >= 3
        and tokens[0] in TITLES
        and tokens[1] in (EVERY_STRONG if tokens[0] in ("ông", "ong") else FIRST_ONLY)
        and tokens[-1] not in PURE_MIDDLES
    ):
        tokens = tokens[1:]
    return tokens


def _in_order(tokens: list[str]) -> tuple[list[str], float]:
    """Surname first, and the confidence that the given order was another one (0 where it is kept)."""
    if len(tokens) < 2 or ALIAS_WORD in tokens or ascii_letters(tokens[0]) not in ascii_syllables():
        return tokens, 0.0
    strong = EVERY_STRONG if all(token.isascii() for token in tokens) else STRONG_SURNAMES
    first, last = tokens[0], tokens[-1]
    if last in strong and first not in FIRST_ONLY:
        if len(tokens) > 2 and tokens[-2] in PURE_MIDDLES:
            return tokens[::-1], 0.9
        if first in PURE_MIDDLES:
            return [last, *tokens[:-1]], 0.9
        if first not in SURNAMES and last != _SOMETIMES_GIVEN:
            return [last, *tokens[:-1]], 0.75
    if len(tokens) >= 3 and tokens[1] in strong:
        if last == NEVER_GIVEN and first != last:
            return [*tokens[1:], first], 0.95
        if first not in SURNAMES | PURE_MIDDLES:
            return [*tokens[1:], first], 0.85
    return tokens, 0.0


def _ahead(words: Sequence[Word], position: int) -> int:
    return sum(len(word.tokens) for word in words[:position])


def arranged(words: Sequence[Word]) -> tuple[list[str], list[Repair]]:
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
    secular = _without_religion(tokens)
    if len(secular) < len(tokens):
        repairs.append(("religious", 0.9))
    named = _without_titles(secular)
    if len(named) < len(secular):
        repairs.append(("title", 0.95))
    ordered, confidence = _in_order(named)
    if confidence:
        repairs.append(("order", confidence))
    return ordered, repairs
