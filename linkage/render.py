"""Standard values as text: in standard form, and as a source writes them by its contract and its habit.

A value that is written for a source is read back as the source's own are: what does not come out as the
value that was meant is not offered.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from kernels.written import CAPITALS, OTHER_LETTERS
from linkage.coded import NAME_WIDTH
from linkage.contract import Field
from linkage.dates import parse_dates, settled_dates
from linkage.known_units import KnownUnits
from linkage.packs import Pack
from linkage.text_arrays import Texts
from linkage.words import (
    Spelling,
    Words,
    case_of,
    name_bytes_of,
    name_texts,
    read_as_dates,
    read_as_digits,
    read_as_names,
    written_names,
)

#: Digits of an identifier's length in its code; 17 says that the value is a hash of the text.
_VALUE = (np.int64(1) << 56) - 1
_HASHED = 17

#: Identity numbers: digits are all there is to them.
NATIONAL_NUMBERS: tuple[str, ...] = ("personal_number", "old_number")

_ISO = "yyyy-mm-dd"
_DATE_PART = re.compile(r"d+|m+|y+")
_DATE_RUN = re.compile(r"d+|m+|y+|[^dmy]+")


@dataclass(frozen=True)
class Habit:
    """How a source's column of names is written as a whole: in capitals, without diacritics."""

    capitals: bool = False
    plain: bool = False


def in_capitals(texts: pl.Series | Texts) -> np.ndarray:
    """Whether a text has letters, all of them capitals: bool[n]; no text is not."""
    held = texts if isinstance(texts, Texts) else Texts.of(texts)
    case = case_of(held)
    out = case == CAPITALS
    rest = np.flatnonzero(case == OTHER_LETTERS)
    if rest.size:
        some = held.take(rest).series()
        upper = (some == some.str.to_uppercase()) & (some != some.str.to_lowercase())
        out[rest] = upper.to_numpy()
    return out


def date_texts(codes: np.ndarray, form: str, *, padded: bool = False) -> pl.Series:
    """Dates (int32[n], codes) by a contract's format; ``padded``: two digits where the format asks for one.

    A part that is not known is written as zeros.
    """
    pieces: list[pl.Expr] = []
    for run in _DATE_RUN.findall(form.strip().lower()):
        if run[0] in "dmy":
            digits = max(2, len(run)) if padded else len(run)
            pieces.append(pl.col(run[0]).cast(pl.String).str.zfill(digits))
        else:
            pieces.append(pl.lit(run))
    return _dates(codes).select(text=pl.concat_str(pieces))["text"]


def iso_dates(codes: np.ndarray) -> pl.Series:
    """Dates in standard form: ``1985-03-14``, ``1985-03``, ``1985``; null for 0."""
    year = pl.col("y").cast(pl.String).str.zfill(4)
    month, day = (pl.lit("-") + pl.col(part).cast(pl.String).str.zfill(2) for part in "md")
    return _dates(codes).select(
        text=pl.when(pl.col("d") > 0)
        .then(year + month + day)
        .when(pl.col("m") > 0)
        .then(year + month)
        .when(pl.col("y") > 0)
        .then(year)
    )["text"]


def _dates(codes: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"d": codes & 31, "m": (codes >> 5) & 15, "y": codes >> 9})


def identifier_texts(codes: np.ndarray) -> pl.Series:
    """Identifiers (int64[n], codes) as digits; null for none and for one that is only known by its hash."""
    length = codes >> 56
    known = (codes != 0) & (length < _HASHED)
    return pl.DataFrame(
        {"value": codes & _VALUE, "length": np.where(known, length, 0), "known": known}
    ).select(text=pl.when("known").then(pl.col("value").cast(pl.String).str.zfill(pl.col("length"))))["text"]


def read_digits(found: pl.DataFrame) -> np.ndarray:
    """Codes, int64[n], of what a pack read as numbers (columns digits, length); 0 for none."""
    digits = found["digits"].fill_null(0).to_numpy().astype(np.int64)
    length = found["length"].fill_null(0).to_numpy().astype(np.int64)
    known = found["digits"].is_not_null().to_numpy() & (length > 0)
    return np.where(known, (length << 56) | digits, 0)


def sex_texts(codes: np.ndarray) -> pl.Series:
    """``M``, ``F``, null."""
    return pl.Series("text", [None, "M", "F"], dtype=pl.String).gather(pl.Series(codes.astype(np.uint32)))


def _at(texts: pl.Series, index: np.ndarray) -> pl.Series:
    """Texts at positions, -1 for null."""
    if not len(texts):
        return pl.Series("text", [None] * len(index), dtype=pl.String)
    return texts.gather(pl.Series(np.where(index >= 0, index, 0).astype(np.uint32))).zip_with(
        pl.Series(index >= 0), pl.Series([None], dtype=pl.String).new_from_index(0, len(index))
    )


