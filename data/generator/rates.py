"""Error rates of the generated sources: the defaults, all of them times a factor, or single ones replaced.

Every rate is a fraction (0..1) of the records of its source, except the two marked as shares: a share is
part of another count and is left alone when the rates are scaled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

_SHARE = {"share": True}
_Kind = TypeVar("_Kind", "AgencyRates", "RegisterRates")


def _check(rates: AgencyRates | RegisterRates) -> None:
    for entry in dataclasses.fields(rates):
        value = getattr(rates, entry.name)
        if not 0 <= value <= 1:
            raise ValueError(f"rate {entry.name} is {value}; wanted a fraction in 0..1")


@dataclass(frozen=True)
class AgencyRates:
    """Errors of one agency extract.

    ``number_missing``, ``number_mistyped``, ``old_number``, ``relative_number``, ``clerk_number`` and
    ``lost_zero`` exclude one another in a record, as do ``birth_date_wrong``, ``birth_year_only`` and
    ``birth_date_missing``, and the four ``name_`` residues; everything else is independent.
    ``old_number`` counts all records, though only people who have a nine-digit number can carry it.
    ``diacritics_dropped`` and ``tone_moved`` count records whose name has a diacritic, or has a syllable
    whose tone mark can stand in two places.
    """

    number_missing: float
    number_mistyped: float
    old_number: float
    relative_number: float
    clerk_number: float
    name_damaged: float
    diacritics_dropped: float
    tone_moved: float
    birth_date_wrong: float
    birth_year_only: float
    sex_wrong: float
    moved: float
    second_record: float
    unregistered: float
    #: Records of another birth province than the person's.
    birth_province_wrong: float = 0.0
    #: Names that hold the keystrokes of Telex, VNI or VIQR in every word, and names in TCVN3 that were read
    #: as Latin-1; counted over all records, planted in names with a diacritic and no other error.
    name_telex: float = 0.0
    name_vni: float = 0.0
    name_viqr: float = 0.0
    name_mojibake: float = 0.0
    #: Rows that a spreadsheet saved: number and phone without their leading zero.
    lost_zero: float = 0.0
    #: Rows beside the records that no reader can accept, as a fraction of the records.
    broken_rows: float = 0.0
    #: Share of records without a birth date: a habit of the source.
    birth_date_missing: float = field(default=0.0, metadata=_SHARE)
    #: Share of the mistyped numbers that are the number of another, living person of the register.
    mistyped_living: float = field(default=0.02, metadata=_SHARE)
    #: Share that still carries the cancelled number, of records with a number whose person was given a new
    #: one.
    cancelled_number: float = field(default=0.35, metadata=_SHARE)
    #: Share of the records of dead people that have no date of death, of agencies that have a column for it.
    death_unknown: float = field(default=0.4, metadata=_SHARE)

    def __post_init__(self) -> None:
        _check(self)
        number = (
            self.number_missing
            + self.number_mistyped
            + self.old_number
            + self.relative_number
            + self.clerk_number
            + self.lost_zero
        )
        date = self.birth_date_wrong + self.birth_year_only + self.birth_date_missing
        name = self.name_telex + self.name_vni + self.name_viqr + self.name_mojibake
        for what, total in (
            ("the rates of missing, mistyped, old, relatives', clerks' and zeroless numbers", number),
            ("birth_date_wrong, birth_year_only and birth_date_missing", date),
            ("name_telex, name_vni, name_viqr and name_mojibake", name),
        ):
            if total > 1:
                raise ValueError(f"{what} add up to {total:.4g}; wanted at most 1; lower one of them")
        if self.second_record + self.unregistered > 0.9:
            raise ValueError(
                f"second_record and unregistered add up to {self.second_record + self.unregistered:.4g}; "
                "wanted at most 0.9; lower one of them"
            )


@dataclass(frozen=True)
class RegisterRates:
    """Errors of the register, as fractions of its records."""

    name_wrong: float = 0.001
    birth_date_wrong: float = 0.001
    sex_wrong: float = 0.0002
    held_twice: float = 0.0001
    death_not_entered: float = 0.0005

    def __post_init__(self) -> None:
        _check(self)


_INSURANCE = AgencyRates(
    number_missing=0.08, number_mistyped=0.01, old_number=0.06, relative_number=0.001, clerk_number=0.0002,
    name_damaged=0.05, diacritics_dropped=0.10, tone_moved=0.08, birth_date_wrong=0.015, birth_year_only=0.02,
    sex_wrong=0.003, moved=0.15, second_record=0.01, unregistered=0.005,
)  # fmt: skip
_TAX = AgencyRates(
    number_missing=0.04, number_mistyped=0.01, old_number=0.10, relative_number=0.001, clerk_number=0.0002,
    name_damaged=0.04, diacritics_dropped=0.20, tone_moved=0.08, birth_date_wrong=0.015, birth_year_only=0.01,
    sex_wrong=0.003, moved=0.10, second_record=0.03, unregistered=0.01,
)  # fmt: skip
_EDUCATION = AgencyRates(
    number_missing=0.20, number_mistyped=0.02, old_number=0.002, relative_number=0.005, clerk_number=0.0002,
    name_damaged=0.07, diacritics_dropped=0.03, tone_moved=0.08, birth_date_wrong=0.02, birth_year_only=0.0,
    sex_wrong=0.003, moved=0.10, second_record=0.005, unregistered=0.01,
)  # fmt: skip
# Vehicles: many are still held under a nine-digit number, and few give a whole birth date.
_VEHICLES = AgencyRates(
    number_missing=0.06, number_mistyped=0.01, old_number=0.15, relative_number=0.002, clerk_number=0.0002,
    name_damaged=0.05, diacritics_dropped=0.10, tone_moved=0.08, birth_date_wrong=0.01, birth_year_only=0.12,
    sex_wrong=0.0, moved=0.20, second_record=0.0, unregistered=0.01, birth_date_missing=0.35,
    mistyped_living=0.0,
)  # fmt: skip
_BANK = AgencyRates(
    number_missing=0.01, number_mistyped=0.005, old_number=0.12, relative_number=0.001, clerk_number=0.0002,
    name_damaged=0.03, diacritics_dropped=0.0, tone_moved=0.0, birth_date_wrong=0.008, birth_year_only=0.0,
    sex_wrong=0.003, moved=0.0, second_record=0.02, unregistered=0.005, mistyped_living=0.0,
)  # fmt: skip
_ONESTOP = AgencyRates(
    number_missing=0.03, number_mistyped=0.008, old_number=0.03, relative_number=0.005, clerk_number=0.001,
    name_damaged=0.05, diacritics_dropped=0.04, tone_moved=0.08, birth_date_wrong=0.012,
    birth_year_only=0.02, sex_wrong=0.0, moved=0.10, second_record=0.0, unregistered=0.01,
    mistyped_living=0.0,
)  # fmt: skip
_EXAM = AgencyRates(
    number_missing=0.01, number_mistyped=0.008, old_number=0.0, relative_number=0.003, clerk_number=0.0002,
    name_damaged=0.04, diacritics_dropped=0.02, tone_moved=0.08, birth_date_wrong=0.012, birth_year_only=0.0,
    sex_wrong=0.003, moved=0.0, second_record=0.002, unregistered=0.003, birth_province_wrong=0.01,
    mistyped_living=0.0,
)  # fmt: skip

#: What ``hostile`` turns on, in every agency: rates that are 0 otherwise.
HOSTILE: Mapping[str, float] = {
    "name_telex": 0.004,
    "name_vni": 0.002,
    "name_viqr": 0.001,
    "name_mojibake": 0.002,
    "lost_zero": 0.02,
    "broken_rows": 0.002,
}
#: How ``with_residue`` divides its rate over the kinds.
_RESIDUE = {"name_telex": 0.45, "name_vni": 0.25, "name_viqr": 0.10, "name_mojibake": 0.20}


@dataclass(frozen=True)
class Rates:
    """The error rates of all sources."""

    insurance: AgencyRates = _INSURANCE
    tax: AgencyRates = _TAX
    education: AgencyRates = _EDUCATION
    vehicles: AgencyRates = _VEHICLES
    bank: AgencyRates = _BANK
    onestop: AgencyRates = _ONESTOP
    exam: AgencyRates = _EXAM
    register: RegisterRates = RegisterRates()

    def agency(self, source: str) -> AgencyRates:
        """The rates of one agency. Raises ValueError for any other name."""
        rates = getattr(self, source, None)
        if not isinstance(rates, AgencyRates):
            raise ValueError(  # noqa: TRY004 - a wrong name is a wrong value
                f"{source} is no agency; wanted one of {', '.join(self._agencies())}"
            )
        return rates

    def scaled(self, factor: float) -> Rates:
        """Every error rate times ``factor``; shares stay. Raises ValueError where a sum leaves 0..1."""
        return Rates(
            **{name: _scale(self.agency(name), factor) for name in self._agencies()},
            register=_scale(self.register, factor),
        )

    def hostile(self) -> Rates:
        """The rates of ``HOSTILE`` set in every agency."""
        return self._with(HOSTILE)

    def with_residue(self, rate: float) -> Rates:
        """Names in keystrokes or in another encoding's signs in ``rate`` of every agency's records: Telex 45,
        VNI 25, VIQR 10 and mojibake 20 of 100.
        """
        return self._with({name: rate * share for name, share in _RESIDUE.items()})

    def _agencies(self) -> list[str]:
        return [entry.name for entry in dataclasses.fields(self) if entry.name != "register"]

    def _with(self, rates: Mapping[str, float]) -> Rates:
        changed = {name: dataclasses.replace(self.agency(name), **rates) for name in self._agencies()}
        return Rates(**changed, register=self.register)

    def replaced(self, name: str, value: float) -> Rates:
        """One rate set: ``name`` is ``source.rate``, as in ``insurance.number_missing``; ``value`` is in
        0..1.
        """
        source, _, rate = name.partition(".")
        sources = [entry.name for entry in dataclasses.fields(self)]
        if source not in sources:
            raise ValueError(f"no source {source!r} to set a rate of; wanted one of {', '.join(sources)}")
        held = getattr(self, source)
        rates = [entry.name for entry in dataclasses.fields(held)]
        if rate not in rates:
            raise ValueError(f"no rate {rate!r} of {source}; wanted one of {', '.join(rates)}")
        return dataclasses.replace(self, **{source: dataclasses.replace(held, **{rate: value})})


#: The rates every figure of the project is measured with.
DEFAULT = Rates()


def parse_rates(settings: Iterable[str], base: Rates = DEFAULT) -> Rates:
    """Rates from texts of the form ``insurance.number_missing=0.1``, applied to ``base`` in order.

    Raises ValueError for an unknown source or rate, or a value that is not a fraction.
    """
    rates = base
    for setting in settings:
        name, equals, text = setting.partition("=")
        try:
            value = float(text)
        except ValueError:
            equals = ""
            value = 0.0
        if not equals:
            raise ValueError(f"rate {setting!r} is not understood; wanted source.rate=fraction, "
                             "as in insurance.number_missing=0.1")  # fmt: skip
        rates = rates.replaced(name.strip(), value)
    return rates


def _scale(rates: _Kind, factor: float) -> _Kind:
    scaled = {
        entry.name: getattr(rates, entry.name) * factor
        for entry in dataclasses.fields(rates)
        if not entry.metadata.get("share")
    }
    return dataclasses.replace(rates, **scaled)
