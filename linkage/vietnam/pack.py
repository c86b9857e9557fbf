"""The pack of Vietnam: its standardisers behind one door."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import numpy as np
import polars as pl

from linkage.coded import UnitSets
from linkage.vietnam.defaults import DEFAULTS
from linkage.vietnam.name_forms import token_forms
from linkage.vietnam.names import ParsedNames, parse_names
from linkage.vietnam.numbers import standardise_numbers
from linkage.vietnam.phones import standardise_phones
from linkage.vietnam.units import UnitTable


class VietnamPack:
    """Names, numbers, telephones and units of Vietnam.

    reference : ``provinces``, ``communes_before``, ``communes_after``, ``commune_changes``
    """

    defaults = DEFAULTS

    def __init__(self, reference: Mapping[str, pl.DataFrame]) -> None:
        self._units = UnitTable.from_reference(
            reference["provinces"],
            reference["communes_before"],
            reference["communes_after"],
            reference["commune_changes"],
        )

    def names(self, values: pl.Series) -> ParsedNames:
        """See :func:`linkage.vietnam.names.parse_names`."""
        return parse_names(values)

    def token_forms(self, tokens: pl.Series) -> pl.DataFrame:
        """See :func:`linkage.vietnam.name_forms.token_forms`."""
        return token_forms(tokens)

    def numbers(self, values: pl.Series, extract_year: int) -> pl.DataFrame:
        """See :func:`linkage.vietnam.numbers.standardise_numbers`."""
        return standardise_numbers(values, extract_year)

    def phones(self, values: pl.Series) -> pl.DataFrame:
        """See :func:`linkage.vietnam.phones.standardise_phones`."""
        return standardise_phones(values)

    def units(self, field: str, values: pl.Series, as_of: datetime.date) -> pl.DataFrame:
        """Communes, or provinces for a field whose name ends in ``province``."""
        if field.endswith("province"):
            return self._units.provinces(values, as_of)
        return self._units.communes(values, as_of)

    def unit_sets(self) -> UnitSets:
        """The sets of present communes that a code can mean."""
        return UnitSets(
            self._units.set_offsets.astype(np.int64),
            self._units.set_members.astype(np.int32),
            self._units.set_province.astype(np.int32),
        )

    def text(self, values: pl.Series) -> pl.Series:
        """Lower case, NFC, single spaces."""
        return values.str.normalize("NFC").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