@dataclass(frozen=True)
class Writer:
    """Writes values of one field as one source does.

    field : of the source's contract;  kind : of the field;  day : the source's extract date
    theirs : the register's field, with its day, whose codes of units the proposals start from
    cased : whether the source's encoding tells capitals from small letters
    units : the pack's units, where what was read of them is kept from one writer to the next
    secret : keys the hash by which words of names are found again
    """

    field: Field
    kind: str
    day: datetime.date
    locale: Pack
    words: Words
    habit: Habit
    theirs: Field
    their_day: datetime.date
    cased: bool = True
    units: KnownUnits | None = None
    secret: int = 0

    @functools.cached_property
    def _known(self) -> KnownUnits:
        return self.units if self.units is not None else KnownUnits(self.locale)

    @property
    def _national(self) -> bool:
        """Whether the field is an identity number, whose digits are all there is to it."""
        return self.field.standard in NATIONAL_NUMBERS

    @property
    def _full(self) -> list[str]:
        """The contract's formats with day, month and year."""
        forms = [f.strip().lower() for f in self.field.formats] or [_ISO]
        return [f for f in forms if {"d", "m", "y"} <= set(f)]

    @property
    def copies(self) -> bool:
        """Whether the register's own texts are needed to write a value."""
        return self.kind in ("unit", "text", "identifier") and not self._national

    @property
    def writes_days(self) -> bool:
        """Whether a date can be written whole."""
        return bool(self._full)

    @property
    def judges_texts(self) -> bool:
        """Whether any text of the field can be ill written, see :meth:`ill_written`."""
        return (
            self.kind == "name"
            or self._national
            or (self.kind == "date" and bool(self.field.formats))
            or (self.kind == "unit" and self.field.codes == "gso")
        )

    def may_be_ill(self, texts: Texts, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Places of ``rows`` (int64[n]) of texts that :meth:`ill_written` must look at: the others are well
        written.

        codes : what each text was read as.  Most names, numbers and dates are letter for letter as they
        should be.
        """
        if self.kind == "name":
            spelling = self.words.written
            whole = (codes[:, 0] != 0) & (codes[:, NAME_WIDTH - 1] == 0)
            return np.flatnonzero(whole & ~read_as_names(texts, rows, codes, spelling, spelling.capitals))
        if self._national:
            return np.flatnonzero(~read_as_digits(texts, rows, codes))
        if self.kind == "date" and self.field.formats:
            return np.flatnonzero((codes != 0) & ~read_as_dates(texts, rows, codes, self.field.formats))
        return np.arange(rows.shape[0] if self.judges_texts else 0)

    def ill_written(self, texts: pl.Series, codes: np.ndarray) -> tuple[np.ndarray, pl.Series]:
        """Of texts (distinct, no nulls) that were read as ``codes``: which are not written as the source
        should, bool[d], and how they should be (the text itself where they are).

        Left as they are: case and code of a sex, plain text, addresses, telephones, identifiers of no
        national kind, and dates in any of the contract's formats.
        """
        nothing = np.zeros(len(texts), bool)
        if self.kind == "name":
            proper = written_names(codes, in_capitals(texts), self.words.written)
            known = (codes[:, 0] != 0) & (codes[:, NAME_WIDTH - 1] == 0)
            if not self.cased:
                known &= (proper.str.to_lowercase() != texts.str.to_lowercase()).to_numpy()
        elif self.kind == "date" and self.field.formats:
            forms = [f.strip().lower() for f in self.field.formats]
            fits = nothing.copy()
            for form in forms:
                for padded in (False, True):
                    fits |= (date_texts(codes, form, padded=padded) == texts).to_numpy()
            proper = _at(texts, np.where(fits, np.arange(len(texts)), -1)).fill_null(self._date(codes))
            known = codes != 0
        elif self._national:
            proper = identifier_texts(codes)
            known = proper.is_not_null().to_numpy()
        elif self.kind == "unit" and self.field.codes == "gso" and len(texts):
            _, wrong = self._known.read(self.field.standard, texts, self.field.as_of or self.day)
            proper = self._units(codes)
            known = wrong & proper.is_not_null().to_numpy()
        else:
            return nothing, texts
        wrong = known & (proper != texts).fill_null(value=False).to_numpy()
        return wrong, _at(proper, np.where(wrong, np.arange(len(texts)), -1)).fill_null(texts)

    def proposed(
        self, codes: np.ndarray, held: pl.Series, register: pl.Series
    ) -> tuple[pl.Series, np.ndarray]:
        """The persons' values as the source writes them, null where it cannot; whether they read back.

        codes : the persons' values, one a correction;  held : texts that they replace, null for none
        register : the register's own texts
        """
        if self.kind == "name":
            own = in_capitals(held) | (held.is_null().to_numpy() & self.habit.capitals)
            text = written_names(codes, own, self.words.plain if self.habit.plain else self.words.written)
        elif self.kind == "date":
            text = self._dates(codes, held)
        elif self._national or self.kind == "phone":
            text = identifier_texts(codes)
        elif self.kind == "sex":
            text = self._coded(sex_texts(codes))
        elif self.kind == "unit":
            text = self._coded(self._unit_values(codes, held, register))
        else:
            text = self._coded(self._decoded(register, self.theirs))
        good = self._reads_back(text, codes)
        return text.zip_with(
            pl.Series(good), pl.Series([None], dtype=pl.String).new_from_index(0, len(text))
        ), good

    def standard(self, codes: np.ndarray, texts: pl.Series, *, theirs: bool = False) -> pl.Series:
        """Values in standard form, null for none: of the source's records, or (``theirs``) the register's."""
        if self.kind == "name":
            return name_texts(codes, self.words.written).replace("", None)
        if self.kind == "date":
            return iso_dates(codes)
        if self._national or self.kind == "phone":
            return identifier_texts(codes)
        if self.kind == "sex":
            return sex_texts(codes)
        field, day = (self.theirs, self.their_day) if theirs else (self.field, self.day)
        plain = self._decoded(texts, field)
        if self.kind == "unit" and field.codes == "address":
            code = self._unit_codes(codes, field.as_of or day)
            return pl.select(code + pl.lit(f"@{(field.as_of or day).isoformat()}")).to_series()
        if self.kind == "unit":
            distinct, index = distinct_texts(plain)
            return _at(self._known.dated(field.standard, distinct, field.as_of or day), index)
        return plain

    def _date(self, codes: np.ndarray) -> pl.Series:
        """Dates in the first format that says as much as is known of them."""
        forms = [f.strip().lower() for f in self.field.formats] or [_ISO]
        day, month = (codes & 31) != 0, ((codes >> 5) & 15) != 0
        text = pl.Series([None], dtype=pl.String).new_from_index(0, len(codes))
        for form in forms:
            says = (("d" in form) == day) & (("m" in form) == month)
            text = text.fill_null(_at(date_texts(codes, form), np.where(says, np.arange(len(codes)), -1)))
        return text

    def _dates(self, codes: np.ndarray, held: pl.Series) -> pl.Series:
        """Dates in the whole format that the held text is in, else the contract's first whole one."""
        full = self._full
        if not full:
            return self._date(codes)
        text = date_texts(codes, full[0])
        for form in reversed(full[1:]):
            shape = _DATE_PART.sub(
                lambda run: f"[0-9]{{{len(run[0])},{max(2, len(run[0]))}}}", re.escape(form)
            )
            fits = held.str.contains(f"^{shape}$").fill_null(value=False)
            text = date_texts(codes, form).zip_with(fits, text)
        whole = (codes & 31) != 0
        return text.zip_with(pl.Series(whole), self._date(codes))

    def _unit_values(self, codes: np.ndarray, held: pl.Series, register: pl.Series) -> pl.Series:
        """Codes in the source's list: the register's own where both have one list, else the only one."""
        mine, other = self.field.as_of or self.day, self.theirs.as_of or self.their_day
        if self.field.codes == "address":
            return pl.Series([None], dtype=pl.String).new_from_index(0, len(codes))
        text = self._units(codes)
        if mine == other:
            dated = self.standard(codes, register, theirs=True)
            text = text.fill_null(dated.str.split("@").list.first())
        words = held.str.contains("[^0-9]").fill_null(value=False)
        if isinstance(self.field.codes, Mapping):
            return text
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(text)).zip_with(words, text)

    def _units(self, codes: np.ndarray) -> pl.Series:
        return self._unit_codes(codes, self.field.as_of or self.day)

    def _unit_codes(self, codes: np.ndarray, day: datetime.date) -> pl.Series:
        """The only code of a day's list for each set of units."""
        distinct, inverse = np.unique(codes, return_inverse=True)
        return _at(self._known.codes(self.field.standard, distinct, day), inverse.ravel())

    def _coded(self, standard: pl.Series) -> pl.Series:
        """Standard codes as the first of the source's codes that means them; null where none does."""
        if not isinstance(self.field.codes, Mapping):
            return standard
        own: dict[str, str] = {}
        for code, means in self.field.codes.items():
            own.setdefault(means, code)
        distinct, index = distinct_texts(standard)
        return _at(pl.Series("text", [own.get(v) for v in distinct.to_list()], pl.String), index)

    def _decoded(self, texts: pl.Series, field: Field) -> pl.Series:
        """A source's texts in standard codes."""
        trimmed = texts.str.strip_chars()
        if not isinstance(field.codes, Mapping):
            return trimmed
        table = {code.strip().casefold(): standard for code, standard in field.codes.items()}
        distinct, index = distinct_texts(trimmed)
        return _at(
            pl.Series("text", [table.get(v.casefold(), v) for v in distinct.to_list()], pl.String), index
        )

    def _reads_back(self, texts: pl.Series, codes: np.ndarray) -> np.ndarray:
        """Whether each text, read as the source's are, is the value that was meant: bool[n]."""
        out = self._reads_at_once(texts, codes)
        rest = np.flatnonzero(~out)
        if rest.size:
            out[rest] = self._reads(texts.gather(pl.Series(rest)), codes[rest])
        return out

    def _reads_at_once(self, texts: pl.Series, codes: np.ndarray) -> np.ndarray:
        """Which texts surely read back, bool[n], by what tells whole columns apart that need no second look.

        Nearly all do, at a tenth of the time that :meth:`_reads` takes for them.
        """
        if self._national or self.kind == "phone":
            field = "phone" if self.kind == "phone" else self.field.standard
            digits = codes & _VALUE, (codes >> 56).astype(np.uint8)
            return (codes != 0) & (self.locale.settled(field, digits, self.day.year) == codes)
        if self.kind == "date":
            held = Texts.of(texts)
            read = settled_dates(held.offsets, held.data, list(self.field.formats), self.day)
            return (codes != 0) & (read == codes)
        if self.kind == "name":
            return self._names_read_at_once(Texts.of(texts), codes)
        return np.zeros(len(texts), bool)

    def _names_read_at_once(self, texts: Texts, codes: np.ndarray) -> np.ndarray:
        reader = self.locale.name_reader(self.secret)
        words, doubtful = reader.read(texts.offsets, texts.data, None)
        tokens, _ = reader.tokens()
        read = name_bytes_of(words, Spelling.of(tokens[1:]))
        plain = (codes[:, 0] != 0) & (codes[:, NAME_WIDTH - 1] == 0) & ~doubtful
        return plain & read_as_names(read, np.arange(len(texts)), codes, self._meant, self._meant)

    @property
    def _meant(self) -> Spelling:
        """Words as they are read, in small letters."""
        return (self.words.plain if self.habit.plain else self.words.written).small

    def _reads(self, texts: pl.Series, codes: np.ndarray) -> np.ndarray:
        """Whether each text, read with all that is done for the source's, is the value that was meant."""
        distinct, index = distinct_texts(texts)
        known = index >= 0
        at = np.where(known, index, 0)
        if not len(distinct):
            return np.zeros(len(texts), bool)
        if self.kind == "name":
            read = Texts.of(self.locale.names(distinct).texts().str.to_lowercase())
            whole = codes[:, NAME_WIDTH - 1] == 0  # a longer name has lost some of its middle
            return whole & read_as_names(read, index, codes, self._meant, self._meant)
        if self.kind == "date":
            read_codes = parse_dates(distinct, list(self.field.formats), self.day)["code"].to_numpy()
            return known & (read_codes[at] == codes)
        if self.kind == "sex" and isinstance(self.field.codes, Mapping):
            return known
        if self.kind == "unit":
            plain, places = distinct_texts(self._decoded(distinct, self.field))
            units, _ = self._known.read(self.field.standard, plain, self.field.as_of or self.day)
            return known & (units[places][at] == codes)
        if self.kind == "phone" or self._national:
            read_codes = read_digits(
                self.locale.phones(distinct)
                if self.kind == "phone"
                else self.locale.numbers(distinct, self.day.year)
            )
            return known & (read_codes[at] == codes)
        return known


def distinct_texts(texts: pl.Series) -> tuple[pl.Series, np.ndarray]:
    """The distinct texts without null, and every row's place among them, -1 for null."""
    encoded = texts.to_arrow().dictionary_encode()
    index = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return pl.Series("text", pl.from_arrow(encoded.dictionary)).cast(pl.String), index


def common_habit(capitals: int, unmarked: int, texts: int, marked_register: float) -> Habit:
    """The habit of a column of ``texts`` names, of which so many are in capitals, or without any diacritic.

    Most of the names decide on capitals; a column is without diacritics where 19 of 20 names have none though
    most of the register's (``marked_register``, a share) have some.
    """
    if not texts:
        return Habit()
    return Habit(2 * capitals > texts, unmarked >= 0.95 * texts and marked_register > 0.5)
