"""Codes of tax and social insurance, health cards and passports: read, typed by structure, made comparable.

What stands in a column is typed by the column first and by its structure second. A person's tax code is the
personal number since 1 July 2025, as the insurance number is since 1 August 2025, so twelve digits in either
column are that; a health card of 15 characters ends in the insurance number (Decision 1351/QĐ-BHXH of 2015),
and since April 2021 a card shows that number alone (Decision 1666/QĐ-BHXH of 2020).

All functions take distinct texts (no nulls) and give one row a value:

``code`` Int64, ``digits << 56 | value`` and 0 where there is none; ``personal`` and ``insurance`` Int64, the
code of a personal number, and of an insurance number, that the value is or contains, else 0; ``issue``: null
or a query's code (see :mod:`linkage.queries`); ``repair``: null, ``separators``, ``spreadsheet``, ``ocr``,
``leading_zero`` or ``card`` (a card in the place of its number); ``confidence`` Float32 of the repair;
``unrepaired`` Int64, the code of the value without the repair, 0 where it cannot be read without.
"""

from __future__ import annotations

import polars as pl

from linkage.vietnam.numbers import (
    PROVINCE_CODES,
    Digits,
    check_digit_holds,
    is_placeholder,
    number_structure,
    read_texts,
)

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CARD = r"^[A-Z]{2}[1-5][0-9]{12}$"
_PASSPORT = r"^[A-Z][0-9]{7}$"
_FOREIGN_PASSPORT = r"^(?:[A-Z][0-9]{5,8}|[A-Z]{2}[0-9]{5,7}|[A-Z]{3}[0-9]{5,6})$"
_MISREAD = {"O": "0", "Q": "0", "I": "1", "L": "1", "|": "1"}
_CONFIDENCE = {"leading_zero": 0.85, "ocr": 0.8, "card": 0.98}
_ZERO = pl.lit(0, dtype=pl.Int64)
_NOTHING = pl.lit(None, dtype=pl.String)


def _coded(length: pl.Expr, value: pl.Expr) -> pl.Expr:
    return length.cast(pl.Int64) * (1 << 56) + value


