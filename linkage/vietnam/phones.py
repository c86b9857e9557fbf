"""Telephone numbers of Vietnam in today's national form.

Mobile numbers of eleven digits became ten digits in September 2018 by a fixed table of prefixes. A mobile
number has ten digits and begins with 03, 05, 07, 08 or 09; a landline has eleven and begins with 02.
Telephones are shared in a family and handed on: weak evidence.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from linkage.vietnam.numbers import Digits

MIGRATED = {
    "0120": "070",
    "0121": "079",
    "0122": "077",
    "0126": "076",
    "0128": "078",
    "0123": "083",
    "0124": "084",
    "0125": "085",
    "0127": "081",
    "0129": "082",
    **{f"016{digit}": f"03{digit}" for digit in range(2, 10)},
    "0186": "056",
    "0188": "058",
    "0199": "059",
}
"""First four digits of an eleven-digit mobile number to the first three of its ten-digit successor (2018)."""

_COUNTRY = r"^(?:\+|00)?84"
_MOBILE = r"^0[35789][0-9]{8}$"
_LANDLINE = r"^02[0-9]{9}$"
_NATIONAL = r"^0?(?:[35789][0-9]{8}|2[0-9]{9}|1[0-9]{9})$"
_PLACEHOLDER = "^0?[0-9]?(?:" + "|".join(["12345678", "87654321", *(str(d) * 8 for d in range(10))]) + ")"
_SHORTEST, _LONGEST = 6, 15


def _first_number(text: pl.Expr) -> pl.Expr:
    """The first of several numbers in one cell, without separators."""
    return (
        text.str.replace_many({chr(0xFF10 + digit): str(digit) for digit in range(10)})
        .str.replace_many(["O", "o"], ["0", "0"])
        .str.replace(r"\.0$", "")
        .str.replace_all(r"[\s.\u{a0}()'\u{2018}\u{2019}\u{200b}\-\u{2010}-\u{2015}]", "")
        .str.extract(r"(\+?[0-9]{6,})", 1)
    )


def _plain_mobiles(digits: Digits) -> pl.Series:
    """Whether each number is a mobile number as it is today; what is doubtful is left to the texts."""
    value, length = digits
    start = value // 10**8
    known = (length == 10) & np.isin(start, (3, 5, 7, 8, 9)) & (value < 10**10)
    runs = np.array([12345678, 87654321, *(int(str(digit) * 8) for digit in range(10))])
    odd = np.isin(value % 10**8, runs) | np.isin(value // 10 % 10**8, runs)
    return pl.Series(known & ~odd)


def standardise_phones(values: pl.Series, digits: Digits | None = None) -> pl.DataFrame:
    """Read distinct telephone numbers (text, no nulls); one row a value, in the order given.

    ``digits`` are further numbers, already read as integers: their rows come first.

    ``digits`` Int64, the national number as an integer (null where unusable); ``length`` UInt8, its
    digits with the leading zero (0 where null); ``issue``: null, ``unreadable`` (no six digits together),
    ``placeholder`` (digits null), ``foreign`` (another country's; kept as written with its country code) or
    ``malformed`` (not a number in use in Vietnam; kept as written); ``repair``: null, ``migrated`` (the table
    of 2018), ``country_code`` (+84, 84 or 0084 replaced by 0) or ``leading_zero``.
    """
    if digits is not None:
        mobile = _plain_mobiles(digits)
        held = pl.DataFrame({"digits": digits[0], "length": digits[1]}).select(
            "digits",
            "length",
            issue=pl.lit(None, dtype=pl.String),
            repair=pl.lit(None, dtype=pl.String),
        )
        rest = (~mobile).arg_true()
        written = pl.DataFrame({"value": digits[0], "length": digits[1]})[rest].select(
            pl.col("value").cast(pl.String).str.zfill(pl.col("length"))
        )
        texts = standardise_phones(pl.concat([written["value"], values.cast(pl.String).rename("value")]))
        if len(rest):
            held = held.with_row_index("row").join(
                texts[: len(rest)].with_columns(row=rest), on="row", how="left", maintain_order="left"
            )
            own = pl.Series(mobile)
            held = held.select(
                *(
                    pl.when(own).then(pl.col(name)).otherwise(pl.col(f"{name}_right")).alias(name)
                    for name in ("digits", "length", "issue", "repair")
                )
            )
        return pl.concat([held, texts[len(rest) :]])
    frame = values.to_frame("value").select(text=_first_number(pl.col("value")))
    local = pl.col("text").str.replace(_COUNTRY, "")
    own_country = pl.col("text").str.contains(_COUNTRY) & local.str.contains(_NATIONAL)
    marked_foreign = pl.col("text").str.contains(r"^(?:\+|00)[1-9]")
    frame = frame.with_columns(
        own_country=own_country,
        foreign=marked_foreign & ~own_country,
        number=pl.when(own_country).then(local).otherwise(pl.col("text").str.strip_prefix("+")),
    )
    zero_missing = ~pl.col("number").str.starts_with("0") & pl.col("number").str.contains(_NATIONAL)
    frame = frame.with_columns(
        zero_missing=zero_missing & ~pl.col("foreign"),
        number=pl.when(zero_missing & ~pl.col("foreign"))
        .then(pl.lit("0") + pl.col("number"))
        .when(pl.col("foreign"))
        .then(pl.col("number").str.strip_chars_start("0"))
        .otherwise(pl.col("number")),
    )
    start = pl.col("number").str.slice(0, 4)
    migrated = pl.col("number").str.contains("^01[0-9]{9}$") & start.is_in(list(MIGRATED))
    successor = start.replace_strict(MIGRATED, default=None, return_dtype=pl.String) + pl.col(
        "number"
    ).str.slice(4)
    frame = frame.with_columns(
        migrated=migrated, number=pl.when(migrated).then(successor).otherwise(pl.col("number"))
    )
    known = pl.col("number").str.contains(_MOBILE) | pl.col("number").str.contains(_LANDLINE)
    length = pl.col("number").str.len_bytes()
    issue = (
        pl.when(pl.col("number").is_null() | ~length.is_between(_SHORTEST, _LONGEST))
        .then(pl.lit("unreadable"))
        .when(pl.col("number").str.contains(_PLACEHOLDER))
        .then(pl.lit("placeholder"))
        .when(pl.col("foreign"))
        .then(pl.lit("foreign"))
        .when(~known)
        .then(pl.lit("malformed"))
    )
    frame = frame.with_columns(issue=issue)
    kept = pl.col("issue").is_null() | pl.col("issue").is_in(["foreign", "malformed"])
    return frame.select(
        digits=pl.when(kept).then(pl.col("number")).cast(pl.Int64),
        length=pl.when(kept).then(length).otherwise(0).cast(pl.UInt8),
        issue=pl.col("issue"),
        repair=pl.when(~kept)
        .then(pl.lit(None, dtype=pl.String))
        .when(pl.col("migrated"))
        .then(pl.lit("migrated"))
        .when(pl.col("own_country"))
        .then(pl.lit("country_code"))
        .when(pl.col("zero_missing"))
        .then(pl.lit("leading_zero")),
    )
