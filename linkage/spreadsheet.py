"""Texts that are safe to open in a spreadsheet, and back: what would be read as a formula is quoted."""

from __future__ import annotations

import polars as pl

#: A cell that begins with one of these is escaped; the escape itself is among them, so that it can be undone.
ESCAPED = "=+-@\t\r'"

#: What is put before such a cell.
ESCAPE = "'"

#: How a feed's manifest declares it.
DECLARATION = {
    "method": "prefix",
    "prefix": ESCAPE,
    "before": list(ESCAPED),
    "undo": "remove one leading prefix from every cell that begins with it",
}


def escape(column: pl.Expr) -> pl.Expr:
    """Text cells as a spreadsheet may open them (OWASP, CSV injection)."""
    return column.str.replace(r"^([=+\-@\t\r'])", f"{ESCAPE}${{1}}")


def guard(column: pl.Expr) -> pl.Expr:
    """Text cells that a spreadsheet would run, and those of digits that it would change, with the escape.

    It would take leading zeros off, and round what has twelve digits or an exponent. For pages that people
    read; where a program reads them back, :func:`unescape` undoes this too.
    """
    changed = r"0[0-9]+$|[0-9]{12,}$|[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+$"
    return column.str.replace(rf"^([=+\-@\t\r\n']|{changed})", f"{ESCAPE}${{1}}")


def unescape(column: pl.Expr) -> pl.Expr:
    """The cells that :func:`escape` was given."""
    return column.str.strip_prefix(ESCAPE)
