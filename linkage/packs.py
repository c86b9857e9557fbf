"""Locale packs: what is national about names, numbers, telephones and administrative units."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from linkage.coded import UnitSets
from linkage.errors import ConfigError
from linkage.vietnam.names import ParsedNames

Digits = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]


class NameReader(Protocol):
    """Reads the name columns of one part, row by row, as far as that needs no look at a whole name."""

    def read(
        self, offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], held: npt.NDArray[np.bool_] | None
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
        """Word numbers uint32[n, 8] of n texts (null where not ``held``), 0 from a name's end on; and which
        are doubtful, bool[n]: their rows are empty, and they are for :meth:`Pack.names`.
        """

    def tokens(self) -> tuple[pl.Series, npt.NDArray[np.int64]]:
        """Token of every word from number 0 on, null of one in no row; and how often it stands in rows."""


class Pack(Protocol):
    """What a locale pack offers; every function takes distinct values (text, no nulls)."""

    defaults: str

    def prepare(self) -> None:
        """Make the tables that every part needs, so that the first parts do not wait for them; any thread."""

    def name_reader(self, secret: int) -> NameReader:
        """A reader for the names of one part."""

    def settled(self, field: str, digits: Digits, extract_year: int) -> npt.NDArray[np.int64]:
        """Codes int64[n] of numbers or telephones that need no second look, 0 of the others; of ten or twelve
        digits where a tax or insurance number contains another kind's.
        """

    def names(self, values: pl.Series) -> ParsedNames:
        """Names to canonical tokens."""

    def token_forms(self, tokens: pl.Series) -> pl.DataFrame:
        """Forms of tokens: ascii, plain, phonetic, marked, single, initial."""

    def numbers(self, values: pl.Series, extract_year: int, digits: Digits | None = None) -> pl.DataFrame:
        """Identity numbers: digits, length, kind, structure_ok, repair, confidence, unrepaired.

        ``digits``, here and below: numbers already read as integers, and how many digits write each; their
        rows come first.
        """

    def holders(self, codes: np.ndarray, latest_year: int) -> tuple[np.ndarray, np.ndarray]:
        """Sex (uint8[n], 1 M, 2 F) and birth year (int16[n]) that identifier codes say; 0 nothing."""

    def codes(
        self, field: str, values: pl.Series, extract_year: int, digits: Digits | None = None
    ) -> pl.DataFrame:
        """Other identifiers with a national structure: code, personal, insurance, issue, repair, confidence,
        unrepaired.
        """

    def phones(self, values: pl.Series, digits: Digits | None = None) -> pl.DataFrame:
        """Telephones: digits, length, issue, repair."""

    def units(self, field: str, values: pl.Series, as_of: datetime.date) -> pl.DataFrame:
        """Administrative units: unit (number of a set of possible present units, -1 none), issue."""

    def addresses(self, field: str, values: pl.Series, as_of: datetime.date | None) -> pl.DataFrame:
        """Units named in free text: unit, issue, repair; ``as_of`` bounds when it was written, if known."""

    def unit_sets(self) -> UnitSets:
        """The sets that ``units`` numbers."""

    def text(self, values: pl.Series) -> pl.Series:
        """Plain text, folded for comparison."""

    def written_tokens(self, tokens: pl.Series) -> pl.Series:
        """Canonical name tokens with their capitals."""

    def unmarked(self, texts: pl.Series) -> pl.Series:
        """Texts without diacritics."""

    def unit_codes(self, field: str, sets: np.ndarray, as_of: datetime.date) -> pl.Series:
        """The only code of a day's list that means each set of units, null without one."""

    def member_codes(self, members: np.ndarray, *, provinces: bool = False) -> pl.Series:
        """Codes, as text, of the units that sets are made of, or of the provinces that hold them."""

    def dated_units(self, field: str, values: pl.Series, as_of: datetime.date) -> pl.Series:
        """Units as submitted in standard form, ``code@day``; null for what is none."""


def pack_of(locale: tuple[str, ...], reference: Mapping[str, pl.DataFrame], addresses: bool = True) -> Pack:
    """The pack of a project's first locale; ``reference`` are the tables it needs.

    addresses : whether :meth:`Pack.addresses` is used: without it fewer sets of units are made
    Raises ConfigError E-CONFIG-009 for a locale without a pack.
    """
    if locale and locale[0] == "vietnam":
        from linkage.vietnam.pack import VietnamPack

        return VietnamPack(reference, addresses)
    raise _no_pack(locale)


def pack_defaults(locale: tuple[str, ...]) -> str:
    """Default rules and comparisons of a project's first locale, as TOML; raises as :func:`pack_of`."""
    if locale and locale[0] == "vietnam":
        from linkage.vietnam.defaults import DEFAULTS

        return DEFAULTS
    raise _no_pack(locale)


def _no_pack(locale: tuple[str, ...]) -> ConfigError:
    return ConfigError(
        "E-CONFIG-009",
        f"There is no locale pack '{locale[0]}'." if locale else "The project names no locale pack.",
        "Known packs: vietnam.",
        'Set locale = ["vietnam"] in [project].',
    )
