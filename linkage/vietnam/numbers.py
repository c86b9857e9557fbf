"""National identity numbers: the twelve-digit personal number and the nine-digit number before it.

A personal number is province of birth registration (3), century and sex (1), year of birth (2), serial (6);
Circular 07/2016/TT-BCA and 59/2021/TT-BCA. Neither number has a check digit, so structure is evidence, never
proof: a number that contradicts its holder can be right, and a wrong one can look right.
"""

from __future__ import annotations

import polars as pl

PROVINCE_CODES = tuple(
    int(code)
    for code in """ 1 2 4 6 8 10 11 12 14 15 17 19 20 22 24 25 26 27 30 31 33 34 35 36 37 38 40 42 44 45 46
    48 49 51 52 54 56 58 60 62 64 66 67 68 70 72 74 75 77 79 80 82 83 84 86 87 89 91 92 93 94 95 96
    """.split()
)
"""The 63 province codes of personal numbers, as integers; valid for every birth year."""

NUMBER_KINDS = pl.Enum(
    ["personal", "personal_padded", "old", "old_padded", "malformed", "placeholder", "empty"],
)
"""``personal`` twelve digits; ``personal_padded`` ten or eleven whose lost zeros were restored; ``old`` nine
digits; ``old_padded`` eight, zero restored; ``malformed`` anything else with digits; ``placeholder`` a row of
equal or counting digits; ``empty`` no digit at all."""

_SHORTEST, _LONGEST = 6, 16
_OLD_PREFIXES = range(1, 39)
_TAX_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)
_LOST_ZERO_CONFIDENCE = {11: 0.95, 10: 0.7, 8: 0.8}
_TAX_CODE_CONFIDENCE = 0.4
_OCR_CONFIDENCE = 0.8


def _placeholders() -> list[int]:
    counting = "0123456789" * 3
    runs = {
        int(digits[start : start + length])
        for digits in (counting, counting[::-1])
        for start in range(10)
        for length in range(_SHORTEST, _LONGEST + 1)
    }
    return sorted(
        runs | {int(str(digit) * length) for digit in range(10) for length in range(1, _LONGEST + 1)}
    )


_PLACEHOLDERS = _placeholders()
"""Rows of equal or counting digits, as integers: leading zeros make no better number of them."""


def _unified(values: pl.Series) -> pl.DataFrame:
    """``text`` (only digits where the value can be read as a number) and ``repair`` of values that are not
    plain.
    """
    full_width = {chr(0xFF10 + digit): str(digit) for digit in range(10)}
    text = (
        pl.col("value")
        .str.replace_many(full_width)
        .str.replace(r"^(?i)\s*(?:cccd|cmnd|cmtnd|cmt|căn cước|cc|đdcn|số|no)\s*[:.]?\s*(?-i)", "")
        .str.replace_all(r"[\s\u{a0}\u{200b}-\u{200d}\u{feff}'\u{2018}\u{2019}`\"=]", "")
    )
    floated = pl.col("text").str.contains(r"^[0-9]+[.,]0$")
    joined = (
        pl.when(floated)
        .then(pl.col("text").str.replace(r"[.,]0$", ""))
        .otherwise(pl.col("text").str.replace_all(r"[.,\-\u{2010}-\u{2015}_/]", ""))
    )
    misread = pl.col("joined").str.contains(r"^[0-9OolI|]*$") & (
        pl.col("joined").str.count_matches("[0-9]") >= _SHORTEST
    )
    read = pl.col("joined").str.replace_many(["O", "o", "l", "I", "|"], ["0", "0", "1", "1", "1"])
    digits = pl.col("joined").str.contains(r"^[0-9]*$")
    return (
        values.to_frame("value")
        .select("value", text=text)
        .select("value", "text", joined=joined, floated=floated)
        .select(
            text=pl.when(misread & ~digits).then(read).otherwise(pl.col("joined")),
            repair=pl.when(misread & ~digits)
            .then(pl.lit("ocr"))
            .when(pl.col("floated"))
            .then(pl.lit("spreadsheet"))
            .when(digits & (pl.col("joined") != pl.col("value").str.strip_chars()) & (pl.col("joined") != ""))
            .then(pl.lit("separators")),
        )
    )


