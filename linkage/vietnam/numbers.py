"""National identity numbers: the twelve-digit personal number and the nine-digit number before it.

A personal number is province of birth registration (3), century and sex (1), year of birth (2), serial (6);
Circular 07/2016/TT-BCA and 59/2021/TT-BCA. Neither number has a check digit, so structure is evidence, never
proof: a number that contradicts its holder can be right, and a wrong one can look right.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from kernels.screens import holders

Digits = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]
"""Numbers of plain digits as integers, and how many digits write each."""

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


PLACEHOLDERS = _placeholders()
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


def check_digit_holds(value: pl.Expr) -> pl.Expr:
    """Whether ten digits, as an integer, end in the check digit of a tax code.

    Weights 31, 29, 23, 19, 17, 13, 7, 5, 3 of the first nine; with r their sum modulo 11 the tenth digit is
    10 - r, and there is no code where r is 0 (Circular 105/2020/TT-BTC, annex 1).
    """
    total = pl.lit(0, dtype=pl.Int64)
    for place, weight in enumerate(_TAX_WEIGHTS):
        total = total + (value // 10 ** (9 - place)) % 10 * weight
    return (10 - total % 11 == value % 10) & (total % 11 != 0)


def is_placeholder(value: pl.Expr) -> pl.Expr:
    """Whether an integer is a row of equal or counting digits, or below a thousand."""
    return value.is_in(PLACEHOLDERS) | (value < 1000)


def number_structure(value: pl.Expr, extract_year: int) -> dict[str, pl.Expr]:
    """What twelve digits, as an integer, say: ``known_province``, ``century``, ``year`` and whether all
    ``holds``.
    """
    century = value // 10**8 % 10
    year = 1900 + century // 2 * 100 + value // 10**6 % 100
    known_province = (value // 10**9).is_in(list(PROVINCE_CODES))
    return {
        "known_province": known_province,
        "century": century,
        "year": year,
        "holds": known_province & (year <= extract_year),
    }


def holder_of(
    codes: npt.NDArray[np.int64], latest_year: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int16]]:
    """What the structure of personal numbers, as identifier codes, says of their holders.

    Sex uint8[n] (1 male, 2 female) and year of birth int16[n]; both 0 where the code is no twelve digits or
    the year is after ``latest_year``.
    """
    return holders(codes, latest_year)


def read_texts(values: pl.Series, digits: Digits | None) -> pl.DataFrame:
    """Digits first, then texts, as one frame of ``text`` (null for digits), ``value``, ``written``,
    ``repair``.
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
    frame = frame.select(
        "text",
        value=pl.col("text").cast(pl.Int64, strict=False),
        written=pl.col("text").str.len_bytes().cast(pl.Int64),
        repair=pl.col("repair"),
    )
    if digits is None:
        return frame
    value, length = digits
    nothing = pl.lit(None, dtype=pl.String)
    known = pl.DataFrame({"value": value, "written": length.astype(np.int64)}).select(
        text=nothing, value=pl.col("value"), written=pl.col("written"), repair=nothing
    )
    return pl.concat([known, frame])


