"""The pack of Vietnam: its standardisers behind one door."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from linkage.coded import UnitSets
from linkage.vietnam.addresses import AddressBook
from linkage.vietnam.codes import health_cards, insurance_numbers, passports, tax_codes
from linkage.vietnam.defaults import DEFAULTS
from linkage.vietnam.name_forms import token_forms
from linkage.vietnam.name_rows import NameReader
from linkage.vietnam.names import ParsedNames, parse_names
from linkage.vietnam.numbers import Digits, holder_of, standardise_numbers
from linkage.vietnam.phones import standardise_phones
from linkage.vietnam.settled import settled_codes
from linkage.vietnam.syllables import canonical_syllables
from linkage.vietnam.units import UnitTable
from linkage.vietnam.written import dated_units, member_codes, unit_codes, unmarked, written_token

#: Texts of these characters alone are NFC as they stand (Latin without combining marks): looking costs an
#: eighth of normalising.
_COMPOSED = "^[\x00-\u02ff\u1e00-\u1eff]*$"
_BLANKS = r"\s\s|[^\S ]"


def _where(values: pl.Series, some: pl.Series, done: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """The values, with ``done`` to some of them."""
    rows = some.arg_true()
    return values.clone().scatter(rows, done(values.gather(rows))) if len(rows) else values


class VietnamPack:
    """Names, numbers, telephones and units of Vietnam.

    reference : ``provinces``, ``communes_before``, ``communes_after``, ``commune_changes``
    addresses : whether units are read from addresses: the sets that only these need are then among the sets

    Tables are made when they are first asked for: the one of addresses takes half a second.
    """

    defaults = DEFAULTS

    def __init__(self, reference: Mapping[str, pl.DataFrame], addresses: bool = True) -> None:
        self._reference, self._addressed = reference, addresses
        self._lock = threading.RLock()
        self._plain: UnitTable | None = None
        self._book: AddressBook | None = None

    def _tables(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        own = self._reference
        return own["provinces"], own["communes_before"], own["communes_after"], own["commune_changes"]

    @property
    def _addresses(self) -> AddressBook:
        with self._lock:
            if self._book is None:
                tables = self._tables()
                self._book = AddressBook(UnitTable.from_reference(*tables), *tables)
            return self._book

    @property
    def _units(self) -> UnitTable:
        if self._addressed:
            return self._addresses.units
        with self._lock:
            if self._plain is None:
                self._plain = UnitTable.from_reference(*self._tables())
            return self._plain

    def prepare(self) -> None:
        """Make the tables of units and syllables, and what the reading of names compiles: 0.15 s."""
        self.unit_sets()
        canonical_syllables()
        parse_names(pl.Series(["Trần Văn  A", "traanf van a"]))

    def name_reader(self, secret: int) -> NameReader:
        """See :class:`linkage.vietnam.name_rows.NameReader`."""
        return NameReader(secret)

    def settled(self, field: str, digits: Digits, extract_year: int) -> npt.NDArray[np.int64]:
        """See :func:`linkage.vietnam.settled.settled_codes`."""
        return settled_codes(field, digits, extract_year)

    def names(self, values: pl.Series) -> ParsedNames:
        """See :func:`linkage.vietnam.names.parse_names`."""
        return parse_names(values)

    def token_forms(self, tokens: pl.Series) -> pl.DataFrame:
        """See :func:`linkage.vietnam.name_forms.token_forms`."""
        return token_forms(tokens)

    def numbers(self, values: pl.Series, extract_year: int, digits: Digits | None = None) -> pl.DataFrame:
        """See :func:`linkage.vietnam.numbers.standardise_numbers`."""
        return standardise_numbers(values, extract_year, digits)

    def holders(self, codes: np.ndarray, latest_year: int) -> tuple[np.ndarray, np.ndarray]:
        """See :func:`linkage.vietnam.numbers.holder_of`."""
        return holder_of(codes, latest_year)

    def codes(
        self, field: str, values: pl.Series, extract_year: int, digits: Digits | None = None
    ) -> pl.DataFrame:
        """See :mod:`linkage.vietnam.codes`."""
        if field == "tax_code":
            return tax_codes(values, extract_year, digits)
        if field == "insurance_number":
            return insurance_numbers(values, extract_year, digits)
        if field == "health_card":
            return health_cards(values, extract_year, digits)
        return passports(values, digits)

    def phones(self, values: pl.Series, digits: Digits | None = None) -> pl.DataFrame:
        """See :func:`linkage.vietnam.phones.standardise_phones`."""
        return standardise_phones(values, digits)

    def units(self, field: str, values: pl.Series, as_of: datetime.date) -> pl.DataFrame:
        """Communes, or provinces for a field whose name ends in ``province``."""
        if field.endswith("province"):
            return self._units.provinces(values, as_of)
        return self._units.communes(values, as_of)

    def addresses(self, field: str, values: pl.Series, as_of: datetime.date | None) -> pl.DataFrame:
        """See :meth:`linkage.vietnam.addresses.AddressBook.communes` and ``provinces``."""
        if field.endswith("province"):
            return self._addresses.provinces(values)
        return self._addresses.communes(values, as_of)

    def unit_sets(self) -> UnitSets:
        """The sets of present communes that a code can mean."""
        return UnitSets(
            self._units.set_offsets.astype(np.int64),
            self._units.set_members.astype(np.int32),
            self._units.set_province.astype(np.int32),
        )

    def text(self, values: pl.Series) -> pl.Series:
        """Lower case, NFC, single spaces."""
        values = _where(values, ~values.str.contains(_COMPOSED), lambda some: some.str.normalize("NFC"))
        values = values.str.to_lowercase()
        values = _where(values, values.str.contains(_BLANKS), lambda some: some.str.replace_all(r"\s+", " "))
        return values.str.strip_chars()

    def written_tokens(self, tokens: pl.Series) -> pl.Series:
        """See :func:`linkage.vietnam.written.written_token`."""
        return pl.Series("token", [written_token(t) for t in tokens.to_list()], pl.String)

    def unmarked(self, texts: pl.Series) -> pl.Series:
        """See :func:`linkage.vietnam.written.unmarked`."""
        return pl.Series("text", [unmarked(t) for t in texts.to_list()], pl.String)

    def unit_codes(self, field: str, sets: np.ndarray, as_of: datetime.date) -> pl.Series:
        """See :func:`linkage.vietnam.written.unit_codes`."""
        return pl.Series("code", unit_codes(self._units, field, sets.tolist(), as_of), pl.String)

    def member_codes(self, members: np.ndarray, *, provinces: bool = False) -> pl.Series:
        """Five digits of a present commune, two of a province before the reform, or of a present one."""
        return pl.Series("code", member_codes(members.tolist(), provinces=provinces), pl.String)

    def dated_units(self, field: str, values: pl.Series, as_of: datetime.date) -> pl.Series:
        """See :func:`linkage.vietnam.written.dated_units`."""
        return pl.Series("unit", dated_units(self._units, field, values, as_of), pl.String)