def _finish(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of the module, of a frame that may lack ``personal``, ``insurance`` and ``unrepaired``."""
    missing = [name for name in ("personal", "insurance", "unrepaired") if name not in frame.columns]
    return frame.with_columns(_ZERO.alias(name) for name in missing).select(
        *(pl.col(name).fill_null(0) for name in ("code", "personal", "insurance")),
        "issue",
        "repair",
        confidence=pl.col("repair")
        .replace_strict(_CONFIDENCE, default=1.0, return_dtype=pl.Float64)
        .fill_null(1.0)
        .cast(pl.Float32),
        unrepaired=pl.col("unrepaired").fill_null(0),
    )


def _typed(
    values: pl.Series, extract_year: int, digits: Digits | None
) -> tuple[pl.DataFrame, dict[str, pl.Expr]]:
    """Numbers as read, and what they are: ``placeholder``, ``personal`` (12 digits, or 11 that hold together
    with the zero they lost).
    """
    frame = read_texts(values, digits).with_columns(
        number=pl.col("value").is_not_null() & pl.col("written").is_between(6, 16)
    )
    holds = number_structure(pl.col("value"), extract_year)["holds"]
    eleven = (pl.col("written") == 11) & (pl.col("value") >= 10**10) & holds
    return frame, {
        "placeholder": pl.col("value").is_not_null() & is_placeholder(pl.col("value")),
        "personal": pl.col("number") & ((pl.col("written") == 12) | eleven),
        "lost_zero": eleven,
    }


def tax_codes(values: pl.Series, extract_year: int, digits: Digits | None = None) -> pl.DataFrame:
    """Tax codes: ten digits with a check digit, thirteen with the suffix of a dependent unit, or twelve.

    Nine digits that end in the check digit of the ten with a leading zero have lost that zero. Queries:
    ``placeholder_number``, ``wrong_check_digit``, ``malformed_number``. Columns: see the module.
    """
    frame, what = _typed(values, extract_year, digits)
    value, written = pl.col("value"), pl.col("written")
    suffix = value % 1000
    nine = (written == 9) & check_digit_holds(value)
    branch = written == 13
    frame = frame.with_columns(
        placeholder=what["placeholder"],
        is_personal=what["personal"],
        eleven=what["lost_zero"],
        nine=nine & pl.col("number"),
        checked=pl.when(branch)
        .then(check_digit_holds(value // 1000) & (suffix > 0))
        .otherwise(check_digit_holds(value)),
    )
    usable = pl.col("number") & ~pl.col("placeholder")
    lost = pl.col("nine") | pl.col("eleven")
    length = pl.when(pl.col("nine")).then(10).when(pl.col("eleven")).then(12).otherwise(written)
    code = pl.when(usable).then(_coded(length, value)).otherwise(0)
    issue = (
        pl.when(pl.col("placeholder"))
        .then(pl.lit("placeholder_number"))
        .when(~pl.col("number"))
        .then(pl.lit("malformed_number"))
        .when(pl.col("is_personal") | pl.col("nine"))
        .then(_NOTHING)
        .when(~written.is_in([10, 13]))
        .then(pl.lit("malformed_number"))
        .when(~pl.col("checked"))
        .then(pl.lit("wrong_check_digit"))
    )
    return _finish(
        frame.select(
            code=code,
            personal=pl.when(usable & pl.col("is_personal")).then(_coded(pl.lit(12), value)).otherwise(0),
            issue=issue,
            repair=pl.when(usable & lost)
            .then(pl.lit("leading_zero"))
            .otherwise(pl.when(usable).then(pl.col("repair"))),
            unrepaired=pl.when(usable & lost & pl.col("repair").is_null())
            .then(_coded(written, value))
            .otherwise(0),
        )
    )


def _alone(values: pl.Series, extract_year: int, digits: Digits | None) -> tuple[pl.DataFrame, pl.Series]:
    """Insurance numbers where no card stands, and whether each value is digits at all."""
    frame, what = _typed(values, extract_year, digits)
    value, written = pl.col("value"), pl.col("written")
    frame = frame.with_columns(
        placeholder=what["placeholder"],
        is_personal=what["personal"],
        lost=(what["lost_zero"] | (written == 9)) & pl.col("number"),
    )
    usable = pl.col("number") & ~pl.col("placeholder")
    length = pl.when(pl.col("is_personal")).then(12).when(written == 9).then(10).otherwise(written)
    code = pl.when(usable).then(_coded(length, value)).otherwise(0)
    ten = written.is_in([9, 10])
    found = frame.select(
        code=code,
        personal=pl.when(usable & pl.col("is_personal")).then(code).otherwise(0),
        insurance=pl.when(usable & ten).then(code).otherwise(0),
        issue=pl.when(pl.col("placeholder"))
        .then(pl.lit("placeholder_number"))
        .when(~(pl.col("number") & (ten | pl.col("is_personal"))))
        .then(pl.lit("malformed_number")),
        repair=pl.when(usable & pl.col("lost"))
        .then(pl.lit("leading_zero"))
        .otherwise(pl.when(usable).then(pl.col("repair"))),
        unrepaired=pl.when(usable & pl.col("lost") & pl.col("repair").is_null())
        .then(_coded(written, value))
        .otherwise(0),
    )
    return _finish(found), frame["value"].is_not_null()


def _cards(values: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """Whole health cards, and whether each value is one."""
    clean = values.to_frame("value").select(
        "value",
        text=pl.col("value")
        .str.replace_many({chr(0xFF10 + digit): str(digit) for digit in range(10)})
        .str.to_uppercase()
        .str.replace_all(r"[\s\u{a0}.\-_/'\u{2018}\u{2019}]", ""),
    )
    text = pl.col("text")
    tail = text.str.slice(2).str.replace_many(list(_MISREAD), list(_MISREAD.values()))
    head = text.str.slice(0, 2).str.replace_many(["0", "1"], ["O", "I"])
    clean = clean.with_columns(read=pl.when(text.str.len_chars() == 15).then(head + tail).otherwise(text))
    card = pl.col("read").str.contains(_CARD)
    letters = sum(
        (
            pl.col("read")
            .str.slice(place, 1)
            .replace_strict(dict(zip(_LETTERS, range(26), strict=True)), default=0, return_dtype=pl.Int64)
            * weight
            for place, weight in ((0, 26), (1, 1))
        ),
        _ZERO,
    )
    thirteen = pl.col("read").str.slice(2).cast(pl.Int64, strict=False)
    frame = clean.with_columns(card=card, thirteen=thirteen, letters=letters).with_columns(
        number=pl.col("thirteen") % 10**10
    )
    runs = is_placeholder(pl.col("number"))
    province = (pl.col("thirteen") // 10**10 % 100).is_in(list(PROVINCE_CODES))
    fine = pl.col("card") & ~runs
    cards = _finish(
        frame.select(
            code=pl.when(fine)
            .then(_coded(pl.lit(16), pl.col("letters") * 10**13 + pl.col("thirteen")))
            .otherwise(0),
            insurance=pl.when(fine).then(_coded(pl.lit(10), pl.col("number"))).otherwise(0),
            issue=pl.when(~pl.col("card"))
            .then(pl.lit("malformed_number"))
            .when(runs)
            .then(pl.lit("placeholder_number"))
            .when(~province)
            .then(pl.lit("unknown_province")),
            repair=pl.when(fine & (text != pl.col("read")))
            .then(pl.lit("ocr"))
            .when(fine & (text != pl.col("value").str.strip_chars().str.to_uppercase()))
            .then(pl.lit("separators")),
        )
    )
    return cards, frame["card"]


def _first(digits: Digits | None) -> int:
    return 0 if digits is None else int(digits[0].shape[0])


def insurance_numbers(values: pl.Series, extract_year: int, digits: Digits | None = None) -> pl.DataFrame:
    """Numbers of social insurance: ten digits without a check, twelve, or a health card that ends in one.

    Nine digits have lost a leading zero. Queries: ``placeholder_number``, ``malformed_number``. Columns: see
    the module.
    """
    found, number = _alone(values, extract_year, digits)
    first = _first(digits)
    other = (~number[first:]).arg_true()
    if not len(other):
        return found
    cards, _ = _cards(values.gather(other))
    held = cards["insurance"] != 0
    at = (other + first).filter(held)
    read = cards["insurance"].filter(held)
    changed = {
        "code": read,
        "insurance": read,
        "issue": pl.repeat(None, len(at), dtype=pl.String, eager=True),
        "repair": pl.repeat("card", len(at), dtype=pl.String, eager=True),
    }
    whole = found.with_columns(found[name].scatter(at, new) for name, new in changed.items())
    return _finish(whole.drop("confidence"))


def health_cards(values: pl.Series, extract_year: int, digits: Digits | None = None) -> pl.DataFrame:
    """Health cards: two letters, a benefit digit 1 to 5, a province and the ten-digit insurance number.

    The code of a whole card is of sixteen digits: its letters as a number of three (26 times the first and
    the second, A being 0), then its thirteen digits. Ten digits are the insurance number alone and have its
    code. Queries: ``placeholder_number``, ``malformed_number``, ``unknown_province`` (digits four and five).
    Columns: see the module.
    """
    cards, whole = _cards(values)
    alone, number = _alone(values, extract_year, digits)
    first = _first(digits)
    at = (~whole & number[first:]).arg_true()
    cards = cards.with_columns(
        cards[name].scatter(at, alone[first:][name].gather(at)) for name in cards.columns
    )
    return pl.concat([alone[:first], cards])


def passports(values: pl.Series, digits: Digits | None = None) -> pl.DataFrame:
    """Passports: of Vietnam a letter and seven digits, of others one to three letters and five to eight.

    The code of Vietnam's is of nine digits, the letter's place in the alphabet (A is 0) and the seven; that
    of another is its characters as a number of base 36, with sixteen digits. Whatever else stands there,
    ``digits`` among it, has no code and the query ``malformed_number``. Columns: see the module.
    """
    if digits is not None and len(digits[0]):
        values = pl.concat(
            [pl.repeat("", len(digits[0]), dtype=pl.String, eager=True), values.cast(pl.String)]
        )
    frame = values.to_frame("value").with_columns(
        text=pl.col("value").str.to_uppercase().str.replace_all(r"[\s\u{a0}.\-_/'\u{2018}\u{2019}]", "")
    )
    text = pl.col("text")
    tail = text.str.slice(1).str.replace_many(list(_MISREAD), list(_MISREAD.values()))
    frame = frame.with_columns(
        read=pl.when(text.str.len_chars() == 8).then(text.str.slice(0, 1) + tail).otherwise(text)
    )
    known = pl.col("read").str.contains(_PASSPORT)
    letter = (
        pl.col("read")
        .str.slice(0, 1)
        .replace_strict(dict(zip(_LETTERS, range(26), strict=True)), default=0, return_dtype=pl.Int64)
    )
    seven = pl.col("read").str.slice(1).cast(pl.Int64, strict=False)
    placeholder = known & is_placeholder(seven)
    foreign = ~known & text.str.contains(_FOREIGN_PASSPORT)
    fine = foreign | (known & ~placeholder)
    base_36 = pl.when(foreign).then(text).otherwise(pl.lit("0")).str.to_integer(base=36)
    return _finish(
        frame.select(
            code=pl.when(foreign)
            .then(_coded(pl.lit(16), base_36))
            .when(fine)
            .then(_coded(pl.lit(9), letter * 10**7 + seven))
            .otherwise(0),
            issue=pl.when(placeholder)
            .then(pl.lit("placeholder_number"))
            .when(~known & ~foreign)
            .then(pl.lit("malformed_number")),
            repair=pl.when(known & ~placeholder & (text != pl.col("read")))
            .then(pl.lit("ocr"))
            .when(fine & (text != pl.col("value").str.strip_chars().str.to_uppercase()))
            .then(pl.lit("separators")),
        )
    )
