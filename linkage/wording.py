"""Numbers, shares, days and names of things as a reader of English or of Vietnamese writes them."""

from __future__ import annotations

import datetime
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

Language = Literal["en", "vi"]

#: The languages that texts for agencies are written in, the first one first on the page.
LANGUAGES: tuple[Language, ...] = ("vi", "en")

#: Standard field -> (English, Vietnamese).
FIELDS: Mapping[str, tuple[str, str]] = {
    "person_id": ("person key", "mã người"),
    "personal_number": ("personal number", "số định danh cá nhân"),
    "old_number": ("old number", "số CMND cũ"),
    "full_name": ("full name", "họ và tên"),
    "birth_date": ("date of birth", "ngày sinh"),
    "sex": ("sex", "giới tính"),
    "birth_province": ("province of birth", "nơi đăng ký khai sinh (tỉnh)"),
    "commune": ("commune", "xã, phường"),
    "phone": ("telephone", "số điện thoại"),
    "father_name": ("father's name", "họ tên cha"),
    "mother_name": ("mother's name", "họ tên mẹ"),
    "death_date": ("date of death", "ngày chết"),
    "tax_code": ("tax code", "mã số thuế"),
    "insurance_number": ("insurance number", "mã số BHXH"),
    "health_card": ("health insurance card", "thẻ BHYT"),
    "passport": ("passport", "hộ chiếu"),
    "address": ("address", "địa chỉ"),
}

#: Columns of a page of text.
PAGE = 92

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def field_name(standard: str, language: Language) -> str:
    """A standard field in words; a field of the project's own by its name."""
    names = FIELDS.get(standard)
    return standard if names is None else names[0 if language == "en" else 1]


def count(number: int, language: Language) -> str:
    """A whole number in groups of three: ``1,234,567``, in Vietnamese ``1.234.567``."""
    text = f"{number:,}"
    return text if language == "en" else text.replace(",", ".")


def share(value: float | None, language: Language, digits: int = 4) -> str:
    """A share as a percentage without idle zeros: ``12.5 %``, in Vietnamese ``12,5 %``; ``-`` for none."""
    if value is None:
        return "-"
    text = f"{100 * value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text if language == 'en' else text.replace('.', ',')} %"


def day(value: datetime.date, language: Language) -> str:
    """``20 November 2026``, in Vietnamese ``20/11/2026``."""
    if language == "en":
        return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"
    return f"{value.day:02d}/{value.month:02d}/{value.year:04d}"


def width(text: str) -> int:
    """Columns that a text takes where all letters are equally wide; marks that combine take none."""
    return sum(
        2 if unicodedata.east_asian_width(c) in ("W", "F") else 1
        for c in text
        if not unicodedata.combining(c)
    )


def aligned(rows: Iterable[tuple[str, str]], indent: int = 2, least: int = 0) -> list[str]:
    """Lines of a name and a figure: names flush left, figures flush right, in columns of one width."""
    listed = list(rows)
    names = max([least, *(width(name) for name, _ in listed)])
    figures = max((width(figure) for _, figure in listed), default=0)
    return [
        " " * indent + name + " " * (names - width(name) + 2 + figures - width(figure)) + figure
        for name, figure in listed
    ]


def columns(table: Sequence[Sequence[str]], indent: int = 2) -> list[str]:
    """Lines of a table: its first column flush left, the others flush right."""
    if not table:
        return []
    widths = [max(width(row[i]) for row in table) for i in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [
            cell + " " * (w - width(cell)) if i == 0 else " " * (w - width(cell)) + cell
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return lines


def wrapped(text: str, indent: int = 0, hang: int = 0) -> list[str]:
    """Lines of at most :data:`PAGE` columns, broken at blanks; those after the first ``hang`` further in."""
    pad = " " * indent
    return textwrap.wrap(
        text,
        PAGE,
        initial_indent=pad,
        subsequent_indent=pad + " " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