def standardise_numbers(values: pl.Series, extract_year: int, digits: Digits | None = None) -> pl.DataFrame:
    """Read distinct identity numbers (text, no nulls); one row a value, in the order given.

    ``digits`` are further numbers, already read as integers: their rows come first.

    ``digits`` Int64, the number (null for placeholders and what is no number of 6 to 16 digits); ``length``
    UInt8, its digits with leading zeros (0 where null); ``kind`` (NUMBER_KINDS); of personal numbers
    ``province`` UInt16 (first three digits; 0 if not one of the 63), ``sex`` UInt8 (1 male, 2 female, 0
    none) and ``birth_year`` Int16 (0 none; never after ``extract_year``); ``structure_ok`` (province,
    century and year hold; of an old number: the first two digits were in use); ``repair``: null,
    ``separators``, ``spreadsheet`` (a trailing .0), ``ocr`` (letters read as digits) or ``leading_zero``;
    ``confidence`` of the repair (1 where there is none); ``unrepaired`` Int64, the code of the value without
    the repair (0 where it cannot be read without).

    Ten and eleven digits are taken for a personal number that lost its zeros only if the restored number
    holds together; ten digits that also pass the check of a tax code are much less sure.
    """
    if digits is None:
        return _standardised(read_texts(values, None), extract_year)
    value, length = digits
    sound = _sound(value, length, extract_year)
    rest = _standardised(read_texts(values, (value[~sound], length[~sound])), extract_year)
    if not sound.any():
        return rest
    century = value[sound] // 10**8 % 10
    columns = {
        "digits": value[sound],
        "province": (value[sound] // 10**9).astype(np.uint16),
        "sex": (1 + century % 2).astype(np.uint8),
        "birth_year": (1900 + century // 2 * 100 + value[sound] // 10**6 % 100).astype(np.int16),
    }
    same = {"length": 12, "kind": "personal", "structure_ok": True, "repair": None, "confidence": 1.0}
    fine = pl.DataFrame(columns).with_columns(
        pl.lit(held).cast(rest.schema[name]).alias(name) for name, held in {**same, "unrepaired": 0}.items()
    )
    whole = pl.concat([fine.select(rest.columns), rest])
    n = int(sound.sum())
    place = np.empty(whole.height, np.uint32)
    place[: sound.size] = np.where(sound, np.cumsum(sound) - 1, n + np.cumsum(~sound) - 1)
    place[sound.size :] = np.arange(sound.size, whole.height, dtype=np.uint32)
    return whole[pl.Series(place)]


def _sound(
    value: npt.NDArray[np.int64], length: npt.NDArray[np.uint8], extract_year: int
) -> npt.NDArray[np.bool_]:
    """Twelve digits of a known province and a year of birth that has been, and no placeholder: nearly all."""
    known = np.zeros(1 << 10, np.bool_)
    known[list(PROVINCE_CODES)] = True
    century = value // 10**8 % 10
    year = 1900 + century // 2 * 100 + value // 10**6 % 100
    runs = np.array(PLACEHOLDERS)
    near = runs[np.minimum(np.searchsorted(runs, value), runs.size - 1)]
    province = np.minimum(value // 10**9, known.size - 1)
    sound: npt.NDArray[np.bool_] = (length == 12) & known[province] & (year <= extract_year) & (near != value)
    return sound


def _standardised(frame: pl.DataFrame, extract_year: int) -> pl.DataFrame:
    """What :func:`standardise_numbers` gives, of numbers as read."""
    number = pl.col("value").is_not_null() & pl.col("written").is_between(_SHORTEST, _LONGEST)
    structure = number_structure(pl.col("value"), extract_year)
    holds = pl.col("holds")
    frame = frame.with_columns(
        number=number,
        placeholder=pl.col("value").is_in(PLACEHOLDERS) | (number & (pl.col("value") < 1000)),
        **structure,
    )
    ten_or_eleven = ((pl.col("written") == 10) & (pl.col("value") >= 10**9)) | (
        (pl.col("written") == 11) & (pl.col("value") >= 10**10)
    )
    old_padded = (pl.col("written") == 8) & (pl.col("value") >= 10**7)
    kind = (
        pl.when(pl.col("placeholder"))
        .then(pl.lit("placeholder"))
        .when(pl.col("number"))
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
    frame = frame.with_columns(kind=kind)
    personal = pl.col("kind").is_in(["personal", "personal_padded"])
    old = pl.col("kind").is_in(["old", "old_padded"])
    read = pl.col("number") & (pl.col("kind") != "placeholder")
    zeros_lost = pl.col("kind").is_in(["personal_padded", "old_padded"])
    tax_code = (pl.col("written") == 10) & check_digit_holds(pl.col("value"))
    born = personal & (pl.col("year") <= extract_year)
    as_written = pl.col("written") * (1 << 56) + pl.col("value")
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
        unrepaired=pl.when(zeros_lost & pl.col("repair").is_null()).then(as_written).otherwise(0),
    )
