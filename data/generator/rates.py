"""Error rates of the generated sources: the defaults, all of them times a factor, or single ones replaced.

Every rate is a fraction (0..1) of the records of its source, except the two marked as shares: a share is
part of another count and is left alone when the rates are scaled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
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

    ``number_missing``, ``number_mistyped``, ``old_number``, ``relative_number`` and ``clerk_number``
    exclude one another in a record, as do ``birth_date_wrong`` and ``birth_year_only``; everything else is
    independent. ``old_number`` counts all records, though only people who have a nine-digit number can
    carry it. ``diacritics_dropped`` and ``tone_moved`` count records whose name has a diacritic, or has a
    syllable whose tone mark can stand in two places.
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
    #: Share of the mistyped numbers that are the number of another, living person of the register.
    mistyped_living: float = field(default=0.02, metadata=_SHARE)
    #: Share that still carries the cancelled number, of records with a number whose person was given a new
    #: one.
    cancelled_number: float = field(default=0.35, metadata=_SHARE)

    def __post_init__(self) -> None:
        _check(self)
        number = (
            self.number_missing
            + self.number_mistyped
            + self.old_number
            + self.relative_number
            + self.clerk_number
        )
        for name, total in (
            ("the rates of missing, mistyped, old, relatives' and clerks' numbers", number),
            ("birth_date_wrong and birth_year_only", self.birth_date_wrong + self.birth_year_only),
        ):
            if total > 1:
                raise ValueError(f"{name} add up to {total:.4g}; wanted at most 1; lower one of them")
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


@dataclass(frozen=True)
class Rates:
    """The error rates of all four sources."""

    insurance: AgencyRates = _INSURANCE
    tax: AgencyRates = _TAX
    education: AgencyRates = _EDUCATION
    register: RegisterRates = RegisterRates()

    def agency(self, source: str) -> AgencyRates:
        """The rates of ``insurance``, ``tax`` or ``education``."""
        rates = getattr(self, source)
        if not isinstance(rates, AgencyRates):
            raise ValueError(  # noqa: TRY004 - a wrong name is a wrong value
                f"{source} is no agency; wanted insurance, tax or education"
            )
        return rates

    def scaled(self, factor: float) -> Rates:
        """Every error rate times ``factor``; shares stay. Raises ValueError where a sum leaves 0..1."""
        return Rates(
            insurance=_scale(self.insurance, factor),
            tax=_scale(self.tax, factor),
            education=_scale(self.education, factor),
            register=_scale(self.register, factor),
        )

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