def _is_tax_code(value: pl.Expr) -> pl.Expr:
    """Whether ten digits end in the check digit of a tax code (Circular 105/2020/TT-BTC, annex 1)."""
    total = pl.lit(0, dtype=pl.Int64)
    for place, weight in enumerate(_TAX_WEIGHTS):
        total = total + (value // 10 ** (9 - place)) % 10 * weight
    return (10 - total % 11 == value % 10) & (total % 11 != 0)


def standardise_numbers(values: pl.Series, extract_year: int) -> pl.DataFrame:
    """Read distinct identity numbers (text, no nulls); one row a value, in the order given.

    ``digits`` Int64, the number (null for placeholders and what is no number of 6 to 16 digits); ``length``
    UInt8, its digits with leading zeros (0 where null); ``kind`` (NUMBER_KINDS); of personal numbers
    ``province`` UInt16 (first three digits; 0 if not one of the 63), ``sex`` UInt8 (1 male, 2 female, 0
    none) and ``birth_year`` Int16 (0 none; never after ``extract_year``); ``structure_ok`` (province,
    century and year hold; of an old number: the first two digits were in use); ``repair``: null,
    ``separators``, ``spreadsheet`` (a trailing .0), ``ocr`` (letters read as digits) or ``leading_zero``;
    ``confidence`` of the repair (1 where there is none).

    Ten and eleven digits are taken for a personal number that lost its zeros only if the restored number
    holds together; ten digits that also pass the check of a tax code are much less sure.
    """
    plain = values.str.contains(r"^[0-9]+$")
    frame = values.to_frame("text").with_columns(repair=pl.lit(None, dtype=pl.String))
    odd = (~plain).arg_true()
    if len(odd):
        unified = _unified(values.gather(odd))
        frame = pl.DataFrame(
            {
                "text": frame["text"].scatter(odd, unified["text"]),
                "repair": frame["repair"].scatter(odd, unified["repair"]),
            }
        )
    frame = frame.with_columns(
        value=pl.col("text").cast(pl.Int64, strict=False),
        written=pl.col("text").str.len_bytes().cast(pl.Int64),
    )
    number = pl.col("value").is_not_null() & pl.col("written").is_between(_SHORTEST, _LONGEST)
    placeholder = pl.col("value").is_in(_PLACEHOLDERS) | (number & (pl.col("value") < 1000))
    century = pl.col("value") // 10**8 % 10
    year = 1900 + century // 2 * 100 + pl.col("value") // 10**6 % 100
    known_province = (pl.col("value") // 10**9).is_in(list(PROVINCE_CODES))
    holds = known_province & (year <= extract_year)
    ten_or_eleven = ((pl.col("written") == 10) & (pl.col("value") >= 10**9)) | (
        (pl.col("written") == 11) & (pl.col("value") >= 10**10)
    )
    old_padded = (pl.col("written") == 8) & (pl.col("value") >= 10**7)
    kind = (
        pl.when(placeholder)
        .then(pl.lit("placeholder"))
        .when(number)
        .then(
            pl.when(pl.col("written") == 12)
            .then(pl.lit("personal"))
            .when(ten_or_eleven & holds)
            .then(pl.lit("personal_padded"))
            .when(pl.col("written") == 9)
            .then(pl.lit("old"))
            .when(old_padded)
            .then(pl.lit("old_padded"))
            .otherwise(pl.lit("malformed"))
        )
        .when(pl.col("value").is_null() & ~pl.col("text").str.contains("[0-9]"))
        .then(pl.lit("empty"))
        .otherwise(pl.lit("malformed"))
        .cast(NUMBER_KINDS)
    )
    frame = frame.with_columns(
        number=number, kind=kind, holds=holds, known_province=known_province, year=year, century=century
    )
    personal = pl.col("kind").is_in(["personal", "personal_padded"])
    old = pl.col("kind").is_in(["old", "old_padded"])
    read = pl.col("number") & (pl.col("kind") != "placeholder")
    zeros_lost = pl.col("kind").is_in(["personal_padded", "old_padded"])
    tax_code = (pl.col("written") == 10) & _is_tax_code(pl.col("value"))
    born = personal & (pl.col("year") <= extract_year)
    return frame.select(
        digits=pl.when(read).then(pl.col("value")),
        length=pl.when(~read)
        .then(0)
        .when(personal)
        .then(12)
        .when(old)
        .then(9)
        .otherwise(pl.col("written"))
        .cast(pl.UInt8),
        kind=pl.col("kind"),
        province=pl.when(personal & pl.col("known_province"))
        .then(pl.col("value") // 10**9)
        .otherwise(0)
        .cast(pl.UInt16),
        sex=pl.when(born).then(1 + pl.col("century") % 2).otherwise(0).cast(pl.UInt8),
        birth_year=pl.when(born).then(pl.col("year")).otherwise(0).cast(pl.Int16),
        structure_ok=(personal & pl.col("holds"))
        | (old & (pl.col("value") // 10**7).is_in(list(_OLD_PREFIXES))).fill_null(value=False),
        repair=pl.when(zeros_lost)
        .then(pl.lit("leading_zero"))
        .otherwise(pl.when(read).then(pl.col("repair"))),
        confidence=pl.when(zeros_lost & tax_code)
        .then(_TAX_CODE_CONFIDENCE)
        .when(zeros_lost)
        .then(pl.col("written").replace_strict(_LOST_ZERO_CONFIDENCE, default=1.0, return_dtype=pl.Float64))
        .when(read & (pl.col("repair") == "ocr"))
        .then(_OCR_CONFIDENCE)
        .otherwise(1.0)
        .cast(pl.Float32),
    )
