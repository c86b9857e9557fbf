"""Repairs: what was changed to read a value, how sure that is, and whether it explained anything.

A repair is a guess until a person is found. Where it contradicts its own row it is undone at once; afterwards
:func:`outcomes` compares it with what the register holds of the linked person.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from linkage.coded import NAME_WIDTH
from linkage.name_keys import fold_codes

#: Columns of a part's repairs: row (of the part), field, kind (a stable code), confidence (0..1);
#: ``unrepaired``, the code of the value as it reads with the repair undone, 0 where it cannot be read so
#: (of a name see :func:`words_code`); ``undone``, whether the row itself spoke against it.
REPAIRS = {
    "row": pl.UInt32,
    "field": pl.String,
    "kind": pl.String,
    "confidence": pl.Float32,
    "unrepaired": pl.Int64,
    "undone": pl.Boolean,
}

#: What became of a repair.
OUTCOMES = ("open", "explains", "undone")
OPEN, EXPLAINS, UNDONE = range(3)

#: Repairs that are guesses about digits, and stand only while the row does not speak against them.
UNSURE = ("leading_zero", "ocr")

Flags = npt.NDArray[np.bool_]


class RepairList:
    """Repairs of one part, gathered field by field."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []

    def add(self, field: str, index: npt.NDArray[np.int64], found: pl.DataFrame) -> None:
        """Note repairs of distinct values on every row that holds them.

        index : which distinct value each row holds, -1 none
        found : ``value``, ``kind``, ``confidence`` and maybe ``unrepaired``; one row a value and kind
        """
        if found.is_empty():
            return
        values = found["value"].to_numpy()
        touched = holding(index, values)
        rows = pl.DataFrame(
            {"row": np.flatnonzero(touched).astype(np.uint32), "value": index[touched].astype(np.int64)}
        )
        joined = rows.join(
            found.with_columns(pl.col("value").cast(pl.Int64)),
            on="value",
            how="inner",
            maintain_order="left_right",
        )
        unrepaired = pl.col("unrepaired") if "unrepaired" in found.columns else pl.lit(0)
        self._frames.append(
            joined.select(
                "row",
                field=pl.lit(field),
                kind=pl.col("kind").cast(pl.String),
                confidence=pl.col("confidence").cast(pl.Float32),
                unrepaired=unrepaired.cast(pl.Int64),
            )
        )

    def table(self, undone: dict[str, Flags]) -> pl.DataFrame:
        """REPAIRS; ``undone`` marks, by field, the rows whose unsure repairs (UNSURE) were taken back."""
        if not self._frames:
            return pl.DataFrame(schema=REPAIRS)
        whole = pl.concat(self._frames).sort("row", "field", "kind")
        back = np.zeros(whole.height, np.bool_)
        row, unsure = whole["row"].to_numpy(), whole["kind"].is_in(UNSURE).to_numpy()
        for field, rows in undone.items():
            back |= (whole["field"] == field).to_numpy() & unsure & rows[row]
        return whole.with_columns(undone=pl.Series(back))


def holding(index: npt.NDArray[np.int64], values: npt.NDArray[np.integer]) -> Flags:
    """Rows whose index (-1 none) is one of ``values``: bool[n]."""
    wanted = values.astype(np.int64)
    flags = np.zeros(max(int(index.max(initial=-1)), int(wanted.max(initial=-1))) + 2, np.bool_)
    flags[wanted] = True
    return flags[index]


def words_code(texts: pl.Series, hash_of: Callable[[pl.Series], npt.NDArray[np.uint64]]) -> pl.Series:
    """Codes of names as their words stand, Int64: in small letters, NFC, cut at spaces, nothing mended.

    Equal to :func:`linkage.name_keys.name_codes` of tokens with the same hashes; ``hash_of`` gives the hash
    of each word in the form that is compared.
    """
    words = texts.str.normalize("NFC").str.to_lowercase().str.strip_chars().str.split(" ")
    cut = words.list.filter(pl.element() != "") if len(words) else words
    count = cut.list.len().to_numpy().astype(np.int64)
    starts = np.cumsum(count) - count
    flat = cut.filter(cut.list.len() > 0).explode(empty_as_null=False)
    hashes = np.maximum(hash_of(flat), np.uint64(1)) if len(flat) else np.zeros(0, np.uint64)
    states = np.ones(len(texts), np.uint64)
    for place in range(NAME_WIDTH):
        # A longer name keeps its first seven words and its last.
        last = place == NAME_WIDTH - 1
        inside = np.flatnonzero(count > place)
        if not inside.size:
            break
        at = starts[inside] + (count[inside] - 1 if last else place)
        states[inside] = fold_codes(states[inside], hashes[at])
    return pl.Series("unrepaired", np.where(count > 0, states, np.uint64(0)).view(np.int64))


def outcomes(
    repaired: npt.NDArray[np.int64],
    unrepaired: npt.NDArray[np.int64],
    register: npt.NDArray[np.int64],
    undone: Flags,
    guess: Flags,
    none: int = 0,
    agree: Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], Flags] = np.equal,
) -> npt.NDArray[np.uint8]:
    """What became of each repair, uint8[n] (OPEN, EXPLAINS, UNDONE).

    EXPLAINS: the value agrees with the register's repaired and not unrepaired. UNDONE: the row spoke against
    the repair, or only the unrepaired value agrees, or neither does and the repair is a guess, which then
    explains nothing. OPEN: no register value to compare with, or the repair makes no difference.

    repaired, unrepaired, register : codes, ``none`` where there is no value; ``undone`` as in REPAIRS
    guess : whether the repair is less than certain; what is certain is another writing of the same value
    agree : tells which of two arrays of codes agree; both hold values
    """
    known = (register != none) & ~undone
    with_it, without_it = np.zeros_like(known), np.zeros_like(known)
    for codes, found in ((repaired, with_it), (unrepaired, without_it)):
        comparable = known & (codes != none)
        found[comparable] = agree(codes[comparable], register[comparable])
    out = np.full(repaired.shape[0], OPEN, np.uint8)
    out[undone | (known & ~with_it & (guess | without_it))] = UNDONE
    out[with_it & ~without_it] = EXPLAINS
    return out
