"""The names of an extract: ways of writing them, damage, keystrokes left standing, and lost letters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.generator.columns import joined, replaced, take
from data.generator.damage import damaged_name
from data.generator.encodings import LEGACY, mojibake, sayable
from data.generator.naming import FOLDED, TONE_MOVED, WRITTEN, Naming, naming
from data.generator.rows import Rows
from data.generator.spelling import fold, telex, viqr, vni
from data.generator.vocabulary import REGIONS


@dataclass(frozen=True)
class Phrases:
    """The phrases of ``Naming`` as one encoding says them."""

    title: pa.Array
    upper: pa.Array
    lossy: NDArray[np.bool_]  # by phrase as registered: whether a letter loses its mark


def full_names(rows: Rows) -> pa.Array:
    """The full names as the file holds them."""
    rng, names = rows.rng, rows.people.name[rows.person]
    phrases = _phrases(rows)
    way = np.zeros(rows.count, np.int64)
    way[rng.random(rows.count) < rows.rates.tone_moved] = TONE_MOVED
    way[rng.random(rows.count) < rows.rates.diacritics_dropped] = FOLDED
    if rows.layout.ascii:
        way[:] = FOLDED
    rows.way = way
    column = joined(phrases.upper if rows.layout.capitals else phrases.title, names, way * rows.naming.size)

    damaged = np.flatnonzero(rng.random(rows.count) < rows.rates.name_damaged)
    written = joined(rows.naming.title, names[damaged], way[damaged] * rows.naming.size)
    regions = rows.people.region[rows.person[damaged]].tolist()
    held, kinds = [], []
    for text, region in zip(written.to_pylist(), regions, strict=True):
        wrong, kind = damaged_name(text, REGIONS[region], rows.slips)
        held.append(sayable(wrong, rows.form.encoding))
        kinds.append(kind)
    if rows.layout.ascii:
        damaged, held, kinds = _plain(damaged, held, kinds, written)
    column = replaced(column, damaged, [text.upper() for text in held] if rows.layout.capitals else held)
    standard = pa.array(held, pa.string())
    true = joined(rows.naming.title, names[damaged])
    _plant_ways(rows, "full_name", names, damaged, standard)
    rows.errors.plant(damaged, "full_name", pa.array(kinds, pa.string()), standard, true)
    return _with_residue(rows, column, names, damaged)


def parents_names(rows: Rows) -> dict[str, pa.Array]:
    """The fathers' and the mothers' names, written the way of the child's own."""
    phrases = _phrases(rows)
    missing = rows.rng.random(rows.count) >= rows.layout.parents
    columns = {}
    for field, all_names in (
        ("father_name", rows.people.father_name),
        ("mother_name", rows.people.mother_name),
    ):
        parents = all_names[rows.person]
        absent = missing | ~parents.any(axis=1)
        parents[absent] = 0
        shown = phrases.upper if rows.layout.capitals else phrases.title
        columns[field] = joined(shown, parents, rows.way * rows.naming.size, absent)
        _plant_ways(rows, field, parents, np.zeros(0, np.int64), None)
    return columns


def _phrases(rows: Rows) -> Phrases:
    return _said(rows.naming.namesakes, rows.form.encoding if rows.form.encoding in LEGACY else "")


@cache
def _said(namesakes: float, encoding: str) -> Phrases:
    names: Naming = naming(namesakes)
    lossy = np.zeros(names.size, np.bool_)
    if not encoding:
        return Phrases(names.title, names.upper, lossy)
    titles = [None if text is None else sayable(text, encoding) for text in names.title.to_pylist()]
    for at, (text, said) in enumerate(
        zip(names.title.slice(0, names.size).to_pylist(), titles, strict=False)
    ):
        lossy[at] = text != said
    upper = pa.array([None if text is None else text.upper() for text in titles], pa.string())
    return Phrases(pa.array(titles, pa.string()), upper, lossy)


def _plain(
    rows: NDArray[np.int64], held: list[str], kinds: list[str], written: pa.Array
) -> tuple[NDArray[np.int64], list[str], list[str]]:
    """Damage to names in ASCII: what only touched diacritics leaves no trace."""
    found = [
        (row, fold(text), kind)
        for row, text, kind, true in zip(rows.tolist(), held, kinds, written.to_pylist(), strict=True)
        if fold(text) != true
    ]
    kept, texts, left = zip(*found, strict=True) if found else ((), (), ())
    return np.array(kept, np.int64), list(texts), list(left)


def _plant_ways(
    rows: Rows, field: str, names: NDArray[np.uint16], damaged: NDArray[np.int64], texts: pa.Array | None
) -> None:
    """The errors of how a name is written; ``texts`` is what the damaged ones among them hold."""
    phrases, size = _phrases(rows), rows.naming.size
    for kinds, error, possible in (
        ((TONE_MOVED,), "tone_moved", rows.naming.movable),
        ((FOLDED,), "diacritics_dropped", rows.naming.marked),
        ((WRITTEN, TONE_MOVED), "encoding_loss", phrases.lossy),
    ):
        if error == "diacritics_dropped" and rows.layout.ascii:
            continue
        if not possible.any():
            continue
        at = np.flatnonzero(np.isin(rows.way, kinds))
        at = at[possible[names[at]].any(axis=1)]
        held = joined(phrases.title, names[at], rows.way[at] * size)
        if texts is not None:
            both, in_held, in_damaged = np.intersect1d(at, damaged, assume_unique=True, return_indices=True)
            if len(both):
                held = replaced(held, in_held, take(texts, in_damaged))
        rows.errors.plant(at, field, error, held, joined(rows.naming.title, names[at], WRITTEN))


def _with_residue(
    rows: Rows, column: pa.Array, names: NDArray[np.uint16], damaged: NDArray[np.int64]
) -> pa.Array:
    """Names of which every word stands in keystrokes or in another encoding's signs."""
    rates = rows.rates
    kinds: tuple[tuple[str, float, Callable[[str], str]], ...] = (
        ("telex_residue", rates.name_telex, lambda word: telex(word, False)),
        ("vni_residue", rates.name_vni, lambda word: vni(word, False)),
        ("viqr_residue", rates.name_viqr, viqr),
        ("mojibake", rates.name_mojibake, mojibake),
    )
    if not any(rate for _, rate, _ in kinds):
        return column
    free = (rows.way == WRITTEN) & rows.naming.marked[names].any(axis=1)
    free &= ~_phrases(rows).lossy[names].any(axis=1)
    free[damaged] = False
    able = np.flatnonzero(free)
    pick = rows.stream("residue").random(len(able))
    low = 0.0
    for error, rate, written in kinds:
        high = low + rate * rows.count / max(1, len(able))
        at = able[(pick >= low) & (pick < high)]
        low = high
        kept, held, shown = [], [], []
        for row, text in zip(at.tolist(), joined(rows.naming.title, names[at]).to_pylist(), strict=True):
            standard = " ".join(map(written, text.split(" ")))
            if standard == text:  # of ý the code in TCVN3 is that of Latin-1
                continue
            capitals = standard.upper()
            if error == "mojibake" and rows.layout.capitals:
                standard = capitals = mojibake(text.upper())
            kept.append(row)
            held.append(standard)
            shown.append(capitals if rows.layout.capitals else standard)
        at = np.array(kept, np.int64)
        true = joined(rows.naming.title, names[at])
        rows.errors.plant(at, "full_name", error, pa.array(held, pa.string()), true)
        column = replaced(column, at, shown)
    return column
