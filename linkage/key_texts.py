"""Values of block keys as a person reads them, from the coded columns of one record of each block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from linkage.coded import Coded, Meaning
from linkage.name_keys import fold_codes
from linkage.packs import Pack
from linkage.render import identifier_texts, iso_dates, sex_texts
from linkage.rules import KeyPart, Rule, base_keys, part_codes
from linkage.words import Spelling, name_texts

#: Between the values of a key's elements.
BETWEEN = " | "


@dataclass(frozen=True)
class KeyTexts:
    """Writes the values of keys; ``names`` are the words of names, whose first has the id 1."""

    meaning: Meaning
    locale: Pack
    names: pl.Series

    def values(self, coded: Coded, rule: Rule, keys: np.ndarray, depth: np.ndarray, secret: int) -> pl.Series:
        """What each key is made of, its elements in their order; null where a record has not that key, or an
        identifier is known by its hash only.

        coded : a record of each block, with the rule's columns;  keys : uint64[n];  depth : uint8[n],
        refining columns in each
        """
        made = base_keys(coded, self.meaning, rule, secret)
        width = made.shape[1]
        parts: list[pl.Series | pl.Expr] = []
        for number, part in enumerate(rule.refine):
            deep = np.flatnonzero(depth > number)
            held = coded.take(deep, (part.column,), marks=False)
            codes = part_codes(held, self.meaning, part)
            made[deep] = fold_codes(made[deep].ravel(), np.repeat(codes, width)).reshape(-1, width)
        own = made == keys[:, None]
        which = own.argmax(axis=1)
        frame = {str(i): self.part(coded, part, which) for i, part in enumerate(rule.on)}
        for number, part in enumerate(rule.refine):
            text = BETWEEN + self.part(coded, part, which)
            frame[f"+{number}"] = text.zip_with(
                pl.Series(depth > number), pl.Series([""]).new_from_index(0, len(text))
            )
        heads = [str(i) for i in range(len(rule.on))]
        whole = pl.DataFrame(frame | {"own": own.any(axis=1)})
        parts = [pl.concat_str(heads, separator=BETWEEN), *(pl.col(c) for c in frame if c not in heads)]
        return whole.select(value=pl.when("own").then(pl.concat_str(parts)))["value"]

    def part(self, coded: Coded, part: KeyPart, which: np.ndarray) -> pl.Series:
        """One element of the keys of some records; ``which``, int64[n], of several codes of a record."""
        values, kind, form = coded.arrays[part.column], self.meaning.kinds[part.column], part.form
        if kind in ("identifier", "phone"):
            aliases = coded.arrays.get(f"{part.column}.alias")
            if form == "any" and aliases is not None and aliases.shape[1]:
                values = np.concatenate([values[:, None], aliases], axis=1)[np.arange(len(which)), which]
            return identifier_texts(values)
        if kind == "date":
            return _dates(values, form)
        if kind == "sex":
            return sex_texts(values)
        if kind == "unit":
            at = np.where(values >= 0, values, 0)
            units = self.meaning.units
            if form == "province":
                return self.locale.member_codes(units.province[at], provinces=True)
            last = units.members.shape[0] - 1
            return self.locale.member_codes(units.members[np.minimum(units.offsets[at] + which, last)])
        if kind == "text":
            codes, place = np.unique(values, return_inverse=True)
            strings = self.meaning.texts[part.column].strings
            own = [strings.text(code) if code else None for code in codes.tolist()]
            return pl.Series(own, dtype=pl.String).gather(place)
        return self._names(values, form)

    def _names(self, names: np.ndarray, form: str) -> pl.Series:
        """A form of names, uint32[n, 8]: as written, else without diacritics; a phonetic one as the record
        spells it.
        """
        tokens = _chosen(names, form)
        ids, place = np.unique(tokens[tokens != 0], return_inverse=True)
        words = self.locale.written_tokens(self.names.gather(ids.astype(np.int64) - 1))
        if form not in ("", "given", "surname"):
            words = self.locale.unmarked(words)
        distinct = words.unique().sort()
        rank = {word: number + 1 for number, word in enumerate(distinct.to_list())}
        ranked = np.array([rank[word] for word in words.to_list()], np.uint32)
        out = np.zeros(tokens.shape, np.uint32)
        out[tokens != 0] = ranked[place]
        if form == "set":
            out = np.sort(out - np.uint32(1), axis=1) + np.uint32(1)
        return name_texts(np.ascontiguousarray(out), Spelling.of(distinct))


def _chosen(names: np.ndarray, form: str) -> np.ndarray:
    """The tokens of a form, the others zero."""
    part = form.partition(".")[0]
    if part not in ("given", "surname", "middle"):
        return names
    place, count = np.arange(names.shape[1]), (names != 0).sum(axis=1)[:, None]
    wanted = {"given": place == count - 1, "surname": (place == 0) & (count > 1)}.get(
        part, (place > 0) & (place < count - 1)
    )
    out = np.where(wanted, names, np.uint32(0))
    # Tokens stand from the front.
    return np.take_along_axis(out, np.argsort(out == 0, axis=1, kind="stable"), axis=1)


def _dates(codes: np.ndarray, form: str) -> pl.Series:
    """Dates in standard form; without their year as XML Schema writes them: ``--03-14``, ``--03``."""
    if form == "year":
        return iso_dates(codes & ~np.int32(511))
    if form == "year_month":
        return iso_dates(codes & ~np.int32(31))
    if form in ("month", "day_month"):
        read = codes & np.int32(511) if form == "day_month" else codes & np.int32(480)
        return "-" + iso_dates(read | np.int32(1 << 9)).str.slice(4)
    return iso_dates(codes)
