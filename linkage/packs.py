"""Locale packs: what is national about names, numbers, telephones and administrative units."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Protocol

import polars as pl

from linkage.coded import UnitSets
from linkage.errors import ConfigError
from linkage.vietnam.names import ParsedNames


class Pack(Protocol):
    """What a locale pack offers; every function takes distinct values (text, no nulls)."""

    defaults: str

    def names(self, values: pl.Series) -> ParsedNames:
        """Names to canonical tokens."""

    def token_forms(self, tokens: pl.Series) -> pl.DataFrame:
        """Forms of tokens: ascii, plain, phonetic, marked, single, initial."""

    def numbers(self, values: pl.Series, extract_year: int) -> pl.DataFrame:
        """Identity numbers: digits, length, kind, repair, confidence."""

    def phones(self, values: pl.Series) -> pl.DataFrame:
        """Telephones: digits, length, issue."""

    def units(self, field: str, values: pl.Series, as_of: datetime.date) -> pl.DataFrame:
        """Administrative units: unit (number of a set of possible present units, -1 none), issue."""

    def unit_sets(self) -> UnitSets:
        """The sets that ``units`` numbers."""

    def text(self, values: pl.Series) -> pl.Series:
        """Plain text, folded for comparison."""


def pack_of(locale: tuple[str, ...], reference: Mapping[str, pl.DataFrame]) -> Pack:
    """The pack of a project's first locale; ``reference`` are the tables it needs.

    Raises ConfigError E-CONFIG-009 for a locale without a pack.
    """
    if locale and locale[0] == "vietnam":
        from linkage.vietnam.pack import VietnamPack

        return VietnamPack(reference)
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
